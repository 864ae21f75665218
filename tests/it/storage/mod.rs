//! F17: a disk that is full, read-only, broken or held by another, and files that are torn or
//! damaged. Always a sentence that says what to do; nothing that was promised is lost; work goes on
//! by itself when it can.

use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use crate::bot::past::{Log, METADATA, plant};
use crate::bot::state::{State, is_sound};
use crate::bot::{Bot, OWNER, SOON, until};
use crate::crash_once::{edit_up_to_confirmation, hold};
use crate::support::Ran;

pub(crate) mod disk;
mod every_write;

use disk::{BROKEN, CHANGE, Disk, NO_SPACE, OPEN, READ, READ_ONLY};

const SAVED: &str = "You've confirmed your metadata entry, and it has been updated.";
/// Both files have pages of this size (SQLite's default).
const PAGE_BYTES: u64 = 4096;

/// A bot whose data lies on a disk that can fail.
async fn on_a_disk() -> (Bot, Disk) {
    let mut bot = Bot::new().await;
    let disk = Disk::below(&bot.data_dir());
    for (name, value) in disk.environment() {
        bot.set(name, value);
    }
    (bot, disk)
}

/// One record of a plant as `topic write` takes it.
fn described(plant_id: i64, name: &str) -> String {
    json!({"key": plant_id.to_string(), "value": plant(plant_id, name, 20.0)}).to_string()
}

/// Another command of the bot's folder, to its end, with this input.
async fn ran(mut command: Command, input: String) -> Ran {
    let ran = tokio::task::spawn_blocking(move || {
        let mut child = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // It may end before it has read everything; then the pipe is closed.
        let _ = std::io::Write::write_all(&mut stdin, input.as_bytes());
        drop(stdin);
        Ran::new(child.wait_with_output().unwrap())
    });
    tokio::time::timeout(SOON, ran).await.expect("it runs on").unwrap()
}

/// The one sentence of a command that could not begin.
async fn refused(command: Command, code: i32) -> String {
    let ran = ran(command, String::new()).await.expect_code(code);
    let lines: Vec<&str> = ran.stderr.lines().collect();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0].starts_with("windowsill: "), "{}", lines[0]);
    lines[0].to_owned()
}

/// Waits until the table of plants holds so many.
async fn knows(bot: &Bot, plants: i64) {
    until(SOON, "the plants", async || {
        let Some(mut state) = State::open_if_there(&bot.data_dir()).await else { return false };
        state.number("select count(*) from plant").await == plants
    })
    .await;
}

#[track_caller]
fn logged(bot: &Bot, part: &str, times: usize) {
    assert_eq!(bot.log().matches(part).count(), times, "{part:?} in\n{}", bot.log());
}

/// F17, F35: the pipeline that could not store its step begins again by itself.
#[tokio::test]
async fn a_full_disk_is_told_once_and_work_goes_on_by_itself_when_there_is_room() {
    let (mut bot, disk) = on_a_disk().await;
    let log = Log::open(&bot.data_dir(), 1).await;
    log.describe(&plant(7, "Cyril", 20.0)).await;
    bot.started().await;
    knows(&bot, 1).await;
    bot.answers(OWNER, "/plants", "1 plant").await;

    disk.fail(CHANGE, NO_SPACE, "");
    bot.handle().say(OWNER, OWNER, "/plant cyril");
    log.describe(&plant(9, "Ginny", 20.0)).await;
    until(SOON, "the pipeline stops", async || bot.log().contains("the pipeline stopped")).await;
    until(SOON, "it meets the full disk", async || disk.failed() >= 3).await;
    let write = bot.command(&["topic", "write", METADATA]);
    let written = ran(write, described(8, "Piper")).await.expect_code(1);
    assert!(written.stderr.contains("0 written, 0 rejected"), "{}", written.stderr);
    assert!(written.stderr.contains("log.db: the disk is full: free some"), "{}", written.stderr);
    assert_eq!(bot.handle().pending_updates(), 1, "telegram was told that it is stored");
    let (began, before) = (Instant::now(), disk.failed());
    until(SOON, "some seconds of it", async || began.elapsed() > Duration::from_secs(3)).await;
    let per_second = (disk.failed() - before) / began.elapsed().as_secs();
    assert!(per_second < 40, "{per_second} calls fail in a second");
    logged(&bot, "ERROR", 1);
    let said = "state.db: the disk is full: free some space on it; a running bot goes on by itself";
    assert!(bot.log().contains(said), "{}", bot.log());

    disk.heal();
    bot.handle().wait_for_text(SOON, OWNER, 0, "Cyril").await.unwrap();
    let write = bot.command(&["topic", "write", METADATA]);
    ran(write, described(8, "Piper")).await.expect_code(0);
    knows(&bot, 3).await;
    bot.answers(OWNER, "/plants", "3 plants").await;
    // Once more for each of the two pipelines whose write was under way and that the disk still took.
    let again = bot.log().matches("state.db works again").count();
    assert!((1..=3).contains(&again), "{}", bot.log());
    bot.stop().await;
    is_sound(&bot.data_dir()).await;
    assert_eq!(bot.times_said(OWNER, "1 plant"), 1);
}

/// F17
#[tokio::test]
async fn an_edit_waits_for_room_in_the_log_and_saved_is_said_when_it_is_true() {
    let (mut bot, disk) = on_a_disk().await;
    bot.started().await;
    edit_up_to_confirmation(&bot, "Patient").await;
    disk.fail(CHANGE, NO_SPACE, "log.db");
    bot.answers(OWNER, "/y", "⏳ Your entry for Patient is queued").await;
    bot.answers(OWNER, "/plants", "0 plants").await;
    assert_eq!(bot.times_said(OWNER, SAVED), 0);
    assert!(bot.log().contains("log.db: the disk is full: free some space"), "{}", bot.log());
    logged(&bot, "ERROR", 1);
    disk.heal();
    bot.handle().wait_for_text(SOON, OWNER, 0, SAVED).await.unwrap();
    bot.answers(OWNER, "/plants", "Patient").await;
    bot.stop().await;
    assert_eq!(Log::open(&bot.data_dir(), 1).await.described(7).await.len(), 1);
    is_sound(&bot.data_dir()).await;
}

/// F17
#[tokio::test]
async fn a_log_that_cannot_be_read_holds_up_nothing_else_and_is_read_on_when_it_can() {
    let (mut bot, disk) = on_a_disk().await;
    bot.started().await;
    bot.answers(OWNER, "/plants", "0 plants").await;
    disk.fail(READ, BROKEN, "log.db");
    Log::open(&bot.data_dir(), 1).await.describe(&plant(7, "Cyril", 20.0)).await;
    let told = async || bot.log().contains("log.db: the disk failed: look at its free space");
    until(SOON, "it is told", told).await;
    bot.answers(OWNER, "/plants", "0 plants").await;
    disk.heal();
    knows(&bot, 1).await;
    bot.answers(OWNER, "/plants", "1 plant").await;
    bot.stop().await;
}

/// F17: whoever reads after a read that failed sees the present.
#[tokio::test]
async fn a_state_that_could_not_be_read_or_synced_is_up_to_date_afterwards() {
    let (mut bot, disk) = on_a_disk().await;
    bot.started().await;
    bot.answers(OWNER, "/plants", "0 plants").await;
    for (number, kinds) in [(1, READ), (2, disk::SYNC)] {
        disk.fail(kinds, BROKEN, "state.db");
        let before = disk.failed();
        bot.handle().say(OWNER, OWNER, "/plants");
        Log::open(&bot.data_dir(), 1).await.describe(&plant(number, "Cyril", 20.0)).await;
        until(SOON, "failures", async || disk.failed() >= before + 3).await;
        disk.heal();
        until(SOON, "the plant", async || {
            let mut state = State::open(&bot.data_dir()).await;
            state.number("select count(*) from plant").await == number && state.is_quiet().await
        })
        .await;
        let count = if number == 1 { "1 plant\n" } else { "2 plants\n" };
        for _ in 0..8 {
            bot.answers(OWNER, "/plants", count).await;
        }
    }
    assert!(bot.log().contains("state.db: the disk failed"), "{}", bot.log());
    bot.stop().await;
    is_sound(&bot.data_dir()).await;
}

/// F17
#[tokio::test]
async fn a_state_that_another_program_holds_is_told_once_and_a_stop_is_in_time() {
    let mut bot = Bot::new().await;
    bot.started().await;
    let held = hold(&bot.data_dir().join("state.db")).await;
    bot.handle().say(OWNER, OWNER, "/plants");
    until(SOON, "it is told", async || bot.log().contains("another program holds it")).await;
    let pending = bot.handle().pending_updates();
    bot.stop().await;
    logged(&bot, "ERROR", 1);
    held.close().await.unwrap();
    assert_eq!((pending, bot.handle().pending_updates()), (1, 1));
    bot.started().await;
    bot.handle().wait_for_text(SOON, OWNER, 0, "0 plants").await.unwrap();
    bot.stop().await;
}

/// F17, F38: before anything is written, with one sentence.
#[tokio::test]
async fn a_folder_that_cannot_be_used_is_refused_with_one_sentence() {
    let said = |error, there: bool| async move {
        let (bot, disk) = on_a_disk().await;
        if there {
            Log::open(&bot.data_dir(), 1).await;
        }
        disk.fail(CHANGE | OPEN, error, "");
        let mut said = Vec::new();
        for verb in [&["run"][..], &["fold"], &["topic", "write", METADATA]] {
            said.push(refused(bot.command(verb), 1).await);
        }
        assert_eq!(bot.data_dir().exists(), there);
        assert!(!bot.data_dir().join("state.db").exists());
        said
    };
    for there in [false, true] {
        for sentence in said(READ_ONLY, there).await {
            let names_it = sentence.contains("/data");
            assert!(names_it && sentence.contains("user may write"), "{sentence}");
        }
        for sentence in said(NO_SPACE, there).await {
            assert!(sentence.contains("/data") && sentence.contains("full"), "{sentence}");
        }
    }
}

/// F17, F37, F38
#[tokio::test]
async fn a_folder_that_is_none_and_a_state_that_is_not_ours_are_refused() {
    let bot = Bot::new().await;
    std::fs::write(bot.data_dir(), "a letter").unwrap();
    for verb in [&["run"][..], &["fold"], &["topic", "write", METADATA]] {
        let said = refused(bot.command(verb), 1).await;
        assert!(said.contains("is a file, expected a folder"), "{said}");
    }

    let bot = Bot::new().await;
    std::fs::create_dir(bot.data_dir()).unwrap();
    let letter = "this is a letter to my aunt. ".repeat(99);
    std::fs::write(bot.data_dir().join("state.db"), &letter).unwrap();
    let said = refused(bot.command(&["run"]), 1).await;
    assert!(said.contains("state.db: it is damaged, or no database of windowsill"), "{said}");
    assert_eq!(std::fs::read_to_string(bot.data_dir().join("state.db")).unwrap(), letter);

    let mut bot = Bot::new().await;
    bot.started().await;
    bot.stop().await;
    let options = SqliteConnectOptions::new().filename(bot.data_dir().join("state.db"));
    let mut state = SqliteConnection::connect_with(&options).await.unwrap();
    let newer = "insert into _sqlx_migrations
        (version, description, success, checksum, execution_time) values (9999, 'x', 1, x'00', 0)";
    sqlx::raw_sql(newer).execute(&mut state).await.unwrap();
    state.close().await.unwrap();
    std::fs::remove_file(bot.data_dir().join("log.db")).unwrap();
    for verb in ["run", "fold"] {
        let said = refused(bot.command(&[verb]), 2).await;
        assert!(said.contains("state.db was brought to schema 9999 by a newer"), "{said}");
    }
    assert!(!bot.data_dir().join("log.db").exists());
}

/// Adds the beginning of its last frame to a write-ahead log, as a write that was cut off leaves it.
fn tear(wal: &Path) {
    const FRAME_HEADER_BYTES: u64 = 24;
    const TORN_BYTES: u64 = 3_000;
    let file = std::fs::File::options().read(true).write(true).open(wal).unwrap();
    let end = file.metadata().unwrap().len();
    let mut torn = vec![0; TORN_BYTES as usize];
    file.read_exact_at(&mut torn, end - FRAME_HEADER_BYTES - PAGE_BYTES).unwrap();
    file.write_all_at(&torn, end).unwrap();
}

/// F17
#[tokio::test]
async fn a_torn_end_of_a_write_ahead_log_costs_nothing_that_was_promised() {
    let mut bot = Bot::new().await;
    bot.started().await;
    edit_up_to_confirmation(&bot, "Kept").await;
    bot.answers(OWNER, "/y", SAVED).await;
    bot.answers(OWNER, "/update_plant 7", "Now: Kept").await;
    bot.kill().await;
    for name in ["state.db-wal", "log.db-wal"] {
        tear(&bot.data_dir().join(name));
    }
    bot.started().await;
    bot.answers(OWNER, "Renamed", "plant's scientific name").await;
    bot.answers(OWNER, "/plants", "Kept").await;
    bot.stop().await;
    is_sound(&bot.data_dir()).await;
    assert_eq!(bot.times_said(OWNER, SAVED), 1);
}

/// Overwrites the first page of a table.
async fn damage(path: &Path, table: &str) {
    let options = SqliteConnectOptions::new().filename(path);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql("pragma wal_checkpoint(truncate)").execute(&mut connection).await.unwrap();
    let page: i64 = sqlx::query_scalar("select rootpage from sqlite_schema where name = ?")
        .bind(table)
        .fetch_one(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.write_all_at(&[0xa5; PAGE_BYTES as usize], (page as u64 - 1) * PAGE_BYTES).unwrap();
}

/// F17, F35
#[tokio::test]
async fn a_damaged_page_ends_the_process_with_the_file_and_what_to_do() {
    for (name, table) in [("state.db", "plant"), ("log.db", "batch")] {
        let mut bot = Bot::new().await;
        Log::open(&bot.data_dir(), 1).await.describe(&plant(7, "Cyril", 20.0)).await;
        bot.started().await;
        knows(&bot, 1).await;
        bot.stop().await;
        damage(&bot.data_dir().join(name), table).await;
        bot.start();
        assert_eq!(bot.ended().await.code(), Some(70));
        let log = bot.log();
        let said = log.lines().last().unwrap();
        assert!(said.starts_with("windowsill: task "), "{said}");
        let file =
            format!("{name}: it is damaged, or no database of windowsill: stop, keep a copy");
        assert!(said.contains(&file), "{said}");
    }
}
