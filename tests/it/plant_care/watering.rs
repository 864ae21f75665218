//! Waterings, as people tell them and as the readings show them.

use serde_json::json;

use super::{HOUR_MS, watered_once, with_past};
use crate::bot::state::State;
use crate::bot::{OWNER, SOON};

const WATERINGS: &str = "houseplant-waterings";

#[tokio::test]
async fn a_watering_that_nobody_told_is_seen_in_the_readings() {
    let (bot, _) = with_past(72, watered_once).await;
    bot.sees("/plant 0", "💧 Watered").await;
    let card = bot.answers(OWNER, "/plant 0", "as its moisture shows").await;
    assert!(
        card.text.contains("💧 Watered 1 day ago") || card.text.contains("23 h ago"),
        "{card:?}"
    );
    bot.stop().await;
    let mut state = State::open(&bot.data_dir()).await;
    let found = "select count(*) from plant_watering where plant_id = 0 and is_said = 0";
    assert_eq!(state.number(found).await, 1);
}

#[tokio::test]
async fn a_watering_is_told_and_taken_back() {
    let (bot, log) = with_past(2, |_| Some(40.0)).await;
    bot.answers(OWNER, "/watered cyril 2 h ago", "💧 Cyril was watered").await;
    let card = bot.answers(OWNER, "/plant 0", "💧 Watered 2 h ago").await;
    assert!(!card.text.contains("as its moisture shows"), "{card:?}");
    bot.answers(OWNER, "/watered CYRIL 125 min ago", "that is noted already").await;
    bot.answers(OWNER, "/watered 0", "💧 Cyril was watered").await;
    bot.answers(OWNER, "/plant 0", "💧 Watered").await;
    let rows = log.table(WATERINGS).await;
    let times: Vec<i64> =
        rows.iter().map(|(_, row)| row.as_ref().unwrap()["watered_at"].as_i64().unwrap()).collect();
    assert_eq!((times.len(), (times[1] - times[0] + 30_000) / HOUR_MS), (2, 2));
    assert_eq!(rows[0].0, format!("0@{}", times[0]).into_bytes());
    assert_eq!(rows[0].1, Some(json!({"plant_id": 0, "watered_at": times[0]})));
    // The newest first.
    bot.answers(OWNER, "/watered 0 undo", "Taken back").await;
    assert_eq!(log.table(WATERINGS).await[2], (format!("0@{}", times[1]).into_bytes(), None));
    bot.answers(OWNER, "/plant 0", "💧 Watered 2 h ago").await;
    bot.answers(OWNER, "/watered 0 undo", "Taken back").await;
    bot.answers(OWNER, "/watered 0 undo", "nothing to take back").await;
    let card = bot.answers(OWNER, "/plant 0", "Cyril").await;
    assert!(!card.text.contains("💧 Watered"), "{card:?}");
    bot.stop().await;
}

#[tokio::test]
async fn the_button_of_a_card_tells_it_and_a_second_tap_changes_nothing() {
    let (bot, log) = with_past(2, |_| Some(40.0)).await;
    bot.answers(OWNER, "/plant 0", "Cyril the Some Fern").await;
    bot.taps(OWNER, "💧 Watered", "💧 Cyril was watered").await;
    bot.taps(OWNER, "💧 Watered", "that is noted already").await;
    assert_eq!(log.table(WATERINGS).await.len(), 1);
    bot.stop().await;
}

#[tokio::test]
async fn what_cannot_be_noted_is_answered_with_what_was_expected() {
    const GROUP: i64 = -77;
    const GUEST: i64 = 9;
    let (bot, log) = with_past(1, |_| Some(40.0)).await;
    bot.answers(OWNER, "/watered", "Which plant did you water, and when?").await;
    bot.answers(OWNER, "/watered cyrill", "Did you mean:").await;
    bot.answers(OWNER, "/watered cyril 2099-01-01", "has not come yet").await;
    bot.answers(OWNER, "/watered cyril 91 days ago", "more than 90 days ago").await;
    for rest in ["tomorrow", "in 2 h", "25:99", "-2 h", "1.5.2 h"] {
        let unclear = format!("I cannot read “{rest}” as a time at which Cyril was watered.");
        bot.answers(OWNER, &format!("/watered 0 {rest}"), &unclear).await;
    }
    bot.answers(OWNER, "/watered nobody in 2 h", "I know no plant called “nobody in”").await;
    bot.handle().create_group(GROUP, "Family");
    bot.answers_in(GROUP, OWNER, "/admit", "Everybody in this group").await;
    bot.answers_in(GROUP, GUEST, "/watered cyril", "Only members").await;
    bot.answers_in(GROUP, GUEST, "/watered cyril in 2 h", "Only members").await;
    // Inside a conversation it answers, and the question comes again.
    bot.answers(OWNER, "/update_plant 0", "Cyril").await;
    let asked = bot.newest(OWNER);
    bot.handle().say(OWNER, OWNER, "/watered cyril");
    bot.handle().wait_for_text(SOON, OWNER, asked, "💧 Cyril was watered").await.unwrap();
    assert_eq!(log.table(WATERINGS).await.len(), 1);
    bot.stop().await;
}
