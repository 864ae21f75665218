//! What SSIDs are written in is found out by the time of capture alone: the same for one stream,
//! however its partitions interleave, and at the latest when it has rested for a minute.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;
use windowsill::engine::Runner;
use windowsill::kernel::time::{HOUR_MS, MINUTE_MS, SECOND_MS};
use windowsill::rooms::wifi::Wifi;
use windowsill::rooms::wifi::fold::Retention;
use windowsill::rooms::wifi::rules::Rules;

use super::bench::{BASE_MS, Bench, LAG_MS, execute, one_life, rows, until};
use super::case::{turns, weight};
use super::impatient::Impatient;
use super::lives::Running;
use super::scripted_log::{Line, ScriptedLog, Turn};

const PCAP: &str = "pcap";
const NOW_MS: i64 = BASE_MS + 6 * HOUR_MS;
/// What could be either, what only hexadecimal has, and what only text has.
const WRITTEN: [&str; 3] = ["cafe", "<MISSING>", "Coherer"];

fn room(weight: usize) -> Impatient<Wifi> {
    let (rules, retention) = (Rules::default(), Retention::of_days(30));
    Impatient { room: Wifi { ssid_encoding: None, rules, retention }, weight }
}

fn line(written: usize, at_ms: i64) -> Line {
    let value = json!({"timestamp": at_ms.to_string(), "wlan_fc_type_subtype": ["0x0004"],
        "wlan_sa": ["40:ec:99:1f:3e:75"], "wlan_ssid": [WRITTEN[written]]});
    Line { ts_ms: at_ms, key: None, value: Some(value.to_string().into_bytes()) }
}

type Decision = Vec<(Option<String>, Option<String>)>;

async fn decision(store: &windowsill::store::Store) -> Decision {
    rows(store, "select decided, reason from wifi_encoding").await
}

/// Frames of each partition in their order: what each is, and milliseconds after the one before.
fn partition() -> impl Strategy<Value = Vec<(usize, i64)>> {
    let written = prop_oneof![6 => Just(0_usize), 1 => Just(1_usize), 1 => Just(2_usize)];
    vec((written, 0..20 * SECOND_MS), 0..25)
}

/// What one order of reading comes to.
fn decided(partitions: &[Vec<(usize, i64)>], turns: Vec<Turn>, weight: usize) -> Decision {
    let log = ScriptedLog::new(&[(PCAP, partitions.len())], turns, 1);
    for (number, frames) in partitions.iter().enumerate() {
        let mut at_ms = BASE_MS;
        for (written, step_ms) in frames {
            at_ms += step_ms;
            log.append(PCAP, number, line(*written, at_ms));
        }
    }
    let bench = Bench::new(log, NOW_MS);
    one_life(async {
        let workshop = bench.workshop().await;
        Runner::new(room(weight), workshop.clone()).catch_up().await.unwrap();
        decision(&workshop.store).await
    })
}

/// The earliest frame that shows it; hexadecimal where two do at the same moment.
fn expected(partitions: &[Vec<(usize, i64)>]) -> Option<&'static str> {
    let mut shown = Vec::new();
    let mut count = 0;
    for frames in partitions {
        let mut at_ms = BASE_MS;
        for (written, step_ms) in frames {
            at_ms += step_ms;
            count += 1;
            if *written > 0 {
                shown.push((at_ms, *written));
            }
        }
    }
    match shown.into_iter().min() {
        Some((_, 1)) => Some("hex"),
        Some(_) => Some("text"),
        None => (count > 0).then_some("text"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 96,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_decision_does_not_depend_on_the_order_of_reading(
        partitions in vec(partition(), 1..4),
        turns in turns(),
        weight in weight(),
    ) {
        let decided = decided(&partitions, turns, weight);
        let encoding = decided.first().and_then(|(encoding, _)| encoding.as_deref());
        prop_assert_eq!(encoding, expected(&partitions));
    }
}

#[test]
fn a_stream_that_rests_for_a_minute_without_a_word_is_text() {
    let log = ScriptedLog::plain(&[(PCAP, 1)]);
    log.append(PCAP, 0, line(0, BASE_MS));
    let bench = Bench::new(log, BASE_MS + SECOND_MS);
    one_life(async {
        let workshop = bench.workshop().await;
        let running = Running::start(room(1), &workshop);
        let waiting = "select count(*) from wifi_undecided";
        until(&workshop.store, "the probe waits", async |store| {
            rows::<(i64,)>(store, waiting).await == [(1,)]
        })
        .await;
        // Another one within the minute begins it anew.
        bench.clock.pass(MINUTE_MS / 2);
        bench.log.append(PCAP, 0, line(0, BASE_MS + MINUTE_MS / 2));
        until(&workshop.store, "both wait", async |store| {
            rows::<(i64,)>(store, "select sum(probe_count) from wifi_undecided").await == [(2,)]
        })
        .await;
        assert_eq!(decision(&workshop.store).await, [(None, None)]);
        bench.clock.pass(MINUTE_MS + LAG_MS);
        until(&workshop.store, "it is decided", async |store| {
            decision(store).await.first().is_some_and(|(decided, _)| decided.is_some())
        })
        .await;
        let decided = decision(&workshop.store).await;
        assert_eq!(decided[0].0.as_deref(), Some("text"));
        assert_eq!(rows::<(i64,)>(&workshop.store, waiting).await, [(0,)]);
        running.stop().await;
    });
}

/// What was open when a rebuild began by another setting, or was lost by retention.
#[test]
fn a_question_without_evidence_is_closed() {
    let bench = Bench::new(ScriptedLog::plain(&[(PCAP, 1)]), NOW_MS);
    one_life(async {
        let workshop = bench.workshop().await;
        execute(&workshop.store, "insert into wifi_encoding (id, heard_at) values (1, 1)").await;
        Runner::new(room(1), workshop.clone()).catch_up().await.unwrap();
        let open = "select count(*) from wifi_encoding where heard_at is not null";
        assert_eq!(rows::<(i64,)>(&workshop.store, open).await, [(0,)]);
    });
}
