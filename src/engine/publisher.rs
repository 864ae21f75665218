//! The pumps that carry to the log what waits in the store: confirmed edits, and dead letters.
//!
//! Invariant: what waits for a topic is appended and marked in its order, so a re-sent older edit is
//! always followed by the newer one. Nothing enters a log on which no pipeline stands (`ground.rs`).
//! An edit that can never be encoded is set aside and told; it holds up nothing. What the log has
//! taken of an append that failed in part is not appended again, but for edits that have to follow
//! one that it has not.

use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::SqliteConnection;
use tokio::sync::watch;

use super::ground::{Behalf, firm};
use super::resolve::prepare;
use super::{EngineError, Workshop, error_chain, jittered};
use crate::clock;
use crate::crash;
use crate::kernel::record::{NewRecord, Placed};
use crate::log::topics::Topic;
use crate::log::{self, LogError, MAX_RECORD_BYTES, Outcome};
use crate::store::publication::{self, Pending};
use crate::store::{StoreError, Urgency, dead_letters};

/// The first and the longest wait after the log refused.
const FIRST_RETRY: Duration = Duration::from_millis(250);
const LONGEST_RETRY: Duration = Duration::from_secs(10);
/// How long an append may still take when everything is to end.
const LAST_APPEND: Duration = Duration::from_secs(3);

/// Carries confirmed edits to their topics until `stop` turns true.
pub async fn run(workshop: Workshop, stop: watch::Receiver<bool>) -> Result<(), EngineError> {
    carry(workshop, stop, "edits", |workshop| Box::pin(append_edits(workshop))).await
}

/// Carries dead letters to their topic until `stop` turns true. A pump of its own: neither edits
/// nor folds ever wait for it.
pub async fn run_letters(
    workshop: Workshop,
    stop: watch::Receiver<bool>,
) -> Result<(), EngineError> {
    carry(workshop, stop, "dead letters", |workshop| Box::pin(append_letters(workshop))).await
}

/// Carries the oldest dead letters to their topic. Says whether there were any.
pub async fn publish_letters(workshop: &Workshop) -> Result<bool, EngineError> {
    match append_letters(workshop).await? {
        Some(appended) => mark(workshop, appended).await.map(|()| true),
        None => Ok(false),
    }
}

/// What is in the log and not marked yet.
#[derive(Debug, Clone)]
enum Appended {
    /// What became of edits in the log of this id.
    Edits(Arc<str>, Settled),
    /// An edit that cannot be encoded.
    Never { edit_id: i64, reason: String },
    /// Ids of dead letters.
    Letters(Vec<i64>),
}

/// What is known of records of edits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Settled {
    /// Ids of rows, and the places of their records.
    placed: Vec<(i64, Placed)>,
    /// Edits that are never taken, with the reason: what comes after them must not wait.
    never: Vec<(i64, String)>,
}

/// Appends a batch of what waits. `None`: nothing does, or there is no log for it at the moment.
type Append = for<'a> fn(&'a Workshop) -> BoxFuture<'a, Result<Option<Appended>, EngineError>>;

async fn carry(
    workshop: Workshop,
    mut stop: watch::Receiver<bool>,
    what: &'static str,
    append: Append,
) -> Result<(), EngineError> {
    let mut changes = workshop.store.changes();
    let mut footings = workshop.ground.subscribe();
    let mut retry = Retry::new(what, stop.clone());
    while !*stop.borrow() {
        changes.mark_unchanged();
        footings.mark_unchanged();
        let Some(appended) = until_stopped(append(&workshop), &mut stop).await else { break };
        match appended {
            Ok(None) => retry.succeeded(),
            Ok(Some(appended)) => {
                // They are in the log: only the mark is tried again, or each attempt would append
                // them once more.
                while let Err(error) = mark(&workshop, appended.clone()).await {
                    retry.after(error).await?;
                    if *stop.borrow() {
                        return Ok(());
                    }
                }
                retry.succeeded();
                continue;
            }
            Err(error) => {
                retry.after(error).await?;
                continue;
            }
        }
        tokio::select! {
            _ = stop.changed() => {}
            _ = changes.changed() => {}
            _ = footings.changed() => {}
        }
    }
    Ok(())
}

/// An append that is under way when everything is to end gets a moment longer: one that is in the
/// log and not marked is appended again. `None`: it took too long.
async fn until_stopped<T>(
    work: impl Future<Output = T>,
    stop: &mut watch::Receiver<bool>,
) -> Option<T> {
    let mut work = pin!(work);
    tokio::select! {
        biased;
        done = &mut work => return Some(done),
        _ = stop.changed() => {}
    }
    tokio::time::timeout(LAST_APPEND, work).await.ok()
}

/// The pause after a fault that may pass.
pub(super) struct Retry {
    what: &'static str,
    wait: Duration,
    stop: watch::Receiver<bool>,
}

impl Retry {
    pub(super) fn new(what: &'static str, stop: watch::Receiver<bool>) -> Retry {
        Retry { what, wait: FIRST_RETRY, stop }
    }

    /// The next fault is a new one.
    pub(super) fn succeeded(&mut self) {
        self.wait = FIRST_RETRY;
    }

    /// Waits, longer each time; any other fault is given back.
    pub(super) async fn after(&mut self, error: EngineError) -> Result<(), EngineError> {
        if !error.is_transient() && !error.waits_for_somebody() {
            return Err(error);
        }
        // A trouble that lasts is told once.
        if self.wait == FIRST_RETRY {
            tracing::warn!(error = %error_chain(&error), "{} wait on their way to the log", self.what);
        }
        tokio::select! {
            () = tokio::time::sleep(jittered(self.wait)) => {}
            _ = self.stop.changed() => {}
        }
        self.wait = (self.wait * 2).min(LONGEST_RETRY);
        Ok(())
    }
}

/// Appends the oldest dead letters to their topic. A crash before the mark appends them again:
/// their place in the headers tells that they are the same.
async fn append_letters(workshop: &Workshop) -> Result<Option<Appended>, EngineError> {
    let waiting = workshop
        .store
        .read(|db| Box::pin(async move { dead_letters::unpublished(db).await }))
        .await?;
    if waiting.is_empty() {
        return Ok(None);
    }
    if firm(workshop, Behalf::Household).await?.is_none() {
        return Ok(None);
    }
    let mut records = Vec::with_capacity(waiting.len());
    for buried in &waiting {
        let letter = &buried.letter;
        // A topic that this version no longer knows keeps its name.
        let topic = workshop.topics.get(&letter.origin.topic);
        let log_topic = topic.map_or(letter.origin.topic.as_str(), |topic| &topic.log_name);
        records.push(letter.record(log_topic)?);
    }
    workshop.topics.create(workshop.log.as_ref()).await?;
    let log_name = &workshop.topics.get(log::dead_letters::TOPIC)?.log_name;
    let mut settled = Vec::with_capacity(waiting.len());
    let mut untaken = None;
    for (buried, outcome) in waiting.iter().zip(workshop.log.append_each(log_name, records).await?)
    {
        match outcome {
            Ok(_) => settled.push(buried.id),
            Err(error) if error.is_of_record() => {
                tracing::warn!(%error, "a dead letter stays in the store alone");
                settled.push(buried.id);
            }
            Err(error) => untaken = Some(error),
        }
    }
    crash::point("after-append");
    match untaken {
        Some(error) if settled.is_empty() => Err(error.into()),
        _ => Ok(Some(Appended::Letters(settled))),
    }
}

/// Appends the oldest edits, those of one topic. A topic that waits for somebody holds up no other.
async fn append_edits(workshop: &Workshop) -> Result<Option<Appended>, EngineError> {
    let topics = workshop.store.read(|db| Box::pin(publication::pending_topics(db))).await?;
    let mut first_error = None;
    for topic in topics {
        match append_edits_of(workshop, topic).await {
            Ok(None) => {}
            Err(error) if error.is_of_topic() => {
                first_error.get_or_insert(error);
            }
            done => return done,
        }
    }
    first_error.map_or(Ok(None), Err)
}

async fn append_edits_of(
    workshop: &Workshop,
    topic: String,
) -> Result<Option<Appended>, EngineError> {
    let pending = workshop
        .store
        .read(|db| Box::pin(async move { publication::pending(db, &topic).await }))
        .await?;
    if let Some(first) = pending.first()
        && let Ok(topic) = workshop.topics.get(&first.topic)
    {
        prepare(workshop, topic).await?;
    }
    let (topic, records) = match encoded(workshop, &pending) {
        Encoded::Nothing => return Ok(None),
        Encoded::Never { edit_id, reason } => {
            return Ok(Some(Appended::Never { edit_id, reason }));
        }
        Encoded::Batch(topic, records) => (topic, records),
    };
    let Some(log_id) = firm(workshop, Behalf::Readers(topic)).await? else { return Ok(None) };
    workshop.topics.create(workshop.log.as_ref()).await?;
    let sent = &pending[..records.len()];
    let outcomes = workshop.log.append_each(&topic.log_name, records).await?;
    crash::point("after-append");
    Ok(Some(Appended::Edits(log_id, settled(sent, outcomes)?)))
}

/// What an append has settled of these records, which were sent in this order. It ends before the
/// first that was not taken, and before one that stands in front of an older one: those are appended
/// again, with what follows them, so that the newest is on top. `Err`: nothing is settled.
fn settled(sent: &[Pending], outcomes: Vec<Outcome>) -> Result<Settled, LogError> {
    let mut settled = Settled::default();
    let mut newest: HashMap<i32, i64> = HashMap::new();
    for (row, outcome) in sent.iter().zip(outcomes) {
        match outcome {
            Ok(place) => {
                let before = newest.insert(place.partition, place.offset);
                if before.is_some_and(|before| before > place.offset) {
                    break;
                }
                settled.placed.push((row.id, place));
            }
            Err(error) if error.is_of_record() => {
                if settled.never.last().is_none_or(|(edit_id, _)| *edit_id != row.edit_id) {
                    settled.never.push((row.edit_id, error.to_string()));
                }
            }
            Err(error) if settled == Settled::default() => return Err(error),
            Err(_) => break,
        }
    }
    Ok(settled)
}

/// What the head of the queue comes to.
enum Encoded<'a> {
    Nothing,
    /// Records of one topic: those of the oldest rows, in their order.
    Batch(&'a Topic, Vec<NewRecord>),
    /// The oldest edit has a record that no version of the future will encode either.
    Never {
        edit_id: i64,
        reason: String,
    },
}

/// Encodes the oldest records of a topic: whole edits, so that none enters the log by half.
fn encoded<'a>(workshop: &'a Workshop, pending: &[Pending]) -> Encoded<'a> {
    let Some(first) = pending.first() else { return Encoded::Nothing };
    let never = |reason| Encoded::Never { edit_id: first.edit_id, reason };
    let topic = match workshop.topics.get(&first.topic) {
        Ok(topic) => topic,
        Err(error) => return never(error.to_string()),
    };
    let now_ms = workshop.clock.now_ms();
    let mut batch = Vec::new();
    for waiting in pending {
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
    Encoded::Batch(topic, batch.into_iter().map(|(_, record)| record).collect())
}

/// Stores that it is in the log, and where.
async fn mark(workshop: &Workshop, appended: Appended) -> Result<(), EngineError> {
    let urgency = match appended {
        Appended::Edits(..) | Appended::Never { .. } => Urgency::People,
        Appended::Letters(_) => Urgency::Bulk,
    };
    workshop
        .store
        .write(urgency, move |db| {
            Box::pin(async move {
                let now_ms = clock::now_ms();
                match appended {
                    Appended::Letters(ids) => dead_letters::mark_published(db, &ids, now_ms).await,
                    Appended::Never { edit_id, reason } => {
                        set_aside(db, edit_id, &reason, now_ms).await
                    }
                    Appended::Edits(log_id, Settled { placed, never }) => {
                        for (edit_id, reason) in never {
                            set_aside(db, edit_id, &reason, now_ms).await?;
                        }
                        publication::mark_placed(db, &log_id, &placed, now_ms).await
                    }
                }
            })
        })
        .await?;
    Ok(())
}

/// Keeps an edit that the log never takes, with the reason.
async fn set_aside(
    db: &mut SqliteConnection,
    edit_id: i64,
    reason: &str,
    now_ms: i64,
) -> Result<(), StoreError> {
    // The reason may quote what somebody wrote: it is kept with the edit and not logged.
    tracing::error!(edit_id, "an edit no longer fits its topic; it is set aside");
    publication::fail(db, edit_id, reason, now_ms).await
}

/// `Err` is the reason why this can never be a record that our own reader takes.
fn record(topic: &Topic, waiting: &Pending, now_ms: i64) -> Result<NewRecord, String> {
    let key = waiting.record_key.clone();
    let value = match &waiting.value {
        None => None,
        Some(text) => {
            let value = serde_json::from_str(text).map_err(|error| error.to_string())?;
            Some(topic.codec.encode(&value).map_err(|error| error.to_string())?)
        }
    };
    (topic.spec.check)(&topic.codec, Some(&key), value.as_deref())
        .map_err(|poison| poison.reason)?;
    let record = NewRecord { key: Some(key), value, ts_ms: now_ms, ..NewRecord::default() };
    match record.size_bytes() {
        // Told now, so that none of its edit is sent.
        size_bytes if size_bytes > MAX_RECORD_BYTES => {
            let limit_bytes = MAX_RECORD_BYTES;
            Err(LogError::TooLarge { size_bytes, limit_bytes }.to_string())
        }
        _ => Ok(record),
    }
}

#[cfg(test)]
mod tests;
