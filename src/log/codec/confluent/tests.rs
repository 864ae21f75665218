use serde::Deserialize;
use serde_json::json;

use super::*;
use crate::kernel::topic::Format;
use crate::log::batch::BatchBuilder;
use crate::log::codec::Codec;

const READING: &str = r#"{"type": "record", "name": "reading", "namespace": "com.houseplants",
    "fields": [{"name": "plant_id", "type": "int"}, {"name": "moisture", "type": "float"}]}"#;
/// As a connector would have it.
const OPTIONAL: &str = r#"{"type": "record", "name": "Value", "namespace": "connect", "fields": [
    {"name": "moisture", "type": ["null", "int"], "default": null},
    {"name": "plant_id", "type": ["null", "int"], "default": null}]}"#;

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename = "reading")]
struct Reading {
    plant_id: i32,
    moisture: f32,
}

/// A codec, and the schemas that it knows by their ids.
fn codec(format: Format, known: &[(u32, &str)]) -> Codec {
    let book = Arc::new(Book::default());
    for (id, text) in known {
        book.remember(*id, WriterSchema::parse(text).unwrap());
    }
    Codec::confluent(format, "houseplant-readings-value".to_owned(), book).unwrap()
}

fn confluent(codec: &Codec) -> &ConfluentCodec {
    match codec {
        Codec::Confluent(confluent) => confluent,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_value_is_a_zero_the_id_and_the_datum() {
    let codec = codec(Format::Avro(READING), &[(258, READING)]);
    confluent(&codec).write_with(258);
    let bytes = codec.encode(&json!({"plant_id": 4, "moisture": 25.5})).unwrap();
    assert_eq!(bytes, [0, 0, 0, 1, 2, 8, 0, 0, 0xcc, 0x41]);
    for _ in 0..2 {
        let read: Reading = codec.decode(&bytes).unwrap();
        assert_eq!(read, Reading { plant_id: 4, moisture: 25.5 });
    }
    assert_eq!(codec.decode_json(&bytes).unwrap(), json!({"plant_id": 4, "moisture": 25.5}));
}

#[test]
fn nothing_is_written_before_our_schema_has_an_id() {
    let codec = codec(Format::Avro(READING), &[]);
    let error = codec.encode(&json!({"plant_id": 4, "moisture": 25.5})).unwrap_err();
    assert!(error.to_string().contains("houseplant-readings-value"), "{error}");
    assert_eq!(confluent(&codec).to_register(), Some(("houseplant-readings-value", READING)));
}

/// F11: ids of several schemas on one topic, each read as ours.
#[test]
fn values_of_any_known_schema_are_read_as_ours() {
    let codec = codec(Format::Avro(READING), &[(1, READING), (2, OPTIONAL)]);
    // Union branches 1, then the whole numbers 25 and 4.
    let connect = [0, 0, 0, 0, 2, 2, 50, 2, 8];
    let ours = [0, 0, 0, 0, 1, 8, 0, 0, 0xc8, 0x41];
    for bytes in [&connect[..], &ours, &connect, &ours] {
        let read: Reading = codec.decode(bytes).unwrap();
        assert_eq!(read, Reading { plant_id: 4, moisture: 25.0 });
    }
    let null = codec.decode::<Reading>(&[0, 0, 0, 0, 2, 0, 2, 8]).unwrap_err();
    assert!(null.to_string().starts_with("field \"moisture\" is written as null"), "{null}");
}

/// F9, F11: each way to be unreadable says what it is.
#[test]
fn each_way_to_be_unreadable_has_its_own_words() {
    let book = Arc::new(Book::default());
    book.learn(1, Entry::Schema(Arc::new(WriterSchema::parse(READING).unwrap())));
    book.learn(7, Entry::Absent);
    book.learn(8, Entry::Unusable("it is of type PROTOBUF, expected AVRO".to_owned()));
    book.learn(9, Entry::Schema(Arc::new(WriterSchema::parse("\"string\"").unwrap())));
    let codec = Codec::confluent(Format::Avro(READING), "s".to_owned(), book).unwrap();
    for (bytes, expected) in [
        (&[][..], "the bytes begin with nothing, expected 00 (Confluent wire format)"),
        (b"{\"a\"", "not the JSON that was expected: EOF"),
        (b"[1]", "the bytes begin with 5B 31, expected 00 (Confluent wire format)"),
        (&[1, 0, 0, 0, 1, 8], "the bytes begin with 01 00, expected 00 (Confluent wire format)"),
        (&[0, 0, 0], "the bytes end inside field \"schema id\""),
        (&[0, 0, 0, 0, 1, 8, 0], "the bytes end inside field \"moisture\""),
        (&[0, 0, 0, 0, 1, 8, 0, 0, 0, 0, 9], "1 more bytes follow the value, expected none"),
        (&[0, 0, 0, 0, 7, 8], "the schema registry has no schema of id 7"),
        (&[0, 0, 0, 0, 8, 8], "schema 8 of the registry cannot be used: it is of type PROTOBUF"),
        (&[0, 0, 0, 0, 9, 2, 97], "schema 9 of the registry does not fit ours: the value is writ"),
        (&[0, 0, 0, 0, 5, 8], "schema 5 was not looked up in the registry"),
    ] {
        for error in
            [codec.decode::<Reading>(bytes).unwrap_err(), codec.decode_json(bytes).unwrap_err()]
        {
            assert!(error.to_string().starts_with(expected), "{error}: {bytes:?}");
        }
    }
}

/// Between JSON and a registry's schemas, in either direction.
#[test]
fn a_topic_that_changes_its_format_keeps_its_past() {
    let value = json!({"plant_id": 4, "moisture": 25.5});
    let book = || {
        let book = Arc::new(Book::default());
        book.remember(3, WriterSchema::parse(READING).unwrap());
        book
    };
    let format = Format::Avro(READING);
    let json = Codec::json_beside(format, "s".to_owned(), book(), false).unwrap();
    let confluent = Codec::confluent(format, "s".to_owned(), book()).unwrap();
    self::confluent(&confluent).write_with(3);
    for (writes, reads) in [(&json, &confluent), (&confluent, &json)] {
        let bytes = writes.encode(&value).unwrap();
        assert_eq!(reads.decode_json(&bytes).unwrap(), value);
        let read: Reading = reads.decode(&bytes).unwrap();
        assert_eq!(read, Reading { plant_id: 4, moisture: 25.5 });
        assert!(writes.has_form(&bytes) && !reads.has_form(&bytes));
    }
    let unknown = json.decode::<Reading>(&[0, 0, 0, 0, 9, 8]).unwrap_err().to_string();
    assert!(unknown.contains("schema 9 of a registry, expected schema_registry.url"), "{unknown}");
}

#[test]
fn what_was_written_before_there_was_a_registry_is_still_read() {
    let single = Codec::avro(READING).unwrap();
    let value = json!({"plant_id": 4, "moisture": 25.5});
    let bytes = single.encode(&value).unwrap();
    let codec = codec(Format::Avro(READING), &[]);
    assert_eq!(codec.decode_json(&bytes).unwrap(), value);
    assert_eq!(codec.decode::<Reading>(&bytes).unwrap().plant_id, 4);
}

#[test]
fn unknown_ids_are_collected_once_and_plain_keys_are_left_alone() {
    let mut builder = BatchBuilder::new(0, 0);
    let key: &[u8] = &[0, 0, 0, 0, 3];
    for (offset, id) in [(0, 5), (1, 1), (2, 5), (3, 6)] {
        builder.push(offset, 0, Some(key), Some(&[0, 0, 0, 0, id, 8]), &[]).unwrap();
    }
    builder.push(4, 0, None, None, &[]).unwrap();
    builder.push(5, 0, None, Some(b"{}"), &[]).unwrap();
    let batch = builder.finish().unwrap();
    let known = |format| {
        let book = Arc::new(Book::default());
        book.learn(1, Entry::Schema(Arc::new(WriterSchema::parse(READING).unwrap())));
        Codec::confluent(format, "s".to_owned(), book).unwrap()
    };
    assert_eq!(known(Format::Avro(READING)).unknown_ids(&batch), [5, 6]);
    assert_eq!(known(Format::Json).unknown_ids(&batch), [5, 3, 6]);
    assert_eq!(Codec::avro(READING).unwrap().unknown_ids(&batch), Vec::<u32>::new());
}

/// A document of others is shown as its writer's schema has it, and so is its key.
#[test]
fn documents_of_others_become_json() {
    let envelope = r#"{"type": "record", "name": "Envelope", "namespace": "ace.user", "fields": [
        {"name": "before", "type": ["null", {"type": "string",
            "connect.name": "io.debezium.data.Json"}], "default": null},
        {"name": "after", "type": ["null", {"type": "string",
            "connect.name": "io.debezium.data.Json"}], "default": null},
        {"name": "updateDescription", "type": ["null", {"type": "record",
            "name": "updatedescription", "namespace": "io.debezium.connector.mongodb", "fields": [
            {"name": "removedFields", "type": ["null", {"type": "array", "items": "string"}]},
            {"name": "updatedFields", "type": ["null", "string"]}]}], "default": null},
        {"name": "op", "type": ["null", "string"], "default": null}]}"#;
    let id = r#"{"type": "record", "name": "Key", "fields": [{"name": "id", "type": "string"}]}"#;
    let codec = codec(Format::Json, &[(1, envelope), (2, id)]);
    let value =
        [&[0, 0, 0, 0, 1, 0, 2, 4][..], b"{}", &[2, 2, 2, 2, b'x', 0, 0, 2, 2, b'u']].concat();
    let shown = json!({"before": null, "after": "{}", "op": "u",
        "updateDescription": {"removedFields": ["x"], "updatedFields": null}});
    assert_eq!(codec.decode_json(&value).unwrap(), shown);
    let read: Value = serde_json::from_slice(&codec.document(&value).unwrap()).unwrap();
    assert_eq!(read, shown);
    let key = [&[0, 0, 0, 0, 2, 2][..], b"7"].concat();
    assert_eq!(&*codec.key(&key).unwrap(), br#"{"id":"7"}"#);
    assert_eq!(&*codec.key(br#"{"id":"7"}"#).unwrap(), br#"{"id":"7"}"#);
    assert!(codec.document(b"[]").is_err() && codec.encode(&shown).is_err());
}
