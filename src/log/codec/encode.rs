//! Writing JSON as an Avro datum.
//!
//! Invariant: nothing is rounded into a type or made up: a field is in the JSON, or has a default in
//! the schema, or the value is refused. Fields that the schema does not have are left out only where
//! the caller says so.

use serde_json::{Map, Value};

use super::shape::{Field, MAX_DEPTH, Node, Shape};
use super::{CodecError, Place};
use crate::log::varint;

/// A found value is quoted up to so many characters.
const QUOTED_CHARS: usize = 60;

/// What becomes of a field that the schema does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strangers {
    /// The value is refused: a typing error would go unseen.
    Refused,
    /// It is left out, as Avro has it for what a newer writer adds.
    LeftOut,
}

pub(super) fn encode_datum(
    shape: &Shape,
    value: &Value,
    strangers: Strangers,
    out: &mut Vec<u8>,
) -> Result<(), CodecError> {
    let writing = Writing { shape, strangers };
    encode(writing, &shape.root, value, out, 0)
}

/// The bytes of a field's default.
pub(super) fn encode_default(
    shape: &Shape,
    node: &Node,
    default: &Value,
) -> Result<Vec<u8>, CodecError> {
    let mut out = Vec::new();
    let writing = Writing { shape, strangers: Strangers::Refused };
    encode(writing, node, default, &mut out, 0)?;
    Ok(out)
}

/// How values are written.
#[derive(Clone, Copy)]
struct Writing<'a> {
    shape: &'a Shape,
    strangers: Strangers,
}

fn encode(
    writing: Writing<'_>,
    node: &Node,
    value: &Value,
    out: &mut Vec<u8>,
    depth: usize,
) -> Result<(), CodecError> {
    if depth > MAX_DEPTH {
        let expected = format!("nesting of at most {MAX_DEPTH}");
        return Err(CodecError::Unexpected {
            place: Place::default(),
            found: "deeper".to_owned(),
            expected,
        });
    }
    match (node, value) {
        (Node::Null, Value::Null) => {}
        (Node::Boolean, Value::Bool(truth)) => out.push(u8::from(*truth)),
        (Node::Text, Value::String(text)) => put_bytes(text.as_bytes(), out),
        (Node::Array(item), Value::Array(items)) => {
            put_count(items.len(), out);
            for value in items {
                encode(writing, item, value, out, depth + 1)?;
            }
            if !items.is_empty() {
                varint::put_signed(out, 0);
            }
        }
        (Node::Map(node), Value::Object(entries)) => {
            put_count(entries.len(), out);
            for (key, value) in entries {
                put_bytes(key.as_bytes(), out);
                let encoded = encode(writing, node, value, out, depth + 1);
                encoded.map_err(|error| error.within(key))?;
            }
            if !entries.is_empty() {
                varint::put_signed(out, 0);
            }
        }
        (Node::Record(record), Value::Object(found)) => {
            encode_record(writing, &writing.shape.records[*record], found, out, depth)?;
        }
        (Node::Union(branches), _) => encode_union(writing, node, branches, value, out, depth)?,
        _ => encode_scalar(node, value, out).ok_or_else(|| unexpected(node, value))?,
    }
    Ok(())
}

fn encode_record(
    writing: Writing<'_>,
    fields: &[Field],
    found: &Map<String, Value>,
    out: &mut Vec<u8>,
    depth: usize,
) -> Result<(), CodecError> {
    let mut used = 0;
    for field in fields {
        let given = found.get(&field.name);
        used += usize::from(given.is_some());
        let Some(value) = given.or(field.default.as_ref()) else {
            let (place, expected) = (Place::field(&field.name), field.node.expected());
            return Err(CodecError::Missing { place, expected });
        };
        let encoded = encode(writing, &field.node, value, out, depth + 1);
        encoded.map_err(|error| error.within(&field.name))?;
    }
    if used == found.len() || writing.strangers == Strangers::LeftOut {
        return Ok(());
    }
    let known: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
    let stranger = found.keys().find(|name| !known.contains(&name.as_str()));
    let place = Place::field(stranger.map_or("", String::as_str));
    Err(CodecError::UnknownField { place, known: known.join(", ") })
}

/// The first branch that takes the value.
fn encode_union(
    writing: Writing<'_>,
    node: &Node,
    branches: &[Node],
    value: &Value,
    out: &mut Vec<u8>,
    depth: usize,
) -> Result<(), CodecError> {
    let begun = out.len();
    let mut last = unexpected(node, value);
    for (index, branch) in branches.iter().enumerate() {
        put_count(index, out);
        match encode(writing, branch, value, out, depth + 1) {
            Ok(()) => return Ok(()),
            Err(error) => {
                out.truncate(begun);
                // An object that is almost right says more than "expected null or an object".
                if matches!((branch, value), (Node::Record(_), Value::Object(_))) {
                    last = error;
                }
            }
        }
    }
    Err(last)
}

/// Numbers, bytes and enums; `None` when the value does not fit.
fn encode_scalar(node: &Node, value: &Value, out: &mut Vec<u8>) -> Option<()> {
    match node {
        Node::Int => {
            let number = i32::try_from(value.as_i64()?).ok()?;
            varint::put_signed(out, i64::from(number));
        }
        Node::Long | Node::Timestamp(_) => varint::put_signed(out, value.as_i64()?),
        Node::Float => {
            let float = value.as_f64()? as f32;
            out.extend_from_slice(&float.is_finite().then_some(float)?.to_le_bytes());
        }
        Node::Double => out.extend_from_slice(&value.as_f64()?.to_le_bytes()),
        Node::Bytes => put_bytes(&latin1(value.as_str()?)?, out),
        Node::Fixed(size_bytes) => {
            let bytes = latin1(value.as_str()?)?;
            out.extend_from_slice((bytes.len() == *size_bytes).then_some(&bytes)?);
        }
        Node::Enum(symbols) => {
            let symbol = value.as_str()?;
            put_count(symbols.iter().position(|known| known == symbol)?, out);
        }
        _ => return None,
    }
    Some(())
}

fn unexpected(node: &Node, value: &Value) -> CodecError {
    let mut found = value.to_string();
    if let Some((end, _)) = found.char_indices().nth(QUOTED_CHARS) {
        found.truncate(end);
        found.push('…');
    }
    CodecError::Unexpected { place: Place::default(), found, expected: node.expected() }
}

fn latin1(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|char| u8::try_from(char).ok()).collect()
}

fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    put_count(bytes.len(), out);
    out.extend_from_slice(bytes);
}

pub(super) fn put_count(count: usize, out: &mut Vec<u8>) {
    varint::put_signed(out, count as i64);
}
