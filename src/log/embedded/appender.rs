//! The appender: one task that turns whatever is waiting into one transaction.
//!
//! Invariant: offsets of a partition have no gap and no twin, whichever process appends. They are
//! taken inside a `begin immediate` transaction, and an append is answered after its commit.

use std::collections::HashMap;
use std::sync::Arc;

use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, Executor};
use tokio::sync::{mpsc, oneshot, watch};

use super::carried;
use super::identity::Identity;
use super::schema::{BUSY_ATTEMPTS, BUSY_PAUSE, ROW_OVERHEAD_BYTES, connect, log_error};
use crate::condition::{Condition, Use, is_busy};
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

/// What the task is asked to do.
pub(super) enum Order {
    Append(Job),
    /// Fold the write-ahead log into the file, and end.
    Close(oneshot::Sender<()>),
}

/// One append on its way to the file.
pub(super) struct Job {
    pub topic_id: i64,
    /// Packed against offset 0.
    pub rows: Vec<BatchBuilder>,
    /// The offset of the first record of each row.
    pub reply: oneshot::Sender<Result<Vec<i64>, LogError>>,
}

/// Starts the task; it ends when it is told to, or the last sender is gone and the queue is empty.
pub(super) fn start(
    conn: SqliteConnection,
    identity: Arc<Identity>,
    changes: watch::Sender<u64>,
    condition: Arc<Condition>,
) -> mpsc::Sender<Order> {
    let (orders, waiting) = mpsc::channel(QUEUE_JOBS);
    tokio::spawn(run(conn, identity, changes, condition, waiting));
    orders
}

async fn run(
    mut conn: SqliteConnection,
    identity: Arc<Identity>,
    changes: watch::Sender<u64>,
    condition: Arc<Condition>,
    mut waiting: mpsc::Receiver<Order>,
) {
    let mut closing = None;
    while closing.is_none()
        && let Some(first) = waiting.recv().await
    {
        let mut size_bytes = 0;
        let mut jobs = Vec::new();
        let mut next = Some(first);
        while let Some(order) = next {
            match order {
                Order::Append(job) => {
                    size_bytes += size_of_rows(&job.rows);
                    jobs.push(job);
                    next = if size_bytes < GROUP_BYTES { waiting.try_recv().ok() } else { None };
                }
                Order::Close(closed) => {
                    closing = Some(closed);
                    next = None;
                }
            }
        }
        if !jobs.is_empty() {
            append(&mut conn, &identity, &changes, &condition, jobs).await;
        }
    }
    if let Some(closed) = closing {
        fold_back(conn).await;
        // Whoever asked may be gone.
        let _ = closed.send(());
    }
}

/// Writes a group of appends and answers them.
async fn append(
    conn: &mut SqliteConnection,
    identity: &Identity,
    changes: &watch::Sender<u64>,
    condition: &Condition,
    mut jobs: Vec<Job>,
) {
    let group = Group::gather(&mut jobs);
    let outcome = commit_patiently(conn, &group).await;
    let outcome = outcome.map_err(|fault| log_error(identity.path(), &fault)).flatten();
    // A commit into a file that was deleted meanwhile is none.
    let outcome = outcome.and_then(|bases| identity.check().map(|()| bases));
    match &outcome {
        Ok(_) => {
            condition.works(Use::Write);
            changes.send_modify(|version| *version += 1);
        }
        Err(error) => {
            match error {
                LogError::File(fault) => condition.fails(Use::Write, fault),
                error => tracing::warn!(%error, "an append to the event log failed"),
            }
            renew(conn, identity).await;
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

/// Folds the write-ahead log into the file as far as other processes let it, without waiting.
async fn fold_back(mut conn: SqliteConnection) {
    for pragma in ["pragma busy_timeout = 0", "pragma wal_checkpoint(truncate)"] {
        if let Err(error) = conn.execute(pragma).await {
            tracing::debug!(%error, "the log's write-ahead log stays; the next start folds it");
        }
    }
    if let Err(error) = conn.close().await {
        tracing::debug!(%error, "closing the event log");
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
) -> Result<Result<Vec<i64>, LogError>, sqlx::Error> {
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
pub(super) async fn renew(conn: &mut SqliteConnection, identity: &Identity) {
    // Before connecting: that would create a file where none is.
    let fresh = match identity.check() {
        Ok(()) => connect(identity.path()).await,
        Err(error) => Err(error),
    };
    match fresh {
        Ok(fresh) => *conn = fresh,
        // The next append fails on the old one and tries again.
        Err(error) => tracing::debug!(%error, "cannot open the event log again"),
    }
}

/// Writes the rows in one transaction and gives their base offsets; none into a log whose records
/// went elsewhere.
async fn commit(
    conn: &mut SqliteConnection,
    group: &Group,
) -> Result<Result<Vec<i64>, LogError>, sqlx::Error> {
    let mut tx = conn.begin_with("begin immediate").await?;
    if let Some(mark) = carried::find(&mut tx).await? {
        return Ok(Err(LogError::Carried(mark)));
    }
    let mut bases = Vec::with_capacity(group.rows.len());
    for (topic_id, row) in &group.rows {
        let batch = row.packed();
        let base_offset: i64 = sqlx::query_scalar(
            "update partition set
                next_offset = next_offset + ?3,
                records = records + ?3,
                size_bytes = size_bytes + ?6,
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
        .bind(batch.bytes.len() as i64 + ROW_OVERHEAD_BYTES)
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
    Ok(Ok(bases))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::condition::Trouble;
    use crate::kernel::record::NewRecord;
    use crate::log::embedded::{placement, schema};

    async fn append(
        orders: &mpsc::Sender<Order>,
        records: &[NewRecord],
    ) -> Result<Vec<i64>, LogError> {
        let packed = placement::pack("t", 1, records, &Default::default()).unwrap();
        let (reply, answer) = oneshot::channel();
        let job = Job { topic_id: 1, rows: packed.rows, reply };
        orders.send(Order::Append(job)).await.unwrap();
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
        let path = dir.path().join("log.db");
        let mut conn = prepared(&path).await;
        let identity = Arc::new(Identity::of(&path).unwrap());
        // Only this connection is held to its pages, as if the disk were full until it is renewed.
        sqlx::raw_sql("pragma max_page_count = 20").execute(&mut conn).await.unwrap();
        let condition = Arc::new(Condition::default());
        let jobs = start(conn, identity, watch::Sender::new(0), Arc::clone(&condition));
        assert_eq!(append(&jobs, &[sized(10)]).await.unwrap(), [0]);
        let full = append(&jobs, &[sized(500_000)]).await;
        assert!(full.is_err_and(|error| error.is_transient()));
        assert!(condition.trouble().is_some_and(|fault| fault.trouble == Trouble::Full));
        assert_eq!(append(&jobs, &[sized(500_000)]).await.unwrap(), [1]);
        assert!(condition.trouble().is_none());
    }

    #[tokio::test]
    async fn appends_that_wait_together_become_one_row() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.db");
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
        assert_eq!(commit(&mut conn, &group).await.unwrap().unwrap(), [0]);
    }
}
