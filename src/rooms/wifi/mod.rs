//! Wi-Fi probes: which device looked for which network, and when.
//!
//! Contract: statistics by source address since the beginning. SSIDs are bytes; what the stream
//! writes them in is found out by `encoding`.

use crate::config::SsidEncoding;
use crate::engine::Runner;
use crate::kernel::pipeline::{At, Pipeline};
use crate::kernel::poison::Poison;
use crate::kernel::record::RecordRef;
use crate::kernel::time::{HOUR_MS, Tumbling};
use crate::kernel::topic::{Format, TopicKind, TopicSpec};
use crate::log::codec::Codec;
use crate::rooms::Room;

mod answers;
pub mod chat;
mod copies;
pub mod debezium;
mod documents;
pub mod encoding;
pub mod fold;
pub mod lookup;
mod namebook;
pub mod names;
pub mod tshark;
pub mod types;
mod views;
pub mod wire;

use encoding::Encoding;
use fold::{Delta, Event};
use names::Collection;
use wire::Row;

/// The topics of the Wi-Fi room.
pub static TOPICS: [TopicSpec; 5] = [
    TopicSpec {
        name: "pcap",
        kind: TopicKind::Stream,
        kafka_partitions: 12,
        format: Format::Json,
        check: wire::check_frame,
        value_line: wire::frame_line,
    },
    TopicSpec {
        name: "unifi.ace.device",
        kind: TopicKind::Stream,
        kafka_partitions: 1,
        format: Format::Json,
        check: wire::check_document,
        value_line: wire::no_value_line,
    },
    TopicSpec {
        name: "unifi.ace.user",
        kind: TopicKind::Stream,
        kafka_partitions: 1,
        format: Format::Json,
        check: wire::check_document,
        value_line: wire::no_value_line,
    },
    TopicSpec {
        name: NAMES,
        kind: TopicKind::Table,
        kafka_partitions: 1,
        format: Format::Avro(include_str!("../../../schemas/device-names.avsc")),
        check: wire::check_given,
        value_line: wire::no_value_line,
    },
    TopicSpec {
        name: WATCHED,
        kind: TopicKind::Table,
        kafka_partitions: 12,
        format: Format::Avro(include_str!("../../../schemas/ssid-alert-list.avsc")),
        check: wire::check_watch,
        value_line: wire::no_value_line,
    },
];

/// The tables of the room, by default name; a table is known by its place here.
const NAMES: &str = "device-names";
const WATCHED: &str = "ssid_alert_list_01";
const TABLES: [&str; 2] = [NAMES, WATCHED];

/// The room for the list of rooms.
pub fn room() -> Room {
    Room {
        topics: &TOPICS,
        pipeline: |config, workshop| {
            let wifi = Wifi { ssid_encoding: fixed(config.wifi.ssid_encoding) };
            Box::new(Runner::new(wifi, workshop))
        },
        commands: chat::routes::commands,
        routes: chat::routes::routes,
        conversation: None,
        chat: &chat::WifiChat,
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
#[derive(Debug, Clone, Copy)]
pub struct Wifi {
    /// What SSIDs are written in; `None` finds out.
    pub ssid_encoding: Option<Encoding>,
}

impl Pipeline for Wifi {
    type Event = Event;
    type Delta = Delta;
    type Row = Row;
    type Tables = ();

    fn name(&self) -> &'static str {
        "wifi"
    }

    fn streams(&self) -> &'static [&'static str] {
        &["pcap", "unifi.ace.device", "unifi.ace.user"]
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
    fn event_ms(&self, event: &Event, record_ms: i64) -> i64 {
        match event {
            Event::Probe { captured_ms, .. } | Event::Frame { captured_ms } => *captured_ms,
            Event::Document(..) | Event::Nothing => record_ms,
        }
    }

    fn fold(&self, delta: &mut Delta, event: &Event, at: At, _late: bool, _tables: &()) {
        delta.add(event, at);
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
        if TABLES[table] == NAMES {
            return wire::decode_given(codec, key, value);
        }
        wire::decode_watch(codec, key, value)
    }

    fn set_row(&self, _tables: &mut (), _table: usize, _key: &[u8], _row: Option<&Row>) {}
}
