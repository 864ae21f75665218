//! What became of a send, and what follows from it.
//!
//! Invariant: an alert is given up only when its chat cannot be reached; a message whose fate is
//! unknown is sent again, so it may arrive twice and never not at all.

use std::time::Duration;

use super::send::Sent;
use crate::clock;
use crate::engine::jittered;
use crate::store::outbox::{self, Action, Class, Row};
use crate::store::{Store, StoreError, Urgency, access};
use crate::telegram::client::CallError;
use crate::telegram::meter::Meter;

/// Waits between attempts; the last one repeats.
const SCHEDULE: [Duration; 6] = [
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_secs(60),
    Duration::from_secs(300),
];

/// What follows from a send.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Outcome {
    Sent(Option<i32>),
    /// Another attempt at this time.
    Retry {
        at_ms: i64,
        note: String,
    },
    /// It will not be sent.
    Drop(String),
    /// The message it was to change is gone: it becomes a new one.
    MakeNew,
    /// The forum topic is gone: it goes to the chat itself.
    LeaveThread,
    /// The chat cannot be reached any more.
    Unreachable(String),
    /// The group has another id now.
    Migrated(i64),
}

impl Outcome {
    pub(super) fn is_sent(&self) -> bool {
        matches!(self, Outcome::Sent(_))
    }
}

/// Judges what a send came to.
pub(super) fn judge(row: &Row, sent: Sent, now_ms: i64) -> Outcome {
    let error = match sent {
        Sent::Taken(message_id) => return Outcome::Sent(message_id),
        Sent::Unprepared(error) => return retry(row, error.to_string(), now_ms),
        Sent::Failed(error) => error,
    };
    match &error {
        CallError::Refused { migrate_to: Some(chat_id), .. } => Outcome::Migrated(*chat_id),
        CallError::Refused { retry_after_s: Some(seconds), .. } => {
            let at_ms = now_ms + seconds.max(&1) * 1000;
            Outcome::Retry { at_ms, note: error.to_string() }
        }
        CallError::Refused { code: 400..=499, description, .. } => {
            refused(row, &error, description, now_ms)
        }
        CallError::Refused { .. } | CallError::Unsent(_) | CallError::Unknown(_) => {
            retry(row, error.to_string(), now_ms)
        }
    }
}

fn refused(row: &Row, error: &CallError, description: &str, now_ms: i64) -> Outcome {
    let says = |words: &str| description.to_lowercase().contains(words);
    let CallError::Refused { code, .. } = error else {
        return retry(row, error.to_string(), now_ms);
    };
    match code {
        // The token is refused, or an older instance is still there: nothing is wrong with the row.
        401 | 404 | 409 | 429 => retry(row, error.to_string(), now_ms),
        // A menu for somebody who never wrote to us says nothing about their alerts.
        _ if row.class == Class::Menu => Outcome::Drop(error.to_string()),
        403 => Outcome::Unreachable(description.to_owned()),
        _ if says("chat not found") => Outcome::Unreachable(description.to_owned()),
        _ if says("message is not modified") => Outcome::Sent(None),
        // Whatever is wrong with the message that was to change, the words still count.
        _ if matches!(row.action, Action::Edit(..)) => Outcome::MakeNew,
        _ if says("message thread not found") && row.place.thread_id.is_some() => {
            Outcome::LeaveThread
        }
        _ if row.class == Class::Alert => Outcome::Unreachable(description.to_owned()),
        _ => Outcome::Drop(error.to_string()),
    }
}

fn retry(row: &Row, note: String, now_ms: i64) -> Outcome {
    let attempt = usize::try_from(row.attempts).unwrap_or(usize::MAX).min(SCHEDULE.len() - 1);
    let wait = jittered(SCHEDULE[attempt]);
    let wait_ms = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
    Outcome::Retry { at_ms: now_ms + wait_ms, note }
}

/// Counts what became of a message; taps and menus are none.
pub(super) fn count(meter: &Meter, row: &Row, outcome: &Outcome) {
    if matches!(row.action, Action::Call(_)) {
        return;
    }
    let messages = &meter.messages;
    match outcome {
        Outcome::Sent(_) => messages.sent.add(1),
        Outcome::Drop(_) | Outcome::Unreachable(_) => messages.refused.add(1),
        Outcome::Retry { .. } | Outcome::MakeNew | Outcome::LeaveThread | Outcome::Migrated(_) => {
            messages.retried.add(1);
        }
    }
}

/// Stores what follows, in one transaction.
pub(super) async fn store(store: &Store, row: &Row, outcome: &Outcome) -> Result<(), StoreError> {
    log(row, outcome);
    let (row_id, chat_id, outcome) = (row.id, row.place.chat_id, outcome.clone());
    store
        .write(Urgency::People, move |db| {
            Box::pin(async move {
                let now_ms = clock::now_ms();
                match outcome {
                    Outcome::Sent(message_id) => {
                        outbox::mark_sent(db, row_id, message_id, now_ms).await
                    }
                    Outcome::Retry { at_ms, note } => {
                        outbox::retry_at(db, row_id, at_ms, &note).await
                    }
                    Outcome::Drop(note) => outbox::drop_row(db, row_id, &note, now_ms).await,
                    Outcome::MakeNew => outbox::make_new(db, row_id).await,
                    Outcome::LeaveThread => outbox::leave_thread(db, row_id).await,
                    Outcome::Unreachable(reason) => {
                        access::end_subscriptions(db, chat_id, &reason, now_ms).await?;
                        outbox::drop_chat(db, chat_id, &reason, now_ms).await?;
                        Ok(())
                    }
                    Outcome::Migrated(to) => outbox::migrate_chat(db, chat_id, to).await,
                }
            })
        })
        .await
}

fn log(row: &Row, outcome: &Outcome) {
    let (row_id, chat_id) = (row.id, row.place.chat_id);
    match outcome {
        Outcome::Sent(_) | Outcome::MakeNew | Outcome::LeaveThread => {}
        Outcome::Retry { note, .. } => {
            tracing::warn!(row_id, chat_id, note, "a message is tried again later");
        }
        // A menu for somebody who never wrote to us: it is tried again at the next start.
        Outcome::Drop(note) if row.class == Class::Menu => {
            tracing::debug!(row_id, chat_id, note, "a menu was not taken");
        }
        Outcome::Drop(note) => tracing::error!(row_id, chat_id, note, "a message was dropped"),
        Outcome::Unreachable(reason) => {
            tracing::warn!(chat_id, reason, "the chat cannot be reached; its alerts have ended");
        }
        Outcome::Migrated(to) => tracing::info!(chat_id, to, "the group has a new id"),
    }
}
