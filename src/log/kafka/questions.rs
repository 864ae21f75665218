//! Short questions to the cluster, each with a bound: who it is, what topics it has, where they end.
//!
//! Invariant: a cluster that does not answer is an error after `PATIENCE`, never a wait for ever.
//! While it is known to be away the answer comes sooner, so that nobody who looks something up waits;
//! whoever watches over it waits the whole time, or one that is merely slow would stay away for ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::Offset;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::metadata::MetadataTopic;

use super::ears::{Ears, Troubles};
use super::error::{log_error, of_code};
use super::settings::KafkaSettings;
use crate::log::{Bounds, LogError};

/// How long an answer may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// The same while the cluster is away.
const LITTLE_PATIENCE: Duration = Duration::from_millis(500);
/// How often the client is looked after: what it has to say must not pile up.
const TURN: Duration = Duration::from_millis(200);
/// How long a topic that was just created may take to be there.
const APPEARS_WITHIN: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// Topics of Kafka's own begin like this.
const INTERNAL: &str = "__";

/// A client that asks.
pub(super) struct Questions {
    client: BaseConsumer<Ears>,
    troubles: Arc<Troubles>,
    /// The last question was not answered.
    is_away: AtomicBool,
}

impl Questions {
    /// Needs nobody to answer yet; only settings that librdkafka does not know are an error.
    pub(super) fn new(
        settings: &KafkaSettings,
        troubles: Arc<Troubles>,
    ) -> Result<Arc<Questions>, LogError> {
        let ears = Ears(Arc::clone(&troubles));
        let client: BaseConsumer<Ears> = settings
            .asking()
            .create_with_context(ears)
            .map_err(|error| log_error(&error, "", &troubles))?;
        let questions = Arc::new(Questions { client, troubles, is_away: AtomicBool::new(false) });
        let looked_after = Arc::downgrade(&questions);
        std::thread::spawn(move || {
            while let Some(questions) = looked_after.upgrade() {
                // It gives nothing but what its ears hear.
                drop(questions.client.poll(TURN));
            }
        });
        Ok(questions)
    }

    pub(super) fn troubles(&self) -> &Arc<Troubles> {
        &self.troubles
    }

    /// Asks on a thread where waiting is no harm.
    pub(super) async fn ask<T: Send + 'static>(
        self: &Arc<Self>,
        question: impl FnOnce(&Questions) -> Result<T, LogError> + Send + 'static,
    ) -> Result<T, LogError> {
        let (asked, was_away) = (Arc::clone(self), self.is_away.load(Ordering::Relaxed));
        let answer = tokio::task::spawn_blocking(move || question(&asked)).await;
        let answer = answer.map_err(|_| LogError::Closed)?;
        match &answer {
            // Asked with little patience: somebody with more may have got an answer meanwhile.
            Err(LogError::Unavailable(_)) if was_away => {}
            Err(LogError::Unavailable(_)) => self.is_away.store(true, Ordering::Relaxed),
            _ => {
                self.is_away.store(false, Ordering::Relaxed);
                self.troubles.passed();
            }
        }
        answer
    }

    /// How long whoever waits for an answer should wait.
    pub(super) fn patience(&self) -> Duration {
        if self.is_away.load(Ordering::Relaxed) { LITTLE_PATIENCE } else { PATIENCE }
    }

    /// The cluster's id as it is now; asking about `topic` makes the client hear of it.
    pub(super) fn cluster_id(&self, topic: &str, patience: Duration) -> Result<String, LogError> {
        let client = self.client.client();
        client
            .fetch_metadata(Some(topic), patience)
            .map_err(|error| log_error(&error, topic, &self.troubles))?;
        let id = client.fetch_cluster_id(patience);
        id.ok_or_else(|| LogError::Unavailable("kafka does not tell its cluster id".to_owned()))
    }

    /// How many partitions a topic has; `None` where there is no such topic.
    pub(super) fn partitions(&self, topic: &str) -> Result<Option<i32>, LogError> {
        let metadata = self
            .client
            .fetch_metadata(Some(topic), self.patience())
            .map_err(|error| log_error(&error, topic, &self.troubles))?;
        let found = metadata.topics().iter().find(|known| known.name() == topic);
        found.map_or(Ok(None), |found| partitions_of(found, &self.troubles))
    }

    pub(super) fn expect_partitions(&self, topic: &str) -> Result<i32, LogError> {
        let found = self.partitions(topic)?;
        found.ok_or_else(|| LogError::UnknownTopic(topic.to_owned()))
    }

    /// Waits until a topic that was just created has its partitions.
    pub(super) fn await_topic(&self, topic: &str) -> Result<(), LogError> {
        let deadline = Instant::now() + APPEARS_WITHIN;
        loop {
            // Its partitions get leaders a moment after the topic.
            match self.partitions(topic) {
                Ok(Some(_)) if self.bounds(topic).is_ok() => return Ok(()),
                Err(error) if !error.is_transient() => return Err(error),
                _ if Instant::now() >= deadline => {
                    let reason = format!("kafka has created topic {topic:?}, and it is not there");
                    return Err(LogError::Unavailable(reason));
                }
                _ => std::thread::sleep(LOOK_AGAIN),
            }
        }
    }

    /// Every topic that is not Kafka's own.
    pub(super) fn names(&self) -> Result<Vec<String>, LogError> {
        let metadata = self
            .client
            .fetch_metadata(None, self.patience())
            .map_err(|error| log_error(&error, "", &self.troubles))?;
        let names = metadata.topics().iter().map(MetadataTopic::name);
        let mut names: Vec<String> =
            names.filter(|name| !name.starts_with(INTERNAL)).map(str::to_owned).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// What each partition of a topic holds: one request for the beginnings, one for the ends.
    pub(super) fn bounds(&self, topic: &str) -> Result<Vec<Bounds>, LogError> {
        let partitions = self.expect_partitions(topic)?;
        let all: Vec<i32> = (0..partitions).collect();
        let ask = |where_to| {
            offsets(&self.client, topic, &all, where_to, self.patience())
                .map_err(|code| of_code(code, topic, &self.troubles))
        };
        let first = ask(Offset::Beginning)?;
        let next = ask(Offset::End)?;
        let bounds = |((partition, first_offset), next_offset)| Bounds {
            partition,
            first_offset,
            next_offset,
        };
        Ok(all.into_iter().zip(first).zip(next).map(bounds).collect())
    }
}

fn partitions_of(found: &MetadataTopic, troubles: &Troubles) -> Result<Option<i32>, LogError> {
    if let Some(error) = found.error() {
        return match of_code(error.into(), found.name(), troubles) {
            LogError::UnknownTopic(_) => Ok(None),
            error => Err(error),
        };
    }
    match i32::try_from(found.partitions().len()).unwrap_or(i32::MAX) {
        0 => Ok(None),
        partitions => Ok(Some(partitions)),
    }
}

/// The first or the next offset of these partitions, in their order.
pub(super) fn offsets(
    client: &BaseConsumer<Ears>,
    topic: &str,
    partitions: &[i32],
    where_to: Offset,
    patience: Duration,
) -> Result<Vec<i64>, RDKafkaErrorCode> {
    if partitions.is_empty() {
        return Ok(Vec::new());
    }
    let code = |error: rdkafka::error::KafkaError| {
        error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail)
    };
    let mut wanted = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        wanted.add_partition_offset(topic, *partition, where_to).map_err(code)?;
    }
    // What looks like a time to this call is where the offset is to be looked for.
    let found = client.offsets_for_times(wanted, patience).map_err(code)?;
    let mut offsets = Vec::with_capacity(partitions.len());
    for partition in partitions {
        let element =
            found.find_partition(topic, *partition).ok_or(RDKafkaErrorCode::UnknownPartition)?;
        element.error().map_err(code)?;
        match element.offset() {
            Offset::Offset(offset) => offsets.push(offset),
            _ => return Err(RDKafkaErrorCode::LeaderNotAvailable),
        }
    }
    Ok(offsets)
}
