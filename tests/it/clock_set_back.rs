//! The wall clock of the machine is set back by an hour under a running bot.

use std::path::PathBuf;

use crate::bot::past::{Log, Reading, plant};
use crate::bot::state::{FOLDED, State};
use crate::bot::{Bot, OWNER, SOON, until};

const MINUTE_MS: i64 = 60_000;

/// Sets the bot's clock by this much, while it runs.
fn shift(bot: &Bot, by_ms: i64) {
    let path = shift_path(bot);
    let written = path.with_extension("new");
    std::fs::write(&written, by_ms.to_string()).unwrap();
    // At once: half a number would be another time.
    std::fs::rename(written, path).unwrap();
}

fn shift_path(bot: &Bot) -> PathBuf {
    bot.data_dir().with_file_name("clock-shift")
}

async fn records(bot: &Bot) -> i64 {
    State::open(&bot.data_dir()).await.number(FOLDED).await
}

/// F14: counting waits and says so once, look-ups go on, a conversation still has its half hour
/// and no more, new messages are heard, and all of it goes on when the clock is right.
#[tokio::test]
async fn an_hour_back_stops_the_counting_and_nothing_else() {
    let mut bot = Bot::new().await;
    bot.set("TEST_WINDOWSILL_CLOCK_SHIFT_MS", format!("@{}", shift_path(&bot).display()));
    shift(&bot, 0);
    let log = Log::open(&bot.data_dir(), 1).await;
    log.describe(&plant(7, "Old name", 20.0)).await;
    let reading = || {
        let at_ms = windowsill::clock::now_ms();
        [Reading { plant_id: 7, moisture: 50.0, at_ms, partition: 0 }]
    };
    log.append(&reading()).await;
    bot.started().await;
    bot.answers(OWNER, "/start", "Hello").await;
    until(SOON, "the reading counts", async || records(&bot).await == 1).await;
    bot.answers(OWNER, "/update_plant 7", "Now: Old name").await;

    shift(&bot, -60 * MINUTE_MS);
    // A sensor's word wakes the pipeline, which looks at the clock.
    log.append(&reading()).await;
    bot.handle().wait_for_text(SOON, OWNER, 0, "clock of my machine is wrong").await.unwrap();
    let before = records(&bot).await;
    log.append(&reading()).await;
    bot.answers(OWNER, "/status", "⏸ Paused").await;
    bot.answers(OWNER, "/plant 7", "Old name").await;
    assert_eq!(records(&bot).await, before);

    // Not an hour and a half after it began, but half an hour.
    shift(&bot, -29 * MINUTE_MS);
    bot.handle().say(OWNER, OWNER, "/help");
    bot.handle().wait_for_text(SOON, OWNER, 0, "⌛ I waited 30 minutes").await.unwrap();

    shift(&bot, 0);
    until(SOON, "all readings count", async || records(&bot).await == 3).await;
    let shown = bot.answers(OWNER, "/status", "Status").await;
    assert!(!shown.text.contains("Paused"), "{}", shown.text);
    bot.stop().await;
    assert_eq!(bot.times_said(OWNER, "clock of my machine is wrong"), 1);
}
