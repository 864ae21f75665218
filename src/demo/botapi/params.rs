//! The parameters of a call, in any of the four shapes clients send them.
//!
//! Invariant: whatever the shape was, numbers may be strings and nested objects
//! may be JSON in a string; the getters here accept both.

use std::collections::BTreeMap;

use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::header::CONTENT_TYPE;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::error::ApiError;

/// The largest request, as the real server has it for uploads.
pub(super) const BODY_MAX_BYTES: usize = 50 * 1024 * 1024;

#[derive(Clone, Debug, Default)]
pub(super) struct Params {
    values: Map<String, Value>,
    /// Uploads by the name of their form field.
    files: BTreeMap<String, Upload>,
}

#[derive(Clone, Debug)]
pub(super) struct Upload {
    pub file_name: String,
    pub content_type: Option<String>,
    pub bytes: Bytes,
}

impl Params {
    pub(super) fn new(values: Map<String, Value>) -> Params {
        Params { values, files: BTreeMap::new() }
    }

    /// Other parameters with the uploads of these, as `InputMedia` refers to them.
    pub(super) fn with_files_of_this(&self, values: Map<String, Value>) -> Params {
        Params { values, files: self.files.clone() }
    }

    pub(super) async fn read(request: Request) -> Result<Params, ApiError> {
        let mut params = Params::default();
        if let Some(query) = request.uri().query() {
            params.read_form(query);
        }
        let content_type = request.headers().get(CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
        let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if kind == "multipart/form-data" {
            params.read_multipart(request).await?;
            return Ok(params);
        }
        let body = to_bytes(request.into_body(), BODY_MAX_BYTES).await;
        let body = body.map_err(|_| ApiError::new(413, "Request Entity Too Large"))?;
        if kind == "application/x-www-form-urlencoded" {
            params.read_form(&String::from_utf8_lossy(&body));
        } else if kind == "application/json" && !body.is_empty() {
            let object = serde_json::from_slice::<Map<String, Value>>(&body);
            let object =
                object.map_err(|_| ApiError::bad_request("Can't parse request JSON object"))?;
            params.values.extend(object);
        }
        Ok(params)
    }

    fn read_form(&mut self, encoded: &str) {
        // The base is never asked for: only the decoding of the query is wanted.
        if let Ok(mut url) = reqwest::Url::parse("http://localhost/") {
            url.set_query(Some(encoded));
            for (name, value) in url.query_pairs() {
                self.values.insert(name.into_owned(), json!(value));
            }
        }
    }

    async fn read_multipart(&mut self, request: Request) -> Result<(), ApiError> {
        let broken = || ApiError::bad_request("can't parse the multipart body");
        let mut form = Multipart::from_request(request, &()).await.map_err(|_| broken())?;
        while let Some(field) = form.next_field().await.map_err(|_| broken())? {
            let name = field.name().unwrap_or_default().to_owned();
            let content_type = field.content_type().map(ToOwned::to_owned);
            if let Some(file_name) = field.file_name().map(ToOwned::to_owned) {
                let bytes = field.bytes().await.map_err(|_| broken())?;
                self.files.insert(name, Upload { file_name, content_type, bytes });
            } else {
                let text = field.text().await.map_err(|_| broken())?;
                self.values.insert(name, json!(text));
            }
        }
        Ok(())
    }

    /// Everything as JSON, for the log of calls.
    pub(super) fn as_json(&self) -> Value {
        let mut object = Map::new();
        for (name, value) in &self.values {
            // What a person wrote stays as it is, even if it looks like JSON.
            let nested = !matches!(name.as_str(), "text" | "caption");
            let inner = if nested { opened(value) } else { None };
            object.insert(name.clone(), inner.unwrap_or_else(|| value.clone()));
        }
        for (name, file) in &self.files {
            let summary = json!({"file_name": file.file_name, "size": file.bytes.len()});
            object.insert(name.clone(), summary);
        }
        Value::Object(object)
    }

    pub(super) fn file(&self, name: &str) -> Option<&Upload> {
        self.files.get(name)
    }

    /// A text; the empty one counts as missing.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        match self.values.get(name)? {
            Value::String(text) if text.is_empty() => None,
            Value::String(text) => Some(text.clone()),
            Value::Null => None,
            other => Some(other.to_string()),
        }
    }

    pub(super) fn integer(&self, name: &str) -> Option<i64> {
        match self.values.get(name)? {
            Value::String(text) => text.trim().parse().ok(),
            other => other.as_i64(),
        }
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        match self.values.get(name) {
            Some(Value::Bool(flag)) => *flag,
            Some(Value::String(text)) => matches!(text.to_ascii_lowercase().as_str(), "true" | "1"),
            Some(Value::Number(number)) => number.as_i64() == Some(1),
            _ => false,
        }
    }

    /// An object or array, given as such or as JSON in a string.
    pub(super) fn json(&self, name: &str) -> Result<Option<Value>, ApiError> {
        match self.values.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) => {
                let parsed = serde_json::from_str(text);
                parsed
                    .map(Some)
                    .map_err(|_| ApiError::bad_request(&format!("can't parse {name} JSON object")))
            }
            Some(other) => Ok(Some(other.clone())),
        }
    }

    pub(super) fn parsed<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, ApiError> {
        let Some(value) = self.json(name)? else {
            return Ok(None);
        };
        let parsed = serde_json::from_value(value);
        parsed
            .map(Some)
            .map_err(|error| ApiError::bad_request(&format!("can't parse {name}: {error}")))
    }
}

/// A string that holds a JSON object or array, opened.
fn opened(value: &Value) -> Option<Value> {
    let text = value.as_str()?;
    if !text.starts_with(['{', '[']) {
        return None;
    }
    serde_json::from_str(text).ok()
}
