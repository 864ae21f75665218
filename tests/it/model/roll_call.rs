//! Who is silent, called by the clock: plants that were never heard, and thousands at once.

use serde_json::json;
use windowsill::kernel::time::MINUTE_MS;
use windowsill::rooms::plants::Plants;
use windowsill::rooms::plants::life::Rules;

use super::bench::{
    BASE_MS, Bench, METADATA, PLANTS, READINGS, one_life, outcome, plant, reading, rows, topic,
    until,
};
use super::lives::{Ending, Running, live_as};
use super::scripted_log::{Line, ScriptedLog};

const MAPPING: &str = "houseplant-sensor-mapping";
const LIMIT_MS: i64 = 10 * MINUTE_MS;

fn room() -> Plants {
    Plants { lives: Rules { silent_ms: Some(LIMIT_MS), ..PLANTS.lives }, ..PLANTS }
}

fn mapping(sensor_id: &str, plant_id: i32, ts_ms: i64) -> Line {
    let value = json!({"sensor_id": sensor_id, "plant_id": plant_id});
    let value = topic(MAPPING).codec.encode(&value).unwrap();
    Line { ts_ms, key: Some(sensor_id.as_bytes().to_vec()), value: Some(value) }
}

fn alerts(bench: &Bench) -> Vec<(String, String, i64)> {
    let outcome = one_life(async { outcome(&bench.workshop().await.store).await });
    outcome.alerts.into_iter().collect()
}

#[test]
fn a_plant_whose_sensor_was_never_heard_is_silent_since_that_was_mapped() {
    let log = ScriptedLog::plain(&[(READINGS, 1), (METADATA, 1), (MAPPING, 1)]);
    for plant_id in 0..2 {
        log.append(METADATA, 0, plant(plant_id, 30.0, BASE_MS));
    }
    // Two sensors, the first one counts; plant 1 has none, and nobody has described plant 2.
    for (sensor_id, plant_id, minutes) in [("0x36", 0, 0), ("0x37", 0, 5), ("0x38", 2, 0)] {
        log.append(MAPPING, 0, mapping(sensor_id, plant_id, BASE_MS + minutes * MINUTE_MS));
    }
    let bench = Bench::new(log, BASE_MS + 5 * MINUTE_MS);
    for _ in 0..10 {
        bench.clock.pass(MINUTE_MS);
        live_as(&bench, room(), Ending::CaughtUp);
    }
    let told = ("plants.silent".to_owned(), "0".to_owned(), BASE_MS + LIMIT_MS);
    assert_eq!(alerts(&bench), [told]);
    // It talks, and goes on.
    let now_ms = BASE_MS + 15 * MINUTE_MS;
    for minute in 0..12 {
        bench.log.append(READINGS, 0, reading(0, 50.0, now_ms + minute * MINUTE_MS));
        bench.clock.pass_until(now_ms + minute * MINUTE_MS + 5_000);
        live_as(&bench, room(), Ending::CaughtUp);
    }
    let lives = one_life(async {
        rows::<(i32, String)>(
            &bench.workshop().await.store,
            "select plant_id, kind from plant_life",
        )
        .await
    });
    assert_eq!(lives, []);
    assert_eq!(alerts(&bench).len(), 1);
}

/// More than twice of what one step tells.
const MANY: i32 = 1_100;

#[test]
fn thousands_fall_silent_and_talk_again_within_one_roll_call_each() {
    let log = ScriptedLog::plain(&[(READINGS, 1), (METADATA, 1)]);
    let speak = |at_ms: i64| {
        let lines = (0..MANY).map(move |plant_id| reading(plant_id, 50.0, at_ms));
        lines.collect::<Vec<_>>()
    };
    log.write(METADATA, 0, (0..MANY).map(|plant_id| plant(plant_id, 30.0, BASE_MS)));
    log.release(METADATA);
    log.write(READINGS, 0, speak(BASE_MS));
    log.release(READINGS);
    let bench = Bench::new(log, BASE_MS + 5_000);
    one_life(async {
        let workshop = bench.workshop().await;
        let store = &workshop.store;
        let running = Running::start(room(), &workshop);
        let lives = async |of: &'static str, count: usize| {
            until(store, of, async |store| rows::<(i32,)>(store, of).await.len() == count).await;
        };
        let many = usize::try_from(MANY).unwrap();
        lives("select plant_id from plant_latest", many).await;
        bench.clock.pass_until(BASE_MS + LIMIT_MS - 30_000);
        lives("select plant_id from plant_life where phase = 'pending'", many).await;
        bench.clock.pass_until(BASE_MS + LIMIT_MS + 40_000);
        lives("select plant_id from plant_life where phase = 'firing'", many).await;
        // They talk for as long as the limit.
        let now_ms = BASE_MS + 12 * MINUTE_MS;
        for minutes in [0, 5, 10] {
            let at_ms = now_ms + minutes * MINUTE_MS;
            bench.log.write(READINGS, 0, speak(at_ms));
            bench.log.release(READINGS);
            bench.clock.pass_until(at_ms + 65_000);
            let better = "select plant_id from plant_life where better_ms is not null";
            if minutes < 10 {
                lives(better, many).await;
            }
        }
        lives("select plant_id from plant_life", 0).await;
        lives("select after_plant_id from plant_roll_call", 0).await;
        running.stop().await;
    });
    assert_eq!(alerts(&bench).len(), usize::try_from(MANY).unwrap());
}
