//! A room whose summaries pass for larger than they are, so that the engine cuts a step after a
//! few records instead of a hundred thousand. Everything else is the room's own.

use std::future::Future;

use sqlx::SqliteConnection;
use windowsill::engine::{Closed, Due, Span, TableRow, Version, Views};
use windowsill::kernel::pipeline::{At, Pipeline};
use windowsill::kernel::poison::Poison;
use windowsill::kernel::record::RecordRef;
use windowsill::kernel::time::{Arrival, Tumbling};
use windowsill::log::codec::Codec;
use windowsill::store::StoreError;

#[derive(Clone)]
pub(crate) struct Impatient<V> {
    pub(crate) room: V,
    /// Each entry passes for this many.
    pub(crate) weight: usize,
}

impl<V: Pipeline> Pipeline for Impatient<V> {
    type Event = V::Event;
    type Delta = V::Delta;
    type Row = V::Row;
    type Tables = V::Tables;

    fn name(&self) -> &'static str {
        self.room.name()
    }

    fn streams(&self) -> &'static [&'static str] {
        self.room.streams()
    }

    fn tables(&self) -> &'static [&'static str] {
        self.room.tables()
    }

    fn windows(&self) -> Tumbling {
        self.room.windows()
    }

    fn decode(
        &self,
        stream: usize,
        codec: &Codec,
        record: &RecordRef<'_>,
    ) -> Result<V::Event, Poison> {
        self.room.decode(stream, codec, record)
    }

    fn event_ms(&self, event: &V::Event, record_ms: i64) -> Option<i64> {
        self.room.event_ms(event, record_ms)
    }

    fn fold(
        &self,
        delta: &mut V::Delta,
        event: &V::Event,
        at: At,
        arrival: Arrival,
        tables: &V::Tables,
    ) {
        self.room.fold(delta, event, at, arrival, tables);
    }

    fn absorb(&self, delta: &mut V::Delta, other: V::Delta) {
        self.room.absorb(delta, other);
    }

    fn entries(&self, delta: &V::Delta) -> usize {
        self.room.entries(delta) * self.weight
    }

    fn clear(&self, delta: &mut V::Delta) {
        self.room.clear(delta);
    }

    fn decode_row(
        &self,
        table: usize,
        codec: &Codec,
        ts_ms: i64,
        key: &[u8],
        value: Option<&[u8]>,
    ) -> Result<Option<V::Row>, Poison> {
        self.room.decode_row(table, codec, ts_ms, key, value)
    }

    fn set_row(&self, tables: &mut V::Tables, table: usize, key: &[u8], row: Option<&V::Row>) {
        self.room.set_row(tables, table, key, row);
    }
}

impl<V: Views> Views for Impatient<V> {
    fn replace_table(
        &self,
        db: &mut SqliteConnection,
        table: usize,
        rows: &[TableRow<V::Row>],
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        self.room.replace_table(db, table, rows)
    }

    fn put_row(
        &self,
        db: &mut SqliteConnection,
        table: usize,
        key: &[u8],
        row: Option<&V::Row>,
        version: Version,
    ) -> impl Future<Output = Result<Option<Version>, StoreError>> + Send {
        self.room.put_row(db, table, key, row, version)
    }

    fn merge(
        &self,
        db: &mut SqliteConnection,
        delta: &V::Delta,
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        self.room.merge(db, delta)
    }

    fn close(
        &self,
        db: &mut SqliteConnection,
        due: Due,
        delta: &V::Delta,
    ) -> impl Future<Output = Result<Closed, StoreError>> + Send {
        self.room.close(db, due, delta)
    }

    fn next_due(
        &self,
        db: &mut SqliteConnection,
        watermark_ms: i64,
    ) -> impl Future<Output = Result<Option<i64>, StoreError>> + Send {
        self.room.next_due(db, watermark_ms)
    }

    fn settle_past(
        &self,
        db: &mut SqliteConnection,
        watermark_ms: Option<i64>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        self.room.settle_past(db, watermark_ms)
    }

    fn spans(
        &self,
        db: &mut SqliteConnection,
    ) -> impl Future<Output = Result<Vec<Span>, StoreError>> + Send {
        self.room.spans(db)
    }

    fn empty(
        &self,
        db: &mut SqliteConnection,
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        self.room.empty(db)
    }

    fn prune(
        &self,
        db: &mut SqliteConnection,
        watermark_ms: i64,
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        self.room.prune(db, watermark_ms)
    }
}
