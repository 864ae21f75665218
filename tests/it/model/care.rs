//! Waterings that readings show, however they come; and forecasts of the evening, each once.

use serde_json::json;
use windowsill::engine::Runner;
use windowsill::kernel::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use windowsill::rooms::plants::Plants;
use windowsill::rooms::plants::life::Rules;

use super::bench::{
    BASE_MS, Bench, LAG_MS, METADATA, PLANTS, READINGS, execute, one_life, outcome, plant, reading,
    rows, topic,
};
use super::lives::{Ending, catch_up, live_as};
use super::rebuild::begin_rebuild;
use super::scripted_log::{Line, ScriptedLog};

const DAYS: i64 = 6;
const WATERINGS: &str = "houseplant-waterings";

/// Both plants dry, and get water after one day and a half, and after four days. Each has its own
/// partition.
fn lines() -> Vec<(usize, Line)> {
    let mut lines = Vec::new();
    for step in 0..DAYS * DAY_MS / (5 * MINUTE_MS) {
        let ts_ms = BASE_MS + step * 5 * MINUTE_MS;
        for plant_id in 0..2 {
            let hour = (ts_ms - BASE_MS) as f64 / HOUR_MS as f64;
            let since = [96.0, 36.0, 0.0].into_iter().find(|watered| hour >= *watered).unwrap();
            let moisture = 70.0 - f64::from(plant_id) * 5.0 - (hour - since) * 0.4;
            let partition = usize::try_from(plant_id).unwrap();
            lines.push((partition, reading(plant_id, moisture as f32, ts_ms)));
        }
    }
    lines
}

fn append(bench: &Bench, lines: &[(usize, Line)]) {
    for (partition, line) in lines {
        bench.log.append(READINGS, *partition, line.clone());
    }
}

fn fresh() -> Bench {
    let log = ScriptedLog::plain(&[(READINGS, 2), (METADATA, 1)]);
    log.append(METADATA, 0, plant(0, 30.0, BASE_MS));
    Bench::new(log, BASE_MS + DAYS * DAY_MS)
}

fn found(bench: &Bench) -> Vec<(i64, i32, i64)> {
    one_life(async {
        let store = bench.workshop().await.store;
        rows(&store, "select start_ms, plant_id, at_ms from plant_watering_found order by 1, 2")
            .await
    })
}

/// The hours at which a plant was found watered.
fn hours(found: &[(i64, i32, i64)], plant_id: i32) -> Vec<i64> {
    let of_plant = found.iter().filter(|(_, of, _)| *of == plant_id);
    of_plant.map(|(_, _, at_ms)| (at_ms - BASE_MS) / HOUR_MS).collect()
}

#[test]
fn waterings_are_the_same_however_readings_come() {
    let lines = lines();
    let at_once = fresh();
    append(&at_once, &lines);
    catch_up(&at_once, 1);
    let expected = found(&at_once);
    assert_eq!((hours(&expected, 0), hours(&expected, 1)), (vec![36, 96], vec![36, 96]));

    let piecemeal = fresh();
    piecemeal.clock.jump(-DAYS * DAY_MS);
    for piece in lines.chunks(lines.len() / 16) {
        append(&piecemeal, piece);
        piecemeal.clock.pass_until(piece.last().unwrap().1.ts_ms + LAG_MS);
        catch_up(&piecemeal, 50);
    }
    piecemeal.clock.pass_until(BASE_MS + DAYS * DAY_MS);
    catch_up(&piecemeal, 1);
    assert_eq!(found(&piecemeal), expected);

    // Half a day around the first watering comes when everything has long been judged.
    let late = fresh();
    let is_late = |line: &&(usize, Line)| (30..42).contains(&((line.1.ts_ms - BASE_MS) / HOUR_MS));
    let (held, told): (Vec<_>, Vec<_>) = lines.iter().partition(is_late);
    append(&late, &told.into_iter().cloned().collect::<Vec<_>>());
    catch_up(&late, 1);
    assert_ne!(found(&late), expected, "the watering lay in the silence, and is seen after it");
    append(&late, &held.into_iter().cloned().collect::<Vec<_>>());
    catch_up(&late, 1);
    assert_eq!(found(&late), expected);
}

#[test]
fn a_rebuild_finds_the_same_waterings() {
    let bench = fresh();
    append(&bench, &lines());
    catch_up(&bench, 1);
    let expected = found(&bench);
    one_life(async {
        let workshop = bench.workshop().await;
        begin_rebuild(&Runner::new(PLANTS, workshop.clone()), &workshop.store).await
    });
    assert_eq!(found(&bench), []);
    catch_up(&bench, 1);
    assert_eq!(found(&bench), expected);
}

/// Six in the evening of the fourth day.
const EVENING_MS: i64 = BASE_MS + 3 * DAY_MS + 18 * HOUR_MS;

/// Plant 0 dries by five per cent a day, and will be below 30 % in so many hours after the evening.
fn drying(hours_left: f64) -> Bench {
    drying_until(EVENING_MS, hours_left)
}

/// The same, and nothing is read from this time on.
fn drying_until(end_ms: i64, hours_left: f64) -> Bench {
    let bench = fresh();
    bench.clock.jump(EVENING_MS - HOUR_MS - (BASE_MS + DAYS * DAY_MS));
    let mut lines = Vec::new();
    for step in 0..(end_ms - BASE_MS) / (5 * MINUTE_MS) {
        let ts_ms = BASE_MS + step * 5 * MINUTE_MS;
        let left = (EVENING_MS - ts_ms) as f64 / HOUR_MS as f64 + hours_left;
        lines.push((0, reading(0, (30.0 + left * 5.0 / 24.0) as f32, ts_ms)));
    }
    let before = |line: &&(usize, Line)| line.1.ts_ms < EVENING_MS - HOUR_MS;
    let (early, last): (Vec<_>, Vec<_>) = lines.iter().partition(before);
    append(&bench, &early.into_iter().cloned().collect::<Vec<_>>());
    catch_up(&bench, 1);
    append(&bench, &last.into_iter().cloned().collect::<Vec<_>>());
    bench
}

fn alerts(bench: &Bench) -> Vec<(String, String, i64)> {
    let outcome = one_life(async { outcome(&bench.workshop().await.store).await });
    outcome.alerts.into_iter().collect()
}

#[test]
fn a_plant_that_will_be_dry_tomorrow_is_told_in_the_evening_and_once() {
    let bench = drying(14.0);
    catch_up(&bench, 1);
    assert_eq!(alerts(&bench), [], "it is an hour too early");
    bench.clock.pass_until(EVENING_MS + LAG_MS);
    catch_up(&bench, 1);
    let told = [("plants.forecast".to_owned(), "0".to_owned(), EVENING_MS)];
    assert_eq!(alerts(&bench), told);
    // Nothing new is known in the next evening.
    for _ in 0..3 {
        bench.clock.pass(12 * HOUR_MS);
        catch_up(&bench, 1);
    }
    assert_eq!(alerts(&bench), told);
}

#[test]
fn what_will_be_dry_later_or_an_evening_long_ago_is_not_told() {
    let later = drying(50.0);
    later.clock.pass_until(EVENING_MS + LAG_MS);
    catch_up(&later, 1);
    assert_eq!(alerts(&later), []);
    let missed = drying(14.0);
    missed.clock.pass_until(EVENING_MS + 7 * HOUR_MS);
    catch_up(&missed, 1);
    assert_eq!(alerts(&missed), []);
}

/// Whoever wants to hear nothing of its drying wants no forecast of it.
#[test]
fn a_plant_whose_early_warning_is_silenced_has_no_evening() {
    let bench = drying(14.0);
    one_life(async {
        let store = bench.workshop().await.store;
        let silenced = "insert into snooze (about, until_at)
            values ('plants:0:drying', 253402300799999)";
        execute(&store, silenced).await;
    });
    bench.clock.pass_until(EVENING_MS + LAG_MS);
    catch_up(&bench, 1);
    assert_eq!(alerts(&bench), []);
}

/// A sensor that fell silent in the afternoon: what its curve reaches before the evening is no
/// forecast.
#[test]
fn what_should_be_dry_by_now_is_not_foretold() {
    let bench = drying_until(EVENING_MS - 2 * HOUR_MS, -1.5);
    bench.clock.pass_until(EVENING_MS + LAG_MS);
    catch_up(&bench, 1);
    assert_eq!(alerts(&bench), []);
}

/// The evening looks at what was read before it, also where the log holds more by then.
#[test]
fn an_evening_is_the_same_when_it_is_told_late() {
    let bench = drying(14.0);
    for minutes in (5..90).step_by(5) {
        bench.log.append(READINGS, 0, reading(0, 80.0, EVENING_MS + minutes * MINUTE_MS));
    }
    bench.clock.pass_until(EVENING_MS + 2 * HOUR_MS);
    catch_up(&bench, 1);
    assert_eq!(alerts(&bench), [("plants.forecast".to_owned(), "0".to_owned(), EVENING_MS)]);
}

/// A watering that somebody told, or with `None` that it was none.
fn watering(at_ms: i64, plant_id: Option<i32>) -> Line {
    let key = format!("0@{at_ms}");
    let value = plant_id.map(|plant_id| json!({"plant_id": plant_id, "watered_at": at_ms}));
    let value = value.map(|value| topic(WATERINGS).codec.encode(&value).unwrap());
    Line { ts_ms: at_ms, key: Some(key.into_bytes()), value }
}

#[test]
fn a_watering_of_the_future_is_a_dead_letter() {
    let log = ScriptedLog::plain(&[(READINGS, 1), (METADATA, 1), (WATERINGS, 1)]);
    log.append(METADATA, 0, plant(0, 30.0, BASE_MS));
    for at_ms in [BASE_MS, 99_999_999_999_999] {
        log.append(WATERINGS, 0, Line { ts_ms: BASE_MS, ..watering(at_ms, Some(0)) });
    }
    let bench = Bench::new(log, BASE_MS);
    catch_up(&bench, 1);
    one_life(async {
        let store = bench.workshop().await.store;
        let said = rows::<(i64,)>(&store, "select at_ms from plant_watering_said").await;
        assert_eq!(said, [(BASE_MS,)]);
        let letters = rows::<(i64, String)>(&store, "select offset, reason from dead_letter").await;
        let is_told = |reason: &str| reason.contains("\"watered_at\" is 99999999999999, more than");
        assert!(matches!(&letters[..], [(1, reason)] if is_told(reason)), "{letters:?}");
    });
}

/// Below its limit since the beginning.
fn dry_until(bench: &Bench, from_ms: i64, until_ms: i64) {
    for ts_ms in (from_ms..until_ms).step_by(MINUTE_MS as usize) {
        bench.log.append(READINGS, 0, reading(0, 25.0, ts_ms));
    }
    bench.clock.pass_until(until_ms);
    let lives = Rules { drying_ms: HOUR_MS, clear_ms: 30 * MINUTE_MS, ..PLANTS.lives };
    let room = Plants { lives, low_readings_limit: i64::MAX, ..PLANTS };
    live_as(bench, room, Ending::CaughtUp);
}

/// The early warnings, in minutes from the beginning.
fn warned(bench: &Bench) -> Vec<i64> {
    let alerts = alerts(bench).into_iter().filter(|(rule, ..)| rule == "plants.drying");
    alerts.map(|(.., event_ms)| (event_ms - BASE_MS) / MINUTE_MS).collect()
}

#[test]
fn a_watering_settles_an_early_warning_and_one_that_is_taken_back_brings_it_again() {
    for is_taken_back in [false, true] {
        let log = ScriptedLog::plain(&[(READINGS, 1), (METADATA, 1), (WATERINGS, 1)]);
        log.append(METADATA, 0, plant(0, 30.0, BASE_MS));
        let bench = Bench::new(log, BASE_MS);
        let minute = |count: i64| BASE_MS + count * MINUTE_MS;
        dry_until(&bench, minute(0), minute(80));
        assert_eq!(warned(&bench), [60]);
        // It began to be dry before the watering, although it was told of later.
        bench.log.append(WATERINGS, 0, watering(minute(50), Some(0)));
        dry_until(&bench, minute(80), minute(95));
        if is_taken_back {
            bench.log.append(WATERINGS, 0, watering(minute(50), None));
        }
        // Watered, it is dry anew from the quarter on that was judged after that, for an hour.
        for (until, expected) in [(130, vec![60]), (170, vec![60, 135])] {
            dry_until(&bench, minute(if until == 130 { 95 } else { 130 }), minute(until));
            let expected = if is_taken_back { vec![60, 105] } else { expected };
            assert_eq!(warned(&bench), expected);
        }
    }
}

/// Told in time, the early warning does not come.
#[test]
fn a_watering_before_the_early_warning_puts_it_off() {
    let log = ScriptedLog::plain(&[(READINGS, 1), (METADATA, 1), (WATERINGS, 1)]);
    log.append(METADATA, 0, plant(0, 30.0, BASE_MS));
    let bench = Bench::new(log, BASE_MS);
    let minute = |count: i64| BASE_MS + count * MINUTE_MS;
    dry_until(&bench, minute(0), minute(40));
    bench.log.append(WATERINGS, 0, watering(minute(37), Some(0)));
    dry_until(&bench, minute(40), minute(100));
    assert_eq!(warned(&bench), Vec::<i64>::new());
    dry_until(&bench, minute(100), minute(120));
    assert_eq!(warned(&bench), [105]);
}
