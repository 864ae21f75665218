//! A live capture: a stand-in for tshark that dies, drops packets, and becomes another version.

use std::fs::OpenOptions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::capture::{capture, tshark_is_there};
use crate::bot::{Life, SOON, until};
use crate::support::run;

/// Its n-th start prints a probe from a MAC that ends with n. The first is a tshark 3.6 and dies;
/// the second is a tshark 4.0, and goes on until it is asked to stop: then it prints one more.
const STAND_IN: &str = r#"#!/bin/sh
starts=$(cat "$0.starts" 2>/dev/null || echo 0)
if [ "$1" = --version ]; then
    if [ "$starts" = 0 ]; then echo "TShark (Wireshark) 3.6.2"; else echo "TShark (Wireshark) 4.0.17"; fi
    exit
fi
starts=$((starts + 1))
echo "$starts" > "$0.starts"
echo "$@" > "$0.arguments"
probe() {
    printf '{"timestamp":"16770601980%s0","layers":{"wlan_fc_type_subtype":["0x0004"],' "$1"
    printf '"wlan_sa":["40:ec:99:1f:3e:0%s"],"wlan_ssid":["cafe"]}}\n' "$1"
}
probe "$starts"
if [ "$starts" = 1 ]; then
    echo "tshark: The network adapter on which the capture was being done is gone." >&2
    echo "3 packets dropped from wlan0" >&2
    exit 1
fi
trap 'probe 9; echo "1 packet dropped from wlan0" >&2; exit 0' TERM
while :; do sleep 0.05; done
"#;

/// Writes a program for a shell.
fn program(dir: &Path, text: &str) -> PathBuf {
    let path = dir.join("stand-in");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn live(dir: &Path) -> Command {
    let stand_in = program(dir, STAND_IN);
    let mut command = capture(dir, &["wlan0", "--tshark", stand_in.to_str().unwrap()]);
    let told = OpenOptions::new().create(true).append(true).open(dir.join("told.txt")).unwrap();
    command.stdout(Stdio::null()).stderr(Stdio::from(told));
    command
}

fn told(dir: &Path) -> String {
    std::fs::read_to_string(dir.join("told.txt")).unwrap()
}

fn frames(dir: &Path) -> Vec<Value> {
    if !dir.join("windowsill-data/log.db").exists() {
        return Vec::new();
    }
    run(dir, &["topic", "read", "pcap"]).expect_code(0).json_lines()
}

#[tokio::test]
async fn a_tshark_that_dies_is_started_again_and_all_that_it_heard_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let life = Life::begin(&mut live(dir));
    until(SOON, "the second tshark's probe", async || frames(dir).len() == 2).await;
    life.signal("-TERM");
    let ended = life.ended_within(SOON).await;
    let told = told(dir);
    assert_eq!(ended.code(), Some(0), "{told}");
    for part in [
        "tshark: 3 packets dropped from wlan0\n",
        "tshark ended with exit status: 1: The network adapter on which",
        "it is started again in 1 s\n",
        "tshark: 1 packet dropped from wlan0\n",
        "in all 3 written, 0 rejected, 4 dropped\n",
    ] {
        assert!(told.contains(part), "{part:?} in {told}");
    }
    let frames = frames(dir);
    let of = |frame: &Value| {
        let mac = frame["value"]["layers"]["wlan_sa"][0].as_str().unwrap().to_owned();
        (mac, frame["headers"][0][1].as_str().unwrap().to_owned())
    };
    let all: Vec<(String, String)> = frames.iter().map(of).collect();
    // The last one was printed when tshark was asked to stop; each says how its tshark writes.
    let expected = [("01", "text"), ("02", "hex"), ("09", "hex")];
    let expected =
        expected.map(|(end, encoding)| (format!("40:ec:99:1f:3e:{end}"), encoding.to_owned()));
    assert_eq!(all, expected);
    let arguments = std::fs::read_to_string(dir.join("stand-in.arguments")).unwrap();
    for part in ["-i wlan0", "subtype probe-req", "-a duration:", "-I", "-l"] {
        assert!(arguments.contains(part), "{part} in {arguments}");
    }
}

#[test]
fn a_live_capture_that_cannot_begin_ends_with_advice() {
    let dir = tempfile::tempdir().unwrap();
    let refusing = "#!/bin/sh\n[ \"$1\" = --version ] && exec echo 'TShark (Wireshark) 4.0.17'\n\
                    echo 'tshark: You do not have permission to capture on device \"wlan0\".' >&2\n\
                    exit 2\n";
    let stand_in = program(dir.path(), refusing);
    let args = ["wlan0", "--tshark", stand_in.to_str().unwrap()];
    let output = capture(dir.path(), &args).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("cannot capture on wlan0: You do not have permission"), "{told}");
    assert!(told.contains("join the group wireshark"), "{told}");
    if !tshark_is_there("capture from an interface that is not there") {
        return;
    }
    let output = capture(dir.path(), &["nosuch0"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("cannot capture on nosuch0: "), "{told}");
}
