//! The contract's topics as this instance uses them: their names in the log and their codecs.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::codec::{Codec, CodecError};
use super::{EventLog, LogError};
use crate::config::Config;
use crate::kernel::time::MINUTE_MS;
use crate::kernel::topic::TopicSpec;

/// A topic in use.
#[derive(Debug, Clone)]
pub struct Topic {
    pub spec: TopicSpec,
    /// What it is called in the log.
    pub log_name: String,
    /// Partitions when we create it.
    pub partitions: i32,
    /// A stream that brings nothing for so long has stalled; `None` is not watched.
    pub stall_after_ms: Option<i64>,
    /// Shared: a codec keeps its schema for the life of the process.
    pub codec: Arc<Codec>,
}

/// Every topic in use, by default name.
#[derive(Debug, Clone)]
pub struct Topics {
    by_name: Arc<BTreeMap<&'static str, Topic>>,
}

impl Topics {
    /// The contract with this instance's names and partitions.
    pub fn of_config(specs: &[TopicSpec], config: &Config) -> Result<Topics, CodecError> {
        let mut by_name = BTreeMap::new();
        for spec in specs {
            let topic = Topic {
                spec: *spec,
                log_name: config.topic_name(spec.name).to_owned(),
                partitions: config.topic_partitions(spec.name).unwrap_or(1),
                stall_after_ms: match config.stall_minutes(spec.name) {
                    None => spec.stall_after_ms,
                    Some(0) => None,
                    Some(minutes) => Some(i64::from(minutes) * MINUTE_MS),
                },
                codec: Arc::new(Codec::of(spec.format)?),
            };
            by_name.insert(spec.name, topic);
        }
        Ok(Topics { by_name: Arc::new(by_name) })
    }

    /// A topic by its default name.
    pub fn get(&self, name: &str) -> Result<&Topic, LogError> {
        self.by_name.get(name).ok_or_else(|| LogError::UnknownTopic(name.to_owned()))
    }

    /// The topic that a person means: by its name in the log, or else by its default name.
    pub fn find(&self, name: &str) -> Option<&Topic> {
        let in_force = self.iter().find(|topic| topic.log_name == name);
        in_force.or_else(|| self.by_name.get(name))
    }

    pub fn iter(&self) -> impl Iterator<Item = &Topic> {
        self.by_name.values()
    }

    /// Creates the topics that are missing, if those that are there are of our kinds.
    pub async fn create(&self, log: &dyn EventLog) -> Result<(), LogError> {
        let present = log.topics().await?;
        for topic in self.iter() {
            let other = present
                .iter()
                .find(|known| known.name == topic.log_name && known.kind != topic.spec.kind);
            if let Some(other) = other {
                return Err(LogError::OtherKind {
                    topic: topic.log_name.clone(),
                    found: other.kind.name(),
                    expected: topic.spec.kind.name(),
                });
            }
        }
        for topic in self.iter() {
            if !present.iter().any(|known| known.name == topic.log_name) {
                log.create(&topic.log_name, topic.spec.kind, topic.partitions).await?;
            }
        }
        Ok(())
    }
}
