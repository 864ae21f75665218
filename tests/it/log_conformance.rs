//! What every event log promises, said once and run on each adapter.
//!
//! An adapter joins by a `Fixture` and one `suite!` line at the end of this file.

use std::sync::Arc;
use std::time::Duration;

use windowsill::kernel::record::{Header, NewRecord, Placed};
use windowsill::kernel::topic::TopicKind;
use windowsill::log::batch::headers;
use windowsill::log::embedded::EmbeddedLog;
use windowsill::log::{EventLog, Fetched, LogError, LogReader, MAX_RECORD_BYTES, Start};

/// Longer than any step may take; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// A log that can be opened again, as another process would.
trait Fixture {
    async fn open(&self) -> Arc<dyn EventLog>;
}

/// A record as the tests compare it.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    place: Placed,
    ts_ms: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<Header>,
}

fn record(value: &str) -> NewRecord {
    NewRecord {
        value: Some(value.as_bytes().to_vec()),
        ts_ms: 5,
        ..NewRecord::default()
    }
}

fn records(values: std::ops::Range<usize>) -> Vec<NewRecord> {
    values.map(|value| record(&value.to_string())).collect()
}

fn values(seen: &[Seen]) -> Vec<String> {
    let text = |seen: &Seen| String::from_utf8(seen.value.clone().unwrap()).unwrap();
    seen.iter().map(text).collect()
}

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

async fn next(reader: &mut Box<dyn LogReader>) -> Fetched {
    tokio::time::timeout(PATIENCE, reader.next())
        .await
        .expect("a step")
        .unwrap()
}

async fn reader(log: &Arc<dyn EventLog>, topic: &str, partitions: i32) -> Box<dyn LogReader> {
    let from = (0..partitions)
        .map(|partition| Start {
            partition,
            offset: 0,
        })
        .collect();
    log.read(topic, from).await.unwrap()
}

/// Reads until every partition has told its end; gives the records and the ends.
async fn read_to_end(reader: &mut Box<dyn LogReader>, partitions: usize) -> (Vec<Seen>, Vec<i64>) {
    let mut seen = Vec::new();
    let mut ends = vec![-1; partitions];
    while ends.contains(&-1) {
        match next(reader).await {
            Fetched::Batch(batch) => {
                for record in batch.records() {
                    let record = record.unwrap();
                    seen.push(Seen {
                        place: Placed {
                            partition: record.partition,
                            offset: record.offset,
                        },
                        ts_ms: record.ts_ms,
                        key: record.key.map(<[u8]>::to_vec),
                        value: record.value.map(<[u8]>::to_vec),
                        headers: headers(record.headers).unwrap(),
                    });
                }
            }
            Fetched::End {
                partition,
                next_offset,
            } => ends[partition as usize] = next_offset,
        }
    }
    (seen, ends)
}

async fn with_topic(fixture: &impl Fixture, partitions: i32) -> Arc<dyn EventLog> {
    let log = fixture.open().await;
    log.create("t", TopicKind::Stream, partitions)
        .await
        .unwrap();
    log
}

async fn records_are_read_in_order_at_the_places_that_append_gave(fixture: &impl Fixture) {
    let log = with_topic(fixture, 1).await;
    let mut places = log.append("t", records(0..3)).await.unwrap();
    places.extend(log.append("t", records(3..25_000)).await.unwrap());
    let (seen, ends) = read_to_end(&mut reader(&log, "t", 1).await, 1).await;
    assert_eq!(values(&seen), numbers(0..25_000));
    assert_eq!(
        seen.iter().map(|seen| seen.place).collect::<Vec<_>>(),
        places
    );
    assert_eq!(ends, [25_000]);
}

async fn everything_about_a_record_comes_back(fixture: &impl Fixture) {
    let log = with_topic(fixture, 1).await;
    let header = |name: &str, value: Option<&[u8]>| Header {
        name: name.to_owned(),
        value: value.map(Into::into),
    };
    let given = vec![
        NewRecord {
            key: Some(b"7".to_vec()),
            ts_ms: -1,
            ..NewRecord::default()
        },
        NewRecord {
            value: Some(Vec::new()),
            ts_ms: 1_700_000_000_123,
            ..NewRecord::default()
        },
        NewRecord {
            key: Some(vec![0, 255]),
            value: Some(vec![0xc3, 0x28]),
            headers: vec![
                header("sensor-id", Some(b"0x36")),
                header("", None),
                header("x", Some(b"")),
            ],
            ..NewRecord::default()
        },
    ];
    log.append("t", given.clone()).await.unwrap();
    let (seen, _) = read_to_end(&mut reader(&log, "t", 1).await, 1).await;
    for (index, (seen, given)) in seen.into_iter().zip(given).enumerate() {
        let place = Placed {
            partition: 0,
            offset: index as i64,
        };
        let NewRecord {
            key,
            value,
            ts_ms,
            headers,
            ..
        } = given;
        assert_eq!(
            seen,
            Seen {
                place,
                ts_ms,
                key,
                value,
                headers
            }
        );
    }
}

async fn the_end_of_an_empty_topic_is_told(fixture: &impl Fixture) {
    let log = with_topic(fixture, 2).await;
    let (seen, ends) = read_to_end(&mut reader(&log, "t", 2).await, 2).await;
    assert_eq!((seen, ends), (Vec::new(), vec![0, 0]));
}

async fn the_end_is_told_again_after_more_and_once_each_time(fixture: &impl Fixture) {
    let log = with_topic(fixture, 1).await;
    let mut reader = reader(&log, "t", 1).await;
    for round in 0..5 {
        let step = next(&mut reader).await;
        assert!(
            matches!(step, Fetched::End { next_offset, .. } if next_offset == round),
            "{step:?}"
        );
        log.append("t", vec![record("x")]).await.unwrap();
        let step = next(&mut reader).await;
        assert!(
            matches!(&step, Fetched::Batch(batch) if batch.next_offset == round + 1),
            "{step:?}"
        );
    }
}

async fn reading_can_begin_within_a_batch(fixture: &impl Fixture) {
    let log = with_topic(fixture, 1).await;
    log.append("t", records(0..100)).await.unwrap();
    log.append("t", records(100..110)).await.unwrap();
    for offset in [0, 1, 57, 99, 100, 101, 109, 110] {
        let mut reader = log
            .read(
                "t",
                vec![Start {
                    partition: 0,
                    offset,
                }],
            )
            .await
            .unwrap();
        let (seen, ends) = read_to_end(&mut reader, 1).await;
        assert_eq!(
            values(&seen),
            numbers(offset as usize..110),
            "from {offset}"
        );
        assert_eq!(ends, [110]);
    }
}

async fn partitions_are_read_each_in_its_order(fixture: &impl Fixture) {
    let log = with_topic(fixture, 3).await;
    let mut given = Vec::new();
    for number in 0..3000 {
        given.push(NewRecord {
            partition: Some(number % 3),
            ..record(&number.to_string())
        });
    }
    log.append("t", given).await.unwrap();
    let (seen, ends) = read_to_end(&mut reader(&log, "t", 3).await, 3).await;
    assert_eq!(ends, [1000, 1000, 1000]);
    for partition in 0..3 {
        let own: Vec<Seen> = seen
            .iter()
            .filter(|seen| seen.place.partition == partition)
            .cloned()
            .collect();
        let expected: Vec<String> = (0..1000)
            .map(|offset| (offset * 3 + partition).to_string())
            .collect();
        assert_eq!(values(&own), expected);
    }
}

async fn only_the_partitions_asked_for_are_read(fixture: &impl Fixture) {
    let log = with_topic(fixture, 2).await;
    let to = |partition| NewRecord {
        partition: Some(partition),
        ..record("x")
    };
    log.append("t", vec![to(0), to(1)]).await.unwrap();
    let mut reader = log
        .read(
            "t",
            vec![Start {
                partition: 1,
                offset: 0,
            }],
        )
        .await
        .unwrap();
    assert!(matches!(next(&mut reader).await, Fetched::Batch(batch) if batch.partition == 1));
    assert!(matches!(
        next(&mut reader).await,
        Fetched::End {
            partition: 1,
            next_offset: 1
        }
    ));
}

async fn records_of_one_key_stay_on_one_partition(fixture: &impl Fixture) {
    let log = with_topic(fixture, 6).await;
    let keyed = |key: usize| NewRecord {
        key: Some(key.to_string().into_bytes()),
        ..record("x")
    };
    let first = log.append("t", (0..50).map(keyed).collect()).await.unwrap();
    let again = log.append("t", (0..50).map(keyed).collect()).await.unwrap();
    let partitions = |places: &[Placed]| {
        places
            .iter()
            .map(|place| place.partition)
            .collect::<Vec<i32>>()
    };
    assert_eq!(partitions(&first), partitions(&again));
    let mut used = partitions(&first);
    used.sort_unstable();
    used.dedup();
    assert!(used.len() > 3, "50 keys on partitions {used:?} only");
}

async fn what_is_appended_meanwhile_is_read_too(fixture: &impl Fixture) {
    let log = with_topic(fixture, 1).await;
    let mut reader = reader(&log, "t", 1).await;
    let writer = Arc::clone(&log);
    let appending = tokio::spawn(async move {
        for number in 0..300 {
            writer
                .append("t", vec![record(&number.to_string())])
                .await
                .unwrap();
        }
    });
    let mut read = Vec::new();
    while read.len() < 300 {
        if let Fetched::Batch(batch) = next(&mut reader).await {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            read.extend(
                batch
                    .records()
                    .map(|record| text(record.unwrap().value.unwrap())),
            );
        }
    }
    appending.await.unwrap();
    assert_eq!(read, numbers(0..300));
}

async fn two_handles_append_at_once_without_loss_or_gap(fixture: &impl Fixture) {
    let log = with_topic(fixture, 1).await;
    let other = fixture.open().await;
    let append = async |log: &Arc<dyn EventLog>, name: &str| {
        let mut places = Vec::new();
        for number in 0..100 {
            let value = format!("{name}{number}");
            places.extend(
                log.append("t", vec![record(&value), record(&value)])
                    .await
                    .unwrap(),
            );
        }
        places
    };
    let (mine, others) = tokio::join!(append(&log, "a"), append(&other, "b"));
    let (seen, ends) = read_to_end(&mut reader(&log, "t", 1).await, 1).await;
    assert_eq!(ends, [400]);
    let mut places: Vec<Placed> = mine.into_iter().chain(others).collect();
    places.sort_unstable();
    assert_eq!(
        seen.iter().map(|seen| seen.place).collect::<Vec<_>>(),
        places
    );
    for name in ["a", "b"] {
        let own: Vec<String> = values(&seen)
            .into_iter()
            .filter(|value| value.starts_with(name))
            .collect();
        let expected: Vec<String> = (0..200)
            .map(|number| format!("{name}{}", number / 2))
            .collect();
        assert_eq!(own, expected);
    }
}

async fn a_reader_notices_what_another_handle_appends(fixture: &impl Fixture) {
    let log = with_topic(fixture, 1).await;
    let other = fixture.open().await;
    let mut reader = reader(&log, "t", 1).await;
    assert!(matches!(next(&mut reader).await, Fetched::End { .. }));
    for _ in 0..3 {
        other.append("t", vec![record("x")]).await.unwrap();
        assert!(matches!(next(&mut reader).await, Fetched::Batch(batch) if batch.count == 1));
        assert!(matches!(next(&mut reader).await, Fetched::End { .. }));
    }
}

async fn a_step_that_is_cancelled_is_not_lost(fixture: &impl Fixture) {
    let log = with_topic(fixture, 1).await;
    let mut reader = reader(&log, "t", 1).await;
    let mut read = Vec::new();
    let mut number = 0;
    while read.len() < 100 {
        if number < 100 {
            log.append("t", vec![record(&number.to_string())])
                .await
                .unwrap();
            number += 1;
        }
        // Most of these are cancelled before a record is there.
        let step = tokio::time::timeout(Duration::from_micros(200), reader.next()).await;
        if let Ok(step) = step
            && let Fetched::Batch(batch) = step.unwrap()
        {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            read.extend(
                batch
                    .records()
                    .map(|record| text(record.unwrap().value.unwrap())),
            );
        }
    }
    assert_eq!(read, numbers(0..100));
}

async fn opening_again_keeps_everything(fixture: &impl Fixture) {
    let log = with_topic(fixture, 1).await;
    let id = log.id().to_owned();
    log.append("t", records(0..10)).await.unwrap();
    drop(log);
    let log = fixture.open().await;
    assert_eq!(log.id(), id);
    let (seen, _) = read_to_end(&mut reader(&log, "t", 1).await, 1).await;
    assert_eq!(values(&seen), numbers(0..10));
    assert_eq!(
        log.append("t", vec![record("x")]).await.unwrap()[0].offset,
        10
    );
}

async fn topics_are_told_with_what_they_hold(fixture: &impl Fixture) {
    let log = with_topic(fixture, 2).await;
    log.create("a-table", TopicKind::Table, 1).await.unwrap();
    // Creating it again changes nothing.
    log.create("t", TopicKind::Table, 9).await.unwrap();
    let at = |ts_ms| NewRecord {
        ts_ms,
        ..record("x")
    };
    log.append("t", vec![at(50), at(20), at(70)]).await.unwrap();
    let stats = log.topics().await.unwrap();
    let names: Vec<&str> = stats.iter().map(|stat| stat.name.as_str()).collect();
    assert_eq!(names, ["a-table", "t"]);
    assert_eq!(
        (stats[0].kind, stats[0].records, stats[0].last_ts_ms),
        (TopicKind::Table, 0, None)
    );
    assert_eq!(
        (stats[1].kind, stats[1].partitions, stats[1].records),
        (TopicKind::Stream, 2, 3)
    );
    assert_eq!(
        (stats[1].first_ts_ms, stats[1].last_ts_ms),
        (Some(20), Some(70))
    );
    let bounds = log.bounds("t").await.unwrap();
    assert_eq!(
        bounds.iter().map(|bounds| bounds.next_offset).sum::<i64>(),
        3
    );
    assert!(bounds.iter().all(|bounds| bounds.first_offset == 0));
}

async fn what_is_not_there_is_an_error(fixture: &impl Fixture) {
    let log = with_topic(fixture, 2).await;
    let unknown = log.append("nope", vec![record("x")]).await;
    assert!(matches!(unknown, Err(LogError::UnknownTopic(name)) if name == "nope"));
    assert!(matches!(
        log.partitions("nope").await,
        Err(LogError::UnknownTopic(_))
    ));
    assert!(matches!(
        log.read("nope", Vec::new()).await,
        Err(LogError::UnknownTopic(_))
    ));
    for partition in [-1, 2] {
        let to = NewRecord {
            partition: Some(partition),
            ..record("x")
        };
        let unknown = log.append("t", vec![record("x"), to]).await;
        assert!(matches!(
            unknown,
            Err(LogError::UnknownPartition { partitions: 2, .. })
        ));
        let unknown = log
            .read(
                "t",
                vec![Start {
                    partition,
                    offset: 0,
                }],
            )
            .await;
        assert!(matches!(unknown, Err(LogError::UnknownPartition { .. })));
    }
    let beyond = log
        .read(
            "t",
            vec![Start {
                partition: 0,
                offset: 1,
            }],
        )
        .await;
    assert!(matches!(
        beyond,
        Err(LogError::BeyondEnd { next_offset: 0, .. })
    ));
    let (seen, _) = read_to_end(&mut reader(&log, "t", 2).await, 2).await;
    assert_eq!(seen, [], "a refused append leaves nothing behind");
}

async fn a_record_over_the_limit_is_refused(fixture: &impl Fixture) {
    let log = with_topic(fixture, 1).await;
    let sized = |size| NewRecord {
        value: Some(vec![7; size]),
        ..NewRecord::default()
    };
    let refused = log.append("t", vec![sized(MAX_RECORD_BYTES + 1)]).await;
    assert!(matches!(refused, Err(LogError::TooLarge { .. })));
    log.append("t", vec![sized(MAX_RECORD_BYTES)])
        .await
        .unwrap();
    let (seen, _) = read_to_end(&mut reader(&log, "t", 1).await, 1).await;
    assert_eq!(seen[0].value.as_ref().unwrap().len(), MAX_RECORD_BYTES);
}

/// Every promise as a test of one adapter.
macro_rules! suite {
    ($adapter:ident, $fixture:expr, [$($promise:ident),* $(,)?]) => {
        mod $adapter {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $promise() {
                    super::$promise(&$fixture).await;
                }
            )*
        }
    };
    ($adapter:ident, $fixture:expr) => {
        suite!($adapter, $fixture, [
            records_are_read_in_order_at_the_places_that_append_gave,
            everything_about_a_record_comes_back,
            the_end_of_an_empty_topic_is_told,
            the_end_is_told_again_after_more_and_once_each_time,
            reading_can_begin_within_a_batch,
            partitions_are_read_each_in_its_order,
            only_the_partitions_asked_for_are_read,
            records_of_one_key_stay_on_one_partition,
            what_is_appended_meanwhile_is_read_too,
            two_handles_append_at_once_without_loss_or_gap,
            a_reader_notices_what_another_handle_appends,
            a_step_that_is_cancelled_is_not_lost,
            opening_again_keeps_everything,
            topics_are_told_with_what_they_hold,
            what_is_not_there_is_an_error,
            a_record_over_the_limit_is_refused,
        ]);
    };
}

/// The embedded log in a folder of its own.
struct Embedded(tempfile::TempDir);

impl Embedded {
    fn new() -> Embedded {
        Embedded(tempfile::tempdir().unwrap())
    }
}

impl Fixture for Embedded {
    async fn open(&self) -> Arc<dyn EventLog> {
        Arc::new(
            EmbeddedLog::open(&self.0.path().join("log.db"))
                .await
                .unwrap(),
        )
    }
}

suite!(embedded, super::Embedded::new());

#[tokio::test]
async fn values_beside_the_records_are_kept() {
    let fixture = Embedded::new();
    let path = fixture.0.path().join("log.db");
    let log = EmbeddedLog::open(&path).await.unwrap();
    assert_eq!(log.meta_get("clock").await.unwrap(), None);
    log.meta_set("clock", "1").await.unwrap();
    log.meta_set("clock", "2").await.unwrap();
    let again = EmbeddedLog::open(&path).await.unwrap();
    assert_eq!(again.meta_get("clock").await.unwrap().as_deref(), Some("2"));
}

#[tokio::test]
async fn a_file_that_is_no_log_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.db");
    std::fs::write(
        &path,
        "this is a letter to my aunt, and long enough to be read as one. ".repeat(99),
    )
    .unwrap();
    let refused = EmbeddedLog::open(&path).await;
    assert!(matches!(refused, Err(LogError::Damaged { .. })));
}
