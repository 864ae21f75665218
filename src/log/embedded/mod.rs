//! The embedded log: one SQLite file that several processes append to and read at once.
//!
//! Invariant: a row is a batch of records of one partition; what `append` has answered is on the
//! disk. Upkeep alone replaces rows, each time by one transaction that leaves every record that is
//! still due in its place.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use sqlx::sqlite::SqliteConnection;
use tokio::sync::{mpsc, oneshot, watch};

use crate::condition::{Condition, FileFault, Use};
use crate::kernel::record::{NewRecord, Placed};
use crate::kernel::topic::TopicKind;
use crate::log::{
    Bounds, Described, EventLog, LogError, LogFuture, LogReader, Outcome, Start, TopicStat,
    outcomes_of_all, sift,
};

mod appender;
mod carried;
mod catalog;
mod identity;
mod inspect;
mod joiner;
mod placement;
mod reader;
mod schema;
pub mod upkeep;
mod watcher;

use appender::{Job, Order};
pub use carried::Carried;
use catalog::Topic;
use identity::Identity;
pub use inspect::{LogFile, inspect};
pub use placement::partition_of_key;
use reader::{Cursor, EmbeddedReader};
use watcher::OwnedTask;

/// An open `log.db`. Dropping it ends its tasks after what is already queued; readers go on.
pub struct EmbeddedLog {
    id: String,
    shared: Arc<Shared>,
    orders: mpsc::Sender<Order>,
    /// Where the next record without a key goes.
    turn: AtomicU32,
    /// Topics never change once they exist.
    known: Mutex<HashMap<String, Topic>>,
    /// For the short questions; appends and readers have connections of their own.
    conn: tokio::sync::Mutex<SqliteConnection>,
}

/// What readers need for as long as they live.
struct Shared {
    identity: Arc<Identity>,
    changes: watch::Sender<u64>,
    condition: Arc<Condition>,
    /// Started by the first reader: who only appends has nothing to notice.
    watcher: OnceLock<OwnedTask>,
}

impl EmbeddedLog {
    /// Opens the file at `path`, and creates it with a new identity if it is missing.
    pub async fn open(path: &Path) -> Result<EmbeddedLog, LogError> {
        let mut conn = schema::connect(path).await?;
        let id = schema::prepare(&mut conn, path).await?;
        let identity = Arc::new(Identity::of(path)?);
        let changes = watch::Sender::new(0);
        let questions = schema::connect(path).await?;
        let condition = Arc::new(Condition::default());
        let orders =
            appender::start(conn, Arc::clone(&identity), changes.clone(), Arc::clone(&condition));
        let shared = Arc::new(Shared { identity, changes, condition, watcher: OnceLock::new() });
        Ok(EmbeddedLog {
            id,
            shared,
            orders,
            turn: AtomicU32::new(0),
            known: Mutex::new(HashMap::new()),
            conn: tokio::sync::Mutex::new(questions),
        })
    }

    /// Finishes what is queued and folds the write-ahead log into the file; appends are refused
    /// from here on.
    pub async fn close(&self) {
        let (closed, waiting) = oneshot::channel();
        if self.orders.send(Order::Close(closed)).await.is_ok() {
            // An error means that the task has ended already.
            let _ = waiting.await;
        }
    }

    /// The log's identity, which the file carries.
    pub fn log_id(&self) -> &str {
        &self.id
    }

    /// The condition of the file, for whoever reports it.
    pub fn condition(&self) -> &Condition {
        &self.shared.condition
    }

    /// Works until `stop` turns true, or until the file turns out to be damaged.
    pub async fn watch_over(
        self: Arc<EmbeddedLog>,
        stop: watch::Receiver<bool>,
    ) -> Result<(), FileFault> {
        self.shared.condition.watch_over(self.shared.identity.path(), stop).await
    }

    /// A value kept beside the records, as the demo keeps the anchor of its clock.
    pub async fn meta_get(&self, key: &str) -> Result<Option<String>, LogError> {
        let mut conn = self.conn.lock().await;
        catalog::meta_get(&mut conn, key).await.map_err(|fault| self.error(&fault))
    }

    /// Sets such a value.
    pub async fn meta_set(&self, key: &str, value: &str) -> Result<(), LogError> {
        let mut conn = self.conn.lock().await;
        catalog::meta_set(&mut conn, key, value).await.map_err(|fault| self.error(&fault))
    }

    /// Where the records went, or are going, if the log is to be used no more.
    pub async fn carried(&self) -> Result<Option<Carried>, LogError> {
        let mut conn = self.conn.lock().await;
        carried::find(&mut conn).await.map_err(|fault| self.error(&fault))
    }

    /// From here on no append is taken.
    pub async fn mark_carried(&self, mark: &Carried) -> Result<(), LogError> {
        let mut conn = self.conn.lock().await;
        carried::set(&mut conn, mark).await.map_err(|fault| self.error(&fault))
    }

    /// The log is used again.
    pub async fn unmark_carried(&self) -> Result<(), LogError> {
        let mut conn = self.conn.lock().await;
        carried::remove(&mut conn).await.map_err(|fault| self.error(&fault))
    }

    fn error(&self, fault: &sqlx::Error) -> LogError {
        let fault = FileFault::of(self.shared.identity.path(), fault);
        self.shared.condition.fails(Use::Read, &fault);
        fault.into()
    }

    async fn topic(&self, name: &str) -> Result<Topic, LogError> {
        self.find(name).await?.ok_or_else(|| LogError::UnknownTopic(name.to_owned()))
    }

    async fn find(&self, name: &str) -> Result<Option<Topic>, LogError> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied();
        if known.is_some() {
            return Ok(known);
        }
        let mut conn = self.conn.lock().await;
        let found = catalog::find(&mut conn, name).await.map_err(|fault| self.error(&fault))?;
        if let Some(topic) = found {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.insert(name.to_owned(), topic);
        }
        Ok(found)
    }

    async fn partition_bounds(&self, name: &str) -> Result<(Topic, Vec<Bounds>), LogError> {
        let topic = self.topic(name).await?;
        let mut conn = self.conn.lock().await;
        let bounds = catalog::bounds(&mut conn, topic).await.map_err(|fault| self.error(&fault))?;
        Ok((topic, bounds))
    }

    async fn append_packed(
        &self,
        topic: &str,
        records: Vec<NewRecord>,
    ) -> Result<Vec<Placed>, LogError> {
        let found = self.topic(topic).await?;
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let packed = placement::pack(topic, found.partitions, &records, &self.turn)?;
        drop(records);
        let partitions: Vec<i32> = packed.rows.iter().map(|row| row.packed().partition).collect();
        let (reply, answer) = oneshot::channel();
        let job = Job { topic_id: found.id, rows: packed.rows, reply };
        self.orders.send(Order::Append(job)).await.map_err(|_| LogError::Closed)?;
        let bases = answer.await.map_err(|_| LogError::Closed)??;
        let placed = |(row, index): (usize, i64)| Placed {
            partition: partitions[row],
            offset: bases[row] + index,
        };
        Ok(packed.places.into_iter().map(placed).collect())
    }

    async fn append_sifted(
        &self,
        topic: &str,
        records: Vec<NewRecord>,
    ) -> Result<Vec<Outcome>, LogError> {
        let (taken, refused) = sift(records, placement::check_size);
        let places = self.append_packed(topic, taken).await?;
        Ok(outcomes_of_all(refused, places.into_iter().map(Ok).collect()))
    }

    async fn start_reader(
        &self,
        topic: &str,
        from: &[Start],
    ) -> Result<Box<dyn LogReader>, LogError> {
        let (found, bounds) = self.partition_bounds(topic).await?;
        let cursors = from
            .iter()
            .map(|start| cursor(topic, &bounds, *start))
            .collect::<Result<Vec<Cursor>, LogError>>()?;
        let shared = Arc::clone(&self.shared);
        shared.watcher.get_or_init(|| {
            watcher::start(
                Arc::clone(&shared.identity),
                self.id.clone(),
                shared.changes.clone(),
                Arc::clone(&shared.condition),
            )
        });
        let conn = schema::connect_to_read(shared.identity.path()).await?;
        Ok(Box::new(EmbeddedReader::start(conn, found.id, cursors, shared)))
    }
}

fn cursor(topic: &str, bounds: &[Bounds], start: Start) -> Result<Cursor, LogError> {
    let found = usize::try_from(start.partition).ok().and_then(|index| bounds.get(index));
    let Some(found) = found else {
        return Err(LogError::UnknownPartition {
            topic: topic.to_owned(),
            partition: start.partition,
            partitions: bounds.len() as i32,
        });
    };
    if start.offset > found.next_offset {
        return Err(LogError::BeyondEnd {
            topic: topic.to_owned(),
            partition: start.partition,
            offset: start.offset,
            next_offset: found.next_offset,
        });
    }
    Ok(Cursor::new(start.partition, start.offset.max(0), found.next_offset))
}

impl EventLog for EmbeddedLog {
    fn id(&self) -> LogFuture<'_, String> {
        Box::pin(async { Ok(self.id.clone()) })
    }

    fn is_ours(&self) -> bool {
        true
    }

    fn describe(&self, topic: &str) -> LogFuture<'_, Option<Described>> {
        let topic = topic.to_owned();
        Box::pin(async move {
            let found = self.find(&topic).await?;
            Ok(found.map(|found| Described {
                kind: found.kind,
                partitions: found.partitions,
                cleanup: None,
            }))
        })
    }

    fn create(&self, topic: &str, kind: TopicKind, partitions: i32) -> LogFuture<'_, ()> {
        let topic = topic.to_owned();
        Box::pin(async move {
            if self.find(&topic).await?.is_some() {
                return Ok(());
            }
            let mut conn = self.conn.lock().await;
            let created = catalog::insert(&mut conn, &topic, kind, partitions).await;
            if created.is_err() {
                appender::renew(&mut conn, &self.shared.identity).await;
            }
            created.map_err(|fault| self.error(&fault))
        })
    }

    fn partitions(&self, topic: &str) -> LogFuture<'_, i32> {
        let topic = topic.to_owned();
        Box::pin(async move { Ok(self.topic(&topic).await?.partitions) })
    }

    fn bounds(&self, topic: &str) -> LogFuture<'_, Vec<Bounds>> {
        let topic = topic.to_owned();
        Box::pin(async move { Ok(self.partition_bounds(&topic).await?.1) })
    }

    fn append(&self, topic: &str, records: Vec<NewRecord>) -> LogFuture<'_, Vec<Placed>> {
        let topic = topic.to_owned();
        Box::pin(async move { self.append_packed(&topic, records).await })
    }

    fn append_each(&self, topic: &str, records: Vec<NewRecord>) -> LogFuture<'_, Vec<Outcome>> {
        let topic = topic.to_owned();
        Box::pin(async move { self.append_sifted(&topic, records).await })
    }

    fn read(&self, topic: &str, from: Vec<Start>) -> LogFuture<'_, Box<dyn LogReader>> {
        let topic = topic.to_owned();
        Box::pin(async move { self.start_reader(&topic, &from).await })
    }

    fn topics(&self) -> LogFuture<'_, Vec<TopicStat>> {
        Box::pin(async move {
            let mut conn = self.conn.lock().await;
            catalog::stats(&mut conn).await.map_err(|fault| self.error(&fault))
        })
    }
}
