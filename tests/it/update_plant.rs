//! `/update_plant` as a person meets it, through HTTP: the real bot, every answer it can be given.

use serde_json::json;

use crate::bot::past::{Log, plant};
use crate::bot::{Bot, OWNER, SOON, labels};

async fn with_plants() -> (Bot, Log) {
    let mut bot = Bot::new().await;
    let log = Log::open(&bot.data_dir(), 1).await;
    log.describe(&plant(0, "Cyril", 30.0)).await;
    log.describe(&plant(1, "Nicholas", 20.0)).await;
    bot.started().await;
    bot.sees("/plants", "2 plants").await;
    (bot, log)
}

#[tokio::test]
async fn a_new_plant_is_described_by_typing_and_lands_on_the_compacted_topic() {
    let (bot, log) = with_plants().await;
    let asked = bot.answers(OWNER, "/update_plant", "Please enter plant's id").await;
    assert!(labels(&asked).iter().any(|label| label.contains("new: 2")), "{asked:?}");
    bot.answers(OWNER, "20.5", "“20.5” is neither a plant's id").await;
    bot.answers(OWNER, "-3", "“-3” is neither a plant's id").await;
    bot.answers(OWNER, "7", "Please enter plant's given name.").await;
    bot.answers(OWNER, "/skip", "A new plant needs a given name").await;
    bot.answers(OWNER, "Ginny", "Please enter plant's scientific name.").await;
    bot.answers(OWNER, "Rhaphidophora tetrasperma", "Please enter plant's common name.").await;
    bot.answers(
        OWNER,
        "Mini Monstera",
        "Please enter plant's low temperature threshold or /skip to use the default.",
    )
    .await;
    bot.answers(OWNER, "/skip", "high temperature threshold or /skip to use the default.").await;
    bot.answers(OWNER, "15", "must be above the low one, which is 15 °C").await;
    bot.answers(OWNER, "abc", "“abc” is not a number I can read").await;
    bot.answers(OWNER, "31,5 °C", "low moisture threshold or /skip to use the default.").await;
    bot.answers(OWNER, "1000000000", "must lie between 0 and 100 %").await;
    bot.answers(OWNER, "nan", "“nan” is not a number I can read").await;
    bot.answers(OWNER, "40.5", "Please enter plant's high moisture threshold").await;
    let summary = bot.answers(OWNER, "70", "Please confirm your metadata entry.").await;
    for part in ["New plant 7", "Ginny", "15 °C", "31.5 °C", "40.5 %", "70 %"] {
        assert!(summary.text.contains(part), "{part} in {}", summary.text);
    }
    bot.answers(OWNER, "maybe", "Please answer /y or /n").await;
    bot.answers(OWNER, "/y", "You've confirmed your metadata entry, and it has been updated.")
        .await;
    // "Saved" is said when the next look-up shows it.
    bot.answers(OWNER, "/plants", "3 plants").await;
    bot.answers(OWNER, "/plant ginny", "Rhaphidophora tetrasperma · plant 7").await;
    let described = log.described(7).await;
    let expected = json!({
        "plant_id": 7, "given_name": "Ginny", "scientific_name": "Rhaphidophora tetrasperma",
        "common_name": "Mini Monstera", "temperature_low": 15.0, "temperature_high": 31.5,
        "moisture_low": 40.5, "moisture_high": 70.0,
    });
    assert_eq!(described.iter().map(|(_, value)| value).collect::<Vec<_>>(), [&expected]);
}

#[tokio::test]
async fn a_known_plant_is_changed_with_buttons() {
    let (bot, log) = with_plants().await;
    bot.answers(OWNER, "/update_plant", "Please enter plant's id").await;
    let name = bot.taps(OWNER, "0 · Cyril", "Please enter plant's given name").await;
    assert!(name.text.contains("Now: Cyril"), "{}", name.text);
    bot.taps(OWNER, "Keep Cyril", "scientific name").await;
    bot.answers(OWNER, "/skip", "common name").await;
    bot.answers(OWNER, "/keep", "low temperature threshold").await;
    bot.taps(OWNER, "Default 15 °C", "high temperature threshold").await;
    bot.taps(OWNER, "« Back", "low temperature threshold").await;
    bot.answers(OWNER, "16", "high temperature threshold").await;
    bot.taps(OWNER, "Default 30 °C", "low moisture threshold").await;
    let high = bot.answers(OWNER, "95", "high moisture threshold").await;
    // What no longer fits above the new low threshold is not offered.
    assert!(!labels(&high).iter().any(|label| label.contains("Keep")), "{high:?}");
    assert!(!labels(&high).iter().any(|label| label.contains("Default")), "{high:?}");
    let summary = bot.answers(OWNER, "99", "Please confirm your metadata entry.").await;
    assert!(summary.text.contains("95 % (was 30 %)"), "{}", summary.text);
    bot.taps(OWNER, "✅ Yes", "it has been updated.").await;
    let described = log.described(0).await;
    assert_eq!(described.last().unwrap().1["moisture_low"], 95.0);
    assert_eq!(described.last().unwrap().1["temperature_low"], 16.0);
}

#[tokio::test]
async fn the_ways_out_change_nothing() {
    let (bot, log) = with_plants().await;
    bot.answers(OWNER, "/cancel", "There is nothing to cancel.").await;
    bot.answers(OWNER, "/update_plant cyril", "Please enter plant's given name").await;
    bot.answers(OWNER, "/cancel", "Cancelled metadata update.").await;
    bot.answers(OWNER, "/update_plant 0", "Please enter plant's given name").await;
    for _ in 0..6 {
        bot.answers(OWNER, "/skip", "Please enter plant's").await;
    }
    bot.answers(OWNER, "/skip", "Please confirm your metadata entry.").await;
    bot.answers(OWNER, "/n", "Your metadata was not sent; please use /update_plant to re-try.")
        .await;
    assert_eq!(log.described(0).await.len(), 1);
}

#[tokio::test]
async fn look_ups_are_answered_inside_a_conversation_and_its_question_is_asked_again() {
    let (bot, _log) = with_plants().await;
    bot.answers(OWNER, "/update_plant cyril", "Please enter plant's given name").await;
    let after = bot.handle().messages(OWNER).last().unwrap().id;
    bot.handle().say(OWNER, OWNER, "/plants");
    let list = bot.handle().wait_for_text(SOON, OWNER, after, "2 plants").await.unwrap();
    bot.handle()
        .wait_for_text(SOON, OWNER, list.id, "Please enter plant's given name")
        .await
        .unwrap();
    bot.answers(OWNER, "/help", "What I can do").await;
    bot.answers(OWNER, "/keep", "Please enter plant's scientific name").await;
    bot.answers(OWNER, "/update_plant nicholas", "You have an unfinished edit. Discard it").await;
    bot.answers(OWNER, "/n", "Going on where we were.").await;
    bot.answers(OWNER, "/update_plant nicholas", "You have an unfinished edit. Discard it").await;
    let next = bot.taps(OWNER, "🗑 Discard", "Please enter plant's given name").await;
    assert!(next.text.contains("Now: Nicholas"), "{}", next.text);
}

#[tokio::test]
async fn of_several_commands_the_newest_begins_and_what_gave_way_is_told() {
    let (bot, _log) = with_plants().await;
    bot.answers(OWNER, "/update_plant cyril", "Please enter plant's given name").await;
    bot.answers(OWNER, "Cyrus", "Please enter plant's scientific name").await;
    let first = bot.answers(OWNER, "/update_plant 7", "begin /update_plant 7?").await;
    let gave_way = "/update_plant 7 is not begun: your newer command takes its place.";
    let newer = bot.answers(OWNER, "/delete_plant nicholas", "begin /delete_plant nicholas?").await;
    assert!(newer.text.starts_with(gave_way), "{}", newer.text);
    let same = bot.answers(OWNER, "/delete_plant nicholas", "begin /delete_plant nicholas?").await;
    assert!(!same.text.contains("is not begun"), "{}", same.text);
    // F29: the button of the first question begins nothing any more.
    let data = first.button("🗑 Discard").unwrap().data.clone().unwrap();
    bot.handle().press(OWNER, OWNER, first.id, &data);
    bot.notes("This button has expired.").await;
    bot.answers(OWNER, "/n", "Please enter plant's scientific name").await;
    // Nothing of it is left behind.
    bot.answers(OWNER, "/update_mapping", "begin /update_mapping?").await;
    bot.answers(OWNER, "/update_plant nicholas", "/update_mapping is not begun").await;
    let next = bot.answers(OWNER, "/y", "Please enter plant's given name").await;
    assert!(next.text.contains("Now: Nicholas"), "{}", next.text);
    bot.stop().await;
}

#[tokio::test]
async fn an_edit_in_which_nothing_was_entered_gives_way_unasked() {
    let (bot, log) = with_plants().await;
    let card = bot.answers(OWNER, "/plant cyril", "Cyril the Some Fern").await;
    bot.answers(OWNER, "/update_plant cyrl", "Did you mean").await;
    bot.answers(OWNER, "cirl", "Did you mean").await;
    let data = card.button("💧 low").unwrap().data.clone().unwrap();
    for _ in 0..2 {
        let after = bot.newest(OWNER);
        bot.handle().press(OWNER, OWNER, card.id, &data);
        let asked = "Please enter plant's low moisture threshold";
        bot.handle().wait_for_text(SOON, OWNER, after, asked).await.unwrap();
    }
    // An answer that is refused is not entered either.
    bot.answers(OWNER, "95", "must be below the high one").await;
    bot.answers(OWNER, "/watch_ssid", "Which network").await;
    bot.answers(OWNER, "/update_plant cyril moisture_low", "low moisture threshold").await;
    bot.answers(OWNER, "20,5", "low moisture threshold: 20.5 % (was 30 %)").await;
    // Now there is something to lose.
    bot.answers(OWNER, "/update_plant nicholas", "begin /update_plant nicholas?").await;
    bot.answers(OWNER, "/n", "low moisture threshold: 20.5 %").await;
    bot.answers(OWNER, "/y", "it has been updated.").await;
    assert_eq!(log.described(0).await.last().unwrap().1["moisture_low"], 20.5);
    bot.stop().await;
}

#[tokio::test]
async fn a_button_of_an_earlier_step_has_expired() {
    let (bot, _log) = with_plants().await;
    let first = bot.answers(OWNER, "/update_plant cyril", "Please enter plant's given name").await;
    let data = first.button("Keep Cyril").unwrap().data.clone().unwrap();
    bot.taps(OWNER, "Keep Cyril", "scientific name").await;
    bot.handle().press(OWNER, OWNER, first.id, &data);
    let answered = bot.handle().wait_for(SOON, "expired", |handle| {
        let calls = handle.calls_of("answerCallbackQuery");
        calls.iter().find(|call| call.param("text") == "This button has expired.").map(|_| ())
    });
    answered.await.unwrap();
    // The conversation stands where it was.
    bot.answers(OWNER, "Schefflera", "Please enter plant's common name").await;
}

#[tokio::test]
async fn somebody_elses_change_is_shown_before_it_is_overwritten() {
    let (bot, log) = with_plants().await;
    bot.answers(OWNER, "/update_plant cyril", "Please enter plant's given name").await;
    for _ in 0..6 {
        bot.answers(OWNER, "/skip", "Please enter plant's").await;
    }
    bot.answers(OWNER, "/skip", "Please confirm your metadata entry.").await;
    log.describe(&plant(0, "Cyrus", 30.0)).await;
    bot.sees("/plant 0", "Cyrus").await;
    let shown = bot.answers(OWNER, "/y", "Somebody changed this plant meanwhile").await;
    assert!(shown.text.contains("given name: Cyril → Cyrus"), "{}", shown.text);
    bot.answers(OWNER, "/y", "it has been updated.").await;
    assert_eq!(log.described(0).await.last().unwrap().1["given_name"], "Cyril");
}

#[tokio::test]
async fn a_cards_button_changes_one_field() {
    let (bot, log) = with_plants().await;
    let card = bot.answers(OWNER, "/plant cyril", "Cyril the Some Fern").await;
    let one = ["💧 low", "💧 high", "🌡 low", "🌡 high", "Name", "Common name", "Scientific"];
    assert_eq!(labels(&card)[2..], one);
    let asked = bot.taps(OWNER, "💧 low", "Please enter plant's low moisture threshold").await;
    assert!(asked.text.starts_with("Cyril: "), "{}", asked.text);
    assert_eq!(labels(&asked), ["Keep 30 %", "Default 25 %", "Cancel"]);
    bot.answers(OWNER, "/back", "This is the only question").await;
    bot.answers(OWNER, "95", "must be below the high one, which is 90 %; 95 is not.").await;
    let summary = bot.answers(OWNER, "35", "Please confirm your metadata entry.").await;
    assert!(summary.text.contains("low moisture threshold: 35 % (was 30 %)"), "{}", summary.text);
    assert!(!summary.text.contains("temperature"), "{}", summary.text);
    bot.answers(OWNER, "/back", "low moisture threshold").await;
    bot.answers(OWNER, "36", "Please confirm").await;
    // What somebody else makes of other fields stays.
    log.describe(&plant(0, "Cyrus", 30.0)).await;
    bot.sees("/plant 0", "Cyrus").await;
    bot.answers(OWNER, "/y", "it has been updated.").await;
    let described = log.described(0).await.pop().unwrap().1;
    assert_eq!(described["given_name"], "Cyrus");
    assert_eq!(described["moisture_low"], 36.0);
    assert_eq!(described["moisture_high"], 90.0);

    // The same field, changed meanwhile, is shown before it is overwritten.
    bot.answers(OWNER, "/update_plant cyrus given_name", "Please enter plant's given name").await;
    bot.answers(OWNER, "Cyril", "Please confirm").await;
    log.describe(&plant(0, "Cyr", 30.0)).await;
    bot.sees("/plant 0", "Cyr the").await;
    let shown = bot.answers(OWNER, "/y", "Somebody changed this field meanwhile.").await;
    assert!(shown.text.contains("Cyril (was Cyr)"), "{}", shown.text);
    // F29: the card's button twice.
    let data = card.button("🌡 low").unwrap().data.clone().unwrap();
    bot.handle().press(OWNER, OWNER, card.id, &data);
    let after = bot.newest(OWNER);
    bot.handle().press(OWNER, OWNER, card.id, &data);
    let again = bot.handle().wait_for_text(SOON, OWNER, after, "Discard it and begin");
    again.await.unwrap();
    bot.answers(OWNER, "/y", "low temperature threshold").await;
    bot.answers(OWNER, "/cancel", "Cancelled metadata update.").await;
    // Of a plant that has gone meanwhile, everything is asked.
    log.delete(crate::bot::past::METADATA, "0").await;
    bot.sees("/plants", "1 plant").await;
    bot.handle().press(OWNER, OWNER, card.id, &data);
    let after = bot.newest(OWNER);
    let new = bot.handle().wait_for_text(SOON, OWNER, after, "Please enter plant's given name.");
    new.await.unwrap();
}

#[tokio::test]
async fn names_match_without_case_two_are_a_choice_and_none_suggests_the_nearest() {
    let (bot, log) = with_plants().await;
    log.describe(&plant(2, "cyril", 40.0)).await;
    bot.sees("/plants", "3 plants").await;
    bot.answers(OWNER, "/plant NICHOLAS", "plant 1").await;
    let choice = bot.answers(OWNER, "/plant CYRIL", "2 plants are called “CYRIL”").await;
    assert_eq!(choice.buttons.len(), 2, "{choice:?}");
    let nearest = bot.answers(OWNER, "/plant nicolas", "Did you mean").await;
    assert_eq!(labels(&nearest), ["Nicholas"]);
    bot.taps(OWNER, "Nicholas", "plant 1").await;
    bot.answers(OWNER, "/plant zzzz", "I know no plant called “zzzz”").await;
    bot.answers(OWNER, "/plants moisture_low > 25", "2 plants with moisture_low > 25").await;
    bot.answers(OWNER, "/plants moisture", "I cannot read the filter").await;
    bot.answers(OWNER, "/plnts", "Did you mean /plants?").await;
}
