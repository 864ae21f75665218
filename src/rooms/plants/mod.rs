//! Houseplants: readings of soil sensors, and who each plant is.
//!
//! Contract: readings below a plant's low moisture threshold are counted in 6 h windows; more than
//! the limit in a closed window is an alert.

use crate::engine::Runner;
use crate::kernel::pipeline::{At, Pipeline};
use crate::kernel::poison::Poison;
use crate::kernel::record::RecordRef;
use crate::kernel::time::{MINUTE_MS, Tumbling};
use crate::kernel::topic::{Format, TopicKind, TopicSpec};
use crate::log::codec::Codec;
use crate::rooms::Room;

mod answers;
pub mod chat;
pub mod filter;
pub mod fold;
pub mod life;
pub mod lookup;
mod results;
pub mod rules;
pub mod sensors;
mod tables;
pub mod types;
mod views;
pub mod wire;

use fold::{Delta, Thresholds};
use types::PlantId;
use wire::{Heard, Houseplant, Mapping};

/// The topics of the plants.
pub static TOPICS: [TopicSpec; 4] = [
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
const TABLES: [&str; 2] = [METADATA, MAPPING];

/// The room for the list of rooms.
pub fn room() -> Room {
    Room {
        topics: &TOPICS,
        pipeline: |config, workshop| {
            let plants = Plants {
                low_readings_limit: i64::from(config.plants.low_readings_limit),
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
        results: &[results::TABLE],
    }
}

/// A row of one of the tables.
#[derive(Debug)]
pub enum Row {
    Plant(Houseplant),
    Mapping(Mapping),
}

/// The pipeline of the plants.
#[derive(Debug, Clone, Copy)]
pub struct Plants {
    /// More low readings than this in a window are an alert (contract: 120).
    pub low_readings_limit: i64,
    /// The zone in which an alert names its window.
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

    fn fold(&self, delta: &mut Delta, event: &Heard, at: At, late: bool, tables: &Thresholds) {
        delta.add(&event.reading, at, late, tables);
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
        key: &[u8],
        value: Option<&[u8]>,
    ) -> Result<Option<Row>, Poison> {
        if TABLES[table] == MAPPING {
            return Ok(wire::decode_mapping(codec, Some(key), value)?.1.map(Row::Mapping));
        }
        Ok(wire::decode_houseplant(codec, Some(key), value)?.1.map(Row::Plant))
    }

    /// Folding needs thresholds alone: a reading names its plant itself, mapped or not.
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

/// The plant that a record's key names.
fn plant_id_of_key(key: &[u8]) -> Option<PlantId> {
    std::str::from_utf8(key).ok()?.parse().ok()
}
