//! How old records are: by marks that say how far a partition had come at some time.
//!
//! A record's own time says nothing about when it came: one of 1970 must not vanish at once, one of
//! 2099 must not stay. So age counts from the append, and by the clock of the process that keeps
//! the log, to the hour.
//!
//! Invariant: a clock that was wrong makes records look younger, never older. Times that no clock
//! of ours can have are not marked, marks from the future are forgotten when the clock was set
//! back, and after a leap longer than what is asked about nothing is old before the next look.

use sqlx::sqlite::SqliteConnection;

use super::{Keep, Partition, begin, commit};
use crate::kernel::time::{DAY_MS, HOUR_MS};
use crate::log::embedded::schema::Fault;

/// At most one mark in this time.
const EVERY_MS: i64 = HOUR_MS;
/// 2026 began. A clock before that is one that nobody has set.
const PLAUSIBLE_MS: i64 = 1_767_225_600_000;

/// When this partition was last looked at before now; `None`: never, or the clock is not set.
pub(super) type Looked = Option<i64>;

/// Notes how far the partition has come by now.
pub(super) async fn look(
    conn: &mut SqliteConnection,
    at: &Partition,
    now_ms: i64,
    keep: &Keep,
) -> Result<Looked, Fault> {
    if now_ms < PLAUSIBLE_MS {
        return Ok(None);
    }
    let looked: Option<Option<i64>> =
        sqlx::query_scalar("select looked_at from upkeep where topic_id = ? and partition = ?")
            .bind(at.topic_id)
            .bind(at.partition)
            .fetch_optional(&mut *conn)
            .await?;
    let looked = looked.flatten();
    if looked.is_some_and(|looked_at| (0..EVERY_MS).contains(&(now_ms - looked_at))) {
        return Ok(looked);
    }
    let longest_ms = keep.tombstone_ms.max(keep.age_ms.unwrap_or(0));
    let mut tx = begin(conn).await?;
    for (sql, moment) in [
        ("delete from mark where topic_id = ? and partition = ? and seen_at > ?", now_ms),
        (
            "delete from mark where topic_id = ?1 and partition = ?2 and seen_at < (
                select max(seen_at) from mark
                where topic_id = ?1 and partition = ?2 and seen_at <= ?3)",
            now_ms.saturating_sub(longest_ms),
        ),
        (
            "insert into mark (topic_id, partition, next_offset, seen_at)
             select topic_id, partition, next_offset, ?3 from partition
             where topic_id = ?1 and partition = ?2
             on conflict do nothing",
            now_ms,
        ),
        (
            "insert into upkeep (topic_id, partition, looked_at) values (?, ?, ?)
             on conflict do update set looked_at = excluded.looked_at",
            now_ms,
        ),
    ] {
        let query = sqlx::query(sql).bind(at.topic_id).bind(at.partition).bind(moment);
        query.execute(&mut *tx).await?;
    }
    commit(tx).await?;
    Ok(looked)
}

/// What lies below this offset was there so long ago.
pub(super) async fn older_than(
    conn: &mut SqliteConnection,
    at: &Partition,
    now_ms: i64,
    looked: Looked,
    age_ms: i64,
) -> Result<i64, Fault> {
    let leapt = looked.is_none_or(|looked_at| now_ms - looked_at > age_ms.max(DAY_MS));
    if leapt {
        return Ok(0);
    }
    let below: Option<i64> = sqlx::query_scalar(
        "select max(next_offset) from mark
         where topic_id = ? and partition = ? and seen_at <= ?",
    )
    .bind(at.topic_id)
    .bind(at.partition)
    .bind(now_ms.saturating_sub(age_ms))
    .fetch_one(conn)
    .await?;
    Ok(below.unwrap_or(0))
}
