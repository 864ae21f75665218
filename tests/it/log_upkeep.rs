//! What upkeep of the embedded log promises: which records go, which stay, and that nobody who
//! reads, appends or dies meanwhile is any the worse for it.

use std::path::Path;
use std::sync::Arc;

use windowsill::kernel::record::NewRecord;
use windowsill::kernel::topic::TopicKind;
use windowsill::log::embedded::EmbeddedLog;
use windowsill::log::embedded::upkeep::{Keep, Lost, Readers, Report};
use windowsill::log::{EventLog, Fetched, LogReader, Start};

mod any_order;
mod process;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// A clock that has been set: 2026-11-01.
const NOW_MS: i64 = 1_793_491_200_000;
const KEEP: Keep =
    Keep { age_ms: Some(91 * DAY_MS), topic_bytes: None, tombstone_ms: 24 * HOUR_MS };
/// What `Folds` takes for poison.
const POISON: &[u8] = b"poison";

/// Readers that have folded this far; `None`: nobody reads.
struct Folds(Option<i64>);

impl Readers for Folds {
    fn folded(&self, _topic: &str, _partition: i32) -> Option<i64> {
        self.0
    }

    fn takes(&self, _topic: &str, key: Option<&[u8]>, value: Option<&[u8]>) -> bool {
        key.is_some() && value != Some(POISON)
    }
}

/// An offset, its key and its value.
type Seen = (i64, String, Option<Vec<u8>>);

async fn open(path: &Path, kind: TopicKind) -> Arc<EmbeddedLog> {
    let log = EmbeddedLog::open(path).await.unwrap();
    log.create("t", kind, 1).await.unwrap();
    Arc::new(log)
}

fn record(key: &str, value: Option<&[u8]>) -> NewRecord {
    NewRecord {
        key: Some(key.as_bytes().to_vec()),
        value: value.map(<[u8]>::to_vec),
        ts_ms: NOW_MS,
        ..NewRecord::default()
    }
}

async fn reader(log: &EmbeddedLog, offset: i64) -> Box<dyn LogReader> {
    log.read("t", vec![Start { partition: 0, offset }]).await.unwrap()
}

/// What a reader still has before it, and where it ends.
async fn rest(reader: &mut Box<dyn LogReader>) -> (Vec<Seen>, i64) {
    let mut seen = Vec::new();
    loop {
        match reader.next().await.unwrap() {
            Fetched::Batch(batch) => {
                for record in batch.records() {
                    let record = record.unwrap();
                    let key = String::from_utf8(record.key.unwrap_or_default().to_vec()).unwrap();
                    seen.push((record.offset, key, record.value.map(<[u8]>::to_vec)));
                }
            }
            Fetched::End { next_offset, .. } => return (seen, next_offset),
        }
    }
}

async fn read_from(log: &EmbeddedLog, offset: i64) -> (Vec<Seen>, i64) {
    rest(&mut reader(log, offset).await).await
}

async fn offsets(log: &EmbeddedLog) -> Vec<i64> {
    read_from(log, 0).await.0.into_iter().map(|(offset, ..)| offset).collect()
}

/// The records that `topic list` counts.
async fn counted(log: &EmbeddedLog) -> i64 {
    log.topics().await.unwrap()[0].records
}

async fn pass(log: &EmbeddedLog, now_ms: i64, folded: Option<i64>) -> Report {
    log.upkeep(now_ms, &KEEP, &Folds(folded)).await.unwrap()
}

#[tokio::test]
async fn a_table_keeps_the_newest_record_of_each_key_at_its_offset() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir.path().join("log.db"), TopicKind::Table).await;
    for round in 0..5 {
        let value = [round];
        let keys = ["a", "b", "c"].map(|key| record(key, Some(&value)));
        log.append("t", keys.to_vec()).await.unwrap();
    }
    assert_eq!(pass(&log, NOW_MS, Some(15)).await.compacted, 12);
    assert_eq!(offsets(&log).await, [12, 13, 14]);
    assert_eq!(counted(&log).await, 3);
    let bounds = log.bounds("t").await.unwrap()[0];
    assert_eq!((bounds.first_offset, bounds.next_offset), (12, 15));
    assert_eq!(log.append("t", vec![record("a", None)]).await.unwrap()[0].offset, 15);
    for from in [0, 12, 13, 15] {
        let (seen, end) = read_from(&log, from).await;
        assert!(seen.iter().all(|(offset, ..)| *offset >= from) && end == 16, "{from}: {seen:?}");
        assert_eq!(seen.len() as i64, (16 - from).min(4));
    }
}

#[tokio::test]
async fn what_a_tables_readers_have_not_folded_is_not_compacted() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir.path().join("log.db"), TopicKind::Table).await;
    for _ in 0..4 {
        log.append("t", vec![record("a", Some(b"1"))]).await.unwrap();
    }
    assert_eq!(pass(&log, NOW_MS, Some(2)).await.compacted, 1);
    assert_eq!(offsets(&log).await, [1, 2, 3]);
    assert_eq!(pass(&log, NOW_MS, Some(0)).await, Report::default());
}

/// F10: a deletion is there for everybody who is less than a day behind.
#[tokio::test]
async fn a_tombstone_stays_a_day_and_then_goes_for_good() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir.path().join("log.db"), TopicKind::Table).await;
    let records = vec![record("a", Some(b"1")), record("a", None), record("b", Some(b"1"))];
    log.append("t", records).await.unwrap();
    for hours in [0, 1, 23] {
        pass(&log, NOW_MS + hours * HOUR_MS, Some(3)).await;
        assert_eq!(offsets(&log).await, [1, 2], "after {hours} hours");
    }
    pass(&log, NOW_MS + 25 * HOUR_MS, Some(3)).await;
    assert_eq!(offsets(&log).await, [2]);
    assert_eq!(counted(&log).await, 1);
}

/// F10: the row was still there, its deletion is long over, and both are compacted under a reader.
#[tokio::test]
async fn a_reader_that_has_met_a_row_meets_its_deletion_however_old_that_is() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir.path().join("log.db"), TopicKind::Table).await;
    log.append("t", vec![record("a", Some(b"1"))]).await.unwrap();
    for key in 0..40 {
        let filler = record(&key.to_string(), Some(&[7; 300_000]));
        log.append("t", vec![filler]).await.unwrap();
    }
    log.append("t", vec![record("a", None)]).await.unwrap();
    log.append("t", vec![record("b", Some(b"1"))]).await.unwrap();
    for hours in [0, 23, 25] {
        assert_eq!(pass(&log, NOW_MS + hours * HOUR_MS, Some(0)).await.compacted, 0);
    }
    let mut slow = reader(&log, 0).await;
    let Fetched::Batch(first) = slow.next().await.unwrap() else { panic!("no batch") };
    assert!(first.base_offset == 0 && first.next_offset < 41);
    assert_eq!(pass(&log, NOW_MS + 26 * HOUR_MS, Some(i64::MAX)).await.compacted, 1);
    let (seen, _) = rest(&mut slow).await;
    assert!(seen.contains(&(41, "a".to_owned(), None)), "the deletion is gone");
    for hours in [27, 51] {
        pass(&log, NOW_MS + hours * HOUR_MS, Some(i64::MAX)).await;
    }
    assert!(!offsets(&log).await.contains(&41), "it goes with a later compaction");
}

/// F9, F10: what no reader takes must not make the row before it vanish.
#[tokio::test]
async fn poison_hides_older_poison_and_no_row() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir.path().join("log.db"), TopicKind::Table).await;
    let keyless = || NewRecord { key: None, ..record("", Some(b"x")) };
    let records = vec![
        record("a", Some(b"row")),
        record("a", Some(POISON)),
        keyless(),
        record("a", Some(POISON)),
        keyless(),
        record("b", Some(POISON)),
        record("b", Some(b"row")),
    ];
    log.append("t", records).await.unwrap();
    pass(&log, NOW_MS, Some(7)).await;
    assert_eq!(offsets(&log).await, [0, 3, 4, 6]);
}

#[tokio::test]
async fn a_stream_loses_what_is_old_by_its_coming_and_not_by_its_own_time() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir.path().join("log.db"), TopicKind::Stream).await;
    let at = |ts_ms| NewRecord { ts_ms, ..record("a", Some(b"1")) };
    // Of 1970, of 2099, and of now.
    for ts_ms in [5, 4_070_908_800_000, NOW_MS] {
        log.append("t", vec![at(ts_ms)]).await.unwrap();
    }
    for days in [0, 1, 90] {
        assert_eq!(pass(&log, NOW_MS + days * DAY_MS, Some(3)).await.removed, 0, "day {days}");
    }
    log.append("t", vec![at(NOW_MS + 90 * DAY_MS)]).await.unwrap();
    assert_eq!(pass(&log, NOW_MS + 91 * DAY_MS, Some(2)).await.removed, 2, "what is folded");
    assert_eq!(offsets(&log).await, [2, 3]);
    assert_eq!(pass(&log, NOW_MS + 91 * DAY_MS, Some(4)).await.removed, 1);
    let stat = log.topics().await.unwrap().remove(0);
    let newest_ms = Some(NOW_MS + 90 * DAY_MS);
    assert_eq!((stat.records, stat.first_ts_ms, stat.last_ts_ms), (1, newest_ms, newest_ms));
    assert_eq!(log.bounds("t").await.unwrap()[0].first_offset, 3);
    // A reader whose place is gone begins with what is left.
    assert_eq!(read_from(&log, 1).await.0[0].0, 3);
}

/// F14: a clock that was never set, that leaps, and that is set back.
#[tokio::test]
async fn a_wrong_clock_removes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir.path().join("log.db"), TopicKind::Stream).await;
    for _ in 0..3 {
        log.append("t", vec![record("a", Some(b"1"))]).await.unwrap();
    }
    let years_ms = |years: i64| years * 365 * DAY_MS;
    for now_ms in [5, DAY_MS, NOW_MS, NOW_MS + HOUR_MS, NOW_MS + years_ms(70), NOW_MS + DAY_MS] {
        assert_eq!(pass(&log, now_ms, Some(3)).await.removed, 0, "at {now_ms}");
    }
    // The clock was right after all: nobody had looked for years.
    pass(&log, NOW_MS + years_ms(1), Some(3)).await;
    assert_eq!(pass(&log, NOW_MS + years_ms(1) + HOUR_MS, Some(3)).await.removed, 2);
}

#[tokio::test]
async fn a_stream_over_its_size_loses_its_oldest_and_the_file_stops_growing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.db");
    let log = open(&path, TopicKind::Stream).await;
    let keep = Keep { topic_bytes: Some(400_000), ..KEEP };
    let mut sizes = Vec::new();
    for round in 1..=40 {
        let records = vec![record("a", Some(&[round; 1000])); 100];
        log.append("t", records).await.unwrap();
        let report = log.upkeep(NOW_MS, &keep, &Folds(Some(i64::MAX))).await.unwrap();
        assert_eq!(report.lost, []);
        sizes.push(std::fs::metadata(&path).unwrap().len());
    }
    let bounds = log.bounds("t").await.unwrap()[0];
    assert_eq!(bounds.next_offset, 4000);
    assert!((300..500).contains(&(4000 - bounds.first_offset)), "{bounds:?}");
    assert_eq!(counted(&log).await, 4000 - bounds.first_offset);
    log.close().await;
    let size = std::fs::metadata(&path).unwrap().len();
    assert!(size < 1_500_000, "{size} after {sizes:?}");
}

#[tokio::test]
async fn what_is_not_folded_goes_at_twice_the_size_and_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir.path().join("log.db"), TopicKind::Stream).await;
    for _ in 0..30 {
        log.append("t", vec![record("a", Some(&[7; 10_000])); 10]).await.unwrap();
    }
    let keep = |topic_bytes| Keep { topic_bytes: Some(topic_bytes), ..KEEP };
    let patient = log.upkeep(NOW_MS, &keep(1_600_000), &Folds(Some(15))).await.unwrap();
    assert_eq!((patient.removed, patient.lost.len()), (10, 0));
    let full = log.upkeep(NOW_MS, &keep(1_000_000), &Folds(Some(15))).await.unwrap();
    let (next_offset, end) = (log.bounds("t").await.unwrap()[0].first_offset, 300);
    assert!((100..=120).contains(&next_offset), "{next_offset} of {end}");
    let lost = Lost { topic: "t".to_owned(), partition: 0, from_offset: 15, next_offset };
    assert_eq!(full.lost, [lost]);
    // Nobody has folded anything since: the next loss is told by itself.
    for _ in 0..10 {
        log.append("t", vec![record("a", Some(&[7; 10_000])); 10]).await.unwrap();
    }
    let again = log.upkeep(NOW_MS, &keep(1_000_000), &Folds(Some(15))).await.unwrap();
    let from_offset = next_offset;
    let next_offset = log.bounds("t").await.unwrap()[0].first_offset;
    assert!(next_offset > from_offset);
    let lost = Lost { topic: "t".to_owned(), partition: 0, from_offset, next_offset };
    assert_eq!(again.lost, [lost]);
}

#[tokio::test]
async fn readings_that_came_one_by_one_are_packed() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir.path().join("log.db"), TopicKind::Stream).await;
    for number in 0..300 {
        log.append("t", vec![record(&number.to_string(), Some(&[7; 1000]))]).await.unwrap();
    }
    let before = read_from(&log, 0).await;
    // Someone is in the middle of what is packed.
    let mut half_way = reader(&log, 150).await;
    let report = pass(&log, NOW_MS, Some(0)).await;
    assert!(report.packed > 200 && report.removed == 0, "{report:?}");
    assert_eq!(read_from(&log, 0).await, before);
    assert_eq!(rest(&mut half_way).await.0, before.0[150..]);
    assert_eq!(counted(&log).await, 300);
    assert_eq!(pass(&log, NOW_MS, Some(0)).await, Report::default());
}

/// F10: compaction while somebody reads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_in_the_middle_of_what_is_compacted_misses_no_key() {
    const ROUNDS: usize = 30;
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir.path().join("log.db"), TopicKind::Table).await;
    let keys: Vec<String> = (0..1500).map(|key| key.to_string()).collect();
    for round in 0..ROUNDS {
        let value = vec![round as u8; 100];
        let records = keys.iter().map(|key| record(key, Some(&value))).collect();
        log.append("t", records).await.unwrap();
    }
    let mut slow = reader(&log, 700).await;
    let first = slow.next().await.unwrap();
    assert!(matches!(first, Fetched::Batch(batch) if batch.from_offset == 700));
    let report = pass(&log, NOW_MS, Some(i64::MAX)).await;
    assert_eq!(report.compacted, (1500 * (ROUNDS - 1)) as i64);
    let (seen, end) = rest(&mut slow).await;
    assert_eq!(end, (1500 * ROUNDS) as i64);
    assert!(seen.is_sorted_by_key(|(offset, ..)| *offset));
    let newest = vec![(ROUNDS - 1) as u8; 100];
    let last = seen.iter().filter(|(.., value)| value.as_ref() == Some(&newest)).count();
    assert_eq!(last, 1500);
    assert!(seen.len() < 1500 * (ROUNDS - 2), "it had not read ahead to the end");
}
