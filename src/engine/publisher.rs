//! The pump that carries confirmed edits to the log.
//!
//! Invariant: edits are appended and marked in the order they were made, so a re-sent older edit
//! is always followed by the newer one.

use std::time::Duration;

use tokio::sync::watch;

use super::{EngineError, Workshop, error_chain, jittered};
use crate::clock;
use crate::crash;
use crate::kernel::record::NewRecord;
use crate::store::publication::{self, Pending};
use crate::store::{StoreError, Urgency};

/// The first and the longest wait after the log refused.
const FIRST_RETRY: Duration = Duration::from_millis(250);
const LONGEST_RETRY: Duration = Duration::from_secs(10);

/// Publishes until `stop` turns true.
pub async fn run(workshop: Workshop, mut stop: watch::Receiver<bool>) -> Result<(), EngineError> {
    let mut changes = workshop.store.changes();
    let mut wait = FIRST_RETRY;
    while !*stop.borrow() {
        changes.mark_unchanged();
        match publish(&workshop).await {
            Ok(0) => wait = FIRST_RETRY,
            Ok(_) => continue,
            Err(error) if error.is_transient() => {
                tracing::warn!(error = %error_chain(&error), "edits wait for the log");
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
    topic: &crate::log::topics::Topic,
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
