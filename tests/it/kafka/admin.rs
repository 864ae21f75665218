//! What an operator, or another system, does to a cluster's topics.

use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, NewPartitions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use windowsill::kernel::topic::TopicKind;
use windowsill::log::EventLog;
use windowsill::log::kafka::KafkaLog;

use super::prefixed::settings;
use crate::bot::{SOON, until};

pub(crate) struct Admin {
    client: AdminClient<DefaultClientContext>,
    log: KafkaLog,
}

impl Admin {
    pub(crate) fn of(brokers: &str) -> Admin {
        let client = ClientConfig::new().set("bootstrap.servers", brokers).create().unwrap();
        Admin { client, log: KafkaLog::open(settings(brokers.to_owned()), Vec::new()).unwrap() }
    }

    pub(crate) async fn grow(&self, topic: &str, partitions: usize) {
        let wanted = NewPartitions::new(topic, partitions);
        let grown = self.client.create_partitions([&wanted], &AdminOptions::new()).await.unwrap();
        assert!(grown.iter().all(Result::is_ok), "{grown:?}");
        until(SOON, "the new partitions", async || {
            let bounds = self.log.bounds(topic).await;
            bounds.is_ok_and(|bounds| bounds.len() == partitions)
        })
        .await;
    }

    pub(crate) async fn delete(&self, topic: &str) {
        let gone = self.client.delete_topics(&[topic], &AdminOptions::new()).await.unwrap();
        assert!(gone.iter().all(Result::is_ok), "{gone:?}");
        until(SOON, "the topic is gone", async || {
            self.log.describe(topic).await.is_ok_and(|found| found.is_none())
        })
        .await;
    }

    pub(crate) async fn create(&self, topic: &str, kind: TopicKind, partitions: i32) {
        self.log.create(topic, kind, partitions).await.unwrap();
    }

    /// Retention takes everything below an offset.
    pub(crate) async fn delete_below(&self, topic: &str, partition: i32, offset: i64) {
        let mut wanted = TopicPartitionList::new();
        wanted.add_partition_offset(topic, partition, Offset::Offset(offset)).unwrap();
        self.client.delete_records(&wanted, &AdminOptions::new()).await.unwrap();
    }

    /// Sets one property of a topic, and all others to what they are by default.
    pub(crate) async fn set(&self, topic: &str, property: &str, value: &str) {
        let change = AlterConfig::new(ResourceSpecifier::Topic(topic)).set(property, value);
        let set = self.client.alter_configs([&change], &AdminOptions::new()).await.unwrap();
        assert!(set.iter().all(Result::is_ok), "{set:?}");
    }
}
