//! The pages for whoever runs the bot: health, readiness, metrics, and the port they are on.

use std::net::TcpListener;
use std::process::Stdio;

use windowsill::demo::botapi::{Effect, Fault};

use crate::bot::past::{Log, Reading, plant};
use crate::bot::{Bot, Life, OWNER, SOON, until};
use crate::crash_once::hold;
use crate::starting::refused;

mod connections;
mod exposition;
mod topics;

use exposition::Page;

const HOUR_MS: i64 = 3_600_000;
const READINGS: usize = 500;

/// A bot whose log holds a plant and its readings, in three partitions.
async fn with_readings() -> Bot {
    let bot = Bot::new().await;
    let log = Log::open(&bot.data_dir(), 3).await;
    log.describe(&plant(1, "Fern", 20.0)).await;
    let first_ms = windowsill::clock::now_ms() - HOUR_MS;
    let readings: Vec<Reading> = (0..READINGS)
        .map(|number| Reading {
            plant_id: 1,
            moisture: 50.0,
            at_ms: first_ms + number as i64,
            partition: number as i32 % 3,
        })
        .collect();
    log.append(&readings).await;
    bot
}

async fn is_ready(bot: &Bot) -> bool {
    bot.page("/readyz").await == (200, r#"{"missing":[],"ready":true}"#.to_owned())
}

async fn metrics(bot: &Bot) -> Page {
    let (status, text) = bot.page("/metrics").await;
    assert_eq!(status, 200);
    Page::read(&text)
}

#[tokio::test]
async fn metrics_are_what_prometheus_reads_and_count_what_was_done() {
    let mut bot = with_readings().await;
    bot.started().await;
    until(SOON, "it is ready", async || is_ready(&bot).await).await;
    assert_eq!(bot.page("/healthz").await, (200, "alive\n".to_owned()));
    bot.answers(OWNER, "/plants", "1 plant").await;
    let topic = "pipeline=\"plants\",topic=\"houseplant-readings\"";
    until(SOON, "everything is folded and sent", async || {
        let page = metrics(&bot).await;
        let lag = |partition| {
            let labels = format!("{topic},partition=\"{partition}\"");
            page.value(&format!("windowsill_consumer_lag_records{{{labels}}}"))
        };
        let sent = page.value("windowsill_messages_total{outcome=\"sent\"}");
        // A message is counted as sent a moment before its row is settled.
        let waits = page.value("windowsill_outbox_oldest_age_seconds{class=\"reply\"}");
        (lag(0), lag(1), lag(2), sent, waits) == (0.0, 0.0, 0.0, 1.0, 0.0)
    })
    .await;
    let page = metrics(&bot).await;
    let folded: f64 = (0..3)
        .map(|partition| {
            let labels = format!("{topic},partition=\"{partition}\"");
            page.value(&format!("windowsill_records_total{{{labels}}}"))
        })
        .sum();
    assert_eq!(folded, READINGS as f64);
    for (series, least, most) in [
        ("windowsill_pipeline_folding{pipeline=\"plants\"}", 1.0, 1.0),
        ("windowsill_watermark_age_seconds{pipeline=\"plants\"}", 0.0, 60.0),
        ("windowsill_telegram_reachable", 1.0, 1.0),
        ("windowsill_telegram_calls_total{method=\"sendPhoto\",outcome=\"done\"}", 1.0, 1.0),
        ("windowsill_telegram_call_duration_seconds_count", 2.0, 100.0),
        ("windowsill_store_write_duration_seconds_count", 3.0, 1e4),
        ("windowsill_store_write_failures_total", 0.0, 0.0),
        ("windowsill_inbox_waiting_updates", 0.0, 0.0),
        ("windowsill_outbox_waiting_messages{class=\"alert\"}", 0.0, 0.0),
        ("windowsill_outbox_oldest_age_seconds{class=\"reply\"}", 0.0, 0.0),
        ("windowsill_alerts{told=\"sent\"}", 0.0, 0.0),
        ("windowsill_dead_letters_total", 0.0, 0.0),
        ("windowsill_file_bytes{file=\"state.db-wal\"}", 1.0, 1e9),
        ("process_start_time_seconds", 1.7e9, 1e10),
    ] {
        let value = page.value(series);
        assert!((least..=most).contains(&value), "{series} is {value}");
    }
    bot.stop().await;
}

#[tokio::test]
async fn it_is_alive_and_not_ready_while_telegram_is_away() {
    let mut bot = Bot::new().await;
    bot.started().await;
    until(SOON, "it is ready", async || is_ready(&bot).await).await;
    bot.handle().script(Fault::always(Effect::Unreachable));
    until(SOON, "it is not ready", async || {
        let (status, text) = bot.page("/readyz").await;
        status == 503 && text.contains("telegram does not answer")
    })
    .await;
    assert_eq!(bot.page("/healthz").await.0, 200);
    bot.handle().clear_faults();
    until(SOON, "it is ready again", async || is_ready(&bot).await).await;
    bot.stop().await;
}

/// F17: a store that does not take writes is seen from outside, and so is its recovery.
#[tokio::test]
async fn it_is_neither_alive_nor_ready_while_the_store_takes_no_writes() {
    let mut bot = Bot::new().await;
    bot.started().await;
    let held = hold(&bot.data_dir().join("state.db")).await;
    let ((alive, _), (ready, missing)) = tokio::join!(bot.page("/healthz"), bot.page("/readyz"));
    assert_eq!((alive, ready), (503, 503));
    assert!(missing.contains("the store"), "{missing}");
    drop(held);
    until(SOON, "it is ready again", async || is_ready(&bot).await).await;
    assert_eq!(bot.page("/healthz").await.0, 200);
    bot.stop().await;
}

#[tokio::test]
async fn what_came_through_a_proxy_or_tunnel_gets_none_of_these_pages() {
    let mut bot = Bot::new().await;
    bot.started().await;
    let address = bot.http_address().await;
    for path in ["/healthz", "/readyz", "/metrics"] {
        let request = bot.world.client().get(format!("http://{address}{path}"));
        let answer = request.header("X-Forwarded-For", "203.0.113.7").send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.text().await.unwrap()), (404, String::new()));
    }
    assert_eq!(bot.page("/").await.0, 404);
    bot.stop().await;
}

/// A page of somebody else whose name is pointed here would read them in a browser.
#[tokio::test]
async fn pages_without_a_token_are_not_there_by_a_name_of_others() {
    let mut bot = Bot::new().await;
    bot.started().await;
    let address = bot.http_address().await;
    let page = async |path: &str, host: &str| {
        let request = bot.world.client().get(format!("http://{address}{path}"));
        let answer = request.header("Host", host).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    for path in ["/healthz", "/metrics"] {
        let (status, why) = page(path, "evil.example:8080").await;
        assert_eq!((status, why.starts_with("open this page by an address")), (403, true), "{why}");
        assert_eq!(page(path, "windowsill:8080").await.0, 200, "{path}");
    }
    // No page of others has the token, which is judged alone.
    let (_, why) = page("/topics/houseplant-readings", "evil.example").await;
    assert!(why.contains("http.token"), "{why}");
    bot.stop().await;
}

/// F38: a port in use ends it before anything is touched, with what to do about it.
#[tokio::test]
async fn a_port_in_use_is_refused_before_anything_is_touched() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let bot = Bot::new().await.with("WINDOWSILL_HTTP__LISTEN", address);
    let said = refused(bot.command(&["run"]), 2).await;
    assert!(said.contains(&address.to_string()) && said.contains("http.listen"), "{said}");
    assert!(!bot.data_dir().exists() && bot.handle().calls().is_empty());
}

/// F39: two instances with one configuration would meet at the port before they meet at the lock.
#[tokio::test]
async fn a_second_instance_on_the_same_port_and_folder_is_told_of_the_folder() {
    let mut bot = Bot::new().await;
    bot.started().await;
    let address = bot.http_address().await;
    bot.set("WINDOWSILL_HTTP__LISTEN", address);
    let said = refused(bot.command(&["run"]), 3).await;
    assert!(said.contains("another instance"), "{said}");
    bot.stop().await;
}

#[tokio::test]
async fn the_demo_serves_the_same_pages_beside_its_chat() {
    let bot = Bot::new().await;
    let output = bot.data_dir().with_file_name("address");
    let data_dir = bot.data_dir().display().to_string();
    let mut command = bot.command(&["demo", "--data-dir", &data_dir]);
    command.stdout(std::fs::File::create(&output).unwrap()).stderr(Stdio::null());
    let demo = Life::begin(&mut command);
    let first_line = || {
        let printed = std::fs::read_to_string(&output).unwrap();
        printed.split_once('\n').map(|(line, _)| line.trim_end_matches('/').to_owned())
    };
    until(SOON, "the demo's address", async || first_line().is_some()).await;
    let url = first_line().unwrap();
    let get = async |path: &str| {
        let response = bot.world.client().get(format!("{url}{path}")).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    until(SOON, "the demo is ready", async || get("/readyz").await.0 == 200).await;
    assert_eq!(get("/healthz").await.0, 200);
    let page = Page::read(&get("/metrics").await.1);
    assert_eq!(page.value("windowsill_pipeline_folding{pipeline=\"plants\"}"), 1.0);
    assert!(get("/").await.1.contains("<html"));
    demo.signal("-TERM");
    assert_eq!(demo.ended_within(SOON).await.code(), Some(0));
}
