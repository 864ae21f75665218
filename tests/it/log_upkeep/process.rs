//! The real binary: it dies inside its upkeep, its log is taken away under it, it ends cleanly.

use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;

use crate::bot::past::{Log, METADATA, READINGS, Reading, plant};
use crate::bot::state::{FOLDED, State};
use crate::bot::{Bot, OWNER, SOON, until};
use crate::crash_once::edit_up_to_confirmation;
use crate::support::Ran;
use windowsill::crash::UPKEEP_POINTS;

const SAVED: &str = "You've confirmed your metadata entry, and it has been updated.";

fn reading(number: i64) -> Reading {
    let at_ms = super::NOW_MS - 300 * super::DAY_MS + number * 30_000;
    Reading { plant_id: 7, moisture: 20.0, at_ms, partition: 0 }
}

/// Plants that were edited again and again, and readings that came one by one.
async fn household(bot: &Bot) {
    let log = Log::open(&bot.data_dir(), 1).await;
    for edit in 0..20 {
        for plant_id in 7..10 {
            log.describe(&plant(plant_id, &format!("Edit {edit}"), 30.0)).await;
        }
    }
    for number in 0..600 {
        log.append(&[reading(number)]).await;
    }
    log.close().await;
}

fn fold(bot: &Bot) -> Ran {
    Ran::new(bot.command(&["fold"]).output().unwrap())
}

/// F1, F36: killed at each transaction of its upkeep in turn.
#[tokio::test]
async fn killed_anywhere_in_upkeep_the_log_is_whole_and_the_next_life_goes_on() {
    const TRANSACTIONS_MIN: u64 = 6;
    let mut bot = Bot::new().await;
    household(&bot).await;
    let path = bot.data_dir().join("log.db");
    let before = std::fs::read(&path).unwrap();
    for point in UPKEEP_POINTS {
        for visit in 1.. {
            std::fs::remove_dir_all(bot.data_dir()).unwrap();
            std::fs::create_dir(bot.data_dir()).unwrap();
            std::fs::write(&path, &before).unwrap();
            bot.crash_at(point, visit);
            let died = fold(&bot).code.is_none();
            whole(&bot).await;
            bot.crash_no_more();
            fold(&bot).expect_code(0);
            assert_eq!(whole(&bot).await, 3, "compacted in the end");
            if !died {
                assert!(visit > TRANSACTIONS_MIN, "it has {visit} transactions only");
                break;
            }
        }
    }
    let mut state = State::open(&bot.data_dir()).await;
    assert_eq!(state.number(FOLDED).await, 600);
    assert_eq!(state.number("select count(*) from plant where given_name = 'Edit 19'").await, 3);
}

/// Every reading is there once, every plant is described; gives the number of descriptions.
async fn whole(bot: &Bot) -> usize {
    let path = bot.data_dir().join("log.db");
    let mut file = SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
    let integrity: String =
        sqlx::query_scalar("pragma integrity_check").fetch_one(&mut file).await.unwrap();
    assert_eq!(integrity, "ok");
    file.close().await.unwrap();
    let read = |topic: &str| {
        let ran = Ran::new(bot.command(&["topic", "read", topic]).output().unwrap());
        ran.expect_code(0).json_lines()
    };
    let offsets: Vec<i64> =
        read(READINGS).iter().map(|line| line["offset"].as_i64().unwrap()).collect();
    assert_eq!(offsets, (0..600).collect::<Vec<i64>>());
    let described = read(METADATA);
    let newest = described.iter().filter(|line| line["value"]["given_name"] == "Edit 19");
    assert_eq!(newest.count(), 3);
    described.len()
}

/// A bot that has said something and knows which log it reads, and its log's file.
async fn running() -> (Bot, std::path::PathBuf) {
    let mut bot = Bot::new().await;
    bot.started().await;
    bot.answers(OWNER, "/plants", "0 plants").await;
    until(SOON, "positions are stored", async || {
        let stored = "select count(*) from position";
        State::open(&bot.data_dir()).await.number(stored).await > 0
    })
    .await;
    let path = bot.data_dir().join("log.db");
    (bot, path)
}

#[tokio::test]
async fn a_log_that_is_deleted_under_the_bot_ends_it_with_a_sentence() {
    let (bot, path) = running().await;
    std::fs::remove_file(&path).unwrap();
    assert_eq!(bot.ended().await.code(), Some(70));
    let said = bot.log();
    assert!(said.contains("log.db was deleted or moved away while it was in use"), "{said}");
    assert!(said.contains("Put the right file back and start again"), "{said}");
    assert!(!path.exists(), "no empty log was made in its place");
}

#[tokio::test]
async fn another_log_in_its_place_ends_the_bot_and_is_not_folded() {
    let (bot, path) = running().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let foreign = Log::open(elsewhere.path(), 1).await;
    foreign.describe(&plant(99, "Foreign", 30.0)).await;
    foreign.close().await;
    std::fs::rename(elsewhere.path().join("log.db"), &path).unwrap();
    assert_eq!(bot.ended().await.code(), Some(70));
    let said = bot.log();
    assert!(said.contains("log.db was replaced by another file while it was in use"), "{said}");
    let mut state = State::open(&bot.data_dir()).await;
    assert_eq!(state.number("select count(*) from plant").await, 0);
    // Nor is it by the next life.
    let said = fold(&bot).expect_code(1).stderr;
    assert!(said.contains("belong to log"), "{said}");
}

#[tokio::test]
async fn an_older_copy_of_the_log_that_went_on_differently_is_not_folded() {
    let bot = Bot::new().await;
    let path = bot.data_dir().join("log.db");
    let append = async |numbers: std::ops::Range<i64>| {
        let log = Log::open(&bot.data_dir(), 1).await;
        let readings: Vec<Reading> = numbers.map(reading).collect();
        log.append(&readings).await;
        log.close().await;
    };
    append(0..5).await;
    let copy = std::fs::read(&path).unwrap();
    append(5..10).await;
    fold(&bot).expect_code(0);
    std::fs::write(&path, &copy).unwrap();
    let short = fold(&bot).expect_code(1).stderr;
    assert!(short.contains("ends at offset 5") && short.contains("put the newer one"), "{short}");
    append(100..120).await;
    let other = fold(&bot).expect_code(1).stderr;
    assert!(other.contains("the record at offset 9") && other.contains("rebuild"), "{other}");
    let mut state = State::open(&bot.data_dir()).await;
    assert_eq!(state.number("select records from position where records > 0").await, 10);
}

/// The conversation goes on while the pipeline stands still; what it comes to waits for the right log.
#[tokio::test]
async fn an_edit_is_not_written_to_an_older_copy_of_the_log() {
    let mut bot = Bot::new().await;
    let data_dir = bot.data_dir();
    let path = data_dir.join("log.db");
    let append = async |numbers: std::ops::Range<i64>| {
        let log = Log::open(&data_dir, 1).await;
        let readings: Vec<Reading> = numbers.map(reading).collect();
        log.append(&readings).await;
        log.close().await;
    };
    append(0..5).await;
    let older = std::fs::read(&path).unwrap();
    append(5..10).await;
    fold(&bot).expect_code(0);
    let newer = std::fs::read(&path).unwrap();
    std::fs::write(&path, &older).unwrap();
    bot.started().await;
    bot.counts("select count(*) from standstill", 1).await;
    edit_up_to_confirmation(&bot, "Waiting").await;
    bot.answers(OWNER, "/y", "is queued").await;
    bot.stop().await;
    let described = async || {
        let log = Log::open(&data_dir, 1).await;
        let described = log.described(7).await;
        log.close().await;
        described.len()
    };
    assert_eq!(described().await, 0);
    std::fs::write(&path, &newer).unwrap();
    let said_before = bot.times_said(OWNER, SAVED);
    bot.started().await;
    bot.handle().wait_for_text(SOON, OWNER, 0, SAVED).await.unwrap();
    bot.stop().await;
    assert_eq!((said_before, described().await), (0, 1));
}

#[tokio::test]
async fn a_clean_end_leaves_nothing_in_the_write_ahead_log() {
    let (bot, path) = running().await;
    let wal_path = path.with_file_name("log.db-wal");
    let log = Log::open(&bot.data_dir(), 1).await;
    log.describe(&plant(7, "Fern", 30.0)).await;
    until(SOON, "the plant", async || {
        State::open(&bot.data_dir()).await.number("select count(*) from plant").await == 1
    })
    .await;
    // The test has the file open, so it is not the last one's end that folds it.
    bot.stop().await;
    assert_eq!(std::fs::metadata(&wal_path).map_or(0, |data| data.len()), 0);
    drop(log);
    assert_eq!(Log::open(&bot.data_dir(), 1).await.described(7).await.len(), 1);
}
