//! Positions, dead letters and published results that move to another log with its records.
//!
//! Invariant: all of it moves in the caller's one transaction, or nothing does. How much was folded,
//! the watermark, and everything that was announced stay as they are.

use std::collections::HashSet;

use sqlx::SqliteConnection;

use super::StoreError;
use super::positions::{self, Position};
use super::{publication, results};
use crate::log::Start;
use crate::log::dead_letters::{DeadLetter, Origin};
use crate::log::once::Ends;

/// What one topic came to in the new log.
#[derive(Debug, Clone, Default)]
pub struct CarriedTopic {
    /// By default name.
    pub topic: String,
    /// Where each partition ends that has got records.
    pub ends: Vec<CarriedEnd>,
    /// Dead letters whose records were carried: their places before and now.
    pub letters: Vec<(Origin, Origin)>,
    /// Records of which nobody has said yet that they cannot be read: how many, and the first ones.
    pub unreadable: u64,
    pub unreadable_letters: Vec<DeadLetter>,
    /// Published rows whose bytes are others now: the key, and the digests before and now.
    pub digests: Vec<(String, Vec<u8>, Vec<u8>)>,
}

/// The end of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CarriedEnd {
    pub partition: i32,
    pub next_offset: i64,
    /// The time of the last record, in milliseconds since the epoch.
    pub last_ts_ms: i64,
    /// The greatest event time by pipeline.
    pub greatest: Vec<(&'static str, i64)>,
}

/// The logs that the state's positions belong to.
pub async fn logs(db: &mut SqliteConnection) -> Result<Vec<String>, StoreError> {
    Ok(sqlx::query_scalar(
        "select log_id from position union select log_id from past order by log_id",
    )
    .fetch_all(db)
    .await?)
}

/// Where the dead letters of a topic stand in a log: partition and offset.
pub async fn letters(
    db: &mut SqliteConnection,
    log_id: &str,
    topic: &str,
) -> Result<Vec<(i32, i64)>, StoreError> {
    let places =
        sqlx::query_as("select partition, offset from dead_letter where log_id = ? and topic = ?");
    Ok(places.bind(log_id).bind(topic).fetch_all(db).await?)
}

/// The rows of a result table that stand in the log, with their digests.
pub async fn digests(
    db: &mut SqliteConnection,
    topic: &str,
) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
    let rows = sqlx::query_as(
        "select record_key, published from result_row
          where topic = ? and published is not null",
    );
    Ok(rows.bind(topic).fetch_all(db).await?)
}

/// The state belongs to the new log from here on.
pub async fn move_to(
    db: &mut SqliteConnection,
    (from, to): (&str, &str),
    topics: &[CarriedTopic],
    now_ms: i64,
) -> Result<(), StoreError> {
    for topic in topics {
        // What is in the log and was not met by its reader goes out again: newer edits follow it.
        publication::place_anew(db, &topic.topic).await?;
        move_positions(db, (from, to), topic).await?;
        move_letters(db, &topic.letters).await?;
        for letter in &topic.unreadable_letters {
            super::dead_letters::bury(db, letter, now_ms).await?;
        }
        move_digests(db, topic).await?;
        let ends = topic.ends.iter();
        let ends = ends.map(|end| Start { partition: end.partition, offset: end.next_offset });
        let ends = (!topic.ends.is_empty()).then(|| Ends::new(to, ends.collect()));
        results::ends_at(db, &topic.topic, ends.as_ref()).await?;
    }
    // Topics that no pipeline of this version reads.
    sqlx::query("delete from position where log_id = ?").bind(from).execute(db).await?;
    Ok(())
}

/// The counts of all partitions stay together, on the first one.
async fn move_positions(
    db: &mut SqliteConnection,
    (from, to): (&str, &str),
    carried: &CarriedTopic,
) -> Result<(), StoreError> {
    let counted: Vec<(String, i64, i64)> = sqlx::query_as(
        "select pipeline, sum(records), sum(late) from position
          where log_id = ? and topic = ? group by pipeline",
    )
    .bind(from)
    .bind(&carried.topic)
    .fetch_all(&mut *db)
    .await?;
    sqlx::query("delete from position where log_id = ? and topic = ?")
        .bind(from)
        .bind(&carried.topic)
        .execute(&mut *db)
        .await?;
    for (pipeline, mut records, mut late) in counted {
        for end in &carried.ends {
            let greatest = end.greatest.iter().find(|(name, _)| *name == pipeline);
            let position = Position {
                topic: carried.topic.clone(),
                partition: end.partition,
                log_id: to.to_owned(),
                next_offset: end.next_offset,
                last_ts_ms: Some(end.last_ts_ms),
                greatest_event_ms: greatest.map(|(_, event_ms)| *event_ms),
                records: std::mem::take(&mut records),
                late: std::mem::take(&mut late),
            };
            positions::advance(db, &pipeline, &position).await?;
        }
    }
    Ok(())
}

async fn move_letters(
    db: &mut SqliteConnection,
    letters: &[(Origin, Origin)],
) -> Result<(), StoreError> {
    // Few letters are replays, and to find those of one place costs a look at all.
    let replayed: Vec<String> = sqlx::query_scalar(
        "select distinct replay_of from dead_letter where replay_of is not null",
    )
    .fetch_all(&mut *db)
    .await?;
    let replayed: HashSet<String> = replayed.into_iter().collect();
    for (before, now) in letters {
        sqlx::query(
            "update dead_letter set log_id = ?, partition = ?, offset = ?
              where log_id = ? and topic = ? and partition = ? and offset = ?",
        )
        .bind(&now.log_id)
        .bind(now.partition)
        .bind(now.offset)
        .bind(&before.log_id)
        .bind(&before.topic)
        .bind(before.partition)
        .bind(before.offset)
        .execute(&mut *db)
        .await?;
        let place = before.to_string();
        if !replayed.contains(&place) {
            continue;
        }
        sqlx::query("update dead_letter set replay_of = ? where replay_of = ?")
            .bind(now.to_string())
            .bind(place)
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}

async fn move_digests(db: &mut SqliteConnection, carried: &CarriedTopic) -> Result<(), StoreError> {
    for (record_key, before, now) in &carried.digests {
        sqlx::query(
            "update result_row set published = ?
              where topic = ? and record_key = ? and published = ?",
        )
        .bind(now)
        .bind(&carried.topic)
        .bind(record_key)
        .bind(before)
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Store, Urgency, dead_letters};

    fn origin(log_id: &str, offset: i64) -> Origin {
        Origin { log_id: log_id.to_owned(), topic: "t".to_owned(), partition: 0, offset }
    }

    fn letter(offset: i64) -> DeadLetter {
        DeadLetter {
            origin: origin("file", offset),
            ts_ms: 1,
            key: None,
            value: None,
            headers: Vec::new(),
            reason: "odd".to_owned(),
        }
    }

    /// Of three letters the last is a replay of the first: it follows it to its new place.
    #[tokio::test]
    async fn a_replay_names_the_new_place_of_what_it_repeats() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).await.unwrap();
        let moved = store.write(Urgency::Bulk, |db| {
            Box::pin(async move {
                for offset in 0..3 {
                    dead_letters::bury(db, &letter(offset), 1).await?;
                }
                sqlx::query("update dead_letter set replay_of = ? where offset = 2")
                    .bind(origin("file", 0).to_string())
                    .execute(&mut *db)
                    .await?;
                let to = |offset| (origin("file", offset), origin("cluster", offset + 10));
                let letters = (0..3).map(to).collect();
                let topic = CarriedTopic { letters, ..CarriedTopic::default() };
                move_to(db, ("file", "cluster"), &[topic], 1).await?;
                let rows: Vec<(i64, Option<String>)> =
                    sqlx::query_as("select offset, replay_of from dead_letter order by offset")
                        .fetch_all(db)
                        .await?;
                Ok(rows)
            })
        });
        let first = origin("cluster", 10).to_string();
        assert_eq!(moved.await.unwrap(), [(10, None), (11, None), (12, Some(first))]);
    }
}
