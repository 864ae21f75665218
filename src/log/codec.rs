//! The codec of one topic: what bytes its values are.
//!
//! Invariant: no bytes make it panic or allocate more than they could justify; what it refuses it
//! refuses with a text that names the field and what was expected.
//!
//! A codec is an enum over formats. A value of a schema of ours is Avro with the schema's fingerprint
//! (`avro`), Avro with an id of a registry (`confluent`), or JSON (`json`); what another schema wrote
//! is resolved to ours (`resolve`). Values say by their first byte what they are, so all that were
//! written by a schema of ours are read in each of these formats: a log can change its format and keep
//! its past.

use std::borrow::Cow;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Batch;
use super::registry::Book;
use crate::kernel::topic::Format;

mod avro;
mod confluent;
mod decode;
mod encode;
mod json;
mod resolve;
mod schema;
mod shape;

pub use avro::AvroCodec;
pub use confluent::ConfluentCodec;
pub use json::JsonCodec;
pub use schema::WriterSchema;

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
    #[error("the bytes begin with {found}, expected 00 (Confluent wire format)")]
    NotConfluent { found: String },
    /// The registry was asked and does not have it.
    #[error("the schema registry has no schema of id {id}")]
    NoSuchId { id: u32 },
    #[error("schema {id} of the registry cannot be used: {reason}")]
    UnusableId { id: u32, reason: String },
    /// Nothing written with it can be read with ours.
    #[error("schema {id} of the registry does not fit ours: {reason}")]
    Unfit { id: u32, reason: String },
    /// No verdict: the registry was not asked yet.
    #[error("schema {id} was not looked up in the registry")]
    NotLookedUp { id: u32 },
    /// No verdict: our own schema has no id yet.
    #[error("subject {subject} was not looked up in the schema registry")]
    NotRegistered { subject: String },
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
pub enum Codec {
    Avro(AvroCodec),
    Confluent(ConfluentCodec),
    Raw,
    Json(JsonCodec),
}

impl Codec {
    /// Avro single-object encoding with this schema (JSON text). A codec keeps its schema for the
    /// life of the process: make one a topic, not one a record.
    pub fn avro(schema_text: &str) -> Result<Codec, CodecError> {
        AvroCodec::new(schema_text).map(Codec::Avro)
    }

    /// The codec of what a topic holds, in the form that it has without any configuration.
    pub fn of(format: Format) -> Result<Codec, CodecError> {
        match format {
            Format::Avro(schema_text) => Codec::avro(schema_text),
            Format::Json => Codec::json(format),
            Format::Raw => Ok(Codec::Raw),
        }
    }

    /// JSON, checked against the topic's schema where it has one.
    pub fn json(format: Format) -> Result<Codec, CodecError> {
        Ok(Codec::Json(JsonCodec::new(own(format)?)))
    }

    /// The same; what was written with schemas that are in this book is read as well. Where there is a
    /// registry (`may_ask`), unknown ones are looked up.
    pub fn json_beside(
        format: Format,
        subject: String,
        book: Arc<Book>,
        may_ask: bool,
    ) -> Result<Codec, CodecError> {
        let json = JsonCodec::new(own(format)?);
        Ok(Codec::Json(match own(format)? {
            Some(own) => json.beside(ConfluentCodec::new(Some(own), subject, book), may_ask),
            None => json,
        }))
    }

    /// Confluent's wire format, with schemas from this book.
    pub fn confluent(
        format: Format,
        subject: String,
        book: Arc<Book>,
    ) -> Result<Codec, CodecError> {
        Ok(Codec::Confluent(ConfluentCodec::new(own(format)?, subject, book)))
    }

    /// Do both write values in the same form?
    pub fn writes_like(&self, other: &Codec) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }

    /// Do the bytes begin as this format's values do? Those of the others are read as well, and
    /// written anew where a log is carried.
    pub fn has_form(&self, bytes: &[u8]) -> bool {
        match self {
            Codec::Avro(_) => AvroCodec::claims(bytes),
            Codec::Confluent(_) => ConfluentCodec::claims(bytes),
            Codec::Json(_) => !AvroCodec::claims(bytes) && !ConfluentCodec::claims(bytes),
            Codec::Raw => true,
        }
    }

    /// The bytes of a value given as JSON.
    pub fn encode(&self, value: &Value) -> Result<Vec<u8>, CodecError> {
        match self {
            Codec::Avro(avro) => avro.encode(value),
            Codec::Confluent(confluent) => confluent.encode(value),
            Codec::Raw => match value {
                Value::String(text) => Ok(text.clone().into_bytes()),
                other => Err(CodecError::Refused(format!("the value is {other}, expected text"))),
            },
            Codec::Json(json) => json.encode(value),
        }
    }

    /// The value as JSON: times as numbers, NaN and infinities as strings.
    pub fn decode_json(&self, bytes: &[u8]) -> Result<Value, CodecError> {
        match self {
            Codec::Avro(avro) => avro.decode_json(bytes),
            Codec::Confluent(confluent) => confluent.decode_json(bytes),
            Codec::Raw => match std::str::from_utf8(bytes) {
                Ok(text) => Ok(Value::from(text)),
                Err(_) => Err(CodecError::Refused("the bytes are no text".to_owned())),
            },
            Codec::Json(json) => json.decode_json(bytes),
        }
    }

    /// The value as a type; with a schema its serde name is the schema's name.
    #[inline]
    pub fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, CodecError> {
        match self {
            Codec::Avro(avro) => avro.decode(bytes),
            Codec::Confluent(confluent) => confluent.decode(bytes),
            Codec::Raw => Err(CodecError::Refused("raw bytes are no record".to_owned())),
            Codec::Json(json) => json.decode(bytes),
        }
    }

    /// The text of a value that is a JSON document, whatever it was written in.
    #[inline]
    pub fn document<'a>(&self, bytes: &'a [u8]) -> Result<Cow<'a, [u8]>, CodecError> {
        match self {
            Codec::Confluent(confluent) => {
                Ok(Cow::Owned(confluent.as_written(bytes)?.to_string().into_bytes()))
            }
            _ => Ok(Cow::Borrowed(bytes)),
        }
    }

    /// The same of a key. Keys are plain, but for those that came with documents of others.
    #[inline]
    pub fn key<'a>(&self, key: &'a [u8]) -> Result<Cow<'a, [u8]>, CodecError> {
        match self {
            Codec::Confluent(confluent) if confluent.has_written_key(key) => self.document(key),
            _ => Ok(Cow::Borrowed(key)),
        }
    }

    /// The registry's ids that have to be looked up before these records can be read.
    pub fn unknown_ids(&self, batch: &Batch) -> Vec<u32> {
        let mut unknown = Vec::new();
        let confluent = match self {
            Codec::Confluent(confluent) => Some(confluent),
            Codec::Json(json) => json.asking(),
            Codec::Avro(_) | Codec::Raw => None,
        };
        if let Some(confluent) = confluent {
            // A record that cannot be read is an error of the log, for whoever folds it.
            for record in batch.records().map_while(Result::ok) {
                confluent.add_unknown(&record, &mut unknown);
            }
        }
        unknown
    }
}

/// The topic's own schema, if it has one.
fn own(format: Format) -> Result<Option<AvroCodec>, CodecError> {
    match format {
        Format::Avro(schema_text) => AvroCodec::new(schema_text).map(Some),
        Format::Json | Format::Raw => Ok(None),
    }
}

#[cold]
fn first_bytes(bytes: &[u8]) -> String {
    match bytes {
        [] => "nothing".to_owned(),
        [first] => format!("{first:02X}"),
        [first, second, ..] => format!("{first:02X} {second:02X}"),
    }
}

#[cfg(test)]
mod tests;
