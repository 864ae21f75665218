//! From a request to an answer: paths, tokens, and the faults on the way.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State as Extension};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::calls::{Call, chat_id_of};
use super::error::ApiError;
use super::fault::{Effect, Script};
use super::line::Line;
use super::methods::{self, GET_UPDATES};
use super::params::Params;
use super::shared::{Shared, now_ms_and_instant};

/// Everything that is not the page: API calls and file downloads.
pub(super) async fn answer(
    Extension(shared): Extension<Arc<Shared>>,
    ConnectInfo(line): ConnectInfo<Line>,
    request: Request,
) -> Response {
    let path = decoded(request.uri().path());
    if let Some((token, file)) = path.strip_prefix("/file/bot").and_then(|it| it.split_once('/')) {
        return download(&shared, token, file);
    }
    let Some((token, method)) = path.strip_prefix("/bot").and_then(|it| it.split_once('/')) else {
        return respond(&ApiError::not_found());
    };
    if !is_let_in(&shared, token) {
        return respond(&ApiError::unauthorized());
    }
    let method = methods::canonical(method);
    let params = match Params::read(request).await {
        Ok(params) => params,
        Err(error) => return respond(&error),
    };
    let response = tokio::select! {
        response = call(&shared, &method, &params) => response,
        () = unreachable(&shared) => None,
    };
    response.unwrap_or_else(|| {
        // What is returned now is never written: the connection closes instead.
        line.cut();
        StatusCode::NO_CONTENT.into_response()
    })
}

/// A path without percent signs: some clients encode the colon of a token, or slashes.
fn decoded(path: &str) -> String {
    let mut pieces = path.split('%');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let code = piece.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match code {
            Some(byte) => {
                bytes.push(byte);
                bytes.extend_from_slice(&piece.as_bytes()[2..]);
            }
            None => bytes.extend_from_slice(format!("%{piece}").as_bytes()),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn is_let_in(shared: &Shared, token: &str) -> bool {
    let has_shape = token.split_once(':').is_some_and(|(id, secret)| {
        !secret.is_empty() && !id.is_empty() && id.chars().all(|char| char.is_ascii_digit())
    });
    has_shape && shared.token.as_ref().is_none_or(|only| only == token)
}

/// Resolves when the script makes the server unreachable, even for calls that wait.
async fn unreachable(shared: &Shared) {
    let mut changes = shared.changes();
    while !shared.look(|state| state.script.is_unreachable()) {
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// Performs a call as the script will have it; `None` leaves it without an answer.
async fn call(shared: &Shared, method: &str, params: &Params) -> Option<Response> {
    let (number, effect) = begin(shared, method, params, Script::meet);
    match effect {
        None => Some(finish(shared, number, &perform(shared, number, method, params).await)),
        Some(Effect::Delay(delay)) => {
            wait(shared, delay).await;
            Some(finish(shared, number, &perform(shared, number, method, params).await))
        }
        Some(Effect::Status { code, description, parameters }) => {
            Some(finish(shared, number, &Err(ApiError { code, description, parameters })))
        }
        Some(Effect::HtmlPage(code)) => Some(html_page(code)),
        Some(Effect::AcceptThenHang(silence)) => {
            // Whatever came of it, the bot is not told.
            let _ = perform(shared, number, method, params).await;
            wait(shared, silence).await;
            None
        }
        Some(Effect::AcceptThenDrop) => {
            let _ = perform(shared, number, method, params).await;
            None
        }
        Some(Effect::AcceptThenPage(code)) => {
            let _ = perform(shared, number, method, params).await;
            Some(html_page(code))
        }
        Some(Effect::Hang) => {
            shared.closed().await;
            None
        }
        Some(Effect::DropBefore | Effect::Unreachable) => None,
    }
}

async fn wait(shared: &Shared, time: std::time::Duration) {
    tokio::select! {
        () = tokio::time::sleep(time) => {}
        () = shared.closed() => {}
    }
}

/// Notes the call and asks the script about it.
fn begin(
    shared: &Shared,
    method: &str,
    params: &Params,
    meet: impl FnOnce(&mut Script, &str, Option<i64>) -> Option<Effect>,
) -> (u64, Option<Effect>) {
    let params = params.as_json();
    let (at_ms, at) = now_ms_and_instant();
    shared.act(|state| {
        let effect = meet(&mut state.script, method, chat_id_of(&params));
        let number = state.calls.add(Call {
            number: 0,
            method: method.to_owned(),
            params,
            at,
            at_ms,
            fault: effect.as_ref().map(|effect| format!("{effect:?}")),
            performed: false,
            answer: None,
        });
        (number, effect)
    })
}

async fn perform(
    shared: &Shared,
    number: u64,
    method: &str,
    params: &Params,
) -> Result<Value, ApiError> {
    let outcome = if method == GET_UPDATES {
        methods::updates::get_updates(shared, params).await
    } else {
        shared.act(|state| methods::perform(state, method, params))
    };
    let performed = outcome.is_ok();
    shared.act(|state| {
        if let Some(call) = state.calls.get_mut(number) {
            call.performed = performed;
        }
    });
    outcome
}

/// Performs a call that came as the answer to a webhook delivery.
pub(super) async fn perform_reply(shared: &Shared, method: &str, params: &Params) {
    // A fault would spoil an answer, and here there is none.
    let (number, _) = begin(shared, method, params, |_, _, _| None);
    // The bot learns nothing of the outcome; the log of calls does.
    let outcome = perform(shared, number, method, params).await;
    finish(shared, number, &outcome);
}

fn finish(shared: &Shared, number: u64, outcome: &Result<Value, ApiError>) -> Response {
    let (code, body) = match outcome {
        Ok(result) => (200, json!({"ok": true, "result": result})),
        Err(error) => (error.code, error.envelope()),
    };
    shared.act(|state| {
        if let Some(call) = state.calls.get_mut(number) {
            call.answer = Some(body.clone());
        }
    });
    json_response(code, &body)
}

fn respond(error: &ApiError) -> Response {
    json_response(error.code, &error.envelope())
}

fn json_response(code: u16, body: &Value) -> Response {
    let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

fn html_page(code: u16) -> Response {
    let status = StatusCode::from_u16(code).unwrap_or(StatusCode::BAD_GATEWAY);
    let page = format!("<html><head><title>{status}</title></head><body>{status}</body></html>");
    (status, [(header::CONTENT_TYPE, "text/html")], page).into_response()
}

fn download(shared: &Shared, token: &str, path: &str) -> Response {
    if !is_let_in(shared, token) {
        return respond(&ApiError::unauthorized());
    }
    let found = shared.look(|state| {
        let file = state.world.files.values().find(|file| file.path == path)?;
        state.bytes_of(file)
    });
    match found {
        Some(bytes) => ([(header::CONTENT_TYPE, "application/octet-stream")], Body::from(bytes))
            .into_response(),
        None => respond(&ApiError::not_found()),
    }
}
