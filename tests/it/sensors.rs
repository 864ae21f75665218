//! `/sensors` as a person meets it, through HTTP.

use windowsill::kernel::record::{Header, NewRecord};

use crate::bot::past::{Log, READINGS, plant};
use crate::bot::{Bot, OWNER, labels};

/// Only looks: somebody in a group that was let in.
const VIEWER: i64 = 31;
const GROUP: i64 = -100_500;
const HOUR_MS: i64 = 3_600_000;

/// A reading of some time ago, in which a sensor names itself.
async fn heard(log: &Log, sensor_id: &str, plant_id: i64, ago_ms: i64) {
    let value = serde_json::json!({"plant_id": plant_id, "moisture": 50, "temperature": 20});
    let record = NewRecord {
        value: Some(log.encode(READINGS, &value)),
        ts_ms: windowsill::clock::now_ms() - ago_ms,
        headers: vec![Header {
            name: "sensor-id".to_owned(),
            value: Some(sensor_id.as_bytes().to_vec()),
        }],
        ..NewRecord::default()
    };
    log.append_raw(READINGS, vec![record]).await;
}

#[tokio::test]
async fn every_sensor_is_listed_and_what_is_unknown_has_a_button() {
    let mut bot = Bot::new().await.with("WINDOWSILL_TELEGRAM__ALLOWED_CHATS", GROUP);
    let log = Log::open(&bot.data_dir(), 1).await;
    bot.started().await;
    bot.answers(OWNER, "/sensors", "No sensor is mapped or was heard yet.").await;
    log.describe(&plant(0, "Cyril", 30.0)).await;
    log.describe(&plant(1, "Nicholas", 20.0)).await;
    for (sensor, plant_id) in [("0x36", 0), ("0x37", 1), ("0x38", 9)] {
        log.map(sensor, plant_id).await;
    }
    let long = "x".repeat(64);
    heard(&log, "0x37", 1, 5 * HOUR_MS).await;
    heard(&log, "0x36", 0, 0).await;
    heard(&log, "Greenhouse 2", 0, 0).await;
    heard(&log, &long, 0, 0).await;
    heard(&log, "0x38", 7, 0).await;
    bot.sees("/sensors", "plant 7 · heard").await;
    bot.sees("/sensors", "0x38 feeds plant 9").await;
    bot.sees("/sensors", "0x36 feeds Cyril").await;
    let told = bot.answers(OWNER, "/sensors", "3 sensors feed plants").await;
    for part in [
        "🟢 0x36 feeds Cyril · heard",
        "⚫ 0x37 feeds Nicholas · silent, heard 5 h ago (",
        "🟢 0x38 feeds plant 9 · heard",
        "Heard, but mapped to no plant",
        "🟡 Greenhouse 2 · heard",
        "Readings of plants that nobody has described",
        "🟡 plant 7 · heard",
    ] {
        assert!(told.text.contains(part), "{part} in {}", told.text);
    }
    // An id that is too long for a button is mapped by typing.
    assert_eq!(labels(&told), ["🔌 map Greenhouse 2", "➕ add plant 7"]);
    bot.taps(OWNER, "🔌 map Greenhouse 2", "Which plant does Greenhouse 2 feed?").await;
    bot.taps(OWNER, "1 · Nicholas", "0x37 feeds Nicholas already.").await;
    bot.taps(OWNER, "Use both", "Please confirm your mapping entry.").await;
    bot.taps(OWNER, "✅ Yes", "it has been updated.").await;
    assert_eq!(log.mapped().await.last(), Some(&("Greenhouse 2".to_owned(), Some(1))));
    // F29: the same button again, now of a sensor that feeds a plant.
    let data = told.button("🔌 map Greenhouse 2").unwrap().data.clone().unwrap();
    let after = bot.newest(OWNER);
    bot.handle().press(OWNER, OWNER, told.id, &data);
    let again = bot.handle().wait_for_text(crate::bot::SOON, OWNER, after, "Now: Nicholas");
    again.await.unwrap();
    bot.taps(OWNER, "➕ add plant 7", "Please enter plant's given name.").await;
    bot.answers(OWNER, "/cancel", "Cancelled metadata update.").await;
    let looked = bot.answers_in(GROUP, VIEWER, "/sensors", "4 sensors feed plants").await;
    assert!(looked.buttons.is_empty(), "{looked:?}");
    bot.stop().await;
}
