//! What a plant's numbers and names are: each type's constructor is its only check.
//!
//! Invariant: a value of one of these types has passed the check that it names.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::kernel::text::acts;

/// The longest id of a sensor, in characters.
const SENSOR_ID_CHARS: usize = 64;
/// The 7-bit addresses that are not reserved (I2C specification, table 4).
const I2C_ADDRESSES: std::ops::RangeInclusive<u8> = 0x03..=0x77;

/// A plant's number: 0 or more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "i32", into = "i32")]
pub struct PlantId(i32);

impl PlantId {
    pub fn get(self) -> i32 {
        self.0
    }

    /// The key of the plant's records.
    pub fn key(self) -> Vec<u8> {
        self.0.to_string().into_bytes()
    }
}

impl TryFrom<i32> for PlantId {
    type Error = TypeError;

    fn try_from(number: i32) -> Result<PlantId, TypeError> {
        if number < 0 {
            return Err(TypeError::NegativePlantId(number));
        }
        Ok(PlantId(number))
    }
}

impl From<PlantId> for i32 {
    fn from(id: PlantId) -> i32 {
        id.0
    }
}

impl FromStr for PlantId {
    type Err = TypeError;

    /// Decimal digits, as people type a plant's number.
    fn from_str(text: &str) -> Result<PlantId, TypeError> {
        let text = text.trim();
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.then(|| text.parse().ok()).flatten();
        number.map(PlantId).ok_or_else(|| TypeError::NotAPlantId(text.to_owned()))
    }
}

impl fmt::Display for PlantId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// The name of a sensor: an I2C address such as `0x36`, or any other text of 1 to 64 characters.
/// Outer blanks are cut off, and a hexadecimal number has small letters: `0X3A` is `0x3a`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SensorId(Box<str>);

impl SensorId {
    /// The addresses that a soil sensor of the known kind can be set to.
    pub const KNOWN: [&str; 4] = ["0x36", "0x37", "0x38", "0x39"];

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As people type it. They may leave out the `0x` of an I2C address, as `i2cdetect` does:
    /// two hexadecimal digits from 03 to 77.
    pub fn typed(text: &str) -> Result<SensorId, TypeError> {
        let text = text.trim();
        let is_bare = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let address = is_bare.then(|| u8::from_str_radix(text, 16).ok()).flatten();
        match address.filter(|address| I2C_ADDRESSES.contains(address)) {
            Some(address) => format!("0x{address:02x}").parse(),
            None => text.parse(),
        }
    }
}

impl FromStr for SensorId {
    type Err = TypeError;

    fn from_str(text: &str) -> Result<SensorId, TypeError> {
        let text = text.trim();
        let chars = text.chars().count();
        if chars == 0 || chars > SENSOR_ID_CHARS {
            return Err(TypeError::SensorIdLength { chars });
        }
        if text.chars().any(acts) {
            return Err(TypeError::SensorIdControls);
        }
        let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
        let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        Ok(match digits {
            Some(digits) => SensorId(format!("0x{}", digits.to_ascii_lowercase()).into()),
            None => SensorId(text.into()),
        })
    }
}

/// On a topic an id has its one form: two keys for one sensor would be two rows.
impl TryFrom<String> for SensorId {
    type Error = TypeError;

    fn try_from(text: String) -> Result<SensorId, TypeError> {
        let id: SensorId = text.parse()?;
        if id.as_str() != text {
            return Err(TypeError::SensorIdForm { found: text, expected: id.into() });
        }
        Ok(id)
    }
}

impl From<SensorId> for String {
    fn from(id: SensorId) -> String {
        id.0.into()
    }
}

/// What was expected of a piece of text or a number.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TypeError {
    #[error("plant id {0} is negative, expected 0 or more")]
    NegativePlantId(i32),
    #[error("{0:?} is not a plant id, expected a whole number such as 4")]
    NotAPlantId(String),
    #[error("a sensor id has 1 to {SENSOR_ID_CHARS} characters, this one has {chars}")]
    SensorIdLength { chars: usize },
    #[error("a sensor id has no control characters, such as a line break")]
    SensorIdControls,
    #[error("sensor id {found:?} is not in its usual form, expected {expected:?}")]
    SensorIdForm { found: String, expected: String },
}

/// Numbers are clamped to this: nothing measured means more, and what is made of them stays exact.
const LARGEST: f64 = 1e9;

/// A measured value or a limit in whole thousandths, the precision that sensors report (contract: 3
/// places).
pub fn thousandths(number: f32) -> i64 {
    let clamped = f64::from(number).clamp(-LARGEST, LARGEST);
    #[expect(clippy::cast_possible_truncation, reason = "clamped to a range that fits")]
    let whole = (clamped * 1000.0).round() as i64;
    whole
}

/// Thousandths with one decimal, as people read them.
pub fn tenths(thousandths: i64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
    let value = thousandths as f64 / 1000.0;
    format!("{value:.1}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousandths_are_exact_and_bounded() {
        assert_eq!(thousandths(20.5), 20_500);
        assert_eq!(thousandths(f32::MAX), 1_000_000_000_000);
        assert_eq!(thousandths(-0.001), -1);
    }

    #[test]
    fn a_plant_id_is_a_whole_number_from_0_on() {
        assert_eq!(" 7 ".parse::<PlantId>(), PlantId::try_from(7));
        for text in ["", "-1", "+1", "20.5", "abc", "99999999999"] {
            assert!(text.parse::<PlantId>().is_err(), "{text:?}");
        }
        assert_eq!(PlantId::try_from(-1), Err(TypeError::NegativePlantId(-1)));
    }

    #[test]
    fn a_sensor_id_has_one_form_however_it_is_typed() {
        let forms = [
            ("0x36", "0x36"),
            (" 0X3A ", "0x3a"),
            ("36", "0x36"),
            ("3B", "0x3b"),
            ("99", "99"),
            ("ab", "ab"),
            ("136", "136"),
            ("0xzz", "0xzz"),
            ("Greenhouse 2", "Greenhouse 2"),
        ];
        for (typed, form) in forms {
            let id = SensorId::typed(typed).unwrap();
            assert_eq!(id.as_str(), form);
            assert_eq!(SensorId::try_from(form.to_owned()), Ok(id));
        }
        for text in ["", "  ", "a\nb", "a\u{202e}b", "0x36\0", &"x".repeat(65)] {
            assert!(SensorId::typed(text).is_err(), "{text:?}");
        }
        for text in ["0X36", "0x3A", " 0x36"] {
            assert!(SensorId::try_from(text.to_owned()).is_err(), "{text:?}");
        }
    }
}
