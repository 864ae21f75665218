//! A schema registry: a real one, fetched by `.ci/registry`.

use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use windowsill::log::codec::Codec;

use crate::bot::past::{METADATA, READINGS, plant};
use crate::support::{Ran, run, run_with_input};

mod documents;
mod foreign;
mod on_kafka;
mod outages;
mod server;
mod verbs;

use server::{Proxy, registry};

/// Our own schema of readings, as other programs may register it.
const OURS: &str = include_str!("../../../schemas/houseplant-readings.avsc");
/// As a connector has it: everything optional, whole numbers, another order, another name, more.
const CONNECTED: &str = r#"{"type": "record", "name": "ConnectDefault", "namespace": "io.confluent",
    "fields": [{"name": "moisture", "type": ["null", "int"], "default": null},
               {"name": "note", "type": ["null", "string"], "default": null},
               {"name": "plant_id", "type": ["null", "int"], "default": null},
               {"name": "temperature", "type": ["null", "float"], "default": null}]}"#;

/// A folder whose configuration names a registry.
fn folder(url: &str, more: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    configure(dir.path(), url, more);
    dir
}

fn configure(dir: &Path, url: &str, more: &str) {
    let text = format!("[schema_registry]\nurl = {url:?}\n{more}\n");
    std::fs::write(dir.join("windowsill.toml"), text).unwrap();
}

fn write(dir: &Path, topic: &str, lines: &[Value]) -> Ran {
    let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    run_with_input(dir, &["topic", "write", topic], &lines.join("\n"))
}

/// A line of `topic write` with these bytes as the value of plant 0.
fn raw(bytes: &[u8]) -> Value {
    json!({"key": "0", "value_base64": BASE64_STANDARD.encode(bytes)})
}

/// A value in Confluent's wire format, written with a schema of this id.
fn wire(id: u32, schema: &str, value: &Value) -> Vec<u8> {
    const SINGLE_OBJECT_HEADER: usize = 10;
    let single = Codec::avro(schema).unwrap().encode(value).unwrap();
    [&[0][..], &id.to_be_bytes(), &single[SINGLE_OBJECT_HEADER..]].concat()
}

fn reading(moisture: f64) -> Value {
    json!({"plant_id": 0, "moisture": moisture, "temperature": 18.5})
}

/// The plants' line of `fold --json`.
fn fold(dir: &Path) -> Value {
    let folded = run(dir, &["fold", "--json"]).expect_code(0).json_lines().remove(0);
    folded["pipelines"][0].clone()
}

fn values(dir: &Path, topic: &str) -> Vec<Value> {
    let lines = run(dir, &["topic", "read", topic]).expect_code(0).json_lines();
    lines.into_iter().map(|line| line["value"].clone()).collect()
}

/// Values that we write have our schema's id, and are read back.
#[test]
fn with_a_registry_values_are_written_in_confluents_format() {
    let Some(server) = registry("values of ours with a registry") else { return };
    let dir = folder(&server.url(), "");
    let rows = [json!({"key": "0", "value": plant(0, "Cyril", 30.0)})];
    write(dir.path(), METADATA, &rows).expect_code(0);
    write(dir.path(), READINGS, &[json!({"key": "0", "value": reading(25.5)})]).expect_code(0);
    assert_eq!(values(dir.path(), READINGS), [reading(25.5)]);
    let folded = fold(dir.path());
    assert_eq!((&folded["records"], &folded["dead_letters"]), (&json!(1), &json!(0)));
    let subjects = server.subjects();
    for topic in [METADATA, READINGS] {
        assert!(subjects.contains(&format!("{topic}-value")), "{subjects:?}");
    }
}

/// F11: what other schemas wrote is read as ours, and shown so.
#[test]
fn values_of_evolved_schemas_are_folded() {
    let Some(server) = registry("schema evolution with a registry") else { return };
    let dir = folder(&server.url(), "");
    let (ours, theirs) =
        (server.register("evolved-value", OURS), server.register("evolved-value", CONNECTED));
    let connected = json!({"moisture": 25, "note": "new", "plant_id": 0, "temperature": 18.5});
    let lines = [
        raw(&wire(ours, OURS, &reading(25.5))),
        raw(&wire(theirs, CONNECTED, &connected)),
        raw(&wire(ours, OURS, &reading(26.5))),
    ];
    write(dir.path(), READINGS, &lines).expect_code(0);
    assert_eq!(values(dir.path(), READINGS), [reading(25.5), reading(25.0), reading(26.5)]);
    let folded = fold(dir.path());
    assert_eq!((&folded["records"], &folded["dead_letters"]), (&json!(3), &json!(0)));
}

/// F9, F11: what cannot be read becomes a dead letter with its reason, and the rest goes on.
#[test]
fn each_kind_of_poison_becomes_a_dead_letter() {
    let Some(server) = registry("poison with a registry") else { return };
    let dir = folder(&server.url(), "");
    let (ours, theirs) =
        (server.register("poison-value", OURS), server.register("poison-value", CONNECTED));
    let other = server.register("poison-value", "\"string\"");
    let good = wire(ours, OURS, &reading(25.5));
    let nothing = json!({"moisture": null, "note": null, "plant_id": 0, "temperature": 18.5});
    let cases = [
        (vec![0, 0, 0x98, 0x96, 0x7f, 2], "the schema registry has no schema of id 9999999"),
        (good[..8].to_vec(), "the bytes end inside field \"moisture\""),
        (good[..3].to_vec(), "the bytes end inside field \"schema id\""),
        ([&[7][..], &good[1..]].concat(), "the bytes begin with 07 00, expected 00"),
        ([&good[..], b"!"].concat(), "1 more bytes follow the value"),
        (wire(theirs, CONNECTED, &nothing), "field \"moisture\" is written as null"),
        (wire(other, "\"string\"", &json!("x")), "does not fit ours: the value is written as text"),
        // As it was written without a registry, but for its fields.
        (b"{}".to_vec(), "field \"plant_id\" is missing"),
        (Vec::new(), "the bytes begin with nothing"),
    ];
    let mut lines: Vec<Value> = cases.iter().map(|(bytes, _)| raw(bytes)).collect();
    lines.push(raw(&good));
    write(dir.path(), READINGS, &lines).expect_code(0);
    let folded = fold(dir.path());
    let count = json!(cases.len());
    assert_eq!((&folded["records"], &folded["dead_letters"]), (&json!(lines.len()), &count));
    let listed = run(dir.path(), &["dead-letters", "list", "--json"]).expect_code(0).stdout;
    for (_, reason) in &cases {
        assert!(listed.contains(&reason.replace('"', "\\\"")), "{reason} is not in {listed}");
    }
    let shown = run(dir.path(), &["topic", "read", READINGS]).expect_code(0).json_lines();
    assert!(shown[..cases.len()].iter().all(|line| line.get("value_base64").is_some()));
    assert_eq!(shown[cases.len()]["value"], reading(25.5));
}

/// A table that goes from JSON to a registry's schemas and back is the same table.
#[test]
fn a_household_that_gets_a_registry_and_leaves_it_keeps_its_plants() {
    const JSON: &str = "[topics.houseplant-metadata]\nformat = \"json\"\n";
    let Some(server) = registry("a household that leaves its registry") else { return };
    let dir = tempfile::tempdir().unwrap();
    let toml = dir.path().join("windowsill.toml");
    let with_registry = format!("[schema_registry]\nurl = {:?}\n", server.url());
    for (plant_id, text) in [(0, JSON), (1, &with_registry), (2, JSON)] {
        std::fs::write(&toml, text).unwrap();
        let row = json!({"key": plant_id.to_string(), "value": plant(plant_id, "Cyril", 30.0)});
        write(dir.path(), METADATA, &[row]).expect_code(0);
        run(dir.path(), &["fold"]).expect_code(0);
        let listed = run(dir.path(), &["ask", "/plants moisture_low < 99"]).expect_code(0).stdout;
        let wanted = format!("{} plant", plant_id + 1);
        assert!(listed.contains(&wanted), "{wanted}: {listed}");
    }
    let letters = run(dir.path(), &["dead-letters", "list", "--json"]).expect_code(0).stdout;
    assert_eq!(letters.trim(), "[]");
}

/// A log that gets a registry keeps its past.
#[test]
fn what_was_written_before_the_registry_is_still_folded() {
    let Some(server) = registry("a log that gets a registry") else { return };
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), READINGS, &[json!({"key": "0", "value": reading(25.5)})]).expect_code(0);
    configure(dir.path(), &server.url(), "");
    write(dir.path(), READINGS, &[json!({"key": "0", "value": reading(26.5)})]).expect_code(0);
    assert_eq!(values(dir.path(), READINGS), [reading(25.5), reading(26.5)]);
    assert_eq!(fold(dir.path())["dead_letters"], json!(0));
}
