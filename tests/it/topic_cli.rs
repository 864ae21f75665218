//! `windowsill topic` as a person at a terminal meets it.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::{Ran, run, run_with_input, windowsill};

const READINGS: &str = "houseplant-readings";
const METADATA: &str = "houseplant-metadata";
const MAPPING: &str = "houseplant-sensor-mapping";

fn write(dir: &Path, topic: &str, input: &str) -> Ran {
    run_with_input(dir, &["topic", "write", topic], input)
}

fn read(dir: &Path, topic: &str) -> Vec<Value> {
    run(dir, &["topic", "read", topic]).expect_code(0).json_lines()
}

fn reading(plant_id: i32) -> Value {
    json!({"plant_id": plant_id, "moisture": 25.5, "temperature": 18.25})
}

fn plant(plant_id: i32) -> Value {
    json!({"plant_id": plant_id, "scientific_name": "s", "common_name": "c", "given_name": "Robin's",
        "temperature_low": 15.0, "temperature_high": 30.0, "moisture_low": 25.0, "moisture_high": 65.0})
}

#[test]
fn what_was_written_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let line = json!({"key": "4", "value": reading(4), "ts": 1_700_000_000_000i64,
        "headers": [["sensor-id", "0x36"], ["empty", null]]});
    let ran = write(dir.path(), READINGS, &format!("{line}\n\n{line}")).expect_code(0);
    assert!(ran.stderr.contains("2 written, 0 rejected"), "{}", ran.stderr);
    let expected = |offset| {
        json!({"topic": READINGS, "partition": 0, "offset": offset, "ts": 1_700_000_000_000i64,
            "key": "4", "value": reading(4),
            "headers": [["sensor-id", "0x36"], ["empty", null]]})
    };
    assert_eq!(read(dir.path(), READINGS), [expected(0), expected(1)]);
}

#[test]
fn a_value_line_takes_its_key_from_the_reading() {
    let dir = tempfile::tempdir().unwrap();
    let before_ms = chrono::Utc::now().timestamp_millis();
    let args = ["topic", "write", READINGS, "--format", "value"];
    run_with_input(dir.path(), &args, &reading(7).to_string()).expect_code(0);
    let records = read(dir.path(), READINGS);
    assert_eq!((&records[0]["key"], &records[0]["value"]), (&json!("7"), &reading(7)));
    assert!(records[0]["ts"].as_i64().unwrap() >= before_ms);
}

#[test]
fn bad_lines_are_reported_and_the_rest_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let good = json!({"key": "1", "value": reading(1)});
    let lines = [
        good.to_string(),
        "not json".to_owned(),
        json!({"key": "1", "value": {"plant_id": 1, "moisture": 2}}).to_string(),
        json!({"key": "1", "value": reading(-1)}).to_string(),
        json!({"key": "1", "value": reading(1), "colour": 1}).to_string(),
        json!({"key": "1", "value": null}).to_string(),
        json!({"key": "1"}).to_string(),
        json!({"key": "1", "value": reading(1), "partition": 1}).to_string(),
        json!({"key": "1", "value_base64": "***"}).to_string(),
        json!(["1", null, reading(1), null, 0, 0, [], null, null]).to_string(),
        "{\"key\": oops}".to_owned(),
        good.to_string(),
    ];
    let ran = write(dir.path(), READINGS, &lines.join("\n")).expect_code(1);
    let reported: Vec<&str> = ran.stderr.lines().collect();
    let expected = [
        "line 2: it is no JSON object",
        "line 3: field \"temperature\" is missing",
        "line 4: plant id -1 is negative",
        "line 5: unknown field `colour`",
        "line 6: the value is null, expected a reading",
        "line 7: value is missing",
        "line 8: partition is 1, expected 0 to 0",
        "line 9: value_base64 is not base64",
        "line 10: it is no JSON object",
        "line 11: expected value at column 9",
        "2 written, 10 rejected, ",
    ];
    assert_eq!(reported.len(), expected.len(), "{reported:#?}");
    for (line, expected) in reported.iter().zip(expected) {
        assert!(line.starts_with(expected), "{line:?} should start with {expected:?}");
    }
    assert_eq!(read(dir.path(), READINGS).len(), 2);
}

#[test]
fn poison_goes_in_unchecked_and_comes_out_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let lines = [
        json!({"key": "1", "value_base64": "AAEC/w=="}),
        json!({"key_base64": "/w==", "value_base64": null}),
    ];
    write(dir.path(), READINGS, &format!("{}\n{}", lines[0], lines[1])).expect_code(0);
    let records = read(dir.path(), READINGS);
    assert_eq!(records[0]["value_base64"], "AAEC/w==");
    assert_eq!((&records[1]["key_base64"], &records[1]["value"]), (&json!("/w=="), &Value::Null));
    assert!(records[0].get("value").is_none() && records[1].get("key").is_none());
}

#[test]
fn a_table_takes_tombstones_and_refuses_a_key_that_is_not_the_plant() {
    let dir = tempfile::tempdir().unwrap();
    let lines = [
        json!({"key": "3", "value": plant(3)}),
        json!({"key": "3", "value": null}),
        json!({"key": "4", "value": plant(3)}),
    ];
    let input = lines.map(|line| line.to_string()).join("\n");
    let ran = write(dir.path(), METADATA, &input).expect_code(1);
    assert!(ran.stderr.contains("line 3: the key is \"4\", expected the plant id \"3\""));
    let records = read(dir.path(), METADATA);
    assert_eq!((&records[0]["value"], &records[1]["value"]), (&plant(3), &Value::Null));
}

#[test]
fn what_is_read_can_be_written_again() {
    let dir = tempfile::tempdir().unwrap();
    let lines = [
        json!({"key": "1", "value": reading(1), "ts": 5, "headers": [["a", "b"], ["c", null]]}),
        json!({"key_base64": "/w==", "value_base64": "AAEC", "ts": -5,
            "headers": [["raw", {"base64": "/w=="}]]}),
    ];
    write(dir.path(), READINGS, &format!("{}\n{}", lines[0], lines[1])).expect_code(0);
    let first = run(dir.path(), &["topic", "read", READINGS]).expect_code(0);
    let args = ["--data-dir", "copy", "topic", "write", READINGS];
    run_with_input(dir.path(), &args, &first.stdout).expect_code(0);
    let args = ["--data-dir", "copy", "topic", "read", READINGS];
    assert_eq!(run(dir.path(), &args).expect_code(0).stdout, first.stdout);
}

#[test]
fn reading_begins_where_it_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let line = |id| json!({"key": "1", "value": reading(id)}).to_string() + "\n";
    write(dir.path(), READINGS, &(0..5).map(line).collect::<String>()).expect_code(0);
    for (from, expected) in [("start", 5), ("0", 5), ("3", 2), ("end", 0), ("99", 0)] {
        let ran = run(dir.path(), &["topic", "read", READINGS, "--from", from]).expect_code(0);
        assert_eq!(ran.stdout.lines().count(), expected, "--from {from}");
    }
    let ran = run(dir.path(), &["topic", "read", READINGS, "--from", "soon"]).expect_code(2);
    assert!(ran.stderr.contains("expected a whole number from 0 on, start or end"));
}

#[test]
fn following_shows_what_another_process_writes() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), READINGS, &json!({"key": "1", "value": reading(1)}).to_string());
    let mut follower =
        windowsill(dir.path(), &["topic", "read", READINGS, "--follow"]).spawn().unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(next()["offset"], 0);
    write(dir.path(), READINGS, &json!({"key": "2", "value": reading(2)}).to_string());
    assert_eq!(next()["key"], "2");
    follower.kill().unwrap();
    follower.wait().unwrap();
}

#[test]
fn a_line_is_written_before_the_next_one_comes() {
    let dir = tempfile::tempdir().unwrap();
    let mut follower =
        windowsill(dir.path(), &["topic", "read", READINGS, "--follow"]).spawn().unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let mut writer = windowsill(dir.path(), &["topic", "write", READINGS])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = writer.stdin.take().unwrap();
    for id in 0..3 {
        writeln!(input, "{}", json!({"key": "1", "value": reading(id)})).unwrap();
        let line: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert_eq!(line["offset"], id);
    }
    drop(input);
    assert_eq!(writer.wait().unwrap().code(), Some(0));
    follower.kill().unwrap();
    follower.wait().unwrap();
}

#[test]
fn a_closed_pipe_ends_reading_quietly() {
    let dir = tempfile::tempdir().unwrap();
    let line = |id| json!({"key": "1", "value": reading(id)}).to_string() + "\n";
    write(dir.path(), READINGS, &(0..20_000).map(line).collect::<String>()).expect_code(0);
    let mut child = windowsill(dir.path(), &["topic", "read", READINGS]).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let ran = Ran::new(child.wait_with_output().unwrap()).expect_code(0);
    assert_eq!(ran.stderr, "");
}

#[test]
fn several_processes_write_at_once() {
    const WRITERS: usize = 4;
    const EACH: usize = 2000;
    let dir = tempfile::tempdir().unwrap();
    let feeders: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let mut child = windowsill(dir.path(), &["topic", "write", READINGS])
                .stdin(Stdio::piped())
                .spawn()
                .unwrap();
            std::thread::spawn(move || {
                let mut input = child.stdin.take().unwrap();
                for number in 0..EACH {
                    let line = json!({"key": writer.to_string(), "value": reading(number as i32)});
                    writeln!(input, "{line}").unwrap();
                    if number % 100 == 0 {
                        input.flush().unwrap();
                    }
                }
                drop(input);
                Ran::new(child.wait_with_output().unwrap()).expect_code(0);
            })
        })
        .collect();
    for feeder in feeders {
        feeder.join().unwrap();
    }
    let records = read(dir.path(), READINGS);
    assert_eq!(records.len(), WRITERS * EACH);
    let mut next = [0; WRITERS];
    for (offset, record) in records.iter().enumerate() {
        assert_eq!(record["offset"], offset);
        let writer: usize = record["key"].as_str().unwrap().parse().unwrap();
        assert_eq!(record["value"]["plant_id"], next[writer], "writer {writer}");
        next[writer] += 1;
    }
}

#[test]
fn a_mapping_is_written_as_a_record_or_a_value_and_its_key_is_its_sensor() {
    let dir = tempfile::tempdir().unwrap();
    let mapping = |sensor_id: &str| json!({"sensor_id": sensor_id, "plant_id": 4});
    let args = ["topic", "write", MAPPING, "--format", "value"];
    run_with_input(dir.path(), &args, &mapping("0x36").to_string()).expect_code(0);
    let lines = [
        json!({"key": "0x37", "value": mapping("0x37")}),
        json!({"key": "0x36", "value": null}),
        json!({"key": "0x38", "value": mapping("0x37")}),
        json!({"key": "0X37", "value": mapping("0X37")}),
        json!({"key": "", "value": null}),
        json!({"key": "0x37", "value": {"sensor_id": "0x37", "plant_id": -1}}),
        json!({"key": "0x37", "value": {"sensor_id": "0x37"}}),
    ];
    let input = lines.map(|line| line.to_string()).join("\n");
    let ran = write(dir.path(), MAPPING, &input).expect_code(1);
    let expected = [
        "line 3: the key is \"0x38\", expected the sensor id \"0x37\"",
        "line 4: sensor id \"0X37\" is not in its usual form, expected \"0x37\"",
        "line 5: a sensor id has 1 to 64 characters, this one has 0",
        "line 6: plant id -1 is negative",
        "line 7: field \"plant_id\" is missing",
        "2 written, 5 rejected, ",
    ];
    let reported: Vec<&str> = ran.stderr.lines().collect();
    assert_eq!(reported.len(), expected.len(), "{reported:#?}");
    for (line, expected) in reported.iter().zip(expected) {
        assert!(line.starts_with(expected), "{line:?} should start with {expected:?}");
    }
    let records: Vec<(Value, Value)> = read(dir.path(), MAPPING)
        .into_iter()
        .map(|record| (record["key"].clone(), record["value"].clone()))
        .collect();
    assert_eq!(
        records,
        [
            (json!("0x36"), mapping("0x36")),
            (json!("0x37"), mapping("0x37")),
            (json!("0x36"), Value::Null)
        ]
    );
}

/// Every topic of the contract, by name.
fn topic_names() -> Vec<&'static str> {
    let mut names: Vec<&str> = windowsill::rooms::topics().iter().map(|topic| topic.name).collect();
    names.sort_unstable();
    names
}

#[test]
fn the_list_shows_every_topic() {
    let dir = tempfile::tempdir().unwrap();
    let at = |ts: i64| json!({"key": "1", "value": reading(1), "ts": ts}).to_string() + "\n";
    write(dir.path(), READINGS, &(at(1_700_000_000_000) + &at(1_600_000_000_000))).expect_code(0);
    let json = run(dir.path(), &["topic", "list", "--json"]).expect_code(0);
    let list = json.json_lines().remove(0);
    let names: Vec<&str> =
        list.as_array().unwrap().iter().map(|topic| topic["name"].as_str().unwrap()).collect();
    assert_eq!(names, topic_names());
    let found = |name: &str| &list[names.iter().position(|known| *known == name).unwrap()];
    let expected = json!({"name": METADATA, "kind": "table", "partitions": 1, "records": 0,
        "first_ts": null, "last_ts": null});
    assert_eq!(found(METADATA), &expected);
    let expected = json!({"name": READINGS, "kind": "stream", "partitions": 1, "records": 2,
        "first_ts": 1_600_000_000_000i64, "last_ts": 1_700_000_000_000i64});
    assert_eq!(found(READINGS), &expected);
    let table = run(dir.path(), &["topic", "list"]).expect_code(0).stdout;
    assert!(table.contains("2020-09-13T12:26:40Z  2023-11-14T22:13:20Z"), "{table}");
}

#[test]
fn partitions_and_names_come_from_the_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let file = "[topics.houseplant-readings]\nname = 'soil'\npartitions = 3";
    std::fs::write(dir.path().join("windowsill.toml"), file).unwrap();
    let line = json!({"key": "1", "value": reading(1), "partition": 2}).to_string();
    write(dir.path(), "soil", &line).expect_code(0);
    let records = read(dir.path(), READINGS);
    assert_eq!((&records[0]["topic"], &records[0]["partition"]), (&json!("soil"), &json!(2)));
}

#[test]
fn an_unknown_topic_is_wrong_usage() {
    let dir = tempfile::tempdir().unwrap();
    for verb in ["read", "write"] {
        let ran = run(dir.path(), &["topic", verb, "socks"]).expect_code(2);
        let names = topic_names().join(", ");
        let expected = format!("windowsill: there is no topic \"socks\"; the topics are {names}\n");
        assert_eq!(ran.stderr, expected);
    }
    run(dir.path(), &["topic", "fly"]).expect_code(2);
}

#[test]
fn a_damaged_log_is_said_and_not_a_panic() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("windowsill-data")).unwrap();
    std::fs::write(dir.path().join("windowsill-data/log.db"), "x".repeat(9999)).unwrap();
    let ran = run(dir.path(), &["topic", "list"]).expect_code(1);
    let said = "windowsill: ./windowsill-data/log.db: it is damaged, or no database of windowsill";
    assert!(ran.stderr.starts_with(said), "{}", ran.stderr);
}
