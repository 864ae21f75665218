//! The contract's topics as this instance uses them: their names in the log and their codecs.
//!
//! Invariant: before records of a topic are decoded, `resolve` was asked about them; before values
//! are encoded, `prepare`. Both are nothing where the format needs no registry.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::try_join_all;
use tokio::sync::OnceCell;

use super::codec::{Codec, CodecError};
use super::registry::{Book, Learnt, Registry, RegistryError};
use super::{Batch, Described, EventLog, LogError};
use crate::config::{Config, TopicFormat};
use crate::kernel::time::MINUTE_MS;
use crate::kernel::topic::{Format, TopicKind, TopicSpec};

/// Kafka's word for a table's way of being kept.
const COMPACT: &str = "compact";

/// Why the topics cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TopicsError {
    /// A bug: a schema of this build.
    #[error("a schema of ours is broken: {0}")]
    Schema(#[from] CodecError),
    /// A setting.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error("topics.{topic:?}.format: {reason}")]
    Format { topic: &'static str, reason: String },
}

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

impl Topic {
    /// What is wrong with the topic as the log has it: how others made it, or how it was kept.
    pub fn misfit(&self, found: &Described) -> Option<String> {
        let (name, expected) = (&self.log_name, self.spec.kind);
        let Some(cleanup) = &found.cleanup else {
            let found = found.kind.name();
            return (found != expected.name())
                .then(|| format!("topic {name} is a {found}, expected a {}", expected.name()));
        };
        match expected {
            TopicKind::Table if cleanup != COMPACT => Some(format!(
                "topic {name} has cleanup.policy={cleanup}, expected {COMPACT}: a row that is not \
                 written again is lost when its retention is over"
            )),
            TopicKind::Stream if found.kind == TopicKind::Table => Some(format!(
                "topic {name} has cleanup.policy={cleanup}, expected delete: of records with one \
                 key only the newest stays"
            )),
            _ => None,
        }
    }
}

/// Every topic in use, by default name.
#[derive(Debug, Clone)]
pub struct Topics {
    by_name: Arc<BTreeMap<&'static str, Topic>>,
    registry: Option<Arc<Registry>>,
    /// The registry's schemas that are known; where there is none any more, those of the last one.
    book: Arc<Book>,
    may_create: bool,
    /// They were seen to be there, or made.
    are_there: Arc<OnceCell<()>>,
}

impl Topics {
    /// The contract with this instance's names and partitions.
    pub fn of_config(specs: &[TopicSpec], config: &Config) -> Result<Topics, TopicsError> {
        let is_kafka = config.kafka.brokers.is_some();
        let registry = Registry::of_config(&config.schema_registry)?.map(Arc::new);
        let known = registry.as_ref().map(|registry| Arc::clone(registry.book()));
        let (may_ask, book) = (known.is_some(), known.unwrap_or_default());
        let mut by_name = BTreeMap::new();
        for spec in specs {
            let usual = if is_kafka { spec.kafka_partitions } else { 1 };
            let topic = Topic {
                spec: *spec,
                log_name: config.topic_name(spec.name).into_owned(),
                partitions: config.topic_partitions(spec.name).unwrap_or(usual),
                stall_after_ms: match config.stall_minutes(spec.name) {
                    None => spec.stall_after_ms,
                    Some(0) => None,
                    Some(minutes) => Some(i64::from(minutes) * MINUTE_MS),
                },
                codec: Arc::new(codec(spec, config, &book, may_ask)?),
            };
            by_name.insert(spec.name, topic);
        }
        Ok(Topics {
            by_name: Arc::new(by_name),
            registry,
            book,
            may_create: !is_kafka || config.kafka.create_topics,
            are_there: Arc::default(),
        })
    }

    /// The schema registry, if one is configured.
    pub fn registry(&self) -> Option<&Arc<Registry>> {
        self.registry.as_ref()
    }

    /// The schemas that are known by their ids.
    pub fn book(&self) -> &Book {
        &self.book
    }

    /// Learns what has to be known before these records are decoded.
    pub async fn resolve(&self, topic: &Topic, batch: &Batch) -> Result<(), RegistryError> {
        let Some(registry) = &self.registry else { return Ok(()) };
        let unknown = topic.codec.unknown_ids(batch);
        if unknown.is_empty() {
            return Ok(());
        }
        registry.look_up(&unknown).await.failed.map_or(Ok(()), Err)
    }

    /// Sees to it that values of this topic can be encoded. Gives our schema, if it is new.
    pub async fn prepare(&self, topic: &Topic) -> Result<Option<Learnt>, RegistryError> {
        match &self.registry {
            Some(registry) => registry.prepare(topic).await,
            None => Ok(None),
        }
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

    /// Creates the topics that are missing, if those that are there are of our kinds. Once done it
    /// costs nothing: a topic that vanishes later is not made anew behind its readers' back.
    pub async fn create(&self, log: &dyn EventLog) -> Result<(), LogError> {
        self.are_there.get_or_try_init(|| self.look_and_create(log)).await.map(|_| ())
    }

    async fn look_and_create(&self, log: &dyn EventLog) -> Result<(), LogError> {
        let mut missing = Vec::new();
        // A cluster is asked about all of them at once.
        let found = try_join_all(self.iter().map(|topic| log.describe(&topic.log_name))).await?;
        for (topic, found) in self.iter().zip(found) {
            let Some(found) = found else {
                missing.push(topic);
                continue;
            };
            let Some(misfit) = topic.misfit(&found) else { continue };
            if log.is_ours() {
                return Err(LogError::OtherKind {
                    topic: topic.log_name.clone(),
                    found: found.kind.name(),
                    expected: topic.spec.kind.name(),
                });
            }
            tracing::warn!("{misfit}");
        }
        if !self.may_create && !missing.is_empty() {
            let names: Vec<&str> = missing.iter().map(|topic| topic.log_name.as_str()).collect();
            return Err(LogError::Missing(names.join(", ")));
        }
        for topic in missing {
            log.create(&topic.log_name, topic.spec.kind, topic.partitions).await?;
        }
        Ok(())
    }
}

/// The format in force of a topic. `Err` says what does not go together.
pub fn format_of(spec: &TopicSpec, config: &Config) -> Result<TopicFormat, String> {
    let has_registry = config.schema_registry.url.is_some();
    let set = config.topics.get(spec.name).and_then(|topic| topic.format);
    let Some(set) = set else { return Ok(default_format(spec.format, config)) };
    let refused = |expected: &str| Err(format!("it is {}, expected {expected}", set.name()));
    match (spec.format, set) {
        (Format::Raw, TopicFormat::Text) => Ok(set),
        (Format::Raw, _) => refused("text: its values are others' bytes"),
        (_, TopicFormat::Text) => refused("avro, confluent or json: its values have fields"),
        (Format::Json, TopicFormat::Avro) => {
            refused("json or confluent: its values are documents without a schema of ours")
        }
        (_, TopicFormat::Confluent) if !has_registry => {
            Err("it is confluent, which needs schema_registry.url".to_owned())
        }
        _ => Ok(set),
    }
}

fn default_format(format: Format, config: &Config) -> TopicFormat {
    match format {
        Format::Raw => TopicFormat::Text,
        Format::Json => TopicFormat::Json,
        Format::Avro(_) if config.schema_registry.url.is_some() => TopicFormat::Confluent,
        // Others read and write a cluster as well; the single-object encoding is ours alone.
        Format::Avro(_) if config.kafka.brokers.is_some() => TopicFormat::Json,
        Format::Avro(_) => TopicFormat::Avro,
    }
}

fn codec(
    spec: &TopicSpec,
    config: &Config,
    book: &Arc<Book>,
    may_ask: bool,
) -> Result<Codec, TopicsError> {
    let refused = |reason: String| TopicsError::Format { topic: spec.name, reason };
    let subject = format!("{}-value", config.topic_name(spec.name));
    let codec = match format_of(spec, config).map_err(refused)? {
        TopicFormat::Confluent => Codec::confluent(spec.format, subject, Arc::clone(book)),
        TopicFormat::Json => Codec::json_beside(spec.format, subject, Arc::clone(book), may_ask),
        TopicFormat::Avro | TopicFormat::Text => Codec::of(spec.format),
    };
    Ok(codec?)
}
