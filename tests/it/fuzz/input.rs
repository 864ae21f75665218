//! Input to fuzz with: samples changed byte by byte or value by value, and JSON out of thin air.

use fastrand::Rng;
use serde_json::{Map, Value};

/// Pieces that parsers stumble over.
const HOSTILE: &[&[u8]] = &[
    b"-1",
    b"0",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"18446744073709551616",
    b"1e999",
    b"1e-400",
    b"NaN",
    b"null",
    b"true",
    b"{}",
    b"[]",
    b"\"\"",
    b"[[[[[[[[",
    b"{\"a\":{\"a\":",
    b"\"\\ud800\"",
    b"\\u0000",
    b"\0",
    b"\n",
    b"\x80",
    b"\xc3\x01",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\xfe\xff\xff\xff\x1f",
    b"\x01\x02",
    "\u{202e}".as_bytes(),
    "٣".as_bytes(),
    "−".as_bytes(),
    "🪴".as_bytes(),
    "e\u{301}".as_bytes(),
    b">=",
    b":",
    b"/",
    b"@",
    b"%",
    b".",
    b",",
];

/// Names and words that an update or an answer has somewhere.
const NAMES: &[&str] = &[
    "update_id",
    "message",
    "callback_query",
    "edited_message",
    "channel_post",
    "my_chat_member",
    "chat",
    "id",
    "type",
    "private",
    "from",
    "is_bot",
    "sender_chat",
    "text",
    "data",
    "date",
    "message_id",
    "message_thread_id",
    "is_topic_message",
    "migrate_to_chat_id",
    "ok",
    "result",
    "parameters",
    "retry_after",
    "error_code",
    "status",
    "forward_origin",
    "reply_to_message",
    "/start ABCD2345",
    "/plants",
    "d:5:keep",
    "\u{202e}",
    "",
];

const NUMBERS: &[i64] =
    &[0, 1, -1, 5, 7, 127, 128, 65_536, i32::MAX as i64, i32::MIN as i64, i64::MAX, i64::MIN];

/// JSON is not made deeper than this.
const DEPTH: u8 = 4;

fn pick<'a, T>(rng: &mut Rng, from: &'a [T]) -> &'a T {
    &from[rng.usize(..from.len())]
}

/// One of the samples, changed in a few places, or not at all.
pub(super) fn mutated<S: AsRef<[u8]>>(rng: &mut Rng, samples: &[S]) -> Vec<u8> {
    let mut bytes = pick(rng, samples).as_ref().to_vec();
    for _ in 0..rng.usize(..6) {
        let at = rng.usize(..=bytes.len());
        let end = (at + rng.usize(..12)).min(bytes.len());
        match rng.u8(..7) {
            0 if at < bytes.len() => bytes[at] ^= 1 << rng.u8(..8),
            1 if at < bytes.len() => bytes[at] = rng.u8(..),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            4 => drop(bytes.splice(at..end, pick(rng, HOSTILE).iter().copied())),
            5 => {
                let other = pick(rng, samples).as_ref();
                let from = rng.usize(..=other.len());
                let to = (from + rng.usize(..40)).min(other.len());
                bytes.splice(at..at, other[from..to].iter().copied());
            }
            _ => bytes.truncate(at),
        }
    }
    bytes
}

/// JSON of any shape, as text.
pub(super) fn json_text(rng: &mut Rng) -> Vec<u8> {
    json(rng, 0).to_string().into_bytes()
}

/// JSON text: mostly a sample of which a few values are others, so that it is still JSON; else a
/// sample that was changed as text, or anything.
pub(super) fn mutated_json(rng: &mut Rng, samples: &[Value], texts: &[String]) -> Vec<u8> {
    match rng.u8(..8) {
        0 => json_text(rng),
        1..4 => mutated(rng, texts),
        _ => {
            let mut value = pick(rng, samples).clone();
            for _ in 0..=rng.u8(..3) {
                change(rng, &mut value);
            }
            value.to_string().into_bytes()
        }
    }
}

fn json(rng: &mut Rng, depth: u8) -> Value {
    match rng.u8(..if depth < DEPTH { 8 } else { 5 }) {
        0 => Value::Null,
        1 => rng.bool().into(),
        2 => (*pick(rng, NUMBERS)).into(),
        3 => (rng.f64() * 1e6).into(),
        4 => (*pick(rng, NAMES)).into(),
        5 => (0..rng.u8(..4)).map(|_| json(rng, depth + 1)).collect(),
        _ => {
            let entry = |_| ((*pick(rng, NAMES)).to_owned(), json(rng, depth + 1));
            (0..4).map(entry).collect::<Map<String, Value>>().into()
        }
    }
}

/// Changes something in it: the nearer to the leaves, the more often.
fn change(rng: &mut Rng, value: &mut Value) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let at = rng.usize(..fields.len());
            let name = fields.keys().nth(at).cloned().unwrap_or_default();
            match rng.u8(..16) {
                0 => drop(fields.remove(&name)),
                1 => drop(fields.insert((*pick(rng, NAMES)).to_owned(), json(rng, 2))),
                2 => {
                    let moved = fields.remove(&name).unwrap_or_default();
                    fields.insert((*pick(rng, NAMES)).to_owned(), moved);
                }
                _ => change(rng, &mut fields[&name]),
            }
        }
        Value::Array(items) if !items.is_empty() && rng.bool() => {
            let at = rng.usize(..items.len());
            change(rng, &mut items[at]);
        }
        leaf => *leaf = json(rng, 2),
    }
}

/// Text as a case; bytes that are none are shown as U+FFFD.
pub(super) fn text_of(case: &[u8]) -> String {
    String::from_utf8_lossy(case).into_owned()
}
