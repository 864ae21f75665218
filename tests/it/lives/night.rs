//! Quiet hours: what can wait waits, what is urgent does not, and nothing is lost.

use super::{FINE, HOT, House, LOW};
use crate::bot::{OWNER, SOON, until};

#[tokio::test]
async fn in_quiet_hours_heat_is_told_and_the_rest_in_the_morning() {
    let mut house = House::of(2).await;
    house.quiet(-60..120).await;
    house.reads([1, 2], -120..-18, |plant_id, _| if plant_id == 1 { LOW } else { HOT }).await;
    house.bot.started().await;
    house.says("🔥 Fern 2").await;
    let deferred = "select count(*) from outbox where deferred_until > 0 and state = 'waiting'";
    house.bot.counts(deferred, 1).await;
    // Answers come as always, and a restart in the night tells nothing.
    house.bot.answers(OWNER, "/plants", "2 plants").await;
    house.bot.stop().await;
    house.later(90).await;
    house.bot.answers(OWNER, "/plants", "2 plants").await;
    assert_eq!(house.bot.times_said(OWNER, "🍂"), 0);
    house.bot.stop().await;
    house.later(125).await;
    house.says("🍂 Fern 1").await;
    house.bot.stop().await;
    assert_eq!((house.bot.times_said(OWNER, "🍂"), house.bot.times_said(OWNER, "🔥")), (1, 1));
}

/// What waits for the morning does not come either.
#[tokio::test]
async fn alerts_that_are_turned_off_in_the_night_do_not_come_in_the_morning() {
    let mut house = House::of(1).await;
    house.quiet(-60..120).await;
    house.reads([1], -120..-18, |_, _| LOW).await;
    house.bot.started().await;
    let deferred = "select count(*) from outbox where deferred_until > 0 and state = 'waiting'";
    house.bot.counts(deferred, 1).await;
    house.bot.answers(OWNER, "/alerts off", "No more alerts come to this chat").await;
    house.bot.counts(deferred, 0).await;
    house.bot.counts("select count(*) from alert where told = 'nobody'", 1).await;
    house.bot.stop().await;
    house.later(125).await;
    house.bot.answers(OWNER, "/plants", "1 plant").await;
    house.bot.stop().await;
    assert_eq!(house.bot.times_said(OWNER, "🍂 Fern 1 the"), 0);
}

/// What was over before the morning is one quiet message that tells both.
#[tokio::test]
async fn what_began_and_ended_in_the_night_is_one_message_in_the_morning() {
    let mut house = House::of(1).await;
    house.quiet(-60..180).await;
    house.reads([1], -120..-18, |_, _| LOW).await;
    house.bot.started().await;
    let deferred = "select count(*) from outbox where deferred_until > 0 and state = 'waiting'";
    house.bot.counts(deferred, 1).await;
    house.bot.stop().await;
    house.reads([1], -17..60, |_, _| FINE).await;
    house.later(80).await;
    house.bot.counts("select count(*) from card", 0).await;
    house.bot.stop().await;
    house.later(185).await;
    house.says("✅ Over: 50.0 % moisture").await;
    until(SOON, "nothing waits", async || {
        house.bot.counts("select count(*) from outbox where state = 'waiting'", 0).await;
        true
    })
    .await;
    house.bot.stop().await;
    let told = house.bot.said(OWNER);
    assert_eq!(told.iter().filter(|text| text.contains("Fern 1")).count(), 1, "{told:?}");
}
