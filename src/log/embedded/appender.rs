//! The appender: one task that turns whatever is waiting into one transaction.
//!
//! Invariant: offsets of a partition have no gap and no twin, whichever process appends. They are
//! taken inside a `begin immediate` transaction, and an append is answered after its commit.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::{mpsc, oneshot, watch};

use super::schema::{BUSY_ATTEMPTS, BUSY_PAUSE, connect, is_busy, log_error};
use crate::kernel::record::RecordRef;
use crate::log::LogError;
use crate::log::batch::BatchBuilder;

/// Appends that may wait; further ones wait for a place.
const QUEUE_JOBS: usize = 256;
/// A transaction takes no further append once it holds so many bytes.
const GROUP_BYTES: usize = 8 * 1024 * 1024;
/// Rows of different appends are joined below these sizes.
const JOINED_BYTES: usize = 64 * 1024;
const JOINED_RECORDS: usize = 4096;

/// One append on its way to the file.
pub(super) struct Job {
    pub topic_id: i64,
    /// Packed against offset 0.
    pub rows: Vec<BatchBuilder>,
    /// The offset of the first record of each row.
    pub reply: oneshot::Sender<Result<Vec<i64>, LogError>>,
}

/// Starts the task; it ends when the last sender is gone and the queue is empty.
pub(super) fn start(
    conn: SqliteConnection,
    path: Arc<PathBuf>,
    changes: watch::Sender<u64>,
) -> mpsc::Sender<Job> {
    let (jobs, waiting) = mpsc::channel(QUEUE_JOBS);
    tokio::spawn(run(conn, path, changes, waiting));
    jobs
}

async fn run(
    mut conn: SqliteConnection,
    path: Arc<PathBuf>,
    changes: watch::Sender<u64>,
    mut waiting: mpsc::Receiver<Job>,
) {
    while let Some(first) = waiting.recv().await {
        let mut size_bytes = size_of_rows(&first.rows);
        let mut jobs = vec![first];
        while size_bytes < GROUP_BYTES
            && let Ok(job) = waiting.try_recv()
        {
            size_bytes += size_of_rows(&job.rows);
            jobs.push(job);
        }
        let group = Group::gather(&mut jobs);
        let outcome = commit_patiently(&mut conn, &group).await;
        let outcome = outcome.map_err(|fault| log_error(&path, &fault));
        match &outcome {
            Ok(_) => changes.send_modify(|version| *version += 1),
            Err(error) => {
                tracing::warn!(%error, "an append to the event log failed");
                renew(&mut conn, &path).await;
            }
        }
        for (job, places) in jobs.into_iter().zip(&group.places) {
            let answer = outcome
                .as_ref()
                .map_err(Clone::clone)
                .map(|bases| places.iter().map(|(row, index)| bases[*row] + index).collect());
            // Whoever gave up waiting is not told; the records are in the log all the same.
            let _ = job.reply.send(answer);
        }
    }
}

fn size_of_rows(rows: &[BatchBuilder]) -> usize {
    rows.iter().map(BatchBuilder::size_bytes).sum()
}

/// What one transaction writes.
struct Group {
    rows: Vec<(i64, BatchBuilder)>,
    /// For each job and each of its rows: the row written and the index of its first record there.
    places: Vec<Vec<(usize, i64)>>,
}

impl Group {
    /// Takes the rows of the jobs, joining small ones of the same partition.
    fn gather(jobs: &mut [Job]) -> Group {
        let mut group = Group { rows: Vec::new(), places: Vec::new() };
        let mut newest: HashMap<(i64, i32), usize> = HashMap::new();
        for job in jobs {
            let mut places = Vec::with_capacity(job.rows.len());
            for row in job.rows.drain(..) {
                let key = (job.topic_id, row.packed().partition);
                let open = newest.get(&key).copied();
                if let Some(open) = open
                    && let Some(index) = join(&mut group.rows[open].1, &row)
                {
                    places.push((open, index));
                    continue;
                }
                newest.insert(key, group.rows.len());
                places.push((group.rows.len(), 0));
                group.rows.push((job.topic_id, row));
            }
            group.places.push(places);
        }
        group
    }
}

/// Adds the records of `row` to `open` where both are small; gives the index of the first.
fn join(open: &mut BatchBuilder, row: &BatchBuilder) -> Option<i64> {
    let small = open.size_bytes() + row.size_bytes() <= JOINED_BYTES
        && open.count() + row.count() <= JOINED_RECORDS;
    if !small {
        return None;
    }
    let first = open.count() as i64;
    for record in row.packed().records() {
        // Both were packed by us a moment ago: neither can fail.
        let record = record.ok()?;
        open.push_ref(&RecordRef { offset: first + record.offset, ..record }).ok()?;
    }
    Some(first)
}

async fn commit_patiently(
    conn: &mut SqliteConnection,
    group: &Group,
) -> Result<Vec<i64>, sqlx::Error> {
    let mut attempt = 1;
    loop {
        match commit(conn, group).await {
            Err(fault) if is_busy(&fault) && attempt < BUSY_ATTEMPTS => {
                tokio::time::sleep(BUSY_PAUSE * 2u32.pow(attempt)).await;
                attempt += 1;
            }
            outcome => return outcome,
        }
    }
}

/// Opens the connection anew after an error. On a full disk SQLite has ended the transaction by
/// itself, and sqlx, which still counts it, would refuse every later one.
pub(super) async fn renew(conn: &mut SqliteConnection, path: &Path) {
    match connect(path).await {
        Ok(fresh) => *conn = fresh,
        Err(error) => tracing::warn!(%error, "cannot open the event log again"),
    }
}

/// Writes the rows in one transaction and gives their base offsets.
async fn commit(conn: &mut SqliteConnection, group: &Group) -> Result<Vec<i64>, sqlx::Error> {
    let mut tx = conn.begin_with("begin immediate").await?;
    let mut bases = Vec::with_capacity(group.rows.len());
    for (topic_id, row) in &group.rows {
        let batch = row.packed();
        let base_offset: i64 = sqlx::query_scalar(
            "update partition set
                next_offset = next_offset + ?3,
                records = records + ?3,
                first_ts = min(coalesce(first_ts, ?4), ?4),
                last_ts = max(coalesce(last_ts, ?5), ?5)
             where topic_id = ?1 and partition = ?2
             returning next_offset - ?3",
        )
        .bind(topic_id)
        .bind(batch.partition)
        .bind(batch.count)
        .bind(batch.first_ts_ms)
        .bind(batch.last_ts_ms)
        .fetch_one(&mut *tx)
        .await?;
        sqlx::query(
            "insert into batch
                (topic_id, partition, base_offset, next_offset, count, first_ts, last_ts, bytes)
             values (?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(topic_id)
        .bind(batch.partition)
        .bind(base_offset)
        .bind(base_offset + i64::from(batch.count))
        .bind(batch.count)
        .bind(batch.first_ts_ms)
        .bind(batch.last_ts_ms)
        .bind(&batch.bytes)
        .execute(&mut *tx)
        .await?;
        bases.push(base_offset);
    }
    tx.commit().await?;
    Ok(bases)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::record::NewRecord;
    use crate::log::embedded::{placement, schema};

    async fn append(jobs: &mpsc::Sender<Job>, records: &[NewRecord]) -> Result<Vec<i64>, LogError> {
        let packed = placement::pack("t", 1, records, &Default::default()).unwrap();
        let (reply, answer) = oneshot::channel();
        jobs.send(Job { topic_id: 1, rows: packed.rows, reply }).await.unwrap();
        answer.await.unwrap()
    }

    fn sized(size: usize) -> NewRecord {
        NewRecord { value: Some(vec![7; size]), ..NewRecord::default() }
    }

    /// A connection to a fresh log with one topic of one partition.
    async fn prepared(path: &Path) -> SqliteConnection {
        let mut conn = connect(path).await.unwrap();
        schema::prepare(&mut conn, path).await.unwrap();
        let topic = "insert into topic (id, name, kind, partitions) values (1, 't', 'stream', 1);
             insert into partition (topic_id, partition) values (1, 0);";
        sqlx::raw_sql(topic).execute(&mut conn).await.unwrap();
        conn
    }

    #[tokio::test]
    async fn appending_goes_on_when_a_full_disk_has_room_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = Arc::new(dir.path().join("log.db"));
        let mut conn = prepared(&path).await;
        // Only this connection is held to its pages, as if the disk were full until it is renewed.
        sqlx::raw_sql("pragma max_page_count = 20").execute(&mut conn).await.unwrap();
        let jobs = start(conn, Arc::clone(&path), watch::Sender::new(0));
        assert_eq!(append(&jobs, &[sized(10)]).await.unwrap(), [0]);
        let full = append(&jobs, &[sized(500_000)]).await;
        assert!(matches!(full, Err(LogError::Unavailable(_))), "{full:?}");
        assert_eq!(append(&jobs, &[sized(500_000)]).await.unwrap(), [1]);
    }

    #[tokio::test]
    async fn appends_that_wait_together_become_one_row() {
        let dir = tempfile::tempdir().unwrap();
        let path = Arc::new(dir.path().join("log.db"));
        let mut jobs = Vec::new();
        let mut answers = Vec::new();
        for _ in 0..3 {
            let records = [sized(1), sized(1)];
            let rows = placement::pack("t", 1, &records, &Default::default()).unwrap().rows;
            let (reply, answer) = oneshot::channel();
            jobs.push(Job { topic_id: 1, rows, reply });
            answers.push(answer);
        }
        let group = Group::gather(&mut jobs);
        assert_eq!(group.rows.len(), 1);
        assert_eq!(group.places, [[(0, 0)], [(0, 2)], [(0, 4)]]);
        let mut conn = prepared(&path).await;
        assert_eq!(commit(&mut conn, &group).await.unwrap(), [0]);
    }
}
