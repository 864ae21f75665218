//! The log as sensors and people left it, written with the library, and a small model of what a
//! pipeline must make of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use windowsill::config::{Config, Topic};
use windowsill::kernel::record::{Header, NewRecord};
use windowsill::log::embedded::EmbeddedLog;
use windowsill::log::kafka::KafkaLog;
use windowsill::log::topics::Topics;
use windowsill::log::{EventLog, Fetched, Start};
use windowsill::rooms;

use crate::kafka::prefixed::settings;

pub(crate) const READINGS: &str = "houseplant-readings";
pub(crate) const METADATA: &str = "houseplant-metadata";
pub(crate) const MAPPING: &str = "houseplant-sensor-mapping";
/// The contract's window: six hours, ten minutes of grace.
pub(crate) const WINDOW_MS: i64 = 6 * 3_600_000;
const GRACE_MS: i64 = 600_000;
/// A window with more low readings than this is dry.
const LOW_LIMIT: i64 = 120;

/// A reading at its place in the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    pub(crate) plant_id: u8,
    pub(crate) moisture: f32,
    pub(crate) at_ms: i64,
    pub(crate) partition: i32,
}

/// An open log with the contract's topics.
pub(crate) struct Log {
    log: Arc<dyn EventLog>,
    /// The same where it is a file.
    file: Option<Arc<EmbeddedLog>>,
    topics: Topics,
    /// An encoded reading in the file; the plant's id and the moisture are put in.
    template: Option<Vec<u8>>,
}

/// Where they stand in an encoded reading (contract: `{plant_id:int, moisture, temperature}`).
const ID_AT: usize = 10;
pub(crate) const MOISTURE_AT: usize = 11;

impl Log {
    /// Opens the log of a folder, and creates it with so many partitions for readings.
    pub(crate) async fn open(data_dir: &Path, partitions: i32) -> Log {
        std::fs::create_dir_all(data_dir).unwrap();
        let file = Arc::new(EmbeddedLog::open(&data_dir.join("log.db")).await.unwrap());
        Log::with(file.clone(), Some(file), Config::default(), partitions).await
    }

    /// The same on a cluster, with topics whose names begin so.
    pub(crate) async fn on_kafka(brokers: &str, prefix: &str, partitions: i32) -> Log {
        let mut config = Config::default();
        config.kafka.brokers = Some(brokers.to_owned());
        config.kafka.topic_prefix = prefix.to_owned();
        let log = KafkaLog::open(settings(brokers.to_owned()), Vec::new()).unwrap();
        Log::with(Arc::new(log), None, config, partitions).await
    }

    async fn with(
        log: Arc<dyn EventLog>,
        file: Option<Arc<EmbeddedLog>>,
        mut config: Config,
        partitions: i32,
    ) -> Log {
        let readings = Topic { partitions: Some(partitions), ..Topic::default() };
        config.topics.insert(READINGS.to_owned(), readings);
        let topics = Topics::of_config(rooms::topics(), &config).unwrap();
        topics.create(log.as_ref()).await.unwrap();
        let value = json!({"plant_id": 0, "moisture": 0, "temperature": 20});
        let template = topics.get(READINGS).unwrap().codec.encode(&value).unwrap();
        // On Kafka it is JSON, with nothing to put in.
        let template = file.is_some().then_some(template);
        Log { log, file, topics, template }
    }

    /// The log's identity, where it is a file.
    pub(crate) fn id(&self) -> &str {
        self.file.as_ref().unwrap().log_id()
    }

    /// What a topic is called in the log.
    pub(crate) fn name(&self, topic: &str) -> &str {
        &self.topics.get(topic).unwrap().log_name
    }

    /// The log itself.
    pub(crate) fn events(&self) -> &dyn EventLog {
        self.log.as_ref()
    }

    /// The same for those who keep it.
    pub(crate) fn shared(&self) -> Arc<dyn EventLog> {
        self.log.clone()
    }

    /// The file, where it is one.
    pub(crate) fn embedded(&self) -> &EmbeddedLog {
        self.file.as_ref().unwrap()
    }

    pub(crate) async fn append(&self, readings: &[Reading]) {
        let record = |reading: &Reading| {
            assert!(reading.plant_id < 64, "one byte of Avro");
            let value = match self.template.clone() {
                Some(mut value) => {
                    value[ID_AT] = reading.plant_id * 2;
                    value[MOISTURE_AT..MOISTURE_AT + 4]
                        .copy_from_slice(&reading.moisture.to_le_bytes());
                    value
                }
                None => {
                    let Reading { plant_id, moisture, .. } = reading;
                    let value = json!({
                        "plant_id": plant_id, "moisture": moisture, "temperature": 20,
                    });
                    self.encode(READINGS, &value)
                }
            };
            NewRecord {
                partition: Some(reading.partition),
                key: Some(reading.plant_id.to_string().into_bytes()),
                value: Some(value),
                ts_ms: reading.at_ms,
                ..NewRecord::default()
            }
        };
        self.log.append(self.name(READINGS), readings.iter().map(record).collect()).await.unwrap();
    }

    /// The bytes of a value.
    pub(crate) fn encode(&self, topic: &str, value: &Value) -> Vec<u8> {
        self.topics.get(topic).unwrap().codec.encode(value).unwrap()
    }

    /// Appends records as they are, poison or not.
    pub(crate) async fn append_raw(&self, topic: &str, records: Vec<NewRecord>) {
        self.log.append(self.name(topic), records).await.unwrap();
    }

    /// Folds what was written into the file.
    pub(crate) async fn close(&self) {
        self.file.as_ref().unwrap().close().await;
    }

    /// Writes who a plant is.
    pub(crate) async fn describe(&self, plant: &Value) {
        let record = NewRecord {
            key: Some(plant["plant_id"].to_string().into_bytes()),
            value: Some(self.topics.get(METADATA).unwrap().codec.encode(plant).unwrap()),
            ts_ms: windowsill::clock::now_ms(),
            ..NewRecord::default()
        };
        self.log.append(self.name(METADATA), vec![record]).await.unwrap();
    }

    /// Deletes the row of a table topic.
    pub(crate) async fn delete(&self, topic: &str, key: &str) {
        let ts_ms = windowsill::clock::now_ms();
        let key = Some(key.as_bytes().to_vec());
        let tombstone = NewRecord { key, ts_ms, ..NewRecord::default() };
        self.log.append(self.name(topic), vec![tombstone]).await.unwrap();
    }

    /// Writes which plant a sensor feeds.
    pub(crate) async fn map(&self, sensor_id: &str, plant_id: i64) {
        let value = json!({"sensor_id": sensor_id, "plant_id": plant_id});
        let record = NewRecord {
            key: Some(sensor_id.as_bytes().to_vec()),
            value: Some(self.topics.get(MAPPING).unwrap().codec.encode(&value).unwrap()),
            ts_ms: windowsill::clock::now_ms(),
            ..NewRecord::default()
        };
        self.log.append(self.name(MAPPING), vec![record]).await.unwrap();
    }

    /// A reading of now, in which a sensor names itself.
    pub(crate) async fn hear(&self, sensor_id: &str, plant_id: i64) {
        let value = json!({"plant_id": plant_id, "moisture": 50, "temperature": 20});
        let name = "sensor-id".to_owned();
        let record = NewRecord {
            value: Some(self.topics.get(READINGS).unwrap().codec.encode(&value).unwrap()),
            ts_ms: windowsill::clock::now_ms(),
            headers: vec![Header { name, value: Some(sensor_id.as_bytes().to_vec()) }],
            ..NewRecord::default()
        };
        self.log.append(self.name(READINGS), vec![record]).await.unwrap();
    }

    /// Every metadata record of a plant, oldest first, with its offset. Tombstones are passed over.
    pub(crate) async fn described(&self, plant_id: i64) -> Vec<(i64, Value)> {
        let rows = self.rows(METADATA).await.into_iter();
        let described = rows.filter_map(|(offset, _, value)| Some((offset, value?)));
        described.filter(|(_, value)| value["plant_id"] == plant_id).collect()
    }

    /// Sensors and plants as they were mapped, oldest first; `None` unmaps.
    pub(crate) async fn mapped(&self) -> Vec<(String, Option<i64>)> {
        let rows = self.rows(MAPPING).await.into_iter();
        let plant = |value: Option<Value>| value.and_then(|it| it["plant_id"].as_i64());
        rows.map(|(_, key, value)| (String::from_utf8(key).unwrap(), plant(value))).collect()
    }

    /// The records of a table, oldest first; `None` deletes the row.
    pub(crate) async fn table(&self, topic: &str) -> Vec<(Vec<u8>, Option<Value>)> {
        self.rows(topic).await.into_iter().map(|(_, key, value)| (key, value)).collect()
    }

    /// Writes a row of a table.
    pub(crate) async fn put(&self, topic: &str, key: &[u8], value: &Value) {
        let record = NewRecord {
            key: Some(key.to_vec()),
            value: Some(self.encode(topic, value)),
            ts_ms: windowsill::clock::now_ms(),
            ..NewRecord::default()
        };
        self.log.append(topic, vec![record]).await.unwrap();
    }

    /// Every record of a topic, partition after partition: offset, key and value.
    async fn rows(&self, topic: &str) -> Vec<(i64, Vec<u8>, Option<Value>)> {
        let name = self.name(topic);
        let codec = &self.topics.get(topic).unwrap().codec;
        let mut found = Vec::new();
        for partition in 0..self.log.partitions(name).await.unwrap() {
            let from = vec![Start { partition, offset: 0 }];
            let mut reader = self.log.read(name, from).await.unwrap();
            while let Fetched::Batch(batch) = reader.next().await.unwrap() {
                for record in batch.records() {
                    let record = record.unwrap();
                    let key = record.key.unwrap().to_vec();
                    let value = record.value.map(|value| codec.decode_json(value).unwrap());
                    found.push((record.offset, key, value));
                }
            }
        }
        found
    }
}

/// Who a plant is, as a producer writes it.
pub(crate) fn plant(plant_id: i64, given_name: &str, moisture_low: f32) -> Value {
    json!({"plant_id": plant_id, "given_name": given_name, "common_name": "Some Fern",
        "scientific_name": "Filix quaedam", "temperature_low": 15.0, "temperature_high": 30.0,
        "moisture_low": moisture_low, "moisture_high": 90.0})
}

/// What a pipeline must make of readings, recomputed in one pass over the whole log.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Model {
    /// Low readings by window start and plant.
    pub(crate) lows: BTreeMap<(i64, i64), i64>,
    pub(crate) late: i64,
}

impl Model {
    /// `is_low` judges by the plant's threshold; readings come in the order of the log.
    pub(crate) fn of(readings: &[Reading], is_low: impl Fn(&Reading) -> bool) -> Model {
        let mut model = Model::default();
        let mut newest: BTreeMap<i32, i64> = BTreeMap::new();
        for reading in readings {
            let start_ms = reading.at_ms.div_euclid(WINDOW_MS) * WINDOW_MS;
            let newest_ms = newest.entry(reading.partition).or_insert(reading.at_ms);
            if start_ms + WINDOW_MS + GRACE_MS <= *newest_ms {
                model.late += 1;
            } else if is_low(reading) {
                *model.lows.entry((start_ms, i64::from(reading.plant_id))).or_default() += 1;
            }
            *newest_ms = reading.at_ms.max(*newest_ms);
        }
        model
    }

    /// The windows that raise an alert: start and plant.
    pub(crate) fn dry(&self) -> Vec<(i64, i64)> {
        let dry = self.lows.iter().filter(|(_, count)| **count > LOW_LIMIT);
        dry.map(|(window, _)| *window).collect()
    }
}
