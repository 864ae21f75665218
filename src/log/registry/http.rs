//! One call to the registry.
//!
//! Invariant: an answer is read up to a limit, and no error shows user or password.

use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{RequestBuilder, StatusCode, Url};
use serde::Deserialize;

use super::{Registry, RegistryError};
use crate::config::Secret;

/// Confluent's own types, and the plain one that Apicurio answers with.
const TYPES: &str = "application/vnd.schemaregistry.v1+json, application/json";
const OUR_TYPE: &str = "application/vnd.schemaregistry.v1+json";
/// No schema is larger.
const ANSWER_BYTES: usize = 4 * 1024 * 1024;
/// So much of an answer that makes no sense is quoted.
const QUOTED_CHARS: usize = 200;

/// What came back.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Vec<u8>,
}

#[derive(Deserialize)]
struct Complaint {
    error_code: Option<u32>,
    message: Option<String>,
}

impl Answer {
    fn complaint(&self) -> Option<Complaint> {
        serde_json::from_slice(&self.body).ok()
    }

    /// Confluent's code of an error.
    pub(super) fn code(&self) -> Option<u32> {
        self.complaint()?.error_code
    }

    /// The same for the end of a sentence; nothing where it says nothing.
    pub(super) fn quoted_reason(&self) -> String {
        match self.reason() {
            reason if reason.is_empty() => reason,
            reason => format!(" ({reason:?})"),
        }
    }

    /// What it says of an error, on one line.
    pub(super) fn reason(&self) -> String {
        let said = self.complaint().and_then(|complaint| complaint.message);
        let said = said.unwrap_or_else(|| String::from_utf8_lossy(&self.body).into_owned());
        let words: Vec<&str> = said.split_whitespace().collect();
        words.join(" ").chars().take(QUOTED_CHARS).collect()
    }
}

impl Registry {
    pub(super) async fn get(&self, path: &[&str]) -> Result<Answer, RegistryError> {
        self.call(self.client.get(self.at(path))).await
    }

    pub(super) async fn post(
        &self,
        path: &[&str],
        body: &serde_json::Value,
    ) -> Result<Answer, RegistryError> {
        let request = self.client.post(self.at(path)).header(CONTENT_TYPE, OUR_TYPE);
        self.call(request.body(body.to_string())).await
    }

    /// A path below the registry's own, which may have one.
    fn at(&self, path: &[&str]) -> Url {
        let mut url = self.url.clone();
        // A web address always has a path.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    async fn call(&self, request: RequestBuilder) -> Result<Answer, RegistryError> {
        let mut request = request.header(ACCEPT, TYPES);
        if let Some((user, password)) = &self.user {
            request = request.basic_auth(user, password.as_ref().map(Secret::reveal));
        }
        let away = |error: reqwest::Error| {
            let reason = crate::engine::error_chain(&error.without_url());
            RegistryError::Away { url: self.url.to_string(), reason }
        };
        let mut response = request.send().await.map_err(away)?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(away)? {
            if body.len() + chunk.len() > ANSWER_BYTES {
                let reason = format!(" (more than {ANSWER_BYTES} bytes)");
                let (url, status) = (self.url.to_string(), status.as_u16());
                return Err(RegistryError::Strange { url, status, reason });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, body })
    }
}
