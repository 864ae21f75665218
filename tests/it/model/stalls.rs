//! A stream that was alive and brings nothing more is told once, and so is its return.

use windowsill::kernel::time::{HOUR_MS, MINUTE_MS};

use super::bench::{BASE_MS, Bench, READINGS, execute, one_life, reading, rows, until};
use super::lives::{Running, plants};
use super::scripted_log::ScriptedLog;

const STALLED: &str = "select count(*) from alert where rule = 'stream.stalled'";
const RECOVERED: &str = "select count(*) from alert where rule = 'stream.recovered'";

async fn count(store: &windowsill::store::Store, query: &'static str) -> i64 {
    let counted: Vec<(i64,)> = rows(store, query).await;
    counted[0].0
}

fn watching(mut bench: Bench) -> Bench {
    bench.watches_streams = true;
    bench
}

/// One life: the stream's newest record is old when it begins; `minutes` pass.
fn live(bench: &Bench, minutes: i64, expected: (i64, i64)) {
    one_life(async {
        let workshop = bench.workshop().await;
        let running = Running::start(plants(1), &workshop);
        until(&workshop.store, "it has caught up", async |store| {
            count(store, "select count(*) from pipeline where caught_up_at is not null").await == 1
        })
        .await;
        bench.clock.pass(minutes * MINUTE_MS);
        until(&workshop.store, "the stall and its end are told", async |store| {
            (count(store, STALLED).await, count(store, RECOVERED).await) == expected
        })
        .await;
        running.stop().await;
        execute(&workshop.store, "update pipeline set caught_up_at = null").await;
    });
}

#[test]
fn a_stall_and_its_end_are_told_once_whoever_runs_meanwhile() {
    let log = ScriptedLog::plain(&[(READINGS, 2)]);
    log.append(READINGS, 0, reading(0, 50.0, BASE_MS));
    let bench = watching(Bench::new(log, BASE_MS + MINUTE_MS));
    live(&bench, 10, (1, 0));
    // Another life does not tell it again, however long it lasts.
    live(&bench, 30, (1, 0));
    bench.log.append(READINGS, 1, reading(0, 50.0, BASE_MS + 41 * MINUTE_MS));
    live(&bench, 1, (1, 1));
    live(&bench, 10, (2, 1));
}

/// The bot was down for an hour while a sensor went on, and then that stops.
#[test]
fn time_without_the_bot_is_no_stall() {
    let log = ScriptedLog::plain(&[(READINGS, 1)]);
    log.append(READINGS, 0, reading(0, 50.0, BASE_MS));
    let bench = watching(Bench::new(log, BASE_MS + HOUR_MS));
    live(&bench, 9, (0, 0));
    live(&bench, 10, (1, 0));
}
