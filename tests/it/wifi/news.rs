//! What is news about devices and networks: alerts of the real binary, told once and in the words of
//! the contract.

use std::path::Path;

use serde_json::json;

use super::home::{KINDLE, PHONE, SISTER, probe, stored, with_devices};
use super::street::{BEGIN_MS, Seen, Tshark};
use super::{ask, fold, settings, write};
use crate::bot::{OWNER, SOON, labels};
use crate::support::{run, run_with_input};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const KINDLE_BYTES: [u8; 6] = [0x40, 0xec, 0x99, 0x1f, 0x3e, 0x75];
const OTHER_BYTES: [u8; 6] = [0x40, 0xec, 0x99, 0, 0, 1];
const PHONE_BYTES: [u8; 6] = [0xda, 0xa1, 0x19, 0, 0, 1];

fn seen(mac: [u8; 6], ssid: &[u8], after_ms: i64) -> Seen {
    Seen { ms: BEGIN_MS + after_ms, mac, ssid: ssid.to_vec(), dbm: -60 }
}

/// Folds these probes, as a capture of tshark 4 has them.
fn hear(dir: &Path, probes: &[Seen]) {
    write(dir, &Tshark::V4_0.prints(probes)).expect_code(0);
    fold(dir);
}

fn put(dir: &Path, topic: &str, key: &str, value: &serde_json::Value) {
    let record = json!({ "key": key, "value": value }).to_string();
    run_with_input(dir, &["topic", "write", topic], &record).expect_code(0);
}

fn watch(dir: &Path, ssid: &str) {
    put(dir, "ssid_alert_list_01", ssid, &json!({"REASON": "home network"}));
}

/// Contract, section 2: the alert's words, its buttons, and a snooze.
#[tokio::test]
async fn a_probe_for_a_watched_network_is_told_with_what_can_be_done_about_it() {
    let (bot, log) = with_devices().await;
    bot.answers(OWNER, "/watch_ssid RNM0 <home> network", "RNM0 is watched now").await;
    bot.answers(OWNER, &format!("/name_device {KINDLE} Robin's Kindle"), "Robin's Kindle").await;
    stored(&bot, "wifi_given where name is not null").await;
    probe(&log, &[(KINDLE, b"RNM0"), (KINDLE, b"RNM0")]).await;
    let told = bot.handle().wait_for_text(SOON, OWNER, 0, "📣 At ").await.unwrap();
    let lines: Vec<&str> = told.text.lines().collect();
    let words = format!("MAC address {KINDLE} probed for SSID RNM0");
    assert!(lines[0].ends_with(&words), "{}", told.text);
    assert_eq!(lines[1], "Device name: Robin's Kindle");
    assert_eq!(lines[2], "This SSID is being tracked because: <home> network");
    assert_eq!(labels(&told).len(), 4, "{told:?}");
    // The second frame lies within the cool-down, and is counted.
    stored(&bot, "wifi_held where probe_count = 1").await;
    bot.handle().press_label(OWNER, OWNER, "🔕 Snooze 6 h").unwrap();
    stored(&bot, &format!("snooze where about = 'wifi:{KINDLE}'")).await;
    bot.stop().await;
    assert_eq!(bot.times_said(OWNER, "📣"), 1);
}

#[tokio::test]
async fn what_is_snoozed_is_recorded_and_told_to_nobody() {
    let (mut bot, log) = with_devices().await;
    bot.stop().await;
    bot.set("WINDOWSILL_WIFI__COOLDOWN_MINUTES", 0);
    bot.started().await;
    bot.answers(OWNER, "/watch_ssid RNM0 home network", "RNM0 is watched now").await;
    probe(&log, &[(PHONE, b"RNM0")]).await;
    bot.handle().wait_for_text(SOON, OWNER, 0, "📣 At ").await.unwrap();
    bot.handle().press_label(OWNER, OWNER, "🔕 Snooze 6 h").unwrap();
    stored(&bot, "snooze").await;
    probe(&log, &[(PHONE, b"RNM0"), (KINDLE, b"RNM0")]).await;
    // Every frame is told without a cool-down; of the phone nobody wants to hear.
    stored(&bot, "alert where told = 'snoozed'").await;
    let others = format!("MAC address {KINDLE} probed");
    bot.handle().wait_for_text(SOON, OWNER, 0, &others).await.unwrap();
    bot.answers(OWNER, "/alerts", "kept quiet").await;
    bot.stop().await;
    assert_eq!(bot.times_said(OWNER, &format!("MAC address {PHONE} probed")), 1);
}

/// F31: look-alikes and what hides behind a NUL.
#[test]
fn networks_that_pretend_are_told_from_what_they_pretend_to_be() {
    let dir = tempfile::tempdir().unwrap();
    settings(dir.path(), "[wifi]\nlocal_ssids = [\"company\", \"hex:610062\"]\n");
    watch(dir.path(), "Company");
    let names: [&[u8]; 6] =
        [b"C0mpany", b"Company ", b"CompanySSID\0\0x", b"company", b"a\0b", b"Companion"];
    let probes = (0i64..).zip(names).map(|(at, ssid)| seen(PHONE_BYTES, ssid, at));
    let wildcard = seen(PHONE_BYTES, b"", 10);
    hear(dir.path(), &probes.chain([wildcard]).collect::<Vec<_>>());
    let told = ask(dir.path(), "/alerts");
    assert_eq!(told.matches("🎭").count(), 3, "{told}");
    for ssid in ["looked for C0mpany", "looked for Company ", "looked for CompanySSID\\u{0}"] {
        assert!(told.contains(ssid), "{ssid} in {told}");
    }
}

/// An SSID that could be text or hexadecimal is told as what the stream turns out to write.
#[test]
fn a_watched_network_is_told_once_it_is_clear_what_the_stream_writes() {
    let probes = [seen(PHONE_BYTES, b"cafe", 0), seen(PHONE_BYTES, b"", 1)];
    let as_bytes = [seen(PHONE_BYTES, b"\xca\xaf", 0), seen(PHONE_BYTES, b"", 1)];
    for (tshark, probes, watched, count) in [
        (Tshark::V3_6, &probes, "cafe", 1),
        (Tshark::V4_0, &probes, "cafe", 1),
        // These two bytes are the letter ʯ, and written in hexadecimal they look like a word.
        (Tshark::V4_0, &as_bytes, "\u{2af}", 1),
        (Tshark::V3_6, &probes, "\u{2af}", 0),
    ] {
        let dir = tempfile::tempdir().unwrap();
        watch(dir.path(), watched);
        write(dir.path(), &tshark.prints(probes)).expect_code(0);
        fold(dir.path());
        let told = ask(dir.path(), "/alerts");
        assert_eq!(told.matches("📣").count(), count, "{tshark:?} {watched}: {told}");
    }
}

#[test]
fn a_device_under_its_makers_address_is_new_once_and_not_in_the_first_day() {
    let dir = tempfile::tempdir().unwrap();
    hear(
        dir.path(),
        &[
            seen(KINDLE_BYTES, b"home", 0),
            seen([0x40, 0xec, 0x99, 0, 0, 2], b"home", 23 * HOUR_MS),
            seen(OTHER_BYTES, b"home", 25 * HOUR_MS),
            seen(PHONE_BYTES, b"home", 25 * HOUR_MS),
        ],
    );
    hear(dir.path(), &[seen(OTHER_BYTES, b"home", 26 * HOUR_MS)]);
    let told = ask(dir.path(), "/alerts");
    assert_eq!(told.matches("was heard for the first time").count(), 1, "{told}");
    assert!(told.contains("🆕 40:ec:99:00:00:01"), "{told}");
    run(dir.path(), &["rebuild"]).expect_code(0);
    assert_eq!(ask(dir.path(), "/alerts"), told);
}

/// Nobody is gone because nothing is captured; and what has gone comes back once.
#[test]
fn a_watched_device_goes_while_others_are_heard_and_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    put(
        dir.path(),
        "device-names",
        "40:ec:99:1f:3e:75",
        &json!({"name": "Kindle", "watched": true}),
    );
    let told = |count: usize, sign: &str| {
        let listed = ask(dir.path(), "/alerts");
        assert_eq!(listed.matches(sign).count(), count, "{listed}");
    };
    hear(dir.path(), &[seen(KINDLE_BYTES, b"home", 0)]);
    told(0, "🚪");
    hear(dir.path(), &[seen(PHONE_BYTES, b"", 29 * MINUTE_MS)]);
    told(0, "🚪");
    hear(dir.path(), &[seen(PHONE_BYTES, b"", 30 * MINUTE_MS)]);
    told(1, "🚪 Kindle was gone");
    // A probe of before comes late: that is no return.
    hear(dir.path(), &[seen(KINDLE_BYTES, b"home", 5 * MINUTE_MS)]);
    told(0, "🏠");
    hear(dir.path(), &[seen(PHONE_BYTES, b"", 50 * MINUTE_MS)]);
    told(1, "🚪");
    hear(dir.path(), &[seen(KINDLE_BYTES, b"home", 90 * MINUTE_MS)]);
    told(1, "🏠 Kindle 40:ec:99:1f:3e:75 is back, after 1 h");
    hear(dir.path(), &[seen(KINDLE_BYTES, b"home", 91 * MINUTE_MS)]);
    hear(dir.path(), &[seen(PHONE_BYTES, b"", 121 * MINUTE_MS)]);
    told(2, "🚪");
    told(1, "🏠");
}

#[test]
fn what_the_cool_down_held_back_is_told_when_the_day_is_over() {
    let dir = tempfile::tempdir().unwrap();
    settings(dir.path(), "time_zone = \"Europe/Berlin\"\n");
    watch(dir.path(), "RNM0");
    let day: Vec<Seen> =
        (0..5).map(|minute| seen(PHONE_BYTES, b"RNM0", minute * MINUTE_MS)).collect();
    hear(dir.path(), &[&day[..], &[seen(PHONE_BYTES, b"", 6 * MINUTE_MS)]].concat());
    let told = ask(dir.path(), "/alerts");
    assert_eq!(told.matches("📣").count(), 1, "{told}");
    assert!(
        told.contains("🔕 2023-02-22: 4 more probes were held back by the cool-down"),
        "{told}"
    );
}

#[tokio::test]
async fn ignored_devices_and_networks_off_the_list_are_no_news() {
    let (bot, log) = with_devices().await;
    bot.answers(OWNER, "/watch_ssid RNM0 home network", "RNM0 is watched now").await;
    bot.answers(OWNER, &format!("/ignore_device {PHONE}"), "no alert is about it").await;
    stored(&bot, "wifi_given where ignored").await;
    probe(&log, &[(PHONE, b"RNM0"), (KINDLE, b"RNM0")]).await;
    bot.handle().wait_for_text(SOON, OWNER, 0, KINDLE).await.unwrap();
    bot.answers(OWNER, "/unwatch_ssid RNM0", "is not watched any more").await;
    probe(&log, &[(SISTER, b"RNM0")]).await;
    bot.sees(&format!("/device {SISTER}"), "Unique SSIDs : 2").await;
    bot.stop().await;
    assert_eq!(bot.times_said(OWNER, "📣"), 1);
}

/// F23: more than a thousand made-up addresses ask for a watched network at once.
#[tokio::test]
async fn a_flood_of_devices_is_told_in_few_messages_and_holds_up_nobody() {
    const PHONES: usize = 1_200;
    let (bot, log) = with_devices().await;
    bot.answers(OWNER, "/watch_ssid RNM0 home network", "RNM0 is watched now").await;
    let macs: Vec<String> = (0..PHONES)
        .map(|number| format!("da:a1:19:77:{:02x}:{:02x}", number / 256, number % 256))
        .collect();
    let probes: Vec<(&str, &[u8])> = macs.iter().map(|mac| (mac.as_str(), &b"RNM0"[..])).collect();
    probe(&log, &probes).await;
    bot.answers(OWNER, "/ssids", "1 watched network").await;
    bot.counts("select count(*) from alert where rule = 'wifi.watched'", 1_200).await;
    bot.counts("select count(*) from wifi_candidate", 0).await;
    bot.is_quiet().await;
    bot.stop().await;
    let messages = bot.said(OWNER).len();
    assert!(messages < 40, "{messages} messages for {PHONES} alerts");
    assert!(bot.times_said(OWNER, "alerts at once:") > 0);
}
