//! The Wi-Fi room on the real binary: captures in, the right rows and answers out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};

use crate::bot::state::State;
use crate::support::{Ran, run, run_with_input, windowsill};

mod beside;
mod bounded;
mod capture;
mod home;
mod live;
mod looking;
mod names;
mod naming;
mod news;
mod pictures;
mod published;
mod retention;
pub(crate) mod street;
mod watching;

use street::{BEGIN_MS, Seen, Stats, Tshark, model, street};

const DATA: &str = "windowsill-data";

/// Writes a capture as one pipe, `tshark … | windowsill topic write pcap --format value`.
fn write(dir: &Path, lines: &str) -> Ran {
    run_with_input(dir, &["topic", "write", "pcap", "--format", "value"], lines)
}

fn fold(dir: &Path) {
    run(dir, &["fold"]).expect_code(0);
}

fn ask(dir: &Path, text: &str) -> String {
    run(dir, &["ask", text]).expect_code(0).stdout
}

fn settings(dir: &Path, toml: &str) {
    std::fs::write(dir.join("windowsill.toml"), toml).unwrap();
}

type DeviceRow = (String, i64, i64, i64, i64, i32, i32);

/// What the views hold, in the model's terms.
async fn rows(dir: &Path) -> BTreeMap<String, Stats> {
    let mut state = State::open(&dir.join(DATA)).await;
    let names: Vec<(String, String)> =
        state.rows("select printf('%012x', mac), lower(hex(ssid)) from wifi_ssid").await;
    let mut ssids: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (mac, ssid) in names {
        ssids.entry(mac).or_default().insert(ssid);
    }
    let devices: Vec<DeviceRow> = state
        .rows(
            "select printf('%012x', mac), probe_count, wildcard_count, first_ms, last_ms,
                    signal_min_dbm, signal_max_dbm from wifi_device",
        )
        .await;
    // Who looked for a network is what devices looked for.
    for (these, those) in [("wifi_ssid", "wifi_seeker"), ("wifi_seeker", "wifi_ssid")] {
        let strays = format!(
            "select count(*) from (select mac, ssid from {these} except select mac, ssid from {those})"
        );
        assert_eq!(state.number(&strays).await, 0, "in {these} and not in {those}");
    }
    let mut found = BTreeMap::new();
    for (mac, probes, wildcards, first_ms, last_ms, weakest, strongest) in devices {
        let ssids = ssids.remove(&mac).unwrap_or_default();
        let dbm = (weakest, strongest);
        found.insert(mac, Stats { probes, wildcards, first_ms, last_ms, dbm, ssids });
    }
    found
}

#[tokio::test]
async fn every_tshark_gives_the_same_rows_over_any_partitions() {
    let probes = street(3_000);
    let cases = Tshark::ALL.into_iter().flat_map(|tshark| [(tshark, 1), (tshark, 12)]);
    for (tshark, partitions) in cases {
        let dir = tempfile::tempdir().unwrap();
        settings(dir.path(), &format!("[topics.pcap]\npartitions = {partitions}\n"));
        let ran = write(dir.path(), &tshark.prints(&probes)).expect_code(0);
        assert!(ran.stderr.contains("3000 written, 0 rejected"), "{}", ran.stderr);
        fold(dir.path());
        assert_eq!(rows(dir.path()).await, model(&probes), "{tshark:?} over {partitions}");
    }
}

/// In pieces, with a fold between them, and each piece by another process.
#[tokio::test]
async fn a_capture_in_pieces_gives_the_same_rows() {
    let probes = street(900);
    let dir = tempfile::tempdir().unwrap();
    for piece in probes.chunks(170) {
        write(dir.path(), &Tshark::V4_0.prints(piece)).expect_code(0);
        fold(dir.path());
    }
    assert_eq!(rows(dir.path()).await, model(&probes));
}

fn cafe(ms: i64) -> Seen {
    Seen { ms, mac: [0xda, 1, 2, 3, 4, 5], ssid: b"cafe".to_vec(), dbm: -50 }
}

fn wildcard(ms: i64) -> Seen {
    Seen { ssid: Vec::new(), ..cafe(ms) }
}

#[tokio::test]
async fn an_access_point_called_cafe_waits_for_the_streams_word() {
    for tshark in Tshark::ALL {
        let dir = tempfile::tempdir().unwrap();
        // What could be either comes first; `636166` has to wait as well as `cafe`.
        let probes = [cafe(BEGIN_MS), cafe(BEGIN_MS + 1), wildcard(BEGIN_MS + 2)];
        write(dir.path(), &tshark.prints(&probes)).expect_code(0);
        fold(dir.path());
        assert_eq!(rows(dir.path()).await, model(&probes), "{tshark:?}");
    }
}

/// Text is the guess at the end of `fold`; what says otherwise later is told, and not followed.
#[tokio::test]
async fn a_stream_that_ends_without_a_word_is_text_and_evidence_against_it_is_told() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &Tshark::V3_6.prints(&[cafe(BEGIN_MS)])).expect_code(0);
    fold(dir.path());
    assert_eq!(rows(dir.path()).await, model(&[cafe(BEGIN_MS)]));
    let status = ask(dir.path(), "/status");
    assert!(status.contains("SSIDs are read as text: the stream ended"), "{status}");
    assert!(!status.contains("otherwise"), "{status}");
    write(dir.path(), &Tshark::V4_0.prints(&[wildcard(BEGIN_MS + 1)])).expect_code(0);
    fold(dir.path());
    let status = ask(dir.path(), "/status");
    assert!(status.contains("1 probe says otherwise"), "{status}");
    let alerts = ask(dir.path(), "/alerts");
    assert_eq!(alerts.matches("Probes say that SSIDs are not text").count(), 1, "{alerts}");
    // A rebuild obeys what was decided.
    run(dir.path(), &["rebuild"]).expect_code(0);
    assert_eq!(rows(dir.path()).await, model(&[cafe(BEGIN_MS), wildcard(BEGIN_MS + 1)]));
}

#[tokio::test]
async fn the_setting_and_the_header_say_it_outright() {
    let lines = Tshark::V3_6.prints(&[cafe(BEGIN_MS)]);
    let dir = tempfile::tempdir().unwrap();
    settings(dir.path(), "[wifi]\nssid_encoding = \"text\"\n");
    write(dir.path(), &lines).expect_code(0);
    fold(dir.path());
    assert_eq!(rows(dir.path()).await, model(&[cafe(BEGIN_MS)]));

    let dir = tempfile::tempdir().unwrap();
    settings(dir.path(), "[wifi]\nssid_encoding = \"text\"\n");
    let value: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    let record = json!({"value": value, "ts": BEGIN_MS, "headers": [["ssid-encoding", "hex"]]});
    run_with_input(dir.path(), &["topic", "write", "pcap"], &record.to_string()).expect_code(0);
    fold(dir.path());
    let as_bytes = Seen { ssid: vec![0xca, 0xfe], ..cafe(BEGIN_MS) };
    assert_eq!(rows(dir.path()).await, model(&[as_bytes]));
}

/// F31: whatever an SSID holds, nothing of it acts in a chat or a console.
#[tokio::test]
async fn hostile_ssids_are_shown_harmlessly() {
    let dir = tempfile::tempdir().unwrap();
    let hostile: [&[u8]; 6] = [
        b"\x1b[31mred",
        b"<b>bold</b>",
        b"CompanySSID\0\0x",
        b"\xff\xfe\xfd",
        &[0; 32],
        "\u{202e}evil".as_bytes(),
    ];
    let probes: Vec<Seen> = (0i64..)
        .zip(hostile)
        .map(|(at, ssid)| Seen { ssid: ssid.to_vec(), ..cafe(BEGIN_MS + at) })
        .collect();
    write(dir.path(), &Tshark::V4_0.prints(&[&probes[..], &[wildcard(BEGIN_MS)]].concat()))
        .expect_code(0);
    fold(dir.path());
    let shown = ask(dir.path(), "/device da:01:02:03:04:05");
    let acts = |letter: char| letter != '\n' && windowsill::kernel::text::acts(letter);
    assert!(!shown.chars().any(acts), "{shown:?}");
    for visible in [
        r"\u{1b}[31mred",
        "<b>bold</b>",
        r"CompanySSID\u{0}\u{0}x",
        r"\xff\xfe\xfd",
        r"\u{202e}evil",
        "Unique SSIDs : 6",
    ] {
        assert!(shown.contains(visible), "{visible} in {shown}");
    }
    let json = run(dir.path(), &["ask", "--json", "/device da:01:02:03:04:05"]).expect_code(0);
    assert!(json.stdout.contains("&lt;b&gt;bold"), "{}", json.stdout);
}

/// F31, F32: what cannot be is refused by name and line, and the rest goes on.
#[test]
fn impossible_lines_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let good = Tshark::V3_6.prints(&[cafe(BEGIN_MS)]);
    let long = good.replace("cafe", &"n".repeat(33));
    let odd_mac = good.replace("da:01:02:03:04:05", "da:01:02:03:04");
    let group = good.replace("da:01:02:03:04:05", "ff:ff:ff:ff:ff:ff");
    let ran = write(dir.path(), &format!("{long}{odd_mac}{group}{good}")).expect_code(1);
    assert!(ran.stderr.contains("1 written, 3 rejected"), "{}", ran.stderr);
    for reason in ["33 bytes, expected at most 32", "expected six bytes", "an address of many"] {
        assert!(ran.stderr.contains(reason), "{reason}: {}", ran.stderr);
    }
}

#[test]
fn other_frames_show_only_that_the_capture_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let beacon = Tshark::V3_6.prints(&[cafe(BEGIN_MS)]).replace("0x0004", "0x0008");
    write(dir.path(), &beacon).expect_code(0);
    fold(dir.path());
    assert!(ask(dir.path(), "/devices").contains("No Wi-Fi device has been heard yet"));
}

#[test]
fn devices_are_found_and_paged() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &Tshark::V4_0.prints(&street(2_000))).expect_code(0);
    fold(dir.path());
    let list = ask(dir.path(), "/devices");
    assert!(list.contains("120 devices, heard last, page 1 of 12"), "{list}");
    let several = ask(dir.path(), "/device a119");
    assert!(several.contains("120 devices have a119 in their address"), "{several}");
    for spelling in ["40:a1:19:00:00:05", "40-A1-19-00-00-05", "40A119000005"] {
        let card = ask(dir.path(), &format!("/device {spelling}"));
        assert!(card.contains("📡 Wi-Fi probe stats for 40:a1:19:00:00:05"), "{card}");
        assert!(!card.contains("randomised"), "{card}");
    }
    assert!(ask(dir.path(), "/device da:a1:19:00:00:01").contains("randomised"));
    let seekers = ask(dir.path(), "/probes RNM0");
    assert!(seekers.contains("devices looked for RNM0"), "{seekers}");
    assert!(ask(dir.path(), "/probes hex:524e4d30").contains("devices looked for RNM0"));
    let nothing = ask(dir.path(), "/device nobody");
    assert!(nothing.contains("🛎 No result found for device nobody"), "{nothing}");
    let refused = windowsill(dir.path(), &["ask", "/probes hex:5"]).output().unwrap();
    assert!(String::from_utf8_lossy(&refused.stdout).contains("two digits a byte"));
}
