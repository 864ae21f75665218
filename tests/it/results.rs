//! The result table `houseplant-low-readings`: a closed window in which a plant was dry, for
//! whoever reads the topic.

use std::path::Path;

use serde_json::Value;
use windowsill::clock;
use windowsill::crash;

use crate::bot::past::{Log, Reading, WINDOW_MS, plant};
use crate::support::{run, windowsill};

const DATA: &str = "windowsill-data";

/// Low readings of plant 7, half a minute apart.
fn low(count: i64, first_ms: i64) -> Vec<Reading> {
    let reading = |number: i64| Reading {
        plant_id: 7,
        moisture: 10.0,
        at_ms: first_ms + number * 30_000,
        partition: 0,
    };
    (0..count).map(reading).collect()
}

/// The start of a window that closed some hours ago.
fn closed_window_ms() -> i64 {
    (clock::now_ms() - 2 * WINDOW_MS) / WINDOW_MS * WINDOW_MS
}

fn published(dir: &Path) -> Vec<Value> {
    run(dir, &["topic", "read", "houseplant-low-readings"]).expect_code(0).json_lines()
}

/// How often a row was written: compaction keeps only the newest.
fn written(rows: &[Value]) -> i64 {
    rows.last().map_or(0, |row| row["offset"].as_i64().unwrap() + 1)
}

async fn dry_plant(dir: &Path, start_ms: i64) -> Log {
    let log = Log::open(&dir.join(DATA), 1).await;
    log.describe(&plant(7, "Old fern", 30.0)).await;
    log.append(&low(130, start_ms)).await;
    log
}

#[tokio::test]
async fn a_dry_window_is_a_row_and_a_later_count_replaces_it() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let start_ms = closed_window_ms();
    let log = dry_plant(dir, start_ms).await;
    run(dir, &["fold"]).expect_code(0);
    let rows = published(dir);
    assert_eq!(rows.len(), 1, "{rows:?}");
    let value = &rows[0]["value"];
    assert_eq!(rows[0]["key"], format!("7@{start_ms}"));
    assert_eq!(value["low_reading_count"], 130);
    assert_eq!(value["window_start"], start_ms);
    assert_eq!(value["window_end"], start_ms + WINDOW_MS);
    let message = value["message"].as_str().unwrap();
    let names = [&value["given_name"], &value["common_name"], &value["scientific_name"]];
    let [given, common, scientific] = names.map(|name| name.as_str().unwrap());
    assert_eq!(message, format!("{given} the {common} ({scientific}) is looking pretty dry..."));

    log.append(&low(5, start_ms + 130 * 30_000)).await;
    run(dir, &["fold"]).expect_code(0);
    let rows = published(dir);
    assert_eq!((rows.len(), written(&rows)), (1, 2), "{rows:?}");
    assert_eq!(rows[0]["value"]["low_reading_count"], 135);

    // Nothing has changed: neither the next fold nor a rebuild writes anything.
    run(dir, &["fold"]).expect_code(0);
    run(dir, &["rebuild"]).expect_code(0);
    run(dir, &["fold"]).expect_code(0);
    assert_eq!(written(&published(dir)), 2);
}

/// F3: killed between the append and its mark, the row goes out again, and nothing else does.
#[tokio::test]
async fn a_crash_after_the_append_publishes_the_same_row_again() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    dry_plant(dir, closed_window_ms()).await;
    let mut killed = windowsill(dir, &["fold"]);
    killed.env("TEST_WINDOWSILL_CRASH", format!("{}:1", crash::RESULTS_POINT));
    assert_eq!(killed.output().unwrap().status.code(), None, "it was to be killed");
    run(dir, &["fold"]).expect_code(0);
    run(dir, &["fold"]).expect_code(0);
    let rows = published(dir);
    assert_eq!((rows.len(), written(&rows)), (1, 2), "{rows:?}");
    assert_eq!(rows[0]["value"]["low_reading_count"], 130);
}

#[tokio::test]
async fn the_setting_keeps_a_table_out_of_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let off = "[topics.houseplant-low-readings]\npublish = false\n";
    std::fs::write(dir.join("windowsill.toml"), off).unwrap();
    dry_plant(dir, closed_window_ms()).await;
    run(dir, &["fold"]).expect_code(0);
    assert!(published(dir).is_empty());
}
