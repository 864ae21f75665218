//! What a registry's schemas make of values: Confluent's wire format, schema resolution, JSON.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::writer::datum::GenericDatumWriter;
use serde_json::{Value, json};
use windowsill::kernel::topic::Format;
use windowsill::log::codec::{Codec, WriterSchema};
use windowsill::log::registry::Book;

use super::input::{json_text, mutated, text_of};
use super::{fuzz, fuzz_some};

/// Schemas of one thing, as its readers and writers have them. Each reads the others where it can.
const SCHEMAS: &[&str] = &[
    r#"{"type": "record", "name": "r", "fields": [{"name": "a", "type": "int"},
        {"name": "b", "type": "float"}, {"name": "c", "type": "string"}]}"#,
    r#"{"type": "record", "name": "r", "fields": [{"name": "c", "type": "bytes"},
        {"name": "a", "type": "long"}, {"name": "b", "type": "double"}]}"#,
    r#"{"type": "record", "name": "Other", "namespace": "x", "fields": [
        {"name": "b", "type": ["null", "int"], "default": null},
        {"name": "a", "type": ["null", "int", "string"], "default": null},
        {"name": "new", "type": {"type": "array", "items": ["null", "long"]}, "default": []}]}"#,
    r#"{"type": "record", "name": "r", "fields": [
        {"name": "a", "type": ["string", "null", "long"], "default": "x"},
        {"name": "e", "type": {"type": "enum", "name": "e", "symbols": ["A", "B"]}, "default": "B"},
        {"name": "in", "type": ["null", "r"], "default": null}]}"#,
    r#"{"type": "record", "name": "s", "fields": [
        {"name": "e", "type": {"type": "enum", "name": "f", "symbols": ["C", "B", "A"]}},
        {"name": "in", "type": ["null", "s"]}, {"name": "a", "type": ["null", "int"]},
        {"name": "m", "type": {"type": "map", "values": "float"}}]}"#,
    r#"{"type": "record", "name": "r", "fields": [
        {"name": "m", "type": {"type": "map", "values": ["double", "null"]}},
        {"name": "a", "type": ["null", "double"], "default": null}]}"#,
    r#"{"type": "array", "items": ["null", "int", "float"]}"#,
    r#"{"type": "array", "items": ["string", "null", "double"]}"#,
    r#"{"type": "array", "items": "long"}"#,
    r#"["null", "long", {"type": "array", "items": "double"}]"#,
    r#"{"type": "long", "logicalType": "timestamp-millis"}"#,
    r#"{"type": "long", "logicalType": "timestamp-micros"}"#,
    r#""long""#,
    r#""double""#,
];

/// A value of each, for the cases to begin with.
fn samples() -> Vec<Value> {
    let leaf = json!({"a": "y", "e": "A", "in": null});
    vec![
        json!({"a": -3, "b": 0.5, "c": "text"}),
        json!({"a": 3_000_000_000i64, "b": 0.5, "c": "text"}),
        json!({"a": 3, "b": 7, "new": [null, 5]}),
        json!({"a": 9, "e": "B", "in": {"a": null, "e": "A", "in": leaf}}),
        json!({"e": "B", "in": {"e": "C", "in": null, "a": null, "m": {}}, "a": 4,
            "m": {"k": 0.5, "l": -1.0}}),
        json!({"m": {"k": 0.5, "l": null}, "a": 2.5}),
        json!([null, 5, 0.5]),
        json!(["x", null, 0.5]),
        json!([1, 16_777_217, -5]),
        json!([0.5, 1.5]),
        json!(1_700_000_000_000i64),
        json!(1_700_000_000_000_000i64),
        json!(9_007_199_254_740_993i64),
        json!(0.5),
    ]
}

struct Formats {
    /// A codec that reads with each schema and knows all of them, by their index.
    readers: Vec<Codec>,
    parsed: Vec<Schema>,
    /// Values in the wire format.
    samples: Vec<Vec<u8>>,
}

const HEADER_BYTES: usize = 5;

static FORMATS: LazyLock<Formats> = LazyLock::new(|| {
    let book = Arc::new(Book::default());
    for (id, text) in (0..).zip(SCHEMAS) {
        book.remember(id, WriterSchema::parse(text).unwrap());
    }
    let reader = |text: &&'static str| {
        Codec::confluent(Format::Avro(text), "fuzz-value".to_owned(), Arc::clone(&book)).unwrap()
    };
    let readers: Vec<Codec> = SCHEMAS.iter().map(reader).collect();
    let mut encoded = Vec::new();
    for (id, (codec, value)) in (0..).zip(readers.iter().zip(samples())) {
        let Codec::Confluent(confluent) = codec else { panic!("{codec:?}") };
        confluent.write_with(id);
        encoded.push(codec.encode(&value).unwrap());
    }
    let parsed = SCHEMAS.iter().map(|text| Schema::parse_str(text).unwrap()).collect();
    Formats { readers, parsed, samples: encoded }
});

/// Mutations behind the header, so that most cases get past it; sometimes anywhere.
fn wire(rng: &mut fastrand::Rng) -> Vec<u8> {
    let samples = &FORMATS.samples;
    let (header, datum) = samples[rng.usize(..samples.len())].split_at(HEADER_BYTES);
    match rng.u8(..8) {
        0 => mutated(rng, samples),
        1 => [header, datum].concat(),
        2 => {
            let datum: Vec<u8> = (0..rng.usize(..40)).map(|_| rng.u8(..)).collect();
            [header, &datum].concat()
        }
        _ => [header, &mutated(rng, &[datum])].concat(),
    }
}

/// What Avro's library makes of the same: the reader's datum. It may refuse, or panic.
fn resolved_elsewhere(writer: &Schema, reader: &Schema, mut datum: &[u8]) -> Option<Vec<u8>> {
    let resolve = || {
        let read = GenericDatumReader::builder(writer).reader_schema(reader).build().ok()?;
        let value = read.read_value(&mut datum).ok()?;
        GenericDatumWriter::builder(reader).build().ok()?.write_value_to_vec(value).ok()
    };
    catch_unwind(AssertUnwindSafe(resolve)).ok().flatten()
}

/// The same but for the kind of number: that library narrows a long into an int's branch.
fn is_same(value: &Value, other: &Value) -> bool {
    match (value, other) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| is_same(a, b)))
        }
        (a, b) => a == b,
    }
}

/// F9, F11: any writer's bytes are read as any reader's value or refused with words; and what is
/// read is what Avro's own library reads, where it can.
#[test]
fn values_of_other_schemas_are_read_as_avros_library_reads_them() {
    fuzz_some(4, wire, |bytes| {
        // JSON of before there was a registry is another format, with its own test.
        if bytes.first() != Some(&0) {
            return;
        }
        for (reader_id, codec) in (0u32..).zip(&FORMATS.readers) {
            let value = match codec.decode_json(bytes) {
                Ok(value) => value,
                Err(error) => {
                    assert!(!error.to_string().is_empty());
                    continue;
                }
            };
            let writer = u32::from_be_bytes(bytes[1..HEADER_BYTES].try_into().unwrap());
            let (writer, reader) = (writer as usize, reader_id as usize);
            let datum = &bytes[HEADER_BYTES..];
            let parsed = &FORMATS.parsed;
            let Some(other) = resolved_elsewhere(&parsed[writer], &parsed[reader], datum) else {
                continue;
            };
            let other = [&[0][..], &reader_id.to_be_bytes(), &other].concat();
            let other = codec.decode_json(&other).unwrap();
            let (from, to) = (SCHEMAS[writer], SCHEMAS[reader]);
            assert!(is_same(&value, &other), "{from} read as {to}: {value}, {other} elsewhere");
        }
    });
}

/// F11: whatever text a registry gives for a schema: it is one that can be used, or it is not.
#[test]
fn schemas_of_a_registry_are_used_or_refused() {
    let texts: Vec<String> = SCHEMAS.iter().map(|text| (*text).to_owned()).collect();
    fuzz(
        |rng| match rng.u8(..8) {
            0 => json_text(rng),
            _ => mutated(rng, &texts),
        },
        |bytes| {
            let Ok(schema) = WriterSchema::parse(&text_of(bytes)) else { return };
            let book = Arc::new(Book::default());
            book.remember(7, schema);
            let codec = Codec::confluent(Format::Json, String::new(), book).unwrap();
            let _ = codec.decode_json(&[0, 0, 0, 0, 7, 2, 2, 2, 0, 2]);
        },
    );
}

/// F9: JSON of a topic with a schema: what is taken is what the schema says, and is written so.
#[test]
fn json_values_that_are_taken_fit_their_schema() {
    let text = include_str!("../../../schemas/houseplant-metadata.avsc");
    let codec = Codec::json(Format::Avro(text)).unwrap();
    let avro = Codec::avro(text).unwrap();
    let sample = crate::bot::past::plant(7, "Robin's", 20.0).to_string();
    fuzz(
        |rng| match rng.u8(..4) {
            0 => json_text(rng),
            _ => mutated(rng, &[&sample]),
        },
        |bytes| match codec.decode_json(bytes) {
            Err(error) => assert!(!error.to_string().is_empty()),
            Ok(value) => {
                let written = codec.encode(&value).unwrap();
                assert_eq!(codec.decode_json(&written).unwrap(), value);
                assert_eq!(avro.decode_json(&avro.encode(&value).unwrap()).unwrap(), value);
            }
        },
    );
}
