//! How a chat wants to be told things: its time zone, its unit of temperature, its quiet hours.

use std::fmt;

use chrono_tz::Tz;

use super::when;

/// Minutes in a day on the clock.
const DAY_MINUTES: u16 = 24 * 60;

/// What a chat has set; the default is what a chat has that never set anything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Settings {
    /// `None` is the house's own zone.
    pub time_zone: Option<Tz>,
    pub unit: Unit,
    pub quiet: Option<Quiet>,
}

impl Settings {
    /// The zone that the chat goes by.
    pub fn zone(&self, of_house: Tz) -> Tz {
        self.time_zone.unwrap_or(of_house)
    }

    /// When the quiet hours end in which a moment lies; `None` outside of them.
    pub fn quiet_until(&self, at_ms: i64, of_house: Tz) -> Option<i64> {
        self.quiet?.ends_at(at_ms, self.zone(of_house))
    }
}

/// What a chat reads temperatures in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Unit {
    #[default]
    Celsius,
    Fahrenheit,
}

impl Unit {
    pub fn symbol(self) -> &'static str {
        match self {
            Unit::Celsius => "°C",
            Unit::Fahrenheit => "°F",
        }
    }

    /// `21.5 °C`, from thousandths of a degree Celsius.
    pub fn shown(self, thousandths: i64) -> String {
        #[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
        let degrees = self.of_celsius(thousandths as f64 / 1000.0);
        format!("{degrees:.1}\u{a0}{}", self.symbol())
    }

    /// A temperature in this unit, from degrees Celsius.
    pub fn of_celsius(self, celsius: f64) -> f64 {
        match self {
            Unit::Celsius => celsius,
            Unit::Fahrenheit => celsius * 9.0 / 5.0 + 32.0,
        }
    }

    /// Degrees Celsius, from a temperature in this unit.
    pub fn to_celsius(self, degrees: f64) -> f64 {
        match self {
            Unit::Celsius => degrees,
            Unit::Fahrenheit => (degrees - 32.0) * 5.0 / 9.0,
        }
    }

    /// Thousandths of a degree of this unit, from thousandths of a degree Celsius.
    pub fn of_thousandths(self, celsius: i64) -> i64 {
        match self {
            Unit::Celsius => celsius,
            Unit::Fahrenheit => celsius.saturating_mul(9) / 5 + 32_000,
        }
    }
}

/// Hours in which a chat is told nothing that can wait, by its own clock; they may pass midnight.
/// The first minute is in them, the last is not, and they never take the whole day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quiet {
    from_minute: u16,
    to_minute: u16,
}

impl Quiet {
    /// From one minute of the day to another, each 0 to 1439; `None` for anything else, and where
    /// the two are one.
    pub fn new(from_minute: u16, to_minute: u16) -> Option<Quiet> {
        let is_clock = from_minute.max(to_minute) < DAY_MINUTES;
        (is_clock && from_minute != to_minute).then_some(Quiet { from_minute, to_minute })
    }

    pub fn from_minute(self) -> u16 {
        self.from_minute
    }

    pub fn to_minute(self) -> u16 {
        self.to_minute
    }

    /// Does the moment lie in them?
    pub fn holds(self, at_ms: i64, time_zone: Tz) -> bool {
        let minute = when::minute_of_day(at_ms, time_zone);
        match self.from_minute < self.to_minute {
            true => (self.from_minute..self.to_minute).contains(&minute),
            false => minute >= self.from_minute || minute < self.to_minute,
        }
    }

    /// When they end, if the moment lies in them.
    pub fn ends_at(self, at_ms: i64, time_zone: Tz) -> Option<i64> {
        self.holds(at_ms, time_zone).then(|| when::next_clock(at_ms, self.to_minute, time_zone))
    }
}

/// `22:00–07:00`.
impl fmt::Display for Quiet {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}–{}", when::of_minute(self.from_minute), when::of_minute(self.to_minute))
    }
}

#[cfg(test)]
mod tests {
    use chrono_tz::Europe::Berlin;
    use proptest::prelude::*;

    use super::*;
    use crate::kernel::time::{DAY_MS, HOUR_MS, MINUTE_MS};

    /// Midnight UTC of 25 October 2026, the night in which Berlin shows two o'clock twice.
    const CHANGE_MS: i64 = 1_792_886_400_000;
    const NIGHT: (u16, u16) = (22 * 60, 7 * 60);

    #[test]
    fn quiet_hours_pass_midnight_and_end_by_the_chats_own_clock() {
        let night = Quiet::new(NIGHT.0, NIGHT.1).unwrap();
        assert_eq!(night.to_string(), "22:00–07:00");
        let settings =
            Settings { time_zone: Some(Berlin), quiet: Some(night), ..Settings::default() };
        // 22:00 in Berlin's summer is 20:00 UTC; 07:00 in its winter is 06:00 UTC.
        let evening_ms = CHANGE_MS - 4 * HOUR_MS;
        let until = |at_ms| settings.quiet_until(at_ms, chrono_tz::UTC);
        assert_eq!(until(evening_ms - 1), None);
        assert_eq!(until(evening_ms), Some(CHANGE_MS + 6 * HOUR_MS));
        assert_eq!(until(CHANGE_MS + 6 * HOUR_MS), None);
    }

    #[test]
    fn quiet_hours_are_two_different_minutes_of_a_day() {
        for (from, to) in [(0, 0), (60, 60), (0, 1440), (1440, 0)] {
            assert_eq!(Quiet::new(from, to), None, "{from} {to}");
        }
        let noon = Quiet::new(12 * 60, 13 * 60).unwrap();
        assert_eq!(noon.ends_at(12 * HOUR_MS + 5, chrono_tz::UTC), Some(13 * HOUR_MS));
    }

    #[test]
    fn temperatures_come_back_from_either_unit() {
        assert!((Unit::Fahrenheit.of_celsius(15.0) - 59.0).abs() < 1e-9);
        assert!((Unit::Fahrenheit.to_celsius(86.0) - 30.0).abs() < 1e-9);
        assert!((Unit::Celsius.to_celsius(21.5) - 21.5).abs() < f64::EPSILON);
        let shown = |celsius| Unit::Fahrenheit.of_thousandths(celsius);
        assert_eq!((shown(0), shown(100_000), shown(-40_000)), (32_000, 212_000, -40_000));
        assert_eq!(Unit::Celsius.of_thousandths(21_500), 21_500);
    }

    proptest! {
        /// What waits for the end of quiet hours comes into no other minute of them.
        #[test]
        fn their_end_is_never_quiet_and_less_than_two_days_away(
            from in 0u16..1440, to in 0u16..1440, at_minute in 0i64..40_000_000,
            zone in prop::sample::select(vec![chrono_tz::UTC, Berlin, chrono_tz::Africa::Cairo,
                chrono_tz::Asia::Kathmandu, chrono_tz::Australia::Lord_Howe]),
        ) {
            let Some(quiet) = Quiet::new(from, to) else { return Ok(()) };
            let at_ms = at_minute * MINUTE_MS;
            let mut end_ms = at_ms;
            // Where clocks are set back, quiet hours may begin anew as they end.
            for _ in 0..2 {
                let Some(ends_at) = quiet.ends_at(end_ms, zone) else { break };
                prop_assert!(ends_at > end_ms && ends_at - end_ms < 2 * DAY_MS);
                end_ms = ends_at;
            }
            prop_assert!(!quiet.holds(end_ms, zone));
        }
    }
}
