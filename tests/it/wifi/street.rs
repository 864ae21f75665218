//! A street of phones, as several tsharks print it, and what it must come to.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde_json::json;

/// 2023-02-22 10:03:18 UTC.
pub(crate) const BEGIN_MS: i64 = 1_677_060_198_000;

/// One probe request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) ms: i64,
    pub(crate) mac: [u8; 6],
    /// Empty for a wildcard.
    pub(crate) ssid: Vec<u8>,
    pub(crate) dbm: i32,
}

/// How a capture was printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tshark {
    /// Subtype `4`, SSIDs as text.
    V3_4,
    /// Subtype `0x0004`, SSIDs as text.
    V3_6,
    /// SSIDs as hexadecimal, a wildcard as `<MISSING>`.
    V4_0,
    /// The same, flattened by `jq`, without the lines between packets.
    V4_0Flat,
}

impl Tshark {
    pub(crate) const ALL: [Tshark; 4] =
        [Tshark::V3_4, Tshark::V3_6, Tshark::V4_0, Tshark::V4_0Flat];

    fn ssid(self, ssid: &[u8]) -> String {
        match self {
            Tshark::V3_4 | Tshark::V3_6 => String::from_utf8(ssid.to_vec()).unwrap(),
            Tshark::V4_0 | Tshark::V4_0Flat if ssid.is_empty() => "<MISSING>".to_owned(),
            Tshark::V4_0 | Tshark::V4_0Flat => hex(ssid),
        }
    }

    /// The lines of these probes.
    pub(crate) fn prints(self, probes: &[Seen]) -> String {
        let mut lines = String::new();
        for seen in probes {
            let subtype = if self == Tshark::V3_4 { "4" } else { "0x0004" };
            let mut layers = json!({
                "wlan_fc_type_subtype": [subtype],
                "wlan_radio_signal_dbm": [seen.dbm.to_string()],
                "wlan_sa": [colons(&seen.mac)],
                "wlan_ssid": [self.ssid(&seen.ssid)],
            });
            let timestamp = seen.ms.to_string();
            if self == Tshark::V4_0Flat {
                layers["timestamp"] = json!(timestamp);
                writeln!(lines, "{layers}").unwrap();
            } else {
                writeln!(lines, "{}", json!({"index": {"_index": "packets"}})).unwrap();
                writeln!(lines, "{}", json!({"timestamp": timestamp, "layers": layers})).unwrap();
            }
        }
        lines
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn colons(mac: &[u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// What a device comes to, by a model of a few lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stats {
    pub(crate) probes: i64,
    pub(crate) wildcards: i64,
    pub(crate) first_ms: i64,
    pub(crate) last_ms: i64,
    pub(crate) dbm: (i32, i32),
    pub(crate) ssids: BTreeSet<String>,
}

/// By MAC in bare hexadecimal digits; SSIDs in hexadecimal.
pub(crate) fn model(probes: &[Seen]) -> BTreeMap<String, Stats> {
    let mut devices: BTreeMap<String, Stats> = BTreeMap::new();
    for seen in probes {
        let stats = devices.entry(hex(&seen.mac)).or_insert_with(|| Stats {
            probes: 0,
            wildcards: 0,
            first_ms: seen.ms,
            last_ms: seen.ms,
            dbm: (seen.dbm, seen.dbm),
            ssids: BTreeSet::new(),
        });
        stats.probes += 1;
        stats.first_ms = stats.first_ms.min(seen.ms);
        stats.last_ms = stats.last_ms.max(seen.ms);
        stats.dbm = (stats.dbm.0.min(seen.dbm), stats.dbm.1.max(seen.dbm));
        if seen.ssid.is_empty() {
            stats.wildcards += 1;
        } else {
            stats.ssids.insert(hex(&seen.ssid));
        }
    }
    devices
}

/// Some hundred devices with a few networks each. The names are such that every tshark can print
/// them; `cafe` and `2022` look like hexadecimal digits.
pub(crate) fn street(probes: usize) -> Vec<Seen> {
    let names: [&[u8]; 9] = [
        b"",
        b"",
        b"cafe",
        b"2022",
        b"RNM0",
        b"Robin's \"net\" ",
        "🪴 Wintergarten".as_bytes(),
        b"<b>&amp;",
        b"\x1b[31mred\0x",
    ];
    let mut random = fastrand::Rng::with_seed(7);
    let mut ms = BEGIN_MS;
    let mut street = Vec::with_capacity(probes);
    for _ in 0..probes {
        // Mostly in order, as a capture is; some frames come late.
        ms += random.i64(0..2_000);
        let late_ms = if random.u8(..) < 8 { random.i64(0..120_000) } else { 0 };
        let device = random.u8(..120);
        // Every fifth device has an address of its maker's.
        let first = if device.is_multiple_of(5) { 0x40 } else { 0xda };
        street.push(Seen {
            ms: ms - late_ms,
            mac: [first, 0xa1, 0x19, 0, device / 7, device],
            ssid: names[random.usize(..names.len())].to_vec(),
            dbm: -random.i32(30..96),
        });
    }
    street
}
