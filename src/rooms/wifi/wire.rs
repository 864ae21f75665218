//! What is on the Wi-Fi topics.
//!
//! Invariant: what these decoders accept folds. `topic write` and the folds ask the same functions.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::debezium;
use super::encoding::{Encoding, SeenSsid};
use super::fold::{Event, Probe};
use super::names::Collection;
use super::tshark::{self, Kind, Line};
use super::types::{MacAddr, Ssid};
use crate::kernel::poison::Poison;
use crate::kernel::text::is_visible;
use crate::kernel::topic::ValueLine;
use crate::log::batch;
use crate::log::codec::{Codec, CodecError};

/// The header by which a capture says what its SSIDs are written in.
pub const ENCODING_HEADER: &str = "ssid-encoding";

/// A value of `device-names`: what somebody in a chat said of a device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "device_name")]
pub struct Given {
    #[serde(default)]
    pub name: Option<String>,
    /// Nothing of it is news.
    #[serde(default)]
    pub ignored: bool,
    /// Its absence and its return are news.
    #[serde(default)]
    pub watched: bool,
}

/// A value of `ssid_alert_list_01`: why a network is watched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "ssid_alert")]
pub struct Watch {
    #[serde(rename = "REASON")]
    pub reason: String,
}

/// A row of one of the room's tables, with its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    Given(MacAddr, Given),
    Watch(Ssid, Watch),
}

/// Decodes a value of `pcap`. The record's header knows more than the setting does.
#[inline]
pub fn decode_frame(
    codec: &Codec,
    value: Option<&[u8]>,
    headers: &[u8],
    setting: Option<Encoding>,
) -> Result<Event, Poison> {
    let value = value.ok_or_else(|| Poison::new("the value is null, expected a frame"))?;
    let value = codec.document(value).map_err(|error| Poison::new(error.to_string()))?;
    let frame = match tshark::parse(&value)? {
        Line::Frame(frame) => frame,
        Line::Index => return Ok(Event::Nothing),
    };
    let captured_ms = frame.timestamp_ms;
    let Kind::Probe(probe) = frame.kind else { return Ok(Event::Frame { captured_ms }) };
    let known = if headers.is_empty() { None } else { announced(headers)? };
    let ssid = SeenSsid::read(&probe.ssid, known.or(setting))
        .map_err(|error| Poison::new(format!("\"wlan_ssid\": {error}")))?;
    let probe = Probe { mac: probe.mac, ssid, signal_dbm: probe.signal_dbm };
    Ok(Event::Probe { captured_ms, probe })
}

/// Decodes a change of UniFi's documents.
pub fn decode_document(
    codec: &Codec,
    collection: Collection,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
) -> Result<Event, Poison> {
    let unreadable = |error: CodecError| Poison::new(error.to_string());
    let key = key.map(|key| codec.key(key)).transpose().map_err(unreadable)?;
    let value = value.map(|value| codec.document(value)).transpose().map_err(unreadable)?;
    let id = debezium::document_id(key.as_deref())?;
    Ok(Event::Document(collection, id, debezium::change(value.as_deref())?))
}

/// A given name's key is the MAC as we write it.
pub fn decode_given(
    codec: &Codec,
    key: &[u8],
    value: Option<&[u8]>,
) -> Result<Option<Row>, Poison> {
    let text = String::from_utf8_lossy(key);
    let mac: MacAddr = text.parse().map_err(|error| Poison::new(format!("the key: {error}")))?;
    if mac.to_string() != text {
        let reason = format!("the key is {text:?}, expected it in lower case: {mac}");
        return Err(Poison::new(reason));
    }
    let Some(value) = value else { return Ok(None) };
    let mut given: Given = codec.decode(value).map_err(|error| Poison::new(error.to_string()))?;
    // A name that cannot be seen is none.
    given.name = given.name.filter(|name| is_visible(name));
    Ok(Some(Row::Given(mac, given)))
}

/// A watched network's key is its SSID's bytes.
pub fn decode_watch(
    codec: &Codec,
    key: &[u8],
    value: Option<&[u8]>,
) -> Result<Option<Row>, Poison> {
    let ssid = Ssid::of_bytes(key).map_err(|error| Poison::new(format!("the key: {error}")))?;
    if ssid.is_wildcard() {
        return Err(Poison::new("the key is empty, expected the bytes of an SSID"));
    }
    let Some(value) = value else { return Ok(None) };
    let watch = codec.decode(value).map_err(|error| Poison::new(error.to_string()))?;
    Ok(Some(Row::Watch(ssid, watch)))
}

/// What the record's header says its SSID is written in.
fn announced(headers: &[u8]) -> Result<Option<Encoding>, Poison> {
    let headers = batch::headers(headers).map_err(|error| Poison::new(error.to_string()))?;
    let Some(header) = headers.into_iter().find(|header| header.name == ENCODING_HEADER) else {
        return Ok(None);
    };
    let value = header.value.unwrap_or_default();
    let name = String::from_utf8_lossy(&value);
    let encoding = Encoding::of_name(&name).ok_or_else(|| {
        Poison::new(format!("header {ENCODING_HEADER:?} is {name:?}, expected text or hex"))
    })?;
    Ok(Some(encoding))
}

pub(super) fn check_frame(
    codec: &Codec,
    _key: Option<&[u8]>,
    value: Option<&[u8]>,
) -> Result<(), Poison> {
    decode_frame(codec, value, &[], None).map(drop)
}

pub(super) fn check_document(
    codec: &Codec,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
) -> Result<(), Poison> {
    decode_document(codec, Collection::Device, key, value).map(drop)
}

pub(super) fn check_given(
    codec: &Codec,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
) -> Result<(), Poison> {
    decode_given(codec, key.unwrap_or_default(), value).map(drop)
}

pub(super) fn check_watch(
    codec: &Codec,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
) -> Result<(), Poison> {
    decode_watch(codec, key.unwrap_or_default(), value).map(drop)
}

pub(super) fn check_stats(
    codec: &Codec,
    _key: Option<&[u8]>,
    value: Option<&[u8]>,
) -> Result<(), Poison> {
    let decoded = value.map(|value| codec.decode_json(value)).transpose();
    decoded.map(drop).map_err(|error| Poison::new(error.to_string()))
}

/// A line of tshark's; the index lines between its packets say nothing.
pub(super) fn frame_line(line: &str) -> Result<Option<ValueLine>, String> {
    let ts_ms = match tshark::parse(line.as_bytes()).map_err(|poison| poison.reason)? {
        Line::Index => return Ok(None),
        Line::Frame(frame) => Some(frame.timestamp_ms),
    };
    let value: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    Ok(Some(ValueLine { key: None, value, ts_ms }))
}

/// These topics' records are nothing without a key, which a line of values does not have.
pub(super) fn no_value_line(_line: &str) -> Result<Option<ValueLine>, String> {
    Err("a value alone does not say what it is about: use --format record, with a key".to_owned())
}
