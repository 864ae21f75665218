//! What the daily digest tells of plants beside the alerts that last: what will be dry, what was
//! watered, what is not known, and what is well.
//!
//! Invariant: nothing is called well that was not read lately.

use super::board;
use crate::kernel::text::Text;
use crate::rooms::plants::care::Watered;
use crate::rooms::plants::lookup::PlantRow;
use crate::rooms::plants::outlook::Soon;
use crate::rooms::plants::regular::{Counts, Day};
use crate::rooms::plants::rules;
use crate::rooms::plants::sensors::{Mapped, Portion};

/// The plants' part of the digest.
pub fn text(day: &Day) -> Text {
    let mut parts = Vec::new();
    let Counts { total, fresh, .. } = day.counts;
    if total == 0 {
        return board::none();
    }
    let by_line = |row: &PlantRow| board::line(row, day.now_ms);
    parts.extend(section("Out of their bands just now:", &day.outside, by_line));
    parts.extend(section("Dry within two days:", &day.soon, soon));
    parts.extend(section("Watered in the last 24 h:", &day.watered, watered));
    parts.extend(section("Nobody knows how these are:", &day.unknown, by_line));
    parts.extend(section("Silent sensors:", &day.sensors, sensor));
    parts.extend(match fresh {
        0 => Some(Text::of(
            "⚪ No plant was read in the last 10 min, so nothing is known of how they are now.",
        )),
        _ => well(day.counts),
    });
    let mut parts = parts.into_iter();
    let first = parts.next().unwrap_or_default();
    parts.fold(first, |text, part| text.line().below(part))
}

/// `None` where nothing is.
fn section<T>(heading: &str, of: &Portion<T>, line: impl Fn(&T) -> Text) -> Option<Text> {
    if of.shown.is_empty() {
        return None;
    }
    let text = of.shown.iter().map(line).fold(Text::new().bold(heading), Text::below);
    let rest = of.total - i64::try_from(of.shown.len()).unwrap_or(0);
    Some(match rest {
        1.. => text.below(Text::of(format!("… and {rest} more"))),
        _ => text,
    })
}

fn soon(plant: &Soon) -> Text {
    let about_ms = rules::likely_ms(&plant.forecast);
    Text::of("🏜 ").bold(&plant.given_name).plain(" about ").moment(about_ms)
}

fn watered((given_name, watered): &(String, Watered)) -> Text {
    let how = if watered.is_said { "" } else { ", as its moisture shows" };
    Text::of("💧 ").bold(given_name).plain(", ").moment(watered.at_ms).plain(how)
}

fn sensor(sensor: &Mapped) -> Text {
    let text = Text::of("⚫ ").bold(&sensor.sensor_id);
    let text = match &sensor.given_name {
        Some(name) => text.plain(" of ").data(name),
        None => text.plain(format!(" of plant {}", sensor.plant_id)),
    };
    match sensor.heard_ms {
        Some(heard_ms) => text.plain(" since ").moment(heard_ms),
        None => text,
    }
}

fn well(counts: Counts) -> Option<Text> {
    let Counts { total, well, .. } = counts;
    let (who, are) = match (well, total) {
        (0, _) => return None,
        (1, 1) => ("The one plant".to_owned(), "is"),
        (well, total) if well == total => (format!("All {total} plants"), "are"),
        (1, total) => (format!("All else is well: 1 of {total} plants"), "is"),
        (well, total) => (format!("All else is well: {well} of {total} plants"), "are"),
    };
    let have = if well == 1 { "has" } else { "have" };
    Some(Text::of(format!(
        "🟢 {who} {have} been read in the last 10 min and {are} within the bands."
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::time::HOUR_MS;
    use crate::rooms::plants::rules::forecast::Forecast;

    /// 2026-11-28 14:20 UTC.
    const NOW_MS: i64 = 1_795_875_600_000;

    fn told(day: &Day) -> String {
        text(day).to_plain()
    }

    fn day(total: i64, fresh: i64, well: i64) -> Day {
        Day { now_ms: NOW_MS, counts: Counts { total, fresh, well }, ..Day::default() }
    }

    fn portion<T>(shown: Vec<T>) -> Portion<T> {
        let total = i64::try_from(shown.len()).unwrap();
        Portion { shown, total }
    }

    #[test]
    fn only_what_was_read_lately_is_called_well() {
        let all = "🟢 All 3 plants have been read in the last 10 min and are within the bands.";
        assert_eq!(told(&day(3, 3, 3)), all);
        assert!(told(&day(3, 2, 1)).starts_with("🟢 All else is well: 1 of 3 plants has been"));
        assert!(told(&day(3, 0, 0)).contains("nothing is known of how they are now"));
        assert!(told(&day(0, 0, 0)).contains("No plants are described yet"));
        for nothing_well in [day(3, 1, 0), day(3, 0, 0), day(0, 0, 0)] {
            assert!(!told(&nothing_well).contains("🟢"), "{nothing_well:?}");
        }
    }

    #[test]
    fn what_is_to_be_done_and_what_was_done_is_told_by_name() {
        let likely_ms = NOW_MS + 30 * HOUR_MS;
        let forecast = Forecast { from_ms: NOW_MS, likely_ms, to_ms: likely_ms + HOUR_MS };
        let given_name = "Cyril".to_owned();
        let watered = Watered { at_ms: NOW_MS - HOUR_MS, is_said: false };
        let sensor = Mapped {
            sensor_id: "0x37".to_owned(),
            plant_id: 4,
            given_name: None,
            heard_ms: Some(NOW_MS - HOUR_MS),
        };
        let told = told(&Day {
            soon: Portion { shown: vec![Soon { given_name, forecast }], total: 12 },
            watered: portion(vec![("Ginny".to_owned(), watered)]),
            sensors: portion(vec![sensor]),
            ..day(3, 3, 2)
        });
        let expected = "Dry within two days:\n🏜 Cyril about Sun 29 Nov 20:00\n… and 11 more\n\n\
            Watered in the last 24 h:\n💧 Ginny, Sat 28 Nov 13:20, as its moisture shows\n\n\
            Silent sensors:\n⚫ 0x37 of plant 4 since Sat 28 Nov 13:20\n\n\
            🟢 All else is well: 2 of 3 plants have been read in the last 10 min and are within \
            the bands.";
        assert_eq!(told, expected);
    }
}
