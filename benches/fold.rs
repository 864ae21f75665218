//! How fast `windowsill fold` is, as a process, on a closed log of 30 days: wall time, durable
//! commits included, peak memory, bytes on disk; its windows are checked against a model.
//!
//! `cargo bench --bench fold` runs six plants at the contract's pace and at ten times that;
//! `cargo bench --bench fold -- --large` adds 100,000 plants.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a bench that fails panics, and shows rounded numbers"
)]

use std::collections::HashMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use windowsill::kernel::record::NewRecord;
use windowsill::kernel::topic::TopicKind;
use windowsill::log::EventLog;
use windowsill::log::codec::Codec;
use windowsill::log::embedded::EmbeddedLog;
use windowsill::rooms;

const DAY_MS: i64 = 86_400_000;
const WINDOW_MS: i64 = 6 * 3_600_000;
const DAYS: i64 = 30;
/// Windows are kept this long behind the watermark.
const KEPT_MS: i64 = 7 * DAY_MS;

/// A household to fold.
struct Case {
    name: &'static str,
    plants: i32,
    every_ms: i64,
}

/// The 30 days end with the last whole window before now, so that a week of windows is kept.
fn first_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    i64::try_from(now).unwrap() / WINDOW_MS * WINDOW_MS - DAYS * DAY_MS
}

fn main() {
    let large = std::env::args().any(|argument| argument == "--large");
    let mut cases = vec![
        Case { name: "6 plants, 30 s", plants: 6, every_ms: 30_000 },
        Case { name: "6 plants, 3 s", plants: 6, every_ms: 3_000 },
    ];
    if large {
        cases.push(Case { name: "100,000 plants, 3 h", plants: 100_000, every_ms: 10_800_000 });
    }
    println!(
        "{:<22} {:>11} {:>8} {:>12} {:>9} {:>10} {:>10}",
        "case", "records", "wall s", "records/s", "peak MB", "log B/rec", "state MB"
    );
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for case in &cases {
        let dir = tempfile::tempdir().unwrap();
        let first_ms = first_ms();
        let expected = runtime.block_on(fill(dir.path(), case, first_ms));
        measure(dir.path(), case, &expected, first_ms);
    }
}

/// Moisture that is low for some plants in some windows: a pure function of plant and time.
fn moisture(plant: i32, at_ms: i64) -> f32 {
    let wave = (at_ms / 60_000 + i64::from(plant) * 977) % 4_000;
    10.0 + wave as f32 / 50.0
}

const MOISTURE_LOW: f32 = 30.0;

/// Writes the log and gives the windows that folding has to come to.
async fn fill(dir: &Path, case: &Case, first_ms: i64) -> HashMap<(i64, i32), i64> {
    let log = EmbeddedLog::open(&dir.join("log.db")).await.unwrap();
    let codec = |name: &str| {
        let spec = rooms::topics().iter().find(|spec| spec.name == name).unwrap();
        Codec::of(spec.format).unwrap()
    };
    log.create("houseplant-metadata", TopicKind::Table, 1).await.unwrap();
    log.create("houseplant-readings", TopicKind::Stream, 1).await.unwrap();
    let metadata = codec("houseplant-metadata");
    let plants = (0..case.plants).map(|plant| record(plant, first_ms, &metadata, &json!({
        "plant_id": plant, "given_name": format!("Plant {plant}"), "common_name": "Fern",
        "scientific_name": "Nephrolepis exaltata", "temperature_low": 15, "temperature_high": 30,
        "moisture_low": MOISTURE_LOW, "moisture_high": 60,
    })));
    log.append("houseplant-metadata", plants.collect()).await.unwrap();
    let readings = codec("houseplant-readings");
    let mut expected = HashMap::new();
    let mut batch = Vec::new();
    let last_ms = first_ms + DAYS * DAY_MS;
    for at_ms in (first_ms..last_ms).step_by(usize::try_from(case.every_ms).unwrap()) {
        for plant in 0..case.plants {
            let moisture = moisture(plant, at_ms);
            let value = json!({"plant_id": plant, "moisture": moisture, "temperature": 21.5});
            batch.push(record(plant, at_ms, &readings, &value));
            if moisture < MOISTURE_LOW {
                *expected.entry((at_ms / WINDOW_MS * WINDOW_MS, plant)).or_default() += 1;
            }
        }
        if batch.len() >= 50_000 {
            log.append("houseplant-readings", std::mem::take(&mut batch)).await.unwrap();
        }
    }
    log.append("houseplant-readings", batch).await.unwrap();
    expected
}

fn record(plant: i32, at_ms: i64, codec: &Codec, value: &Value) -> NewRecord {
    NewRecord {
        key: Some(plant.to_string().into_bytes()),
        value: Some(codec.encode(value).unwrap()),
        ts_ms: at_ms,
        ..NewRecord::default()
    }
}

fn measure(dir: &Path, case: &Case, expected: &HashMap<(i64, i32), i64>, first_ms: i64) {
    let began = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_windowsill"))
        .args(["fold", "--json", "--data-dir", dir.to_str().unwrap()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let peak_kib = watch_memory(&mut child);
    let wall_s = began.elapsed().as_secs_f64();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    let records = summary["pipelines"][0]["records"].as_f64().unwrap();
    check(dir, expected, first_ms);
    let size = |name: &str| std::fs::metadata(dir.join(name)).map_or(0, |data| data.len()) as f64;
    println!(
        "{:<22} {:>11} {:>8.2} {:>12.0} {:>9.0} {:>10.1} {:>10.1}",
        case.name,
        records,
        wall_s,
        records / wall_s,
        peak_kib / 1024.0,
        size("log.db") / records,
        size("state.db") / 1e6
    );
}

/// Waits for the end and gives the greatest resident memory seen, in KiB.
fn watch_memory(child: &mut Child) -> f64 {
    let status = format!("/proc/{}/status", child.id());
    let mut peak_kib = 0.0;
    while child.try_wait().unwrap().is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        if let Some(kib) = line.and_then(|line| line.split_whitespace().next()) {
            peak_kib = kib.parse().unwrap();
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    peak_kib
}

/// Every window that is still kept has the model's count, and there is no other.
fn check(dir: &Path, expected: &HashMap<(i64, i32), i64>, first_ms: i64) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let windows: HashMap<(i64, i32), i64> = runtime.block_on(async {
        let store = windowsill::store::StoreReader::open(dir).await.unwrap();
        let rows: Vec<(i64, i32, i64)> = store
            .read(|db| {
                Box::pin(async move {
                    let select = "select start_ms, plant_id, low_count from plant_window";
                    Ok(sqlx::query_as(select).fetch_all(db).await?)
                })
            })
            .await
            .unwrap();
        rows.into_iter().map(|(start_ms, plant, count)| ((start_ms, plant), count)).collect()
    });
    assert!(!windows.is_empty(), "no windows at all");
    for (window, count) in &windows {
        assert_eq!(expected.get(window), Some(count), "window {window:?}");
    }
    // A window's margin either way: the clock went on while the log was written.
    let surely_kept_ms = first_ms + DAYS * DAY_MS - KEPT_MS + WINDOW_MS;
    for window in expected.keys().filter(|(start_ms, _)| *start_ms >= surely_kept_ms) {
        assert!(windows.contains_key(window), "window {window:?} is missing");
    }
}
