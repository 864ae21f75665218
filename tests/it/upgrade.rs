//! A newer program on an older state, and the other way round.

use std::path::Path;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection, Executor};
use windowsill::kernel::time::HOUR_MS;

use crate::bot::past::{Log, Reading, plant};
use crate::bot::state::State;
use crate::bot::{Bot, OWNER, SOON};
use crate::support::{Ran, run, run_with_input};

/// The schema as 0.1.0 shipped it.
const SHIPPED: [(&str, &str); 2] = [
    ("0001_store.sql", include_str!("../../migrations/0001_store.sql")),
    ("0002_plants.sql", include_str!("../../migrations/0002_plants.sql")),
];
const STATE: &str = include_str!("upgrade/state-0.1.0.sql");
/// 21 Nov 2026, 09:00 UTC: when the old program ended.
const LEFT_AT_MS: i64 = 1_795_251_600_000;

/// The clock of the lives to come, as an offset from the machine's.
fn shift_to(at_ms: i64) -> i64 {
    at_ms - windowsill::clock::now_ms()
}

/// Low readings of plant 7, half a minute apart.
fn low_readings(count: i64, first_ms: i64) -> Vec<Reading> {
    let reading = |number: i64| Reading {
        plant_id: 7,
        moisture: 10.0,
        at_ms: first_ms + number * 30_000,
        partition: 0,
    };
    (0..count).map(reading).collect()
}

async fn open(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    SqliteConnection::connect_with(&options).await.unwrap()
}

/// The folder of 0.1.0: its log, and its state with the schema and the rows it had.
async fn left_by_the_first_version(data_dir: &Path) -> Log {
    let log = Log::open(data_dir, 1).await;
    log.describe(&plant(7, "Old fern", 30.0)).await;
    log.append(&low_readings(130, LEFT_AT_MS - 8 * HOUR_MS)).await;
    log.append(&low_readings(100, LEFT_AT_MS - 2 * HOUR_MS)).await;
    let migrations = tempfile::tempdir().unwrap();
    for (name, text) in SHIPPED {
        std::fs::write(migrations.path().join(name), text).unwrap();
    }
    let mut db = open(&data_dir.join("state.db")).await;
    Migrator::new(migrations.path()).await.unwrap().run_direct(&mut db).await.unwrap();
    db.execute(sqlx::raw_sql(&STATE.replace("LOG_ID", log.id()))).await.unwrap();
    db.close().await.unwrap();
    log
}

/// F37: upgrade with stored conversations, windows, waiting messages and told alerts.
#[tokio::test]
async fn the_state_of_the_first_version_goes_on_where_it_was() {
    let mut bot = Bot::new().await;
    let log = left_by_the_first_version(&bot.data_dir()).await;
    bot.set("TEST_WINDOWSILL_CLOCK_SHIFT_MS", shift_to(LEFT_AT_MS));
    for person in [OWNER, 12, 13] {
        bot.handle().say(person, person, "/start");
    }
    bot.started().await;
    bot.handle().wait_for_text(SOON, OWNER, 0, "I know no plant called “nobody”").await.unwrap();
    bot.answers(OWNER, "Filix nova", "plant's common name").await;
    let lost = bot.handle().wait_for_text(SOON, 12, 0, "🔧 I was updated").await.unwrap();
    assert!(lost.text.contains("a conversation"), "{}", lost.text);
    bot.handle().wait_for_text(SOON, 13, 0, "🔧 I was updated").await.unwrap();
    // None of them ahead of the clock: it may be folded before the kill.
    log.append(&low_readings(25, LEFT_AT_MS - 25 * 30_000)).await;
    bot.kill().await;
    assert!(bot.data_dir().join(kept()).is_file());

    bot.set("TEST_WINDOWSILL_CLOCK_SHIFT_MS", shift_to(LEFT_AT_MS + 4 * HOUR_MS));
    bot.started().await;
    let dry = bot.handle().wait_for_text(SOON, OWNER, 0, "125 low readings").await.unwrap();
    assert!(dry.text.contains("06:00–12:00"), "{}", dry.text);
    bot.stop().await;
    assert_eq!(bot.times_said(OWNER, "is looking pretty dry"), 1, "{:?}", bot.said(OWNER));
    assert_eq!(bot.times_said(OWNER, "nobody"), 1, "{:?}", bot.said(OWNER));
    assert_eq!((bot.times_said(12, "🔧"), bot.times_said(13, "🔧")), (1, 1));
    let mut state = State::open(&bot.data_dir()).await;
    assert_eq!(state.number("select count(*) from dead_letter").await, 0);
    assert_eq!(state.number("select max(version) from _sqlx_migrations").await, newest());
}

fn newest() -> i64 {
    windowsill::store::schema::newest()
}

fn kept() -> String {
    format!("state-before-schema-{}.db", newest())
}

/// F37: who only looks says that the state has not been brought up to date yet, and leaves it so.
#[tokio::test]
async fn a_look_at_an_older_state_says_what_is_needed() {
    let bot = Bot::new().await;
    drop(left_by_the_first_version(&bot.data_dir()).await);
    let ran = Ran::new(bot.command(&["ask", "/plants"]).output().unwrap()).expect_code(1);
    assert!(ran.stderr.contains("still has schema 2"), "{}", ran.stderr);
    let ran = Ran::new(bot.command(&["fold"]).output().unwrap());
    ran.expect_code(0);
    let ran = Ran::new(bot.command(&["ask", "/plants"]).output().unwrap()).expect_code(0);
    assert!(ran.stdout.contains("Old fern"), "{}", ran.stdout);
}

/// F37: an older program on a newer state says what is needed and leaves everything as it is.
#[tokio::test]
async fn an_older_program_refuses_a_newer_state_in_one_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let line = r#"{"plant_id": 1, "moisture": 10, "temperature": 20}"#;
    let args = ["topic", "write", "houseplant-readings", "--format", "value"];
    run_with_input(dir.path(), &args, line).expect_code(0);
    run(dir.path(), &["fold"]).expect_code(0);
    let path = dir.path().join("windowsill-data/state.db");
    let mut db = open(&path).await;
    let newer = "insert into _sqlx_migrations select 9999, 'later', installed_on, success,
            checksum, execution_time from _sqlx_migrations limit 1;
        insert into migrated values (9999, '7.5.0', 1);";
    db.execute(sqlx::raw_sql(newer)).await.unwrap();
    db.close().await.unwrap();
    let before = std::fs::read(&path).unwrap();
    for verb in [["fold"].as_slice(), &["ask", "/plants"]] {
        let ran = run(dir.path(), verb).expect_code(2);
        assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
        for part in ["schema 9999 by windowsill 7.5.0", "run that version", "restore a backup"] {
            assert!(ran.stderr.contains(part), "{part:?} is missing in {:?}", ran.stderr);
        }
    }
    assert_eq!(std::fs::read(&path).unwrap(), before);
}
