//! The contract's topics as this instance uses them: their names in the log and their codecs.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::codec::{Codec, CodecError};
use super::{EventLog, LogError};
use crate::kernel::topic::TopicSpec;

/// A topic in use.
#[derive(Debug)]
pub struct Topic {
    pub spec: TopicSpec,
    /// What it is called in the log.
    pub log_name: String,
    /// Partitions when we create it.
    pub partitions: i32,
    pub codec: Codec,
}

/// Every topic in use, by default name.
#[derive(Debug, Clone)]
pub struct Topics {
    by_name: Arc<BTreeMap<&'static str, Topic>>,
}

/// What the configuration says of one topic.
#[derive(Debug, Clone, Default)]
pub struct TopicChoice {
    pub log_name: Option<String>,
    pub partitions: Option<i32>,
}

impl Topics {
    /// The contract with this instance's choices.
    pub fn new(
        specs: &[TopicSpec],
        choose: impl Fn(&str) -> TopicChoice,
    ) -> Result<Topics, CodecError> {
        let mut by_name = BTreeMap::new();
        for spec in specs {
            let choice = choose(spec.name);
            let topic = Topic {
                spec: *spec,
                log_name: choice.log_name.unwrap_or_else(|| spec.name.to_owned()),
                partitions: choice.partitions.unwrap_or(1),
                codec: Codec::avro(spec.schema)?,
            };
            by_name.insert(spec.name, topic);
        }
        Ok(Topics { by_name: Arc::new(by_name) })
    }

    /// A topic by its default name.
    pub fn get(&self, name: &str) -> Result<&Topic, LogError> {
        self.by_name.get(name).ok_or_else(|| LogError::UnknownTopic(name.to_owned()))
    }

    pub fn iter(&self) -> impl Iterator<Item = &Topic> {
        self.by_name.values()
    }

    /// Creates the topics that are missing.
    pub async fn create(&self, log: &dyn EventLog) -> Result<(), LogError> {
        for topic in self.iter() {
            log.create(&topic.log_name, topic.spec.kind, topic.partitions).await?;
        }
        Ok(())
    }
}
