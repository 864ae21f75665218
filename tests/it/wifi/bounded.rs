//! A device that looks for more networks than are kept.

use std::collections::BTreeMap;

use super::street::{BEGIN_MS, Seen, Tshark, hex};
use super::{DATA, State, ask, fold, settings, write};

const LIMIT: usize = 1_000;
const MAC: [u8; 6] = [0x40, 0xec, 0x99, 0x1f, 0x3e, 0x75];

/// 1,200 networks, each looked for once to three times, out of order.
fn sprayed(seed: u64) -> Vec<Seen> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut probes = Vec::new();
    for network in 0..1_200_i64 {
        for _ in 0..random.usize(1..4) {
            let ms = BEGIN_MS + network * 20 + random.i64(0..6_000);
            let ssid = format!("Network {network}").into_bytes();
            probes.push(Seen { ms, mac: MAC, ssid, dbm: -50 });
        }
    }
    random.shuffle(&mut probes);
    probes
}

/// The first by (first seen, value), and when each was first seen.
fn first_ones(probes: &[Seen]) -> BTreeMap<String, i64> {
    let mut first: BTreeMap<&[u8], i64> = BTreeMap::new();
    for seen in probes {
        let known = first.entry(&seen.ssid).or_insert(seen.ms);
        *known = seen.ms.min(*known);
    }
    let mut order: Vec<(i64, &[u8])> = first.into_iter().map(|(ssid, ms)| (ms, ssid)).collect();
    order.sort_unstable();
    order.truncate(LIMIT);
    order.into_iter().map(|(ms, ssid)| (hex(ssid), ms)).collect()
}

#[tokio::test]
async fn the_kept_networks_do_not_depend_on_how_the_log_is_cut() {
    for (seed, pieces) in [(1, 1), (1, 3), (2, 7)] {
        let dir = tempfile::tempdir().unwrap();
        settings(dir.path(), "[wifi]\nssid_encoding = \"hex\"\n");
        let probes = sprayed(seed);
        for some in probes.chunks(probes.len().div_ceil(pieces)) {
            write(dir.path(), &Tshark::V4_0.prints(some)).expect_code(0);
            fold(dir.path());
        }
        let mut state = State::open(&dir.path().join(DATA)).await;
        let kept: Vec<(String, i64)> =
            state.rows("select lower(hex(ssid)), first_ms from wifi_ssid").await;
        let kept: BTreeMap<String, i64> = kept.into_iter().collect();
        assert_eq!(kept, first_ones(&probes), "seed {seed} in {pieces} pieces");
        let is_complete: Vec<(bool,)> = state.rows("select ssids_complete from wifi_device").await;
        assert_eq!(is_complete, [(false,)]);
        let sought: Vec<(String,)> = state.rows("select lower(hex(ssid)) from wifi_seeker").await;
        assert!(
            sought.iter().map(|(ssid,)| ssid).eq(kept.keys()),
            "seed {seed} in {pieces} pieces"
        );
        let card = ask(dir.path(), "/device 40:ec:99:1f:3e:75");
        assert!(card.contains("Unique SSIDs : more than 1000 ("), "{card}");
    }
}
