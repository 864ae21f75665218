//! `windowsill backup` beside the working bot, and what `restore` makes of it elsewhere.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use windowsill::demo::botapi::{Effect, Fault};

use crate::bot::past::{Log, Model, READINGS, Reading, plant};
use crate::bot::state::State;
use crate::bot::{Bot, OWNER, SOON, until};
use crate::support::{Ran, run, run_with_input, windowsill};

const PLANTS: std::ops::Range<u8> = 1..5;
const PARTITIONS: i32 = 2;
/// Below it a reading is low.
const MOISTURE_LOW: f32 = 30.0;
const HOUR_MS: i64 = 3_600_000;
/// Between two readings of a sensor: a fast one, so that the load stays within a few hours.
const STEP_MS: i64 = 100;
/// Readings of each plant that are appended at once.
const BURST: i64 = 40;

/// A burst of readings of every plant; each partition's times only grow.
fn burst(number: i64) -> Vec<Reading> {
    let first_ms = windowsill::clock::now_ms() - 30 * HOUR_MS;
    let first_ms = first_ms - first_ms % HOUR_MS;
    let of_step = |step: i64| {
        PLANTS.map(move |plant_id| Reading {
            plant_id,
            moisture: if (step + i64::from(plant_id)) % 3 == 0 { 50.0 } else { 10.0 },
            at_ms: first_ms + (number * BURST + step) * STEP_MS,
            partition: i32::from(plant_id) % PARTITIONS,
        })
    };
    (0..BURST).flat_map(of_step).collect()
}

/// Appends burst after burst until it is told to stop.
async fn append_until(log: Log, stop: Arc<AtomicBool>) {
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        log.append(&burst(number)).await;
        number += 1;
    }
}

/// Runs a verb beside what goes on in the test.
async fn ran(mut command: std::process::Command) -> Ran {
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    Ran::new(output)
}

/// The readings of a folder's log, in order.
async fn readings(bot: &Bot) -> Vec<Reading> {
    let lines = ran(bot.command(&["topic", "read", READINGS])).await.expect_code(0).json_lines();
    let reading = |line: &serde_json::Value| Reading {
        plant_id: u8::try_from(line["value"]["plant_id"].as_u64().unwrap()).unwrap(),
        moisture: line["value"]["moisture"].as_f64().unwrap() as f32,
        at_ms: line["ts"].as_i64().unwrap(),
        partition: i32::try_from(line["partition"].as_i64().unwrap()).unwrap(),
    };
    lines.iter().map(reading).collect()
}

async fn lows(data_dir: &Path) -> BTreeMap<(i64, i64), i64> {
    let rows: Vec<(i64, i64, i64)> = State::open(data_dir)
        .await
        .rows("select start_ms, plant_id, low_count from plant_window")
        .await;
    rows.into_iter().map(|(start_ms, plant_id, count)| ((start_ms, plant_id), count)).collect()
}

/// The state of each backup goes on from where it was: with the log's copy it becomes what one
/// pass over that log makes, whatever was written while it was taken.
#[tokio::test]
async fn a_backup_taken_under_load_goes_on_in_another_folder_with_nothing_folded_twice() {
    let mut bot = Bot::new().await;
    let log = Log::open(&bot.data_dir(), PARTITIONS).await;
    for plant_id in PLANTS {
        log.describe(&plant(plant_id.into(), &format!("Fern no. {plant_id}"), MOISTURE_LOW)).await;
    }
    bot.started().await;
    bot.answers(OWNER, "/update_plant 7", "plant's given name").await;
    let stop = Arc::new(AtomicBool::new(false));
    let load = tokio::spawn(append_until(log, Arc::clone(&stop)));
    let backups = bot.data_dir().with_file_name("backups");
    let mut taken = Vec::new();
    let mut before = 0;
    for number in 0..3 {
        let folded = "select coalesce(sum(records), 0) from position";
        until(SOON, "it folds on", async || {
            State::open(&bot.data_dir()).await.number(folded).await > before
        })
        .await;
        before = State::open(&bot.data_dir()).await.number(folded).await;
        let backup = backups.join(number.to_string());
        let command = bot.command(&["backup", backup.to_str().unwrap()]);
        let (ran, _) = tokio::join!(ran(command), bot.answers(OWNER, "/status", "Dead letters"));
        ran.expect_code(0);
        taken.push(backup);
    }
    stop.store(true, Ordering::Relaxed);
    load.await.unwrap();
    bot.stop().await;

    for (number, backup) in taken.iter().enumerate() {
        let other = bot.data_dir().with_file_name(format!("restored-{number}"));
        bot.set("WINDOWSILL_DATA_DIR", other.display());
        ran(bot.command(&["restore", backup.to_str().unwrap()])).await.expect_code(0);
        bot.started().await;
        let all = readings(&bot).await;
        assert!(!all.is_empty());
        let model = Model::of(&all, |reading| reading.moisture < MOISTURE_LOW);
        until(SOON, "the rest is folded", async || lows(&other).await == model.lows).await;
        let buckets = "select sum(reading_count) from plant_bucket";
        let mut state = State::open(&other).await;
        assert_eq!(state.number(buckets).await, all.len() as i64);
        assert_eq!(state.number("select count(*) from dead_letter").await, 0);
        // The conversation is where it was when the backup was taken.
        bot.answers(OWNER, "Restored fern", "plant's scientific name").await;
        bot.answers(OWNER, "/cancel", "Cancelled metadata update.").await;
        bot.stop().await;
    }
}

/// What the documentation says of alerts: a row that waited when the backup was taken is sent
/// again by the restored bot, once, and one that had been sent is not.
#[tokio::test]
async fn after_a_restore_only_what_was_in_flight_is_said_again() {
    let mut bot = Bot::new().await;
    bot.started().await;
    bot.answers(OWNER, "/plants", "0 plants").await;
    let refused = Effect::status(500, "Internal Server Error");
    bot.handle().script(Fault::on("sendMessage", refused));
    bot.handle().say(OWNER, OWNER, "/plant nobody");
    until(SOON, "the answer waits", async || {
        let waiting = "select count(*) from outbox where state = 'waiting' and attempts > 0";
        State::open(&bot.data_dir()).await.number(waiting).await == 1
    })
    .await;
    let backup = bot.data_dir().with_file_name("backup");
    ran(bot.command(&["backup", backup.to_str().unwrap()])).await.expect_code(0);
    bot.handle().clear_faults();
    bot.handle().wait_for_text(SOON, OWNER, 0, "I know no plant").await.unwrap();
    bot.stop().await;

    bot.set("WINDOWSILL_DATA_DIR", bot.data_dir().with_file_name("restored").display());
    ran(bot.command(&["restore", backup.to_str().unwrap()])).await.expect_code(0);
    bot.started().await;
    until(SOON, "it is said again", async || bot.times_said(OWNER, "I know no plant") == 2).await;
    bot.answers(OWNER, "/help", "What I can do").await;
    bot.stop().await;
    assert_eq!((bot.times_said(OWNER, "0 plants"), bot.times_said(OWNER, "I know no")), (1, 2));
}

/// A folder in which something has happened, and a place beside it.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        let folder = Folder(tempfile::tempdir().unwrap());
        let line = r#"{"plant_id": 1, "moisture": 10, "temperature": 20}"#;
        let lines = vec![line; 2_000].join("\n");
        let args = ["topic", "write", READINGS, "--format", "value"];
        run_with_input(folder.path(), &args, &lines).expect_code(0);
        folder.run(&["fold"]).expect_code(0);
        folder
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn at(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    fn run(&self, args: &[&str]) -> Ran {
        run(self.path(), args)
    }

    fn run_and_crash(&self, args: &[&str], point: &str) {
        let mut command = windowsill(self.path(), args);
        let output = command.env("TEST_WINDOWSILL_CRASH", point).output().unwrap();
        assert_eq!(output.status.signal(), Some(9), "{output:?}");
    }

    /// A backup that is whole.
    fn with_backup(self) -> Folder {
        self.run(&["backup", "backup"]).expect_code(0);
        self
    }

    fn restore(&self, backup: &str) -> Ran {
        self.run(&["--data-dir", "restored", "restore", backup])
    }

    fn names(&self, name: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.at(name)).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }
}

#[test]
fn a_backup_is_three_files_and_never_overwrites() {
    let folder = Folder::new();
    let said = folder.run(&["backup", "backup"]).expect_code(0).stdout;
    assert!(said.starts_with("backed up ./windowsill-data to backup: "), "{said}");
    assert_eq!(folder.names("backup"), ["log.db", "manifest.json", "state.db"]);
    let before = std::fs::read(folder.at("backup/manifest.json")).unwrap();
    let refused = folder.run(&["backup", "backup"]).expect_code(2);
    assert!(refused.stderr.contains("never overwrites"), "{}", refused.stderr);
    assert_eq!(std::fs::read(folder.at("backup/manifest.json")).unwrap(), before);
    let nothing = folder.run(&["--data-dir", "nowhere", "backup", "other"]).expect_code(1);
    assert!(nothing.stderr.contains("nothing to back up in nowhere"), "{}", nothing.stderr);
    assert!(!folder.at("nowhere").exists() && !folder.at("other").exists());
}

#[test]
fn the_newest_backups_are_kept_and_what_is_not_ours_stays() {
    let folder = Folder::new();
    for old in ["2020-01-01T000000Z", "2021-01-01T000000Z", "2022-01-01T000000Z"] {
        folder.run(&["backup", &format!("kept/{old}")]).expect_code(0);
    }
    std::fs::create_dir_all(folder.at("kept/2019-01-01T000000Z")).unwrap();
    std::fs::write(folder.at("kept/2018-01-01T000000Z"), "somebody's").unwrap();
    folder.run_and_crash(&["backup", "--keep", "2", "kept"], "between-copies:1");
    folder.run(&["backup", "--keep", "2", "kept"]).expect_code(0);
    let names = folder.names("kept");
    let old = ["2018-01-01T000000Z", "2019-01-01T000000Z", "2022-01-01T000000Z"];
    assert_eq!(names[..3], old, "{names:?}");
    assert_eq!(names.len(), 4, "{names:?}");
    assert_eq!(folder.names(&format!("kept/{}", names[3])).len(), 3);
}

#[test]
fn a_backup_that_was_killed_leaves_no_folder_under_its_name_and_the_next_one_tidies_up() {
    let folder = Folder::new();
    folder.run_and_crash(&["backup", "backup"], "between-copies:1");
    assert!(!folder.at("backup").exists());
    assert_eq!(folder.names("backup.partial"), ["state.db"]);
    folder.run(&["backup", "backup"]).expect_code(0);
    assert!(!folder.at("backup.partial").exists());
    folder.restore("backup").expect_code(0);
}

#[test]
fn a_disk_without_room_is_said_and_what_was_begun_is_removed() {
    let folder = Folder::new();
    // No file may grow beyond 32 KiB, and the signal that would tell is ignored.
    let script = format!(
        "trap '' XFSZ; ulimit -f 64; exec {} backup backup",
        env!("CARGO_BIN_EXE_windowsill")
    );
    let mut shell = std::process::Command::new("sh");
    let output = shell.current_dir(folder.path()).args(["-c", &script]).env_clear().output();
    let ran = Ran::new(output.unwrap()).expect_code(1);
    assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("state.db could not be copied"), "{}", ran.stderr);
    assert!(!folder.at("backup").exists() && !folder.at("backup.partial").exists());
}

#[test]
fn a_restored_folder_holds_what_the_backup_held() {
    let folder = Folder::new().with_backup();
    folder.restore("backup").expect_code(0);
    let list = |data_dir: &str| folder.run(&["--data-dir", data_dir, "topic", "list"]).stdout;
    assert_eq!(list("restored"), list("windowsill-data"));
    let asked = folder.run(&["--data-dir", "restored", "ask", "/status"]).expect_code(0).stdout;
    assert!(asked.contains("2000 records"), "{asked}");
    let summary = folder.run(&["--data-dir", "restored", "fold", "--json"]).expect_code(0);
    assert_eq!(summary.json_lines()[0]["pipelines"][0]["records"], 0, "{}", summary.stdout);
}

#[test]
fn a_restore_that_was_killed_is_refused_by_everything_until_it_is_done_again() {
    for visit in 1..=2 {
        let folder = Folder::new().with_backup();
        let args = ["--data-dir", "restored", "restore", "backup"];
        folder.run_and_crash(&args, &format!("between-places:{visit}"));
        for verb in [&["fold"][..], &["topic", "list"], &["backup", "other"]] {
            let ran = folder.run(&[&["--data-dir", "restored"], verb].concat()).expect_code(2);
            assert!(ran.stderr.contains("run `windowsill restore` again"), "{}", ran.stderr);
        }
        folder.restore("backup").expect_code(0);
        folder.run(&["--data-dir", "restored", "fold"]).expect_code(0);
        assert!(!folder.names("restored").contains(&"restore.partial".to_owned()));
    }
}

#[test]
fn a_restore_goes_into_an_empty_folder_only() {
    let folder = Folder::new().with_backup();
    let used = folder.run(&["restore", "backup"]).expect_code(2);
    assert!(used.stderr.contains("is not empty"), "{}", used.stderr);
    std::fs::create_dir_all(folder.at("restored/lost+found")).unwrap();
    folder.restore("backup").expect_code(0);
    folder.restore("backup").expect_code(2);
}

#[tokio::test]
async fn a_restore_is_refused_while_a_bot_runs_there() {
    let mut bot = Bot::new().await;
    bot.started().await;
    let backup = bot.data_dir().with_file_name("backup");
    let backup = backup.to_str().unwrap();
    ran(bot.command(&["backup", backup])).await.expect_code(0);
    let refused = ran(bot.command(&["restore", backup])).await.expect_code(3);
    assert!(refused.stderr.contains("another instance"), "{}", refused.stderr);
    bot.stop().await;
}

/// A backup that is not what was written restores nothing and touches nothing.
#[test]
fn a_damaged_backup_is_refused_before_anything_is_touched() {
    type Damage = fn(&Folder);
    let damages: [(Damage, i32, &str); 6] = [
        (|folder| flip_a_byte(&folder.at("backup/log.db")), 1, "its checksum is not"),
        (|folder| flip_a_byte(&folder.at("backup/state.db")), 1, "its checksum is not"),
        (|folder| truncate(&folder.at("backup/state.db")), 1, "bytes, expected"),
        (|folder| std::fs::remove_file(folder.at("backup/manifest.json")).unwrap(), 2, "no backup"),
        (|folder| change(folder, "\"format\": 1", "\"format\": 9"), 2, "knows format 1"),
        (|folder| change(folder, "\"schema_version\": ", "\"schema_version\": 99"), 2, "schema 99"),
    ];
    for (damage, code, expected) in damages {
        let folder = Folder::new().with_backup();
        damage(&folder);
        let ran = folder.restore("backup").expect_code(code);
        assert!(ran.stderr.contains(expected), "{expected:?} is missing in {:?}", ran.stderr);
        assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
        assert!(!folder.at("restored").exists());
    }
}

/// The state of one household and the log of another are no backup, whatever the checksums say.
#[test]
fn a_state_and_a_log_that_do_not_belong_together_are_refused() {
    let (folder, other) = (Folder::new().with_backup(), Folder::new().with_backup());
    std::fs::copy(other.at("backup/log.db"), folder.at("backup/log.db")).unwrap();
    let manifest = |folder: &Folder| -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(folder.at("backup/manifest.json")).unwrap()).unwrap()
    };
    let mut mixed = manifest(&folder);
    mixed["files"][1] = manifest(&other)["files"][1].clone();
    std::fs::write(folder.at("backup/manifest.json"), mixed.to_string()).unwrap();
    let ran = folder.restore("backup").expect_code(1);
    assert!(ran.stderr.contains("the state knows log"), "{}", ran.stderr);
    folder.run(&["--data-dir", "restored", "topic", "list"]).expect_code(1);
    other.run(&["--data-dir", "restored", "restore", "backup"]).expect_code(0);
}

fn flip_a_byte(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

fn truncate(path: &Path) {
    let bytes = std::fs::read(path).unwrap();
    std::fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
}

fn change(folder: &Folder, from: &str, to: &str) {
    let path = folder.at("backup/manifest.json");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(path, text.replace(from, to)).unwrap();
}
