//! A reader of one topic: a task that reads ahead, and the receiving end of its channel.
//!
//! Invariant: the channel is bounded and a step is taken out of it whole, so that cancelling
//! `next` loses nothing; dropping the reader ends the task. No read transaction is open while the
//! task waits for anything but the rows themselves.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use tokio::sync::{mpsc, watch};

use super::Shared;
use super::joiner::Joiner;
use super::schema::log_error;
use super::watcher::OwnedTask;
use crate::condition::Use;
use crate::log::batch::Batch;
use crate::log::{Fetched, LogError, LogFuture, LogReader};

/// Steps that wait for whoever reads: a step may be as large as a joined batch.
const AHEAD_STEPS: usize = 2;
/// One query gives at most so many rows, and stops after so many bytes.
const QUERY_ROWS: i64 = 4096;
const QUERY_BYTES: usize = 2 * 1024 * 1024;
/// The pause before a query that failed is tried again.
const FAULT_PAUSE: Duration = Duration::from_millis(250);

/// One partition as the task sees it.
#[derive(Debug)]
pub(super) struct Cursor {
    pub partition: i32,
    /// The offset of the next record to read.
    pub offset: i64,
    /// The offset after the last record when reading began.
    pub known_end: i64,
    /// The version of the file at which the end was told.
    ended_at: Option<u64>,
    /// The end was told and nothing was read since.
    end_told: bool,
}

impl Cursor {
    pub(super) fn new(partition: i32, offset: i64, known_end: i64) -> Cursor {
        Cursor { partition, offset, known_end, ended_at: None, end_told: false }
    }
}

pub(super) struct EmbeddedReader {
    steps: mpsc::Receiver<Result<Fetched, LogError>>,
    _task: OwnedTask,
}

impl EmbeddedReader {
    /// Starts reading.
    pub(super) fn start(
        conn: SqliteConnection,
        topic_id: i64,
        cursors: Vec<Cursor>,
        shared: Arc<Shared>,
    ) -> EmbeddedReader {
        let (sender, steps) = mpsc::channel(AHEAD_STEPS);
        let changes = shared.changes.subscribe();
        let mut ahead = ReadAhead { conn, shared, topic_id, cursors, changes, steps: sender };
        let task = tokio::spawn(async move { ahead.run().await });
        EmbeddedReader { steps, _task: OwnedTask(task) }
    }
}

impl LogReader for EmbeddedReader {
    fn next(&mut self) -> LogFuture<'_, Fetched> {
        Box::pin(async {
            let step = self.steps.recv().await;
            step.unwrap_or_else(|| Err(LogError::Unavailable("the reader has stopped".to_owned())))
        })
    }
}

/// The task's side.
struct ReadAhead {
    conn: SqliteConnection,
    shared: Arc<Shared>,
    topic_id: i64,
    cursors: Vec<Cursor>,
    changes: watch::Receiver<u64>,
    steps: mpsc::Sender<Result<Fetched, LogError>>,
}

/// Nobody reads any more, or nothing more can be read.
struct Stop;

impl ReadAhead {
    async fn run(&mut self) {
        while self.round().await.is_ok() {
            let version = *self.changes.borrow_and_update();
            let all_ended = self.cursors.iter().all(|cursor| cursor.ended_at == Some(version));
            if all_ended && self.changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Reads once from each partition that is not at its end.
    async fn round(&mut self) -> Result<(), Stop> {
        for index in 0..self.cursors.len() {
            let version = *self.changes.borrow();
            if self.cursors[index].ended_at == Some(version) {
                continue;
            }
            match self.query(index).await {
                Ok(chunk) => {
                    self.shared.condition.works(Use::Read);
                    self.tell(index, chunk, version).await?;
                }
                Err(error) => {
                    if let LogError::File(fault) = &error {
                        self.shared.condition.fails(Use::Read, fault);
                    }
                    let may_pass = error.is_transient();
                    self.send(Err(error)).await?;
                    if !may_pass {
                        return Err(Stop);
                    }
                    tokio::time::sleep(FAULT_PAUSE).await;
                }
            }
        }
        Ok(())
    }

    async fn tell(&mut self, index: usize, chunk: Chunk, version: u64) -> Result<(), Stop> {
        for batch in chunk.batches {
            let cursor = &mut self.cursors[index];
            cursor.offset = cursor.offset.max(batch.next_offset);
            cursor.end_told = false;
            self.send(Ok(Fetched::Batch(batch))).await?;
        }
        if !chunk.at_end {
            return Ok(());
        }
        let cursor = &mut self.cursors[index];
        cursor.ended_at = Some(version);
        cursor.offset = cursor.offset.max(cursor.known_end);
        if cursor.end_told {
            return Ok(());
        }
        cursor.end_told = true;
        let (partition, next_offset) = (cursor.partition, cursor.offset);
        self.send(Ok(Fetched::End { partition, next_offset })).await
    }

    async fn send(&self, step: Result<Fetched, LogError>) -> Result<(), Stop> {
        self.steps.send(step).await.map_err(|_| Stop)
    }

    /// The next rows of one partition.
    async fn query(&mut self, index: usize) -> Result<Chunk, LogError> {
        self.shared.identity.check()?;
        let cursor = &self.cursors[index];
        let mut rows = sqlx::query(
            "select base_offset, next_offset, count, first_ts, last_ts, bytes from batch
             where topic_id = ?1 and partition = ?2 and next_offset > ?3
               and base_offset >= coalesce(
                   (select max(base_offset) from batch
                    where topic_id = ?1 and partition = ?2 and base_offset <= ?3), ?3)
             order by base_offset limit ?4",
        )
        .bind(self.topic_id)
        .bind(cursor.partition)
        .bind(cursor.offset)
        .bind(QUERY_ROWS)
        .fetch(&mut self.conn);
        let mut found = Joiner::default();
        let mut count = 0;
        let mut size_bytes = 0;
        while let Some(row) =
            rows.try_next().await.map_err(|fault| log_error(self.shared.identity.path(), &fault))?
        {
            let batch = batch_of(&row, cursor, self.shared.identity.path())?;
            count += 1;
            size_bytes += batch.bytes.len();
            found.take(batch)?;
            if size_bytes >= QUERY_BYTES {
                break;
            }
        }
        let at_end = count < QUERY_ROWS && size_bytes < QUERY_BYTES;
        Ok(Chunk { batches: found.finish()?, at_end })
    }
}

/// What one query gave.
struct Chunk {
    batches: Vec<Batch>,
    /// Nothing came after these when the query ran.
    at_end: bool,
}

fn batch_of(row: &SqliteRow, cursor: &Cursor, path: &Path) -> Result<Batch, LogError> {
    let read = || -> Result<Batch, sqlx::Error> {
        Ok(Batch {
            partition: cursor.partition,
            from_offset: cursor.offset,
            base_offset: row.try_get(0)?,
            next_offset: row.try_get(1)?,
            count: row.try_get(2)?,
            first_ts_ms: row.try_get(3)?,
            last_ts_ms: row.try_get(4)?,
            bytes: row.try_get(5)?,
        })
    };
    read().map_err(|fault| LogError::Damaged {
        place: format!(
            "{} partition {} from offset {}",
            path.display(),
            cursor.partition,
            cursor.offset
        ),
        reason: fault.to_string(),
    })
}
