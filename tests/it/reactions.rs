//! What the message that confirmed an edit shows: 👀 while it is queued, 👍 when it is saved.

use windowsill::demo::botapi::{Effect, Fault, Handle};

use crate::bot::plants::with_plants;
use crate::bot::state::State;
use crate::bot::{Bot, OWNER, SOON, labels};
use crate::crash_once::{edit_up_to_confirmation, hold};

const SAVED: &str = "You've confirmed your metadata entry, and it has been updated.";
const GROUP: i64 = -100_500;

/// The newest message of a person, and what the bot shows at it.
fn newest_own(handle: &Handle, chat_id: i64) -> (i64, Vec<String>) {
    let messages = handle.messages(chat_id);
    let own = messages.iter().rev().find(|message| !message.from_bot).unwrap();
    (own.id, own.reactions.clone())
}

/// Waits until the bot shows this, and nothing else, at a message.
async fn shows(bot: &Bot, chat_id: i64, message_id: i64, emoji: &[&str]) {
    let shown = |handle: &Handle| {
        let messages = handle.messages(chat_id);
        let message = messages.iter().find(|message| message.id == message_id)?;
        (message.reactions == emoji).then_some(())
    };
    bot.handle().wait_for(SOON, &format!("{emoji:?} at {message_id}"), shown).await.unwrap();
}

/// Messages at which the bot shows something.
fn shown_at(bot: &Bot, chat_id: i64) -> Vec<i64> {
    let messages = bot.handle().messages(chat_id).into_iter();
    messages.filter(|message| !message.reactions.is_empty()).map(|message| message.id).collect()
}

#[tokio::test]
async fn the_message_that_confirms_shows_that_the_edit_is_saved() {
    let (bot, _log) = with_plants().await;
    edit_up_to_confirmation(&bot, "Patient").await;
    bot.answers(OWNER, "/y", SAVED).await;
    let (yes, _) = newest_own(bot.handle(), OWNER);
    shows(&bot, OWNER, yes, &["👍"]).await;
    // At once, without a conversation.
    bot.answers(OWNER, "/watered cyril", "Cyril was watered").await;
    let (watered, _) = newest_own(bot.handle(), OWNER);
    shows(&bot, OWNER, watered, &["👍"]).await;
    // The Wi-Fi room says it in the same way.
    bot.answers(OWNER, "/watch_ssid RNM0 home network", "RNM0 is watched now").await;
    let (watch, _) = newest_own(bot.handle(), OWNER);
    shows(&bot, OWNER, watch, &["👍"]).await;
    bot.is_quiet().await;
    assert_eq!(shown_at(&bot, OWNER), [yes, watered, watch]);
    bot.stop().await;
}

#[tokio::test]
async fn after_a_tap_it_is_the_newest_message_of_that_conversation() {
    let (bot, _log) = with_plants().await;
    let mut asked = bot.answers(OWNER, "/update_plant cyril", "Please enter plant's").await;
    let (begun, _) = newest_own(bot.handle(), OWNER);
    while !asked.text.contains("Please confirm your metadata entry.") {
        let keep = labels(&asked).into_iter().find(|label| label.starts_with("Keep "));
        asked = bot.taps(OWNER, &keep.unwrap(), "Please").await;
    }
    bot.taps(OWNER, "✅ Yes", SAVED).await;
    shows(&bot, OWNER, begun, &["👍"]).await;

    // A button of a card begins another conversation: what was written before is no part of it.
    bot.answers(OWNER, "/plant nicholas", "Nicholas").await;
    bot.taps(OWNER, "Name", "Please enter plant's given name").await;
    bot.answers(OWNER, "Nick", "Please confirm your metadata entry.").await;
    let (name, _) = newest_own(bot.handle(), OWNER);
    bot.taps(OWNER, "✅ Yes", SAVED).await;
    shows(&bot, OWNER, name, &["👍"]).await;

    // A card's button that edits at once has no message of anybody's.
    bot.answers(OWNER, "/plant 0", "Cyril").await;
    bot.taps(OWNER, "💧 Watered", "was watered").await;
    bot.is_quiet().await;
    assert_eq!(shown_at(&bot, OWNER), [begun, name]);
    bot.stop().await;
}

/// F3, F6: queued, killed, saved by the next life, and never said to be saved before.
#[tokio::test]
async fn an_edit_that_waits_is_looked_at_and_no_crash_makes_it_saved() {
    let (mut bot, _log) = with_plants().await;
    edit_up_to_confirmation(&bot, "Patient").await;
    let held = hold(&bot.data_dir().join("log.db")).await;
    bot.answers(OWNER, "/y", "⏳ Your entry for Patient is queued").await;
    let (yes, _) = newest_own(bot.handle(), OWNER);
    shows(&bot, OWNER, yes, &["👀"]).await;
    bot.kill().await;
    assert_eq!(newest_own(bot.handle(), OWNER), (yes, vec!["👀".to_owned()]));
    sqlx::Connection::close(held).await.unwrap();
    bot.started().await;
    bot.handle().wait_for_text(SOON, OWNER, 0, SAVED).await.unwrap();
    shows(&bot, OWNER, yes, &["👍"]).await;
    bot.stop().await;
    let calls = bot.handle().calls_of("setMessageReaction");
    let thumbs = calls.iter().filter(|call| call.param("reaction").contains('👍'));
    assert_eq!(thumbs.count(), 1, "{calls:?}");
}

/// What becomes of a reaction is no word about the edit, the chat, or what is said in it.
#[tokio::test]
async fn a_reaction_that_telegram_will_not_have_holds_nothing_up() {
    let (bot, _log) = with_plants().await;
    let refused = Effect::status(400, "Bad Request: REACTION_INVALID");
    bot.handle().script(Fault::on("setMessageReaction", refused).times(1));
    edit_up_to_confirmation(&bot, "Patient").await;
    bot.answers(OWNER, "/y", SAVED).await;
    bot.is_quiet().await;
    assert_eq!(bot.handle().calls_of("setMessageReaction").len(), 1, "it is not tried again");

    // A limit of reactions parks no message.
    let limited = Effect::too_many_requests(9_999);
    bot.handle().script(Fault::on("setMessageReaction", limited).times(1));
    bot.answers(OWNER, "/watered cyril", "Cyril was watered").await;
    let limited =
        |handle: &Handle| (handle.calls_of("setMessageReaction").len() == 2).then_some(());
    bot.handle().wait_for(SOON, "second reaction", limited).await.unwrap();
    bot.answers(OWNER, "/plant cyril", "Filix quaedam").await;
    let mut state = State::open(&bot.data_dir()).await;
    assert_eq!(state.number("select count(*) from parked_chat").await, 0);
    bot.stop().await;
    for wrong in ["a message was dropped", "the chat cannot be reached"] {
        assert!(!bot.log().contains(wrong), "{}", bot.log());
    }
}

#[tokio::test]
async fn in_a_group_it_is_shown_at_the_message_of_whoever_confirmed() {
    let mut bot = Bot::new().await.with("WINDOWSILL_TELEGRAM__ALLOWED_CHATS", GROUP);
    bot.handle().create_group(GROUP, "Home");
    bot.started().await;
    bot.answers_in(GROUP, OWNER, "/watch_ssid RNM0 home network", "RNM0 is watched now").await;
    let (watch, _) = newest_own(bot.handle(), GROUP);
    shows(&bot, GROUP, watch, &["👍"]).await;
    assert_eq!(shown_at(&bot, GROUP), [watch]);
    bot.stop().await;
}
