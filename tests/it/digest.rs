//! Many alerts at once are one message.

use crate::bot::past::{Log, Reading, WINDOW_MS, plant};
use crate::bot::{Bot, OWNER, SOON};

const PLANTS: u8 = 30;

#[tokio::test]
async fn thirty_plants_that_are_dry_at_once_are_one_message() {
    let mut bot = Bot::new().await;
    let log = Log::open(&bot.data_dir(), 1).await;
    let now_ms = windowsill::clock::now_ms();
    // The newest window that the clock has closed for certain.
    let start_ms = (now_ms - WINDOW_MS / 12) / WINDOW_MS * WINDOW_MS - WINDOW_MS;
    for plant_id in 0..PLANTS {
        log.describe(&plant(i64::from(plant_id), &format!("Fern {plant_id}"), 30.0)).await;
    }
    let low = |step: i64| {
        let at_ms = start_ms + step * 30_000;
        (0..PLANTS).map(move |plant_id| Reading { plant_id, moisture: 20.0, at_ms, partition: 0 })
    };
    log.append(&(0..121).flat_map(low).collect::<Vec<_>>()).await;
    // Telegram lets a bot write to people who have written to it.
    bot.handle().say(OWNER, OWNER, "/help");
    bot.started().await;
    let digest = bot.handle().wait_for_text(SOON, OWNER, 0, "30 alerts at once:").await.unwrap();
    assert_eq!(digest.text.lines().count(), 31, "{}", digest.text);
    assert!(digest.text.contains("Fern 29 was dry"), "{}", digest.text);
    assert_eq!(bot.times_said(OWNER, "is looking pretty dry"), 0);
    bot.stop().await;
}
