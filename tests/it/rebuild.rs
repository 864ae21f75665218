//! `windowsill rebuild` as a process: killed where it can be killed, it goes on at the next start
//! of whatever, comes to the same rows, and says nothing to anybody.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;

use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use crate::bot::past::{Log, Reading, WINDOW_MS, plant};
use crate::bot::state::State;
use crate::bot::{Bot, OWNER, SOON, until};
use crate::support::Ran;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const PLANTS: u8 = 3;
const WINDOWS: i64 = 4;

/// What a rebuild brings back, and facts that it leaves alone.
const COMPARED: [&str; 9] = [
    "plant",
    "plant_window",
    "plant_bucket",
    "plant_latest",
    "position",
    "alert",
    "outbox",
    "dead_letter",
    "subscription",
];

async fn dump(bot: &Bot) -> BTreeMap<&'static str, Vec<String>> {
    let mut state = State::open(&bot.data_dir()).await;
    let mut dump = BTreeMap::new();
    for table in COMPARED {
        let columns: Vec<(String,)> =
            state.rows(&format!("select name from pragma_table_info('{table}')")).await;
        let quoted: Vec<String> =
            columns.into_iter().map(|(name,)| format!("quote({name})")).collect();
        // A table's own reader may have read it in other batches: only streams' places are equal.
        let some = if table == "position" { "where topic = 'houseplant-readings'" } else { "" };
        let query = format!("select {} from {table} {some} order by 1", quoted.join("||','||"));
        let rows: Vec<(String,)> = state.rows(&query).await;
        dump.insert(table, rows.into_iter().map(|(row,)| row).collect());
    }
    dump
}

/// A bot that has told of every dry window, and was stopped.
async fn told_everything() -> Bot {
    let mut bot = Bot::new().await.with("WINDOWSILL_ALERT_MAX_AGE_HOURS", 10_000);
    // Silence goes by the clock: an hour later there would be news.
    bot.set("WINDOWSILL_PLANTS__SILENT_MINUTES", 0);
    let log = Log::open(&bot.data_dir(), 2).await;
    let now_ms = windowsill::clock::now_ms();
    let first_ms = (now_ms / WINDOW_MS - WINDOWS - 6) * WINDOW_MS;
    for plant_id in 0..PLANTS {
        log.describe(&plant(i64::from(plant_id), &format!("Fern {plant_id}"), 30.0)).await;
    }
    for window in 0..WINDOWS {
        let start_ms = first_ms + window * WINDOW_MS;
        let reading = |number: i64| {
            let plant_id = (number % i64::from(PLANTS)) as u8;
            let moisture = if plant_id == 0 { 20.0 } else { 40.0 };
            // Some come back from the window before: late.
            let back_ms = if number % 50 == 7 { WINDOW_MS } else { 0 };
            let at_ms = start_ms + HOUR_MS + number * 30_000 - back_ms;
            Reading { plant_id, moisture, at_ms, partition: (number / 3 % 2) as i32 }
        };
        log.append(&(0..400).map(reading).collect::<Vec<_>>()).await;
    }
    bot.handle().say(OWNER, OWNER, "/start");
    bot.started().await;
    until(SOON, "every alert is told", async || {
        bot.times_said(OWNER, "is looking pretty dry") == WINDOWS as usize
    })
    .await;
    bot.stop().await;
    log.close().await;
    bot
}

/// As if retention had taken everything that one partition of readings held.
async fn lose_a_partition(bot: &Bot) {
    let options = SqliteConnectOptions::new().filename(bot.data_dir().join("log.db"));
    let mut log = SqliteConnection::connect_with(&options).await.unwrap();
    let lose = "delete from batch where partition = 0
                   and topic_id = (select id from topic where name = 'houseplant-readings')";
    sqlx::query(lose).execute(&mut log).await.unwrap();
    log.close().await.unwrap();
}

fn run(bot: &Bot, args: &[&str]) -> Ran {
    Ran::new(bot.command(args).output().unwrap())
}

/// F12, F14: with dead letters of 2099 and of ten minutes ahead, an hour later.
#[tokio::test]
async fn killed_at_each_of_its_points_it_goes_on_and_nobody_hears_of_it() {
    let mut bot = told_everything().await;
    let log = Log::open(&bot.data_dir(), 2).await;
    let now_ms = windowsill::clock::now_ms();
    let ahead = |at_ms| Reading { plant_id: 0, moisture: 1.0, at_ms, partition: 1 };
    log.append(&[ahead(4_070_908_800_000), ahead(now_ms + 10 * MINUTE_MS)]).await;
    run(&bot, &["fold"]).expect_code(0);
    let (before, said) = (dump(&bot).await, bot.said(OWNER));
    // The windows, and the early warning that the first one took the place of.
    assert_eq!((before["dead_letter"].len(), before["alert"].len()), (2, WINDOWS as usize + 1));
    bot.set("TEST_WINDOWSILL_CLOCK_SHIFT_MS", HOUR_MS);
    let deaths = [
        ("before-rebuild", "fold"),
        ("after-rebuild-began", "fold"),
        ("after-rebuild-began", "rebuild"),
        ("before-step-commit", "rebuild"),
        ("after-step-commit", "fold"),
    ];
    for (point, next) in deaths {
        bot.crash_at(point, 1);
        let died = bot.command(&["rebuild"]).output().unwrap();
        assert_eq!(died.status.signal(), Some(9), "{point}: {died:?}");
        bot.crash_no_more();
        run(&bot, &[next]).expect_code(0);
        assert_eq!(dump(&bot).await, before, "{point}, then {next}");
    }
    // The last one is finished by the bot itself.
    bot.crash_at("after-rebuild-began", 1);
    assert_eq!(bot.command(&["rebuild"]).output().unwrap().status.signal(), Some(9));
    bot.crash_no_more();
    let status = run(&bot, &["ask", "/status"]).expect_code(0);
    assert!(status.stdout.contains("rebuilding (0 % done)"), "{}", status.stdout);
    bot.started().await;
    until(SOON, "the rebuild is over", async || {
        State::open(&bot.data_dir()).await.number("select count(*) from past").await == 0
    })
    .await;
    bot.answers(OWNER, "/plants", "3 plants").await;
    bot.stop().await;
    let after = dump(&bot).await;
    for table in ["plant", "plant_window", "plant_bucket", "plant_latest", "position", "alert"] {
        assert_eq!(after[table], before[table]);
    }
    assert_eq!(after["dead_letter"].len(), 2);
    let alerts = |said: &[String]| said.iter().filter(|text| text.contains("dry")).count();
    assert_eq!(alerts(&bot.said(OWNER)), alerts(&said));
}

#[tokio::test]
async fn beside_a_running_bot_it_is_refused_and_without_one_it_says_what_it_did() {
    let mut bot = told_everything().await;
    bot.started().await;
    let refused = run(&bot, &["rebuild"]).expect_code(3);
    assert!(refused.stderr.contains("another instance"), "{}", refused.stderr);
    bot.stop().await;
    let ran = run(&bot, &["rebuild", "--json"]).expect_code(0);
    assert_eq!(ran.json_lines()[0]["pipelines"][0]["records"], 400 * WINDOWS);
    assert_eq!(ran.json_lines()[0]["pipelines"][0]["windows_closed"], 0);
}

#[tokio::test]
async fn what_the_log_no_longer_holds_is_listed_and_lost_only_if_that_is_accepted() {
    let bot = told_everything().await;
    let before = dump(&bot).await;
    lose_a_partition(&bot).await;
    let refused = run(&bot, &["rebuild"]).expect_code(2);
    assert!(refused.stderr.contains("plant_window of plants: from 20"), "{}", refused.stderr);
    assert!(refused.stderr.contains("--accept-loss"), "{}", refused.stderr);
    let listed = run(&bot, &["rebuild", "--json"]).expect_code(2);
    assert_eq!(listed.json_lines()[0]["lost"][0]["view"], "plant_window");
    assert_eq!(dump(&bot).await, before);
    run(&bot, &["rebuild", "--accept-loss"]).expect_code(0);
    let after = dump(&bot).await;
    assert_ne!(after["plant_bucket"], before["plant_bucket"]);
    assert_eq!((&after["alert"], &after["plant"]), (&before["alert"], &before["plant"]));
}
