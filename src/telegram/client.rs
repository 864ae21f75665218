//! Calls of the Bot API, and what can be known about a call that failed.
//!
//! Our own few lines over reqwest instead of teloxide's client: that one sleeps ten seconds inside
//! every 5xx, cannot give an update's raw text, and does not tell "refused" from "unknown".
//! The token is in every URL, so no error of this module carries one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::DateTime;
use reqwest::header::{DATE, HeaderMap};
use reqwest::multipart::{Form, Part};
use reqwest::{RequestBuilder, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::meter::Meter;
use crate::config::Secret;

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an ordinary call may take.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(20);

/// Telegram's longest waits are some hours; whatever claims more is asked again after this long.
pub const LONGEST_RETRY_AFTER_S: i64 = 24 * 60 * 60;

/// Why a call brought nothing.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CallError {
    /// Telegram answered that it will not.
    #[error("telegram refused ({code}): {description}")]
    Refused { code: i64, description: String, retry_after_s: Option<i64>, migrate_to: Option<i64> },
    /// The call never reached Telegram.
    #[error("telegram could not be reached: {0}")]
    Unsent(String),
    /// The call may or may not have been carried out.
    #[error("no answer from telegram that says what happened: {0}")]
    Unknown(String),
}

/// A client for one bot.
#[derive(Clone)]
pub struct BotApi {
    http: reqwest::Client,
    /// `https://api.telegram.org/bot<token>`: secret.
    base: Secret,
    meter: Arc<Meter>,
}

/// Is this a URL that calls can go to? `Err` says what was expected.
pub fn check_url(api_url: &str) -> Result<(), String> {
    let expected = "expected a URL such as https://api.telegram.org";
    match reqwest::Url::parse(api_url) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(()),
        Ok(_) => Err(format!("telegram.api_url is {api_url:?}, {expected}")),
        Err(error) => Err(format!("telegram.api_url is {api_url:?}, {expected}: {error}")),
    }
}

/// A file that goes with a call; a parameter names it as `attach://` and its name.
#[derive(Debug, Clone)]
pub struct Upload {
    pub name: String,
    pub mime: &'static str,
    pub bytes: Vec<u8>,
}

#[derive(Deserialize)]
struct Answer {
    ok: bool,
    result: Option<Value>,
    error_code: Option<i64>,
    description: Option<String>,
    parameters: Option<Parameters>,
}

#[derive(Deserialize)]
struct Parameters {
    retry_after: Option<i64>,
    migrate_to_chat_id: Option<i64>,
}

impl BotApi {
    pub fn new(api_url: &str, token: &Secret) -> Result<BotApi, CallError> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .build()
            .map_err(|error| CallError::Unsent(error.without_url().to_string()))?;
        let base = format!("{}/bot{}", api_url.trim_end_matches('/'), token.reveal());
        Ok(BotApi { http, base: Secret::new(base), meter: Arc::default() })
    }

    /// What is counted of these calls, and of what they are made for.
    pub fn meter(&self) -> &Arc<Meter> {
        &self.meter
    }

    /// Calls a method and gives its `result`.
    pub async fn call(
        &self,
        method: &str,
        params: &Value,
        timeout: Duration,
    ) -> Result<Value, CallError> {
        self.counted(method, self.post(method).json(params), timeout).await
    }

    /// The same with a file.
    pub async fn call_with_file(
        &self,
        method: &str,
        params: &Value,
        file: Upload,
        timeout: Duration,
    ) -> Result<Value, CallError> {
        let part = Part::bytes(file.bytes).file_name(file.name.clone()).mime_str(file.mime);
        let part = part.map_err(|error| CallError::Unsent(error.without_url().to_string()))?;
        let mut form = Form::new();
        for (name, value) in params.as_object().into_iter().flatten() {
            // Whatever is no text goes as JSON.
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            form = form.text(name.clone(), text);
        }
        let request = self.post(method).multipart(form.part(file.name, part));
        self.counted(method, request, timeout).await
    }

    async fn counted(
        &self,
        method: &str,
        request: RequestBuilder,
        timeout: Duration,
    ) -> Result<Value, CallError> {
        let began = Instant::now();
        let result = attempt(request, timeout).await.map(|(result, _)| result);
        self.meter.count_call(method, began.elapsed(), &result);
        if let Err(CallError::Refused { code: 401, .. }) = &result
            && self.meter.may_complain_of_token()
        {
            tracing::error!(
                "telegram does not accept this token: @BotFather shows the present one under \
                 /mybots; set it and restart me. Until then nothing is sent, and nothing is lost"
            );
        }
        result
    }

    /// Asks something that needs no parameters; also gives Telegram's clock, in milliseconds.
    pub async fn ask(
        &self,
        method: &str,
        timeout: Duration,
    ) -> Result<(Value, Option<i64>), CallError> {
        attempt(self.post(method).json(&Value::Object(Map::new())), timeout).await
    }

    fn post(&self, method: &str) -> RequestBuilder {
        self.http.post(format!("{}/{method}", self.base.reveal()))
    }
}

async fn attempt(
    request: RequestBuilder,
    timeout: Duration,
) -> Result<(Value, Option<i64>), CallError> {
    let sent = request.timeout(timeout).send().await;
    let response = sent.map_err(|error| failure(&error.without_url()))?;
    let status = response.status();
    let date_ms = date_ms(response.headers());
    let body = response.bytes().await.map_err(|error| failure(&error.without_url()))?;
    read_answer(status, &body).map(|result| (result, date_ms))
}

/// What the answer to a call says became of it.
pub fn read_answer(status: StatusCode, body: &[u8]) -> Result<Value, CallError> {
    match serde_json::from_slice::<Answer>(body) {
        Ok(answer) => read(answer),
        // An error page of something in between: the call was not taken.
        Err(_) if status.is_client_error() => {
            Err(CallError::Unsent(format!("status {status}, and no JSON")))
        }
        Err(_) => Err(CallError::Unknown(format!("status {status}, and no JSON"))),
    }
}

fn read(answer: Answer) -> Result<Value, CallError> {
    if answer.ok {
        return Ok(answer.result.unwrap_or(Value::Null));
    }
    let parameters = answer.parameters;
    Err(CallError::Refused {
        code: answer.error_code.unwrap_or(0),
        description: answer.description.unwrap_or_default(),
        retry_after_s: parameters.as_ref().and_then(|given| given.retry_after).map(bearable),
        migrate_to: parameters.as_ref().and_then(|given| given.migrate_to_chat_id),
    })
}

/// A wait that is a wait: neither in the past nor for ever.
fn bearable(retry_after_s: i64) -> i64 {
    retry_after_s.clamp(0, LONGEST_RETRY_AFTER_S)
}

/// What the server's clock says, to the second.
fn date_ms(headers: &HeaderMap) -> Option<i64> {
    let date = headers.get(DATE)?.to_str().ok()?;
    Some(DateTime::parse_from_rfc2822(date).ok()?.timestamp_millis())
}

fn failure(error: &reqwest::Error) -> CallError {
    let words = crate::engine::error_chain(error);
    if error.is_connect() || error.is_builder() {
        return CallError::Unsent(words);
    }
    CallError::Unknown(words)
}
