//! The codec of one topic: what bytes its values are.
//!
//! Invariant: no bytes make it panic or allocate more than they could justify; what it refuses it
//! refuses with a text that names the field and what was expected.
//!
//! A codec is an enum over formats. Avro single-object encoding is C3 01, the CRC-64-AVRO
//! fingerprint of the schema (little endian), and the datum. JSON and raw bytes are what they are.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::kernel::topic::Format;

mod avro;
mod decode;
mod encode;
mod shape;

pub use avro::AvroCodec;

/// Why bytes or a value were refused. Fields are named by their path, `box.width`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The schema itself cannot be used.
    #[error("the schema is not usable: {0}")]
    Schema(String),
    /// Not this format at all.
    #[error("the bytes begin with {found}, expected C3 01 (Avro single-object encoding)")]
    NotSingleObject { found: String },
    /// The right format, another schema.
    #[error("the value has schema fingerprint {found:016x}, expected {expected:016x}")]
    UnknownSchema { found: u64, expected: u64 },
    #[error("the bytes end inside {0}")]
    Truncated(Place),
    #[error("{extra_bytes} more bytes follow the value, expected none")]
    Trailing { extra_bytes: usize },
    /// Bytes that no writer of this schema gives.
    #[error("{place} {reason}")]
    Malformed { place: Place, reason: String },
    #[error("{place} is missing, expected {expected}")]
    Missing { place: Place, expected: String },
    #[error("{place} is not known, expected one of: {known}")]
    UnknownField { place: Place, known: String },
    #[error("{place} is {found}, expected {expected}")]
    Unexpected { place: Place, found: String, expected: String },
    /// A sound datum that the type it is read into refuses.
    #[error("{0}")]
    Refused(String),
}

impl CodecError {
    /// The same error, seen from the record that holds the field.
    #[cold]
    fn within(mut self, field: &str) -> CodecError {
        match &mut self {
            CodecError::Truncated(place)
            | CodecError::Malformed { place, .. }
            | CodecError::Missing { place, .. }
            | CodecError::UnknownField { place, .. }
            | CodecError::Unexpected { place, .. } => place.prepend(field),
            _ => {}
        }
        self
    }
}

/// Where in a value something is: a path of field names, or the value itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place(String);

impl Place {
    fn field(name: &str) -> Place {
        Place(name.to_owned())
    }

    fn prepend(&mut self, field: &str) {
        if self.0.is_empty() {
            self.0.push_str(field);
        } else {
            self.0.insert(0, '.');
            self.0.insert_str(0, field);
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() {
            return out.write_str("the value");
        }
        write!(out, "field {:?}", self.0)
    }
}

/// How the values of one topic are written.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one a topic, not one a record")]
pub enum Codec {
    Avro(AvroCodec),
    Raw,
    Json,
}

impl Codec {
    /// Avro single-object encoding with this schema (JSON text). A codec keeps its schema for the
    /// life of the process: make one a topic, not one a record.
    pub fn avro(schema_text: &str) -> Result<Codec, CodecError> {
        AvroCodec::new(schema_text).map(Codec::Avro)
    }

    /// The codec of a topic's format.
    pub fn of(format: Format) -> Result<Codec, CodecError> {
        match format {
            Format::Avro(schema_text) => Codec::avro(schema_text),
            Format::Json => Ok(Codec::Json),
            Format::Raw => Ok(Codec::Raw),
        }
    }

    /// The bytes of a value given as JSON.
    pub fn encode(&self, value: &Value) -> Result<Vec<u8>, CodecError> {
        match self {
            Codec::Avro(avro) => avro.encode(value),
            Codec::Raw => match value {
                Value::String(text) => Ok(text.clone().into_bytes()),
                other => Err(CodecError::Refused(format!("the value is {other}, expected text"))),
            },
            Codec::Json => serde_json::to_vec(value).map_err(|error| not_json(&error)),
        }
    }

    /// The value as JSON: times as numbers, NaN and infinities as strings.
    pub fn decode_json(&self, bytes: &[u8]) -> Result<Value, CodecError> {
        match self {
            Codec::Avro(avro) => avro.decode_json(bytes),
            Codec::Raw => match std::str::from_utf8(bytes) {
                Ok(text) => Ok(Value::from(text)),
                Err(_) => Err(CodecError::Refused("the bytes are no text".to_owned())),
            },
            Codec::Json => serde_json::from_slice(bytes).map_err(|error| not_json(&error)),
        }
    }

    /// The value as a type; with a schema its serde name is the schema's name.
    #[inline]
    pub fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, CodecError> {
        match self {
            Codec::Avro(avro) => avro.decode(bytes),
            Codec::Raw => Err(CodecError::Refused("raw bytes are no record".to_owned())),
            Codec::Json => serde_json::from_slice(bytes).map_err(|error| not_json(&error)),
        }
    }
}

#[cold]
fn not_json(error: &serde_json::Error) -> CodecError {
    CodecError::Refused(format!("not the JSON that was expected: {error}"))
}

#[cfg(test)]
mod tests;
