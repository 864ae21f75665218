//! A line of `topic write` as a record to append.
//!
//! Invariant: what passes would fold, but for raw bytes (`value_base64`), which nobody checks.

use std::borrow::Cow;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use clap::ValueEnum;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::kernel::record::{Header, NewRecord};
use crate::kernel::time::LAST_EVENT_MS;
use crate::log::MAX_RECORD_BYTES;
use crate::log::topics::Topic;

/// What a line of `topic write` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LineFormat {
    /// A record with its key, value, time and headers.
    Record,
    /// A value as the system's own producer sends it.
    Value,
}

/// Takes lines of one topic apart.
pub struct LineParser {
    topic: Topic,
    format: LineFormat,
    /// Put on every record.
    headers: Vec<Header>,
    /// How many partitions the log has for the topic.
    partitions: i32,
}

impl LineParser {
    pub fn new(
        topic: &Topic,
        format: LineFormat,
        headers: Vec<Header>,
        partitions: i32,
    ) -> LineParser {
        LineParser { topic: topic.clone(), format, headers, partitions }
    }

    /// The record, or the reason why there is none. A line that says nothing is neither.
    pub fn parse(&self, line: &[u8], now_ms: i64) -> Result<Option<NewRecord>, String> {
        let text = std::str::from_utf8(line).map_err(|_| "it is not UTF-8".to_owned())?.trim();
        if text.is_empty() {
            return Ok(None);
        }
        // Serde would take an array for an object whose fields stand in their order.
        if !text.starts_with('{') {
            return Err("it is no JSON object, expected one such as {\"key\": …}".to_owned());
        }
        let mut record = match self.format {
            LineFormat::Record => self.record(text, now_ms)?,
            LineFormat::Value => match self.value(text, now_ms)? {
                Some(record) => record,
                None => return Ok(None),
            },
        };
        record.headers.extend_from_slice(&self.headers);
        let size_bytes = record.size_bytes();
        if size_bytes > MAX_RECORD_BYTES {
            return Err(format!(
                "the record has {size_bytes} bytes, expected at most {MAX_RECORD_BYTES}"
            ));
        }
        Ok(Some(record))
    }

    fn record(&self, text: &str, now_ms: i64) -> Result<NewRecord, String> {
        let line: Line<'_> = serde_json::from_str(text).map_err(|error| json_reason(&error))?;
        if let Some(partition) = line.partition
            && !(0..self.partitions).contains(&partition)
        {
            let last = self.partitions - 1;
            return Err(format!("partition is {partition}, expected 0 to {last}"));
        }
        let key = match (line.key, line.key_base64) {
            (None, None) => None,
            (Some(key), None) => Some(key.into_owned().into_bytes()),
            (None, Some(encoded)) => Some(raw("key_base64", &encoded)?),
            (Some(_), Some(_)) => return Err("key and key_base64 are both given".to_owned()),
        };
        let is_raw = line.value_base64.is_some();
        let value = match (line.value, line.value_base64) {
            (Some(value), None) => self.checked(key.as_deref(), &value)?,
            (None, Some(encoded)) => {
                encoded.map(|encoded| raw("value_base64", &encoded)).transpose()?
            }
            (None, None) => return Err("value is missing, expected one (or null)".to_owned()),
            (Some(_), Some(_)) => return Err("value and value_base64 are both given".to_owned()),
        };
        let headers = line.headers.into_iter().map(header).collect::<Result<Vec<Header>, _>>()?;
        let ts_ms = line.ts.unwrap_or(now_ms);
        if !is_raw {
            check_time(ts_ms)?;
        }
        Ok(NewRecord { partition: line.partition, key, value, ts_ms, headers })
    }

    fn value(&self, text: &str, now_ms: i64) -> Result<Option<NewRecord>, String> {
        let Some(line) = (self.topic.spec.value_line)(text)? else { return Ok(None) };
        let key = line.key.map(String::into_bytes);
        let value = self.checked(key.as_deref(), &line.value)?;
        let ts_ms = line.ts_ms.unwrap_or(now_ms);
        check_time(ts_ms)?;
        Ok(Some(NewRecord { partition: None, key, value, ts_ms, headers: Vec::new() }))
    }

    /// The encoded value, if the fold would take it under this key.
    fn checked(&self, key: Option<&[u8]>, value: &Value) -> Result<Option<Vec<u8>>, String> {
        let encoded = match value {
            Value::Null => None,
            value => Some(self.topic.codec.encode(value).map_err(|error| error.to_string())?),
        };
        let check = self.topic.spec.check;
        check(&self.topic.codec, key, encoded.as_deref()).map_err(|poison| poison.reason)?;
        Ok(encoded)
    }
}

/// A line of the format `record`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    #[serde(borrow, default)]
    key: Option<Cow<'a, str>>,
    key_base64: Option<String>,
    /// `Some(Null)` is a tombstone, `None` is a missing value.
    #[serde(default, deserialize_with = "present")]
    value: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    value_base64: Option<Option<String>>,
    ts: Option<i64>,
    partition: Option<i32>,
    #[serde(default)]
    headers: Vec<(String, Value)>,
    /// `topic read` prints these; a record gets new ones.
    #[serde(rename = "topic")]
    _topic: Option<IgnoredAny>,
    #[serde(rename = "offset")]
    _offset: Option<IgnoredAny>,
}

/// The fold buries what lies outside; raw values go in unchecked, times included.
fn check_time(ts_ms: i64) -> Result<(), String> {
    if (0..=LAST_EVENT_MS).contains(&ts_ms) {
        return Ok(());
    }
    Err(format!("ts is {ts_ms}, expected ms since 1970, before the year 10000"))
}

fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

fn header((name, value): (String, Value)) -> Result<Header, String> {
    let value = match value {
        Value::Null => None,
        Value::String(text) => Some(text.into_bytes()),
        Value::Object(object) => {
            let encoded = object.get("base64").and_then(Value::as_str);
            let encoded = encoded.ok_or_else(|| format!("header {name:?} is not text"))?;
            Some(raw("base64", encoded)?)
        }
        other => return Err(format!("header {name:?} is {other}, expected text")),
    };
    Ok(Header { name, value })
}

fn raw(field: &str, encoded: &str) -> Result<Vec<u8>, String> {
    BASE64_STANDARD.decode(encoded).map_err(|error| format!("{field} is not base64: {error}"))
}

/// The parser counts lines within the text it was given, which is one line.
pub(super) fn json_reason(error: &serde_json::Error) -> String {
    error.to_string().replace(" at line 1 column ", " at column ")
}
