//! Edits that meet each other, a deleted plant, an old button, or an upgrade: the real bot.

use sqlx::Executor;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use windowsill::demo::botapi::{Handle, ShownMessage};

use crate::bot::past::{Log, METADATA, plant};
use crate::bot::state::State;
use crate::bot::{Bot, OWNER, SOON, until};
use crate::crash_once::{edit_up_to_confirmation, hold};

const SAVED: &str = "You've confirmed your metadata entry, and it has been updated.";
const CHANGED: &str = "Somebody changed this plant meanwhile:";
/// Somebody else who may edit.
const OTHER: i64 = 12;

async fn with_cyril() -> (Bot, Log) {
    let mut bot = Bot::new().await.with("WINDOWSILL_TELEGRAM__ALLOWED_CHATS", OTHER);
    let log = Log::open(&bot.data_dir(), 1).await;
    log.describe(&plant(0, "Cyril", 30.0)).await;
    log.describe(&plant(1, "Nicholas", 20.0)).await;
    bot.started().await;
    bot.sees("/plants", "2 plants").await;
    (bot, log)
}

/// Gives plant 0 another name, up to the confirmation.
async fn rename(bot: &Bot, user_id: i64, name: &str) {
    bot.answers(user_id, "/update_plant 0", "Please enter plant's given name").await;
    bot.answers(user_id, name, "Please enter plant's scientific name").await;
    for _ in 0..5 {
        bot.answers(user_id, "/skip", "Please enter plant's").await;
    }
    bot.answers(user_id, "/skip", "Please confirm your metadata entry.").await;
}

async fn names(log: &Log) -> Vec<String> {
    let described = log.described(0).await.into_iter();
    described.map(|(_, value)| value["given_name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn of_two_people_who_edit_one_plant_the_second_sees_what_the_first_did() {
    let (bot, log) = with_cyril().await;
    rename(&bot, OWNER, "Cyrus").await;
    rename(&bot, OTHER, "Cyrano").await;
    bot.answers(OTHER, "/y", SAVED).await;
    let shown = bot.answers(OWNER, "/y", CHANGED).await;
    assert!(shown.text.contains("given name: Cyril → Cyrano"), "{}", shown.text);
    assert!(shown.text.contains("given name: Cyrus (was Cyrano)"), "{}", shown.text);
    bot.answers(OWNER, "/y", SAVED).await;
    assert_eq!(names(&log).await, ["Cyril", "Cyrano", "Cyrus"]);
    bot.stop().await;
}

/// F6, with two people: the second is told of an edit that the log has not taken yet.
#[tokio::test]
async fn an_edit_on_its_way_counts_as_made_and_edits_of_one_plant_leave_in_order() {
    let (bot, log) = with_cyril().await;
    rename(&bot, OWNER, "Cyrus").await;
    rename(&bot, OTHER, "Cyrano").await;
    let held = hold(&bot.data_dir().join("log.db")).await;
    bot.answers(OTHER, "/y", "⏳ Your entry for Cyrano is queued").await;
    let shown = bot.answers(OWNER, "/y", CHANGED).await;
    assert!(shown.text.contains("given name: Cyril → Cyrano"), "{}", shown.text);
    bot.answers(OWNER, "/y", "⏳ Your entry for Cyrus is queued").await;
    sqlx::Connection::close(held).await.unwrap();
    bot.handle().wait_for_text(SOON, OTHER, 0, SAVED).await.unwrap();
    bot.handle().wait_for_text(SOON, OWNER, 0, SAVED).await.unwrap();
    assert_eq!(names(&log).await, ["Cyril", "Cyrano", "Cyrus"]);
    bot.answers(OWNER, "/plant 0", "Cyrus").await;
    bot.stop().await;
}

/// F10: a tombstone arrives while somebody edits the plant.
#[tokio::test]
async fn a_plant_deleted_during_its_edit_is_told_and_added_again_only_when_confirmed_again() {
    let (bot, log) = with_cyril().await;
    rename(&bot, OWNER, "Cyrus").await;
    log.delete(METADATA, "0").await;
    bot.sees("/plants", "1 plant").await;
    let told = bot.answers(OWNER, "/y", "Somebody deleted this plant meanwhile.").await;
    assert!(told.text.contains("Confirming adds it again."), "{}", told.text);
    assert!(told.text.contains("New plant 0"), "{}", told.text);
    assert_eq!(names(&log).await, ["Cyril"]);
    bot.answers(OWNER, "/y", SAVED).await;
    bot.answers(OWNER, "/plants", "2 plants").await;
    assert_eq!(names(&log).await, ["Cyril", "Cyrus"]);
    bot.stop().await;
}

/// Waits until so many taps were answered as expired.
async fn expired(bot: &Bot, count: usize) {
    let answered = |handle: &Handle| {
        let calls = handle.calls_of("answerCallbackQuery");
        let told = calls.iter().filter(|call| call.param("text") == "This button has expired.");
        (told.count() == count).then_some(())
    };
    bot.handle().wait_for(SOON, "expired button", answered).await.unwrap();
}

/// F29: in both conversations a tap counts once, and an old button does nothing.
#[tokio::test]
async fn a_double_tap_edits_once_and_old_buttons_have_expired() {
    let (bot, log) = with_cyril().await;
    rename(&bot, OWNER, "Cyrus").await;
    let confirm = bot.handle().last_from_bot(OWNER).unwrap();
    let yes = confirm.button("✅ Yes").unwrap().data.clone().unwrap();
    for _ in 0..2 {
        bot.handle().press(OWNER, OWNER, confirm.id, &yes);
    }
    bot.handle().wait_for_text(SOON, OWNER, 0, SAVED).await.unwrap();
    expired(&bot, 1).await;
    assert_eq!(names(&log).await, ["Cyril", "Cyrus"]);

    let first = bot.answers(OWNER, "/update_mapping", "Please enter sensor's id").await;
    let sensor = first.button("0x36").unwrap().data.clone().unwrap();
    for _ in 0..2 {
        bot.handle().press(OWNER, OWNER, first.id, &sensor);
    }
    expired(&bot, 2).await;
    // Buttons as another version may have made them, with the present version of the draft.
    let asked = bot.answers(OWNER, "cyrus", "Please confirm your mapping entry.").await;
    let yes = asked.button("✅ Yes").unwrap().data.clone().unwrap();
    let version = yes.strip_suffix(":y").unwrap();
    for (count, old) in
        [format!("{version}:water"), format!("{version}:sensor-x"), "d:x".into(), "old".into()]
            .iter()
            .enumerate()
    {
        bot.handle().press(OWNER, OWNER, asked.id, old);
        expired(&bot, 3 + count).await;
    }
    for _ in 0..2 {
        bot.handle().press(OWNER, OWNER, asked.id, &yes);
    }
    bot.handle()
        .wait_for_text(SOON, OWNER, 0, "You've confirmed your mapping entry")
        .await
        .unwrap();
    expired(&bot, 7).await;
    assert_eq!(log.mapped().await, [("0x36".to_owned(), Some(0))]);
    bot.stop().await;
}

/// Changes what waits in the state of a bot that does not run.
async fn change(bot: &Bot, statement: &str) {
    let path = bot.data_dir().join("state.db");
    let options = SqliteConnectOptions::new().filename(path);
    let mut db = <SqliteConnection as sqlx::Connection>::connect_with(&options).await.unwrap();
    db.execute(statement).await.unwrap();
    sqlx::Connection::close(db).await.unwrap();
}

/// What its owner wrote, oldest first.
fn own(bot: &Bot) -> Vec<ShownMessage> {
    let messages = bot.handle().messages(OWNER).into_iter();
    messages.filter(|message| !message.from_bot).collect()
}

/// F37: an edit that waits for the log no longer fits after an upgrade.
#[tokio::test]
async fn an_edit_that_no_longer_fits_is_told_and_kept_and_the_next_one_is_saved() {
    let upgrades = [
        (
            "update publication set value = json_remove(value, '$.moisture_low')",
            "field \"moisture_low\" is missing",
        ),
        (
            "update publication set topic = 'houseplant-moods'",
            "\"houseplant-moods\" does not exist",
        ),
        (
            "update publication set record_key = cast('8' as blob)",
            "the key is \"8\", expected the plant id",
        ),
    ];
    let mut bot = Bot::new().await;
    for (upgrade, reason) in upgrades {
        bot.started().await;
        edit_up_to_confirmation(&bot, "Patient").await;
        let held = hold(&bot.data_dir().join("log.db")).await;
        let queued = bot.answers(OWNER, "/y", "⏳ Your entry for Patient is queued").await;
        let yes = own(&bot).pop().unwrap().id;
        until(SOON, "the message is marked", async || {
            let waiting = "select count(*) from outbox where state = 'waiting'";
            State::open(&bot.data_dir()).await.number(waiting).await == 0
        })
        .await;
        bot.kill().await;
        sqlx::Connection::close(held).await.unwrap();
        change(&bot, upgrade).await;
        bot.started().await;
        let told = bot.handle().wait_for_text(SOON, OWNER, queued.id - 1, reason).await.unwrap();
        assert!(told.id == queued.id && told.text.starts_with("❌ Your edit could not be saved"));
        bot.is_quiet().await;
        let confirmed = own(&bot).into_iter().find(|message| message.id == yes).unwrap();
        assert!(confirmed.reactions.is_empty(), "{confirmed:?}");
        bot.stop().await;
    }
    bot.started().await;
    edit_up_to_confirmation(&bot, "Lucky").await;
    bot.answers(OWNER, "/y", SAVED).await;
    bot.stop().await;
    let mut state = State::open(&bot.data_dir()).await;
    let kept = "select count(*) from failed_edit where records like '%Patient%' and reason <> ''";
    assert_eq!(state.number(kept).await, 3);
    assert_eq!(state.number("select count(*) from edit").await, 0);
    let described = Log::open(&bot.data_dir(), 1).await.described(7).await;
    assert_eq!(described.len(), 1, "{described:?}");
}
