//! Records that could not be folded, kept whole with the reason.

use sqlx::SqliteConnection;

use super::StoreError;
use crate::kernel::record::RecordRef;

/// A record on its way to the dead letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub ts_ms: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<u8>,
    /// What was expected, and what came.
    pub reason: String,
}

impl DeadLetter {
    /// A record as it was read, with the reason.
    pub fn of(topic: &str, record: &RecordRef<'_>, reason: String) -> DeadLetter {
        DeadLetter {
            topic: topic.to_owned(),
            partition: record.partition,
            offset: record.offset,
            ts_ms: record.ts_ms,
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: record.headers.to_vec(),
            reason,
        }
    }
}

/// Buries a record; burying it again is nothing. Says whether it is new.
pub async fn bury(
    db: &mut SqliteConnection,
    log_id: &str,
    letter: &DeadLetter,
    now_ms: i64,
) -> Result<bool, StoreError> {
    let result = sqlx::query(
        "insert into dead_letter
            (log_id, topic, partition, offset, ts_ms, record_key, value, headers, reason, buried_at)
         values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         on conflict (log_id, topic, partition, offset) do nothing",
    )
    .bind(log_id)
    .bind(&letter.topic)
    .bind(letter.partition)
    .bind(letter.offset)
    .bind(letter.ts_ms)
    .bind(&letter.key)
    .bind(&letter.value)
    .bind(&letter.headers)
    .bind(&letter.reason)
    .bind(now_ms)
    .execute(db)
    .await?;
    Ok(result.rows_affected() == 1)
}

/// How many there are, and the newest reason.
pub async fn summary(db: &mut SqliteConnection) -> Result<(i64, Option<String>), StoreError> {
    let count = sqlx::query_scalar("select count(*) from dead_letter").fetch_one(&mut *db).await?;
    let newest = sqlx::query_scalar("select reason from dead_letter order by id desc limit 1")
        .fetch_optional(&mut *db)
        .await?;
    Ok((count, newest))
}

/// Forgets what was buried before `before_ms`.
pub async fn forget(db: &mut SqliteConnection, before_ms: i64) -> Result<(), StoreError> {
    sqlx::query("delete from dead_letter where buried_at < ?").bind(before_ms).execute(db).await?;
    Ok(())
}

/// How many were ever buried: the numbers of rows that are gone count too.
pub async fn buried_ever(db: &mut SqliteConnection) -> Result<i64, StoreError> {
    let last: Option<i64> =
        sqlx::query_scalar("select seq from sqlite_sequence where name = 'dead_letter'")
            .fetch_optional(db)
            .await?;
    Ok(last.unwrap_or(0))
}
