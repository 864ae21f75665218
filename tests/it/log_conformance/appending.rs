//! What a log promises to whoever appends: places, durability, refusals.

use std::sync::Arc;

use windowsill::kernel::record::{Header, NewRecord, Placed};
use windowsill::kernel::topic::TopicKind;
use windowsill::log::{EventLog, LogError, MAX_RECORD_BYTES, Start};

use super::{Fixture, Seen, numbers, read_to_end, reader, record, records, values, with_topic};

pub(super) async fn records_are_read_in_order_at_the_places_that_append_gave(
    fixture: &impl Fixture,
) {
    let log = with_topic(fixture, 1).await;
    let mut places = log.append("t", records(0..3)).await.unwrap();
    places.extend(log.append("t", records(3..25_000)).await.unwrap());
    let (seen, ends) = read_to_end(&mut reader(&log, "t", 1).await, 1).await;
    assert_eq!(values(&seen), numbers(0..25_000));
    assert_eq!(seen.iter().map(|seen| seen.place).collect::<Vec<_>>(), places);
    assert_eq!(ends, [25_000]);
}

pub(super) async fn everything_about_a_record_comes_back(fixture: &impl Fixture) {
    let log = with_topic(fixture, 1).await;
    let header = |name: &str, value: Option<&[u8]>| Header {
        name: name.to_owned(),
        value: value.map(Into::into),
    };
    let given = vec![
        NewRecord { key: Some(b"7".to_vec()), ts_ms: -1, ..NewRecord::default() },
        NewRecord { value: Some(Vec::new()), ts_ms: 1_700_000_000_123, ..NewRecord::default() },
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
        let place = Placed { partition: 0, offset: index as i64 };
        let NewRecord { key, value, ts_ms, headers, .. } = given;
        assert_eq!(seen, Seen { place, ts_ms, key, value, headers });
    }
}

pub(super) async fn records_of_one_key_stay_on_one_partition(fixture: &impl Fixture) {
    let log = with_topic(fixture, 6).await;
    let keyed = |key: usize| NewRecord { key: Some(key.to_string().into_bytes()), ..record("x") };
    let first = log.append("t", (0..50).map(keyed).collect()).await.unwrap();
    let again = log.append("t", (0..50).map(keyed).collect()).await.unwrap();
    let partitions =
        |places: &[Placed]| places.iter().map(|place| place.partition).collect::<Vec<i32>>();
    assert_eq!(partitions(&first), partitions(&again));
    let mut used = partitions(&first);
    used.sort_unstable();
    used.dedup();
    assert!(used.len() > 3, "50 keys on partitions {used:?} only");
}

pub(super) async fn two_handles_append_at_once_without_loss_or_gap(fixture: &impl Fixture) {
    let log = with_topic(fixture, 1).await;
    let other = fixture.open().await;
    let append = async |log: &Arc<dyn EventLog>, name: &str| {
        let mut places = Vec::new();
        for number in 0..100 {
            let value = format!("{name}{number}");
            places.extend(log.append("t", vec![record(&value), record(&value)]).await.unwrap());
        }
        places
    };
    let (mine, others) = tokio::join!(append(&log, "a"), append(&other, "b"));
    let (seen, ends) = read_to_end(&mut reader(&log, "t", 1).await, 1).await;
    assert_eq!(ends, [400]);
    let mut places: Vec<Placed> = mine.into_iter().chain(others).collect();
    places.sort_unstable();
    assert_eq!(seen.iter().map(|seen| seen.place).collect::<Vec<_>>(), places);
    for name in ["a", "b"] {
        let own: Vec<String> =
            values(&seen).into_iter().filter(|value| value.starts_with(name)).collect();
        let expected: Vec<String> =
            (0..200).map(|number| format!("{name}{}", number / 2)).collect();
        assert_eq!(own, expected);
    }
}

pub(super) async fn opening_again_keeps_everything(fixture: &impl Fixture) {
    let log = with_topic(fixture, 1).await;
    let id = log.id().await.unwrap();
    log.append("t", records(0..10)).await.unwrap();
    drop(log);
    let log = fixture.open().await;
    assert_eq!(log.id().await.unwrap(), id);
    let (seen, _) = read_to_end(&mut reader(&log, "t", 1).await, 1).await;
    assert_eq!(values(&seen), numbers(0..10));
    assert_eq!(log.append("t", vec![record("x")]).await.unwrap()[0].offset, 10);
}

pub(super) async fn topics_are_told_with_what_they_hold(fixture: &impl Fixture) {
    let log = with_topic(fixture, 2).await;
    log.create("a-table", TopicKind::Table, 1).await.unwrap();
    // Creating it again changes nothing.
    log.create("t", TopicKind::Table, 9).await.unwrap();
    let at = |ts_ms| NewRecord { ts_ms, ..record("x") };
    log.append("t", vec![at(50), at(20), at(70)]).await.unwrap();
    let stats = log.topics().await.unwrap();
    let names: Vec<&str> = stats.iter().map(|stat| stat.name.as_str()).collect();
    assert_eq!(names, ["a-table", "t"]);
    assert_eq!((stats[0].kind, stats[0].records, stats[0].last_ts_ms), (TopicKind::Table, 0, None));
    assert_eq!((stats[1].kind, stats[1].partitions, stats[1].records), (TopicKind::Stream, 2, 3));
    assert_eq!((stats[1].first_ts_ms, stats[1].last_ts_ms), (Some(20), Some(70)));
    let bounds = log.bounds("t").await.unwrap();
    assert_eq!(bounds.iter().map(|bounds| bounds.next_offset).sum::<i64>(), 3);
    assert!(bounds.iter().all(|bounds| bounds.first_offset == 0));
}

pub(super) async fn what_is_not_there_is_an_error(fixture: &impl Fixture) {
    let log = with_topic(fixture, 2).await;
    let unknown = log.append("nope", vec![record("x")]).await;
    assert!(matches!(unknown, Err(LogError::UnknownTopic(name)) if name == "nope"));
    assert!(matches!(log.partitions("nope").await, Err(LogError::UnknownTopic(_))));
    assert!(matches!(log.read("nope", Vec::new()).await, Err(LogError::UnknownTopic(_))));
    for partition in [-1, 2] {
        let to = NewRecord { partition: Some(partition), ..record("x") };
        let unknown = log.append("t", vec![record("x"), to]).await;
        assert!(matches!(unknown, Err(LogError::UnknownPartition { partitions: 2, .. })));
        let unknown = log.read("t", vec![Start { partition, offset: 0 }]).await;
        assert!(matches!(unknown, Err(LogError::UnknownPartition { .. })));
    }
    let beyond = log.read("t", vec![Start { partition: 0, offset: 1 }]).await;
    assert!(matches!(beyond, Err(LogError::BeyondEnd { next_offset: 0, .. })));
    let (seen, _) = read_to_end(&mut reader(&log, "t", 2).await, 2).await;
    assert_eq!(seen, [], "a refused append leaves nothing behind");
}

pub(super) async fn a_record_over_the_limit_is_refused(fixture: &impl Fixture) {
    let log = with_topic(fixture, 1).await;
    let sized = |size| NewRecord { value: Some(vec![7; size]), ..NewRecord::default() };
    let refused = log.append("t", vec![sized(MAX_RECORD_BYTES + 1)]).await;
    assert!(matches!(refused, Err(LogError::TooLarge { .. })));
    log.append("t", vec![sized(MAX_RECORD_BYTES)]).await.unwrap();
    let (seen, _) = read_to_end(&mut reader(&log, "t", 1).await, 1).await;
    assert_eq!(seen[0].value.as_ref().unwrap().len(), MAX_RECORD_BYTES);
}

pub(super) async fn a_record_that_is_refused_keeps_none_of_the_others_out(fixture: &impl Fixture) {
    let log = with_topic(fixture, 1).await;
    let sized = |size| NewRecord { value: Some(vec![7; size]), ts_ms: 1, ..NewRecord::default() };
    let records = [1, MAX_RECORD_BYTES + 1, 2, MAX_RECORD_BYTES + 1, 3].map(sized);
    let outcomes = log.append_each("t", records.to_vec()).await.unwrap();
    let offsets: Vec<Option<i64>> = outcomes
        .into_iter()
        .map(|outcome| match outcome {
            Ok(place) => Some(place.offset),
            Err(LogError::TooLarge { .. }) => None,
            Err(error) => panic!("{error}"),
        })
        .collect();
    assert_eq!(offsets, [Some(0), None, Some(1), None, Some(2)]);
    let (seen, _) = read_to_end(&mut reader(&log, "t", 1).await, 1).await;
    let sizes: Vec<usize> =
        seen.iter().map(|record| record.value.as_ref().unwrap().len()).collect();
    assert_eq!(sizes, [1, 2, 3]);
}
