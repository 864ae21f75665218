//! Long polling: the next `getUpdates` confirms only what is stored.
//!
//! Invariant: what Telegram still holds is asked for, not what we believe it holds. Where to go on
//! is known only within one life, from what polls brought; a life begins with whatever is
//! unconfirmed, and the inbox knows what it has already. So nothing is skipped after a webhook, a
//! restored backup, or a week after which Telegram began its numbers anew.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::watch;

use super::access::FixedAccess;
use super::client::{BotApi, CALL_TIMEOUT, CallError};
use super::ingress::{self, ALLOWED_UPDATES};
use crate::engine::jittered;
use crate::store::intake::Way;
use crate::store::{Store, StoreError};

/// How long Telegram may hold a poll open.
const POLL: Duration = Duration::from_secs(25);
/// How long we wait for its answer.
const POLL_TIMEOUT: Duration = Duration::from_secs(40);
/// The first and the longest wait after a poll that failed.
const FIRST_RETRY: Duration = Duration::from_millis(500);
const LONGEST_RETRY: Duration = Duration::from_secs(30);
/// The least wait while another instance has the updates.
const RIVAL_RETRY: Duration = Duration::from_secs(3);
/// Another instance is noted in the store this often.
const RIVAL_NOTED_EVERY: Duration = Duration::from_secs(60);
/// Updates in one answer (Bot API: at most 100).
const BATCH: i64 = 100;

/// Polls until `stop` turns true.
pub async fn run(
    store: Store,
    api: BotApi,
    fixed: FixedAccess,
    bot_name: String,
    mut stop: watch::Receiver<bool>,
) -> Result<(), StoreError> {
    ingress::begin(&store, Way::Polling).await?;
    let mut poller =
        Poller { store, api, fixed, bot_name, offset: None, has_polled: false, rival_noted: None };
    let mut wait = FIRST_RETRY;
    while !*stop.borrow() {
        let polled = tokio::select! {
            _ = stop.changed() => break,
            polled = poller.poll() => polled,
        };
        let pause = match polled {
            Ok(()) => {
                wait = FIRST_RETRY;
                continue;
            }
            Err(PollError::Call(error)) => match poller.pause_after(&error, wait).await {
                Ok(pause) => pause,
                Err(StoreError::Closed) => return Err(StoreError::Closed),
                Err(error) => {
                    error.log("a rival could not be noted");
                    jittered(wait)
                }
            },
            Err(PollError::Store(StoreError::Closed)) => return Err(StoreError::Closed),
            Err(PollError::Store(error)) => {
                // Nothing was confirmed: Telegram keeps the updates.
                error.log("updates could not be stored");
                jittered(wait)
            }
            Err(PollError::Senseless) => {
                tracing::error!("getUpdates brought something that is no update");
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

enum PollError {
    Call(CallError),
    Store(StoreError),
    Senseless,
}

struct Poller {
    store: Store,
    api: BotApi,
    fixed: FixedAccess,
    bot_name: String,
    /// The update after the last one that this life stored; the next poll confirms those before.
    offset: Option<i64>,
    /// A poll of this life was answered: no webhook was set then.
    has_polled: bool,
    rival_noted: Option<Instant>,
}

impl Poller {
    /// One poll; what it brings is stored.
    async fn poll(&mut self) -> Result<(), PollError> {
        let mut params = json!({
            "timeout": POLL.as_secs(),
            "limit": BATCH,
            "allowed_updates": ALLOWED_UPDATES,
        });
        if let Some(offset) = self.offset {
            params["offset"] = offset.into();
        }
        let polled = self.api.call("getUpdates", &params, POLL_TIMEOUT).await;
        let updates = polled.map_err(PollError::Call)?;
        self.has_polled = true;
        let Value::Array(updates) = updates else { return Err(PollError::Senseless) };
        if updates.is_empty() {
            // Everything before the offset is confirmed, and Telegram's next number may be lower.
            self.offset = None;
            return Ok(());
        }
        let newest = updates.iter().filter_map(ingress::update_id).next_back();
        let newest = newest.ok_or(PollError::Senseless)?;
        let taken = ingress::take(&self.store, &self.fixed, &self.bot_name, updates).await;
        taken.map_err(PollError::Store)?;
        self.offset = Some(newest.saturating_add(1));
        Ok(())
    }

    /// What to do about a refused poll, and how long to wait.
    async fn pause_after(
        &mut self,
        error: &CallError,
        wait: Duration,
    ) -> Result<Duration, StoreError> {
        Ok(match error {
            CallError::Refused { code: 409, description, .. }
                if description.contains("webhook is active") && !self.has_polled =>
            {
                tracing::warn!("a webhook is set; it is taken away, what is pending stays pending");
                if let Err(error) = self.api.call("deleteWebhook", &json!({}), CALL_TIMEOUT).await {
                    tracing::warn!(%error, "the webhook could not be taken away");
                }
                jittered(wait)
            }
            CallError::Refused { code: 409, description, .. } => {
                // A webhook that was set after this life began is another's, and newer.
                tracing::error!(
                    description,
                    "another program uses this bot's token; I wait for it to end"
                );
                self.note_rival().await?;
                jittered(LONGEST_RETRY.min(wait.max(RIVAL_RETRY)))
            }
            CallError::Refused { retry_after_s: Some(seconds), .. } => {
                Duration::from_secs(u64::try_from(*seconds).unwrap_or(1))
            }
            error => {
                tracing::warn!(%error, "polling failed; it is tried again");
                jittered(wait)
            }
        })
    }

    async fn note_rival(&mut self) -> Result<(), StoreError> {
        if self.rival_noted.is_none_or(|at| at.elapsed() >= RIVAL_NOTED_EVERY) {
            ingress::note_rival(&self.store, &self.fixed).await?;
            self.rival_noted = Some(Instant::now());
        }
        Ok(())
    }
}
