//! What Telegram refuses, and for how long: flood limits, chats out of reach, topics that are gone,
//! a revoked token, and an outage of six hours.

use std::time::Duration;

use serde_json::json;
use windowsill::demo::botapi::{Effect, Fault, Handle};
use windowsill::kernel::record::NewRecord;
use windowsill::kernel::time::{DAY_MS, HOUR_MS, SECOND_MS};

use crate::bot::past::{Log, READINGS, WINDOW_MS, plant};
use crate::bot::state::{RAISED, State};
use crate::bot::{Bot, OWNER, SOON, until};

const DRY: &str = "is looking pretty dry...";
const CLOCK_SHIFT: &str = "TEST_WINDOWSILL_CLOCK_SHIFT_MS";
const SEND: &str = "sendMessage";

async fn number(bot: &Bot, sql: &str) -> i64 {
    State::open(&bot.data_dir()).await.number(sql).await
}

/// Readings that make plants dry in a window of the past.
async fn dry(log: &Log, plants: std::ops::Range<i64>, windows_ago: i64) {
    let start_ms = (windowsill::clock::now_ms() / WINDOW_MS - windows_ago) * WINDOW_MS;
    let mut records = Vec::new();
    for plant_id in plants {
        let value = json!({"plant_id": plant_id, "moisture": 10, "temperature": 20});
        let value = log.encode(READINGS, &value);
        records.extend((0..121).map(|step| NewRecord {
            key: Some(plant_id.to_string().into_bytes()),
            value: Some(value.clone()),
            ts_ms: start_ms + step * 30_000,
            ..NewRecord::default()
        }));
    }
    // In order of time over all plants, as sensors send.
    records.sort_by_key(|record| record.ts_ms);
    log.append_raw(READINGS, records).await;
}

/// A bot that has met its owner, with one plant; other chats are let in.
async fn with_plant(chats: &[i64]) -> (Bot, Log) {
    let allowed: Vec<String> = chats.iter().map(i64::to_string).collect();
    let mut bot = Bot::new()
        .await
        .with("WINDOWSILL_TELEGRAM__ALLOWED_CHATS", allowed.join(","))
        .with("WINDOWSILL_ALERT_MAX_AGE_HOURS", 10_000);
    let log = Log::open(&bot.data_dir(), 1).await;
    log.describe(&plant(0, "Fern", 30.0)).await;
    bot.started().await;
    bot.answers(OWNER, "/start", "Hello!").await;
    until(SOON, "the plant", async || number(&bot, "select count(*) from plant").await == 1).await;
    (bot, log)
}

/// Groups get alerts from the next life on.
async fn subscribed(bot: &mut Bot, places: &[(i64, i64)]) {
    bot.stop().await;
    for (chat_id, thread_id) in places {
        let sql = format!(
            "insert into subscription (chat_id, thread_id, since_at)
             values ({chat_id}, {thread_id}, 0)"
        );
        State::change(&bot.data_dir(), &sql).await;
    }
    bot.started().await;
}

/// The names that `/plant` looked for, in the order of the answers.
fn looked_for(bot: &Bot, chat_id: i64) -> Vec<String> {
    let said = bot.said(chat_id).into_iter();
    said.filter_map(|text| Some(text.split_once('“')?.1.split_once('”')?.0.to_owned())).collect()
}

async fn refused_once(bot: &Bot, chat_id: i64) {
    let refused = |handle: &Handle| {
        let calls = handle.calls_of(SEND);
        let mut refused = calls.iter().filter(|call| call.error_code() == Some(429));
        refused.any(|call| call.chat_id() == Some(chat_id)).then_some(())
    };
    bot.handle().wait_for(SOON, "flood limit", refused).await.unwrap();
}

/// F19: 429 with 1, 60 and 10,072 s.
#[tokio::test]
async fn a_flood_limit_parks_its_chat_through_restarts_and_whatever_the_clock_does() {
    let parked = [(11, 10_072), (12, 60), (13, 1)];
    let mut bot = Bot::new().await.with("WINDOWSILL_TELEGRAM__ALLOWED_CHATS", "12,13,14");
    bot.started().await;
    for (chat_id, seconds) in parked {
        let flood = Effect::too_many_requests(seconds);
        bot.handle().script(Fault::on(SEND, flood).in_chat(chat_id).times(1));
        for name in ["a", "b", "c"] {
            bot.handle().say(chat_id, chat_id, &format!("/plant {name}"));
        }
    }
    for (chat_id, _) in parked {
        refused_once(&bot, chat_id).await;
    }
    let calls_of = |bot: &Bot, chat_id: i64| {
        let calls = bot.handle().calls_of(SEND);
        calls.iter().filter(|call| call.chat_id() == Some(chat_id)).count()
    };
    let abc = ["a", "b", "c"];
    // One second is soon over; the others stay, and nobody else is held up.
    let third = |_: &Handle| (looked_for(&bot, 13) == abc).then_some(());
    bot.handle().wait_for(SOON, "the third chat's answers", third).await.unwrap();
    bot.answers(14, "/status", "Telegram wants 2 chats left alone until").await;
    bot.stop().await;
    // The clock is behind by a day, or ahead by a little: they stay parked.
    for (shift_ms, chats) in [(-DAY_MS, "2 chats"), (61 * SECOND_MS, "one chat")] {
        bot.set(CLOCK_SHIFT, shift_ms);
        bot.started().await;
        bot.answers(14, "/plant x", "“x”").await;
        assert_eq!(calls_of(&bot, OWNER), 1);
        bot.answers(14, "/status", &format!("{chats} left alone")).await;
        bot.stop().await;
    }
    assert_eq!(looked_for(&bot, 12), abc);
    bot.set(CLOCK_SHIFT, 10_073 * SECOND_MS);
    bot.started().await;
    let owners = |_: &Handle| (looked_for(&bot, OWNER) == abc).then_some(());
    bot.handle().wait_for(SOON, "the owner's answers", owners).await.unwrap();
    let status = bot.answers(14, "/status", "Status").await;
    assert!(!status.text.contains("left alone"), "{}", status.text);
    bot.stop().await;
    assert_eq!(number(&bot, "select count(*) from parked_chat").await, 0);
}

/// F20: every way to fail, before and after accepting, each in a chat of its own.
#[tokio::test]
async fn whatever_telegram_answers_nothing_is_lost_and_only_the_unknown_comes_twice() {
    let faults = [
        (Effect::status(500, "Internal Server Error"), 1),
        (Effect::status(502, "Bad Gateway"), 1),
        (Effect::HtmlPage(502), 1),
        (Effect::HtmlPage(404), 1),
        (Effect::DropBefore, 1),
        (Effect::AcceptThenPage(500), 2),
        (Effect::AcceptThenPage(502), 2),
        // Taken, and answered with what is no JSON.
        (Effect::AcceptThenPage(200), 2),
        (Effect::AcceptThenDrop, 2),
        (Effect::AcceptThenHang(Duration::from_millis(50)), 2),
    ];
    let chats: Vec<i64> = (20..).take(faults.len()).collect();
    let allowed: Vec<String> = chats.iter().map(i64::to_string).collect();
    let mut bot = Bot::new().await.with("WINDOWSILL_TELEGRAM__ALLOWED_CHATS", allowed.join(","));
    bot.started().await;
    for (chat_id, (effect, _)) in chats.iter().zip(&faults) {
        bot.handle().script(Fault::on(SEND, effect.clone()).in_chat(*chat_id).times(1));
        for name in ["a", "b"] {
            bot.handle().say(*chat_id, *chat_id, &format!("/plant {name}"));
        }
    }
    for (chat_id, (effect, times)) in chats.iter().zip(&faults) {
        bot.handle().wait_for_text(SOON, *chat_id, 0, "“b”").await.unwrap();
        let mut expected = vec!["a"; *times];
        expected.push("b");
        assert_eq!(looked_for(&bot, *chat_id), expected, "{effect:?}");
    }
    bot.stop().await;
}

/// F21: a chat that is out of reach, for every reason there is.
#[tokio::test]
async fn groups_that_are_out_of_reach_get_no_more_alerts_and_the_owner_hears_of_it() {
    let refusals = [
        (-101, 403, "Forbidden: bot was kicked from the supergroup chat"),
        (-102, 403, "Forbidden: the group chat was deactivated"),
        (-103, 400, "Bad Request: not enough rights to send text messages to the chat"),
        (-104, 400, "Bad Request: chat not found"),
    ];
    let (mut bot, log) = with_plant(&[]).await;
    for (chat_id, code, description) in refusals {
        bot.handle().create_group(chat_id, "Family");
        bot.handle().script(Fault::on(SEND, Effect::status(code, description)).in_chat(chat_id));
    }
    subscribed(&mut bot, &refusals.map(|(chat_id, ..)| (chat_id, 0))).await;
    dry(&log, 0..1, 6).await;
    for (chat_id, _, description) in refusals {
        let note = format!("Alerts no longer go to the group {chat_id}: Telegram says “");
        let note = bot.handle().wait_for_text(SOON, OWNER, 0, &note).await.unwrap();
        assert!(note.text.contains(description) && note.silent, "{note:?}");
        let ended = format!(
            "select count(*) from subscription where chat_id = {chat_id}
                and ended_at is not null and end_reason = '{description}'"
        );
        assert_eq!(number(&bot, &ended).await, 1);
    }
    // It goes on for everybody else, and the groups are left alone.
    let calls = |bot: &Bot| {
        let calls = bot.handle().calls_of(SEND);
        calls.iter().filter(|call| call.chat_id().is_some_and(|id| id < 0)).count()
    };
    let before = calls(&bot);
    dry(&log, 0..1, 5).await;
    let two = |_: &Handle| (bot.times_said(OWNER, DRY) == 2).then_some(());
    bot.handle().wait_for(SOON, "second alert", two).await.unwrap();
    bot.stop().await;
    assert_eq!((calls(&bot), before), (4, 4));
    assert_eq!(bot.times_said(OWNER, "Alerts no longer go to"), 4);
}

/// F21: a forum topic that is closed or gone.
#[tokio::test]
async fn alerts_of_a_topic_that_is_gone_come_to_the_chat_itself() {
    const FORUM: i64 = -1_001_000_000_000_123;
    const OTHER_FORUM: i64 = -1_001_000_000_000_124;
    let (mut bot, log) = with_plant(&[]).await;
    let forums = [(FORUM, "message thread not found"), (OTHER_FORUM, "TOPIC_CLOSED")];
    for (chat_id, words) in forums {
        bot.handle().create_group(chat_id, "Forum");
        let gone = Effect::status(400, &format!("Bad Request: {words}"));
        bot.handle().script(Fault::on(SEND, gone).in_chat(chat_id).times(1));
    }
    subscribed(&mut bot, &[(FORUM, 7), (OTHER_FORUM, 9)]).await;
    dry(&log, 0..1, 6).await;
    for (chat_id, words) in forums {
        let alert = bot.handle().wait_for_text(SOON, chat_id, 0, DRY).await.unwrap();
        assert_eq!(alert.thread_id, None);
        let note = "so they come here from now on";
        bot.handle().wait_for_text(SOON, chat_id, alert.id, note).await.unwrap();
        let moved = format!(
            "select count(*) from subscription where chat_id = {chat_id} and
               (thread_id = 0 and ended_at is null
                or thread_id > 0 and end_reason like '%{words}')"
        );
        assert_eq!(number(&bot, &moved).await, 2);
    }
    let left = "select count(*) from card_message where thread_id is not null";
    assert_eq!(number(&bot, left).await, 0);
    bot.stop().await;
}

/// F21: what is wrong with one message alone.
#[tokio::test]
async fn a_message_that_telegram_will_not_have_is_changed_or_told_and_holds_up_nothing() {
    let (bot, log) = with_plant(&[]).await;
    // As long as names are shown; what comes behind that is cut.
    let name = "👨‍👩‍👧‍👦".repeat(5_000);
    let mut long = plant(1, &name, 30.0);
    long["common_name"] = name.clone().into();
    long["scientific_name"] = name.clone().into();
    log.describe(&long).await;
    until(SOON, "the plant", async || number(&bot, "select count(*) from plant").await == 2).await;
    let card = bot.answers(OWNER, "/plant_1", "· plant 1").await;
    assert!(card.button("✏️ Edit").is_some(), "{card:?}");
    // Telegram counts otherwise than we do: smaller parts, the buttons with the last.
    let too_long = Effect::status(400, "Bad Request: message is too long");
    bot.handle().script(Fault::on(SEND, too_long).times(1));
    let before = bot.said(OWNER).len();
    let card = bot.answers(OWNER, "/plant_1", "· plant 1").await;
    assert!(card.button("✏️ Edit").is_some(), "{card:?}");
    assert!(bot.said(OWNER).len() > before + 1);
    // The owner learns of an alert that is not sent; it stays on record.
    let odd = Effect::status(400, "Bad Request: something about this message");
    bot.handle().script(Fault::on(SEND, odd).in_chat(OWNER).times(1));
    dry(&log, 0..1, 6).await;
    let note = "An alert could not be sent to chat 11: Telegram says “Bad Request: something";
    bot.handle().wait_for_text(SOON, OWNER, 0, note).await.unwrap();
    bot.answers(OWNER, "/alerts", "Fern was dry").await;
    dry(&log, 0..1, 5).await;
    bot.handle().wait_for_text(SOON, OWNER, 0, DRY).await.unwrap();
    bot.stop().await;
}

/// F21: edits and taps.
#[tokio::test]
async fn an_edit_of_a_message_that_is_gone_is_said_anew_and_a_late_tap_is_nothing() {
    let (bot, _log) = with_plant(&[]).await;
    let edit = "editMessageText";
    for (words, times) in [("message to edit not found", 1), ("message is not modified", 0)] {
        let refused = Effect::status(400, &format!("Bad Request: {words}"));
        bot.handle().script(Fault::on(edit, refused).times(1));
        let late =
            Effect::status(400, "Bad Request: query is too old and response timeout expired");
        bot.handle().script(Fault::on("answerCallbackQuery", late).times(1));
        bot.answers(OWNER, "/update_plant 0", "plant's given name").await;
        let before = bot.said(OWNER).len();
        let question = bot.handle().last_from_bot(OWNER).unwrap();
        let label = question.buttons.iter().flatten().next().unwrap().label.clone();
        bot.handle().press_label(OWNER, OWNER, &label).unwrap();
        let next = "plant's scientific name";
        bot.handle().wait_for_text(SOON, OWNER, question.id, next).await.unwrap();
        assert_eq!(bot.said(OWNER).len(), before + 1 + times, "{words}");
        bot.answers(OWNER, "/cancel", "Cancelled").await;
    }
    bot.stop().await;
    assert!(!bot.log().contains("query is too old"), "{}", bot.log());
}

#[tokio::test]
async fn alerts_that_reach_nobody_stay_on_record_as_that() {
    let (bot, log) = with_plant(&[]).await;
    // Refused only: being told of the block as well would end the alerts before the first one.
    let blocked = Effect::status(403, "Forbidden: bot was blocked by the user");
    bot.handle().script(Fault::on("sendMessage", blocked).times(1));
    dry(&log, 0..1, 6).await;
    let ended = "select count(*) from subscription where ended_at is not null";
    until(SOON, "the subscription ends", async || number(&bot, ended).await == 1).await;
    let nobody = "select count(*) from alert where told = 'nobody'";
    until(SOON, "the alert on record", async || number(&bot, nobody).await == 1).await;
    // And one that was raised when there was no place left.
    dry(&log, 0..1, 5).await;
    until(SOON, "the second alert", async || number(&bot, nobody).await == 2).await;
    let listed = bot.answers(OWNER, "/alerts", "told to nobody").await;
    assert_eq!(listed.text.matches("told to nobody").count(), 2, "{}", listed.text);
    bot.stop().await;
}

#[tokio::test]
async fn a_token_that_is_revoked_loses_nothing_and_is_said() {
    let (bot, log) = with_plant(&[]).await;
    until(SOON, "the menu is there", async || State::open(&bot.data_dir()).await.is_quiet().await)
        .await;
    bot.handle().script(Fault::always(Effect::status(401, "Unauthorized")));
    dry(&log, 0..1, 6).await;
    let tried = |handle: &Handle| {
        handle.calls_of(SEND).iter().any(|call| call.error_code() == Some(401)).then_some(())
    };
    bot.handle().wait_for(SOON, "a refused alert", tried).await.unwrap();
    until(SOON, "it is said", async || bot.log().contains("does not accept this token")).await;
    assert!(bot.life().exit().is_none());
    bot.handle().clear_faults();
    bot.handle().wait_for_text(SOON, OWNER, 0, DRY).await.unwrap();
    assert_eq!(bot.log().matches("does not accept this token").count(), 1);
    bot.stop().await;
}

/// F22: six hours without Telegram, 500 alerts.
#[tokio::test]
async fn after_six_hours_without_telegram_there_is_one_digest() {
    const PLANTS: i64 = 50;
    const WINDOWS: i64 = 10;
    let (mut bot, log) = with_plant(&[]).await;
    for plant_id in 1..PLANTS {
        log.describe(&plant(plant_id, &format!("Fern {plant_id}"), 30.0)).await;
    }
    let plants = "select count(*) from plant";
    until(SOON, "the plants", async || number(&bot, plants).await == PLANTS).await;
    bot.handle().script(Fault::always(Effect::Unreachable));
    // They come little by little, so that digests form while nothing can be sent.
    for window in 0..WINDOWS {
        if window == WINDOWS / 2 {
            bot.stop().await;
            bot.set(CLOCK_SHIFT, 6 * HOUR_MS);
            bot.start();
        }
        dry(&log, 0..PLANTS, 20 - window).await;
        let expected = (window + 1) * PLANTS;
        until(SOON, "the alerts", async || number(&bot, RAISED).await == expected).await;
    }
    let before = bot.said(OWNER).len();
    bot.handle().clear_faults();
    // A start that found Telegram away looks again once a minute by then.
    let back = 3 * SOON;
    let digest = bot.handle().wait_for_text(back, OWNER, 0, "500 alerts at once:").await.unwrap();
    assert!(digest.text.contains("more. /alerts lists the newest."), "{}", digest.text);
    // Behind the digest come the menus of the start.
    bot.is_quiet().await;
    bot.answers(OWNER, "/status", "Outbox: empty").await;
    assert_eq!(bot.said(OWNER).len(), before + 2);
    bot.stop().await;
}
