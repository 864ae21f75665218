//! The demo has one clock: what its chat says of times, and what comes at a time, goes by the clock
//! of its plants, which is hours ahead of the machine's within a minute.

use std::process::Stdio;

use serde_json::{Value, json};
use windowsill::kernel::time::{HOUR_MS, MINUTE_MS};
use windowsill::kernel::when;

use crate::bot::{SOON, until};
use crate::demo_page::Demo;
use crate::support::run;

const BOARD: &str = "📌 Household board";
const SNOOZE: &str = "😴 Snooze 6 h";
/// The demo's zone where nothing else is set.
const ZONE: chrono_tz::Tz = chrono_tz::UTC;
/// So far ahead of the machine no confusion of the clocks goes unseen.
const AHEAD_MS: i64 = 2 * HOUR_MS;

/// The chat page without a browser.
struct Page {
    demo: Demo,
    client: reqwest::Client,
}

impl Page {
    async fn act(&self, action: &str, body: Value) {
        let url = format!("{}chat/{action}", self.demo.url());
        let answer = self.client.post(url).json(&body).send().await.unwrap();
        assert!(answer.status().is_success(), "{action} {body}: {}", answer.status());
    }

    /// Says something; gives the time that its message has.
    async fn say(&self, text: &str) -> i64 {
        let before = self.messages().await.len();
        self.act("send", json!({ "text": text })).await;
        let messages = self.messages().await;
        let said = messages[before..].iter().find(|message| message["text"] == text).unwrap();
        date_ms(said, "date")
    }

    /// What the chat holds: the first event that a page is told.
    async fn messages(&self) -> Vec<Value> {
        let url = format!("{}chat/events", self.demo.url());
        let mut answer = self.client.get(url).send().await.unwrap();
        let mut told = Vec::new();
        while !told.ends_with(b"\n\n") {
            told.extend_from_slice(&answer.chunk().await.unwrap().unwrap());
        }
        let told = String::from_utf8(told).unwrap();
        let first = told.split("\n\n").next().unwrap();
        let data = first.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
        let everything: Value = serde_json::from_str(data).unwrap();
        everything["messages"].as_array().unwrap().clone()
    }

    /// Waits for a message of which this holds.
    async fn shows(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let mut found = None;
        until(SOON, what, async || {
            found = self.messages().await.into_iter().rev().find(&holds);
            found.is_some()
        })
        .await;
        found.unwrap()
    }
}

fn text(message: &Value) -> String {
    message["text"].as_str().unwrap_or_default().replace('\u{a0}', " ")
}

fn date_ms(message: &Value, field: &str) -> i64 {
    message[field].as_i64().unwrap() * 1000
}

/// The button with this label, by its data.
fn button(message: &Value, label: &str) -> Option<String> {
    let rows = message["reply_markup"]["inline_keyboard"].as_array()?;
    let mut buttons = rows.iter().flat_map(|row| row.as_array().unwrap());
    let found = buttons.find(|button| button["text"] == label)?;
    found["callback_data"].as_str().map(str::to_owned)
}

/// Is this how the clocks show some minute from one moment to another?
fn is_within(shown: &str, from_ms: i64, to_ms: i64) -> bool {
    let minutes = from_ms / MINUTE_MS..=to_ms / MINUTE_MS;
    minutes.into_iter().any(|minute| shown.contains(&when::clock(minute * MINUTE_MS, ZONE)))
}

#[tokio::test]
async fn what_people_are_told_goes_by_the_clock_of_the_demos_plants() {
    let dir = tempfile::tempdir().unwrap();
    let demo = Demo::start_with(dir.path(), &["--seed", "3"], Stdio::null());
    let page = Page { demo, client: reqwest::Client::new() };
    page.shows("welcome", |message| text(message).starts_with("🪴 Welcome to Windowsill.")).await;
    page.say("/board").await;
    let ahead = |message: &Value| {
        let machine_ms = windowsill::clock::now_ms();
        message["edit_date"].as_i64().is_some_and(|at| at * 1000 > machine_ms + AHEAD_MS)
    };
    // It is brought up to date every hour of the plants.
    let board =
        page.shows("the board changed", |it| text(it).starts_with(BOARD) && ahead(it)).await;
    let heading = text(&board).lines().next().unwrap().to_owned();
    let edited_ms = date_ms(&board, "edit_date");
    assert!(is_within(&heading, edited_ms - HOUR_MS, edited_ms), "{heading} {edited_ms}");

    // The digest comes at its hour, and not before.
    let asked_ms = page.say("/digest").await;
    let due_ms = asked_ms + 5 * HOUR_MS;
    let hour = when::clock(due_ms, ZONE);
    page.say(&format!("/digest {hour}")).await;
    let set = format!("A digest comes to this chat at {hour} from now on. The next one comes ");
    let set = page.shows("the hour", |message| text(message).contains(&set)).await;
    assert!(text(&set).contains(&when::moment(due_ms, ZONE)), "{set}");
    let is_digest = |message: &Value| text(message).starts_with("🗞 Daily digest, ");
    let digest = page.shows("the digest", is_digest).await;
    let told_ms = date_ms(&digest, "date");
    assert!(told_ms >= due_ms - due_ms % MINUTE_MS, "{digest}");
    assert!(is_within(&text(&digest), due_ms, told_ms), "{digest}");

    // A snooze says when it ends, by the same clock.
    let may_snooze = |message: &Value| button(message, SNOOZE).is_some();
    let card = page.shows("an alert's card", may_snooze).await;
    let from_ms = page.say("what time is it?").await;
    let pressed = json!({ "message_id": card["message_id"], "data": button(&card, SNOOZE) });
    page.act("press", pressed).await;
    let is_snoozed = |message: &Value| text(message).contains("😴 Snoozed until ");
    let snoozed = page.shows("the card says so", is_snoozed).await;
    let (words, to_ms) = (text(&snoozed), date_ms(&snoozed, "edit_date"));
    let (_, until) = words.split_once("😴 Snoozed until ").unwrap();
    assert!(is_within(until, from_ms + 6 * HOUR_MS, to_ms + 6 * HOUR_MS), "{words} {from_ms}");

    // The last word of the board, too.
    let from_ms = page.say("/board off").await;
    let is_ended = |message: &Value| text(message).contains("not kept up to date since ");
    let ended = page.shows("the end of the board", is_ended).await;
    let heading = text(&ended).lines().next().unwrap().to_owned();
    assert!(is_within(&heading, from_ms, date_ms(&ended, "edit_date")), "{heading} {from_ms}");

    // That clock is the one of the readings.
    let read = ["--data-dir", "windowsill-demo", "topic", "read", "houseplant-readings"];
    let readings = run(dir.path(), &read).expect_code(0).json_lines();
    let newest_ms = readings.iter().filter_map(|reading| reading["ts"].as_i64()).max().unwrap();
    assert!(newest_ms > date_ms(&ended, "edit_date") - HOUR_MS, "{newest_ms} {ended}");
    assert_eq!(page.demo.terminate(), Some(0));
}
