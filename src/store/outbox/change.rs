//! Rows that change while they wait: rewritten, overtaken by a later edit, made a new message,
//! dropped with their place, or put off until a chat's quiet hours are over.
//!
//! Invariant: a row is put off by what the chat wants when its turn comes, and for no longer; it is
//! never dropped for it.

use chrono_tz::Tz;
use sqlx::SqliteConnection;

use super::{Action, Body, Class, DROP, Digest, Row};
use crate::kernel::chat::Place;
use crate::kernel::settings::Settings;
use crate::kernel::time::MINUTE_MS;
use crate::store::StoreError;

/// A row put off for longer than this cannot be on its way already.
const DEFERRED_MS: i64 = MINUTE_MS;

impl Row {
    /// An alert that is not urgent: it does not break into quiet hours. A change of one makes no
    /// sound.
    pub fn can_wait(&self) -> bool {
        let Action::Say(body) = &self.action else { return false };
        let urgent_first = body.digest.as_ref().and_then(|digest| digest.named.first());
        let is_urgent = body.brief.as_ref().or(urgent_first).is_some_and(|brief| brief.urgent);
        self.class == Class::Alert && !is_urgent
    }

    /// The row as a chat with these settings reads it, in a house of this zone; `username` is ours.
    #[must_use]
    pub fn told_in(mut self, settings: &Settings, of_house: Tz, username: &str) -> Row {
        // Groups have negative ids (Bot API, `Chat`).
        let in_private = self.place.chat_id > 0;
        if let Action::Say(body) | Action::Edit(_, body) = &mut self.action {
            body.text = std::mem::take(&mut body.text).told_in(settings, of_house);
            for button in body.keyboard.iter_mut().flatten() {
                *button = button.clone().told_in(in_private, username);
            }
        }
        self
    }
}

/// Where a row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowState {
    /// It may be on its way, but for one that is put off.
    Waiting {
        is_deferred: bool,
    },
    Sent,
    Dropped,
}

/// Where a row stands by the house's clock; `None` for one that is forgotten.
pub async fn state_of(
    db: &mut SqliteConnection,
    row_id: i64,
    now_ms: i64,
) -> Result<Option<RowState>, StoreError> {
    let row: Option<(String, i64)> =
        sqlx::query_as("select state, deferred_until from outbox where id = ?")
            .bind(row_id)
            .fetch_optional(db)
            .await?;
    let Some((state, deferred_until)) = row else { return Ok(None) };
    Ok(Some(match state.as_str() {
        "waiting" => RowState::Waiting { is_deferred: deferred_until > now_ms + DEFERRED_MS },
        "sent" => RowState::Sent,
        _ => RowState::Dropped,
    }))
}

/// What a row tells as a list, where each alert that lasts can be found in it. A row of another
/// version has none.
pub async fn digest_of(
    db: &mut SqliteConnection,
    row_id: i64,
) -> Result<Option<Digest>, StoreError> {
    let body: Option<String> = sqlx::query_scalar("select body from outbox where id = ?")
        .bind(row_id)
        .fetch_optional(db)
        .await?;
    let body: Option<Body> = body.and_then(|body| serde_json::from_str(&body).ok());
    let is_known = |digest: &Digest| digest.named.iter().any(|brief| brief.of.is_some());
    Ok(body.and_then(|body| body.digest).filter(is_known))
}

/// A row that still waits will not be sent; the note says why.
pub async fn drop_waiting(
    db: &mut SqliteConnection,
    row_id: i64,
    note: &str,
    now_ms: i64,
) -> Result<(), StoreError> {
    sqlx::query(&format!("{DROP} where id = ? and state = 'waiting'"))
        .bind(note)
        .bind(now_ms)
        .bind(row_id)
        .execute(db)
        .await?;
    Ok(())
}

/// Alerts that wait for a place are not sent there; the note says why. Since when the oldest of
/// them waited. One that is under way may still arrive.
pub async fn drop_alerts(
    db: &mut SqliteConnection,
    place: Place,
    note: &str,
    now_ms: i64,
) -> Result<Option<i64>, StoreError> {
    let dropped: Vec<i64> = sqlx::query_scalar(&format!(
        "{DROP}
          where chat_id = ? and thread_id is ? and state = 'waiting' and class = 'alert'
            and action = 'say'
         returning created_at"
    ))
    .bind(note)
    .bind(now_ms)
    .bind(place.chat_id)
    .bind(place.thread_id)
    .fetch_all(db)
    .await?;
    Ok(dropped.into_iter().min())
}

/// Every waiting row of a chat that cannot be reached any more is dropped.
pub async fn drop_chat(
    db: &mut SqliteConnection,
    chat_id: i64,
    note: &str,
    now_ms: i64,
) -> Result<u64, StoreError> {
    let result = sqlx::query(&format!("{DROP} where chat_id = ? and state = 'waiting'"))
        .bind(note)
        .bind(now_ms)
        .bind(chat_id)
        .execute(db)
        .await?;
    Ok(result.rows_affected())
}

/// What waits for a forum topic goes to the chat itself: the topic is gone.
pub async fn leave_thread(db: &mut SqliteConnection, place: Place) -> Result<(), StoreError> {
    sqlx::query(
        "update outbox set thread_id = null
          where chat_id = ? and thread_id = ? and state = 'waiting'",
    )
    .bind(place.chat_id)
    .bind(place.thread_id)
    .execute(db)
    .await?;
    Ok(())
}

/// What changes messages of cards that are out of reach now is not sent; the note says why.
pub async fn drop_card_edits(
    db: &mut SqliteConnection,
    chat_id: i64,
    note: &str,
    now_ms: i64,
) -> Result<(), StoreError> {
    sqlx::query(&format!(
        "{DROP}
          where chat_id = ? and state = 'waiting' and class = 'alert' and action = 'edit'
            and not exists (select 1 from outbox as changed
                             where changed.id = outbox.edits_row and changed.state = 'waiting')"
    ))
    .bind(note)
    .bind(now_ms)
    .bind(chat_id)
    .execute(db)
    .await?;
    Ok(())
}

/// A row that is put off says this instead.
pub async fn rewrite(
    db: &mut SqliteConnection,
    row_id: i64,
    body: &Body,
) -> Result<(), StoreError> {
    sqlx::query("update outbox set body = ? where id = ? and state = 'waiting'")
        .bind(serde_json::to_string(body)?)
        .bind(row_id)
        .execute(db)
        .await?;
    Ok(())
}

/// Changes of a card's message that wait to be made are overtaken by a later one.
pub async fn overtake_edits(
    db: &mut SqliteConnection,
    chat_id: i64,
    row_id: i64,
    message_id: Option<i32>,
    now_ms: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "update outbox set state = 'dropped', note = 'changed again', settled_at = ?
          where chat_id = ? and state = 'waiting' and class = 'alert' and action = 'edit'
            and (edits_row = ? or edits_message = ?)",
    )
    .bind(now_ms)
    .bind(chat_id)
    .bind(row_id)
    .bind(message_id)
    .execute(db)
    .await?;
    Ok(())
}

/// The row becomes a new message: the one it was to change is gone.
pub async fn make_new(db: &mut SqliteConnection, row_id: i64) -> Result<(), StoreError> {
    sqlx::query(
        "update outbox set action = 'say', edits_message = null, edits_row = null where id = ?",
    )
    .bind(row_id)
    .execute(db)
    .await?;
    Ok(())
}

/// Puts off every alert for a chat that can wait, until then by the house's clock.
pub async fn defer(
    db: &mut SqliteConnection,
    chat_id: i64,
    until_ms: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "update outbox set deferred_until = ?
          where chat_id = ? and state = 'waiting' and class = 'alert' and action = 'say'
            and not coalesce(json_extract(body, '$.brief.urgent'),
                             json_extract(body, '$.digest.named[0].urgent'), 0)",
    )
    .bind(until_ms)
    .bind(chat_id)
    .execute(db)
    .await?;
    Ok(())
}

/// What was put off is looked at again: the chat wants something else now, or the clock is another.
pub async fn defer_no_more(
    db: &mut SqliteConnection,
    chat_id: Option<i64>,
) -> Result<(), StoreError> {
    sqlx::query(
        "update outbox set deferred_until = 0
          where state = 'waiting' and deferred_until > 0 and chat_id = coalesce(?, chat_id)",
    )
    .bind(chat_id)
    .execute(db)
    .await?;
    Ok(())
}

/// When the first row that is put off has its turn, by the house's clock.
pub async fn next_deferred(
    db: &mut SqliteConnection,
    now_ms: i64,
) -> Result<Option<i64>, StoreError> {
    Ok(sqlx::query_scalar(
        "select min(deferred_until) from outbox where state = 'waiting' and deferred_until > ?",
    )
    .bind(now_ms)
    .fetch_one(db)
    .await?)
}
