//! What the bot knows of a plant's past: pictures, waterings, forecasts, history, as a person meets
//! them through HTTP.

use serde_json::Value;

use crate::bot::Bot;
use crate::bot::past::{Log, Reading, plant};

mod forecast;
mod history;
mod pictures;
mod watering;

const HOUR_MS: i64 = 3_600_000;
/// A reading in so much time, in these tests.
const EVERY_MS: i64 = 300_000;

/// Cyril (plant 0, dry below 30 %) with readings over these hours up to now: moisture by the hours
/// that have passed. Nicholas (plant 1) was never read.
async fn with_past(hours: i64, moisture: impl Fn(f64) -> Option<f64>) -> (Bot, Log) {
    let mut bot = Bot::new().await;
    let log = Log::open(&bot.data_dir(), 1).await;
    log.describe(&plant(0, "Cyril", 30.0)).await;
    log.describe(&plant(1, "Nicholas", 20.0)).await;
    let now_ms = windowsill::clock::now_ms();
    let times = (0..=hours * HOUR_MS / EVERY_MS).map(|step| step * EVERY_MS);
    let reading = |since_ms: i64| {
        let at_ms = now_ms - hours * HOUR_MS + since_ms;
        let moisture = moisture(since_ms as f64 / HOUR_MS as f64)? as f32;
        Some(Reading { plant_id: 0, moisture, at_ms, partition: 0 })
    };
    log.append(&times.filter_map(reading).collect::<Vec<_>>()).await;
    bot.started().await;
    bot.sees("/plant 0", "Last reading").await;
    (bot, log)
}

/// Drying from 50 %, and a can of water after two days.
fn watered_once(hour: f64) -> Option<f64> {
    let since = if hour < 48.0 { hour } else { hour - 48.0 };
    Some(50.0 - since * 0.3)
}

/// What `ask` would send.
fn asked(bot: &Bot, args: &[&str]) -> Vec<Value> {
    let args = [&["ask", "--json"], args].concat();
    let output = bot.command(&args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
