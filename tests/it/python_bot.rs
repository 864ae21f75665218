//! An unmodified python-telegram-bot against our Bot API server.

use std::net::TcpListener;
use std::process::Command;

use windowsill::demo::botapi::Handle;

use crate::botapi::PIXEL;
use crate::botapi_world::{TOKEN, WITHIN, World};
use crate::tool::{Running, leave_out, works};

const ANNA: i64 = 77;
const GROUP: i64 = -1_001_234_567_890;

fn python() -> Option<String> {
    let named = std::env::var("WINDOWSILL_TEST_PYTHON");
    let python = named.unwrap_or_else(|_| "python3".to_owned());
    works(Command::new(&python).args(["-c", "import telegram.ext, tornado"])).then_some(python)
}

fn bot(python: &str, world: &World, webhook: &[&str]) -> Running {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/ptb_echo.py");
    let mut command = Command::new(python);
    command.args([script, &world.base, TOKEN]).args(webhook);
    // Nothing between us but loopback.
    for proxy in
        ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"]
    {
        command.env_remove(proxy);
    }
    Running::start(&mut command)
}

/// The whole conversation, the same whichever way updates reach the bot.
async fn converse(handle: &Handle) {
    let started = |handle: &Handle| {
        let polls = !handle.calls_of("getUpdates").is_empty();
        (polls || handle.webhook_url().is_some()).then_some(())
    };
    handle.wait_for(WITHIN, "sign of the bot", started).await.unwrap();
    greet(handle).await;
    press_a_button(handle).await;
    exchange_files(handle).await;
    reply_in_a_thread(handle).await;
}

/// The bot puts a name into its HTML without escaping it, and is told.
async fn greet(handle: &Handle) {
    handle.rename(ANNA, "Anna <3");
    handle.say(ANNA, ANNA, "/start");
    let refused = |handle: &Handle| handle.calls_of("sendMessage").pop()?.error_code();
    assert_eq!(handle.wait_for(WITHIN, "refusal", refused).await.unwrap(), 400);
    handle.rename(ANNA, "Anna");
    handle.say(ANNA, ANNA, "/start");
    let hello = handle.wait_for_text(WITHIN, ANNA, 0, "Hello, Anna").await.unwrap();
    assert_eq!(hello.html, "Hello, <b>Anna</b>");
    assert_eq!(hello.reply_to, Some(2));
    assert_eq!(handle.menu(ANNA, ANNA).len(), 2);
    handle.say(ANNA, ANNA, "/broken");
    handle.wait_for_text(WITHIN, ANNA, hello.id, "find end tag").await.unwrap();
}

async fn press_a_button(handle: &Handle) {
    handle.press_label(ANNA, ANNA, "Press me").unwrap();
    let edited = |handle: &Handle| handle.messages(ANNA).into_iter().find(|it| it.edited);
    let edited = handle.wait_for(WITHIN, "edit", edited).await.unwrap();
    assert_eq!(edited.html, "You <i>pressed</i>");
    assert!(handle.calls_of("answerCallbackQuery")[0].succeeded());
}

async fn exchange_files(handle: &Handle) {
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("pixel.png");
    std::fs::write(&picture, PIXEL).unwrap();
    handle.say(ANNA, ANNA, &format!("/photo {}", picture.display()));
    let expected = format!("{} bytes came back", PIXEL.len());
    handle.wait_for_text(WITHIN, ANNA, 0, &expected).await.unwrap();
    let messages = handle.messages(ANNA);
    assert!(messages.iter().any(|message| message.photo && message.text == "a picture"));
    assert!(messages.iter().any(|message| message.document.as_deref() == Some("again.png")));
}

async fn reply_in_a_thread(handle: &Handle) {
    handle.create_group(GROUP, "Home");
    handle.say_in_thread(GROUP, ANNA, 5, "/ask");
    let question = handle.wait_for_text(WITHIN, GROUP, 0, "its name").await.unwrap();
    assert!(question.asks_reply && question.thread_id == Some(5));
    handle.reply(GROUP, ANNA, question.id, "Ferdinand");
    handle.wait_for_text(WITHIN, GROUP, question.id, "dnanidreF").await.unwrap();
    let answer = handle.messages(GROUP).into_iter().find(|message| message.text == "Ferdinand");
    assert_eq!(answer.unwrap().reactions, ["👍"]);
}

const REMEDY: &str = "pip install 'python-telegram-bot[webhooks]' \
                      (WINDOWSILL_TEST_PYTHON names another interpreter)";

#[tokio::test]
async fn a_python_bot_converses_by_polling() {
    let Some(python) = python() else {
        return leave_out("a python bot that polls", REMEDY);
    };
    let world = World::start().await;
    let _bot = bot(&python, &world, &[]);
    converse(&world.handle).await;
}

#[tokio::test]
async fn a_python_bot_converses_by_webhook() {
    let Some(python) = python() else {
        return leave_out("a python bot with a webhook", REMEDY);
    };
    let world = World::start().await;
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let _bot = bot(&python, &world, &[&free.to_string(), "a-secret_1"]);
    converse(&world.handle).await;
    assert!(world.handle.calls_of("getUpdates").is_empty());
}
