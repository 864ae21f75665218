//! Times as people read them, in their own zone.

use chrono::{
    DateTime, MappedLocalTime, NaiveDate, NaiveTime, Offset, TimeDelta, TimeZone, Timelike, Utc,
};
use chrono_tz::Tz;

use super::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};

fn local(ms: i64, time_zone: Tz) -> DateTime<Tz> {
    let utc = DateTime::<Utc>::from_timestamp_millis(ms).unwrap_or_default();
    time_zone.from_utc_datetime(&utc.naive_utc())
}

/// How far a zone's clocks are from UTC at a moment, in minutes; to the east is more.
pub fn offset_minutes(ms: i64, time_zone: Tz) -> i32 {
    local(ms, time_zone).offset().fix().local_minus_utc() / 60
}

/// `Sat 21 Nov 14:05`.
pub fn moment(ms: i64, time_zone: Tz) -> String {
    local(ms, time_zone).format("%a %-d %b %H:%M").to_string()
}

/// `14:05`.
pub fn clock(ms: i64, time_zone: Tz) -> String {
    local(ms, time_zone).format("%H:%M").to_string()
}

/// `2026-11-21 14:05`, where the year matters.
pub fn date(ms: i64, time_zone: Tz) -> String {
    local(ms, time_zone).format("%Y-%m-%d %H:%M").to_string()
}

/// `2026-11-21 14:05:09`, where one event matters by itself.
pub fn second(ms: i64, time_zone: Tz) -> String {
    local(ms, time_zone).format("%Y-%m-%d %H:%M:%S").to_string()
}

/// `2026-11-21`: the day in which a moment lies.
pub fn day(ms: i64, time_zone: Tz) -> String {
    local(ms, time_zone).format("%Y-%m-%d").to_string()
}

/// `Sat 21`: a day among those around it.
pub fn weekday(ms: i64, time_zone: Tz) -> String {
    local(ms, time_zone).format("%a %-d").to_string()
}

/// The day in which a moment lies.
pub fn date_of(ms: i64, time_zone: Tz) -> NaiveDate {
    local(ms, time_zone).date_naive()
}

/// When a zone's clocks show this, the first time if they do so twice; `None` where they leave it
/// out.
pub fn at(date: NaiveDate, time: NaiveTime, time_zone: Tz) -> Option<i64> {
    let moment = time_zone.from_local_datetime(&date.and_time(time)).earliest()?;
    Some(moment.timestamp_millis())
}

/// The next evening after a moment: six o'clock by a zone's clocks.
pub fn evening_after(ms: i64, time_zone: Tz) -> i64 {
    let evening =
        |date: NaiveDate| at(date, date.and_hms_opt(EVENING_HOUR, 0, 0)?.time(), time_zone);
    let today = date_of(ms, time_zone);
    // No zone leaves out two evenings in a row.
    let days = today.iter_days().take(3).filter_map(evening);
    days.into_iter().find(|evening_ms| *evening_ms > ms).unwrap_or(i64::MAX)
}

/// When people are told of the next day.
const EVENING_HOUR: u32 = 18;

/// When the day of a moment ends: its zone's next midnight, or the first moment after it where the
/// clocks leave midnight out.
pub fn day_end(ms: i64, time_zone: Tz) -> i64 {
    let Some(next) = local(ms, time_zone).date_naive().succ_opt() else { return i64::MAX };
    (0..=MIDNIGHT_GAP_HOURS)
        .filter_map(|hour| next.and_hms_opt(hour, 0, 0))
        .find_map(|midnight| time_zone.from_local_datetime(&midnight).earliest())
        .map_or(i64::MAX, |end| end.timestamp_millis())
}

/// The minute of the day that the zone's clocks show, 0 to 1439.
pub fn minute_of_day(ms: i64, time_zone: Tz) -> u16 {
    let time = local(ms, time_zone).time();
    u16::try_from(time.hour() * 60 + time.minute()).unwrap_or(0)
}

/// `08:00`, from a minute of the day.
pub fn of_minute(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

/// The first moment after `ms` at which the zone's clocks show this minute of the day, or have
/// left it out.
pub fn next_clock(ms: i64, minute: u16, time_zone: Tz) -> i64 {
    let today = local(ms, time_zone).date_naive();
    let moment = |day: NaiveDate| {
        let shown = shown(day, minute, time_zone)?;
        // The hour that is there twice shows the minute twice.
        let twice = [shown.earliest()?, shown.latest()?].map(|moment| moment.timestamp_millis());
        twice.into_iter().find(|moment_ms| *moment_ms > ms)
    };
    let days = today.iter_days().take(NEXT_CLOCK_DAYS);
    days.filter_map(moment).min().unwrap_or(i64::MAX)
}

/// When a zone's clocks show this minute of a day, the first time if they do so twice, or the first
/// moment behind it where they leave it out. `None`: the zone leaves out all of that time.
pub fn at_minute(day: NaiveDate, minute: u16, time_zone: Tz) -> Option<i64> {
    Some(shown(day, minute, time_zone)?.earliest()?.timestamp_millis())
}

/// When the clocks show a minute of a day, or the first one behind it that they do show.
fn shown(day: NaiveDate, minute: u16, time_zone: Tz) -> Option<MappedLocalTime<DateTime<Tz>>> {
    let wanted = day.and_hms_opt(u32::from(minute / 60), u32::from(minute % 60), 0)?;
    (0..=i64::from(MIDNIGHT_GAP_HOURS) * 60)
        .map(|later| time_zone.from_local_datetime(&(wanted + TimeDelta::minutes(later))))
        .find(|shown| shown.earliest().is_some())
}

/// Today, tomorrow, and one day that a zone may leave out altogether.
const NEXT_CLOCK_DAYS: usize = 3;

/// No zone has left out more of a morning than this.
const MIDNIGHT_GAP_HOURS: u32 = 3;

/// `Sat 21 Nov 06:00–12:00`; the day is repeated when it differs.
pub fn span(from_ms: i64, to_ms: i64, time_zone: Tz) -> String {
    let (from, to) = (local(from_ms, time_zone), local(to_ms, time_zone));
    let end = if from.date_naive() == to.date_naive() { "%H:%M" } else { "%a %-d %b %H:%M" };
    format!("{}–{}", from.format("%a %-d %b %H:%M"), to.format(end))
}

/// `12 s ago`, `5 min ago`, `3 h ago`, `2 days ago`; what is ahead is "just now".
pub fn ago(then_ms: i64, now_ms: i64) -> String {
    match now_ms - then_ms {
        ..SECOND_MS => "just now".to_owned(),
        passed_ms => format!("{} ago", length(passed_ms)),
    }
}

/// `12 s`, `5 min`, `3 h`, `2 days`, rounded down.
pub fn length(span_ms: i64) -> String {
    match span_ms {
        ..MINUTE_MS => format!("{} s", span_ms / SECOND_MS),
        MINUTE_MS..HOUR_MS => format!("{} min", span_ms / MINUTE_MS),
        HOUR_MS..DAY_MS => format!("{} h", span_ms / HOUR_MS),
        _ if span_ms < 2 * DAY_MS => "1 day".to_owned(),
        _ => format!("{} days", span_ms / DAY_MS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_in_the_persons_zone() {
        let new_year_ms = 1_767_225_600_000;
        assert_eq!(moment(new_year_ms, chrono_tz::UTC), "Thu 1 Jan 00:00");
        assert_eq!(moment(new_year_ms, chrono_tz::Europe::Berlin), "Thu 1 Jan 01:00");
        let six_hours_ms = 6 * HOUR_MS;
        assert_eq!(
            span(new_year_ms, new_year_ms + six_hours_ms, chrono_tz::UTC),
            "Thu 1 Jan 00:00–06:00"
        );
        assert_eq!(
            span(new_year_ms - six_hours_ms, new_year_ms, chrono_tz::UTC),
            "Wed 31 Dec 18:00–Thu 1 Jan 00:00"
        );
    }

    /// F14: in the night of 25 October 2026 Berlin's clocks show two o'clock twice.
    #[test]
    fn a_span_over_a_change_of_the_clocks_is_shown_as_the_clocks_show_it() {
        let midnight_utc_ms = 1_792_886_400_000;
        let end_ms = midnight_utc_ms + 6 * HOUR_MS;
        let shown = span(midnight_utc_ms, end_ms, chrono_tz::Europe::Berlin);
        assert_eq!(shown, "Sun 25 Oct 02:00–07:00");
    }

    #[test]
    fn a_day_ends_at_its_own_midnight() {
        let berlin = chrono_tz::Europe::Berlin;
        let end_ms = day_end(1_792_886_400_000, berlin);
        assert_eq!(second(end_ms, berlin), "2026-10-26 00:00:00");
        assert_eq!(day(end_ms - 1, berlin), "2026-10-25");
        assert_eq!(day_end(end_ms - 1, berlin), end_ms);
        assert!(day_end(end_ms, berlin) > end_ms);
        // In Cairo the clocks went from 23:59:59 to 01:00 in the night to 24 April 2026.
        let cairo = chrono_tz::Africa::Cairo;
        let spring_ms = 1_776_945_600_000;
        let end_ms = day_end(spring_ms, cairo);
        assert_eq!(day(spring_ms, cairo), "2026-04-23");
        assert_eq!(second(end_ms, cairo), "2026-04-24 01:00:00");
    }

    #[test]
    fn an_evening_is_the_next_six_oclock_of_a_zone() {
        let berlin = chrono_tz::Europe::Berlin;
        let evening_ms = evening_after(1_792_886_400_000, berlin);
        assert_eq!(second(evening_ms, berlin), "2026-10-25 18:00:00");
        let next_ms = evening_after(evening_ms, berlin);
        assert_eq!(second(next_ms, berlin), "2026-10-26 18:00:00");
        assert_eq!(evening_after(evening_ms - 1, berlin), evening_ms);
    }

    #[test]
    fn ages_are_rounded_down() {
        assert_eq!(ago(0, 999), "just now");
        assert_eq!(ago(0, 59_999), "59 s ago");
        assert_eq!(ago(0, 2 * HOUR_MS), "2 h ago");
        assert_eq!(ago(0, 3 * DAY_MS + 1), "3 days ago");
    }
}
