//! The least that anybody has to do: a consumer with our own settings that looks at nothing.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};
use windowsill::log::kafka::KafkaSettings;

use crate::process::{Figures, Process};
use crate::readings::{Form, READINGS};

/// The bench starts itself anew with this, the brokers and the topic.
pub(crate) const FLAG: &str = "--raw";

pub(crate) fn measure(brokers: &str, form: Form) -> Figures {
    let mut command = Command::new(std::env::current_exe().unwrap());
    Process::start(command.args([FLAG, brokers, &form.topic(READINGS)])).finish()
}

/// Reads the whole topic.
pub(crate) fn consume(brokers: &str, topic: &str) {
    let settings = KafkaSettings {
        brokers: brokers.to_owned(),
        properties: BTreeMap::new(),
        replication_factor: None,
    };
    let consumer: BaseConsumer = settings.reading().create().unwrap();
    let metadata = consumer.fetch_metadata(Some(topic), Duration::from_secs(10)).unwrap();
    let partitions = i32::try_from(metadata.topics()[0].partitions().len()).unwrap();
    let mut all = TopicPartitionList::new();
    for partition in 0..partitions {
        all.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&all).unwrap();
    let (mut open, mut bytes) = (partitions, 0);
    while open > 0 {
        match consumer.poll(Duration::from_millis(100)) {
            None => {}
            Some(Ok(message)) => bytes += message.payload_len(),
            Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
            Some(Err(error)) => panic!("{error}"),
        }
    }
    assert!(bytes > 0, "the topic is empty");
}
