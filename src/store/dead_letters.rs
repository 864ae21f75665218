//! Records that could not be folded: buried whole, published, replayed.
//!
//! Invariant: a record is buried once, by its place; it counts as replayed from the transaction in
//! which a fold met its replay.

use std::collections::HashSet;

use sqlx::{FromRow, SqliteConnection};

use super::StoreError;
use super::past::PastRow;
use crate::log::Bounds;
use crate::log::dead_letters::{DeadLetter, Origin};

/// Letters taken to the log at once, and about how many bytes of them.
const BATCH: i64 = 200;
const BATCH_BYTES: i64 = 8 * 1024 * 1024;
/// Letters are told together by so many characters of their reasons.
const KIND_CHARS: usize = 200;

/// Buries a record; burying it again is nothing. Says whether it is new.
pub async fn bury(
    db: &mut SqliteConnection,
    letter: &DeadLetter,
    now_ms: i64,
) -> Result<bool, StoreError> {
    let origin = &letter.origin;
    let result = sqlx::query(
        "insert into dead_letter
            (log_id, topic, partition, offset, ts_ms, record_key, value, headers, reason, kind,
             replay_of, buried_at)
         values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         on conflict (log_id, topic, partition, offset) do nothing",
    )
    .bind(&origin.log_id)
    .bind(&origin.topic)
    .bind(origin.partition)
    .bind(origin.offset)
    .bind(letter.ts_ms)
    .bind(&letter.key)
    .bind(&letter.value)
    .bind(&letter.headers)
    .bind(&letter.reason)
    .bind(kind_of(&letter.reason))
    .bind(letter.replay_of().map(|ancestor| ancestor.to_string()))
    .bind(now_ms)
    .execute(db)
    .await?;
    Ok(result.rows_affected() == 1)
}

/// A reason without what differs from record to record: numbers, bytes and quoted pieces.
fn kind_of(reason: &str) -> String {
    let cut: String = reason.chars().take(KIND_CHARS).collect();
    let mut kind = String::new();
    for (index, piece) in cut.split('"').enumerate() {
        if index % 2 == 1 {
            kind.push_str("\"…\"");
            continue;
        }
        for word in piece.split_inclusive(' ') {
            let is_byte = word.trim_end().len() == 2 && !word.contains(char::is_lowercase);
            if !word.contains(|symbol: char| symbol.is_ascii_digit()) && !is_byte {
                kind.push_str(word);
            } else if !kind.ends_with("# ") {
                kind.push_str("# ");
            }
        }
    }
    kind
}

/// A fold met a replay of this record.
pub async fn mark_replayed(
    db: &mut SqliteConnection,
    origin: &Origin,
    now_ms: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "update dead_letter set replayed_at = ?
          where log_id = ? and topic = ? and partition = ? and offset = ? and replayed_at is null",
    )
    .bind(now_ms)
    .bind(&origin.log_id)
    .bind(&origin.topic)
    .bind(origin.partition)
    .bind(origin.offset)
    .execute(db)
    .await?;
    Ok(())
}

/// The offsets of dead letters in the past of a partition.
pub async fn below(db: &mut SqliteConnection, past: &PastRow) -> Result<HashSet<i64>, StoreError> {
    let offsets: Vec<i64> = sqlx::query_scalar(
        "select offset from dead_letter
          where log_id = ? and topic = ? and partition = ? and offset < ?",
    )
    .bind(&past.log_id)
    .bind(&past.topic)
    .bind(past.partition)
    .bind(past.next_offset)
    .fetch_all(db)
    .await?;
    Ok(offsets.into_iter().collect())
}

/// A dead letter as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buried {
    pub id: i64,
    pub letter: DeadLetter,
    /// The place of the letter that it repeats.
    pub replay_of: Option<String>,
    pub buried_at: i64,
    pub replayed_at: Option<i64>,
}

#[derive(FromRow)]
struct RawRow {
    id: i64,
    log_id: String,
    topic: String,
    partition: i32,
    offset: i64,
    ts_ms: i64,
    record_key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<u8>,
    reason: String,
    replay_of: Option<String>,
    buried_at: i64,
    replayed_at: Option<i64>,
}

impl From<RawRow> for Buried {
    fn from(row: RawRow) -> Buried {
        Buried {
            id: row.id,
            letter: DeadLetter {
                origin: Origin {
                    log_id: row.log_id,
                    topic: row.topic,
                    partition: row.partition,
                    offset: row.offset,
                },
                ts_ms: row.ts_ms,
                key: row.record_key,
                value: row.value,
                headers: row.headers,
                reason: row.reason,
            },
            replay_of: row.replay_of,
            buried_at: row.buried_at,
            replayed_at: row.replayed_at,
        }
    }
}

/// The newest letters, of one topic if it is named.
pub async fn newest(
    db: &mut SqliteConnection,
    topic: Option<&str>,
    limit: i64,
) -> Result<Vec<Buried>, StoreError> {
    let rows: Vec<RawRow> = sqlx::query_as(
        "select * from dead_letter where ?1 is null or topic = ?1 order by id desc limit ?2",
    )
    .bind(topic)
    .bind(limit)
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(Buried::from).collect())
}

pub async fn find(db: &mut SqliteConnection, id: i64) -> Result<Option<Buried>, StoreError> {
    let row: Option<RawRow> = sqlx::query_as("select * from dead_letter where id = ?")
        .bind(id)
        .fetch_optional(db)
        .await?;
    Ok(row.map(Buried::from))
}

/// Letters that nobody has replayed and that are no failed replays themselves, oldest first.
pub async fn never_replayed(
    db: &mut SqliteConnection,
    topic: &str,
) -> Result<Vec<i64>, StoreError> {
    Ok(sqlx::query_scalar(
        "select id from dead_letter
          where topic = ? and replayed_at is null and replay_of is null order by id",
    )
    .bind(topic)
    .fetch_all(db)
    .await?)
}

/// The oldest letters that are not in the topic of dead letters yet.
pub async fn unpublished(db: &mut SqliteConnection) -> Result<Vec<Buried>, StoreError> {
    let rows: Vec<RawRow> = sqlx::query_as(
        "select * from dead_letter where id in (
            select id from (
                select id, size, sum(size) over (order by id) as so_far
                  from (select id, length(headers) + coalesce(length(value), 0)
                               + coalesce(length(record_key), 0) as size
                          from dead_letter where published_at is null order by id limit ?))
             where so_far - size < ?)
          order by id",
    )
    .bind(BATCH)
    .bind(BATCH_BYTES)
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(Buried::from).collect())
}

/// The topic of dead letters has these.
pub async fn mark_published(
    db: &mut SqliteConnection,
    ids: &[i64],
    now_ms: i64,
) -> Result<(), StoreError> {
    for id in ids {
        sqlx::query("update dead_letter set published_at = ? where id = ?")
            .bind(now_ms)
            .bind(id)
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}

/// Letters of one topic and for one kind of reason.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Group {
    pub topic: String,
    pub count: i64,
    pub replayed: i64,
    pub newest_at: i64,
    first_id: i64,
    last_id: i64,
}

/// A group with its first and its newest letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    pub group: Group,
    pub first: Buried,
    pub last: Buried,
}

/// Groups of the letters after `after_id`, those with the newest letters first; and how many
/// groups there are in all.
pub async fn groups(
    db: &mut SqliteConnection,
    after_id: i64,
    skip: i64,
    limit: i64,
) -> Result<(Vec<Summary>, i64), StoreError> {
    let total = sqlx::query_scalar(
        "select count(*) from (select 1 from dead_letter where id > ? group by topic, kind)",
    )
    .bind(after_id)
    .fetch_one(&mut *db)
    .await?;
    let groups: Vec<Group> = sqlx::query_as(
        "select topic, count(*) as count, count(replayed_at) as replayed,
                max(buried_at) as newest_at, min(id) as first_id, max(id) as last_id
           from dead_letter where id > ?
          group by topic, kind order by max(id) desc limit ? offset ?",
    )
    .bind(after_id)
    .bind(limit)
    .bind(skip)
    .fetch_all(&mut *db)
    .await?;
    let mut summaries = Vec::with_capacity(groups.len());
    for group in groups {
        let first = find(db, group.first_id).await?;
        let last = find(db, group.last_id).await?;
        if let (Some(first), Some(last)) = (first, last) {
            summaries.push(Summary { group, first, last });
        }
    }
    Ok((summaries, total))
}

/// How many there are, and the newest reason.
pub async fn summary(db: &mut SqliteConnection) -> Result<(i64, Option<String>), StoreError> {
    let count = sqlx::query_scalar("select count(*) from dead_letter").fetch_one(&mut *db).await?;
    let newest = sqlx::query_scalar("select reason from dead_letter order by id desc limit 1")
        .fetch_optional(&mut *db)
        .await?;
    Ok((count, newest))
}

/// What the owners have not been told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Untold {
    /// The owners know of the letters up to this one.
    pub after_id: i64,
    /// When they were told last.
    pub told_at: Option<i64>,
    /// When the first letter since then was buried.
    pub first_at: i64,
}

pub async fn untold(db: &mut SqliteConnection) -> Result<Option<Untold>, StoreError> {
    let told: Option<(i64, i64)> =
        sqlx::query_as("select through_id, told_at from dead_letter_notice")
            .fetch_optional(&mut *db)
            .await?;
    let after_id = told.map_or(0, |(through_id, _)| through_id);
    let first_at: Option<i64> =
        sqlx::query_scalar("select buried_at from dead_letter where id > ? order by id limit 1")
            .bind(after_id)
            .fetch_optional(db)
            .await?;
    let told_at = told.map(|(_, told_at)| told_at);
    Ok(first_at.map(|first_at| Untold { after_id, told_at, first_at }))
}

/// The owners have been told of every letter there is.
pub async fn mark_told(db: &mut SqliteConnection, now_ms: i64) -> Result<(), StoreError> {
    sqlx::query(
        "insert into dead_letter_notice (id, through_id, told_at)
         select 1, coalesce(max(id), 0), ? from dead_letter where true
         on conflict (id) do update set
            through_id = excluded.through_id, told_at = excluded.told_at",
    )
    .bind(now_ms)
    .execute(db)
    .await?;
    Ok(())
}

/// Forgets what was buried before `before_ms`, but nothing that the log still holds (from each of
/// these offsets on): a rebuild obeys it.
pub async fn forget(
    db: &mut SqliteConnection,
    log_id: &str,
    held: &[(String, Vec<Bounds>)],
    before_ms: i64,
) -> Result<(), StoreError> {
    sqlx::query("delete from dead_letter where buried_at < ? and log_id <> ?")
        .bind(before_ms)
        .bind(log_id)
        .execute(&mut *db)
        .await?;
    for (topic, partitions) in held {
        for bounds in partitions {
            sqlx::query(
                "delete from dead_letter
                  where buried_at < ? and log_id = ? and topic = ? and partition = ?
                    and offset < ?",
            )
            .bind(before_ms)
            .bind(log_id)
            .bind(topic)
            .bind(bounds.partition)
            .bind(bounds.first_offset)
            .execute(&mut *db)
            .await?;
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_that_differ_in_numbers_and_names_are_of_one_kind() {
        let ahead = "its time is 2099-01-01T00:00:00+00:00, more than 5 min ahead of the clock";
        assert_eq!(kind_of(ahead), "its time is # more than # min ahead of the clock");
        assert_eq!(kind_of("the key is \"7\", expected"), "the key is \"…\", expected");
        assert_eq!(kind_of("bytes begin with 3C 62, exp"), kind_of("bytes begin with AB 0F, exp"));
    }
}
