//! Compaction of tables: of each key the newest record stays; a tombstone that is the newest stays
//! until it is old.
//!
//! A record that would not be a row (it is poison, or has no key) hides nothing but older ones of
//! its kind: what a table shows must not depend on whether it was compacted.
//!
//! Invariant: rows are rewritten from the oldest on, so a tombstone goes after everything that it
//! deletes; nothing beyond what the table's readers have folded is touched, nor the last record.

use rustc_hash::FxHashMap;

use super::marks::{self, Looked};
use super::rows::{self, Row};
use super::{Partition, Pass, TX_BYTES, begin, commit};
use crate::kernel::record::RecordRef;
use crate::log::LogError;
use crate::log::embedded::schema::Fault;

/// Keys that one compaction looks for at once; a partition with more takes several.
const KEYS_MAX: usize = 20_000;

/// The newest offset of each key among the records not yet compacted.
#[derive(Default)]
struct Newest {
    taken: FxHashMap<Vec<u8>, i64>,
    /// Of records that are no rows; without a key they count as one.
    poison: FxHashMap<Option<Vec<u8>>, i64>,
}

impl Newest {
    fn note(&mut self, record: &RecordRef<'_>, is_taken: bool) {
        match record.key {
            Some(key) if is_taken => drop(self.taken.insert(key.to_vec(), record.offset)),
            key => drop(self.poison.insert(key.map(<[u8]>::to_vec), record.offset)),
        }
    }

    fn len(&self) -> usize {
        self.taken.len() + self.poison.len()
    }

    /// Does a newer record of the key stand in the place of this one?
    fn hides(&self, record: &RecordRef<'_>, is_taken: impl Fn() -> bool) -> bool {
        let later = |offset: Option<&i64>| offset.is_some_and(|offset| *offset > record.offset);
        let by_row = record.key.is_some_and(|key| later(self.taken.get(key)));
        let may_be_poisoned = !self.poison.is_empty();
        by_row
            || may_be_poisoned
                && later(self.poison.get(&record.key.map(<[u8]>::to_vec)))
                && !is_taken()
    }
}

impl Pass<'_> {
    pub(super) async fn compact(&mut self, at: &Partition, looked: Looked) -> Result<(), Fault> {
        let folded_offset = self.folded(at).min(at.next_offset);
        if !self.is_due(at, folded_offset) {
            return Ok(());
        }
        let (newest, until_offset) = self.newest(at, folded_offset).await?;
        let tombstone_ms = self.keep.tombstone_ms;
        let aged_offset =
            marks::older_than(self.conn, at, self.now_ms, looked, tombstone_ms).await?;
        // Whoever reads right now may have met what a tombstone deletes; that is gone since the last
        // compaction only for the tombstones which it has seen.
        let outlived_offset = aged_offset.min(at.clean_offset);
        let mut tombstones = 0;
        let mut from_offset = 0;
        loop {
            let old = rows::read(self.conn, at, from_offset, until_offset, TX_BYTES).await?;
            let Some(last) = old.last() else { break };
            from_offset = last.batch.next_offset;
            let readers = self.readers;
            let stays = |record: &RecordRef<'_>| {
                let is_taken = || readers.takes(&at.topic, record.key, record.value);
                let is_last = record.offset + 1 == at.next_offset;
                let is_tombstone = record.value.is_none() && record.key.is_some();
                let is_old = is_tombstone && record.offset < outlived_offset;
                let stays = is_last || !newest.hides(record, is_taken) && !is_old;
                tombstones += i64::from(stays && is_tombstone);
                stays
            };
            let new = rows::repack(at, &old, stays)?;
            self.rewrite(at, &old, &new).await?;
        }
        self.note_compacted(at, until_offset, tombstones).await
    }

    /// When half of what is there is new, as Kafka has it; or once a day where anything may go.
    fn is_due(&self, at: &Partition, folded_offset: i64) -> bool {
        let dirty = folded_offset - at.clean_offset;
        let has_waited = (self.now_ms - at.cleaned_at).abs() >= self.keep.tombstone_ms;
        let is_half = dirty > 0 && dirty.saturating_mul(2) >= at.records;
        is_half || has_waited && (dirty > 0 || at.tombstones > 0)
    }

    /// The newest record of each key among those not yet compacted, and where they end.
    async fn newest(&mut self, at: &Partition, folded_offset: i64) -> Result<(Newest, i64), Fault> {
        let mut newest = Newest::default();
        let mut next_offset = at.clean_offset;
        while newest.len() < KEYS_MAX {
            let found = rows::read(self.conn, at, next_offset, folded_offset, TX_BYTES).await?;
            let Some(last) = found.last() else { break };
            next_offset = last.batch.next_offset;
            self.note_all(at, &found, &mut newest)?;
        }
        Ok((newest, next_offset))
    }

    fn note_all(&self, at: &Partition, found: &[Row], newest: &mut Newest) -> Result<(), LogError> {
        for row in found {
            for record in row.batch.records() {
                let record = record?;
                newest.note(&record, self.readers.takes(&at.topic, record.key, record.value));
            }
        }
        Ok(())
    }

    async fn rewrite(
        &mut self,
        at: &Partition,
        old: &[Row],
        new: &[crate::log::Batch],
    ) -> Result<(), Fault> {
        let records = |count: u32| i64::from(count);
        let before: i64 = old.iter().map(|row| records(row.batch.count)).sum();
        let after: i64 = new.iter().map(|batch| records(batch.count)).sum();
        if before == after && old.len() <= new.len() {
            return Ok(());
        }
        let mut tx = begin(self.conn).await?;
        rows::replace(&mut tx, at, old, new).await?;
        commit(tx).await?;
        self.report.compacted += before - after;
        Ok(())
    }

    async fn note_compacted(
        &mut self,
        at: &Partition,
        clean_offset: i64,
        tombstones: i64,
    ) -> Result<(), Fault> {
        let mut tx = begin(self.conn).await?;
        rows::refresh_times(&mut tx, at).await?;
        sqlx::query(
            "insert into upkeep (topic_id, partition, clean_offset, tombstones, cleaned_at)
             values (?, ?, ?, ?, ?)
             on conflict do update set clean_offset = excluded.clean_offset,
                tombstones = excluded.tombstones, cleaned_at = excluded.cleaned_at",
        )
        .bind(at.topic_id)
        .bind(at.partition)
        .bind(clean_offset)
        .bind(tombstones)
        .bind(self.now_ms)
        .execute(&mut *tx)
        .await?;
        commit(tx).await?;
        Ok(())
    }
}
