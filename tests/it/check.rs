//! `windowsill check`: what it finds, what it makes of it, and that it changes nothing.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use windowsill::demo::botapi::{Effect, Fault, Handle};

use crate::bot::past::{Log, READINGS};
use crate::bot::{Bot, OWNER, SOON, until};
use crate::support::Ran;

/// Runs it beside the bot and gives its report as JSON, by name; of several findings of a name the
/// worst.
async fn checked(bot: &Bot, code: i32) -> BTreeMap<String, Value> {
    let ran = run(bot, &["check", "--json"]).await.expect_code(code);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(report["exit"], code);
    let mut by_name: BTreeMap<String, Value> = BTreeMap::new();
    for finding in report["checks"].as_array().unwrap() {
        let known = by_name.entry(finding["name"].as_str().unwrap().to_owned()).or_default();
        if known.is_null() || (known["verdict"] == "ok" && finding["verdict"] != "ok") {
            *known = finding.clone();
        }
    }
    by_name
}

async fn run(bot: &Bot, args: &[&str]) -> Ran {
    let mut command = bot.command(args);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    Ran::new(output)
}

#[track_caller]
fn is(report: &BTreeMap<String, Value>, name: &str, verdict: &str, part: &str) {
    let finding = report.get(name).unwrap_or_else(|| panic!("{name} is missing in {report:#?}"));
    assert_eq!(finding["verdict"], verdict, "{finding}");
    assert!(finding.to_string().contains(part), "{part:?} is missing in {finding}");
    assert!(verdict == "ok" || finding["remedy"].is_string(), "{finding} does not say what to do");
}

fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entry = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.unwrap().path();
        let bytes = if path.is_dir() { Vec::new() } else { std::fs::read(&path).unwrap() };
        (path.file_name().unwrap().to_str().unwrap().to_owned(), bytes)
    };
    std::fs::read_dir(dir).unwrap().map(entry).collect()
}

/// Calls of the Bot API that are not the bot's own polling.
fn calls(handle: &Handle) -> Vec<String> {
    let calls = handle.calls().into_iter().map(|call| call.method);
    calls.filter(|method| method != "getUpdates").collect()
}

#[tokio::test]
async fn before_the_first_start_all_is_well_and_nothing_is_made() {
    let bot = Bot::new().await;
    let ran = run(&bot, &["check"]).await.expect_code(0);
    assert!(!bot.data_dir().exists());
    assert_eq!(calls(bot.handle()), ["getMe", "getWebhookInfo"]);
    assert!(!ran.stdout.contains('\u{1b}'), "colours are for terminals: {:?}", ran.stdout);
    assert!(ran.stderr.is_empty(), "{}", ran.stderr);
    for line in [
        "ok       configuration   valid; set by TELEGRAM_BOT_TOKEN, WINDOWSILL_DATA_DIR",
        "ok       state.db        not there yet; the first start makes it",
        "ok       owner           1 by telegram.owners",
        "ok       telegram        the token is @windowsill_bot's",
        "ok       groups          privacy mode is on",
        "ok       inline mode     on: members look plants up in any chat",
        "ok       webhook         none, as polling wants; 0 updates pending",
        "ok       clock           0 s",
    ] {
        assert!(ran.stdout.lines().any(|it| it.starts_with(line)), "{line:?} in {}", ran.stdout);
    }
}

#[tokio::test]
async fn beside_a_running_bot_it_looks_and_disturbs_nothing() {
    let mut bot = Bot::new().await;
    bot.started().await;
    bot.answers(OWNER, "/plants", "0 plants").await;
    let before = calls(bot.handle()).len();
    let report = checked(&bot, 0).await;
    is(&report, "data directory", "ok", "a bot runs on it");
    is(&report, "state.db", "ok", "sound, schema");
    is(&report, "log.db", "ok", "sound, log ");
    is(&report, "pipelines", "ok", "none stands still");
    is(&report, "positions", "ok", "belong together");
    is(&report, "topic", "ok", "1 partition, 0 records; the newest record of each key is kept");
    is(&report, "alerts", "ok", "they go to 1 chat");
    assert_eq!(calls(bot.handle())[before..], ["getMe", "getWebhookInfo"]);
    bot.answers(OWNER, "/plants", "0 plants").await;
    bot.stop().await;
}

#[tokio::test]
async fn it_leaves_no_trace_in_a_folder_at_rest_nor_in_one_whose_bot_was_killed() {
    let mut bot = Bot::new().await;
    bot.started().await;
    bot.answers(OWNER, "/plants", "0 plants").await;
    bot.stop().await;
    expect_no_trace(&bot, "no bot runs on it").await;
    // As it is after a backup was restored: without write-ahead logs.
    fold_back(&bot.data_dir().join("state.db")).await;
    fold_back(&bot.data_dir().join("log.db")).await;
    assert_eq!(files(&bot.data_dir()).len(), 3);
    expect_no_trace(&bot, "no bot runs on it").await;
    bot.started().await;
    bot.answers(OWNER, "/plants", "0 plants").await;
    bot.kill().await;
    expect_no_trace(&bot, "no bot runs on it").await;
}

async fn expect_no_trace(bot: &Bot, part: &str) {
    let before = files(&bot.data_dir());
    is(&checked(bot, 0).await, "data directory", "ok", part);
    let after = files(&bot.data_dir());
    // The index of a write-ahead log is scratch memory of whoever reads it; a log whose last writer
    // left it behind gets one anew.
    let is_index = |name: &String| {
        name.strip_suffix("-shm").is_some_and(|file| before.contains_key(&format!("{file}-wal")))
    };
    let names = |files: &BTreeMap<String, Vec<u8>>| -> Vec<String> {
        files.keys().filter(|name| !is_index(name)).cloned().collect()
    };
    assert_eq!(names(&before), names(&after));
    for (name, bytes) in before.iter().filter(|(name, _)| !is_index(name)) {
        assert!(after[name] == *bytes, "{name} was changed");
    }
}

/// Puts what is in the write-ahead log where it belongs.
async fn fold_back(path: &Path) {
    let options = SqliteConnectOptions::new().filename(path);
    let mut db = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql("pragma wal_checkpoint(truncate)").execute(&mut db).await.unwrap();
    db.close().await.unwrap();
}

/// F38: a wrong configuration is a line of the report, too.
#[tokio::test]
async fn a_configuration_that_cannot_be_used_is_a_finding_and_code_2() {
    let mut bot = Bot::new().await.with("WINDOWSILL_TIME_ZONE", "Mars/Olympus");
    is(&checked(&bot, 2).await, "configuration", "failed", "Mars/Olympus");
    bot.set("WINDOWSILL_TIME_ZONE", "");
    bot.set("WINDOWSILL_LOG_FILTER", "==");
    is(&checked(&bot, 2).await, "configuration", "failed", "log_filter");
    bot.set("WINDOWSILL_LOG_FILTER", "");
    bot.set("TELEGRAM_BOT_TOKEN", "");
    is(&checked(&bot, 2).await, "telegram", "failed", "@BotFather");
    bot.set("TELEGRAM_BOT_TOKEN", "4711:somebody-elses");
    let report = checked(&bot, 2).await;
    is(&report, "telegram", "failed", "does not know this token");
    assert!(!format!("{report:?}").contains("somebody-elses"));
    assert!(!bot.data_dir().exists());
}

#[tokio::test]
async fn what_somebody_should_know_is_a_warning() {
    let bot = Bot::without_owner().await.with("TZ", "CET-1CEST");
    let file = bot.data_dir().with_file_name("token");
    std::fs::write(&file, crate::botapi_world::TOKEN).unwrap();
    let bot =
        bot.with("TELEGRAM_BOT_TOKEN", "").with("WINDOWSILL_TELEGRAM__TOKEN_FILE", file.display());
    let report = checked(&bot, 0).await;
    is(&report, "owner", "warning", "`run` prints a code");
    is(&report, "time zone", "warning", "TZ=CET-1CEST");
    is(&report, "secrets", "warning", "chmod o-r");
}

#[tokio::test]
async fn telegram_that_is_away_and_a_clock_that_is_wrong_are_failures() {
    let mut bot = Bot::new().await;
    bot.set("TEST_WINDOWSILL_CLOCK_SHIFT_MS", -60_000);
    is(&checked(&bot, 0).await, "clock", "warning", "s behind Telegram's");
    bot.set("TEST_WINDOWSILL_CLOCK_SHIFT_MS", 3_600_000);
    is(&checked(&bot, 1).await, "clock", "failed", "ahead of Telegram's");
    bot.started().await;
    bot.answers(OWNER, "/plants", "0 plants").await;
    bot.stop().await;
    bot.set("TEST_WINDOWSILL_CLOCK_SHIFT_MS", 0);
    is(&checked(&bot, 1).await, "clock", "failed", "the bot has written at");
    bot.handle().script(Fault::always(Effect::Unreachable));
    is(&checked(&bot, 1).await, "telegram", "failed", "look at the network");
}

#[tokio::test]
async fn a_webhook_that_does_not_fit_is_told_with_its_last_error_and_stays() {
    let bot = Bot::new().await;
    let url = "http://127.0.0.1:9/telegram";
    bot.world.ok("setWebhook", json!({"url": url})).await;
    bot.handle().say(OWNER, OWNER, "/plants");
    let failed = async |bot: &Bot| {
        let info = bot.world.ok("getWebhookInfo", json!({})).await;
        info["last_error_message"].is_string()
    };
    until(SOON, "a delivery that failed", async || failed(&bot).await).await;
    let report = checked(&bot, 0).await;
    is(&report, "webhook", "warning", "1 update pending; last error");
    is(&report, "webhook", "warning", "takes this webhook away");
    assert_eq!(bot.handle().webhook_url().as_deref(), Some(url));
    assert_eq!(bot.handle().pending_updates(), 1);
}

/// A folder in which a bot has been.
async fn used() -> Bot {
    let mut bot = Bot::new().await;
    let log = Log::open(&bot.data_dir(), 1).await;
    log.describe(&crate::bot::past::plant(7, "Checked fern", 30.0)).await;
    bot.started().await;
    bot.counts("select count(*) from plant", 1).await;
    bot.answers(OWNER, "/plants", "Checked fern").await;
    bot.stop().await;
    drop(log);
    for name in ["state.db", "log.db"] {
        fold_back(&bot.data_dir().join(name)).await;
    }
    bot
}

#[tokio::test]
async fn a_damaged_database_is_told_with_what_to_do() {
    for name in ["state.db", "log.db"] {
        let bot = used().await;
        let path = bot.data_dir().join(name);
        let mut bytes = std::fs::read(&path).unwrap();
        // All pages but the first, which says what the file is.
        for byte in &mut bytes[4096..] {
            *byte = 0xa5;
        }
        std::fs::write(&path, bytes).unwrap();
        let report = checked(&bot, 1).await;
        is(&report, name, "failed", "restore the newest backup");
    }
}

#[tokio::test]
async fn a_log_that_is_not_the_states_is_told() {
    let (bot, other) = (used().await, used().await);
    std::fs::copy(other.data_dir().join("log.db"), bot.data_dir().join("log.db")).unwrap();
    is(&checked(&bot, 1).await, "positions", "failed", "the state knows log");
}

/// F38: topics that are not as the configuration has them.
#[tokio::test]
async fn topics_that_differ_from_the_configuration_are_told() {
    let bot = used().await;
    let file = bot.data_dir().with_file_name("windowsill.toml");
    std::fs::write(&file, format!("[topics.{READINGS}]\npartitions = 3")).unwrap();
    is(&checked(&bot, 0).await, "topic", "warning", "and 3 partitions are configured");
    let swapped = "[topics.houseplant-readings]\nname = 'houseplant-metadata'\n\
        [topics.houseplant-metadata]\nname = 'houseplant-readings'";
    std::fs::write(&file, swapped).unwrap();
    is(&checked(&bot, 2).await, "topic", "failed", "is a stream, expected a table");
}
