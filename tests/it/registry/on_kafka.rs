//! F11: a foreign client on a real broker with a real registry: it writes readings, the bot tells of
//! a dry plant, and it reads what was edited in a chat, and the results.

use windowsill::clock::now_ms;

use super::foreign::{REMEDY, python, run_client};
use super::*;
use crate::bot::{Bot, OWNER, SOON};
use crate::crash_once::edit_up_to_confirmation;
use crate::kafka::broker;
use crate::kafka::end_to_end::dry_window;
use crate::support::run_with_input_and;
use crate::tool::leave_out;

const SAVED: &str = "You've confirmed your metadata entry, and it has been updated.";

#[tokio::test]
async fn a_foreign_client_writes_readings_and_reads_what_was_edited_and_what_came_of_it() {
    let test = "a foreign client on Kafka with a registry";
    let Some(broker) = broker::shared(test) else { return };
    let Some(server) = registry(test) else { return };
    let Some(python) = python() else { return leave_out(test, REMEDY) };
    let mut bot = Bot::new().await;
    bot.on_kafka(&broker.address());
    bot.set("WINDOWSILL_ALERT_MAX_AGE_HOURS", 10_000);
    let dir = bot.data_dir().parent().unwrap().to_owned();
    configure(&dir, &server.url(), "[topics.pcap-stats]\npublish = true");
    bot.handle().say(OWNER, OWNER, "/start");
    bot.started().await;
    edit_up_to_confirmation(&bot, "Confluentia").await;
    bot.answers(OWNER, "/y", SAVED).await;

    // What the chat wrote is read elsewhere.
    let log = bot.past(6).await;
    let (brokers, url) = (broker.address(), server.url());
    let read = [&brokers, &url, log.name(METADATA), "read", "1"];
    let read = run_client(&python, "avro_kafka.py", &read, &[]);
    let edited: Value = serde_json::from_str(&read[0]).unwrap();
    assert_eq!(
        (&edited["key"], &edited["value"]["given_name"]),
        (&json!("7"), &json!("Confluentia"))
    );

    // What is written elsewhere, with a schema of its own, is folded here.
    let schema = dir.join("theirs");
    std::fs::write(&schema, CONNECTED).unwrap();
    let readings: Vec<String> = dry_window()
        .iter()
        .map(|reading| {
            let value = json!({"plant_id": 7, "moisture": 10, "temperature": 18.5, "note": null});
            json!({"key": "7", "value": value, "ts": reading.at_ms}).to_string()
        })
        .collect();
    let write = [&brokers, &url, log.name(READINGS), "write", schema.to_str().unwrap()];
    run_client(&python, "avro_kafka.py", &write, &readings);
    bot.handle().wait_for_text(SOON, OWNER, 0, "is looking pretty dry...").await.unwrap();
    bot.counts("select count(*) from dead_letter", 0).await;

    // So are the results: as our own reader shows them.
    let probe = json!({"timestamp": (now_ms() - 5_000).to_string(), "layers": {
        "wlan_fc_type_subtype": ["0x0004"], "wlan_radio_signal_dbm": ["-55"],
        "wlan_sa": ["40:ec:99:1f:3e:01"], "wlan_ssid": ["Café"],
    }});
    let write = bot.command(&["topic", "write", "pcap", "--format", "value"]);
    run_with_input_and(write, &probe.to_string()).expect_code(0);
    for topic in ["houseplant-low-readings", "pcap-stats"] {
        let read = [&brokers, &url, log.name(topic), "read", "1"];
        let theirs: Value =
            serde_json::from_str(&run_client(&python, "avro_kafka.py", &read, &[])[0]).unwrap();
        let read = Ran::new(bot.command(&["topic", "read", topic]).output().unwrap());
        let ours = read.expect_code(0).json_lines().swap_remove(0);
        assert_eq!((&theirs["key"], &theirs["value"]), (&ours["key"], &ours["value"]), "{topic}");
        assert!(theirs["value"].as_object().is_some_and(|row| row.len() >= 9), "{theirs}");
    }
    bot.stop().await;
}
