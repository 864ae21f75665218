//! F36: does it stay as small after millions of readings as it was after the first ones? The real
//! bot against a Bot API server on loopback; another process (this one) feeds it four simulated
//! months of readings in the order of their times, so that windows, buckets and the log outlive
//! their retention. The log may take 64 MiB a topic.
//!
//! `cargo bench --bench soak [-- --readings 10000000 --plants 100000]` prints a line each tenth,
//! and fails where memory or a file grows, a count is wrong, or a file is damaged.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench that fails panics")]
#![expect(clippy::cast_precision_loss, reason = "a table for people")]

use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::json;
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use windowsill::demo::botapi::{BotApiServer, Handle, Options};
use windowsill::kernel::record::NewRecord;
use windowsill::kernel::topic::TopicKind;
use windowsill::log::EventLog;
use windowsill::log::codec::Codec;
use windowsill::log::embedded::EmbeddedLog;
use windowsill::rooms;

const OWNER: i64 = 42;
const TOKEN: &str = "1:bench";
const DAY_MS: i64 = 86_400_000;
const WINDOW_MS: i64 = 6 * 3_600_000;
const DAYS: i64 = 120;
/// What is kept behind the watermark (contract): windows 7 days, chart buckets 90.
const WINDOWS_KEPT_MS: i64 = 7 * DAY_MS;
const MOISTURE_LOW: f32 = 30.0;
const RETENTION_BYTES: u64 = 64 * 1024 * 1024;
/// Readings in one append, and how far the feed keeps ahead of the bot. Only a bot that never
/// reaches the end goes by the readings' time; at the end it would go by the clock, to which all of
/// this is the past.
const APPEND: usize = 20_000;
const AHEAD: i64 = 300_000;
const WITHIN: Duration = Duration::from_secs(600);

/// The last tenths may take so much more memory than the second one.
const MEMORY_MARGIN: f64 = 1.15;
/// A file that is at its retention may still breathe.
const FILE_MARGIN: f64 = 1.15;
/// The log is trimmed every ten seconds: it may hold what came meanwhile beside its limit.
const LOG_FACTOR: f64 = 3.0;
const WAL_MAX_MB: f64 = 150.0;

#[derive(Debug, Clone, Copy)]
struct Size {
    readings: i64,
    plants: i32,
}

/// What was seen at a tenth.
#[derive(Debug, Clone, Copy)]
struct Sample {
    rss_mb: f64,
    peak_mb: f64,
    state_mb: f64,
    state_wal_mb: f64,
    log_mb: f64,
    log_wal_mb: f64,
}

/// The bot's process; it ends with the bench.
struct Bot(Child);

impl Drop for Bot {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::main]
async fn main() {
    let size = Size {
        readings: argument("--readings").unwrap_or(4_000_000),
        plants: i32::try_from(argument("--plants").unwrap_or(10_000)).unwrap(),
    };
    println!("{} readings of {} plants over {DAYS} days", size.readings, size.plants);
    let dir = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open(&dir.path().join("log.db")).await.unwrap();
    describe(&log, size).await;
    let options = Options {
        listen: "127.0.0.1:0".parse().unwrap(),
        token: Some(TOKEN.to_owned()),
        history: None,
        page: false,
    };
    let server = BotApiServer::bind(options).await.unwrap();
    let (handle, address) = (server.handle(), server.address());
    tokio::spawn(server.run_until(std::future::pending()));
    let first_ms = now_ms() - DAYS * DAY_MS;
    append(&log, size, first_ms, 0..AHEAD.min(size.readings)).await;
    let mut bot = start(dir.path(), &format!("http://{address}"));
    answers(&handle, "/plants").await;
    let samples = feed(dir.path(), &log, size, first_ms, bot.0.id()).await;
    answers(&handle, "/plant plant 1").await;
    log.close().await;
    drop(log);
    let exit = stop(&mut bot).await;
    let mut failures = judge(&samples);
    failures.extend(look_at_the_end(dir.path(), size, first_ms, exit).await);
    for failure in &failures {
        println!("FAILED: {failure}");
    }
    if !failures.is_empty() {
        std::process::exit(1);
    }
    println!("passed: memory and files are flat, counts are right, integrity_check is ok");
}

fn argument(name: &str) -> Option<i64> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.next()?;
    Some(arguments.next().unwrap().parse().unwrap())
}

fn start(dir: &Path, api_url: &str) -> Bot {
    let child = Command::new(env!("CARGO_BIN_EXE_windowsill"))
        .args(["run", "--data-dir", dir.to_str().unwrap()])
        .env("TELEGRAM_BOT_TOKEN", TOKEN)
        .env("WINDOWSILL_TELEGRAM__API_URL", api_url)
        .env("WINDOWSILL_TELEGRAM__OWNERS", format!("[{OWNER}]"))
        .env("WINDOWSILL_HTTP__LISTEN", "127.0.0.1:0")
        .env("WINDOWSILL_EMBEDDED_LOG__RETENTION_BYTES", RETENTION_BYTES.to_string())
        .env("WINDOWSILL_LOG_FILTER", "warn")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn();
    Bot(child.unwrap())
}

/// As a service manager stops it.
async fn stop(bot: &mut Bot) -> ExitStatus {
    let process_id = bot.0.id().to_string();
    Command::new("kill").args(["-TERM", &process_id]).status().unwrap();
    let began = Instant::now();
    loop {
        if let Some(exit) = bot.0.try_wait().unwrap() {
            return exit;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "it does not stop");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn answers(handle: &Handle, question: &str) {
    let sent = |handle: &Handle| handle.performed("sendMessage") + handle.performed("sendPhoto");
    let before = sent(handle);
    handle.say(OWNER, OWNER, question);
    let answered = |handle: &Handle| (sent(handle) > before).then_some(());
    handle.wait_for(WITHIN, "an answer", answered).await.unwrap();
}

async fn describe(log: &EmbeddedLog, size: Size) {
    log.create("houseplant-metadata", TopicKind::Table, 1).await.unwrap();
    log.create("houseplant-readings", TopicKind::Stream, 1).await.unwrap();
    let codec = codec("houseplant-metadata");
    let plants = (0..size.plants).map(|plant| record(&codec, plant, now_ms(), &json!({
        "plant_id": plant, "given_name": format!("Plant {plant}"), "common_name": "Fern",
        "scientific_name": "Nephrolepis exaltata", "temperature_low": 15, "temperature_high": 30,
        "moisture_low": MOISTURE_LOW, "moisture_high": 60,
    })));
    log.append("houseplant-metadata", plants.collect()).await.unwrap();
}

/// The time of a reading: evenly over the days, plant after plant.
fn at_ms(size: Size, first_ms: i64, number: i64) -> i64 {
    let share = i128::from(number) * i128::from(DAYS * DAY_MS) / i128::from(size.readings);
    first_ms + i64::try_from(share).unwrap()
}

fn plant_of(size: Size, number: i64) -> i32 {
    i32::try_from(number % i64::from(size.plants)).unwrap()
}

/// A third of the readings are low.
fn moisture(number: i64) -> f32 {
    if number % 3 == 0 { MOISTURE_LOW - 5.0 } else { MOISTURE_LOW + 5.0 }
}

async fn feed(
    dir: &Path,
    log: &EmbeddedLog,
    size: Size,
    first_ms: i64,
    process_id: u32,
) -> Vec<Sample> {
    println!(
        "{:>6} {:>11} {:>10} {:>8} {:>8} {:>9} {:>9} {:>8} {:>8}",
        "tenth",
        "readings",
        "records/s",
        "RSS MB",
        "peak MB",
        "state MB",
        "its WAL",
        "log MB",
        "its WAL"
    );
    let mut samples = Vec::new();
    let mut began = Instant::now();
    let mut fed = AHEAD.min(size.readings);
    for tenth in 1..=10 {
        let (first, end) = (size.readings * (tenth - 1) / 10, size.readings * tenth / 10);
        while fed < size.readings && fed < end + AHEAD {
            folded(dir, fed - AHEAD).await;
            let next = size.readings.min(fed + APPEND as i64);
            append(log, size, first_ms, fed..next).await;
            fed = next;
        }
        folded(dir, end).await;
        let sample = sample(dir, process_id);
        let rate = (end - first) as f64 / began.elapsed().as_secs_f64();
        began = Instant::now();
        println!(
            "{tenth:>6} {end:>11} {rate:>10.0} {:>8.1} {:>8.1} {:>9.1} {:>9.1} {:>8.1} {:>8.1}",
            sample.rss_mb,
            sample.peak_mb,
            sample.state_mb,
            sample.state_wal_mb,
            sample.log_mb,
            sample.log_wal_mb
        );
        samples.push(sample);
    }
    samples
}

/// Appends the readings of these numbers.
async fn append(log: &EmbeddedLog, size: Size, first_ms: i64, numbers: std::ops::Range<i64>) {
    let codec = codec("houseplant-readings");
    let reading = |number: i64| {
        let plant = plant_of(size, number);
        let value = json!({
            "plant_id": plant, "moisture": moisture(number), "temperature": 21.5,
        });
        record(&codec, plant, at_ms(size, first_ms, number), &value)
    };
    log.append("houseplant-readings", numbers.map(reading).collect()).await.unwrap();
}

/// Waits until the bot has folded so many readings.
async fn folded(dir: &Path, readings: i64) {
    let began = Instant::now();
    let sql = "select sum(records) from position where topic = 'houseplant-readings'";
    while number(dir, sql).await < readings {
        assert!(began.elapsed() < WITHIN, "the bot does not get on");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn number(dir: &Path, sql: &str) -> i64 {
    let mut state = open(&dir.join("state.db")).await;
    let found: Option<i64> = sqlx::query_scalar(sql).fetch_one(&mut state).await.unwrap();
    state.close().await.unwrap();
    found.unwrap_or(0)
}

async fn open(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    SqliteConnection::connect_with(&options).await.unwrap()
}

fn sample(dir: &Path, process_id: u32) -> Sample {
    let status = std::fs::read_to_string(format!("/proc/{process_id}/status")).unwrap();
    let memory = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1024.0
    };
    let file = |name: &str| std::fs::metadata(dir.join(name)).map_or(0, |it| it.len()) as f64 / 1e6;
    Sample {
        rss_mb: memory("VmRSS:"),
        peak_mb: memory("VmHWM:"),
        state_mb: file("state.db"),
        state_wal_mb: file("state.db-wal"),
        log_mb: file("log.db"),
        log_wal_mb: file("log.db-wal"),
    }
}

/// What grew that should not have.
fn judge(samples: &[Sample]) -> Vec<String> {
    let mut failures = Vec::new();
    let mut expect_below = |what: &str, found: f64, limit: f64| {
        if found > limit {
            failures.push(format!("{what}: {found:.1} MB, expected at most {limit:.1} MB"));
        }
    };
    let greatest =
        |of: &[Sample], field: fn(&Sample) -> f64| of.iter().map(field).fold(0.0, f64::max);
    let last = &samples[7..];
    let memory_limit = samples[1].rss_mb * MEMORY_MARGIN;
    expect_below("memory in the last tenths", greatest(last, |it| it.rss_mb), memory_limit);
    // 90 of 120 days: from the eighth tenth on the state lets go what it takes in.
    let state = |it: &Sample| it.state_mb + it.state_wal_mb;
    let state_limit = state(&samples[7]) * FILE_MARGIN;
    expect_below("the state in the last tenths", greatest(last, state), state_limit);
    let log_limit = RETENTION_BYTES as f64 / 1e6 * LOG_FACTOR;
    expect_below("log.db", greatest(samples, |it| it.log_mb), log_limit);
    let wals = |it: &Sample| it.state_wal_mb.max(it.log_wal_mb);
    expect_below("a write-ahead log", greatest(samples, wals), WAL_MAX_MB);
    failures
}

/// What is wrong with what the bot left.
async fn look_at_the_end(dir: &Path, size: Size, first_ms: i64, exit: ExitStatus) -> Vec<String> {
    let mut failures = Vec::new();
    if exit.code() != Some(0) {
        failures.push(format!("it ended with {exit}"));
    }
    for name in ["state.db", "log.db"] {
        let mut file = open(&dir.join(name)).await;
        let found: String =
            sqlx::query_scalar("pragma integrity_check").fetch_one(&mut file).await.unwrap();
        if found != "ok" {
            failures.push(format!("{name}: {found}"));
        }
        let wal = std::fs::metadata(dir.join(format!("{name}-wal"))).map_or(0, |it| it.len());
        if wal > 0 {
            failures.push(format!("{name}-wal still holds {wal} bytes"));
        }
    }
    // Windows that are surely kept, whatever the clock did meanwhile: a day from either edge.
    let from_ms = (now_ms() - WINDOWS_KEPT_MS) / WINDOW_MS * WINDOW_MS + DAY_MS;
    let lows = (0..size.readings).filter(|number| {
        at_ms(size, first_ms, *number) >= from_ms && moisture(*number) < MOISTURE_LOW
    });
    let lows = i64::try_from(lows.count()).unwrap();
    let readings = "select sum(records) from position where topic = 'houseplant-readings'";
    let windows = format!("select sum(low_count) from plant_window where start_ms >= {from_ms}");
    let windows_kept = format!(
        "select count(*) from plant_window where start_ms < {}",
        now_ms() - WINDOWS_KEPT_MS - DAY_MS
    );
    for (what, sql, expected) in [
        ("readings folded", readings, size.readings),
        ("late", "select sum(late) from position", 0),
        ("dead letters", "select count(*) from dead_letter", 0),
        ("plants", "select count(*) from plant", i64::from(size.plants)),
        ("plants seen", "select count(*) from plant_latest", i64::from(size.plants)),
        ("low readings of the last days", &windows, lows),
        ("windows beyond their retention", &windows_kept, 0),
    ] {
        let found = number(dir, sql).await;
        if found != expected {
            failures.push(format!("{what}: {found}, expected {expected}"));
        }
    }
    failures
}

fn record(codec: &Codec, plant: i32, at_ms: i64, value: &serde_json::Value) -> NewRecord {
    NewRecord {
        key: Some(plant.to_string().into_bytes()),
        value: Some(codec.encode(value).unwrap()),
        ts_ms: at_ms,
        ..NewRecord::default()
    }
}

fn codec(topic: &str) -> Codec {
    let spec = rooms::topics().iter().find(|spec| spec.name == topic).unwrap();
    Codec::of(spec.format).unwrap()
}

fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    i64::try_from(now).unwrap()
}
