//! Lanes: what goes to a chat side by side. Messages are one lane; beside it go reactions, and
//! answers to what somebody types behind our name.
//!
//! Invariant: nothing in another lane holds up a message. What one lane is refused or loses is no
//! word about the chat, and is tried again only as long as it is worth something.

use serde_json::json;
use sqlx::SqliteConnection;

use super::{Action, Call, Class, Row, call};
use crate::kernel::chat::Place;
use crate::kernel::time::HOUR_MS;
use crate::store::StoreError;

/// The methods that have a lane of their own.
const SET_REACTION: &str = "setMessageReaction";
pub const ANSWER_INLINE: &str = "answerInlineQuery";

/// A reaction that could not be set for this long is not set any more.
const REACTION_MS: i64 = HOUR_MS;

/// Rows of one lane of a chat go one after another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    Messages,
    Reactions,
    /// Answers to inline queries.
    Inline,
}

impl Lane {
    /// The lane of what is done.
    pub(super) fn of(action: &Action) -> Lane {
        match action {
            Action::Call(call) if call.method == SET_REACTION => Lane::Reactions,
            Action::Call(call) if call.method == ANSWER_INLINE => Lane::Inline,
            Action::Say(_) | Action::Edit(..) | Action::Call(_) => Lane::Messages,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Lane::Messages => "messages",
            Lane::Reactions => "reactions",
            Lane::Inline => "inline",
        }
    }
}

/// A lane of a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Line {
    pub chat_id: i64,
    pub lane: Lane,
}

impl Row {
    pub fn line(&self) -> Line {
        Line { chat_id: self.place.chat_id, lane: Lane::of(&self.action) }
    }
}

/// We show this emoji at somebody's message, in the place of what we showed there; none with
/// `None`. What still waits to be shown there is overtaken.
pub async fn react(
    db: &mut SqliteConnection,
    place: Place,
    message_id: i32,
    emoji: Option<&str>,
    now_ms: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "update outbox set state = 'dropped', note = 'changed again', settled_at = ?
          where chat_id = ? and lane = 'reactions' and state = 'waiting'
            and json_extract(body, '$.params.message_id') = ?",
    )
    .bind(now_ms)
    .bind(place.chat_id)
    .bind(message_id)
    .execute(&mut *db)
    .await?;
    let reaction: Vec<_> =
        emoji.iter().map(|emoji| json!({ "type": "emoji", "emoji": emoji })).collect();
    let params =
        json!({ "chat_id": place.chat_id, "message_id": message_id, "reaction": reaction });
    let reaction = Call { method: SET_REACTION.to_owned(), params };
    call(db, place, Class::Tap, reaction, now_ms, Some(now_ms + REACTION_MS)).await?;
    Ok(())
}

/// Answers what somebody types behind our name, worthless from `expires_at` on. Whoever has typed
/// on waits for the newest answer alone.
pub async fn answer_inline(
    db: &mut SqliteConnection,
    place: Place,
    answer: Call,
    now_ms: i64,
    expires_at: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "update outbox set state = 'dropped', note = 'typed on', settled_at = ?, body = ''
          where chat_id = ? and lane = 'inline' and state = 'waiting'",
    )
    .bind(now_ms)
    .bind(place.chat_id)
    .execute(&mut *db)
    .await?;
    call(db, place, Class::Tap, answer, now_ms, Some(expires_at)).await?;
    Ok(())
}
