//! What arrived from Telegram: stored before it is acknowledged, handled once.
//!
//! Invariant: an update that was taken is in the table until the transaction of its effects
//! marks it done.

use sqlx::SqliteConnection;

use super::StoreError;

/// An update that failed this often is parked.
pub const MAX_ATTEMPTS: i64 = 3;

/// An update to take in. `body` is `None` where we may not keep what was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    pub update_id: i64,
    pub chat_id: i64,
    pub body: Option<String>,
}

/// An update that waits to be handled.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Waiting {
    pub update_id: i64,
    pub received_at: i64,
    pub body: String,
    pub attempts: i64,
}

/// Takes updates in; one that is known already is nothing new. Says how many were new. Times of
/// receipt rise, so that the newest update is known even if the clock was set back.
pub async fn take(
    db: &mut SqliteConnection,
    arrivals: impl IntoIterator<Item = Arrival>,
    now_ms: i64,
) -> Result<u64, StoreError> {
    let mut taken = 0;
    for arrival in arrivals {
        let state = if arrival.body.is_some() { "waiting" } else { "done" };
        let result = sqlx::query(
            "insert into inbox (update_id, received_at, chat_id, body, state)
             values (?, max(?, coalesce((select max(received_at) + 1 from inbox), 0)), ?, ?, ?)
             on conflict (update_id) do nothing",
        )
        .bind(arrival.update_id)
        .bind(now_ms)
        .bind(arrival.chat_id)
        .bind(&arrival.body)
        .bind(state)
        .execute(&mut *db)
        .await?;
        taken += result.rows_affected();
    }
    Ok(taken)
}

/// The chats that have something waiting, those that wait longest first.
pub async fn waiting_chats(db: &mut SqliteConnection) -> Result<Vec<i64>, StoreError> {
    let chats = sqlx::query_scalar(
        "select chat_id from inbox where state = 'waiting' group by chat_id order by min(update_id)",
    )
    .fetch_all(db)
    .await?;
    Ok(chats)
}

/// The oldest waiting update of a chat.
pub async fn next_of(
    db: &mut SqliteConnection,
    chat_id: i64,
) -> Result<Option<Waiting>, StoreError> {
    let waiting = sqlx::query_as(
        "select update_id, received_at, body, attempts from inbox
          where state = 'waiting' and chat_id = ? order by update_id limit 1",
    )
    .bind(chat_id)
    .fetch_optional(db)
    .await?;
    Ok(waiting)
}

/// When an update was taken in.
pub async fn received_at(
    db: &mut SqliteConnection,
    update_id: i64,
) -> Result<Option<i64>, StoreError> {
    Ok(sqlx::query_scalar("select received_at from inbox where update_id = ?")
        .bind(update_id)
        .fetch_optional(db)
        .await?)
}

/// The update is handled: its text goes, its id stays against repeated deliveries.
pub async fn finish(db: &mut SqliteConnection, update_id: i64) -> Result<(), StoreError> {
    sqlx::query("update inbox set state = 'done', body = null where update_id = ?")
        .bind(update_id)
        .execute(db)
        .await?;
    Ok(())
}

/// Counts an attempt before it is made, so that a crash counts too.
pub async fn count_attempt(db: &mut SqliteConnection, update_id: i64) -> Result<(), StoreError> {
    sqlx::query("update inbox set attempts = attempts + 1 where update_id = ?")
        .bind(update_id)
        .execute(db)
        .await?;
    Ok(())
}

/// Takes back the last attempt at a chat's oldest waiting update.
pub async fn uncount_attempt(db: &mut SqliteConnection, chat_id: i64) -> Result<(), StoreError> {
    sqlx::query(
        "update inbox set attempts = max(attempts - 1, 0)
          where update_id = (select min(update_id) from inbox
                              where state = 'waiting' and chat_id = ?)",
    )
    .bind(chat_id)
    .execute(db)
    .await?;
    Ok(())
}

/// Sets an update aside that cannot be handled; its body stays for whoever looks into it.
pub async fn park(db: &mut SqliteConnection, update_id: i64) -> Result<(), StoreError> {
    sqlx::query("update inbox set state = 'parked' where update_id = ?")
        .bind(update_id)
        .execute(db)
        .await?;
    Ok(())
}

/// Forgets updates that were set aside before `before_ms`, and what was said in them.
pub async fn forget_parked(db: &mut SqliteConnection, before_ms: i64) -> Result<(), StoreError> {
    sqlx::query("delete from inbox where state = 'parked' and received_at < ?")
        .bind(before_ms)
        .execute(db)
        .await?;
    Ok(())
}

/// Forgets ids of handled updates that are older than `before_ms`; Telegram delivers nothing again
/// that is older than a day.
pub async fn forget(db: &mut SqliteConnection, before_ms: i64) -> Result<(), StoreError> {
    sqlx::query("delete from inbox where state = 'done' and received_at < ?")
        .bind(before_ms)
        .execute(db)
        .await?;
    Ok(())
}

/// How many updates wait, and how many were set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct Depth {
    pub waiting: i64,
    pub parked: i64,
}

pub async fn depth(db: &mut SqliteConnection) -> Result<Depth, StoreError> {
    Ok(sqlx::query_as(
        "select count(*) filter (where state = 'waiting') as waiting,
                count(*) filter (where state = 'parked') as parked
           from inbox where state <> 'done'",
    )
    .fetch_one(db)
    .await?)
}
