//! `windowsill topic`: the event log seen from a terminal.
//!
//! Invariant: a line goes into the log only if the fold would take it, unless it is given as raw
//! bytes.

use std::collections::HashSet;
use std::io;

use crate::config::Config;
use crate::kernel::topic::TopicSpec;
use crate::log::codec::{Codec, CodecError};
use crate::log::{EventLog, LogError};

mod lines;
mod list;
mod output;
mod parse;
mod read;
mod write;

pub use list::list;
pub use parse::LineFormat;
pub use read::{Begin, ReadOptions, read};
pub use write::{WriteOptions, Written, write};

/// Why a verb could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum TopicError {
    /// The person asked for something that is not there.
    #[error("there is no topic {name:?}; the topics are {known}")]
    Unknown { name: String, known: String },
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("the schema of topic {topic:?} is broken: {fault}")]
    Schema { topic: String, fault: CodecError },
    #[error("cannot read standard input: {0}")]
    Input(#[source] io::Error),
    #[error("cannot write the output: {0}")]
    Output(#[source] io::Error),
}

/// A topic of the contract under the name in force.
#[derive(Debug, Clone)]
pub struct NamedTopic {
    pub name: String,
    pub spec: TopicSpec,
    /// Partitions it gets when it is created in the embedded log.
    pub partitions: i32,
}

impl NamedTopic {
    /// Every topic of the list, as the configuration names it.
    pub fn all(specs: &[TopicSpec], config: &Config) -> Vec<NamedTopic> {
        let named = |spec: &TopicSpec| NamedTopic {
            name: config.topic_name(spec.name).to_owned(),
            spec: *spec,
            partitions: config.topic_partitions(spec.name).unwrap_or(1),
        };
        specs.iter().map(named).collect()
    }

    /// The topic that a person means, by the name in force or the default one.
    pub fn find<'a>(topics: &'a [NamedTopic], name: &str) -> Result<&'a NamedTopic, TopicError> {
        let in_force = topics.iter().find(|topic| topic.name == name);
        let found = in_force.or_else(|| topics.iter().find(|topic| topic.spec.name == name));
        found.ok_or_else(|| {
            let known: Vec<&str> = topics.iter().map(|topic| topic.name.as_str()).collect();
            TopicError::Unknown {
                name: name.to_owned(),
                known: known.join(", "),
            }
        })
    }

    pub fn codec(&self) -> Result<Codec, TopicError> {
        let made = Codec::avro(self.spec.schema);
        made.map_err(|fault| TopicError::Schema {
            topic: self.name.clone(),
            fault,
        })
    }
}

/// Creates the topics that the log does not have yet.
pub async fn create_missing(log: &dyn EventLog, topics: &[NamedTopic]) -> Result<(), LogError> {
    let present = log.topics().await?;
    let present: HashSet<&str> = present.iter().map(|topic| topic.name.as_str()).collect();
    for topic in topics {
        if !present.contains(topic.name.as_str()) {
            log.create(&topic.name, topic.spec.kind, topic.partitions)
                .await?;
        }
    }
    Ok(())
}
