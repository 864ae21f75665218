//! Leaders of partitions die: another broker takes over where there is one, and else what is missing
//! is told and nothing is written twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use windowsill::clock::now_ms;
use windowsill::kernel::record::NewRecord;

use super::cluster::{Cluster, Led, in_turn};
use super::outage::{SAVED, comes_to, describe_plants, is_ready_within};
use crate::bot::past::{Log, METADATA, READINGS, Reading, WINDOW_MS};
use crate::bot::state::{FOLDED, State};
use crate::bot::{Bot, OWNER, SOON, until};
use crate::crash_once::edit_up_to_confirmation;
use crate::support::run_with_input_and;

const PARTITIONS: i32 = 6;
/// Readings in one append.
const TOGETHER: usize = 3;
const SPACING_MS: i64 = 4_000;
const TOKEN_TEXT: &str = "a-token-of-the-house";

/// Readings of five plants that go on and on through windows that have ended; two of three are low.
fn reading(first_ms: i64, number: usize) -> Reading {
    let number = number as i64;
    Reading {
        plant_id: (number % 5) as u8,
        moisture: if number % 3 == 0 { 50.0 } else { 10.0 },
        at_ms: first_ms + (number * SPACING_MS).min(5 * WINDOW_MS),
        partition: (number % i64::from(PARTITIONS)) as i32,
    }
}

/// Appends readings until it is told to stop. Gives all of them; each append succeeded.
async fn feed(log: Arc<Log>, stop: Arc<AtomicBool>) -> Vec<Reading> {
    let first_ms = (now_ms() / WINDOW_MS - 6) * WINDOW_MS;
    let mut all = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let next = (all.len()..).take(TOGETHER).map(|number| reading(first_ms, number));
        let next: Vec<Reading> = next.collect();
        log.append(&next).await;
        all.extend(next);
    }
    all
}

/// Waits until so many more readings are folded than now.
async fn goes_on(bot: &Bot) {
    const MORE: i64 = 300;
    let folded = async || State::open(&bot.data_dir()).await.number(FOLDED).await;
    let before = folded().await;
    until(SOON, "readings are folded", async || folded().await > before + MORE).await;
}

/// Every partition of both topics is so.
async fn all_are(cluster: &Cluster, log: &Log, what: &str, holds: impl Fn(&Led) -> bool) {
    for topic in [READINGS, METADATA] {
        cluster.all_are(log.name(topic), what, &holds).await;
    }
}

/// How many records a topic holds, as soon as all of it has leaders.
async fn held(log: &Log, topic: &str) -> i64 {
    let mut held = None;
    until(SOON, "where the topic ends", async || {
        let bounds = log.events().bounds(log.name(topic)).await.ok();
        held = bounds.map(|all| all.iter().map(|at| at.next_offset - at.first_offset).sum());
        held.is_some()
    })
    .await;
    held.unwrap()
}

/// F5: the leader of a part of all topics dies in the middle of everything; when it is back, and has
/// everything, the one that took over dies.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaders_that_die_in_turn_cost_nothing_and_repeat_nothing() {
    let Some(cluster) = in_turn("leaders_that_die_in_turn").await else { return };
    let mut bot = Bot::new().await;
    bot.set("WINDOWSILL_ALERT_MAX_AGE_HOURS", 10_000);
    bot.set("WINDOWSILL_KAFKA__REPLICATION_FACTOR", 2);
    bot.on_kafka(&cluster.addresses());
    bot.started().await;
    // It has made the topics.
    is_ready_within(&bot, SOON).await;
    let log = Arc::new(bot.past(PARTITIONS).await);
    all_are(&cluster, &log, "two replicas", |led| led.replicas == 2 && led.in_sync == 2).await;
    describe_plants(&log).await;
    bot.sees("/plants", "Plant-4").await;
    // Where the record of the edit will go, which is the seventh.
    let nobody = NewRecord { key: Some(b"7".to_vec()), ts_ms: now_ms(), ..NewRecord::default() };
    let placed = log.events().append(log.name(METADATA), vec![nobody]).await.unwrap();
    let edited = placed[0].partition as usize;
    let leads = || cluster.led(log.name(METADATA))[edited].leader;

    let stop = Arc::new(AtomicBool::new(false));
    let feeding = tokio::spawn(feed(Arc::clone(&log), Arc::clone(&stop)));
    goes_on(&bot).await;
    edit_up_to_confirmation(&bot, "Patient").await;
    let first = leads();
    cluster.broker(first).kill();
    let after = bot.newest(OWNER);
    bot.handle().say(OWNER, OWNER, "/y");
    let said = bot.handle().wait_for_text(SOON, OWNER, after, SAVED).await.unwrap();
    assert_eq!(held(&log, METADATA).await, 7, "what is said to be saved is there, once");
    assert!(said.id > after, "it was said to be queued, if anything, before it was saved");
    all_are(&cluster, &log, "others lead", |led| led.leader > 0 && led.leader != first).await;
    bot.answers(OWNER, "/plants", "Patient").await;
    goes_on(&bot).await;

    cluster.broker(first).start_again();
    assert!(cluster.broker(first).is_ready());
    all_are(&cluster, &log, "the first has everything", |led| led.in_sync == 2).await;
    let second = leads();
    assert_ne!(second, first);
    cluster.broker(second).kill();
    all_are(&cluster, &log, "others lead", |led| led.leader > 0 && led.leader != second).await;
    assert_eq!(leads(), first);
    goes_on(&bot).await;
    stop.store(true, Ordering::Relaxed);
    let all = feeding.await.unwrap();

    bot.counts(FOLDED, all.len() as i64).await;
    assert_eq!(held(&log, READINGS).await, all.len() as i64, "no append was lost or doubled");
    is_ready_within(&bot, SOON).await;
    let status = bot.answers(OWNER, "/status", "plants: ").await;
    assert!(status.text.contains("caught up"), "{}", status.text);
    comes_to(&bot, &all).await;
    assert_eq!(bot.times_said(OWNER, SAVED), 1);
    assert_eq!(held(&log, METADATA).await, 7, "it went out once");
}

/// The numbers of lines that `topic write` says were not written.
fn told_lines(said: &str) -> Vec<usize> {
    let told = said.split("(as far as is known): lines ").nth(1).unwrap();
    let told = told.split(", and nothing behind").next().unwrap();
    let numbers = told.split(", ").flat_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        first.parse().unwrap()..=last.parse().unwrap()
    });
    numbers.collect()
}

/// A part of a topic has no leader while the rest goes on: everybody is told so, and what is written
/// again is only what was not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_leader_keeps_out_is_told_and_nothing_else_is_written_again() {
    let Some(cluster) = in_turn("what_a_dead_leader_keeps_out").await else { return };
    let mut bot = Bot::new().await.with("WINDOWSILL_HTTP__TOKEN", TOKEN_TEXT);
    bot.set("WINDOWSILL_KAFKA__PROPERTIES__MESSAGE__TIMEOUT__MS", 5_000);
    bot.on_kafka(&cluster.addresses());
    let log = bot.past(PARTITIONS).await;
    describe_plants(&log).await;
    bot.started().await;
    bot.sees("/plants", "Plant-4").await;
    is_ready_within(&bot, SOON).await;
    let led = cluster.led(log.name(READINGS));
    assert!(led.iter().all(|led| led.replicas == 1), "as the cluster says: {led:?}");
    let dead = led[0].leader;
    cluster.broker(dead).kill();
    cluster.all_are(log.name(READINGS), "it is known", |led| led.leader != dead).await;

    let line = |number: usize| {
        let value = serde_json::json!({"plant_id": 1, "moisture": 50, "temperature": 20});
        let partition = number % led.len();
        let line = serde_json::json!({
            "key": "1", "ts": now_ms(), "value": value, "partition": partition,
        });
        format!("{line}\n")
    };
    let lines: Vec<String> = (1..=120).map(line).collect();
    let write = || bot.command(&["topic", "write", READINGS]);
    let said = run_with_input_and(write(), &lines.concat()).expect_code(1).stderr;
    let is_out = |number: &usize| led[number % led.len()].leader == dead;
    let out: Vec<usize> = (1..=120).filter(is_out).collect();
    assert_eq!(told_lines(&said), out, "{said}");
    assert!(said.contains(&format!("{} written, 0 rejected", 120 - out.len())), "{said}");
    assert!(said.contains("nothing behind line 120"), "{said}");

    until(SOON, "it is known", async || {
        let (status, missing) = bot.page("/readyz").await;
        status == 503 && missing.contains("pipeline plants pauses")
    })
    .await;
    bot.answers(OWNER, "/plant 1", "Not up to date").await;
    bot.answers(OWNER, "/status", "the log does not answer").await;
    edit_up_to_confirmation(&bot, "Patient").await;
    bot.answers(OWNER, "/y", "⏳ Your entry for Patient is queued").await;
    assert_eq!(bot.times_said(OWNER, SAVED), 0);
    let url = format!("http://{}/topics/{READINGS}", bot.http_address().await);
    let posted = bot.world.client().post(url).bearer_auth(TOKEN_TEXT).body(line(1));
    let posted = posted.send().await.unwrap();
    assert_eq!(posted.status().as_u16(), 503, "nothing of it is written");

    cluster.broker(dead).start_again();
    assert!(cluster.broker(dead).is_ready());
    cluster.all_are(log.name(READINGS), "all lead again", |led| led.leader > 0).await;
    let again: String = out.iter().map(|number| lines[number - 1].as_str()).collect();
    run_with_input_and(write(), &again).expect_code(0);
    bot.counts(FOLDED, 120).await;
    assert_eq!(held(&log, READINGS).await, 120, "each stands there once");
    bot.handle().wait_for_text(SOON, OWNER, 0, SAVED).await.unwrap();
    assert_eq!(held(&log, METADATA).await, 6, "tried again and again, and there once");
    is_ready_within(&bot, SOON).await;
    bot.stop().await;
}
