//! What a plant looks like in a chat: a line of the list, and its card.

use super::board;
use super::button::{self, OPEN};
use super::fields::{Field, Measure};
use super::picture;
use crate::kernel::chat::{Button, Keyboard, Snapshot};
use crate::kernel::dialog::quoted;
use crate::kernel::effect::Say;
use crate::kernel::text::Text;
use crate::kernel::when;
use crate::rooms::plants::care::Watered;
use crate::rooms::plants::chat::PlantCard;
use crate::rooms::plants::filter::Filter;
use crate::rooms::plants::history::Day;
use crate::rooms::plants::lookup::{Found, Listed, PlantRow};
use crate::rooms::plants::rules::state::{Level, State};
use crate::rooms::plants::rules::{self, forecast::Forecast};
use crate::rooms::plants::sensors::Mapped;
use crate::rooms::plants::types::tenths;

/// The list of `/plants`.
pub fn list(listed: &Listed, filter: Option<&Filter>, snapshot: &Snapshot) -> Say {
    let (rows, total) = (&listed.rows, listed.total());
    let plants = if total == 1 { "plant" } else { "plants" };
    let mut text = Text::new().bold(format!("{total} {plants}"));
    if let Some(filter) = filter {
        text = text.plain(" with ").code(filter.shown(snapshot.settings.unit));
    }
    if total == 0 {
        let hint = match filter {
            Some(_) => "Try another limit, or /plants for all.",
            None if snapshot.standing.may_edit() => "/update_plant adds one.",
            None => "A member adds one.",
        };
        return Say::new(text.line().plain(hint));
    }
    for row in rows {
        let line = board::line(row, snapshot.sight());
        text = text.below(line.plain(format!(" · /plant_{}", row.plant_id)));
    }
    let unnamed = total - i64::try_from(rows.len()).unwrap_or(0);
    if unnamed > 0 {
        text = text.below(Text::of(format!(
            "… and {unnamed} more. A filter such as /plants moisture_low > 20 narrows the list."
        )));
    }
    Say::new(text).showing(picture::of_all(listed, filter, snapshot))
}

/// A plant's card.
pub fn card(row: &PlantRow, card: &PlantCard, snapshot: &Snapshot) -> Say {
    let text = card_words(row, card, snapshot);
    Say::new(text).with(edit_row(row, snapshot)).showing(picture::of(row, card, snapshot))
}

/// What a plant's card says.
pub(super) fn card_words(row: &PlantRow, card: &PlantCard, snapshot: &Snapshot) -> Text {
    let mut text = Text::of("🪴 ")
        .bold(&row.given_name)
        .plain(" the ")
        .data(&row.common_name)
        .line()
        .italic(&row.scientific_name)
        .plain(format!(" · plant {}", row.plant_id))
        .line();
    text = text.below(measure(Measure::Moisture, row, snapshot));
    text = text.below(measure(Measure::Temperature, row, snapshot));
    text = text.below(last_reading(row, snapshot));
    if let Some(day) = row.event_ms.and_then(|event_ms| Day::until(&card.week, event_ms)) {
        text = text.below(day_line(&day));
    }
    if let Some(forecast) = card.outlook(snapshot.pipeline_now_ms) {
        text = text.below(forecast_line(&forecast, snapshot));
    }
    if let Some(newest) = card.waterings.last() {
        text = text.below(watering_line(newest, snapshot));
    }
    text.below(sensor_line(&card.sensors, snapshot))
}

/// A value against its band, as a chat reads it. What a silent plant's was is no longer called so
/// now.
fn measure(measure: Measure, row: &PlantRow, snapshot: &Snapshot) -> Text {
    let (unit, bands) = (snapshot.settings.unit, row.bands());
    let (label, value, (low, high), band, words) = match measure {
        Measure::Moisture => (
            "Moisture",
            row.moisture,
            (row.moisture_low, row.moisture_high),
            bands.moisture,
            ["too dry", "fine", "too wet"],
        ),
        Measure::Temperature => (
            "Temperature",
            row.temperature,
            (row.temperature_low, row.temperature_high),
            bands.temperature,
            ["too cold", "fine", "too hot"],
        ),
    };
    let sign = measure.sign(unit);
    let shown_band =
        format!("band {}–{}\u{a0}{sign}", measure.shown(low, unit), measure.shown(high, unit));
    let text = Text::of(format!("{label}: "));
    let Some(value) = value else { return text.plain(format!("unknown ({shown_band})")) };
    let verdict = match Level::of(value, band) {
        Level::Low => words[0],
        Level::Fine => words[1],
        Level::High => words[2],
    };
    let shown = match measure {
        Measure::Moisture => value,
        Measure::Temperature => unit.of_thousandths(value),
    };
    let was = if State::of(row, snapshot.sight()) == State::Silent { "was " } else { "" };
    text.bold(format!("{}\u{a0}{sign}", tenths(shown)))
        .plain(format!(", {was}{verdict} ({shown_band})"))
}

fn last_reading(row: &PlantRow, snapshot: &Snapshot) -> Text {
    let Some(event_ms) = row.event_ms else { return Text::of("No reading yet.") };
    let now_ms = snapshot.pipeline_now_ms;
    let silent =
        if snapshot.is_silent(event_ms) { "⚫ Silent: last reading" } else { "Last reading" };
    Text::of(format!(
        "{silent} {} ({})",
        when::ago(event_ms, now_ms),
        when::moment(event_ms, snapshot.time_zone)
    ))
}

/// A day as blocks between its extremes, a dot where nothing was read.
fn day_line(day: &Day) -> Text {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let span = (day.max - day.min).max(1);
    let blocks: String = day
        .cells
        .iter()
        .map(|cell| match cell {
            None => '·',
            Some(mean) => {
                let step = (mean - day.min).clamp(0, span) * 7 / span;
                BLOCKS[usize::try_from(step).unwrap_or(0)]
            }
        })
        .collect();
    Text::of("24 h moisture: ").code(blocks).plain(format!(
        " {}–{}\u{a0}%, mean {}\u{a0}%",
        tenths(day.min),
        tenths(day.max),
        tenths(day.mean)
    ))
}

/// `Will be dry about Tue 1 Dec 14:00, four times in five Tue 1 Dec 08:00–22:00`.
fn forecast_line(forecast: &Forecast, snapshot: &Snapshot) -> Text {
    let zone = snapshot.time_zone;
    Text::of("🏜 Will be dry about ")
        .bold(rules::likely(forecast, zone))
        .plain(format!(", four times in five {}", rules::interval(forecast, zone)))
}

/// `Watered 2 h ago (Sat 21 Nov 14:05)`, and how that is known.
fn watering_line(watered: &Watered, snapshot: &Snapshot) -> Text {
    Text::of(format!(
        "💧 Watered {} ({}{})",
        when::ago(watered.at_ms, snapshot.pipeline_now_ms),
        when::moment(watered.at_ms, snapshot.time_zone),
        if watered.is_said { "" } else { ", as its moisture shows" }
    ))
}

/// `Sensors: 0x36 (heard 12 s ago), 0x37 (not heard yet)`.
fn sensor_line(sensors: &[Mapped], snapshot: &Snapshot) -> Text {
    if sensors.is_empty() {
        let hint = if snapshot.standing.may_edit() { ": /update_mapping" } else { "." };
        return Text::of(format!("No sensor is mapped to it{hint}"));
    }
    let mut text = Text::of(if sensors.len() == 1 { "Sensor: " } else { "Sensors: " });
    for (index, sensor) in sensors.iter().enumerate() {
        let heard = match sensor.heard_ms {
            Some(heard_ms) => format!("heard {}", when::ago(heard_ms, snapshot.pipeline_now_ms)),
            None => "not heard yet".to_owned(),
        };
        let comma = if index == 0 { "" } else { ", " };
        text = text.plain(comma).bold(&sensor.sensor_id).plain(format!(" ({heard})"));
    }
    text
}

fn edit_row(row: &PlantRow, snapshot: &Snapshot) -> Keyboard {
    if !snapshot.standing.may_edit() {
        return Keyboard::new();
    }
    let plant_id = row.plant_id;
    let field = |field, label| button::edit_field(plant_id, field, label);
    vec![
        vec![button::edit(plant_id), button::watered(plant_id)],
        vec![field(Field::MoistureLow, "💧 low"), field(Field::MoistureHigh, "💧 high")],
        vec![field(Field::TemperatureLow, "🌡 low"), field(Field::TemperatureHigh, "🌡 high")],
        vec![
            field(Field::GivenName, "Name"),
            field(Field::CommonName, "Common name"),
            field(Field::ScientificName, "Scientific"),
        ],
    ]
}

/// The answer when a typed id or name is no single plant.
pub fn not_one(typed: &str, found: &Found, snapshot: &Snapshot) -> Say {
    if let Some(event_ms) = found.unnamed_event_ms {
        let text = Text::of("Plant ")
            .bold(typed.trim())
            .plain(" sends readings, but nobody has described it yet.");
        let text = match snapshot.standing.may_edit() {
            true => text.plain(format!(" /update_plant {} does.", typed.trim())),
            false => text,
        };
        let age = when::ago(event_ms, snapshot.pipeline_now_ms);
        let moment = when::moment(event_ms, snapshot.time_zone);
        return Say::new(text.line().plain(format!("The newest came {age} ({moment}).")));
    }
    if !found.matches.is_empty() {
        let rows = found.matches.iter().map(|row| {
            let label = format!("{} ({}), plant {}", row.given_name, row.common_name, row.plant_id);
            vec![Button::new(label, format!("{OPEN}{}", row.plant_id))]
        });
        let text = Text::of(format!("{} plants are called ", found.matches.len()))
            .data(quoted(typed))
            .plain(". Which one?");
        return Say::new(text).with(rows.collect());
    }
    let text = Text::of("I know no plant called ").data(quoted(typed)).plain(".");
    if found.nearest.is_empty() {
        return Say::new(text.plain(" /plants lists them all."));
    }
    let rows = found
        .nearest
        .iter()
        .map(|(plant_id, name)| vec![Button::new(name.clone(), format!("{OPEN}{plant_id}"))]);
    Say::new(text.plain(" Did you mean:")).with(rows.collect())
}
