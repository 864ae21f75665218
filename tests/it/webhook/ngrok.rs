//! The webhook behind a local ngrok agent.

use super::tunnel::{Agent, Tunnel};
use super::{SECRET, answered, stopped_cleanly};
use crate::bot::{Bot, OWNER, SOON, until};
use windowsill::demo::botapi::Handle;

async fn is_set_to(bot: &Bot, url: String) {
    let is_set = |handle: &Handle| (handle.webhook_url().as_ref() == Some(&url)).then_some(());
    bot.handle().wait_for(SOON, "the tunnel's address", is_set).await.unwrap();
}

/// F25: the agent comes late, then begins anew with another address; nothing pending is lost.
#[tokio::test]
async fn the_webhook_follows_the_tunnel_of_an_ngrok_agent() {
    let mut agent = Agent::reserved();
    let mut bot = Bot::new()
        .await
        .with("WINDOWSILL_WEBHOOK__URL", "ngrok")
        .with("WINDOWSILL_WEBHOOK__SECRET", SECRET)
        .with("WINDOWSILL_WEBHOOK__NGROK_API", &agent.url);
    bot.handle().say(OWNER, OWNER, "/plants");
    bot.start();
    let address = bot.http_address().await;
    until(SOON, "it waits for the agent and says so", async || {
        bot.log().contains("no ngrok agent answers at")
            && bot.page("/readyz").await.1.contains("the webhook waits: no ngrok agent")
    })
    .await;

    let (first, second) = (Tunnel::open().await, Tunnel::open().await);
    let (ours, other) = (format!("http://localhost:{}", address.port()), "http://localhost:1");
    let (first_url, second_url) = (first.url(""), second.url(""));
    agent.runs(&[("http", &first_url, &ours), ("https", &second_url, other)]);
    agent.start();
    until(SOON, "no tunnel leads here", async || bot.log().contains("start `ngrok http")).await;
    assert_eq!(bot.handle().webhook_url(), None);

    first.lead_to(address);
    agent.runs(&[("https", &second_url, other), ("https", &first_url, &ours)]);
    is_set_to(&bot, first.url("/telegram")).await;
    answered(&bot, "0 plants", 1).await;
    until(SOON, "it is ready", async || bot.page("/readyz").await.0 == 200).await;

    // The agent begins anew: a moment without a tunnel, then another address.
    agent.runs(&[]);
    bot.handle().say(OWNER, OWNER, "/plants");
    second.lead_to(address);
    agent.runs(&[("https", &second_url, &ours)]);
    is_set_to(&bot, second.url("/telegram")).await;
    answered(&bot, "0 plants", 2).await;
    stopped_cleanly(&bot).await;
    assert!(bot.handle().calls_of("deleteWebhook").is_empty());
    assert_eq!(bot.handle().webhook_url(), Some(second.url("/telegram")));
}
