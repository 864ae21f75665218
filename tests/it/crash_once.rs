//! Single deaths at chosen moments of a conversation, and what the next life makes of them.

use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use windowsill::demo::botapi::Handle;

use crate::bot::past::{Log, plant};
use crate::bot::state::State;
use crate::bot::{Bot, OWNER, SOON, until};

const SAVED: &str = "You've confirmed your metadata entry, and it has been updated.";
const MINUTE_MS: i64 = 60_000;

/// Holds a database file as another process that writes does.
pub(crate) async fn hold(path: &std::path::Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(path);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql("begin exclusive").execute(&mut connection).await.unwrap();
    connection
}

/// Answers everything that an edit of plant 7 asks for, up to the confirmation.
pub(crate) async fn edit_up_to_confirmation(bot: &Bot, name: &str) {
    bot.answers(OWNER, "/update_plant 7", "plant's given name").await;
    bot.answers(OWNER, name, "plant's scientific name").await;
    bot.answers(OWNER, "Filix", "plant's common name").await;
    bot.answers(OWNER, "Fern", "low temperature").await;
    bot.answers(OWNER, "/skip", "high temperature").await;
    bot.answers(OWNER, "/skip", "low moisture").await;
    bot.answers(OWNER, "/skip", "high moisture").await;
    bot.answers(OWNER, "/skip", "Please confirm your metadata entry.").await;
}

#[tokio::test]
async fn an_update_that_was_stored_and_not_handled_is_answered_once_by_the_next_life() {
    let mut bot = Bot::new().await;
    bot.crash_at("after-inbox-insert", 1);
    bot.started().await;
    bot.handle().say(OWNER, OWNER, "/plants");
    bot.crashed().await;
    assert_eq!(bot.handle().pending_updates(), 1, "telegram was not told that it is stored");
    bot.crash_no_more();
    let answered_before = bot.times_said(OWNER, "0 plants");
    bot.started().await;
    bot.handle().wait_for_text(SOON, OWNER, 0, "0 plants").await.unwrap();
    bot.answers(OWNER, "/help", "What I can do").await;
    bot.stop().await;
    // The dying process may have answered in its last moment: then there may be one more.
    assert!(bot.times_said(OWNER, "0 plants") <= 1 + answered_before);
}

#[tokio::test]
async fn an_update_that_could_not_be_stored_is_delivered_again() {
    let mut bot = Bot::new().await;
    bot.started().await;
    let held = hold(&bot.data_dir().join("state.db")).await;
    let polls = bot.handle().calls_of("getUpdates").len();
    bot.handle().say(OWNER, OWNER, "/plants");
    let delivered = |handle: &Handle| {
        let calls = handle.calls_of("getUpdates");
        calls[polls - 1].answer.as_ref().map(|_| ())
    };
    bot.handle().wait_for(SOON, "delivery", delivered).await.unwrap();
    bot.kill().await;
    held.close().await.unwrap();
    assert_eq!(bot.handle().pending_updates(), 1);
    bot.started().await;
    bot.handle().wait_for_text(SOON, OWNER, 0, "0 plants").await.unwrap();
    bot.answers(OWNER, "/help", "What I can do").await;
    bot.stop().await;
    assert_eq!(bot.times_said(OWNER, "0 plants"), 1);
}

#[tokio::test]
async fn an_edit_that_reached_the_log_before_the_crash_is_there_once_and_told_after_it() {
    let mut bot = Bot::new().await;
    bot.crash_at("after-append", 1);
    bot.started().await;
    edit_up_to_confirmation(&bot, "Appended").await;
    bot.handle().say(OWNER, OWNER, "/y");
    bot.crashed().await;
    assert_eq!(bot.times_said(OWNER, SAVED), 0);
    bot.crash_no_more();
    bot.started().await;
    bot.handle().wait_for_text(SOON, OWNER, 0, SAVED).await.unwrap();
    let listed = bot.answers(OWNER, "/plants", "Appended").await;
    assert!(listed.text.starts_with("1 plant\n"), "{}", listed.text);
    bot.stop().await;
    assert_eq!(bot.times_said(OWNER, SAVED), 1);
    let log = Log::open(&bot.data_dir(), 1).await;
    let records = log.described(7).await;
    let first = &records.first().unwrap().1;
    assert!(records.len() <= 2 && records.iter().all(|(_, value)| value == first), "{records:?}");
}

#[tokio::test]
async fn a_conversation_goes_on_after_a_crash_and_runs_out_of_time_after_another() {
    let mut bot = Bot::new().await;
    Log::open(&bot.data_dir(), 1).await.describe(&plant(7, "Old name", 20.0)).await;
    bot.started().await;
    until(SOON, "the plant", async || {
        State::open(&bot.data_dir()).await.number("select count(*) from plant").await == 1
    })
    .await;
    bot.answers(OWNER, "/update_plant 7", "Now: Old name").await;
    bot.kill().await;

    bot.set("TEST_WINDOWSILL_CLOCK_SHIFT_MS", 29 * MINUTE_MS);
    bot.started().await;
    bot.answers(OWNER, "New name", "plant's scientific name").await;
    bot.kill().await;

    // The answer began the half hour anew.
    bot.set("TEST_WINDOWSILL_CLOCK_SHIFT_MS", 58 * MINUTE_MS);
    bot.started().await;
    bot.answers(OWNER, "/plant 7", "Old name").await;
    bot.kill().await;

    bot.set("TEST_WINDOWSILL_CLOCK_SHIFT_MS", 60 * MINUTE_MS);
    bot.started().await;
    bot.handle().wait_for_text(SOON, OWNER, 0, "⌛ I waited 30 minutes").await.unwrap();
    bot.answers(OWNER, "Filix", "No result found for device Filix").await;
    let shown = bot.answers(OWNER, "/plant 7", "plant 7").await;
    assert!(shown.text.contains("Old name"), "{}", shown.text);
    bot.stop().await;
    assert_eq!(bot.times_said(OWNER, "⌛"), 1);
}

#[tokio::test]
async fn the_half_hour_of_a_conversation_also_ends_while_the_bot_runs() {
    let mut bot = Bot::new().await;
    bot.started().await;
    bot.answers(OWNER, "/update_plant 7", "plant's given name").await;
    bot.kill().await;
    // Some seconds are left when it begins.
    bot.set("TEST_WINDOWSILL_CLOCK_SHIFT_MS", 30 * MINUTE_MS - 4_000);
    bot.started().await;
    assert_eq!(bot.times_said(OWNER, "⌛"), 0);
    bot.handle().wait_for_text(SOON, OWNER, 0, "/update_plant. Nothing was changed").await.unwrap();
    bot.stop().await;
}

#[tokio::test]
async fn an_update_over_which_it_died_three_times_is_set_aside_and_told() {
    let mut bot = Bot::new().await;
    bot.crash_at("before-update-commit", 1);
    bot.handle().say(OWNER, OWNER, "/plants");
    for _ in 0..3 {
        bot.start();
        bot.crashed().await;
    }
    bot.crash_no_more();
    bot.start();
    let told = bot.handle().wait_for_text(SOON, OWNER, 0, "three times").await.unwrap();
    assert!(told.text.contains("I have set it aside"), "{}", told.text);
    bot.answers(OWNER, "/plants", "0 plants").await;
    bot.stop().await;
    assert_eq!(bot.times_said(OWNER, "0 plants"), 1);
}

#[tokio::test]
async fn an_edit_waits_for_a_log_that_is_away_and_saved_is_said_when_it_is_true() {
    let mut bot = Bot::new().await;
    bot.started().await;
    edit_up_to_confirmation(&bot, "Patient").await;
    let held = hold(&bot.data_dir().join("log.db")).await;
    let queued = bot.answers(OWNER, "/y", "⏳ Your entry for Patient is queued").await;
    let listed = bot.answers(OWNER, "/plants", "0 plants").await;
    assert_eq!(bot.times_said(OWNER, SAVED), 0);
    held.close().await.unwrap();
    let saved = bot.handle().wait_for_text(SOON, OWNER, 0, SAVED).await.unwrap();
    assert!(saved.id == queued.id && saved.edited && saved.id < listed.id, "{saved:?}");
    bot.answers(OWNER, "/plants", "Patient").await;
    bot.stop().await;
    assert_eq!((bot.times_said(OWNER, SAVED), bot.times_said(OWNER, "⏳")), (1, 0));
}

#[tokio::test]
async fn a_queued_edit_survives_a_crash_and_is_told_in_its_old_message() {
    let mut bot = Bot::new().await;
    bot.started().await;
    edit_up_to_confirmation(&bot, "Patient").await;
    let held = hold(&bot.data_dir().join("log.db")).await;
    let queued = bot.answers(OWNER, "/y", "⏳ Your entry for Patient is queued").await;
    until(SOON, "the message is marked", async || {
        State::open(&bot.data_dir())
            .await
            .number("select count(*) from outbox where state = 'waiting'")
            .await
            == 0
    })
    .await;
    bot.kill().await;
    held.close().await.unwrap();
    assert!(Log::open(&bot.data_dir(), 1).await.described(7).await.is_empty());
    bot.started().await;
    let saved = bot.handle().wait_for_text(SOON, OWNER, 0, SAVED).await.unwrap();
    assert_eq!(saved.id, queued.id);
    bot.stop().await;
}
