//! `/topics/{topic}`: lines come in and go out for whoever knows the token, and for nobody else.

use serde_json::{Value, json};

use crate::bot::Bot;
use crate::bot::past::{MAPPING, READINGS};
use crate::bot::state::FOLDED;
use crate::support::Ran;

const TOKEN_TEXT: &str = "a-token-of-the-house";

async fn bot() -> Bot {
    let mut bot = Bot::new().await.with("WINDOWSILL_HTTP__TOKEN", TOKEN_TEXT);
    bot.started().await;
    bot
}

struct Answer {
    status: u16,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }
}

async fn post(bot: &Bot, path: &str, body: impl Into<String>) -> Answer {
    let url = format!("http://{}{path}", bot.http_address().await);
    send(bot.world.client().post(url).bearer_auth(TOKEN_TEXT).body(body.into())).await
}

async fn send(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    Answer { status: response.status().as_u16(), text: response.text().await.unwrap() }
}

fn read(bot: &Bot, topic: &str) -> String {
    Ran::new(bot.command(&["topic", "read", topic]).output().unwrap()).expect_code(0).stdout
}

fn reading(number: i64) -> String {
    let value = json!({"plant_id": 1, "moisture": 40.5, "temperature": 20});
    let headers = json!([["sensor-id", "0x36"], ["queue-place", format!("pi/{number}")]]);
    format!("{}\n", json!({"key": "1", "value": value, "ts": number, "headers": headers}))
}

#[tokio::test]
async fn lines_are_written_counted_and_rejected_with_reasons() {
    let bot = bot().await;
    let bad = "{\"key\": \"1\", \"value\": {\"plant_id\": \"x\"}}\n\nno JSON\n";
    let lines = format!("{}{bad}{}", reading(1), reading(2).trim_end());
    let answer = post(&bot, "/topics/houseplant-readings", lines).await;
    let said = answer.json();
    assert_eq!((answer.status, &said["written"], &said["rejected"]), (200, &json!(2), &json!(2)));
    let numbers: Vec<&Value> =
        said["reasons"].as_array().unwrap().iter().map(|reason| &reason["line"]).collect();
    assert_eq!(numbers, [&json!(2), &json!(4)], "{said}");
    assert!(said["reasons"][1]["reason"].as_str().unwrap().contains("no JSON object"), "{said}");
    assert_eq!(read(&bot, READINGS).lines().count(), 2);
    bot.counts(FOLDED, 2).await;

    let value = "{\"plant_id\": 2, \"moisture\": 40, \"temperature\": 20}";
    let answer = post(&bot, "/topics/houseplant-readings?format=value", value).await;
    assert_eq!(answer.json()["written"], 1, "{}", answer.text);
    assert!(read(&bot, READINGS).lines().last().unwrap().contains("\"key\":\"2\""));
    bot.stop().await;
}

#[tokio::test]
async fn a_topic_is_given_as_topic_read_prints_it() {
    let bot = bot().await;
    let row = |id: &str, value: Value| format!("{}\n", json!({"key": id, "value": value}));
    let rows = [
        row("0x36", json!({"sensor_id": "0x36", "plant_id": 1})),
        row("0x37", Value::Null),
        row("0x36", json!({"sensor_id": "0x36", "plant_id": 2})),
    ];
    let written = post(&bot, "/topics/houseplant-sensor-mapping", rows.concat()).await;
    assert_eq!(written.json()["written"], 3, "{}", written.text);
    let url = format!("http://{}/topics/{MAPPING}", bot.http_address().await);
    let response = bot.world.client().get(url).bearer_auth(TOKEN_TEXT).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/x-ndjson");
    let text = response.text().await.unwrap();
    assert_eq!(text, read(&bot, MAPPING));
    assert_eq!(text.lines().count(), 3);
    bot.stop().await;
}

#[tokio::test]
async fn without_the_token_or_through_a_tunnel_nothing_is_written() {
    let mut bot = bot().await;
    let url = format!("http://{}/topics/houseplant-readings", bot.http_address().await);
    let client = bot.world.client();
    let request = || client.post(&url).body(reading(1));
    for (request, status) in [
        (request(), 401),
        (request().bearer_auth("a-token-of-the-houss"), 401),
        (request().bearer_auth("a-token-of-the-house-too"), 401),
        (request().bearer_auth(""), 401),
        (request().basic_auth("x", Some(TOKEN_TEXT)), 401),
        (client.get(&url), 401),
        (request().bearer_auth(TOKEN_TEXT).header("X-Forwarded-For", "203.0.113.7"), 404),
        (client.get(&url).bearer_auth(TOKEN_TEXT).header("Forwarded", "for=203.0.113.7"), 404),
        (client.put(&url).bearer_auth(TOKEN_TEXT), 405),
    ] {
        assert_eq!(send(request).await.status, status);
    }
    assert_eq!(read(&bot, READINGS), "");
    bot.stop().await;

    // Where no token is set nobody has it.
    bot.set("WINDOWSILL_HTTP__TOKEN", "");
    bot.started().await;
    let answer = post(&bot, "/topics/houseplant-readings", reading(1)).await;
    assert_eq!(answer.status, 403);
    assert!(answer.text.contains("http.token is not set"), "{}", answer.text);
    assert_eq!(read(&bot, READINGS), "");
    bot.stop().await;
}

#[tokio::test]
async fn what_is_no_such_request_is_refused_whole() {
    let bot = bot().await;
    let huge = " ".repeat(16 * 1024 * 1024 + 1);
    let plain = format!("{}\n", json!({"value": null}));
    for (path, body, status, reason) in [
        ("/topics/unheard-of", reading(1), 404, "there is no topic"),
        ("/topics/houseplant-readings?format=csv", reading(1), 400, "expected record or value"),
        ("/topics/houseplant-readings?since=x", reading(1), 400, "expected ends such as"),
        ("/topics/houseplant-readings?from=3", reading(1), 400, "from"),
        ("/topics/houseplant-sensor-mapping?since=0:0", plain, 200, "rejected\":1"),
        (
            "/topics/houseplant-readings?since=0:0",
            reading(1).replace("queue-place", "x"),
            400,
            "no header",
        ),
        ("/topics/houseplant-readings", huge, 413, ""),
    ] {
        let answer = post(&bot, path, body).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text);
        assert!(answer.text.contains(reason), "{path}: {}", answer.text);
    }
    assert_eq!(read(&bot, READINGS), "");
    bot.stop().await;
}

/// A sender that got no answer sends the same again, whatever became of the bot.
#[tokio::test]
async fn what_is_sent_again_is_written_once_also_by_another_life_of_the_bot() {
    let mut bot = bot().await;
    let ends = post(&bot, "/topics/houseplant-readings", "").await.json()["ends"].clone();
    let path = format!("/topics/houseplant-readings?since={}", ends.as_str().unwrap());
    let lines = [reading(1), reading(2)].concat();
    let counts = |answer: &Answer| {
        let said = answer.json();
        (said["written"].as_i64().unwrap(), said["repeated"].as_i64().unwrap())
    };
    assert_eq!(counts(&post(&bot, &path, lines.clone()).await), (2, 0));
    assert_eq!(counts(&post(&bot, &path, lines.clone()).await), (0, 2));
    bot.kill().await;
    bot.started().await;
    let more = [lines, reading(3)].concat();
    assert_eq!(counts(&post(&bot, &path, more).await), (1, 2));
    assert_eq!(read(&bot, READINGS).lines().count(), 3);
    bot.stop().await;
}
