//! `windowsill migrate-log`: a household moves from its own file to a cluster, and nobody notices.

use std::collections::BTreeMap;

use windowsill::clock::now_ms;
use windowsill::crash::CARRY_POINTS;
use windowsill::kernel::record::{Header, NewRecord};
use windowsill::kernel::time::DAY_MS;
use windowsill::log::once::{self, Ends, Once};
use windowsill::log::{Fetched, Start};

use super::broker;
use super::end_to_end::dry_window;
use crate::bot::past::{Log, METADATA, READINGS, Reading, WINDOW_MS, plant};
use crate::bot::state::{FOLDED, State};
use crate::bot::{Bot, OWNER, SOON};
use crate::crash_once::edit_up_to_confirmation;
use crate::support::{Ran, run_with_input_and};

const DRY: &str = "is looking pretty dry...";
const SAVED: &str = "You've confirmed your metadata entry, and it has been updated.";
const LATE: &str = "select sum(late) from position";
/// Letters that no rebuild of the present log would obey.
const LETTERS_ELSEWHERE: &str = "select count(*) from dead_letter
    where log_id not in (select log_id from position)";

fn verb(bot: &Bot, args: &[&str]) -> Ran {
    Ran::new(bot.command(args).output().unwrap())
}

/// Two records of plant 3 that are dead letters: no reading at all, and one of tomorrow.
async fn append_poison(log: &Log) {
    let record = |value: Vec<u8>, ts_ms| NewRecord {
        key: Some(b"3".to_vec()),
        value: Some(value),
        ts_ms,
        ..NewRecord::default()
    };
    let tomorrow = serde_json::json!({"plant_id": 3, "moisture": 1, "temperature": 20});
    let tomorrow = record(log.encode(READINGS, &tomorrow), now_ms() + DAY_MS);
    log.append_raw(READINGS, vec![record(b"poison".to_vec(), now_ms()), tomorrow]).await;
}

/// A row that a compacted topic does not take as it is: a dead letter, too.
async fn append_keyless(log: &Log) {
    let value = Some(log.encode(METADATA, &plant(4, "Nobody", 20.0)));
    let keyless = NewRecord { value, ts_ms: now_ms(), ..NewRecord::default() };
    log.append_raw(METADATA, vec![keyless]).await;
}

/// Readings of several plants, a second apart, all in the past and none low.
fn many(count: i64) -> Vec<Reading> {
    let first_ms = now_ms() - 2 * WINDOW_MS - count * 1_000;
    let reading = |number: i64| Reading {
        plant_id: (number % 7) as u8,
        moisture: 50.0,
        at_ms: first_ms + number * 1_000,
        partition: 0,
    };
    (0..count).map(reading).collect()
}

/// The times of a topic's records by key and in their order, and how many there are.
async fn times(log: &Log, topic: &str) -> (BTreeMap<Vec<u8>, Vec<i64>>, usize) {
    let name = log.name(topic);
    let partitions = log.events().partitions(name).await.unwrap();
    let from = (0..partitions).map(|partition| Start { partition, offset: 0 }).collect();
    let mut reader = log.events().read(name, from).await.unwrap();
    let (mut found, mut count, mut ended) = (BTreeMap::<_, Vec<i64>>::new(), 0, 0);
    while ended < partitions {
        match tokio::time::timeout(SOON, reader.next()).await.expect("a step").unwrap() {
            Fetched::End { .. } => ended += 1,
            Fetched::Batch(batch) => {
                for record in batch.records() {
                    let record = record.unwrap();
                    found.entry(record.key.unwrap().to_vec()).or_default().push(record.ts_ms);
                    count += 1;
                }
            }
        }
    }
    (found, count)
}

#[tokio::test]
async fn a_household_goes_on_in_the_cluster_where_it_stood() {
    let Some(broker) = broker::shared("a_household_goes_on_in_the_cluster") else { return };
    let mut bot = Bot::new().await;
    bot.set("WINDOWSILL_ALERT_MAX_AGE_HOURS", 10_000);
    bot.handle().say(OWNER, OWNER, "/start");
    let file = bot.past(1).await;
    file.describe(&plant(3, "Bradley", 20.0)).await;
    file.append(&dry_window()).await;
    append_poison(&file).await;
    append_keyless(&file).await;
    bot.started().await;
    bot.handle().wait_for_text(SOON, OWNER, 0, DRY).await.unwrap();
    edit_up_to_confirmation(&bot, "Fileborn").await;
    bot.answers(OWNER, "/y", SAVED).await;
    let mut meanwhile = bot.command(&["migrate-log"]);
    meanwhile.env("WINDOWSILL_KAFKA__BROKERS", broker.address());
    Ran::new(meanwhile.output().unwrap()).expect_code(3);
    bot.stop().await;
    // It is recorded and folded only by the command itself.
    file.append(&[Reading { plant_id: 3, moisture: 50.0, at_ms: now_ms(), partition: 0 }]).await;

    let plain = verb(&bot, &["migrate-log"]).expect_code(2).stderr;
    assert!(plain.contains("kafka.brokers is not set"), "{plain}");
    bot.on_kafka(&broker.address());
    let too_early = verb(&bot, &["run"]).expect_code(2).stderr;
    assert!(too_early.contains("carry it over with `windowsill migrate-log`"), "{too_early}");
    let carried = verb(&bot, &["migrate-log"]).expect_code(0).stdout;
    assert!(carried.contains("houseplant-readings: 133 records\n"), "{carried}");
    let again = verb(&bot, &["migrate-log"]).expect_code(0).stderr;
    assert!(again.contains("everything was carried before"), "{again}");
    let late = verb(&bot, &["migrate-log", "--give-up"]).expect_code(2).stderr;
    assert!(late.contains("cannot be taken back"), "{late}");

    let cluster = bot.past(6).await;
    let (by_key, count) = times(&cluster, READINGS).await;
    assert_eq!((count, by_key[b"3".as_slice()].len()), (133, 133));
    assert_eq!(cluster.described(3).await.len(), 1);
    bot.counts(LETTERS_ELSEWHERE, 0).await;
    bot.counts(FOLDED, 133).await;

    bot.started().await;
    bot.answers(OWNER, "/plants", "Fileborn").await;
    // Another window of it, after all that was told.
    let newer = dry_window()
        .into_iter()
        .map(|reading| Reading { at_ms: reading.at_ms + WINDOW_MS, ..reading });
    cluster.append(&newer.collect::<Vec<_>>()).await;
    bot.counts(FOLDED, 133 + 130).await;
    edit_up_to_confirmation(&bot, "Cloudborn").await;
    bot.answers(OWNER, "/y", SAVED).await;
    bot.answers(OWNER, "/plants", "Cloudborn").await;
    bot.stop().await;
    let told = bot.times_said(OWNER, DRY);

    // The dead letters of the past are obeyed at their new places, and nothing is told again.
    let mut state = State::open(&bot.data_dir()).await;
    let before = (state.number(LATE).await, state.number("select count(*) from dead_letter").await);
    verb(&bot, &["rebuild"]).expect_code(0);
    let mut state = State::open(&bot.data_dir()).await;
    let after = (state.number(LATE).await, state.number("select count(*) from dead_letter").await);
    assert_eq!(after, before);
    assert_eq!(state.number("select count(*) from dead_letter").await, 3);
    bot.started().await;
    bot.answers(OWNER, "/plant 3", "Bradley").await;
    bot.stop().await;
    assert_eq!(bot.times_said(OWNER, DRY), told, "{:?}", bot.said(OWNER));
}

/// What stands in the log is known there, too: in its new form it does not go out again.
#[tokio::test]
async fn results_that_were_carried_are_not_published_again() {
    let Some(broker) = broker::shared("results_that_were_carried") else { return };
    let mut bot = Bot::new().await;
    let file = bot.past(1).await;
    file.describe(&plant(3, "Bradley", 20.0)).await;
    file.append(&dry_window()).await;
    verb(&bot, &["fold"]).expect_code(0);
    bot.on_kafka(&broker.address());
    verb(&bot, &["migrate-log"]).expect_code(0);
    verb(&bot, &["rebuild"]).expect_code(0);
    verb(&bot, &["fold"]).expect_code(0);
    let rows = verb(&bot, &["topic", "read", "houseplant-low-readings"]).json_lines();
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(rows[0]["value"]["low_reading_count"], 130);
    assert!(rows[0]["value"]["message"].as_str().unwrap().contains(DRY), "{rows:?}");
}

/// A sensor whose answer was lost before the log was carried sends the same again.
#[tokio::test]
async fn what_a_sender_repeats_after_the_log_was_carried_is_found_in_the_cluster() {
    let Some(broker) = broker::shared("what_a_sender_repeats") else { return };
    let mut bot = Bot::new().await;
    let file = bot.past(1).await;
    file.append(&many(50)).await;
    let since = Ends::of(file.events(), READINGS).await.unwrap();
    let value = serde_json::json!({"plant_id": 3, "moisture": 50, "temperature": 20});
    let record = |log: &Log, number: i64| NewRecord {
        key: Some(b"3".to_vec()),
        value: Some(log.encode(READINGS, &value)),
        ts_ms: now_ms() - 60_000 + number,
        headers: vec![Header {
            name: once::HEADER.to_owned(),
            value: Some(format!("pi-3/{number}").into_bytes()),
        }],
        ..NewRecord::default()
    };
    let records = (1..=3).map(|number| record(&file, number)).collect();
    file.append_raw(READINGS, records).await;
    bot.on_kafka(&broker.address());
    // Before that nobody writes there, or there would be something to delete first.
    for args in [["topic", "write", READINGS].as_slice(), &["sensor", "--simulate"]] {
        let refused = run_with_input_and(bot.command(args), "").expect_code(2).stderr;
        assert!(refused.contains("carry it over with `windowsill migrate-log`"), "{refused}");
    }
    verb(&bot, &["migrate-log"]).expect_code(0);
    let cluster = bot.past(6).await;
    let again: Vec<NewRecord> = (1..=4).map(|number| record(&cluster, number)).collect();
    let name = cluster.name(READINGS).to_owned();
    let done = Once::default().append(cluster.shared(), &name, since, again).await.unwrap();
    assert_eq!((done.written, done.repeated), (1, 3));
    assert_eq!(times(&cluster, READINGS).await.1, 54);
}

/// A household that began anew in the cluster is not told that its old file was carried.
#[tokio::test]
async fn a_log_that_was_never_carried_is_not_called_carried() {
    let Some(broker) = broker::shared("a_log_that_was_never_carried") else { return };
    let mut bot = Bot::new().await;
    let file = bot.past(1).await;
    file.append(&many(10)).await;
    verb(&bot, &["fold"]).expect_code(0);
    bot.on_kafka(&broker.address());
    verb(&bot, &["rebuild", "--accept-loss"]).expect_code(0);
    bot.past(1).await.append(&many(10)).await;
    verb(&bot, &["fold"]).expect_code(0);
    let refused = verb(&bot, &["migrate-log"]).expect_code(2).stderr;
    assert!(refused.contains("was never carried there"), "{refused}");
    assert_eq!(file.embedded().carried().await.unwrap(), None);
    // It lives in the cluster, whatever lies beside it.
    let line = serde_json::json!({"key": "3", "value": null}).to_string();
    let write = bot.command(&["topic", "write", METADATA]);
    run_with_input_and(write, &line).expect_code(0);
}

#[tokio::test]
async fn a_log_that_was_carried_is_not_gone_back_to_unnoticed() {
    let Some(broker) = broker::shared("a_log_that_was_carried") else { return };
    let mut bot = Bot::new().await;
    let file = bot.past(1).await;
    file.append(&many(10)).await;
    bot.on_kafka(&broker.address());
    // Somebody had the log open all the while.
    verb(&bot, &["migrate-log"]).expect_code(0);
    let late = file.events().append(READINGS, vec![NewRecord::default()]).await;
    assert!(
        late.is_err_and(|error| error.to_string().contains("was carried to the Kafka cluster"))
    );
    bot.set("WINDOWSILL_KAFKA__BROKERS", "");
    for args in [["run"].as_slice(), &["fold"], &["topic", "write", READINGS]] {
        let refused = run_with_input_and(bot.command(args), "").expect_code(2).stderr;
        assert!(refused.contains("set kafka.brokers to go on there"), "{args:?}: {refused}");
    }
    let read = verb(&bot, &["topic", "read", READINGS]).expect_code(0);
    assert_eq!(read.json_lines().len(), 10, "it can still be looked into");
}

/// F3: killed at any of its steps, it comes to the same.
#[tokio::test]
async fn killed_anywhere_it_goes_on_and_comes_to_the_same() {
    let Some(broker) = broker::shared("killed_anywhere_it_goes_on") else { return };
    for (point, visit) in [(0, 1), (0, 2), (0, 3), (0, 4), (1, 1), (2, 1)] {
        let mut bot = Bot::new().await;
        bot.title = format!("{} visit {visit}", CARRY_POINTS[point]);
        let file = bot.past(1).await;
        file.describe(&plant(3, "Bradley", 20.0)).await;
        let readings = many(45_000);
        file.append(&readings).await;
        append_poison(&file).await;
        let expected = times(&file, METADATA).await;
        bot.on_kafka(&broker.address());
        bot.crash_at(CARRY_POINTS[point], visit);
        assert_eq!(verb(&bot, &["migrate-log"]).code, None, "it was to be killed");
        bot.crash_no_more();
        verb(&bot, &["migrate-log"]).expect_code(0);

        let cluster = bot.past(6).await;
        let (found, count) = times(&cluster, READINGS).await;
        assert_eq!(count, readings.len() + 2);
        for plant_id in 0..7_u8 {
            let of_plant = readings.iter().filter(|reading| reading.plant_id == plant_id);
            let times: Vec<i64> = of_plant.map(|reading| reading.at_ms).collect();
            let found = &found[plant_id.to_string().as_bytes()];
            assert_eq!(found[..times.len()], times, "plant {plant_id}");
        }
        assert_eq!(times(&cluster, METADATA).await, expected);
        // Everything was folded, and nothing is folded again.
        bot.counts(LETTERS_ELSEWHERE, 0).await;
        let summary = verb(&bot, &["fold", "--json"]).expect_code(0).stdout;
        let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
        assert_eq!(summary["pipelines"][0]["records"], 0, "{summary}");
        bot.counts(FOLDED, readings.len() as i64 + 2).await;
        bot.counts("select count(*) from dead_letter", 2).await;
    }
}

#[tokio::test]
async fn topics_that_hold_records_of_others_are_left_alone() {
    let Some(broker) = broker::shared("topics_that_hold_records_of_others") else { return };
    let mut bot = Bot::new().await;
    let file = bot.past(1).await;
    file.append(&many(45_000)).await;
    bot.on_kafka(&broker.address());
    let cluster = bot.past(6).await;
    cluster.append(&many(1)).await;
    let refused = verb(&bot, &["migrate-log"]).expect_code(2).stderr;
    assert!(refused.contains("fills topics that are new"), "{refused}");
    // The log was not touched.
    file.append(&many(1)).await;

    // Under other names there is room, until somebody writes between ours.
    bot.on_kafka(&broker.address());
    bot.crash_at(CARRY_POINTS[0], 1);
    assert_eq!(verb(&bot, &["migrate-log"]).code, None, "it was to be killed");
    bot.crash_no_more();
    let theirs = Reading { plant_id: 60, moisture: 1.0, at_ms: now_ms(), partition: 0 };
    let all: Vec<Reading> = (0..6).map(|partition| Reading { partition, ..theirs }).collect();
    bot.past(6).await.append(&all).await;
    let refused = verb(&bot, &["migrate-log"]).expect_code(2).stderr;
    assert!(refused.contains("somebody else writes to it"), "{refused}");

    // Back to the file: it goes on as before.
    verb(&bot, &["migrate-log", "--give-up"]).expect_code(0);
    bot.set("WINDOWSILL_KAFKA__BROKERS", "");
    file.append(&many(1)).await;
    verb(&bot, &["fold"]).expect_code(0);
    bot.counts(FOLDED, 45_002).await;
}
