//! F8: another cluster, topics made anew, offsets that are gone, partitions that came: each is
//! noticed, told to the owner once, and gone on from by the operator's word alone.

use windowsill::clock::now_ms;
use windowsill::kernel::topic::TopicKind;

use super::admin::Admin;
use super::broker::{self, Broker, BrokerOptions};
use crate::bot::past::{Log, METADATA, READINGS, Reading, WINDOW_MS, plant};
use crate::bot::state::{FOLDED, State};
use crate::bot::{Bot, OWNER, SOON, until};
use crate::crash_once::edit_up_to_confirmation;
use crate::support::{Ran, run_with_input_and};
use crate::wifi::street::{Tshark, street};

const SAVED: &str = "You've confirmed your metadata entry, and it has been updated.";
const HALTED: &str = "select count(*) from standstill where pipeline = 'plants'";

/// Readings of plant 3, one a minute, on one partition.
fn readings(numbers: std::ops::Range<i64>, partition: i32) -> Vec<Reading> {
    let first_ms = (now_ms() / WINDOW_MS) * WINDOW_MS - 3 * WINDOW_MS;
    let reading = |number: i64| Reading {
        plant_id: 3,
        moisture: 50.0,
        at_ms: first_ms + number * 60_000,
        partition,
    };
    numbers.map(reading).collect()
}

/// A bot that has folded ten readings, and is stopped.
async fn settled(brokers: &str) -> (Bot, Log) {
    let mut bot = Bot::new().await;
    bot.on_kafka(brokers);
    // A bot may write to nobody who never wrote.
    bot.handle().say(OWNER, OWNER, "/start");
    let log = bot.past(1).await;
    log.describe(&plant(3, "Bradley", 20.0)).await;
    log.append(&readings(0..10, 0)).await;
    bot.started().await;
    bot.counts(FOLDED, 10).await;
    bot.stop().await;
    (bot, log)
}

fn verb(bot: &Bot, args: &[&str]) -> Ran {
    Ran::new(bot.command(args).output().unwrap())
}

/// Starts the bot and expects it to stand still, with these words, told once however often it
/// starts.
async fn stands_still(bot: &mut Bot, words: &str) {
    bot.started().await;
    let told = bot.handle().wait_for_text(SOON, OWNER, 0, "stands still").await.unwrap();
    assert!(told.text.contains(words), "{}", told.text);
    bot.answers(OWNER, "/plants", "Bradley").await;
    let status = bot.answers(OWNER, "/status", "standing still").await;
    assert!(status.text.contains(words), "{}", status.text);
    let (code, missing) = bot.page("/readyz").await;
    assert!(code == 503 && missing.contains("stands still"), "{code} {missing}");
    bot.stop().await;
    bot.started().await;
    bot.answers(OWNER, "/status", "standing still").await;
    bot.stop().await;
    assert_eq!(bot.times_said(OWNER, "⛔ plants stands still"), 1);
    assert!(bot.log().contains(words), "the console says it, too");
    let checked = verb(bot, &["check"]).expect_code(1).stdout;
    assert!(checked.contains("plants stands still since") && checked.contains(words), "{checked}");
}

#[tokio::test]
async fn another_cluster_is_not_folded_until_somebody_says_so() {
    let Some(broker) = broker::shared("another_cluster_is_not_folded") else { return };
    let (mut bot, log) = settled(&broker.address()).await;
    drop(log);
    let options = BrokerOptions {
        cluster_id: Some("YW5vdGhlci1jbHVzdGVyMQ".to_owned()),
        ..BrokerOptions::default()
    };
    let Some(other) = Broker::start("another_cluster_is_not_folded", options) else { return };
    bot.set("WINDOWSILL_KAFKA__BROKERS", other.address());
    stands_still(&mut bot, "belong to log").await;
    let refused = verb(&bot, &["fold"]).expect_code(1).stderr;
    assert!(refused.contains("belong to log"), "{refused}");
    // What is confirmed meanwhile waits, and none of it is written to that cluster.
    bot.started().await;
    edit_up_to_confirmation(&bot, "Waiting").await;
    bot.answers(OWNER, "/y", "is queued").await;
    bot.stop().await;
    let settings = bot.kafka_settings();
    let prefix = settings.iter().find(|(name, _)| name.ends_with("TOPIC_PREFIX"));
    let there = Log::on_kafka(&other.address(), &prefix.unwrap().1, 1).await;
    assert_eq!(there.described(7).await, []);
    assert_eq!(bot.times_said(OWNER, SAVED), 0);
    verb(&bot, &["rebuild", "--accept-loss"]).expect_code(0);
    bot.started().await;
    bot.counts(HALTED, 0).await;
    bot.handle().wait_for_text(SOON, OWNER, 0, SAVED).await.unwrap();
    assert_eq!(there.described(7).await.len(), 1);
    until(SOON, "ready", async || bot.page("/readyz").await.0 == 200).await;
    bot.stop().await;
}

#[tokio::test]
async fn a_topic_made_anew_is_not_folded_as_if_it_were_the_old_one() {
    let Some(broker) = broker::shared("a_topic_made_anew") else { return };
    let (mut bot, log) = settled(&broker.address()).await;
    let name = log.name(READINGS).to_owned();
    let admin = Admin::of(&broker.address());
    admin.delete(&name).await;
    admin.create(&name, TopicKind::Stream, 1).await;
    stands_still(&mut bot, "ends at offset 0 of partition 0, before 10").await;
    // It has grown beyond where the old one was.
    bot.past(1).await.append(&readings(100..120, 0)).await;
    let refused = verb(&bot, &["fold"]).expect_code(1).stderr;
    assert!(refused.contains("the record at offset 9"), "{refused}");
    assert_eq!(State::open(&bot.data_dir()).await.number(FOLDED).await, 10);
    verb(&bot, &["rebuild", "--accept-loss"]).expect_code(0);
    bot.counts(FOLDED, 20).await;
}

#[tokio::test]
async fn a_topic_that_is_made_anew_while_the_bot_reads_it_is_noticed() {
    let Some(broker) = broker::shared("a_topic_made_anew_while_the_bot_reads_it") else { return };
    let (mut bot, log) = settled(&broker.address()).await;
    let name = log.name(READINGS).to_owned();
    bot.started().await;
    until(SOON, "ready", async || bot.page("/readyz").await.0 == 200).await;
    let admin = Admin::of(&broker.address());
    admin.delete(&name).await;
    admin.create(&name, TopicKind::Stream, 1).await;
    bot.handle().wait_for_text(SOON, OWNER, 0, "⛔ plants stands still").await.unwrap();
    bot.answers(OWNER, "/plants", "Bradley").await;
    bot.stop().await;
}

#[tokio::test]
async fn a_table_made_anew_does_not_sweep_what_is_known() {
    let Some(broker) = broker::shared("a_table_made_anew") else { return };
    let (mut bot, log) = settled(&broker.address()).await;
    let name = log.name(METADATA).to_owned();
    let admin = Admin::of(&broker.address());
    admin.delete(&name).await;
    admin.create(&name, TopicKind::Table, 6).await;
    stands_still(&mut bot, "ends at offset 0").await;
}

#[tokio::test]
async fn offsets_that_are_gone_are_passed_over_by_the_operators_word_alone() {
    let Some(broker) = broker::shared("offsets_that_are_gone") else { return };
    let (mut bot, log) = settled(&broker.address()).await;
    log.append(&readings(10..40, 0)).await;
    Admin::of(&broker.address()).delete_below(log.name(READINGS), 0, 30).await;
    stands_still(&mut bot, "no longer holds offsets 10 to 29 of partition 0").await;
    let done = verb(&bot, &["fold", "--accept-loss"]).expect_code(0);
    assert!(done.stderr.contains("offsets 10 to 29 are gone"), "{}", done.stderr);
    let mut state = State::open(&bot.data_dir()).await;
    assert_eq!(state.number(FOLDED).await, 20);
    let kept = "select count(*) from dead_letter where offset = 10 and reason like '%accepted%'";
    assert_eq!(state.number(kept).await, 1);
    bot.started().await;
    bot.counts(HALTED, 0).await;
    bot.stop().await;
}

#[tokio::test]
async fn partitions_that_come_while_the_bot_runs_are_read() {
    let Some(broker) = broker::shared("partitions_that_come") else { return };
    let (mut bot, log) = settled(&broker.address()).await;
    bot.started().await;
    until(SOON, "ready", async || bot.page("/readyz").await.0 == 200).await;
    let admin = Admin::of(&broker.address());
    admin.grow(log.name(READINGS), 3).await;
    log.append(&readings(10..20, 2)).await;
    log.append(&readings(20..30, 0)).await;
    bot.counts(FOLDED, 30).await;
    // A table that grew: the row on the new partition wins over the old one on the old partition.
    admin.grow(log.name(METADATA), 40).await;
    log.describe(&plant(3, "Bradley the Second", 20.0)).await;
    bot.sees("/plants", "Bradley the Second").await;
    bot.stop().await;
    bot.started().await;
    bot.sees("/plants", "Bradley the Second").await;
    bot.answers(OWNER, "/plants", "1 plant").await;
    bot.stop().await;
}

/// Whoever reads the new topic finds what the old one held.
#[tokio::test]
async fn a_result_topic_that_was_made_anew_is_filled_again_and_told() {
    let Some(broker) = broker::shared("a_result_topic_made_anew") else { return };
    let mut bot = Bot::new().await;
    bot.on_kafka(&broker.address());
    let settings = bot.data_dir().parent().unwrap().join("windowsill.toml");
    std::fs::write(settings, "[topics.pcap-stats]\npublish = true\n").unwrap();
    let probes = Tshark::V4_0.prints(&street(200));
    let write = bot.command(&["topic", "write", "pcap", "--format", "value"]);
    run_with_input_and(write, &probes).expect_code(0);
    let published = || verb(&bot, &["topic", "read", "pcap-stats"]).expect_code(0).json_lines();
    verb(&bot, &["fold"]).expect_code(0);
    let before = published();
    assert!(before.len() > 10, "{before:?}");
    // Nothing has changed, and nothing goes out again.
    verb(&bot, &["fold"]).expect_code(0);
    assert_eq!(published().len(), before.len());
    let log = bot.past(1).await;
    let admin = Admin::of(&broker.address());
    admin.delete(log.name("pcap-stats")).await;
    admin.create(log.name("pcap-stats"), TopicKind::Table, 1).await;
    let told = verb(&bot, &["fold"]).expect_code(0).stderr;
    assert!(told.contains("all results that the views hold go out again"), "{told}");
    let values = |lines: Vec<serde_json::Value>| -> std::collections::BTreeMap<String, String> {
        let row = |line: &serde_json::Value| (line["key"].to_string(), line["value"].to_string());
        lines.iter().map(row).collect()
    };
    assert_eq!(values(published()), values(before));
}

/// F38: nothing is begun that could not go on.
#[tokio::test]
async fn a_missing_topic_is_an_error_before_anything_else_where_we_may_not_create_it() {
    let Some(broker) = broker::shared("a_missing_topic_is_an_error") else { return };
    let mut bot = Bot::new().await;
    bot.on_kafka(&broker.address());
    bot.set("WINDOWSILL_KAFKA__CREATE_TOPICS", "false");
    bot.start();
    assert_eq!(bot.ended().await.code(), Some(2));
    let said = bot.log();
    assert!(said.contains("do not exist, and kafka.create_topics is false"), "{said}");
    assert!(!bot.data_dir().join("state.db").exists());
    let checked = verb(&bot, &["check"]).expect_code(2).stdout;
    assert!(checked.contains("is not there, and kafka.create_topics is false"), "{checked}");
}

#[tokio::test]
async fn a_table_that_others_keep_differently_is_warned_of_and_left_as_it_is() {
    let Some(broker) = broker::shared("a_table_that_others_keep_differently") else { return };
    let (mut bot, log) = settled(&broker.address()).await;
    let admin = Admin::of(&broker.address());
    admin.set(log.name(METADATA), "cleanup.policy", "delete").await;
    bot.started().await;
    bot.stop().await;
    assert!(bot.log().contains("has cleanup.policy=delete, expected compact"), "{}", bot.log());
    let checked = verb(&bot, &["check"]).stdout;
    assert!(checked.contains("has cleanup.policy=delete, expected compact"), "{checked}");
    let found = log.events().describe(log.name(METADATA)).await.unwrap().unwrap();
    assert_eq!(found.cleanup.as_deref(), Some("delete"));
}
