//! What a plant's numbers and names are: each type's constructor is its only check.
//!
//! Invariant: a value of one of these types has passed the check that it names.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use unicode_segmentation::UnicodeSegmentation;

use crate::kernel::text::acts;

/// The longest name a person may give, in characters after trimming.
const NAME_CHARS: usize = 64;
/// A character that people see as one may be long: a family emoji has 25 bytes.
const NAME_BYTES: usize = 2048;

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

/// A name that a person gives: trimmed, 1 to 64 characters, nothing that writes backwards or
/// moves a terminal's cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlantName(String);

impl PlantName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PlantName {
    type Err = TypeError;

    fn from_str(text: &str) -> Result<PlantName, TypeError> {
        let text = text.trim();
        let chars = text.graphemes(true).count();
        if chars == 0 || chars > NAME_CHARS || text.len() > NAME_BYTES {
            return Err(TypeError::NameLength { chars });
        }
        if text.chars().any(acts) {
            return Err(TypeError::NameControls);
        }
        Ok(PlantName(text.to_owned()))
    }
}

/// What was expected of a piece of text or a number.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TypeError {
    #[error("plant id {0} is negative, expected 0 or more")]
    NegativePlantId(i32),
    #[error("{0:?} is not a plant id, expected a whole number such as 4")]
    NotAPlantId(String),
    #[error("a name has 1 to {NAME_CHARS} characters, this one has {chars}")]
    NameLength { chars: usize },
    #[error("a name has no control characters, such as a line break")]
    NameControls,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plant_id_is_a_whole_number_from_0_on() {
        assert_eq!(" 7 ".parse::<PlantId>(), PlantId::try_from(7));
        for text in ["", "-1", "+1", "20.5", "abc", "99999999999"] {
            assert!(text.parse::<PlantId>().is_err(), "{text:?}");
        }
        assert_eq!(PlantId::try_from(-1), Err(TypeError::NegativePlantId(-1)));
    }

    #[test]
    fn names_are_plain_text() {
        assert_eq!(" Robin's fern ".parse::<PlantName>().unwrap().as_str(), "Robin's fern");
        for text in ["", "   ", "a\nb", "a\u{202e}b", &"x".repeat(65)] {
            assert!(text.parse::<PlantName>().is_err(), "{text:?}");
        }
    }
}
