//! How a plant is: the one place that decides it, for list, card, board, digest and pictures.
//!
//! Invariant: what was not read lately is never fine. `lookup::STATE` says the same in SQL, where
//! plants are counted and put in order; a test there holds the two together.

use crate::kernel::time::Sight;
use crate::rooms::plants::life::Bands;
use crate::rooms::plants::lookup::PlantRow;

/// How a value stands against its band.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Low,
    Fine,
    High,
}

impl Level {
    /// All in thousandths; either edge is within the band.
    pub fn of(value: i64, (low, high): (i64, i64)) -> Level {
        if value < low {
            Level::Low
        } else if value > high {
            Level::High
        } else {
            Level::Fine
        }
    }
}

/// How a plant is, the worst that is known of it: what needs care first, then what nobody knows.
/// Frost and heat kill within hours, so they come before dry and wet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    Cold,
    Hot,
    Dry,
    Wet,
    /// It was read, but not lately.
    Silent,
    /// It was never read.
    Unread,
    Fine,
}

impl State {
    /// In their order; `lookup::STATE` gives the place in it.
    pub const ALL: [State; 7] = [
        State::Cold,
        State::Hot,
        State::Dry,
        State::Wet,
        State::Silent,
        State::Unread,
        State::Fine,
    ];

    /// As the newest reading has it, at a moment of the pipelines' clock.
    pub fn of(row: &PlantRow, sight: Sight) -> State {
        let (Some(event_ms), Some(moisture), Some(temperature)) =
            (row.event_ms, row.moisture, row.temperature)
        else {
            return State::Unread;
        };
        if sight.is_silent(event_ms) {
            return State::Silent;
        }
        let bands = row.bands();
        let moisture = Level::of(moisture, bands.moisture);
        match (Level::of(temperature, bands.temperature), moisture) {
            (Level::Low, _) => State::Cold,
            (Level::High, _) => State::Hot,
            (Level::Fine, Level::Low) => State::Dry,
            (Level::Fine, Level::High) => State::Wet,
            (Level::Fine, Level::Fine) => State::Fine,
        }
    }

    /// What stands before the name of such a plant.
    pub fn mark(self) -> &'static str {
        match self {
            State::Cold => "🥶",
            State::Hot => "🔥",
            State::Dry => "🟠",
            State::Wet => "🔵",
            State::Silent => "⚫",
            State::Unread => "⚪",
            State::Fine => "🟢",
        }
    }

    /// So many plants are …
    pub fn word(self) -> &'static str {
        match self {
            State::Cold => "cold",
            State::Hot => "hot",
            State::Dry => "dry",
            State::Wet => "wet",
            State::Silent => "silent",
            State::Unread => "never read",
            State::Fine => "fine",
        }
    }
}

impl PlantRow {
    /// What the plant should have.
    pub fn bands(&self) -> Bands {
        let moisture = (self.moisture_low, self.moisture_high);
        Bands::of(moisture, (self.temperature_low, self.temperature_high))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edges_of_a_band_are_within_it() {
        let level = |value| Level::of(value, (30_000, 60_000));
        assert_eq!((level(29_999), level(30_000)), (Level::Low, Level::Fine));
        assert_eq!((level(60_000), level(60_001)), (Level::Fine, Level::High));
    }

    #[test]
    fn states_are_listed_in_their_order() {
        assert!(State::ALL.is_sorted());
    }
}
