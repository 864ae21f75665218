//! What a room gives the engine: pure functions from records to a mergeable summary.
//!
//! Invariant: a delta is a summary whose parts merge in any order (counts add, extremes take the
//! extreme, the latest is the greatest by (event time, partition, offset)), so any split of the
//! log into batches gives the same views.

use super::poison::Poison;
use super::record::RecordRef;
use super::time::{Arrival, Tumbling};
use crate::log::codec::Codec;

/// Where and when an event stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct At {
    pub event_ms: i64,
    pub partition: i32,
    pub offset: i64,
}

/// A room's pipeline.
pub trait Pipeline: Send + Sync + 'static {
    /// A decoded record of a stream.
    type Event;
    /// The mergeable summary of a batch.
    type Delta: Default + Send + Sync + 'static;
    /// A row of a table, decoded.
    type Row: Send + Sync + 'static;
    /// What folding needs of the tables, in memory.
    type Tables: Default + Send + Sync + 'static;

    /// The pipeline's name; it is stored with its positions.
    fn name(&self) -> &'static str;
    /// The streams it folds, by default name.
    fn streams(&self) -> &'static [&'static str];
    /// The tables it joins, by default name.
    fn tables(&self) -> &'static [&'static str];
    fn windows(&self) -> Tumbling;

    /// Decodes a record of `streams()[stream]`.
    fn decode(
        &self,
        stream: usize,
        codec: &Codec,
        record: &RecordRef<'_>,
    ) -> Result<Self::Event, Poison>;

    /// The event's time; the record's own timestamp where the payload carries none. `None`: nothing
    /// happened, and the record moves no time.
    fn event_ms(&self, event: &Self::Event, record_ms: i64) -> Option<i64>;

    /// Adds one event to the summary. What it is late for goes by its partition's own time alone.
    fn fold(
        &self,
        delta: &mut Self::Delta,
        event: &Self::Event,
        at: At,
        arrival: Arrival,
        tables: &Self::Tables,
    );

    /// Adds `other`, which holds nothing that `delta` does not allow to merge.
    fn absorb(&self, delta: &mut Self::Delta, other: Self::Delta);

    /// How many entries the summary has: the measure of its size, and of what storing it takes.
    fn entries(&self, delta: &Self::Delta) -> usize;

    /// Empties the summary and keeps its memory.
    fn clear(&self, delta: &mut Self::Delta);

    /// Decodes a record of `tables()[table]` that was written at `ts_ms`; its key is checked too.
    /// `Ok(None)` is a tombstone.
    fn decode_row(
        &self,
        table: usize,
        codec: &Codec,
        ts_ms: i64,
        key: &[u8],
        value: Option<&[u8]>,
    ) -> Result<Option<Self::Row>, Poison>;

    /// A table's row changed; `None` deletes it.
    fn set_row(&self, tables: &mut Self::Tables, table: usize, key: &[u8], row: Option<&Self::Row>);
}
