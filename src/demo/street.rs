//! A simulated street: phones and other things that look for Wi-Fi networks, some of them of the
//! house itself, most of them with addresses that they made up.
//!
//! Invariant: what is heard between two moments is a pure function of (seed, origin, the moments),
//! however the time is cut, so a simulation goes on where it ended without having stored anything.
//!
//! About 60 probes an hour: 12 in each real second at the demo's default speed.

use super::chance;
use crate::kernel::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};

/// The network that is watched, and why.
pub const WATCHED: (&str, &str) = ("Windowsill guests", "only people who were our guests know it");
/// The network of the house itself.
const HOME: &[u8] = b"Windowsill home";
/// What is like the watched one without being it: an ear for it must be a fine one.
const ALIKE: &[u8] = b"windowsill guests ";
/// Bytes that hide behind a NUL.
const HIDING: &[u8] = b"Free WiFi\0\0\x1b[31m";

/// When the phone that looks for the watched network first comes by, after the origin: at the
/// default speed that is 5 to 15 s. It comes again once a day.
const FIRST_VISIT_MS: i64 = HOUR_MS;
const VISIT_WITHIN_MS: i64 = 2 * HOUR_MS;
/// A visit's bursts of probes; all of them lie within one cool-down.
const VISIT_BURSTS_MS: [i64; 4] = [0, 90 * SECOND_MS, 4 * MINUTE_MS, 7 * MINUTE_MS];
/// Days after which what is odd comes again: something else on each.
const ODD_DAYS: i64 = 4;

/// Everything but visits happens within one of these.
const SLOT_MS: i64 = 10 * MINUTE_MS;
/// The doorbell lost its network and asks for it again and again, day and night.
const DOORBELL_EVERY_MS: i64 = 4 * MINUTE_MS;
const DOORBELL: [u8; 6] = [0x24, 0x0a, 0xc4, 0x7d, 0x10, 0x5e];
/// An old phone, with the address that its maker gave it.
const GUEST_PHONE: [u8; 6] = [0x00, 0x23, 0x76, 0x5c, 0x41, 0x9a];

/// How awake people are, by the hour (UTC).
const AWAKE: [f64; 24] = [
    0.3, 0.15, 0.08, 0.06, 0.06, 0.1, 0.35, 0.7, 0.6, 0.45, 0.4, 0.4, 0.5, 0.45, 0.4, 0.45, 0.6,
    0.8, 0.95, 1.0, 1.0, 0.95, 0.75, 0.5,
];
/// How lively the street is.
const LIVELY: [f64; 24] = [
    0.08, 0.04, 0.03, 0.02, 0.02, 0.06, 0.25, 0.6, 0.7, 0.45, 0.35, 0.35, 0.45, 0.4, 0.35, 0.4,
    0.55, 0.7, 0.65, 0.45, 0.3, 0.25, 0.2, 0.12,
];
/// At most so many people pass in a slot.
const PASSERS: u64 = 3;
/// What passers-by look for, if they look for a network at all.
const PASSER_NETWORKS: [&[u8]; 8] = [
    b"eduroam",
    b"WIFIonICE",
    b"Telekom_FON",
    b"McDonald's Free WiFi",
    "Bäckerei Öz 🥐".as_bytes(),
    b"AndroidAP_3381",
    b"FRITZ!Box 7490",
    b"VICTORIA-<guest>",
];

/// Whoever lives here.
struct Dweller {
    address: Address,
    networks: &'static [&'static [u8]],
    /// Bursts of probes an hour while everybody is awake.
    per_hour: f64,
    /// Its usual signal.
    dbm: i64,
}

#[derive(Clone, Copy)]
enum Address {
    /// Its maker's.
    Fixed([u8; 6]),
    /// Made up, and made up anew after so many hours.
    Changing(i64),
}

/// A device that once joined the house's network, as UniFi's documents have it.
pub struct Joined {
    pub mac: [u8; 6],
    pub name: Option<&'static str>,
    pub hostname: Option<&'static str>,
    /// Its maker.
    pub oui: &'static str,
    pub is_guest: bool,
}

/// The house's own things with a name.
pub const JOINED: [Joined; 3] = [
    Joined { name: Some("Robin's Kindle"), ..joined(KINDLE, "Amazon") },
    Joined { hostname: Some("robins-laptop"), ..joined(LAPTOP, "Intel") },
    Joined { is_guest: true, ..joined(VISITING_PHONE, "Apple") },
];

const fn joined(mac: [u8; 6], oui: &'static str) -> Joined {
    Joined { mac, name: None, hostname: None, oui, is_guest: false }
}

/// And one that was named in the chat.
pub const NAMED: ([u8; 6], &str) = (TELEVISION, "Living room TV");

const KINDLE: [u8; 6] = [0xfc, 0x65, 0xde, 0x1f, 0x3e, 0x75];
const LAPTOP: [u8; 6] = [0x40, 0xec, 0x99, 0x22, 0x07, 0xb1];
const VISITING_PHONE: [u8; 6] = [0xa4, 0x83, 0xe7, 0x4e, 0x39, 0x15];
const TELEVISION: [u8; 6] = [0x8c, 0x79, 0xf5, 0x60, 0x0d, 0x42];
const PRINTER: [u8; 6] = [0x3c, 0xd9, 0x2b, 0x71, 0xee, 0x08];

const fn dweller(
    address: Address,
    networks: &'static [&'static [u8]],
    per_hour: f64,
    dbm: i64,
) -> Dweller {
    Dweller { address, networks, per_hour, dbm }
}

const DWELLERS: [Dweller; 13] = [
    dweller(Address::Fixed(KINDLE), &[HOME], 1.5, -48),
    dweller(Address::Fixed(LAPTOP), &[HOME, b"eduroam", b"WIFIonICE"], 3.0, -52),
    dweller(Address::Fixed(VISITING_PHONE), &[HOME, b"Zo\xc3\xab's iPhone"], 2.0, -55),
    dweller(Address::Fixed(TELEVISION), &[], 1.0, -58),
    dweller(Address::Fixed(PRINTER), &[b"FRITZ!Box 7590 KL"], 1.0, -61),
    dweller(Address::Changing(5), &[b"FRITZ!Box 7590 KL", b"eduroam"], 3.0, -64),
    dweller(Address::Changing(3), &[b"Vodafone-4A7C"], 2.5, -71),
    dweller(Address::Changing(7), &[b"Pretty Fly for a Wi-Fi", b"WIFIonICE"], 2.0, -68),
    // In Latin-1, as an old router had it.
    dweller(Address::Changing(4), &[b"Caf\xe9 Nord"], 2.0, -77),
    dweller(Address::Changing(9), &[b"MagentaWLAN-X9TQ"], 2.5, -74),
    dweller(Address::Changing(2), &[], 3.0, -80),
    // It reads like hexadecimal digits.
    dweller(Address::Changing(6), &[b"cafe"], 2.0, -83),
    dweller(Address::Changing(4), &["🪴 Wintergarten".as_bytes()], 2.5, -66),
];

/// Who is who among the chances.
const OF_DOORBELL: u64 = 100;
const OF_VISITS: u64 = 101;
const OF_PASSERS: u64 = 200;

/// A probe request, as it is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Heard {
    pub at_ms: i64,
    pub mac: [u8; 6],
    /// Empty for a wildcard.
    pub ssid: &'static [u8],
    pub dbm: i64,
}

/// A simulated street.
#[derive(Debug, Clone, Copy)]
pub struct Street {
    pub seed: u64,
    pub origin_ms: i64,
}

impl Street {
    /// What is heard after `from_ms` and up to `until_ms`, in the order of time.
    pub fn heard(&self, from_ms: i64, until_ms: i64) -> Vec<Heard> {
        let mut heard = Vec::new();
        for slot in from_ms.div_euclid(SLOT_MS)..=until_ms.div_euclid(SLOT_MS) {
            for (who, dweller) in (0..).zip(&DWELLERS) {
                self.dwell(who, dweller, slot, &mut heard);
            }
            for who in 0..PASSERS {
                self.pass(OF_PASSERS + who, slot, &mut heard);
            }
        }
        for ring in from_ms.div_euclid(DOORBELL_EVERY_MS)..=until_ms.div_euclid(DOORBELL_EVERY_MS) {
            self.ring(ring, &mut heard);
        }
        // A visit may begin on the day before.
        let day = |at_ms: i64| (at_ms - self.origin_ms).div_euclid(DAY_MS);
        for visit in day(from_ms) - 1..=day(until_ms) {
            self.visit(visit, &mut heard);
        }
        heard.retain(|probe| from_ms < probe.at_ms && probe.at_ms <= until_ms);
        heard.sort_unstable();
        heard
    }

    fn unit(&self, who: u64, number: i64, salt: u64) -> f64 {
        chance::unit(self.seed, who, number.unsigned_abs(), salt)
    }

    /// A burst of one to three probes, perhaps.
    fn dwell(&self, who: u64, dweller: &Dweller, slot: i64, heard: &mut Vec<Heard>) {
        let at_ms = slot * SLOT_MS + chance::below(SLOT_MS - SECOND_MS, self.unit(who, slot, 1));
        let part_of_hour = 6.0;
        if self.unit(who, slot, 2) >= dweller.per_hour / part_of_hour * by_hour(&AWAKE, at_ms) {
            return;
        }
        let mac = match dweller.address {
            Address::Fixed(mac) => mac,
            Address::Changing(hours) => self.made_up(who, at_ms.div_euclid(hours * HOUR_MS)),
        };
        for probe in 0..=chance::below(3, self.unit(who, slot, 3)) {
            let network = chance::below(3, self.unit(who, slot, 4)) + probe;
            let ssid = match probe {
                0 => b"".as_slice(),
                _ => any(dweller.networks, network).unwrap_or_default(),
            };
            let dbm = dweller.dbm + self.wobble(who, slot * 4 + probe, 4);
            heard.push(Heard { at_ms: at_ms + probe * 40, mac, ssid, dbm });
        }
    }

    /// Somebody comes by, is loudest in front of the house, and goes.
    fn pass(&self, who: u64, slot: i64, heard: &mut Vec<Heard>) {
        let margin_ms = 20 * SECOND_MS;
        let span_ms = SLOT_MS - 2 * margin_ms;
        let near_ms = slot * SLOT_MS + margin_ms + chance::below(span_ms, self.unit(who, slot, 1));
        if self.unit(who, slot, 2) >= by_hour(&LIVELY, near_ms) {
            return;
        }
        let mac = self.made_up(who, slot);
        let picked = self.unit(who, slot, 3);
        let ssid = match picked < 0.4 {
            true => any(&PASSER_NETWORKS, chance::below(8, self.unit(who, slot, 4))),
            false => None,
        };
        let ssid = ssid.unwrap_or_default();
        for (burst, (after_ms, dbm)) in (0..).zip([(-14_000, -87), (0, -63), (13_000, -84)]) {
            let dbm = dbm + self.wobble(who, slot * 4 + burst, 4);
            let at_ms = near_ms + after_ms;
            heard.push(Heard { at_ms, mac, ssid: b"", dbm });
            if !ssid.is_empty() {
                heard.push(Heard { at_ms: at_ms + 35, mac, ssid, dbm });
            }
        }
    }

    fn ring(&self, ring: i64, heard: &mut Vec<Heard>) {
        let late_ms = chance::below(20 * SECOND_MS, self.unit(OF_DOORBELL, ring, 1));
        let ssid = if ring.rem_euclid(3) == 0 { HOME } else { b"" };
        let dbm = -57 + self.wobble(OF_DOORBELL, ring, 2);
        heard.push(Heard { at_ms: ring * DOORBELL_EVERY_MS + late_ms, mac: DOORBELL, ssid, dbm });
    }

    /// The phone that looks for the watched network; before the origin it did not yet. From the
    /// second day on something odd, too: a fresh simulation does not begin with old news.
    fn visit(&self, visit: i64, heard: &mut Vec<Heard>) {
        let late_ms = chance::below(VISIT_WITHIN_MS, self.unit(OF_VISITS, visit, 1));
        let at_ms = self.origin_ms + visit * DAY_MS + FIRST_VISIT_MS + late_ms;
        let wanted = if visit >= 0 { WATCHED.0.as_bytes() } else { b"" };
        self.come(visit * 4, at_ms, GUEST_PHONE, wanted, heard);
        if visit <= 0 {
            return;
        }
        let later_ms = at_ms + 6 * HOUR_MS;
        let made_up = self.made_up(OF_VISITS, visit);
        match visit % ODD_DAYS {
            1 => self.come(visit * 4 + 1, later_ms, made_up, HIDING, heard),
            2 => self.come(visit * 4 + 1, later_ms, made_up, ALIKE, heard),
            3 => {
                // An old tablet that was never here before: each has the next number of its maker.
                let [.., high, low] = (visit / ODD_DAYS).to_be_bytes();
                let mac = [0x5c, 0x0a, 0x5b, 0x31, high, low];
                self.come(visit * 4 + 1, later_ms, mac, b"", heard);
            }
            _ => {}
        }
    }

    fn come(
        &self,
        number: i64,
        at_ms: i64,
        mac: [u8; 6],
        wanted: &'static [u8],
        heard: &mut Vec<Heard>,
    ) {
        for (burst, after_ms) in (0..).zip(VISIT_BURSTS_MS) {
            let dbm = -66 + self.wobble(OF_VISITS, number * 4 + burst, 5);
            let at_ms = at_ms + after_ms;
            heard.push(Heard { at_ms, mac, ssid: b"", dbm });
            if !wanted.is_empty() {
                heard.push(Heard { at_ms: at_ms + 30, mac, ssid: wanted, dbm });
            }
        }
    }

    /// An address as phones make them up: locally administered, of one device.
    fn made_up(&self, who: u64, number: i64) -> [u8; 6] {
        let bits = chance::bits(self.seed, who, number.unsigned_abs(), 9);
        let [first, b, c, d, e, f, ..] = bits.to_be_bytes();
        [first & 0xfc | 0x02, b, c, d, e, f]
    }

    /// What a signal differs from its usual strength by, at most `most_dbm` either way.
    fn wobble(&self, who: u64, number: i64, most_dbm: i64) -> i64 {
        chance::below(2 * most_dbm + 1, self.unit(who, number, 8)) - most_dbm
    }
}

fn by_hour(rhythm: &[f64; 24], at_ms: i64) -> f64 {
    let hour = usize::try_from(at_ms.rem_euclid(DAY_MS) / HOUR_MS).unwrap_or_default();
    rhythm.get(hour).copied().unwrap_or_default()
}

fn any(networks: &[&'static [u8]], number: i64) -> Option<&'static [u8]> {
    let number = usize::try_from(number).ok()?;
    networks.get(number.checked_rem(networks.len())?).copied()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const ORIGIN_MS: i64 = 1_790_000_000_000;

    fn street(seed: u64) -> Street {
        Street { seed, origin_ms: ORIGIN_MS }
    }

    fn is_made_up(mac: [u8; 6]) -> bool {
        mac[0] & 0x02 != 0
    }

    /// However the time is cut, and whoever begins where.
    #[test]
    fn what_is_heard_depends_on_nothing_but_the_seed_and_the_time() {
        let street = street(7);
        let until_ms = ORIGIN_MS + 3 * DAY_MS;
        let whole = street.heard(ORIGIN_MS - DAY_MS, until_ms);
        for step_ms in [97_000, 144_000, 20 * MINUTE_MS, 7 * HOUR_MS] {
            let mut pieces = Vec::new();
            let mut from_ms = ORIGIN_MS - DAY_MS;
            while from_ms < until_ms {
                let to_ms = (from_ms + step_ms).min(until_ms);
                pieces.extend(street.heard(from_ms, to_ms));
                from_ms = to_ms;
            }
            assert_eq!(pieces, whole, "in steps of {step_ms} ms");
        }
        let other = Street { seed: 8, ..street };
        assert_ne!(other.heard(ORIGIN_MS - DAY_MS, until_ms), whole);
    }

    /// At the default speed a minute is 12 simulated hours; three are enough.
    #[test]
    fn the_watched_network_is_looked_for_within_the_first_minute_for_every_seed() {
        for seed in 0..2_000 {
            let heard = street(seed).heard(ORIGIN_MS, ORIGIN_MS + 4 * HOUR_MS);
            let wanted = |probe: &&Heard| probe.ssid == WATCHED.0.as_bytes();
            let times: Vec<i64> = heard.iter().filter(wanted).map(|probe| probe.at_ms).collect();
            let first_ms = times.first().expect("nobody looks for it") - ORIGIN_MS;
            assert!((HOUR_MS..=3 * HOUR_MS).contains(&first_ms), "seed {seed}: {first_ms} ms");
            // One visit, so that one alert comes of it.
            assert_eq!(times.len(), VISIT_BURSTS_MS.len());
            assert!(times[times.len() - 1] - times[0] < 10 * MINUTE_MS);
        }
        // Nothing of it in the past that a fresh simulation has: that would be old news.
        let before = street(1).heard(ORIGIN_MS - 2 * DAY_MS, ORIGIN_MS);
        let news = [WATCHED.0.as_bytes(), ALIKE, HIDING];
        assert!(before.iter().all(|probe| !news.contains(&probe.ssid)));
        assert!(before.iter().any(|probe| probe.mac == GUEST_PHONE), "it is known already");
    }

    #[test]
    fn the_street_is_modest_sleeps_at_night_and_is_never_silent() {
        for seed in 1..=20 {
            let heard = street(seed).heard(ORIGIN_MS, ORIGIN_MS + 7 * DAY_MS);
            let hours = 7 * 24;
            let per_hour = i64::try_from(heard.len()).unwrap() / hours;
            assert!((40..=80).contains(&per_hour), "seed {seed}: {per_hour} an hour");
            let at_hours = |from, to| {
                let hour = |probe: &&Heard| probe.at_ms.rem_euclid(DAY_MS) / HOUR_MS;
                heard.iter().filter(|probe| (from..to).contains(&hour(probe))).count()
            };
            assert!(at_hours(18, 22) > 2 * at_hours(1, 5), "seed {seed}");
            let gaps = heard.windows(2).map(|pair| pair[1].at_ms - pair[0].at_ms);
            assert!(gaps.max().unwrap() < 5 * MINUTE_MS, "a capture that stalls sounds otherwise");
            assert!(heard.iter().all(|probe| (-95..=-40).contains(&probe.dbm)));
        }
    }

    #[test]
    fn most_addresses_are_made_up_and_some_ssids_are_odd() {
        let heard = street(3).heard(ORIGIN_MS, ORIGIN_MS + 14 * DAY_MS);
        let macs: BTreeSet<[u8; 6]> = heard.iter().map(|probe| probe.mac).collect();
        let made_up = macs.iter().filter(|mac| is_made_up(**mac)).count();
        assert!(made_up * 100 > macs.len() * 95, "{made_up} of {}", macs.len());
        assert!(macs.iter().all(|mac| mac[0] & 0x01 == 0), "nobody sends from a group's address");
        for wanted in [HOME, ALIKE, HIDING, b"Caf\xe9 Nord", b"cafe", b""] {
            assert!(heard.iter().any(|probe| probe.ssid == wanted), "{wanted:?}");
        }
        assert!(heard.iter().all(|probe| probe.ssid.len() <= 32));
    }
}
