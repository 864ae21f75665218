//! What a log promises to whoever reads: order, explicit ends, nothing lost.

use std::sync::Arc;
use std::time::Duration;

use windowsill::kernel::record::NewRecord;
use windowsill::log::{Fetched, Start};

use super::{
    Fixture, Seen, next, numbers, read_to_end, reader, record, records, values, with_topic,
};

pub(super) async fn the_end_of_an_empty_topic_is_told(fixture: &impl Fixture) {
    let log = with_topic(fixture, 2).await;
    let (seen, ends) = read_to_end(&mut reader(&log, "t", 2).await, 2).await;
    assert_eq!((seen, ends), (Vec::new(), vec![0, 0]));
}

pub(super) async fn the_end_is_told_again_after_more_and_once_each_time(fixture: &impl Fixture) {
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

pub(super) async fn reading_can_begin_within_a_batch(fixture: &impl Fixture) {
    let log = with_topic(fixture, 1).await;
    log.append("t", records(0..100)).await.unwrap();
    log.append("t", records(100..110)).await.unwrap();
    for offset in [0, 1, 57, 99, 100, 101, 109, 110] {
        let mut reader = log.read("t", vec![Start { partition: 0, offset }]).await.unwrap();
        let (seen, ends) = read_to_end(&mut reader, 1).await;
        assert_eq!(values(&seen), numbers(offset as usize..110), "from {offset}");
        assert_eq!(ends, [110]);
    }
}

pub(super) async fn partitions_are_read_each_in_its_order(fixture: &impl Fixture) {
    let log = with_topic(fixture, 3).await;
    let mut given = Vec::new();
    for number in 0..3000 {
        given.push(NewRecord { partition: Some(number % 3), ..record(&number.to_string()) });
    }
    log.append("t", given).await.unwrap();
    let (seen, ends) = read_to_end(&mut reader(&log, "t", 3).await, 3).await;
    assert_eq!(ends, [1000, 1000, 1000]);
    for partition in 0..3 {
        let own: Vec<Seen> =
            seen.iter().filter(|seen| seen.place.partition == partition).cloned().collect();
        let expected: Vec<String> =
            (0..1000).map(|offset| (offset * 3 + partition).to_string()).collect();
        assert_eq!(values(&own), expected);
    }
}

pub(super) async fn only_the_partitions_asked_for_are_read(fixture: &impl Fixture) {
    let log = with_topic(fixture, 2).await;
    let to = |partition| NewRecord { partition: Some(partition), ..record("x") };
    log.append("t", vec![to(0), to(1)]).await.unwrap();
    let mut reader = log.read("t", vec![Start { partition: 1, offset: 0 }]).await.unwrap();
    assert!(matches!(next(&mut reader).await, Fetched::Batch(batch) if batch.partition == 1));
    assert!(matches!(next(&mut reader).await, Fetched::End { partition: 1, next_offset: 1 }));
}

pub(super) async fn what_is_appended_meanwhile_is_read_too(fixture: &impl Fixture) {
    let log = with_topic(fixture, 1).await;
    let mut reader = reader(&log, "t", 1).await;
    let writer = Arc::clone(&log);
    let appending = tokio::spawn(async move {
        for number in 0..300 {
            writer.append("t", vec![record(&number.to_string())]).await.unwrap();
        }
    });
    let mut read = Vec::new();
    while read.len() < 300 {
        if let Fetched::Batch(batch) = next(&mut reader).await {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            read.extend(batch.records().map(|record| text(record.unwrap().value.unwrap())));
        }
    }
    appending.await.unwrap();
    assert_eq!(read, numbers(0..300));
}

pub(super) async fn a_reader_notices_what_another_handle_appends(fixture: &impl Fixture) {
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

pub(super) async fn a_step_that_is_cancelled_is_not_lost(fixture: &impl Fixture) {
    let log = with_topic(fixture, 1).await;
    let mut reader = reader(&log, "t", 1).await;
    let mut read = Vec::new();
    let mut number = 0;
    while read.len() < 100 {
        if number < 100 {
            log.append("t", vec![record(&number.to_string())]).await.unwrap();
            number += 1;
        }
        // Most of these are cancelled before a record is there.
        let step = tokio::time::timeout(Duration::from_micros(200), reader.next()).await;
        if let Ok(step) = step
            && let Fetched::Batch(batch) = step.unwrap()
        {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            read.extend(batch.records().map(|record| text(record.unwrap().value.unwrap())));
        }
    }
    assert_eq!(read, numbers(0..100));
}
