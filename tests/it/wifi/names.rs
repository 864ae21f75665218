//! Names of devices: UniFi's documents in both of Debezium's eras, and names given in chat.

use std::path::Path;

use serde_json::{Value, json};

use super::street::{BEGIN_MS, Seen, Tshark};
use super::{ask, fold, write};
use crate::support::run_with_input;

const KINDLE: &str = "40:ec:99:1f:3e:75";

fn change(dir: &Path, topic: &str, id: &str, value: &Value) {
    let key = json!({"id": json!({"$oid": id}).to_string()}).to_string();
    let line = json!({"key": key, "value": value}).to_string();
    run_with_input(dir, &["topic", "write", topic], &line).expect_code(0);
}

fn user(dir: &Path, id: &str, value: &Value) {
    change(dir, "unifi.ace.user", id, value);
}

fn inserted(document: &Value) -> Value {
    json!({"op": "c", "after": document.to_string()})
}

fn give(dir: &Path, mac: &str, name: Option<&str>, ignored: bool) {
    let line = json!({"key": mac, "value": {"name": name, "ignored": ignored}}).to_string();
    run_with_input(dir, &["topic", "write", "device-names"], &line).expect_code(0);
}

fn heard(dir: &Path) {
    let seen = |last: u8, ssid: &[u8]| Seen {
        ms: BEGIN_MS + i64::from(last),
        mac: [0x40, 0xec, 0x99, 0x1f, 0x3e, last],
        ssid: ssid.to_vec(),
        dbm: -60,
    };
    let probes = [seen(0x75, b"home"), seen(0x75, b""), seen(0x76, b"home"), seen(0x76, b"work")];
    write(dir, &Tshark::V4_0.prints(&probes)).expect_code(0);
}

#[test]
fn both_eras_of_debezium_name_a_device() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    heard(dir);
    user(dir, "a1", &inserted(&json!({"mac": KINDLE, "name": "Robin's Kindle", "oui": "Amazon"})));
    fold(dir);
    assert!(ask(dir, "/device robin's kindle").contains("stats for Robin's Kindle 40:ec"));

    // 1.x: a patch without a MAC keeps the MAC and the name.
    let patch = json!({"$v": 1, "$set": {"hostname": "kindle-1"}}).to_string();
    user(dir, "a1", &json!({"op": "u", "after": null, "patch": patch}));
    fold(dir);
    assert!(ask(dir, &format!("/device {KINDLE}")).contains("Robin's Kindle (kindle-1)"));

    // 2.x: fields changed and removed.
    let update = json!({"updatedFields": "{\"hostname\":\"kindle-2\"}", "removedFields": ["name"]});
    user(dir, "a1", &json!({"op": "u", "after": null, "updateDescription": update}));
    fold(dir);
    assert!(ask(dir, &format!("/device {KINDLE}")).contains("stats for kindle-2 "));

    // A delete, and the tombstone behind it.
    user(dir, "a1", &json!({"op": "d", "after": null}));
    user(dir, "a1", &Value::Null);
    fold(dir);
    assert!(ask(dir, "/device kindle-2").contains("🛎 No result found for device kindle-2"));
    assert!(ask(dir, &format!("/device {KINDLE}")).contains(&format!("stats for {KINDLE}")));
}

#[test]
fn a_name_from_the_chat_wins() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    heard(dir);
    let device = inserted(&json!({"mac": KINDLE, "name": "Access point"}));
    change(dir, "unifi.ace.device", "d1", &device);
    user(dir, "u1", &inserted(&json!({"mac": KINDLE, "hostname": "uap", "oui": "Ubiquiti"})));
    give(dir, KINDLE, Some("Reader"), false);
    fold(dir);
    assert!(ask(dir, "/device reader").contains("stats for Reader 40:ec"));
    assert!(ask(dir, "/device access point").contains("No result found"));
    // Only ignored: UniFi's name shows again.
    give(dir, KINDLE, None, true);
    fold(dir);
    let card = ask(dir, "/device ACCESS POINT");
    assert!(card.contains("stats for Access point") && card.contains("ignored"), "{card}");
}

#[test]
fn several_addresses_of_one_name_are_one_card() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    heard(dir);
    give(dir, KINDLE, Some("Reader"), false);
    give(dir, "40:ec:99:1f:3e:76", Some("reader"), false);
    fold(dir);
    let card = ask(dir, "/device Reader");
    for line in ["(2 addresses)", "Probe count : 4, 1 of them", "Unique SSIDs : 2 (", KINDLE] {
        assert!(card.contains(line), "{line} in {card}");
    }
    let near = ask(dir, "/device raeder");
    assert!(near.contains("The closest names") && near.contains("[Reader]"), "{near}");
}

#[test]
fn a_name_that_was_never_heard_is_known_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    give(dir.path(), KINDLE, Some("Reader"), false);
    fold(dir.path());
    let words = ask(dir.path(), "/device reader");
    assert!(words.contains("I know reader, but it never sent a probe"), "{words}");
}
