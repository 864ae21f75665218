//! Somebody else with the same token.

use serde_json::{Value, json};
use windowsill::demo::botapi::Handle;

use super::{behind_tunnel, started, stopped_cleanly};
use crate::bot::{Bot, OWNER, SOON, until};

/// What the owners are told, once.
const TOLD: &str = "Another program uses this bot's token";

/// F25: a webhook that was taken away is set again, and the owner can see that it was.
#[tokio::test]
async fn a_webhook_that_somebody_took_away_is_set_again() {
    let (mut bot, tunnel) = behind_tunnel().await;
    bot.set("WINDOWSILL_WEBHOOK__CHECK_EVERY_SECONDS", 1);
    started(&mut bot, &tunnel).await;
    // A bot cannot write to somebody who never wrote to it.
    bot.answers(OWNER, "/plants", "0 plants").await;
    let ours = bot.handle().webhook_url();
    bot.world.ok("setWebhook", json!({"url": "http://127.0.0.1:1/another"})).await;
    until(SOON, "it is ours again", async || bot.handle().webhook_url() == ours).await;
    bot.world.ok("deleteWebhook", json!({})).await;
    until(SOON, "it is set again", async || bot.handle().webhook_url() == ours).await;
    assert!(bot.log().contains("the webhook was changed by another program; I set it again"));
    let status = bot.answers(OWNER, "/status", "Updates: by webhook").await.text;
    assert!(status.contains("Another program used this bot's token"), "{status}");
    // It took the webhook twice, and that was told once.
    assert_eq!(bot.times_said(OWNER, TOLD), 1);
    stopped_cleanly(&bot).await;
}

/// F39: two instances poll with one token. Both say so, and no update is lost over it.
#[tokio::test]
async fn a_second_poller_is_noticed_and_told_to_the_owner() {
    let mut bot = Bot::new().await;
    bot.started().await;
    let status = bot.answers(OWNER, "/status", "Updates: by polling").await.text;
    assert!(!status.contains("Another program"), "{status}");
    bot.world.updates().await;
    until(SOON, "it is noticed", async || bot.log().contains("I wait for it to end")).await;
    bot.handle().wait_for_text(SOON, OWNER, 0, TOLD).await.unwrap();
    let status = bot.answers(OWNER, "/status", "Updates: by polling").await.text;
    assert!(status.contains("Another program used this bot's token"), "{status}");
    bot.stop().await;
    // It lasts, over a restart too: nothing new is told.
    bot.started().await;
    let noticed = bot.log().matches("I wait for it to end").count();
    bot.world.updates().await;
    until(SOON, "it is noticed", async || {
        bot.log().matches("I wait for it to end").count() > noticed
    })
    .await;
    bot.answers(OWNER, "/status", "Another program used this bot's token").await;
    bot.is_quiet().await;
    assert_eq!(bot.times_said(OWNER, TOLD), 1);
    bot.stop().await;
}

/// F25: a webhook that is set while an older instance polls belongs to a newer one.
#[tokio::test]
async fn a_poller_leaves_a_webhook_alone_that_is_newer_than_itself() {
    let mut bot = Bot::new().await;
    bot.world.ok("setWebhook", json!({"url": "http://127.0.0.1:1/older"})).await;
    bot.started().await;
    bot.answers(OWNER, "/plants", "0 plants").await;
    bot.world.ok("setWebhook", json!({"url": "http://127.0.0.1:1/newer"})).await;
    let polls = bot.handle().calls_of("getUpdates").len();
    let refused = |handle: &Handle| {
        let answers = handle.calls_of("getUpdates").into_iter().skip(polls);
        let mut answers = answers.filter_map(|call| call.answer);
        let is_refused = |answer: Value| answer["description"].to_string().contains("is active");
        answers.any(is_refused).then_some(())
    };
    bot.handle().wait_for(SOON, "a poll that is refused", refused).await.unwrap();
    assert_eq!(bot.handle().webhook_url().as_deref(), Some("http://127.0.0.1:1/newer"));
    bot.world.ok("deleteWebhook", json!({})).await;
    bot.answers(OWNER, "/plants", "0 plants").await;
    let deletions = bot.handle().calls_of("deleteWebhook").len();
    assert_eq!(deletions, 2, "one at its start and ours");
    bot.stop().await;
}
