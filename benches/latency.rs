//! How long people wait: start to the first answer, update in to reply on the wire, inline query to a
//! page of plants, record appended to alert on the wire; beside what one fsync costs here. The real binary against a Bot API
//! server on loopback.
//!
//! `cargo bench --bench latency` prints a table; it takes about a minute, because Telegram's pace
//! (a message a second in a chat) is kept. With `-- --kafka` the log is a real broker, which
//! `.ci/services` fetches.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench that fails panics"
)]

#[path = "../tests/it/kafka/broker.rs"]
#[expect(dead_code, reason = "tests do more with a broker")]
mod broker;
#[path = "../tests/it/tool.rs"]
#[expect(dead_code, reason = "tests use more programs")]
mod tool;

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use broker::{Broker, BrokerOptions};
use serde_json::json;
use windowsill::config::Config;
use windowsill::demo::botapi::{BotApiServer, Handle, Options};
use windowsill::kernel::record::NewRecord;
use windowsill::log::EventLog;
use windowsill::log::embedded::EmbeddedLog;
use windowsill::log::kafka::KafkaLog;
use windowsill::log::topics::Topics;
use windowsill::rooms;

const OWNER: i64 = 42;
const TOKEN: &str = "1:bench";
const WITHIN: Duration = Duration::from_secs(30);
const WINDOW_MS: i64 = 6 * 3_600_000;
const GRACE_MS: i64 = 600_000;
/// The contract: more than this many low readings are an alert.
const LOW_LIMIT: i64 = 120;
const REPLIES: i64 = 200;
const ALERTS: i32 = 40;
const PAGES: usize = 100;

/// The bot's process; it ends with the bench.
struct Bot(Child);

impl Drop for Bot {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Bot {
    /// Ends it in its own time: after a `kill -9` the next life would send the same answer again,
    /// and that would be measured.
    fn stop(mut self) {
        let process_id = self.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &process_id]).status().unwrap().success());
        self.0.wait().unwrap();
    }
}

#[tokio::main]
async fn main() {
    let dir = tempfile::tempdir().unwrap();
    println!("{:<38} {:>8} {:>10} {:>10}", "", "samples", "p50 ms", "p99 ms");
    print("one 4 KiB write with fsync", fsyncs(dir.path()));
    let is_kafka = std::env::args().any(|argument| argument == "--kafka");
    let broker = is_kafka.then(|| Broker::start("latency on Kafka", BrokerOptions::default()));
    let Some(broker) = broker.map_or(Some(None), |started| started.map(Some)) else { return };
    let brokers = broker.as_ref().map(Broker::address);
    let log = Log::open(dir.path(), brokers).await;
    nearly_dry_plants(&log).await;
    let options = Options {
        listen: "127.0.0.1:0".parse().unwrap(),
        token: Some(TOKEN.to_owned()),
        history: None,
        page: false,
    };
    let server = BotApiServer::bind(options).await.unwrap();
    let (handle, address) = (server.handle(), server.address());
    tokio::spawn(server.run_until(std::future::pending()));
    let api_url = format!("http://{address}");

    let mut starts = Vec::new();
    for _ in 0..10 {
        let began = Instant::now();
        let before = answers(&handle);
        handle.say(OWNER, OWNER, "/plant plant 1");
        let bot = start(dir.path(), &api_url, &log);
        let sent = handle.wait_for(WITHIN, "first answer", |handle| {
            (answers(handle) > before).then_some(Instant::now())
        });
        starts.push(sent.await.unwrap() - began);
        bot.stop();
    }
    print("start to the first look-up's answer", starts);

    let _bot = start(dir.path(), &api_url, &log);
    print("update in to reply on the wire", replies(&handle).await);
    print("inline query to 20 cards on the wire", pages(&handle).await);
    print("record appended to alert on the wire", alerts(&handle, &log).await);
}

/// Words, and pictures where readings have been folded by then.
fn answers(handle: &Handle) -> usize {
    handle.performed("sendMessage") + handle.performed("sendPhoto")
}

/// The bot's log, opened beside it.
struct Log {
    events: Arc<dyn EventLog>,
    topics: Topics,
    /// Where the log is a cluster.
    brokers: Option<String>,
}

impl Log {
    async fn open(dir: &Path, brokers: Option<String>) -> Log {
        let mut config = Config::default();
        config.kafka.brokers.clone_from(&brokers);
        let topics = Topics::of_config(rooms::topics(), &config).unwrap();
        let events: Arc<dyn EventLog> = match KafkaLog::of_config(&config, &topics).unwrap() {
            Some(log) => Arc::new(log),
            None => Arc::new(EmbeddedLog::open(&dir.join("log.db")).await.unwrap()),
        };
        topics.create(events.as_ref()).await.unwrap();
        Log { events, topics, brokers }
    }

    async fn append(&self, topic: &str, records: Vec<NewRecord>) {
        self.events.append(topic, records).await.unwrap();
    }

    fn record(&self, topic: &str, plant: i32, ts_ms: i64, value: &serde_json::Value) -> NewRecord {
        NewRecord {
            key: Some(plant.to_string().into_bytes()),
            value: Some(self.topics.get(topic).unwrap().codec.encode(value).unwrap()),
            ts_ms,
            ..NewRecord::default()
        }
    }
}

fn start(dir: &Path, api_url: &str, log: &Log) -> Bot {
    let chats: Vec<i64> = (1..=REPLIES).map(|number| 5_000 + number).collect();
    let child = Command::new(env!("CARGO_BIN_EXE_windowsill"))
        .args(["run", "--data-dir", dir.to_str().unwrap()])
        .env_clear()
        .env("TELEGRAM_BOT_TOKEN", TOKEN)
        .env("WINDOWSILL_TELEGRAM__API_URL", api_url)
        .env("WINDOWSILL_TELEGRAM__OWNERS", format!("[{OWNER}]"))
        .env("WINDOWSILL_TELEGRAM__ALLOWED_CHATS", format!("{chats:?}"))
        .env("WINDOWSILL_HTTP__LISTEN", "127.0.0.1:0")
        .env("WINDOWSILL_LOG_FILTER", "error")
        .envs(log.brokers.iter().map(|brokers| ("WINDOWSILL_KAFKA__BROKERS", brokers)))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn();
    Bot(child.unwrap())
}

/// One look-up in each of many chats, below the pace of all chats together.
async fn replies(handle: &Handle) -> Vec<Duration> {
    let mut took = Vec::new();
    for number in 1..=REPLIES {
        let chat_id = 5_000 + number;
        let began = Instant::now();
        handle.say(chat_id, chat_id, "/plant plant 1");
        took.push(first_call(handle, chat_id, began).await - began);
        tokio::time::sleep(Duration::from_millis(45)).await;
    }
    took
}

/// A page of plants for what somebody types behind the bot's name.
async fn pages(handle: &Handle) -> Vec<Duration> {
    let mut took = Vec::new();
    for number in 0..PAGES {
        let began = Instant::now();
        handle.inline_query(OWNER, "plant");
        let answered =
            |handle: &Handle| handle.calls_of("answerInlineQuery").get(number).map(|call| call.at);
        took.push(handle.wait_for(WITHIN, "page", answered).await.unwrap() - began);
    }
    took
}

async fn first_call(handle: &Handle, chat_id: i64, after: Instant) -> Instant {
    let seen = handle.wait_for(WITHIN, "answer", |handle| {
        // An alert may also become a line of a message that is there.
        let says = ["sendMessage", "sendPhoto", "editMessageText"];
        let calls = handle.calls();
        let of_chat = |call: &&windowsill::demo::botapi::Call| {
            call.chat_id() == Some(chat_id) && says.contains(&call.method.as_str())
        };
        calls.iter().rev().take_while(|call| call.at > after).find(of_chat).map(|call| call.at)
    });
    seen.await.unwrap()
}

/// The reading that makes a closed window dry, for one plant after the other.
async fn alerts(handle: &Handle, log: &Log) -> Vec<Duration> {
    let mut took = Vec::new();
    for plant in 1..=ALERTS {
        // Every place that is subscribed gets the alert; the owner's own chat is measured.
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        let began = Instant::now();
        let record = low_reading(log, plant, LOW_LIMIT);
        log.append("houseplant-readings", vec![record]).await;
        took.push(first_call(handle, OWNER, began).await - began);
    }
    took
}

/// Plants with exactly as many low readings in the newest closed window as are no alert yet.
async fn nearly_dry_plants(log: &Log) {
    let plants = (1..=ALERTS).map(|plant| {
        let value = json!({
            "plant_id": plant, "given_name": format!("Plant {plant}"), "common_name": "Fern",
            "scientific_name": "Nephrolepis exaltata", "temperature_low": 15,
            "temperature_high": 30, "moisture_low": 30, "moisture_high": 60,
        });
        log.record("houseplant-metadata", plant, closed_window_ms(), &value)
    });
    log.append("houseplant-metadata", plants.collect()).await;
    for number in 0..LOW_LIMIT {
        let step = (1..=ALERTS).map(|plant| low_reading(log, plant, number));
        log.append("houseplant-readings", step.collect()).await;
    }
}

fn low_reading(log: &Log, plant: i32, number: i64) -> NewRecord {
    let value = json!({"plant_id": plant, "moisture": 20, "temperature": 21});
    log.record("houseplant-readings", plant, closed_window_ms() + number * 30_000, &value)
}

/// The start of the newest window that the clock has closed; read once.
fn closed_window_ms() -> i64 {
    static START: std::sync::OnceLock<i64> = std::sync::OnceLock::new();
    *START.get_or_init(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let now_ms = i64::try_from(now).unwrap() - GRACE_MS - 10_000;
        now_ms / WINDOW_MS * WINDOW_MS - WINDOW_MS
    })
}

fn fsyncs(dir: &Path) -> Vec<Duration> {
    let mut file = std::fs::File::create(dir.join("fsync")).unwrap();
    let mut took = Vec::new();
    for _ in 0..200 {
        let began = Instant::now();
        file.write_all(&[7; 4096]).unwrap();
        file.sync_all().unwrap();
        took.push(began.elapsed());
    }
    took
}

fn print(name: &str, mut took: Vec<Duration>) {
    took.sort_unstable();
    let at = |part: usize| took[(took.len() - 1) * part / 100].as_secs_f64() * 1000.0;
    println!("{name:<38} {:>8} {:>10.2} {:>10.2}", took.len(), at(50), at(99));
}
