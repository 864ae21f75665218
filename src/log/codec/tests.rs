use proptest::prelude::*;
use serde::Deserialize;
use serde_json::json;

use super::*;
use crate::kernel::topic::Format;

const READING: &str = r#"{"type": "record", "name": "reading", "namespace": "com.houseplants",
    "fields": [{"name": "plant_id", "type": "int"}, {"name": "moisture", "type": "float"},
               {"name": "temperature", "type": "float"}]}"#;

/// Every kind of node, a default, and a record that holds itself.
const EVERYTHING: &str = r#"{"type": "record", "name": "all", "fields": [
    {"name": "flag", "type": "boolean"}, {"name": "id", "type": "long", "default": -1},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    {"name": "score", "type": "double"}, {"name": "raw", "type": "bytes"},
    {"name": "name", "type": ["null", "string"], "default": null},
    {"name": "colour", "type": {"type": "enum", "name": "c", "symbols": ["RED", "BLUE"]}},
    {"name": "mac", "type": {"type": "fixed", "name": "m", "size": 2}},
    {"name": "tags", "type": {"type": "array", "items": "string"}},
    {"name": "counts", "type": {"type": "map", "values": "int"}},
    {"name": "child", "type": ["null", "all"], "default": null}]}"#;

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename = "reading")]
struct Reading {
    plant_id: i32,
    moisture: f32,
    temperature: f32,
}

fn codec(schema: &'static str) -> Codec {
    Codec::of(Format::Avro(schema)).unwrap()
}

fn everything() -> Value {
    json!({"flag": true, "id": 7, "at": 1_700_000_000_000i64, "score": 0.1, "raw": "\u{0}\u{ff}",
        "name": "Cyril", "colour": "BLUE", "mac": "ab", "tags": ["x", "ü"], "counts": {"n": -3},
        "child": null})
}

#[test]
fn a_reading_is_what_other_producers_write() {
    let bytes = codec(READING)
        .encode(&json!({"plant_id": 4, "moisture": 25.5, "temperature": 18.25}))
        .unwrap();
    assert_eq!(bytes[..2], [0xc3, 0x01]);
    assert_eq!(bytes[10..], [8, 0, 0, 0xcc, 0x41, 0, 0, 0x92, 0x41]);
    let read: Reading = codec(READING).decode(&bytes).unwrap();
    assert_eq!(read, Reading { plant_id: 4, moisture: 25.5, temperature: 18.25 });
}

#[test]
fn the_fingerprint_is_the_one_of_the_specification() {
    let bytes = codec("\"int\"").encode(&json!(1)).unwrap();
    assert_eq!(bytes[2..10], 0x7275_d51a_3f39_5c8f_u64.to_le_bytes());
}

#[test]
fn every_kind_of_value_comes_back() {
    let codec = codec(EVERYTHING);
    let mut value = everything();
    value["child"] = everything();
    assert_eq!(codec.decode_json(&codec.encode(&value).unwrap()).unwrap(), value);
}

#[test]
fn a_default_stands_in_for_a_field_that_is_left_out() {
    let codec = codec(EVERYTHING);
    let mut value = everything();
    value.as_object_mut().unwrap().remove("id");
    let read = codec.decode_json(&codec.encode(&value).unwrap()).unwrap();
    assert_eq!(read["id"], json!(-1));
}

#[test]
fn a_float_is_shown_as_it_was_written() {
    let codec = codec(READING);
    let value = json!({"plant_id": 0, "moisture": 25.1, "temperature": 1e-5});
    assert_eq!(codec.decode_json(&codec.encode(&value).unwrap()).unwrap(), value);
}

#[test]
fn not_a_number_is_shown_as_text() {
    let codec = codec(READING);
    let mut bytes = codec.encode(&json!({"plant_id": 0, "moisture": 0, "temperature": 0})).unwrap();
    bytes[11..15].copy_from_slice(&f32::NAN.to_le_bytes());
    bytes[15..].copy_from_slice(&f32::NEG_INFINITY.to_le_bytes());
    let shown = codec.decode_json(&bytes).unwrap();
    assert_eq!(shown, json!({"plant_id": 0, "moisture": "NaN", "temperature": "-Infinity"}));
}

#[test]
fn what_does_not_fit_is_refused_with_the_field_and_what_was_expected() {
    let cases = [
        (json!({"plant_id": 1, "moisture": 2}), "field \"temperature\" is missing, expected a num"),
        (json!({"plant_id": 2_147_483_648i64, "moisture": 2, "temperature": 3}), "expected an int"),
        (json!({"plant_id": 1.5, "moisture": 2, "temperature": 3}), "field \"plant_id\" is 1.5"),
        (json!({"plant_id": 1, "moisture": 1e39, "temperature": 3}), "fits a 32-bit float"),
        (json!({"plant_id": 1, "moisture": "NaN", "temperature": 3}), "\"moisture\" is \"NaN\""),
        (json!({"plant_id": 1, "moisture": 2, "temperature": 3, "ph": 7}), "field \"ph\" is not"),
        (json!([1]), "the value is [1], expected an object"),
    ];
    for (value, expected) in cases {
        let error = codec(READING).encode(&value).unwrap_err().to_string();
        assert!(error.contains(expected), "{error:?} should contain {expected:?}");
    }
}

#[test]
fn each_way_to_be_unreadable_has_its_own_error() {
    let codec = codec(READING);
    let good = codec.encode(&json!({"plant_id": 1, "moisture": 2, "temperature": 3})).unwrap();
    let error = |bytes: &[u8]| codec.decode::<Reading>(bytes).unwrap_err();
    assert!(matches!(error(b""), CodecError::NotSingleObject { .. }));
    assert!(matches!(error(b"{}"), CodecError::NotSingleObject { .. }));
    assert!(matches!(error(&good[..9]), CodecError::Truncated(_)));
    assert_eq!(error(&good[..12]).to_string(), "the bytes end inside field \"moisture\"");
    assert_eq!(error(&[&good[..], b"!"].concat()), CodecError::Trailing { extra_bytes: 1 });
    let mut other = good.clone();
    other[3] ^= 1;
    assert!(matches!(error(&other), CodecError::UnknownSchema { .. }));
}

#[test]
fn a_length_that_the_bytes_cannot_justify_is_an_error() {
    let codec = codec("\"string\"");
    let mut bytes = codec.encode(&json!("")).unwrap();
    bytes.pop();
    // 2^60 as a zigzag varint.
    bytes.extend([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20]);
    assert!(matches!(codec.decode::<String>(&bytes), Err(CodecError::Truncated(_))));
}

#[test]
fn items_without_a_byte_are_not_claimed_again_and_again() {
    let codec = codec(r#"{"type": "array", "items": "null"}"#);
    let header = codec.encode(&json!([])).unwrap()[..10].to_vec();
    assert_eq!(
        codec.decode_json(&codec.encode(&json!([null, null, null])).unwrap()).unwrap(),
        json!([null, null, null])
    );
    // Blocks of 100 items each, as many as there are bytes to justify one.
    let datum = [[0xc8, 0x01].repeat(200), vec![0]].concat();
    let error = codec.decode_json(&[header, datum].concat()).unwrap_err();
    assert_eq!(error.to_string(), "the value has more than 1000 empty items");
}

/// Each of many arrays claims a few; one limit holds for all of them.
#[test]
fn items_without_a_byte_are_counted_over_the_whole_datum() {
    let codec = codec(r#"{"type": "array", "items": {"type": "array", "items": "null"}}"#);
    let header = codec.encode(&json!([])).unwrap()[..10].to_vec();
    let small = codec.encode(&json!([[null], [], [null, null]])).unwrap();
    assert_eq!(codec.decode_json(&small).unwrap(), json!([[null], [], [null, null]]));
    // A block of 200 arrays of 100 items each.
    let datum = [vec![0x90, 0x03], [0xc8, 0x01, 0x00].repeat(200), vec![0]].concat();
    let error = codec.decode_json(&[header, datum].concat()).unwrap_err();
    assert_eq!(error.to_string(), "the value has more than 1000 empty items");
}

#[test]
fn a_datum_nested_without_end_is_an_error() {
    let schema = r#"{"type": "record", "name": "n", "fields": [
        {"name": "next", "type": ["null", "n"]}]}"#;
    let codec = codec(schema);
    let mut bytes = codec.encode(&json!({"next": null})).unwrap();
    bytes.pop();
    bytes.extend([2; 100_000]);
    assert!(matches!(codec.decode_json(&bytes), Err(CodecError::Malformed { .. })));
}

/// F11: a schema of ours that changed: what earlier versions wrote is read as the present one's.
#[test]
fn values_of_an_earlier_schema_of_ours_are_read_by_the_present_one() {
    let earlier = r#"{"type": "record", "name": "reading", "namespace": "com.houseplants",
        "fields": [{"name": "moisture", "type": "int"}, {"name": "plant_id", "type": "int"},
                   {"name": "temperature", "type": "int"}]}"#;
    let other = r#"{"type": "record", "name": "other", "fields": []}"#;
    let value = json!({"plant_id": 4, "moisture": 25, "temperature": 18});
    let bytes = Codec::avro(earlier).unwrap().encode(&value).unwrap();
    let present = AvroCodec::with_earlier(READING, &[other, earlier]).unwrap();
    let read: Reading = present.decode(&bytes).unwrap();
    assert_eq!(read, Reading { plant_id: 4, moisture: 25.0, temperature: 18.0 });
    let stranger = Codec::avro(other).unwrap().encode(&json!({})).unwrap();
    let refused = present.decode::<Reading>(&stranger);
    assert!(matches!(refused, Err(CodecError::UnknownSchema { .. })), "{refused:?}");
}

#[test]
fn json_of_a_topic_with_a_schema_is_checked_against_it() {
    let codec = Codec::json(Format::Avro(READING)).unwrap();
    let reading = Reading { plant_id: 4, moisture: 25.5, temperature: 18.0 };
    let bytes = codec.encode(&json!({"plant_id": 4, "moisture": 25.5, "temperature": 18})).unwrap();
    assert_eq!(bytes, br#"{"moisture":25.5,"plant_id":4,"temperature":18.0}"#);
    assert_eq!(codec.decode::<Reading>(&bytes).unwrap(), reading);
    let newer = br#" {"plant_id": 4, "moisture": 25.5, "temperature": 18, "ph": 7}"#;
    assert_eq!(codec.decode::<Reading>(newer).unwrap(), reading);
    assert_eq!(codec.decode_json(newer).unwrap().get("ph"), None);
    for (bytes, expected) in [
        (&br#"{"plant_id": 4, "moisture": 25.5}"#[..], "field \"temperature\" is missing"),
        (br#"{"plant_id": 4.5, "moisture": 1, "temperature": 18}"#, "field \"plant_id\" is 4.5"),
        (br#"{"plant_id": 4, "moisture": "1", "temperature": 18}"#, "field \"moisture\" is \"1\""),
        (br#"{"plant_id": 4, "moisture": null, "temperature": 18}"#, "field \"moisture\" is null"),
        (b"[4, 25.5, 18]", "the value is [4,25.5,18], expected an object"),
        (b"", "not the JSON that was expected"),
        (b"{\"plant_id\": NaN}", "not the JSON that was expected"),
        (&[0, 0, 0, 0, 1], "not the JSON that was expected"),
    ] {
        for error in
            [codec.decode::<Reading>(bytes).unwrap_err(), codec.decode_json(bytes).unwrap_err()]
        {
            assert!(error.to_string().starts_with(expected), "{error}: {expected}");
        }
    }
    let refused = codec.encode(&json!({"plant_id": 4, "moisture": 1, "temperature": 2, "ph": 7}));
    assert!(matches!(refused, Err(CodecError::UnknownField { .. })), "{refused:?}");
}

#[test]
fn a_field_with_a_default_may_be_left_out_of_json() {
    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename = "device_name")]
    struct Named {
        name: Option<String>,
        ignored: bool,
    }
    let schema = include_str!("../../../schemas/device-names.avsc");
    let codec = Codec::json(Format::Avro(schema)).unwrap();
    let read: Named = codec.decode(br#"{"name": "Kindle"}"#).unwrap();
    assert_eq!(read, Named { name: Some("Kindle".to_owned()), ignored: false });
    assert_eq!(codec.decode::<Named>(b"{}").unwrap(), Named { name: None, ignored: false });
}

#[test]
fn single_object_values_are_read_in_json_topics_too() {
    let value = json!({"plant_id": 4, "moisture": 25.5, "temperature": 18.0});
    let bytes = codec(READING).encode(&value).unwrap();
    let json = Codec::json(Format::Avro(READING)).unwrap();
    assert_eq!(json.decode_json(&bytes).unwrap(), value);
    assert_eq!(json.decode::<Reading>(&bytes).unwrap().plant_id, 4);
}

proptest! {
    #[test]
    fn readings_come_back(plant_id: i32, moisture in -1e30f32..1e30, temperature in -1e3f32..1e3) {
        let codec = codec(READING);
        let value = json!({
            "plant_id": plant_id, "moisture": moisture, "temperature": temperature,
        });
        let read: Reading = codec.decode(&codec.encode(&value).unwrap()).unwrap();
        prop_assert_eq!(read, Reading { plant_id, moisture, temperature });
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let codec = codec(EVERYTHING);
        let header = codec.encode(&everything()).unwrap()[..10].to_vec();
        for bytes in [bytes.clone(), [header, bytes].concat()] {
            let _ = codec.decode_json(&bytes);
            let _ = codec.decode::<Value>(&bytes);
        }
    }

    #[test]
    fn damaged_values_do_not_make_it_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let codec = codec(EVERYTHING);
        let mut bytes = codec.encode(&everything()).unwrap();
        for (at, byte) in changes {
            let at = 10 + at.index(bytes.len() - 10);
            bytes[at] = byte;
        }
        let shown = codec.decode_json(&bytes);
        let read = codec.decode::<Value>(&bytes);
        prop_assert!(shown.is_ok() || read.is_err());
    }
}
