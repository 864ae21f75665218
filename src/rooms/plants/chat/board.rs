//! A plant in one line, against its bands: for the board, the list and the digest.

use crate::kernel::text::Text;
use crate::kernel::time::Sight;
use crate::rooms::plants::lookup::PlantRow;
use crate::rooms::plants::rules::state::{Level, State};
use crate::rooms::plants::types::tenths;

/// What stands there while there is no plant.
pub fn none() -> Text {
    Text::of("No plants are described yet; /update_plant adds one.")
}

/// A plant's line at a moment of the pipelines' clock.
pub fn line(row: &PlantRow, sight: Sight) -> Text {
    let mark = State::of(row, sight).mark();
    Text::of(format!("{mark} ")).bold(&row.given_name).plain(" · ").then(stands(row, sight))
}

/// How a plant stands, in a few words. They say since when, never how long ago: what has not changed
/// reads the same.
pub fn stands(row: &PlantRow, sight: Sight) -> Text {
    let (Some(event_ms), Some(moisture), Some(temperature)) =
        (row.event_ms, row.moisture, row.temperature)
    else {
        return Text::of("no reading yet");
    };
    let band = format!("{}\u{a0}% of {}–{}", tenths(moisture), row.moisture_low, row.moisture_high);
    if sight.is_silent(event_ms) {
        return Text::of("silent since ").moment(event_ms).plain(format!(", then {band}"));
    }
    let bands = row.bands();
    let wet = match Level::of(moisture, bands.moisture) {
        Level::Low => ", dry",
        Level::High => ", wet",
        Level::Fine => "",
    };
    let warm = match Level::of(temperature, bands.temperature) {
        Level::Low => ", cold",
        Level::High => ", hot",
        Level::Fine => "",
    };
    Text::of(format!("{band}{wet} · ")).degrees(temperature).plain(warm)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::time::MINUTE_MS;

    /// 2026-11-28 14:20 UTC.
    const NOW_MS: i64 = 1_795_875_600_000;
    const SILENT_MS: i64 = 10 * MINUTE_MS;

    fn row(moisture: i64, temperature: i64) -> PlantRow {
        PlantRow {
            plant_id: 3,
            given_name: "<Fern>".to_owned(),
            common_name: "Fern".to_owned(),
            scientific_name: "Filix".to_owned(),
            temperature_low: 15.0,
            temperature_high: 30.0,
            moisture_low: 30.0,
            moisture_high: 60.0,
            event_ms: Some(NOW_MS - MINUTE_MS),
            moisture: Some(moisture),
            temperature: Some(temperature),
        }
    }

    fn words(row: &PlantRow, now_ms: i64) -> String {
        line(row, Sight { now_ms, silent_after_ms: SILENT_MS }).to_plain().replace('\u{a0}', " ")
    }

    #[test]
    fn each_plant_is_a_line_that_says_what_is_wrong() {
        let now = |moisture, temperature| words(&row(moisture, temperature), NOW_MS);
        assert_eq!(now(45_200, 20_000), "🟢 <Fern> · 45.2 % of 30–60 · 20.0 °C");
        assert_eq!(now(20_000, 20_000), "🟠 <Fern> · 20.0 % of 30–60, dry · 20.0 °C");
        assert_eq!(now(70_000, 20_000), "🔵 <Fern> · 70.0 % of 30–60, wet · 20.0 °C");
        assert_eq!(now(45_000, 31_000), "🔥 <Fern> · 45.0 % of 30–60 · 31.0 °C, hot");
        // Frost kills within hours.
        assert_eq!(now(20_000, 1_000), "🥶 <Fern> · 20.0 % of 30–60, dry · 1.0 °C, cold");
    }

    #[test]
    fn what_is_not_known_is_never_fine_and_reads_the_same_while_nothing_changes() {
        let silent = row(45_000, 20_000);
        let told = words(&silent, NOW_MS + SILENT_MS);
        assert_eq!(told, "⚫ <Fern> · silent since Sat 28 Nov 14:19, then 45.0 % of 30–60");
        assert_eq!(words(&silent, NOW_MS + 500 * MINUTE_MS), told);
        let unread = PlantRow { event_ms: None, moisture: None, temperature: None, ..silent };
        assert_eq!(words(&unread, NOW_MS), "⚪ <Fern> · no reading yet");
    }
}
