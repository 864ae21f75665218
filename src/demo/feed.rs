//! The simulation's feed: readings of plants and probes of phones into the log, at the demo's pace.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::clock::DemoClock;
use super::plants::{
    BACKFILL_MS, Cycles, READING_EVERY_MS, SAMPLES, Sample, Simulation, TEMPERATURE_HIGH,
    TEMPERATURE_LOW,
};
use super::street::{self, Heard, Joined, Street};
use crate::clock::Clock;
use crate::kernel::record::{Header, NewRecord};
use crate::log::codec::CodecError;
use crate::log::topics::{Topic, Topics};
use crate::log::{EventLog, LogError};

/// How often readings are appended.
const TICK: Duration = Duration::from_millis(200);
/// Readings in one append; the rest follows with the next.
const BATCH_STEPS: i64 = 10_000;

/// The topics of the readings and of the probes, by default name.
pub const READINGS: &str = "houseplant-readings";
pub const PROBES: &str = "pcap";
const METADATA: &str = "houseplant-metadata";
const MAPPING: &str = "houseplant-sensor-mapping";
const WATCHED: &str = "ssid_alert_list_01";
const NAMES: &str = "device-names";
const JOINED: &str = "unifi.ace.user";
/// A record of probes says by this header what its SSIDs are written in: as tshark 4 does.
const ENCODING: (&str, &str) = ("ssid-encoding", "hex");
const MISSING: &str = "<MISSING>";

/// Why the feed ended.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    #[error("the simulation could not write to the log")]
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
        (plant.plant_id.to_string().into_bytes(), value)
    });
    let is_fresh = fill(log, topics, topics.get(METADATA)?, plants, now_ms).await?;
    let mappings = SAMPLES.iter().map(|plant| {
        let value = json!({ "sensor_id": plant.sensor_id, "plant_id": plant.plant_id });
        (plant.sensor_id.as_bytes().to_vec(), value)
    });
    fill(log, topics, topics.get(MAPPING)?, mappings, now_ms).await?;
    Ok(is_fresh)
}

/// Writes which network is watched and what devices are called, unless a topic has records already.
pub async fn describe_street(
    log: &dyn EventLog,
    topics: &Topics,
    now_ms: i64,
) -> Result<(), FeedError> {
    let (ssid, reason) = street::WATCHED;
    let watched = (ssid.as_bytes().to_vec(), json!({ "REASON": reason }));
    fill(log, topics, topics.get(WATCHED)?, [watched].into_iter(), now_ms).await?;
    let (mac, name) = street::NAMED;
    let named = (colons(mac).into_bytes(), json!({ "name": name, "ignored": false }));
    fill(log, topics, topics.get(NAMES)?, [named].into_iter(), now_ms).await?;
    let joined = (1..).zip(street::JOINED).map(|(number, device)| {
        let Joined { mac, name, hostname, oui, is_guest } = device;
        let id = json!({ "$oid": format!("5d1f0000000000000000{number:04x}") }).to_string();
        let document = json!({
            "mac": colons(mac), "name": name, "hostname": hostname, "oui": oui,
            "is_guest": is_guest,
        });
        let value = json!({ "op": "c", "after": document.to_string() });
        (json!({ "id": id }).to_string().into_bytes(), value)
    });
    fill(log, topics, topics.get(JOINED)?, joined, now_ms).await?;
    Ok(())
}

/// Writes the first records of a topic, unless it has had some. Says whether it did.
async fn fill(
    log: &dyn EventLog,
    topics: &Topics,
    topic: &Topic,
    rows: impl Iterator<Item = (Vec<u8>, Value)>,
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
            key: Some(key),
            value: Some(topic.codec.encode(&value)?),
            ts_ms: now_ms,
            ..NewRecord::default()
        });
    }
    log.append(&topic.log_name, records).await?;
    Ok(true)
}

/// The sensors, and whoever listens in the street.
pub struct Feed {
    pub topics: Topics,
    pub clock: DemoClock,
    pub simulation: Simulation,
    /// `None`: something else is heard instead.
    pub street: Option<Street>,
    /// Readings up to this time are in the log.
    pub fed_ms: i64,
}

impl Feed {
    /// Feeds from where the log's readings end; from the past that a fresh simulation has where
    /// there are none.
    pub fn from(topics: Topics, clock: DemoClock, ended_ms: Option<i64>) -> Feed {
        let simulation = Simulation { seed: clock.seed, origin_ms: clock.origin_ms };
        let street = Some(Street { seed: clock.seed, origin_ms: clock.origin_ms });
        let fed_ms = ended_ms.unwrap_or(clock.origin_ms - BACKFILL_MS);
        Feed { topics, clock, simulation, street, fed_ms }
    }

    /// The same without the street.
    #[must_use]
    pub fn without_street(self) -> Feed {
        Feed { street: None, ..self }
    }

    /// Appends everything that is due by now. Readings go first: a start goes on at the newest of
    /// them, and what is lost by a death between the two is a moment of the street.
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
            let probes = self.probes(until_ms)?;
            if !probes.is_empty() {
                log.append(&self.topics.get(PROBES)?.log_name, probes).await?;
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

    /// The same of the street, up to the newest reading: there a later start goes on.
    fn probes(&self, until_ms: i64) -> Result<Vec<NewRecord>, FeedError> {
        let Some(street) = self.street else { return Ok(Vec::new()) };
        let topic = self.topics.get(PROBES)?;
        let newest = |at_ms: i64| at_ms.div_euclid(READING_EVERY_MS) * READING_EVERY_MS;
        let heard = street.heard(newest(self.fed_ms), newest(until_ms));
        heard.iter().map(|heard| probe(topic, heard)).collect()
    }
}

/// A probe as tshark 4 writes it.
fn probe(topic: &Topic, heard: &Heard) -> Result<NewRecord, FeedError> {
    let ssid = match heard.ssid {
        b"" => MISSING.to_owned(),
        ssid => hex(ssid),
    };
    let value = json!({
        "timestamp": heard.at_ms.to_string(),
        "layers": {
            "wlan_fc_type_subtype": ["0x0004"],
            "wlan_radio_signal_dbm": [heard.dbm.to_string()],
            "wlan_sa": [colons(heard.mac)],
            "wlan_ssid": [ssid],
        },
    });
    let (name, encoding) = ENCODING;
    let encoding = Header { name: name.to_owned(), value: Some(encoding.as_bytes().to_vec()) };
    Ok(NewRecord {
        value: Some(topic.codec.encode(&value)?),
        ts_ms: heard.at_ms,
        headers: vec![encoding],
        ..NewRecord::default()
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn colons(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
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
