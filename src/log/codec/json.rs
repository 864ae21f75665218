//! JSON values: of a topic with a schema they are checked against it, of any other they are what
//! their room makes of them. Values that were written when the topic had a registry are still read.
//!
//! Invariant: the quick way takes nothing that the schema would refuse. It is for records of plain
//! fields only, and whatever it does not take is looked at again the slow way, which has the words.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::CodecError;
use super::avro::AvroCodec;
use super::confluent::ConfluentCodec;
use super::encode::Strangers;
use super::shape::{Node, Shape};

/// JSON with a schema of ours, or without one.
#[derive(Debug)]
pub struct JsonCodec {
    own: Option<AvroCodec>,
    /// The type's own reader says the same as the schema.
    is_plain: bool,
    /// What reads values from when the topic was written with schemas of a registry.
    confluent: Option<Box<ConfluentCodec>>,
    /// There is a registry to ask for schemas that are not known.
    may_ask: bool,
}

impl JsonCodec {
    pub(super) fn new(own: Option<AvroCodec>) -> JsonCodec {
        let is_plain = own.as_ref().is_some_and(|own| is_plain(&own.schema.shape));
        JsonCodec { own, is_plain, confluent: None, may_ask: false }
    }

    /// Reads what was written with schemas of a registry, too.
    pub(super) fn beside(self, confluent: ConfluentCodec, may_ask: bool) -> JsonCodec {
        JsonCodec { confluent: Some(Box::new(confluent)), may_ask, ..self }
    }

    /// What may have to be asked for before such values are read.
    pub(super) fn asking(&self) -> Option<&ConfluentCodec> {
        self.confluent.as_deref().filter(|_| self.may_ask)
    }

    /// What reads these bytes, if they were written with a schema of a registry: no JSON begins so.
    fn earlier(&self, bytes: &[u8]) -> Option<&ConfluentCodec> {
        self.confluent.as_deref().filter(|_| ConfluentCodec::claims(bytes))
    }

    /// Where nobody can be asked, an unknown schema is a fault of the value.
    #[cold]
    fn untold(&self, error: CodecError) -> CodecError {
        match error {
            CodecError::NotLookedUp { id } if !self.may_ask => CodecError::Refused(format!(
                "it was written with schema {id} of a registry, expected schema_registry.url to \
                 look that up"
            )),
            error => error,
        }
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
        if let Some(confluent) = self.earlier(bytes) {
            return confluent.decode_json(bytes).map_err(|error| self.untold(error));
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
        if let Some(confluent) = self.earlier(bytes) {
            return confluent.decode(bytes).map_err(|error| self.untold(error));
        }
        own.schema.decode(&datum(own, bytes)?)
    }
}

/// The value as a datum of the schema. What a newer writer added is left out.
#[cold]
pub(super) fn datum(own: &AvroCodec, bytes: &[u8]) -> Result<Vec<u8>, CodecError> {
    let mut datum = Vec::new();
    own.schema.encode(&parse(bytes)?, Strangers::LeftOut, &mut datum)?;
    Ok(datum)
}

/// Do the bytes begin as a JSON object does? No other format of ours begins so.
#[inline]
pub(super) fn claims(bytes: &[u8]) -> bool {
    bytes.first() == Some(&b'{')
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

pub(super) fn parse(bytes: &[u8]) -> Result<Value, CodecError> {
    serde_json::from_slice(bytes).map_err(|error| not_json(&error))
}

fn to_bytes(value: &Value) -> Result<Vec<u8>, CodecError> {
    serde_json::to_vec(value).map_err(|error| not_json(&error))
}

#[cold]
pub(super) fn not_json(error: &serde_json::Error) -> CodecError {
    CodecError::Refused(format!("not the JSON that was expected: {error}"))
}
