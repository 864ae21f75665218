//! The one writer: a task with a queue in which people go before bulk.
//!
//! Invariant: a job's effects are durable (`synchronous=FULL`) when its future resolves with `Ok`,
//! and absent when it resolves with `Err`.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection, Executor};
use tokio::sync::{mpsc, oneshot, watch};

use super::{StateFile, StoreError};
use crate::background;
use crate::condition::Use;
use crate::meter::{Counter, Histogram};

/// Jobs that may wait in each queue; more callers wait to enqueue.
const QUEUE_JOBS: usize = 256;
/// Somebody is counted as waiting for this long after a person's job came in.
const LIVELY_FOR: Duration = Duration::from_secs(2);

/// Who waits for a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// A person or a message: goes first.
    People,
    /// Folding, and what a start does before anybody waits for it: goes when nobody waits.
    Bulk,
}

/// A job says whether it left the connection fit for the next.
type Job = Box<dyn for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, bool> + Send>;

/// A handle to the writer task.
#[derive(Clone)]
pub struct Writer {
    people: mpsc::Sender<Job>,
    bulk: mpsc::Sender<Job>,
    liveliness: Arc<Liveliness>,
    changes: Arc<watch::Sender<u64>>,
    file: Arc<StateFile>,
    meter: Arc<WriterMeter>,
}

/// What is counted of the writer's work.
#[derive(Debug, Default)]
pub struct WriterMeter {
    /// From the begin of a transaction to its end.
    pub write_times: Histogram,
    pub failures: Counter,
}

impl WriterMeter {
    fn count(&self, took: Duration, is_fit: bool) {
        self.write_times.record(took);
        self.failures.add(u64::from(!is_fit));
    }
}

/// When a person's job last came in, so that bulk writers keep their transactions short.
struct Liveliness {
    started: Instant,
    last_people_ms: AtomicI64,
}

impl Writer {
    pub(super) fn spawn(
        connection: SqliteConnection,
        options: SqliteConnectOptions,
        file: Arc<StateFile>,
    ) -> Writer {
        let (people, people_jobs) = mpsc::channel(QUEUE_JOBS);
        let (bulk, bulk_jobs) = mpsc::channel(QUEUE_JOBS);
        let liveliness = Arc::new(Liveliness {
            started: Instant::now(),
            last_people_ms: AtomicI64::new(i64::MIN),
        });
        tokio::spawn(WriterTask { connection, options, people_jobs, bulk_jobs }.run());
        let changes = Arc::new(watch::Sender::new(0));
        Writer { people, bulk, liveliness, changes, file, meter: Arc::default() }
    }

    pub fn meter(&self) -> &WriterMeter {
        &self.meter
    }

    /// Jobs that wait in the queues of people and of bulk.
    pub fn waiting(&self) -> (usize, usize) {
        let waiting = |queue: &mpsc::Sender<Job>| queue.max_capacity() - queue.capacity();
        (waiting(&self.people), waiting(&self.bulk))
    }

    /// Resolves when the writer has come to this job: it works, and holds the write lock for it.
    /// What waits for changes is not woken.
    pub async fn answer(&self) -> Result<(), StoreError> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            Box::pin(async move {
                let result = in_transaction(
                    connection,
                    |_| Box::pin(async { Ok::<(), StoreError>(()) }),
                    false,
                )
                .await;
                let is_fit = result.is_ok();
                let _ = answer.send(result);
                is_fit
            })
        });
        self.bulk.send(job).await.map_err(|_| StoreError::Closed)?;
        let result = answered.await.map_err(|_| StoreError::Closed)?;
        result.map_err(|error| error.of_file(&self.file.path))
    }

    pub async fn write<T, F>(&self, urgency: Urgency, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, StoreError>>
            + Send
            + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let meter = Arc::clone(&self.meter);
        let in_doubt = self.file.condition.trouble().is_some();
        let job: Job = Box::new(move |connection| {
            Box::pin(async move {
                let began = Instant::now();
                // A panic is the fault of whoever asked: everybody else's writer goes on.
                let done = AssertUnwindSafe(in_transaction(connection, work, in_doubt))
                    .catch_unwind()
                    .await;
                let result = done.unwrap_or(Err(StoreError::Panicked));
                let is_fit = !matches!(result, Err(StoreError::Database(_) | StoreError::Panicked));
                meter.count(began.elapsed(), is_fit);
                // The caller may have gone away; the transaction stands either way.
                let _ = answer.send(result);
                is_fit
            })
        });
        let queue = match urgency {
            Urgency::People => {
                self.liveliness.touch();
                &self.people
            }
            Urgency::Bulk => &self.bulk,
        };
        queue.send(job).await.map_err(|_| StoreError::Closed)?;
        let result = answered.await.map_err(|_| StoreError::Closed)?;
        let result = result.map_err(|error| error.of_file(&self.file.path));
        match &result {
            Ok(_) => {
                self.file.condition.works(Use::Write);
                self.changes.send_modify(|count| *count += 1);
            }
            Err(StoreError::File(fault)) => self.file.condition.fails(Use::Write, fault),
            Err(_) => {}
        }
        result
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Does somebody wait, or has somebody waited a moment ago?
    pub fn is_lively(&self) -> bool {
        self.liveliness.is_lively()
    }

    /// Finishes what is queued and folds the write-ahead log back.
    pub(super) async fn close(self) {
        let (answer, answered) = oneshot::channel();
        let last: Job = Box::new(move |connection| {
            Box::pin(async move {
                if let Err(error) = connection.execute("pragma wal_checkpoint(truncate)").await {
                    tracing::debug!(%error, "the write-ahead log stays; the next start folds it");
                }
                let _ = answer.send(());
                true
            })
        });
        if self.bulk.send(last).await.is_ok() {
            let _ = answered.await;
        }
    }
}

impl Liveliness {
    fn touch(&self) {
        let now_ms = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.last_people_ms.store(now_ms, Ordering::Relaxed);
    }

    fn is_lively(&self) -> bool {
        let last_ms = self.last_people_ms.load(Ordering::Relaxed);
        let Ok(last_ms) = u64::try_from(last_ms) else { return false };
        self.started.elapsed().saturating_sub(Duration::from_millis(last_ms)) < LIVELY_FOR
    }
}

/// A connection whose thread gives way to those that read for somebody.
pub(super) async fn connect(
    options: &SqliteConnectOptions,
) -> Result<SqliteConnection, StoreError> {
    let options = options.clone();
    let connected =
        background::spawn(async move { SqliteConnection::connect_with(&options).await }).await;
    Ok(connected.map_err(|_| StoreError::Closed)??)
}

struct WriterTask {
    connection: SqliteConnection,
    options: SqliteConnectOptions,
    people_jobs: mpsc::Receiver<Job>,
    bulk_jobs: mpsc::Receiver<Job>,
}

impl WriterTask {
    async fn run(mut self) {
        loop {
            let job = tokio::select! {
                biased;
                Some(job) = self.people_jobs.recv() => job,
                Some(job) = self.bulk_jobs.recv() => job,
                else => break,
            };
            if !job(&mut self.connection).await {
                self.reconnect().await;
            }
        }
        if let Err(error) = self.connection.close().await {
            tracing::warn!(%error, "the database did not close cleanly");
        }
    }

    /// SQLite ends a transaction by itself on some faults (a full disk), and sqlx would go on
    /// counting it as open: a fresh connection knows of none.
    async fn reconnect(&mut self) {
        match connect(&self.options).await {
            Ok(connection) => self.connection = connection,
            // The next job fails on the old one and tries again.
            Err(error) => tracing::debug!(%error, "the database could not be opened again"),
        }
    }
}

/// Writes a page and changes nothing: nobody uses this number. Without it a transaction that
/// happens to change nothing would say that a full disk works again.
async fn probe(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    connection.execute("pragma user_version = 0").await?;
    Ok(())
}

/// `in_doubt`: the last write failed, so this one has to show that the file can be written.
async fn in_transaction<T, F>(
    connection: &mut SqliteConnection,
    work: F,
    in_doubt: bool,
) -> Result<T, StoreError>
where
    F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, StoreError>>,
{
    let mut transaction = connection.begin_with("begin immediate").await?;
    match work(&mut transaction).await {
        Ok(value) => {
            if in_doubt {
                probe(&mut transaction).await?;
            }
            transaction.commit().await?;
            Ok(value)
        }
        Err(error) => {
            // The work's own error says what happened; a failed rollback adds nothing to it,
            // and SQLite rolls back by itself when the connection begins again.
            let _ = transaction.rollback().await;
            Err(error)
        }
    }
}
