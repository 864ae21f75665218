//! The shell around the kernel: reads the log, folds, commits, and closes windows on time.
//!
//! Invariant: a position moves only in the transaction that holds what its records caused.

use std::future::Future;
use std::sync::Arc;

use sqlx::SqliteConnection;

use crate::clock::Clock;
use crate::kernel::alert::Alert;
use crate::kernel::card::Ending;
use crate::kernel::pipeline::Pipeline;
use crate::log::topics::Topics;
use crate::log::{EventLog, LogError};
use crate::store::{Store, StoreError};

mod announce;
mod clockwork;
mod commit;
mod fold;
mod ground;
mod lag;
mod lost;
mod past;
mod phase;
pub mod publisher;
pub mod rebuild;
mod resolve;
pub mod results;
mod resume;
mod runner;
mod session;
mod sources;
mod tables;
mod watchdog;

pub use ground::Ground;
pub use lag::{Lag, LogEnds};
pub use lost::PassedOver;
pub use phase::{Phase, Phases};
pub use runner::{FoldSummary, Runner};
pub(crate) use runner::{died, error_chain, jittered};

/// What can stop a pipeline.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The log is away or damaged.
    #[error("reading the log failed")]
    Log(#[from] LogError),
    /// The store refused a step.
    #[error("the step could not be stored")]
    Store(#[from] StoreError),
    /// Positions of another log: going on would skip or repeat records.
    #[error(
        "the positions of pipeline {pipeline} belong to log {stored}, but this is log {found}: \
         put the old log back (`windowsill migrate-log` carries an embedded one to Kafka), start \
         with an empty data directory, or let `windowsill rebuild --accept-loss` begin anew on this \
         one"
    )]
    OtherLog { pipeline: &'static str, stored: String, found: String },
    /// The log holds another record where the last folded one was.
    #[error(
        "topic {topic} is not the one that pipeline {pipeline} has read: the record at offset \
         {offset} of partition {partition} was of {stored}, and here it is of {found} (an older \
         copy of the log that went on differently?). Put the right log back, or let `windowsill \
         rebuild` begin anew from this one",
        stored = iso(*stored_ms),
        found = iso(*found_ms)
    )]
    OtherPast {
        pipeline: &'static str,
        topic: String,
        partition: i32,
        offset: i64,
        stored_ms: i64,
        found_ms: i64,
    },
    /// Others' log let records go that were not folded yet.
    #[error(
        "topic {topic} no longer holds offsets {offset} to {last} of partition {partition}, which \
         pipeline {pipeline} had not read yet (their retention was over?). `windowsill fold \
         --accept-loss` goes on behind them",
        last = first_offset - 1
    )]
    Vanished {
        pipeline: &'static str,
        topic: String,
        partition: i32,
        offset: i64,
        first_offset: i64,
    },
    /// The machine's clock cannot be gone by.
    #[error(
        "the machine's clock is {} behind our last commit: it is wrong now, or it was wrong then; \
         set it, or wait until it is right",
        crate::kernel::when::length(*behind_ms)
    )]
    ClockBehind { behind_ms: i64 },
    /// A fold panicked on a record of this batch; the next session finds out which.
    #[error("folding {topic} partition {partition} panicked below offset {below}")]
    Panicked { topic: &'static str, partition: i32, below: i64 },
}

impl EngineError {
    /// May the same step succeed later?
    pub fn is_transient(&self) -> bool {
        match self {
            EngineError::Log(error) => error.is_transient(),
            EngineError::Store(error) => error.is_transient(),
            EngineError::OtherLog { .. }
            | EngineError::OtherPast { .. }
            | EngineError::Vanished { .. } => false,
            EngineError::Panicked { .. } | EngineError::ClockBehind { .. } => true,
        }
    }

    /// Does it hold up one topic, and others may go on?
    pub fn is_of_topic(&self) -> bool {
        self.waits_for_somebody() || matches!(self, EngineError::Log(LogError::Registry(_)))
    }

    /// Has somebody to see to it outside, while a restart would help nobody?
    pub fn waits_for_somebody(&self) -> bool {
        match self {
            EngineError::Log(error) => error.waits_for_somebody(),
            EngineError::OtherLog { .. }
            | EngineError::OtherPast { .. }
            | EngineError::Vanished { .. } => true,
            EngineError::Store(_)
            | EngineError::Panicked { .. }
            | EngineError::ClockBehind { .. } => false,
        }
    }
}

/// A time to the millisecond, as two records of the same minute still differ.
fn iso(ms: i64) -> String {
    let time = chrono::DateTime::from_timestamp_millis(ms);
    time.map_or_else(|| format!("{ms} ms"), |time| time.to_rfc3339())
}

/// The numbers a pipeline works by.
#[derive(Debug, Clone, Copy)]
pub struct EngineSettings {
    /// A partition at its end counts as this much behind the clock.
    pub clock_lag_ms: i64,
    /// Alerts of older events gather into one message.
    pub alert_max_age_ms: i64,
}

/// Everything a pipeline works with.
#[derive(Clone)]
pub struct Workshop {
    pub log: Arc<dyn EventLog>,
    pub store: Store,
    pub topics: Topics,
    /// Which log the pipelines have found to be theirs.
    pub ground: Ground,
    /// The pipelines' clock: the machine's, or the demo's accelerated one.
    pub clock: Arc<dyn Clock>,
    pub settings: EngineSettings,
}

/// A version of a table's row: where its record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    pub partition: i32,
    pub offset: i64,
    pub ts_ms: i64,
}

impl Version {
    /// The version under which this row takes the place of `known`; `None` where it does not.
    ///
    /// Within a partition the greater offset wins, as compaction has it; across partitions (a
    /// topic that grew) the newer time. A row inherits the time of the row that it replaces in its
    /// own partition, if that is greater: so both rules are one order, and the same row wins
    /// however partitions interleave.
    #[must_use]
    pub fn succeed(self, known: &Version) -> Option<Version> {
        if self.partition == known.partition {
            let ts_ms = self.ts_ms.max(known.ts_ms);
            return (self.offset >= known.offset).then_some(Version { ts_ms, ..self });
        }
        let is_newer = (self.ts_ms, self.partition) >= (known.ts_ms, known.partition);
        is_newer.then_some(self)
    }
}

/// A row of the first pass over a table.
#[derive(Debug)]
pub struct TableRow<R> {
    pub key: Vec<u8>,
    pub row: R,
    pub version: Version,
}

/// From when to when a view holds what was folded into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The view's table.
    pub view: &'static str,
    pub from_ms: i64,
    pub to_ms: i64,
}

/// Which windows a step has to look at, and how far time has come.
#[derive(Debug, Clone, Copy)]
pub struct Due {
    /// Windows that this step closes: `first <= start < end`.
    pub first_start_ms: i64,
    pub end_start_ms: i64,
    /// The watermark before and after this step.
    pub before_ms: Option<i64>,
    pub watermark_ms: Option<i64>,
    /// Records up to this event time have all been read and can be taken in their true order, but
    /// for late ones; all there are where every partition was at its end.
    pub settled_ms: i64,
    /// Nothing more is waited for: the log's end was reached by a command that ends there.
    pub is_final: bool,
    /// The pipelines' clock.
    pub now_ms: i64,
}

/// What the looked-at windows came to.
#[derive(Debug, Default)]
pub struct Closed {
    /// Windows that this step closed.
    pub windows: i64,
    /// In the order in which it happened.
    pub news: Vec<News>,
}

/// What a step has to tell.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    Raised(Alert),
    /// An alert that began and was over within the step: it is recorded, and told to nobody.
    Passed(Alert),
    /// An alert that lasts is over.
    Over(Ending),
}

impl From<Alert> for News {
    fn from(alert: Alert) -> News {
        News::Raised(alert)
    }
}

/// The SQL of a room's views. Every function runs inside the step's transaction.
pub trait Views: Pipeline {
    /// The first pass over a table has ended: these are all its rows; others are swept.
    fn replace_table(
        &self,
        db: &mut SqliteConnection,
        table: usize,
        rows: &[TableRow<Self::Row>],
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// One row of a table changed. Gives the version under which it stands now, if it won.
    fn put_row(
        &self,
        db: &mut SqliteConnection,
        table: usize,
        key: &[u8],
        row: Option<&Self::Row>,
        version: Version,
    ) -> impl Future<Output = Result<Option<Version>, StoreError>> + Send;

    /// Adds a delta to the views.
    fn merge(
        &self,
        db: &mut SqliteConnection,
        delta: &Self::Delta,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Looks at the windows that close now and at closed ones that `delta` touched again, releases
    /// what was held until its order was known, and rings the timers that are due.
    fn close(
        &self,
        db: &mut SqliteConnection,
        due: Due,
        delta: &Self::Delta,
    ) -> impl Future<Output = Result<Closed, StoreError>> + Send;

    /// The watermark at which `close` has something to do by the clock alone: the next window's
    /// end, or the next timer. What is due at this watermark already has been done.
    fn next_due(
        &self,
        db: &mut SqliteConnection,
        watermark_ms: i64,
    ) -> impl Future<Output = Result<Option<i64>, StoreError>> + Send;

    /// A rebuild has folded everything up to where the pipeline had been, and this is its
    /// watermark: what the past would have announced counts as said.
    fn settle_past(
        &self,
        db: &mut SqliteConnection,
        watermark_ms: Option<i64>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// From when to when each view reaches that is folded from streams; empty ones are left out.
    fn spans(
        &self,
        db: &mut SqliteConnection,
    ) -> impl Future<Output = Result<Vec<Span>, StoreError>> + Send;

    /// Empties the views for a rebuild. Rows of tables may stay, for look-ups, if the next first
    /// pass writes each of them anew.
    fn empty(
        &self,
        db: &mut SqliteConnection,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Drops what has outlived its retention at this watermark.
    fn prune(
        &self,
        db: &mut SqliteConnection,
        watermark_ms: i64,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}
