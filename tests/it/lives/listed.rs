//! How plants are, as every place that shows them says it: list, card and digest.

use super::{FINE, HOT, House, plain};
use crate::bot::OWNER;

#[tokio::test]
async fn what_needs_care_comes_first_and_nothing_that_is_not_well_is_called_so() {
    let mut house = House::of(6).await;
    house.reads([4], -60..-59, |_, _| FINE).await;
    house
        .reads([1, 2, 3, 6], -1..0, |plant_id, _| match plant_id {
            2 => HOT,
            3 => (25.0, 14.0),
            _ => FINE,
        })
        .await;
    house.bot.started().await;
    house.bot.sees("/plants", "🟢 Fern 6").await;
    let expected = [
        "🥶 Fern 3 · 25.0 % of 30–90, dry · 14.0 °C, cold",
        "🔥 Fern 2 · 50.0 % of 30–90 · 31.0 °C, hot",
        "⚫ Fern 4 · silent since ",
        "⚪ Fern 5 · no reading yet",
        "🟢 Fern 1 · 50.0 % of 30–90 · 20.0 °C",
        "🟢 Fern 6 · 50.0 % of 30–90 · 20.0 °C",
    ];
    let list = plain(&house.bot.answers(OWNER, "/plants", "6 plants").await.text);
    let lines: Vec<&str> = list.lines().skip(1).collect();
    assert_eq!(lines.len(), expected.len(), "{list}");
    for (line, begins) in lines.iter().zip(expected) {
        assert!(line.starts_with(begins), "{line:?} in {list}");
    }
    let digest = plain(&house.bot.answers(OWNER, "/digest", "Out of their bands").await.text);
    assert!(digest.contains(&format!("just now:\n{}\n{}", expected[0], expected[1])), "{digest}");
    assert!(digest.contains("All else is well: 2 of 6 plants"), "{digest}");
    // What was fine an hour ago is not called fine now.
    let card = plain(&house.bot.answers(OWNER, "/plant 4", "Fern 4").await.text);
    assert!(card.contains("Moisture: 50.0 %, was fine (band 30–90 %)"), "{card}");
    assert!(!plain(&house.bot.answers(OWNER, "/plant 3", "Fern 3").await.text).contains("fine"));
    house.bot.stop().await;
}
