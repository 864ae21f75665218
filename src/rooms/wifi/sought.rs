//! The networks that a batch's devices looked for.
//!
//! Thousands of devices look for the same few: a network is held once and known by a number, which
//! is a third of the memory and quicker to find.

use rustc_hash::FxHashMap;

use super::fold::{Name, Tally};
use super::types::MacAddr;

/// A device's network, in one era.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    mac: MacAddr,
    /// Of `SoughtNames::names`.
    number: u32,
    era: u16,
}

/// A network that a device looked for in one era, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sought {
    pub mac: MacAddr,
    pub era: u16,
    pub name: Name,
    pub tally: Tally,
}

#[derive(Debug, Default)]
pub struct SoughtNames {
    names: Vec<Name>,
    numbers: FxHashMap<Name, u32>,
    tallies: FxHashMap<Key, Tally>,
}

impl SoughtNames {
    pub fn len(&self) -> usize {
        self.tallies.len()
    }

    pub fn is_empty(&self) -> bool {
        self.tallies.is_empty()
    }

    pub fn add(&mut self, sought: Sought) {
        let number = *self.numbers.entry(sought.name).or_insert_with(|| {
            self.names.push(sought.name);
            // A step has some ten thousand entries.
            (self.names.len() - 1) as u32
        });
        let key = Key { mac: sought.mac, number, era: sought.era };
        let tally = sought.tally;
        self.tallies.entry(key).and_modify(|known| known.merge(tally)).or_insert(tally);
    }

    pub fn iter(&self) -> impl Iterator<Item = Sought> {
        self.tallies.iter().map(|(key, tally)| Sought {
            mac: key.mac,
            era: key.era,
            name: self.names[key.number as usize],
            tally: *tally,
        })
    }

    pub fn clear(&mut self) {
        self.names.clear();
        self.numbers.clear();
        self.tallies.clear();
    }
}
