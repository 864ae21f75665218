//! `/delete_plant` as a person meets it, through HTTP.

use serde_json::Value;
use windowsill::demo::botapi::Handle;

use crate::bot::past::{Log, METADATA, plant};
use crate::bot::plants::{OTHER, with_plants};
use crate::bot::{OWNER, SOON, labels};

/// The keys of the plants that were deleted, in order.
async fn deleted(log: &Log) -> Vec<String> {
    let rows = log.table(METADATA).await.into_iter();
    let gone = rows.filter(|(_, value): &(Vec<u8>, Option<Value>)| value.is_none());
    gone.map(|(key, _)| String::from_utf8(key).unwrap()).collect()
}

#[tokio::test]
async fn a_plant_goes_by_a_tombstone_and_its_sensor_with_it() {
    let (bot, log) = with_plants().await;
    let asked = bot.answers(OWNER, "/delete_plant", "Which plant is to be deleted?").await;
    assert_eq!(labels(&asked), ["0 · Cyril", "1 · Nicholas", "Cancel"]);
    bot.answers(OWNER, "/skip", "I need to know the plant").await;
    bot.answers(OWNER, "/back", "This is the first question.").await;
    bot.answers(OWNER, "7", "There is no plant 7.").await;
    bot.answers(OWNER, "cyrl", "Did you mean Cyril (0)?").await;
    bot.taps(OWNER, "0 · Cyril", "0x36 feeds Cyril. Unmap it as well?").await;
    bot.answers(OWNER, "hm", "Please answer /y or /n").await;
    bot.answers(OWNER, "/back", "Which plant is to be deleted?").await;
    bot.answers(OWNER, "cyril", "Unmap it as well?").await;
    let shown = bot.taps(OWNER, "Unmap it", "Please confirm that this plant goes.").await;
    for part in
        ["Cyril (plant 0)", "low moisture threshold: 30 %", "0x36 will feed no plant any more"]
    {
        assert!(shown.text.contains(part), "{part} in {}", shown.text);
    }
    bot.answers(OWNER, "maybe", "Please answer /y or /n").await;
    bot.taps(OWNER, "✅ Yes", "Cyril (plant 0) is deleted.").await;
    assert_eq!(deleted(&log).await, ["0"]);
    let unmapped = log.mapped().await.pop().unwrap();
    assert_eq!(unmapped, ("0x36".to_owned(), None));
    assert!(bot.said(OWNER).contains(&"0x36 feeds no plant any more.".to_owned()));
    // Two edits of one message, which says once that both are saved.
    bot.is_quiet().await;
    let thumbs = bot.handle().calls_of("setMessageReaction").into_iter();
    assert_eq!(thumbs.filter(|call| call.param("reaction").contains('👍')).count(), 1);
    // "Deleted" is said when the next look-up shows it.
    bot.answers(OWNER, "/plants", "1 plant").await;
    bot.answers(OWNER, "/plant cyril", "I know no plant called “cyril”").await;
    bot.stop().await;
}

#[tokio::test]
async fn a_sensor_may_stay_mapped_and_the_ways_out_change_nothing() {
    let (bot, log) = with_plants().await;
    bot.answers(OWNER, "/delete_plant 1", "Please confirm that this plant goes.").await;
    bot.answers(OWNER, "/cancel", "Cancelled the deletion; nothing was changed.").await;
    bot.answers(OWNER, "/delete_plant nicholas", "Please confirm").await;
    bot.answers(OWNER, "/n", "Your deletion was not sent; please use /delete_plant to re-try.")
        .await;
    assert!(deleted(&log).await.is_empty());
    bot.answers(OWNER, "/delete_plant 0", "Unmap it as well?").await;
    let shown = bot.answers(OWNER, "/n", "Please confirm").await;
    assert!(shown.text.contains("0x36 stays mapped to plant 0"), "{}", shown.text);
    bot.answers(OWNER, "/back", "Unmap it as well?").await;
    bot.taps(OWNER, "Keep mapped", "Please confirm").await;
    let told = bot.answers(OWNER, "/y", "Cyril (plant 0) is deleted.").await;
    assert!(told.text.contains("/unmap_sensor 0x36 changes that"), "{}", told.text);
    assert_eq!(log.mapped().await.len(), 1);
    bot.answers(OWNER, "/delete_plant 0", "There is no plant 0.").await;
    bot.stop().await;
}

/// F29: two people delete the same plant; a button is tapped twice.
#[tokio::test]
async fn what_changed_meanwhile_is_shown_and_a_second_tap_is_answered() {
    let (bot, log) = with_plants().await;
    bot.answers(OWNER, "/delete_plant 1", "Please confirm").await;
    log.describe(&plant(1, "Nick", 25.0)).await;
    bot.sees("/plant 1", "Nick").await;
    let shown = bot.answers(OWNER, "/y", "Somebody changed this plant or its sensors").await;
    assert!(shown.text.contains("Nick (plant 1)"), "{}", shown.text);
    bot.answers(OTHER, "/delete_plant 1", "Please confirm").await;
    bot.answers(OTHER, "/y", "Nick (plant 1) is deleted.").await;
    let data = shown.button("✅ Yes").unwrap().data.clone().unwrap();
    bot.taps(OWNER, "✅ Yes", "Somebody deleted Nick meanwhile; nothing is left to do.").await;
    bot.handle().press(OWNER, OWNER, shown.id, &data);
    bot.notes("This button has expired.").await;
    assert_eq!(deleted(&log).await, ["1"]);
    bot.stop().await;
}

/// Whatever asks for a plant offers all of them, a page after the other, in one message.
#[tokio::test]
async fn every_plant_can_be_tapped_wherever_one_is_asked_for() {
    let (bot, log) = with_plants().await;
    for plant_id in 2..20 {
        log.describe(&plant(plant_id, &format!("Fern {plant_id}"), 30.0)).await;
    }
    bot.sees("/plants", "20 plants").await;
    let commands = [
        ("/delete_plant", "Which plant is to be deleted?", "Fern 19 (plant 19)"),
        ("/update_plant", "Please enter plant's id", "Now: Fern 19"),
        ("/update_mapping 0x39", "Which plant does 0x39 feed?", "0x39 will feed Fern 19"),
    ];
    for (command, question, chosen) in commands {
        let first = bot.answers(OWNER, command, question).await;
        let mut offered: Vec<String> = labels(&first);
        let mut shown = first.clone();
        for number in 1..=2 {
            let seen = labels(&shown);
            bot.handle().press_label(OWNER, OWNER, "▶").unwrap();
            let turned = |handle: &Handle| {
                let newest = handle.messages(OWNER).into_iter().find(|it| it.id == first.id)?;
                (labels(&newest) != seen).then_some(newest)
            };
            shown = bot.handle().wait_for(SOON, "the next page", turned).await.unwrap();
            assert!(shown.text.starts_with(question), "page {number}: {shown:?}");
            offered.extend(labels(&shown));
        }
        for plant_id in 2..20 {
            let label = format!("{plant_id} · Fern {plant_id}");
            let times = offered.iter().filter(|offer| **offer == label).count();
            assert_eq!(times, 1, "{label} in {offered:?} of {command}");
        }
        assert!(shown.button("▶").is_none() && shown.button("◀").is_some(), "{shown:?}");
        // F29: a button as the first page had it.
        let data = first.button("▶").unwrap().data.clone().unwrap();
        bot.handle().press(OWNER, OWNER, first.id, &data);
        bot.notes("This button has expired.").await;
        bot.taps(OWNER, "19 · Fern 19", chosen).await;
        bot.answers(OWNER, "/cancel", "Cancelled").await;
    }
    bot.stop().await;
}
