//! Appending: records on their way to the cluster, and where they came to stand.
//!
//! Invariant: what is answered is in every replica in sync. Records of one append enter each
//! partition in their order; one that is refused before it was sent leaves none behind. No append
//! resolves while one of its records is under way: whoever repeats it doubles none that lands late.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{Header as WireHeader, OwnedHeaders};
use rdkafka::producer::future_producer::DeliveryFuture;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};

use super::ears::{Ears, Troubles};
use super::error::log_error;
use super::settings::KafkaSettings;
use super::zero_time;
use crate::kernel::record::{NewRecord, Placed};
use crate::log::{LogError, MAX_RECORD_BYTES, Outcome};

/// The pause before a full queue is tried again, and how long it may stay full.
const QUEUE_PAUSE: Duration = Duration::from_millis(5);
const QUEUE_PATIENCE: Duration = Duration::from_secs(30);
/// How long the client may take to hear of partitions that have come.
const HEARD_WITHIN: Duration = Duration::from_secs(5);
/// How long what is under way may take when the log is closed.
const LAST_RECORDS: Duration = Duration::from_secs(1);

type Client = FutureProducer<Ears>;

/// Appends to any topic.
pub(super) struct Appender {
    settings: KafkaSettings,
    troubles: Arc<Troubles>,
    /// Made by the first append; made anew when it can go on no more.
    client: Mutex<Option<Client>>,
}

impl Appender {
    pub(super) fn new(settings: KafkaSettings, troubles: Arc<Troubles>) -> Appender {
        Appender { settings, troubles, client: Mutex::new(None) }
    }

    /// Resolves when the fate of each is known: durable, refused, or not taken. A refusal is about
    /// that record or about those that went with it. An error of the whole: nothing was sent.
    pub(super) async fn append(
        &self,
        topic: &str,
        records: &[NewRecord],
    ) -> Result<Vec<Outcome>, LogError> {
        let client = self.client(topic)?;
        let mut under_way = Vec::with_capacity(records.len());
        let mut ended: Option<LogError> = None;
        for record in records {
            // What comes behind one that could not go must not overtake it.
            let sent = match &ended {
                Some(error) => Err(error.clone()),
                None => self.send(&client, topic, record).await,
            };
            if ended.is_none() {
                ended = sent.as_ref().err().filter(|error| !error.is_of_record()).cloned();
            }
            under_way.push(sent);
        }
        let mut outcomes = Vec::with_capacity(records.len());
        for sent in under_way {
            outcomes.push(match sent {
                Ok(delivery) => self.land(&client, topic, delivery).await,
                Err(error) => Err(error),
            });
        }
        let is_fair = |outcome: &Outcome| outcome.as_ref().err().is_none_or(LogError::is_of_record);
        if outcomes.iter().all(is_fair) {
            self.troubles.passed();
        }
        Ok(outcomes)
    }

    async fn land(&self, client: &Client, topic: &str, delivery: DeliveryFuture) -> Outcome {
        let delivered = delivery.await.map_err(|_| LogError::Closed)?;
        let delivered = delivered.map_err(|(error, _)| self.failed(client, topic, &error))?;
        if delivered.offset < 0 {
            // It is there, and was there before: the answer to the first attempt was lost.
            let reason = "kafka does not tell where a record came to stand".to_owned();
            return Err(LogError::Unavailable(reason));
        }
        Ok(Placed { partition: delivered.partition, offset: delivered.offset })
    }

    /// Lets what is under way land, for a moment.
    pub(super) fn close(&self) {
        let client = self.client.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(client) = client
            && let Err(error) = client.flush(LAST_RECORDS)
        {
            tracing::debug!(%error, "some records were not acknowledged before the end");
        }
    }

    async fn send(
        &self,
        client: &Client,
        topic: &str,
        record: &NewRecord,
    ) -> Result<DeliveryFuture, LogError> {
        let began = Instant::now();
        let (ts_ms, marker) = zero_time::to_send(record.ts_ms);
        loop {
            let mut wire = FutureRecord::<[u8], [u8]>::to(topic).timestamp(ts_ms);
            wire.partition = record.partition;
            wire.key = record.key.as_deref();
            wire.payload = record.value.as_deref();
            wire.headers = headers(record, marker);
            match client.send_result(wire) {
                Ok(delivery) => return Ok(delivery),
                Err((KafkaError::MessageProduction(Code::QueueFull), _))
                    if began.elapsed() < QUEUE_PATIENCE =>
                {
                    tokio::time::sleep(QUEUE_PAUSE).await;
                }
                // It was seen a moment ago: the client has not heard of it yet.
                Err((KafkaError::MessageProduction(Code::UnknownPartition), _))
                    if began.elapsed() < HEARD_WITHIN =>
                {
                    look_again(client, topic).await;
                }
                Err((error, _)) => return Err(self.failed(client, topic, &error)),
            }
        }
    }

    fn client(&self, topic: &str) -> Result<Client, LogError> {
        let mut known = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = &*known {
            return Ok(client.clone());
        }
        let client: Client = self
            .settings
            .appending()
            .create_with_context(Ears(Arc::clone(&self.troubles)))
            .map_err(|error| log_error(&error, topic, &self.troubles))?;
        *known = Some(client.clone());
        Ok(client)
    }

    fn failed(&self, client: &Client, topic: &str, error: &KafkaError) -> LogError {
        if let Some((code, reason)) = client.client().fatal_error() {
            tracing::debug!(%code, reason, "the producer can go on no more; the next one begins");
            *self.client.lock().unwrap_or_else(PoisonError::into_inner) = None;
            return LogError::Unavailable(format!("kafka: {reason}"));
        }
        log_error(error, topic, &self.troubles)
    }
}

/// Makes the client look which partitions a topic has.
async fn look_again(client: &Client, topic: &str) {
    let (client, topic) = (client.clone(), topic.to_owned());
    let look = move || client.client().fetch_metadata(Some(&topic), HEARD_WITHIN).is_ok();
    // Whether it heard anything shows at the next attempt.
    let _ = tokio::task::spawn_blocking(look).await;
    tokio::time::sleep(QUEUE_PAUSE).await;
}

fn headers(record: &NewRecord, marker: Option<&str>) -> Option<OwnedHeaders> {
    if record.headers.is_empty() && marker.is_none() {
        return None;
    }
    let mut headers = OwnedHeaders::new_with_capacity(record.headers.len() + 1);
    for header in &record.headers {
        let (key, value) = (header.name.as_str(), header.value.as_deref());
        headers = headers.insert(WireHeader { key, value });
    }
    if let Some(key) = marker {
        headers = headers.insert(WireHeader { key, value: None::<&[u8]> });
    }
    Some(headers)
}

/// What can be said of a record before anything is sent.
pub(super) fn check(topic: &str, record: &NewRecord) -> Result<(), LogError> {
    let size_bytes = record.size_bytes();
    if size_bytes > MAX_RECORD_BYTES {
        return Err(LogError::TooLarge { size_bytes, limit_bytes: MAX_RECORD_BYTES });
    }
    if record.headers.iter().any(|header| header.name.contains('\0')) {
        let reason = "the name of a header has a zero byte in it".to_owned();
        return Err(LogError::Refused { topic: topic.to_owned(), reason });
    }
    Ok(())
}

/// The same of partitions that records name.
pub(super) fn check_partitions(
    topic: &str,
    partitions: i32,
    records: &[NewRecord],
) -> Result<(), LogError> {
    let mut named = records.iter().filter_map(|record| record.partition);
    match named.find(|partition| !(0..partitions).contains(partition)) {
        Some(partition) => {
            let topic = topic.to_owned();
            Err(LogError::UnknownPartition { topic, partition, partitions })
        }
        None => Ok(()),
    }
}
