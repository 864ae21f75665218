//! The event log seam: `append` is durable when it resolves, `read` is in order with an explicit end.
//!
//! Invariant: nothing above this seam knows which log it runs on. Every adapter passes the same
//! conformance suite (`tests/it/log_conformance.rs`).

use std::future::Future;
use std::pin::Pin;

use crate::condition::FileFault;
use crate::kernel::record::{NewRecord, Placed};
use crate::kernel::topic::TopicKind;

pub mod batch;
pub mod codec;
pub mod dead_letters;
pub mod embedded;
pub mod kafka;
pub mod once;
pub mod registry;
pub mod topics;
pub mod varint;

pub use batch::Batch;

/// The largest record a log accepts, in bytes of key, value and headers.
pub const MAX_RECORD_BYTES: usize = 8 * 1024 * 1024;

/// What can go wrong at the seam.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LogError {
    /// The log is busy or away; the same call may succeed later.
    #[error("the log is not available: {0}")]
    Unavailable(String),
    /// The log's file is in trouble: a full disk, a damaged file, another process that holds it.
    #[error(transparent)]
    File(#[from] FileFault),
    /// The task behind the log has ended; the process is going down.
    #[error("the log's own task has ended")]
    Closed,
    /// The topic does not exist.
    #[error("topic {0:?} does not exist")]
    UnknownTopic(String),
    /// Topics are missing, and we may not make them.
    #[error(
        "these topics do not exist, and kafka.create_topics is false: {0}. Create them, or let \
         windowsill do it"
    )]
    Missing(String),
    /// The topic exists, and is not what the program would make of it.
    #[error(
        "topic {topic:?} of the log is a {found}, expected a {expected}; give it another name, in \
         [topics] of the configuration"
    )]
    OtherKind { topic: String, found: &'static str, expected: &'static str },
    /// The topic exists but has no such partition.
    #[error("topic {topic:?} has no partition {partition} (it has {partitions})")]
    UnknownPartition { topic: String, partition: i32, partitions: i32 },
    /// Reading was asked to begin where nothing was ever written: the log is another one, or lost
    /// its end.
    #[error(
        "topic {topic:?} ends at offset {next_offset} of partition {partition}, before {offset}: \
         it was made anew, or this log is older than what was read from it; put the newer one \
         back, or let `windowsill rebuild --accept-loss` begin anew from this one"
    )]
    BeyondEnd { topic: String, partition: i32, offset: i64, next_offset: i64 },
    /// The log holds something that it never wrote: a damaged file.
    #[error(
        "the log is damaged at {place}: {reason}; stop whatever uses it, keep a copy, and put a \
         backup in its place (or save what `sqlite3 log.db .recover` can still read)"
    )]
    Damaged { place: String, reason: String },
    /// The file belongs to another program, or to a newer version of this one.
    #[error("{place} cannot be used as the event log: {reason}")]
    Foreign { place: String, reason: String },
    /// Another file, or none, lies where the log was opened.
    #[error(
        "the event log {place} {what} while it was in use; what is not in it yet was not answered. \
         Put the right file back and start again"
    )]
    Replaced { place: String, what: &'static str },
    /// The log's records went to a cluster; what is appended here would be folded by nobody.
    #[error("{0}")]
    Carried(embedded::Carried),
    /// Schemas that records need could not be had; the records wait.
    #[error(transparent)]
    Registry(#[from] registry::RegistryError),
    /// A record is larger than a log accepts.
    #[error("a record of {size_bytes} bytes is over the limit of {limit_bytes} bytes")]
    TooLarge { size_bytes: usize, limit_bytes: usize },
    /// The log will not take this, whoever asks and however often.
    #[error("the log refuses this for topic {topic:?}: {reason}")]
    Refused { topic: String, reason: String },
    /// The log will not take it from us: a password or a permission is missing.
    #[error("the log does not let us use topic {topic:?}: {reason}")]
    Denied { topic: String, reason: String },
    /// The topic got more partitions, or fewer, while it was read; reading begins anew with them.
    #[error("topic {topic:?} has {found} partitions now; it had {known}")]
    Resized { topic: String, known: i32, found: i32 },
    /// The log cannot be used with what is configured.
    #[error("{0}")]
    Settings(String),
}

impl LogError {
    /// May the same call succeed later?
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            LogError::Unavailable(_)
                | LogError::File(_)
                | LogError::Registry(_)
                | LogError::Resized { .. }
        )
    }

    /// Is it about the records that were given, so that others would be taken?
    pub fn is_of_record(&self) -> bool {
        matches!(self, LogError::Refused { .. } | LogError::TooLarge { .. })
    }

    /// Has somebody to see to it outside, while a restart would help nobody?
    pub fn waits_for_somebody(&self) -> bool {
        matches!(
            self,
            LogError::UnknownTopic(_)
                | LogError::UnknownPartition { .. }
                | LogError::Refused { .. }
                | LogError::Missing(_)
                | LogError::BeyondEnd { .. }
                | LogError::Denied { .. }
        )
    }
}

/// A boxed future of the seam: adapters are used behind `dyn`.
pub type LogFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, LogError>> + Send + 'a>>;

/// Where reading one partition begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    pub partition: i32,
    /// The first offset wanted; offsets that are gone by retention or compaction are passed over.
    pub offset: i64,
}

/// A step of reading.
#[derive(Debug)]
pub enum Fetched {
    /// Records of one partition, in offset order.
    Batch(Batch),
    /// The end of this partition was reached, once per time that it is: told when reading begins
    /// on an empty partition, and after the last batch whenever the reader has caught up again.
    End { partition: i32, next_offset: i64 },
}

impl Fetched {
    /// The partition that it is of.
    pub fn partition(&self) -> i32 {
        match self {
            Fetched::Batch(batch) => batch.partition,
            Fetched::End { partition, .. } => *partition,
        }
    }
}

/// What one partition holds: offsets from `first_offset` up to, not including, `next_offset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    pub partition: i32,
    pub first_offset: i64,
    pub next_offset: i64,
}

/// One topic as `topic list` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicStat {
    pub name: String,
    pub kind: TopicKind,
    pub partitions: i32,
    pub records: i64,
    /// Milliseconds since the epoch of the oldest and newest record; `None` when empty.
    pub first_ts_ms: Option<i64>,
    pub last_ts_ms: Option<i64>,
}

/// A topic as the log has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    pub kind: TopicKind,
    pub partitions: i32,
    /// Kafka's word for how it is kept; `None` in the embedded log.
    pub cleanup: Option<String>,
}

/// An event log: the embedded file, or a Kafka cluster.
pub trait EventLog: Send + Sync {
    /// The log's identity as it is now: positions belong to it and to no other.
    fn id(&self) -> LogFuture<'_, String>;
    /// Is it ours alone? Then its topics are what we made them, and it lets nothing go that we have
    /// not folded, or tells of it. Others' logs do as they are told by others.
    fn is_ours(&self) -> bool;
    /// What a topic is; `None` where there is none of that name.
    fn describe(&self, topic: &str) -> LogFuture<'_, Option<Described>>;
    /// Creates the topic if it is missing; an existing one is left as it is.
    fn create(&self, topic: &str, kind: TopicKind, partitions: i32) -> LogFuture<'_, ()>;
    /// The topic's partitions are `0..n`; this is `n`.
    fn partitions(&self, topic: &str) -> LogFuture<'_, i32>;
    /// What each partition holds, in their order.
    fn bounds(&self, topic: &str) -> LogFuture<'_, Vec<Bounds>>;
    /// Resolves when every record is durable, with their places in the same order. An error is told
    /// when nothing is under way any more; some of the records may stand there nevertheless.
    fn append(&self, topic: &str, records: Vec<NewRecord>) -> LogFuture<'_, Vec<Placed>>;
    /// The same where one that fails keeps none of the others out, and each is told of, in their
    /// order. An error of the whole: nothing was sent. Those that a refused one held up may come to
    /// stand behind later ones.
    fn append_each(&self, topic: &str, records: Vec<NewRecord>) -> LogFuture<'_, Vec<Outcome>>;
    /// A reader from these positions; partitions not named are not read.
    fn read(&self, topic: &str, from: Vec<Start>) -> LogFuture<'_, Box<dyn LogReader>>;
    /// Every topic of the log, by name.
    fn topics(&self) -> LogFuture<'_, Vec<TopicStat>>;
}

/// What became of a record: where it stands, or why it does not. It is never taken where the error
/// is about the record (`is_of_record`). Else others were taken and it was not, and it may be given
/// again; where nobody answered in time, nobody knows whether it stands there.
pub type Outcome = Result<Placed, LogError>;

/// A record that the log does not take: its index among those given, and why.
type Refusal = (usize, LogError);

/// Parts records that cannot be taken from the others.
fn sift(
    records: Vec<NewRecord>,
    check: impl Fn(&NewRecord) -> Result<(), LogError>,
) -> (Vec<NewRecord>, Vec<Refusal>) {
    let check = |(index, record)| check(record).err().map(|error| (index, error));
    let refused: Vec<Refusal> = records.iter().enumerate().filter_map(check).collect();
    if refused.is_empty() {
        return (records, refused);
    }
    let is_taken =
        |index: &usize| refused.binary_search_by_key(index, |(refused, _)| *refused).is_err();
    let taken = records.into_iter().enumerate().filter(|(index, _)| is_taken(index));
    (taken.map(|(_, record)| record).collect(), refused)
}

/// Puts together what `sift` parted: refusals by their index, and what became of the others.
fn outcomes_of_all(refused: Vec<Refusal>, taken: Vec<Outcome>) -> Vec<Outcome> {
    let mut all = Vec::with_capacity(refused.len() + taken.len());
    let mut taken = taken.into_iter();
    for (index, error) in refused {
        let before = index - all.len();
        all.extend(taken.by_ref().take(before));
        all.push(Err(error));
    }
    all.extend(taken);
    all
}

/// A reader of one topic.
pub trait LogReader: Send {
    /// The next step, waiting for new records where all partitions are at their end.
    /// Cancelling the future loses nothing.
    fn next(&mut self) -> LogFuture<'_, Fetched>;
}
