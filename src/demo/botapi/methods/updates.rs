//! How the bot gets its updates: getUpdates and the settings of the webhook.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::demo::botapi::error::ApiError;
use crate::demo::botapi::params::Params;
use crate::demo::botapi::shared::{Shared, State, Webhook};

const LIMIT_MAX: i64 = 100;
/// The longest long poll.
const TIMEOUT_MAX_S: u64 = 50;
const SECRET_MAX_CHARS: usize = 256;
const MAX_CONNECTIONS: i64 = 40;

const ENDED_BY_POLL: &str =
    "terminated by other getUpdates request; make sure that only one bot instance is running";
const ENDED_BY_WEBHOOK: &str = "terminated by setWebhook request";
const WEBHOOK_IS_ACTIVE: &str = "can't use getUpdates method while webhook is active; \
                                 use deleteWebhook to delete the webhook first";

/// Waits for updates; a newer call or a webhook ends it with a conflict.
pub(in crate::demo::botapi) async fn get_updates(
    shared: &Shared,
    params: &Params,
) -> Result<Value, ApiError> {
    let limit = params.integer("limit").unwrap_or(LIMIT_MAX).clamp(1, LIMIT_MAX);
    let limit = usize::try_from(limit).unwrap_or(1);
    let timeout_s = u64::try_from(params.integer("timeout").unwrap_or(0)).unwrap_or(0);
    let deadline = Instant::now() + Duration::from_secs(timeout_s.min(TIMEOUT_MAX_S));
    let version = shared.act(|state| begin_poll(state, params))?;
    let mut changes = shared.changes();
    loop {
        changes.borrow_and_update();
        let found = shared.look(|state| waiting(state, version, limit))?;
        if !found.is_empty() || Instant::now() >= deadline {
            return Ok(Value::Array(found));
        }
        tokio::select! {
            _ = changes.changed() => {}
            () = tokio::time::sleep_until(deadline) => {}
            () = shared.closed() => return Ok(json!([])),
        }
    }
}

/// Ends an older poll and forgets what this one confirms; gives its version.
fn begin_poll(state: &mut State, params: &Params) -> Result<u64, ApiError> {
    if state.delivery.webhook.is_some() {
        return Err(ApiError::conflict(WEBHOOK_IS_ACTIVE));
    }
    allow(state, params)?;
    let offset = params.integer("offset").unwrap_or(0);
    if offset > 0 {
        state.confirm(offset);
    }
    if offset < 0 {
        let from_end = usize::try_from(-offset).unwrap_or(usize::MAX);
        let updates = &state.world.updates;
        let kept = updates.len().saturating_sub(from_end);
        if let Some((first, _)) = updates.get(kept).cloned() {
            state.confirm(first);
        }
    }
    state.delivery.poll_version += 1;
    state.delivery.poll_ended_by = ENDED_BY_POLL;
    Ok(state.delivery.poll_version)
}

fn waiting(state: &State, version: u64, limit: usize) -> Result<Vec<Value>, ApiError> {
    if state.delivery.poll_version != version {
        return Err(ApiError::conflict(state.delivery.poll_ended_by));
    }
    Ok(state.world.updates.iter().take(limit).map(|(_, update)| update.clone()).collect())
}

/// Remembers `allowed_updates`, if it was given; an empty list means the usual kinds.
fn allow(state: &mut State, params: &Params) -> Result<(), ApiError> {
    if let Some(kinds) = params.parsed::<Vec<String>>("allowed_updates")? {
        state.delivery.allowed = (!kinds.is_empty()).then_some(kinds);
    }
    Ok(())
}

pub(super) fn set_webhook(state: &mut State, params: &Params) -> Result<Value, ApiError> {
    let Some(url) = params.text("url") else {
        return delete_webhook(state, params);
    };
    let parsed = reqwest::Url::parse(&url);
    let is_web = parsed.is_ok_and(|parsed| matches!(parsed.scheme(), "http" | "https"));
    if !is_web {
        let problem = "bad webhook: An HTTPS URL must be provided for webhook";
        return Err(ApiError::bad_request(problem));
    }
    let secret = params.text("secret_token");
    let is_plain = |char: char| char.is_ascii_alphanumeric() || char == '_' || char == '-';
    if secret.as_ref().is_some_and(|secret| !secret.chars().all(is_plain)) {
        let problem = "secret token contains unallowed characters";
        return Err(ApiError::bad_request(problem));
    }
    if secret.as_ref().is_some_and(|secret| secret.len() > SECRET_MAX_CHARS) {
        return Err(ApiError::bad_request("secret token is too long"));
    }
    allow(state, params)?;
    let max_connections = params.integer("max_connections").unwrap_or(MAX_CONNECTIONS);
    let webhook = Webhook { url, secret, max_connections, last_error: None };
    replace_webhook(state, params, Some(webhook));
    Ok(json!(true))
}

pub(super) fn delete_webhook(state: &mut State, params: &Params) -> Result<Value, ApiError> {
    replace_webhook(state, params, None);
    Ok(json!(true))
}

fn replace_webhook(state: &mut State, params: &Params, webhook: Option<Webhook>) {
    if webhook.is_some() {
        state.delivery.poll_version += 1;
        state.delivery.poll_ended_by = ENDED_BY_WEBHOOK;
    }
    state.delivery.webhook = webhook;
    state.delivery.webhook_version += 1;
    if params.flag("drop_pending_updates") {
        let before = state.world.next_update_id;
        state.confirm(before);
    }
}

pub(super) fn get_webhook_info(state: &mut State, _params: &Params) -> Result<Value, ApiError> {
    let mut info = json!({
        "url": "",
        "has_custom_certificate": false,
        "pending_update_count": state.world.updates.len(),
    });
    if let Some(webhook) = &state.delivery.webhook {
        info["url"] = json!(webhook.url);
        info["max_connections"] = json!(webhook.max_connections);
        if let Some((date, text)) = &webhook.last_error {
            info["last_error_date"] = json!(date);
            info["last_error_message"] = json!(text);
        }
    }
    if let Some(kinds) = &state.delivery.allowed {
        info["allowed_updates"] = json!(kinds);
    }
    Ok(info)
}
