//! A bot beside a street of phones, for the tests of what is said in its chat.

use serde_json::Value;
use windowsill::kernel::record::NewRecord;

use super::street::{Seen, Tshark};
use crate::bot::past::Log;
use crate::bot::state::State;
use crate::bot::{Bot, SOON, until};

/// Somebody else who may edit.
pub(crate) const OTHER: i64 = 12;
/// A maker's address: Intel has this prefix.
pub(crate) const KINDLE: &str = "40:ec:99:1f:3e:75";
pub(crate) const SISTER: &str = "40:ec:99:1f:3e:76";
/// A made-up one.
pub(crate) const PHONE: &str = "da:a1:19:00:00:01";
/// Somebody who walks by and asks for any network.
const WALKER: &str = "da:a1:19:00:00:09";
pub(crate) const NAMES: &str = "device-names";
pub(crate) const WATCHED: &str = "ssid_alert_list_01";

fn seen(mac: &str, ssid: &[u8], ms: i64) -> Seen {
    let bytes: Vec<u8> = mac.split(':').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
    Seen { ms, mac: bytes.try_into().unwrap(), ssid: ssid.to_vec(), dbm: -60 }
}

/// Appends probes as a capture writes them.
pub(crate) async fn probe(log: &Log, probes: &[(&str, &[u8])]) {
    let now_ms = windowsill::clock::now_ms();
    let seen: Vec<Seen> = (0i64..)
        .zip(probes)
        .map(|(at, (mac, ssid))| seen(mac, ssid, now_ms - 5_000 + at))
        .collect();
    // A wildcard says that this stream writes hexadecimal.
    let seen = [&seen[..], &[self::seen(WALKER, b"", now_ms)]].concat();
    let lines = Tshark::V4_0Flat.prints(&seen);
    let record = |line: &str| NewRecord {
        value: Some(line.as_bytes().to_vec()),
        ts_ms: now_ms,
        ..NewRecord::default()
    };
    log.append_raw("pcap", lines.lines().map(record).collect()).await;
}

/// A bot that knows a Kindle, its sister and a phone, none with a name; two people may edit.
pub(crate) async fn with_devices() -> (Bot, Log) {
    let (mut bot, log) = prepared().await;
    bot.started().await;
    bot.sees(&format!("/device {PHONE}"), "Probe count").await;
    (bot, log)
}

/// The same before its first life.
pub(crate) async fn prepared() -> (Bot, Log) {
    let bot = Bot::new().await.with("WINDOWSILL_TELEGRAM__ALLOWED_CHATS", OTHER);
    let log = Log::open(&bot.data_dir(), 1).await;
    let probes: [(&str, &[u8]); 5] = [
        (KINDLE, b"home"),
        (KINDLE, b"RNM0"),
        (SISTER, b"home"),
        (PHONE, b"RNM0"),
        (PHONE, b"Robin's \"net\" "),
    ];
    probe(&log, &probes).await;
    (bot, log)
}

/// What was said of devices, oldest first: MAC, name, ignored, watched. `None` deletes.
pub(crate) async fn said(log: &Log) -> Vec<(String, Option<(String, bool, bool)>)> {
    let of = |value: Value| {
        let name = value["name"].as_str().unwrap_or("-").to_owned();
        (name, value["ignored"].as_bool().unwrap(), value["watched"].as_bool().unwrap())
    };
    let rows = log.table(NAMES).await.into_iter();
    rows.map(|(key, value)| (String::from_utf8(key).unwrap(), value.map(of))).collect()
}

/// The watch list's records, oldest first: the name's bytes and the reason. `None` deletes.
pub(crate) async fn watched(log: &Log) -> Vec<(Vec<u8>, Option<String>)> {
    let reason = |value: Value| value["REASON"].as_str().unwrap().to_owned();
    log.table(WATCHED).await.into_iter().map(|(key, value)| (key, value.map(reason))).collect()
}

/// Waits until a table has a row that is so.
pub(crate) async fn stored(bot: &Bot, condition: &str) {
    until(SOON, condition, async || {
        State::open(&bot.data_dir())
            .await
            .number(&format!("select count(*) from {condition}"))
            .await
            == 1
    })
    .await;
}
