//! Many alerts at once are one message.

use serde_json::json;
use windowsill::kernel::record::NewRecord;

use crate::bot::past::{Log, READINGS, WINDOW_MS, plant};
use crate::bot::{Bot, OWNER, SOON, labels};

const PLANTS: i64 = 200;

/// F23: 200 plants dry at once.
#[tokio::test]
async fn two_hundred_plants_that_are_dry_at_once_are_one_message() {
    let mut bot = Bot::new().await;
    let log = Log::open(&bot.data_dir(), 1).await;
    let now_ms = windowsill::clock::now_ms();
    // The newest window that the clock has closed for certain.
    let start_ms = (now_ms - WINDOW_MS / 12) / WINDOW_MS * WINDOW_MS - WINDOW_MS;
    for plant_id in 0..PLANTS {
        log.describe(&plant(plant_id, &format!("Fern {plant_id}"), 30.0)).await;
    }
    let low = |step: i64| {
        let log = &log;
        (0..PLANTS).map(move |plant_id| {
            let value = json!({"plant_id": plant_id, "moisture": 20, "temperature": 20});
            NewRecord {
                key: Some(plant_id.to_string().into_bytes()),
                value: Some(log.encode(READINGS, &value)),
                ts_ms: start_ms + step * 30_000,
                ..NewRecord::default()
            }
        })
    };
    log.append_raw(READINGS, (0..121).flat_map(low).collect()).await;
    // Telegram lets a bot write to people who have written to it.
    bot.handle().say(OWNER, OWNER, "/help");
    bot.started().await;
    let digest = bot.handle().wait_for_text(SOON, OWNER, 0, "200 alerts at once:").await.unwrap();
    let lines: Vec<&str> = digest.text.lines().collect();
    let rest = format!("… and {} more. /alerts lists the newest.", 200 - (lines.len() - 2));
    assert_eq!(lines.last(), Some(&rest.as_str()), "{}", digest.text);
    assert!(lines.len() > 50 && lines[1].contains("was dry"), "{}", digest.text);
    assert_eq!(bot.times_said(OWNER, "is looking pretty dry"), 0);
    // One tap is for all of them, also for those that it only counts.
    assert_eq!(labels(&digest), ["✔️ Acknowledge all", "😴 Snooze all 6 h"]);
    bot.handle().press_label(OWNER, OWNER, "✔️ Acknowledge all").unwrap();
    let seen_to = "select count(*) from card where stance like '%acknowledged%'";
    bot.counts(seen_to, PLANTS).await;
    let shown = |handle: &windowsill::demo::botapi::Handle| {
        let digest = handle.messages(OWNER).into_iter().find(|message| message.id == digest.id)?;
        let lines = digest.text.lines().filter(|line| line.contains("✔️ Acknowledged by")).count();
        (lines > 30).then_some(digest)
    };
    let changed = bot.handle().wait_for(SOON, "the digest", shown).await.unwrap();
    assert!(changed.text.starts_with("200 alerts at once:"), "{}", changed.text);
    bot.stop().await;
}
