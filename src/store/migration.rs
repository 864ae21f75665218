//! A group that became a supergroup: everything we hold about it goes to the new id.
//!
//! Invariant: following a migration again changes nothing, so it does not matter which of its
//! three heralds comes first: either service message, or the error of a send.

use sqlx::SqliteConnection;

use super::regular::board;
use super::{StoreError, cards};
use crate::kernel::time::Now;

/// Everything that goes to the new id, each with what makes it the new chat's. Messages of ours
/// have other numbers there: what was to change one is said anew.
const MOVES: &[&str] = &[
    "update or replace admitted_chat set chat_id = ?2 where chat_id = ?1",
    "update or replace subscription set chat_id = ?2 where chat_id = ?1",
    // Messages have other numbers there.
    "update or replace conversation set chat_id = ?2, said_in = null where chat_id = ?1",
    "update card_message set chat_id = ?2 where chat_id = ?1",
    "update or replace chat_setting set chat_id = ?2 where chat_id = ?1",
    "update or replace daily set chat_id = ?2 where chat_id = ?1",
    "update or replace board set chat_id = ?2 where chat_id = ?1",
    "update edit set chat_id = ?2, confirmed_by = null where chat_id = ?1",
    "update failed_edit set chat_id = ?2 where chat_id = ?1",
    "update outbox set action = 'say', edits_message = null
      where chat_id = ?1 and state = 'waiting' and action = 'edit' and edits_message is not null",
    "update outbox set chat_id = ?2 where chat_id = ?1 and state = 'waiting'",
    "update inbox set chat_id = ?2,
            body = json_replace(body, '$.message.chat.id', ?2, '$.edited_message.chat.id', ?2,
                                '$.callback_query.message.chat.id', ?2)
      where chat_id = ?1 and state = 'waiting'",
];

/// Follows a group to its new id. Says whether we knew the group at all.
pub async fn follow(
    db: &mut SqliteConnection,
    from_chat_id: i64,
    to_chat_id: i64,
    now: Now,
) -> Result<bool, StoreError> {
    let lasting = cards::leave_messages(db, from_chat_id, now).await?;
    board::leave_behind(db, from_chat_id, now).await?;
    let mut moved = 0;
    for sql in MOVES {
        let result = sqlx::query(sql).bind(from_chat_id).bind(to_chat_id).execute(&mut *db).await?;
        moved += result.rows_affected();
    }
    if moved > 0 {
        remember(db, from_chat_id, to_chat_id, now.machine_ms).await?;
    }
    cards::show_again(db, to_chat_id, &lasting, now).await?;
    Ok(moved > 0)
}

/// Remembers that two ids are one group.
pub async fn remember(
    db: &mut SqliteConnection,
    from_chat_id: i64,
    to_chat_id: i64,
    now_ms: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into chat_migration (from_chat_id, to_chat_id, migrated_at) values (?, ?, ?)
         on conflict do nothing",
    )
    .bind(from_chat_id)
    .bind(to_chat_id)
    .bind(now_ms)
    .execute(db)
    .await?;
    Ok(())
}

/// Every migration that concerned us, oldest first: from, to.
pub async fn all(db: &mut SqliteConnection) -> Result<Vec<(i64, i64)>, StoreError> {
    let migrations = sqlx::query_as(
        "select from_chat_id, to_chat_id from chat_migration order by migrated_at, from_chat_id",
    );
    Ok(migrations.fetch_all(db).await?)
}
