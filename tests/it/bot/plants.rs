//! A house with two plants, for conversations about them.

use super::Bot;
use super::past::{Log, plant};

/// Somebody else who may edit.
pub(crate) const OTHER: i64 = 12;

/// Cyril (plant 0) has the sensor 0x36; Nicholas (plant 1) has none.
pub(crate) async fn with_plants() -> (Bot, Log) {
    let mut bot = Bot::new().await.with("WINDOWSILL_TELEGRAM__ALLOWED_CHATS", OTHER);
    let log = Log::open(&bot.data_dir(), 1).await;
    log.describe(&plant(0, "Cyril", 30.0)).await;
    log.describe(&plant(1, "Nicholas", 20.0)).await;
    log.map("0x36", 0).await;
    bot.started().await;
    bot.sees("/plant 0", "Sensor: 0x36").await;
    bot.sees("/plant 1", "No sensor is mapped to it").await;
    (bot, log)
}
