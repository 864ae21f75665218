//! The cluster is away, comes back, is slow, and cuts connections; the bot is killed meanwhile.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::watch;
use windowsill::clock::now_ms;
use windowsill::log::EventLog;
use windowsill::log::kafka::KafkaLog;

use super::admin::Admin;
use super::broker::{self, Broker, BrokerOptions};
use super::chaos::{Chaos, Weather};
use super::prefixed::settings;
use crate::bot::past::{Log, Model, READINGS, Reading, WINDOW_MS, plant};
use crate::bot::state::{FOLDED, RAISED, State};
use crate::bot::{Bot, OWNER, SOON, until};
use crate::crash_once::edit_up_to_confirmation;

pub(super) const SAVED: &str = "You've confirmed your metadata entry, and it has been updated.";

/// Readings of five plants over some windows that have ended, each on a partition of its own choice.
fn readings(count: i64, partitions: i32) -> Vec<Reading> {
    let first_ms = (now_ms() / WINDOW_MS - 6) * WINDOW_MS;
    let reading = |number: i64| Reading {
        plant_id: (number % 5) as u8,
        moisture: if number % 3 == 0 { 10.0 } else { 50.0 },
        at_ms: first_ms + number * 3 * WINDOW_MS / count,
        partition: (number % i64::from(partitions)) as i32,
    };
    (0..count).map(reading).collect()
}

pub(super) async fn describe_plants(log: &Log) {
    for plant_id in 0..5 {
        log.describe(&plant(plant_id, &format!("Plant-{plant_id}"), 20.0)).await;
    }
}

/// Everything is folded once, as an undisturbed pass over the log would have it; then it is stopped.
pub(super) async fn comes_to(bot: &Bot, all: &[Reading]) {
    let model = Model::of(all, |reading| reading.moisture < 20.0);
    bot.counts(FOLDED, all.len() as i64).await;
    bot.counts(RAISED, model.dry().len() as i64).await;
    bot.is_quiet().await;
    bot.stop().await;
    let mut state = State::open(&bot.data_dir()).await;
    let windows: Vec<(i64, i64, i64)> =
        state.rows("select start_ms, plant_id, low_count from plant_window").await;
    let found = windows.into_iter().map(|(start_ms, plant, count)| ((start_ms, plant), count));
    assert_eq!(found.collect::<std::collections::BTreeMap<_, _>>(), model.lows);
    assert_eq!(state.number(FOLDED).await, all.len() as i64);
    let readings = state.number("select sum(reading_count) from plant_bucket").await;
    assert_eq!(readings, all.len() as i64);
    assert_eq!(state.number(RAISED).await, model.dry().len() as i64);
}

pub(super) async fn is_ready_within(bot: &Bot, within: Duration) {
    until(within, "ready", async || bot.page("/readyz").await.0 == 200).await;
}

/// F4, F6: the broker is absent at the start, and somebody edits meanwhile.
#[tokio::test]
async fn without_its_broker_the_bot_answers_queues_edits_and_goes_on_when_it_is_there() {
    let test = "without_its_broker_the_bot_answers";
    let Some(broker) = Broker::start(test, BrokerOptions::default()) else { return };
    let mut bot = Bot::new().await;
    bot.on_kafka(&broker.address());
    let log = bot.past(6).await;
    log.describe(&plant(3, "Bradley", 20.0)).await;
    log.append(&readings(100, 6)).await;
    bot.started().await;
    bot.sees("/plants", "Bradley").await;
    is_ready_within(&bot, SOON).await;
    bot.counts("select count(*) from pipeline where caught_up_at is not null", 2).await;
    bot.stop().await;
    drop(log);
    broker.stop();

    bot.started().await;
    until(SOON, "it is known", async || {
        let (_, missing) = bot.page("/readyz").await;
        ["plants", "wifi"].iter().all(|name| missing.contains(&format!("pipeline {name} pauses")))
    })
    .await;
    for lookup in ["/plant 3", "/devices"] {
        let shown = bot.answers(OWNER, lookup, "Not up to date").await;
        assert!(shown.text.contains("I last caught up with the log"), "{}", shown.text);
        assert!(shown.text.contains("ago"), "it says how old that is: {}", shown.text);
    }
    bot.answers(OWNER, "/status", "the log does not answer").await;
    let (status, missing) = bot.page("/readyz").await;
    assert_eq!(status, 503);
    assert!(missing.contains("the log"), "{missing}");
    edit_up_to_confirmation(&bot, "Patient").await;
    let queued = bot.answers(OWNER, "/y", "⏳ Your entry for Patient is queued").await;
    assert_eq!(bot.times_said(OWNER, SAVED), 0);

    broker.start_again();
    assert!(broker.is_ready());
    is_ready_within(&bot, Duration::from_secs(30)).await;
    let saved = bot.handle().wait_for_text(SOON, OWNER, 0, SAVED).await.unwrap();
    assert_eq!(saved.id, queued.id);
    let shown = bot.answers(OWNER, "/plants", "Patient").await;
    assert!(!shown.text.contains("Not up to date"), "{}", shown.text);
    bot.stop().await;
    let told = bot.log().matches("kafka does not answer").count();
    assert!(told <= 1, "an outage is told once: {told}");
    assert!(!bot.log().contains("was not kept"), "{}", bot.log());
}

/// F5: the broker dies in the middle of everything, and its data is there again later.
#[tokio::test]
async fn a_broker_that_is_killed_and_comes_back_costs_nothing_and_repeats_nothing() {
    let test = "a_broker_that_is_killed_and_comes_back";
    let Some(broker) = Broker::start(test, BrokerOptions::default()) else { return };
    let mut bot = Bot::new().await;
    bot.set("WINDOWSILL_ALERT_MAX_AGE_HOURS", 10_000);
    bot.on_kafka(&broker.address());
    let log = bot.past(6).await;
    describe_plants(&log).await;
    bot.started().await;
    bot.sees("/plants", "Plant-4").await;
    let all = readings(6_000, 6);
    log.append(&all[..3_000]).await;
    until(SOON, "some are folded", async || {
        State::open(&bot.data_dir()).await.number(FOLDED).await > 0
    })
    .await;
    broker.kill();
    bot.answers(OWNER, "/plants", "Plant-4").await;
    broker.start_again();
    assert!(broker.is_ready());
    log.append(&all[3_000..]).await;
    is_ready_within(&bot, SOON).await;
    comes_to(&bot, &all).await;
}

/// F5: whoever follows a topic sees what comes after the broker was away, and nothing twice.
#[tokio::test]
async fn following_a_topic_goes_on_when_the_broker_is_back() {
    let Some(broker) = Broker::start("following_a_topic", BrokerOptions::default()) else { return };
    let mut bot = Bot::new().await;
    bot.on_kafka(&broker.address());
    let log = bot.past(2).await;
    let all = readings(40, 2);
    log.append(&all[..20]).await;
    let mut follower = bot.command(&["topic", "read", READINGS, "--follow"]);
    let mut follower = follower.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let mut said = BufReader::new(follower.stderr.take().unwrap()).lines();
    let mut places = BTreeSet::new();
    let mut show = |count: usize| {
        for line in lines.by_ref().take(count) {
            let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
            let place = (line["partition"].as_i64(), line["offset"].as_i64());
            assert!(places.insert(place), "{place:?} came twice");
        }
        places.len()
    };
    assert_eq!(show(20), 20);
    broker.kill();
    let waits = said.find(|line| line.as_ref().is_ok_and(|line| line.contains("is there again")));
    assert!(waits.is_some(), "it has noticed");
    broker.start_again();
    assert!(broker.is_ready());
    log.append(&all[20..]).await;
    assert_eq!(show(20), 40);
    follower.kill().unwrap();
    follower.wait().unwrap();
}

/// F5: a slow broker, and connections that are reset in the middle of a batch.
#[tokio::test]
async fn a_broker_that_is_slow_and_cuts_connections_leaves_no_gap() {
    let chaos = Chaos::start().await;
    let advertised_port = Some(chaos.port);
    let options = BrokerOptions { advertised_port, ..BrokerOptions::default() };
    let test = "a_broker_that_is_slow_and_cuts_connections";
    let Some(broker) = Broker::start(test, options) else { return };
    chaos.lead_to(broker.port);
    let mut bot = Bot::new().await;
    bot.on_kafka(&chaos.address());
    let log = bot.past(3).await;
    describe_plants(&log).await;
    let all = readings(60_000, 3);
    for part in all.chunks(20_000) {
        log.append(part).await;
    }
    drop(log);
    chaos.turns(Weather::CutAfter(20_000));
    bot.started().await;
    let folded = async || {
        let state = State::open_if_there(&bot.data_dir()).await;
        match state {
            Some(mut state) => state.number(FOLDED).await,
            None => 0,
        }
    };
    until(SOON, "some are folded", async || folded().await > 0).await;
    chaos.turns(Weather::Gone);
    bot.answers(OWNER, "/help", "What I can do").await;
    chaos.turns(Weather::Slow(Duration::from_secs(2)));
    let began = Instant::now();
    bot.answers(OWNER, "/plants", "").await;
    assert!(began.elapsed() < SOON);
    chaos.turns(Weather::Fair);
    comes_to(&bot, &all).await;
}

/// A cluster that was away and takes its time is there again.
#[tokio::test]
async fn a_cluster_that_is_slow_after_an_outage_does_not_stay_away() {
    let chaos = Chaos::start().await;
    let advertised_port = Some(chaos.port);
    let options = BrokerOptions { advertised_port, ..BrokerOptions::default() };
    let Some(broker) = Broker::start("a_cluster_that_is_slow", options) else { return };
    chaos.lead_to(broker.port);
    let log = Arc::new(KafkaLog::open(settings(chaos.address()), Vec::new()).unwrap());
    until(SOON, "it answers", async || log.id().await.is_ok()).await;
    let (stop, stopped) = watch::channel(false);
    let watching = log.clone();
    let watching = tokio::spawn(async move { watching.watch_over(stopped).await });
    chaos.turns(Weather::Gone);
    until(SOON, "it is away", async || log.id().await.is_err()).await;
    // Longer than anybody waits for a cluster that is away.
    chaos.turns(Weather::Slow(Duration::from_millis(700)));
    until(SOON, "it is there", async || log.id().await.is_ok()).await;
    stop.send_replace(true);
    watching.await.unwrap();
}

/// F7: a restart storm in small form, while readings flow and their topic grows.
#[tokio::test]
async fn a_storm_of_restarts_applies_each_offset_once() {
    const LIVES: usize = 10;
    let Some(broker) = broker::shared("a_storm_of_restarts") else { return };
    let mut bot = Bot::new().await;
    bot.on_kafka(&broker.address());
    let log = bot.past(2).await;
    describe_plants(&log).await;
    let admin = Admin::of(&broker.address());
    let all = readings(20_000, 2);
    let mut written = Vec::new();
    let mut rng = fastrand::Rng::with_seed(7);
    bot.started().await;
    bot.sees("/plants", "Plant-4").await;
    for (life, part) in all.chunks(all.len() / LIVES).enumerate() {
        let partitions = if life < LIVES / 2 { 2 } else { 4 };
        if life == LIVES / 2 {
            admin.grow(log.name(READINGS), 4).await;
        }
        let spread = |(index, reading): (usize, &Reading)| Reading {
            partition: index as i32 % partitions,
            ..*reading
        };
        let part: Vec<Reading> = part.iter().enumerate().map(spread).collect();
        log.append(&part).await;
        written.extend(part);
        // Anywhere between the first poll and everything folded.
        let moment = Duration::from_millis(rng.u64(0..1_500));
        let caught_up = bot.counts(FOLDED, written.len() as i64);
        let _ = tokio::time::timeout(moment, caught_up).await;
        match rng.bool() {
            true => bot.kill().await,
            false => bot.stop().await,
        }
        bot.started().await;
    }
    comes_to(&bot, &written).await;
}
