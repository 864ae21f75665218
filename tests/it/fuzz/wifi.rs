//! What captures and UniFi's change data hold, and addresses that people type.

use windowsill::kernel::chat::Button;
use windowsill::kernel::dialog::Forms;
use windowsill::kernel::settings::Settings;
use windowsill::rooms::wifi::chat::buttons::Tap;
use windowsill::rooms::wifi::chat::dialog::{
    Answer, Dialog, Form, Looked, Need, Next, Opened, Opening,
};
use windowsill::rooms::wifi::chat::marks::Mark;
use windowsill::rooms::wifi::chat::spelling;
use windowsill::rooms::wifi::debezium;
use windowsill::rooms::wifi::encoding::SeenSsid;
use windowsill::rooms::wifi::given::{Matches, Said, Target};
use windowsill::rooms::wifi::lookup::{Count, Wanted};
use windowsill::rooms::wifi::tshark::{self, Kind, Line};
use windowsill::rooms::wifi::types::{MacAddr, Ssid};
use windowsill::rooms::wifi::wire::Given;

use super::input::{mutated, text_of};
use super::words::folds;
use super::{fuzz, fuzz_some};

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
                assert!((2..12).contains(&digits.count()), "{digits:?}");
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

const SPELLINGS: &[&str] = &[
    "RNM0 home network",
    "\"Robin's net\" the neighbour",
    "„Café Müller“ gegenüber",
    "«chez nous» x",
    "hex:00ff1b bytes",
    "HEX:436f6865726572",
    "🪴 plants",
    " ' ' ",
];

/// F31: a network's name is refused with what to type instead, or can be typed again.
#[test]
fn spellings_of_networks() {
    fuzz(
        |rng| mutated(rng, SPELLINGS),
        |bytes| {
            let typed = text_of(bytes);
            match spelling::first(&typed) {
                Ok((ssid, rest)) => {
                    assert!(!ssid.is_wildcard() && rest.trim() == rest);
                    let again = format!("{} why", spelling::spelled(&ssid));
                    assert_eq!(spelling::first(&again), Ok((ssid, "why")));
                }
                Err(error) => assert!(error.words().to_plain().contains("hex:436f68")),
            }
            if let Ok(ssid) = spelling::whole(&typed) {
                assert_eq!(spelling::whole(&spelling::spelled(&ssid)), Ok(ssid));
            }
        },
    );
}

/// F29: whatever a button's data is, it is a tap of ours or none.
#[test]
fn data_of_buttons() {
    const DATA: &[&str] = &[
        "wifi:ignore:40:ec:99:1f:3e:75",
        "wifi:card:watch:40:ec:99:1f:3e:75+",
        "wifi:name:Robin's Kindle",
        "wifi:snooze:40:ec:99:1f:3e:75",
        "wifi:ssids:3",
        "wifi:drop:0:Uk5NMA",
    ];
    fuzz(
        |rng| mutated(rng, DATA),
        |bytes| {
            let data = text_of(bytes);
            if Tap::of(&data).is_some() {
                assert!(data.starts_with("wifi:"), "{data}");
            }
        },
    );
}

fn device(last: u8, name: Option<&str>) -> Said {
    let mac = format!("40:ec:99:1f:3e:{last:02x}").parse().unwrap();
    let given = Given { name: name.map(str::to_owned), ignored: last == 2, watched: last == 3 };
    Said { mac, given, unifi: (last == 1).then(|| "UniFi's\u{202e} name".to_owned()) }
}

fn matches(words: &str) -> Matches {
    match words.len() % 4 {
        0 => Matches::None(vec!["Reader".to_owned()]),
        1 => Matches::Several(vec![device(1, None), device(2, None)], Count::MoreThan(99)),
        2 => Matches::One(Target { devices: vec![device(1, None), device(3, Some("Reader"))] }),
        _ => Matches::One(Target { devices: vec![device(2, Some("Reader"))] }),
    }
}

fn opened(opening: &Opening) -> Opened {
    let offers = vec![device(1, None), device(2, Some("x")), device(3, None)];
    match opening {
        Opening::Name(typed) | Opening::Forget(typed) => {
            Opened::Device { offers, matches: matches(typed), rest: String::new() }
        }
        Opening::NameOf { .. } | Opening::Mark(_) => {
            Opened::Device { offers, matches: matches("x"), rest: String::new() }
        }
        Opening::Watch(_) => Opened::Watch(Some("because".to_owned())),
        Opening::Unwatch(_) => {
            let networks =
                vec![Ssid::of_bytes(b"RNM0").unwrap(), Ssid::of_bytes(&[0xff; 32]).unwrap()];
            Opened::Unwatch(networks, None)
        }
    }
}

fn looked(need: Need, words: &str) -> Looked {
    match need {
        Need::Nothing => Looked::Nothing,
        Need::Who(_) => Looked::Who(matches(words)),
        Need::Now(_) => Looked::Now(vec![device(3, Some("Changed"))]),
        Need::Watch(_) => {
            Looked::Watch(words.len().is_multiple_of(2).then(|| "because".to_owned()))
        }
        Need::Opening(opening) => Looked::Opened(Box::new(opened(&opening))),
    }
}

fn opening_of(words: &str, pick: usize) -> Opening {
    match pick % 5 {
        0 => Opening::Name(words.to_owned()),
        1 => Opening::Mark(Mark::Watch),
        2 => Opening::Forget(words.to_owned()),
        3 => Opening::Watch(words.to_owned()),
        _ => Opening::Unwatch(words.to_owned()),
    }
}

fn answer_of(words: &str, pick: usize) -> Answer {
    const TAPS: [&str; 6] = ["skip", "keep", "back", "y", "n", "y"];
    match pick % 16 {
        tap @ ..6 => Answer::of_word(TAPS[tap]).unwrap(),
        6 | 7 => Answer::Picked(words.len() % 4),
        8 => Answer::Again(opening_of(words, pick / 16)),
        _ => Answer::Typed(words.to_owned()),
    }
}

/// F28, F29: whatever is answered, the conversation can be stored and asked about again, its
/// buttons fit, and what it publishes folds. A case is twenty answers.
#[test]
fn a_conversation_about_devices_bears_any_answers() {
    const ANSWERS: usize = 20;
    const BUTTON_BYTES: usize = 64;
    let begin = |pick: usize| {
        let opening = opening_of("", pick);
        match Form::open(&opening, opened(&opening)) {
            Some(Next::Ask(dialog, _)) => dialog,
            other => panic!("it begins with a question: {other:?}"),
        }
    };
    let fits = |button: &Button| button.data().is_none_or(|data| data.len() <= BUTTON_BYTES);
    fuzz_some(
        ANSWERS as u64,
        |rng| {
            let answer = |_| [&[rng.u8(b'A'..=b'Z')][..], &mutated(rng, SPELLINGS), b"\n"].concat();
            (0..ANSWERS).flat_map(answer).collect()
        },
        |bytes| {
            let text = text_of(bytes);
            let settings = Settings::default();
            let mut dialog = begin(bytes.len());
            for line in text.split('\n') {
                let pick = line.bytes().next().map_or(0, usize::from);
                let words: String = line.chars().skip(1).collect();
                let answer = answer_of(&words, pick);
                let looked = looked(dialog.needs(&answer), &words);
                assert!(!dialog.answered(&answer, 1, &settings).text.to_plain().trim().is_empty());
                dialog = match dialog.answer(&answer, looked, &settings) {
                    Next::Ask(dialog, _) => {
                        let stored = serde_json::to_value(&dialog).unwrap();
                        assert_eq!(serde_json::from_value::<Dialog>(stored).unwrap(), dialog);
                        let question = dialog.question(i64::MAX, &settings);
                        assert!(!question.text.to_plain().trim().is_empty());
                        assert!(question.keyboard.iter().flatten().all(fits));
                        dialog
                    }
                    Next::Publish(edits) => {
                        edits.iter().for_each(folds);
                        begin(pick)
                    }
                    Next::End(_) => begin(pick),
                    Next::Resume(held) => panic!("nothing was held: {held:?}"),
                };
            }
        },
    );
}
