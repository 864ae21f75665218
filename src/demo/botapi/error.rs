//! The errors of the Bot API, as a bot sees them.

use serde_json::{Value, json};

/// What is answered instead of a result.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{code} {description}")]
pub(super) struct ApiError {
    pub code: u16,
    pub description: String,
    pub parameters: Option<Value>,
}

impl ApiError {
    pub(super) fn new(code: u16, description: &str) -> ApiError {
        ApiError { code, description: description.to_owned(), parameters: None }
    }

    /// 400 with the usual prefix.
    pub(super) fn bad_request(reason: &str) -> ApiError {
        ApiError::new(400, &format!("Bad Request: {reason}"))
    }

    pub(super) fn not_found() -> ApiError {
        ApiError::new(404, "Not Found")
    }

    pub(super) fn unauthorized() -> ApiError {
        ApiError::new(401, "Unauthorized")
    }

    pub(super) fn conflict(reason: &str) -> ApiError {
        ApiError::new(409, &format!("Conflict: {reason}"))
    }

    /// The body of the answer.
    pub(super) fn envelope(&self) -> Value {
        let mut body =
            json!({"ok": false, "error_code": self.code, "description": self.description});
        if let Some(parameters) = &self.parameters {
            body["parameters"] = parameters.clone();
        }
        body
    }
}
