//! A record as a line of `topic read`.
//!
//! Invariant: what is printed can be written again by `topic write`; what cannot be decoded is
//! printed as the bytes it is. (A float that is not a number is shown as text, which `topic write`
//! refuses: it is poison.)

use std::borrow::Cow;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};

use crate::kernel::record::{Header, RecordRef};
use crate::kernel::text::acts;
use crate::log::batch::headers;
use crate::log::codec::Codec;

/// One line, without its end.
pub(super) fn line(topic: &str, codec: &Codec, record: &RecordRef<'_>) -> String {
    let mut line = format!(
        "{{\"topic\":{},\"partition\":{},\"offset\":{},\"ts\":{},",
        Value::from(topic),
        record.partition,
        record.offset,
        record.ts_ms,
    );
    let key = record.key.map(|key| codec.key(key).unwrap_or(Cow::Borrowed(key)));
    match key.as_deref().map(std::str::from_utf8) {
        None => line.push_str("\"key\":null,"),
        Some(Ok(key)) => line.push_str(&format!("\"key\":{},", Value::from(key))),
        Some(Err(_)) => line.push_str(&base64_field("key_base64", record.key)),
    }
    match record.value.map(|value| codec.decode_json(value)) {
        None => line.push_str("\"value\":null,"),
        Some(Ok(value)) => line.push_str(&format!("\"value\":{value},")),
        Some(Err(_)) => line.push_str(&base64_field("value_base64", record.value)),
    }
    line.push_str(&format!("\"headers\":{}}}", headers_json(record.headers)));
    harmless(line)
}

/// The same JSON with characters that would act on a terminal as escapes: outside of texts there are
/// none.
fn harmless(line: String) -> String {
    if !line.chars().any(acts) {
        return line;
    }
    let escaped = |character: char| match acts(character) {
        true => format!("\\u{:04x}", u32::from(character)),
        false => character.to_string(),
    };
    line.chars().map(escaped).collect()
}

fn base64_field(name: &str, bytes: Option<&[u8]>) -> String {
    format!("\"{name}\":\"{}\",", BASE64_STANDARD.encode(bytes.unwrap_or_default()))
}

fn headers_json(encoded: &[u8]) -> Value {
    let decoded = headers(encoded).unwrap_or_default();
    let pair = |header: &Header| json!([header.name, header_value(header.value.as_deref())]);
    decoded.iter().map(pair).collect()
}

fn header_value(value: Option<&[u8]>) -> Value {
    let Some(value) = value else {
        return Value::Null;
    };
    match std::str::from_utf8(value) {
        Ok(text) => Value::from(text),
        Err(_) => {
            let mut raw = Map::new();
            raw.insert("base64".to_owned(), Value::from(BASE64_STANDARD.encode(value)));
            Value::Object(raw)
        }
    }
}
