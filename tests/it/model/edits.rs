//! The engine against the model while metadata changes: thresholds are edited and plants deleted
//! at fixed places of the log, between processes and under a running one.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use windowsill::kernel::time::{HOUR_MS, MINUTE_MS};
use windowsill::store::Store;

use super::batch::{CONTRACT, Model, Told};
use super::bench::{
    BASE_MS, Bench, LAG_MS, METADATA, Outcome, READINGS, one_life, outcome, plant, reading, rows,
    tombstone, until,
};
use super::case::{THRESHOLDS, ending, history, turns, weight};
use super::lives::{Ending, Running, catch_up, live, plants};
use super::scripted_log::{Line, ScriptedLog, Turn};

const CLOSES_AFTER_MS: i64 = 6 * HOUR_MS + 10 * MINUTE_MS;

/// A piece of the log and what happens when it has been folded.
#[derive(Debug, Clone)]
struct Phase {
    partitions: Vec<Vec<Told>>,
    clock_ms: i64,
    /// A plant and its new low moisture; `None` deletes it.
    edit: Option<(i32, Option<f32>)>,
    ending: Ending,
}

#[derive(Debug, Clone)]
struct Edited {
    phases: Vec<Phase>,
    turns: Vec<Turn>,
    weight: usize,
}

fn edited() -> impl Strategy<Value = Edited> {
    let low = option::weighted(0.7, prop_oneof![Just(30.0_f32), Just(29.5), Just(50.0)]);
    let edit = option::weighted(0.8, (0..4_i32, low));
    let after_ms = prop_oneof![Just(0), Just(LAG_MS), Just(HOUR_MS), Just(7 * HOUR_MS)];
    let between = vec((edit, after_ms, ending()), 1..5);
    (vec(history(50), 1..4), between, turns(), weight()).prop_map(
        |(partitions, between, turns, weight)| {
            let pieces = between.len();
            let mut clock_ms = BASE_MS;
            let phase = |(index, (edit, after_ms, ending))| {
                let piece = |told: &Vec<Told>| {
                    let cut = |index: usize| told.len() * index / pieces;
                    told[cut(index)..cut(index + 1)].to_vec()
                };
                let partitions: Vec<Vec<Told>> = partitions.iter().map(piece).collect();
                let newest_ms = partitions.iter().flatten().map(|told| told.ts_ms).max();
                clock_ms = newest_ms.unwrap_or(clock_ms).max(clock_ms) + after_ms;
                Phase { partitions, clock_ms, edit, ending }
            };
            let phases = between.into_iter().enumerate().map(phase).collect();
            Edited { phases, turns, weight }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn edits_between_processes_judge_what_is_folded_after_them(case in edited()) {
        prop_assert_eq!(in_processes(&case), model(&case).pop().unwrap());
    }

    #[test]
    fn edits_under_a_running_pipeline_judge_what_is_folded_after_them(case in edited()) {
        let after = model(&case);
        let expected = Outcome { watermark_ms: None, ..after.last().unwrap().clone() };
        prop_assert_eq!(in_one_run(&case, &after), expected);
    }
}

/// What the model holds after each phase.
fn model(case: &Edited) -> Vec<Outcome> {
    let mut model =
        Model::new(CONTRACT, BTreeMap::from(THRESHOLDS), case.phases[0].partitions.len());
    let mut after = Vec::new();
    for phase in &case.phases {
        for (partition, told) in phase.partitions.iter().enumerate() {
            for told in told {
                model.read(partition, *told, phase.clock_ms);
            }
        }
        model.settle(phase.clock_ms);
        after.push(model.outcome.clone());
        match phase.edit {
            Some((plant_id, Some(low))) => drop(model.thresholds.insert(plant_id, low)),
            Some((plant_id, None)) => drop(model.thresholds.remove(&plant_id)),
            None => {}
        }
    }
    after
}

fn bench(case: &Edited) -> Bench {
    let topics = [(READINGS, case.phases[0].partitions.len()), (METADATA, 2)];
    let log = ScriptedLog::new(&topics, case.turns.clone(), 1);
    for (plant_id, low) in THRESHOLDS {
        log.append(METADATA, metadata_partition(plant_id), plant(plant_id, low, 1));
    }
    Bench::new(log, case.phases[0].clock_ms)
}

fn metadata_partition(plant_id: i32) -> usize {
    usize::from(plant_id % 2 == 1)
}

fn begin(bench: &Bench, phase: &Phase) {
    bench.clock.pass_until(phase.clock_ms);
    for (partition, told) in phase.partitions.iter().enumerate() {
        let lines = told.iter().map(|told| reading(told.plant_id, told.moisture, told.ts_ms));
        bench.log.write(READINGS, partition, lines);
    }
    bench.log.release(READINGS);
}

fn edit(bench: &Bench, phase: &Phase) {
    let Some((plant_id, low)) = phase.edit else { return };
    let line: Line = match low {
        Some(low) => plant(plant_id, low, phase.clock_ms),
        None => tombstone(plant_id, phase.clock_ms),
    };
    bench.log.append(METADATA, metadata_partition(plant_id), line);
}

/// Each phase ends with a process that has caught up; before it, one may crash.
fn in_processes(case: &Edited) -> Outcome {
    let bench = bench(case);
    let mut last = Outcome::default();
    for phase in &case.phases {
        begin(&bench, phase);
        live(&bench, case.weight, phase.ending);
        last = catch_up(&bench, case.weight);
        edit(&bench, phase);
    }
    last
}

/// All phases in one run of the pipeline, which follows the table live.
fn in_one_run(case: &Edited, after: &[Outcome]) -> Outcome {
    let bench = bench(case);
    one_life(async {
        let workshop = bench.workshop().await;
        let running = Running::start(plants(case.weight), &workshop);
        for (phase, outcome) in case.phases.iter().zip(after) {
            begin(&bench, phase);
            until(&workshop.store, "the phase is folded and closed", async |store| {
                is_settled(store, &bench, outcome.watermark_ms).await
            })
            .await;
            edit(&bench, phase);
            until(&workshop.store, "the edit is in force", async |store| {
                let reached: Vec<(i64,)> =
                    rows(store, "select next_offset from position where topic like '%metadata'")
                        .await;
                let reached: i64 = reached.iter().map(|(next_offset,)| next_offset).sum();
                reached == i64::try_from(bench.log.readable(METADATA)).unwrap()
            })
            .await;
        }
        running.stop().await;
        Outcome { watermark_ms: None, ..outcome(&workshop.store).await }
    })
}

/// Everything readable is folded, and what this watermark closes is closed.
async fn is_settled(store: &Store, bench: &Bench, watermark_ms: Option<i64>) -> bool {
    let folded: Vec<(i64,)> = rows(store, "select sum(records) from position").await;
    if folded != [(i64::try_from(bench.log.readable(READINGS)).unwrap(),)] {
        return false;
    }
    let stored = outcome(store).await;
    let open = |(start_ms, _): &(i64, i32)| {
        let closes_at_ms = Some(start_ms + CLOSES_AFTER_MS);
        closes_at_ms > stored.watermark_ms && closes_at_ms <= watermark_ms
    };
    !stored.lows.keys().any(open)
}
