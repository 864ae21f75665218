//! The clock as a session goes by it: steady against jumps, and not gone by at all while it is far
//! below our own last commit.
//!
//! Invariant: what is in doubt stands in the store, so that `/status` can say it; it is written
//! when it changes and at no other time.

use std::sync::Arc;

use super::{Workshop, announce};
use crate::clock::{self, Clock};
use crate::kernel::text::Text;
use crate::kernel::time::{MINUTE_MS, SteadyClock};
use crate::kernel::when;
use crate::store::clock::ClockRow;
use crate::store::{Store, StoreError, Urgency, clock as facts};

/// A clock further below our last commit than this is wrong now, or was wrong then.
const MAX_BEHIND_MS: i64 = 5 * MINUTE_MS;

pub(super) struct Clockwork {
    pipeline: &'static str,
    clock: Arc<dyn Clock>,
    steady: SteadyClock,
    /// What the store holds, as far as this session knows.
    known: ClockRow,
}

impl Clockwork {
    pub(super) async fn open(
        pipeline: &'static str,
        workshop: &Workshop,
        steady: SteadyClock,
    ) -> Result<Clockwork, StoreError> {
        let known =
            workshop.store.read(|db| Box::pin(async move { facts::load(db).await })).await?;
        Ok(Clockwork { pipeline, clock: Arc::clone(&workshop.clock), steady, known })
    }

    /// The time that a jump of the wall clock cannot hurry.
    pub(super) fn now_ms(&mut self) -> i64 {
        self.steady.read(self.clock.now_ms(), self.clock.monotonic_ms())
    }

    /// The later of the steady and the wall clock: what lies ahead of it comes from the future.
    /// After a suspend the wall clock is right at once, and good readings must not be buried.
    pub(super) fn latest_ms(&mut self) -> i64 {
        self.now_ms().max(self.clock.now_ms())
    }

    /// What the next session goes on with.
    pub(super) fn steady(&self) -> SteadyClock {
        self.steady
    }

    /// The time to store with a step. `None` while the clock is in doubt: a jump that is taken
    /// back must not look like a clock that was set back.
    pub(super) fn commit(&mut self) -> Option<i64> {
        if self.steady.disbelieved().is_some() {
            return None;
        }
        let now_ms = self.clock.machine_ms();
        self.known.committed_at = self.known.committed_at.max(now_ms);
        Some(now_ms)
    }

    /// By how much the machine's clock is below our last commit, if that is too much.
    pub(super) fn behind_ms(&self) -> Option<i64> {
        let behind_ms = self.known.committed_at - self.clock.machine_ms();
        (behind_ms > MAX_BEHIND_MS).then_some(behind_ms)
    }

    /// Looks at the clocks and says what has changed about them. Are pipelines to stand still?
    pub(super) async fn heed(&mut self, store: &Store) -> Result<bool, StoreError> {
        self.now_ms();
        let doubted = self.steady.disbelieved();
        if doubted.map(|jump| jump.by_ms) != self.known.jump_ms {
            let jump = doubted.map(|jump| (jump.by_ms, self.clock.now_ms() + jump.believed_in_ms));
            self.tell_jump(store, jump).await?;
        }
        let behind_ms = self.behind_ms();
        if behind_ms.is_some() != self.known.paused_at.is_some() {
            self.tell_pause(store, behind_ms).await?;
        }
        Ok(behind_ms.is_some())
    }

    async fn tell_jump(
        &mut self,
        store: &Store,
        jump: Option<(i64, i64)>,
    ) -> Result<(), StoreError> {
        let pipeline = self.pipeline;
        match jump {
            Some((by_ms, _)) => tracing::warn!(
                pipeline,
                by_ms,
                "the wall clock jumped; windows follow it once it has been steady for 5 minutes"
            ),
            None => tracing::info!(pipeline, "the wall clock is believed again"),
        }
        store
            .write(Urgency::People, move |db| Box::pin(async move { facts::doubt(db, jump).await }))
            .await?;
        self.known.jump_ms = jump.map(|(by_ms, _)| by_ms);
        self.known.believed_at = jump.map(|(_, believed_at)| believed_at);
        Ok(())
    }

    async fn tell_pause(
        &mut self,
        store: &Store,
        behind_ms: Option<i64>,
    ) -> Result<(), StoreError> {
        let (pipeline, now_ms) = (self.pipeline, self.clock.machine_ms());
        match behind_ms {
            Some(behind_ms) => tracing::error!(
                pipeline,
                behind_ms,
                "the machine's clock is far below the last commit; the pipeline waits until it \
                 is right"
            ),
            None => tracing::info!(pipeline, "the machine's clock is right again; going on"),
        }
        store
            .write(Urgency::People, move |db| {
                Box::pin(async move {
                    let Some(behind_ms) = behind_ms else { return facts::resume(db).await };
                    if facts::pause(db, now_ms).await? {
                        announce::tell(db, paused(behind_ms), clock::now_ms()).await?;
                    }
                    Ok(())
                })
            })
            .await?;
        self.known.paused_at = behind_ms.map(|_| now_ms);
        Ok(())
    }
}

/// What the owners are told, once.
fn paused(behind_ms: i64) -> Text {
    Text::of("⏸ ").bold("The clock of my machine is wrong.").plain(format!(
        " It is {} behind the time at which I last stored something, so I count no readings and \
         raise no alerts for now; what arrives meanwhile is kept. Please set the clock; I go on by \
         myself when it is right.",
        when::length(behind_ms)
    ))
}
