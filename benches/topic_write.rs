//! How fast readings go into the embedded log and come out of it, and what they take on the disk.
//!
//! `cargo bench --bench topic_write [-- RECORDS]` prints a table; a million records by default.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench that fails panics")]

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use sqlx::{Connection, SqliteConnection};
use windowsill::kernel::record::NewRecord;
use windowsill::kernel::topic::TopicKind;
use windowsill::log::codec::Codec;
use windowsill::log::embedded::EmbeddedLog;
use windowsill::log::{EventLog, Fetched, Start};
use windowsill::rooms;
use windowsill::rooms::plants::wire::{Reading, decode_reading};

const TOPIC: &str = "houseplant-readings";
const CHUNK: usize = 10_000;
const START_MS: i64 = 1_700_000_000_000;

fn main() {
    let asked = std::env::args().find_map(|argument| argument.parse().ok());
    let count: usize = asked.unwrap_or(1_000_000);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        println!("{:36} {:>14} {:>12}", format!("{count} readings"), "records/s", "ns/record");
        let dir = tempfile::tempdir().unwrap();
        through_the_library(dir.path(), count).await;
        small_appends(dir.path()).await;
        codec_alone(count);
    });
    through_the_binary(count);
}

async fn through_the_library(dir: &Path, count: usize) {
    let codec = codec();
    let path = dir.join("log.db");
    let log = EmbeddedLog::open(&path).await.unwrap();
    log.create(TOPIC, TopicKind::Stream, 1).await.unwrap();

    let mut took = Duration::ZERO;
    for begin in (0..count).step_by(CHUNK) {
        let end = count.min(begin + CHUNK);
        let records = (begin..end).map(|number| record(&codec, number)).collect();
        let begun = Instant::now();
        log.append(TOPIC, records).await.unwrap();
        took += begun.elapsed();
    }
    print("append, 10,000 a call", count, took);
    read(&log, count, "read, batches only", false).await;
    read(&log, count, "read, every record decoded", true).await;
    drop(log);
    // What still waits in the write-ahead log counts too.
    let mut file = SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
    sqlx::raw_sql("pragma wal_checkpoint(truncate)").execute(&mut file).await.unwrap();
    let size_bytes = std::fs::metadata(&path).unwrap().len();
    let per_million = size_bytes as f64 / count as f64;
    println!("{:36} {per_million:>14.1} MB", "on disk per million readings");
}

async fn read(log: &EmbeddedLog, count: usize, name: &str, decode: bool) {
    let codec = codec();
    let begun = Instant::now();
    let from = vec![Start { partition: 0, offset: 0 }];
    let mut reader = log.read(TOPIC, from).await.unwrap();
    let (mut seen, mut iterating, mut plants) = (0, Duration::ZERO, 0);
    while let Fetched::Batch(batch) = reader.next().await.unwrap() {
        let iterated = Instant::now();
        for record in batch.records() {
            let record = record.unwrap();
            seen += 1;
            if decode {
                let reading: Reading = decode_reading(&codec, record.key, record.value).unwrap();
                plants += i64::from(reading.plant_id.get());
            } else {
                plants += record.ts_ms;
            }
        }
        iterating += iterated.elapsed();
    }
    std::hint::black_box(plants);
    print(name, count, begun.elapsed());
    print("  of which on the reading thread", count, iterating);
    assert_eq!(seen, count);
}

/// A single record a call: one after the other, then many callers at once.
async fn small_appends(dir: &Path) {
    const CALLS: usize = 2000;
    const CALLERS: usize = 64;
    let codec = codec();
    let log = std::sync::Arc::new(EmbeddedLog::open(&dir.join("small.db")).await.unwrap());
    log.create(TOPIC, TopicKind::Stream, 1).await.unwrap();
    let begun = Instant::now();
    for number in 0..CALLS {
        log.append(TOPIC, vec![record(&codec, number)]).await.unwrap();
    }
    print("append, 1 a call, in turn", CALLS, begun.elapsed());

    let begun = Instant::now();
    let mut callers = Vec::new();
    for _ in 0..CALLERS {
        let log = std::sync::Arc::clone(&log);
        let records: Vec<NewRecord> = (0..CALLS).map(|number| record(&codec, number)).collect();
        callers.push(tokio::spawn(async move {
            for record in records {
                log.append(TOPIC, vec![record]).await.unwrap();
            }
        }));
    }
    for caller in callers {
        caller.await.unwrap();
    }
    print("append, 1 a call, 64 callers", CALLS * CALLERS, begun.elapsed());
    read(&log, CALLS * (CALLERS + 1), "read what small appends left", false).await;
}

fn codec_alone(count: usize) {
    let codec = codec();
    let bytes = record(&codec, 3).value.unwrap();
    let begun = Instant::now();
    let mut plants = 0;
    for _ in 0..count {
        let reading: Reading = codec.decode(std::hint::black_box(&bytes)).unwrap();
        plants += i64::from(reading.plant_id.get());
    }
    std::hint::black_box(plants);
    print("decode alone", count, begun.elapsed());
}

fn through_the_binary(count: usize) {
    let dir = tempfile::tempdir().unwrap();
    for format in ["record", "value"] {
        let mut input = String::new();
        for number in 0..count {
            let (plant_id, moisture) = (number % 6, number % 100);
            let value =
                format!(r#"{{"plant_id":{plant_id},"moisture":{moisture}.5,"temperature":18.25}}"#);
            let ts = START_MS + number as i64;
            let _ = match format {
                "record" => writeln!(input, r#"{{"key":"{plant_id}","value":{value},"ts":{ts}}}"#),
                _ => writeln!(input, "{value}"),
            };
        }
        let file = dir.path().join("lines");
        std::fs::write(&file, &input).unwrap();
        let begun = Instant::now();
        let status = Command::new(env!("CARGO_BIN_EXE_windowsill"))
            .args(["--data-dir", format, "topic", "write", TOPIC, "--format", format])
            .current_dir(dir.path())
            .stdin(Stdio::from(std::fs::File::open(&file).unwrap()))
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success());
        print(&format!("topic write --format {format}"), count, begun.elapsed());
    }
    let begun = Instant::now();
    let status = Command::new(env!("CARGO_BIN_EXE_windowsill"))
        .args(["--data-dir", "record", "topic", "read", TOPIC])
        .current_dir(dir.path())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    print("topic read", count, begun.elapsed());
}

fn codec() -> Codec {
    let spec = rooms::topics().iter().find(|spec| spec.name == TOPIC).unwrap();
    Codec::of(spec.format).unwrap()
}

fn record(codec: &Codec, number: usize) -> NewRecord {
    let plant_id = number % 6;
    let value = json!({"plant_id": plant_id, "moisture": (number % 100) as f32, "temperature": 18});
    NewRecord {
        key: Some(plant_id.to_string().into_bytes()),
        value: Some(codec.encode(&value).unwrap()),
        // Six plants report every 30 seconds.
        ts_ms: START_MS + (number / 6) as i64 * 30_000,
        ..NewRecord::default()
    }
}

fn print(name: &str, count: usize, took: Duration) {
    let rate = count as f64 / took.as_secs_f64();
    let each_ns = took.as_nanos() as f64 / count as f64;
    println!("{name:36} {rate:>14.0} {each_ns:>12.1}");
}
