//! Taking access away: what a person or a chat leaves behind goes in the same transaction.
//!
//! Invariant: whoever is removed holds no conversation, gets no alert and has set nothing.

use sqlx::SqliteConnection;

use super::{StoreError, access, cards, outbox, regular};
use crate::kernel::time::Now;

/// Removes a person: their conversations wherever they are, and the alerts of their private chat.
pub async fn remove_member(
    db: &mut SqliteConnection,
    user_id: i64,
    now: Now,
) -> Result<(), StoreError> {
    sqlx::query("delete from member where user_id = ?").bind(user_id).execute(&mut *db).await?;
    sqlx::query("delete from conversation where user_id = ?")
        .bind(user_id)
        .execute(&mut *db)
        .await?;
    sqlx::query("delete from invite where invited_by = ?").bind(user_id).execute(&mut *db).await?;
    silence(db, user_id, now).await
}

/// Removes a group: the conversations in it, and its alerts.
pub async fn remove_chat(
    db: &mut SqliteConnection,
    chat_id: i64,
    now: Now,
) -> Result<(), StoreError> {
    sqlx::query("delete from admitted_chat where chat_id = ?")
        .bind(chat_id)
        .execute(&mut *db)
        .await?;
    sqlx::query("delete from conversation where chat_id = ?")
        .bind(chat_id)
        .execute(&mut *db)
        .await?;
    silence(db, chat_id, now).await
}

async fn silence(db: &mut SqliteConnection, chat_id: i64, now: Now) -> Result<(), StoreError> {
    access::end_subscriptions(db, chat_id, access::REVOKED, now.machine_ms).await?;
    // A subscription that had ended for another reason must not come back by itself.
    sqlx::query("update subscription set end_reason = ? where chat_id = ?")
        .bind(access::REVOKED)
        .bind(chat_id)
        .execute(&mut *db)
        .await?;
    sqlx::query("delete from chat_setting where chat_id = ?")
        .bind(chat_id)
        .execute(&mut *db)
        .await?;
    cards::forget_chat(db, chat_id).await?;
    outbox::drop_chat(db, chat_id, access::REVOKED, now.machine_ms).await?;
    // The one thing that is still said there: that its board has ended.
    regular::forget_chat(db, chat_id, now).await
}
