//! `/settings` as a person meets it, and that everything a chat is shown goes by them.

use windowsill::demo::botapi::{Handle, ShownMessage};
use windowsill::kernel::when;

use crate::bot::past::{Log, Reading, WINDOW_MS, plant};
use crate::bot::{Bot, OWNER, SOON, labels};

/// Somebody else who may edit.
const OTHER: i64 = 12;
/// Only looks: somebody in a group that was let in.
const VIEWER: i64 = 31;
const GROUP: i64 = -100_500;

/// Cyril (plant 0), fine from 15 to 30 °C, was just read with 20 °C.
async fn with_plant() -> (Bot, Log) {
    let mut bot = Bot::new().await.with("WINDOWSILL_TELEGRAM__ALLOWED_CHATS", GROUP);
    bot.set("WINDOWSILL_TIME_ZONE", "Europe/Berlin");
    let log = Log::open(&bot.data_dir(), 1).await;
    log.describe(&plant(0, "Cyril", 30.0)).await;
    log.hear("0x36", 0).await;
    bot.started().await;
    bot.sees("/plant 0", "Last reading").await;
    (bot, log)
}

/// Somebody taps a button, and its message becomes one with `part` in it.
async fn turns(bot: &Bot, chat_id: i64, label: &str, part: &str) -> ShownMessage {
    bot.handle().press_label(chat_id, OWNER, label).unwrap();
    let turned = |handle: &Handle| {
        let newest = handle.last_from_bot(chat_id)?;
        newest.text.contains(part).then_some(newest)
    };
    bot.handle().wait_for(SOON, part, turned).await.unwrap()
}

#[tokio::test]
async fn one_message_is_changed_in_place() {
    let (bot, _log) = with_plant().await;
    let shown = bot.answers(OWNER, "/settings", "Settings of this chat").await;
    assert!(shown.text.contains("Time zone: Europe/Berlin (the house's), it is "), "{shown:?}");
    assert!(shown.text.contains("Quiet hours: none"), "{shown:?}");
    assert_eq!(labels(&shown), ["🕒 Time zone", "🌙 Quiet hours", "✓ °C", "°F"]);
    let fahrenheit = turns(&bot, OWNER, "°F", "Temperatures: °F").await;
    assert_eq!(labels(&fahrenheit)[2..], ["°C", "✓ °F"]);
    bot.notes("Temperatures are in °F from now on.").await;
    turns(&bot, OWNER, "🌙 Quiet hours", "Alerts that can wait").await;
    turns(&bot, OWNER, "22:00–07:00", "Quiet hours: 22:00–07:00").await;
    turns(&bot, OWNER, "🕒 Time zone", "Send a city or an offset").await;
    let all = turns(&bot, OWNER, "« Back", "Settings of this chat").await;
    assert_eq!(all.id, shown.id);
    assert!(all.edited, "{all:?}");
    // F29: the button of the message as it was, and what is no button of this version.
    let data = shown.button("°F").unwrap().data.clone().unwrap();
    bot.handle().press(OWNER, OWNER, shown.id, &data);
    bot.notes("That is so already.").await;
    bot.handle().press(OWNER, OWNER, shown.id, "house:set:moon:3");
    bot.notes("This button has expired.").await;
    bot.is_quiet().await;
    bot.answers(OWNER, "/settings", "Quiet hours: 22:00–07:00").await;
    bot.stop().await;
}

#[tokio::test]
async fn settings_are_typed_and_what_is_unclear_is_helped() {
    let (bot, _log) = with_plant().await;
    bot.answers(OWNER, "/settings tokyo", "Times are Asia/Tokyo's from now on.").await;
    bot.answers(OWNER, "/settings", "Time zone: Asia/Tokyo, it is ").await;
    bot.answers(OWNER, "/settings +05:30", "Times are Asia/Kolkata's from now on.").await;
    bot.answers(OWNER, "/settings", "Time zone: Asia/Kolkata, it is ").await;
    bot.answers(OWNER, "/settings +14:00", "Times are UTC+14:00's from now on.").await;
    let set = bot.answers(OWNER, "/settings +5", "Times are UTC+05:00's from now on.").await;
    let label = labels(&set)[0].clone();
    assert!(label.starts_with("Asia/Karachi · "), "{set:?}");
    turns(&bot, OWNER, &label, "Time zone: Asia/Karachi").await;
    let offers = bot.answers(OWNER, "/settings berln", "Which zone is “berln”?").await;
    assert!(labels(&offers)[0].starts_with("Europe/Berlin · "), "{offers:?}");
    bot.answers(OWNER, "/settings zone house", "Times are the house's from now on.").await;
    bot.answers(OWNER, "/settings quiet 22:30-6", "Quiet hours are 22:30–06:00").await;
    bot.answers(OWNER, "/settings quiet", "Alerts that can wait").await;
    bot.answers(OWNER, "/settings quiet off", "There are no quiet hours any more.").await;
    bot.answers(OWNER, "/settings quiet 25-3", "I do not know what “quiet 25-3” is.").await;
    bot.answers(OWNER, "/settings <b>moon", "I do not know what “<b>moon” is.").await;
    bot.stop().await;
}

/// Contract: others in an admitted group only look; each chat has its own settings.
#[tokio::test]
async fn a_group_has_settings_of_its_own_that_its_viewers_do_not_change() {
    let (bot, _log) = with_plant().await;
    let looked = bot.answers_in(GROUP, VIEWER, "/settings", "Only members change").await;
    assert!(looked.buttons.is_empty(), "{looked:?}");
    bot.answers_in(GROUP, VIEWER, "/settings f", "Only members change the settings").await;
    bot.answers_in(GROUP, OWNER, "/settings f", "Temperatures are in °F from now on.").await;
    let shown = bot.handle().last_from_bot(GROUP).unwrap();
    let data = shown.button("°C").unwrap().data.clone().unwrap();
    bot.handle().press(GROUP, VIEWER, shown.id, &data);
    bot.notes("Only members change the settings of this chat.").await;
    bot.answers_in(GROUP, VIEWER, "/plant 0", "68.0\u{a0}°F, fine").await;
    bot.answers(OWNER, "/plant 0", "20.0\u{a0}°C, fine").await;
    bot.stop().await;
}

#[tokio::test]
async fn a_chat_reads_and_types_its_own_unit_and_the_topic_stays_celsius() {
    let (bot, log) = with_plant().await;
    bot.answers(OWNER, "/settings fahrenheit", "Temperatures are in °F").await;
    let card = bot.answers(OWNER, "/plant 0", "Temperature: 68.0\u{a0}°F").await;
    assert!(card.text.contains("band 59–86\u{a0}°F"), "{}", card.text);
    bot.answers(OWNER, "/history 0", "temperature in °F.").await;
    let shown = bot.handle().last_from_bot(OWNER).unwrap();
    assert!(shown.text.contains("68.0–68.0"), "{}", shown.text);
    bot.answers(OWNER, "/plants temperature_low > 58", "1 plant with temperature_low > 58 °F")
        .await;
    bot.answers(OWNER, "/plants temperature_low > 15.5 °C", "0 plants with").await;
    bot.answers(OWNER, "/update_plant 0 temperature_low", "Now: 59 °F").await;
    let asked = bot.handle().last_from_bot(OWNER).unwrap();
    assert!(asked.text.contains("°F, between -40 and 176"), "{}", asked.text);
    assert_eq!(labels(&asked), ["Keep 59 °F", "Default 59 °F", "Cancel"]);
    bot.answers(OWNER, "90", "must be below the high one, which is 86 °F; 90 is not.").await;
    // The question is asked again in the chat's new unit.
    bot.answers(OWNER, "/settings c", "Temperatures are in °C").await;
    bot.answers(OWNER, "/settings f", "Temperatures are in °F").await;
    let summary = bot.answers(OWNER, "60", "Please confirm your metadata entry.").await;
    assert!(summary.text.contains("60 °F (was 59 °F)"), "{}", summary.text);
    bot.answers(OWNER, "/y", "it has been updated.").await;
    let stored = log.described(0).await.pop().unwrap().1["temperature_low"].as_f64().unwrap();
    assert!((stored - 15.556).abs() < 1e-5, "{stored}");
    bot.answers(OWNER, "/plant 0", "band 60–86\u{a0}°F").await;
    bot.stop().await;
}

/// What comes with a tap can be made up: no message is changed but one that has such buttons.
#[tokio::test]
async fn a_forged_tap_changes_no_other_message() {
    let (bot, _log) = with_plant().await;
    let list = bot.answers(OWNER, "/plants", "1 plant").await;
    let shown = || {
        let messages = bot.handle().messages(OWNER).into_iter();
        messages.filter(|message| message.id == list.id).map(|it| (it.text, it.edited)).collect()
    };
    let before: Vec<(String, bool)> = shown();
    let after = bot.newest(OWNER);
    bot.handle().press(OWNER, OWNER, list.id, "house:set:unit:f");
    let card = "Settings of this chat";
    let card = bot.handle().wait_for_text(SOON, OWNER, after, card).await.unwrap();
    assert!(card.text.contains("Temperatures: °F"), "{}", card.text);
    // Nor does an answer to a question take another message for it.
    let asked = bot.answers(OWNER, "/update_plant 0", "Please enter plant's given name").await;
    let keep = asked.button("Keep Cyril").unwrap().data.clone().unwrap();
    let after = bot.newest(OWNER);
    bot.handle().press(OWNER, OWNER, list.id, &keep);
    bot.handle().wait_for_text(SOON, OWNER, after, "scientific name").await.unwrap();
    bot.is_quiet().await;
    assert_eq!(shown(), before);
    bot.stop().await;
}

/// One alert goes to many chats, and each reads its times by its own clocks.
#[tokio::test]
async fn an_alert_tells_its_times_in_each_chats_zone() {
    let mut bot = Bot::new().await.with("WINDOWSILL_TELEGRAM__ALLOWED_CHATS", OTHER);
    bot.set("WINDOWSILL_TIME_ZONE", "Europe/Berlin");
    let log = Log::open(&bot.data_dir(), 1).await;
    log.describe(&plant(0, "Cyril", 30.0)).await;
    bot.started().await;
    bot.answers(OWNER, "/start", "Hello!").await;
    bot.answers(OTHER, "/start", "Hello!").await;
    bot.answers(OWNER, "/settings tokyo", "Times are Asia/Tokyo's").await;
    // The newest window that the clock has closed for certain.
    let now_ms = windowsill::clock::now_ms();
    let start_ms = (now_ms - WINDOW_MS / 12) / WINDOW_MS * WINDOW_MS - WINDOW_MS;
    let low = |step: i64| {
        let at_ms = start_ms + step * 30_000;
        Reading { plant_id: 0, moisture: 20.0, at_ms, partition: 0 }
    };
    log.append(&(0..=120).map(low).collect::<Vec<_>>()).await;
    let span = |zone| when::span(start_ms, start_ms + WINDOW_MS, zone);
    let (tokyo, berlin) = (span(chrono_tz::Asia::Tokyo), span(chrono_tz::Europe::Berlin));
    bot.handle().wait_for_text(SOON, OWNER, 0, &tokyo).await.unwrap();
    bot.handle().wait_for_text(SOON, OTHER, 0, &berlin).await.unwrap();
    bot.answers(OWNER, "/alerts", &tokyo).await;
    bot.answers(OTHER, "/alerts", &berlin).await;
    bot.stop().await;
}
