//! `/healthz` (does the process work?) and `/readyz` (is everything there that it works with?).

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::{ANSWER_WITHIN, Operations};
use crate::engine::{LogEnds, Phase, error_chain};
use crate::telegram::webhook::Registration;

/// 200 while the store's writer takes jobs. Nothing else counts: what is missing outside is for
/// `/readyz` to tell, and a restart would not help.
pub(super) async fn alive(State(operations): State<Operations>) -> Response {
    let writer = operations.workshop.store.writer();
    match tokio::time::timeout(ANSWER_WITHIN, writer.answer()).await {
        Ok(Ok(())) => (StatusCode::OK, "alive\n").into_response(),
        Ok(Err(error)) => not_alive(&error_chain(&error)),
        Err(_) => not_alive("the writer does not answer"),
    }
}

fn not_alive(reason: &str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, format!("the store does not work: {reason}\n"))
        .into_response()
}

/// 200 when nothing is missing; else 503 with what is.
pub(super) async fn ready(State(operations): State<Operations>) -> Response {
    let missing = missing(&operations).await;
    let status = match missing.is_empty() {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, Json(json!({ "ready": missing.is_empty(), "missing": missing }))).into_response()
}

async fn missing(operations: &Operations) -> Vec<String> {
    let mut missing = Vec::new();
    if !operations.telegram.is_reachable() {
        missing.push("telegram does not answer".to_owned());
    }
    if let Some(webhook) = &operations.webhook
        && let Registration::Waiting(reason) = &*webhook.borrow()
    {
        missing.push(format!("the webhook waits: {reason}"));
    }
    let workshop = &operations.workshop;
    match tokio::time::timeout(ANSWER_WITHIN, workshop.store.check()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => missing.push(format!("the store cannot write: {}", error_chain(&error))),
        Err(_) => missing.push("the store does not answer".to_owned()),
    }
    let ends = LogEnds::read(workshop.log.as_ref(), &workshop.topics);
    match tokio::time::timeout(ANSWER_WITHIN, ends).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => missing.push(format!("the log cannot be read: {}", error_chain(&error))),
        Err(_) => missing.push("the log does not answer".to_owned()),
    }
    for pipeline in operations.pipelines.iter() {
        let name = pipeline.name;
        match &*pipeline.phase.borrow() {
            Phase::Folding => {}
            Phase::Rebuilding => missing.push(format!("pipeline {name} is being rebuilt")),
            Phase::ReadingTables => missing.push(format!("pipeline {name} reads its tables")),
            Phase::Waiting(reason) => missing.push(format!("pipeline {name} waits: {reason}")),
            Phase::Pausing(reason) => missing.push(format!("pipeline {name} pauses: {reason}")),
            Phase::Halted(reason) => {
                missing.push(format!("pipeline {name} stands still: {reason}"));
            }
        }
    }
    missing
}
