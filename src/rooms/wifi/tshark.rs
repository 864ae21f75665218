//! What tshark writes: a line of `-T ek`, as it comes or flattened.
//!
//! Invariant: a line is taken as it stands; what its SSID means is decided elsewhere, because the
//! line alone does not say whether it is text or hexadecimal.
//!
//! Forms (contract, section 2): an `{"index":…}` line before each packet, `{"timestamp":"<ms>",
//! "layers":{…}}`, or the layers' fields beside the timestamp. Every value is a list of texts.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};

use super::types::MacAddr;
use crate::kernel::poison::Poison;

/// The subtype of a probe request among management frames (IEEE 802.11, 9.2.4.1.3).
const PROBE_REQUEST: u32 = 4;
/// What tshark 4 writes for an SSID of no length.
const MISSING: &str = "<MISSING>";

/// A line, taken apart.
#[derive(Debug, Clone, PartialEq)]
pub enum Line<'a> {
    /// The line that Elasticsearch's bulk format wants before each packet: nothing happened.
    Index,
    Frame(Frame<'a>),
}

/// A frame that somebody sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame<'a> {
    /// Milliseconds since the epoch: the event's time.
    pub timestamp_ms: i64,
    pub kind: Kind<'a>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Kind<'a> {
    /// A device asks for a network, or for any.
    Probe(Probe<'a>),
    /// Any other frame: it shows only that the capture goes on.
    Other,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Probe<'a> {
    pub mac: MacAddr,
    pub ssid: WrittenSsid<'a>,
    pub signal_dbm: Option<i32>,
}

/// An SSID as tshark wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WrittenSsid<'a> {
    /// `<MISSING>`, or no field: tshark 4's wildcard.
    Missing,
    /// `""`: the wildcard of tshark up to 3.6.
    Empty,
    /// Text or hexadecimal.
    Written(Cow<'a, str>),
}

/// Takes a line apart.
pub fn parse(line: &[u8]) -> Result<Line<'_>, Poison> {
    let fields: Fields<'_> = serde_json::from_slice(line)
        .map_err(|error| Poison::new(format!("not a line of tshark -T ek: {error}")))?;
    let Some(timestamp) = fields.timestamp else {
        if fields.is_index {
            return Ok(Line::Index);
        }
        return Err(Poison::new(
            "field \"timestamp\" is missing, expected milliseconds since 1970",
        ));
    };
    let timestamp_ms = timestamp.parse().map_err(|_| {
        Poison::new(format!("field \"timestamp\" is {timestamp:?}, expected milliseconds"))
    })?;
    let kind = match fields.subtype.as_deref().map(subtype).transpose()? {
        Some(PROBE_REQUEST) => Kind::Probe(probe(fields.mac, fields.ssid, fields.signal)?),
        _ => Kind::Other,
    };
    Ok(Line::Frame(Frame { timestamp_ms, kind }))
}

fn probe<'a>(
    mac: Option<Cow<'a, str>>,
    ssid: Option<Cow<'a, str>>,
    signal: Option<Cow<'a, str>>,
) -> Result<Probe<'a>, Poison> {
    let mac = mac.ok_or_else(|| Poison::new("field \"wlan_sa\" is missing, expected a MAC"))?;
    let mac: MacAddr = mac.parse().map_err(|error| Poison::new(format!("\"wlan_sa\": {error}")))?;
    if mac.is_group() {
        return Err(Poison::new(format!("nobody sends from {mac}: it is an address of many")));
    }
    let ssid = match ssid {
        None => WrittenSsid::Missing,
        Some(text) if text == MISSING => WrittenSsid::Missing,
        Some(text) if text.is_empty() => WrittenSsid::Empty,
        Some(text) => WrittenSsid::Written(text),
    };
    let signal_dbm = match signal {
        None => None,
        Some(text) => Some(text.parse().map_err(|_| {
            Poison::new(format!("\"wlan_radio_signal_dbm\" is {text:?}, expected dBm"))
        })?),
    };
    Ok(Probe { mac, ssid, signal_dbm })
}

/// `4`, `0x0004` or `0x00000004`.
fn subtype(text: &str) -> Result<u32, Poison> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| {
        Poison::new(format!("\"wlan_fc_type_subtype\" is {text:?}, expected a number like 0x0004"))
    })
}

/// The fields we read, from either level of a line.
#[derive(Debug, Default)]
struct Fields<'a> {
    is_index: bool,
    timestamp: Option<Cow<'a, str>>,
    subtype: Option<Cow<'a, str>>,
    mac: Option<Cow<'a, str>>,
    ssid: Option<Cow<'a, str>>,
    signal: Option<Cow<'a, str>>,
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = Fields::default();
        deserializer.deserialize_map(Into { fields: &mut fields, is_inner: false })?;
        Ok(fields)
    }
}

/// Reads an object into fields; `layers` is read into the same.
struct Into<'f, 'de> {
    fields: &'f mut Fields<'de>,
    is_inner: bool,
}

impl<'de> de::DeserializeSeed<'de> for Into<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Into<'_, 'de> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(Written(Some(name))) = map.next_key()? {
            match &*name {
                "layers" if !self.is_inner => {
                    map.next_value_seed(Into { fields: self.fields, is_inner: true })?;
                }
                "index" if !self.is_inner => {
                    map.next_value::<IgnoredAny>()?;
                    self.fields.is_index = true;
                }
                "timestamp" => self.fields.timestamp = map.next_value::<Written<'de>>()?.0,
                "wlan_fc_type_subtype" => self.fields.subtype = map.next_value::<Written<'de>>()?.0,
                "wlan_sa" => self.fields.mac = map.next_value::<Written<'de>>()?.0,
                "wlan_ssid" => self.fields.ssid = map.next_value::<Written<'de>>()?.0,
                "wlan_radio_signal_dbm" => {
                    self.fields.signal = map.next_value::<Written<'de>>()?.0;
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// A text, a number, or the first of a list of such; a null and an empty list are nothing.
struct Written<'a>(Option<Cow<'a, str>>);

impl<'de> Deserialize<'de> for Written<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FirstText).map(Written)
    }
}

struct FirstText;

impl<'de> Visitor<'de> for FirstText {
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a text or a list of texts")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Borrowed(text)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(text.to_owned())))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(number.to_string())))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(number.to_string())))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Self::Value, S::Error> {
        let first = seq.next_element::<Written<'de>>()?;
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(first.and_then(|Written(text)| text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(line: &str) -> Frame<'_> {
        match parse(line.as_bytes()) {
            Ok(Line::Frame(frame)) => frame,
            other => panic!("{other:?}"),
        }
    }

    fn probed(line: &str) -> Probe<'_> {
        match frame(line).kind {
            Kind::Probe(probe) => probe,
            Kind::Other => panic!("no probe"),
        }
    }

    fn reason(line: &str) -> String {
        parse(line.as_bytes()).unwrap_err().reason
    }

    #[test]
    fn the_raw_and_the_flattened_form_are_the_same() {
        let raw = r#"{"timestamp":"1677060198027","layers":{"wlan_fc_type_subtype":["0x0004"],
            "wlan_radio_signal_dbm":["-54"],"wlan_sa":["40:ec:99:1f:3e:75"],
            "wlan_ssid":["436f6865726572"]}}"#;
        let flat = r#"{"timestamp":"1677060198027","wlan_fc_type_subtype":["0x0004"],
            "wlan_radio_signal_dbm":["-54"],"wlan_sa":["40:ec:99:1f:3e:75"],
            "wlan_ssid":["436f6865726572"]}"#;
        assert_eq!(frame(raw), frame(flat));
        let probe = probed(raw);
        assert_eq!(frame(raw).timestamp_ms, 1_677_060_198_027);
        assert_eq!(probe.mac.to_string(), "40:ec:99:1f:3e:75");
        assert_eq!(probe.signal_dbm, Some(-54));
        assert_eq!(probe.ssid, WrittenSsid::Written("436f6865726572".into()));
    }

    #[test]
    fn every_tsharks_probe_and_wildcard_are_known() {
        let line = |subtype: &str, ssid: &str| {
            format!(
                r#"{{"timestamp":"1","wlan_fc_type_subtype":["{subtype}"],
                   "wlan_sa":["40:ec:99:1f:3e:75"],"wlan_ssid":["{ssid}"]}}"#
            )
        };
        assert_eq!(probed(&line("4", "")).ssid, WrittenSsid::Empty);
        assert_eq!(probed(&line("0x0004", "")).ssid, WrittenSsid::Empty);
        assert_eq!(probed(&line("0x00000004", "<MISSING>")).ssid, WrittenSsid::Missing);
        for other in ["8", "0x0008", "25", "27", "28", "29", "36"] {
            assert_eq!(frame(&line(other, "x")).kind, Kind::Other, "{other}");
        }
    }

    #[test]
    fn index_lines_are_no_frames() {
        let line = br#"{"index":{"_index":"packets-2023-02-22","_type":"doc"}}"#;
        assert_eq!(parse(line), Ok(Line::Index));
    }

    #[test]
    fn what_cannot_be_read_says_what_was_expected() {
        assert!(reason("{}").contains("\"timestamp\" is missing"));
        assert!(reason(r#"{"timestamp":"noon"}"#).contains("expected milliseconds"));
        assert!(reason("nonsense").contains("not a line of tshark"));
        let odd = r#"{"timestamp":"1","wlan_fc_type_subtype":["4"],"wlan_sa":["no"]}"#;
        assert!(reason(odd).contains("is no MAC address"));
        let group = r#"{"timestamp":"1","wlan_fc_type_subtype":["4"],
            "wlan_sa":["ff:ff:ff:ff:ff:ff"]}"#;
        assert!(reason(group).contains("address of many"));
    }
}
