//! Folding a batch: verdicts, then the room's pure function, record by record.
//!
//! Invariant: nothing here does I/O; a step is a value until `commit` stores it.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use crate::kernel::pipeline::{At, Pipeline};
use crate::kernel::record::RecordRef;
use crate::kernel::time::{LAST_EVENT_MS, MAX_AHEAD_MS, PartitionTime, Tumbling};
use crate::log::codec::Codec;
use crate::log::dead_letters::{DeadLetter, Origin, replay_of};
use crate::log::{Batch, LogError};

/// A partition of one of the pipeline's topics: the stream's index and the partition's number.
pub(super) type Place = (usize, i32);

/// How far a step moves one partition.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Move {
    pub(super) next_offset: i64,
    pub(super) last_ts_ms: Option<i64>,
    pub(super) records: i64,
    pub(super) late: i64,
}

/// What one dead letter counts among a step's entries: it is written by a statement of its own.
const LETTER_ENTRIES: usize = 20;
/// And so many bytes of it count as one more.
const LETTER_BYTES_PER_ENTRY: usize = 100;

/// What has been folded and not yet stored.
pub(super) struct Step<D> {
    pub(super) delta: D,
    pub(super) moves: BTreeMap<Place, Move>,
    pub(super) letters: Vec<DeadLetter>,
    /// What the letters add to the step's size.
    pub(super) letter_entries: usize,
    /// Dead letters whose replays this step has met.
    pub(super) replayed: Vec<Origin>,
    /// When the first record of the step was folded.
    pub(super) since: Option<Instant>,
}

impl<D: Default> Default for Step<D> {
    fn default() -> Self {
        Step {
            delta: D::default(),
            moves: BTreeMap::new(),
            letters: Vec::new(),
            letter_entries: 0,
            replayed: Vec::new(),
            since: None,
        }
    }
}

impl<D> Step<D> {
    pub(super) fn is_empty(&self) -> bool {
        self.moves.is_empty()
    }

    fn bury(&mut self, letter: DeadLetter) {
        self.letter_entries += LETTER_ENTRIES + letter.size_bytes() / LETTER_BYTES_PER_ENTRY;
        self.letters.push(letter);
    }
}

/// What a batch is folded with.
pub(super) struct Folding<'a, P: Pipeline> {
    pub(super) pipeline: &'a P,
    pub(super) tables: &'a P::Tables,
    pub(super) codec: &'a Codec,
    pub(super) log_id: &'a str,
    pub(super) topic: &'static str,
    pub(super) stream: usize,
    /// The clock that says which records come from the future.
    pub(super) now_ms: i64,
}

/// A fold panicked; the step is spoilt.
#[derive(Debug)]
pub(super) enum FoldError {
    Log(LogError),
    Panicked,
}

impl<P: Pipeline> Folding<'_, P> {
    /// Folds a batch into the step. After an error the step is spoilt and must be thrown away.
    pub(super) fn batch(
        &self,
        batch: &Batch,
        time: &mut PartitionTime,
        step: &mut Step<P::Delta>,
    ) -> Result<(), FoldError> {
        catch_unwind(AssertUnwindSafe(|| self.plainly(batch, time, step)))
            .map_err(|_| FoldError::Panicked)?
            .map_err(FoldError::Log)
    }

    fn plainly(
        &self,
        batch: &Batch,
        time: &mut PartitionTime,
        step: &mut Step<P::Delta>,
    ) -> Result<(), LogError> {
        let windows = self.pipeline.windows();
        let mut moved = Move { next_offset: batch.next_offset, ..Move::default() };
        for record in batch.records() {
            let record = record?;
            moved.records += 1;
            moved.last_ts_ms = Some(record.ts_ms);
            step.replayed.extend(replay_of(record.headers));
            match self.judge(&record) {
                Ok((event, event_ms)) => {
                    let late = windows.is_late(event_ms, time.greatest_ms);
                    moved.late += i64::from(late);
                    let at = At { event_ms, partition: record.partition, offset: record.offset };
                    self.pipeline.fold(&mut step.delta, &event, at, late, self.tables);
                    time.observe(event_ms);
                }
                Err(reason) => step.bury(self.letter(&record, reason)),
            }
        }
        self.note(batch.partition, moved, step);
        Ok(())
    }

    /// Folds a batch in which some record panics: each record into a summary of its own, which is
    /// absorbed when it is whole, so that only the culprit becomes a dead letter.
    pub(super) fn batch_with_care(
        &self,
        batch: &Batch,
        time: &mut PartitionTime,
        step: &mut Step<P::Delta>,
    ) -> Result<(), LogError> {
        let windows = self.pipeline.windows();
        let mut moved = Move { next_offset: batch.next_offset, ..Move::default() };
        for record in batch.records() {
            let record = record?;
            moved.records += 1;
            moved.last_ts_ms = Some(record.ts_ms);
            step.replayed.extend(replay_of(record.headers));
            let folded =
                catch_unwind(AssertUnwindSafe(|| self.alone(&record, windows, time.greatest_ms)));
            match folded {
                Ok(Ok((delta, event_ms, late))) => {
                    moved.late += i64::from(late);
                    self.pipeline.absorb(&mut step.delta, delta);
                    time.observe(event_ms);
                }
                Ok(Err(reason)) => step.bury(self.letter(&record, reason)),
                Err(_) => {
                    let reason = "folding this record failed inside windowsill (a bug)".to_owned();
                    step.bury(self.letter(&record, reason));
                }
            }
        }
        self.note(batch.partition, moved, step);
        Ok(())
    }

    fn alone(
        &self,
        record: &RecordRef<'_>,
        windows: Tumbling,
        greatest_ms: Option<i64>,
    ) -> Result<(P::Delta, i64, bool), String> {
        let (event, event_ms) = self.judge(record)?;
        let late = windows.is_late(event_ms, greatest_ms);
        let at = At { event_ms, partition: record.partition, offset: record.offset };
        let mut delta = P::Delta::default();
        self.pipeline.fold(&mut delta, &event, at, late, self.tables);
        Ok((delta, event_ms, late))
    }

    /// Decodes a record and judges its time. `Err` is the reason it becomes a dead letter.
    fn judge(&self, record: &RecordRef<'_>) -> Result<(P::Event, i64), String> {
        let event = self
            .pipeline
            .decode(self.stream, self.codec, record)
            .map_err(|poison| poison.to_string())?;
        let event_ms = self.pipeline.event_ms(&event, record.ts_ms);
        if !(0..=LAST_EVENT_MS).contains(&event_ms) {
            return Err(format!("its time, {event_ms} ms, is not between 1970 and 9999"));
        }
        let ahead_ms = event_ms - self.now_ms;
        if ahead_ms > MAX_AHEAD_MS {
            return Err(format!(
                "its time is {} s ahead of the clock; more than {} s is refused",
                ahead_ms / 1000,
                MAX_AHEAD_MS / 1000
            ));
        }
        Ok((event, event_ms))
    }

    fn letter(&self, record: &RecordRef<'_>, reason: String) -> DeadLetter {
        DeadLetter::of(self.log_id, self.topic, record, reason)
    }

    fn note(&self, partition: i32, moved: Move, step: &mut Step<P::Delta>) {
        step.since.get_or_insert_with(Instant::now);
        let known = step.moves.entry((self.stream, partition)).or_default();
        known.next_offset = moved.next_offset;
        known.last_ts_ms = moved.last_ts_ms.or(known.last_ts_ms);
        known.records += moved.records;
        known.late += moved.late;
    }
}
