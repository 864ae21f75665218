//! The demo's clock: it runs faster than the wall clock and is stored with the folder.

use serde::{Deserialize, Serialize};

use crate::clock::{self, Clock};
use crate::log::embedded::EmbeddedLog;
use crate::log::{EventLog, LogError};
use std::time::Duration;

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
        let now_ms = clock::now_ms();
        DemoClock { anchor_ms: now_ms, real_anchor_ms: now_ms, speed, origin_ms: now_ms, seed }
    }

    /// The same simulation, going on from `from_ms` at this speed.
    #[must_use]
    pub fn resumed(self, from_ms: i64, speed: u32) -> DemoClock {
        DemoClock { anchor_ms: from_ms, real_anchor_ms: clock::now_ms(), speed, ..self }
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

impl Clock for DemoClock {
    fn now_ms(&self) -> i64 {
        let passed_ms = (clock::now_ms() - self.real_anchor_ms).max(0);
        self.anchor_ms + passed_ms * i64::from(self.speed)
    }

    fn monotonic_ms(&self) -> i64 {
        clock::monotonic_ms() * i64::from(self.speed)
    }

    fn machine_ms(&self) -> i64 {
        clock::now_ms()
    }

    fn real(&self, span_ms: i64) -> Duration {
        let micros = u64::try_from(span_ms).unwrap_or(0).saturating_mul(1000);
        Duration::from_micros(micros / u64::from(self.speed.max(1)))
    }
}
