//! The simulated sensors' feed: readings into the log, at the demo's pace.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::clock::DemoClock;
use super::plants::{
    BACKFILL_MS, Cycles, READING_EVERY_MS, SAMPLES, Sample, Simulation, TEMPERATURE_HIGH,
    TEMPERATURE_LOW,
};
use crate::clock::Clock;
use crate::kernel::record::{Header, NewRecord};
use crate::log::codec::CodecError;
use crate::log::topics::{Topic, Topics};
use crate::log::{EventLog, LogError};

/// How often readings are appended.
const TICK: Duration = Duration::from_millis(200);
/// Readings in one append; the rest follows with the next.
const BATCH_STEPS: i64 = 10_000;

/// The topic of the readings, by default name.
pub const READINGS: &str = "houseplant-readings";
const METADATA: &str = "houseplant-metadata";
const MAPPING: &str = "houseplant-sensor-mapping";

/// Why the feed ended.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    #[error("the simulated sensors could not write to the log")]
    Log(#[from] LogError),
    #[error("a simulated record does not fit its schema")]
    Codec(#[from] CodecError),
}

/// Writes the sample plants' metadata and which sensor feeds each, unless a topic has records
/// already. Says whether the plants are new.
pub async fn describe_plants(
    log: &dyn EventLog,
    topics: &Topics,
    now_ms: i64,
) -> Result<bool, FeedError> {
    let plants = SAMPLES.iter().map(|plant| {
        let value = json!({
            "plant_id": plant.plant_id,
            "scientific_name": plant.scientific_name,
            "common_name": plant.common_name,
            "given_name": plant.given_name,
            "temperature_low": TEMPERATURE_LOW,
            "temperature_high": TEMPERATURE_HIGH,
            "moisture_low": plant.moisture_low,
            "moisture_high": plant.moisture_high,
        });
        (plant.plant_id.to_string(), value)
    });
    let is_fresh = fill(log, topics, topics.get(METADATA)?, plants, now_ms).await?;
    let mappings = SAMPLES.iter().map(|plant| {
        let value = json!({ "sensor_id": plant.sensor_id, "plant_id": plant.plant_id });
        (plant.sensor_id.to_owned(), value)
    });
    fill(log, topics, topics.get(MAPPING)?, mappings, now_ms).await?;
    Ok(is_fresh)
}

/// Writes the first rows of a table, unless it has had some. Says whether it did.
async fn fill(
    log: &dyn EventLog,
    topics: &Topics,
    topic: &Topic,
    rows: impl Iterator<Item = (String, Value)>,
    now_ms: i64,
) -> Result<bool, FeedError> {
    let present = log.topics().await?;
    if present.iter().any(|known| known.name == topic.log_name && known.records > 0) {
        return Ok(false);
    }
    topics.prepare(topic).await.map_err(LogError::from)?;
    let mut records = Vec::new();
    for (key, value) in rows {
        records.push(NewRecord {
            key: Some(key.into_bytes()),
            value: Some(topic.codec.encode(&value)?),
            ts_ms: now_ms,
            ..NewRecord::default()
        });
    }
    log.append(&topic.log_name, records).await?;
    Ok(true)
}

/// The sensors.
pub struct Feed {
    pub topics: Topics,
    pub clock: DemoClock,
    pub simulation: Simulation,
    /// Readings up to this time are in the log.
    pub fed_ms: i64,
}

impl Feed {
    /// Feeds from where the log's readings end; from the past that a fresh simulation has where
    /// there are none.
    pub fn from(topics: Topics, clock: DemoClock, ended_ms: Option<i64>) -> Feed {
        let simulation = Simulation { seed: clock.seed, origin_ms: clock.origin_ms };
        let fed_ms = ended_ms.unwrap_or(clock.origin_ms - BACKFILL_MS);
        Feed { topics, clock, simulation, fed_ms }
    }

    /// Appends every reading that is due by now.
    pub async fn catch_up(
        &mut self,
        log: &dyn EventLog,
        cycles: &mut [Cycles; 6],
    ) -> Result<(), FeedError> {
        let now_ms = self.clock.now_ms();
        self.topics.prepare(self.topics.get(READINGS)?).await.map_err(LogError::from)?;
        loop {
            let until_ms = now_ms.min(self.fed_ms + BATCH_STEPS * READING_EVERY_MS);
            let records = self.due(until_ms, cycles)?;
            if !records.is_empty() {
                log.append(&self.topics.get(READINGS)?.log_name, records).await?;
            }
            self.fed_ms = until_ms;
            if until_ms >= now_ms {
                return Ok(());
            }
        }
    }

    /// Feeds until `stop` turns true.
    pub async fn run(
        mut self,
        log: std::sync::Arc<dyn EventLog>,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), FeedError> {
        let mut cycles = Default::default();
        while !*stop.borrow() {
            self.catch_up(log.as_ref(), &mut cycles).await?;
            tokio::select! {
                () = tokio::time::sleep(TICK) => {}
                _ = stop.changed() => {}
            }
        }
        Ok(())
    }

    /// The readings after `fed_ms` and up to `until_ms`, in the order of their times.
    fn due(&self, until_ms: i64, cycles: &mut [Cycles; 6]) -> Result<Vec<NewRecord>, FeedError> {
        let topic = self.topics.get(READINGS)?;
        let mut records = Vec::new();
        let mut at_ms = (self.fed_ms.div_euclid(READING_EVERY_MS) + 1) * READING_EVERY_MS;
        while at_ms <= until_ms {
            for (plant, cycles) in SAMPLES.iter().zip(cycles.iter_mut()) {
                let (moisture, temperature) = self.simulation.reading(plant, cycles, at_ms);
                records.push(reading(topic, plant, moisture, temperature, at_ms)?);
            }
            at_ms += READING_EVERY_MS;
        }
        Ok(records)
    }
}

fn reading(
    topic: &Topic,
    plant: &Sample,
    moisture: f64,
    temperature: f64,
    at_ms: i64,
) -> Result<NewRecord, FeedError> {
    let value = json!({
        "plant_id": plant.plant_id, "moisture": moisture, "temperature": temperature,
    });
    let sensor =
        Header { name: "sensor-id".to_owned(), value: Some(plant.sensor_id.as_bytes().to_vec()) };
    Ok(NewRecord {
        key: Some(plant.plant_id.to_string().into_bytes()),
        value: Some(topic.codec.encode(&value)?),
        ts_ms: at_ms,
        headers: vec![sensor],
        ..NewRecord::default()
    })
}
