//! `windowsill capture` with a real tshark, from a capture file that we make ourselves.

use std::path::Path;
use std::process::Command;

use super::street::{Seen, model, street};
use super::{fold, rows, write};
use crate::support::{run, windowsill};
use crate::tool::{leave_out, works};

/// Frames with a radiotap header (LINKTYPE 127, tcpdump.org/linktypes).
const LINKTYPE_RADIOTAP: u32 = 127;
/// Version 0, 12 bytes, with the antenna's signal (bit 5) and three bytes of padding after it.
const RADIOTAP: [u8; 8] = [0, 0, 12, 0, 0x20, 0, 0, 0];
const BROADCAST: [u8; 6] = [0xff; 6];

/// A probe request (IEEE 802.11, 9.3.3.9): header, SSID element, supported rates.
fn frame(seen: &Seen) -> Vec<u8> {
    let mut frame = RADIOTAP.to_vec();
    frame.extend([i8::try_from(seen.dbm).unwrap().to_le_bytes()[0], 0, 0, 0]);
    frame.extend([0x40, 0, 0, 0]);
    frame.extend(BROADCAST);
    frame.extend(seen.mac);
    frame.extend(BROADCAST);
    frame.extend([0, 0]);
    frame.extend([0, u8::try_from(seen.ssid.len()).unwrap()]);
    frame.extend(&seen.ssid);
    frame.extend([1, 4, 0x82, 0x84, 0x8b, 0x96]);
    frame
}

/// The file format of libpcap, little endian, microseconds.
pub(super) fn pcap(probes: &[Seen]) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 0x0004_0000, LINKTYPE_RADIOTAP] {
        file.extend(word.to_le_bytes());
    }
    for seen in probes {
        let frame = frame(seen);
        let length = u32::try_from(frame.len()).unwrap();
        let seconds = u32::try_from(seen.ms / 1000).unwrap();
        let micros = u32::try_from(seen.ms % 1000 * 1000).unwrap();
        for word in [seconds, micros, length, length] {
            file.extend(word.to_le_bytes());
        }
        file.extend(frame);
    }
    file
}

pub(super) fn tshark_is_there(test: &str) -> bool {
    let there = works(Command::new("tshark").arg("--version"));
    if !there {
        leave_out(test, "install tshark (Debian: `apt install tshark`)");
    }
    there
}

pub(super) fn capture(dir: &Path, args: &[&str]) -> Command {
    let mut command = windowsill(dir, &[&["capture"], args].concat());
    // The binary finds tshark by the search path.
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

#[tokio::test]
async fn a_file_becomes_the_rows_that_the_frames_are() {
    if !tshark_is_there("capture from a file") {
        return;
    }
    let probes = street(400);
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("street.pcap"), pcap(&probes)).unwrap();
    let output = capture(dir.path(), &["street.pcap"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.contains("400 written, 0 rejected"), "{told}");
    // The header says it: nothing has to be found out.
    let read = run(dir.path(), &["topic", "read", "pcap"]).expect_code(0).json_lines();
    let encoding = read[0]["headers"][0][0].as_str();
    assert_eq!(encoding, Some("ssid-encoding"), "{}", read[0]);
    fold(dir.path());
    assert_eq!(rows(dir.path()).await, model(&probes));
}

#[tokio::test]
async fn the_lines_of_the_same_tshark_by_a_pipe_give_the_same_rows() {
    if !tshark_is_there("tshark into topic write") {
        return;
    }
    let probes = street(200);
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("street.pcap"), pcap(&probes)).unwrap();
    let fields = ["wlan.fc.type_subtype", "wlan_radio.signal_dbm", "wlan.sa", "wlan.ssid"];
    let mut tshark = Command::new("tshark");
    tshark.args(["-r", "street.pcap", "-T", "ek"]).current_dir(dir.path());
    tshark.args(fields.into_iter().flat_map(|field| ["-e", field]));
    let lines = String::from_utf8(tshark.output().unwrap().stdout).unwrap();
    write(dir.path(), &lines).expect_code(0);
    fold(dir.path());
    assert_eq!(rows(dir.path()).await, model(&probes));
}

#[test]
fn what_is_no_capture_is_told_in_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let missing = capture(dir.path(), &["--tshark", "/nowhere/tshark", "wlan0"]).output().unwrap();
    let told = String::from_utf8_lossy(&missing.stderr);
    assert_eq!(missing.status.code(), Some(2));
    assert!(told.contains("/nowhere/tshark could not be started") && told.contains("apt install"));
    if !tshark_is_there("capture from what is no capture") {
        return;
    }
    std::fs::write(dir.path().join("odd.pcap"), [0x80; 64]).unwrap();
    let wrong = capture(dir.path(), &["odd.pcap"]).output().unwrap();
    let told = String::from_utf8_lossy(&wrong.stderr);
    assert_eq!(wrong.status.code(), Some(1), "{told}");
    assert!(told.contains("tshark ended with"), "{told}");
}
