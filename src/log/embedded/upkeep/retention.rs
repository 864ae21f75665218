//! Retention of streams: whole rows go, from the oldest on.
//!
//! Invariant: a row that is not folded goes only when its topic is at twice its size, and then the
//! report names it; the last row of a partition stays.

use super::marks::{self, Looked};
use super::rows::{self, Outline};
use super::{Lost, Partition, Pass, TX_BYTES, TX_ROWS, begin, commit};
use crate::log::embedded::schema::{Fault, ROW_OVERHEAD_BYTES};

/// A topic at so many times its size loses what nobody has folded yet, too.
const FAR_EXCEEDED: i64 = 2;

/// What rows are judged by.
struct Rule {
    /// What lies below has outlived its age.
    aged_offset: i64,
    folded_offset: i64,
    /// The partition's part of the topic's size.
    limit_bytes: Option<i64>,
    last_base_offset: i64,
}

/// The rows of one transaction.
#[derive(Debug, Default, PartialEq, Eq)]
struct Doomed {
    last_base_offset: i64,
    next_offset: i64,
    records: i64,
    size_bytes: i64,
}

impl Pass<'_> {
    pub(super) async fn trim(&mut self, at: &Partition, looked: Looked) -> Result<(), Fault> {
        let aged_offset = match self.keep.age_ms {
            Some(age_ms) => marks::older_than(self.conn, at, self.now_ms, looked, age_ms).await?,
            None => 0,
        };
        let parts = i64::from(at.partitions.max(1));
        let mut rule = Rule {
            aged_offset,
            folded_offset: self.folded(at),
            limit_bytes: self.keep.topic_bytes.map(|topic_bytes| topic_bytes / parts),
            last_base_offset: 0,
        };
        let mut trimmed = false;
        while !self.is_over() {
            let outlines = rows::outlines(self.conn, at, 0, TX_ROWS).await?;
            let held_bytes;
            (held_bytes, rule.last_base_offset) = held(self.conn, at).await?;
            let Some(doomed) = rule.judge(&outlines, held_bytes) else { break };
            let mut tx = begin(self.conn).await?;
            sqlx::query(
                "delete from batch where topic_id = ? and partition = ? and base_offset <= ?",
            )
            .bind(at.topic_id)
            .bind(at.partition)
            .bind(doomed.last_base_offset)
            .execute(&mut *tx)
            .await?;
            rows::shrink(&mut tx, at, doomed.records, doomed.size_bytes).await?;
            commit(tx).await?;
            trimmed = true;
            self.report.removed += doomed.records;
            if doomed.next_offset > rule.folded_offset {
                // What an earlier pass has lost was told then.
                let first_offset = outlines.first().map_or(0, |row| row.base_offset);
                self.lose(at, rule.folded_offset.max(first_offset), doomed.next_offset);
            }
        }
        if trimmed {
            let mut tx = begin(self.conn).await?;
            rows::refresh_times(&mut tx, at).await?;
            commit(tx).await?;
        }
        Ok(())
    }

    fn lose(&mut self, at: &Partition, from_offset: i64, next_offset: i64) {
        let is_same = |lost: &&mut Lost| lost.topic == at.topic && lost.partition == at.partition;
        if let Some(lost) = self.report.lost.iter_mut().find(is_same) {
            lost.next_offset = next_offset;
            return;
        }
        let (topic, partition) = (at.topic.clone(), at.partition);
        self.report.lost.push(Lost { topic, partition, from_offset, next_offset });
    }
}

impl Rule {
    /// The rows that go with the next transaction.
    fn judge(&self, outlines: &[Outline], held_bytes: i64) -> Option<Doomed> {
        let mut doomed = Doomed::default();
        for row in outlines {
            let left_bytes = held_bytes - doomed.size_bytes;
            let exceeds = |times: i64| {
                let limit = self.limit_bytes.map(|limit_bytes| limit_bytes.saturating_mul(times));
                limit.is_some_and(|limit_bytes| left_bytes > limit_bytes)
            };
            let is_due = row.next_offset <= self.aged_offset || exceeds(1);
            let is_free = row.next_offset <= self.folded_offset || exceeds(FAR_EXCEEDED);
            let is_last = row.base_offset >= self.last_base_offset;
            if is_last || !is_due || !is_free || doomed.size_bytes >= TX_BYTES as i64 {
                break;
            }
            doomed.last_base_offset = row.base_offset;
            doomed.next_offset = row.next_offset;
            doomed.records += row.count;
            doomed.size_bytes += row.size_bytes + ROW_OVERHEAD_BYTES;
        }
        (doomed.records > 0).then_some(doomed)
    }
}

/// What the partition takes, and where its last row begins.
async fn held(conn: &mut sqlx::SqliteConnection, at: &Partition) -> Result<(i64, i64), Fault> {
    let held = sqlx::query_as(
        "select size_bytes, coalesce(
            (select max(base_offset) from batch
             where batch.topic_id = ?1 and batch.partition = ?2), 0)
         from partition where topic_id = ?1 and partition = ?2",
    );
    Ok(held.bind(at.topic_id).bind(at.partition).fetch_one(conn).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: i64 = 100 + ROW_OVERHEAD_BYTES;

    /// Ten rows of ten records and a hundred bytes each.
    fn judged(aged_offset: i64, folded_offset: i64, limit_bytes: Option<i64>) -> i64 {
        let rows: Vec<Outline> = (0..10)
            .map(|row| Outline {
                base_offset: row * 10,
                next_offset: row * 10 + 10,
                count: 10,
                size_bytes: 100,
            })
            .collect();
        let rule = Rule { aged_offset, folded_offset, limit_bytes, last_base_offset: 90 };
        rule.judge(&rows, 10 * ROW).map_or(0, |doomed| doomed.records)
    }

    #[test]
    fn rows_go_by_age_and_by_size_and_not_before_they_are_folded() {
        assert_eq!(judged(0, 100, None), 0);
        assert_eq!(judged(45, 100, None), 40);
        assert_eq!(judged(45, 25, None), 20);
        assert_eq!(judged(0, 100, Some(7 * ROW)), 30);
        assert_eq!(judged(0, 15, Some(7 * ROW)), 10);
        assert_eq!(judged(100, 100, Some(0)), 90, "the last row stays");
    }

    #[test]
    fn what_is_not_folded_goes_from_twice_the_size_on() {
        assert_eq!(judged(0, 0, Some(5 * ROW)), 0);
        assert_eq!(judged(0, 0, Some(4 * ROW)), 20);
    }
}
