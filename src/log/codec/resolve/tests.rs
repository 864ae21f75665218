use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::schema::{OwnSchema, WriterSchema};
use super::*;
use crate::log::codec::encode::Strangers;

/// What a reader of `reader` makes of a value written with `writer`.
fn read(writer: &Value, reader: &Value, value: &Value) -> Result<Value, String> {
    let writer_schema = OwnSchema::new(&writer.to_string()).unwrap();
    let reader_schema = OwnSchema::new(&reader.to_string()).unwrap();
    let mut datum = Vec::new();
    writer_schema.encode(value, Strangers::Refused, &mut datum).unwrap();
    let plan = Plan::new(&writer_schema.shape, &reader_schema.shape);
    let resolved = plan.and_then(|plan| plan.apply(&writer_schema.shape, &datum));
    resolved
        .and_then(|resolved| reader_schema.decode_json(&resolved))
        .map_err(|error| error.to_string())
}

fn record(fields: &Value) -> Value {
    json!({"type": "record", "name": "reading", "fields": fields})
}

fn field(name: &str, kind: impl Into<Value>) -> Value {
    json!({"name": name, "type": kind.into()})
}

/// Kafka Connect's optional field.
fn optional(name: &str, kind: impl Into<Value>) -> Value {
    json!({"name": name, "type": ["null", kind.into()], "default": null})
}

/// F11: reader newer: an added field takes its default.
#[test]
fn a_field_that_was_added_takes_its_default() {
    let older = record(&json!([field("a", "int")]));
    let newer = record(&json!([
        {"name": "b", "type": ["null", "string"], "default": null}, field("a", "int"),
        {"name": "c", "type": "boolean", "default": true}]));
    let expected = json!({"a": 7, "b": null, "c": true});
    assert_eq!(read(&older, &newer, &json!({"a": 7})), Ok(expected));
}

/// F11: a field without a default cannot be made up.
#[test]
fn a_field_that_is_missing_needs_a_default() {
    let older = record(&json!([field("a", "int")]));
    let newer = record(&json!([field("a", "int"), field("b", "float")]));
    let refused = read(&older, &newer, &json!({"a": 7}));
    let expected = "field \"b\" is missing, expected a number that fits a 32-bit float";
    assert_eq!(refused, Err(expected.to_owned()));
}

/// F11: reader older: a field that it does not know is passed over, and the order is its own.
#[test]
fn fields_may_be_removed_and_moved() {
    let inner = json!({"type": "record", "name": "inner", "fields": [
        field("x", "string"), field("y", "long")]});
    let writer = record(&json!([
        field("gone", json!({"type": "map", "values": inner})),
        field("b", "string"),
        field("also_gone", "double"),
        field("a", "int")
    ]));
    let reader = record(&json!([field("a", "int"), field("b", "string")]));
    let value = json!({"gone": {"k": {"x": "y", "y": 5}}, "b": "text", "also_gone": 0.5, "a": 3});
    assert_eq!(read(&writer, &reader, &value), Ok(json!({"a": 3, "b": "text"})));
}

/// F11: int to float, and every other widening of Avro's.
#[test]
fn numbers_are_widened() {
    for (from, to, value, expected) in [
        ("int", "long", json!(-7), json!(-7)),
        ("int", "float", json!(42), json!(42.0)),
        ("int", "double", json!(i32::MAX), json!(f64::from(i32::MAX))),
        ("long", "float", json!(1i64 << 22), json!((1i64 << 22) as f64)),
        ("long", "double", json!(-5), json!(-5.0)),
        ("float", "double", json!(0.5), json!(0.5)),
        ("string", "bytes", json!("ab"), json!("ab")),
        ("bytes", "string", json!("ab"), json!("ab")),
    ] {
        assert_eq!(read(&json!(from), &json!(to), &value), Ok(expected), "{from} to {to}");
    }
}

/// F11: never a wrong value: what the wider type does not hold exactly is refused.
#[test]
fn a_number_that_would_be_rounded_is_refused() {
    let refused = |from: &str, to: &str, value: i64| {
        read(&json!(from), &json!(to), &json!(value)).unwrap_err()
    };
    let expected = "the value is 16777217, expected a number that a 32-bit float holds exactly";
    assert_eq!(refused("int", "float", 16_777_217), expected);
    assert!(refused("long", "float", i64::MAX).contains("32-bit"));
    assert!(refused("long", "double", i64::MAX).contains("64-bit"));
}

/// F11: what Avro does not widen is refused, also where some values would fit.
#[test]
fn nothing_is_narrowed_or_taken_for_something_else() {
    for (from, to, value) in [
        ("long", "int", json!(5)),
        ("double", "float", json!(0.5)),
        ("float", "int", json!(5)),
        ("string", "int", json!("5")),
        ("int", "string", json!(5)),
        ("null", "int", Value::Null),
        ("boolean", "int", json!(true)),
    ] {
        let refused = read(&json!(from), &json!(to), &value).unwrap_err();
        assert!(refused.starts_with("the value is written as "), "{from} to {to}: {refused}");
    }
    let text = read(&json!("bytes"), &json!("string"), &json!("\u{ff}")).unwrap_err();
    assert_eq!(text, "the value is not UTF-8");
}

/// F11: a unit of time never stands for another.
#[test]
fn times_keep_their_unit() {
    let time = |unit: &str| json!({"type": "long", "logicalType": format!("timestamp-{unit}")});
    let at = json!(1_700_000_000_000i64);
    for (from, to) in [
        (time("millis"), time("millis")),
        (time("millis"), json!("long")),
        (json!("long"), time("millis")),
    ] {
        assert_eq!(read(&from, &to, &at), Ok(at.clone()), "{from} to {to}");
    }
    for to in [time("millis"), json!("long")] {
        for from in [time("micros"), time("nanos")] {
            assert!(read(&from, &to, &at).unwrap_err().contains("since the epoch"), "{from}");
        }
    }
}

/// F11: unions as Kafka Connect writes them: every field optional, types renamed.
#[test]
fn optional_fields_are_read_as_plain_ones_while_they_have_a_value() {
    let writer = json!({"type": "record", "name": "ConnectDefault", "namespace": "io.confluent.ksql",
        "fields": [optional("plant_id", json!({"type": "int", "connect.type": "int32"})),
            optional("moisture", "int"), optional("extra", "string")]});
    let reader = record(&json!([field("plant_id", "int"), field("moisture", "float")]));
    let value = json!({"plant_id": 4, "moisture": 25, "extra": null});
    assert_eq!(read(&writer, &reader, &value), Ok(json!({"plant_id": 4, "moisture": 25.0})));
    let refused = read(&writer, &reader, &json!({"plant_id": 4, "moisture": null, "extra": "x"}));
    let expected = "field \"moisture\" is written as null, expected a number that fits a 32-bit \
                    float";
    assert_eq!(refused, Err(expected.to_owned()));
}

/// F11
#[test]
fn plain_fields_and_other_unions_are_read_as_optional_ones() {
    let reader = json!(["null", "float", "string"]);
    for (writer, value, expected) in [
        (json!("float"), json!(0.5), json!(0.5)),
        (json!("int"), json!(5), json!(5.0)),
        (json!("null"), Value::Null, Value::Null),
        (json!(["string", "int", "null"]), json!("x"), json!("x")),
        (json!(["string", "int", "null"]), json!(7), json!(7.0)),
        (json!(["string", "int", "null"]), Value::Null, Value::Null),
    ] {
        assert_eq!(read(&writer, &reader, &value), Ok(expected), "{writer}");
    }
    let refused = read(&json!(["boolean", "float"]), &reader, &json!(true)).unwrap_err();
    assert!(refused.contains("written as true or false"), "{refused}");
}

/// F11: records and enums go by what is in them, not by what they are called.
#[test]
fn records_enums_and_fixed_bytes_may_be_renamed() {
    let kind =
        |name: &str, symbols: &[&str]| json!({"type": "enum", "name": name, "symbols": symbols});
    let renamed = |name: &str, kinds: Value, size: u32| {
        json!({"type": "record", "name": name, "namespace": format!("of.{name}"), "fields": [
            field("kind", kinds), field("raw", json!({"type": "fixed", "name": "F", "size": size})),
            {"name": "old", "aliases": ["older"], "type": "int"}]})
    };
    let writer = renamed("theirs", kind("k", &["A", "B", "C"]), 2);
    let writer = writer.to_string().replace("\"old\"", "\"older\"").replace("[\"older\"]", "[]");
    let writer = serde_json::from_str(&writer).unwrap();
    let reader = renamed("ours", kind("other", &["C", "A"]), 2);
    let value = |kind: &str, old: &str| json!({"kind": kind, "raw": "ab", old: 3});
    for symbol in ["A", "C"] {
        let read = read(&writer, &reader, &value(symbol, "older"));
        assert_eq!(read, Ok(value(symbol, "old")));
    }
    let refused = read(&writer, &reader, &value("B", "older"));
    assert_eq!(refused, Err("field \"kind\" is the unknown \"B\"".to_owned()));
    let longer = renamed("ours", kind("other", &["C", "A"]), 3);
    assert!(read(&writer, &longer, &value("A", "older")).unwrap_err().contains("\"raw\""));
}

/// F11
#[test]
fn arrays_maps_and_records_that_hold_themselves_are_read_item_by_item() {
    let tree = |value: Value, extra: &[Value]| {
        let mut fields = vec![
            field("value", value),
            field("children", json!({"type": "array", "items": "tree"})),
            json!({"name": "named", "type": {"type": "map", "values": ["null", "tree"]}}),
        ];
        fields.extend_from_slice(extra);
        json!({"type": "record", "name": "tree", "fields": fields})
    };
    let writer = tree(json!("int"), &[field("extra", "string")]);
    let reader = tree(json!(["null", "double"]), &[]);
    let node = |value: i32, children: Value, named: Value| json!({"value": value, "children": children, "named": named, "extra": "x"});
    let leaf = || node(2, json!([]), json!({}));
    let value = node(1, json!([leaf(), leaf()]), json!({"a": leaf(), "b": null}));
    let plain = json!({"value": 2.0, "children": [], "named": {}});
    let expected = json!({"value": 1.0, "children": [plain, plain],
        "named": {"a": plain, "b": null}});
    assert_eq!(read(&writer, &reader, &value), Ok(expected));
}

/// F11: a branch that cannot be read spoils only the values that have it.
#[test]
fn a_record_that_cannot_be_read_spoils_only_its_own_branch() {
    let bad = json!({"type": "record", "name": "bad", "fields": [field("n", "string"),
        field("again", json!(["null", "bad"]))]});
    let writer = json!([bad, "int"]);
    let good = json!({"type": "record", "name": "good", "fields": [field("n", "int"),
        field("again", json!(["null", "good"]))]});
    let reader = json!([good, "int"]);
    assert_eq!(read(&writer, &reader, &json!(5)), Ok(json!(5)));
    let refused = read(&writer, &reader, &json!({"n": "x", "again": null})).unwrap_err();
    assert!(refused.contains("field \"n\""), "{refused}");
}

#[test]
fn a_datum_that_the_writer_never_wrote_is_refused() {
    let writer = WriterSchema::parse(&record(&json!([field("a", "int")])).to_string()).unwrap();
    let reader = WriterSchema::parse(&record(&json!([field("a", "long")])).to_string()).unwrap();
    let plan = Plan::new(&writer.shape, &reader.shape).unwrap();
    assert!(matches!(plan.apply(&writer.shape, &[]), Err(CodecError::Truncated(_))));
    let trailing = plan.apply(&writer.shape, &[2, 2]);
    assert_eq!(trailing, Err(CodecError::Trailing { extra_bytes: 1 }));
}

proptest! {
    /// F11: exactly or not at all.
    #[test]
    fn a_whole_number_is_read_as_a_float_exactly_or_not_at_all(number: i64, shift in 0u32..64) {
        let whole = number >> shift;
        for (name, held) in [("float", (whole as f32) as i128), ("double", (whole as f64) as i128)] {
            let is_read = read(&json!("long"), &json!(name), &json!(whole)).is_ok();
            prop_assert_eq!(is_read, held == i128::from(whole), "{} as {}", whole, name);
        }
    }
}
