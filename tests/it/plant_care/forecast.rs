//! When a plant will be dry: on its card, and in the evening before.

use super::{HOUR_MS, with_past};
use crate::bot::OWNER;
use windowsill::kernel::when;

#[tokio::test]
async fn a_card_says_when_the_plant_will_be_dry() {
    // As soil dries: now at 40 % and by 5.5 a day, a tenth slower each day: two days to go.
    let (bot, _) = with_past(72, |hour| {
        let days = (hour - 72.0) / 24.0;
        Some(40.0 - 55.2 * (1.0 - (-0.1 * days).exp()))
    })
    .await;
    let card = bot.answers(OWNER, "/plant cyril", "🏜 Will be dry about").await;
    let now_ms = windowsill::clock::now_ms();
    let (_, about) = card.text.split_once("Will be dry about ").unwrap();
    let (likely, _) = about.split_once(", four times in five ").unwrap();
    let hour_ms = |hours: i64| (now_ms / HOUR_MS + hours) * HOUR_MS;
    let expected = (42..=54).map(|hours| when::moment(hour_ms(hours), chrono_tz::UTC));
    assert!(expected.into_iter().any(|moment| moment == likely), "{card:?}");
    bot.stop().await;
}

#[tokio::test]
async fn a_plant_that_does_not_dry_or_is_dry_already_has_no_forecast() {
    for moisture in [50.0, 20.0] {
        let (bot, _) = with_past(48, |_| Some(moisture)).await;
        let card = bot.answers(OWNER, "/plant cyril", "Moisture").await;
        assert!(!card.text.contains("Will be dry"), "{card:?}");
        bot.stop().await;
    }
}
