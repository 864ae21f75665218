//! Avro single-object encoding: C3 01, the fingerprint of the schema, the datum.
//!
//! Invariant: a value of an earlier schema of ours is read as the present one would have it, or
//! refused.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::encode::Strangers;
use super::resolve::Plan;
use super::schema::{OwnSchema, WriterSchema};
use super::{CodecError, Place, first_bytes};

const MAGIC: [u8; 2] = [0xc3, 0x01];

/// Schemas that earlier versions wrote their values with, whole texts of `.avsc` files. A schema
/// that is changed leaves its old text here, as `include_str!` of a file below `schemas/earlier/`;
/// each topic takes those that resolve to its own and have the same name.
const EARLIER: &[&str] = &[];

/// Values of one schema.
#[derive(Debug)]
pub struct AvroCodec {
    pub(super) schema: OwnSchema,
    earlier: Vec<(WriterSchema, Plan)>,
}

impl AvroCodec {
    pub(super) fn new(schema_text: &str) -> Result<AvroCodec, CodecError> {
        AvroCodec::with_earlier(schema_text, EARLIER)
    }

    /// The codec of a schema that had these forms before.
    pub(super) fn with_earlier(
        schema_text: &str,
        earlier_texts: &[&str],
    ) -> Result<AvroCodec, CodecError> {
        let schema = OwnSchema::new(schema_text)?;
        let mut earlier = Vec::new();
        for text in earlier_texts {
            let writer = WriterSchema::parse(text)?;
            if name_of(text) == name_of(schema_text) {
                let plan = Plan::new(&writer.shape, &schema.shape)?;
                earlier.push((writer, plan));
            }
        }
        Ok(AvroCodec { schema, earlier })
    }

    /// Do the bytes say that they are such a value? No other format of ours begins so.
    #[inline]
    pub(super) fn claims(bytes: &[u8]) -> bool {
        bytes.starts_with(&MAGIC)
    }

    pub(super) fn encode(&self, value: &Value) -> Result<Vec<u8>, CodecError> {
        let mut bytes = Vec::with_capacity(64);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&self.schema.fingerprint.to_le_bytes());
        self.schema.encode(value, Strangers::Refused, &mut bytes)?;
        Ok(bytes)
    }

    pub(super) fn decode_json(&self, bytes: &[u8]) -> Result<Value, CodecError> {
        self.schema.decode_json(&self.datum(bytes)?)
    }

    #[inline]
    pub(super) fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, CodecError> {
        self.schema.decode(&self.datum(bytes)?)
    }

    /// What follows the header, as a datum of the present schema.
    #[inline]
    fn datum<'a>(&self, bytes: &'a [u8]) -> Result<Cow<'a, [u8]>, CodecError> {
        let Some(rest) = bytes.strip_prefix(&MAGIC) else {
            return Err(CodecError::NotSingleObject { found: first_bytes(bytes) });
        };
        let Some((fingerprint, datum)) = rest.split_first_chunk::<8>() else {
            return Err(CodecError::Truncated(Place::field("schema fingerprint")));
        };
        let found = u64::from_le_bytes(*fingerprint);
        if found == self.schema.fingerprint {
            return Ok(Cow::Borrowed(datum));
        }
        let known = self.earlier.iter().find(|(writer, _)| writer.fingerprint == found);
        let Some((writer, plan)) = known else {
            return Err(CodecError::UnknownSchema { found, expected: self.schema.fingerprint });
        };
        plan.apply(&writer.shape, datum).map(Cow::Owned)
    }
}

/// The name that a schema's text gives its record.
fn name_of(text: &str) -> Option<(String, String)> {
    let schema: Value = serde_json::from_str(text).ok()?;
    let part = |key: &str| schema.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    Some((part("namespace"), part("name")))
}
