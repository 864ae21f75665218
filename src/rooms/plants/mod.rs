//! Houseplants: readings of soil sensors, and who each plant is.
//!
//! Contract: readings below a plant's low moisture threshold are counted in 6 h windows; more than
//! the limit in a closed window is an alert.

use crate::engine::Runner;
use crate::kernel::pipeline::{At, Pipeline};
use crate::kernel::poison::Poison;
use crate::kernel::record::RecordRef;
use crate::kernel::time::Tumbling;
use crate::kernel::topic::{Format, TopicKind, TopicSpec};
use crate::log::codec::Codec;
use crate::rooms::Room;

mod answers;
pub mod chat;
pub mod filter;
pub mod fold;
pub mod lookup;
pub mod rules;
pub mod types;
mod views;
pub mod wire;

use fold::{Delta, Thresholds};
use types::PlantId;
use wire::{Houseplant, Reading};

/// The topics of the plants.
pub static TOPICS: [TopicSpec; 2] = [
    TopicSpec {
        name: "houseplant-readings",
        kind: TopicKind::Stream,
        kafka_partitions: 6,
        format: Format::Avro(include_str!("../../../schemas/houseplant-readings.avsc")),
        check: wire::check_reading,
        value_line: wire::value_line,
    },
    TopicSpec {
        name: "houseplant-metadata",
        kind: TopicKind::Table,
        kafka_partitions: 6,
        format: Format::Avro(include_str!("../../../schemas/houseplant-metadata.avsc")),
        check: wire::check_houseplant,
        value_line: wire::value_line,
    },
];

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
        conversation: chat::routes::conversation,
        chat: &chat::PlantChat,
    }
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
    type Event = Reading;
    type Delta = Delta;
    type Row = Houseplant;
    type Tables = Thresholds;

    fn name(&self) -> &'static str {
        "plants"
    }

    fn streams(&self) -> &'static [&'static str] {
        &["houseplant-readings"]
    }

    fn tables(&self) -> &'static [&'static str] {
        &["houseplant-metadata"]
    }

    fn windows(&self) -> Tumbling {
        fold::WINDOWS
    }

    fn decode(
        &self,
        _stream: usize,
        codec: &Codec,
        record: &RecordRef<'_>,
    ) -> Result<Reading, Poison> {
        wire::decode_reading(codec, record.key, record.value)
    }

    /// A reading carries no time of its own: event time is the record's timestamp.
    fn event_ms(&self, _event: &Reading, record_ms: i64) -> i64 {
        record_ms
    }

    fn fold(&self, delta: &mut Delta, event: &Reading, at: At, late: bool, tables: &Thresholds) {
        delta.add(event, at, late, tables);
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
        _table: usize,
        codec: &Codec,
        key: &[u8],
        value: Option<&[u8]>,
    ) -> Result<Option<Houseplant>, Poison> {
        wire::decode_houseplant(codec, Some(key), value).map(|(_, plant)| plant)
    }

    fn set_row(
        &self,
        tables: &mut Thresholds,
        _table: usize,
        key: &[u8],
        row: Option<&Houseplant>,
    ) {
        if let Some(plant_id) = plant_id_of_key(key) {
            tables.set(plant_id, row.map(|plant| plant.moisture_low));
        }
    }
}

/// The plant that a record's key names.
fn plant_id_of_key(key: &[u8]) -> Option<PlantId> {
    std::str::from_utf8(key).ok()?.parse().ok()
}
