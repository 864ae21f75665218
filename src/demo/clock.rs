//! The demo's clock: it runs faster than the wall clock and is stored with the folder.
//!
//! Invariant: within a process its time and its monotonic time are one measure, finer than a
//! millisecond: the difference of two clocks, multiplied by the speed, would look like a jump.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::clock::{self, Clock};
use crate::log::embedded::EmbeddedLog;
use crate::log::{EventLog, LogError};

/// Where the clock's anchor is kept in the log; a folder that has it was made by `demo`.
const META_KEY: &str = "demo-clock";

/// A clock that went from one moment on at a multiple of real time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DemoClock {
    /// Simulated time at the anchor, and real time at the anchor.
    anchor_ms: i64,
    real_anchor_ms: i64,
    /// How many times faster than real time; 0 stands still.
    speed: u32,
    /// When the simulation began.
    pub origin_ms: i64,
    /// The seed it began with; later starts keep to it.
    pub seed: u64,
}

impl DemoClock {
    /// Begins a simulation now.
    pub fn begin(speed: u32, seed: u64) -> DemoClock {
        let now_ms = Start::of_process().now_us() / 1000;
        DemoClock { anchor_ms: now_ms, real_anchor_ms: now_ms, speed, origin_ms: now_ms, seed }
    }

    /// The same simulation, going on from `from_ms` at this speed.
    #[must_use]
    pub fn resumed(self, from_ms: i64, speed: u32) -> DemoClock {
        let real_anchor_ms = Start::of_process().now_us() / 1000;
        DemoClock { anchor_ms: from_ms, real_anchor_ms, speed, ..self }
    }

    /// The clock stored with a folder. `None`: `demo` did not make it.
    pub async fn load(log: &EmbeddedLog) -> Result<Option<DemoClock>, LogError> {
        let Some(text) = log.meta_get(META_KEY).await? else { return Ok(None) };
        let clock = serde_json::from_str(&text).map_err(|error| LogError::Damaged {
            place: format!("the setting {META_KEY}"),
            reason: error.to_string(),
        })?;
        Ok(Some(clock))
    }

    /// Stores the clock with the folder, for every process that uses it.
    pub async fn store(&self, log: &EmbeddedLog) -> Result<(), LogError> {
        let text = serde_json::to_string(self).map_err(|error| LogError::Damaged {
            place: format!("the setting {META_KEY}"),
            reason: error.to_string(),
        })?;
        log.meta_set(META_KEY, &text).await
    }

    fn sped_up_ms(&self, real_us: i64) -> i64 {
        real_us.saturating_mul(i64::from(self.speed)) / 1000
    }

    /// Where a simulation ended: the newest reading in its log, for a crash leaves no other trace.
    /// `None`: it has no reading yet. A time that the clock cannot have reached does not count.
    pub async fn ended_at_ms(
        &self,
        log: &EmbeddedLog,
        readings: &str,
    ) -> Result<Option<i64>, LogError> {
        let topics = log.topics().await?;
        let newest = topics.iter().find(|topic| topic.name == readings);
        let newest_ms = newest.and_then(|topic| topic.last_ts_ms);
        Ok(newest_ms.map(|newest_ms| newest_ms.min(self.now_ms())))
    }
}

/// When this process first asked for the time, by the wall clock and by the monotonic one.
#[derive(Clone, Copy)]
struct Start {
    wall_ms: i64,
    at: Instant,
}

impl Start {
    fn of_process() -> Start {
        static START: OnceLock<Start> = OnceLock::new();
        *START.get_or_init(|| Start { wall_ms: clock::now_ms(), at: Instant::now() })
    }

    fn passed_us(self) -> i64 {
        i64::try_from(self.at.elapsed().as_micros()).unwrap_or(i64::MAX)
    }

    /// Microseconds since the epoch: a wall clock that is set meanwhile does not move it.
    fn now_us(self) -> i64 {
        (self.wall_ms * 1000).saturating_add(self.passed_us())
    }
}

impl Clock for DemoClock {
    fn now_ms(&self) -> i64 {
        let passed_us = (Start::of_process().now_us() - self.real_anchor_ms * 1000).max(0);
        self.anchor_ms + self.sped_up_ms(passed_us)
    }

    fn monotonic_ms(&self) -> i64 {
        self.sped_up_ms(Start::of_process().passed_us())
    }

    fn machine_ms(&self) -> i64 {
        clock::now_ms()
    }

    fn real(&self, span_ms: i64) -> Duration {
        let micros = u64::try_from(span_ms).unwrap_or(0).saturating_mul(1000);
        Duration::from_micros(micros / u64::from(self.speed.max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In steps of a millisecond, two looks at once would differ by more than three seconds.
    #[test]
    fn a_fast_clock_moves_in_small_steps() {
        let clock = DemoClock::begin(3_600, 1);
        let step = |look: &dyn Fn() -> i64| {
            let before = look();
            std::iter::repeat_with(look).find(|now| *now != before).map(|now| now - before)
        };
        // A busy machine may stop us between two looks: the smallest of some steps counts.
        let smallest = |look: &dyn Fn() -> i64| (0..20).filter_map(|_| step(look)).min().unwrap();
        assert!(smallest(&|| clock.now_ms()) < 1_000);
        assert!(smallest(&|| clock.monotonic_ms()) < 1_000);
    }
}
