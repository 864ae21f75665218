//! The pictures of plants: one plant's week, and all plants against their bands.

use super::PlantCard;
use super::past::Past;
use crate::kernel::chat::Snapshot;
use crate::kernel::picture::{Drawing, Gauge, Measure, Overview, Picture, Series, Tick, Title};
use crate::kernel::settings::Unit;
use crate::kernel::time::{DAY_MS, Sight};
use crate::kernel::when;
use crate::rooms::plants::care::Watered;
use crate::rooms::plants::filter::Filter;
use crate::rooms::plants::fold::BUCKET_MS;
use crate::rooms::plants::history::{Quarter, WEEK_MS};
use crate::rooms::plants::lookup::{Listed, PlantRow};
use crate::rooms::plants::rules;
use crate::rooms::plants::rules::state::State;
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

/// The plants of a list against their bands, in its order: as many as can be read, and how many more
/// there are. `None`: none was ever read.
pub fn of_all(listed: &Listed, filter: Option<&Filter>, snapshot: &Snapshot) -> Option<Picture> {
    listed.counts.iter().find(|(state, _)| *state != State::Unread)?;
    let total = listed.total();
    let plants = if total == 1 { "plant" } else { "plants" };
    let title = match filter {
        Some(filter) => format!("{total} {plants} with {}", filter.shown(snapshot.settings.unit)),
        None => format!("{total} {plants}"),
    };
    let count = |(state, count): &(State, i64)| format!("{count} {}", state.word());
    let counts: Vec<String> = listed.counts.iter().map(count).collect();
    let drawn = listed.rows.iter().take(Overview::GAUGES_MAX);
    let gauges: Vec<Gauge> = drawn.map(|row| gauge(row, snapshot.sight())).collect();
    let scale = match total - i64::try_from(gauges.len()).unwrap_or(0) {
        ..=0 => "Moisture, %".to_owned(),
        rest => format!("Moisture, %, of those that need most; … and {rest} more"),
    };
    Some(Picture {
        title: Title::new(&title, "Plants"),
        facts: vec![counts.join(", "), scale],
        drawing: Drawing::Overview(Overview { gauges }),
    })
}

fn gauge(row: &PlantRow, sight: Sight) -> Gauge {
    let state = State::of(row, sight);
    let bands = row.bands();
    Gauge {
        title: Title::new(&row.given_name, &format!("Plant {}", row.plant_id)),
        value: row.moisture,
        low: bands.moisture.0,
        high: bands.moisture.1,
        is_old: matches!(state, State::Silent | State::Unread),
        beside: matches!(state, State::Cold | State::Hot).then(|| state.word().to_owned()),
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
    fn what_is_not_drawn_is_counted_and_what_is_not_known_or_not_well_is_not_called_fine() {
        let unread = PlantRow { event_ms: None, moisture: None, ..plant(3, 0, 0) };
        let hot = PlantRow { temperature: Some(31_000), ..plant(0, 50_000, 0) };
        let mut rows = vec![hot, plant(1, 20_000, 0), plant(2, 10_000, 20 * MINUTE_MS), unread];
        rows.extend((4..40).map(|plant_id| plant(plant_id, 50_000, 0)));
        let counts = vec![
            (State::Hot, 1),
            (State::Dry, 1),
            (State::Silent, 1),
            (State::Unread, 1),
            (State::Fine, 36),
        ];
        let picture = of_all(&Listed { rows, counts }, None, &snapshot()).unwrap();
        let facts = [
            "1 hot, 1 dry, 1 silent, 1 never read, 36 fine",
            "Moisture, %, of those that need most; … and 10 more",
        ];
        assert_eq!(picture.facts, facts);
        let Drawing::Overview(overview) = &picture.drawing else { panic!("{picture:?}") };
        assert_eq!(overview.gauges.len(), 30);
        let beside = |index: usize| overview.gauges[index].beside.as_deref();
        assert_eq!((beside(0), beside(1), beside(2)), (Some("hot"), None, None));
        let is_old: Vec<bool> = overview.gauges.iter().map(|gauge| gauge.is_old).collect();
        assert_eq!(is_old[..5], [false, false, true, true, false]);
    }

    #[test]
    fn few_plants_are_all_drawn_and_none_where_none_was_read() {
        let one = Listed { rows: vec![plant(0, 50_000, 0)], counts: vec![(State::Fine, 1)] };
        let picture = of_all(&one, None, &snapshot()).unwrap();
        assert_eq!(picture.facts, ["1 fine", "Moisture, %"]);
        let none = Listed { counts: vec![(State::Unread, 1)], ..one };
        assert_eq!(of_all(&none, None, &snapshot()), None);
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
