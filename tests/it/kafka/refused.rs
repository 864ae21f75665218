//! `topic write` on a real broker that does not take every record: each is told by its line.

use std::fmt::Write as _;

use windowsill::clock::now_ms;
use windowsill::kernel::record::{Header, NewRecord};
use windowsill::kernel::time::DAY_MS;
use windowsill::log::once::{self, Ends, Once};

use super::admin::Admin;
use super::broker;
use crate::bot::Bot;
use crate::bot::past::READINGS;
use crate::support::{Ran, run_with_input_and};

/// Hexadecimal digits that no compression makes much smaller.
fn noise(digits: usize) -> String {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut text = String::new();
    while text.len() < digits {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let _ = write!(text, "{:08x}", state >> 32);
    }
    text
}

#[tokio::test]
async fn a_record_that_the_broker_refuses_is_told_by_its_line_and_the_rest_goes_on() {
    let Some(broker) = broker::shared("a_record_that_the_broker_refuses") else { return };
    let mut bot = Bot::new().await;
    bot.on_kafka(&broker.address());
    let log = bot.past(2).await;
    // A batch of a few readings is more than that, too: then each goes by itself.
    Admin::of(&broker.address()).set(log.name(READINGS), "max.message.bytes", "1000").await;
    let mut lines = String::new();
    for number in 0..100 {
        let mut line = serde_json::json!({
            "key": (number % 5).to_string(), "ts": 1_000 + number,
            "value": {"plant_id": number % 5, "moisture": 1, "temperature": 2},
        });
        match number {
            40 => line["headers"] = serde_json::json!([["noise", noise(4_000)]]),
            // Kafka takes no record of more than an hour ahead.
            60 => line["ts"] = (now_ms() + 2 * DAY_MS).into(),
            _ => {}
        }
        let _ = writeln!(lines, "{}{line}", if number == 0 { "\n" } else { "" });
    }
    let command = bot.command(&["topic", "write", READINGS]);
    let written = run_with_input_and(command, &lines).expect_code(1).stderr;
    // The first line is empty, and lines are numbered from 1.
    assert!(written.contains("\nline 42: ") || written.starts_with("line 42: "), "{written}");
    assert!(written.contains("MessageSizeTooLarge") && written.contains("line 62: "), "{written}");
    assert!(written.contains("98 written, 2 rejected"), "{written}");
    let mut expected: Vec<i64> = (1_000..1_100).collect();
    expected.retain(|ts_ms| ![1_040, 1_060].contains(ts_ms));
    assert_eq!(times(&bot), expected, "each once");
}

/// A sensor whose clock was wrong for a moment: the rest of its queue goes on, and it hears why.
#[tokio::test]
async fn of_a_senders_queue_only_what_the_broker_refuses_is_left_out() {
    let Some(broker) = broker::shared("of_a_senders_queue") else { return };
    let mut bot = Bot::new().await;
    bot.on_kafka(&broker.address());
    let log = bot.past(2).await;
    let name = log.name(READINGS);
    let value = serde_json::json!({"plant_id": 3, "moisture": 50, "temperature": 20});
    let record = |number: i64| NewRecord {
        key: Some(b"3".to_vec()),
        value: Some(log.encode(READINGS, &value)),
        ts_ms: if number == 2 { now_ms() + 2 * DAY_MS } else { number },
        headers: vec![Header {
            name: once::HEADER.to_owned(),
            value: Some(format!("pi-3/{number}").into_bytes()),
        }],
        ..NewRecord::default()
    };
    let since = Ends::of(log.events(), name).await.unwrap();
    let once = Once::default();
    for counts in [(2, 0), (0, 2)] {
        let records: Vec<NewRecord> = (1..=3).map(record).collect();
        let done = once.append(log.shared(), name, since.clone(), records).await.unwrap();
        assert_eq!((done.written, done.repeated), counts);
        assert_eq!(done.refused.len(), 1);
        let (index, reason) = &done.refused[0];
        assert!(*index == 1 && reason.contains("InvalidTimestamp"), "{reason}");
    }
    assert_eq!(times(&bot), [1, 3]);
}

/// The times of all readings, in order.
fn times(bot: &Bot) -> Vec<i64> {
    let read = Ran::new(bot.command(&["topic", "read", READINGS]).output().unwrap());
    let rows = read.expect_code(0).json_lines();
    let mut times: Vec<i64> = rows.iter().map(|row| row["ts"].as_i64().unwrap()).collect();
    times.sort_unstable();
    times
}
