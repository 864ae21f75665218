//! Avro single-object encoding.
//!
//! Invariant: `apache_avro` only sees a datum that was walked to its end first. Its reader trusts
//! lengths up to 512 MiB and recursion without a bound; the walk does not.

use apache_avro::Schema;
use apache_avro::error::Details;
use apache_avro::rabin::Rabin;
use apache_avro::reader::datum::GenericDatumReader;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::decode::{decode_datum, walk_datum};
use super::encode::encode_datum;
use super::shape::Shape;
use super::{CodecError, Place};

const MAGIC: [u8; 2] = [0xc3, 0x01];

/// Values of one schema.
pub struct AvroCodec {
    fingerprint: u64,
    shape: Shape,
    reader: GenericDatumReader<'static>,
}

impl AvroCodec {
    pub(super) fn new(schema_text: &str) -> Result<AvroCodec, CodecError> {
        let unusable = |error: apache_avro::Error| CodecError::Schema(error.to_string());
        let schema = Schema::parse_str(schema_text).map_err(unusable)?;
        let shape = Shape::new(&schema)?;
        let digest = schema.fingerprint::<Rabin>().bytes;
        let digest = digest
            .try_into()
            .map_err(|_| CodecError::Schema("its fingerprint does not have 8 bytes".to_owned()))?;
        // The reader borrows its schema. A program has a schema for each of its topics, made once.
        let schema: &'static Schema = Box::leak(Box::new(schema));
        let reader =
            GenericDatumReader::builder(schema).human_readable(false).build().map_err(unusable)?;
        Ok(AvroCodec { fingerprint: u64::from_le_bytes(digest), shape, reader })
    }

    pub(super) fn encode(&self, value: &Value) -> Result<Vec<u8>, CodecError> {
        let mut bytes = Vec::with_capacity(64);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&self.fingerprint.to_le_bytes());
        encode_datum(&self.shape, value, &mut bytes)?;
        Ok(bytes)
    }

    pub(super) fn decode_json(&self, bytes: &[u8]) -> Result<Value, CodecError> {
        let datum = self.datum(bytes)?;
        walk_datum(&self.shape, datum)?;
        decode_datum(&self.shape, datum)
    }

    #[inline]
    pub(super) fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, CodecError> {
        let mut datum = self.datum(bytes)?;
        walk_datum(&self.shape, datum)?;
        self.reader.read_deser(&mut datum).map_err(|error| refused(&error))
    }

    /// What follows the header.
    #[inline]
    fn datum<'a>(&self, bytes: &'a [u8]) -> Result<&'a [u8], CodecError> {
        let Some(rest) = bytes.strip_prefix(&MAGIC) else {
            return Err(CodecError::NotSingleObject { found: first_bytes(bytes) });
        };
        let Some((fingerprint, datum)) = rest.split_first_chunk::<8>() else {
            return Err(CodecError::Truncated(Place::field("schema fingerprint")));
        };
        let found = u64::from_le_bytes(*fingerprint);
        if found != self.fingerprint {
            return Err(CodecError::UnknownSchema { found, expected: self.fingerprint });
        }
        Ok(datum)
    }
}

impl std::fmt::Debug for AvroCodec {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("AvroCodec")
            .field("fingerprint", &format_args!("{:016x}", self.fingerprint))
            .finish_non_exhaustive()
    }
}

#[cold]
fn refused(error: &apache_avro::Error) -> CodecError {
    match error.details() {
        // What the type itself said, without the library's introduction.
        Details::DeserializeValue(text) => CodecError::Refused(text.clone()),
        _ => CodecError::Refused(error.to_string()),
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
