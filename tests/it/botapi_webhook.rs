//! Updates pushed to a webhook: secret, order, retries, replies in the answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use windowsill::demo::botapi::Handle;

use crate::botapi_world::{WITHIN, World};

const ANNA: i64 = 77;

/// A bot that fails the first `failing` deliveries and answers each update with a call.
struct Bot {
    url: String,
    deliveries: UnboundedReceiver<(String, Value)>,
}

#[derive(Clone)]
struct Hook {
    failing: Arc<AtomicUsize>,
    deliveries: UnboundedSender<(String, Value)>,
}

impl Bot {
    async fn start(failing: usize) -> Bot {
        let (sender, deliveries) = unbounded_channel();
        let failing = Arc::new(AtomicUsize::new(failing));
        let hook = Hook { failing, deliveries: sender };
        let router = Router::new().route("/hook", post(receive)).with_state(hook);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Bot { url, deliveries }
    }

    async fn next(&mut self) -> (String, Value) {
        let next = tokio::time::timeout(WITHIN, self.deliveries.recv()).await;
        next.unwrap().unwrap()
    }
}

async fn receive(
    State(hook): State<Hook>,
    headers: HeaderMap,
    axum::Json(update): axum::Json<Value>,
) -> (StatusCode, String) {
    let secret = headers.get("x-telegram-bot-api-secret-token");
    let secret = secret.map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    let text = update["message"]["text"].clone();
    hook.deliveries.send((secret, update)).unwrap();
    let spent =
        hook.failing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
    if spent.is_ok() {
        return (StatusCode::SERVICE_UNAVAILABLE, String::new());
    }
    let reply = json!({"method": "sendMessage", "chat_id": ANNA, "text": text});
    (StatusCode::OK, reply.to_string())
}

#[tokio::test]
async fn deliveries_carry_the_secret_and_are_repeated_in_order() {
    let world = World::start().await;
    let mut bot = Bot::start(2).await;
    world.handle.say(ANNA, ANNA, "first");
    world.handle.say(ANNA, ANNA, "second");
    world.ok("setWebhook", json!({"url": bot.url, "secret_token": "s-3"})).await;
    for expected in ["first", "first", "first", "second"] {
        let (secret, update) = bot.next().await;
        assert_eq!((secret.as_str(), &update["message"]["text"]), ("s-3", &json!(expected)));
    }
    let all_replied = |handle: &Handle| {
        let messages = handle.messages(ANNA);
        let replies = messages.into_iter().filter(|message| message.from_bot);
        let texts: Vec<String> = replies.map(|message| message.text).collect();
        (texts == ["first", "second"]).then_some(())
    };
    world.handle.wait_for(WITHIN, "reply out of a webhook's answer", all_replied).await.unwrap();
    let info = world.ok("getWebhookInfo", json!({})).await;
    assert_eq!(info["pending_update_count"], 0);
    assert_eq!(
        info["last_error_message"],
        "Wrong response from the webhook: 503 Service Unavailable"
    );
}

#[tokio::test]
async fn nobody_at_the_webhook_is_noted_and_pending_updates_can_be_dropped() {
    let world = World::start().await;
    world.handle.say(ANNA, ANNA, "lost");
    world.ok("setWebhook", json!({"url": "http://127.0.0.1:1/hook"})).await;
    loop {
        let info = world.ok("getWebhookInfo", json!({})).await;
        if !info["last_error_message"].is_null() {
            assert_eq!(info["last_error_message"], "Connection refused");
            assert_eq!(info["pending_update_count"], 1);
            break;
        }
    }
    world.ok("deleteWebhook", json!({"drop_pending_updates": true})).await;
    assert_eq!(world.handle.pending_updates(), 0);
    let bad = json!({"url": "http://127.0.0.1:1/", "secret_token": "not allowed"});
    let (code, _) = world.refused("setWebhook", bad).await;
    assert_eq!(code, 400);
}
