//! Kafka's own Java client on the other side: where keys land, and how it compresses.

use std::collections::BTreeMap;
use std::process::Stdio;

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use windowsill::kernel::record::NewRecord;
use windowsill::kernel::topic::TopicKind;
use windowsill::log::kafka::KafkaLog;
use windowsill::log::{EventLog, Fetched, Start};

use super::broker;
use super::prefixed::{prefix, settings};
use crate::bot::SOON;
use crate::support::run_with_input_and;

/// Everything in a topic, by partition, with the offset after the last record that was told.
async fn read(log: &KafkaLog, topic: &str) -> Vec<(i32, i64, Vec<u8>)> {
    let partitions = log.partitions(topic).await.unwrap();
    let from = (0..partitions).map(|partition| Start { partition, offset: 0 }).collect();
    let mut reader = log.read(topic, from).await.unwrap();
    let (mut found, mut ended) = (Vec::new(), 0);
    while ended < partitions {
        match tokio::time::timeout(SOON, reader.next()).await.expect("a step").unwrap() {
            Fetched::End { .. } => ended += 1,
            Fetched::Batch(batch) => {
                for record in batch.records() {
                    let record = record.unwrap();
                    found.push((record.partition, record.offset, record.key.unwrap().to_vec()));
                }
            }
        }
    }
    found
}

#[tokio::test]
async fn keys_land_where_the_java_client_puts_them_and_all_its_compressions_are_read() {
    let Some(broker) = broker::shared("keys_land_where_the_java_client_puts_them") else { return };
    let log = KafkaLog::open(settings(broker.address()), Vec::new()).unwrap();
    let prefix = prefix();
    let keys: Vec<String> = (0..200).map(|key| format!("key-{key}-ö")).collect();
    let lines: String = keys.iter().map(|key| format!("{key}\tvalue\n")).collect();
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let topic = format!("{prefix}{codec}");
        log.create(&topic, TopicKind::Stream, 7).await.unwrap();
        let mut producer = broker.java("org.apache.kafka.tools.ConsoleProducer");
        producer.args(["--bootstrap-server", &broker.address(), "--topic", &topic]);
        producer.args(["--compression-codec", codec, "--property", "parse.key=true"]);
        producer.stdout(Stdio::piped()).stderr(Stdio::piped());
        run_with_input_and(producer, &lines).expect_code(0);
        let theirs: BTreeMap<Vec<u8>, i32> =
            read(&log, &topic).await.into_iter().map(|(at, _, key)| (key, at)).collect();
        assert_eq!(theirs.len(), keys.len(), "{codec}");
        let keyed = |key: &String| NewRecord {
            key: Some(key.as_bytes().to_vec()),
            ts_ms: 5,
            ..NewRecord::default()
        };
        let ours = log.append(&topic, keys.iter().map(keyed).collect()).await.unwrap();
        for (key, place) in keys.iter().zip(ours) {
            assert_eq!(theirs[key.as_bytes()], place.partition, "{key}");
        }
    }
    // What has no key is spread.
    let topic = format!("{prefix}none");
    let keyless = vec![NewRecord { ts_ms: 5, ..NewRecord::default() }; 200];
    let places = log.append(&topic, keyless).await.unwrap();
    let used: std::collections::BTreeSet<i32> = places.iter().map(|at| at.partition).collect();
    assert_eq!(used.len(), 7);
}

#[tokio::test]
async fn what_a_transaction_leaves_between_records_is_passed_over() {
    let Some(broker) = broker::shared("what_a_transaction_leaves") else { return };
    let log = KafkaLog::open(settings(broker.address()), Vec::new()).unwrap();
    let topic = format!("{}t", prefix());
    log.create(&topic, TopicKind::Stream, 1).await.unwrap();
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", broker.address())
        .set("transactional.id", &topic)
        .create()
        .unwrap();
    let name = topic.clone();
    let written = tokio::task::spawn_blocking(move || {
        producer.init_transactions(SOON).unwrap();
        for (key, is_kept) in [("one", true), ("two", false), ("three", true)] {
            producer.begin_transaction().unwrap();
            producer.send(BaseRecord::<str, str>::to(&name).key(key).payload("x")).unwrap();
            match is_kept {
                true => producer.commit_transaction(SOON).unwrap(),
                false => {
                    producer.flush(SOON).unwrap();
                    producer.abort_transaction(SOON).unwrap();
                }
            }
        }
    });
    written.await.unwrap();
    let found = read(&log, &topic).await;
    assert_eq!(found, [(0, 0, b"one".to_vec()), (0, 4, b"three".to_vec())]);
    assert_eq!(log.bounds(&topic).await.unwrap()[0].next_offset, 6);
}
