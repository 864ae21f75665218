//! Time zones as people name them: a city, an IANA name, or how far a clock is from UTC.

use chrono_tz::{TZ_VARIANTS, Tz};

use super::time::DAY_MS;
use super::when;

/// Zones that are offered where several fit.
const OFFERS_MAX: usize = 6;
/// A city is offered when it is at least this similar (Jaro-Winkler, 0 to 1).
const SIMILARITY: f64 = 0.85;
/// The furthest that clocks are from UTC, in minutes to the west and to the east (tz database).
const OFFSETS_MINUTES: std::ops::RangeInclusive<i32> = -12 * 60..=14 * 60;

/// No clocks are set for less than some weeks.
const WEEKS_OF_YEAR: i64 = 53;

/// One city for each way of setting clocks that many people live by, from west to east: what is
/// offered for an offset.
const CITIES: [Tz; 37] = [
    Tz::Pacific__Honolulu,
    Tz::America__Anchorage,
    Tz::America__Los_Angeles,
    Tz::America__Phoenix,
    Tz::America__Denver,
    Tz::America__Mexico_City,
    Tz::America__Chicago,
    Tz::America__Bogota,
    Tz::America__New_York,
    Tz::America__Halifax,
    Tz::America__Santiago,
    Tz::America__St_Johns,
    Tz::America__Sao_Paulo,
    Tz::Atlantic__Azores,
    Tz::Europe__London,
    Tz::Europe__Lisbon,
    Tz::Africa__Lagos,
    Tz::Europe__Berlin,
    Tz::Africa__Johannesburg,
    Tz::Africa__Cairo,
    Tz::Europe__Athens,
    Tz::Europe__Istanbul,
    Tz::Africa__Nairobi,
    Tz::Asia__Tehran,
    Tz::Asia__Dubai,
    Tz::Asia__Kabul,
    Tz::Asia__Karachi,
    Tz::Asia__Kolkata,
    Tz::Asia__Kathmandu,
    Tz::Asia__Dhaka,
    Tz::Asia__Bangkok,
    Tz::Asia__Shanghai,
    Tz::Asia__Tokyo,
    Tz::Australia__Adelaide,
    Tz::Australia__Brisbane,
    Tz::Australia__Sydney,
    Tz::Pacific__Auckland,
];

/// What somebody meant who was asked for a time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meant {
    Zone(Tz),
    /// An offset: the zone whose clocks always have it, and cities that have it just now.
    Offset(Tz, Vec<Tz>),
    /// Several fit, or none quite.
    Offers(Vec<Tz>),
    Nothing,
}

/// The zone that was typed; an offset is the one that clocks have at this moment.
pub fn meant(typed: &str, now_ms: i64) -> Meant {
    let wanted = typed.trim().to_lowercase().replace(' ', "_");
    if wanted.is_empty() {
        return Meant::Nothing;
    }
    if let Some(minutes) = offset(&wanted) {
        return at_offset(minutes, now_ms);
    }
    if let Some(zone) = TZ_VARIANTS.iter().find(|zone| zone.name().to_lowercase() == wanted) {
        return Meant::Zone(*zone);
    }
    let mut called: Vec<Tz> =
        TZ_VARIANTS.iter().filter(|zone| city(**zone) == wanted).copied().collect();
    // Some cities have two names that are one zone: the shorter is the one that people know.
    called.sort_by_key(|zone| (zone.name().matches('/').count(), zone.name()));
    called.dedup_by_key(|zone| when::offset_minutes(now_ms, *zone));
    match called.as_slice() {
        [zone] => Meant::Zone(*zone),
        [] => similar(&wanted),
        _ => Meant::Offers(called),
    }
}

/// A zone's name as people read it. Those that are an offset count to the west (tz database,
/// `etcetera`), so theirs would say the opposite: `Etc/GMT-14` is `UTC+14:00`.
pub fn name(zone: Tz) -> String {
    match zone.name().starts_with("Etc/GMT") {
        true => {
            let minutes = when::offset_minutes(0, zone);
            format!("UTC{:+03}:{:02}", minutes / 60, minutes % 60)
        }
        false => zone.name().to_owned(),
    }
}

/// The last part of a zone's name, in small letters.
fn city(zone: Tz) -> String {
    let name = zone.name();
    name.rsplit('/').next().unwrap_or(name).to_lowercase()
}

/// `+2`, `utc+02:00`, `-3:30`, `+0545` in minutes.
fn offset(text: &str) -> Option<i32> {
    let bare = text.strip_prefix("utc").or_else(|| text.strip_prefix("gmt")).unwrap_or(text);
    let bare = bare.replace('−', "-");
    let (sign, digits) = match bare.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, bare.strip_prefix('+')?),
    };
    let (hours, minutes) = match digits.split_once(':') {
        Some(parts) => parts,
        None if digits.is_ascii() && digits.len() == 4 => digits.split_at(2),
        None => (digits, "0"),
    };
    let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
    (minutes < 60).then(|| sign * (i32::from(hours) * 60 + i32::from(minutes)))
}

/// The zone whose clocks are always so far from UTC, with cities where they are so now. Where there
/// is none that always is, those that are now are offered.
fn at_offset(minutes: i32, now_ms: i64) -> Meant {
    if !OFFSETS_MINUTES.contains(&minutes) {
        return Meant::Nothing;
    }
    let fits = |zone: &Tz| when::offset_minutes(now_ms, *zone) == minutes;
    let cities: Vec<Tz> = CITIES.into_iter().filter(fits).take(OFFERS_MAX - 1).collect();
    if let Some(zone) = always_at(minutes, now_ms) {
        let others = cities.into_iter().filter(|city| *city != zone);
        return Meant::Offset(zone, others.collect());
    }
    let offers = TZ_VARIANTS.iter().copied().filter(|zone| fits(zone) && !cities.contains(zone));
    let offers: Vec<Tz> = cities.iter().copied().chain(offers).take(OFFERS_MAX).collect();
    if offers.is_empty() { Meant::Nothing } else { Meant::Offers(offers) }
}

/// A zone whose clocks are so far from UTC now and all through the next year: the one that is
/// nothing but this offset, or a city that is not set back and forth.
fn always_at(minutes: i32, now_ms: i64) -> Option<Tz> {
    if minutes % 60 == 0 {
        // These zones count hours to the west.
        let hours = -minutes / 60;
        let fixed = if hours == 0 { "UTC".to_owned() } else { format!("Etc/GMT{hours:+}") };
        return fixed.parse().ok();
    }
    let is_steady = |zone: &Tz| {
        let mut weeks = (0..=WEEKS_OF_YEAR).map(|week| now_ms + week * 7 * DAY_MS);
        weeks.all(|ms| when::offset_minutes(ms, *zone) == minutes)
    };
    let is_city = |zone: &Tz| zone.name().contains('/') && !zone.name().starts_with("Etc/");
    CITIES.into_iter().chain(TZ_VARIANTS).filter(is_city).find(is_steady)
}

fn similar(wanted: &str) -> Meant {
    let score = |zone: &Tz| {
        let city = city(*zone);
        let is_part = wanted.len() >= 3 && city.contains(wanted);
        if is_part { 1.0 } else { strsim::jaro_winkler(wanted, &city) }
    };
    // A name without a slash is an old one of a country or a rule.
    let cities = TZ_VARIANTS.iter().filter(|zone| zone.name().contains('/'));
    let mut scored: Vec<(f64, Tz)> = cities.map(|zone| (score(zone), *zone)).collect();
    scored.retain(|(score, _)| *score >= SIMILARITY);
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.name().cmp(b.1.name())));
    let mut offers: Vec<Tz> = Vec::new();
    for (_, zone) in scored {
        if offers.len() < OFFERS_MAX && !offers.iter().any(|offer| city(*offer) == city(zone)) {
            offers.push(zone);
        }
    }
    if offers.is_empty() { Meant::Nothing } else { Meant::Offers(offers) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-28 14:20 UTC.
    const WINTER_MS: i64 = 1_795_875_600_000;
    /// Half a year earlier.
    const SUMMER_MS: i64 = WINTER_MS - 182 * DAY_MS;

    fn offers(typed: &str, now_ms: i64) -> Vec<&'static str> {
        match meant(typed, now_ms) {
            Meant::Offers(zones) => zones.iter().map(|zone| zone.name()).collect(),
            other => panic!("{typed}: {other:?}"),
        }
    }

    #[test]
    fn a_city_or_the_name_of_a_zone_is_a_zone() {
        for (typed, name) in [
            ("berlin", "Europe/Berlin"),
            (" New York ", "America/New_York"),
            ("europe/berlin", "Europe/Berlin"),
            ("buenos aires", "America/Buenos_Aires"),
            ("UTC", "UTC"),
        ] {
            assert_eq!(meant(typed, WINTER_MS), Meant::Zone(name.parse().unwrap()), "{typed}");
        }
    }

    #[test]
    fn an_offset_is_a_zone_at_once_and_names_who_has_it_now() {
        let set = |typed: &str, now_ms| match meant(typed, now_ms) {
            Meant::Offset(zone, others) => {
                (name(zone), others.iter().map(|zone| zone.name()).collect::<Vec<_>>())
            }
            other => panic!("{typed}: {other:?}"),
        };
        let lagos_and_berlin = vec!["Africa/Lagos", "Europe/Berlin"];
        assert_eq!(set("+1", WINTER_MS), ("UTC+01:00".to_owned(), lagos_and_berlin));
        assert!(set("UTC+02:00", SUMMER_MS).1.contains(&"Europe/Berlin"));
        // No zone is these offsets alone, but no clocks are set there.
        assert_eq!(set("+05:30", WINTER_MS), ("Asia/Kolkata".to_owned(), vec![]));
        assert_eq!(set("+0545", WINTER_MS), ("Asia/Kathmandu".to_owned(), vec![]));
        assert_eq!(set("+9:30", SUMMER_MS).0, "Australia/Darwin");
        assert_eq!(set("-9:30", WINTER_MS).0, "Pacific/Marquesas");
        assert_eq!(set("+14:00", WINTER_MS), ("UTC+14:00".to_owned(), vec![]));
        assert_eq!(set("-12", WINTER_MS).0, "UTC-12:00");
        assert_eq!(set("utc-0", WINTER_MS).0, "UTC");
        for typed in ["+15", "-13", "+1:60", "+5:31", "+99999999999", ""] {
            assert_eq!(meant(typed, WINTER_MS), Meant::Nothing, "{typed}");
        }
    }

    #[test]
    fn an_offset_that_nobody_keeps_all_year_offers_who_has_it_now() {
        assert!(offers("-3:30", WINTER_MS).contains(&"America/St_Johns"));
        assert!(offers("+13:45", WINTER_MS).contains(&"Pacific/Chatham"));
    }

    #[test]
    fn what_is_nearly_a_city_is_offered() {
        assert_eq!(offers("berln", WINTER_MS)[0], "Europe/Berlin");
        assert_eq!(offers("angeles", WINTER_MS), ["America/Los_Angeles"]);
        for typed in ["qqqqq", "٣", "<b>"] {
            assert_eq!(meant(typed, WINTER_MS), Meant::Nothing, "{typed}");
        }
    }
}
