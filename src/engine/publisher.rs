//! The pumps that carry to the log what waits in the store: confirmed edits, and dead letters.
//!
//! Invariant: what waits is appended and marked in its order, so a re-sent older edit is always
//! followed by the newer one.

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::{EngineError, Workshop, error_chain, jittered};
use crate::clock;
use crate::crash;
use crate::kernel::record::NewRecord;
use crate::log;
use crate::store::publication::{self, Pending};
use crate::store::{StoreError, Urgency, dead_letters};

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

/// Appends what waits, and marks where it stands. Says how many edits that were.
async fn publish(workshop: &Workshop) -> Result<usize, EngineError> {
    let pending =
        workshop.store.read(|db| Box::pin(async move { publication::pending(db).await })).await?;
    // One topic at a time; within it the order of the edits is kept.
    let Some(first) = pending.first() else { return Ok(0) };
    let topic = workshop.topics.get(&first.topic)?;
    let batch: Vec<&Pending> =
        pending.iter().take_while(|edit| edit.topic == first.topic).collect();
    let now_ms = workshop.clock.now_ms();
    let mut records = Vec::with_capacity(batch.len());
    for edit in &batch {
        records.push(record(topic, edit, now_ms)?);
    }
    let places = workshop.log.append(&topic.log_name, records).await?;
    crash::point("after-append");
    let placed: Vec<_> = batch.iter().map(|edit| edit.id).zip(places).collect();
    let count = placed.len();
    workshop
        .store
        .write(Urgency::People, move |db| {
            Box::pin(async move { publication::mark_placed(db, &placed, clock::now_ms()).await })
        })
        .await?;
    Ok(count)
}

fn record(
    topic: &log::topics::Topic,
    edit: &Pending,
    now_ms: i64,
) -> Result<NewRecord, EngineError> {
    let unexpected = |reason: String| {
        EngineError::from(StoreError::Unexpected(format!("an edit of {}: {reason}", edit.topic)))
    };
    let value = match &edit.value {
        None => None,
        Some(text) => {
            let value =
                serde_json::from_str(text).map_err(|error| unexpected(error.to_string()))?;
            Some(topic.codec.encode(&value).map_err(|error| unexpected(error.to_string()))?)
        }
    };
    Ok(NewRecord {
        key: Some(edit.record_key.clone().into_bytes()),
        value,
        ts_ms: now_ms,
        ..NewRecord::default()
    })
}
