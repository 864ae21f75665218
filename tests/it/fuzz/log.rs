//! What lies in the log, or wants to: Avro values, packed batches, headers, lines of `topic write`.

use std::process::Command;
use std::sync::LazyLock;

use serde_json::{Value, json};
use windowsill::config::Config;
use windowsill::kernel::record::{Header, NewRecord, RecordRef};
use windowsill::log::batch::{Batch, BatchBuilder, headers};
use windowsill::log::codec::Codec;
use windowsill::log::dead_letters::{DeadLetter, Origin, replay_of};
use windowsill::log::topics::{Topic, Topics};
use windowsill::log::varint;
use windowsill::ops::topic::{LineFormat, LineParser};
use windowsill::rooms;
use windowsill::rooms::plants::wire::{Houseplant, Mapping, Reading};

use super::fuzz;
use super::input::{mutated, text_of};
use crate::bot::past::{MAPPING, METADATA, READINGS, plant};

/// One of everything that Avro has, holding itself.
const MOTLEY: &str = r#"{"type": "record", "name": "Motley", "fields": [
    {"name": "flag", "type": "boolean"}, {"name": "number", "type": ["null", "long", "double"]},
    {"name": "text", "type": "string"}, {"name": "raw", "type": "bytes"},
    {"name": "four", "type": {"type": "fixed", "name": "Four", "size": 4}},
    {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["A", "B"]}},
    {"name": "list", "type": {"type": "array", "items": "int"}},
    {"name": "nothings", "type": {"type": "array", "items": "null"}},
    {"name": "map", "type": {"type": "map", "values": "float"}},
    {"name": "inner", "type": ["null", "Motley"]}]}"#;

struct Codecs {
    topics: Topics,
    motley: Codec,
    samples: Vec<Vec<u8>>,
}

static CODECS: LazyLock<Codecs> = LazyLock::new(|| {
    let topics = Topics::of_config(rooms::topics(), &Config::default()).unwrap();
    let motley = Codec::avro(MOTLEY).unwrap();
    let flat = |inner: Value| {
        json!({"flag": true, "number": 5, "text": "Schefflera", "raw": "ab", "four": "abcd",
            "kind": "B", "list": [1, -2, 3], "nothings": [null], "map": {"a": 1.5, "b": -2}, "inner": inner})
    };
    let encoded =
        |name: &str, value: &Value| topics.get(name).unwrap().codec.encode(value).unwrap();
    let reading = json!({"plant_id": 4, "moisture": 25.5, "temperature": 18});
    let mapping = json!({"sensor_id": "0x36", "plant_id": 4});
    let samples = vec![
        motley.encode(&flat(flat(flat(Value::Null)))).unwrap(),
        encoded(READINGS, &reading),
        encoded(METADATA, &plant(7, "Robin's", 20.0)),
        encoded(MAPPING, &mapping),
    ];
    Codecs { topics, motley, samples }
});

pub(super) fn topic(name: &str) -> &'static Topic {
    CODECS.topics.get(name).unwrap()
}

/// Mutations behind the header, so that most cases get past it; sometimes anywhere, or any bytes.
fn avro(rng: &mut fastrand::Rng) -> Vec<u8> {
    const HEADER_BYTES: usize = 10;
    let samples = &CODECS.samples;
    let sample = &samples[rng.usize(..samples.len())];
    let (header, datum) = sample.split_at(HEADER_BYTES);
    match rng.u8(..8) {
        0 => mutated(rng, samples),
        1 => {
            let datum: Vec<u8> = (0..rng.usize(..60)).map(|_| rng.u8(..)).collect();
            [header, &datum].concat()
        }
        _ => [header, &mutated(rng, &[datum])].concat(),
    }
}

/// F9: what decodes is what was written; what does not is refused with words.
#[test]
fn avro_values_that_decode_encode_to_the_same_value() {
    let (readings, metadata) = (&topic(READINGS).codec, &topic(METADATA).codec);
    let mapping = &topic(MAPPING).codec;
    fuzz(avro, |bytes| {
        for codec in [&CODECS.motley, readings, metadata, mapping] {
            match codec.decode_json(bytes) {
                Err(error) => assert!(!error.to_string().is_empty()),
                // What JSON cannot say (a float that is no number) is refused on the way back.
                Ok(value) => {
                    if let Ok(again) = codec.encode(&value) {
                        assert_eq!(codec.decode_json(&again).unwrap(), value);
                    }
                }
            }
        }
        if let Ok(reading) = readings.decode::<Reading>(bytes) {
            assert!(reading.plant_id.get() >= 0 && readings.decode_json(bytes).is_ok());
        }
        if let Ok(plant) = metadata.decode::<Houseplant>(bytes) {
            assert_eq!(metadata.decode_json(bytes).unwrap()["given_name"], plant.given_name);
        }
        if let Ok(mapped) = mapping.decode::<Mapping>(bytes) {
            let shown = mapping.decode_json(bytes).unwrap();
            assert_eq!(shown["sensor_id"], mapped.sensor_id.as_str());
        }
    });
}

/// F17: a number is taken whole or not at all, and takes no more bytes than it was written with.
#[test]
fn varints_are_whole_or_not_there() {
    const SAMPLES: &[&[u8]] = &[b"\x05", b"\xff\x7f", &[0xff; 9], &[0x80; 12]];
    fuzz(
        |rng| mutated(rng, SAMPLES),
        |bytes| {
            let mut rest = bytes;
            match varint::take_signed(&mut rest) {
                Err(_) => assert_eq!(rest, bytes),
                Ok(number) => {
                    let mut again = Vec::new();
                    varint::put_signed(&mut again, number);
                    let taken = bytes.len() - rest.len();
                    // Zeros may have been written at its end; we write none.
                    assert!(again.len() <= taken && taken <= 10);
                    assert_eq!(varint::take_signed(&mut again.as_slice()), Ok(number));
                }
            }
        },
    );
}

fn packed() -> Vec<u8> {
    let header = |name: &str, value: Option<&[u8]>| Header {
        name: name.to_owned(),
        value: value.map(<[u8]>::to_vec),
    };
    let some = [
        header("sensor-id", Some(b"0x36")),
        header("", None),
        header("windowsill.replay-of", Some(b"ab12/houseplant-readings/2/40")),
    ];
    let mut builder = BatchBuilder::new(0, 0);
    for (offset, key) in [(0, Some(&b"4"[..])), (1, None), (5, Some(b"")), (6, Some(b"key"))] {
        let headers = if offset == 1 { &[][..] } else { &some };
        builder.push(offset, 1_700_000_000_000 - offset, key, Some(b"value"), headers).unwrap();
    }
    builder.finish().unwrap().bytes
}

fn batch(bytes: &[u8]) -> Batch {
    Batch {
        partition: 0,
        from_offset: 102,
        base_offset: 100,
        next_offset: 110,
        count: 4,
        first_ts_ms: 0,
        last_ts_ms: 0,
        bytes: bytes.to_vec(),
    }
}

/// F9, F17: whatever lies in a row, its records stay in their place and pack to the same again.
#[test]
fn batches_give_their_records_in_order_or_an_error() {
    let samples = [packed()];
    fuzz(
        |rng| mutated(rng, &samples),
        |bytes| {
            let batch = batch(bytes);
            let mut again = BatchBuilder::new(0, batch.base_offset);
            let mut given = Vec::new();
            for record in batch.records() {
                let Ok(record) = record else { break };
                assert!((102..batch.next_offset).contains(&record.offset));
                // Offsets rise: a builder refuses anything else.
                again.push_ref(&record).unwrap();
                given.push(record);
            }
            assert!(given.len() <= batch.count as usize);
            if let Some(again) = again.finish() {
                let read: Vec<RecordRef<'_>> = again.records().map(Result::unwrap).collect();
                assert_eq!(format!("{read:?}"), format!("{given:?}"));
            }
        },
    );
}

fn encoded(record: &NewRecord) -> Batch {
    let mut builder = BatchBuilder::new(0, 0);
    let (key, value) = (record.key.as_deref(), record.value.as_deref());
    builder.push(0, record.ts_ms, key, value, &record.headers).unwrap();
    builder.finish().unwrap()
}

/// F9: headers come back as they were, and a replay of whatever was buried names its origin.
#[test]
fn headers_come_back_and_a_replay_names_its_origin() {
    const ORIGINS: &[&str] = &["ab12/houseplant-readings/2/40", "a/b/c/0/1", "x/y/-1/-9"];
    let sample = packed();
    let sample = batch(&sample);
    let record = sample.records().next().unwrap().unwrap();
    let samples: Vec<&[u8]> = vec![record.headers];
    fuzz(
        |rng| match rng.u8(..4) {
            0 => mutated(rng, ORIGINS),
            _ => mutated(rng, &samples),
        },
        |bytes| {
            match text_of(bytes).parse::<Origin>() {
                Ok(origin) => assert_eq!(origin.to_string().parse(), Ok(origin)),
                Err(poison) => assert!(poison.reason.ends_with("log/topic/partition/offset")),
            }
            let found = replay_of(bytes);
            let Ok(list) = headers(bytes) else { return };
            let record = RecordRef { headers: bytes, ..record };
            let letter = DeadLetter::of("ab12", "houseplant-readings", &record, String::new());
            assert_eq!(letter.replay_of(), found);
            let replay = letter.replay(2).unwrap();
            let batch = encoded(&replay);
            let read = batch.records().next().unwrap().unwrap();
            assert_eq!(replay_of(read.headers), Some(letter.origin));
            assert_eq!(
                (read.key, read.value, read.ts_ms),
                (record.key, record.value, record.ts_ms)
            );
            assert_eq!(headers(read.headers).unwrap(), replay.headers);
            let is_ours = |header: &&Header| header.name.starts_with("windowsill.");
            let others = list.iter().filter(|header| !is_ours(header)).count();
            assert_eq!(replay.headers.len(), others + 1);
        },
    );
}

const LINES: &[&str] = &[
    r#"{"key": "4", "value": {"plant_id": 4, "moisture": 25.5, "temperature": 18}, "ts": 17}"#,
    r#"{"key": null, "value_base64": "wwE=", "partition": 1, "headers": [["a", "b"], ["c", null]]}"#,
    r#"{"key_base64": "NA==", "value": null, "headers": [["raw", {"base64": "/w=="}]]}"#,
    r#"{"plant_id": 4, "moisture": 25.5, "temperature": -1.8e1}"#,
    r#"{"sensor_id": "0x36", "plant_id": 4}"#,
    r#"{"key": "0x36", "value": {"sensor_id": "0x36", "plant_id": 4}}"#,
    r#"{"topic": "t", "offset": 3, "key": "7", "value": {"plant_id": 7, "scientific_name": "s",
        "common_name": "c", "given_name": "Robin's", "temperature_low": 15, "temperature_high": 30,
        "moisture_low": 25, "moisture_high": 65}}"#,
];

fn lines_that_are_taken_fold(format: LineFormat) {
    let topics = [READINGS, METADATA, MAPPING].map(topic);
    let parsers = topics.map(|topic| LineParser::new(topic, format, Vec::new(), 2));
    fuzz(
        |rng| mutated(rng, LINES),
        |line| {
            for (topic, parser) in topics.iter().zip(&parsers) {
                match parser.parse(line, 1_700_000_000_000) {
                    Ok(None) => assert!(text_of(line).trim().is_empty()),
                    Ok(Some(record)) => {
                        let check = topic.spec.check;
                        let (key, value) = (record.key.as_deref(), record.value.as_deref());
                        let is_raw = text_of(line).contains("value_base64");
                        assert!(is_raw || check(&topic.codec, key, value).is_ok());
                        assert!(record.partition.is_none_or(|it| (0..2).contains(&it)));
                        let batch = encoded(&record);
                        let read = batch.records().next().unwrap().unwrap();
                        assert_eq!((read.key, read.value), (key, value));
                        assert_eq!(headers(read.headers).unwrap(), record.headers);
                    }
                    Err(reason) => assert!(!reason.trim().is_empty()),
                }
            }
        },
    );
}

/// F9: a line that is taken would fold, but for raw values; one that is not is refused with words.
#[test]
fn lines_of_records_fold_if_they_are_taken() {
    lines_that_are_taken_fold(LineFormat::Record);
}

/// F9
#[test]
fn lines_of_values_fold_if_they_are_taken() {
    lines_that_are_taken_fold(LineFormat::Value);
}

/// F9: lengths that the bytes do not hold are not believed. The parsers run again in a process that
/// may not have much memory.
#[test]
fn hostile_lengths_are_not_allocated() {
    const MEMORY_KIB: u32 = 600_000;
    let names = [
        "log::avro_values_that_decode_encode_to_the_same_value",
        "log::batches_give_their_records_in_order_or_an_error",
        "log::headers_come_back_and_a_replay_names_its_origin",
        "formats::values_of_other_schemas_are_read_as_avros_library_reads_them",
    ];
    let tests = names.map(|name| format!("fuzz::{name}"));
    let limited = format!("ulimit -v {MEMORY_KIB}; exec \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &limited, "sh"]).arg(std::env::current_exe().unwrap());
    command.args(&tests).args(["--exact", "--test-threads=1"]).env("FUZZ_CASES", "5000");
    let ran = command.output().unwrap();
    let out = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && out.contains("4 passed"), "{out}");
}
