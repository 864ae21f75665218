//! The sensor side on the real binary: simulated sensors, a queue that survives, a bot that comes
//! and goes.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tempfile::TempDir;

use crate::bot::past::{MAPPING, METADATA, plant};
use crate::bot::{Bot, Life, SOON, until};
use crate::support::{run_with_input_and, windowsill};

mod kafka;
mod outage;
mod verbs;

const TOKEN_TEXT: &str = "a-token-of-the-house";

/// A machine with sensors that are not there, and a data directory of its own.
struct Pi {
    folder: TempDir,
    settings: BTreeMap<String, String>,
    life: Option<Life>,
}

impl Pi {
    /// It sends to this address.
    fn of(url: &str) -> Pi {
        let pi = Pi { folder: tempfile::tempdir().unwrap(), settings: BTreeMap::new(), life: None };
        pi.with("WINDOWSILL_SENSOR__URL", url).with("WINDOWSILL_HTTP__TOKEN", TOKEN_TEXT)
    }

    fn with(mut self, name: &str, value: impl ToString) -> Pi {
        self.settings.insert(name.to_owned(), value.to_string());
        self
    }

    fn data_dir(&self) -> PathBuf {
        self.folder.path().join("pi")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = windowsill(self.folder.path(), args);
        command
            .env("WINDOWSILL_DATA_DIR", self.data_dir())
            .env("WINDOWSILL_SENSOR__INTERVAL_SECONDS", "1")
            .envs(&self.settings);
        command
    }

    fn start(&mut self) {
        let path = self.folder.path().join("log.txt");
        let log = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        let mut command = self.command(&["sensor", "--simulate"]);
        command.stdout(Stdio::null()).stderr(log);
        self.life = Some(Life::begin(&mut command));
    }

    fn life(&self) -> &Life {
        self.life.as_ref().unwrap()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log.txt")).unwrap_or_default()
    }

    async fn says(&self, part: &str) {
        until(SOON, part, async || self.log().contains(part)).await;
    }

    async fn kill(&self) {
        self.life().signal("-9");
        assert_eq!(self.life().ended_within(SOON).await.signal(), Some(9));
    }

    /// Ends as a service manager ends it, and says what it did.
    async fn stop(&self) -> String {
        self.life().signal("-TERM");
        assert_eq!(self.life().ended_within(SOON).await.code(), Some(0), "{}", self.log());
        self.log().lines().last().unwrap().to_owned()
    }

    /// A number of its queue's file.
    async fn number(&self, sql: &str) -> i64 {
        self.look(sql).await.unwrap()
    }

    async fn look(&self, sql: &str) -> Result<i64, sqlx::Error> {
        sqlx::query_scalar(sql).fetch_one(&mut self.open().await?).await
    }

    async fn open(&self) -> Result<SqliteConnection, sqlx::Error> {
        let options = SqliteConnectOptions::new().filename(self.data_dir().join("sensor.db"));
        SqliteConnection::connect_with(&options.read_only(true)).await
    }

    /// The numbers of the readings in its queue.
    async fn queued(&self) -> Vec<i64> {
        let mut db = self.open().await.unwrap();
        sqlx::query_scalar("select number from reading").fetch_all(&mut db).await.unwrap()
    }

    /// Waits for so many readings in the queue, whose file may not be made yet.
    async fn waits(&self, least: i64) {
        until(SOON, "readings wait", async || {
            self.look("select count(*) from reading").await.is_ok_and(|count| count >= least)
        })
        .await;
    }
}

impl Drop for Pi {
    fn drop(&mut self) {
        let log = self.log();
        if std::thread::panicking() {
            eprintln!("--- the sensor's log\n{log}");
        } else {
            assert!(!log.contains(TOKEN_TEXT), "the token is in the log");
        }
    }
}

/// A bot that takes lines, at a port that stays. Nothing runs yet.
async fn bot() -> (Bot, String) {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let bot = Bot::new()
        .await
        .with("WINDOWSILL_HTTP__LISTEN", address)
        .with("WINDOWSILL_HTTP__TOKEN", TOKEN_TEXT);
    (bot, format!("http://{address}"))
}

/// Writes a row of a table beside whatever runs.
fn put(bot: &Bot, topic: &str, key: &str, value: &Value) {
    let line = json!({"key": key, "value": value}).to_string();
    run_with_input_and(bot.command(&["topic", "write", topic]), &line).expect_code(0);
}

fn map(bot: &Bot, sensor_id: &str, plant_id: i64) {
    put(bot, MAPPING, sensor_id, &json!({"sensor_id": sensor_id, "plant_id": plant_id}));
}

fn unmap(bot: &Bot, sensor_id: &str) {
    put(bot, MAPPING, sensor_id, &Value::Null);
}

fn describe(bot: &Bot, plant_id: i64, name: &str) {
    put(bot, METADATA, &plant_id.to_string(), &plant(plant_id, name, 20.0));
}

/// A reading as it came to stand in the log.
#[derive(Debug, Clone)]
struct Stored {
    plant_id: i64,
    moisture: f64,
    ts: i64,
    sensor_id: String,
    /// The number of its place in the queue.
    number: i64,
}

/// What sensors brought into the bot's log, in its order.
fn stored(bot: &Bot) -> Vec<Stored> {
    let read = bot.command(&["topic", "read", "houseplant-readings"]).output().unwrap();
    let text = String::from_utf8(read.stdout).unwrap();
    let reading = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        let header = |name: &str| {
            let headers = line["headers"].as_array().unwrap();
            let found = headers.iter().find(|header| header[0] == name);
            found.map(|header| header[1].as_str().unwrap().to_owned())
        };
        Some(Stored {
            plant_id: line["value"]["plant_id"].as_i64().unwrap(),
            moisture: line["value"]["moisture"].as_f64().unwrap(),
            ts: line["ts"].as_i64().unwrap(),
            sensor_id: header("sensor-id")?,
            number: header("queue-place")?.rsplit_once('/').unwrap().1.parse().unwrap(),
        })
    };
    text.lines().filter_map(reading).collect()
}

/// No reading is in the log twice, and none between them is missing.
#[track_caller]
fn expect_each_once(stored: &[Stored]) {
    let mut numbers: Vec<i64> = stored.iter().map(|reading| reading.number).collect();
    numbers.sort_unstable();
    let all: Vec<i64> = (1..=numbers.len() as i64).collect();
    assert_eq!(numbers, all, "none is lost, and none is there twice");
}

/// Every reading that was ever taken is in the log, once, or still in the queue. One that was under
/// way when the sensor side ended may be in both.
async fn expect_none_lost(pi: &Pi, stored: &[Stored]) {
    let mut numbers: Vec<i64> = stored.iter().map(|reading| reading.number).collect();
    numbers.sort_unstable();
    let in_log = numbers.len();
    numbers.dedup();
    assert_eq!(numbers.len(), in_log, "one is there twice");
    numbers.extend(pi.queued().await);
    numbers.sort_unstable();
    numbers.dedup();
    let last = pi.number("select seq from sqlite_sequence where name = 'reading'").await;
    assert_eq!(numbers, (1..=last).collect::<Vec<i64>>(), "one is lost");
}
