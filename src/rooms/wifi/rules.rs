//! The room's rules: which probes become alerts, and what alerts say. Pure.
//!
//! Invariant: in event time two alerts about one device and one network are at least a cool-down
//! apart, and every probe that matters lies within one cool-down of an alert.

use chrono_tz::Tz;
use rustc_hash::FxHashSet;

use super::chat::buttons;
use super::lookout::{Hit, Interest};
use super::types::{MacAddr, Ssid};
use crate::kernel::alert::{Alert, Source};
use crate::kernel::chat::Keyboard;
use crate::kernel::text::Text;
use crate::kernel::when;

/// The rules' names; they are part of the alerts' identities.
pub const WATCHED: &str = "wifi.watched";
pub const RESEMBLES: &str = "wifi.resembles";
pub const HIDES_BYTES: &str = "wifi.hides_bytes";
pub const NEW_DEVICE: &str = "wifi.new_device";
pub const GONE: &str = "wifi.gone";
pub const BACK: &str = "wifi.back";
pub const HELD_BACK: &str = "wifi.held_back";
pub const ENCODING: &str = "wifi.encoding";

/// Combinations that the daily count names; it counts the rest.
pub const HELD_NAMED: usize = 10;

/// The numbers that the rules go by.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// After an alert about a device and a network; 0 tells of every frame.
    pub cooldown_ms: i64,
    /// A watched device that is not heard for so long while others are is gone.
    pub absent_ms: i64,
    /// In the first so many milliseconds of the capture every device is new.
    pub learning_ms: i64,
    /// Networks that never look like anything.
    pub local: FxHashSet<Ssid>,
    pub time_zone: Tz,
}

/// A device as alerts name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    pub mac: MacAddr,
    pub name: Option<String>,
}

/// The rule of an interest.
pub fn rule_of(interest: Interest) -> &'static str {
    match interest {
        Interest::Watched => WATCHED,
        Interest::Resembles(_) => RESEMBLES,
        Interest::HidesBytes => HIDES_BYTES,
    }
}

/// Whom an alert about a device and a network is about.
pub fn subject_of(mac: MacAddr, ssid: &Ssid) -> String {
    format!("{mac} {}", ssid.hex())
}

/// The alerts about one device and one network that lie around a probe.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Around {
    /// The latest at or before it.
    pub before_ms: Option<i64>,
    /// The earliest at or after it: the probe comes late.
    pub after_ms: Option<i64>,
}

impl Rules {
    /// Is a probe told, or held back by the cool-down?
    pub fn tells(&self, captured_ms: i64, around: Around) -> bool {
        if self.cooldown_ms == 0 {
            return true;
        }
        let is_far = |other_ms: i64| (captured_ms - other_ms).abs() >= self.cooldown_ms;
        around.before_ms.is_none_or(is_far) && around.after_ms.is_none_or(is_far)
    }

    /// The alert of a probe (contract, section 2). `reason` is why the network is watched: the
    /// probe's own, or the one that it looks like.
    pub fn probed(&self, hit: &Hit, who: &Named, reason: Option<&str>) -> Alert {
        let (mac, ssid) = (hit.mac, hit.ssid.to_string());
        let sign = if hit.interest == Interest::Watched { "📣" } else { "🎭" };
        let mut text = Text::of(format!("{sign} At "))
            .second(hit.at.event_ms)
            .plain(" MAC address ")
            .code(mac.to_string())
            .plain(" probed for SSID ")
            .code(&ssid);
        text = named(text.line(), who);
        text = match hit.interest {
            Interest::Watched => text,
            Interest::Resembles(watched) => text
                .line()
                .plain("It is not ")
                .code(watched.to_string())
                .plain(" but looks like it. Bytes: ")
                .code(hit.ssid.hex()),
            Interest::HidesBytes => text
                .line()
                .plain("Its name hides bytes behind a NUL, where many programs stop reading: ")
                .code(hit.ssid.hex()),
        };
        if let Some(reason) = reason {
            text = text.line().plain("This SSID is being tracked because: ").data(reason);
        }
        let brief = Text::of(format!("{sign} ")).bold(short_name(who)).plain(" looked for ");
        let rule = rule_of(hit.interest);
        let subject = subject_of(mac, &hit.ssid);
        let alert = Alert::new(rule, subject, hit.at.event_ms, text, brief.code(&ssid));
        let (partition, offset) = (hit.at.partition, hit.at.offset);
        Alert {
            source: Some(Source { topic: super::PCAP, partition, offset }),
            about: Some(buttons::snoozed(mac)),
            keyboard: buttons_for(who),
            ..alert
        }
    }

    /// A device that was never heard before.
    pub fn new_device(&self, who: &Named, first_ms: i64) -> Alert {
        let text = Text::of("🆕 A new Wi-Fi device: ").code(who.mac.to_string());
        let text = named(text.line(), who)
            .line()
            .plain("First heard at ")
            .second(first_ms)
            .plain(". /device tells what it looks for.");
        let brief = Text::of("🆕 ").bold(short_name(who)).plain(" was heard for the first time");
        let alert = Alert::new(NEW_DEVICE, who.mac.to_string(), first_ms, text, brief);
        Alert { about: Some(buttons::snoozed(who.mac)), keyboard: buttons_for(who), ..alert }
    }

    /// A watched device that is heard no more, while others are.
    pub fn gone(&self, who: &Named, last_ms: i64) -> Alert {
        let absent = when::length(self.absent_ms);
        let text = with_address(Text::of("🚪 "), who)
            .plain(format!(" is gone: not heard for {absent}, last at "))
            .moment(last_ms)
            .plain(".");
        let brief = Text::of("🚪 ").bold(short_name(who)).plain(" was gone from ");
        let brief = brief.moment(last_ms).plain(" on");
        let alert = Alert::new(GONE, who.mac.to_string(), last_ms, text, brief);
        Alert { about: Some(buttons::snoozed(who.mac)), keyboard: buttons_for(who), ..alert }
    }

    /// A watched device that was gone since `gone_ms` is heard again.
    pub fn back(&self, who: &Named, gone_ms: i64, heard_ms: i64) -> Alert {
        let after = when::length((heard_ms - gone_ms).max(0));
        let text = with_address(Text::of("🏠 "), who).plain(format!(" is back, after {after}."));
        let alert = Alert::new(BACK, back_subject(who.mac, gone_ms), heard_ms, text.clone(), text);
        Alert { about: Some(buttons::snoozed(who.mac)), silent: true, ..alert }
    }

    /// What the cool-down held back in the day that ended at `ends_ms`.
    pub fn held_back(&self, ends_ms: i64, held: &[(Named, Ssid, i64)]) -> Alert {
        let day = when::day(ends_ms - 1, self.time_zone);
        let total: i64 = held.iter().map(|(.., count)| count).sum();
        let (probes, were) = if total == 1 { ("probe", "was") } else { ("probes", "were") };
        let head = format!("🔕 {day}: {total} more {probes} {were} held back by the cool-down");
        let mut text = Text::of(&head);
        for (who, ssid, count) in held.iter().take(HELD_NAMED) {
            text = text
                .line()
                .bold(short_name(who))
                .plain(" for ")
                .code(ssid.to_string())
                .plain(format!(": {count}"));
        }
        if held.len() > HELD_NAMED {
            text = text.line().plain(format!("… and {} more pairs", held.len() - HELD_NAMED));
        }
        let alert = Alert::new(HELD_BACK, day, ends_ms, text, Text::of(head));
        Alert { silent: true, ..alert }
    }
}

/// A return is known by the absence that it ends.
pub fn back_subject(mac: MacAddr, gone_ms: i64) -> String {
    format!("{mac} {gone_ms}")
}

fn named(text: Text, who: &Named) -> Text {
    match &who.name {
        Some(name) => text.plain("Device name: ").bold(name),
        None if who.mac.is_randomised() => text.italic("a randomised address"),
        None => text.italic("a device without a name"),
    }
}

fn buttons_for(who: &Named) -> Keyboard {
    buttons::of_alert(who.mac, who.name.is_some())
}

/// A name may stand for several addresses; this is about one of them.
fn with_address(text: Text, who: &Named) -> Text {
    let text = text.bold(short_name(who));
    match who.name {
        Some(_) => text.plain(" ").code(who.mac.to_string()),
        None => text,
    }
}

fn short_name(who: &Named) -> String {
    who.name.clone().unwrap_or_else(|| who.mac.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::pipeline::At;
    use crate::kernel::time::MINUTE_MS;
    use crate::rooms::wifi::lookout::Reading;

    fn rules() -> Rules {
        Rules { cooldown_ms: 10 * MINUTE_MS, ..Rules::default() }
    }

    fn who(name: Option<&str>) -> Named {
        let mac = "40:ec:99:1f:3e:75".parse().unwrap();
        Named { mac, name: name.map(str::to_owned) }
    }

    fn hit(ssid: &[u8], interest: Interest) -> Hit {
        let at = At { event_ms: 1_677_060_198_027, partition: 3, offset: 17 };
        let ssid = Ssid::of_bytes(ssid).unwrap();
        Hit { at, mac: who(None).mac, ssid, interest, reading: Reading::Sure }
    }

    #[test]
    fn an_alert_says_what_the_contract_says() {
        let hit = hit(b"RNM0", Interest::Watched);
        let alert = rules().probed(&hit, &who(Some("Robin's Kindle")), Some("home network"));
        assert_eq!(
            alert.text.to_plain(),
            "📣 At 2023-02-22 10:03:18 MAC address 40:ec:99:1f:3e:75 probed for SSID RNM0\n\
             Device name: Robin's Kindle\n\
             This SSID is being tracked because: home network"
        );
        assert_eq!(alert.source.unwrap().to_string(), "pcap/3/17");
        assert!(
            alert
                .keyboard
                .iter()
                .flatten()
                .all(|button| { button.data().is_none_or(|data| data.len() <= 64) })
        );
    }

    #[test]
    fn a_look_alike_is_told_from_what_it_looks_like() {
        let watched = Ssid::of_bytes(b"RNM0").unwrap();
        let alert = rules().probed(&hit(b"RNMO", Interest::Resembles(watched)), &who(None), None);
        let words = alert.text.to_plain();
        assert!(words.contains("It is not RNM0 but looks like it. Bytes: 524e4d4f"), "{words}");
        assert_eq!(alert.rule, RESEMBLES);
    }

    /// F31: what is hidden behind a NUL is shown harmlessly, and as bytes.
    #[test]
    fn hidden_bytes_are_shown() {
        let alert = rules().probed(&hit(b"Co\0\x1bx", Interest::HidesBytes), &who(None), None);
        let words = alert.text.to_plain();
        assert!(words.contains("probed for SSID Co\\u{0}\\u{1b}x\n"), "{words}");
        assert!(words.ends_with("436f001b78"), "{words}");
    }

    #[test]
    fn a_probe_is_told_a_cool_down_away_from_every_alert() {
        let minutes = |before: Option<i64>, after: Option<i64>| Around {
            before_ms: before.map(|minute| minute * MINUTE_MS),
            after_ms: after.map(|minute| minute * MINUTE_MS),
        };
        let at = 100 * MINUTE_MS;
        assert!(rules().tells(at, Around::default()));
        assert!(rules().tells(at, minutes(Some(90), None)));
        assert!(!rules().tells(at + 1, minutes(Some(91), None)));
        assert!(!rules().tells(at, minutes(Some(0), Some(109))));
        assert!(rules().tells(at, minutes(Some(0), Some(110))));
        let every_frame = Rules { cooldown_ms: 0, ..rules() };
        assert!(every_frame.tells(at, minutes(Some(100), Some(100))));
    }

    #[test]
    fn a_long_day_is_told_in_few_words() {
        let pair = |number: i64| (who(Some("Kindle")), Ssid::of_bytes(b"RNM0").unwrap(), number);
        let held: Vec<_> = (1..=12).rev().map(pair).collect();
        let alert = rules().held_back(1_677_110_400_000, &held);
        let words = alert.text.to_plain();
        let lines: Vec<&str> = words.lines().collect();
        assert_eq!(lines[0], "🔕 2023-02-22: 78 more probes were held back by the cool-down");
        assert_eq!(lines[1], "Kindle for RNM0: 12");
        assert_eq!((lines.len(), lines[11]), (12, "… and 2 more pairs"));
        assert!(alert.silent);
    }
}
