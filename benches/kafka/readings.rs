//! The readings: a pure function of their number, what every window must come to, and how they get
//! into the cluster.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;
use windowsill::config::{Config, Topic, TopicFormat};
use windowsill::kernel::record::NewRecord;
use windowsill::log::EventLog;
use windowsill::log::embedded::partition_of_key;
use windowsill::log::kafka::KafkaLog;
use windowsill::log::topics::Topics;
use windowsill::rooms;

const DAY_MS: i64 = 86_400_000;
pub(crate) const WINDOW_MS: i64 = 6 * 3_600_000;
const GRACE_MS: i64 = 600_000;
/// The contract: more low readings than this are dry.
pub(crate) const LOW_LIMIT: i64 = 120;
/// All windows are kept: they reach back a week.
const SPAN_MS: i64 = 6 * DAY_MS;
/// So many readings of a plant, unless that would be few plants.
const PER_PLANT: i64 = 50_000;
const FEWEST_PLANTS: i64 = 24;
const MOISTURE_LOW: f32 = 30.0;
/// Every so many readings come this much too early in their partition, within the grace.
const SHUFFLED: i64 = 97;
const SHUFFLED_MS: i64 = 300_000;
const PARTITIONS: i32 = 6;
const APPEND_RECORDS: usize = 50_000;

pub(crate) const READINGS: &str = "houseplant-readings";
pub(crate) const METADATA: &str = "houseplant-metadata";

/// What values are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Json,
    Avro,
}

impl Form {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Form::Json => "json",
            Form::Avro => "avro",
        }
    }

    /// What a topic is called in this form.
    pub(crate) fn topic(self, name: &str) -> String {
        format!("{}.{name}", self.name())
    }

    /// The settings of an instance that reads this form.
    pub(crate) fn toml(self) -> String {
        let topic = |name: &str| format!("[topics.{name}]\nformat = \"{}\"\n", self.name());
        format!("{}{}", topic(READINGS), topic(METADATA))
    }

    fn config(self, brokers: &str) -> Config {
        let mut config = Config::default();
        config.kafka.brokers = Some(brokers.to_owned());
        config.kafka.topic_prefix = self.topic("");
        for name in [READINGS, METADATA] {
            let format = match self {
                Form::Json => TopicFormat::Json,
                Form::Avro => TopicFormat::Avro,
            };
            let (format, partitions) = (Some(format), Some(PARTITIONS));
            config.topics.insert(name.to_owned(), Topic { format, partitions, ..Topic::default() });
        }
        config
    }
}

/// Windows by start and plant, with their low readings.
pub(crate) type Windows = HashMap<(i64, i32), i64>;

pub(crate) struct Readings {
    pub(crate) plants: i64,
    steps: i64,
    every_ms: i64,
    first_ms: i64,
}

impl Readings {
    /// About so many, over six days that end with the last whole window before now.
    pub(crate) fn of(count: i64) -> Readings {
        let plants = (count / PER_PLANT).max(FEWEST_PLANTS);
        let steps = (count / plants).max(1);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let first_ms = i64::try_from(now).unwrap() / WINDOW_MS * WINDOW_MS - SPAN_MS;
        Readings { plants, steps, every_ms: (SPAN_MS / steps).max(1), first_ms }
    }

    pub(crate) fn count(&self) -> i64 {
        self.plants * self.steps
    }

    /// The plant, the time and the moisture of a reading.
    fn reading(&self, number: i64) -> (i32, i64, f32) {
        let plant = number % self.plants;
        let at_ms = self.first_ms + number / self.plants * self.every_ms;
        let wave = (at_ms / 60_000 + plant * 977) % 4_000;
        let shuffled = number % SHUFFLED == 0 && at_ms - SHUFFLED_MS >= self.first_ms;
        let at_ms = if shuffled { at_ms - SHUFFLED_MS } else { at_ms };
        (i32::try_from(plant).unwrap(), at_ms, 10.0 + wave as f32 / 50.0)
    }

    /// What every window has to come to.
    pub(crate) fn windows(&self) -> Windows {
        let mut windows = Windows::new();
        for number in 0..self.count() {
            let (plant, at_ms, moisture) = self.reading(number);
            if moisture < MOISTURE_LOW {
                *windows.entry((at_ms / WINDOW_MS * WINDOW_MS, plant)).or_default() += 1;
            }
        }
        windows
    }

    /// Windows that readings alone close, whoever counts: a later low one came in their partition.
    pub(crate) fn surely_closed(&self) -> impl Fn(i64, i32) -> bool + use<> {
        let partition = |plant: i32| partition_of_key(plant.to_string().as_bytes(), PARTITIONS);
        let mut newest: HashMap<i32, i64> = HashMap::new();
        for number in 0..self.count() {
            let (plant, at_ms, moisture) = self.reading(number);
            if moisture < MOISTURE_LOW {
                let newest_ms = newest.entry(partition(plant)).or_insert(at_ms);
                *newest_ms = at_ms.max(*newest_ms);
            }
        }
        move |start_ms, plant| {
            let closes_ms = start_ms + WINDOW_MS + GRACE_MS;
            newest.get(&partition(plant)).is_some_and(|newest_ms| closes_ms <= *newest_ms)
        }
    }

    /// Writes the plants and the readings into topics of six partitions.
    pub(crate) async fn load(&self, brokers: &str, form: Form) {
        let config = form.config(brokers);
        let topics = Topics::of_config(rooms::topics(), &config).unwrap();
        let log = KafkaLog::of_config(&config, &topics).unwrap().unwrap();
        topics.create(&log).await.unwrap();
        let record = |topic: &str, plant: i64, ts_ms: i64, value: &serde_json::Value| NewRecord {
            key: Some(plant.to_string().into_bytes()),
            value: Some(topics.get(topic).unwrap().codec.encode(value).unwrap()),
            ts_ms,
            ..NewRecord::default()
        };
        let plants = (0..self.plants).map(|plant| {
            let value = json!({
                "plant_id": plant, "given_name": format!("Plant {plant}"), "common_name": "Fern",
                "scientific_name": "Nephrolepis exaltata", "temperature_low": 15,
                "temperature_high": 30, "moisture_low": MOISTURE_LOW, "moisture_high": 60,
            });
            // Kafka Streams reads by time: the plants come before their first readings.
            record(METADATA, plant, self.first_ms - DAY_MS, &value)
        });
        log.append(&form.topic(METADATA), plants.collect()).await.unwrap();
        let mut waiting = Vec::with_capacity(APPEND_RECORDS);
        for number in 0..self.count() {
            let (plant, at_ms, moisture) = self.reading(number);
            let value = json!({"plant_id": plant, "moisture": moisture, "temperature": 21.5});
            waiting.push(record(READINGS, i64::from(plant), at_ms, &value));
            if waiting.len() == APPEND_RECORDS {
                let full = std::mem::replace(&mut waiting, Vec::with_capacity(APPEND_RECORDS));
                log.append(&form.topic(READINGS), full).await.unwrap();
            }
        }
        log.append(&form.topic(READINGS), waiting).await.unwrap();
        log.close().await;
    }
}
