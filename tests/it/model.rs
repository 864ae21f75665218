//! The real engine against a batch model: whatever the interleaving, the batch sizes and the
//! crashes, windows, counts, late counts and alerts are those of the model.
//!
//! `PROPTEST_CASES=10000 cargo test --test it model` tries harder than the 256 cases by default.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

mod batch;
mod bench;
mod care;
mod case;
mod culprit;
mod edits;
mod encoding;
mod gone;
mod impatient;
mod judged;
mod letters;
mod lives;
mod rebuild;
mod roll_call;
mod scripted_log;
mod stalls;
mod suspect_clock;
mod tables;
mod wall_clock;
mod watch;

use batch::{CONTRACT, Model, Rules};
use bench::{Bench, METADATA, Outcome, READINGS, plant, reading};
use case::{Case, THRESHOLDS, case};
use lives::{catch_up, live};
use scripted_log::ScriptedLog;

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
    let bench = filled(case);
    live_through(&bench, case);
    bench.log.release(READINGS);
    let caught_up = catch_up(&bench, case.weight);
    for _ in 0..3 {
        assert_eq!(catch_up(&bench, case.weight), caught_up, "delivered again");
    }
    caught_up
}

/// A bench with the case's readings in its log, none of which may be read yet.
fn filled(case: &Case) -> Bench {
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
    Bench::new(log, case.clock_ms)
}

fn live_through(bench: &Bench, case: &Case) {
    for life in &case.lives {
        bench.log.release_part(READINGS, life.per_cent);
        live(bench, case.weight, life.ending);
    }
}
