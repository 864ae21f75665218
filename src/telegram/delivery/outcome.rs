//! What became of a send, and what follows from it.
//!
//! Invariant: an alert is given up only when its chat cannot be reached or will not have it, and
//! then somebody is told; a message whose fate is unknown is sent again, so it may arrive twice and
//! never not at all.

use std::time::Duration;

use sqlx::SqliteConnection;

use super::refusal::Refusal;
use super::rests::Rest;
use super::send::Sent;
use crate::clock;
use crate::engine::jittered;
use crate::kernel::chat::Place;
use crate::kernel::effect::Say;
use crate::kernel::text::Text;
use crate::kernel::time::Now;
use crate::store::outbox::{self, Action, Class, Lane, Line, Row, Target};
use crate::store::parks::{self, Park};
use crate::store::regular::{self, board};
use crate::store::{Store, StoreError, Urgency, access, cards, migration};
use crate::telegram::access::FixedAccess;
use crate::telegram::client::CallError;
use crate::telegram::meter::Meter;
use crate::telegram::{notices, out_of_reach};

/// Waits between attempts; the last one repeats.
const SCHEDULE: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_secs(60),
];

/// What follows from a send.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Outcome {
    Sent(Option<i32>),
    /// Another attempt after the rest.
    Retry {
        rest: Rest,
        note: String,
    },
    /// It will not be sent.
    Drop(String),
    /// The change of a card that nobody sees any more.
    Moot(String),
    /// An alert that Telegram will not have: it is not sent, and the owners hear of it.
    Refused(String),
    /// The message it was to change is gone: it becomes a new one.
    MakeNew,
    /// We may not pin a message of ours.
    Unpinned(String),
    /// The forum topic is gone: it goes to the chat itself.
    LeaveThread(String),
    /// The chat cannot be reached any more.
    Unreachable(String),
    /// The group has another id now.
    Migrated(i64),
}

impl Outcome {
    pub(super) fn is_sent(&self) -> bool {
        matches!(self, Outcome::Sent(_))
    }

    /// How long the chat rests now.
    pub(super) fn rest(&self) -> Option<Rest> {
        match self {
            Outcome::Retry { rest, .. } => Some(*rest),
            _ => None,
        }
    }
}

/// Judges what a send came to.
pub(super) fn judge(row: &Row, sent: Sent) -> Outcome {
    let error = match sent {
        Sent::Taken(message_id) => return Outcome::Sent(message_id),
        Sent::Unprepared(error) => return retry(row, error.to_string()),
        // The text that belongs to it is a row of its own.
        Sent::Unshown(reason) => return Outcome::Drop(reason),
        Sent::Moot => return Outcome::Moot("the card was never sent".to_owned()),
        Sent::Failed(error) => error,
    };
    match &error {
        // A menu names its chat itself; whoever tells us of the new id also brings its menu.
        CallError::Refused { migrate_to: Some(chat_id), .. } if !is_aside(row.class) => {
            Outcome::Migrated(*chat_id)
        }
        CallError::Refused { retry_after_s: Some(seconds), .. } => {
            let wait = Duration::from_secs(seconds.max(&1).unsigned_abs());
            Outcome::Retry { rest: Rest::Flood(wait), note: error.to_string() }
        }
        CallError::Refused { code: code @ 400..=499, description, .. } => {
            refused(row, Refusal::of(*code, description), description, &error)
        }
        CallError::Refused { .. } | CallError::Unsent(_) | CallError::Unknown(_) => {
            retry(row, error.to_string())
        }
    }
}

/// Is it no message? What becomes of it says nothing about the chat's messages.
fn is_aside(class: Class) -> bool {
    matches!(class, Class::Menu | Class::Tap)
}

fn refused(row: &Row, refusal: Refusal, description: &str, error: &CallError) -> Outcome {
    let is_edit = matches!(row.action, Action::Edit(..));
    match refusal {
        Refusal::NotOurTurn => retry(row, error.to_string()),
        // What is said of pinning says nothing of writing.
        Refusal::Unreachable if is_pin(row) => Outcome::Unpinned(description.to_owned()),
        // A menu for somebody who never wrote to us says nothing about their alerts, nor does a
        // group that takes no reactions, or a tap too long ago.
        _ if is_aside(row.class) => Outcome::Drop(error.to_string()),
        Refusal::NotModified => Outcome::Sent(None),
        Refusal::ThreadGone if row.place.thread_id.is_some() => {
            Outcome::LeaveThread(description.to_owned())
        }
        Refusal::Unreachable => Outcome::Unreachable(description.to_owned()),
        // What shows an alert that lasts is changed where it is, or not at all.
        _ if is_edit && row.class == Class::Alert => Outcome::Moot(description.to_owned()),
        // Whatever is wrong with the message that was to change, the words still count.
        _ if is_edit => Outcome::MakeNew,
        _ if row.class == Class::Alert => Outcome::Refused(description.to_owned()),
        _ => Outcome::Drop(error.to_string()),
    }
}

fn is_pin(row: &Row) -> bool {
    matches!(&row.action, Action::Call(call) if call.method == board::PIN)
}

fn retry(row: &Row, note: String) -> Outcome {
    let attempt = usize::try_from(row.attempts).unwrap_or(usize::MAX).min(SCHEDULE.len() - 1);
    Outcome::Retry { rest: Rest::Fault(jittered(SCHEDULE[attempt])), note }
}

/// Counts what became of a message; taps and menus are none.
pub(super) fn count(meter: &Meter, row: &Row, outcome: &Outcome) {
    if matches!(row.action, Action::Call(_)) {
        return;
    }
    let messages = &meter.messages;
    match outcome {
        Outcome::Sent(_) => messages.sent.add(1),
        Outcome::Drop(_) | Outcome::Refused(_) | Outcome::Unreachable(_) => {
            messages.refused.add(1);
        }
        Outcome::Moot(_) | Outcome::Unpinned(_) => {}
        Outcome::Retry { .. }
        | Outcome::MakeNew
        | Outcome::LeaveThread(_)
        | Outcome::Migrated(_) => messages.retried.add(1),
    }
}

/// Stores what follows, in one transaction.
pub(super) async fn store(
    store: &Store,
    fixed: &FixedAccess,
    row: &Row,
    outcome: &Outcome,
) -> Result<(), StoreError> {
    log(row, outcome);
    let (row_id, place, line) = (row.id, row.place, row.line());
    let (outcome, fixed) = (outcome.clone(), fixed.clone());
    store
        .write(Urgency::People, move |db| {
            Box::pin(async move {
                follow(db, &fixed, row_id, (place, line), outcome, clock::now()).await
            })
        })
        .await
}

async fn follow(
    db: &mut SqliteConnection,
    fixed: &FixedAccess,
    row_id: i64,
    (place, line): (Place, Line),
    outcome: Outcome,
    now: Now,
) -> Result<(), StoreError> {
    let (chat_id, now_ms) = (place.chat_id, now.machine_ms);
    // What beside the messages is told of a flood is forgotten with the process.
    let is_message = line.lane == Lane::Messages;
    if outcome.rest().is_none() && is_message {
        parks::lift(db, chat_id).await?;
    }
    match outcome {
        Outcome::Sent(message_id) => {
            if message_id.is_some() {
                regular::set_away(db, chat_id, false).await?;
            }
            outbox::mark_sent(db, row_id, message_id, now).await
        }
        Outcome::Retry { rest, note } => {
            if let Rest::Flood(wait) = rest
                && is_message
            {
                let wait_ms = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
                let until_at = now_ms.saturating_add(wait_ms);
                parks::park(db, Park { chat_id, since_at: now_ms, until_at }).await?;
            }
            outbox::try_again(db, row_id, &note).await
        }
        Outcome::Drop(note) | Outcome::Moot(note) => {
            outbox::drop_row(db, row_id, &note, now_ms).await
        }
        Outcome::Refused(reason) => {
            outbox::drop_row(db, row_id, &reason, now_ms).await?;
            notices::tell_refused(db, fixed, chat_id, &reason, now_ms).await
        }
        Outcome::MakeNew => outbox::make_new(db, row_id).await,
        Outcome::Unpinned(reason) => {
            outbox::drop_row(db, row_id, &reason, now_ms).await?;
            tell_unpinned(db, chat_id, now_ms).await
        }
        Outcome::LeaveThread(reason) => leave_thread(db, place, &reason, now).await,
        Outcome::Unreachable(reason) => {
            if out_of_reach::give_up(db, chat_id, &reason, now_ms).await? > 0 {
                notices::tell_unreachable(db, fixed, chat_id, &reason, now_ms).await?;
            }
            Ok(())
        }
        Outcome::Migrated(to) => {
            migration::follow(db, chat_id, to, now).await?;
            Ok(())
        }
    }
}

/// The board of a chat goes on where it is, and its people are told why, once.
async fn tell_unpinned(
    db: &mut SqliteConnection,
    chat_id: i64,
    now_ms: i64,
) -> Result<(), StoreError> {
    let Some(place) = board::refuse_pin(db, chat_id).await? else { return Ok(()) };
    let words = "I may not pin messages here, so the board stays where it is and is kept up to \
                 date there. An admin can let me pin messages; /board pins it then.";
    let say = Say { silent: true, ..Say::new(Text::of(words)) };
    outbox::tell(db, place, Target::New, &say, now_ms).await?;
    Ok(())
}

/// Alerts of a forum topic that is gone go to the chat itself, and the people there are told.
async fn leave_thread(
    db: &mut SqliteConnection,
    place: Place,
    reason: &str,
    now: Now,
) -> Result<(), StoreError> {
    // First: what this changes waits for the topic, too.
    cards::leave_thread(db, place, now).await?;
    outbox::leave_thread(db, place).await?;
    regular::leave_thread(db, place).await?;
    if !access::leave_thread(db, place, reason, now.machine_ms).await? {
        return Ok(());
    }
    let words = "The topic that alerts went to is closed or gone, so they come here from now on.";
    let say = Say { silent: true, ..Say::new(Text::of(words)) };
    let chat = Place { thread_id: None, ..place };
    outbox::tell(db, chat, Target::New, &say, now.machine_ms).await?;
    Ok(())
}

fn log(row: &Row, outcome: &Outcome) {
    let (row_id, chat_id) = (row.id, row.place.chat_id);
    match outcome {
        Outcome::Sent(_) | Outcome::MakeNew => {}
        Outcome::Retry { note, .. } => {
            tracing::warn!(row_id, chat_id, note, "a message is tried again later");
        }
        // A menu for somebody who never wrote to us: it is tried again at the next start. A tap
        // that was answered too late: Telegram's own spinner has ended long ago. A message to react
        // to that is gone.
        Outcome::Drop(note) if is_aside(row.class) => {
            tracing::debug!(row_id, chat_id, note, "what is no message was not taken");
        }
        Outcome::Moot(note) => {
            tracing::debug!(row_id, chat_id, note, "a card could not be changed");
        }
        Outcome::Drop(note) => tracing::error!(row_id, chat_id, note, "a message was dropped"),
        Outcome::Unpinned(reason) => {
            tracing::info!(chat_id, reason, "the board cannot be pinned; it goes on unpinned");
        }
        Outcome::Refused(reason) => {
            tracing::error!(row_id, chat_id, reason, "telegram will not have an alert");
        }
        Outcome::LeaveThread(reason) => {
            tracing::warn!(chat_id, reason, "a forum topic is gone; its chat gets what waits");
        }
        Outcome::Unreachable(reason) => {
            tracing::warn!(chat_id, reason, "the chat cannot be reached; its alerts have ended");
        }
        Outcome::Migrated(to) => tracing::info!(chat_id, to, "the group has a new id"),
    }
}
