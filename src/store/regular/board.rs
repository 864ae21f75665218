//! The board of each chat that wants one: which message it is, and what that says.
//!
//! Invariant: a chat has one board. A message takes an earlier one's place only where that could
//! not be changed any more; what waits to be sent is never doubled. Its times are the house's.

use serde_json::json;
use sqlx::SqliteConnection;

use crate::kernel::board;
use crate::kernel::chat::Place;
use crate::kernel::effect::Say;
use crate::kernel::text::Text;
use crate::kernel::time::{HOUR_MS, MINUTE_MS, Now};
use crate::store::StoreError;
use crate::store::outbox::{self, Action, Body, Call, Class, RowState, Target};

/// A board is changed so often at most.
pub const EVERY_MS: i64 = HOUR_MS;
/// What still waits to be sent is looked at again after so long.
const WAITING_MS: i64 = 5 * MINUTE_MS;

/// How the Bot API pins a message, and takes it down again.
pub const PIN: &str = "pinChatMessage";
const UNPIN: &str = "unpinChatMessage";

/// A board as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub place: Place,
    outbox_row: Option<i64>,
    message_id: Option<i32>,
    /// What its newest message says below the heading.
    content: Option<Text>,
    pin: Pin,
}

/// How it is with a board's place at the top of the chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pin {
    /// The message is to be pinned once it is sent.
    Wanted,
    Asked,
    /// We may not, and the chat knows.
    Refused,
}

impl Pin {
    fn word(self) -> &'static str {
        match self {
            Pin::Wanted => "wanted",
            Pin::Asked => "asked",
            Pin::Refused => "refused",
        }
    }

    fn of_word(word: &str) -> Result<Pin, StoreError> {
        let mut all = [Pin::Wanted, Pin::Asked, Pin::Refused].into_iter();
        all.find(|pin| pin.word() == word)
            .ok_or_else(|| StoreError::Unexpected(format!("in board: a pin {word:?}")))
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    chat_id: i64,
    thread_id: Option<i32>,
    outbox_row: Option<i64>,
    message_id: Option<i32>,
    content: Option<String>,
    pin: String,
}

const ROW: &str = "select chat_id, thread_id, outbox_row, message_id, content, pin from board";

impl Row {
    fn parse(self) -> Result<Stored, StoreError> {
        Ok(Stored {
            place: Place { chat_id: self.chat_id, thread_id: self.thread_id },
            outbox_row: self.outbox_row,
            message_id: self.message_id,
            content: self.content.map(|text| serde_json::from_str(&text)).transpose()?,
            pin: Pin::of_word(&self.pin)?,
        })
    }
}

/// A chat's board; `None` where it wants none.
pub async fn of(db: &mut SqliteConnection, chat_id: i64) -> Result<Option<Stored>, StoreError> {
    let row: Option<Row> = sqlx::query_as(&format!("{ROW} where chat_id = ?"))
        .bind(chat_id)
        .fetch_optional(db)
        .await?;
    row.map(Row::parse).transpose()
}

/// When a board is to be looked at next, after those that are due.
pub async fn next_after(db: &mut SqliteConnection, now_ms: i64) -> Result<Option<i64>, StoreError> {
    Ok(sqlx::query_scalar("select min(next_at) from board where next_at > ? and not is_away")
        .bind(now_ms)
        .fetch_one(db)
        .await?)
}

/// The chats whose boards are to be looked at.
pub async fn due(db: &mut SqliteConnection, now_ms: i64) -> Result<Vec<i64>, StoreError> {
    Ok(sqlx::query_scalar(
        "select chat_id from board where next_at <= ? and not is_away order by chat_id",
    )
    .bind(now_ms)
    .fetch_all(db)
    .await?)
}

/// The clock was set back: no board waits for longer than its whole time.
pub async fn wait_at_most(db: &mut SqliteConnection, now_ms: i64) -> Result<(), StoreError> {
    sqlx::query("update board set next_at = min(next_at, ?)")
        .bind(now_ms + EVERY_MS)
        .execute(db)
        .await?;
    Ok(())
}

/// A place wants the chat's board. One that is there stays where it is: it is changed at once
/// whatever it says, and pinned anew.
pub async fn want(db: &mut SqliteConnection, place: Place, now: Now) -> Result<(), StoreError> {
    let known = of(db, place.chat_id).await?;
    sqlx::query(
        "insert into board (chat_id, thread_id, next_at, pin) values (?, ?, ?, 'wanted')
         on conflict (chat_id) do update set
            content = null, next_at = excluded.next_at, is_away = 0,
            pin = case when message_id is null then 'wanted' else 'asked' end",
    )
    .bind(place.chat_id)
    .bind(place.thread_id)
    .bind(now.house_ms)
    .execute(&mut *db)
    .await?;
    // Not when it is changed: it may say so already, and then nothing is.
    match known.and_then(|known| Some((known.place, known.message_id?))) {
        Some((place, message_id)) => call(db, place, PIN, message_id, now).await,
        None => Ok(()),
    }
}

/// The chat wants no board any more: its message says so, and is pinned no longer.
pub async fn end(db: &mut SqliteConnection, chat_id: i64, now: Now) -> Result<(), StoreError> {
    let Some(stored) = of(db, chat_id).await? else { return Ok(()) };
    sqlx::query("delete from board where chat_id = ?").bind(chat_id).execute(&mut *db).await?;
    let target = match (stored.message_id, stored.outbox_row) {
        (Some(message_id), _) => Target::Message(message_id),
        (None, Some(row_id)) => Target::Row(row_id),
        (None, None) => return Ok(()),
    };
    // Where it may be on its way, what comes next is for the message that it becomes.
    drop_waiting(db, &stored, now).await?;
    let text = board::last_message(&stored.content.unwrap_or_default(), now.house_ms);
    let body = Body { silent: true, ..Body::plain(text) };
    // As an alert's: where the message is gone, nothing has to be said.
    let action = Action::Edit(target, body);
    outbox::insert(db, stored.place, Class::Alert, &action, now.machine_ms, None).await?;
    match stored.message_id {
        Some(message_id) => call(db, stored.place, UNPIN, message_id, now).await,
        None => Ok(()),
    }
}

/// The board of a chat is this now. It is told unless its message says so already, or still waits
/// to be sent.
pub async fn show(
    db: &mut SqliteConnection,
    chat_id: i64,
    content: &Text,
    now: Now,
) -> Result<(), StoreError> {
    let Some(stored) = of(db, chat_id).await? else { return Ok(()) };
    let state = match stored.outbox_row {
        Some(row_id) => outbox::state_of(db, row_id, now.house_ms).await?,
        None => None,
    };
    if matches!(state, Some(RowState::Waiting { .. })) {
        return look_again(db, chat_id, now.house_ms + WAITING_MS).await;
    }
    let is_shown = stored.message_id.is_some() && state != Some(RowState::Dropped);
    if is_shown && stored.content.as_ref() == Some(content) {
        return look_again(db, chat_id, now.house_ms + EVERY_MS).await;
    }
    let target = stored.message_id.map_or(Target::New, Target::Message);
    let say = Say { silent: true, ..Say::new(board::message(content, now.house_ms)) };
    let times = (now.machine_ms + EVERY_MS, now.machine_ms);
    let row_id = outbox::tell_until(db, stored.place, target, &say, times).await?;
    sqlx::query("update board set outbox_row = ?, content = ?, next_at = ? where chat_id = ?")
        .bind(row_id)
        .bind(serde_json::to_string(content)?)
        .bind(now.house_ms + EVERY_MS)
        .bind(chat_id)
        .execute(db)
        .await?;
    Ok(())
}

async fn look_again(
    db: &mut SqliteConnection,
    chat_id: i64,
    next_at: i64,
) -> Result<(), StoreError> {
    sqlx::query("update board set next_at = ? where chat_id = ?")
        .bind(next_at)
        .bind(chat_id)
        .execute(db)
        .await?;
    Ok(())
}

/// A row of the outbox became this message, or changed it. If it shows a board, that is the board's
/// message from now on, and is pinned if it is to be.
pub async fn sent(
    db: &mut SqliteConnection,
    row_id: i64,
    message_id: i32,
    now: Now,
) -> Result<(), StoreError> {
    let row: Option<Row> = sqlx::query_as(&format!("{ROW} where outbox_row = ?"))
        .bind(row_id)
        .fetch_optional(&mut *db)
        .await?;
    let Some(stored) = row.map(Row::parse).transpose()? else { return Ok(()) };
    let is_new = stored.message_id != Some(message_id);
    if let Some(earlier) = stored.message_id.filter(|_| is_new) {
        call(db, stored.place, UNPIN, earlier, now).await?;
    }
    let is_pinned_now = match stored.pin {
        Pin::Wanted => true,
        Pin::Asked => is_new,
        Pin::Refused => false,
    };
    let pin = if is_pinned_now { Pin::Asked } else { stored.pin };
    sqlx::query("update board set message_id = ?, pin = ? where chat_id = ?")
        .bind(message_id)
        .bind(pin.word())
        .bind(stored.place.chat_id)
        .execute(&mut *db)
        .await?;
    match is_pinned_now {
        true => call(db, stored.place, PIN, message_id, now).await,
        false => Ok(()),
    }
}

/// Telegram does not let us pin the board of this chat. Says where to tell it, if the chat does not
/// know.
pub async fn refuse_pin(
    db: &mut SqliteConnection,
    chat_id: i64,
) -> Result<Option<Place>, StoreError> {
    let Some(stored) = of(db, chat_id).await? else { return Ok(None) };
    sqlx::query("update board set pin = 'refused' where chat_id = ? and pin = 'asked'")
        .bind(chat_id)
        .execute(db)
        .await?;
    Ok((stored.pin == Pin::Asked).then_some(stored.place))
}

/// The group has another id: its messages stay behind, so it gets a board anew.
pub async fn leave_behind(
    db: &mut SqliteConnection,
    chat_id: i64,
    now: Now,
) -> Result<(), StoreError> {
    let Some(stored) = of(db, chat_id).await? else { return Ok(()) };
    drop_waiting(db, &stored, now).await?;
    sqlx::query(
        "update board set outbox_row = null, message_id = null, content = null, next_at = ?,
            pin = 'wanted'
          where chat_id = ?",
    )
    .bind(now.house_ms)
    .bind(chat_id)
    .execute(db)
    .await?;
    Ok(())
}

/// What shows a board and still waits is not sent.
async fn drop_waiting(
    db: &mut SqliteConnection,
    stored: &Stored,
    now: Now,
) -> Result<(), StoreError> {
    match stored.outbox_row {
        Some(row_id) => outbox::drop_waiting(db, row_id, "no board any more", now.machine_ms).await,
        None => Ok(()),
    }
}

/// A call about one of the chat's messages. It makes no sound, and names the chat itself: where the
/// chat has another id by then, the message is not there.
async fn call(
    db: &mut SqliteConnection,
    place: Place,
    method: &str,
    message_id: i32,
    now: Now,
) -> Result<(), StoreError> {
    let mut params = json!({ "chat_id": place.chat_id, "message_id": message_id });
    if method == PIN {
        params["disable_notification"] = true.into();
    }
    let call = Call { method: method.to_owned(), params };
    outbox::call(db, place, Class::Menu, call, now.machine_ms, None).await?;
    Ok(())
}

#[cfg(test)]
mod tests;
