//! Names that people give: 1 to 64 characters after trimming, and nothing that writes backwards or
//! moves a terminal's cursor.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use unicode_segmentation::UnicodeSegmentation;

use super::text::{acts, is_visible};

/// The longest name a person may give, in characters as people see them, after trimming.
const NAME_CHARS: usize = 64;
/// The longest name of somebody else's program that is shown whole, counted alike: a page of text
/// would be no list any more.
const FOREIGN_CHARS: usize = 256;
/// A character that people see as one may be long: a family emoji has 25 bytes.
const BYTES_A_CHAR: usize = 32;

/// A name that a person gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// Why a text is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("a {what} has 1 to {most} characters, this one has {chars}")]
    Length { what: &'static str, most: usize, chars: usize },
    #[error("a {what} has at most {most} bytes, this one has {bytes}")]
    Bytes { what: &'static str, most: usize, bytes: usize },
    #[error("a {what} has something to see in it; the characters of this one have no shape")]
    Invisible { what: &'static str },
    #[error("a {what} has no control characters, such as a line break")]
    Controls { what: &'static str },
}

/// The text without outer blanks, if it is one line of 1 to so many characters.
pub fn line_of<'a>(
    text: &'a str,
    what: &'static str,
    most_chars: usize,
) -> Result<&'a str, NameError> {
    let text = text.trim();
    let chars = text.graphemes(true).count();
    if chars == 0 || chars > most_chars {
        return Err(NameError::Length { what, most: most_chars, chars });
    }
    let (bytes, most) = (text.len(), most_chars * BYTES_A_CHAR);
    if bytes > most {
        return Err(NameError::Bytes { what, most, bytes });
    }
    if text.chars().any(acts) {
        return Err(NameError::Controls { what });
    }
    if !is_visible(text) {
        return Err(NameError::Invisible { what });
    }
    Ok(text)
}

/// A name as it is shown that somebody else's program gave: one that is far longer than people may
/// give is cut, and one in which there is nothing to see is called `otherwise`.
pub fn shown(text: &str, otherwise: &str) -> String {
    let text = text.trim();
    if !is_visible(text) {
        return otherwise.to_owned();
    }
    let is_light = |char: &&str| char.len() <= BYTES_A_CHAR;
    let is_short = text.graphemes(true).nth(FOREIGN_CHARS).is_none();
    if is_short && text.graphemes(true).all(|char| is_light(&char)) {
        return text.to_owned();
    }
    let whole = text.graphemes(true).take(FOREIGN_CHARS - 1).filter(is_light);
    format!("{}…", whole.collect::<String>().trim_end())
}

impl Name {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Name, NameError> {
        Ok(Name(line_of(text, "name", NAME_CHARS)?.to_owned()))
    }
}

impl TryFrom<String> for Name {
    type Error = NameError;

    fn try_from(text: String) -> Result<Name, NameError> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> String {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_programs_give_is_shown_as_a_name() {
        assert_eq!(shown(" Cyril ", "Plant 7"), "Cyril");
        for nothing in ["", "  ", "\n", "\u{200b}\u{2060}"] {
            assert_eq!(shown(nothing, "Plant 7"), "Plant 7", "{nothing:?}");
        }
        assert_eq!(shown(&"x".repeat(256), "Plant 7"), "x".repeat(256));
        assert_eq!(shown(&"x".repeat(5_000), "Plant 7"), format!("{}…", "x".repeat(255)));
        let heavy = format!("a{}b", "\u{301}".repeat(2_000));
        assert_eq!(shown(&heavy, "Plant 7"), "b…");
    }

    #[test]
    fn names_are_plain_text() {
        assert_eq!(" Robin's fern ".parse::<Name>().unwrap().as_str(), "Robin's fern");
        let family = "👨‍👩‍👧‍👦".repeat(64);
        assert_eq!(family.parse::<Name>().unwrap().as_str(), family);
        for text in ["", "   ", "a\nb", "a\u{202e}b", "\u{200b}\u{2060}", &"x".repeat(65)] {
            assert!(text.parse::<Name>().is_err(), "{text:?}");
        }
        let heavy = format!("a{}", "\u{301}".repeat(2_000));
        assert!(matches!(heavy.parse::<Name>(), Err(NameError::Bytes { .. })));
    }
}
