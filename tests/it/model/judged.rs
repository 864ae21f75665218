//! Lives of plants' alerts: the set of alerts is the log's alone, however it is cut into steps and
//! however often a process dies, where the log was there before it was read.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use windowsill::engine::Runner;
use windowsill::kernel::time::{HOUR_MS, MINUTE_MS};
use windowsill::rooms::plants::Plants;
use windowsill::rooms::plants::life::{Rules, Stillness};

use super::bench::{BASE_MS, Bench, METADATA, PLANTS, READINGS, one_life, outcome, plant, reading};
use super::case::{turns, weight};
use super::impatient::Impatient;
use super::lives::{Ending, live_as};
use super::scripted_log::{ScriptedLog, Turn};

/// Of each plant, every reading: how long after the one before it, and its moisture. A few come
/// late.
type History = Vec<(i64, f32)>;

/// How a log is read.
#[derive(Debug, Clone)]
struct Way {
    turns: Vec<Turn>,
    weight: usize,
    deaths: Vec<Ending>,
}

fn history() -> impl Strategy<Value = History> {
    let moisture = prop_oneof![
        3 => Just(25.0_f32),
        1 => Just(29.5),
        1 => Just(31.0),
        2 => Just(50.0),
        1 => 20.0..60.0_f32,
    ];
    vec((-10..25_i64, moisture), 10..120)
}

fn way() -> impl Strategy<Value = Way> {
    let death = prop_oneof![
        (1..30_usize).prop_map(Ending::KilledAtFetch),
        (1..12_u64).prop_map(Ending::KilledAfterWrite),
    ];
    (turns(), weight(), vec(death, 0..3)).prop_map(|(turns, weight, deaths)| Way {
        turns,
        weight,
        deaths,
    })
}

fn room(weight: usize) -> Impatient<Plants> {
    let lives = Rules {
        moisture_margin: 2_000,
        drying_ms: HOUR_MS,
        clear_ms: 30 * MINUTE_MS,
        stuck: Some(Stillness { span_ms: 2 * HOUR_MS, band: 200 }),
        ..PLANTS.lives
    };
    Impatient { room: Plants { lives, low_readings_limit: 20, ..PLANTS }, weight }
}

/// The alerts of a log that is read in this way.
fn alerts(histories: &[History], way: &Way) -> BTreeSet<(String, String, i64)> {
    let topics = [(READINGS, histories.len()), (METADATA, 1)];
    let log = ScriptedLog::new(&topics, way.turns.clone(), 1);
    for (partition, history) in histories.iter().enumerate() {
        let plant_id = i32::try_from(partition).unwrap();
        log.write(METADATA, 0, [plant(plant_id, 30.0, 1)]);
        let mut at_ms = BASE_MS;
        let lines = history.iter().map(|(minutes, moisture)| {
            at_ms = (at_ms + minutes * MINUTE_MS).max(BASE_MS);
            reading(plant_id, *moisture, at_ms)
        });
        log.write(READINGS, partition, lines.collect::<Vec<_>>());
    }
    log.release(METADATA);
    log.release(READINGS);
    let bench = Bench::new(log, BASE_MS + 48 * HOUR_MS);
    for death in &way.deaths {
        live_as(&bench, room(way.weight), *death);
    }
    one_life(async {
        let workshop = bench.workshop().await;
        Runner::new(room(way.weight), workshop.clone()).catch_up().await.unwrap();
        outcome(&workshop.store).await.alerts
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn alerts_do_not_depend_on_how_the_log_is_read(
        histories in vec(history(), 1..4), one in way(), other in way(),
    ) {
        prop_assert_eq!(alerts(&histories, &one), alerts(&histories, &other));
    }
}

/// So that the test above is about something.
#[test]
fn such_a_log_raises_alerts_of_more_than_one_kind() {
    let dry: History = (0..60).map(|_| (5, 25.0)).collect();
    let way = Way { turns: vec![Turn { pick: 0, size: 7 }], weight: 1, deaths: Vec::new() };
    let raised = alerts(&[dry], &way);
    let rules: BTreeSet<&str> = raised.iter().map(|(rule, ..)| rule.as_str()).collect();
    assert_eq!(rules, BTreeSet::from(["plants.dry", "plants.drying", "plants.stuck"]));
}
