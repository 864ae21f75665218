//! The pictures of plants: one plant's week, and all plants against their bands.

use super::PlantCard;
use super::past::Past;
use crate::kernel::chat::Snapshot;
use crate::kernel::picture::{Drawing, Gauge, Measure, Overview, Picture, Series, Tick, Title};
use crate::kernel::settings::Unit;
use crate::kernel::time::DAY_MS;
use crate::kernel::when;
use crate::rooms::plants::care::Watered;
use crate::rooms::plants::filter::Filter;
use crate::rooms::plants::fold::BUCKET_MS;
use crate::rooms::plants::history::{Quarter, WEEK_MS};
use crate::rooms::plants::lookup::{Listed, PlantRow};
use crate::rooms::plants::rules;
use crate::rooms::plants::types::{tenths, thousandths};

/// A plant's last seven days, or the last ones in which it was read. `None`: it never was, or so
/// long ago that the quarter hours have gone.
pub fn of(row: &PlantRow, card: &PlantCard, snapshot: &Snapshot) -> Option<Picture> {
    let (moisture, temperature) = (row.moisture?, row.temperature?);
    let (event_ms, now_ms) = (row.event_ms?, snapshot.pipeline_now_ms);
    card.week.first()?;
    // What was read long ago is shown where it was, not as days of nothing.
    let is_recent = now_ms - event_ms < WEEK_MS - DAY_MS;
    let until_ms = if is_recent { now_ms.max(event_ms) } else { event_ms };
    let (unit, zone) = (snapshot.settings.unit, snapshot.time_zone);
    let (week, waterings) = (&card.week, &card.waterings);
    let time = Time::until(until_ms, WEEK_MS);
    let newest = format!(
        "{} %, {} {} · {}",
        tenths(moisture),
        tenths(unit.of_thousandths(temperature)),
        unit.symbol(),
        when::ago(event_ms, now_ms)
    );
    Some(Picture {
        title: title(row),
        facts: [Some(newest), outlook(card, snapshot)].into_iter().flatten().collect(),
        drawing: Drawing::Series(series(row, week, waterings, time, unit, zone)),
    })
}

/// What a person wants to know next: when it will be dry, or that it was watered.
fn outlook(card: &PlantCard, snapshot: &Snapshot) -> Option<String> {
    if let Some(forecast) = card.outlook(snapshot.pipeline_now_ms) {
        let likely = rules::likely(&forecast, snapshot.time_zone);
        return Some(format!("Will be dry about {likely}"));
    }
    let watered = card.waterings.last()?;
    Some(format!("Watered {}", when::ago(watered.at_ms, snapshot.pipeline_now_ms)))
}

/// A plant over the time that its readings are asked for, up to the newest.
pub fn of_past(row: &PlantRow, past: &Past, span_ms: i64, snapshot: &Snapshot) -> Option<Picture> {
    let (first, last) = (past.quarters.first()?, past.quarters.last()?);
    let until_ms = row.event_ms?;
    let (unit, zone) = (snapshot.settings.unit, snapshot.time_zone);
    let days = when::span(first.start_ms, last.start_ms, zone);
    let (quarters, waterings) = (&past.quarters, &past.waterings);
    // A plant that is new here is not drawn behind days of nothing.
    let time =
        Time::until(until_ms, (until_ms - first.start_ms).clamp(DAY_MS.min(span_ms), span_ms));
    Some(Picture {
        title: title(row),
        facts: vec![days],
        drawing: Drawing::Series(series(row, quarters, waterings, time, unit, zone)),
    })
}

fn title(row: &PlantRow) -> Title {
    Title::new(&row.given_name, &format!("Plant {}", row.plant_id))
}

/// A time cut into cells.
#[derive(Debug, Clone, Copy)]
struct Time {
    from_ms: i64,
    cell_ms: i64,
    cells: usize,
}

impl Time {
    /// Cells are as wide as a line is: quarter hours of a week would be thinner.
    const CELLS: i64 = 336;

    fn until(until_ms: i64, span_ms: i64) -> Time {
        let cell_ms = (span_ms / Time::CELLS).max(BUCKET_MS);
        let cell_ms = (cell_ms + BUCKET_MS - 1) / BUCKET_MS * BUCKET_MS;
        let from_ms = (until_ms - span_ms).div_euclid(cell_ms) * cell_ms + cell_ms;
        let cells = usize::try_from((until_ms - from_ms).div_euclid(cell_ms) + 1).unwrap_or(0);
        Time { from_ms, cell_ms, cells }
    }

    fn until_ms(self) -> i64 {
        self.from_ms + self.cell_ms * i64::try_from(self.cells).unwrap_or(0)
    }

    /// The cell of a moment, if it has one.
    fn cell(self, ms: i64) -> Option<usize> {
        let cell = usize::try_from((ms - self.from_ms).div_euclid(self.cell_ms)).ok()?;
        (cell < self.cells).then_some(cell)
    }

    /// A mean for each cell with readings.
    fn means(self, quarters: &[Quarter], sum: fn(&Quarter) -> i64) -> Vec<Option<i64>> {
        let mut sums = vec![(0i64, 0i64); self.cells];
        for quarter in quarters {
            let cell = self.cell(quarter.start_ms).and_then(|cell| sums.get_mut(cell));
            if let Some((total, count)) = cell {
                *total = total.saturating_add(sum(quarter));
                *count += quarter.reading_count;
            }
        }
        sums.into_iter().map(|(total, count)| total.checked_div(count)).collect()
    }

    /// A zone's midnights; so few that each has room for its name.
    fn ticks(self, zone: chrono_tz::Tz) -> Vec<Tick> {
        const TICKS_MAX: usize = 8;
        let mut midnights = Vec::new();
        let mut midnight_ms = when::day_end(self.from_ms, zone);
        while midnight_ms < self.until_ms() {
            midnights.push(midnight_ms);
            midnight_ms = when::day_end(midnight_ms, zone);
        }
        let every = midnights.len().div_ceil(TICKS_MAX).max(1);
        let tick = |ms: &i64| Some(Tick { cell: self.cell(*ms)?, label: when::weekday(*ms, zone) });
        midnights.iter().step_by(every).filter_map(tick).collect()
    }
}

fn series(
    row: &PlantRow,
    quarters: &[Quarter],
    waterings: &[Watered],
    time: Time,
    unit: Unit,
    zone: chrono_tz::Tz,
) -> Series {
    let temperature = time.means(quarters, |quarter| quarter.temperature_sum);
    let shown = |celsius: i64| unit.of_thousandths(celsius);
    let moisture = Measure {
        label: "Moisture, %".to_owned(),
        low: thousandths(row.moisture_low),
        high: thousandths(row.moisture_high),
        values: time.means(quarters, |quarter| quarter.moisture_sum),
    };
    let temperature = Measure {
        label: format!("Temperature, {}", unit.symbol()),
        low: shown(thousandths(row.temperature_low)),
        high: shown(thousandths(row.temperature_high)),
        values: temperature.into_iter().map(|value| value.map(shown)).collect(),
    };
    Series {
        measures: vec![moisture, temperature],
        ticks: time.ticks(zone),
        marks: waterings.iter().filter_map(|watered| time.cell(watered.at_ms)).collect(),
    }
}

/// The plants of a list against their bands, those in need first. `None`: none was ever read.
pub fn of_all(listed: &Listed, filter: Option<&Filter>, snapshot: &Snapshot) -> Option<Picture> {
    listed.neediest.iter().find(|row| row.moisture.is_some())?;
    let total = listed.total;
    let plants = if total == 1 { "plant" } else { "plants" };
    let title = match filter {
        Some(filter) => format!("{total} {plants} with {}", filter.shown(snapshot.settings.unit)),
        None => format!("{total} {plants}"),
    };
    let is_whole = usize::try_from(total).is_ok_and(|total| total == listed.rows.len());
    let fact = match is_whole {
        true => format!("Moisture, %: {}", counts(&listed.rows, snapshot)),
        false => format!("Moisture, %: the {} that need most", listed.neediest.len()),
    };
    let mut gauges: Vec<Gauge> = listed.neediest.iter().map(|row| gauge(row, snapshot)).collect();
    gauges.sort_by_key(need);
    Some(Picture {
        title: Title::new(&title, "Plants"),
        facts: vec![fact],
        drawing: Drawing::Overview(Overview { gauges }),
    })
}

/// `3 dry, 1 silent, 26 fine`.
fn counts(rows: &[PlantRow], snapshot: &Snapshot) -> String {
    let needs: Vec<u8> = rows.iter().map(|row| need(&gauge(row, snapshot)).0).collect();
    let words = [(DRY, "dry"), (WET, "wet"), (SILENT, "silent"), (FINE, "fine")];
    let count = |wanted: u8| needs.iter().filter(|need| **need == wanted).count();
    let counts = words.iter().map(|(need, word)| (count(*need), word));
    let counts = counts.filter(|(count, _)| *count > 0);
    counts.map(|(count, word)| format!("{count} {word}")).collect::<Vec<_>>().join(", ")
}

fn gauge(row: &PlantRow, snapshot: &Snapshot) -> Gauge {
    Gauge {
        title: Title::new(&row.given_name, &format!("Plant {}", row.plant_id)),
        value: row.moisture,
        low: thousandths(row.moisture_low),
        high: thousandths(row.moisture_high),
        is_old: row.event_ms.is_none_or(|event_ms| snapshot.is_silent(event_ms)),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::chat::{FixedAccess, Me, Standing};
    use crate::kernel::time::MINUTE_MS;

    const NOW_MS: i64 = 1_795_875_600_000;

    fn snapshot() -> Snapshot {
        Snapshot {
            me: Me::default(),
            fixed: FixedAccess::default(),
            standing: Standing::Member,
            is_admitted: true,
            draft: None,
            now_ms: NOW_MS,
            pipeline_now_ms: NOW_MS,
            time_zone: chrono_tz::UTC,
            settings: crate::kernel::settings::Settings::default(),
            silent_after_ms: 10 * MINUTE_MS,
        }
    }

    /// A plant that likes 30 to 60 %, read so long ago.
    fn plant(plant_id: i32, moisture: i64, age_ms: i64) -> PlantRow {
        PlantRow {
            plant_id,
            given_name: format!("Plant {plant_id}"),
            common_name: String::new(),
            scientific_name: String::new(),
            temperature_low: 15.0,
            temperature_high: 30.0,
            moisture_low: 30.0,
            moisture_high: 60.0,
            event_ms: Some(NOW_MS - age_ms),
            moisture: Some(moisture),
            temperature: Some(20_000),
        }
    }

    #[test]
    fn plants_in_need_come_first_and_are_counted_where_all_are_known() {
        let rows = vec![
            plant(0, 50_000, 0),
            plant(1, 20_000, 0),
            plant(2, 70_000, 0),
            plant(3, 10_000, 20 * MINUTE_MS),
            plant(4, 31_000, 0),
            plant(5, 29_999, 0),
        ];
        let mut listed = Listed { rows: rows.clone(), total: 6, neediest: rows };
        let picture = of_all(&listed, None, &snapshot()).unwrap();
        assert_eq!(picture.facts, ["Moisture, %: 2 dry, 1 wet, 1 silent, 2 fine"]);
        let Drawing::Overview(overview) = &picture.drawing else { panic!("{picture:?}") };
        let names: Vec<&str> = overview.gauges.iter().map(|gauge| gauge.title.name()).collect();
        let order = ["Plant 1", "Plant 5", "Plant 2", "Plant 3", "Plant 4", "Plant 0"];
        assert_eq!(names, order);
        listed.total = 200;
        let picture = of_all(&listed, None, &snapshot()).unwrap();
        assert_eq!(picture.facts, ["Moisture, %: the 6 that need most"]);
    }

    #[test]
    fn a_time_has_cells_of_whole_quarter_hours_and_names_for_a_week_of_days() {
        for days in [1, 7, 14, 90] {
            let time = Time::until(NOW_MS, days * DAY_MS);
            assert_eq!(time.cell_ms % BUCKET_MS, 0);
            assert_eq!(time.cell(NOW_MS), Some(time.cells - 1));
            assert!(time.cells <= 336 && time.ticks(chrono_tz::UTC).len() <= 8, "{time:?}");
        }
        assert_eq!(Time::until(NOW_MS, 7 * DAY_MS).cell_ms, 2 * BUCKET_MS);
    }
}
