//! Which networks matter when somebody looks for them: those that are watched, those that look like
//! a watched one, and those that hide bytes behind a NUL. Pure.
//!
//! Invariant: a network is watched by its bytes. Likeness is judged by Unicode's skeletons (UTS #39,
//! section 4) without case, and never makes a watched network out of another one.

use std::collections::BTreeSet;

use rustc_hash::{FxHashMap, FxHashSet};
use unicode_normalization::UnicodeNormalization;
use unicode_security::confusable_detection::skeleton;

use super::types::{MacAddr, Ssid};
use crate::kernel::pipeline::At;
use crate::kernel::text::is_visible;

/// Why a probe for a network matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Interest {
    /// It is on the list.
    Watched,
    /// It looks like this one, which is on the list.
    Resembles(Ssid),
    /// Whoever shows it up to its NUL shows another network.
    HidesBytes,
}

/// A probe that matters, and which reading of its SSID does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hit {
    pub at: At,
    pub mac: MacAddr,
    pub ssid: Ssid,
    pub interest: Interest,
    pub reading: Reading,
}

/// What an SSID is, as far as it is known when its probe is folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reading {
    /// There is no doubt.
    Sure,
    /// It matters if this stream writes text.
    AsText,
    /// It matters if this stream writes hexadecimal.
    AsHex,
}

/// The watch list as folds know it.
#[derive(Debug, Default)]
pub struct Lookout {
    watched: FxHashSet<Ssid>,
    /// The watched networks of each skeleton; the least of them stands for all.
    skeletons: FxHashMap<String, BTreeSet<Ssid>>,
    changes: u64,
}

impl Lookout {
    pub fn watch(&mut self, ssid: Ssid) {
        self.changes += 1;
        self.watched.insert(ssid);
        self.skeletons.entry(skeleton_of(&ssid)).or_default().insert(ssid);
    }

    pub fn unwatch(&mut self, ssid: &Ssid) {
        self.changes += 1;
        self.watched.remove(ssid);
        let shape = skeleton_of(ssid);
        if let Some(alike) = self.skeletons.get_mut(&shape) {
            alike.remove(ssid);
            if alike.is_empty() {
                self.skeletons.remove(&shape);
            }
        }
    }

    /// How often the list has changed: a judgement by an earlier list counts no more.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Nothing is watched: only what hides bytes can matter.
    pub fn is_idle(&self) -> bool {
        self.watched.is_empty()
    }

    /// Why a probe for this network matters; `local` ones never look like anything.
    pub fn interest(&self, ssid: &Ssid, local: &FxHashSet<Ssid>) -> Option<Interest> {
        if ssid.is_wildcard() {
            return None;
        }
        if self.watched.contains(ssid) {
            return Some(Interest::Watched);
        }
        if local.contains(ssid) {
            return None;
        }
        if hides_bytes(ssid) {
            return Some(Interest::HidesBytes);
        }
        let alike = self.skeletons.get(&skeleton_of(ssid))?;
        alike.first().map(|watched| Interest::Resembles(*watched))
    }
}

/// Something to read, then a NUL, then something else than NULs.
fn hides_bytes(ssid: &Ssid) -> bool {
    let bytes = ssid.as_bytes();
    let Some(end) = bytes.iter().position(|byte| *byte == 0) else { return false };
    end > 0 && bytes[end..].iter().any(|byte| *byte != 0)
}

/// What somebody sees of a network's name at a glance: up to a NUL, without case and outer blanks,
/// look-alike characters as one.
fn skeleton_of(ssid: &Ssid) -> String {
    let bytes = ssid.as_bytes();
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let text = String::from_utf8_lossy(&bytes[..end]);
    // Letters of mathematics, of full width or in circles are letters.
    let plain: String = text.nfkc().filter(|letter| *letter == ' ' || is_seen(*letter)).collect();
    let words: Vec<&str> = plain.split_whitespace().collect();
    skeleton(&words.join(" ").to_lowercase()).collect::<String>().to_lowercase()
}

fn is_seen(letter: char) -> bool {
    is_visible(letter.encode_utf8(&mut [0; 4]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ssid(text: &str) -> Ssid {
        Ssid::of_bytes(text.as_bytes()).unwrap()
    }

    fn watching(names: &[&str]) -> Lookout {
        let mut lookout = Lookout::default();
        for name in names {
            lookout.watch(ssid(name));
        }
        lookout
    }

    fn interest(lookout: &Lookout, text: &str) -> Option<Interest> {
        lookout.interest(&ssid(text), &FxHashSet::default())
    }

    #[test]
    fn a_watched_network_is_known_by_its_bytes() {
        let lookout = watching(&["RNM0"]);
        assert_eq!(interest(&lookout, "RNM0"), Some(Interest::Watched));
        assert_eq!(interest(&lookout, "Coherer"), None);
        assert_eq!(interest(&lookout, ""), None);
    }

    /// F31: a homoglyph, another case, a blank at the end.
    #[test]
    fn what_looks_like_a_watched_network_is_not_it() {
        let lookout = watching(&["Company"]);
        let alike = Some(Interest::Resembles(ssid("Company")));
        let others = [
            "company",
            "Company ",
            " COMPANY",
            "Соmраny",
            "C0mpany",
            "Company\0\0",
            "\u{1d402}\u{1d428}mpany",
            "Com\u{200b}pany\u{2800}",
        ];
        for other in others {
            assert_eq!(interest(&lookout, other), alike, "{other:?}");
        }
        assert_eq!(interest(&lookout, "Companion"), None);
    }

    /// F31: `CompanySSID\0\0x` is shown as `CompanySSID` by whoever stops at the NUL.
    #[test]
    fn bytes_behind_a_nul_are_told_whatever_is_watched() {
        for lookout in [watching(&[]), watching(&["CompanySSID"])] {
            assert_eq!(interest(&lookout, "CompanySSID\0\0x"), Some(Interest::HidesBytes));
        }
        // A hidden network is nothing but NULs.
        assert_eq!(interest(&watching(&[]), "\0\0\0\0"), None);
        assert_eq!(interest(&watching(&[]), "Home\0\0"), None);
    }

    #[test]
    fn networks_of_the_neighbourhood_are_no_news() {
        let lookout = watching(&["Company"]);
        let local = FxHashSet::from_iter([ssid("company"), ssid("Company"), ssid("a\0b")]);
        assert_eq!(lookout.interest(&ssid("company"), &local), None);
        assert_eq!(lookout.interest(&ssid("a\0b"), &local), None);
        assert_eq!(lookout.interest(&ssid("Company"), &local), Some(Interest::Watched));
    }

    #[test]
    fn what_is_no_longer_watched_resembles_nothing() {
        let mut lookout = watching(&["Company"]);
        lookout.unwatch(&ssid("Company"));
        assert_eq!(interest(&lookout, "company"), None);
        assert_eq!(interest(&lookout, "Company"), None);
    }
}
