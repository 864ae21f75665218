//! Reading an Avro datum: walking it to its end, and showing it as JSON.
//!
//! Invariant: a length or a count is believed only as far as the bytes that are left, and a datum
//! never becomes more items than its bytes and one fixed number beside them.

use serde_json::{Map, Number, Value};

use super::shape::{MAX_DEPTH, Node, Shape};
use super::{CodecError, Place};
use crate::log::varint::{self, VarintError};

/// Items that take no byte (nulls, records without fields) could be claimed again and again: all
/// arrays of a datum together may have no more of them.
const MAX_EMPTY_ITEMS: usize = 1_000;

/// Checks that `datum` is one whole value of the shape and nothing more.
#[inline]
pub(super) fn walk_datum(shape: &Shape, datum: &[u8]) -> Result<(), CodecError> {
    let mut rest = datum;
    walk(shape, &shape.root, &mut rest)?;
    if rest.is_empty() {
        return Ok(());
    }
    Err(CodecError::Trailing { extra_bytes: rest.len() })
}

/// The value as JSON. `datum` was walked before.
pub(super) fn decode_datum(shape: &Shape, datum: &[u8]) -> Result<Value, CodecError> {
    let mut rest = datum;
    json(shape, &shape.root, &mut rest)
}

/// Takes one value off the front of a datum, or of a part of one that was walked as a whole.
#[inline]
pub(super) fn walk(shape: &Shape, node: &Node, rest: &mut &[u8]) -> Result<(), CodecError> {
    walk_at(shape, node, rest, 0, &mut 0)
}

/// The same. `depth` is how deep it lies, and `empty` counts the items without a byte.
fn walk_at(
    shape: &Shape,
    node: &Node,
    rest: &mut &[u8],
    depth: usize,
    empty: &mut usize,
) -> Result<(), CodecError> {
    match node {
        Node::Null => {}
        Node::Boolean => {
            boolean(rest)?;
        }
        Node::Int => {
            int(rest)?;
        }
        Node::Long | Node::Timestamp(_) => {
            long(rest)?;
        }
        Node::Float => {
            take(rest, 4)?;
        }
        Node::Double => {
            take(rest, 8)?;
        }
        Node::Bytes => {
            bytes(rest)?;
        }
        Node::Text => {
            text(rest)?;
        }
        Node::Fixed(size_bytes) => {
            take(rest, *size_bytes)?;
        }
        Node::Enum(symbols) => {
            index(rest, symbols.len())?;
        }
        Node::Record(record) => {
            let depth = deeper(depth)?;
            for field in &shape.records[*record] {
                let walked = walk_at(shape, &field.node, rest, depth, empty);
                walked.map_err(|error| error.within(&field.name))?;
            }
        }
        Node::Array(_) | Node::Map(_) | Node::Union(_) => {
            walk_holder(shape, node, rest, deeper(depth)?, empty)?;
        }
    }
    Ok(())
}

fn walk_holder(
    shape: &Shape,
    node: &Node,
    rest: &mut &[u8],
    depth: usize,
    empty: &mut usize,
) -> Result<(), CodecError> {
    match node {
        Node::Array(item) => {
            let mut block = 0;
            while next_item(rest, &mut block)? {
                let left_bytes = rest.len();
                walk_at(shape, item, rest, depth, empty)?;
                *empty += usize::from(rest.len() == left_bytes);
                if *empty > MAX_EMPTY_ITEMS {
                    return Err(malformed(format!("has more than {MAX_EMPTY_ITEMS} empty items")));
                }
            }
        }
        Node::Map(value) => {
            let mut block = 0;
            while next_item(rest, &mut block)? {
                text(rest)?;
                walk_at(shape, value, rest, depth, empty)?;
            }
        }
        Node::Union(branches) => {
            let branch = index(rest, branches.len())?;
            walk_at(shape, &branches[branch], rest, depth, empty)?;
        }
        _ => {}
    }
    Ok(())
}

fn json(shape: &Shape, node: &Node, rest: &mut &[u8]) -> Result<Value, CodecError> {
    Ok(match node {
        Node::Null => Value::Null,
        Node::Boolean => Value::Bool(boolean(rest)?),
        Node::Int => Value::from(int(rest)?),
        Node::Long | Node::Timestamp(_) => Value::from(long(rest)?),
        Node::Float => float_json(f32::from_le_bytes(take_array(rest)?)),
        Node::Double => double_json(f64::from_le_bytes(take_array(rest)?)),
        Node::Bytes => Value::String(latin1(bytes(rest)?)),
        Node::Text => Value::String(text(rest)?.to_owned()),
        Node::Fixed(size_bytes) => Value::String(latin1(take(rest, *size_bytes)?)),
        Node::Enum(symbols) => Value::String(symbols[index(rest, symbols.len())?].clone()),
        Node::Union(branches) => {
            let branch = index(rest, branches.len())?;
            json(shape, &branches[branch], rest)?
        }
        Node::Array(item) => {
            let mut items = Vec::new();
            let mut block = 0;
            while next_item(rest, &mut block)? {
                items.push(json(shape, item, rest)?);
            }
            Value::Array(items)
        }
        Node::Map(value) => {
            let mut entries = Map::new();
            let mut block = 0;
            while next_item(rest, &mut block)? {
                let key = text(rest)?.to_owned();
                entries.insert(key, json(shape, value, rest)?);
            }
            Value::Object(entries)
        }
        Node::Record(record) => {
            let mut fields = Map::new();
            for field in &shape.records[*record] {
                let value = json(shape, &field.node, rest);
                let value = value.map_err(|error| error.within(&field.name))?;
                fields.insert(field.name.clone(), value);
            }
            Value::Object(fields)
        }
    })
}

/// The shortest number that is this float, as people wrote it.
fn float_json(float: f32) -> Value {
    if !float.is_finite() {
        return not_finite(f64::from(float));
    }
    let shortest = float.to_string().parse().unwrap_or(f64::from(float));
    double_json(shortest)
}

fn double_json(double: f64) -> Value {
    Number::from_f64(double).map_or_else(|| not_finite(double), Value::Number)
}

fn not_finite(double: f64) -> Value {
    let name = match double {
        f64::INFINITY => "Infinity",
        f64::NEG_INFINITY => "-Infinity",
        _ => "NaN",
    };
    Value::String(name.to_owned())
}

/// Avro's own JSON form of bytes: a character for each.
fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

fn deeper(depth: usize) -> Result<usize, CodecError> {
    if depth < MAX_DEPTH {
        return Ok(depth + 1);
    }
    Err(malformed(format!("is nested more than {MAX_DEPTH} deep")))
}

/// Is there another item in an array or a map? `block` counts those left in the block at hand.
pub(super) fn next_item(rest: &mut &[u8], block: &mut u64) -> Result<bool, CodecError> {
    if *block == 0 {
        let count = long(rest)?;
        if count < 0 {
            // A negative count is followed by the block's size in bytes.
            long(rest)?;
        }
        if count.unsigned_abs() > rest.len().max(MAX_EMPTY_ITEMS) as u64 {
            let left_bytes = rest.len();
            return Err(malformed(format!("claims {count} items in {left_bytes} bytes")));
        }
        *block = count.unsigned_abs();
        if *block == 0 {
            return Ok(false);
        }
    }
    *block -= 1;
    Ok(true)
}

fn boolean(rest: &mut &[u8]) -> Result<bool, CodecError> {
    match take_array(rest)? {
        [0] => Ok(false),
        [1] => Ok(true),
        [other] => Err(malformed(format!("is the byte {other}, expected 0 or 1"))),
    }
}

#[inline]
fn int(rest: &mut &[u8]) -> Result<i32, CodecError> {
    let number = long(rest)?;
    i32::try_from(number).map_err(|_| malformed(format!("is {number}, expected an int")))
}

#[inline]
pub(super) fn long(rest: &mut &[u8]) -> Result<i64, CodecError> {
    varint::take_signed(rest).map_err(|error| match error {
        VarintError::CutOff => truncated(),
        VarintError::TooLong => malformed("is a number of more than 64 bits".to_owned()),
    })
}

pub(super) fn index(rest: &mut &[u8], count: usize) -> Result<usize, CodecError> {
    let number = long(rest)?;
    let index = usize::try_from(number).ok().filter(|index| *index < count);
    index.ok_or_else(|| malformed(format!("is choice {number}, expected fewer than {count}")))
}

pub(super) fn text<'a>(rest: &mut &'a [u8]) -> Result<&'a str, CodecError> {
    std::str::from_utf8(bytes(rest)?).map_err(|_| malformed("is not UTF-8".to_owned()))
}

fn bytes<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], CodecError> {
    let number = long(rest)?;
    match usize::try_from(number) {
        Ok(len) => take(rest, len),
        Err(_) => Err(malformed(format!("has a length of {number} bytes"))),
    }
}

#[inline]
fn take<'a>(rest: &mut &'a [u8], len: usize) -> Result<&'a [u8], CodecError> {
    let (taken, after) = rest.split_at_checked(len).ok_or_else(truncated)?;
    *rest = after;
    Ok(taken)
}

pub(super) fn take_array<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], CodecError> {
    let (taken, after) = rest.split_first_chunk::<N>().ok_or_else(truncated)?;
    *rest = after;
    Ok(*taken)
}

#[cold]
fn truncated() -> CodecError {
    CodecError::Truncated(Place::default())
}

#[cold]
pub(super) fn malformed(reason: String) -> CodecError {
    CodecError::Malformed { place: Place::default(), reason }
}
