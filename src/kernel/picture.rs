//! A picture as a small description: what is to be seen, not how it is drawn.
//!
//! Invariant: it is plain data that can wait in the outbox. Every text in it is shown as text, with
//! control and bidirectional characters as escapes, and every time in it is already in the
//! household's zone.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, NaiveDate, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::text::shown;
use super::time::HOUR_MS;
use super::zones;

/// Hours that a day shows, whatever the clocks do.
const HOURS_OF_DAY: usize = 24;

/// A picture: what it is of, what a person wants to know first, and the drawing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    pub title: Title,
    /// Short sentences below the title, a line each.
    pub facts: Vec<String>,
    pub drawing: Drawing,
}

/// What a picture is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Title {
    /// As people call it, in any script.
    name: String,
    /// Stands there instead where the picture's font lacks the letters of the name.
    otherwise: String,
}

impl Title {
    /// A name that somebody gave, and what can be drawn in its place.
    pub fn new(name: &str, otherwise: &str) -> Title {
        Title { name: shown(name).into_owned(), otherwise: shown(otherwise).into_owned() }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn otherwise(&self) -> &str {
        &self.otherwise
    }
}

/// What is drawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Drawing {
    Calendar(Calendar),
    Series(Series),
    Overview(Overview),
}

/// How measures went, one below the other over the same time, which is cut into cells of equal
/// length.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Series {
    pub measures: Vec<Measure>,
    /// Where days begin, in order.
    pub ticks: Vec<Tick>,
    /// Cells in which something happened that is marked, such as a watering.
    pub marks: Vec<usize>,
}

/// One measure of a series. Values are thousandths of its unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measure {
    /// What it is and in which unit: `Moisture, %`.
    pub label: String,
    /// The band in which it is fine.
    pub low: i64,
    pub high: i64,
    /// A mean for each cell; `None` where nothing was measured, which is drawn as a gap.
    pub values: Vec<Option<i64>>,
}

/// A place on the time axis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tick {
    pub cell: usize,
    pub label: String,
}

/// Many things of one kind, each against its own band, in the order in which they are drawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overview {
    pub gauges: Vec<Gauge>,
}

impl Overview {
    /// More could not be read on a phone, and are not drawn.
    pub const GAUGES_MAX: usize = 30;
}

/// One thing against its band. Values are thousandths of a per cent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gauge {
    pub title: Title,
    /// `None`: nothing was ever measured.
    pub value: Option<i64>,
    pub low: i64,
    pub high: i64,
    /// The value is the newest one, but nobody knows whether it still holds.
    pub is_old: bool,
    /// What is the matter beside this measure, in a short word; it takes the number's place.
    #[serde(default)]
    pub beside: Option<String>,
}

/// How much there was in each hour of some days: a row a day, a column an hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calendar {
    /// What is counted: `probes`.
    pub counted: String,
    /// The zone of its hours.
    pub zone: String,
    /// The oldest day first.
    pub days: Vec<Day>,
}

/// A day of a calendar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Day {
    pub label: String,
    /// `None` is an hour that the clocks skip, or that has not come yet.
    pub hours: Vec<Option<i64>>,
}

/// Counts by hour since the epoch, within the days that a calendar shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hours {
    counts: BTreeMap<i64, i64>,
    days: u64,
    first_date: NaiveDate,
    until_ms: i64,
    zone: Tz,
}

impl Hours {
    /// What of `counts` lies in the last `days` days of the zone, the day of `until_ms` included.
    pub fn of_last_days(counts: &[(i64, i64)], days: u64, until_ms: i64, zone: Tz) -> Hours {
        let last_date = local(until_ms, zone).date_naive();
        let first_date = last_date.checked_sub_days(Days::new(days.saturating_sub(1)));
        let first_date = first_date.unwrap_or(last_date);
        let is_within = |hour: i64| {
            let begin_ms = hour.saturating_mul(HOUR_MS);
            begin_ms <= until_ms && local(begin_ms, zone).date_naive() >= first_date
        };
        let counts = counts.iter().copied().filter(|(hour, count)| *count > 0 && is_within(*hour));
        Hours { counts: counts.collect(), days, first_date, until_ms, zone }
    }

    /// The hour with the greatest count, as (when it begins, count); the later one of equals.
    pub fn busiest(&self) -> Option<(i64, i64)> {
        let busiest = self.counts.iter().max_by_key(|(hour, count)| (**count, **hour))?;
        Some((busiest.0 * HOUR_MS, *busiest.1))
    }

    /// The picture's rows. An hour that the clocks skip has no cell, one that they show twice has
    /// one for both, and where a zone is half an hour off, an hour stands where it begins.
    pub fn calendar(&self, counted: &str) -> Calendar {
        let mut cells: BTreeMap<NaiveDate, [Option<i64>; HOURS_OF_DAY]> = BTreeMap::new();
        let last_hour = self.until_ms.div_euclid(HOUR_MS);
        // A day more than is shown: no day has more than 25 hours.
        let hours_at_most = i64::try_from((self.days + 1) * 24).unwrap_or(0);
        for hour in last_hour - hours_at_most..=last_hour {
            let begin = local(hour.saturating_mul(HOUR_MS), self.zone);
            if begin.date_naive() < self.first_date {
                continue;
            }
            let day = cells.entry(begin.date_naive()).or_default();
            let Some(cell) =
                usize::try_from(begin.hour()).ok().and_then(|of_day| day.get_mut(of_day))
            else {
                continue;
            };
            let count = self.counts.get(&hour).copied().unwrap_or(0);
            *cell = Some(cell.unwrap_or(0).saturating_add(count));
        }
        let days = cells.into_iter().map(|(date, hours)| Day {
            label: date.format("%a %-d").to_string(),
            hours: hours.to_vec(),
        });
        let (counted, zone) = (counted.to_owned(), zones::name(self.zone));
        Calendar { counted, zone, days: days.collect() }
    }
}

fn local(ms: i64, zone: Tz) -> DateTime<Tz> {
    let utc = DateTime::<Utc>::from_timestamp_millis(ms).unwrap_or_default();
    zone.from_utc_datetime(&utc.naive_utc())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::time::DAY_MS;

    /// 2026-11-28 14:20 UTC, a Saturday.
    const NOW_MS: i64 = 1_795_875_600_000;

    fn hour_of(ms: i64) -> i64 {
        ms / HOUR_MS
    }

    #[test]
    fn a_calendar_has_a_row_a_day_in_the_households_zone_and_ends_now() {
        let counts = [(hour_of(NOW_MS), 4), (hour_of(NOW_MS - DAY_MS), 9)];
        let hours = Hours::of_last_days(&counts, 7, NOW_MS, chrono_tz::Asia::Tokyo);
        let calendar = hours.calendar("probes");
        let labels: Vec<&str> = calendar.days.iter().map(|day| day.label.as_str()).collect();
        assert_eq!(labels, ["Sun 22", "Mon 23", "Tue 24", "Wed 25", "Thu 26", "Fri 27", "Sat 28"]);
        assert_eq!((calendar.days[6].hours[23], calendar.days[5].hours[23]), (Some(4), Some(9)));
        assert_eq!(calendar.days[0].hours[0], Some(0));
        let in_utc = Hours::of_last_days(&counts, 7, NOW_MS, chrono_tz::UTC).calendar("probes");
        assert_eq!((in_utc.days[6].hours[14], in_utc.days[6].hours[15]), (Some(4), None));
    }

    #[test]
    fn what_lies_outside_the_days_shown_is_not_the_busiest_hour() {
        let counts = [(hour_of(NOW_MS - 8 * DAY_MS), 900), (hour_of(NOW_MS - DAY_MS), 2)];
        let hours = Hours::of_last_days(&counts, 7, NOW_MS, chrono_tz::UTC);
        assert_eq!(hours.busiest(), Some((hour_of(NOW_MS - DAY_MS) * HOUR_MS, 2)));
        let none = Hours::of_last_days(&counts[..1], 7, NOW_MS, chrono_tz::UTC);
        assert_eq!(none.busiest(), None);
    }

    /// F14: Berlin shows two o'clock twice on 25 October 2026, and never on 28 March 2027.
    #[test]
    fn an_hour_shown_twice_is_one_cell_and_a_skipped_one_is_none() {
        let berlin = chrono_tz::Europe::Berlin;
        let two_oclock = hour_of(1_792_886_400_000);
        let noon_ms = 1_792_886_400_000 + 12 * HOUR_MS;
        let counts = [(two_oclock, 3), (two_oclock + 1, 4)];
        let autumn = Hours::of_last_days(&counts, 1, noon_ms, berlin).calendar("probes");
        assert_eq!(autumn.days[0].hours[2], Some(7));
        let noon_ms = 1_806_235_200_000;
        let spring = Hours::of_last_days(&[], 1, noon_ms, berlin).calendar("probes");
        assert_eq!(spring.days[0].label, "Sun 28");
        assert_eq!(spring.days[0].hours[1..4], [Some(0), None, Some(0)]);
    }

    #[test]
    fn a_zone_half_an_hour_off_keeps_every_count() {
        let counts = [(hour_of(NOW_MS), 4), (hour_of(NOW_MS) - 1, 5)];
        let hours = Hours::of_last_days(&counts, 2, NOW_MS, chrono_tz::Asia::Kolkata);
        let days = hours.calendar("probes").days;
        assert_eq!(days.iter().flat_map(|day| day.hours.iter().flatten()).sum::<i64>(), 9);
    }
}
