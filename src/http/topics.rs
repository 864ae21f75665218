//! `/topics/{topic}`: the lines of `topic write` come in, and those of `topic read` go out.
//!
//! Invariant: without the token nothing is read of a request but its head. What is answered as
//! written is durable.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, FromRequest, Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use clap::ValueEnum;
use futures_util::stream;
use serde::Deserialize;
use serde_json::{Value, json};
use subtle::ConstantTimeEq;

use crate::clock::Clock;
use crate::config::Secret;
use crate::engine::error_chain;
use crate::kernel::record::NewRecord;
use crate::log::once::{Appended, Ends, Once, OnceError};
use crate::log::topics::{Topic, Topics};
use crate::log::{EventLog, LogError};
use crate::ops::topic::{self, Begin, LineFormat, LineParser, Lines, ParsedLines, Piece};

/// The largest body of a request; a longer line is none for `topic write` either.
const BODY_MAX_BYTES: usize = 16 * 1024 * 1024;
/// How long a body may take to arrive.
const BODY_WITHIN: Duration = Duration::from_secs(60);
/// Rejected lines whose reasons are told; the others are counted.
const REASONS_MAX: usize = 100;
const LINES: &str = "application/x-ndjson";

/// What the pages work on.
#[derive(Clone)]
pub struct TopicPages {
    pub log: Arc<dyn EventLog>,
    pub topics: Topics,
    pub clock: Arc<dyn Clock>,
    /// Who shows it is let in. `None`: nobody is.
    pub token: Option<Secret>,
    pub once: Once,
}

/// The pages themselves.
pub fn routes(pages: TopicPages) -> Router {
    Router::new()
        .route("/topics/{topic}", post(write).get(read))
        .layer(DefaultBodyLimit::max(BODY_MAX_BYTES))
        .with_state(pages)
}

/// Why a request is not answered as it wished.
struct Refusal {
    status: StatusCode,
    reason: String,
}

impl Refusal {
    fn new(status: StatusCode, reason: impl Into<String>) -> Refusal {
        Refusal { status, reason: reason.into() }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "error": self.reason }))).into_response()
    }
}

impl From<LogError> for Refusal {
    fn from(error: LogError) -> Refusal {
        let status = match error.is_of_record() {
            true => StatusCode::UNPROCESSABLE_ENTITY,
            false => StatusCode::SERVICE_UNAVAILABLE,
        };
        Refusal::new(status, error_chain(&error))
    }
}

impl From<OnceError> for Refusal {
    fn from(error: OnceError) -> Refusal {
        match error {
            OnceError::Log(error) => error.into(),
            OnceError::Place(reason) => Refusal::new(StatusCode::BAD_REQUEST, reason),
        }
    }
}

/// Lines that the log did not take while it took others: to be sent again, without those.
#[derive(Default)]
struct Untaken {
    /// Their numbers, from 1 on.
    lines: Vec<u64>,
    trouble: Option<LogError>,
}

/// What may be asked for in the query.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// What a line is, as `--format` of `topic write`.
    format: Option<String>,
    /// The topic's ends from before the lines were first sent: those that the log holds behind
    /// them are not written again (`log::once`).
    since: Option<String>,
}

async fn write(
    State(pages): State<TopicPages>,
    Path(name): Path<String>,
    query: Result<Query<Asked>, axum::extract::rejection::QueryRejection>,
    request: Request,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    pages.expect_token(request.headers())?;
    let found = pages.find(&name)?;
    let bad = |reason: String| Refusal::new(StatusCode::BAD_REQUEST, reason);
    let Query(asked) = query.map_err(|rejection| bad(rejection.body_text()))?;
    let format = match &asked.format {
        None => LineFormat::Record,
        Some(text) => LineFormat::from_str(text, false)
            .map_err(|_| bad(format!("format is {text:?}, expected record or value")))?,
    };
    let since = asked.since.as_deref().map(str::parse::<Ends>).transpose();
    let since = since.map_err(|reason| bad(format!("since is {reason}")))?;
    let body = tokio::time::timeout(BODY_WITHIN, Bytes::from_request(request, &())).await;
    let body =
        body.map_err(|_| Refusal::new(StatusCode::REQUEST_TIMEOUT, "the body is too slow"))?;
    let body = body.map_err(|rejection| Refusal::new(rejection.status(), rejection.body_text()))?;
    pages.topics.create(pages.log.as_ref()).await?;
    pages.topics.prepare(found).await.map_err(LogError::from)?;
    let partitions = pages.log.partitions(&found.log_name).await?;
    let parser = LineParser::new(found, format, Vec::new(), partitions);
    let now_ms = pages.clock.now_ms();
    let parsed =
        tokio::task::spawn_blocking(move || topic::parse_lines(&body, &parser, now_ms)).await;
    let ParsedLines { records, numbers, mut rejected } = parsed
        .map_err(|error| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    let mut untaken = Untaken::default();
    let done = match since {
        Some(since) => {
            pages.once.append(pages.log.clone(), &found.log_name, since, records).await?
        }
        None => pages.append(found, records, &numbers, &mut untaken).await?,
    };
    rejected.extend(done.refused.into_iter().map(|(index, reason)| (numbers[index], reason)));
    rejected.sort_unstable();
    let reason = |(line, reason): &(u64, String)| json!({ "line": line, "reason": reason });
    let reasons: Vec<Value> = rejected.iter().take(REASONS_MAX).map(reason).collect();
    let mut said = json!({
        "written": done.written,
        "repeated": done.repeated,
        "rejected": rejected.len(),
        "reasons": reasons,
        "ends": done.ends.to_string(),
    });
    let Some(error) = untaken.trouble else { return Ok((StatusCode::OK, Json(said))) };
    said["error"] = error_chain(&error).into();
    said["not_written"] = untaken.lines.into();
    Ok((StatusCode::SERVICE_UNAVAILABLE, Json(said)))
}

async fn read(
    State(pages): State<TopicPages>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    pages.expect_token(&headers)?;
    let found = pages.find(&name)?;
    let lines = Lines::open(pages.log.as_ref(), &pages.topics, found, Begin::Start).await?;
    // An error on the way breaks the connection off: whoever reads sees that it is not all.
    let text = stream::try_unfold(lines, async |mut lines| {
        while !lines.is_at_end() {
            if let Piece::Lines(text) = lines.next().await? {
                return Ok::<_, LogError>(Some((text, lines)));
            }
        }
        Ok(None)
    });
    Ok(([(header::CONTENT_TYPE, LINES)], Body::from_stream(text)).into_response())
}

impl TopicPages {
    /// Compares in the same time wherever the two differ.
    fn expect_token(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let Some(token) = &self.token else {
            let reason = "http.token is not set, so nobody may read or write topics here";
            return Err(Refusal::new(StatusCode::FORBIDDEN, reason));
        };
        let given = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
        let given = given.and_then(|value| {
            let (scheme, token) = value.split_at_checked("Bearer ".len())?;
            scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token)
        });
        let expected = token.reveal().as_bytes();
        if given.is_some_and(|given| given.ct_eq(expected).into()) {
            return Ok(());
        }
        let reason = "expected the header `Authorization: Bearer` with http.token as it is set here; \
                      a sensor's http.token must be the same";
        Err(Refusal::new(StatusCode::UNAUTHORIZED, reason))
    }

    fn find(&self, name: &str) -> Result<&Topic, Refusal> {
        topic::find(&self.topics, name)
            .map_err(|error| Refusal::new(StatusCode::NOT_FOUND, error.to_string()))
    }

    /// Appends each record that the log takes. The lines of those that it does not take because it is
    /// in trouble are untaken.
    async fn append(
        &self,
        found: &Topic,
        records: Vec<NewRecord>,
        numbers: &[u64],
        untaken: &mut Untaken,
    ) -> Result<Appended, LogError> {
        // Asked first: what is written is answered, whatever becomes of the log meanwhile.
        let ends = Ends::of(self.log.as_ref(), &found.log_name).await?;
        let mut done = Appended { written: 0, repeated: 0, refused: Vec::new(), ends };
        if records.is_empty() {
            return Ok(done);
        }
        let outcomes = self.log.append_each(&found.log_name, records).await?;
        for (index, outcome) in outcomes.into_iter().enumerate() {
            match outcome {
                Ok(_) => done.written += 1,
                Err(error) if error.is_of_record() => {
                    done.refused.push((index, error.to_string()));
                }
                Err(error) => {
                    untaken.lines.push(numbers[index]);
                    untaken.trouble = Some(error);
                }
            }
        }
        Ok(done)
    }
}
