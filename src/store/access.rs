//! Who may do what, where alerts go, and the claim code.

use sqlx::SqliteConnection;

use super::StoreError;
use crate::kernel::chat::Place;

/// A person with rights of their own.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Member {
    pub user_id: i64,
    pub name: String,
    pub standing: String,
}

/// The claim code as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub code: String,
    pub expires_at: i64,
    /// Wrong tries of the person who asks, and of everybody.
    pub tries_of_user: i64,
    pub tries_in_all: i64,
}

pub async fn members(db: &mut SqliteConnection) -> Result<Vec<Member>, StoreError> {
    Ok(sqlx::query_as("select user_id, name, standing from member order by since_at, user_id")
        .fetch_all(db)
        .await?)
}

pub async fn add_owner(
    db: &mut SqliteConnection,
    user_id: i64,
    name: &str,
    now_ms: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into member (user_id, name, standing, since_at) values (?, ?, 'owner', ?)
         on conflict (user_id) do update set standing = 'owner', name = excluded.name",
    )
    .bind(user_id)
    .bind(name)
    .bind(now_ms)
    .execute(db)
    .await?;
    Ok(())
}

/// Somebody who was invited; an owner stays one.
pub async fn add_member(
    db: &mut SqliteConnection,
    user_id: i64,
    name: &str,
    now_ms: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into member (user_id, name, standing, since_at) values (?, ?, 'member', ?)
         on conflict (user_id) do update set name = excluded.name",
    )
    .bind(user_id)
    .bind(name)
    .bind(now_ms)
    .execute(db)
    .await?;
    Ok(())
}

/// Why a subscription ended that only somebody's wish brings back.
pub const TURNED_OFF: &str = "turned off with /alerts off";
pub const REVOKED: &str = "access was taken away";

/// Sends alerts to a place from now on.
pub async fn subscribe(
    db: &mut SqliteConnection,
    place: Place,
    now_ms: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into subscription (chat_id, thread_id, since_at) values (?, ?, ?)
         on conflict (chat_id, thread_id) do update set ended_at = null, end_reason = null",
    )
    .bind(place.chat_id)
    .bind(place.thread_id.unwrap_or(0))
    .bind(now_ms)
    .execute(db)
    .await?;
    Ok(())
}

/// Sends alerts to a place from now on, unless somebody turned them off there.
pub async fn subscribe_unless_off(
    db: &mut SqliteConnection,
    place: Place,
    now_ms: i64,
) -> Result<(), StoreError> {
    let reason: Option<Option<String>> = sqlx::query_scalar(
        "select end_reason from subscription where chat_id = ? and thread_id = ?",
    )
    .bind(place.chat_id)
    .bind(place.thread_id.unwrap_or(0))
    .fetch_optional(&mut *db)
    .await?;
    if reason.flatten().as_deref() == Some(TURNED_OFF) {
        return Ok(());
    }
    subscribe(db, place, now_ms).await
}

/// Stops the alerts of one place.
pub async fn unsubscribe(
    db: &mut SqliteConnection,
    place: Place,
    now_ms: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "update subscription set ended_at = ?, end_reason = ?
          where chat_id = ? and thread_id = ? and ended_at is null",
    )
    .bind(now_ms)
    .bind(TURNED_OFF)
    .bind(place.chat_id)
    .bind(place.thread_id.unwrap_or(0))
    .execute(db)
    .await?;
    Ok(())
}

/// Subscriptions of a chat that ended because it was out of reach.
pub async fn resumable(db: &mut SqliteConnection, chat_id: i64) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar(
        "select count(*) from subscription
          where chat_id = ? and ended_at is not null and end_reason not in (?, ?)",
    )
    .bind(chat_id)
    .bind(TURNED_OFF)
    .bind(REVOKED)
    .fetch_one(db)
    .await?)
}

/// The chat can be reached again: those subscriptions go on.
pub async fn resume(db: &mut SqliteConnection, chat_id: i64) -> Result<(), StoreError> {
    sqlx::query(
        "update subscription set ended_at = null, end_reason = null
          where chat_id = ? and ended_at is not null and end_reason not in (?, ?)",
    )
    .bind(chat_id)
    .bind(TURNED_OFF)
    .bind(REVOKED)
    .execute(db)
    .await?;
    Ok(())
}

/// Ends every subscription of a chat, with the reason. Says how many that were.
pub async fn end_subscriptions(
    db: &mut SqliteConnection,
    chat_id: i64,
    reason: &str,
    now_ms: i64,
) -> Result<u64, StoreError> {
    let result = sqlx::query(
        "update subscription set ended_at = ?, end_reason = ?
          where chat_id = ? and ended_at is null",
    )
    .bind(now_ms)
    .bind(reason)
    .bind(chat_id)
    .execute(db)
    .await?;
    Ok(result.rows_affected())
}

/// A forum topic is gone: what went there goes to the chat itself. Says whether anything did.
pub async fn leave_thread(
    db: &mut SqliteConnection,
    place: Place,
    reason: &str,
    now_ms: i64,
) -> Result<bool, StoreError> {
    let result = sqlx::query(
        "update subscription set ended_at = ?, end_reason = ?
          where chat_id = ? and thread_id = ? and ended_at is null",
    )
    .bind(now_ms)
    .bind(reason)
    .bind(place.chat_id)
    .bind(place.thread_id)
    .execute(&mut *db)
    .await?;
    if result.rows_affected() == 0 {
        return Ok(false);
    }
    subscribe(db, Place { thread_id: None, ..place }, now_ms).await?;
    Ok(true)
}

/// The places that get alerts.
pub async fn subscriptions(db: &mut SqliteConnection) -> Result<Vec<Place>, StoreError> {
    let rows: Vec<(i64, i32)> = sqlx::query_as(
        "select chat_id, thread_id from subscription where ended_at is null
          order by chat_id, thread_id",
    )
    .fetch_all(db)
    .await?;
    let place = |(chat_id, thread): (i64, i32)| Place {
        chat_id,
        thread_id: (thread != 0).then_some(thread),
    };
    Ok(rows.into_iter().map(place).collect())
}

/// Has this place ever had a subscription, ended or not?
pub async fn knows_place(db: &mut SqliteConnection, place: Place) -> Result<bool, StoreError> {
    let row: Option<i64> =
        sqlx::query_scalar("select 1 from subscription where chat_id = ? and thread_id = ?")
            .bind(place.chat_id)
            .bind(place.thread_id.unwrap_or(0))
            .fetch_optional(db)
            .await?;
    Ok(row.is_some())
}

/// A new code; earlier ones and their tries are void.
pub async fn set_claim(
    db: &mut SqliteConnection,
    code: &str,
    expires_at: i64,
) -> Result<(), StoreError> {
    sqlx::query("delete from claim_try").execute(&mut *db).await?;
    sqlx::query(
        "insert into claim (id, code, expires_at) values (1, ?, ?)
         on conflict (id) do update set code = excluded.code, expires_at = excluded.expires_at",
    )
    .bind(code)
    .bind(expires_at)
    .execute(db)
    .await?;
    Ok(())
}

/// The bot has an owner: the code is spent.
pub async fn spend_claim(db: &mut SqliteConnection) -> Result<(), StoreError> {
    sqlx::query("delete from claim").execute(&mut *db).await?;
    sqlx::query("delete from claim_try").execute(db).await?;
    Ok(())
}

pub async fn claim(db: &mut SqliteConnection, user_id: i64) -> Result<Option<Claim>, StoreError> {
    let row: Option<(String, i64)> =
        sqlx::query_as("select code, expires_at from claim").fetch_optional(&mut *db).await?;
    let Some((code, expires_at)) = row else { return Ok(None) };
    let tries_of_user =
        sqlx::query_scalar("select coalesce(sum(tries), 0) from claim_try where user_id = ?")
            .bind(user_id)
            .fetch_one(&mut *db)
            .await?;
    let tries_in_all = sqlx::query_scalar("select coalesce(sum(tries), 0) from claim_try")
        .fetch_one(&mut *db)
        .await?;
    Ok(Some(Claim { code, expires_at, tries_of_user, tries_in_all }))
}

pub async fn count_wrong_code(db: &mut SqliteConnection, user_id: i64) -> Result<(), StoreError> {
    sqlx::query(
        "insert into claim_try (user_id, tries) values (?, 1)
         on conflict (user_id) do update set tries = tries + 1",
    )
    .bind(user_id)
    .execute(db)
    .await?;
    Ok(())
}

/// Counts an update of somebody who has no access, and gives how many that makes.
pub async fn count_stranger(
    db: &mut SqliteConnection,
    user_id: i64,
    now_ms: i64,
) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar(
        "insert into stranger (user_id, updates, seen_at) values (?, 1, ?)
         on conflict (user_id) do update set updates = updates + 1, seen_at = excluded.seen_at
         returning updates",
    )
    .bind(user_id)
    .bind(now_ms)
    .fetch_one(db)
    .await?)
}

pub async fn was_refused(db: &mut SqliteConnection, user_id: i64) -> Result<bool, StoreError> {
    let row: Option<i64> =
        sqlx::query_scalar("select 1 from stranger where user_id = ? and refused_at is not null")
            .bind(user_id)
            .fetch_optional(db)
            .await?;
    Ok(row.is_some())
}

pub async fn mark_refused(
    db: &mut SqliteConnection,
    user_id: i64,
    now_ms: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into stranger (user_id, refused_at, seen_at) values (?, ?, ?)
         on conflict (user_id) do update set refused_at = excluded.refused_at",
    )
    .bind(user_id)
    .bind(now_ms)
    .bind(now_ms)
    .execute(db)
    .await?;
    Ok(())
}

/// Forgets strangers who were last heard of before `before_ms`: they would be refused anew.
pub async fn forget_strangers(db: &mut SqliteConnection, before_ms: i64) -> Result<(), StoreError> {
    sqlx::query("delete from stranger where seen_at < ?").bind(before_ms).execute(db).await?;
    Ok(())
}
