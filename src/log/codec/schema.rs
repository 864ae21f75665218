//! A schema of ours: how values that we understand become data and come back.
//!
//! Invariant: `apache_avro` only sees a datum that was walked to its end first. Its reader trusts
//! lengths up to 512 MiB and recursion without a bound; the walk does not.

use apache_avro::Schema;
use apache_avro::error::Details;
use apache_avro::rabin::Rabin;
use apache_avro::reader::datum::GenericDatumReader;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::CodecError;
use super::decode::{decode_datum, walk_datum};
use super::encode::{Strangers, encode_datum};
use super::shape::Shape;

pub(super) struct OwnSchema {
    pub(super) text: String,
    /// CRC-64-AVRO of its canonical form.
    pub(super) fingerprint: u64,
    pub(super) shape: Shape,
    reader: GenericDatumReader<'static>,
}

impl OwnSchema {
    pub(super) fn new(schema_text: &str) -> Result<OwnSchema, CodecError> {
        let schema = parse(schema_text)?;
        let shape = Shape::new(&schema)?;
        let fingerprint = fingerprint(&schema)?;
        // The reader borrows its schema. A program has a schema for each of its topics, made once.
        let schema: &'static Schema = Box::leak(Box::new(schema));
        let reader =
            GenericDatumReader::builder(schema).human_readable(false).build().map_err(unusable)?;
        Ok(OwnSchema { text: schema_text.to_owned(), fingerprint, shape, reader })
    }

    pub(super) fn encode(
        &self,
        value: &Value,
        strangers: Strangers,
        out: &mut Vec<u8>,
    ) -> Result<(), CodecError> {
        encode_datum(&self.shape, value, strangers, out)
    }

    pub(super) fn decode_json(&self, datum: &[u8]) -> Result<Value, CodecError> {
        walk_datum(&self.shape, datum)?;
        decode_datum(&self.shape, datum)
    }

    #[inline]
    pub(super) fn decode<T: DeserializeOwned>(&self, datum: &[u8]) -> Result<T, CodecError> {
        let mut rest = datum;
        walk_datum(&self.shape, rest)?;
        self.reader.read_deser(&mut rest).map_err(|error| refused(&error))
    }
}

impl std::fmt::Debug for OwnSchema {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "OwnSchema({:016x})", self.fingerprint)
    }
}

/// A schema that somebody else writes with: enough of it to take its data apart.
#[derive(Debug)]
pub struct WriterSchema {
    pub text: String,
    pub(super) fingerprint: u64,
    pub(super) shape: Shape,
}

impl WriterSchema {
    pub fn parse(text: &str) -> Result<WriterSchema, CodecError> {
        let schema = parse(text)?;
        let shape = Shape::new(&schema)?;
        Ok(WriterSchema { text: text.to_owned(), fingerprint: fingerprint(&schema)?, shape })
    }
}

fn parse(text: &str) -> Result<Schema, CodecError> {
    Schema::parse_str(text).map_err(unusable)
}

fn unusable(error: apache_avro::Error) -> CodecError {
    CodecError::Schema(error.to_string())
}

fn fingerprint(schema: &Schema) -> Result<u64, CodecError> {
    let digest = schema.fingerprint::<Rabin>().bytes.try_into();
    let digest = digest
        .map_err(|_| CodecError::Schema("its fingerprint does not have 8 bytes".to_owned()))?;
    Ok(u64::from_le_bytes(digest))
}

#[cold]
fn refused(error: &apache_avro::Error) -> CodecError {
    match error.details() {
        // What the type itself said, without the library's introduction.
        Details::DeserializeValue(text) => CodecError::Refused(text.clone()),
        _ => CodecError::Refused(error.to_string()),
    }
}
