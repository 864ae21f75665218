//! Houseplants: readings of soil sensors, and who each plant is.
//!
//! Contract: readings below a plant's low moisture threshold are counted in 6 h windows; more than
//! the limit in a closed window is an alert.

use crate::config;
use crate::engine::Runner;
use crate::kernel::pipeline::{At, Pipeline};
use crate::kernel::poison::Poison;
use crate::kernel::record::RecordRef;
use crate::kernel::time::{Arrival, HOUR_MS, MINUTE_MS, Tumbling};
use crate::kernel::topic::{Format, TopicKind, TopicSpec};
use crate::log::codec::Codec;
use crate::rooms::Room;

mod answers;
pub mod care;
pub mod chat;
pub mod filter;
pub mod fold;
pub mod history;
pub mod life;
mod lives;
pub mod lookup;
pub mod outlook;
mod regular;
mod results;
pub mod rules;
pub mod sensors;
mod tables;
pub mod types;
mod views;
pub mod wire;

use fold::{Delta, Thresholds};
use types::PlantId;
use wire::{Heard, Houseplant, Mapping, Watering};

/// The topics of the plants.
pub static TOPICS: [TopicSpec; 5] = [
    TopicSpec {
        name: "houseplant-readings",
        kind: TopicKind::Stream,
        kafka_partitions: 6,
        format: Format::Avro(include_str!("../../../schemas/houseplant-readings.avsc")),
        stall_after_ms: Some(10 * MINUTE_MS),
        check: wire::check_reading,
        value_line: wire::value_line,
    },
    TopicSpec {
        name: METADATA,
        kind: TopicKind::Table,
        kafka_partitions: 6,
        format: Format::Avro(include_str!("../../../schemas/houseplant-metadata.avsc")),
        stall_after_ms: None,
        check: wire::check_houseplant,
        value_line: wire::value_line,
    },
    TopicSpec {
        name: MAPPING,
        kind: TopicKind::Table,
        kafka_partitions: 1,
        format: Format::Avro(include_str!("../../../schemas/houseplant-sensor-mapping.avsc")),
        stall_after_ms: None,
        check: wire::check_mapping,
        value_line: wire::mapping_line,
    },
    TopicSpec {
        name: WATERINGS,
        kind: TopicKind::Table,
        kafka_partitions: 1,
        format: Format::Avro(include_str!("../../../schemas/houseplant-waterings.avsc")),
        stall_after_ms: None,
        check: wire::check_watering,
        value_line: wire::watering_line,
    },
    TopicSpec {
        name: results::TOPIC,
        kind: TopicKind::Table,
        kafka_partitions: 6,
        format: Format::Avro(include_str!("../../../schemas/houseplant-low-readings.avsc")),
        stall_after_ms: None,
        check: wire::check_low_readings,
        value_line: wire::no_value_line,
    },
];

/// The tables of the room, by default name; a table is known by its place here.
const METADATA: &str = "houseplant-metadata";
const MAPPING: &str = "houseplant-sensor-mapping";
const WATERINGS: &str = "houseplant-waterings";
const TABLES: [&str; 3] = [METADATA, MAPPING, WATERINGS];

/// The room for the list of rooms.
pub fn room() -> Room {
    Room {
        topics: &TOPICS,
        pipeline: |config, workshop| {
            let plants = Plants {
                low_readings_limit: i64::from(config.plants.low_readings_limit),
                lives: life_rules(&config.plants),
                time_zone: config.time_zone.get(),
            };
            Box::new(Runner::new(plants, workshop))
        },
        commands: chat::routes::commands,
        routes: chat::routes::routes,
        conversation: Some(chat::routes::conversation),
        free_text: None,
        chat: &chat::PlantChat,
        status: None,
        daily: Some(regular::daily),
        board: Some(regular::board),
        results: &[results::TABLE],
    }
}

/// A row of one of the tables.
#[derive(Debug)]
pub enum Row {
    Plant(Houseplant),
    Mapping(Mapping),
    Watering(Watering),
}

/// The pipeline of the plants.
#[derive(Debug, Clone, Copy)]
pub struct Plants {
    /// More low readings than this in a window are an alert (contract: 120).
    pub low_readings_limit: i64,
    /// What is not well, and for how long it has to be so.
    pub lives: life::Rules,
    /// The zone of the house: by its clocks evenings come, in which forecasts are told.
    pub time_zone: chrono_tz::Tz,
}

impl Pipeline for Plants {
    type Event = Heard;
    type Delta = Delta;
    type Row = Row;
    type Tables = Thresholds;

    fn name(&self) -> &'static str {
        "plants"
    }

    fn streams(&self) -> &'static [&'static str] {
        &["houseplant-readings"]
    }

    fn tables(&self) -> &'static [&'static str] {
        &TABLES
    }

    fn windows(&self) -> Tumbling {
        fold::WINDOWS
    }

    fn decode(
        &self,
        _stream: usize,
        codec: &Codec,
        record: &RecordRef<'_>,
    ) -> Result<Heard, Poison> {
        wire::decode_heard(codec, record)
    }

    /// A reading carries no time of its own: event time is the record's timestamp.
    fn event_ms(&self, _event: &Heard, record_ms: i64) -> Option<i64> {
        Some(record_ms)
    }

    fn fold(
        &self,
        delta: &mut Delta,
        event: &Heard,
        at: At,
        arrival: Arrival,
        tables: &Thresholds,
    ) {
        delta.add(&event.reading, at, arrival, tables);
        if let Some(sensor_id) = &event.sensor_id {
            delta.hear(sensor_id, at.event_ms);
        }
    }

    fn absorb(&self, delta: &mut Delta, other: Delta) {
        delta.absorb(other);
    }

    fn entries(&self, delta: &Delta) -> usize {
        delta.entries()
    }

    fn clear(&self, delta: &mut Delta) {
        delta.clear();
    }

    fn decode_row(
        &self,
        table: usize,
        codec: &Codec,
        ts_ms: i64,
        key: &[u8],
        value: Option<&[u8]>,
    ) -> Result<Option<Row>, Poison> {
        Ok(match TABLES[table] {
            MAPPING => wire::decode_mapping(codec, Some(key), value)?.1.map(Row::Mapping),
            WATERINGS => {
                let watering = wire::decode_watering(codec, Some(key), value)?.1;
                watering.map(|it| it.told_at(ts_ms).map(Row::Watering)).transpose()?
            }
            _ => wire::decode_houseplant(codec, Some(key), value)?.1.map(Row::Plant),
        })
    }

    /// Folding needs the low limit of moisture alone: a reading names its plant itself, mapped or not.
    fn set_row(&self, tables: &mut Thresholds, table: usize, key: &[u8], row: Option<&Row>) {
        if TABLES[table] != METADATA {
            return;
        }
        if let Some(plant_id) = plant_id_of_key(key) {
            let moisture_low = match row {
                Some(Row::Plant(plant)) => Some(plant.moisture_low),
                _ => None,
            };
            tables.set(plant_id, moisture_low);
        }
    }
}

/// What lives go by, of the configuration's numbers.
fn life_rules(set: &config::Plants) -> life::Rules {
    let minutes = |count: u32| i64::from(count) * MINUTE_MS;
    let hours = |count: u32| i64::from(count) * HOUR_MS;
    let unless_0 = |span_ms: i64| (span_ms > 0).then_some(span_ms);
    let band = i64::from(set.noise_hundredths) * 10;
    life::Rules {
        moisture_margin: i64::from(set.moisture_margin) * 1000,
        temperature_margin: i64::from(set.temperature_margin) * 1000,
        drying_ms: minutes(set.drying_minutes),
        wet_ms: hours(set.too_wet_hours),
        temperature_ms: minutes(set.temperature_minutes),
        clear_ms: minutes(set.over_minutes),
        silent_ms: set.silence_told_after_ms(),
        stuck: unless_0(hours(set.stuck_hours)).map(|span_ms| life::Stillness { span_ms, band }),
        repeat_ms: unless_0(hours(set.repeat_hours)),
    }
}

/// The plant that a record's key names.
fn plant_id_of_key(key: &[u8]) -> Option<PlantId> {
    std::str::from_utf8(key).ok()?.parse().ok()
}
