//! An update whose handling fails: only it fails, its person is told, and the chat goes on.

use sqlx::Executor;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use crate::bot::state::State;
use crate::bot::{Bot, OWNER};

const TOLD: &str = "Something in me failed over your last message, three times.";

async fn parked(bot: &Bot) -> i64 {
    let parked = "select count(*) from inbox where state = 'parked'";
    State::open(&bot.data_dir()).await.number(parked).await
}

/// F33: one panic.
#[tokio::test]
async fn an_update_over_which_a_handler_panics_once_is_answered_all_the_same() {
    let mut bot = Bot::new().await.with("TEST_WINDOWSILL_PANIC", "before-update-commit:1");
    bot.started().await;
    bot.answers(OWNER, "/plants", "0 plants").await;
    bot.answers(OWNER, "/help", "What I can do").await;
    bot.stop().await;
    assert_eq!((bot.times_said(OWNER, "0 plants"), parked(&bot).await), (1, 0));
    // Where it was is logged, and not its words: they may quote what somebody wrote.
    let log = bot.log();
    assert!(log.contains("src/crash.rs") && !log.contains("a planned panic"), "{log}");
}

/// F33: three panics over one update.
#[tokio::test]
async fn an_update_over_which_a_handler_panics_three_times_is_set_aside_and_told() {
    let mut bot = Bot::new().await.with("TEST_WINDOWSILL_PANIC", "before-update-commit:1-3");
    bot.started().await;
    bot.answers(OWNER, "/plants", TOLD).await;
    bot.answers(OWNER, "/plants", "0 plants").await;
    bot.stop().await;
    assert_eq!((bot.times_said(OWNER, TOLD), parked(&bot).await), (1, 1));
}

/// F33: what the store refuses again and again is no fault of the store.
#[tokio::test]
async fn an_update_that_the_store_refuses_each_time_is_set_aside_and_told() {
    let mut bot = Bot::new().await;
    bot.started().await;
    bot.answers(OWNER, "/plants", "0 plants").await;
    bot.stop().await;
    let path = bot.data_dir().join("state.db");
    let options = SqliteConnectOptions::new().filename(path);
    let mut db = <SqliteConnection as sqlx::Connection>::connect_with(&options).await.unwrap();
    let refuses = "create trigger refuses before insert on outbox
        when new.body like '%“moss”%' begin select raise(abort, 'refused'); end";
    db.execute(refuses).await.unwrap();
    sqlx::Connection::close(db).await.unwrap();
    bot.started().await;
    bot.answers(OWNER, "/plant moss", TOLD).await;
    bot.answers(OWNER, "/plant fern", "“fern”").await;
    bot.stop().await;
    assert_eq!((bot.times_said(OWNER, TOLD), parked(&bot).await), (1, 1));
}
