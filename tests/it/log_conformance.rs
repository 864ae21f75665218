//! What every event log promises, said once and run on each adapter.
//!
//! An adapter joins by a `Fixture` and one `suite!` line at the end of this file.

use std::sync::Arc;
use std::time::Duration;

use windowsill::condition::Trouble;
use windowsill::kernel::record::{Header, NewRecord, Placed};
use windowsill::kernel::topic::TopicKind;
use windowsill::log::batch::headers;
use windowsill::log::embedded::EmbeddedLog;
use windowsill::log::{EventLog, Fetched, LogError, LogReader, Start};

use crate::kafka::broker::{self, Broker};
use crate::kafka::prefixed::{Prefixed, prefix};

mod appending;
mod reading;

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
    NewRecord { value: Some(value.as_bytes().to_vec()), ts_ms: 5, ..NewRecord::default() }
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
    tokio::time::timeout(PATIENCE, reader.next()).await.expect("a step").unwrap()
}

async fn reader(log: &Arc<dyn EventLog>, topic: &str, partitions: i32) -> Box<dyn LogReader> {
    let from = (0..partitions).map(|partition| Start { partition, offset: 0 }).collect();
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
                        place: Placed { partition: record.partition, offset: record.offset },
                        ts_ms: record.ts_ms,
                        key: record.key.map(<[u8]>::to_vec),
                        value: record.value.map(<[u8]>::to_vec),
                        headers: headers(record.headers).unwrap(),
                    });
                }
            }
            Fetched::End { partition, next_offset } => ends[partition as usize] = next_offset,
        }
    }
    (seen, ends)
}

async fn with_topic(fixture: &impl Fixture, partitions: i32) -> Arc<dyn EventLog> {
    let log = fixture.open().await;
    log.create("t", TopicKind::Stream, partitions).await.unwrap();
    log
}

/// Every promise as a test of one adapter.
macro_rules! suite {
    ($adapter:ident, $fixture:expr, [$($module:ident::$promise:ident),* $(,)?]) => {
        mod $adapter {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $promise() {
                    let Some(fixture) = $fixture(stringify!($promise)) else { return };
                    super::$module::$promise(&fixture).await;
                }
            )*
        }
    };
    ($adapter:ident, $fixture:expr) => {
        suite!($adapter, $fixture, [
            appending::records_are_read_in_order_at_the_places_that_append_gave,
            appending::everything_about_a_record_comes_back,
            reading::the_end_of_an_empty_topic_is_told,
            reading::the_end_is_told_again_after_more_and_once_each_time,
            reading::reading_can_begin_within_a_batch,
            reading::partitions_are_read_each_in_its_order,
            reading::only_the_partitions_asked_for_are_read,
            appending::records_of_one_key_stay_on_one_partition,
            reading::what_is_appended_meanwhile_is_read_too,
            appending::two_handles_append_at_once_without_loss_or_gap,
            reading::a_reader_notices_what_another_handle_appends,
            reading::a_step_that_is_cancelled_is_not_lost,
            appending::opening_again_keeps_everything,
            appending::topics_are_told_with_what_they_hold,
            appending::what_is_not_there_is_an_error,
            appending::a_record_over_the_limit_is_refused,
            appending::a_record_that_is_refused_keeps_none_of_the_others_out,
        ]);
    };
}

/// The embedded log in a folder of its own.
struct Embedded(tempfile::TempDir);

impl Embedded {
    fn new() -> Embedded {
        Embedded(tempfile::tempdir().unwrap())
    }

    fn for_test(_test: &str) -> Option<Embedded> {
        Some(Embedded::new())
    }
}

/// A part of the shared broker: topics with a prefix of their own.
struct Kafka {
    broker: &'static Broker,
    prefix: String,
}

impl Kafka {
    fn new(test: &str) -> Option<Kafka> {
        Some(Kafka { broker: broker::shared(test)?, prefix: prefix() })
    }
}

impl Fixture for Kafka {
    async fn open(&self) -> Arc<dyn EventLog> {
        Arc::new(Prefixed::open(self.broker.address(), &self.prefix))
    }
}

impl Fixture for Embedded {
    async fn open(&self) -> Arc<dyn EventLog> {
        Arc::new(EmbeddedLog::open(&self.0.path().join("log.db")).await.unwrap())
    }
}

suite!(embedded, super::Embedded::for_test);
suite!(kafka, super::Kafka::new);

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
    let Err(LogError::File(fault)) = refused else { panic!("it was opened") };
    assert_eq!(fault.trouble, Trouble::Damaged);
}
