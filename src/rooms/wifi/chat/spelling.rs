//! How people type a network's name: as it is, in quotation marks where it has blanks, or as `hex:`
//! and two digits a byte where it cannot be typed.
//!
//! Invariant: [`spelled`] gives a spelling that [`whole`] and [`first`] read back as the same bytes.

use crate::kernel::dialog::sentence;
use crate::kernel::text::{Text, acts};
use crate::rooms::wifi::types::{Ssid, SsidError};

/// Before the hexadecimal digits of a name that cannot be typed.
const HEX: &str = "hex:";

/// What a quotation mark is closed by. Telephones and tables of type turn straight marks into
/// others, and each language has its own.
const QUOTES: [(char, &str); 7] = [
    ('"', "\"”“"),
    ('“', "”“\""),
    ('„', "“”\""),
    ('«', "»"),
    ('»', "«"),
    ('‘', "’'"),
    ('\'', "'’"),
];

/// Why what was typed is no network's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpellingError {
    #[error("that is the name of no length, with which devices ask for any network")]
    Empty,
    #[error("a quotation mark is opened and not closed")]
    Unclosed,
    #[error(transparent)]
    Ssid(#[from] SsidError),
}

impl SpellingError {
    /// The error as a sentence, with what to type instead.
    pub fn words(&self) -> Text {
        Text::new()
            .data(sentence(&self.to_string()))
            .plain(" A name with blanks goes into quotation marks; ")
            .code("hex:436f68")
            .plain(" stands for bytes that cannot be typed.")
    }
}

/// All of a text as one name: blanks within it belong to it.
pub fn whole(typed: &str) -> Result<Ssid, SpellingError> {
    let typed = typed.trim();
    if let Some(digits) = hex_digits(typed) {
        return named(Ssid::of_hex(digits.trim())?);
    }
    let is_quoted = closers(typed).is_some_and(|(opener, closers)| {
        let inner = &typed[opener.len_utf8()..];
        inner.ends_with(|last| closers.contains(last))
    });
    let name = if is_quoted { without_ends(typed) } else { typed };
    named(Ssid::of_bytes(name.as_bytes())?)
}

/// The name at the beginning of a text, a word or what is quoted, and the rest of the text.
pub fn first(typed: &str) -> Result<(Ssid, &str), SpellingError> {
    let typed = typed.trim();
    let Some((opener, closers)) = closers(typed) else {
        let (word, rest) = typed.split_once(char::is_whitespace).unwrap_or((typed, ""));
        let ssid = match hex_digits(word) {
            Some(digits) => Ssid::of_hex(digits)?,
            None => Ssid::of_bytes(word.as_bytes())?,
        };
        return Ok((named(ssid)?, rest.trim()));
    };
    let inner = &typed[opener.len_utf8()..];
    // A mark inside a word, as in "Robin's", closes nothing.
    let closes = |(at, mark): &(usize, char)| {
        let after = &inner[at + mark.len_utf8()..];
        closers.contains(*mark) && after.chars().next().is_none_or(char::is_whitespace)
    };
    let (at, mark) = inner.char_indices().find(closes).ok_or(SpellingError::Unclosed)?;
    let ssid = Ssid::of_bytes(&inner.as_bytes()[..at])?;
    Ok((named(ssid)?, inner[at + mark.len_utf8()..].trim()))
}

/// A name as it is shown: in quotation marks where blanks at its ends would be lost to the eye.
pub fn shown(ssid: &Ssid) -> String {
    let text = ssid.to_string();
    if text.trim() == text { text } else { format!("\"{text}\"") }
}

/// How a name is typed so that it is read back.
pub fn spelled(ssid: &Ssid) -> String {
    let hex = || format!("{HEX}{}", ssid.hex());
    let Ok(text) = std::str::from_utf8(ssid.as_bytes()) else { return hex() };
    if text.chars().any(|letter| acts(letter) || is_mark(letter)) || hex_digits(text).is_some() {
        return hex();
    }
    if text.contains(char::is_whitespace) { format!("\"{text}\"") } else { text.to_owned() }
}

fn named(ssid: Ssid) -> Result<Ssid, SpellingError> {
    if ssid.is_wildcard() { Err(SpellingError::Empty) } else { Ok(ssid) }
}

/// What follows `hex:`, in any case.
fn hex_digits(typed: &str) -> Option<&str> {
    let (prefix, digits) = typed.split_at_checked(HEX.len())?;
    prefix.eq_ignore_ascii_case(HEX).then_some(digits)
}

/// The quotation mark that a text begins with, and what may close it.
fn closers(typed: &str) -> Option<(char, &'static str)> {
    let opener = typed.chars().next()?;
    QUOTES.into_iter().find(|(mark, _)| *mark == opener)
}

fn is_mark(letter: char) -> bool {
    QUOTES.iter().any(|(mark, closers)| *mark == letter || closers.contains(letter))
}

fn without_ends(typed: &str) -> &str {
    let mut letters = typed.chars();
    letters.next();
    letters.next_back();
    letters.as_str()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ssid(text: &str) -> Ssid {
        Ssid::of_bytes(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_word_or_what_is_quoted_is_the_name_and_the_rest_is_the_reason() {
        for (typed, name, rest) in [
            ("RNM0 home network", "RNM0", "home network"),
            ("  RNM0  ", "RNM0", ""),
            ("\"Robin's net\" the neighbour", "Robin's net", "the neighbour"),
            ("“Robin’s net” the neighbour", "Robin’s net", "the neighbour"),
            ("„Café Müller“ gegenüber", "Café Müller", "gegenüber"),
            ("«chez nous» maison", "chez nous", "maison"),
            ("'it's here' x", "it's here", "x"),
            ("\" outer blanks \"", " outer blanks ", ""),
            ("🪴 plants", "🪴", "plants"),
            ("hex:436f6865726572 from bytes", "Coherer", "from bytes"),
            ("HEX:636166", "caf", ""),
            ("\"hex:00\" a name like that", "hex:00", "a name like that"),
            ("hexagon six", "hexagon", "six"),
        ] {
            assert_eq!(first(typed), Ok((ssid(name), rest)), "{typed}");
        }
    }

    #[test]
    fn all_of_a_text_is_one_name_without_its_quotation_marks() {
        for (typed, name) in [
            ("Robin's net", "Robin's net"),
            ("\"Robin's net \"", "Robin's net "),
            ("„so“", "so"),
            ("\"open", "\"open"),
            ("\"", "\""),
            ("hex:00ff", "\0\u{ff}"),
        ] {
            let bytes = if typed == "hex:00ff" { b"\x00\xff".to_vec() } else { name.into() };
            assert_eq!(whole(typed), Ok(Ssid::of_bytes(&bytes).unwrap()), "{typed}");
        }
    }

    /// F31: what cannot be a name is refused with what to type instead.
    #[test]
    fn what_is_no_name_is_refused() {
        assert_eq!(first(""), Err(SpellingError::Empty));
        assert_eq!(first("\"\" any"), Err(SpellingError::Empty));
        assert_eq!(first("\"no end"), Err(SpellingError::Unclosed));
        assert_eq!(first("hex:5 odd"), Err(SsidError::NotHex("5".to_owned()).into()));
        assert_eq!(first(&"n".repeat(33)), Err(SsidError::TooLong(33).into()));
        assert_eq!(whole("hex:"), Err(SpellingError::Empty));
        let words = first(&"é".repeat(17)).unwrap_err().words().to_plain();
        assert!(words.starts_with("An SSID of 34 bytes, expected at most 32."), "{words}");
        assert!(words.contains("quotation marks") && words.contains("hex:436f68"), "{words}");
    }

    proptest! {
        #[test]
        fn every_name_can_be_typed(bytes in prop::collection::vec(any::<u8>(), 1..=32)) {
            let ssid = Ssid::of_bytes(&bytes).unwrap();
            let typed = spelled(&ssid);
            prop_assert_eq!(whole(&typed), Ok(ssid));
            let with_reason = format!("{typed} because");
            prop_assert_eq!(first(&with_reason), Ok((ssid, "because")));
        }

        #[test]
        fn texts_are_typed_as_they_are_where_that_is_possible(text in "\\PC{1,8}") {
            let ssid = Ssid::of_bytes(text.as_bytes()).unwrap();
            let typed = spelled(&ssid);
            prop_assert_eq!(whole(&typed), Ok(ssid));
            prop_assert_eq!(first(&typed), Ok((ssid, "")));
        }

        #[test]
        fn nothing_that_is_typed_makes_it_panic(text in ".{0,40}") {
            if let Ok((ssid, rest)) = first(&text) {
                prop_assert!(!ssid.is_wildcard() && text.contains(rest));
            }
            if let Ok(ssid) = whole(&text) {
                prop_assert!(!ssid.is_wildcard());
            }
        }
    }
}
