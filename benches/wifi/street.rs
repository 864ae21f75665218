//! A street of phones: probes as a real capture has them (13 h of one: 95 % of the addresses made
//! up, 54 % of the probes for any network, an address heard about six times, nearly always within
//! minutes), in the lines that tshark 4 prints.

use std::collections::{HashMap, HashSet};

use windowsill::kernel::record::NewRecord;
use windowsill::kernel::time::DAY_MS;

/// How long a device stays within earshot.
pub(crate) const VISIT_MS: i64 = 5 * 60_000;
/// Probes of a visit, as a capture's addresses have them on the whole.
const VISIT_PROBES: usize = 5;
/// Networks that anybody looks for.
const NETWORKS: u64 = 5_000;

#[derive(Clone, Copy)]
pub(crate) struct Probe {
    pub(crate) ms: i64,
    pub(crate) mac: u64,
    /// 0 is any network.
    pub(crate) network: u64,
    pub(crate) dbm: i32,
}

/// What a device comes to.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Stats {
    pub(crate) probes: i64,
    pub(crate) wildcards: i64,
    pub(crate) first_ms: i64,
    pub(crate) last_ms: i64,
    pub(crate) dbm: (i32, i32),
    pub(crate) networks: usize,
}

/// Addresses, always the same; one in twenty is its maker's.
pub(crate) fn addresses(count: usize) -> Vec<u64> {
    let mut random = fastrand::Rng::with_seed(11);
    let mut known = HashSet::with_capacity(count);
    let mut macs = Vec::with_capacity(count);
    while macs.len() < count {
        // Neither group addresses nor, for makers, made up ones.
        let mac = random.u64(..1 << 48) & !0x0300_0000_0000;
        let is_makers = macs.len().is_multiple_of(20);
        let mac = if is_makers { mac } else { mac | 0x0200_0000_0000 };
        if known.insert(mac) {
            macs.push(mac);
        }
    }
    macs
}

/// Probes of a day and a visit from a time on, in the order of their times.
pub(crate) fn probes(macs: &[u64], count: usize, first_ms: i64, uniform: bool) -> Vec<Probe> {
    let mut random = fastrand::Rng::with_seed(12);
    let arrivals: Vec<i64> = macs.iter().map(|_| random.i64(0..DAY_MS)).collect();
    let mut probes = Vec::with_capacity(count);
    for number in 0..count {
        // Every device is heard at least once.
        let device = if number < macs.len() { number } else { random.usize(..macs.len()) };
        let at = match uniform {
            true => random.i64(0..DAY_MS),
            false => arrivals[device] + random.i64(0..VISIT_MS),
        };
        probes.push(probe(&mut random, macs, device, first_ms + at));
    }
    probes.sort_unstable_by_key(|probe| probe.ms);
    probes
}

fn probe(random: &mut fastrand::Rng, macs: &[u64], device: usize, ms: i64) -> Probe {
    let wildcard = random.u8(..100) < 54;
    let own = (device as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    let network = 1 + (own + u64::from(random.bool())) % NETWORKS;
    let network = if wildcard { 0 } else { network };
    Probe { ms, mac: macs[device], network, dbm: -random.i32(30..96) }
}

/// Visits of known devices, none of them sooner than another, for as long as one listens.
pub(crate) struct Visits {
    macs: Vec<u64>,
    random: fastrand::Rng,
    ms: i64,
    /// Probes of visits that have begun.
    to_come: Vec<Probe>,
}

impl Visits {
    pub(crate) fn new(macs: Vec<u64>, first_ms: i64) -> Visits {
        Visits { macs, random: fastrand::Rng::with_seed(14), ms: first_ms, to_come: Vec::new() }
    }

    /// The probes of the next five minutes, in the order of their times: about so many.
    pub(crate) fn next(&mut self, count: usize) -> Vec<Probe> {
        for _ in 0..count / VISIT_PROBES {
            let device = self.random.usize(..self.macs.len());
            let arrival = self.ms + self.random.i64(0..VISIT_MS);
            for _ in 0..VISIT_PROBES {
                let ms = arrival + self.random.i64(0..VISIT_MS);
                self.to_come.push(probe(&mut self.random, &self.macs, device, ms));
            }
        }
        self.ms += VISIT_MS;
        self.to_come.sort_unstable_by_key(|probe| probe.ms);
        let heard = self.to_come.partition_point(|probe| probe.ms < self.ms);
        self.to_come.drain(..heard).collect()
    }
}

pub(crate) fn colons(mac: u64) -> String {
    let mut text = String::with_capacity(17);
    for (index, byte) in mac.to_be_bytes()[2..].iter().enumerate() {
        if index > 0 {
            text.push(':');
        }
        push_hex(&mut text, *byte);
    }
    text
}

/// The line that tshark prints, as a record.
pub(crate) fn record(probe: &Probe) -> NewRecord {
    let mac = colons(probe.mac);
    let mut ssid = String::with_capacity(32);
    match probe.network {
        0 => ssid.push_str("<MISSING>"),
        network => format!("Network {network}").bytes().for_each(|byte| push_hex(&mut ssid, byte)),
    }
    let line = format!(
        "{{\"timestamp\":\"{}\",\"layers\":{{\"wlan_fc_type_subtype\":[\"0x0004\"],\
         \"wlan_radio_channel\":[\"6\"],\"wlan_radio_signal_dbm\":[\"{}\"],\"wlan_sa\":[\"{mac}\"],\
         \"wlan_sa_resolved\":[\"{mac}\"],\"wlan_ssid\":[\"{ssid}\"]}}}}",
        probe.ms, probe.dbm
    );
    NewRecord { value: Some(line.into_bytes()), ts_ms: probe.ms, ..NewRecord::default() }
}

/// The feeder shares the processor with what is measured: no formatting for each byte.
fn push_hex(text: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    text.push(char::from(DIGITS[usize::from(byte >> 4)]));
    text.push(char::from(DIGITS[usize::from(byte & 15)]));
}

/// What they come to, by a model of a few lines.
pub(crate) fn model(probes: &[Probe]) -> HashMap<i64, Stats> {
    let mut devices: HashMap<i64, Stats> = HashMap::new();
    let mut networks: HashSet<(u64, u64)> = HashSet::new();
    for probe in probes {
        let stats = devices.entry(i64::try_from(probe.mac).unwrap()).or_insert(Stats {
            first_ms: probe.ms,
            dbm: (probe.dbm, probe.dbm),
            ..Stats::default()
        });
        stats.probes += 1;
        stats.last_ms = probe.ms;
        stats.dbm = (stats.dbm.0.min(probe.dbm), stats.dbm.1.max(probe.dbm));
        if probe.network == 0 {
            stats.wildcards += 1;
        } else {
            stats.networks += usize::from(networks.insert((probe.mac, probe.network)));
        }
    }
    devices
}
