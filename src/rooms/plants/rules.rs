//! The dryness rule: a closed window with more low readings than the limit is an alert. In the
//! evening, what will be dry by the end of the next day is one, too.

use crate::kernel::alert::Alert;
use crate::kernel::card::GROUP_MIN;
use crate::kernel::text::Text;
use crate::kernel::time::HOUR_MS;
use crate::kernel::when;
use crate::rooms::plants::chat::button;

pub mod forecast;
pub mod state;
pub mod watering;

use forecast::Forecast;

pub mod cards;

/// The rule's name; it is part of the alert's identity.
pub const DRY: &str = "plants.dry";

/// A closed window of a plant that has metadata: names as they are now.
#[derive(Debug, Clone, PartialEq)]
pub struct DryWindow {
    pub plant_id: i32,
    pub given_name: String,
    pub common_name: String,
    pub scientific_name: String,
    pub moisture_low: f32,
    pub start_ms: i64,
    pub end_ms: i64,
    pub low_count: i64,
}

/// The alert of a closed window, if it has more than `limit` low readings. It says when the plant was
/// watered last, if that is known to be after the window began: the count is right, and the plant
/// may be well by now.
pub fn dry(window: &DryWindow, limit: i64, watered_ms: Option<i64>) -> Option<Alert> {
    if window.low_count <= limit {
        return None;
    }
    let text = sentence(window)
        .line()
        .plain(format!("{} low readings, ", window.low_count))
        .span(window.start_ms, window.end_ms)
        .plain(format!(": below {} % moisture.", window.moisture_low));
    let text = match watered_ms.filter(|watered_ms| *watered_ms >= window.start_ms) {
        Some(watered_ms) => text
            .line()
            .plain("💧 Watered ")
            .moment(watered_ms)
            .plain("; this window began before that."),
        None => text,
    };
    let brief = Text::of("🥀 ")
        .bold(&window.given_name)
        .plain(" was dry, ")
        .span(window.start_ms, window.end_ms)
        .plain(format!(" ({} low readings)", window.low_count));
    Some(Alert::new(DRY, window.plant_id.to_string(), window.end_ms, text, brief))
}

/// The rule of the evening's forecast.
pub const FORECAST: &str = "plants.forecast";

/// A plant that will be dry soon, as it looks in the evening.
#[derive(Debug, Clone)]
pub struct Drying {
    pub plant_id: i32,
    pub given_name: String,
    pub moisture_low: f32,
    pub evening_ms: i64,
    pub forecast: Forecast,
}

/// The messages of an evening: one for each plant, or one for all where they are many.
pub fn evening(soon: &[Drying]) -> Vec<Alert> {
    match soon {
        [first, ..] if soon.len() >= GROUP_MIN => vec![all_drying(first.evening_ms, soon)],
        few => few.iter().map(drying).collect(),
    }
}

fn all_drying(evening_ms: i64, soon: &[Drying]) -> Alert {
    let brief = Text::of("🏜 ").bold(format!("{} plants", soon.len())).plain(" will be dry soon");
    let line = |text: Text, plant: &Drying| {
        let name = Text::new().bold(&plant.given_name);
        text.below(name.plain(" about ").moment(likely_ms(&plant.forecast)))
    };
    let text = soon.iter().fold(brief.clone().plain(":"), line);
    let ids: Vec<String> = soon.iter().map(|plant| plant.plant_id.to_string()).collect();
    let mut alert = Alert::new(FORECAST, ids.join(","), evening_ms, text, brief);
    alert.silent = true;
    alert
}

/// The message of the evening before.
fn drying(plant: &Drying) -> Alert {
    let brief = Text::of("🏜 ")
        .bold(&plant.given_name)
        .plain(" will be dry about ")
        .moment(likely_ms(&plant.forecast));
    let (from_ms, to_ms) = interval_ms(&plant.forecast);
    let text = brief
        .clone()
        .plain(format!(": below {} % moisture.", plant.moisture_low))
        .line()
        .plain("Four times in five it is ")
        .span(from_ms, to_ms)
        .plain(".");
    let subject = plant.plant_id.to_string();
    let mut alert = Alert::new(FORECAST, subject, plant.evening_ms, text, brief);
    alert.keyboard = vec![vec![button::open(plant.plant_id), button::watered(plant.plant_id)]];
    alert.silent = true;
    alert
}

/// `Tue 1 Dec 14:00`: when a forecast has it most likely. Minutes would say too much.
pub fn likely(forecast: &Forecast, time_zone: chrono_tz::Tz) -> String {
    when::moment(likely_ms(forecast), time_zone)
}

pub(super) fn likely_ms(forecast: &Forecast) -> i64 {
    hour(forecast.likely_ms + HOUR_MS / 2)
}

/// `Tue 1 Dec 08:00–22:00`: between when and when a forecast has it with 80 %.
pub fn interval(forecast: &Forecast, time_zone: chrono_tz::Tz) -> String {
    let (from_ms, to_ms) = interval_ms(forecast);
    when::span(from_ms, to_ms, time_zone)
}

/// The whole hours around it.
fn interval_ms(forecast: &Forecast) -> (i64, i64) {
    (hour(forecast.from_ms), hour(forecast.to_ms + HOUR_MS - 1))
}

/// The whole hour at or before a time.
fn hour(ms: i64) -> i64 {
    ms.div_euclid(HOUR_MS) * HOUR_MS
}

/// The contract's sentence as plain text, for other programs.
pub fn message(window: &DryWindow) -> String {
    format!(
        "{} the {} ({}) is looking pretty dry...",
        window.given_name, window.common_name, window.scientific_name
    )
}

/// The contract's sentence.
fn sentence(window: &DryWindow) -> Text {
    Text::of("🥀 ")
        .bold(&window.given_name)
        .plain(" the ")
        .data(&window.common_name)
        .plain(" (")
        .italic(&window.scientific_name)
        .plain(") is looking pretty dry...")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(low_count: i64) -> DryWindow {
        DryWindow {
            plant_id: 0,
            given_name: "Cyril".to_owned(),
            common_name: "Dwarf Umbrella Tree".to_owned(),
            scientific_name: "Schefflera arboricola".to_owned(),
            moisture_low: 30.0,
            start_ms: 0,
            end_ms: 21_600_000,
            low_count,
        }
    }

    #[test]
    fn the_evening_before_says_when_and_how_sure_it_is() {
        let evening_ms = 1_795_888_800_000;
        let forecast = Forecast {
            from_ms: evening_ms + 10 * HOUR_MS + 1,
            likely_ms: evening_ms + 14 * HOUR_MS - 60_000,
            to_ms: evening_ms + 20 * HOUR_MS - 1,
        };
        let plant = Drying {
            plant_id: 7,
            given_name: "<Fern>".to_owned(),
            moisture_low: 30.0,
            evening_ms,
            forecast,
        };
        let alert = drying(&plant);
        let expected = "🏜 <Fern> will be dry about Sun 29 Nov 08:00: below 30 % moisture.\n\
                        Four times in five it is Sun 29 Nov 04:00–14:00.";
        assert_eq!(alert.text.to_plain(), expected);
        assert_eq!((alert.subject.as_str(), alert.event_ms), ("7", evening_ms));
        let data: Vec<_> =
            alert.keyboard.concat().iter().map(|it| it.data().map(str::to_owned)).collect();
        assert_eq!(data, [Some("plant:show:7".to_owned()), Some("plant:watered:7".to_owned())]);
    }

    #[test]
    fn four_plants_of_an_evening_are_one_message() {
        let evening_ms = 1_795_888_800_000;
        let plant = |plant_id: i32| {
            let likely_ms = evening_ms + i64::from(plant_id) * HOUR_MS;
            let forecast = Forecast { from_ms: likely_ms, likely_ms, to_ms: likely_ms };
            let given_name = format!("Fern {plant_id}");
            Drying { plant_id, given_name, moisture_low: 30.0, evening_ms, forecast }
        };
        let three: Vec<Drying> = (1..=3).map(plant).collect();
        assert_eq!(evening(&three).len(), 3);
        let four: Vec<Drying> = (1..=4).map(plant).collect();
        let alerts = evening(&four);
        assert_eq!(alerts.len(), 1);
        let expected = "🏜 4 plants will be dry soon:\nFern 1 about Sat 28 Nov 19:00\n\
                        Fern 2 about Sat 28 Nov 20:00\nFern 3 about Sat 28 Nov 21:00\n\
                        Fern 4 about Sat 28 Nov 22:00";
        assert_eq!(alerts[0].text.to_plain(), expected);
        assert_eq!((alerts[0].subject.as_str(), alerts[0].event_ms), ("1,2,3,4", evening_ms));
        assert_eq!(evening(&[]), []);
    }

    #[test]
    fn more_than_the_limit_is_dry() {
        assert_eq!(dry(&window(120), 120, None), None);
        let alert = dry(&window(121), 120, None).unwrap();
        assert_eq!((alert.subject.as_str(), alert.event_ms), ("0", 21_600_000));
        assert_eq!(
            alert.text.to_plain().lines().next().unwrap(),
            "🥀 Cyril the Dwarf Umbrella Tree (Schefflera arboricola) is looking pretty dry..."
        );
    }

    #[test]
    fn what_was_watered_since_its_window_began_says_so_below_the_contracts_words() {
        let said = |watered_ms| dry(&window(121), 120, Some(watered_ms)).unwrap();
        let alert = said(5 * HOUR_MS);
        let plain = dry(&window(121), 120, None).unwrap();
        let expected = format!(
            "{}\n💧 Watered Thu 1 Jan 05:00; this window began before that.",
            plain.text.to_plain()
        );
        assert_eq!(alert.text.to_plain(), expected);
        assert_eq!((&alert.brief, alert.event_ms), (&plain.brief, plain.event_ms));
        assert_eq!(said(-1), plain);
    }
}
