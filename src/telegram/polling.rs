//! Long polling: the next `getUpdates` confirms only what is stored.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::access::FixedAccess;
use super::client::{BotApi, CallError};
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
            Ok(()) => {
                wait = FIRST_RETRY;
                continue;
            }
            Err(PollError::Call(error)) => pause_after(&error, wait),
            Err(PollError::Store(StoreError::Closed)) => return Err(StoreError::Closed),
            Err(PollError::Store(error)) => {
                // Nothing was confirmed: Telegram keeps the updates.
                tracing::error!(error = %error_chain(&error), "updates could not be stored");
                wait
            }
        };
        wait = (wait * 2).min(LONGEST_RETRY);
        tokio::select! {
            () = tokio::time::sleep(jittered(pause)) => {}
            _ = stop.changed() => {}
        }
    }
    Ok(())
}

enum PollError {
    Call(CallError),
    Store(StoreError),
}

async fn poll(store: &Store, api: &BotApi, fixed: &FixedAccess) -> Result<(), PollError> {
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
    let Value::Array(updates) = result else { return Ok(()) };
    if updates.is_empty() {
        return Ok(());
    }
    ingress::take(store, fixed, updates).await.map_err(PollError::Store)
}

fn pause_after(error: &CallError, wait: Duration) -> Duration {
    match error {
        CallError::Refused { code: 409, description, .. } => {
            tracing::error!(
                description,
                "another instance polls with this token, or a webhook is set; I wait for it to end"
            );
            LONGEST_RETRY.min(wait.max(Duration::from_secs(3)))
        }
        CallError::Refused { retry_after_s: Some(seconds), .. } => {
            Duration::from_secs(u64::try_from(*seconds).unwrap_or(1))
        }
        error => {
            tracing::warn!(%error, "polling failed; it is tried again");
            wait
        }
    }
}
