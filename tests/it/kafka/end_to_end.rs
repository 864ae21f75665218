//! What the embedded log's tests show end to end, on the real binary and a real broker.

use windowsill::clock::now_ms;

use super::broker;
use crate::bot::past::{Reading, WINDOW_MS, plant};
use crate::bot::{Bot, OWNER, SOON};
use crate::crash_once::edit_up_to_confirmation;

const SAVED: &str = "You've confirmed your metadata entry, and it has been updated.";

/// A bot with a log on the shared broker.
async fn bot(test: &str) -> Option<Bot> {
    let broker = broker::shared(test)?;
    let mut bot = Bot::new().await;
    bot.on_kafka(&broker.address());
    Some(bot)
}

/// More low readings of plant 3 than the limit, in the last window that has ended.
pub(crate) fn dry_window() -> Vec<Reading> {
    let start_ms = (now_ms() / WINDOW_MS - 2) * WINDOW_MS;
    let reading = |number: i64| Reading {
        plant_id: 3,
        moisture: 10.0,
        at_ms: start_ms + number * 30_000,
        partition: 0,
    };
    (0..130).map(reading).collect()
}

#[tokio::test]
async fn a_dry_plant_becomes_a_message_and_a_restart_does_not_repeat_it() {
    let Some(mut bot) = bot("a_dry_plant_becomes_a_message").await else { return };
    bot.set("WINDOWSILL_ALERT_MAX_AGE_HOURS", 10_000);
    bot.handle().say(OWNER, OWNER, "/start");
    let log = bot.past(6).await;
    log.describe(&plant(3, "Bradley", 20.0)).await;
    bot.started().await;
    bot.sees("/plants", "Bradley").await;
    log.append(&dry_window()).await;
    bot.handle().wait_for_text(SOON, OWNER, 0, "is looking pretty dry...").await.unwrap();
    bot.stop().await;
    bot.started().await;
    bot.answers(OWNER, "/plant 3", "Bradley").await;
    bot.stop().await;
    assert_eq!(bot.times_said(OWNER, "is looking pretty dry..."), 1);
}

#[tokio::test]
async fn a_confirmed_edit_becomes_a_record_of_its_topic() {
    let Some(mut bot) = bot("a_confirmed_edit_becomes_a_record").await else { return };
    bot.started().await;
    edit_up_to_confirmation(&bot, "Kafkaesque").await;
    bot.answers(OWNER, "/y", SAVED).await;
    bot.answers(OWNER, "/plants", "Kafkaesque").await;
    bot.stop().await;
    let records = bot.past(6).await.described(7).await;
    assert_eq!(records.len(), 1, "{records:?}");
    assert_eq!(records[0].1["given_name"], "Kafkaesque");
}
