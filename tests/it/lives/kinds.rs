//! Each kind of trouble has its card, and none is told twice.

use serde_json::json;
use windowsill::kernel::when;

use super::{FINE, HOT, HOUR_MS, House, LOW, MINUTE_MS, plain};
use crate::bot::past::{METADATA, WINDOW_MS};
use crate::bot::state::State;
use crate::bot::{OWNER, SOON, labels, until};

const BUTTONS: [&str; 4] = ["✔️ Acknowledge", "😴 Snooze 6 h", "🔕 Silence", "🪴 Open the plant"];

#[tokio::test]
async fn each_kind_of_trouble_has_its_card() {
    type Values = fn(i64, i64) -> (f64, f64);
    let cases: [(i64, Values, &str); 5] = [
        (
            2 * 60,
            |_, _| LOW,
            "🍂 Fern 1 the Some Fern is drying out: 25.0 % moisture, below 30.0 %",
        ),
        (
            14 * 60,
            |_, _| (95.0, 20.0),
            "💧 Fern 1 the Some Fern is too wet: 95.0 % moisture, above 90",
        ),
        (60, |_, _| HOT, "🔥 Fern 1 the Some Fern is too hot: 31.0 °C, above 30.0 °C since"),
        (
            60,
            |_, _| (50.0, 14.0),
            "🥶 Fern 1 the Some Fern is too cold: 14.0 °C, below 15.0 °C since",
        ),
        (
            27 * 60,
            |_, _| FINE,
            "🧊 Fern 1 the Some Fern has a sensor that seems stuck: 50.0 % moisture",
        ),
    ];
    for (minutes, value, words) in cases {
        let mut house = House::of(1).await;
        house.reads([1], -minutes..-18, value).await;
        house.bot.started().await;
        let id = house.says(words).await;
        let messages = house.bot.handle().messages(OWNER);
        let card = messages.iter().find(|message| message.id == id).unwrap();
        assert_eq!(labels(card), BUTTONS, "{words}");
        house.bot.stop().await;
        assert_eq!(house.bot.times_said(OWNER, "Fern 1"), 1, "{:?}", house.bot.said(OWNER));
    }
}

/// The contract's rule keeps its words; the early warning is not told beside it.
#[tokio::test]
async fn a_dry_window_has_its_card_and_each_further_one_is_told() {
    let mut house = House::of(1).await;
    // In the hour after a window's end the first of the two lies 13 hours back.
    house.bot.set("WINDOWSILL_ALERT_MAX_AGE_HOURS", 24);
    let end_ms = (house.now_ms - HOUR_MS) / WINDOW_MS * WINDOW_MS;
    let until_end = (end_ms - house.now_ms) / MINUTE_MS;
    house.reads([1], until_end - 721..until_end - 1, |_, _| LOW).await;
    house.bot.started().await;
    let words = "🥀 Fern 1 the Some Fern (Filix quaedam) is looking pretty dry...";
    until(SOON, "two windows", async || house.bot.times_said(OWNER, words) == 2).await;
    until(SOON, "one card", async || {
        let messages = house.bot.handle().messages(OWNER);
        let cards = messages.iter().filter(|message| labels(message) == BUTTONS);
        cards.count() == 1 && house.bot.times_said(OWNER, "⤵️ Told again below") == 1
    })
    .await;
    assert_eq!(house.bot.times_said(OWNER, "drying out"), 0);
    house.bot.stop().await;
}

/// A count of six hours says nothing of the last minutes: what was watered since says so.
#[tokio::test]
async fn a_dry_window_in_which_it_was_watered_says_when() {
    let mut house = House::of(1).await;
    let end_ms = (house.now_ms - HOUR_MS) / WINDOW_MS * WINDOW_MS;
    let until_end = (end_ms - house.now_ms) / MINUTE_MS;
    house.reads([1], until_end - 301..until_end - 1, |_, _| LOW).await;
    let watered_at = end_ms - 20 * MINUTE_MS;
    let watering = json!({"plant_id": 1, "watered_at": watered_at});
    house.log.put("houseplant-waterings", format!("1@{watered_at}").as_bytes(), &watering).await;
    house.bot.started().await;
    house.says("🥀 Fern 1 the Some Fern (Filix quaedam) is looking pretty dry...\n").await;
    let moment = when::moment(watered_at, chrono_tz::UTC);
    house.says(&format!("💧 Watered {moment}; this window began before that.")).await;
    house.bot.stop().await;
}

/// F15: silence is told from the reading before it, over restarts, and over when the sensor has
/// talked for as long.
#[tokio::test]
async fn a_sensor_that_falls_silent_is_told_once_and_once_when_it_talks_again() {
    let mut house = House::of(1).await;
    house.bot.set("WINDOWSILL_PLANTS__SILENT_MINUTES", 10);
    house.reads([1], -5..1, |_, _| FINE).await;
    house.bot.started().await;
    house.bot.sees("/plants", "1 plant").await;
    house.bot.answers(OWNER, "/plants", "1 plant").await;
    let silent = "🔇 Fern 1 the Some Fern is silent: no reading since";
    house.bot.stop().await;
    house.later(20).await;
    let noticed = "select count(*) from plant_life where kind = 'silent'";
    house.bot.counts(noticed, 1).await;
    house.bot.stop().await;
    house.later(22).await;
    house.says(silent).await;
    house.bot.stop().await;
    house.reads([1], 29..30, |_, _| FINE).await;
    house.later(30).await;
    house.bot.counts(&format!("{noticed} and better_ms is not null"), 1).await;
    house.bot.stop().await;
    house.reads([1], 40..41, |_, _| FINE).await;
    house.later(41).await;
    house.says("✅ Fern 1 talks again").await;
    house.bot.stop().await;
    assert_eq!(house.bot.times_said(OWNER, silent), 1);
}

/// F16, F12: a saw-tooth is one alert and one end; a rebuild tells nothing again.
#[tokio::test]
async fn a_saw_tooth_is_told_once_and_by_a_rebuild_not_again() {
    let mut house = House::of(1).await;
    let tooth = |_, minute: i64| (if minute.rem_euclid(40) < 20 { 29.0 } else { 31.5 }, 20.0);
    house.reads([1], -220..-60, tooth).await;
    house.bot.started().await;
    house.says("🍂 Fern 1").await;
    house.bot.stop().await;
    house.reads([1], -59..60, |_, _| FINE).await;
    house.later(80).await;
    house.says("✅ Fern 1 is moist again: 50.0 %").await;
    house.bot.stop().await;
    assert_eq!(house.bot.times_said(OWNER, "Fern 1"), 2, "{:?}", house.bot.said(OWNER));
    let rebuilt = house.bot.command(&["rebuild"]).output().unwrap();
    assert!(rebuilt.status.success(), "{rebuilt:?}");
    house.bot.started().await;
    house.bot.answers(OWNER, "/plants", "1 plant").await;
    house.bot.stop().await;
    assert_eq!(house.bot.times_said(OWNER, "Fern 1 the"), 1);
    assert_eq!(house.bot.times_said(OWNER, "Fern 1 is"), 1);
    let mut state = State::open(&house.bot.data_dir()).await;
    assert_eq!(state.number("select count(*) from alert").await, 1);
}

#[tokio::test]
async fn a_deleted_plant_closes_its_alerts_with_the_reason() {
    let mut house = House::of(2).await;
    house.reads([1, 2], -120..-18, |_, _| LOW).await;
    house.bot.started().await;
    let id = house.says("🍂 Fern 2").await;
    house.log.delete(METADATA, "2").await;
    assert_eq!(house.says("🗑 Closed: the plant was deleted").await, id);
    let messages = house.bot.handle().messages(OWNER);
    let text = &messages.iter().find(|message| message.id == id).unwrap().text;
    assert!(plain(text).starts_with("🍂 Fern 2 the Some Fern is drying out"), "{text}");
    house.bot.stop().await;
    let mut state = State::open(&house.bot.data_dir()).await;
    assert_eq!(state.number("select count(*) from card").await, 1);
    assert_eq!(state.number("select count(*) from plant_life").await, 1);
}
