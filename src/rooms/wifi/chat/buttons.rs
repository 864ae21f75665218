//! The data of the room's buttons, and what a tap on each asks for.
//!
//! Invariant: the data of every button made here fits into what Telegram takes, and is read back as
//! what it was made of.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

use super::marks::Mark;
use crate::kernel::chat::{Button, Keyboard};
use crate::rooms::wifi::given::Who;
use crate::rooms::wifi::types::{MacAddr, Ssid};

/// What Telegram takes as a button's data, in bytes (Bot API, `InlineKeyboardButton`).
const DATA_BYTES: usize = 64;

/// Opens a device's card.
pub const OPEN: &str = "wifi:show:";
/// Turns a page of devices: its order's letter and its number.
pub const PAGE: &str = "wifi:page:";
/// Begins naming a device.
const NAME: &str = "wifi:name:";
/// Says something of a device: a mark's word and the device.
const MARK: &str = "wifi:";
/// The same on a card, which is shown anew.
pub const CARD: &str = "wifi:card:";
/// Nobody is told of a device for a while.
const SNOOZE: &str = "wifi:snooze:";
/// Turns a page of the watch list.
pub const WATCHED: &str = "wifi:ssids:";
/// A network is watched no more; its page, and its bytes in Base64.
pub const DROP: &str = "wifi:drop:";
/// Behind an address: all addresses of the device's name.
const ALL: char = '+';

/// What a tap asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tap {
    Name(Who),
    Mark {
        mark: Mark,
        who: Who,
        /// The message is the device's card.
        on_card: bool,
    },
    Snooze(MacAddr),
    Watched(usize),
    Drop(Ssid, usize),
}

impl Tap {
    pub fn of(data: &str) -> Option<Tap> {
        if let Some(who) = data.strip_prefix(NAME) {
            return Some(Tap::Name(who_of(who)));
        }
        if let Some(mac) = data.strip_prefix(SNOOZE) {
            return Some(Tap::Snooze(mac.parse().ok()?));
        }
        if let Some(page) = data.strip_prefix(WATCHED) {
            return Some(Tap::Watched(page.parse().ok()?));
        }
        if let Some(rest) = data.strip_prefix(DROP) {
            let (page, bytes) = rest.split_once(':')?;
            let ssid = Ssid::of_bytes(&BASE64.decode(bytes).ok()?).ok()?;
            return Some(Tap::Drop(ssid, page.parse().ok()?));
        }
        let (rest, on_card) = match data.strip_prefix(CARD) {
            Some(rest) => (rest, true),
            None => (data.strip_prefix(MARK)?, false),
        };
        let (word, who) = rest.split_once(':')?;
        Some(Tap::Mark { mark: Mark::of_word(word)?, who: who_of(who), on_card })
    }
}

fn who_of(text: &str) -> Who {
    if let Ok(mac) = text.parse() {
        return Who::Mac(mac);
    }
    match text.strip_suffix(ALL).map(str::parse) {
        Some(Ok(mac)) => Who::NameOf(mac),
        _ => Who::Typed(text.to_owned()),
    }
}

fn who_data(who: &Who) -> String {
    match who {
        Who::Mac(mac) => mac.to_string(),
        Who::NameOf(mac) => format!("{mac}{ALL}"),
        Who::Typed(text) => text.clone(),
    }
}

/// `None` where what it is about is too long for a button.
fn fitting(label: impl Into<String>, data: String) -> Option<Button> {
    (data.len() <= DATA_BYTES).then(|| Button::new(label, data))
}

pub fn open(label: impl Into<String>, mac: MacAddr) -> Button {
    Button::new(label, format!("{OPEN}{mac}"))
}

/// Opens what goes by a name.
pub fn open_named(name: &str) -> Option<Button> {
    fitting(name, format!("{OPEN}{name}"))
}

/// Says something of what goes by a name.
pub fn mark_named(name: &str, mark: Mark) -> Option<Button> {
    fitting(name, format!("{MARK}{}:{name}", mark.word()))
}

pub fn mark(label: impl Into<String>, mark: Mark, mac: MacAddr) -> Button {
    Button::new(label, format!("{MARK}{}:{mac}", mark.word()))
}

pub fn mark_on_card(mark: Mark, who: &Who) -> Button {
    Button::new(mark.label(), format!("{CARD}{}:{}", mark.word(), who_data(who)))
}

pub fn name(label: &str, who: &Who) -> Button {
    Button::new(label, format!("{NAME}{}", who_data(who)))
}

pub fn copy(mac: MacAddr) -> Button {
    Button::copying("📋 Copy MAC", mac.to_string())
}

pub fn watched_page(label: &str, page: i64) -> Button {
    Button::new(label, format!("{WATCHED}{page}"))
}

pub fn drop_ssid(label: impl Into<String>, ssid: &Ssid, page: i64) -> Button {
    Button::new(label, format!("{DROP}{page}:{}", BASE64.encode(ssid.as_bytes())))
}

/// The buttons under an alert about a device.
pub fn of_alert(mac: MacAddr, is_named: bool) -> Keyboard {
    let who = Who::Mac(mac);
    let label = if is_named { "✏️ Rename it" } else { "✏️ Name it" };
    vec![
        vec![name(label, &who), mark(Mark::Ignore.label(), Mark::Ignore, mac)],
        vec![Button::new("🔕 Snooze 6 h", format!("{SNOOZE}{mac}")), copy(mac)],
    ]
}

/// What a snooze of a device's alerts is known by.
pub fn snoozed(mac: MacAddr) -> String {
    format!("wifi:{mac}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_button_fits_and_is_read_back() {
        let mac: MacAddr = "40:ec:99:1f:3e:75".parse().unwrap();
        let ssid = Ssid::of_bytes(&[0xff; 32]).unwrap();
        let unwatch = Mark::Unwatch;
        let taps = [
            (name("x", &Who::NameOf(mac)), Tap::Name(Who::NameOf(mac))),
            (
                mark("x", Mark::Ignore, mac),
                Tap::Mark { mark: Mark::Ignore, who: Who::Mac(mac), on_card: false },
            ),
            (
                mark_on_card(unwatch, &Who::NameOf(mac)),
                Tap::Mark { mark: unwatch, who: Who::NameOf(mac), on_card: true },
            ),
            (
                mark_named("Robin's: x", unwatch).unwrap(),
                Tap::Mark {
                    mark: unwatch,
                    who: Who::Typed("Robin's: x".to_owned()),
                    on_card: false,
                },
            ),
            (of_alert(mac, false)[1][0].clone(), Tap::Snooze(mac)),
            (watched_page("x", 12), Tap::Watched(12)),
            (drop_ssid("x", &ssid, 99_999), Tap::Drop(ssid, 99_999)),
        ];
        for (button, tap) in taps {
            let data = button.data().unwrap();
            assert!(data.len() <= DATA_BYTES, "{data}");
            assert_eq!(Tap::of(data), Some(tap), "{data}");
        }
        assert_eq!(open_named(&"n".repeat(60)), None);
    }

    /// F29: what another version may have made is none of ours.
    #[test]
    fn unknown_data_is_no_tap() {
        for data in ["wifi:", "wifi:show:x", "wifi:boil:40:ec", "wifi:snooze:me", "wifi:drop:1:é"]
        {
            assert_eq!(Tap::of(data), None, "{data}");
        }
    }
}
