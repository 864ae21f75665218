//! Text or hexadecimal: what an SSID in the stream is, and how the stream shows it.
//!
//! tshark up to 3.6 writes SSIDs as text, from 4.0 on as hexadecimal, and a single line does not
//! say which (contract, section 2). A record's `ssid-encoding` header or the setting says it
//! outright. Otherwise the stream must show it: `<MISSING>`, and digits for more than 32 bytes of
//! text, exist only in hexadecimal; `""`, an odd length and any other character only in text.
//!
//! Invariant: the access point called `cafe` is never read as two bytes before the stream has shown
//! that it is hexadecimal.

use super::tshark::WrittenSsid;
use super::types::{Ssid, SsidError};
use crate::kernel::pipeline::At;

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

/// What a batch has shown of the stream's encoding.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Evidence {
    pub hex: Witnesses,
    pub text: Witnesses,
    /// Probes that could be either.
    pub undecided_count: i64,
}

/// How many probes showed one encoding, and the first of them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Witnesses {
    pub count: i64,
    pub first: Option<At>,
}

impl Witnesses {
    fn merge(&mut self, other: Witnesses) {
        self.count += other.count;
        self.first = match (self.first, other.first) {
            (Some(known), Some(more)) => Some(known.min(more)),
            (known, more) => known.or(more),
        };
    }
}

impl Evidence {
    pub fn add(&mut self, seen: SeenSsid, at: At) {
        let one = Witnesses { count: 1, first: Some(at) };
        match seen {
            SeenSsid::Known(_) => {}
            SeenSsid::Shown(_, Encoding::Hex) => self.hex.merge(one),
            SeenSsid::Shown(_, Encoding::Text) => self.text.merge(one),
            SeenSsid::Either(_) => self.undecided_count += 1,
        }
    }

    pub fn merge(&mut self, other: Evidence) {
        self.hex.merge(other.hex);
        self.text.merge(other.text);
        self.undecided_count += other.undecided_count;
    }

    /// What the evidence so far decides: its earliest witness, so that the order in which
    /// partitions are read does not matter; text when 10,000 probes could be either.
    pub fn verdict(&self) -> Option<(Encoding, String)> {
        let earliest = |one: &Witnesses, other: &Witnesses| {
            one.first.is_some_and(|at| other.first.is_none_or(|later| at <= later))
        };
        if earliest(&self.hex, &self.text) {
            let reason = "the stream holds <MISSING>, or more digits than a text could have";
            return Some((Encoding::Hex, reason.to_owned()));
        }
        if earliest(&self.text, &self.hex) {
            let reason = "the stream holds an empty SSID, or one that is no hexadecimal text";
            return Some((Encoding::Text, reason.to_owned()));
        }
        (self.undecided_count >= UNDECIDED_LIMIT).then(|| {
            (Encoding::Text, format!("{UNDECIDED_LIMIT} probes could be either; text is the guess"))
        })
    }
}

/// After so many probes that could be either, SSIDs are taken for text (contract, section 2).
pub const UNDECIDED_LIMIT: i64 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> WrittenSsid<'_> {
        WrittenSsid::Written(text.into())
    }

    fn seen(text: &str) -> SeenSsid {
        SeenSsid::read(&written(text), None).unwrap()
    }

    fn at(event_ms: i64) -> At {
        At { event_ms, partition: 0, offset: 0 }
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

    #[test]
    fn the_earliest_witness_decides_in_any_order() {
        let mut early = Evidence::default();
        early.add(SeenSsid::read(&WrittenSsid::Missing, None).unwrap(), at(5));
        let mut late = Evidence::default();
        late.add(SeenSsid::read(&WrittenSsid::Empty, None).unwrap(), at(7));
        let (mut one, mut other) = (early, late);
        one.merge(late);
        other.merge(early);
        assert_eq!(one, other);
        assert_eq!(one.verdict().map(|(encoding, _)| encoding), Some(Encoding::Hex));
    }

    #[test]
    fn without_a_witness_text_is_the_guess_after_ten_thousand() {
        let mut evidence = Evidence { undecided_count: UNDECIDED_LIMIT - 1, ..Default::default() };
        assert_eq!(evidence.verdict(), None);
        evidence.add(seen("cafe"), at(0));
        assert_eq!(evidence.verdict().map(|(encoding, _)| encoding), Some(Encoding::Text));
    }
}
