//! Tables first: a pass with a sweep, then live changes; the newest row wins wherever it stands.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use windowsill::engine::Runner;
use windowsill::kernel::time::HOUR_MS;
use windowsill::store::Store;

use super::bench::{
    BASE_MS, Bench, LIMIT, METADATA, READINGS, one_life, outcome, plant, reading, rows, tombstone,
    until,
};
use super::case::turns;
use super::lives::{Running, catch_up, plants};
use super::scripted_log::{Fault, Line, ScriptedLog, Turn};

const NOW_MS: i64 = BASE_MS + HOUR_MS;

async fn known_plants(store: &Store) -> BTreeMap<i32, i64> {
    let query = "select plant_id, cast(moisture_low as integer) from plant";
    rows(store, query).await.into_iter().collect()
}

fn stored_plants(bench: &Bench) -> BTreeMap<i32, i64> {
    one_life(async { known_plants(&bench.workshop().await.store).await })
}

/// The table has been followed to its end.
async fn until_followed(bench: &Bench, store: &Store) {
    until(store, "the table is followed to its end", async |store| {
        let query = "select next_offset from position where topic = 'houseplant-metadata'";
        let reached: Vec<(i64,)> = rows(store, query).await;
        let reached: i64 = reached.iter().map(|(next_offset,)| next_offset).sum();
        reached == i64::try_from(bench.log.readable(METADATA)).unwrap()
    })
    .await;
}

fn two_plants() -> Bench {
    let log = ScriptedLog::plain(&[(READINGS, 1), (METADATA, 2)]);
    log.append(METADATA, 0, plant(0, 30.0, 1));
    log.append(METADATA, 1, plant(1, 30.0, 2));
    Bench::new(log, NOW_MS)
}

#[test]
fn a_plant_deleted_while_the_bot_was_down_disappears() {
    let bench = two_plants();
    catch_up(&bench, 1);
    assert_eq!(stored_plants(&bench), BTreeMap::from([(0, 30), (1, 30)]));
    bench.log.append(METADATA, 1, tombstone(1, 3));
    catch_up(&bench, 1);
    assert_eq!(stored_plants(&bench), BTreeMap::from([(0, 30)]));
}

#[test]
fn a_plant_that_compaction_left_no_trace_of_is_swept() {
    let bench = two_plants();
    catch_up(&bench, 1);
    bench.log.rewrite(METADATA, vec![vec![plant(0, 35.0, 3)], Vec::new()]);
    catch_up(&bench, 1);
    assert_eq!(stored_plants(&bench), BTreeMap::from([(0, 35)]));
}

#[test]
fn a_tombstone_ends_the_counting_while_the_pipeline_runs() {
    let bench = two_plants();
    one_life(async {
        let workshop = bench.workshop().await;
        let store = &workshop.store;
        let running = Running::start(plants(1), &workshop);
        until_followed(&bench, store).await;
        bench.log.append(READINGS, 0, reading(1, 1.0, BASE_MS));
        until(store, "the reading counts", async |store| outcome(store).await.lows.len() == 1)
            .await;
        bench.log.append(METADATA, 1, tombstone(1, 3));
        until_followed(&bench, store).await;
        assert_eq!(known_plants(store).await, BTreeMap::from([(0, 30)]));
        bench.log.append(READINGS, 0, reading(1, 1.0, BASE_MS + 1));
        until(store, "the next one is seen", async |store| {
            outcome(store).await.latest == BTreeMap::from([(1, BASE_MS + 1)])
        })
        .await;
        running.stop().await;
        assert_eq!(outcome(store).await.lows, BTreeMap::from([((BASE_MS, 1), 1)]));
    });
}

#[test]
fn metadata_that_comes_after_readings_applies_from_then_on() {
    let log = ScriptedLog::plain(&[(READINGS, 1), (METADATA, 1)]);
    let bench = Bench::new(log, NOW_MS);
    let dry = |bench: &Bench| {
        for step in 0..=LIMIT {
            bench.log.append(READINGS, 0, reading(0, 1.0, BASE_MS + step));
        }
    };
    dry(&bench);
    let before = catch_up(&bench, 1);
    assert_eq!((before.lows.len(), before.readings[&0]), (0, LIMIT + 1));
    bench.log.append(METADATA, 0, plant(0, 30.0, NOW_MS));
    assert_eq!(catch_up(&bench, 1).lows.len(), 0);
    dry(&bench);
    bench.clock.pass(12 * HOUR_MS);
    let after = catch_up(&bench, 1);
    assert_eq!(after.lows, BTreeMap::from([((BASE_MS, 0), LIMIT + 1)]));
    assert_eq!((after.readings[&0], after.alerts.len()), (2 * (LIMIT + 1), 1));
}

#[test]
fn look_ups_during_the_first_pass_see_the_last_known_rows() {
    let bench = two_plants();
    catch_up(&bench, 1);
    bench.log.rewrite(METADATA, vec![vec![plant(0, 35.0, 3)], vec![plant(2, 40.0, 3)]]);
    // Both batches have been read, and one of the ends; the pass is not over.
    bench.log.arm(Fault::Stall { fetch: 4 });
    one_life(async {
        let workshop = bench.workshop().await;
        let runner = Runner::new(plants(1), workshop.clone());
        tokio::select! {
            caught_up = runner.catch_up() => panic!("the pass cannot end: {caught_up:?}"),
            () = bench.log.stalled() => {}
        }
        assert_eq!(known_plants(&workshop.store).await, BTreeMap::from([(0, 30), (1, 30)]));
    });
    bench.log.disarm();
    catch_up(&bench, 1);
    assert_eq!(stored_plants(&bench), BTreeMap::from([(0, 35), (2, 40)]));
}

/// A change of a plant: its new low moisture, or its end.
type Change = (i32, Option<u8>);

/// A topic that grew: changes of two plants in the order of time, each in some partition.
fn changes() -> impl Strategy<Value = Vec<(usize, Change)>> {
    let low = prop_oneof![2 => (1..90_u8).prop_map(Some), 1 => Just(None)];
    vec((0..3_usize, (0..2_i32, low)), 0..12)
}

fn line((plant_id, low): Change, ts_ms: i64) -> Line {
    match low {
        Some(low) => plant(plant_id, f32::from(low), ts_ms),
        None => tombstone(plant_id, ts_ms),
    }
}

fn newest(changes: &[(usize, Change)]) -> BTreeMap<i32, i64> {
    let last: BTreeMap<i32, Option<u8>> = changes.iter().map(|(_, change)| *change).collect();
    last.into_iter().filter_map(|(plant_id, low)| Some((plant_id, i64::from(low?)))).collect()
}

fn grown_topic(changes: &[(usize, Change)], turns: Vec<Turn>) -> Bench {
    let log = ScriptedLog::new(&[(READINGS, 1), (METADATA, 3)], turns, 1);
    for (ts_ms, (partition, change)) in (1..).zip(changes) {
        log.write(METADATA, *partition, [line(*change, ts_ms)]);
    }
    Bench::new(log, NOW_MS)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn in_a_first_pass_the_newest_change_wins_wherever_it_stands(
        changes in changes(),
        turns in turns(),
    ) {
        let bench = grown_topic(&changes, turns);
        bench.log.release(METADATA);
        catch_up(&bench, 1);
        prop_assert_eq!(stored_plants(&bench), newest(&changes));
    }

    #[test]
    fn followed_live_the_newest_change_wins_too_and_the_next_start_agrees(
        changes in changes(),
        turns in turns(),
        per_cent in 0..=100_usize,
    ) {
        let bench = grown_topic(&changes, turns);
        bench.log.release_part(METADATA, per_cent);
        one_life(async {
            let workshop = bench.workshop().await;
            let running = Running::start(plants(1), &workshop);
            until_followed(&bench, &workshop.store).await;
            bench.log.release(METADATA);
            until_followed(&bench, &workshop.store).await;
            running.stop().await;
        });
        prop_assert_eq!(stored_plants(&bench), newest(&changes), "followed live");
        catch_up(&bench, 1);
        prop_assert_eq!(stored_plants(&bench), newest(&changes), "started again");
    }
}

#[test]
fn within_a_partition_the_greater_offset_wins_whatever_its_time() {
    let bench = two_plants();
    bench.log.append(METADATA, 0, plant(0, 40.0, 100));
    bench.log.append(METADATA, 0, plant(0, 50.0, 50));
    catch_up(&bench, 1);
    assert_eq!(stored_plants(&bench)[&0], 50);
}

/// Changes whose times rise and fall, as clocks of producers do, even within one partition.
fn any_times() -> impl Strategy<Value = Vec<(usize, i64, Change)>> {
    let low = prop_oneof![3 => (1..90_u8).prop_map(Some), 1 => Just(None)];
    vec((0..3_usize, 1..6_i64, (0..2_i32, low)), 0..12)
}

/// Within a partition the last change counts, with the greatest time of its key there; across
/// partitions the newer one.
fn winners(changes: &[(usize, i64, Change)]) -> BTreeMap<i32, i64> {
    let mut last: BTreeMap<(i32, usize), (i64, Option<u8>)> = BTreeMap::new();
    for (partition, ts_ms, (plant_id, low)) in changes {
        let known = last.entry((*plant_id, *partition)).or_insert((*ts_ms, *low));
        *known = (known.0.max(*ts_ms), *low);
    }
    let mut best: BTreeMap<i32, ((i64, usize), Option<u8>)> = BTreeMap::new();
    for ((plant_id, partition), (ts_ms, low)) in last {
        let known = best.entry(plant_id).or_insert(((ts_ms, partition), low));
        if known.0 <= (ts_ms, partition) {
            *known = ((ts_ms, partition), low);
        }
    }
    best.into_iter().filter_map(|(plant_id, (_, low))| Some((plant_id, i64::from(low?)))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases / 2,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_same_row_wins_however_partitions_interleave_and_whatever_their_times(
        changes in any_times(),
        turns in turns(),
        per_cent in 0..=100_usize,
    ) {
        let log = ScriptedLog::new(&[(READINGS, 1), (METADATA, 3)], turns, 1);
        for (partition, ts_ms, change) in &changes {
            log.write(METADATA, *partition, [line(*change, *ts_ms)]);
        }
        let bench = Bench::new(log, NOW_MS);
        bench.log.release_part(METADATA, per_cent);
        one_life(async {
            let workshop = bench.workshop().await;
            let running = Running::start(plants(1), &workshop);
            until_followed(&bench, &workshop.store).await;
            bench.log.release(METADATA);
            until_followed(&bench, &workshop.store).await;
            running.stop().await;
        });
        prop_assert_eq!(stored_plants(&bench), winners(&changes), "followed live");
        catch_up(&bench, 1);
        prop_assert_eq!(stored_plants(&bench), winners(&changes), "started again");
    }
}
