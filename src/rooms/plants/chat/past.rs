//! `/history` and `/export`: a plant's past by days, and as a file.

use std::fmt::Write as _;

use chrono::NaiveDate;

use super::picture;
use super::show;
use super::typed;
use crate::kernel::chat::Snapshot;
use crate::kernel::dialog::quoted;
use crate::kernel::effect::{File, Say};
use crate::kernel::settings::Unit;
use crate::kernel::text::Text;
use crate::kernel::time::DAY_MS;
use crate::kernel::when;
use crate::kernel::zones;
use crate::rooms::plants::care::Watered;
use crate::rooms::plants::history::Quarter;
use crate::rooms::plants::lookup::{Found, PlantRow};
use crate::rooms::plants::types::tenths;

/// Days that `/history` shows unless it is told, and at most: quarter hours are kept so long.
const DAYS: i64 = 14;
pub const DAYS_MAX: i64 = 90;
/// Days listed in words; the picture shows all.
const LINES_MAX: usize = 31;

/// What was typed behind `/history`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Nothing where no plant was named.
    pub plant: String,
    /// As typed: it may be more or less than is kept.
    days: i64,
    /// All of it.
    pub typed: String,
}

impl Span {
    /// `cyril`, `cyril 30 days`, `the fern 7d`.
    pub fn of(typed: &str) -> Span {
        let units = [("d", 1), ("day", 1), ("days", 1), ("week", 7), ("weeks", 7)];
        let (plant, days) = typed::apart(typed, |rest| typed::number_of(rest, &units));
        Span { plant, days: days.unwrap_or(DAYS), typed: typed.to_owned() }
    }

    pub fn ms(&self) -> i64 {
        self.days.clamp(1, DAYS_MAX) * DAY_MS
    }
}

/// A plant's quarter hours, oldest first, and its waterings in that time.
#[derive(Debug, Clone, PartialEq)]
pub struct Past {
    pub quarters: Vec<Quarter>,
    pub waterings: Vec<Watered>,
}

/// The answer to `/history`.
pub fn history(span: &Span, found: &Found, past: Option<&Past>, snapshot: &Snapshot) -> Say {
    let example = "/history cyril or /history cyril 30 days";
    if !(1..=DAYS_MAX).contains(&span.days) {
        let text = Text::of(format!("I can show 1 to {DAYS_MAX} days, not {}. ", span.days));
        return Say::new(text.plain("Send it so: ").code("/history cyril 30 days").plain("."));
    }
    match (found.matches.as_slice(), past.filter(|past| !past.quarters.is_empty())) {
        ([plant], Some(past)) => days(span, plant, past, snapshot),
        _ => instead(&span.plant, found, example, snapshot),
    }
}

/// The answer where words behind the plant are no span of days.
pub fn unclear(plant: &str, rest: &str) -> Say {
    let text = Text::of("I cannot read ").data(quoted(rest)).plain(" as a number of days of ");
    let text = text.bold(plant).plain(". Send one such as ").code("7 days").plain(" or ");
    Say::new(text.code("2 weeks").plain(format!(" behind the plant, {DAYS_MAX} days at most.")))
}

/// The answer to `/export`.
pub fn export(typed: &str, found: &Found, past: Option<&Past>, snapshot: &Snapshot) -> Say {
    match (found.matches.as_slice(), past.filter(|past| !past.quarters.is_empty())) {
        ([plant], Some(past)) => enclosed(plant, past, snapshot),
        _ => instead(typed, found, "/export cyril", snapshot),
    }
}

/// What is said where no one plant was meant, or it has no past.
fn instead(typed: &str, found: &Found, example: &str, snapshot: &Snapshot) -> Say {
    match found.matches.as_slice() {
        _ if typed.is_empty() => {
            let text = Text::of("Which plant? Send its id or name with it, such as ").code(example);
            Say::new(text.plain("."))
        }
        [plant] => {
            Say::new(Text::new().bold(&plant.given_name).plain(" has no readings in that time."))
        }
        _ => show::not_one(typed, found, snapshot),
    }
}

fn days(span: &Span, plant: &PlantRow, past: &Past, snapshot: &Snapshot) -> Say {
    let zone = snapshot.time_zone;
    let date = |quarter: &Quarter| when::date_of(quarter.start_ms, zone);
    let days: Vec<&[Quarter]> =
        past.quarters.chunk_by(|one, next| date(one) == date(next)).collect();
    let mut text = Text::new()
        .bold(&plant.given_name)
        .plain(" by days: least, mean and greatest moisture in per cent, temperature in ")
        .plain(format!("{}.", snapshot.settings.unit.symbol()));
    let skipped = days.len().saturating_sub(LINES_MAX);
    for day in &days[skipped..] {
        let Some(first) = day.first() else { continue };
        let watered =
            past.waterings.iter().filter(|it| when::date_of(it.at_ms, zone) == date(first));
        text = text.below(line(date(first), day, watered.count(), snapshot.settings.unit));
    }
    if skipped > 0 {
        text = text.below(Text::of(format!("The picture shows {skipped} days more.")));
    }
    Say::new(text).showing(picture::of_past(plant, past, span.ms(), snapshot))
}

/// `Sat 21  31.2  38.0  45.1  19.0–23.4 💧`.
fn line(date: NaiveDate, day: &[Quarter], waterings: usize, unit: Unit) -> Text {
    let count: i64 = day.iter().map(|quarter| quarter.reading_count).sum();
    let sum: i64 = day.iter().map(|quarter| quarter.moisture_sum).sum();
    let least = day.iter().map(|quarter| quarter.moisture_min).min().unwrap_or(0);
    let most = day.iter().map(|quarter| quarter.moisture_max).max().unwrap_or(0);
    let coldest = day.iter().map(|quarter| quarter.temperature_min).min().unwrap_or(0);
    let hottest = day.iter().map(|quarter| quarter.temperature_max).max().unwrap_or(0);
    let numbers = format!(
        "{:<6} {:>5} {:>5} {:>5}  {}–{}",
        date.format("%a %-d"),
        tenths(least),
        tenths(sum / count.max(1)),
        tenths(most),
        tenths(unit.of_thousandths(coldest)),
        tenths(unit.of_thousandths(hottest))
    );
    Text::new().code(numbers).plain(if waterings > 0 { " 💧" } else { "" })
}

fn enclosed(plant: &PlantRow, past: &Past, snapshot: &Snapshot) -> Say {
    let quarters = &past.quarters;
    let from_ms = quarters.first().map_or(0, |quarter| quarter.start_ms);
    let to_ms = quarters.last().map_or(0, |quarter| quarter.start_ms);
    let (zone, unit) = (snapshot.time_zone, snapshot.settings.unit);
    let text = Text::new().bold(&plant.given_name).plain(format!(
        ": {} quarter hours from {} to {}. In the file times are by the clocks of {}, moisture is \
         per cent and temperature {}.",
        quarters.len(),
        when::date(from_ms, zone),
        when::date(to_ms, zone),
        zones::name(zone),
        unit.symbol(),
    ));
    let name = format!("plant-{}.csv", plant.plant_id);
    Say::new(text).enclosing(File { name, csv: csv(quarters, zone, unit) })
}

/// A line for each quarter hour (RFC 4180), its time with how far the zone is from UTC. No field
/// needs quotes: all are numbers, times and names of zones.
fn csv(quarters: &[Quarter], zone: chrono_tz::Tz, unit: Unit) -> String {
    let degrees = unit.symbol();
    let mut csv = format!(
        "begin ({}),readings,moisture_min (%),moisture_mean (%),moisture_max (%),\
         temperature_min ({degrees}),temperature_mean ({degrees}),temperature_max ({degrees})\r\n",
        zones::name(zone)
    );
    for quarter in quarters {
        let values = [
            quarter.moisture_min,
            quarter.moisture_mean(),
            quarter.moisture_max,
            unit.of_thousandths(quarter.temperature_min),
            unit.of_thousandths(quarter.temperature_mean()),
            unit.of_thousandths(quarter.temperature_max),
        ];
        // Writing into a text does not fail.
        let _ =
            write!(csv, "{},{}", when::with_offset(quarter.start_ms, zone), quarter.reading_count);
        for value in values {
            let sign = if value < 0 { "-" } else { "" };
            let whole = value.unsigned_abs();
            let _ = write!(csv, ",{sign}{}.{:03}", whole / 1_000, whole % 1_000);
        }
        csv.push_str("\r\n");
    }
    csv
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_days_behind_the_plant() {
        let spans = [
            ("cyril", "cyril", 14),
            ("the fern 7d", "the fern", 7),
            ("number 7 30 days", "number 7", 30),
            ("number 7", "number 7", 14),
            ("7 2 weeks", "7", 14),
            ("7 0 days", "7", 0),
            ("7 5000 days", "7", 5000),
            ("7 1.5 days", "7 1.5 days", 14),
            ("", "", 14),
        ];
        for (typed, plant, days) in spans {
            let span = Span { plant: plant.to_owned(), days, typed: typed.to_owned() };
            assert_eq!(Span::of(typed), span, "{typed:?}");
        }
    }

    #[test]
    fn a_file_has_a_line_for_each_quarter_hour() {
        let quarter = Quarter {
            start_ms: 1_795_875_600_000,
            reading_count: 2,
            moisture_sum: 60_001,
            moisture_min: 29_990,
            moisture_max: 30_011,
            temperature_sum: -1_001,
            temperature_min: -900,
            temperature_max: -101,
        };
        let text = csv(&[quarter], chrono_tz::UTC, Unit::Celsius);
        let lines: Vec<&str> = text.split("\r\n").collect();
        let numbers = "2,29.990,30.000,30.011,-0.900,-0.500,-0.101";
        assert_eq!(lines[1], format!("2026-11-28T14:20:00+00:00,{numbers}"));
        assert_eq!((lines.len(), lines[2]), (3, ""));
        assert_eq!(lines[0].split(',').count(), lines[1].split(',').count());
        let text = csv(&[quarter], chrono_tz::Europe::Berlin, Unit::Fahrenheit);
        let lines: Vec<&str> = text.split("\r\n").collect();
        assert!(lines[0].starts_with("begin (Europe/Berlin),readings,moisture_min (%),"), "{text}");
        assert!(lines[0].ends_with(",temperature_max (°F)"), "{text}");
        let numbers = "2,29.990,30.000,30.011,30.380,31.100,31.819";
        assert_eq!(lines[1], format!("2026-11-28T15:20:00+01:00,{numbers}"));
    }
}
