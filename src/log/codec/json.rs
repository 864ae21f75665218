//! JSON values: of a topic with a schema they are checked against it, of any other they are what
//! their room makes of them.
//!
//! Invariant: the quick way takes nothing that the schema would refuse. It is for records of plain
//! fields only, and whatever it does not take is looked at again the slow way, which has the words.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::CodecError;
use super::avro::AvroCodec;
use super::encode::Strangers;
use super::shape::{Node, Shape};

/// JSON with a schema of ours, or without one.
#[derive(Debug)]
pub struct JsonCodec {
    own: Option<AvroCodec>,
    /// The type's own reader says the same as the schema.
    is_plain: bool,
}

impl JsonCodec {
    pub(super) fn new(own: Option<AvroCodec>) -> JsonCodec {
        let is_plain = own.as_ref().is_some_and(|own| is_plain(&own.schema.shape));
        JsonCodec { own, is_plain }
    }

    pub(super) fn encode(&self, value: &Value) -> Result<Vec<u8>, CodecError> {
        let Some(own) = &self.own else { return to_bytes(value) };
        let mut datum = Vec::new();
        own.schema.encode(value, Strangers::Refused, &mut datum)?;
        to_bytes(&own.schema.decode_json(&datum)?)
    }

    pub(super) fn decode_json(&self, bytes: &[u8]) -> Result<Value, CodecError> {
        let Some(own) = &self.own else { return parse(bytes) };
        if AvroCodec::claims(bytes) {
            return own.decode_json(bytes);
        }
        own.schema.decode_json(&datum(own, bytes)?)
    }

    #[inline]
    pub(super) fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, CodecError> {
        let Some(own) = &self.own else {
            return serde_json::from_slice(bytes).map_err(|error| not_json(&error));
        };
        // Serde would take an array for a record whose fields stand in their order.
        let is_object = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
        if is_object
            && self.is_plain
            && let Ok(value) = serde_json::from_slice(bytes)
        {
            return Ok(value);
        }
        if AvroCodec::claims(bytes) {
            return own.decode(bytes);
        }
        own.schema.decode(&datum(own, bytes)?)
    }
}

/// The value as a datum of the schema. What a newer writer added is left out.
#[cold]
fn datum(own: &AvroCodec, bytes: &[u8]) -> Result<Vec<u8>, CodecError> {
    let mut datum = Vec::new();
    own.schema.encode(&parse(bytes)?, Strangers::LeftOut, &mut datum)?;
    Ok(datum)
}

/// A record of scalars, none of which may be left out. (A number that is too large for a float
/// becomes an infinity on the quick way; rooms refuse those, wherever they come from.)
fn is_plain(shape: &Shape) -> bool {
    let Node::Record(root) = shape.root else { return false };
    let is_holder = |node: &Node| {
        matches!(node, Node::Record(_) | Node::Array(_) | Node::Map(_) | Node::Union(_))
    };
    let is_coded =
        |node: &Node| matches!(node, Node::Bytes | Node::Fixed(_) | Node::Enum(_) | Node::Null);
    shape.records[root].iter().all(|field| !is_holder(&field.node) && !is_coded(&field.node))
}

fn parse(bytes: &[u8]) -> Result<Value, CodecError> {
    serde_json::from_slice(bytes).map_err(|error| not_json(&error))
}

fn to_bytes(value: &Value) -> Result<Vec<u8>, CodecError> {
    serde_json::to_vec(value).map_err(|error| not_json(&error))
}

#[cold]
pub(super) fn not_json(error: &serde_json::Error) -> CodecError {
    CodecError::Refused(format!("not the JSON that was expected: {error}"))
}
