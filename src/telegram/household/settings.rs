//! `/settings`: the chat's time zone, its unit of temperature, its quiet hours. One message, whose
//! buttons change it in place.

use chrono_tz::Tz;

use crate::kernel::chat::{Button, Incoming, Keyboard, Snapshot};
use crate::kernel::dialog::quoted;
use crate::kernel::effect::{Effect, Say};
use crate::kernel::settings::{Quiet, Settings, Unit};
use crate::kernel::text::{Text, shown};
use crate::kernel::when;
use crate::kernel::zones::{self, Meant};

/// How the data of these buttons begins.
const BUTTON: &str = "house:set:";
/// Quiet hours that are offered, in minutes of the day.
const NIGHTS: [(u16, u16); 4] =
    [(21 * 60, 7 * 60), (22 * 60, 7 * 60), (22 * 60, 8 * 60), (23 * 60, 8 * 60)];

/// What somebody wants of the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// With what was typed behind the command.
    Typed(String),
    Tapped(Tap),
}

/// A button of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tap {
    Open(Page),
    Change(Change),
}

/// What the message shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    All,
    Zone,
    Quiet,
}

/// `None` is the house's zone, and no quiet hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Zone(Option<Tz>),
    Unit(Unit),
    Quiet(Option<Quiet>),
}

impl Tap {
    /// A button's data. `None`: it is none of these, or of a version that knew others.
    pub(super) fn of(data: &str) -> Option<Tap> {
        let action = data.strip_prefix(BUTTON)?;
        Some(match action.split_once(':').unwrap_or((action, "")) {
            ("all", _) => Tap::Open(Page::All),
            ("zones", _) => Tap::Open(Page::Zone),
            ("nights", _) => Tap::Open(Page::Quiet),
            ("unit", "c") => Tap::Change(Change::Unit(Unit::Celsius)),
            ("unit", "f") => Tap::Change(Change::Unit(Unit::Fahrenheit)),
            ("zone", "") => Tap::Change(Change::Zone(None)),
            ("zone", name) => Tap::Change(Change::Zone(Some(name.parse().ok()?))),
            ("quiet", "") => Tap::Change(Change::Quiet(None)),
            ("quiet", minutes) => {
                let (from, to) = minutes.split_once('-')?;
                let quiet = Quiet::new(from.parse().ok()?, to.parse().ok()?)?;
                Tap::Change(Change::Quiet(Some(quiet)))
            }
            _ => return None,
        })
    }
}

impl Change {
    fn data(self) -> String {
        match self {
            Change::Zone(None) => format!("{BUTTON}zone"),
            Change::Zone(Some(zone)) => format!("{BUTTON}zone:{}", zone.name()),
            Change::Unit(Unit::Celsius) => format!("{BUTTON}unit:c"),
            Change::Unit(Unit::Fahrenheit) => format!("{BUTTON}unit:f"),
            Change::Quiet(None) => format!("{BUTTON}quiet"),
            Change::Quiet(Some(quiet)) => {
                format!("{BUTTON}quiet:{}-{}", quiet.from_minute(), quiet.to_minute())
            }
        }
    }

    fn applied(self, settings: Settings) -> Settings {
        match self {
            Change::Zone(time_zone) => Settings { time_zone, ..settings },
            Change::Unit(unit) => Settings { unit, ..settings },
            Change::Quiet(quiet) => Settings { quiet, ..settings },
        }
    }

    /// What is said of it once.
    fn words(self) -> String {
        match self {
            Change::Zone(None) => "Times are the house's from now on.".to_owned(),
            Change::Zone(Some(zone)) => format!("Times are {}'s from now on.", zones::name(zone)),
            Change::Unit(unit) => format!("Temperatures are in {} from now on.", unit.symbol()),
            Change::Quiet(None) => "There are no quiet hours any more.".to_owned(),
            Change::Quiet(Some(quiet)) => format!("Quiet hours are {quiet} from now on."),
        }
    }
}

pub(super) fn decide(wish: &Wish, incoming: &Incoming, snapshot: &Snapshot) -> Vec<Effect> {
    match wish {
        Wish::Typed(typed) => typed_wish(typed, snapshot),
        Wish::Tapped(tap) => tapped(*tap, incoming, snapshot),
    }
}

/// What was typed behind the command means.
enum Typed {
    Page(Page),
    Change(Change),
    /// An offset: the zone that always has it, and cities that have it now.
    Offset(Tz, Vec<Tz>),
    Offers(Vec<Tz>),
    Unclear,
}

impl Typed {
    fn of(typed: &str, now_ms: i64) -> Typed {
        let words = typed.trim().to_lowercase();
        if let Some(rest) = words.strip_prefix("quiet") {
            return match rest.trim() {
                "" => Typed::Page(Page::Quiet),
                "off" | "none" | "no" => Typed::Change(Change::Quiet(None)),
                rest => {
                    quiet(rest).map_or(Typed::Unclear, |it| Typed::Change(Change::Quiet(Some(it))))
                }
            };
        }
        match words.as_str() {
            "" => return Typed::Page(Page::All),
            "c" | "°c" | "celsius" => return Typed::Change(Change::Unit(Unit::Celsius)),
            "f" | "°f" | "fahrenheit" => return Typed::Change(Change::Unit(Unit::Fahrenheit)),
            "zone" | "time zone" => return Typed::Page(Page::Zone),
            "house" | "zone house" => return Typed::Change(Change::Zone(None)),
            _ => {}
        }
        if let Some(quiet) = quiet(&words) {
            return Typed::Change(Change::Quiet(Some(quiet)));
        }
        match zones::meant(words.strip_prefix("zone ").unwrap_or(&words), now_ms) {
            Meant::Zone(zone) => Typed::Change(Change::Zone(Some(zone))),
            Meant::Offset(zone, others) => Typed::Offset(zone, others),
            Meant::Offers(zones) => Typed::Offers(zones),
            Meant::Nothing => Typed::Unclear,
        }
    }
}

/// `22:00-07:00`, `22–7`, `22:30 to 6`.
fn quiet(text: &str) -> Option<Quiet> {
    let text = text.replace(" to ", "-").replace('–', "-");
    let (from, to) = text.split_once('-')?;
    Quiet::new(minute(from)?, minute(to)?)
}

/// `7`, `07:00`: a minute of the day.
pub(super) fn minute(text: &str) -> Option<u16> {
    let text = text.trim();
    let (hour, minute) = text.split_once(':').unwrap_or((text, "0"));
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

fn typed_wish(typed: &str, snapshot: &Snapshot) -> Vec<Effect> {
    let say = |say: Say| vec![Effect::Say(say)];
    match Typed::of(typed, snapshot.pipeline_now_ms) {
        Typed::Page(of) => say(page(of, &snapshot.settings, snapshot)),
        _ if !snapshot.standing.may_edit() => say(Say::new(Text::of(NOT_YOURS))),
        Typed::Change(change) => changed(change, Text::of(change.words()), &[], snapshot),
        Typed::Offset(zone, others) => {
            let change = Change::Zone(Some(zone));
            let text = Text::of(change.words()).line().plain(match others.as_slice() {
                [] => "Its clocks are not set forward in summer.",
                _ => "It is the same all year. If your clocks are set forward in summer, tap or send \
                      a city.",
            });
            changed(change, text, &others, snapshot)
        }
        Typed::Offers(zones) => {
            let text = Text::of("Which zone is ").data(quoted(typed)).plain("?");
            say(Say::new(text).with(zone_rows(&zones, snapshot)))
        }
        Typed::Unclear => say(Say::new(unclear(typed))),
    }
}

/// The change is made: what is said of it, and the settings with zones that may be meant.
fn changed(change: Change, words: Text, zones: &[Tz], snapshot: &Snapshot) -> Vec<Effect> {
    let settings = change.applied(snapshot.settings);
    let mut told = page(Page::All, &settings, snapshot);
    told.text = words.line().below(told.text);
    told.keyboard.splice(0..0, zone_rows(zones, snapshot));
    vec![Effect::Settings(settings), Effect::Say(told)]
}

/// Zones to tap, with what their clocks show.
fn zone_rows(zones: &[Tz], snapshot: &Snapshot) -> Keyboard {
    let button = |zone: &Tz| {
        let clock = when::clock(snapshot.pipeline_now_ms, *zone);
        let label = format!("{} · {clock}", zones::name(*zone));
        vec![Button::new(label, Change::Zone(Some(*zone)).data())]
    };
    zones.iter().map(button).collect()
}

const NOT_YOURS: &str = "Only members change the settings of this chat.";

fn unclear(typed: &str) -> Text {
    Text::of("I do not know what ")
        .data(quoted(typed))
        .plain(" is. Send a city or an offset for the time zone, such as ")
        .code("/settings tokyo")
        .plain(" or ")
        .code("/settings +05:30")
        .plain("; ")
        .code("/settings celsius")
        .plain(" or ")
        .code("/settings fahrenheit")
        .plain("; or quiet hours, such as ")
        .code("/settings quiet 22:00-07:00")
        .plain(" or ")
        .code("/settings quiet off")
        .plain(".")
}

fn tapped(tap: Tap, incoming: &Incoming, snapshot: &Snapshot) -> Vec<Effect> {
    let Some((callback_id, ..)) = incoming.press() else { return Vec::new() };
    let acknowledge =
        |note: Option<String>| Effect::Acknowledge { callback_id: callback_id.to_owned(), note };
    if !snapshot.standing.may_edit() {
        return vec![acknowledge(Some(NOT_YOURS.to_owned()))];
    }
    let shown = |of: Page, settings: &Settings| {
        Effect::in_place(incoming, BUTTON, page(of, settings, snapshot))
    };
    match tap {
        Tap::Open(of) => vec![acknowledge(None), shown(of, &snapshot.settings)],
        Tap::Change(change) => {
            let settings = change.applied(snapshot.settings);
            // A double tap, or a button of an old message: it shows what is so now.
            if settings == snapshot.settings {
                let note = "That is so already.".to_owned();
                return vec![acknowledge(Some(note)), shown(Page::All, &settings)];
            }
            vec![
                acknowledge(Some(change.words())),
                Effect::Settings(settings),
                shown(Page::All, &settings),
            ]
        }
    }
}

fn page(of: Page, settings: &Settings, snapshot: &Snapshot) -> Say {
    let (text, keyboard) = match of {
        Page::All => (all(settings, snapshot), all_buttons(settings)),
        Page::Zone => (zone_page(settings, snapshot), zone_buttons(settings)),
        Page::Quiet => (quiet_page(settings), quiet_buttons(settings)),
    };
    if !snapshot.standing.may_edit() {
        return Say::new(text.line().line().plain(NOT_YOURS));
    }
    Say::new(text).with(keyboard)
}

fn all(settings: &Settings, snapshot: &Snapshot) -> Text {
    let quiet = settings.quiet.map_or("none".to_owned(), |quiet| quiet.to_string());
    Text::new()
        .bold("Settings of this chat")
        .line()
        .plain("🕒 Time zone: ")
        .then(zone(settings, snapshot))
        .line()
        .plain("🌡 Temperatures: ")
        .bold(settings.unit.symbol())
        .line()
        .plain("🌙 Quiet hours: ")
        .bold(quiet)
}

/// The zone, whose it is, and what its clocks show. The house's is not known here once the chat has
/// set its own.
fn zone(settings: &Settings, snapshot: &Snapshot) -> Text {
    match settings.time_zone {
        Some(zone) => {
            let clock = when::clock(snapshot.pipeline_now_ms, zone);
            Text::new().bold(zones::name(zone)).plain(format!(", it is {clock} there"))
        }
        None if snapshot.settings.time_zone.is_none() => {
            let zone = snapshot.time_zone;
            let clock = when::clock(snapshot.pipeline_now_ms, zone);
            let name = zones::name(zone);
            Text::new().bold(name).plain(format!(" (the house's), it is {clock} there"))
        }
        None => Text::of("the house's"),
    }
}

fn zone_page(settings: &Settings, snapshot: &Snapshot) -> Text {
    Text::of("🕒 Time zone: ")
        .then(zone(settings, snapshot))
        .line()
        .plain("Send a city or an offset to change it, such as ")
        .code("/settings tokyo")
        .plain(" or ")
        .code("/settings +05:30")
        .plain(".")
}

fn quiet_page(settings: &Settings) -> Text {
    let quiet = settings.quiet.map_or("none".to_owned(), |quiet| quiet.to_string());
    Text::of("🌙 Quiet hours: ")
        .bold(quiet)
        .line()
        .plain("Alerts that can wait come when they are over. Send ")
        .code("/settings quiet 22:30-06:15")
        .plain(" for others.")
}

/// A button, marked where it is so already.
fn choice(label: &str, change: Change, settings: &Settings) -> Button {
    let mark = if change.applied(*settings) == *settings { "✓ " } else { "" };
    Button::new(format!("{mark}{label}"), change.data())
}

fn all_buttons(settings: &Settings) -> Keyboard {
    let unit = |unit: Unit| choice(unit.symbol(), Change::Unit(unit), settings);
    vec![
        vec![
            Button::new("🕒 Time zone", format!("{BUTTON}zones")),
            Button::new("🌙 Quiet hours", format!("{BUTTON}nights")),
        ],
        vec![unit(Unit::Celsius), unit(Unit::Fahrenheit)],
    ]
}

fn zone_buttons(settings: &Settings) -> Keyboard {
    vec![vec![choice("The house's", Change::Zone(None), settings), back()]]
}

fn quiet_buttons(settings: &Settings) -> Keyboard {
    let nights = NIGHTS.into_iter().filter_map(|(from, to)| Quiet::new(from, to));
    let nights: Vec<Button> = nights
        .map(|quiet| choice(&shown(&quiet.to_string()), Change::Quiet(Some(quiet)), settings))
        .collect();
    let mut rows: Keyboard = nights.chunks(2).map(<[Button]>::to_vec).collect();
    rows.push(vec![choice("None", Change::Quiet(None), settings), back()]);
    rows
}

fn back() -> Button {
    Button::new("« Back", format!("{BUTTON}all"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buttons_fit_and_come_back_as_what_they_change() {
        let zones = chrono_tz::TZ_VARIANTS.iter().map(|zone| Change::Zone(Some(*zone)));
        let nights = NIGHTS.iter().map(|(from, to)| Change::Quiet(Quiet::new(*from, *to)));
        let others = [
            Change::Zone(None),
            Change::Quiet(None),
            Change::Unit(Unit::Celsius),
            Change::Unit(Unit::Fahrenheit),
        ];
        for change in zones.chain(nights).chain(others) {
            let data = change.data();
            assert!(data.len() <= 64, "{data}");
            assert_eq!(Tap::of(&data), Some(Tap::Change(change)), "{data}");
        }
        for data in ["house:set:", "house:set:zone:Mars/Base", "house:set:quiet:5-5", "house:x"] {
            assert_eq!(Tap::of(data), None, "{data}");
        }
    }

    #[test]
    fn quiet_hours_are_read_as_people_write_them() {
        let night = Quiet::new(22 * 60, 7 * 60);
        for text in ["22:00-07:00", "22-7", "22–7:00", "22 to 7", " 22:00 - 7 "] {
            assert_eq!(quiet(text), night, "{text}");
        }
        for text in ["22", "22-22", "24-7", "22:60-7", "-7", "a-b", ""] {
            assert_eq!(quiet(text), None, "{text}");
        }
    }
}
