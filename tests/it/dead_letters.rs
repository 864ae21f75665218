//! Records that cannot be folded: kept, told once, published, and tried again.

use serde_json::{Value, json};
use windowsill::kernel::record::NewRecord;
use windowsill::kernel::time::{HOUR_MS, MINUTE_MS};

use crate::bot::past::{Log, MOISTURE_AT, READINGS, plant};
use crate::bot::state::State;
use crate::bot::{Bot, OWNER, SOON, until};
use crate::support::Ran;

const NOTICE: &str = "Some records could not be used";
const MEGABYTE: usize = 1024 * 1024;

fn reading(value: Option<Vec<u8>>, ts_ms: i64) -> NewRecord {
    NewRecord { key: Some(b"0".to_vec()), value, ts_ms, ..NewRecord::default() }
}

fn good(log: &Log) -> Vec<u8> {
    log.encode(READINGS, &json!({"plant_id": 0, "moisture": 45, "temperature": 20}))
}

fn with_moisture(log: &Log, moisture: f32) -> Vec<u8> {
    let mut value = good(log);
    value[MOISTURE_AT..MOISTURE_AT + 4].copy_from_slice(&moisture.to_le_bytes());
    value
}

/// Values that no fold can use, and what their reasons say. (An unknown schema id of a registry
/// comes with the registry; here it is another fingerprint.)
fn poison(log: &Log) -> Vec<(Vec<u8>, &'static str)> {
    let mut truncated = good(log);
    truncated.truncate(MOISTURE_AT + 2);
    let mut other_schema = good(log);
    other_schema[4] ^= 1;
    vec![
        (Vec::new(), "the bytes begin with"),
        (b"\x00\x00\x00\x00\x07rest".to_vec(), "the bytes begin with"),
        (other_schema, "the value has schema fingerprint"),
        (truncated, "the bytes end inside field \"moisture\""),
        (with_moisture(log, f32::NAN), "field \"moisture\" is NaN"),
        (with_moisture(log, f32::NEG_INFINITY), "field \"moisture\" is -inf"),
        (vec![b'x'; MEGABYTE], "the bytes begin with"),
    ]
}

async fn letters(bot: &Bot) -> i64 {
    State::open(&bot.data_dir()).await.number("select count(*) from dead_letter").await
}

async fn number(bot: &Bot, sql: &str) -> i64 {
    State::open(&bot.data_dir()).await.number(sql).await
}

async fn buried(bot: &Bot, count: i64) {
    until(SOON, "the records are buried", async || letters(bot).await == count).await;
}

fn ran(bot: &Bot, args: &[&str]) -> Ran {
    Ran::new(bot.command(args).output().unwrap())
}

/// A bot whose owner has written to it, and its log with one plant.
async fn started() -> (Bot, Log) {
    let mut bot = Bot::new().await;
    let log = Log::open(&bot.data_dir(), 1).await;
    log.describe(&plant(0, "Cyril", 30.0)).await;
    bot.started().await;
    bot.answers(OWNER, "/start", "Hello!").await;
    (bot, log)
}

/// F9: poison of every kind.
#[tokio::test]
async fn poison_is_kept_with_its_reason_counted_published_and_told_once() {
    let (mut bot, log) = started().await;
    let now_ms = windowsill::clock::now_ms();
    let poison = poison(&log);
    let count = i64::try_from(poison.len()).unwrap();
    let mut records = Vec::new();
    for (value, _) in &poison {
        records.push(reading(Some(good(&log)), now_ms));
        records.push(reading(Some(value.clone()), now_ms));
    }
    // A null key is none of our business: the value says whose reading it is.
    records.push(NewRecord { key: None, ..reading(Some(good(&log)), now_ms) });
    let all = i64::try_from(records.len()).unwrap();
    log.append_raw(READINGS, records).await;

    buried(&bot, count).await;
    let mut state = State::open(&bot.data_dir()).await;
    let rows: Vec<(i64, String)> =
        state.rows("select offset, reason from dead_letter order by offset").await;
    for (index, ((offset, reason), (_, expected))) in rows.iter().zip(&poison).enumerate() {
        assert_eq!(*offset, 2 * i64::try_from(index).unwrap() + 1);
        assert!(reason.contains(expected), "{reason}");
    }
    let position = "select next_offset from position where topic = 'houseplant-readings'";
    // The megabyte in a letter fills its step, and what comes after it is of another.
    until(SOON, "all is folded", async || number(&bot, position).await == all).await;
    let notice = bot.handle().wait_for_text(SOON, OWNER, 0, NOTICE).await.unwrap();
    assert!(
        notice.text.contains("2 × houseplant-readings: the bytes begin with 00 00"),
        "{notice:?}"
    );
    assert!(notice.text.contains("(first: partition 0, offset 3)"), "{notice:?}");
    assert!(notice.text.contains("/dead_letters") && notice.text.contains("replay"), "{notice:?}");
    bot.answers(OWNER, "/status", &format!("Dead letters: {count}")).await;
    let page = bot.answers(OWNER, "/dead_letters", "houseplant-readings · 1 × · ").await;
    assert!(page.text.contains("partition 0, offset 9: c3 01 "), "{}", page.text);

    published(&bot, &poison).await;
    no_second_notice_within_the_hour(&mut bot, &log, now_ms).await;
    bot.stop().await;
}

/// Every letter is a record of the topic of dead letters: the same bytes, and where they were.
async fn published(bot: &Bot, poison: &[(Vec<u8>, &str)]) {
    let waiting = "select count(*) from dead_letter where published_at is null";
    until(SOON, "the letters are published", async || number(bot, waiting).await == 0).await;
    let read = ran(bot, &["topic", "read", "windowsill-dead-letters"]).expect_code(0);
    let lines = read.json_lines();
    assert_eq!(lines.len(), poison.len());
    let headers = |line: &Value| -> Vec<(String, String)> {
        serde_json::from_value(line["headers"].clone()).unwrap()
    };
    for (index, line) in lines.iter().enumerate() {
        let found = headers(line);
        let value = |name: &str| found.iter().find(|(known, _)| known == name).unwrap().1.clone();
        assert_eq!(value("windowsill.topic"), READINGS);
        assert_eq!(value("windowsill.partition"), "0");
        assert_eq!(value("windowsill.offset"), (2 * index + 1).to_string());
        assert!(value("windowsill.reason").contains(poison[index].1));
        assert_eq!(line["key"], "0");
    }
    assert_eq!(lines[6]["value"].as_str().unwrap().len(), MEGABYTE);
}

async fn no_second_notice_within_the_hour(bot: &mut Bot, log: &Log, now_ms: i64) {
    let before = letters(bot).await;
    log.append_raw(READINGS, vec![reading(None, now_ms)]).await;
    buried(bot, before + 1).await;
    bot.stop().await;
    bot.started().await;
    bot.answers(OWNER, "/status", "Dead letters: 8").await;
    assert_eq!(bot.times_said(OWNER, NOTICE), 1);
    // An hour later the next one is told, by itself.
    bot.stop().await;
    bot.set("TEST_WINDOWSILL_CLOCK_SHIFT_MS", HOUR_MS);
    bot.started().await;
    let told = |_: &_| (bot.times_said(OWNER, NOTICE) == 2).then_some(());
    bot.handle().wait_for(SOON, "second notice", told).await.unwrap();
    let second = bot.said(OWNER).into_iter().rfind(|text| text.contains(NOTICE)).unwrap();
    assert!(second.contains("1 × houseplant-readings: the value is null"), "{second}");
    assert!(!second.contains("the bytes begin with"), "{second}");
}

#[tokio::test]
async fn a_notice_that_was_due_when_the_power_went_comes_after_the_restart_and_once() {
    let mut bot = Bot::new().await;
    let log = Log::open(&bot.data_dir(), 1).await;
    bot.handle().say(OWNER, OWNER, "/help");
    log.append_raw(READINGS, vec![reading(None, windowsill::clock::now_ms())]).await;
    // The letter is in the store and on its way to its topic.
    bot.crash_at("after-append", 1);
    bot.start();
    bot.crashed().await;
    assert_eq!(bot.times_said(OWNER, NOTICE), 0);
    bot.crash_no_more();
    bot.started().await;
    bot.handle().wait_for_text(SOON, OWNER, 0, NOTICE).await.unwrap();
    // A kill before the outcome is stored may bring any message twice; that is not meant here.
    until(SOON, "it is stored", async || State::open(&bot.data_dir()).await.is_quiet().await).await;
    bot.kill().await;
    bot.started().await;
    bot.answers(OWNER, "/status", "Dead letters: 1").await;
    bot.stop().await;
    assert_eq!(bot.times_said(OWNER, NOTICE), 1);
    // Appended again after the crash; the headers say that it is the same.
    let read = ran(&bot, &["topic", "read", "windowsill-dead-letters"]).json_lines();
    assert_eq!(read.len(), 2);
    assert_eq!(read[0]["headers"], read[1]["headers"]);
}

#[tokio::test]
async fn a_replay_folds_once_it_can_and_never_twice() {
    let (mut bot, log) = started().await;
    let ahead_ms = windowsill::clock::now_ms() + 10 * MINUTE_MS;
    log.append_raw(READINGS, vec![reading(Some(good(&log)), ahead_ms)]).await;
    buried(&bot, 1).await;
    let listed = ran(&bot, &["dead-letters", "list", "--json"]).expect_code(0);
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!((&listed[0]["id"], &listed[0]["offset"]), (&json!(1), &json!(0)));
    assert_eq!(listed[0]["ts"], ahead_ms);
    // Its time has come: without a bot, the replay waits in the log.
    bot.stop().await;
    let replayed = ran(&bot, &["dead-letters", "replay", "--all"]).expect_code(0);
    assert!(replayed.stderr.contains("1 replayed, 0 refused"), "{}", replayed.stderr);
    let again = ran(&bot, &["dead-letters", "replay", "1"]).expect_code(1);
    assert!(again.stderr.contains("its replay waits in the log"), "{}", again.stderr);
    bot.set("TEST_WINDOWSILL_CLOCK_SHIFT_MS", HOUR_MS);
    bot.started().await;
    let marked = "select count(*) from dead_letter where replayed_at is not null";
    until(SOON, "the letter is marked", async || number(&bot, marked).await == 1).await;
    let folded = "select count(*) from plant_latest where moisture = 45000";
    assert_eq!(number(&bot, folded).await, 1);
    let again = ran(&bot, &["dead-letters", "replay", "1"]).expect_code(1);
    assert!(again.stderr.contains("it has been replayed already"), "{}", again.stderr);
    let again = ran(&bot, &["dead-letters", "replay", "--all"]).expect_code(0);
    assert!(again.stderr.contains("0 replayed"), "{}", again.stderr);
    assert_eq!(letters(&bot).await, 1);
    bot.answers(OWNER, "/dead_letters", "1 replayed").await;
    bot.stop().await;
}

#[tokio::test]
async fn a_replay_that_fails_again_names_its_ancestor_and_goes_round_no_further() {
    let (bot, log) = started().await;
    log.append_raw(READINGS, vec![reading(None, windowsill::clock::now_ms())]).await;
    buried(&bot, 1).await;
    // Beside the running bot.
    ran(&bot, &["dead-letters", "replay", "--topic", READINGS]).expect_code(0);
    buried(&bot, 2).await;
    let ancestry = "select count(*) from dead_letter where id = 2 and replay_of like
                    '%/houseplant-readings/0/0' and replayed_at is null";
    assert_eq!(number(&bot, ancestry).await, 1);
    let listed = ran(&bot, &["dead-letters", "list"]).expect_code(0).stdout;
    assert!(listed.contains("failed again (partition 0, offset 0)"), "{listed}");
    assert!(listed.contains("  replayed  "), "{listed}");
    bot.answers(OWNER, "/dead_letters", "a replay of partition 0, offset 0").await;
    for _ in 0..2 {
        let all = ran(&bot, &["dead-letters", "replay", "--all"]).expect_code(0);
        assert!(all.stderr.contains("0 replayed, 0 refused"), "{}", all.stderr);
    }
    // By its number it is tried again, because somebody means it.
    ran(&bot, &["dead-letters", "replay", "2"]).expect_code(0);
    buried(&bot, 3).await;
    assert!(ran(&bot, &["dead-letters", "replay", "77"]).expect_code(1).stderr.contains("none"));
    ran(&bot, &["dead-letters", "replay"]).expect_code(2);
    bot.stop().await;
}

#[tokio::test]
async fn dead_letters_are_for_owners_and_come_in_pages() {
    const MEMBER: i64 = 12;
    let mut bot = Bot::new().await.with("WINDOWSILL_TELEGRAM__ALLOWED_CHATS", MEMBER);
    let log = Log::open(&bot.data_dir(), 1).await;
    let now_ms = windowsill::clock::now_ms();
    let values: Vec<Vec<u8>> = poison(&log).into_iter().map(|(value, _)| value).collect();
    let mut records: Vec<NewRecord> =
        values.into_iter().map(|value| reading(Some(value), now_ms)).collect();
    records.push(reading(None, now_ms));
    records.push(reading(Some(b"<b>&\x1b\"bold\"".to_vec()), now_ms));
    log.append_raw(READINGS, records).await;
    bot.started().await;
    buried(&bot, 9).await;
    bot.answers(MEMBER, "/dead_letters", "Only an owner can see these.").await;
    let first = bot.answers(OWNER, "/dead_letters", "<b>&\\u{1b}\"bold\" (11 bytes)").await;
    assert_eq!(first.text.matches("houseplant-readings · ").count(), 5, "{}", first.text);
    bot.handle().press_label(OWNER, OWNER, "older ▸").unwrap();
    let second = bot.handle().wait_for_text(SOON, OWNER, first.id, " · 1 × · ").await.unwrap();
    assert!(second.text.matches("houseplant-readings · ").count() >= 1, "{}", second.text);
    assert!(second.button("◂ newer").is_some() && second.button("older ▸").is_none());
    bot.stop().await;
    assert_eq!(bot.times_said(MEMBER, NOTICE), 0);
}
