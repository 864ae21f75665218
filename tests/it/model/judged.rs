//! Lives of plants' alerts: the set of alerts is the log's alone, however it is cut into steps and
//! however often a process dies, where the log was there before it was read.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use windowsill::engine::Runner;
use windowsill::kernel::time::{HOUR_MS, MINUTE_MS};
use windowsill::rooms::plants::Plants;
use windowsill::rooms::plants::fold::BUCKET_MS;
use windowsill::rooms::plants::life::{self, Bands, Lives, Quarter, Rules, Stillness};

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
    alerts_in(histories, way, room(way.weight))
}

fn alerts_in(
    histories: &[History],
    way: &Way,
    room: Impatient<Plants>,
) -> BTreeSet<(String, String, i64)> {
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
        live_as(&bench, room.clone(), *death);
    }
    one_life(async {
        let workshop = bench.workshop().await;
        Runner::new(room, workshop.clone()).catch_up().await.unwrap();
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

/// Of a plant that is read now and then: how many quarters of an hour after the one before, and the
/// only moisture of that quarter.
fn sparse() -> impl Strategy<Value = Vec<(i64, f32)>> {
    let gap =
        prop_oneof![3 => Just(1_i64), 2 => Just(2), 2 => Just(3), 2 => Just(4), 1 => 5..7_i64];
    // Below the limit, on its edge, and well: no watering rises by so little.
    let moisture = prop_oneof![4 => Just(29.0_f32), 1 => Just(31.0), 1 => Just(32.5)];
    vec((gap, moisture), 5..24)
}

fn patient(weight: usize, drying_ms: i64) -> Impatient<Plants> {
    let lives =
        Rules { moisture_margin: 2_000, drying_ms, clear_ms: 30 * MINUTE_MS, ..PLANTS.lives };
    Impatient { room: Plants { lives, low_readings_limit: i64::MAX, ..PLANTS }, weight }
}

/// What lives that are shown every quarter make of it.
fn judged_each(histories: &[Vec<(i64, f32)>], rules: &Rules) -> BTreeSet<(String, String, i64)> {
    let bands = Bands::of((30.0, 100.0), (15.0, 30.0));
    let mut fired = BTreeSet::new();
    for (plant_id, history) in histories.iter().enumerate() {
        let (mut lives, mut from_ms) = (Lives::default(), BASE_MS);
        for (quarters, moisture) in history {
            from_ms += quarters * BUCKET_MS;
            let moisture = (f64::from(*moisture) * 1_000.0) as i64;
            let to_ms = from_ms + BUCKET_MS;
            let quarter = Quarter { from_ms, to_ms, moisture, temperature: 20_000 };
            for news in lives.quarter(&quarter, None, &bands, rules) {
                if let life::Turn::Fired { at_ms, .. } = news.turn {
                    let rule = format!("plants.{}", news.kind.word());
                    fired.insert((rule, plant_id.to_string(), at_ms));
                }
            }
        }
    }
    fired
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64, failure_persistence: None, ..ProptestConfig::default()
    })]

    /// A quarter that stands alone is held back, and nothing is told later or otherwise for it.
    #[test]
    fn what_is_held_back_is_judged_as_if_it_were_not(
        histories in vec(sparse(), 1..4), way in way(), quarters in 1..5_i64,
    ) {
        let room = patient(way.weight, quarters * BUCKET_MS);
        let readings: Vec<History> = histories
            .iter()
            .map(|history| {
                let minutes = |(quarters, moisture): &(i64, f32)| (quarters * 15, *moisture);
                history.iter().map(minutes).collect()
            })
            .collect();
        let told = alerts_in(&readings, &way, room.clone());
        prop_assert_eq!(told, judged_each(&histories, &room.room.lives));
    }
}
