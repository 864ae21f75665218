//! Upkeep of the embedded log: small rows are packed, streams lose what is too old or too much,
//! tables keep the newest record of each key. Offsets never change; readers see gaps.
//!
//! Invariant: every change is one small transaction that leaves a whole log, so it can be killed
//! anywhere; nothing goes that somebody has still to fold, unless a topic far exceeds its size,
//! and then the report says so. The newest record of a partition always stays. One process does
//! this, the one that holds the data directory; others only append, behind it.
//!
//! Space that became free is used by later appends: the file grows to the most it ever held at once
//! and stays there. SQLite's incremental vacuum would shrink it, by moving pages: more writing on a
//! card that wears out, to give back what the next appends take again.

use std::time::{Duration, Instant};

use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, Sqlite, Transaction};

use super::EmbeddedLog;
use super::schema::{Fault, connect, log_error};
use crate::crash;
use crate::log::LogError;

mod compaction;
mod marks;
mod packing;
mod retention;
mod rows;

/// One transaction rewrites or removes about so much, so that an append waits a few milliseconds.
const TX_BYTES: usize = 1024 * 1024;
const TX_ROWS: usize = 256;
/// Half a mebibyte: what is rewritten goes once through the page cache.
const CACHE: &str = "pragma cache_size = -512";
/// The pause after a transaction: whoever waits for the file gets it.
const PAUSE: Duration = Duration::from_millis(10);
/// A pass begins nothing new after this long; the next one goes on.
const PASS_TIME: Duration = Duration::from_secs(5);

/// How long records are kept.
#[derive(Debug, Clone, Copy)]
pub struct Keep {
    /// A stream's records go when they were appended longer ago; `None` keeps them.
    pub age_ms: Option<i64>,
    /// A topic that takes more loses its oldest records; `None` keeps them.
    pub topic_bytes: Option<i64>,
    /// The tombstones of tables stay so long, for readers that are behind.
    pub tombstone_ms: i64,
}

/// What upkeep has to know of those who read the log.
pub trait Readers: Send + Sync {
    /// Everything below this offset is folded; `None` where nobody folds the topic.
    fn folded(&self, topic: &str, partition: i32) -> Option<i64>;
    /// Would this record of a table be a row, or a deletion? What is not hides no older record.
    fn takes(&self, topic: &str, key: Option<&[u8]>, value: Option<&[u8]>) -> bool;
}

/// What a pass did.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    /// Records that streams lost.
    pub removed: i64,
    /// Records that tables lost to newer ones of their keys.
    pub compacted: i64,
    /// Small rows that became parts of larger ones.
    pub packed: i64,
    pub lost: Vec<Lost>,
}

/// Records that had to go before they were folded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    pub topic: String,
    pub partition: i32,
    pub from_offset: i64,
    /// The first offset that is still there.
    pub next_offset: i64,
}

impl EmbeddedLog {
    /// One pass over every partition: packing and removing take five seconds at the most, and go on
    /// with the next pass. Dropping the future loses nothing but the transaction under way.
    pub async fn upkeep(
        &self,
        now_ms: i64,
        keep: &Keep,
        readers: &dyn Readers,
    ) -> Result<Report, LogError> {
        self.shared.identity.check()?;
        let path = self.shared.identity.path();
        let mut conn = connect(path).await?;
        let cache = sqlx::query(CACHE).execute(&mut conn).await;
        cache.map_err(|fault| log_error(path, &fault))?;
        let mut pass = Pass {
            conn: &mut conn,
            readers,
            keep: *keep,
            now_ms,
            began: Instant::now(),
            report: Report::default(),
        };
        let outcome = pass.run().await;
        let report = pass.report;
        outcome.map_err(|fault| fault.at(path))?;
        if let Err(error) = conn.close().await {
            tracing::debug!(%error, "closing the connection of upkeep");
        }
        Ok(report)
    }
}

/// A pass that is under way.
struct Pass<'a> {
    conn: &'a mut SqliteConnection,
    readers: &'a dyn Readers,
    keep: Keep,
    now_ms: i64,
    began: Instant,
    report: Report,
}

/// A partition as the pass finds it.
#[derive(Debug, Clone, sqlx::FromRow)]
struct Partition {
    topic_id: i64,
    topic: String,
    is_table: bool,
    /// How many the topic has.
    partitions: i32,
    partition: i32,
    next_offset: i64,
    records: i64,
    clean_offset: i64,
    tombstones: i64,
    cleaned_at: i64,
}

impl Pass<'_> {
    async fn run(&mut self) -> Result<(), Fault> {
        let partitions: Vec<Partition> = sqlx::query_as(
            "select topic.id as topic_id, topic.name as topic, topic.kind = 'table' as is_table,
                    topic.partitions, partition.partition, partition.next_offset,
                    partition.records, coalesce(clean_offset, 0) as clean_offset,
                    coalesce(tombstones, 0) as tombstones, coalesce(cleaned_at, 0) as cleaned_at
             from topic join partition on partition.topic_id = topic.id
             left join upkeep on upkeep.topic_id = topic.id
                and upkeep.partition = partition.partition
             order by topic.id, partition.partition",
        )
        .fetch_all(&mut *self.conn)
        .await?;
        for at in &partitions {
            let looked = marks::look(self.conn, at, self.now_ms, &self.keep).await?;
            if at.is_table {
                self.compact(at, looked).await?;
            } else {
                self.pack(at).await?;
                self.trim(at, looked).await?;
            }
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.began.elapsed() >= PASS_TIME
    }

    /// Everything of the partition below this offset is folded.
    fn folded(&self, at: &Partition) -> i64 {
        self.readers.folded(&at.topic, at.partition).unwrap_or(i64::MAX)
    }
}

async fn begin(conn: &mut SqliteConnection) -> Result<Transaction<'_, Sqlite>, sqlx::Error> {
    conn.begin_with("begin immediate").await
}

/// Ends a transaction, and lets others at the file.
async fn commit(tx: Transaction<'_, Sqlite>) -> Result<(), sqlx::Error> {
    crash::point("before-upkeep-commit");
    tx.commit().await?;
    crash::point("after-upkeep-commit");
    tokio::time::sleep(PAUSE).await;
    Ok(())
}
