//! `/update_mapping` and `/unmap_sensor` as a person meets them, through HTTP: the real bot, every
//! answer they can be given.

use crate::bot::past::METADATA;
use crate::bot::plants::{OTHER, with_plants};
use crate::bot::state::State;
use crate::bot::{OWNER, SOON, labels, until};

const SAVED: &str = "You've confirmed your mapping entry, and it has been updated.";

fn mapped(rows: &[(&str, Option<i64>)]) -> Vec<(String, Option<i64>)> {
    rows.iter().map(|(sensor, plant)| ((*sensor).to_owned(), *plant)).collect()
}

#[tokio::test]
async fn a_sensor_is_mapped_by_typing_and_the_card_says_so() {
    let (bot, log) = with_plants().await;
    let asked = bot.answers(OWNER, "/update_mapping", "Please enter sensor's id").await;
    assert_eq!(labels(&asked), ["0x36 · Cyril", "0x37", "0x38", "0x39", "Cancel"]);
    bot.answers(OWNER, "/skip", "I need to know the sensor").await;
    bot.answers(OWNER, "/back", "This is the first question.").await;
    let long = "x".repeat(65);
    bot.answers(OWNER, &long, "A sensor id has 1 to 64 characters, this one has 65.").await;
    let asked = bot.answers(OWNER, " 0X3A ", "Which plant does 0x3a feed?").await;
    assert_eq!(labels(&asked), ["0 · Cyril", "1 · Nicholas", "« Back", "Cancel"]);
    bot.answers(OWNER, "/skip", "there is nothing to keep").await;
    bot.answers(OWNER, "abc", "“abc” is neither a plant's id").await;
    bot.answers(OWNER, "nicolas", "Did you mean Nicholas (1)?").await;
    bot.answers(OWNER, "-1", "“-1” is neither a plant's id").await;
    let summary = bot.answers(OWNER, "nicholas", "Please confirm your mapping entry.").await;
    assert!(summary.text.contains("0x3a will feed Nicholas"), "{}", summary.text);
    bot.answers(OWNER, "maybe", "Please answer /y or /n, or go /back.").await;
    bot.answers(OWNER, "/back", "Which plant does 0x3a feed?").await;
    bot.answers(OWNER, "/back", "Please enter sensor's id").await;
    // As `i2cdetect` prints it.
    bot.answers(OWNER, "3b", "Which plant does 0x3b feed?").await;
    bot.answers(OWNER, "1", "Please confirm your mapping entry.").await;
    bot.answers(OWNER, "/y", SAVED).await;
    // "Saved" is said when the next look-up shows it.
    bot.answers(OWNER, "/plant 1", "Sensor: 0x3b (not heard yet)").await;
    assert_eq!(log.mapped().await, mapped(&[("0x36", Some(0)), ("0x3b", Some(1))]));
    log.hear("0x3b", 1).await;
    log.hear("\u{202e}", 1).await;
    bot.sees("/plant 1", "Sensor: 0x3b (heard").await;
    bot.stop().await;
}

#[tokio::test]
async fn every_sensor_that_was_heard_is_offered_and_buttons_lead_to_the_end() {
    let (bot, log) = with_plants().await;
    log.hear("Greenhouse <2>", 1).await;
    log.hear("0X37", 1).await;
    bot.sees("/plant 1", "Last reading").await;
    let asked = bot.answers(OWNER, "/update_mapping", "Please enter sensor's id").await;
    let expected = ["0x36 · Cyril", "0x37 · heard", "0x38", "0x39", "Greenhouse <2> · heard"];
    assert_eq!(labels(&asked)[..5], expected);
    bot.taps(OWNER, "Greenhouse <2> · heard", "Which plant does Greenhouse <2> feed?").await;
    bot.taps(OWNER, "« Back", "Please enter sensor's id").await;
    let asked = bot.taps(OWNER, "0x36 · Cyril", "Now: Cyril").await;
    assert_eq!(labels(&asked)[0], "Keep Cyril");
    let summary = bot.taps(OWNER, "1 · Nicholas", "Please confirm").await;
    assert!(summary.text.contains("0x36 will feed Nicholas (now Cyril)"), "{}", summary.text);
    bot.taps(OWNER, "✅ Yes", SAVED).await;
    assert_eq!(log.mapped().await.last(), mapped(&[("0x36", Some(1))]).last());
    bot.answers(OWNER, "/plant 0", "No sensor is mapped to it").await;
    bot.stop().await;
}

#[tokio::test]
async fn the_ways_out_of_a_mapping_change_nothing() {
    let (bot, log) = with_plants().await;
    bot.answers(OWNER, "/update_mapping 0x36", "Now: Cyril").await;
    bot.answers(OWNER, "/cancel", "Cancelled mapping update.").await;
    bot.answers(OWNER, "/update_mapping 0x36", "Now: Cyril").await;
    bot.answers(OWNER, "/skip", "0x36 feeds Cyril as before; nothing was changed.").await;
    bot.answers(OWNER, "/update_mapping 0x36 cyril", "as before; nothing was changed.").await;
    bot.answers(OWNER, "/update_mapping 0x36 1", "Please confirm your mapping entry.").await;
    bot.answers(OWNER, "/n", "Your mapping was not sent; please use /update_mapping to re-try.")
        .await;
    bot.answers(OWNER, "/update_mapping 0x36 1", "Please confirm your mapping entry.").await;
    bot.answers(OWNER, "/help", "What I can do").await;
    bot.answers(OWNER, "/plants", "2 plants").await;
    // Another conversation asks whether to discard this one.
    bot.answers(OWNER, "/update_plant 1", "Discard it and begin /update_plant 1?").await;
    bot.answers(OWNER, "hm", "Please answer /y to discard it").await;
    bot.answers(OWNER, "/n", "Going on where we were.").await;
    bot.answers(OWNER, "/unmap_sensor 0x36", "Discard it and begin /unmap_sensor 0x36?").await;
    bot.taps(OWNER, "🗑 Discard", "0x36 will feed no plant any more (now Cyril)").await;
    bot.answers(OWNER, "/update_mapping", "Discard it and begin /update_mapping?").await;
    bot.answers(OWNER, "/cancel", "Cancelled mapping update.").await;
    bot.answers(OWNER, "0x36", "No result found for device 0x36").await;
    assert_eq!(log.mapped().await.len(), 1);
    bot.stop().await;
}

#[tokio::test]
async fn an_unknown_plant_is_refused_and_can_be_added() {
    let (bot, log) = with_plants().await;
    let refused = bot.answers(OWNER, "/update_mapping 0x37 7", "There is no plant 7 yet.").await;
    assert!(labels(&refused).contains(&"➕ add plant 7".to_owned()), "{refused:?}");
    bot.taps(OWNER, "➕ add plant 7", "Please enter plant's given name.").await;
    bot.answers(OWNER, "/cancel", "Cancelled metadata update.").await;
    // A plant that only sends readings is no plant yet either.
    log.hear("0x37", 8).await;
    bot.sees("/plant 8", "nobody has described it yet").await;
    bot.answers(OWNER, "/update_mapping 0x37 8", "There is no plant 8 yet.").await;
    bot.answers(OWNER, "1", "Please confirm your mapping entry.").await;
    bot.answers(OWNER, "/y", SAVED).await;
    assert_eq!(log.mapped().await.last(), mapped(&[("0x37", Some(1))]).last());
    bot.stop().await;
}

#[tokio::test]
async fn a_second_sensor_replaces_the_first_in_one_edit_or_is_used_beside_it() {
    let (bot, log) = with_plants().await;
    let asked = bot.answers(OWNER, "/update_mapping 0x37 0", "0x36 feeds Cyril already.").await;
    assert!(asked.text.contains("count double"), "{}", asked.text);
    bot.answers(OWNER, "/y", "Please answer /replace or /both").await;
    let summary = bot.taps(OWNER, "Use both", "Please confirm").await;
    assert!(summary.text.contains("Readings count double, beside 0x36"), "{}", summary.text);
    bot.answers(OWNER, "/back", "0x36 feeds Cyril already.").await;
    bot.answers(OWNER, "both", "Please confirm").await;
    bot.answers(OWNER, "/y", SAVED).await;
    bot.answers(OWNER, "/plant 0", "Sensors: 0x36 (not heard yet), 0x37 (not heard yet)").await;
    bot.answers(OWNER, "/update_mapping 0x36 0", "0x37 feeds Cyril already.").await;
    bot.answers(OWNER, "/both", "as before; nothing was changed.").await;
    let asked = bot.answers(OWNER, "/update_mapping 0x38 0", "0x36, 0x37 feed Cyril").await;
    assert!(labels(&asked).contains(&"Replace 0x36, 0x37".to_owned()), "{asked:?}");
    let summary = bot.answers(OWNER, "/replace", "Please confirm").await;
    assert!(summary.text.contains("0x36, 0x37 will feed no plant any more"), "{}", summary.text);
    bot.answers(OWNER, "/y", SAVED).await;
    bot.answers(OWNER, "/plant 0", "Sensor: 0x38").await;
    // What is replaced leaves first, and the author is told once.
    let rows =
        [("0x36", Some(0)), ("0x37", Some(0)), ("0x36", None), ("0x37", None), ("0x38", Some(0))];
    assert_eq!(log.mapped().await, mapped(&rows));
    assert_eq!(bot.times_said(OWNER, SAVED), 2);
    bot.stop().await;
}

#[tokio::test]
async fn a_sensor_is_unmapped_by_a_tombstone() {
    let (bot, log) = with_plants().await;
    bot.answers(OWNER, "/unmap_sensor 0x37", "0x37 feeds no plant.").await;
    bot.answers(OWNER, "/back", "This is the first question.").await;
    bot.answers(OWNER, "/keep", "I need to know the sensor").await;
    bot.taps(OWNER, "0x36 · Cyril", "0x36 will feed no plant any more (now Cyril)").await;
    bot.answers(OWNER, "/back", "Which sensor is to feed no plant any more?").await;
    bot.answers(OWNER, "36", "0x36 will feed no plant any more (now Cyril)").await;
    bot.answers(OWNER, "/n", "Your mapping was not sent; please use /unmap_sensor to re-try.")
        .await;
    bot.answers(OWNER, "/unmap_sensor 0x36", "Please confirm your mapping entry.").await;
    bot.answers(OWNER, "/y", SAVED).await;
    bot.answers(OWNER, "/plant 0", "No sensor is mapped to it").await;
    bot.answers(OWNER, "/unmap_sensor", "No sensor feeds a plant yet").await;
    assert_eq!(log.mapped().await, mapped(&[("0x36", Some(0)), ("0x36", None)]));
    bot.stop().await;
}

#[tokio::test]
async fn somebody_elses_mapping_is_shown_before_it_is_overwritten() {
    let (bot, log) = with_plants().await;
    bot.answers(OWNER, "/update_mapping 0x36 1", "Please confirm").await;
    // Somebody maps another sensor to the same plant, and this one to nothing.
    log.map("0x39", 1).await;
    log.delete("houseplant-sensor-mapping", "0x36").await;
    bot.sees("/plant 1", "Sensor: 0x39").await;
    bot.sees("/plant 0", "No sensor is mapped").await;
    let shown = bot.answers(OWNER, "/y", "Somebody changed this mapping meanwhile:").await;
    for part in [
        "0x36 feeds: Cyril → no plant",
        "other sensors of Nicholas: none → 0x39",
        "0x39 feeds Nicholas already.",
    ] {
        assert!(shown.text.contains(part), "{part} in {}", shown.text);
    }
    bot.answers(OWNER, "/both", "Please confirm").await;
    bot.answers(OWNER, "/y", SAVED).await;

    // Two people do the same; the second is told.
    bot.answers(OWNER, "/update_mapping 0x37 0", "Please confirm").await;
    bot.answers(OTHER, "/update_mapping 0x37 0", "Please confirm").await;
    bot.answers(OTHER, "/y", SAVED).await;
    bot.answers(OWNER, "/y", "0x37 feeds Cyril as before; nothing was changed.").await;
    bot.answers(OWNER, "/unmap_sensor 0x37", "Please confirm").await;
    bot.answers(OTHER, "/unmap_sensor 0x37", "Please confirm").await;
    bot.answers(OTHER, "/y", SAVED).await;
    bot.answers(OWNER, "/y", "Somebody unmapped 0x37 meanwhile").await;
    bot.stop().await;
}

/// F10: the plant of a mapping is deleted before the mapping is confirmed.
#[tokio::test]
async fn a_plant_that_was_deleted_meanwhile_is_not_mapped_to() {
    let (bot, log) = with_plants().await;
    bot.answers(OWNER, "/update_mapping 0x37 1", "Please confirm").await;
    log.delete(METADATA, "1").await;
    bot.sees("/plants", "1 plant").await;
    let told = bot.answers(OWNER, "/y", "Somebody deleted Nicholas (plant 1) meanwhile.").await;
    assert!(labels(&told).contains(&"➕ add plant 1".to_owned()), "{told:?}");
    bot.answers(OWNER, "/cancel", "Cancelled mapping update.").await;
    assert_eq!(log.mapped().await.len(), 1);
    bot.stop().await;
}

/// F10: a sensor feeds a plant that nobody has described, as other programs may write it.
#[tokio::test]
async fn a_mapping_to_an_undescribed_plant_is_shown_by_its_number() {
    let (bot, log) = with_plants().await;
    log.map("0x39", 9).await;
    log.map("Zebra", 9).await;
    until(SOON, "the mappings are read", async || {
        let mapped = "select count(*) from plant_sensor_mapping";
        State::open(&bot.data_dir()).await.number(mapped).await == 3
    })
    .await;
    let asked = bot.answers(OWNER, "/unmap_sensor", "Which sensor").await;
    assert_eq!(labels(&asked)[..3], ["0x36 · Cyril", "0x39 · plant 9", "Zebra · plant 9"]);
    bot.taps(OWNER, "Zebra · plant 9", "Zebra will feed no plant any more (now plant 9)").await;
    bot.answers(OWNER, "/y", SAVED).await;
    bot.stop().await;
}
