//! A Kafka log whose topics' names begin alike, so that tests can share a broker and each have the
//! whole log to itself.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use windowsill::kernel::record::{NewRecord, Placed};
use windowsill::kernel::topic::TopicKind;
use windowsill::log::kafka::{KafkaLog, KafkaSettings};
use windowsill::log::{
    Bounds, Described, EventLog, LogError, LogFuture, LogReader, Outcome, Start, TopicStat,
};

/// What the names of one test's topics begin with; no two are the same.
pub(crate) fn prefix() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("t{}.", NEXT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) fn settings(brokers: String) -> KafkaSettings {
    KafkaSettings { brokers, properties: BTreeMap::new(), replication_factor: None }
}

pub(crate) struct Prefixed {
    log: KafkaLog,
    prefix: String,
}

impl Prefixed {
    pub(crate) fn open(brokers: String, prefix: &str) -> Prefixed {
        let log = KafkaLog::open(settings(brokers), Vec::new()).unwrap();
        Prefixed { log, prefix: prefix.to_owned() }
    }

    fn name(&self, topic: &str) -> String {
        format!("{}{topic}", self.prefix)
    }

    async fn told<T>(&self, answer: LogFuture<'_, T>) -> Result<T, LogError> {
        answer.await.map_err(|error| match error {
            LogError::UnknownTopic(name) => {
                LogError::UnknownTopic(name.trim_start_matches(&self.prefix).to_owned())
            }
            error => error,
        })
    }
}

impl EventLog for Prefixed {
    fn id(&self) -> LogFuture<'_, String> {
        self.log.id()
    }

    fn is_ours(&self) -> bool {
        self.log.is_ours()
    }

    fn describe(&self, topic: &str) -> LogFuture<'_, Option<Described>> {
        self.log.describe(&self.name(topic))
    }

    fn create(&self, topic: &str, kind: TopicKind, partitions: i32) -> LogFuture<'_, ()> {
        self.log.create(&self.name(topic), kind, partitions)
    }

    fn partitions(&self, topic: &str) -> LogFuture<'_, i32> {
        let answer = self.log.partitions(&self.name(topic));
        Box::pin(self.told(answer))
    }

    fn bounds(&self, topic: &str) -> LogFuture<'_, Vec<Bounds>> {
        let answer = self.log.bounds(&self.name(topic));
        Box::pin(self.told(answer))
    }

    fn append(&self, topic: &str, records: Vec<NewRecord>) -> LogFuture<'_, Vec<Placed>> {
        let answer = self.log.append(&self.name(topic), records);
        Box::pin(self.told(answer))
    }

    fn append_each(&self, topic: &str, records: Vec<NewRecord>) -> LogFuture<'_, Vec<Outcome>> {
        let answer = self.log.append_each(&self.name(topic), records);
        Box::pin(self.told(answer))
    }

    fn read(&self, topic: &str, from: Vec<Start>) -> LogFuture<'_, Box<dyn LogReader>> {
        let answer = self.log.read(&self.name(topic), from);
        Box::pin(self.told(answer))
    }

    fn topics(&self) -> LogFuture<'_, Vec<TopicStat>> {
        Box::pin(async {
            let mut stats = self.log.topics().await?;
            stats.retain(|stat| stat.name.starts_with(&self.prefix));
            for stat in &mut stats {
                stat.name = stat.name.trim_start_matches(&self.prefix).to_owned();
            }
            Ok(stats)
        })
    }
}
