//! The watch list against its invariants: whatever the interleaving, the batch sizes and the
//! crashes, alerts about one device and network are a cool-down apart, every probe lies within one
//! cool-down of an alert, and none goes missing. A log that was complete before it was read is told
//! as a model of a few lines tells it.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;
use windowsill::clock::Clock;
use windowsill::engine::Runner;
use windowsill::kernel::time::{HOUR_MS, MINUTE_MS, SECOND_MS};
use windowsill::rooms::wifi::Wifi;
use windowsill::rooms::wifi::encoding::Encoding;
use windowsill::rooms::wifi::fold::Retention;
use windowsill::rooms::wifi::rules::Rules;

use super::bench::{BASE_MS, Bench, LAG_MS, one_life, rows, until};
use super::case::{ending, turns, weight};
use super::impatient::Impatient;
use super::lives::{Ending, Running, live_as};
use super::scripted_log::{Line, ScriptedLog, Turn};

const PCAP: &str = "pcap";
const LIST: &str = "ssid_alert_list_01";
const COOLDOWN_MS: i64 = 10 * MINUTE_MS;
const WATCHED: [&str; 2] = ["RNM0", "Caf\u{e9} \u{1f980}"];
const NETWORKS: [&str; 3] = [WATCHED[0], WATCHED[1], "Coherer"];
/// After every probe, on the same day.
const NOW_MS: i64 = BASE_MS + 9 * HOUR_MS;

/// A probe: device, network, time.
type Told = (u8, usize, i64);

#[derive(Debug, Clone)]
struct Case {
    partitions: Vec<Vec<Told>>,
    turns: Vec<Turn>,
    weight: usize,
    lives: Vec<(usize, Ending)>,
}

fn case() -> impl Strategy<Value = Case> {
    let lives = vec((0..=100_usize, ending()), 0..4);
    (vec(history(), 1..4), turns(), weight(), lives).prop_map(
        |(partitions, turns, weight, mut lives)| {
            lives.sort_by_key(|(per_cent, _)| *per_cent);
            Case { partitions, turns, weight, lives }
        },
    )
}

/// Probes in their order, but for a disorder that a partition's lag allows for.
fn history() -> impl Strategy<Value = Vec<Told>> {
    let step = prop_oneof![
        4 => 0..90 * SECOND_MS,
        2 => COOLDOWN_MS - 2..COOLDOWN_MS + 3,
        1 => Just(0),
        1 => -LAG_MS..0,
    ];
    vec((0..2_u8, 0..NETWORKS.len(), step), 0..50).prop_map(|steps| {
        let mut newest_ms = BASE_MS + HOUR_MS;
        let place = |(device, network, step): (u8, usize, i64)| {
            let at_ms = newest_ms + step;
            newest_ms = newest_ms.max(at_ms);
            (device, network, at_ms)
        };
        steps.into_iter().map(place).collect()
    })
}

fn line((device, network, at_ms): Told) -> Line {
    let ssid: String = NETWORKS[network].bytes().map(|byte| format!("{byte:02x}")).collect();
    let value = json!({"timestamp": at_ms.to_string(), "wlan_fc_type_subtype": ["0x0004"],
        "wlan_sa": [format!("40:ec:99:1f:3e:{device:02x}")], "wlan_ssid": [ssid]});
    Line { ts_ms: at_ms, key: None, value: Some(value.to_string().into_bytes()) }
}

fn room(weight: usize) -> Impatient<Wifi> {
    let rules = Rules {
        cooldown_ms: COOLDOWN_MS,
        absent_ms: HOUR_MS,
        learning_ms: 24 * HOUR_MS,
        ..Rules::default()
    };
    Impatient {
        room: Wifi { ssid_encoding: Some(Encoding::Hex), rules, retention: Retention::of_days(30) },
        weight,
    }
}

fn bench(case: &Case) -> Bench {
    let log = ScriptedLog::new(&[(PCAP, case.partitions.len())], case.turns.clone(), 1);
    let codec = &super::bench::topic(LIST).codec;
    for ssid in WATCHED {
        let value = codec.encode(&json!({"REASON": "home network"})).unwrap();
        let key = Some(ssid.as_bytes().to_vec());
        log.write(LIST, 0, [Line { ts_ms: 1, key, value: Some(value) }]);
    }
    log.release(LIST);
    for (partition, told) in case.partitions.iter().enumerate() {
        log.write(PCAP, partition, told.iter().copied().map(line));
    }
    Bench::new(log, NOW_MS)
}

/// Times by device and network.
type Times = BTreeMap<(u8, usize), BTreeSet<i64>>;

/// The alerts, and how many probes were held back.
fn settle(bench: &Bench, weight: usize) -> (Times, i64) {
    bench.log.release(PCAP);
    one_life(async {
        let workshop = bench.workshop().await;
        Runner::new(room(weight), workshop.clone()).catch_up().await.unwrap();
        let alerts: Vec<(String, i64)> = rows(
            &workshop.store,
            "select subject, event_ms from alert where rule = 'wifi.watched'",
        )
        .await;
        let held: Vec<(i64,)> =
            rows(&workshop.store, "select coalesce(sum(probe_count), 0) from wifi_held").await;
        let waiting: Vec<(i64,)> =
            rows(&workshop.store, "select count(*) from wifi_candidate").await;
        assert_eq!(waiting, [(0,)]);
        let mut times = Times::new();
        for (subject, event_ms) in alerts {
            times.entry(pair(&subject)).or_default().insert(event_ms);
        }
        (times, held[0].0)
    })
}

fn pair(subject: &str) -> (u8, usize) {
    let (mac, hex) = subject.split_once(' ').unwrap();
    let device = mac.rsplit(':').next().unwrap().parse().unwrap();
    let is_hex =
        |ssid: &&str| ssid.bytes().map(|byte| format!("{byte:02x}")).collect::<String>() == hex;
    (device, WATCHED.iter().position(is_hex).unwrap())
}

/// Probes for watched networks.
fn hits(case: &Case) -> Vec<Told> {
    let told = case.partitions.iter().flatten().copied();
    told.filter(|(_, network, _)| *network < WATCHED.len()).collect()
}

/// Each first probe that is a cool-down after the last one told.
fn model(case: &Case) -> Times {
    let mut hits = hits(case);
    hits.sort_by_key(|(.., at_ms)| *at_ms);
    let mut times = Times::new();
    for (device, network, at_ms) in hits {
        let told = times.entry((device, network)).or_default();
        if told.last().is_none_or(|last_ms| at_ms - last_ms >= COOLDOWN_MS) {
            told.insert(at_ms);
        }
    }
    times
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 128,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// The log grows while processes come and go.
    #[test]
    fn alerts_are_a_cool_down_apart_and_no_probe_goes_missing(case in case()) {
        let bench = bench(&case);
        for (per_cent, ending) in &case.lives {
            bench.log.release_part(PCAP, *per_cent);
            live_as(&bench, room(case.weight), *ending);
        }
        let (told, held) = settle(&bench, case.weight);
        for times in told.values() {
            let apart = times.iter().zip(times.iter().skip(1));
            for (one, next) in apart {
                prop_assert!(next - one >= COOLDOWN_MS, "{one} and {next}");
            }
        }
        let hits = hits(&case);
        for (device, network, at_ms) in &hits {
            let near = |told_ms: &i64| (told_ms - at_ms).abs() < COOLDOWN_MS;
            let times = told.get(&(*device, *network));
            prop_assert!(times.is_some_and(|times| times.iter().any(near)), "{at_ms}");
        }
        let told: usize = told.values().map(BTreeSet::len).sum();
        prop_assert_eq!(i64::try_from(hits.len() - told).unwrap(), held);
    }

    /// The whole log is there before the first process.
    #[test]
    fn a_complete_log_is_told_as_the_model_tells_it(case in case()) {
        let bench = bench(&case);
        bench.log.release(PCAP);
        for (_, ending) in &case.lives {
            live_as(&bench, room(case.weight), *ending);
        }
        let (told, held) = settle(&bench, case.weight);
        prop_assert_eq!(&told, &model(&case));
        let told: usize = told.values().map(BTreeSet::len).sum();
        prop_assert_eq!(i64::try_from(hits(&case).len() - told).unwrap(), held);
    }
}

/// A probe for the first watched network by a device of its own.
fn stranger(number: usize, at_ms: i64) -> Line {
    let ssid: String = NETWORKS[0].bytes().map(|byte| format!("{byte:02x}")).collect();
    let mac = format!("da:a1:19:77:{:02x}:{:02x}", number / 256, number % 256);
    let value = json!({"timestamp": at_ms.to_string(), "wlan_fc_type_subtype": ["0x0004"],
        "wlan_sa": [mac], "wlan_ssid": [ssid]});
    Line { ts_ms: at_ms, key: None, value: Some(value.to_string().into_bytes()) }
}

/// More than one step releases, all of them held until the other partition was read.
#[test]
fn a_backlog_that_was_held_is_told_to_its_end() {
    const STRANGERS: i64 = 1_200;
    let turns = vec![Turn { pick: 0, size: 100 }];
    let empty = Case { partitions: vec![Vec::new(); 2], turns, weight: 1, lives: Vec::new() };
    let bench = bench(&empty);
    for number in 0..STRANGERS {
        let at_ms = BASE_MS + HOUR_MS + number;
        bench.log.write(PCAP, 0, [stranger(usize::try_from(number).unwrap(), at_ms)]);
    }
    bench.log.write(PCAP, 1, [line((0, 2, BASE_MS + HOUR_MS))]);
    let (told, held) = settle_strangers(&bench);
    assert_eq!((told, held), (STRANGERS, 0));
}

/// How many alerts there are, and how many hits wait, once everything is folded.
fn settle_strangers(bench: &Bench) -> (i64, i64) {
    bench.log.release(PCAP);
    one_life(async {
        let workshop = bench.workshop().await;
        Runner::new(room(100_000), workshop.clone()).catch_up().await.unwrap();
        let count = "select (select count(*) from alert), (select count(*) from wifi_candidate)";
        rows::<(i64, i64)>(&workshop.store, count).await[0]
    })
}

/// A step is cut before the log's end is told; the end comes by itself.
#[test]
fn a_hit_that_was_held_is_told_when_the_end_is_reached_without_another_record() {
    let turns = vec![Turn { pick: 0, size: 100 }];
    let empty = Case { partitions: vec![Vec::new()], turns, weight: 1, lives: Vec::new() };
    let bench = bench(&empty);
    one_life(async {
        let workshop = bench.workshop().await;
        let running = Running::start(room(100_000), &workshop);
        let caught_up = "select count(*) from pipeline where caught_up_at is not null";
        until(&workshop.store, "it has caught up", async |store| {
            rows::<(i64,)>(store, caught_up).await == [(1,)]
        })
        .await;
        bench.log.hold_ends(true);
        bench.log.append(PCAP, 0, stranger(1, bench.clock.now_ms()));
        until(&workshop.store, "the hit is held", async |store| {
            rows::<(i64,)>(store, "select count(*) from wifi_candidate").await == [(1,)]
        })
        .await;
        bench.log.hold_ends(false);
        until(&workshop.store, "it is told", async |store| {
            rows::<(i64,)>(store, "select count(*) from alert").await == [(1,)]
        })
        .await;
        running.stop().await;
    });
}

/// The line that Elasticsearch's bulk format wants before each packet has no time of its own.
#[test]
fn an_index_line_moves_no_time() {
    let turns = vec![Turn { pick: 0, size: 100 }];
    let empty = Case { partitions: vec![Vec::new()], turns, weight: 1, lives: Vec::new() };
    let bench = bench(&empty);
    let index = Some(br#"{"index":{"_index":"packets"}}"#.to_vec());
    for (number, at_ms) in [BASE_MS, BASE_MS + 1].into_iter().enumerate() {
        bench.log.write(PCAP, 0, [Line { ts_ms: NOW_MS, key: None, value: index.clone() }]);
        bench.log.write(PCAP, 0, [stranger(number, at_ms)]);
    }
    assert_eq!(settle_strangers(&bench), (2, 0));
    one_life(async {
        let workshop = bench.workshop().await;
        let late = "select sum(late), max(greatest_event_ms) from position where topic = 'pcap'";
        assert_eq!(rows::<(i64, i64)>(&workshop.store, late).await, [(0, BASE_MS + 1)]);
    });
}
