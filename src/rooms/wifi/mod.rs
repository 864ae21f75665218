//! Wi-Fi probes: which device looked for which network, and when.
//!
//! Contract: statistics by source address since the beginning. SSIDs are bytes; what the stream
//! writes them in is found out by `encoding`.

use crate::config::{Config, SsidEncoding};
use crate::engine::Runner;
use crate::kernel::pipeline::{At, Pipeline};
use crate::kernel::poison::Poison;
use crate::kernel::record::RecordRef;
use crate::kernel::time::{Arrival, HOUR_MS, MINUTE_MS, Tumbling};
use crate::kernel::topic::{Format, TopicKind, TopicSpec};
use crate::log::codec::Codec;
use crate::rooms::Room;

mod answers;
pub mod chat;
mod copies;
pub mod debezium;
mod documents;
pub mod encoding;
mod evidence;
mod expiry;
pub mod fold;
pub mod given;
mod hits;
pub mod lookout;
pub mod lookup;
mod merge;
mod namebook;
pub mod names;
mod parts;
mod presence;
pub mod rules;
mod sought;
mod stats;
pub mod tshark;
pub mod types;
mod vendor;
mod views;
mod watchlist;
pub mod week;
pub mod wire;

use encoding::Encoding;
use fold::{Delta, Event, Retention};
use lookout::Lookout;
use names::Collection;
use rules::Rules;
use types::Ssid;
use wire::Row;

/// The topics of the Wi-Fi room.
pub static TOPICS: [TopicSpec; 6] = [
    TopicSpec {
        name: PCAP,
        kind: TopicKind::Stream,
        kafka_partitions: 12,
        format: Format::Json,
        stall_after_ms: Some(10 * MINUTE_MS),
        check: wire::check_frame,
        value_line: wire::frame_line,
    },
    TopicSpec {
        name: "unifi.ace.device",
        kind: TopicKind::Stream,
        kafka_partitions: 1,
        format: Format::Json,
        stall_after_ms: None,
        check: wire::check_document,
        value_line: wire::no_value_line,
    },
    TopicSpec {
        name: "unifi.ace.user",
        kind: TopicKind::Stream,
        kafka_partitions: 1,
        format: Format::Json,
        stall_after_ms: None,
        check: wire::check_document,
        value_line: wire::no_value_line,
    },
    TopicSpec {
        name: NAMES,
        kind: TopicKind::Table,
        kafka_partitions: 1,
        format: Format::Avro(include_str!("../../../schemas/device-names.avsc")),
        stall_after_ms: None,
        check: wire::check_given,
        value_line: wire::no_value_line,
    },
    TopicSpec {
        name: WATCHED,
        kind: TopicKind::Table,
        kafka_partitions: 12,
        format: Format::Avro(include_str!("../../../schemas/ssid-alert-list.avsc")),
        stall_after_ms: None,
        check: wire::check_watch,
        value_line: wire::no_value_line,
    },
    TopicSpec {
        name: stats::TOPIC,
        kind: TopicKind::Table,
        kafka_partitions: 6,
        format: Format::Avro(include_str!("../../../schemas/pcap-stats.avsc")),
        stall_after_ms: None,
        check: wire::check_stats,
        value_line: wire::no_value_line,
    },
];

/// The stream of frames, by default name.
const PCAP: &str = "pcap";

/// The tables of the room, by default name; a table is known by its place here.
const NAMES: &str = "device-names";
const WATCHED: &str = "ssid_alert_list_01";
const TABLES: [&str; 2] = [NAMES, WATCHED];

/// The room for the list of rooms.
pub fn room() -> Room {
    Room {
        topics: &TOPICS,
        pipeline: |config, workshop| Box::new(Runner::new(Wifi::of_config(config), workshop)),
        commands: chat::routes::commands,
        routes: chat::routes::routes,
        conversation: Some(chat::routes::conversation),
        free_text: Some(chat::routes::free_text),
        chat: &chat::WifiChat,
        status: Some(|db| Box::pin(evidence::status(db))),
        daily: None,
        board: None,
        results: &[stats::TABLE],
    }
}

/// What the setting says; `None` leaves it to the stream.
fn fixed(setting: SsidEncoding) -> Option<Encoding> {
    match setting {
        SsidEncoding::Auto => None,
        SsidEncoding::Text => Some(Encoding::Text),
        SsidEncoding::Hex => Some(Encoding::Hex),
    }
}

/// The pipeline of probes.
#[derive(Debug, Clone)]
pub struct Wifi {
    /// What SSIDs are written in; `None` finds out.
    pub ssid_encoding: Option<Encoding>,
    /// How long randomised addresses are kept.
    pub retention: Retention,
    pub rules: Rules,
}

impl Wifi {
    /// As it is configured.
    pub fn of_config(config: &Config) -> Wifi {
        let wifi = &config.wifi;
        // The configuration lets no other names through.
        let local = wifi.local_ssids.iter().filter_map(|name| Ssid::of_bytes(name.as_bytes()).ok());
        Wifi {
            ssid_encoding: fixed(wifi.ssid_encoding),
            retention: Retention::of_days(wifi.random_retention_days),
            rules: Rules {
                cooldown_ms: i64::from(wifi.cooldown_minutes) * MINUTE_MS,
                absent_ms: i64::from(wifi.absent_minutes) * MINUTE_MS,
                learning_ms: i64::from(wifi.learning_hours) * HOUR_MS,
                local: local.collect(),
                time_zone: config.time_zone.get(),
            },
        }
    }
}

impl Pipeline for Wifi {
    type Event = Event;
    type Delta = Delta;
    type Row = Row;
    type Tables = Lookout;

    fn name(&self) -> &'static str {
        "wifi"
    }

    fn streams(&self) -> &'static [&'static str] {
        &[PCAP, "unifi.ace.device", "unifi.ace.user"]
    }

    fn tables(&self) -> &'static [&'static str] {
        &TABLES
    }

    /// Nothing closes here: the hour only says from when on a frame counts as late.
    fn windows(&self) -> Tumbling {
        Tumbling { size_ms: HOUR_MS, grace_ms: HOUR_MS }
    }

    fn decode(
        &self,
        stream: usize,
        codec: &Codec,
        record: &RecordRef<'_>,
    ) -> Result<Event, Poison> {
        match stream {
            0 => wire::decode_frame(codec, record.value, record.headers, self.ssid_encoding),
            1 => wire::decode_document(codec, Collection::Device, record.key, record.value),
            _ => wire::decode_document(codec, Collection::User, record.key, record.value),
        }
    }

    /// A frame's time is when it was captured, which its payload says.
    fn event_ms(&self, event: &Event, record_ms: i64) -> Option<i64> {
        match event {
            Event::Probe { captured_ms, .. } | Event::Frame { captured_ms } => Some(*captured_ms),
            Event::Document(..) => Some(record_ms),
            Event::Nothing => None,
        }
    }

    fn fold(&self, delta: &mut Delta, event: &Event, at: At, _arrival: Arrival, tables: &Lookout) {
        delta.add(event, at, self.retention, tables, &self.rules.local);
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
        _ts_ms: i64,
        key: &[u8],
        value: Option<&[u8]>,
    ) -> Result<Option<Row>, Poison> {
        if TABLES[table] == NAMES {
            return wire::decode_given(codec, key, value);
        }
        wire::decode_watch(codec, key, value)
    }

    fn set_row(&self, tables: &mut Lookout, table: usize, key: &[u8], row: Option<&Row>) {
        if TABLES[table] != WATCHED {
            return;
        }
        // What is no SSID is no key of a row either.
        let Ok(ssid) = Ssid::of_bytes(key) else { return };
        match row {
            Some(_) => tables.watch(ssid),
            None => tables.unwatch(&ssid),
        }
    }
}
