//! What is not kept and not logged: a stranger's words, a chat's words, the token.

use serde_json::json;
use windowsill::demo::botapi::{Effect, Fault, Handle};

use crate::bot::state::State;
use crate::bot::{Bot, OWNER, SOON, files_with, until};
use crate::botapi_world::TOKEN;

const STRANGER: i64 = 31;
const STRANGE_GROUP: i64 = -1_000_000_000_777;
const CHANNEL: i64 = -1_000_000_000_888;
/// A group that is let in.
const GROUP: i64 = -1_000_000_000_778;
/// Stands in everything that a stranger sends.
const SENTINEL: &str = "Zq7Sentinel";

/// Every way in which a stranger can put words into an update.
fn a_stranger_writes(handle: &Handle) {
    handle.set_privacy_mode(false);
    handle.rename(STRANGER, &format!("{SENTINEL} name"));
    handle.say(STRANGER, STRANGER, &format!("{SENTINEL} text"));
    handle.say(STRANGER, STRANGER, &format!("/plants {SENTINEL}"));
    handle.say(STRANGER, STRANGER, &format!("/{SENTINEL}"));
    handle.say(STRANGER, STRANGER, &format!("/started {SENTINEL}"));
    handle.press(STRANGER, STRANGER, 1, &format!("plant:show:{SENTINEL}"));
    handle.create_group(STRANGE_GROUP, &format!("{SENTINEL} group"));
    handle.say(STRANGE_GROUP, STRANGER, &format!("{SENTINEL} in a group"));
    handle.say(STRANGE_GROUP, STRANGER, &format!("/plants {SENTINEL}"));
    handle.say(STRANGE_GROUP, STRANGER, &format!("/start {SENTINEL}"));
    handle.say(STRANGER, STRANGER, &format!("/start a word, {SENTINEL}"));
    // Somebody behind a group, and somebody behind a channel.
    for group in [STRANGE_GROUP, GROUP] {
        handle.say_anonymously(group, &format!("/plants {SENTINEL}"));
        handle.say_anonymously(group, &format!("/plants@windowsill_bot {SENTINEL}"));
        handle.say_anonymously(group, SENTINEL);
    }
    handle.post_in_channel(CHANNEL, SENTINEL, &format!("/plants {SENTINEL}"));
    handle.post_in_channel(CHANNEL, SENTINEL, SENTINEL);
    let from = json!({"id": STRANGER, "is_bot": false, "first_name": SENTINEL});
    let chat = json!({"id": STRANGER, "type": "private", "first_name": SENTINEL});
    let message = |extra: serde_json::Value| {
        let mut message = json!({"message_id": 90, "date": 1, "chat": chat, "from": from});
        message.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        message
    };
    handle.push_raw(json!({"edited_message": message(json!({"edit_date": 2, "text": SENTINEL}))}));
    // What may be a code is kept with the name of whoever would come in by it, but not the rest.
    let visitor = json!({"id": STRANGER, "is_bot": false, "first_name": "Vera"});
    let start = json!({"from": visitor, "text": "/start AAAA2222",
        "reply_to_message": message(json!({"text": SENTINEL}))});
    handle.push_raw(json!({"message": message(start)}));
    handle.inline_query(STRANGER, SENTINEL);
    let document = json!({"file_id": SENTINEL, "file_unique_id": "u", "file_name": SENTINEL});
    handle
        .push_raw(json!({"message": message(json!({"document": document, "caption": SENTINEL}))}));
    handle.push_raw(json!({"poll": {"id": SENTINEL, "question": SENTINEL}}));
    handle.push_raw(json!({"something_new": {"text": SENTINEL}}));
}

/// F26: unauthorised people and chats, channel posts, anonymous admins.
#[tokio::test]
async fn a_strangers_words_are_in_no_file_and_in_no_log_and_they_are_refused_once() {
    let mut bot = Bot::new().await.with("WINDOWSILL_LOG_FILTER", "debug");
    bot.set("WINDOWSILL_TELEGRAM__ALLOWED_CHATS", GROUP);
    bot.handle().create_group(GROUP, "Home");
    bot.started().await;
    a_stranger_writes(bot.handle());
    let refusal = "You are not authorized to use this application.";
    bot.handle().wait_for_text(SOON, STRANGER, 0, refusal).await.unwrap();
    bot.answers(OWNER, "/help", "What I can do").await;
    until(SOON, "everything is handled", async || {
        bot.handle().pending_updates() == 0 && State::open(&bot.data_dir()).await.is_quiet().await
    })
    .await;
    assert!(bot.data_dir().join("state.db-wal").metadata().unwrap().len() > 0);
    assert!(files_with(&bot.data_dir(), SENTINEL).is_empty());
    bot.kill().await;
    assert!(files_with(&bot.data_dir(), SENTINEL).is_empty());
    bot.started().await;
    bot.handle().say(STRANGER, STRANGER, SENTINEL);
    bot.answers(OWNER, "/status", "Strangers turned away: 1").await;
    bot.stop().await;
    assert!(files_with(&bot.data_dir(), SENTINEL).is_empty());
    assert!(!bot.log().contains(SENTINEL), "{}", bot.log());
    assert_eq!(bot.said(STRANGER), [refusal]);
    let nameless = "I only talk with people who write under their own name.";
    for chat_id in [STRANGE_GROUP, GROUP, CHANNEL] {
        assert_eq!(bot.said(chat_id), [nameless]);
    }
}

/// F26: somebody is taken off the configuration's list in the middle of a conversation.
#[tokio::test]
async fn somebody_who_is_no_longer_let_in_leaves_no_word_even_inside_a_conversation() {
    let mut bot = Bot::new().await.with("WINDOWSILL_TELEGRAM__ALLOWED_CHATS", STRANGER);
    bot.started().await;
    bot.answers(STRANGER, "/update_plant 7", "plant's given name").await;
    bot.stop().await;
    bot.set("WINDOWSILL_TELEGRAM__ALLOWED_CHATS", "");
    bot.started().await;
    bot.answers(STRANGER, SENTINEL, "You are not authorized to use this application.").await;
    bot.stop().await;
    assert!(files_with(&bot.data_dir(), SENTINEL).is_empty());
}

/// F40: where everything is logged that can be, libraries included.
#[tokio::test]
async fn neither_the_token_nor_a_word_of_a_chat_is_logged_at_any_level() {
    let mut bot = Bot::new().await.with("WINDOWSILL_LOG_FILTER", "trace");
    // What goes wrong is logged the most.
    bot.handle().script(Fault::always(Effect::DropBefore).times(3));
    bot.start();
    let word = "Zq8Word";
    bot.answers(OWNER, &format!("/plant {word}"), "I know no plant called").await;
    crate::crash_once::edit_up_to_confirmation(&bot, word).await;
    bot.answers(OWNER, "/y", "You've confirmed").await;
    let refused = Effect::status(400, "Bad Request: can't parse entities");
    bot.handle().script(Fault::on("sendMessage", refused).times(1));
    bot.answers(OWNER, "/plants", word).await;
    bot.stop().await;
    let secret = TOKEN.split_once(':').unwrap().1;
    let log = bot.log();
    assert!(log.lines().count() > 20 && log.contains("TRACE"), "{log}");
    for hidden in [TOKEN, secret, word] {
        assert!(!log.contains(hidden), "{hidden} is logged:\n{log}");
        assert!(!bot.printed().contains(hidden));
    }
}
