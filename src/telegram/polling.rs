//! Long polling: the next `getUpdates` confirms only what is stored.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::access::FixedAccess;
use super::client::{BotApi, CALL_TIMEOUT, CallError};
use super::ingress;
use crate::engine::{error_chain, jittered};
use crate::store::{Store, StoreError, inbox};

/// How long Telegram may hold a poll open.
const POLL: Duration = Duration::from_secs(25);
/// How long we wait for its answer.
const POLL_TIMEOUT: Duration = Duration::from_secs(40);
/// The first and the longest wait after a poll that failed.
const FIRST_RETRY: Duration = Duration::from_millis(500);
const LONGEST_RETRY: Duration = Duration::from_secs(30);
/// Updates in one answer (Bot API: at most 100).
const BATCH: i64 = 100;

/// Polls until `stop` turns true.
pub async fn run(
    store: Store,
    api: BotApi,
    fixed: FixedAccess,
    mut stop: watch::Receiver<bool>,
) -> Result<(), StoreError> {
    let mut wait = FIRST_RETRY;
    while !*stop.borrow() {
        let polled = tokio::select! {
            _ = stop.changed() => break,
            polled = poll(&store, &api, &fixed) => polled,
        };
        let pause = match polled {
            Ok(Polled::Moved) => {
                wait = FIRST_RETRY;
                continue;
            }
            // Updates that we have already, again: asking at once would only bring them once more.
            Ok(Polled::NothingNew) => jittered(wait),
            Err(PollError::Call(error)) => pause_after(&api, &error, wait).await,
            Err(PollError::Store(StoreError::Closed)) => return Err(StoreError::Closed),
            Err(PollError::Store(error)) => {
                // Nothing was confirmed: Telegram keeps the updates.
                tracing::error!(error = %error_chain(&error), "updates could not be stored");
                jittered(wait)
            }
        };
        wait = (wait * 2).min(LONGEST_RETRY);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stop.changed() => {}
        }
    }
    Ok(())
}

/// What a poll brought.
enum Polled {
    /// Something new, or nothing at all after a long wait.
    Moved,
    NothingNew,
}

enum PollError {
    Call(CallError),
    Store(StoreError),
}

async fn poll(store: &Store, api: &BotApi, fixed: &FixedAccess) -> Result<Polled, PollError> {
    let offset = store
        .read(|db| Box::pin(async move { inbox::next_update_id(db).await }))
        .await
        .map_err(PollError::Store)?;
    let mut params = json!({
        "timeout": POLL.as_secs(),
        "limit": BATCH,
        "allowed_updates": ["message", "edited_message", "channel_post", "callback_query"],
    });
    if let Some(offset) = offset {
        params["offset"] = offset.into();
    }
    let result = api.call("getUpdates", &params, POLL_TIMEOUT).await.map_err(PollError::Call)?;
    let Value::Array(updates) = result else { return Ok(Polled::NothingNew) };
    if updates.is_empty() {
        return Ok(Polled::Moved);
    }
    let taken = ingress::take(store, fixed, updates).await.map_err(PollError::Store)?;
    Ok(if taken > 0 { Polled::Moved } else { Polled::NothingNew })
}

async fn pause_after(api: &BotApi, error: &CallError, wait: Duration) -> Duration {
    match error {
        CallError::Refused { code: 409, description, .. } if description.contains("webhook") => {
            tracing::warn!("a webhook is set; it is taken away, what is pending stays pending");
            if let Err(error) = api.call("deleteWebhook", &json!({}), CALL_TIMEOUT).await {
                tracing::warn!(%error, "the webhook could not be taken away");
            }
            jittered(wait)
        }
        CallError::Refused { code: 409, description, .. } => {
            tracing::error!(
                description,
                "another instance polls with this token; I wait for it to end"
            );
            jittered(LONGEST_RETRY.min(wait.max(Duration::from_secs(3))))
        }
        CallError::Refused { retry_after_s: Some(seconds), .. } => {
            Duration::from_secs(u64::try_from(*seconds).unwrap_or(1))
        }
        error => {
            tracing::warn!(%error, "polling failed; it is tried again");
            jittered(wait)
        }
    }
}
