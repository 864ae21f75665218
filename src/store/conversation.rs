//! Unfinished conversations: a row for each (chat, person, forum topic).

use sqlx::SqliteConnection;

use super::StoreError;
use crate::kernel::chat::{Draft, Place};

/// Whose conversation it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    pub place: Place,
    pub user_id: i64,
}

impl Holder {
    fn thread(self) -> i32 {
        self.place.thread_id.unwrap_or(0)
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    room: String,
    version: i64,
    state: String,
}

impl Row {
    fn draft(self) -> Draft {
        // A state that cannot be read is the room's to apologise for.
        let state = serde_json::from_str(&self.state).unwrap_or_default();
        Draft { room: self.room, version: self.version, state }
    }
}

pub async fn load(db: &mut SqliteConnection, holder: Holder) -> Result<Option<Draft>, StoreError> {
    let row: Option<Row> = sqlx::query_as(
        "select room, version, state from conversation
          where chat_id = ? and user_id = ? and thread_id = ?",
    )
    .bind(holder.place.chat_id)
    .bind(holder.user_id)
    .bind(holder.thread())
    .fetch_optional(db)
    .await?;
    Ok(row.map(Row::draft))
}

/// Every unfinished conversation.
pub async fn all(db: &mut SqliteConnection) -> Result<Vec<(Holder, Draft)>, StoreError> {
    let rows: Vec<(i64, i64, i32, String, i64, String)> = sqlx::query_as(
        "select chat_id, user_id, thread_id, room, version, state from conversation",
    )
    .fetch_all(db)
    .await?;
    let drafts = rows.into_iter().map(|(chat_id, user_id, thread, room, version, state)| {
        let thread_id = (thread != 0).then_some(thread);
        let state = serde_json::from_str(&state).unwrap_or_default();
        (Holder { place: Place { chat_id, thread_id }, user_id }, Draft { room, version, state })
    });
    Ok(drafts.collect())
}

/// Saves a conversation; `name` is what its person is called when somebody else meets it.
pub async fn save(
    db: &mut SqliteConnection,
    holder: Holder,
    name: &str,
    draft: &Draft,
    deadline_ms: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into conversation
            (chat_id, user_id, thread_id, holder_name, room, version, state, deadline_at)
         values (?, ?, ?, ?, ?, ?, ?, ?)
         on conflict (chat_id, user_id, thread_id) do update set
            holder_name = excluded.holder_name, room = excluded.room,
            version = excluded.version, state = excluded.state,
            deadline_at = excluded.deadline_at",
    )
    .bind(holder.place.chat_id)
    .bind(holder.user_id)
    .bind(holder.thread())
    .bind(name)
    .bind(&draft.room)
    .bind(draft.version)
    .bind(draft.state.to_string())
    .bind(deadline_ms)
    .execute(db)
    .await?;
    Ok(())
}

/// The person's newest message in their conversation is this one; `None`: there is none of theirs
/// that belongs to it.
pub async fn note_said(
    db: &mut SqliteConnection,
    holder: Holder,
    message_id: Option<i32>,
) -> Result<(), StoreError> {
    sqlx::query(
        "update conversation set said_in = ?
          where chat_id = ? and user_id = ? and thread_id = ?",
    )
    .bind(message_id)
    .bind(holder.place.chat_id)
    .bind(holder.user_id)
    .bind(holder.thread())
    .execute(db)
    .await?;
    Ok(())
}

/// The person's newest message in their conversation.
pub async fn said_in(db: &mut SqliteConnection, holder: Holder) -> Result<Option<i32>, StoreError> {
    let message_id: Option<Option<i32>> = sqlx::query_scalar(
        "select said_in from conversation where chat_id = ? and user_id = ? and thread_id = ?",
    )
    .bind(holder.place.chat_id)
    .bind(holder.user_id)
    .bind(holder.thread())
    .fetch_optional(db)
    .await?;
    Ok(message_id.flatten())
}

/// Ends a conversation; says whether there was one.
pub async fn end(db: &mut SqliteConnection, holder: Holder) -> Result<bool, StoreError> {
    let result =
        sqlx::query("delete from conversation where chat_id = ? and user_id = ? and thread_id = ?")
            .bind(holder.place.chat_id)
            .bind(holder.user_id)
            .bind(holder.thread())
            .execute(db)
            .await?;
    Ok(result.rows_affected() > 0)
}

/// What the person is called whose question a draft's button belongs to, if it is still open.
pub async fn holder_of(
    db: &mut SqliteConnection,
    chat_id: i64,
    version: i64,
) -> Result<Option<String>, StoreError> {
    let name = sqlx::query_scalar(
        "select holder_name from conversation where chat_id = ? and version = ?",
    );
    Ok(name.bind(chat_id).bind(version).fetch_optional(db).await?)
}

/// A conversation that ran out of time.
#[derive(Debug, Clone, PartialEq)]
pub struct Overdue {
    pub holder: Holder,
    pub name: String,
    /// Where it stood.
    pub draft: Draft,
}

/// Ends the conversations whose time is over and says whose they were and where they stood.
pub async fn end_overdue(
    db: &mut SqliteConnection,
    now_ms: i64,
) -> Result<Vec<Overdue>, StoreError> {
    let rows: Vec<(i64, i64, i32, String, String, i64, String)> = sqlx::query_as(
        "delete from conversation where deadline_at <= ?
         returning chat_id, user_id, thread_id, holder_name, room, version, state",
    )
    .bind(now_ms)
    .fetch_all(db)
    .await?;
    let ended = rows.into_iter().map(|(chat_id, user_id, thread, name, room, version, state)| {
        let thread_id = (thread != 0).then_some(thread);
        let holder = Holder { place: Place { chat_id, thread_id }, user_id };
        Overdue { holder, name, draft: Row { room, version, state }.draft() }
    });
    Ok(ended.collect())
}

/// No conversation waits beyond this time.
pub async fn wait_at_most(db: &mut SqliteConnection, until_ms: i64) -> Result<(), StoreError> {
    sqlx::query("update conversation set deadline_at = ? where deadline_at > ?")
        .bind(until_ms)
        .bind(until_ms)
        .execute(db)
        .await?;
    Ok(())
}

/// When the next conversation runs out of time.
pub async fn next_deadline(db: &mut SqliteConnection) -> Result<Option<i64>, StoreError> {
    Ok(sqlx::query_scalar("select min(deadline_at) from conversation").fetch_one(db).await?)
}
