//! The daily digest: when a chat wants it, and which day's is due.
//!
//! Invariant: a day of the chat's own calendar has one digest at most, also where clocks are set
//! forward or back and where the chat moves to another zone.

use chrono::NaiveDate;
use chrono_tz::Tz;

use super::time::HOUR_MS;
use super::when;

/// A day's digest that is late is told within its day, or so long after its time: one that is
/// wanted shortly before midnight must not be lost to a slow start.
const LATE_MS: i64 = HOUR_MS;
/// Two zones' calendars are no more than so many days apart. What was told of later days was told
/// by a wrong clock, and counts for nothing.
const ZONES_DAYS: i64 = 2;
/// Days looked at: from yesterday on past every day that may have been told of, and one that a zone
/// leaves out.
const DAYS: usize = 6;

/// When a chat wants its digest, and what it has had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Daily {
    /// Of the chat's day, 0 to 1439.
    pub minute: u16,
    /// Since when it is wanted at that minute (the house's clock): what was due before is not told.
    pub since_ms: i64,
    /// The newest day that was told of, by the chat's calendar.
    pub told_on: Option<NaiveDate>,
}

/// The digest of one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Issue {
    pub day: NaiveDate,
    pub at_ms: i64,
}

impl Daily {
    /// The digest that is due, or else the one that comes next: it is due from its time on.
    pub fn next(&self, now_ms: i64, time_zone: Tz) -> Option<Issue> {
        let today = when::date_of(now_ms, time_zone);
        let told_on = self.told_on.filter(|told| (*told - today).num_days() <= ZONES_DAYS);
        // A wish from the future was made by a wrong clock.
        let since_ms = if self.since_ms > now_ms { i64::MIN } else { self.since_ms };
        let is_wanted = |issue: &Issue| {
            let is_too_late = issue.day < today && issue.at_ms <= now_ms - LATE_MS;
            issue.at_ms > since_ms && !is_too_late && told_on.is_none_or(|told| issue.day > told)
        };
        let issue = |day: NaiveDate| {
            Some(Issue { day, at_ms: when::at_minute(day, self.minute, time_zone)? })
        };
        let yesterday = today.pred_opt().unwrap_or(today);
        yesterday.iter_days().take(DAYS).filter_map(issue).find(is_wanted)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use chrono_tz::{Africa, America, Asia, Australia, Europe, Pacific, UTC};
    use proptest::prelude::*;

    use super::*;
    use crate::kernel::time::{DAY_MS, MINUTE_MS};

    /// 2026-11-28 14:20 UTC.
    const NOW_MS: i64 = 1_795_875_600_000;
    const EIGHT: u16 = 8 * 60;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn next(daily: &Daily, now_ms: i64, zone: Tz) -> (String, String) {
        let issue = daily.next(now_ms, zone).unwrap();
        (issue.day.to_string(), when::second(issue.at_ms, zone))
    }

    #[test]
    fn it_begins_with_the_next_time_that_the_clock_shows_its_minute() {
        let daily = |minute| Daily { minute, since_ms: NOW_MS, told_on: None };
        let at = |minute| next(&daily(minute), NOW_MS, UTC).1;
        assert_eq!(at(EIGHT), "2026-11-29 08:00:00");
        assert_eq!(at(14 * 60 + 20), "2026-11-29 14:20:00");
        assert_eq!(at(14 * 60 + 21), "2026-11-28 14:21:00");
    }

    #[test]
    fn one_that_is_late_is_told_the_same_day_or_within_the_hour_and_then_never() {
        let told_on = Some(day("2026-11-26"));
        let late = Daily { minute: 23 * 60 + 30, since_ms: 0, told_on };
        let at_ms = NOW_MS - 14 * HOUR_MS - 50 * MINUTE_MS;
        assert_eq!(when::second(at_ms, UTC), "2026-11-27 23:30:00");
        let of = |now_ms| next(&late, now_ms, UTC).0;
        assert_eq!(of(at_ms + 29 * MINUTE_MS), "2026-11-27");
        assert_eq!(of(at_ms + HOUR_MS - 1), "2026-11-27");
        assert_eq!(of(at_ms + HOUR_MS), "2026-11-28");
    }

    /// F14: Berlin leaves 02:30 out on 28 March 2027, and shows it twice on 25 October 2026.
    #[test]
    fn clocks_that_are_set_forward_or_back_make_one_a_day() {
        let daily = |told| Daily { minute: 150, since_ms: 0, told_on: Some(day(told)) };
        let spring_ms = 1_806_192_000_000;
        assert_eq!(when::second(spring_ms, Europe::Berlin), "2027-03-28 01:00:00");
        let (of, at) = next(&daily("2027-03-27"), spring_ms, Europe::Berlin);
        assert_eq!((of.as_str(), at.as_str()), ("2027-03-28", "2027-03-28 03:00:00"));
        let autumn_ms = 1_792_886_400_000 + HOUR_MS;
        assert_eq!(when::second(autumn_ms, Europe::Berlin), "2026-10-25 02:00:00");
        let (of, _) = next(&daily("2026-10-25"), autumn_ms + 45 * MINUTE_MS, Europe::Berlin);
        assert_eq!(of, "2026-10-26");
    }

    #[test]
    fn a_wrong_clock_silences_nothing_for_longer_than_zones_are_apart() {
        let daily = Daily { minute: EIGHT, since_ms: 0, told_on: Some(day("2099-01-01")) };
        assert_eq!(next(&daily, NOW_MS, UTC).0, "2026-11-28");
        let future = Daily { since_ms: NOW_MS + 900 * DAY_MS, told_on: None, ..daily };
        assert_eq!(next(&future, NOW_MS, UTC).0, "2026-11-28");
        // Told in Tokyo's morning, then moved to California, where it is the day before.
        let moved = Daily { told_on: Some(day("2026-11-29")), ..daily };
        assert_eq!(next(&moved, NOW_MS, America::Los_Angeles).0, "2026-11-30");
    }

    /// A house looked after by a process that sleeps, is killed, and looks again.
    fn lived(daily: &mut Daily, zone: Tz, looks: &[i64]) -> BTreeMap<NaiveDate, usize> {
        let mut told = BTreeMap::new();
        for now_ms in looks {
            while let Some(issue) = daily.next(*now_ms, zone).filter(|it| it.at_ms <= *now_ms) {
                *told.entry(issue.day).or_default() += 1;
                daily.told_on = Some(issue.day);
            }
        }
        told
    }

    proptest! {
        /// Any minute, zone and change of clocks, awake or not: a day in which somebody looked
        /// after its time was told of once, and no day twice.
        #[test]
        fn there_is_exactly_one_a_day(
            minute in 0u16..1440,
            from_minute in 0i64..40_000_000,
            pauses in prop::collection::vec(
                prop_oneof![9 => 1i64..90, 1 => 90i64..4_000], 50..300),
            zone in prop::sample::select(vec![UTC, Europe::Berlin, Africa::Cairo, Asia::Kathmandu,
                Australia::Lord_Howe, Pacific::Apia, America::Sao_Paulo, Asia::Tehran]),
        ) {
            let mut now_ms = from_minute * MINUTE_MS;
            let mut daily = Daily { minute, since_ms: now_ms, told_on: None };
            let since_ms = now_ms;
            let looks: Vec<i64> = pauses.iter().map(|pause| {
                now_ms += pause * MINUTE_MS;
                now_ms
            }).collect();
            let told = lived(&mut daily, zone, &looks);
            prop_assert!(told.values().all(|count| *count == 1), "{told:?}");
            let days = when::date_of(since_ms, zone).iter_days();
            for day in days.take_while(|day| *day <= when::date_of(now_ms, zone)) {
                let at_ms = when::at_minute(day, minute, zone).filter(|at_ms| *at_ms > since_ms);
                let Some(at_ms) = at_ms else {
                    prop_assert!(!told.contains_key(&day), "{day}: {told:?}");
                    continue;
                };
                let is_looked_after = looks.iter().any(|look_ms| {
                    *look_ms >= at_ms && when::date_of(*look_ms, zone) == day
                });
                if is_looked_after {
                    prop_assert!(told.contains_key(&day), "{day} {told:?}");
                }
            }
        }
    }
}
