//! The pumps that carry to the log what waits in the store: confirmed edits, and dead letters.
//!
//! Invariant: what waits is appended and marked in its order, so a re-sent older edit is always
//! followed by the newer one. An edit that can never be encoded is set aside and told; it holds up
//! nothing.

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::{EngineError, Workshop, error_chain, jittered};
use crate::clock;
use crate::crash;
use crate::kernel::record::NewRecord;
use crate::log;
use crate::log::topics::Topic;
use crate::store::publication::{self, Pending};
use crate::store::{Urgency, dead_letters};

/// The first and the longest wait after the log refused.
const FIRST_RETRY: Duration = Duration::from_millis(250);
const LONGEST_RETRY: Duration = Duration::from_secs(10);

/// Carries confirmed edits to their topics until `stop` turns true.
pub async fn run(workshop: Workshop, stop: watch::Receiver<bool>) -> Result<(), EngineError> {
    carry(workshop, stop, "edits", |workshop| Box::pin(publish(workshop))).await
}

/// Carries dead letters to their topic until `stop` turns true. A pump of its own: neither edits
/// nor folds ever wait for it.
pub async fn run_letters(
    workshop: Workshop,
    stop: watch::Receiver<bool>,
) -> Result<(), EngineError> {
    carry(workshop, stop, "dead letters", |workshop| Box::pin(publish_letters(workshop))).await
}

/// Appends a batch of what waits and says how much that was.
type Publish = for<'a> fn(&'a Workshop) -> BoxFuture<'a, Result<usize, EngineError>>;

async fn carry(
    workshop: Workshop,
    mut stop: watch::Receiver<bool>,
    what: &'static str,
    publish: Publish,
) -> Result<(), EngineError> {
    let mut changes = workshop.store.changes();
    let mut wait = FIRST_RETRY;
    while !*stop.borrow() {
        changes.mark_unchanged();
        match publish(&workshop).await {
            Ok(0) => wait = FIRST_RETRY,
            Ok(_) => continue,
            Err(error) if error.is_transient() => {
                tracing::warn!(error = %error_chain(&error), "{what} wait for the log");
                tokio::select! {
                    () = tokio::time::sleep(jittered(wait)) => {}
                    _ = stop.changed() => {}
                }
                wait = (wait * 2).min(LONGEST_RETRY);
                continue;
            }
            Err(error) => return Err(error),
        }
        tokio::select! {
            _ = stop.changed() => {}
            _ = changes.changed() => {}
        }
    }
    Ok(())
}

/// Appends the oldest dead letters to their topic. A crash before the mark appends them again:
/// their place in the headers tells that they are the same.
pub async fn publish_letters(workshop: &Workshop) -> Result<usize, EngineError> {
    let waiting = workshop
        .store
        .read(|db| Box::pin(async move { dead_letters::unpublished(db).await }))
        .await?;
    if waiting.is_empty() {
        return Ok(0);
    }
    let mut records = Vec::with_capacity(waiting.len());
    for buried in &waiting {
        let letter = &buried.letter;
        // A topic that this version no longer knows keeps its name.
        let topic = workshop.topics.get(&letter.origin.topic);
        let log_topic = topic.map_or(letter.origin.topic.as_str(), |topic| &topic.log_name);
        records.push(letter.record(log_topic)?);
    }
    let log_name = &workshop.topics.get(log::dead_letters::TOPIC)?.log_name;
    workshop.log.append(log_name, records).await?;
    crash::point("after-append");
    let ids: Vec<i64> = waiting.iter().map(|buried| buried.id).collect();
    let count = ids.len();
    workshop
        .store
        .write(Urgency::Bulk, move |db| {
            Box::pin(async move { dead_letters::mark_published(db, &ids, clock::now_ms()).await })
        })
        .await?;
    Ok(count)
}

/// Appends what waits, and marks where it stands. Says how many records were dealt with.
async fn publish(workshop: &Workshop) -> Result<usize, EngineError> {
    let pending =
        workshop.store.read(|db| Box::pin(async move { publication::pending(db).await })).await?;
    match encoded(workshop, &pending) {
        Encoded::Nothing => Ok(0),
        Encoded::Batch(topic, batch) => append(workshop, topic, batch).await,
        Encoded::Never { edit_id, reason } => fail(workshop, edit_id, reason).await,
    }
}

/// What the head of the queue comes to.
enum Encoded<'a> {
    Nothing,
    /// Records of one topic, in order, with the ids of their rows.
    Batch(&'a Topic, Vec<(i64, NewRecord)>),
    /// The oldest edit has a record that no version of the future will encode either.
    Never {
        edit_id: i64,
        reason: String,
    },
}

/// Encodes the oldest records: one topic at a time, and whole edits, so that the order of the edits
/// is kept and none enters the log by half.
fn encoded<'a>(workshop: &'a Workshop, pending: &[Pending]) -> Encoded<'a> {
    let Some(first) = pending.first() else { return Encoded::Nothing };
    let never = |reason| Encoded::Never { edit_id: first.edit_id, reason };
    let topic = match workshop.topics.get(&first.topic) {
        Ok(topic) => topic,
        Err(error) => return never(error.to_string()),
    };
    let now_ms = workshop.clock.now_ms();
    let mut batch = Vec::new();
    for waiting in pending.iter().take_while(|waiting| waiting.topic == first.topic) {
        match record(topic, waiting, now_ms) {
            Ok(record) => batch.push((waiting, record)),
            Err(reason) => {
                batch.retain(|(earlier, _)| earlier.edit_id != waiting.edit_id);
                if batch.is_empty() {
                    return never(reason);
                }
                break;
            }
        }
    }
    Encoded::Batch(topic, batch.into_iter().map(|(row, record)| (row.id, record)).collect())
}

async fn append(
    workshop: &Workshop,
    topic: &Topic,
    batch: Vec<(i64, NewRecord)>,
) -> Result<usize, EngineError> {
    let (ids, records): (Vec<i64>, Vec<NewRecord>) = batch.into_iter().unzip();
    let places = workshop.log.append(&topic.log_name, records).await?;
    crash::point("after-append");
    let placed: Vec<_> = ids.into_iter().zip(places).collect();
    let count = placed.len();
    workshop
        .store
        .write(Urgency::People, move |db| {
            Box::pin(async move { publication::mark_placed(db, &placed, clock::now_ms()).await })
        })
        .await?;
    Ok(count)
}

/// Trying again would never help, and what comes after it must not wait.
async fn fail(workshop: &Workshop, edit_id: i64, reason: String) -> Result<usize, EngineError> {
    // The reason may quote what somebody wrote: it is kept with the edit and not logged.
    tracing::error!(edit_id, "an edit no longer fits its topic; it is set aside");
    workshop
        .store
        .write(Urgency::People, move |db| {
            Box::pin(async move { publication::fail(db, edit_id, &reason, clock::now_ms()).await })
        })
        .await?;
    Ok(1)
}

/// `Err` is the reason why this can never be a record that our own reader takes.
fn record(topic: &Topic, waiting: &Pending, now_ms: i64) -> Result<NewRecord, String> {
    let key = waiting.record_key.clone().into_bytes();
    let value = match &waiting.value {
        None => None,
        Some(text) => {
            let value = serde_json::from_str(text).map_err(|error| error.to_string())?;
            Some(topic.codec.encode(&value).map_err(|error| error.to_string())?)
        }
    };
    (topic.spec.check)(&topic.codec, Some(&key), value.as_deref())
        .map_err(|poison| poison.reason)?;
    Ok(NewRecord { key: Some(key), value, ts_ms: now_ms, ..NewRecord::default() })
}
