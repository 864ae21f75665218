//! The result table `pcap-stats`: statistics by device, for whoever reads the topic.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::street::{BEGIN_MS, Seen, Tshark, colons, hex, model, street};
use super::{fold, settings, write};
use crate::support::{run, run_with_input};

const ON: &str = "[topics.pcap-stats]\npublish = true\n";

fn published(dir: &Path) -> Vec<Value> {
    run(dir, &["topic", "read", "pcap-stats"]).expect_code(0).json_lines()
}

/// How many records were ever written: compaction keeps only the newest of each key.
fn written(dir: &Path) -> i64 {
    let last = published(dir).iter().filter_map(|record| record["offset"].as_i64()).max();
    last.map_or(0, |offset| offset + 1)
}

/// The newest value of each key, as a reader of a compacted topic has it.
fn table(records: &[Value]) -> BTreeMap<String, Value> {
    let mut table = BTreeMap::new();
    for record in records {
        let key = record["key"].as_str().unwrap().to_owned();
        match &record["value"] {
            Value::Null => drop(table.remove(&key)),
            value => drop(table.insert(key, value.clone())),
        }
    }
    table
}

fn expected(probes: &[Seen]) -> BTreeMap<String, Value> {
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for seen in probes {
        let text = windowsill::rooms::wifi::types::Ssid::of_bytes(&seen.ssid).unwrap().to_string();
        names.insert(hex(&seen.ssid), text);
    }
    let of_hex = |digits: &str| {
        let bytes: Vec<u8> =
            (0..6).map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap()).collect();
        colons(&bytes.try_into().unwrap())
    };
    let row = |(mac, stats): (String, super::Stats)| {
        let mac = of_hex(&mac);
        let ssids: Vec<Value> =
            stats.ssids.iter().map(|hex| json!({"hex": hex, "text": names[hex]})).collect();
        let value = json!({
            "mac": mac, "name": null, "probe_count": stats.probes,
            "wildcard_count": stats.wildcards, "first_probe": stats.first_ms,
            "last_probe": stats.last_ms, "unique_ssids": ssids.len(), "ssids": ssids,
            "ssids_complete": true, "signal_min_dbm": stats.dbm.0, "signal_max_dbm": stats.dbm.1,
        });
        (mac, value)
    };
    model(probes).into_iter().map(row).collect()
}

#[test]
fn each_devices_newest_state_goes_out_once() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    settings(dir, ON);
    let probes = street(1_500);
    let (first, rest) = probes.split_at(1_000);
    write(dir, &Tshark::V4_0.prints(first)).expect_code(0);
    fold(dir);
    assert_eq!(table(&published(dir)), expected(first));
    let devices = i64::try_from(expected(first).len()).unwrap();
    assert_eq!(written(dir), devices, "one record for each device");
    write(dir, &Tshark::V4_0.prints(rest)).expect_code(0);
    fold(dir);
    assert_eq!(table(&published(dir)), expected(&probes));
    let after = written(dir);
    // What has not changed is not written again, after a rebuild either.
    fold(dir);
    run(dir, &["rebuild"]).expect_code(0);
    fold(dir);
    assert_eq!(written(dir), after);
    // A name is part of the row, and so is its loss.
    let mac = "40:a1:19:00:00:05";
    for (value, name) in
        [(json!({"name": "Reader", "ignored": false}), json!("Reader")), (Value::Null, Value::Null)]
    {
        let line = json!({"key": mac, "value": value}).to_string();
        run_with_input(dir, &["topic", "write", "device-names"], &line).expect_code(0);
        fold(dir);
        assert_eq!(table(&published(dir))[mac]["name"], name);
    }
}

#[test]
fn a_forgotten_device_is_deleted_from_the_topic_too() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    settings(dir, &format!("{ON}[wifi]\nrandom_retention_days = 1\n"));
    let seen = |ms, first| Seen { ms, mac: [first, 1, 2, 3, 4, 5], ssid: Vec::new(), dbm: -50 };
    write(dir, &Tshark::V4_0.prints(&[seen(BEGIN_MS, 0xda)])).expect_code(0);
    fold(dir);
    assert!(table(&published(dir)).contains_key("da:01:02:03:04:05"));
    write(dir, &Tshark::V4_0.prints(&[seen(BEGIN_MS + 30 * 3_600_000, 0x40)])).expect_code(0);
    fold(dir);
    let keys: Vec<String> = table(&published(dir)).into_keys().collect();
    assert_eq!(keys, ["40:01:02:03:04:05"]);
}

#[test]
fn a_table_that_nobody_asked_for_is_not_written_and_begins_whole() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let probes = street(300);
    write(dir, &Tshark::V4_0.prints(&probes)).expect_code(0);
    fold(dir);
    assert!(published(dir).is_empty());
    settings(dir, ON);
    fold(dir);
    assert_eq!(table(&published(dir)), expected(&probes));
}
