//! The real engine against a batch model: whatever the interleaving, the batch sizes and the
//! crashes, windows, counts, late counts and alerts are those of the model.
//!
//! `PROPTEST_CASES=10000 cargo test --test it model` tries harder than the 256 cases by default.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use windowsill::engine::{Runner, Workshop};
use windowsill::rooms::plants::Plants;

mod batch;
mod bench;
mod case;
mod culprit;
mod impatient;
mod scripted_log;

use batch::{CONTRACT, Model, Rules};
use bench::{Bench, METADATA, Outcome, PLANTS, READINGS, one_life, outcome, plant, reading, rows};
use case::{Break, Case, Life, THRESHOLDS, case};
use impatient::Impatient;
use scripted_log::{Fault, ScriptedLog};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_engine_equals_the_model_whatever_the_order_the_batches_and_the_crashes(case in case()) {
        prop_assert_eq!(engine(&case), model(&case, CONTRACT));
    }
}

/// A model with one rule bent must disagree with the engine before this many cases.
const CASES_TO_CATCH: usize = 64;

#[test]
fn a_bent_rule_is_caught() {
    let mut uncaught = BTreeMap::from([
        ("an alert at the limit", Rules { limit: CONTRACT.limit - 1, ..CONTRACT }),
        ("no grace", Rules { grace_ms: 0, ..CONTRACT }),
        ("lateness by any partition", Rules { late_by_any: true, ..CONTRACT }),
        ("low at the threshold", Rules { low_at_threshold: true, ..CONTRACT }),
    ]);
    let mut runner = TestRunner::deterministic();
    for tried in 1..=CASES_TO_CATCH {
        let case = case().new_tree(&mut runner).unwrap().current();
        let real = engine(&case);
        assert_eq!(real, model(&case, CONTRACT), "{case:?}");
        uncaught.retain(|what, rules| {
            let agrees = model(&case, *rules) == real;
            if !agrees {
                println!("{what}: caught by case {tried}");
            }
            agrees
        });
        if uncaught.is_empty() {
            return;
        }
    }
    panic!("{CASES_TO_CATCH} cases did not catch {:?}", uncaught.keys());
}

fn model(case: &Case, rules: Rules) -> Outcome {
    let mut model = Model::new(rules, BTreeMap::from(THRESHOLDS), case.partitions.len());
    for (partition, told) in case.partitions.iter().enumerate() {
        for told in told {
            model.read(partition, *told, case.clock_ms);
        }
    }
    model.settle(case.clock_ms);
    model.outcome
}

/// What the engine makes of the case: after all lives, a last one that catches up, and three more
/// that have nothing to add.
fn engine(case: &Case) -> Outcome {
    let topics = [(READINGS, case.partitions.len()), (METADATA, 2)];
    let log = ScriptedLog::new(&topics, case.turns.clone(), case.stride);
    for (plant_id, low) in THRESHOLDS {
        log.write(METADATA, usize::from(plant_id == 0), [plant(plant_id, low, 1)]);
    }
    log.release(METADATA);
    for (partition, told) in case.partitions.iter().enumerate() {
        let lines = told.iter().map(|told| reading(told.plant_id, told.moisture, told.ts_ms));
        log.write(READINGS, partition, lines);
    }
    let bench = Bench::new(log, case.clock_ms);
    for life in &case.lives {
        bench.log.release_part(READINGS, life.per_cent);
        live(&bench, case, *life);
    }
    bench.log.release(READINGS);
    let caught_up = last_life(&bench, case);
    for _ in 0..3 {
        assert_eq!(last_life(&bench, case), caught_up, "delivered again");
    }
    caught_up
}

fn room(case: &Case) -> Impatient<Plants> {
    Impatient { room: PLANTS, weight: case.weight }
}

fn last_life(bench: &Bench, case: &Case) -> Outcome {
    one_life(async {
        let workshop = bench.workshop().await;
        Runner::new(room(case), workshop.clone()).catch_up().await.unwrap();
        outcome(&workshop.store).await
    })
}

/// Runs a process until it has caught up or its ending comes.
fn live(bench: &Bench, case: &Case, life: Life) {
    one_life(async {
        let workshop = bench.workshop().await;
        let runner = Runner::new(room(case), workshop.clone());
        end(bench, &runner, &workshop, life.ending).await;
    });
    bench.log.disarm();
}

async fn end(
    bench: &Bench,
    runner: &Runner<Impatient<Plants>>,
    workshop: &Workshop,
    ending: Break,
) {
    match ending {
        Break::Nothing => drop(runner.catch_up().await.unwrap()),
        Break::LogFails(fetch) => {
            bench.log.arm(Fault::Unavailable { fetch });
            if let Err(error) = runner.catch_up().await {
                assert!(error.is_transient(), "{error}");
                runner.catch_up().await.unwrap();
            }
        }
        Break::KilledAtFetch(fetch) => {
            bench.log.arm(Fault::Stall { fetch });
            tokio::select! {
                caught_up = runner.catch_up() => drop(caught_up.unwrap()),
                () = bench.log.stalled() => {}
            }
        }
        Break::KilledAfterWrite(writes) => {
            let mut changes = workshop.store.changes();
            tokio::select! {
                biased;
                _ = changes.wait_for(|count| *count >= writes) => {}
                caught_up = runner.catch_up() => drop(caught_up.unwrap()),
            }
        }
    }
}
