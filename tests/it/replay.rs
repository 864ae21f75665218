//! A capture played into the demo: every frame, at its distance, as if it began now.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use crate::bot::{SOON, until};
use crate::demo_page::Demo;
use crate::support::{Ran, run, windowsill};
use crate::wifi::street::{Seen, Tshark, colons, street};

const FOLDER: &str = "windowsill-demo";

fn gzipped(path: &Path, lines: &str) {
    let mut file = GzEncoder::new(File::create(path).unwrap(), Compression::fast());
    std::io::Write::write_all(&mut file, lines.as_bytes()).unwrap();
    file.finish().unwrap();
}

fn told(dir: &Path) -> String {
    std::fs::read_to_string(dir.join("told.txt")).unwrap()
}

fn start(dir: &Path, options: &[&str]) -> Demo {
    let told = File::create(dir.join("told.txt")).unwrap();
    Demo::start_with(dir, options, Stdio::from(told))
}

fn number(value: &Value) -> i64 {
    value.as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_capture_is_played_at_its_own_pace_as_if_it_began_now() {
    let probes = street(300);
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let mut lines = Tshark::V4_0.prints(&probes);
    lines.push_str("this is no line of tshark's\n");
    gzipped(&dir.join("street.ek.gz"), &lines);
    let begun_ms = windowsill::clock::now_ms();
    let demo = start(dir, &["--replay", "street.ek.gz", "--speed", "720"]);
    let ended = "is at its end: 300 frames, 1 bad lines; the demo goes on";
    until(SOON, "the end of the file", async || told(dir).contains(ended)).await;
    assert!(told(dir).contains("replay: line 601: "), "{}", told(dir));
    // It goes on, and the views show what was played.
    until(SOON, "a device", async || {
        let asked = run(dir, &["--data-dir", FOLDER, "ask", "/device 40:a1:19:00:00:00"]);
        asked.stdout.contains("Probe count")
    })
    .await;
    assert_eq!(demo.terminate(), Some(0));

    let read = run(dir, &["--data-dir", FOLDER, "topic", "read", "pcap"]).expect_code(0);
    let played = read.json_lines();
    assert_eq!(played.len(), probes.len(), "nothing but the capture is heard");
    let first_ms = number(&played[0]["value"]["timestamp"]);
    // The demo's clock begins with the machine's, 720 times as fast.
    let started_ms = windowsill::clock::now_ms() - begun_ms;
    assert!((0..=started_ms * 720).contains(&(first_ms - begun_ms)), "{first_ms} and {begun_ms}");
    for (seen, record) in probes.iter().zip(&played) {
        let Seen { ms, mac, .. } = seen;
        let at_ms = number(&record["value"]["timestamp"]);
        assert_eq!(at_ms - first_ms, ms - probes[0].ms);
        assert_eq!(record["ts"], at_ms);
        assert_eq!(record["value"]["layers"]["wlan_sa"][0], colons(mac));
    }
}

fn refused(dir: &Path, file: &str) -> Ran {
    let mut demo = windowsill(dir, &["demo", "--replay", file]);
    Ran::new(demo.output().unwrap()).expect_code(2)
}

#[test]
fn what_cannot_be_played_is_refused_before_anything_begins() {
    let dir = tempfile::tempdir().unwrap();
    let missing = refused(dir.path(), "nowhere.ek").stderr;
    assert!(missing.contains("nowhere.ek cannot be read: No such file"), "{missing}");
    std::fs::write(dir.path().join("street.pcapng"), [0x0a, 0x0d, 0x0d, 0x0a, 0, 0]).unwrap();
    let capture = refused(dir.path(), "street.pcapng").stderr;
    assert!(capture.contains("is a capture file") && capture.contains("tshark -r"), "{capture}");
    assert!(!dir.path().join(FOLDER).exists(), "no folder was begun");
}
