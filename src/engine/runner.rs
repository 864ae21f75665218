//! One runner for each pipeline: sessions that fold, cut steps and commit them, and what happens
//! when one fails.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::watch;
use tokio::task::JoinError;

use super::fold::Place;
use super::phase::Board;
use super::resolve::{Patience, Resolver};
use super::session::{Ended, Session};
use super::{EngineError, Phase, Views, Workshop};
use crate::clock;
use crate::kernel::record::RecordRef;
use crate::kernel::time::{LAST_EVENT_MS, SteadyClock};
use crate::log::LogError;
use crate::store::{StoreError, Urgency, standstill};

/// The first and the longest wait before a failed session is begun again.
const FIRST_RETRY: Duration = Duration::from_millis(250);
const LONGEST_RETRY: Duration = Duration::from_secs(10);
/// How often a pipeline that stands still looks whether somebody has seen to it.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// What a pass over the log came to.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct FoldSummary {
    pub name: String,
    pub records: i64,
    pub late: i64,
    pub dead_letters: u64,
    pub windows_closed: i64,
    pub seconds: f64,
    pub records_per_second: f64,
}

/// Offsets below which batches are folded with care, because one of their records panicked.
pub(super) type Careful = HashMap<Place, i64>;

/// What a runner keeps from one session to the next.
#[derive(Clone, Default)]
pub(super) struct Kept {
    pub(super) careful: Careful,
    /// A session that begins again must not believe a jumped clock sooner than the last would have.
    pub(super) clock: SteadyClock,
    standing: Standing,
}

/// Whether the pipeline is known to go on. An earlier life may have left it standing still.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Standing {
    #[default]
    Unknown,
    Going,
    Halted(String),
}

/// Runs one pipeline.
pub struct Runner<V: Views> {
    room: Arc<V>,
    workshop: Workshop,
    board: Board,
}

impl<V: Views> Clone for Runner<V> {
    fn clone(&self) -> Runner<V> {
        let (room, board) = (Arc::clone(&self.room), self.board.clone());
        Runner { room, workshop: self.workshop.clone(), board }
    }
}

impl<V: Views> Runner<V> {
    pub fn new(room: V, workshop: Workshop) -> Runner<V> {
        Runner { room: Arc::new(room), workshop, board: Board::new(Phase::ReadingTables) }
    }

    /// How far the runner's session is, at every time.
    pub fn phase(&self) -> watch::Receiver<Phase> {
        self.board.subscribe()
    }

    /// The topics that it reads, by default name.
    pub fn topics(&self) -> Vec<&'static str> {
        [self.room.streams(), self.room.tables()].concat()
    }

    pub fn name(&self) -> &'static str {
        self.room.name()
    }

    /// The time at which a record of one of its streams happened; `None` where none did.
    pub fn event_ms(&self, topic: &str, record: &RecordRef<'_>) -> Option<i64> {
        let stream = self.room.streams().iter().position(|name| *name == topic)?;
        let codec = &self.workshop.topics.get(topic).ok()?.codec;
        let event = self.room.decode(stream, codec, record).ok()?;
        let event_ms = self.room.event_ms(&event, record.ts_ms);
        event_ms.filter(|event_ms| (0..=LAST_EVENT_MS).contains(event_ms))
    }

    /// Folds until `stop` turns true. A transient fault begins the session again; one that waits
    /// for somebody outside makes it stand still; any other ends the runner with the reason.
    pub async fn run(&self, mut stop: watch::Receiver<bool>) -> Result<(), EngineError> {
        let mut kept = Kept::default();
        let mut wait = FIRST_RETRY;
        while !*stop.borrow() {
            let began = Instant::now();
            let error = match self.live(&mut kept, &mut stop).await {
                Ok(Ended::Stopped) => return Ok(()),
                Ok(Ended::PastIsOver) => continue,
                Err(error) => error,
            };
            self.workshop.ground.leave(self.room.name());
            if let Some((place, below)) = self.culprit(&error) {
                kept.careful.insert(place, below);
                continue;
            }
            if error.waits_for_somebody() {
                self.stand_still(&mut kept, told(&error), &mut stop).await?;
                continue;
            }
            if !error.is_transient() {
                return Err(error);
            }
            if began.elapsed() > LONGEST_RETRY {
                wait = FIRST_RETRY;
            }
            let (pipeline, reason) = (self.room.name(), error_chain(&error));
            // A trouble that lasts is told once.
            if wait == FIRST_RETRY {
                tracing::warn!(
                    pipeline,
                    reason,
                    "the pipeline stopped; it begins again from its last commit"
                );
            } else {
                tracing::debug!(pipeline, reason, "the pipeline stopped again");
            }
            self.board.enter(Phase::Pausing(reason));
            tokio::select! {
                () = tokio::time::sleep(jittered(wait)) => {}
                _ = stop.changed() => {}
            }
            wait = (wait * 2).min(LONGEST_RETRY);
        }
        Ok(())
    }

    /// One session from its opening to its end.
    async fn live(
        &self,
        kept: &mut Kept,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<Ended, EngineError> {
        self.board.begin();
        let mut session = tokio::select! {
            biased;
            opened = self.session(kept, Patience::Endless) => opened?,
            // A log that another process holds, or that is away, can keep us waiting.
            _ = stop.changed() => return Ok(Ended::Stopped),
        };
        self.goes_on(kept, &session).await?;
        self.board.enter(session.phase());
        let ended = session.run(stop).await;
        if ended.is_err() {
            session.settle().await;
        }
        kept.clock = session.clock();
        ended
    }

    /// Waits for somebody, who is told once: on the console, in `/status`, in the owners' chats.
    async fn stand_still(
        &self,
        kept: &mut Kept,
        reason: String,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<(), StoreError> {
        let pipeline = self.room.name();
        self.board.enter(Phase::Halted(reason.clone()));
        let now = Standing::Halted(reason.clone());
        if kept.standing != now {
            tracing::error!(pipeline, reason, "the pipeline stands still; look-ups go on");
            let stored = self.workshop.store.write(Urgency::People, move |db| {
                Box::pin(
                    async move { standstill::begin(db, pipeline, &reason, clock::now_ms()).await },
                )
            });
            stored.await?;
            kept.standing = now;
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_AGAIN) => {}
            _ = stop.changed() => {}
        }
        Ok(())
    }

    /// A session has opened: whatever the pipeline stood still for is over.
    async fn goes_on(&self, kept: &mut Kept, session: &Session<V>) -> Result<(), StoreError> {
        let log_id = Arc::clone(session.log_id());
        self.workshop.ground.enter(self.room.name(), self.topics(), log_id);
        if kept.standing == Standing::Going {
            return Ok(());
        }
        let pipeline = self.room.name();
        let over = self.workshop.store.write(Urgency::Bulk, move |db| {
            Box::pin(async move { standstill::end(db, pipeline).await })
        });
        over.await?;
        kept.standing = Standing::Going;
        Ok(())
    }

    /// Folds everything that the log holds now, closes what the clock allows, and says what that
    /// was.
    pub async fn catch_up(&self) -> Result<FoldSummary, EngineError> {
        let began = Instant::now();
        let mut kept = Kept::default();
        let mut summary = FoldSummary::default();
        loop {
            let mut session = self.session(&kept, Patience::None).await?;
            self.goes_on(&mut kept, &session).await?;
            let result = session.catch_up().await;
            session.settle().await;
            kept.clock = session.clock();
            session.add_to(&mut summary);
            match result {
                Ok(Ended::Stopped) => break,
                Ok(Ended::PastIsOver) => {}
                Err(error) => match self.culprit(&error) {
                    Some((place, below)) => drop(kept.careful.insert(place, below)),
                    None => return Err(error),
                },
            }
        }
        summary.name = self.room.name().to_owned();
        summary.seconds = began.elapsed().as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let records = summary.records as f64;
        summary.records_per_second = records / summary.seconds.max(f64::EPSILON);
        Ok(summary)
    }

    pub(super) fn room(&self) -> &Arc<V> {
        &self.room
    }

    pub(super) fn workshop(&self) -> &Workshop {
        &self.workshop
    }

    async fn session(&self, kept: &Kept, patience: Patience) -> Result<Session<V>, EngineError> {
        let workshop = self.workshop.clone();
        let resolver = Resolver::new(workshop.clone(), self.board.clone(), patience);
        Session::open(Arc::clone(&self.room), workshop, resolver, kept.clone()).await
    }

    /// The batch to fold with care, when a fold panicked.
    fn culprit(&self, error: &EngineError) -> Option<(Place, i64)> {
        let EngineError::Panicked { topic, partition, below } = error else { return None };
        tracing::error!(topic, partition, below, "a fold panicked; looking for the record");
        let stream = self.room.streams().iter().position(|name| name == topic)?;
        Some(((stream, *partition), *below))
    }
}

/// A part of a task ended without an answer. Its panic goes on in the task, so that the process
/// ends with the task's name.
pub(crate) fn died(ended: JoinError) -> StoreError {
    match ended.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => StoreError::Closed,
    }
}

/// Between half and the whole of `wait`, so that retries do not march in step.
pub(crate) fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(0.5 + fastrand::f64() / 2.0)
}

/// Why a pipeline stands still, and what somebody can do about it.
fn told(error: &EngineError) -> String {
    let reason = error_chain(error);
    match error {
        EngineError::Log(LogError::UnknownTopic(_)) => format!(
            "{reason}. A restart makes it, empty, unless kafka.create_topics is false; `windowsill \
             rebuild --accept-loss` then goes on with it"
        ),
        _ => reason,
    }
}

/// An error with its sources, for one line of a log. Some libraries end their words with those of
/// the source; they are said once.
pub(crate) fn error_chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        if !line.ends_with(&words) {
            line.push_str(": ");
            line.push_str(&words);
        }
        source = cause.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("it failed: the disk is full")]
    struct Repeats(#[source] std::io::Error);

    #[derive(Debug, thiserror::Error)]
    #[error("the step could not be stored")]
    struct Outer(#[source] Repeats);

    #[test]
    fn words_that_a_library_repeats_are_said_once() {
        let error = Outer(Repeats(std::io::Error::other("the disk is full")));
        let line = error_chain(&error);
        assert_eq!(line, "the step could not be stored: it failed: the disk is full");
    }
}
