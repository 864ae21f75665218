//! Rebuilds: whatever was in the log, and wherever they are interrupted, the same rows and no word
//! to anybody.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use windowsill::engine::rebuild::Loss;
use windowsill::engine::{Runner, Views, Workshop};
use windowsill::kernel::time::{HOUR_MS, MINUTE_MS};
use windowsill::rooms::plants::Plants;
use windowsill::store::{Store, StoreError, Urgency, past};

use super::batch::CONTRACT;
use super::bench::{
    BASE_MS, Bench, LIMIT, METADATA, PLANTS, READINGS, one_life, outcome, plant, reading, rows,
    tombstone, until,
};
use super::case::{case, ending};
use super::impatient::Impatient;
use super::lives::{Ending, Running, catch_up, live, plants};
use super::scripted_log::{Fault, ScriptedLog};
use super::wall_clock::{dry_windows, raised, subscribe, told};
use super::{filled, live_through, model};

const WINDOW_MS: i64 = 6 * HOUR_MS;

/// Empties the views as `windowsill rebuild` does; gives what would be lost.
pub(crate) async fn begin_rebuild<V: Views>(runner: &Runner<V>, store: &Store) -> Vec<Loss> {
    let plan = runner.plan_rebuild().await.unwrap();
    let losses = plan.losses.clone();
    let runner = Runner::clone(runner);
    let begin = store
        .write(Urgency::Bulk, move |db| Box::pin(async move { runner.empty(db, &plan).await }));
    begin.await.unwrap();
    losses
}

fn begin(bench: &Bench) -> Vec<Loss> {
    one_life(async {
        let workshop = bench.workshop().await;
        begin_rebuild(&Runner::new(PLANTS, workshop.clone()), &workshop.store).await
    })
}

/// The tables that a rebuild must bring back or leave alone, and which of their columns.
const COMPARED: [(&str, &str); 14] = [
    ("plant", "*"),
    ("plant_sensor", "*"),
    ("plant_sensor_mapping", "*"),
    ("plant_window", "*"),
    ("plant_bucket", "*"),
    ("plant_watering_said", "*"),
    ("plant_watering_found", "*"),
    ("plant_latest", "*"),
    (
        "position",
        "pipeline, topic, partition, log_id, next_offset, greatest_event_ms, records, late",
    ),
    ("pipeline", "name, watermark_ms, windows_closed"),
    ("alert", "*"),
    ("outbox", "*"),
    ("dead_letter", "*"),
    ("past", "*"),
];

/// Every row of those tables, as text.
pub(crate) async fn dump(store: &Store) -> BTreeMap<&'static str, Vec<String>> {
    let mut dump = BTreeMap::new();
    for (table, columns) in COMPARED {
        let read = store.read(move |db| {
            Box::pin(async move {
                let all: Vec<String> =
                    sqlx::query_scalar(&format!("select name from pragma_table_info('{table}')"))
                        .fetch_all(&mut *db)
                        .await?;
                let wanted = all.iter().filter(|name| {
                    columns == "*" || columns.split(", ").any(|column| column == name.as_str())
                });
                let quoted: Vec<String> = wanted.map(|name| format!("quote({name})")).collect();
                let query = format!("select {} from {table} order by 1", quoted.join("||','||"));
                Ok::<_, StoreError>(sqlx::query_scalar(&query).fetch_all(db).await?)
            })
        });
        dump.insert(table, read.await.unwrap());
    }
    dump
}

fn dumped(bench: &Bench) -> BTreeMap<&'static str, Vec<String>> {
    one_life(async { dump(&bench.workshop().await.store).await })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases / 4,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// F12: a rebuild from offset 0, killed here and there, comes to the rows that were there, byte
    /// by byte, and nobody hears of it.
    #[test]
    fn a_rebuild_comes_to_the_same_rows_and_tells_nobody(
        case in case(),
        endings in vec(ending(), 0..4),
    ) {
        let bench = filled(&case);
        one_life(async { subscribe(&bench.workshop().await.store).await });
        live_through(&bench, &case);
        bench.log.release(READINGS);
        catch_up(&bench, case.weight);
        let before = dumped(&bench);
        prop_assert_eq!(begin(&bench), vec![]);
        for ending in endings {
            live(&bench, case.weight, ending);
        }
        catch_up(&bench, case.weight);
        prop_assert_eq!(dumped(&bench), before);
    }

    /// F12, F13: a rebuild in the middle of it all leaves no trace in what the log comes to, the
    /// count of late records included.
    #[test]
    fn a_rebuild_in_between_changes_nothing_in_the_end(
        case in case(),
        per_cent in 0..100_usize,
        endings in vec((0..100_usize, ending()), 0..3),
    ) {
        let bench = filled(&case);
        one_life(async { subscribe(&bench.workshop().await.store).await });
        bench.log.release_part(READINGS, per_cent);
        live(&bench, case.weight, Ending::CaughtUp);
        begin(&bench);
        for (more, ending) in endings {
            bench.log.release_part(READINGS, more);
            live(&bench, case.weight, ending);
        }
        bench.log.release(READINGS);
        let caught_up = catch_up(&bench, case.weight);
        prop_assert_eq!(&caught_up, &model(&case, CONTRACT));
        let twice = one_life(async {
            let store = bench.workshop().await.store;
            let query = "select body, count(*) from outbox group by 1 having count(*) > 1";
            rows::<(String, i64)>(&store, query).await
        });
        prop_assert_eq!(twice, vec![]);
    }
}

#[test]
fn a_deleted_plant_stays_deleted_and_a_row_that_was_damaged_is_whole_again() {
    let bench = Bench::new(dry_windows(1), BASE_MS + 12 * HOUR_MS);
    bench.log.append(METADATA, 0, plant(1, 20.0, 1));
    bench.log.append(METADATA, 0, tombstone(1, 2));
    catch_up(&bench, 1);
    let before = dumped(&bench);
    one_life(async {
        let store = bench.workshop().await.store;
        for damage in [
            "update plant set name_key = 'x', moisture_low = 1",
            "update plant_bucket set reading_count = 99",
            "delete from plant_window",
            "insert into plant_latest values (5, 5, 5, 5, 5, 5)",
        ] {
            super::bench::execute(&store, damage).await;
        }
    });
    begin(&bench);
    catch_up(&bench, 1);
    assert_eq!(dumped(&bench), before);
}

/// F14: what was a dead letter for its time stays one when the clock has passed it, and what was
/// good stays good when the clock is set back.
#[test]
fn verdicts_of_their_time_are_obeyed_whatever_the_clock_says_by_then() {
    let now_ms = BASE_MS + 3 * HOUR_MS;
    let log = ScriptedLog::plain(&[(READINGS, 1), (METADATA, 1)]);
    log.append(METADATA, 0, plant(0, 30.0, BASE_MS));
    log.append(READINGS, 0, reading(0, 1.0, 4_070_908_800_000));
    log.append(READINGS, 0, reading(0, 1.0, now_ms + 10 * MINUTE_MS));
    log.append(READINGS, 0, reading(0, 1.0, now_ms + 4 * MINUTE_MS));
    log.append(READINGS, 0, reading(0, 1.0, 0));
    let bench = Bench::new(log, now_ms);
    let before = catch_up(&bench, 1);
    assert_eq!((before.letters[&0], before.readings[&0]), (2, 1));
    let views = |bench: &Bench| {
        let mut dump = dumped(bench);
        drop(dump.remove("pipeline"));
        dump
    };
    let rows = views(&bench);
    bench.clock.jump(-4 * MINUTE_MS);
    begin(&bench);
    catch_up(&bench, 1);
    assert_eq!(views(&bench), rows, "the clock was set back");
    bench.clock.pass(HOUR_MS);
    begin(&bench);
    catch_up(&bench, 1);
    assert_eq!(views(&bench), rows, "the clock has passed it");
}

/// The dry plants' room with another limit.
fn with_limit(low_readings_limit: i64) -> Impatient<Plants> {
    Impatient { room: Plants { low_readings_limit, ..PLANTS }, weight: 1 }
}

#[test]
fn by_other_settings_the_past_stays_silent_and_what_closes_from_now_on_is_told() {
    let bench = Bench::new(dry_windows(2), BASE_MS + WINDOW_MS + HOUR_MS);
    one_life(async { subscribe(&bench.workshop().await.store).await });
    one_life(async {
        let workshop = bench.workshop().await;
        Runner::new(with_limit(100), workshop.clone()).catch_up().await.unwrap();
        assert_eq!(raised(&workshop.store).await, []);
        let runner = Runner::new(with_limit(LIMIT), workshop.clone());
        begin_rebuild(&runner, &workshop.store).await;
        runner.catch_up().await.unwrap();
        assert_eq!(raised(&workshop.store).await, [], "the first window was closed before");
        bench.clock.pass(WINDOW_MS);
        runner.catch_up().await.unwrap();
        let second = (BASE_MS + 2 * WINDOW_MS, "sent".to_owned());
        assert_eq!(raised(&workshop.store).await, [second]);
    });
}

/// A record that nobody had folded yet is no past, even if its partition has come to its end while
/// another one is still on the way: what it makes true is told.
#[test]
fn what_is_new_waits_for_the_past_and_is_not_swallowed_by_its_silence() {
    let log = ScriptedLog::plain(&[(READINGS, 2), (METADATA, 1)]);
    log.append(METADATA, 0, plant(0, 30.0, BASE_MS));
    for step in 0..LIMIT {
        log.append(READINGS, 0, reading(0, 1.0, BASE_MS + step));
        log.append(READINGS, 1, reading(1, 50.0, BASE_MS + step));
    }
    let bench = Bench::new(log, BASE_MS + 7 * HOUR_MS);
    one_life(async { subscribe(&bench.workshop().await.store).await });
    assert_eq!(catch_up(&bench, 1).alerts.len(), 0);
    begin(&bench);
    bench.log.append(READINGS, 0, reading(0, 1.0, BASE_MS + LIMIT));
    // The log speaks partition after partition: the first one's news come before the other's past.
    let after = catch_up(&bench, 100_000);
    assert_eq!((after.lows[&(BASE_MS, 0)], after.alerts.len()), (LIMIT + 1, 1));
    one_life(async {
        let store = bench.workshop().await.store;
        assert_eq!(told(&store).await.len(), 1);
    });
}

#[test]
fn what_the_log_no_longer_holds_is_known_before_anything_is_touched() {
    let bench = Bench::new(dry_windows(3), BASE_MS + 24 * HOUR_MS);
    catch_up(&bench, 1);
    bench.log.lose(READINGS, 0, 2);
    let losses = begin(&bench);
    let listed: Vec<_> = losses.iter().map(|loss| (loss.view, loss.from_ms, loss.to_ms)).collect();
    let held_ms = BASE_MS + 2_000;
    assert_eq!(listed, [("plant_window", BASE_MS, held_ms), ("plant_bucket", BASE_MS, held_ms)]);
    let after = catch_up(&bench, 1);
    assert_eq!(after.lows[&(BASE_MS, 0)], LIMIT + 1 - 2);
    assert_eq!(after.lows[&(BASE_MS + WINDOW_MS, 0)], LIMIT + 1);
}

#[test]
fn a_partition_of_which_nothing_is_left_ends_a_rebuild_too() {
    let bench = Bench::new(dry_windows(1), BASE_MS + 24 * HOUR_MS);
    catch_up(&bench, 1);
    let held = bench.log.readable(READINGS);
    bench.log.lose(READINGS, 0, held);
    assert_eq!(begin(&bench).len(), 3);
    let after = catch_up(&bench, 1);
    assert!(after.lows.is_empty() && after.latest.is_empty());
    assert_eq!(after.alerts.len(), 1, "facts stay");
    one_life(async {
        let store = bench.workshop().await.store;
        let query = "select next_offset from position where topic = 'houseplant-readings'
                      order by partition";
        let at: Vec<(i64,)> = rows(&store, query).await;
        assert_eq!(at[0].0, i64::try_from(held).unwrap(), "nothing is read before its place");
    });
}

#[test]
fn progress_is_told_while_it_lasts() {
    let bench = Bench::new(dry_windows(2), BASE_MS + 24 * HOUR_MS);
    catch_up(&bench, 1);
    begin(&bench);
    let progress = async |store: &Store| {
        store.read(|db| Box::pin(async move { past::progress(db).await })).await.unwrap()
    };
    bench.log.arm(Fault::Stall { fetch: 4 });
    one_life(async {
        let workshop: Workshop = bench.workshop().await;
        let all = bench.log.readable(READINGS) as i64;
        let now = progress(&workshop.store).await;
        assert_eq!((now.len(), now[0].done, now[0].total), (1, 0, all));
        assert_eq!(now[0].per_cent(), 0);
        bench.log.disarm();
        let running = Running::start(plants(1), &workshop);
        until(&workshop.store, "the past is over", async |store| progress(store).await.is_empty())
            .await;
        running.stop().await;
        assert_eq!(outcome(&workshop.store).await.lows.len(), 2);
    });
}

/// Whoever gives a room another view says here that `Views::empty` empties it.
#[test]
fn every_view_of_the_plants_is_emptied_or_swapped_in_anew() {
    const EMPTIED: &[&str] = &[
        "plant_window",
        "plant_bucket",
        "plant_latest",
        "plant_sensor",
        "plant_watering_found",
        "plant_watering_judged",
        "plant_watering_doubt",
        "plant_late",
        "plant_roll_call",
    ];
    /// Facts: what was told must not be told again.
    const LEFT: &[&str] = &["plant_life", "plant_watering_fresh", "plant_watering_settled"];
    /// The next first pass writes every row of these anew.
    const SWAPPED_IN: &[&str] = &["plant", "plant_sensor_mapping", "plant_watering_said"];
    let bench = Bench::new(dry_windows(1), BASE_MS + 24 * HOUR_MS);
    catch_up(&bench, 1);
    begin(&bench);
    one_life(async {
        let store = bench.workshop().await.store;
        let query = "select name from sqlite_schema where type = 'table' and name like 'plant%'";
        for (view,) in rows::<(String,)>(&store, query).await {
            let known = [EMPTIED, SWAPPED_IN, LEFT].concat().contains(&view.as_str());
            assert!(known, "does `Views::empty` empty {view}?");
        }
        let query = "select 1 from plant_window union all select 1 from plant_bucket
                     union all select 1 from plant_latest union all select 1 from position";
        assert_eq!(rows::<(i64,)>(&store, query).await, []);
    });
}
