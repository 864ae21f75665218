//! The pictures of plants: one plant's week, and all plants against their bands.

use super::PlantCard;
use super::show::{SILENT_MS, tenths};
use crate::kernel::chat::Snapshot;
use crate::kernel::degrees::Degrees;
use crate::kernel::picture::{Drawing, Gauge, Measure, Overview, Picture, Series, Tick, Title};
use crate::kernel::time::{DAY_MS, MINUTE_MS};
use crate::kernel::when;
use crate::rooms::plants::filter::Filter;
use crate::rooms::plants::history::{Quarter, WEEK_MS, thousandths};
use crate::rooms::plants::lookup::PlantRow;

/// The width of a point: quarter hours would be thinner than the line.
const CELL_MS: i64 = 30 * MINUTE_MS;

/// A plant's last seven days, or the last ones in which it was read. `None`: it never was, or so
/// long ago that the quarter hours have gone.
pub fn of(row: &PlantRow, card: &PlantCard, snapshot: &Snapshot) -> Option<Picture> {
    let (moisture, temperature) = (row.moisture?, row.temperature?);
    let (event_ms, now_ms) = (row.event_ms?, snapshot.pipeline_now_ms);
    card.week.first()?;
    // What was read long ago is shown where it was, not as days of nothing.
    let is_recent = now_ms - event_ms < WEEK_MS - DAY_MS;
    let until_ms = if is_recent { now_ms.max(event_ms) } else { event_ms };
    let degrees = Degrees::Celsius;
    let newest = format!(
        "{} %, {} {} · {}",
        tenths(moisture),
        tenths(degrees.of_celsius(temperature)),
        degrees.sign(),
        when::ago(event_ms, now_ms)
    );
    Some(Picture {
        title: Title::new(&row.given_name, &format!("Plant {}", row.plant_id)),
        facts: [Some(newest), outlook(card, snapshot)].into_iter().flatten().collect(),
        drawing: Drawing::Series(series(row, card, until_ms, degrees, snapshot.time_zone)),
    })
}

/// What a person wants to know next: when it will be dry, or that it was watered.
fn outlook(card: &PlantCard, snapshot: &Snapshot) -> Option<String> {
    if let Some(forecast) = card.outlook(snapshot.pipeline_now_ms) {
        let likely = when::moment(forecast.likely_ms, snapshot.time_zone);
        return Some(format!("Will be dry about {likely}"));
    }
    let watered = card.waterings.last()?;
    Some(format!("Watered {}", when::ago(watered.at_ms, snapshot.pipeline_now_ms)))
}

fn series(
    row: &PlantRow,
    card: &PlantCard,
    until_ms: i64,
    degrees: Degrees,
    zone: chrono_tz::Tz,
) -> Series {
    let from_ms = (until_ms - WEEK_MS).div_euclid(CELL_MS) * CELL_MS + CELL_MS;
    let cells = cell_of(until_ms, from_ms).map_or(0, |last| last + 1);
    let moisture = means(&card.week, from_ms, cells, |quarter| quarter.moisture_sum);
    let temperature = means(&card.week, from_ms, cells, |quarter| quarter.temperature_sum);
    let shown = |celsius: i64| degrees.of_celsius(celsius);
    let moisture = Measure {
        label: "Moisture, %".to_owned(),
        low: thousandths(row.moisture_low),
        high: thousandths(row.moisture_high),
        values: moisture,
    };
    let temperature = Measure {
        label: format!("Temperature, {}", degrees.sign()),
        low: shown(thousandths(row.temperature_low)),
        high: shown(thousandths(row.temperature_high)),
        values: temperature.into_iter().map(|value| value.map(shown)).collect(),
    };
    let ticks = ticks(from_ms, until_ms, zone);
    let marks = card.waterings.iter().filter_map(|watered| cell_of(watered.at_ms, from_ms));
    let marks = marks.filter(|cell| *cell < cells).collect();
    Series { measures: vec![moisture, temperature], ticks, marks }
}

/// A mean for each cell with readings.
fn means(
    quarters: &[Quarter],
    from_ms: i64,
    cells: usize,
    sum: fn(&Quarter) -> i64,
) -> Vec<Option<i64>> {
    let mut sums = vec![(0i64, 0i64); cells];
    for quarter in quarters {
        let cell = cell_of(quarter.start_ms, from_ms).and_then(|cell| sums.get_mut(cell));
        if let Some((total, count)) = cell {
            *total = total.saturating_add(sum(quarter));
            *count += quarter.reading_count;
        }
    }
    sums.into_iter().map(|(total, count)| total.checked_div(count)).collect()
}

/// The cell in which a time lies, if not before the first one.
fn cell_of(ms: i64, from_ms: i64) -> Option<usize> {
    usize::try_from((ms - from_ms).div_euclid(CELL_MS)).ok()
}

/// The midnights of a zone.
fn ticks(from_ms: i64, until_ms: i64, zone: chrono_tz::Tz) -> Vec<Tick> {
    let mut ticks = Vec::new();
    let mut midnight_ms = when::day_end(from_ms, zone);
    while midnight_ms < until_ms {
        let label = when::weekday(midnight_ms, zone);
        ticks.extend(cell_of(midnight_ms, from_ms).map(|cell| Tick { cell, label }));
        midnight_ms = when::day_end(midnight_ms, zone);
    }
    ticks
}

/// The plants of a list against their bands, those in need first. `None`: none was ever read.
pub fn of_all(
    rows: &[PlantRow],
    total: i64,
    filter: Option<&Filter>,
    snapshot: &Snapshot,
) -> Option<Picture> {
    rows.iter().find(|row| row.moisture.is_some())?;
    let mut gauges: Vec<Gauge> = rows.iter().map(|row| gauge(row, snapshot)).collect();
    gauges.sort_by_key(need);
    let count = |is: fn(&Gauge) -> bool| gauges.iter().filter(|gauge| is(gauge)).count();
    let counts = [
        (count(|gauge| need(gauge).0 == DRY), "dry"),
        (count(|gauge| need(gauge).0 == WET), "wet"),
        (count(|gauge| need(gauge).0 == SILENT), "silent"),
        (count(|gauge| need(gauge).0 == FINE), "fine"),
    ];
    let counts = counts.iter().filter(|(count, _)| *count > 0);
    let counts: Vec<String> = counts.map(|(count, word)| format!("{count} {word}")).collect();
    let plants = if total == 1 { "plant" } else { "plants" };
    let title = match filter {
        Some(filter) => format!("{total} {plants} with {}", filter.shown()),
        None => format!("{total} {plants}"),
    };
    Some(Picture {
        title: Title::new(&title, "Plants"),
        facts: vec![format!("Moisture, %: {}", counts.join(", "))],
        drawing: Drawing::Overview(Overview { gauges }),
    })
}

fn gauge(row: &PlantRow, snapshot: &Snapshot) -> Gauge {
    let is_silent = |event_ms: i64| snapshot.pipeline_now_ms - event_ms > SILENT_MS;
    Gauge {
        title: Title::new(&row.given_name, &format!("Plant {}", row.plant_id)),
        value: row.moisture,
        low: thousandths(row.moisture_low),
        high: thousandths(row.moisture_high),
        is_old: row.event_ms.is_none_or(is_silent),
    }
}

const DRY: u8 = 0;
const WET: u8 = 1;
const SILENT: u8 = 2;
const FINE: u8 = 3;

/// What comes first: dry, wet, silent, fine; among equals, what is nearest to being dry.
fn need(gauge: &Gauge) -> (u8, i64) {
    let Some(value) = gauge.value.filter(|_| !gauge.is_old) else { return (SILENT, 0) };
    let above_low = value - gauge.low;
    if above_low < 0 {
        (DRY, above_low)
    } else if value > gauge.high {
        (WET, -value)
    } else {
        (FINE, above_low)
    }
}
