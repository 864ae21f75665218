//! Folding a batch: verdicts, then the room's pure function, record by record.
//!
//! Invariant: nothing here does I/O; a step is a value until `commit` stores it.

use std::collections::{BTreeMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use crate::kernel::pipeline::{At, Pipeline};
use crate::kernel::record::RecordRef;
use crate::kernel::time::{Arrival, LAST_EVENT_MS, MAX_AHEAD_MS, PartitionTime};
use crate::kernel::when;
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

    /// Notes how far a batch moves its partition.
    pub(super) fn note(&mut self, place: Place, moved: Move) {
        self.since.get_or_insert_with(Instant::now);
        let known = self.moves.entry(place).or_default();
        known.next_offset = moved.next_offset;
        known.last_ts_ms = moved.last_ts_ms.or(known.last_ts_ms);
        known.records += moved.records;
        known.late += moved.late;
    }
}

/// Who says which records come from the future.
#[derive(Debug, Clone, Copy)]
pub(super) enum Verdicts<'a> {
    /// The clock, now.
    Clock { now_ms: i64 },
    /// Nobody any more: these offsets are dead letters, and all others were found good.
    Given { dead: &'a HashSet<i64> },
}

/// What a batch is folded with.
pub(super) struct Folding<'a, P: Pipeline> {
    pub(super) pipeline: &'a P,
    pub(super) tables: &'a P::Tables,
    pub(super) codec: &'a Codec,
    pub(super) log_id: &'a str,
    pub(super) topic: &'static str,
    pub(super) stream: usize,
    pub(super) verdicts: Verdicts<'a>,
    /// Records from this offset on are left alone.
    pub(super) until: i64,
}

/// A fold panicked; the step is spoilt.
#[derive(Debug)]
pub(super) enum FoldError {
    Log(LogError),
    Panicked,
}

/// What became of a record.
enum Verdict {
    Folded {
        event_ms: i64,
        late: bool,
    },
    /// It becomes a dead letter for this reason.
    Dead(String),
    /// It is a dead letter already.
    DeadBefore,
    /// Nothing happened.
    Nothing,
}

impl<P: Pipeline> Folding<'_, P> {
    /// Folds a batch into the step. After an error the step is spoilt and must be thrown away.
    pub(super) fn batch(
        &self,
        batch: &Batch,
        time: &mut PartitionTime,
        step: &mut Step<P::Delta>,
    ) -> Result<(), FoldError> {
        let walk =
            || self.walk(batch, time, step, |delta, record, time| self.one(delta, record, time));
        catch_unwind(AssertUnwindSafe(walk))
            .map_err(|_| FoldError::Panicked)?
            .map_err(FoldError::Log)
    }

    /// Folds a batch in which some record panics: each record into a summary of its own, which is
    /// absorbed when it is whole, so that only the culprit becomes a dead letter.
    pub(super) fn batch_with_care(
        &self,
        batch: &Batch,
        time: &mut PartitionTime,
        step: &mut Step<P::Delta>,
    ) -> Result<(), LogError> {
        self.walk(batch, time, step, |delta, record, time| {
            let mut own = P::Delta::default();
            let folded = catch_unwind(AssertUnwindSafe(|| self.one(&mut own, record, time)));
            match folded {
                Ok(Verdict::Folded { event_ms, late }) => {
                    self.pipeline.absorb(delta, own);
                    Verdict::Folded { event_ms, late }
                }
                Ok(dead) => dead,
                Err(_) => {
                    Verdict::Dead("folding this record failed inside windowsill (a bug)".to_owned())
                }
            }
        })
    }

    /// Takes a batch record by record; `one` is generic, so that the hot path stays a plain loop.
    fn walk(
        &self,
        batch: &Batch,
        time: &mut PartitionTime,
        step: &mut Step<P::Delta>,
        one: impl Fn(&mut P::Delta, &RecordRef<'_>, &PartitionTime) -> Verdict,
    ) -> Result<(), LogError> {
        let next_offset = batch.next_offset.min(self.until);
        let mut moved = Move { next_offset, ..Move::default() };
        for record in batch.records() {
            let record = record?;
            if record.offset >= self.until {
                break;
            }
            moved.records += 1;
            moved.last_ts_ms = Some(record.ts_ms);
            step.replayed.extend(replay_of(record.headers));
            match one(&mut step.delta, &record, time) {
                Verdict::Folded { event_ms, late } => {
                    moved.late += i64::from(late);
                    time.observe(event_ms);
                }
                Verdict::Dead(reason) => {
                    step.bury(DeadLetter::of(self.log_id, self.topic, &record, reason));
                }
                Verdict::DeadBefore | Verdict::Nothing => {}
            }
        }
        step.note((self.stream, batch.partition), moved);
        Ok(())
    }

    #[inline]
    fn one(&self, delta: &mut P::Delta, record: &RecordRef<'_>, time: &PartitionTime) -> Verdict {
        if let Verdicts::Given { dead } = self.verdicts
            && dead.contains(&record.offset)
        {
            return Verdict::DeadBefore;
        }
        let (event, event_ms) = match self.judge(record) {
            Ok(Some(judged)) => judged,
            Ok(None) => return Verdict::Nothing,
            Err(reason) => return Verdict::Dead(reason),
        };
        let arrival = Arrival { greatest_earlier_ms: time.greatest_ms };
        let late = arrival.is_late(event_ms, self.pipeline.windows());
        let at = At { event_ms, partition: record.partition, offset: record.offset };
        self.pipeline.fold(delta, &event, at, arrival, self.tables);
        Verdict::Folded { event_ms, late }
    }

    /// Decodes a record and judges its time. `None`: nothing happened. `Err` is the reason it
    /// becomes a dead letter.
    #[inline]
    fn judge(&self, record: &RecordRef<'_>) -> Result<Option<(P::Event, i64)>, String> {
        let event = self
            .pipeline
            .decode(self.stream, self.codec, record)
            .map_err(|poison| poison.to_string())?;
        let Some(event_ms) = self.pipeline.event_ms(&event, record.ts_ms) else {
            return Ok(None);
        };
        if !(0..=LAST_EVENT_MS).contains(&event_ms) {
            return Err(format!("its time, {event_ms} ms, is not between 1970 and 9999"));
        }
        let Verdicts::Clock { now_ms } = self.verdicts else { return Ok(Some((event, event_ms))) };
        if event_ms - now_ms > MAX_AHEAD_MS {
            let (time, most) = (super::iso(event_ms), when::length(MAX_AHEAD_MS));
            return Err(format!("its time is {time}, more than {most} ahead of the clock"));
        }
        Ok(Some((event, event_ms)))
    }
}
