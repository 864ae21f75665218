//! Chats that Telegram wants left alone for a while: its flood limit.

use sqlx::SqliteConnection;

use super::StoreError;

/// A parked chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct Park {
    pub chat_id: i64,
    pub since_at: i64,
    pub until_at: i64,
}

/// Parks a chat; a later word of Telegram's replaces the earlier one.
pub async fn park(db: &mut SqliteConnection, park: Park) -> Result<(), StoreError> {
    sqlx::query(
        "insert into parked_chat (chat_id, since_at, until_at) values (?, ?, ?)
         on conflict (chat_id) do update set
            since_at = excluded.since_at, until_at = excluded.until_at",
    )
    .bind(park.chat_id)
    .bind(park.since_at)
    .bind(park.until_at)
    .execute(db)
    .await?;
    Ok(())
}

/// Telegram has taken something for this chat again.
pub async fn lift(db: &mut SqliteConnection, chat_id: i64) -> Result<(), StoreError> {
    sqlx::query("delete from parked_chat where chat_id = ?").bind(chat_id).execute(db).await?;
    Ok(())
}

pub async fn all(db: &mut SqliteConnection) -> Result<Vec<Park>, StoreError> {
    let parks = sqlx::query_as("select chat_id, since_at, until_at from parked_chat");
    Ok(parks.fetch_all(db).await?)
}
