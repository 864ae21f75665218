//! Probes become a summary by device: how often, when, how loud, for which networks.
//!
//! Invariant: every part merges in any order, and nothing here depends on whether SSIDs of this
//! stream are text or hexadecimal: what could be either is kept as it was written until the stream
//! has shown which it is (`encoding`).

use std::hash::{Hash, Hasher};

use rustc_hash::{FxHashMap, FxHashSet};

use super::debezium::Change;
use super::encoding::{Evidence, SeenSsid};
use super::lookout::{Hit, Interest, Lookout, Reading};
use super::names::Collection;
use super::sought::{Sought, SoughtNames};
use super::types::{MacAddr, Ssid};
use crate::kernel::pipeline::At;
use crate::kernel::time::HOUR_MS;

/// A record as the fold sees it.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    Probe {
        captured_ms: i64,
        probe: Probe,
    },
    /// Some other frame: it shows only that the capture goes on.
    Frame {
        captured_ms: i64,
    },
    /// A document of UniFi's changed.
    Document(Collection, String, Change),
    /// A line that says nothing.
    Nothing,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Probe {
    pub mac: MacAddr,
    pub ssid: SeenSsid,
    pub signal_dbm: Option<i32>,
}

/// What is known of a device, or of a device and a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    pub count: i64,
    pub first_ms: i64,
    pub last_ms: i64,
}

impl Tally {
    fn of(event_ms: i64) -> Tally {
        Tally { count: 1, first_ms: event_ms, last_ms: event_ms }
    }

    pub(super) fn merge(&mut self, other: Tally) {
        self.count += other.count;
        self.first_ms = self.first_ms.min(other.first_ms);
        self.last_ms = self.last_ms.max(other.last_ms);
    }
}

/// A device's probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device {
    pub probes: Tally,
    pub wildcard_count: i64,
    /// The weakest and the strongest signal in dBm, where any frame told one.
    pub signal_dbm: Option<(i32, i32)>,
}

impl Device {
    fn of(event_ms: i64, probe: &Probe) -> Device {
        Device {
            probes: Tally::of(event_ms),
            wildcard_count: i64::from(probe.ssid.is_wildcard()),
            signal_dbm: probe.signal_dbm.map(|dbm| (dbm, dbm)),
        }
    }

    pub(super) fn merge(&mut self, other: Device) {
        self.probes.merge(other.probes);
        self.wildcard_count += other.wildcard_count;
        self.signal_dbm = match (self.signal_dbm, other.signal_dbm) {
            (Some(known), Some(more)) => Some((known.0.min(more.0), known.1.max(more.1))),
            (known, more) => known.or(more),
        };
    }
}

/// An SSID and how sure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Name {
    Sure(Ssid),
    /// Written so that it could be text or hexadecimal; as text.
    Undecided(Ssid),
}

impl Name {
    fn of(seen: SeenSsid) -> Name {
        match seen {
            SeenSsid::Known(ssid) | SeenSsid::Shown(ssid, _) => Name::Sure(ssid),
            SeenSsid::Either(text) => Name::Undecided(text),
        }
    }
}

/// A device in one hour since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot {
    pub mac: MacAddr,
    hour: u32,
}

impl Slot {
    fn of(mac: MacAddr, event_ms: i64) -> Slot {
        // The engine lets no event through from before 1970 or after 9999.
        Slot { mac, hour: u32::try_from(event_ms / HOUR_MS).unwrap_or(0) }
    }

    pub fn hour(self) -> i64 {
        i64::from(self.hour)
    }
}

/// One number, so that the hot path hashes one.
impl Hash for Slot {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_i64(self.mac.key() ^ i64::from(self.hour) << 44);
    }
}

/// How long a randomised address is kept after it was last heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    hours: Option<i64>,
}

impl Retention {
    /// 0 days keep it for ever.
    pub fn of_days(days: u32) -> Retention {
        Retention { hours: (days > 0).then_some(i64::from(days) * 24) }
    }

    pub fn hours(self) -> Option<i64> {
        self.hours
    }

    /// The stretch of time, as long as the retention, that an event of this device lies in: what
    /// is heard in one stretch is never parted by a silence that is longer.
    pub fn era(self, slot: Slot) -> u16 {
        match self.hours {
            // Eras of a day come round after 179 years.
            Some(hours) if slot.mac.is_randomised() => (slot.hour() / hours) as u16,
            _ => 0,
        }
    }
}

/// Networks whose judgement is remembered within a batch.
const JUDGED_LIMIT: usize = 10_000;

/// The summary of a batch of frames.
#[derive(Debug, Default)]
pub struct Delta {
    pub devices: FxHashMap<Slot, Device>,
    pub names: SoughtNames,
    pub evidence: Evidence,
    /// The least and the greatest time of capture of any frame.
    pub span_ms: Option<(i64, i64)>,
    /// Probes that matter by themselves.
    pub hits: Vec<Hit>,
    /// What networks came to, so that each is judged once a step, and by which state of the list.
    judged: FxHashMap<Ssid, Option<Interest>>,
    judged_by: u64,
    /// Changes of documents by their ids. One document's lie in one partition, so their parts
    /// are merged in their order.
    pub documents: FxHashMap<(Collection, String), Change>,
}

impl Delta {
    pub fn entries(&self) -> usize {
        self.devices.len() + self.names.len() + self.hits.len() + self.documents.len()
    }

    pub fn clear(&mut self) {
        self.devices.clear();
        self.names.clear();
        self.evidence.clear();
        self.span_ms = None;
        self.hits.clear();
        self.judged.clear();
        self.documents.clear();
    }

    /// Adds an event, by the watch list as it is now and the networks that are never news.
    pub fn add(
        &mut self,
        event: &Event,
        at: At,
        retention: Retention,
        lookout: &Lookout,
        local: &FxHashSet<Ssid>,
    ) {
        match event {
            Event::Probe { captured_ms, probe } => {
                self.add_span((*captured_ms, *captured_ms));
                self.add_probe(probe, at, retention);
                self.look_out(probe, at, lookout, local);
            }
            Event::Frame { captured_ms } => self.add_span((*captured_ms, *captured_ms)),
            Event::Document(collection, id, change) => {
                self.add_change((*collection, id.clone()), change.clone());
            }
            Event::Nothing => {}
        }
    }

    /// Notes a probe that matters by itself. An SSID that could be either is judged as both.
    fn look_out(&mut self, probe: &Probe, at: At, lookout: &Lookout, local: &FxHashSet<Ssid>) {
        let ssid = probe.ssid.ssid();
        let readings = match probe.ssid {
            SeenSsid::Known(_) | SeenSsid::Shown(..) => [Some((ssid, Reading::Sure)), None],
            SeenSsid::Either(_) => {
                let bytes = ssid.of_its_digits().map(|bytes| (bytes, Reading::AsHex));
                [Some((ssid, Reading::AsText)), bytes]
            }
        };
        for (ssid, reading) in readings.into_iter().flatten() {
            if let Some(interest) = self.judge(ssid, lookout, local) {
                self.hits.push(Hit { at, mac: probe.mac, ssid, interest, reading });
            }
        }
    }

    fn judge(
        &mut self,
        ssid: Ssid,
        lookout: &Lookout,
        local: &FxHashSet<Ssid>,
    ) -> Option<Interest> {
        if lookout.is_idle() && !ssid.has_nul() {
            return None;
        }
        if self.judged.len() >= JUDGED_LIMIT || self.judged_by != lookout.changes() {
            self.judged.clear();
            self.judged_by = lookout.changes();
        }
        *self.judged.entry(ssid).or_insert_with(|| lookout.interest(&ssid, local))
    }

    fn add_span(&mut self, (first_ms, last_ms): (i64, i64)) {
        self.span_ms = Some(match self.span_ms {
            Some((known_first, known_last)) => (known_first.min(first_ms), known_last.max(last_ms)),
            None => (first_ms, last_ms),
        });
    }

    fn add_probe(&mut self, probe: &Probe, at: At, retention: Retention) {
        let slot = Slot::of(probe.mac, at.event_ms);
        self.add_device(slot, Device::of(at.event_ms, probe));
        if !probe.ssid.is_wildcard() {
            let (mac, era, name) = (probe.mac, retention.era(slot), Name::of(probe.ssid));
            self.names.add(Sought { mac, era, name, tally: Tally::of(at.event_ms) });
        }
        self.evidence.add(probe.ssid, at.event_ms);
    }

    pub fn absorb(&mut self, other: Delta) {
        for (slot, device) in other.devices {
            self.add_device(slot, device);
        }
        for sought in other.names.iter() {
            self.names.add(sought);
        }
        self.evidence.merge(other.evidence);
        if let Some(span_ms) = other.span_ms {
            self.add_span(span_ms);
        }
        self.hits.extend(other.hits);
        for (document, change) in other.documents {
            self.add_change(document, change);
        }
    }

    fn add_device(&mut self, slot: Slot, device: Device) {
        self.devices.entry(slot).and_modify(|known| known.merge(device)).or_insert(device);
    }

    fn add_change(&mut self, document: (Collection, String), change: Change) {
        match self.documents.get_mut(&document) {
            Some(known) => known.then(change),
            None => drop(self.documents.insert(document, change)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A network is put on the list while a step is folded.
    #[test]
    fn a_network_is_judged_by_the_list_as_it_is_now() {
        let ssid = Ssid::of_bytes(b"RNM0").unwrap();
        let mac = "40:ec:99:1f:3e:75".parse().unwrap();
        let probe = Probe { mac, ssid: SeenSsid::Known(ssid), signal_dbm: None };
        let event = Event::Probe { captured_ms: 1, probe };
        let (mut delta, mut lookout) = (Delta::default(), Lookout::default());
        lookout.watch(Ssid::of_bytes(b"other").unwrap());
        let (local, at, retention) = (FxHashSet::default(), At::default(), Retention::of_days(30));
        delta.add(&event, at, retention, &lookout, &local);
        assert_eq!(delta.hits.len(), 0);
        lookout.watch(ssid);
        delta.add(&event, at, retention, &lookout, &local);
        assert_eq!(delta.hits.len(), 1);
        lookout.unwatch(&ssid);
        delta.add(&event, at, retention, &lookout, &local);
        assert_eq!(delta.hits.len(), 1);
    }
}
