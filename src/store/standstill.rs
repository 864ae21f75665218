//! Pipelines that stand still: why, since when, and whether the owners know.
//!
//! Invariant: a pipeline's row is there exactly while it stands still; the same reason, met again
//! after a restart, is no news.

use sqlx::SqliteConnection;

use super::StoreError;
use crate::kernel::time::HOUR_MS;

/// A reason that changes, as its numbers may, is told again no sooner than this.
const QUIET_MS: i64 = HOUR_MS;

/// A pipeline that does not go on.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Standstill {
    pub pipeline: String,
    pub reason: String,
    pub since_at: i64,
}

/// A pipeline stands still for this reason.
pub async fn begin(
    db: &mut SqliteConnection,
    pipeline: &str,
    reason: &str,
    now_ms: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into standstill (pipeline, reason, since_at) values (?1, ?2, ?3)
         on conflict (pipeline) do update set
            reason = excluded.reason,
            told_at = case when told_at > ?3 - ?4 then told_at end
         where reason <> excluded.reason",
    )
    .bind(pipeline)
    .bind(reason)
    .bind(now_ms)
    .bind(QUIET_MS)
    .execute(db)
    .await?;
    Ok(())
}

/// It goes on.
pub async fn end(db: &mut SqliteConnection, pipeline: &str) -> Result<(), StoreError> {
    sqlx::query("delete from standstill where pipeline = ?").bind(pipeline).execute(db).await?;
    Ok(())
}

pub async fn all(db: &mut SqliteConnection) -> Result<Vec<Standstill>, StoreError> {
    let all = sqlx::query_as("select pipeline, reason, since_at from standstill order by pipeline");
    Ok(all.fetch_all(db).await?)
}

/// Those that the owners have not been told of.
pub async fn untold(db: &mut SqliteConnection) -> Result<Vec<Standstill>, StoreError> {
    let untold = sqlx::query_as(
        "select pipeline, reason, since_at from standstill where told_at is null
         order by pipeline",
    );
    Ok(untold.fetch_all(db).await?)
}

/// They have been told of all.
pub async fn mark_told(db: &mut SqliteConnection, now_ms: i64) -> Result<(), StoreError> {
    sqlx::query("update standstill set told_at = ? where told_at is null")
        .bind(now_ms)
        .execute(db)
        .await?;
    Ok(())
}
