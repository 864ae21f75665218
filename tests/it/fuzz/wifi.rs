//! What captures and UniFi's change data hold, and addresses that people type.

use windowsill::rooms::wifi::debezium;
use windowsill::rooms::wifi::encoding::SeenSsid;
use windowsill::rooms::wifi::lookup::Wanted;
use windowsill::rooms::wifi::tshark::{self, Kind, Line};
use windowsill::rooms::wifi::types::{MacAddr, Ssid};

use super::fuzz;
use super::input::{mutated, text_of};

/// F31: a line of a capture is refused, or what it says can be said again.
#[test]
fn lines_of_tshark() {
    const LINES: &[&str] = &[
        r#"{"timestamp":"1677060198027","layers":{"wlan_fc_type_subtype":["0x0004"],"wlan_radio_signal_dbm":["-54"],"wlan_sa":["40:ec:99:1f:3e:75"],"wlan_ssid":["436f6865726572"]}}"#,
        r#"{"timestamp":"1","wlan_fc_type_subtype":["4"],"wlan_sa":["40:ec:99:1f:3e:75"],"wlan_ssid":["caf\u00e9"]}"#,
        r#"{"index":{"_index":"packets"}}"#,
    ];
    fuzz(
        |rng| mutated(rng, LINES),
        |bytes| {
            let Ok(Line::Frame(frame)) = tshark::parse(bytes) else { return };
            let Kind::Probe(probe) = frame.kind else { return };
            assert_eq!(probe.mac.to_string().parse(), Ok(probe.mac));
            if let Ok(seen) = SeenSsid::read(&probe.ssid, None) {
                assert!(seen.ssid().as_bytes().len() <= Ssid::MAX_BYTES);
                assert_eq!(Ssid::of_hex(&seen.ssid().hex()), Ok(seen.ssid()));
            }
        },
    );
}

/// F32: an address is one in all its spellings, or is refused with what was expected.
#[test]
fn addresses() {
    const WORDS: &[&str] =
        &["40:ec:99:1f:3e:75", "40-EC-99-1F-3E-75", "40ec991f3e75", "ff:ff:ff:ff:ff:ff", "ca:fe"];
    fuzz(
        |rng| mutated(rng, WORDS),
        |bytes| {
            let text = text_of(bytes);
            match text.parse::<MacAddr>() {
                Ok(mac) => assert_eq!(MacAddr::of_key(mac.key()), mac),
                Err(error) => assert!(error.to_string().contains("expected six bytes")),
            }
            if let Wanted::Part { digits, .. } = Wanted::of(&text) {
                assert!((2..12).contains(&digits.len()), "{digits}");
            }
        },
    );
}

#[test]
fn change_data() {
    const VALUES: &[&str] = &[
        r#"{"op":"c","after":"{\"mac\":\"40:ec:99:1f:3e:75\",\"name\":\"x\"}"}"#,
        r#"{"op":"u","after":null,"patch":"{\"$set\":{\"name\":\"y\"},\"$unset\":{\"oui\":1}}"}"#,
        r#"{"updateDescription":{"updatedFields":"{\"hostname\":\"z\"}","removedFields":["name"]}}"#,
        r#"{"schema":{},"payload":{"id":"{\"$oid\":\"5d1f\"}"}}"#,
    ];
    fuzz(
        |rng| mutated(rng, VALUES),
        |bytes| {
            if let Err(poison) = debezium::change(Some(bytes)) {
                assert!(!poison.reason.is_empty());
            }
            if let Ok(id) = debezium::document_id(Some(bytes)) {
                assert!(id.len() <= bytes.len());
            }
        },
    );
}
