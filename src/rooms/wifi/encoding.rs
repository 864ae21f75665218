//! Text or hexadecimal: what an SSID in the stream is, and how the stream shows it.
//!
//! tshark up to 3.6 writes SSIDs as text, from 4.0 on as hexadecimal, and a single line does not
//! say which (contract, section 2). A record's `ssid-encoding` header or the setting says it
//! outright. Otherwise the stream must show it: `<MISSING>`, and digits for more than 32 bytes of
//! text, exist only in hexadecimal; `""`, an odd length and any other character only in text.
//!
//! Invariant: the access point called `cafe` is never read as two bytes before the stream has shown
//! that it is hexadecimal.

use std::collections::BTreeMap;

use super::tshark::WrittenSsid;
use super::types::{Ssid, SsidError};
use crate::kernel::time::MINUTE_MS;

/// What SSIDs are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Text,
    Hex,
}

impl Encoding {
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Text => "text",
            Encoding::Hex => "hex",
        }
    }

    pub fn of_name(name: &str) -> Option<Encoding> {
        [Encoding::Text, Encoding::Hex].into_iter().find(|known| known.name() == name)
    }

    /// What an SSID that could be either is, once the stream has shown its encoding.
    pub fn read(self, text: Ssid) -> Ssid {
        match self {
            Encoding::Text => text,
            Encoding::Hex => text.of_its_digits().unwrap_or(text),
        }
    }
}

/// An SSID as a frame showed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeenSsid {
    /// Its encoding was known beforehand.
    Known(Ssid),
    /// Its encoding has to be found out; what this one shows of it.
    Shown(Ssid, Encoding),
    /// Could be either; as text.
    Either(Ssid),
}

impl SeenSsid {
    /// Reads an SSID in an encoding that is known, or for evidence of it.
    pub fn read(written: &WrittenSsid<'_>, known: Option<Encoding>) -> Result<SeenSsid, SsidError> {
        let wildcard = Ssid::WILDCARD;
        let text = match (written, known) {
            (WrittenSsid::Missing, None) => return Ok(SeenSsid::Shown(wildcard, Encoding::Hex)),
            (WrittenSsid::Empty, None) => return Ok(SeenSsid::Shown(wildcard, Encoding::Text)),
            (WrittenSsid::Missing | WrittenSsid::Empty, Some(_)) => {
                return Ok(SeenSsid::Known(wildcard));
            }
            (WrittenSsid::Written(text), _) => text,
        };
        match known {
            Some(Encoding::Text) => Ssid::of_bytes(text.as_bytes()).map(SeenSsid::Known),
            Some(Encoding::Hex) => Ssid::of_hex(text).map(SeenSsid::Known),
            None => match (Ssid::of_bytes(text.as_bytes()), Ssid::of_hex(text)) {
                (Ok(text), Ok(_)) => Ok(SeenSsid::Either(text)),
                (Ok(text), Err(_)) => Ok(SeenSsid::Shown(text, Encoding::Text)),
                (Err(_), Ok(bytes)) => Ok(SeenSsid::Shown(bytes, Encoding::Hex)),
                (Err(too_long), Err(_)) => Err(too_long),
            },
        }
    }
}

impl SeenSsid {
    pub fn ssid(&self) -> Ssid {
        match self {
            SeenSsid::Known(ssid) | SeenSsid::Shown(ssid, _) | SeenSsid::Either(ssid) => *ssid,
        }
    }

    pub fn is_wildcard(&self) -> bool {
        self.ssid().is_wildcard()
    }
}

/// What frames have shown of the stream's encoding.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Evidence {
    pub hex: Witnesses,
    pub text: Witnesses,
    /// Probes that could be either, by minute since the epoch.
    pub undecided: BTreeMap<i64, i64>,
}

/// How many probes showed one encoding, and when the first of them was captured.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Witnesses {
    pub count: i64,
    pub first_ms: Option<i64>,
}

impl Witnesses {
    fn merge(&mut self, other: Witnesses) {
        self.count += other.count;
        self.first_ms = match (self.first_ms, other.first_ms) {
            (Some(known), Some(more)) => Some(known.min(more)),
            (known, more) => known.or(more),
        };
    }
}

impl Evidence {
    pub fn is_empty(&self) -> bool {
        self.hex.count == 0 && self.text.count == 0 && self.undecided.is_empty()
    }

    pub fn clear(&mut self) {
        *self = Evidence::default();
    }

    pub fn add(&mut self, seen: SeenSsid, captured_ms: i64) {
        let one = Witnesses { count: 1, first_ms: Some(captured_ms) };
        match seen {
            SeenSsid::Known(_) => {}
            SeenSsid::Shown(_, Encoding::Hex) => self.hex.merge(one),
            SeenSsid::Shown(_, Encoding::Text) => self.text.merge(one),
            SeenSsid::Either(_) => {
                *self.undecided.entry(captured_ms.div_euclid(MINUTE_MS)).or_default() += 1;
            }
        }
    }

    pub fn merge(&mut self, other: Evidence) {
        self.hex.merge(other.hex);
        self.text.merge(other.text);
        for (minute, count) in other.undecided {
            *self.undecided.entry(minute).or_default() += count;
        }
    }

    /// What the frames up to `settled_ms` decide: the earliest witness, or text when 10,000 probes
    /// that could be either were captured before it. It goes by the time of capture alone, so the
    /// order in which partitions are read does not matter.
    pub fn verdict(&self, settled_ms: i64) -> Option<(Encoding, &'static str)> {
        let guess_ms = self.guess_ms();
        let earliest = match (self.hex.first_ms, self.text.first_ms) {
            (Some(hex_ms), text_ms) if text_ms.is_none_or(|text_ms| hex_ms <= text_ms) => {
                Some((hex_ms, Encoding::Hex))
            }
            (_, text_ms) => text_ms.map(|text_ms| (text_ms, Encoding::Text)),
        };
        match earliest {
            Some((first_ms, encoding)) if guess_ms.is_none_or(|guess_ms| first_ms < guess_ms) => {
                (first_ms <= settled_ms).then_some((encoding, reason(encoding)))
            }
            _ => guess_ms
                .is_some_and(|guess_ms| guess_ms <= settled_ms)
                .then_some((Encoding::Text, GUESS_BY_NUMBER)),
        }
    }

    /// The end of the minute in which the number of undecided probes reaches the limit.
    fn guess_ms(&self) -> Option<i64> {
        let mut count = 0;
        for (minute, more) in &self.undecided {
            count += more;
            if count >= UNDECIDED_LIMIT {
                return Some((minute + 1) * MINUTE_MS);
            }
        }
        None
    }
}

fn reason(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Hex => "the stream holds <MISSING>, or more digits than a text could have",
        Encoding::Text => "the stream holds an empty SSID, or one that is no hexadecimal text",
    }
}

/// After so many probes that could be either, SSIDs are taken for text (contract, section 2).
pub const UNDECIDED_LIMIT: i64 = 10_000;
/// Or when nothing has come for so long that would show it.
pub const UNDECIDED_MS: i64 = MINUTE_MS;

const GUESS_BY_NUMBER: &str = "10,000 probes could be either; text is the guess";
/// Why text is taken when the stream has ended, or rests, without showing anything.
pub const GUESS_AT_END: &str = "the stream ended without showing it; text is the guess";

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> WrittenSsid<'_> {
        WrittenSsid::Written(text.into())
    }

    fn seen(text: &str) -> SeenSsid {
        SeenSsid::read(&written(text), None).unwrap()
    }

    #[test]
    fn an_access_point_called_cafe_could_be_either() {
        assert_eq!(seen("cafe"), SeenSsid::Either(Ssid::of_bytes(b"cafe").unwrap()));
        assert!(matches!(seen("caf"), SeenSsid::Shown(_, Encoding::Text)));
        assert!(matches!(seen("cafe 1"), SeenSsid::Shown(_, Encoding::Text)));
        assert!(matches!(seen(&"ca".repeat(17)), SeenSsid::Shown(_, Encoding::Hex)));
        let known = SeenSsid::read(&written("cafe"), Some(Encoding::Hex)).unwrap();
        assert_eq!(known, SeenSsid::Known(Ssid::of_bytes(&[0xca, 0xfe]).unwrap()));
    }

    #[test]
    fn what_neither_can_be_is_refused() {
        let long = "x".repeat(33);
        assert_eq!(SeenSsid::read(&written(&long), None), Err(SsidError::TooLong(33)));
        assert!(SeenSsid::read(&written("cafe "), Some(Encoding::Hex)).is_err());
    }

    fn decided(evidence: &Evidence, settled_ms: i64) -> Option<Encoding> {
        evidence.verdict(settled_ms).map(|(encoding, _)| encoding)
    }

    #[test]
    fn the_earliest_witness_decides_in_any_order() {
        let mut early = Evidence::default();
        early.add(SeenSsid::read(&WrittenSsid::Missing, None).unwrap(), 5);
        let mut late = Evidence::default();
        late.add(SeenSsid::read(&WrittenSsid::Empty, None).unwrap(), 7);
        let (mut one, mut other) = (early.clone(), late.clone());
        one.merge(late);
        other.merge(early);
        assert_eq!(one, other);
        assert_eq!(decided(&one, 5), Some(Encoding::Hex));
        assert_eq!(decided(&one, 4), None, "an earlier one may still come");
    }

    #[test]
    fn without_a_witness_text_is_the_guess_after_ten_thousand() {
        let mut evidence = Evidence::default();
        evidence.undecided.insert(1, UNDECIDED_LIMIT - 1);
        assert_eq!(decided(&evidence, i64::MAX), None);
        evidence.add(seen("cafe"), MINUTE_MS + 1);
        assert_eq!(decided(&evidence, 2 * MINUTE_MS), Some(Encoding::Text));
        // A witness that was captured before them, and one after them.
        let hex = SeenSsid::read(&WrittenSsid::Missing, None).unwrap();
        let mut with_later = evidence.clone();
        with_later.add(hex, 2 * MINUTE_MS);
        assert_eq!(decided(&with_later, i64::MAX), Some(Encoding::Text));
        evidence.add(hex, 1);
        assert_eq!(decided(&evidence, i64::MAX), Some(Encoding::Hex));
    }
}
