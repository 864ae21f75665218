//! Dead letters: what cannot be folded is kept whole with its reason, once, and nothing waits for
//! it.

use std::collections::BTreeMap;

use windowsill::engine::Runner;
use windowsill::kernel::time::{HOUR_MS, MINUTE_MS, SECOND_MS};
use windowsill::log::Bounds;
use windowsill::store::{Store, Urgency, dead_letters};

use super::bench::{
    BASE_MS, Bench, METADATA, Outcome, READINGS, one_life, outcome, plant, reading, rows, until,
};
use super::lives::{Ending, Running, catch_up, live, plants};
use super::rebuild::begin_rebuild;
use super::scripted_log::{Line, ScriptedLog, Turn};

const NOW_MS: i64 = BASE_MS + 3 * HOUR_MS;
/// Where a reading's bytes hold its moisture: after the header and a plant id of one byte.
const MOISTURE: std::ops::Range<usize> = 11..15;

/// A dead letter as it is stored.
#[derive(Debug, PartialEq, sqlx::FromRow)]
struct Letter {
    topic: String,
    partition: i32,
    offset: i64,
    ts_ms: i64,
    record_key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    reason: String,
}

async fn letters(store: &Store) -> Vec<Letter> {
    let query = "select topic, partition, offset, ts_ms, record_key, value, reason
                   from dead_letter order by topic, partition, offset";
    rows(store, query).await
}

fn with_value(change: impl FnOnce(&mut Vec<u8>)) -> Line {
    let mut line = reading(0, 1.0, BASE_MS);
    change(line.value.as_mut().unwrap());
    line
}

fn with_moisture(number: f32) -> Line {
    with_value(|bytes| bytes[MOISTURE].copy_from_slice(&number.to_le_bytes()))
}

/// Readings that cannot be folded, and what their reasons say.
fn bad_readings() -> Vec<(Line, &'static str)> {
    vec![
        (with_value(|bytes| *bytes = b"garbage".to_vec()), "the bytes begin with"),
        (with_value(Vec::clear), "the bytes begin with"),
        (with_value(|bytes| bytes.truncate(13)), "the bytes end inside field \"moisture\""),
        (with_value(|bytes| bytes.push(0)), "1 more bytes follow the value"),
        (with_value(|bytes| bytes[2] ^= 1), "the value has schema fingerprint"),
        (Line { value: None, ..reading(0, 1.0, BASE_MS) }, "the value is null"),
        (with_moisture(f32::NAN), "field \"moisture\" is NaN, expected a number from -100 to 300"),
        (with_moisture(f32::INFINITY), "field \"moisture\" is inf"),
        (with_moisture(1e9), "field \"moisture\" is 1000000000, expected a number"),
        (with_moisture(-400.0), "field \"moisture\" is -400, expected a number"),
        (reading(-3, 1.0, BASE_MS), "plant id -3 is negative"),
        (reading(0, 1.0, NOW_MS + 5 * MINUTE_MS + 1), ", more than 5 min ahead of the clock"),
        (
            reading(0, 1.0, 4_070_908_800_000),
            "its time is 2099-01-01T00:00:00+00:00, more than 5 min ahead",
        ),
        (reading(0, 1.0, i64::MAX), "is not between 1970 and 9999"),
        (reading(0, 1.0, -1), "its time, -1 ms, is not between 1970 and 9999"),
        (reading(0, 1.0, i64::MIN), "is not between 1970 and 9999"),
    ]
}

/// One bad reading after the other, each between two good ones, and a null key, which is none of
/// our business.
fn bench() -> Bench {
    let turns = vec![Turn { pick: 0, size: 7 }, Turn { pick: 1, size: 1 }];
    let log = ScriptedLog::new(&[(READINGS, 2), (METADATA, 1)], turns, 1);
    log.append(METADATA, 0, plant(0, 30.0, BASE_MS));
    for (bad, _) in bad_readings() {
        log.append(READINGS, 1, reading(0, 1.0, BASE_MS));
        log.append(READINGS, 1, bad);
    }
    log.append(READINGS, 1, Line { key: None, ..reading(0, 1.0, BASE_MS) });
    Bench::new(log, NOW_MS)
}

fn assert_only_the_bad_are_buried(letters: &[Letter], outcome: &Outcome) {
    let bad = bad_readings();
    assert_eq!(letters.len(), bad.len());
    for (index, (letter, (line, reason))) in letters.iter().zip(&bad).enumerate() {
        let offset = 2 * i64::try_from(index).unwrap() + 1;
        assert_eq!((letter.topic.as_str(), letter.partition, letter.offset), (READINGS, 1, offset));
        assert_eq!(
            (letter.ts_ms, &letter.record_key, &letter.value),
            (line.ts_ms, &line.key, &line.value)
        );
        assert!(letter.reason.contains(reason), "{:?} should say {reason:?}", letter.reason);
    }
    let good = i64::try_from(bad.len()).unwrap() + 1;
    assert_eq!(outcome.lows, BTreeMap::from([((BASE_MS, 0), good)]));
    assert_eq!(outcome.readings, BTreeMap::from([(0, good)]));
    assert_eq!(
        (&outcome.late, &outcome.latest),
        (&BTreeMap::new(), &BTreeMap::from([(0, BASE_MS)]))
    );
}

async fn position(store: &Store, partition: i32) -> (i64, i64, Option<i64>) {
    let all: Vec<(i32, i64, i64, Option<i64>)> = rows(
        store,
        "select partition, next_offset, records, greatest_event_ms from position
          where topic = 'houseplant-readings'",
    )
    .await;
    let found = all.into_iter().find(|row| row.0 == partition).unwrap();
    (found.1, found.2, found.3)
}

#[test]
fn a_bad_reading_is_kept_whole_with_its_reason_and_the_partition_moves_on() {
    let bench = bench();
    let outcome = catch_up(&bench, 1);
    one_life(async {
        let store = bench.workshop().await.store;
        assert_only_the_bad_are_buried(&letters(&store).await, &outcome);
        let all = i64::try_from(2 * bad_readings().len() + 1).unwrap();
        // No bad reading moved the partition's time.
        assert_eq!(position(&store, 1).await, (all, all, Some(BASE_MS)));
    });
}

#[test]
fn crashes_and_folding_everything_again_bury_nothing_twice() {
    let bench = bench();
    for fetch in 1..12 {
        live(&bench, 100_000, Ending::KilledAtFetch(fetch));
    }
    let outcome = catch_up(&bench, 100_000);
    one_life(async {
        let workshop = bench.workshop().await;
        assert_only_the_bad_are_buried(&letters(&workshop.store).await, &outcome);
        let runner = Runner::new(plants(1), workshop.clone());
        begin_rebuild(&runner, &workshop.store).await;
    });
    let again = catch_up(&bench, 1);
    one_life(async {
        let store = bench.workshop().await.store;
        assert_only_the_bad_are_buried(&letters(&store).await, &again);
    });
}

#[test]
fn a_record_from_the_future_makes_nobody_late_and_one_just_within_the_allowance_counts() {
    let log = ScriptedLog::plain(&[(READINGS, 1), (METADATA, 1)]);
    log.append(METADATA, 0, plant(0, 30.0, BASE_MS));
    for year in 1..=3 {
        log.append(READINGS, 0, reading(0, 1.0, NOW_MS + year * 365 * 24 * HOUR_MS));
    }
    log.append(READINGS, 0, reading(0, 1.0, NOW_MS + 5 * MINUTE_MS));
    log.append(READINGS, 0, reading(0, 1.0, BASE_MS));
    let bench = Bench::new(log, NOW_MS);
    let outcome = catch_up(&bench, 1);
    assert_eq!(outcome.lows, BTreeMap::from([((BASE_MS, 0), 2)]));
    assert_eq!((outcome.late.len(), outcome.letters), (0, BTreeMap::from([(0, 3)])));
    assert_eq!(outcome.watermark_ms, Some(NOW_MS + 5 * MINUTE_MS));
}

#[test]
fn a_reading_of_1970_is_an_old_reading_and_moves_nothing() {
    let log = ScriptedLog::plain(&[(READINGS, 1), (METADATA, 1)]);
    log.append(METADATA, 0, plant(0, 30.0, BASE_MS));
    log.append(READINGS, 0, reading(0, 1.0, BASE_MS));
    log.append(READINGS, 0, reading(0, 1.0, 0));
    log.append(READINGS, 0, reading(0, 1.0, BASE_MS + SECOND_MS));
    let outcome = catch_up(&Bench::new(log, NOW_MS), 1);
    assert_eq!(outcome.late, BTreeMap::from([(0, 1)]));
    assert_eq!(outcome.lows, BTreeMap::from([((BASE_MS, 0), 2)]));
    assert_eq!(outcome.letters, BTreeMap::new());
}

/// Table records that are no rows, and what their reasons say.
fn bad_plants() -> Vec<(Line, &'static str)> {
    let keyed = |key: Option<&[u8]>| Line { key: key.map(<[u8]>::to_vec), ..plant(1, 40.0, 1) };
    vec![
        (keyed(Some(b"2")), "the key is \"2\", expected the plant id \"1\""),
        (keyed(Some(b"01")), "the key is \"01\", expected the plant id \"1\""),
        (keyed(None), "a table's record needs a key"),
        (Line { value: Some(b"garbage".to_vec()), ..keyed(Some(b"1")) }, "the bytes begin with"),
        (Line { value: None, ..keyed(Some(b"seven")) }, "expected a plant id"),
    ]
}

fn assert_bad_plants_are_buried(letters: &[Letter], first_offset: i64) {
    let found: Vec<i64> = letters.iter().map(|letter| letter.offset).collect();
    let count = i64::try_from(bad_plants().len()).unwrap();
    assert_eq!(found, (first_offset..first_offset + count).collect::<Vec<_>>());
    for (letter, (line, reason)) in letters.iter().zip(bad_plants()) {
        assert_eq!((&letter.topic[..], &letter.record_key), (METADATA, &line.key));
        assert_eq!(letter.value, line.value);
        assert!(letter.reason.contains(reason), "{:?} should say {reason:?}", letter.reason);
    }
}

#[test]
fn a_bad_row_of_a_table_is_buried_once_in_the_first_pass_of_every_start() {
    let log = ScriptedLog::plain(&[(READINGS, 1), (METADATA, 1)]);
    for (line, _) in bad_plants() {
        log.append(METADATA, 0, line);
    }
    log.append(METADATA, 0, plant(0, 30.0, BASE_MS));
    let bench = Bench::new(log, NOW_MS);
    for _ in 0..3 {
        catch_up(&bench, 1);
    }
    one_life(async {
        let store = bench.workshop().await.store;
        assert_bad_plants_are_buried(&letters(&store).await, 0);
        let plants: Vec<(i32,)> = rows(&store, "select plant_id from plant").await;
        assert_eq!(plants, [(0,)]);
    });
}

#[test]
fn a_bad_row_of_a_table_is_buried_while_the_table_is_followed() {
    let log = ScriptedLog::plain(&[(READINGS, 1), (METADATA, 1)]);
    log.append(METADATA, 0, plant(1, 30.0, BASE_MS));
    let bench = Bench::new(log, NOW_MS);
    one_life(async {
        let workshop = bench.workshop().await;
        let running = Running::start(plants(1), &workshop);
        until(&workshop.store, "the first pass is done", async |store| {
            outcome(store).await.watermark_ms.is_some()
        })
        .await;
        for (line, _) in bad_plants() {
            bench.log.append(METADATA, 0, line);
        }
        bench.log.append(METADATA, 0, plant(2, 30.0, BASE_MS));
        until(&workshop.store, "the last row is there", async |store| {
            let plants: Vec<(i32, f32)> =
                rows(store, "select plant_id, moisture_low from plant order by 1").await;
            plants == [(1, 30.0), (2, 30.0)]
        })
        .await;
        running.stop().await;
        assert_bad_plants_are_buried(&letters(&workshop.store).await, 1);
    });
}

#[test]
fn a_verdict_is_kept_for_as_long_as_the_log_holds_the_record() {
    let bench = bench();
    catch_up(&bench, 1);
    one_life(async {
        let store = bench.workshop().await.store;
        let all = letters(&store).await.len();
        let forget = async |first_offset: i64| {
            let bounds = Bounds { partition: 1, first_offset, next_offset: 100 };
            let held = vec![(READINGS.to_owned(), vec![bounds])];
            let write = store.write(Urgency::Bulk, move |db| {
                Box::pin(async move { dead_letters::forget(db, "scripted", &held, i64::MAX).await })
            });
            write.await.unwrap();
            letters(&store).await
        };
        assert_eq!(forget(0).await.len(), all);
        let left = forget(5).await;
        assert_eq!((left.len(), left[0].offset), (all - 2, 5));
    });
}
