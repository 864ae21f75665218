//! What a topic is by contract: its kind, its schema, and how its values are checked.

use crate::kernel::poison::Poison;
use crate::log::codec::Codec;

/// How a topic is kept and read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopicKind {
    /// Events in order.
    Stream,
    /// The newest value of each key; a null value deletes (`cleanup.policy=compact`).
    Table,
}

impl TopicKind {
    pub fn name(self) -> &'static str {
        match self {
            TopicKind::Stream => "stream",
            TopicKind::Table => "table",
        }
    }
}

/// What the values of a topic are. In which bytes is for the configuration to say (`log::topics`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Values of this schema (JSON text of the `.avsc`).
    Avro(&'static str),
    /// JSON documents, whatever their shape: the room's decoder says what it expects.
    Json,
    /// Any bytes; those that are UTF-8 are shown as text.
    Raw,
}

/// A line of `topic write --format value`, taken apart: what the system's own producer would send.
#[derive(Debug, Clone, PartialEq)]
pub struct ValueLine {
    pub key: Option<String>,
    pub value: serde_json::Value,
    /// Event time in ms since the epoch where the payload carries one.
    pub ts_ms: Option<i64>,
}

/// Checks an encoded record; a null value is a tombstone. `Err` says what was expected.
pub type Check = fn(&Codec, key: Option<&[u8]>, value: Option<&[u8]>) -> Result<(), Poison>;

/// A topic of the contract. Rooms declare theirs; `rooms::topics()` is the list of all.
#[derive(Debug, Clone, Copy)]
pub struct TopicSpec {
    /// The default name; `topics.<name>.name` in the configuration overrides it.
    pub name: &'static str,
    pub kind: TopicKind,
    /// Partitions when we create the topic on Kafka; the embedded log has one unless configured.
    pub kafka_partitions: i32,
    /// What its values are written in, unless configured otherwise.
    pub format: Format,
    /// A stream that was alive and brings nothing for so long has stalled, unless configured
    /// otherwise; `None` is not watched.
    pub stall_after_ms: Option<i64>,
    /// Would this encoded record fold? `Err` says what was expected; the same check that makes a
    /// record a dead letter refuses a line of `topic write`.
    pub check: Check,
    /// Takes apart one line of `topic write --format value`; `None` is a line that says nothing.
    pub value_line: fn(line: &str) -> Result<Option<ValueLine>, String>,
}
