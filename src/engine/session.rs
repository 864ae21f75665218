//! A session of a pipeline: tables first, then batches folded into steps and steps committed.
//!
//! Invariant: while one step is being stored the next is folded, but steps are stored one after
//! the other; a session that fails leaves the store at its last commit.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::clockwork::Clockwork;
use super::commit::{self, Commit, Committed, Stage};
use super::fold::{FoldError, Folding, Move, Place, Step, Verdicts};
use super::past::Past;
use super::resolve::Resolver;
use super::resume::{check_identity, next_due, resume};
use super::runner::{Careful, FoldSummary, Kept, died, error_chain};
use super::sources::Sources;
use super::tables::Gone;
use super::watchdog::Watchdog;
use super::{EngineError, Phase, Views, Workshop, tables};
use crate::crash;
use crate::kernel::time::{PartitionTime, SteadyClock, watermark_ms};
use crate::log::{Batch, Fetched, LogError};
use crate::store::StoreError;

/// A step is cut at this many entries of its summary while nobody waits: the more, the fewer times
/// a page is written, and the more memory is held.
const STEP_ENTRIES: usize = 64_000;
/// While somebody waits, at about this much writing.
const LIVELY_STEP: Duration = Duration::from_millis(20);
/// And never below this many entries.
const LIVELY_ENTRIES_MIN: usize = 500;
/// Or after this long; the first steps of a session are shorter, so that there soon is something to
/// look at.
const STEP_TIME: Duration = Duration::from_secs(1);
const FIRST_STEP_TIME: Duration = Duration::from_millis(100);
/// So often a pipeline stores the time when it has nothing else to store: a clock that is set back
/// is known by it.
const HEARTBEAT: Duration = Duration::from_secs(300);
/// The clock is looked at least this often while a window is open.
const LONGEST_TICK: Duration = Duration::from_secs(10);
const SHORTEST_TICK: Duration = Duration::from_millis(20);
/// And this often while it is not gone by.
const PAUSED_TICK: Duration = Duration::from_secs(1);

type InFlight<D> = JoinHandle<Result<(Committed<D>, usize, Duration), StoreError>>;

/// How a session ended, where it did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// It was asked to, or there is nothing left to do.
    Stopped,
    /// A rebuild has come as far as the pipeline had been; the next session goes on as always.
    PastIsOver,
}

pub(super) struct Session<V: Views> {
    room: Arc<V>,
    workshop: Workshop,
    /// The identity of the log that this session reads.
    log_id: Arc<str>,
    careful: Careful,
    tables: V::Tables,
    gone: Gone,
    live_tables: Sources,
    streams: Sources,
    times: BTreeMap<Place, PartitionTime>,
    /// What is to be folded in silence first, and by itself: a rebuild is under way.
    past: Option<Past>,
    clock: Clockwork,
    watermark_ms: Option<i64>,
    /// The watermark at which the clock alone has something to do, as the last commit found it.
    next_due_ms: Option<i64>,
    watchdog: Watchdog,
    /// It ends at the log's end.
    is_finite: bool,
    step: Step<V::Delta>,
    spare: Option<V::Delta>,
    in_flight: Option<InFlight<V::Delta>>,
    /// When the last step was cut.
    cut_at: Instant,
    /// After how long the step is cut.
    step_time: Duration,
    /// This session has told the store that it caught up.
    caught_up_stored: bool,
    /// Entries stored per millisecond, as the last large commit measured it.
    entries_per_ms: usize,
    records: i64,
    late: i64,
    letters: u64,
    windows_closed: i64,
}

impl<V: Views> Session<V> {
    /// Loads the positions, reads the tables once, and opens the readers.
    pub(super) async fn open(
        room: Arc<V>,
        workshop: Workshop,
        resolver: Resolver,
        kept: Kept,
    ) -> Result<Session<V>, EngineError> {
        workshop.topics.create(workshop.log.as_ref()).await?;
        let (log_id, known) = check_identity(room.as_ref(), &workshop).await?;
        let mut in_memory = V::Tables::default();
        let mut gone = Gone::new();
        let mut table_topics = Vec::new();
        let begun = room.tables().iter();
        let begun = begun.map(|name| tables::begin(room.name(), &workshop, name, &known));
        // All at once: a cluster answers each only after a while.
        let begun = try_join_all(begun).await?;
        for (name, table) in room.tables().iter().zip(begun.into_iter().enumerate()) {
            let follow =
                tables::first_pass(&room, &resolver, &log_id, table, &mut in_memory, &mut gone)
                    .await?;
            table_topics.push((workshop.topics.get(name)?.log_name.clone(), follow));
        }
        let live_tables = Sources::open(workshop.log.as_ref(), table_topics, &resolver).await?;
        let (times, mut streams, watermark_ms) = resume(room.as_ref(), &workshop).await?;
        let past = Past::load(room.as_ref(), &workshop, &log_id).await?;
        if let Some(past) = &past {
            past.select(&mut streams);
        }
        let streams = Sources::open(workshop.log.as_ref(), streams, &resolver).await?;
        let next_due_ms = next_due(&room, &workshop, watermark_ms).await?;
        let mut clock = Clockwork::open(room.name(), &workshop, kept.clock).await?;
        let watchdog = Watchdog::open(room.as_ref(), &workshop, clock.now_ms()).await?;
        Ok(Session {
            room,
            workshop,
            log_id,
            careful: kept.careful,
            tables: in_memory,
            gone,
            live_tables,
            streams,
            times,
            past,
            clock,
            watermark_ms,
            next_due_ms,
            watchdog,
            is_finite: false,
            step: Step::default(),
            spare: None,
            in_flight: None,
            cut_at: Instant::now(),
            step_time: FIRST_STEP_TIME,
            caught_up_stored: false,
            entries_per_ms: 100,
            records: 0,
            late: 0,
            letters: 0,
            windows_closed: 0,
        })
    }

    /// Works until `stop` turns true or a rebuild's past is over; what is folded by then is stored.
    pub(super) async fn run(
        &mut self,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<Ended, EngineError> {
        while !*stop.borrow() {
            if self.past_is_over() {
                return Ok(Ended::PastIsOver);
            }
            tokio::select! {
                biased;
                _ = stop.changed() => {}
                result = self.advance() => result?,
            }
        }
        self.drain().await?;
        Ok(Ended::Stopped)
    }

    /// Works until everything is folded and the clock closes nothing more.
    pub(super) async fn catch_up(&mut self) -> Result<Ended, EngineError> {
        self.is_finite = true;
        while !(self.at_end() && self.is_idle() && self.caught_up_stored) {
            if self.past_is_over() {
                return Ok(Ended::PastIsOver);
            }
            if let Some(behind_ms) = self.clock.behind_ms() {
                return Err(EngineError::ClockBehind { behind_ms });
            }
            self.advance().await?;
        }
        Ok(Ended::Stopped)
    }

    fn past_is_over(&self) -> bool {
        self.past.as_ref().is_some_and(|past| past.is_stored)
    }

    /// Lets the commit that is under way land. Whoever begins again begins behind it: a commit that
    /// has not reached the store's queue yet would be stored beside what is folded again.
    pub(super) async fn settle(&mut self) {
        if self.in_flight.is_none() {
            return;
        }
        let landed = land(&mut self.in_flight).await;
        if let Err(error) = self.landed(landed) {
            tracing::warn!(
                pipeline = self.room.name(),
                error = %error_chain(&error),
                "the last step of a session that failed could not be stored either"
            );
        }
    }

    /// The log that it reads.
    pub(super) fn log_id(&self) -> &Arc<str> {
        &self.log_id
    }

    /// What this session made of the clocks.
    pub(super) fn clock(&self) -> SteadyClock {
        self.clock.steady()
    }

    /// What this session does.
    pub(super) fn phase(&self) -> Phase {
        if self.past.is_some() { Phase::Rebuilding } else { Phase::Folding }
    }

    pub(super) fn add_to(&self, summary: &mut FoldSummary) {
        summary.records += self.records;
        summary.late += self.late;
        summary.dead_letters += self.letters;
        summary.windows_closed += self.windows_closed;
    }

    /// One thing that happens: a table changes, a batch is folded, a step is stored, time passes.
    /// Cancelling loses nothing that is not in the log.
    async fn advance(&mut self) -> Result<(), EngineError> {
        let is_paused = self.clock.heed(&self.workshop.store).await?;
        if self.in_flight.is_none() && !is_paused && self.should_cut() {
            self.cut();
        }
        let has_room = self.entries() < self.entries_limit();
        let tick = if is_paused { PAUSED_TICK } else { self.until_tick() };
        tokio::select! {
            biased;
            landed = land(&mut self.in_flight) => self.landed(landed)?,
            fetched = self.live_tables.next() => match fetched {
                Ok(fetched) => self.follow_table(fetched).await?,
                Err(error) => return self.end_with(error).await,
            },
            fetched = self.streams.next(), if has_room && !is_paused => match fetched {
                Ok(fetched) => self.take(fetched)?,
                Err(error) => return self.end_with(error).await,
            },
            () = tokio::time::sleep(tick) => {}
        }
        Ok(())
    }

    /// Nothing more can be read. What was read by then is stored: where connections are cut again and
    /// again, each session still comes a bit further.
    async fn end_with(&mut self, error: LogError) -> Result<(), EngineError> {
        self.drain().await?;
        Err(error.into())
    }

    /// Stores what is folded.
    async fn drain(&mut self) -> Result<(), EngineError> {
        loop {
            if self.in_flight.is_some() {
                let landed = land(&mut self.in_flight).await;
                self.landed(landed)?;
            } else if self.step.is_empty() {
                return Ok(());
            } else {
                self.cut();
            }
        }
    }

    async fn follow_table(
        &mut self,
        (table, fetched): (usize, Fetched),
    ) -> Result<(), EngineError> {
        match fetched {
            Fetched::End { .. } => Ok(()),
            Fetched::Batch(batch) => {
                let (tables, gone) = (&mut self.tables, &mut self.gone);
                let log_id = &self.log_id;
                tables::follow(&self.room, &self.workshop, log_id, table, &batch, tables, gone)
                    .await
            }
        }
    }

    fn take(&mut self, (stream, fetched): (usize, Fetched)) -> Result<(), EngineError> {
        match fetched {
            Fetched::End { partition, .. } => {
                self.end((stream, partition));
                Ok(())
            }
            Fetched::Batch(batch) => self.fold(stream, &batch),
        }
    }

    fn end(&mut self, place: Place) {
        let Some(past) = &mut self.past else {
            self.times.entry(place).or_default().at_end = true;
            return;
        };
        // The log no longer holds what lies between here and the past's end.
        if let Some(until) = past.stretch(place).map(|stretch| stretch.until) {
            self.step.note(place, Move { next_offset: until, ..Move::default() });
            past.come_to(place, until);
        }
    }

    fn fold(&mut self, stream: usize, batch: &Batch) -> Result<(), EngineError> {
        let topic = self.room.streams()[stream];
        let place = (stream, batch.partition);
        let (verdicts, until) = match &self.past {
            None => (Verdicts::Clock { now_ms: self.clock.latest_ms() }, i64::MAX),
            Some(past) => match past.stretch(place) {
                Some(stretch) => (stretch.verdicts(), stretch.until),
                // It is read again when the others have come as far.
                None => return Ok(()),
            },
        };
        let folding = Folding {
            pipeline: self.room.as_ref(),
            tables: &self.tables,
            codec: &self.workshop.topics.get(topic)?.codec,
            log_id: &self.log_id,
            topic,
            stream,
            verdicts,
            until,
        };
        let time = self.times.entry(place).or_default();
        time.at_end = false;
        let careful = self.careful.get(&place).is_some_and(|below| batch.base_offset < *below);
        if careful {
            folding.batch_with_care(batch, time, &mut self.step)?;
        } else {
            folding.batch(batch, time, &mut self.step).map_err(|error| match error {
                FoldError::Log(error) => error.into(),
                FoldError::Panicked => EngineError::Panicked {
                    topic,
                    partition: batch.partition,
                    below: batch.next_offset,
                },
            })?;
        }
        if let Some(past) = &mut self.past {
            past.come_to(place, batch.next_offset);
        }
        self.watchdog.heard(stream, batch.last_ts_ms, self.clock.now_ms());
        Ok(())
    }

    /// Is it time to store what is folded, or to do what is due by the clock?
    fn should_cut(&mut self) -> bool {
        if self.past.as_ref().is_some_and(Past::is_reached) {
            return true;
        }
        if self.at_end() && !self.caught_up_stored {
            return true;
        }
        if self.step.is_empty() {
            return self.is_due() || self.has_news() || self.cut_at.elapsed() >= HEARTBEAT;
        }
        let is_old = self.step.since.is_some_and(|since| since.elapsed() >= self.step_time);
        self.at_end() || is_old || self.entries() >= self.entries_limit()
    }

    /// Has the clock alone something to do?
    fn is_due(&mut self) -> bool {
        if self.past.is_some() {
            return false;
        }
        let Some(due_ms) = self.next_due_ms else { return false };
        self.watermark_now().is_some_and(|now_ms| due_ms <= now_ms)
    }

    /// Has a stream stalled?
    fn has_news(&mut self) -> bool {
        self.past.is_none() && self.at_end() && self.watchdog.has_news(self.clock.now_ms())
    }

    /// Hands the folded step to the writer and begins the next.
    fn cut(&mut self) {
        let stage = match &self.past {
            None => Stage::Present,
            Some(past) if past.is_reached() => Stage::EndOfPast,
            Some(_) => Stage::Past,
        };
        let after_ms = match stage {
            Stage::Present => self.watermark_now(),
            Stage::Past | Stage::EndOfPast => self.watermark_ms,
        };
        let at_end = self.at_end();
        self.cut_at = Instant::now();
        let now_ms = self.clock.now_ms();
        let news = match stage {
            Stage::Present => self.watchdog.news(now_ms, at_end),
            Stage::Past | Stage::EndOfPast => Vec::new(),
        };
        let commit = Commit {
            before_ms: self.watermark_ms,
            after_ms,
            greatest: self.times.iter().map(|(place, time)| (*place, time.greatest_ms)).collect(),
            caught_up: at_end,
            pipeline_now_ms: now_ms,
            committed_at: self.clock.commit(),
            stage,
            is_final: self.is_finite,
            news,
        };
        // A step that was cut before the end was told leaves the end to be stored.
        self.caught_up_stored = at_end;
        self.watermark_ms = after_ms;
        let next = Step { delta: self.spare.take().unwrap_or_default(), ..Step::default() };
        let step = std::mem::replace(&mut self.step, next);
        for moved in step.moves.values() {
            self.records += moved.records;
            self.late += moved.late;
        }
        let entries = self.room.entries(&step.delta) + step.letter_entries;
        let room = Arc::clone(&self.room);
        let workshop = self.workshop.clone();
        let log_id = Arc::clone(&self.log_id);
        self.in_flight = Some(tokio::spawn(async move {
            let began = Instant::now();
            crash::point("before-step-commit");
            let committed = commit::store(room, workshop, log_id, step, commit).await?;
            crash::point("after-step-commit");
            Ok((committed, entries, began.elapsed()))
        }));
    }

    fn landed(
        &mut self,
        landed: Result<(Committed<V::Delta>, usize, Duration), StoreError>,
    ) -> Result<(), EngineError> {
        let (committed, entries, took) = landed?;
        self.letters += committed.letters;
        self.windows_closed += committed.windows_closed;
        self.next_due_ms = committed.next_due_ms;
        self.step_time = (self.step_time * 2).min(STEP_TIME);
        self.spare = Some(committed.delta);
        if let Some(past) = &mut self.past {
            past.is_stored = committed.ends_past;
        }
        if entries > LIVELY_ENTRIES_MIN {
            let took_ms = usize::try_from(took.as_millis()).unwrap_or(usize::MAX).max(1);
            self.entries_per_ms = (entries / took_ms).max(1);
        }
        if committed.alerts > 0 {
            tracing::info!(
                pipeline = self.room.name(),
                alerts = committed.alerts,
                "alerts were raised"
            );
        }
        Ok(())
    }

    /// How much the step will write.
    fn entries(&self) -> usize {
        self.room.entries(&self.step.delta) + self.step.letter_entries
    }

    fn entries_limit(&self) -> usize {
        if !self.workshop.store.writer().is_lively() {
            return STEP_ENTRIES;
        }
        let lively_ms = usize::try_from(LIVELY_STEP.as_millis()).unwrap_or(1);
        (self.entries_per_ms * lively_ms).clamp(LIVELY_ENTRIES_MIN, STEP_ENTRIES)
    }

    /// Everything is folded; never in a rebuild's past, which has a session of its own.
    fn at_end(&self) -> bool {
        self.past.is_none() && self.times.values().all(|time| time.at_end)
    }

    fn is_idle(&mut self) -> bool {
        self.in_flight.is_none() && self.step.is_empty() && !self.is_due()
    }

    fn watermark_now(&mut self) -> Option<i64> {
        let clock_ms = self.clock.now_ms() - self.workshop.settings.clock_lag_ms;
        watermark_ms(self.watermark_ms, self.times.values(), clock_ms)
    }

    /// How long nothing can become due by the clock alone.
    fn until_tick(&mut self) -> Duration {
        if !self.step.is_empty() {
            return self.step_time;
        }
        let Some(due_ms) = self.next_due_ms else { return LONGEST_TICK };
        let at_ms = due_ms.saturating_add(self.workshop.settings.clock_lag_ms);
        let wait_ms = at_ms.saturating_sub(self.clock.now_ms()).max(0);
        self.workshop.clock.real(wait_ms).clamp(SHORTEST_TICK, LONGEST_TICK)
    }
}

/// Waits for the commit that is under way; for ever when there is none.
async fn land<D>(
    in_flight: &mut Option<InFlight<D>>,
) -> Result<(Committed<D>, usize, Duration), StoreError> {
    let Some(handle) = in_flight else { return std::future::pending().await };
    let landed = handle.await;
    *in_flight = None;
    landed.map_err(died)?
}
