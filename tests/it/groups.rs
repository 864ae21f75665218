//! Groups as people meet them: admitted by an owner, talked in by several at once, moved, left and
//! come back to.

use serde_json::json;
use windowsill::demo::botapi::{Effect, Fault, Handle, ShownMessage};

use crate::bot::past::{Log, Reading, WINDOW_MS, plant};
use crate::bot::{Bot, OWNER, SOON};

const ANNA: i64 = 21;
const BERT: i64 = 22;
const GROUP: i64 = -1_000_000_000_042;
const DRY: &str = "is looking pretty dry...";

/// A bot whose owner has admitted the group in the chat.
async fn admitted() -> Bot {
    let mut bot = Bot::new().await;
    bot.started().await;
    bot.handle().bring_into_group(GROUP, "Home", OWNER);
    bot.handle().wait_for_text(SOON, GROUP, 0, "Nobody in this group sees").await.unwrap();
    bot.taps_in(GROUP, OWNER, "Admit this group", "Everybody in this group may look now").await;
    bot
}

/// A bot whose configuration lets a group and two members in.
async fn configured() -> Bot {
    let allowed = format!("[{ANNA},{BERT},{GROUP}]");
    let mut bot = Bot::new().await.with("WINDOWSILL_TELEGRAM__ALLOWED_CHATS", allowed);
    bot.handle().rename(ANNA, "Anna");
    bot.handle().rename(BERT, "Bert");
    bot.started().await;
    bot.handle().create_group(GROUP, "Home");
    bot
}

/// A log with one plant, as the bot will read it.
async fn with_plant(bot: &mut Bot) -> Log {
    bot.set("WINDOWSILL_ALERT_MAX_AGE_HOURS", 10_000);
    let log = Log::open(&bot.data_dir(), 1).await;
    log.describe(&plant(3, "Fern", 20.0)).await;
    log
}

/// Readings that make the plant dry in some window of the past.
async fn dries_out(log: &Log, windows_ago: i64) {
    let start_ms = (windowsill::clock::now_ms() / WINDOW_MS - windows_ago) * WINDOW_MS;
    let low = |index: i64| {
        let at_ms = start_ms + index * 30_000;
        Reading { plant_id: 3, moisture: 10.0, at_ms, partition: 0 }
    };
    log.append(&(0..150).map(low).collect::<Vec<_>>()).await;
}

fn labels(message: &ShownMessage) -> Vec<&str> {
    message.buttons.iter().flatten().map(|button| button.label.as_str()).collect()
}

fn offers(bot: &Bot, chat_id: i64, user_id: i64, command: &str) -> bool {
    bot.handle().menu(chat_id, user_id).iter().any(|(name, _)| name == command)
}

/// F26: a group is strange until an owner admits it; then its people look and change nothing.
#[tokio::test]
async fn an_owner_admits_a_group_and_then_its_people_look() {
    let mut bot = Bot::new().await;
    bot.started().await;
    bot.handle().bring_into_group(GROUP, "Home", ANNA);
    let refusal = "You are not authorized to use this application.";
    let refused = bot.answers_in(GROUP, ANNA, "/plants", refusal).await;
    assert_eq!(refused.reply_to, Some(bot.newest(GROUP) - 1));
    // An owner's own look-ups stay hidden here as well.
    bot.answers_in(GROUP, OWNER, "/plants", "Nobody in this group sees anything").await;
    bot.handle().press_label(GROUP, ANNA, "Admit this group").unwrap();
    bot.notes(refusal).await;
    let welcome =
        bot.taps_in(GROUP, OWNER, "Admit this group", "Everybody in this group may look now").await;
    assert!(welcome.text.contains("commands and replies to me"), "{}", welcome.text);
    let seen = bot.answers_in(GROUP, ANNA, "/plants@windowsill_bot", "0 plants").await;
    assert!(seen.text.contains("A member adds one.") && !seen.text.contains("/update_plant"));
    bot.answers_in(GROUP, ANNA, "/update_plant", "Only members change plants here").await;
    bot.handle()
        .wait_for(SOON, "menu", |_| offers(&bot, GROUP, ANNA, "plants").then_some(()))
        .await
        .unwrap();
    assert!(!offers(&bot, GROUP, ANNA, "update_plant"));
    bot.stop().await;
    assert_eq!(bot.times_said(GROUP, refusal), 1);
}

#[tokio::test]
async fn what_a_group_of_the_configuration_hears_is_an_owners_choice() {
    let mut bot = Bot::new().await.with("WINDOWSILL_TELEGRAM__ALLOWED_CHATS", GROUP);
    bot.handle().set_privacy_mode(false);
    let log = with_plant(&mut bot).await;
    bot.started().await;
    bot.answers(OWNER, "/start", "Hello!").await;
    bot.handle().bring_into_group(GROUP, "Home", ANNA);
    let welcome = bot.handle().wait_for_text(SOON, GROUP, 0, "Everybody in this group").await;
    assert!(welcome.unwrap().text.contains("everything that is written in groups"));
    bot.answers_in(GROUP, ANNA, "/alerts here", "Only an owner decides").await;
    dries_out(&log, 6).await;
    bot.handle().wait_for_text(SOON, OWNER, 0, DRY).await.unwrap();
    assert_eq!(bot.times_said(GROUP, DRY), 0);
    bot.taps_in(GROUP, OWNER, "🔔 Alerts here", "New alerts come to this chat from now on.").await;
    dries_out(&log, 5).await;
    bot.handle().wait_for_text(SOON, GROUP, 0, DRY).await.unwrap();
    bot.answers(OWNER, "/alerts off", "No more alerts come to this chat.").await;
    let listed = bot.answers(OWNER, "/alerts", "The newest alerts").await;
    assert!(listed.text.contains("New alerts do not come to this chat. /alerts here"));
    bot.stop().await;
}

/// F27: two people in one group converse at once, under privacy mode; each has a state of their own.
#[tokio::test]
async fn two_people_converse_at_once_in_one_group() {
    let bot = configured().await;
    let asked = bot.answers_in(GROUP, ANNA, "/update_plant 7", "plant's given name").await;
    assert!(asked.asks(ANNA) && !asked.asks(BERT), "{asked:?}");
    assert_eq!(asked.placeholder.as_deref(), Some("given name"));
    assert_eq!(asked.reply_to, Some(asked.id - 1));
    let other = bot.answers_in(GROUP, BERT, "/update_plant 8", "plant's given name").await;
    assert!(other.asks(BERT) && !other.asks(ANNA), "{other:?}");

    // What is not said to the bot does not reach it, or is no answer.
    bot.handle().say(GROUP, ANNA, "Nobody");
    bot.handle().reply(GROUP, ANNA, asked.id, "Cyril");
    bot.handle().wait_for_text(SOON, GROUP, other.id, "scientific name").await.unwrap();
    bot.handle().reply(GROUP, BERT, other.id, "Ginny");
    let both = "select count(*) from conversation
                 where (user_id = 21 and state like '%Cyril%' and state not like '%Ginny%')
                    or (user_id = 22 and state like '%Ginny%' and state not like '%Cyril%')";
    bot.counts(both, 2).await;

    // A question with buttons is one person's as well.
    bot.answers_in(GROUP, ANNA, "/update_plant 9", "You have an unfinished edit").await;
    bot.handle().press_label(GROUP, BERT, "Go on").unwrap();
    bot.notes("This question is for Anna.").await;
    let again = bot.taps_in(GROUP, ANNA, "Go on", "scientific name").await;
    assert!(again.asks(ANNA) && !again.asks(BERT), "{again:?}");
    bot.counts(both, 2).await;
    bot.stop().await;
}

/// F27: where the bot reads everything, what replies to somebody else is no answer to it.
#[tokio::test]
async fn chatter_is_no_answer_where_everything_is_read() {
    let bot = configured().await;
    let asked = bot.answers_in(GROUP, ANNA, "/update_plant 7", "plant's given name").await;
    bot.stop().await;
    bot.handle().set_privacy_mode(false);
    let mut bot = bot;
    bot.started().await;
    bot.handle().say(GROUP, BERT, "Has anybody seen my keys?");
    let keys = bot.newest(GROUP);
    bot.handle().reply(GROUP, ANNA, keys, "On the windowsill");
    // Another bot's commands, another bot, and words that nobody asked for.
    bot.handle().say(GROUP, ANNA, "/plants@other_bot");
    bot.handle().say(GROUP, BERT, "/roll");
    let robot = json!({"id": 900, "is_bot": true, "first_name": "Other", "username": "other_bot"});
    let chat = json!({"id": GROUP, "type": "supergroup", "title": "Home"});
    bot.handle().push_raw(json!({"message": {"message_id": 90, "date": 1, "chat": chat,
        "from": robot, "text": "/plants"}}));
    bot.handle().say(GROUP, ANNA, "Cyril");
    bot.handle().wait_for_text(SOON, GROUP, asked.id, "scientific name").await.unwrap();
    bot.is_quiet().await;
    assert_eq!(bot.said(GROUP).len(), 2, "{:?}", bot.said(GROUP));
    bot.stop().await;
}

/// F27: a forum topic is a place of its own, for conversations and for alerts.
#[tokio::test]
async fn a_forum_topic_is_a_place_of_its_own() {
    let mut bot = Bot::new().await.with("WINDOWSILL_TELEGRAM__ALLOWED_CHATS", GROUP);
    let log = with_plant(&mut bot).await;
    bot.started().await;
    bot.handle().create_group(GROUP, "Home");
    let in_topic = async |text: &str, part: &str| {
        let after = bot.newest(GROUP);
        bot.handle().say_in_thread(GROUP, OWNER, 5, text);
        bot.handle().wait_for_text(SOON, GROUP, after, part).await.unwrap()
    };
    let here = in_topic("/alerts here", "New alerts come to this topic from now on.").await;
    assert_eq!(here.thread_id, Some(5));
    let asked = in_topic("/update_plant 7", "plant's given name").await;
    assert!(asked.asks(OWNER) && asked.thread_id == Some(5), "{asked:?}");
    // In the general topic there is no conversation.
    let listed = bot.answers_in(GROUP, OWNER, "/plants", "1 plant").await;
    assert_eq!(listed.thread_id, None);
    // In a topic a message that replies to nothing "replies" to the message that opened it.
    bot.handle().set_privacy_mode(false);
    let named = in_topic("Cyril", "scientific name").await;
    assert_eq!(named.thread_id, Some(5));
    dries_out(&log, 6).await;
    let alert = bot.handle().wait_for_text(SOON, GROUP, 0, DRY).await.unwrap();
    assert_eq!(alert.thread_id, Some(5));
    bot.stop().await;
}

/// F21: a group becomes a supergroup and the bot is told: access, alerts and conversations move.
#[tokio::test]
async fn a_group_that_becomes_a_supergroup_goes_on_where_it_was() {
    const OLD: i64 = -42;
    let allowed = format!("[{ANNA},{OLD}]");
    let mut bot = Bot::new().await.with("WINDOWSILL_TELEGRAM__ALLOWED_CHATS", allowed);
    let log = with_plant(&mut bot).await;
    bot.started().await;
    bot.handle().create_group(OLD, "Home");
    bot.answers_in(OLD, OWNER, "/alerts here", "New alerts come to this chat").await;
    let asked = bot.answers_in(OLD, ANNA, "/update_plant 7", "plant's given name").await;
    bot.stop().await;
    // All of this waits when the bot comes back: what follows the move is judged by the new id.
    bot.handle().reply(OLD, ANNA, asked.id, "Cyril");
    bot.handle().migrate_group(OLD, GROUP);
    bot.handle().say(GROUP, BERT, "/plants");
    bot.started().await;
    let question = bot.handle().wait_for_text(SOON, GROUP, 0, "scientific name").await.unwrap();
    assert!(question.thread_id.is_none());
    bot.handle().wait_for_text(SOON, GROUP, 0, "1 plant").await.unwrap();
    dries_out(&log, 6).await;
    bot.handle().wait_for_text(SOON, GROUP, 0, DRY).await.unwrap();
    bot.handle()
        .wait_for(SOON, "menu", |_| offers(&bot, GROUP, BERT, "plants").then_some(()))
        .await
        .unwrap();
    bot.stop().await;
    bot.started().await;
    bot.answers_in(GROUP, BERT, "/status", "Status").await;
    let said = bot.said(OLD).into_iter().filter(|text| !text.is_empty());
    assert_eq!(said.count(), 2, "{:?}", bot.said(OLD));
    bot.stop().await;
}

/// F21: the only herald of a move is the error of a send; the alert arrives in the new chat.
#[tokio::test]
async fn an_alert_follows_a_group_that_moved_unnoticed() {
    const OLD: i64 = -42;
    let mut bot = Bot::new().await;
    let log = with_plant(&mut bot).await;
    bot.started().await;
    bot.handle().bring_into_group(OLD, "Home", OWNER);
    bot.handle().wait_for_text(SOON, OLD, 0, "Nobody in this group sees").await.unwrap();
    bot.taps_in(OLD, OWNER, "Admit this group", "Everybody in this group may look now").await;
    bot.taps_in(OLD, OWNER, "🔔 Alerts here", "New alerts come to this chat").await;
    bot.handle().migrate_group_unnoticed(OLD, GROUP);
    dries_out(&log, 6).await;
    bot.handle().wait_for_text(SOON, GROUP, 0, DRY).await.unwrap();
    bot.answers_in(GROUP, BERT, "/plants", "1 plant").await;
    dries_out(&log, 5).await;
    let two = |_: &Handle| (bot.times_said(GROUP, DRY) == 2).then_some(());
    bot.handle().wait_for(SOON, "second alert", two).await.unwrap();
    let tries = bot.handle().calls_of("sendMessage");
    let to_old = tries.iter().filter(|call| call.chat_id() == Some(OLD));
    let refused: Vec<_> = to_old.filter(|call| call.error_code() == Some(400)).collect();
    assert_eq!(refused.len(), 1, "{refused:#?}");
    bot.stop().await;
}

/// F21: thrown out of a group or blocked, the bot ends the alerts at once, and it says so when
/// they come again.
#[tokio::test]
async fn a_bot_that_is_thrown_out_stops_and_goes_on_when_it_is_back() {
    let bot = admitted().await;
    bot.taps_in(GROUP, OWNER, "🔔 Alerts here", "New alerts come to this chat").await;
    bot.handle().throw_out_of_group(GROUP, BERT);
    let ended = "select count(*) from subscription
                  where chat_id = -1000000000042 and end_reason like '%taken out%'";
    bot.counts(ended, 1).await;
    bot.handle().bring_into_group(GROUP, "Home", BERT);
    let back = bot.handle().wait_for_text(SOON, GROUP, 0, "alerts come here as before").await;
    assert!(labels(&back.unwrap()).is_empty());
    bot.counts(ended, 0).await;

    bot.answers(OWNER, "/alerts", "New alerts come to this chat.").await;
    bot.handle().block(OWNER);
    let ended = "select count(*) from subscription where chat_id = 11 and ended_at is not null";
    bot.counts(ended, 1).await;
    bot.handle().unblock(OWNER);
    bot.handle().wait_for_text(SOON, OWNER, 0, "Alerts come to this chat as before").await.unwrap();
    bot.counts(ended, 0).await;
    // Who turned them off gets none for having been away.
    bot.answers(OWNER, "/alerts off", "No more alerts").await;
    bot.handle().block(OWNER);
    bot.handle().unblock(OWNER);
    bot.answers(OWNER, "/start", "Hello!").await;
    bot.answers(OWNER, "/alerts", "New alerts do not come to this chat.").await;
    assert_eq!(bot.times_said(OWNER, "as before"), 1);
    bot.stop().await;
    assert_eq!(bot.times_said(GROUP, "Nobody in this group"), 1);
}

#[tokio::test]
async fn menus_are_tried_until_telegram_takes_them_and_each_place_has_its_own() {
    let allowed = format!("[{ANNA},{GROUP}]");
    let mut bot = Bot::new().await.with("WINDOWSILL_TELEGRAM__ALLOWED_CHATS", allowed);
    for user_id in [OWNER, ANNA, BERT] {
        bot.handle().say(user_id, user_id, "hello");
    }
    bot.handle().create_group(GROUP, "Home");
    bot.handle().script(Fault::on("setMyCommands", Effect::status(502, "Bad Gateway")).times(4));
    bot.started().await;
    let expected = [
        (OWNER, OWNER, "invite", true),
        (OWNER, OWNER, "admit", false),
        (ANNA, ANNA, "update_plant", true),
        (ANNA, ANNA, "invite", false),
        (BERT, BERT, "start", true),
        (BERT, BERT, "plants", false),
        (GROUP, BERT, "plants", true),
        (GROUP, BERT, "update_plant", false),
    ];
    let all = |_: &Handle| {
        let holds = |(chat_id, user_id, command, is_offered): &(i64, i64, &str, bool)| {
            offers(&bot, *chat_id, *user_id, command) == *is_offered
        };
        expected.iter().all(holds).then_some(())
    };
    bot.handle().wait_for(SOON, "menus", all).await.unwrap();
    bot.stop().await;
}
