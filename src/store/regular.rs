//! What chats asked to be told regularly: the daily digest, the board.
//!
//! Invariant: whoever is removed is told nothing any more; a chat that is out of reach is told
//! nothing until it is back, and has asked for nothing anew by then.

use sqlx::SqliteConnection;

use super::StoreError;
use crate::kernel::chat::Place;
use crate::kernel::time::Now;

pub mod board;
pub mod daily;

const TABLES: [&str; 2] = ["daily", "board"];

/// A chat is let in no more: it has asked for nothing, and its board shows nothing.
pub async fn forget_chat(
    db: &mut SqliteConnection,
    chat_id: i64,
    now: Now,
) -> Result<(), StoreError> {
    daily::end(db, chat_id).await?;
    sqlx::query("update board set content = null where chat_id = ?")
        .bind(chat_id)
        .execute(&mut *db)
        .await?;
    board::end(db, chat_id, now).await
}

/// A chat is out of reach, or within reach again.
pub async fn set_away(
    db: &mut SqliteConnection,
    chat_id: i64,
    is_away: bool,
) -> Result<(), StoreError> {
    for table in TABLES {
        let update =
            format!("update {table} set is_away = ?1 where chat_id = ?2 and is_away <> ?1");
        sqlx::query(&update).bind(is_away).bind(chat_id).execute(&mut *db).await?;
    }
    Ok(())
}

/// A forum topic is gone: what went there goes to the chat itself.
pub async fn leave_thread(db: &mut SqliteConnection, place: Place) -> Result<(), StoreError> {
    for table in TABLES {
        let update =
            format!("update {table} set thread_id = null where chat_id = ? and thread_id = ?");
        sqlx::query(&update).bind(place.chat_id).bind(place.thread_id).execute(&mut *db).await?;
    }
    Ok(())
}
