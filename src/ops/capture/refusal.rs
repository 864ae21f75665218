//! What a tshark that cannot begin a live capture means, and what to do about it.

use super::CaptureError;

/// Why this interface cannot be captured from, in tshark's words, with advice where we have some.
pub(super) fn of(interface: &str, said: &str) -> CaptureError {
    let hint = hint(interface, said).map(|hint| format!(" {hint}")).unwrap_or_default();
    CaptureError::Refused { interface: interface.to_owned(), said: said.to_owned(), hint }
}

/// Advice by the words of tshark 2.4 to 4.4 and of libpcap.
fn hint(interface: &str, said: &str) -> Option<String> {
    let has = |part: &str| said.to_lowercase().contains(part);
    if has("permission") || has("not permitted") {
        let hint = "It needs the right to capture: run it as root, or (Debian) say yes to `sudo \
                    dpkg-reconfigure wireshark-common`, join the group wireshark and log in again";
        return Some(hint.to_owned());
    }
    if has("no device named") || has("no such device") || has("no interface") {
        return Some(format!("This machine has {}", interfaces()));
    }
    if has("monitor mode") || has("rfmon") {
        return Some(format!(
            "Make an interface that is in monitor mode, `iw dev {interface} interface add mon0 \
             type monitor && ip link set mon0 up`, and `capture mon0 --no-monitor`; some chips \
             cannot"
        ));
    }
    if has("802.11") || has("link-layer type") {
        let mode = format!(
            "{interface} is not in monitor mode: only then are probes heard; leave \
                            out --no-monitor, or name a Wi-Fi interface"
        );
        return Some(mode);
    }
    has("is not up").then(|| format!("Try `ip link set {interface} up`"))
}

/// The network interfaces of this machine, in their order.
fn interfaces() -> String {
    let entries = std::fs::read_dir("/sys/class/net").into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    if names.is_empty() {
        "no network interface that we can see".to_owned()
    } else {
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_fits_what_tshark_says() {
        let advised = |said: &str| of("wlan0", said).to_string();
        let rights = advised("You do not have permission to capture on device \"wlan0\".");
        assert!(rights.contains("cannot capture on wlan0: You do not") && rights.contains("group"));
        let mode = advised("Capturing in monitor mode is not supported on device \"wlan0\".");
        assert!(mode.contains("type monitor && ip link set mon0 up"), "{mode}");
        let missing = advised("There is no device named \"wlan0\". (No such device exists)");
        assert!(missing.contains("This machine has "), "{missing}");
        let wired = advised("802.11 link-layer types supported only on 802.11");
        assert!(wired.contains("not in monitor mode"), "{wired}");
        assert_eq!(advised("odd"), "tshark cannot capture on wlan0: odd");
    }
}
