//! A second room, made for these tests, joins the engine as it is; and where its fold panics,
//! exactly the records that did it become dead letters.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use rustc_hash::FxHashMap;
use sqlx::SqliteConnection;
use tokio::sync::watch;
use windowsill::engine::{Closed, Due, Runner, Span, TableRow, Version, Views};
use windowsill::kernel::pipeline::{At, Pipeline};
use windowsill::kernel::poison::Poison;
use windowsill::kernel::record::RecordRef;
use windowsill::kernel::time::{Arrival, HOUR_MS, MINUTE_MS, Tumbling};
use windowsill::kernel::topic::{Format, TopicKind, TopicSpec};
use windowsill::log::codec::Codec;
use windowsill::store::{Store, StoreError};

use super::bench::{
    BASE_MS, Bench, LIMIT, METADATA, PLANTS, READINGS, execute, one_life, outcome, plant, reading,
    rows, until,
};
use super::case::{turns, weight};
use super::impatient::Impatient;
use super::rebuild::begin_rebuild;
use super::scripted_log::{Line, ScriptedLog, Turn};

const EVENTS: &str = "tally-events";
/// Folding this number panics, and so does decoding the other one.
const FOLD_CULPRIT: u32 = 13;
const DECODE_CULPRIT: u32 = 17;

pub(crate) static TALLY_TOPICS: [TopicSpec; 1] = [TopicSpec {
    name: EVENTS,
    kind: TopicKind::Stream,
    kafka_partitions: 1,
    format: Format::Avro(
        r#"{"type": "record", "name": "tally", "fields": [{"name": "number", "type": "int"}]}"#,
    ),
    stall_after_ms: None,
    check: |_, _, _| Ok(()),
    value_line: |_| Err("not asked for".to_owned()),
}];

/// Counts how often each number came.
struct Tally;

impl Pipeline for Tally {
    type Event = u32;
    type Delta = FxHashMap<u32, i64>;
    type Row = ();
    type Tables = ();

    fn name(&self) -> &'static str {
        "tally"
    }

    fn streams(&self) -> &'static [&'static str] {
        &[EVENTS]
    }

    fn tables(&self) -> &'static [&'static str] {
        &[]
    }

    fn windows(&self) -> Tumbling {
        Tumbling { size_ms: HOUR_MS, grace_ms: 0 }
    }

    fn decode(&self, _: usize, _: &Codec, record: &RecordRef<'_>) -> Result<u32, Poison> {
        let text = std::str::from_utf8(record.value.unwrap_or_default()).unwrap();
        let number = text.parse().map_err(|_| Poison::new("expected a number"))?;
        assert_ne!(number, DECODE_CULPRIT, "a bug on purpose");
        Ok(number)
    }

    fn event_ms(&self, _: &u32, record_ms: i64) -> Option<i64> {
        Some(record_ms)
    }

    fn fold(&self, delta: &mut FxHashMap<u32, i64>, event: &u32, _: At, _: Arrival, (): &()) {
        *delta.entry(*event).or_default() += 1;
        assert_ne!(*event, FOLD_CULPRIT, "a bug on purpose, after half the work");
    }

    fn absorb(&self, delta: &mut FxHashMap<u32, i64>, other: FxHashMap<u32, i64>) {
        for (number, count) in other {
            *delta.entry(number).or_default() += count;
        }
    }

    fn entries(&self, delta: &FxHashMap<u32, i64>) -> usize {
        delta.len()
    }

    fn clear(&self, delta: &mut FxHashMap<u32, i64>) {
        delta.clear();
    }

    fn decode_row(
        &self,
        _: usize,
        _: &Codec,
        _: i64,
        _: &[u8],
        _: Option<&[u8]>,
    ) -> Result<Option<()>, Poison> {
        Ok(None)
    }

    fn set_row(&self, (): &mut (), _: usize, _: &[u8], _: Option<&()>) {}
}

impl Views for Tally {
    async fn replace_table(
        &self,
        _: &mut SqliteConnection,
        _: usize,
        _: &[TableRow<()>],
    ) -> Result<(), StoreError> {
        Ok(())
    }

    async fn put_row(
        &self,
        _: &mut SqliteConnection,
        _: usize,
        _: &[u8],
        _: Option<&()>,
        _: Version,
    ) -> Result<Option<Version>, StoreError> {
        Ok(None)
    }

    async fn merge(
        &self,
        db: &mut SqliteConnection,
        delta: &FxHashMap<u32, i64>,
    ) -> Result<(), StoreError> {
        for (number, count) in delta {
            sqlx::query(
                "insert into tally (number, times) values (?, ?)
                 on conflict (number) do update set times = times + excluded.times",
            )
            .bind(number)
            .bind(count)
            .execute(&mut *db)
            .await?;
        }
        Ok(())
    }

    async fn close(
        &self,
        _: &mut SqliteConnection,
        _: Due,
        _: &FxHashMap<u32, i64>,
    ) -> Result<Closed, StoreError> {
        Ok(Closed::default())
    }

    async fn next_due(&self, _: &mut SqliteConnection, _: i64) -> Result<Option<i64>, StoreError> {
        Ok(None)
    }

    async fn settle_past(
        &self,
        _: &mut SqliteConnection,
        _: Option<i64>,
    ) -> Result<(), StoreError> {
        Ok(())
    }

    async fn spans(&self, _: &mut SqliteConnection) -> Result<Vec<Span>, StoreError> {
        Ok(Vec::new())
    }

    async fn empty(&self, db: &mut SqliteConnection) -> Result<(), StoreError> {
        sqlx::query("delete from tally").execute(db).await?;
        Ok(())
    }

    async fn prune(&self, _: &mut SqliteConnection, _: i64) -> Result<(), StoreError> {
        Ok(())
    }
}

fn event(number: u32, ts_ms: i64) -> Line {
    Line { ts_ms, key: None, value: Some(number.to_string().into_bytes()) }
}

/// Times that go back and forth over some hours, so that some events are late.
fn time_of(offset: usize) -> i64 {
    BASE_MS + i64::try_from(offset * 37 % 11).unwrap() * 25 * MINUTE_MS
}

fn is_culprit(number: u32) -> bool {
    number == FOLD_CULPRIT || number == DECODE_CULPRIT
}

async fn make_table(store: &Store) {
    execute(store, "create table tally (number integer primary key, times integer)").await;
}

/// The counts, how many were late, and the places of the dead letters.
type Tallied = (BTreeMap<u32, i64>, i64, Vec<(i32, i64, String)>);

async fn tallied(store: &Store) -> Tallied {
    let counts: Vec<(u32, i64)> = rows(store, "select number, times from tally").await;
    let letters = rows(
        store,
        "select partition, offset, cast(value as text) from dead_letter where topic = 'tally-events'
          order by 1, 2",
    );
    let late: Vec<(i64,)> =
        rows(store, "select sum(late) from position where pipeline = 'tally'").await;
    (counts.into_iter().collect(), late.first().map_or(0, |row| row.0), letters.await)
}

/// What must come of these events: each number counted once, each culprit in the dead letters
/// and without a trace in its partition's time.
fn expected(partitions: &[Vec<u32>]) -> Tallied {
    let mut counts = BTreeMap::new();
    let mut letters = Vec::new();
    let mut late = 0;
    for (partition, numbers) in partitions.iter().enumerate() {
        let mut greatest_ms = BASE_MS;
        for (offset, number) in numbers.iter().enumerate() {
            if is_culprit(*number) {
                let place = (i32::try_from(partition).unwrap(), i64::try_from(offset).unwrap());
                letters.push((place.0, place.1, number.to_string()));
            } else {
                *counts.entry(*number).or_default() += 1;
                let ts_ms = time_of(offset);
                late += i64::from(ts_ms - ts_ms % HOUR_MS + HOUR_MS <= greatest_ms);
                greatest_ms = greatest_ms.max(ts_ms);
            }
        }
    }
    (counts, late, letters)
}

fn bench(partitions: &[Vec<u32>], turns: Vec<Turn>) -> Bench {
    let log = ScriptedLog::new(&[(EVENTS, partitions.len())], turns, 1);
    for (partition, numbers) in partitions.iter().enumerate() {
        let told = numbers.iter().enumerate();
        let lines = told.map(|(offset, number)| event(*number, time_of(offset)));
        log.write(EVENTS, partition, lines);
    }
    log.release(EVENTS);
    Bench::new(log, BASE_MS + 12 * HOUR_MS)
}

fn numbers() -> impl Strategy<Value = Vec<Vec<u32>>> {
    let number = prop_oneof![
        12 => 0..6_u32,
        1 => Just(FOLD_CULPRIT),
        1 => Just(DECODE_CULPRIT)
    ];
    vec(vec(number, 0..40), 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases / 4,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn exactly_the_records_that_panic_become_dead_letters(
        partitions in numbers(),
        turns in turns(),
        weight in weight(),
    ) {
        let bench = bench(&partitions, turns);
        let (tallied, summary, rebuilt) = one_life(async {
            let workshop = bench.workshop().await;
            make_table(&workshop.store).await;
            let runner = Runner::new(Impatient { room: Tally, weight }, workshop.clone());
            let summary = runner.catch_up().await.unwrap();
            let first = tallied(&workshop.store).await;
            begin_rebuild(&runner, &workshop.store).await;
            let again = runner.catch_up().await.unwrap();
            assert_eq!((again.records, again.dead_letters), (summary.records, 0));
            (first, summary, tallied(&workshop.store).await)
        });
        prop_assert_eq!(&tallied, &rebuilt);
        let culprits = u64::try_from(tallied.2.len()).unwrap();
        prop_assert_eq!(tallied, expected(&partitions));
        let records: usize = partitions.iter().map(Vec::len).sum();
        prop_assert_eq!(summary.records, i64::try_from(records).unwrap());
        prop_assert_eq!(summary.dead_letters, culprits);
    }
}

#[test]
fn a_running_pipeline_gets_past_records_that_panic_by_itself() {
    let partitions = [vec![1, FOLD_CULPRIT, 2, 2, DECODE_CULPRIT, 3], vec![FOLD_CULPRIT], vec![4]];
    let bench = bench(&partitions, vec![Turn { pick: 1, size: 7 }, Turn { pick: 0, size: 1 }]);
    let tallied = one_life(async {
        let workshop = bench.workshop().await;
        make_table(&workshop.store).await;
        let room = Impatient { room: Tally, weight: 100_000 };
        let runner = Runner::new(room, workshop.clone());
        let (stop, stopped) = watch::channel(false);
        let running = tokio::spawn(async move { runner.run(stopped).await });
        until(&workshop.store, "all eight records are folded", async |store| {
            let folded: Vec<(i64,)> =
                rows(store, "select coalesce(sum(records), 0) from position").await;
            folded == [(8,)]
        })
        .await;
        stop.send_replace(true);
        running.await.unwrap().unwrap();
        tallied(&workshop.store).await
    });
    assert_eq!(tallied, expected(&partitions));
}

#[test]
fn a_second_room_joins_the_engine_and_each_keeps_to_its_own() {
    let log = ScriptedLog::plain(&[(EVENTS, 1), (READINGS, 1), (METADATA, 1)]);
    log.append(METADATA, 0, plant(0, 30.0, BASE_MS));
    for step in 0..=LIMIT {
        log.append(READINGS, 0, reading(0, 1.0, BASE_MS + step));
        log.append(EVENTS, 0, event(5, BASE_MS));
    }
    log.append(EVENTS, 0, event(FOLD_CULPRIT, BASE_MS));
    let bench = Bench::new(log, BASE_MS + 12 * HOUR_MS);
    one_life(async {
        let workshop = bench.workshop().await;
        make_table(&workshop.store).await;
        let tally = Runner::new(Tally, workshop.clone());
        let plants = Runner::new(PLANTS, workshop.clone());
        let (tally, plants) = tokio::join!(tally.catch_up(), plants.catch_up());
        assert_eq!((tally.unwrap().records, plants.unwrap().records), (LIMIT + 2, LIMIT + 1));
        let (counts, late, letters) = tallied(&workshop.store).await;
        assert_eq!((counts, late, letters.len()), (BTreeMap::from([(5, LIMIT + 1)]), 0, 1));
        let plants = outcome(&workshop.store).await;
        assert_eq!(plants.lows, BTreeMap::from([((BASE_MS, 0), LIMIT + 1)]));
        assert_eq!(plants.alerts.len(), 1);
    });
}
