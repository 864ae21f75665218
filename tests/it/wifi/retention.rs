//! Randomised addresses that fell silent are forgotten, and begin anew when they come back.

use std::collections::BTreeMap;
use std::path::Path;

use super::street::{BEGIN_MS, Seen, Stats, Tshark, hex, model};
use super::{DATA, State, ask, fold, rows, settings, write};
use crate::support::run;

const HOUR_MS: i64 = 3_600_000;
const DAYS: i64 = 2;

/// Phones that come and go over two weeks; every fourth has its maker's address, and stays known.
fn two_weeks(seed: u64) -> Vec<Seen> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut probes: Vec<Seen> = Vec::new();
    for device in 0..40_u8 {
        let first = if device % 4 == 0 { 0x40 } else { 0xda };
        for _ in 0..random.usize(1..12) {
            let ms = BEGIN_MS + random.i64(0..14 * 24 * HOUR_MS);
            let ssid = [b"".as_slice(), b"cafe", b"RNM0", b"no hex"][random.usize(..4)].to_vec();
            let dbm = -random.i32(30..96);
            probes.push(Seen { ms, mac: [first, 0, 0, 0, 7, device], ssid, dbm });
        }
    }
    probes.sort_by_key(|seen| seen.ms);
    probes
}

/// What is left, by a model: the probes since the last silence of more than the retention, unless
/// the silence since then is as long.
fn left(probes: &[Seen]) -> BTreeMap<String, Stats> {
    let hour = |seen: &Seen| seen.ms / HOUR_MS;
    let newest_hour = probes.iter().map(hour).max().unwrap();
    let mut by_device: BTreeMap<[u8; 6], Vec<Seen>> = BTreeMap::new();
    for seen in probes {
        let known = by_device.entry(seen.mac).or_default();
        let is_made_up = seen.mac[0] == 0xda;
        let silent = known.last().is_some_and(|last| hour(seen) - hour(last) > DAYS * 24);
        if is_made_up && silent {
            known.clear();
        }
        known.push(seen.clone());
    }
    by_device.retain(|mac, known| {
        mac[0] != 0xda || newest_hour - hour(known.last().unwrap()) <= DAYS * 24
    });
    let rest: Vec<Seen> = by_device.into_values().flatten().collect();
    model(&rest)
}

fn forgetful(dir: &Path) {
    let toml = format!("[wifi]\nssid_encoding = \"hex\"\nrandom_retention_days = {DAYS}\n");
    settings(dir, &toml);
}

#[tokio::test]
async fn what_is_left_does_not_depend_on_how_the_log_is_cut() {
    for seed in 0..3 {
        let probes = two_weeks(seed);
        for piece in [probes.len(), 60, 23] {
            let dir = tempfile::tempdir().unwrap();
            forgetful(dir.path());
            for some in probes.chunks(piece) {
                write(dir.path(), &Tshark::V4_0.prints(some)).expect_code(0);
                fold(dir.path());
            }
            assert_eq!(rows(dir.path()).await, left(&probes), "seed {seed} in pieces of {piece}");
            run(dir.path(), &["rebuild"]).expect_code(0);
            assert_eq!(rows(dir.path()).await, left(&probes), "seed {seed} after a rebuild");
        }
    }
}

#[tokio::test]
async fn a_forgotten_address_is_in_no_view_and_is_not_found() {
    let dir = tempfile::tempdir().unwrap();
    forgetful(dir.path());
    let seen = |ms: i64, mac: [u8; 6], ssid: &[u8]| Seen { ms, mac, ssid: ssid.to_vec(), dbm: -50 };
    let (phone, kindle) = ([0xda, 1, 2, 3, 4, 5], [0x40, 1, 2, 3, 4, 6]);
    let later_ms = BEGIN_MS + (DAYS * 24 + 2) * HOUR_MS;
    write(dir.path(), &Tshark::V4_0.prints(&[seen(BEGIN_MS, phone, b"home")])).expect_code(0);
    fold(dir.path());
    assert!(ask(dir.path(), "/device 020304").contains("da:01:02:03:04:05"));
    write(dir.path(), &Tshark::V4_0.prints(&[seen(later_ms, kindle, b"")])).expect_code(0);
    fold(dir.path());
    let mut state = State::open(&dir.path().join(DATA)).await;
    for view in ["wifi_device", "wifi_ssid", "wifi_seeker", "wifi_undecided", "wifi_hour"] {
        let of_it = format!("select count(*) from {view} where mac = {}", i64_of(&phone));
        assert_eq!(state.number(&of_it).await, 0, "{view}");
    }
    assert!(ask(dir.path(), "/device da:01:02:03:04:05").contains("No result found"));
    assert!(ask(dir.path(), "/device 020304").contains("40:01:02:03:04:06"));
    let again = [seen(later_ms + 1, phone, b"work")];
    write(dir.path(), &Tshark::V4_0.prints(&again)).expect_code(0);
    fold(dir.path());
    assert_eq!(rows(dir.path()).await[&hex(&phone)], model(&again)[&hex(&phone)]);
    assert!(ask(dir.path(), "/device da:01:02:03:04:05").contains("begins anew"));
}

#[tokio::test]
async fn nobody_is_forgotten_where_the_setting_says_so() {
    let dir = tempfile::tempdir().unwrap();
    settings(dir.path(), "[wifi]\nrandom_retention_days = 0\n");
    let probes = two_weeks(9);
    write(dir.path(), &Tshark::V4_0.prints(&probes)).expect_code(0);
    fold(dir.path());
    assert_eq!(rows(dir.path()).await, model(&probes));
}

fn i64_of(mac: &[u8; 6]) -> i64 {
    mac.iter().fold(0, |key, byte| key << 8 | i64::from(*byte))
}
