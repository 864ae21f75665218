//! Captures beside a running bot, by `capture` and by a pipe: the bot knows the devices at once.

use std::process::{Command, Stdio};

use super::capture::{pcap, tshark_is_there};
use super::street::{Seen, street};
use crate::bot::{Bot, OWNER};

#[tokio::test]
async fn a_running_bot_hears_what_is_captured_beside_it() {
    if !tshark_is_there("captures beside a running bot") {
        return;
    }
    let mut bot = Bot::new().await;
    bot.started().await;
    let dir = tempfile::tempdir().unwrap();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let file = |name: &str, probes: &[Seen]| {
        let file = dir.path().join(name);
        std::fs::write(&file, pcap(probes)).unwrap();
        file.into_os_string().into_string().unwrap()
    };

    let probes = street(300);
    let street = file("street.pcap", &probes);
    let captured = bot.command(&["capture", &street]).env("PATH", &path).output().unwrap();
    let told = String::from_utf8_lossy(&captured.stderr);
    assert!(captured.status.success() && told.contains("300 written, 0 rejected"), "{told}");
    bot.sees("/device 40:a1:19:00:00:00", "Probe count").await;

    // One pipe, as the README has it.
    let more = Seen { mac: [0x40, 0xec, 0x99, 1, 2, 3], ..probes[0].clone() };
    let one = file("one.pcap", &[more]);
    let mut tshark = Command::new("tshark");
    tshark.args([
        "-r",
        &one,
        "-T",
        "ek",
        "-e",
        "wlan.fc.type_subtype",
        "-e",
        "wlan_radio.signal_dbm",
    ]);
    tshark.args(["-e", "wlan.sa", "-e", "wlan.ssid"]).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut tshark = tshark.spawn().unwrap();
    let mut write = bot.command(&["topic", "write", "pcap", "--format", "value"]);
    let written = write.stdin(tshark.stdout.take().unwrap()).output().unwrap();
    assert!(tshark.wait().unwrap().success());
    let told = String::from_utf8_lossy(&written.stderr);
    assert!(written.status.success() && told.contains("1 written, 0 rejected"), "{told}");
    bot.sees("/device 40:ec:99:01:02:03", "Probe count").await;
    bot.answers(OWNER, "/devices", "device").await;
    bot.stop().await;
}
