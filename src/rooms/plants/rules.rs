//! The dryness rule: a closed window with more low readings than the limit is an alert.

use crate::kernel::alert::Alert;
use crate::kernel::text::Text;
use crate::kernel::when;

pub mod cards;

/// The rule's name; it is part of the alert's identity.
pub const DRY: &str = "plants.dry";

/// A closed window of a plant that has metadata: names as they are now.
#[derive(Debug, Clone, PartialEq)]
pub struct DryWindow {
    pub plant_id: i32,
    pub given_name: String,
    pub common_name: String,
    pub scientific_name: String,
    pub moisture_low: f32,
    pub start_ms: i64,
    pub end_ms: i64,
    pub low_count: i64,
}

/// The alert of a closed window, if it has more than `limit` low readings.
pub fn dry(window: &DryWindow, limit: i64, time_zone: chrono_tz::Tz) -> Option<Alert> {
    if window.low_count <= limit {
        return None;
    }
    let span = when::span(window.start_ms, window.end_ms, time_zone);
    let text = sentence(window).line().plain(format!(
        "{} low readings, {span}: below {} % moisture.",
        window.low_count, window.moisture_low
    ));
    let brief = Text::of("🥀 ")
        .bold(&window.given_name)
        .plain(format!(" was dry, {span} ({} low readings)", window.low_count));
    Some(Alert::new(DRY, window.plant_id.to_string(), window.end_ms, text, brief))
}

/// The contract's sentence as plain text, for other programs.
pub fn message(window: &DryWindow) -> String {
    format!(
        "{} the {} ({}) is looking pretty dry...",
        window.given_name, window.common_name, window.scientific_name
    )
}

/// The contract's sentence.
fn sentence(window: &DryWindow) -> Text {
    Text::of("🥀 ")
        .bold(&window.given_name)
        .plain(" the ")
        .data(&window.common_name)
        .plain(" (")
        .italic(&window.scientific_name)
        .plain(") is looking pretty dry...")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(low_count: i64) -> DryWindow {
        DryWindow {
            plant_id: 0,
            given_name: "Cyril".to_owned(),
            common_name: "Dwarf Umbrella Tree".to_owned(),
            scientific_name: "Schefflera arboricola".to_owned(),
            moisture_low: 30.0,
            start_ms: 0,
            end_ms: 21_600_000,
            low_count,
        }
    }

    #[test]
    fn more_than_the_limit_is_dry() {
        assert_eq!(dry(&window(120), 120, chrono_tz::UTC), None);
        let alert = dry(&window(121), 120, chrono_tz::UTC).unwrap();
        assert_eq!((alert.subject.as_str(), alert.event_ms), ("0", 21_600_000));
        assert_eq!(
            alert.text.to_plain().lines().next().unwrap(),
            "🥀 Cyril the Dwarf Umbrella Tree (Schefflera arboricola) is looking pretty dry..."
        );
    }
}
