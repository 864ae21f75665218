//! What the pipelines make of the machine's clock, for `/status` and for the next start.
//!
//! Invariant: `committed_at` never falls; it is what a clock that was set back is known by.

use sqlx::SqliteConnection;

use super::StoreError;

/// The one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct ClockRow {
    /// The latest time at which a step was stored.
    pub committed_at: i64,
    /// Since when the pipelines stand still because the clock is far below that.
    pub paused_at: Option<i64>,
    /// A jump that is not believed yet, and when it will be.
    pub jump_ms: Option<i64>,
    pub believed_at: Option<i64>,
}

pub async fn load(db: &mut SqliteConnection) -> Result<ClockRow, StoreError> {
    let query = "select committed_at, paused_at, jump_ms, believed_at from clock";
    Ok(sqlx::query_as(query).fetch_one(db).await?)
}

/// A step is stored at this time.
pub async fn commit(db: &mut SqliteConnection, now_ms: i64) -> Result<(), StoreError> {
    sqlx::query("update clock set committed_at = ? where committed_at < ?")
        .bind(now_ms)
        .bind(now_ms)
        .execute(db)
        .await?;
    Ok(())
}

/// The pipelines stand still from now on. Says whether they did not before.
pub async fn pause(db: &mut SqliteConnection, now_ms: i64) -> Result<bool, StoreError> {
    let result = sqlx::query("update clock set paused_at = ? where paused_at is null")
        .bind(now_ms)
        .execute(db)
        .await?;
    Ok(result.rows_affected() == 1)
}

/// The pipelines go on.
pub async fn resume(db: &mut SqliteConnection) -> Result<(), StoreError> {
    sqlx::query("update clock set paused_at = null").execute(db).await?;
    Ok(())
}

/// The clock jumped and will be believed at some time; or no jump is in doubt any more.
pub async fn doubt(db: &mut SqliteConnection, jump: Option<(i64, i64)>) -> Result<(), StoreError> {
    sqlx::query("update clock set jump_ms = ?, believed_at = ?")
        .bind(jump.map(|(by_ms, _)| by_ms))
        .bind(jump.map(|(_, believed_at)| believed_at))
        .execute(db)
        .await?;
    Ok(())
}
