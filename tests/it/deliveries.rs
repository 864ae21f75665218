//! What Telegram may do to a message on its way, and what the person sees of it.

use std::time::Duration;

use windowsill::demo::botapi::{Effect, Fault, Handle};

use crate::bot::past::{Log, Reading, WINDOW_MS, plant};
use crate::bot::state::State;
use crate::bot::{Bot, OWNER, SOON, until};
use crate::support::run_with_input;

/// Somebody else who is let in.
const OTHER: i64 = 12;
const LOW: f32 = 20.0;

async fn started_for_two() -> Bot {
    let mut bot = Bot::new().await.with("WINDOWSILL_TELEGRAM__ALLOWED_CHATS", OTHER);
    bot.started().await;
    bot
}

/// The names that `/plant` looked for, in the order of the answers.
fn looked_for(bot: &Bot, chat_id: i64) -> Vec<String> {
    let said = bot.said(chat_id).into_iter();
    said.filter_map(|text| Some(text.split_once('“')?.1.split_once('”')?.0.to_owned())).collect()
}

async fn all_answered(bot: &Bot, chat_id: i64, names: &[&str]) {
    for name in names {
        bot.handle().say(chat_id, chat_id, &format!("/plant {name}"));
    }
    let last = format!("“{}”", names.last().unwrap());
    bot.handle().wait_for_text(SOON, chat_id, 0, &last).await.unwrap();
}

#[tokio::test]
async fn a_flood_limit_parks_one_chat_and_no_other() {
    let bot = started_for_two().await;
    let retry_after = Duration::from_secs(4);
    let flood = Fault::on("sendMessage", Effect::too_many_requests(4)).in_chat(OWNER).times(1);
    bot.handle().script(flood);
    bot.handle().say(OWNER, OWNER, "/plant a");
    let refused = |handle: &Handle| {
        handle.calls_of("sendMessage").into_iter().find(|call| call.error_code() == Some(429))
    };
    let refused = bot.handle().wait_for(SOON, "flood limit", refused).await.unwrap();
    bot.answers(OTHER, "/plant x", "“x”").await;
    assert!(refused.at.elapsed() < retry_after, "the other chat waited too");
    assert!(bot.said(OWNER).is_empty());
    all_answered(&bot, OWNER, &["b", "c"]).await;
    assert!(refused.at.elapsed() >= retry_after);
    assert_eq!(looked_for(&bot, OWNER), ["a", "b", "c"]);
    bot.stop().await;
    let calls = bot.handle().calls_of("sendMessage");
    let early = calls.iter().filter(|call| call.chat_id() == Some(OWNER) && call.at > refused.at);
    assert!(early.clone().all(|call| call.at - refused.at >= retry_after));
}

#[tokio::test]
async fn messages_of_a_chat_keep_their_order_through_faults_and_none_comes_twice() {
    let bot = started_for_two().await;
    // At most two a message: the waits between attempts grow.
    let faults = [
        ["a", "b", "Bad Gateway", "page"],
        ["c", "d", "drop", "Internal Server Error"],
        ["e", "f", "page", "drop"],
    ];
    for [one, other, first, second] in faults {
        for fault in [first, second] {
            let effect = match fault {
                "page" => Effect::HtmlPage(502),
                "drop" => Effect::DropBefore,
                described => Effect::status(502, described),
            };
            bot.handle().script(Fault::on("sendMessage", effect).times(1));
        }
        all_answered(&bot, OWNER, &[one, other]).await;
    }
    bot.stop().await;
    assert_eq!(looked_for(&bot, OWNER), ["a", "b", "c", "d", "e", "f"]);
}

#[tokio::test]
async fn a_message_whose_fate_is_unknown_comes_at_most_twice_and_in_its_place() {
    let bot = started_for_two().await;
    bot.handle().script(Fault::on("sendMessage", Effect::AcceptThenDrop).times(1));
    all_answered(&bot, OWNER, &["a", "b"]).await;
    let hang = Effect::AcceptThenHang(Duration::from_millis(200));
    bot.handle().script(Fault::on("sendMessage", hang).times(1));
    all_answered(&bot, OWNER, &["c", "d"]).await;
    bot.stop().await;
    assert_eq!(looked_for(&bot, OWNER), ["a", "a", "b", "c", "c", "d"]);
}

#[tokio::test]
async fn markup_that_telegram_cannot_parse_is_sent_again_as_plain_text() {
    let bot = started_for_two().await;
    let refused = Effect::status(400, "Bad Request: can't parse entities: unclosed start tag");
    bot.handle().script(Fault::on("sendMessage", refused).times(1));
    let status = bot.answers(OWNER, "/status", "Status").await;
    assert!(!status.html.contains("<b>") && !status.text.contains("<b>"), "{}", status.html);
    let status = bot.answers(OWNER, "/status", "Status").await;
    assert!(status.html.contains("<b>Status</b>"), "{}", status.html);
    bot.stop().await;
}

#[tokio::test]
async fn what_telegram_refuses_for_good_does_not_hold_up_what_comes_after() {
    let bot = started_for_two().await;
    let refused = Effect::status(400, "Bad Request: something about this message");
    bot.handle().script(Fault::on("sendMessage", refused).times(1));
    all_answered(&bot, OWNER, &["a", "b"]).await;
    bot.stop().await;
    assert_eq!(looked_for(&bot, OWNER), ["b"]);
    let mut state = State::open(&bot.data_dir()).await;
    let dropped = "select count(*) from outbox where state = 'dropped' and note like '%something%'";
    assert_eq!(state.number(dropped).await, 1);
}

/// Readings that make a plant dry in some window of the past.
fn dry_window(plant_id: u8, windows_ago: i64) -> Vec<Reading> {
    let start_ms = (windowsill::clock::now_ms() / WINDOW_MS - windows_ago) * WINDOW_MS;
    let reading = |index: i64| Reading {
        plant_id,
        moisture: LOW - 1.0,
        at_ms: start_ms + index * 30_000,
        partition: 0,
    };
    (0..150).map(reading).collect()
}

/// A bot with one plant, which has been read.
async fn with_plant(bot: &mut Bot, description: &serde_json::Value) -> Log {
    bot.set("WINDOWSILL_ALERT_MAX_AGE_HOURS", 10_000);
    let log = Log::open(&bot.data_dir(), 1).await;
    log.describe(description).await;
    bot.started().await;
    // Nobody can be written to who never wrote.
    bot.answers(OWNER, "/start", "Hello!").await;
    until(SOON, "the plant", async || {
        State::open(&bot.data_dir()).await.number("select count(*) from plant").await == 1
    })
    .await;
    log
}

#[tokio::test]
async fn a_chat_that_blocked_the_bot_gets_no_more_alerts_until_it_comes_back() {
    const DRY: &str = "is looking pretty dry...";
    let mut bot = Bot::new().await.with("WINDOWSILL_TELEGRAM__ALLOWED_CHATS", OTHER);
    let log = with_plant(&mut bot, &plant(3, "Fern", LOW)).await;
    bot.answers(OWNER, "/plants", "Fern").await;
    bot.answers(OTHER, "/start", "Hello!").await;
    bot.answers(OTHER, "/plants", "Fern").await;
    bot.handle().block(OTHER);
    log.append(&dry_window(3, 6)).await;
    bot.handle().wait_for_text(SOON, OWNER, 0, DRY).await.unwrap();
    until(SOON, "the subscription has ended", async || {
        let ended = "select count(*) from subscription
                      where chat_id = 12 and ended_at is not null and end_reason like '%blocked%'
                        and not exists (
                            select 1 from outbox where chat_id = 12 and state = 'waiting')";
        State::open(&bot.data_dir()).await.number(ended).await == 1
    })
    .await;
    let tries = |bot: &Bot| {
        let calls = bot.handle().calls_of("sendMessage");
        calls.iter().filter(|call| call.chat_id() == Some(OTHER)).count()
    };
    let tries_before = tries(&bot);
    log.append(&dry_window(3, 5)).await;
    let two = |_: &Handle| (bot.times_said(OWNER, DRY) == 2).then_some(());
    bot.handle().wait_for(SOON, "second alert", two).await.unwrap();
    assert_eq!(tries(&bot), tries_before);

    // A restart does not undo what the person chose; writing to the bot again does.
    bot.stop().await;
    bot.started().await;
    bot.handle().unblock(OTHER);
    bot.answers(OTHER, "/start", "Hello!").await;
    log.append(&dry_window(3, 4)).await;
    bot.handle().wait_for_text(SOON, OTHER, 0, DRY).await.unwrap();
    bot.stop().await;
    assert_eq!((bot.times_said(OWNER, DRY), bot.times_said(OTHER, DRY)), (3, 1));
}

#[tokio::test]
async fn ten_thousand_characters_are_refused_with_what_is_wanted() {
    let bot = started_for_two().await;
    bot.answers(OWNER, "/update_plant 7", "plant's given name").await;
    let long = "x".repeat(10_000);
    let refused =
        bot.answers(OWNER, &long, "A name has 1 to 64 characters, this one has 10000.").await;
    assert!(refused.text.contains("Please enter plant's given name"), "{}", refused.text);
    bot.answers(OWNER, "/cancel", "Cancelled metadata update.").await;
    bot.answers(OWNER, &long, "I did not understand that.").await;
    bot.answers(OWNER, &format!("/plant {long}"), "I know no plant called “xxxx").await;
    bot.answers(OWNER, &format!("/plants {long}"), "").await;
    bot.stop().await;
}

#[tokio::test]
async fn names_of_sixty_four_emoji_survive_from_the_chat_to_the_alert() {
    let family = "👨‍👩‍👧‍👦";
    let name = family.repeat(64);
    let mut bot = Bot::new().await.with("WINDOWSILL_ALERT_MAX_AGE_HOURS", 10_000);
    bot.started().await;
    bot.answers(OWNER, "/update_plant 7", "plant's given name").await;
    bot.answers(OWNER, &family.repeat(65), "this one has 65").await;
    bot.answers(OWNER, &name, "plant's scientific name").await;
    bot.answers(OWNER, &name, "plant's common name").await;
    bot.answers(OWNER, &name, "low temperature").await;
    bot.answers(OWNER, "/skip", "high temperature").await;
    bot.answers(OWNER, "/skip", "low moisture").await;
    bot.answers(OWNER, "/skip", "high moisture").await;
    bot.answers(OWNER, "/skip", &name).await;
    bot.answers(OWNER, "/y", &format!("it has been updated.\n{name}")).await;
    bot.answers(OWNER, "/plants", &format!("{name} · ")).await;
    bot.answers(OWNER, "/plant_7", &format!("{name} the {name}\n{name}")).await;
    bot.answers(OWNER, &format!("/plant {name}"), &format!("{name} the {name}")).await;
    let log = Log::open(&bot.data_dir(), 1).await;
    log.append(&dry_window(7, 6)).await;
    let alert = format!("{name} the {name} ({name}) is looking pretty dry...");
    bot.handle().wait_for_text(SOON, OWNER, 0, &alert).await.unwrap();
    bot.stop().await;
}

#[tokio::test]
async fn names_from_a_foreign_producer_are_shown_whole_and_do_nothing() {
    let name =
        "<b>Bob</b> & \"Eve's\" `x` _*[]()~ {{\n/y\t\0 \u{202e}txet\u{feff}'; drop table plant;--";
    let shown = "<b>Bob</b> & \"Eve's\" `x` _*[]()~ {{\\n/y\\t\\u{0} \\u{202e}txet\\u{feff}'; drop table plant;--";
    let mut foreign = plant(3, name, LOW);
    foreign["common_name"] = name.into();
    foreign["scientific_name"] = name.into();
    let mut bot = Bot::new().await;
    // As another program would write it: through the command line.
    let line = serde_json::json!({"key": "3", "value": foreign}).to_string();
    let data_dir = bot.data_dir().display().to_string();
    let args = ["topic", "write", "houseplant-metadata", "--data-dir", &data_dir];
    run_with_input(bot.data_dir().parent().unwrap(), &args, &line).expect_code(0);
    let log = with_plant(&mut bot, &foreign).await;
    log.append(&dry_window(3, 6)).await;

    let alert = format!("{shown} the {shown} ({shown}) is looking pretty dry...");
    let alert = bot.handle().wait_for_text(SOON, OWNER, 0, &alert).await;
    let list = bot.answers(OWNER, "/plants", &format!("{shown} · ")).await;
    let card =
        bot.answers(OWNER, "/plant_3", &format!("{shown} the {shown}\n{shown} · plant 3")).await;
    let asked = bot.answers(OWNER, "/update_plant 3", &format!("Now: {shown}")).await;
    bot.answers(OWNER, "/cancel", "Cancelled").await;
    for message in [alert.unwrap(), list, card, asked] {
        assert!(!message.html.contains("<b>Bob"), "{}", message.html);
        let acts = |char: char| windowsill::kernel::text::acts(char) && char != '\n';
        let labels = message.buttons.iter().flatten().map(|button| button.label.as_str());
        assert!(!labels.chain([message.text.as_str()]).any(|text| text.contains(acts)));
    }
    bot.stop().await;
}
