//! A clock that cannot be gone by: pipelines wait, say so once, and go on by themselves.

use windowsill::engine::{EngineError, Runner};
use windowsill::kernel::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use windowsill::store::clock::ClockRow;
use windowsill::store::{Store, clock};

use super::bench::{
    BASE_MS, Bench, LIMIT, METADATA, READINGS, one_life, outcome, plant, reading, rows, until,
};
use super::lives::{Running, catch_up, plants};
use super::scripted_log::ScriptedLog;
use super::wall_clock::{
    dry_windows, fold_one_more, records, running_before_the_end, subscribe, told,
};

const START_MS: i64 = BASE_MS + 5 * HOUR_MS;

async fn clock_row(store: &Store) -> ClockRow {
    store.read(|db| Box::pin(async move { clock::load(db).await })).await.unwrap()
}

/// F14: an hour back while it runs.
#[test]
fn a_clock_far_below_the_last_commit_stops_the_counting_until_it_is_right() {
    let bench = Bench::new(dry_windows(1), START_MS);
    one_life(async {
        subscribe(&bench.workshop().await.store).await;
        let (store, running) = running_before_the_end(&bench).await;
        bench.clock.jump(-HOUR_MS);
        until(&store, "it stands still", async |store| clock_row(store).await.paused_at.is_some())
            .await;
        let before = records(&store).await;
        bench.log.append(READINGS, 1, reading(1, 50.0, START_MS));
        // Tables are followed all the same: people's edits wait for nothing.
        bench.log.append(METADATA, 0, plant(1, 20.0, START_MS));
        until(&store, "the plant is there", async |store| {
            rows::<(i32,)>(store, "select plant_id from plant").await.len() == 2
        })
        .await;
        assert_eq!(records(&store).await, before);
        let told = told(&store).await;
        assert_eq!(told.len(), 1);
        assert!(told[0].contains("clock of my machine is wrong") && told[0].contains("1 h"));
        bench.clock.jump(HOUR_MS);
        until(&store, "the reading counts", async |store| records(store).await == before + 1).await;
        assert_eq!(clock_row(&store).await.paused_at, None);
        running.stop().await;
    });
}

/// F14: a Pi without a battery clock begins in 1970, and its owner is told once, whatever it does
/// meanwhile.
#[test]
fn a_start_in_1970_waits_and_says_so_once() {
    let bench = Bench::new(dry_windows(1), START_MS);
    one_life(async { subscribe(&bench.workshop().await.store).await });
    catch_up(&bench, 1);
    bench.log.append(READINGS, 0, reading(0, 1.0, START_MS));
    bench.clock.jump(-START_MS);
    for _ in 0..3 {
        one_life(async {
            let workshop = bench.workshop().await;
            let running = Running::start(plants(1), &workshop);
            until(&workshop.store, "it stands still", async |store| {
                clock_row(store).await.paused_at.is_some()
            })
            .await;
            running.stop().await;
            let fold = Runner::new(plants(1), workshop.clone()).catch_up().await;
            assert!(matches!(fold, Err(EngineError::ClockBehind { .. })), "{fold:?}");
        });
    }
    bench.clock.jump(START_MS);
    let after = catch_up(&bench, 1);
    assert_eq!((after.letters.len(), after.readings[&0]), (0, LIMIT + 2));
    one_life(async { assert_eq!(told(&bench.workshop().await.store).await.len(), 1) });
}

/// F14: a fresh folder on a machine whose clock was never set.
#[test]
fn a_clock_that_was_never_set_is_known_without_any_commit() {
    let bench = Bench::new(dry_windows(1), 1_000);
    one_life(async {
        let workshop = bench.workshop().await;
        let fold = Runner::new(plants(1), workshop.clone()).catch_up().await;
        assert!(matches!(fold, Err(EngineError::ClockBehind { .. })), "{fold:?}");
    });
    bench.clock.jump(START_MS);
    assert_eq!(catch_up(&bench, 1).letters.len(), 0);
}

/// F14: an hour ahead, and back again before it was believed, is no clock that was set back.
#[test]
fn a_jump_that_is_taken_back_leaves_no_pause_behind() {
    let bench = Bench::new(dry_windows(1), START_MS);
    one_life(async {
        let (store, running) = running_before_the_end(&bench).await;
        bench.clock.jump(HOUR_MS);
        fold_one_more(&bench, &store).await;
        until(&store, "the jump is shown", async |store| clock_row(store).await.jump_ms.is_some())
            .await;
        let shown = clock_row(&store).await;
        let believed_at = START_MS + HOUR_MS + 5 * MINUTE_MS;
        assert_eq!((shown.jump_ms, shown.believed_at), (Some(HOUR_MS), Some(believed_at)));
        bench.clock.pass(MINUTE_MS);
        bench.clock.jump(-HOUR_MS);
        fold_one_more(&bench, &store).await;
        until(&store, "no doubt is left", async |store| clock_row(store).await.jump_ms.is_none())
            .await;
        assert_eq!(clock_row(&store).await.paused_at, None);
        running.stop().await;
    });
}

/// F14: a suspended machine wakes; its clock is right, and so are the readings of the hours since.
#[test]
fn readings_of_a_suspended_night_are_good_although_the_clock_is_in_doubt() {
    let bench = Bench::new(dry_windows(1), START_MS);
    one_life(async {
        let (store, running) = running_before_the_end(&bench).await;
        let before = records(&store).await;
        bench.clock.jump(8 * HOUR_MS);
        bench.log.append(READINGS, 1, reading(1, 50.0, START_MS + 8 * HOUR_MS));
        until(&store, "the reading is folded", async |store| records(store).await > before).await;
        assert!(outcome(&store).await.letters.is_empty());
        running.stop().await;
    });
}

/// F14: a leap second repeats a second; nobody has to know.
#[test]
fn a_leap_second_is_no_jump() {
    let bench = Bench::new(dry_windows(1), START_MS);
    one_life(async {
        let (store, running) = running_before_the_end(&bench).await;
        let before = outcome(&store).await.watermark_ms;
        bench.clock.jump(-SECOND_MS);
        fold_one_more(&bench, &store).await;
        bench.clock.pass(SECOND_MS);
        fold_one_more(&bench, &store).await;
        let row = clock_row(&store).await;
        assert_eq!((row.jump_ms, row.paused_at), (None, None));
        assert!(outcome(&store).await.watermark_ms >= before);
        running.stop().await;
    });
}

/// F14: readings of 2099 and 1970 close nothing and make nobody late.
#[test]
fn records_of_2099_and_1970_close_no_window() {
    let log = ScriptedLog::plain(&[(READINGS, 1), (METADATA, 1)]);
    log.append(METADATA, 0, plant(0, 30.0, BASE_MS));
    log.append(READINGS, 0, reading(0, 1.0, BASE_MS));
    log.append(READINGS, 0, reading(0, 1.0, 4_070_908_800_000));
    log.append(READINGS, 0, reading(0, 1.0, 0));
    log.append(READINGS, 0, reading(0, 1.0, BASE_MS + 1));
    let outcome = catch_up(&Bench::new(log, START_MS), 1);
    assert_eq!((outcome.lows[&(BASE_MS, 0)], outcome.letters[&0]), (2, 1));
    assert_eq!(outcome.late[&0], 1);
    assert!(outcome.watermark_ms < Some(START_MS + DAY_MS));
}
