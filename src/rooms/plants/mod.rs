//! Houseplants: readings of soil sensors, and who each plant is.

use crate::kernel::topic::{TopicKind, TopicSpec};

pub mod types;
pub mod wire;

/// The topics of the plants.
pub static TOPICS: [TopicSpec; 2] = [
    TopicSpec {
        name: "houseplant-readings",
        kind: TopicKind::Stream,
        kafka_partitions: 6,
        schema: include_str!("../../../schemas/houseplant-readings.avsc"),
        check: wire::check_reading,
        value_line: wire::value_line,
    },
    TopicSpec {
        name: "houseplant-metadata",
        kind: TopicKind::Table,
        kafka_partitions: 6,
        schema: include_str!("../../../schemas/houseplant-metadata.avsc"),
        check: wire::check_houseplant,
        value_line: wire::value_line,
    },
];
