//! From a raw value to per cent, and when a value stands still.
//!
//! Invariant: low lies below high, so every raw value has a moisture from 0 to 100 per cent.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// The greatest raw value.
const RAW_MAX: u16 = 4095;
/// Dry and wet soil lie further apart than this, or the sensor was not in the soil; its noise is
/// some units.
pub const SPAN_MIN: u16 = 50;
/// A value stands still when this many in a row ...
pub const STILL_VALUES: usize = 8;
/// ... lie no further apart than this.
pub const STILL_SPREAD: u16 = 12;

/// What a sensor's raw value is in dry and in wet soil.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "[u16; 2]", into = "[u16; 2]")]
pub struct Calibration {
    low: u16,
    high: u16,
}

/// What was wrong with two raw values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CalibrationError {
    #[error("raw values are 0 to {RAW_MAX}, this one is {0}")]
    Beyond(u16),
    #[error(
        "dry is {dry} and wet is {wet}, expected wet to be at least {SPAN_MIN} more: the values \
         come in the order dry, wet, with the sensor in the soil up to its line"
    )]
    TooClose { dry: u16, wet: u16 },
}

impl Default for Calibration {
    /// Those of the contract.
    fn default() -> Calibration {
        Calibration { low: 600, high: 1200 }
    }
}

impl Calibration {
    pub fn new(dry: u16, wet: u16) -> Result<Calibration, CalibrationError> {
        if let Some(beyond) = [dry, wet].into_iter().find(|raw| *raw > RAW_MAX) {
            return Err(CalibrationError::Beyond(beyond));
        }
        if wet < dry.saturating_add(SPAN_MIN) {
            return Err(CalibrationError::TooClose { dry, wet });
        }
        Ok(Calibration { low: dry, high: wet })
    }

    /// Moisture in thousandths of a per cent: the raw value, held between the two, on the line
    /// through them, rounded (contract: `(raw-low)/(high-low)*100` to 3 places).
    pub fn moisture(self, raw: u16) -> i32 {
        let above = i64::from(raw.clamp(self.low, self.high) - self.low);
        let span = i64::from(self.high - self.low);
        i32::try_from((above * 100_000 + span / 2) / span).unwrap_or(i32::MAX)
    }
}

impl TryFrom<[u16; 2]> for Calibration {
    type Error = CalibrationError;

    fn try_from([dry, wet]: [u16; 2]) -> Result<Calibration, CalibrationError> {
        Calibration::new(dry, wet)
    }
}

impl From<Calibration> for [u16; 2] {
    fn from(calibration: Calibration) -> [u16; 2] {
        [calibration.low, calibration.high]
    }
}

/// The newest raw values of a sensor that is being calibrated.
#[derive(Debug, Default)]
pub struct Stillness {
    newest: VecDeque<u16>,
}

impl Stillness {
    /// Takes one more value. Once the newest stand still, gives their median.
    pub fn add(&mut self, raw: u16) -> Option<u16> {
        if self.newest.len() == STILL_VALUES {
            self.newest.pop_front();
        }
        self.newest.push_back(raw);
        if self.newest.len() < STILL_VALUES {
            return None;
        }
        let mut sorted: Vec<u16> = self.newest.iter().copied().collect();
        sorted.sort_unstable();
        let spread = sorted[STILL_VALUES - 1] - sorted[0];
        (spread <= STILL_SPREAD).then_some(sorted[STILL_VALUES / 2])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moisture_lies_on_the_line_and_is_rounded_to_thousandths() {
        let usual = Calibration::default();
        for (raw, thousandths) in [
            (0, 0),
            (600, 0),
            (601, 167),
            (602, 333),
            (900, 50_000),
            (1200, 100_000),
            (4095, 100_000),
        ] {
            assert_eq!(usual.moisture(raw), thousandths, "{raw}");
        }
        let formula = |raw: f64, low: f64, high: f64| (raw - low) / (high - low) * 100.0;
        for raw in 412..=987 {
            let exact = formula(f64::from(raw), 412.0, 987.0);
            let own = Calibration::new(412, 987).unwrap().moisture(raw);
            assert!((f64::from(own) / 1000.0 - exact).abs() <= 0.000_500_1, "{raw}");
        }
    }

    #[test]
    fn wet_lies_well_above_dry() {
        assert!(Calibration::new(600, 650).is_ok());
        let close = CalibrationError::TooClose { dry: 600, wet: 649 };
        assert_eq!(Calibration::new(600, 649), Err(close));
        assert!(Calibration::new(1200, 600).is_err());
        assert_eq!(Calibration::new(600, 5000), Err(CalibrationError::Beyond(5000)));
        assert!(serde_json::from_str::<Calibration>("[900, 400]").is_err());
        assert_eq!(serde_json::to_string(&Calibration::default()).unwrap(), "[600,1200]");
    }

    #[test]
    fn a_value_stands_still_once_eight_in_a_row_are_close() {
        let mut stillness = Stillness::default();
        let falling: Vec<Option<u16>> =
            (0..20).map(|step| stillness.add(1000 - step * 10)).collect();
        assert!(falling.iter().all(Option::is_none), "{falling:?}");
        let still: Vec<Option<u16>> =
            [700, 706, 702, 699, 704, 701, 703, 705].map(|raw| stillness.add(raw)).into();
        assert_eq!(still.last(), Some(&Some(703)));
        assert!(still[..7].iter().all(Option::is_none), "{still:?}");
    }
}
