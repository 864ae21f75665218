//! The demo's street on the real binary: who is heard, what they are called, and that a second
//! start goes on.

use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::bot::{SOON, until};
use crate::demo_page::Demo;
use crate::support::run;

const FOLDER: &str = "windowsill-demo";

fn ask(dir: &Path, text: &str) -> String {
    run(dir, &["--data-dir", FOLDER, "ask", text]).stdout
}

fn probes(dir: &Path) -> Vec<Value> {
    run(dir, &["--data-dir", FOLDER, "topic", "read", "pcap"]).expect_code(0).json_lines()
}

fn count(dir: &Path) -> usize {
    probes(dir).len()
}

#[tokio::test]
async fn the_demo_hears_a_street_of_phones() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let demo = Demo::start_with(dir, &["--seed", "5"], Stdio::null());
    for (who, part) in [
        ("/device Robin's Kindle", "stats for Robin's Kindle fc:65:de:1f:3e:75"),
        ("/device living room tv", "Living room TV"),
        ("/device guest_apple", "a4:83:e7:4e:39:15"),
        ("/device robins-laptop", "40:ec:99:22:07:b1"),
        // The phone that looks for the watched network: at the default speed within 15 s.
        ("/probes Windowsill guests", "00:23:76:5c:41:9a"),
        ("/devices", "device"),
        ("/ssids", "Windowsill guests"),
        ("/alerts", "looked for Windowsill guests"),
    ] {
        until(SOON, who, async || ask(dir, who).contains(part)).await;
    }
    let watched = run(dir, &["--data-dir", FOLDER, "topic", "read", "ssid_alert_list_01"]);
    let watched = watched.expect_code(0).json_lines();
    assert_eq!(watched.len(), 1, "{watched:?}");
    assert_eq!(watched[0]["key"], "Windowsill guests");
    assert_eq!(demo.terminate(), Some(0));

    let first = probes(dir);
    assert!(first.iter().all(|probe| probe["headers"][0][1] == "hex"));
    let newest_ms = first.iter().filter_map(|probe| probe["ts"].as_i64()).max().unwrap();
    let demo = Demo::start_with(dir, &[], Stdio::null());
    until(SOON, "more probes", async || count(dir) > first.len()).await;
    assert_eq!(demo.terminate(), Some(0));
    let second = probes(dir);
    assert!(second[..first.len()] == first[..], "what was heard stays");
    let later = second[first.len()..].iter().all(|probe| probe["ts"].as_i64() > Some(newest_ms));
    assert!(later, "it goes on where it ended");
}
