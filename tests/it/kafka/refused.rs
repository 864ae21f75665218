//! `topic write` on a real broker that does not take every record: each is told by its line.

use std::fmt::Write as _;

use windowsill::clock::now_ms;
use windowsill::kernel::time::DAY_MS;

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

/// The times of all readings, in order.
fn times(bot: &Bot) -> Vec<i64> {
    let read = Ran::new(bot.command(&["topic", "read", READINGS]).output().unwrap());
    let rows = read.expect_code(0).json_lines();
    let mut times: Vec<i64> = rows.iter().map(|row| row["ts"].as_i64().unwrap()).collect();
    times.sort_unstable();
    times
}
