//! Updates that Telegram pushes: taken in once, from nobody else, and kept whatever happens.

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::Connection;
use windowsill::demo::botapi::Handle;

use crate::bot::state::State;
use crate::bot::{Bot, Life, OWNER, SOON, until};
use crate::crash_once::hold;

mod forgery;
mod ngrok;
mod rivals;
mod tunnel;

use tunnel::Tunnel;

const SECRET: &str = "a-Secret_for-tests";
const PATH: &str = "/hook/of/mine";

/// A bot behind a public address; nothing runs yet.
async fn behind_tunnel() -> (Bot, Tunnel) {
    let tunnel = Tunnel::open().await;
    let bot = Bot::new().await.with("WINDOWSILL_WEBHOOK__SECRET", SECRET);
    (bot.with("WINDOWSILL_WEBHOOK__URL", tunnel.url(PATH)), tunnel)
}

/// Begins a life and waits until its webhook is set.
async fn started(bot: &mut Bot, tunnel: &Tunnel) {
    let before = bot.handle().performed("setWebhook");
    bot.start();
    tunnel.lead_to(bot.http_address().await);
    let is_set = |handle: &Handle| (handle.performed("setWebhook") > before).then_some(());
    bot.handle().wait_for(SOON, "webhook", is_set).await.unwrap();
}

/// Waits for so many answers with `part` in them, and for nothing to wait any more.
async fn answered(bot: &Bot, part: &str, times: usize) {
    let said = |_: &Handle| (bot.times_said(OWNER, part) >= times).then_some(());
    bot.handle().wait_for(SOON, "answers", said).await.unwrap();
    until(SOON, "nothing waits", async || {
        bot.handle().pending_updates() == 0 && State::open(&bot.data_dir()).await.is_quiet().await
    })
    .await;
    assert_eq!(bot.times_said(OWNER, part), times);
}

async fn stopped_cleanly(bot: &Bot) {
    bot.stop().await;
    assert!(!bot.log().contains(SECRET), "the secret is logged");
}

/// F2: a death at any place between Telegram's call and the answer: the message is answered once.
#[tokio::test]
async fn a_message_is_answered_once_wherever_the_process_died_over_it() {
    for point in ["before-inbox-insert", "after-inbox-insert", "before-update-commit"] {
        let (mut bot, tunnel) = behind_tunnel().await;
        bot.title = format!("killed {point}");
        bot.crash_at(point, 1);
        started(&mut bot, &tunnel).await;
        bot.handle().say(OWNER, OWNER, "/plants");
        bot.crashed().await;
        assert_eq!(bot.times_said(OWNER, "0 plants"), 0);
        bot.crash_no_more();
        started(&mut bot, &tunnel).await;
        answered(&bot, "0 plants", 1).await;
        stopped_cleanly(&bot).await;
    }
}

/// F2, F17: what could not be stored was not acknowledged, so Telegram brings it again.
#[tokio::test]
async fn an_update_that_could_not_be_stored_is_refused_and_delivered_again() {
    let (mut bot, tunnel) = behind_tunnel().await;
    bot.set("WINDOWSILL_WEBHOOK__CHECK_EVERY_SECONDS", 1);
    started(&mut bot, &tunnel).await;
    let held = hold(&bot.data_dir().join("state.db")).await;
    bot.handle().say(OWNER, OWNER, "/plants");
    until(SOON, "a refused delivery", async || {
        let info = bot.world.ok("getWebhookInfo", json!({})).await;
        info["last_error_message"] == "Wrong response from the webhook: 503 Service Unavailable"
    })
    .await;
    assert_eq!(bot.handle().pending_updates(), 1);
    held.close().await.unwrap();
    answered(&bot, "0 plants", 1).await;
    until(SOON, "it is told in /status", async || {
        let status = bot.answers(OWNER, "/status", "Updates: by webhook").await.text;
        status.contains("a delivery failed") && status.contains("503 Service Unavailable")
    })
    .await;
    let (_, metrics) = bot.page("/metrics").await;
    assert!(metrics.contains("windowsill_webhook_requests_total{status=\"503\"} "), "{metrics}");
    assert!(metrics.contains("windowsill_telegram_pending_updates "), "{metrics}");
    stopped_cleanly(&bot).await;
}

/// F25: from polling to a webhook and back, with updates pending each time and some that the last
/// life had stored without telling Telegram.
#[tokio::test]
async fn updates_survive_every_change_between_polling_and_webhook() {
    let (mut bot, tunnel) = behind_tunnel().await;
    let url = tunnel.url(PATH);
    let mut asked = 0;
    let mut ask = |bot: &Bot| {
        asked += 1;
        bot.handle().say(OWNER, OWNER, &format!("/plant nobody-{asked}"));
        asked
    };
    bot.set("WINDOWSILL_WEBHOOK__URL", "");
    bot.crash_at("after-inbox-insert", 1);
    bot.started().await;
    ask(&bot);
    bot.crashed().await;
    bot.crash_no_more();
    ask(&bot);
    // To the webhook: one was stored and is still pending, the other is new.
    bot.set("WINDOWSILL_WEBHOOK__URL", &url);
    started(&mut bot, &tunnel).await;
    answered(&bot, "I know no plant called", 2).await;
    // A delivery may carry any number; it says nothing about those that wait.
    let far = json!({"update_id": 2_000_000_000, "poll": {"id": "1"}});
    assert_eq!(post(&bot, &far).await, 200);
    bot.crash_at("after-inbox-insert", 1);
    bot.kill().await;
    started(&mut bot, &tunnel).await;
    ask(&bot);
    bot.crashed().await;
    bot.crash_no_more();
    ask(&bot);
    // And back: again one is stored and pending, the other new.
    bot.set("WINDOWSILL_WEBHOOK__URL", "");
    bot.started().await;
    answered(&bot, "I know no plant called", 4).await;
    bot.stop().await;
    let last = ask(&bot);
    bot.set("WINDOWSILL_WEBHOOK__URL", &url);
    started(&mut bot, &tunnel).await;
    answered(&bot, "I know no plant called", last).await;
    stopped_cleanly(&bot).await;
    let said = bot.said(OWNER);
    for (number, text) in (1..).zip(&said) {
        assert!(text.starts_with(&format!("I know no plant called “nobody-{number}”")), "{said:?}");
    }
    for method in ["setWebhook", "deleteWebhook"] {
        let drops = |params: &Value| params.get("drop_pending_updates").is_some();
        assert!(!bot.handle().calls_of(method).iter().any(|call| drops(&call.params)));
    }
    assert_eq!(bot.handle().webhook_url(), Some(url), "a stop leaves the webhook where it is");
}

/// One call of Telegram's, or of somebody who knows the secret.
async fn post(bot: &Bot, update: &Value) -> u16 {
    let url = format!("http://{}{PATH}", bot.http_address().await);
    let request = bot.world.client().post(url).json(update);
    let request = request.header("X-Telegram-Bot-Api-Secret-Token", SECRET);
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_secret_is_made_up_once_and_asked_for_ever_after() {
    let (mut bot, tunnel) = behind_tunnel().await;
    bot.set("WINDOWSILL_WEBHOOK__SECRET", "");
    for life in 1..=2 {
        started(&mut bot, &tunnel).await;
        bot.handle().say(OWNER, OWNER, "/plants");
        answered(&bot, "0 plants", life).await;
        bot.kill().await;
    }
    let calls = bot.handle().calls_of("setWebhook");
    let secrets: Vec<&str> =
        calls.iter().map(|call| call.params["secret_token"].as_str().unwrap()).collect();
    assert_eq!(secrets[0], secrets[1]);
    assert!(secrets[0].len() == 64 && !bot.log().contains(secrets[0]));
    let kinds = calls[0].params["allowed_updates"].to_string();
    bot.set("WINDOWSILL_WEBHOOK__URL", "");
    bot.started().await;
    let polls = bot.handle().calls_of("getUpdates");
    assert_eq!(polls[0].params["allowed_updates"].to_string(), kinds, "both ask for the same");
    bot.stop().await;
}

/// F25: an old instance that stops after a new one has started leaves the new one's webhook alone.
#[tokio::test]
async fn an_old_instance_that_stops_leaves_the_webhook_of_a_new_one_alone() {
    let (mut bot, tunnel) = behind_tunnel().await;
    started(&mut bot, &tunnel).await;
    let old_address = bot.http_address().await;
    let newer = Tunnel::open().await;
    let other_dir = bot.data_dir().with_file_name("other");
    let output = bot.data_dir().with_file_name("other.txt");
    let mut command = bot.command(&["run"]);
    command.env("WINDOWSILL_DATA_DIR", other_dir);
    command.env("WINDOWSILL_WEBHOOK__URL", newer.url(PATH));
    command.stdout(std::fs::File::create(&output).unwrap()).stderr(std::process::Stdio::null());
    let new_life = Life::begin(&mut command);
    let url = newer.url(PATH);
    let is_set = |handle: &Handle| (handle.webhook_url().as_ref() == Some(&url)).then_some(());
    bot.handle().wait_for(SOON, "the new webhook", is_set).await.unwrap();
    stopped_cleanly(&bot).await;
    assert_eq!(bot.handle().webhook_url(), Some(url));
    assert!(bot.handle().calls_of("deleteWebhook").is_empty());
    let printed = std::fs::read_to_string(&output).unwrap();
    let address = printed.trim().strip_prefix("listening on http://").unwrap().parse().unwrap();
    assert_ne!(address, old_address);
    newer.lead_to(address);
    bot.answers(OWNER, "/plants", "0 plants").await;
    new_life.signal("-TERM");
    assert_eq!(new_life.ended_within(Duration::from_secs(10)).await.code(), Some(0));
}
