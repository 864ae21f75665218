//! What the alerts of a plant's lives say: when they begin, and when they are over.

use crate::kernel::alert::Alert;
use crate::kernel::card::{Card, Ending};
use crate::kernel::chat::{Button, Keyboard};
use crate::kernel::text::Text;
use crate::kernel::when;
use crate::rooms::plants::chat::button::OPEN;
use crate::rooms::plants::life::{Bands, Kind, Why};
use crate::rooms::plants::types::tenths;

/// How the word begins that opens a plant in our private chat.
pub const START: &str = "plant-";

/// A plant by its names as they are now.
#[derive(Debug, Clone, PartialEq)]
pub struct Named {
    pub plant_id: i32,
    pub given_name: String,
    pub common_name: String,
}

/// What was known when something happened: thousandths of a per cent and of a degree Celsius.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    pub moisture: i64,
    pub temperature: i64,
    pub bands: Bands,
}

/// How everything begins by which alerts about plants are known.
pub const ABOUT: &str = "plants:";

/// What an alert of this kind about this plant is known by.
pub fn about(plant_id: i32, kind: Kind) -> String {
    format!("{ABOUT}{plant_id}:{}", kind.word())
}

/// The plant that an alert known by this is about.
pub fn plant_of(about: &str) -> Option<i32> {
    about.strip_prefix(ABOUT)?.split_once(':')?.0.parse().ok()
}

/// The rule's name; `plants.dry` is the contract's.
fn rule(kind: Kind) -> &'static str {
    match kind {
        Kind::Dry => super::DRY,
        Kind::Drying => "plants.drying",
        Kind::Wet => "plants.wet",
        Kind::Hot => "plants.hot",
        Kind::Cold => "plants.cold",
        Kind::Silent => "plants.silent",
        Kind::Stuck => "plants.stuck",
    }
}

/// When something began to fire, and since when it has been so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Began {
    pub since_ms: i64,
    pub at_ms: i64,
    /// It is told again so often; `None`: once.
    pub repeat_ms: Option<i64>,
}

/// The alert of what began to fire.
pub fn raised(kind: Kind, who: &Named, seen: &Seen, began: Began) -> Alert {
    told(kind, who, words(kind, who, seen, began), began)
}

/// The alert of a plant that has a sensor and never sent a reading.
pub fn unheard(who: &Named, began: Began) -> Alert {
    let text = Text::of("🔇 ").bold(&who.given_name).plain(" the ").data(&who.common_name);
    let text = text
        .plain(" is silent: no reading since its sensor was mapped on ")
        .moment(began.since_ms)
        .plain(". Look at the sensor.");
    let brief = Text::of("🔇 ").bold(&who.given_name).plain(" has sent no reading yet");
    told(Kind::Silent, who, (text, brief), began)
}

fn told(kind: Kind, who: &Named, (text, brief): (Text, Text), began: Began) -> Alert {
    let subject = who.plant_id.to_string();
    let alert = Alert::new(rule(kind), subject, began.at_ms, text, brief);
    lasting(alert, kind, who.plant_id, began)
}

/// An alert as one that lasts, with its card.
pub fn lasting(alert: Alert, kind: Kind, plant_id: i32, began: Began) -> Alert {
    Alert {
        about: Some(about(plant_id, kind)),
        card: Some(Card { since_ms: began.since_ms, repeat_ms: began.repeat_ms }),
        keyboard: buttons(plant_id),
        urgent: kind.is_urgent(),
        ..alert
    }
}

fn buttons(plant_id: i32) -> Keyboard {
    let (data, start) = (format!("{OPEN}{plant_id}"), format!("{START}{plant_id}"));
    vec![vec![Button::visiting("🪴 Open the plant", data, start)]]
}

fn words(kind: Kind, who: &Named, seen: &Seen, began: Began) -> (Text, Text) {
    let plant = |mark: &str| {
        let text = Text::of(format!("{mark} ")).bold(&who.given_name);
        text.plain(" the ").data(&who.common_name)
    };
    let brief =
        |mark: &str, words: &str| Text::of(format!("{mark} ")).bold(&who.given_name).plain(words);
    let (moisture, temperature) = (per_cent(seen.moisture), seen.temperature);
    let (wet, warm) = (seen.bands.moisture, seen.bands.temperature);
    let since = |text: Text| text.plain(" since ").moment(began.since_ms).plain(".");
    match kind {
        Kind::Drying | Kind::Dry => {
            (
                since(plant("🍂").plain(format!(
                    " is drying out: {moisture} moisture, below {}",
                    per_cent(wet.0)
                ))),
                brief("🍂", &format!(" is drying out ({moisture})")),
            )
        }
        Kind::Wet => (
            since(
                plant("💧")
                    .plain(format!(" is too wet: {moisture} moisture, above {}", per_cent(wet.1))),
            ),
            brief("💧", &format!(" is too wet ({moisture})")),
        ),
        Kind::Hot => (
            since(
                plant("🔥")
                    .plain(" is too hot: ")
                    .degrees(temperature)
                    .plain(", above ")
                    .degrees(warm.1),
            ),
            brief("🔥", " is too hot (").degrees(temperature).plain(")"),
        ),
        Kind::Cold => (
            since(
                plant("🥶")
                    .plain(" is too cold: ")
                    .degrees(temperature)
                    .plain(", below ")
                    .degrees(warm.0),
            ),
            brief("🥶", " is too cold (").degrees(temperature).plain(")"),
        ),
        Kind::Silent => {
            let last = format!("Its last one was {moisture} moisture. Look at its sensor.");
            let text = since(plant("🔇").plain(" is silent: no reading"));
            (text.line().plain(last), brief("🔇", " is silent"))
        }
        Kind::Stuck => {
            let span = when::length(began.at_ms - began.since_ms);
            let text = plant("🧊").plain(format!(
                " has a sensor that seems stuck: {moisture} moisture without a change for {span}."
            ));
            (text, brief("🧊", " has a stuck sensor"))
        }
    }
}

/// What is told when something is over. `seen` is what ended it, where a value did.
pub fn over(kind: Kind, who: &Named, since_ms: i64, why: Why, seen: Option<&Seen>) -> Ending {
    let about = about(who.plant_id, kind);
    if why == Why::Superseded {
        // Where that is told, and when, goes by the chat: it may be night there.
        let words = Text::of("🏜 Dry by now");
        return Ending { about, since_ms, words, brief: None };
    }
    if why == Why::Watered {
        // Whoever watered it knows.
        return Ending { about, since_ms, words: Text::of("💧 Watered"), brief: None };
    }
    let value = match (kind, seen) {
        (Kind::Hot | Kind::Cold, Some(seen)) => Text::of(": ").degrees(seen.temperature),
        (Kind::Dry | Kind::Drying | Kind::Wet, Some(seen)) => {
            Text::of(format!(": {} moisture", per_cent(seen.moisture)))
        }
        _ => Text::new(),
    };
    let brief = Text::of("✅ ").bold(&who.given_name).plain(well(kind)).then(value.clone());
    Ending { about, since_ms, words: Text::of("✅ Over").then(value), brief: Some(brief) }
}

/// The plant is there no more.
pub fn closed(plant_id: i32, kind: Kind, since_ms: i64) -> Ending {
    let words = Text::of("🗑 Closed: the plant was deleted");
    Ending { about: about(plant_id, kind), since_ms, words, brief: None }
}

fn well(kind: Kind) -> &'static str {
    match kind {
        Kind::Dry | Kind::Drying => " is moist again",
        Kind::Wet => " is no longer too wet",
        Kind::Hot => " is no longer too hot",
        Kind::Cold => " is no longer too cold",
        Kind::Silent => " talks again",
        Kind::Stuck => "'s sensor moves again",
    }
}

/// Thousandths of a per cent, as people read them.
fn per_cent(thousandths: i64) -> String {
    format!("{}\u{a0}%", tenths(thousandths))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::time::{HOUR_MS, MINUTE_MS};

    fn who() -> Named {
        Named { plant_id: 7, given_name: "Cyril".to_owned(), common_name: "Fern <b>".to_owned() }
    }

    fn seen() -> Seen {
        let bands = Bands::of((30.0, 60.0), (15.0, 30.0));
        Seen { moisture: 28_540, temperature: 31_260, bands }
    }

    #[test]
    fn each_kind_says_what_is_the_matter_and_since_when() {
        let said = |kind, minutes: i64| {
            let began = Began { since_ms: 0, at_ms: minutes * MINUTE_MS, repeat_ms: None };
            raised(kind, &who(), &seen(), began).text.to_plain().replace('\u{a0}', " ")
        };
        let since = "since Thu 1 Jan 00:00.";
        let expected = [
            (Kind::Drying, format!("🍂 Cyril the Fern <b> is drying out: 28.5 % moisture, below 30.0 % {since}")),
            (Kind::Wet, format!("💧 Cyril the Fern <b> is too wet: 28.5 % moisture, above 60.0 % {since}")),
            (Kind::Hot, format!("🔥 Cyril the Fern <b> is too hot: 31.3 °C, above 30.0 °C {since}")),
            (Kind::Cold, format!("🥶 Cyril the Fern <b> is too cold: 31.3 °C, below 15.0 °C {since}")),
            (
                Kind::Silent,
                format!("🔇 Cyril the Fern <b> is silent: no reading {since}\nIts last one was 28.5 % moisture. Look at its sensor."),
            ),
            (
                Kind::Stuck,
                "🧊 Cyril the Fern <b> has a sensor that seems stuck: 28.5 % moisture without a change for 1 day.".to_owned(),
            ),
        ];
        for (kind, words) in expected {
            assert_eq!(said(kind, 24 * 60), words);
        }
    }

    #[test]
    fn what_is_over_says_so_quietly_but_for_what_something_else_tells() {
        let better = over(Kind::Hot, &who(), 5, Why::Better, Some(&seen()));
        let brief = better.brief.unwrap().to_plain();
        assert_eq!(brief.replace('\u{a0}', " "), "✅ Cyril is no longer too hot: 31.3 °C");
        assert_eq!(better.about, "plants:7:hot");
        assert_eq!(over(Kind::Drying, &who(), 5, Why::Superseded, None).brief, None);
        assert_eq!(over(Kind::Dry, &who(), 5, Why::Watered, None).brief, None);
        assert_eq!(closed(7, Kind::Dry, HOUR_MS).brief, None);
    }

    #[test]
    fn heat_and_cold_are_urgent() {
        let began = Began { since_ms: 0, at_ms: 1, repeat_ms: None };
        let urgent = |kind| raised(kind, &who(), &seen(), began).urgent;
        assert!(urgent(Kind::Hot) && urgent(Kind::Cold));
        assert!(!urgent(Kind::Drying) && !urgent(Kind::Silent) && !urgent(Kind::Wet));
    }
}
