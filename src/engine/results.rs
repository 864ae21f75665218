//! Result tables: rows of the views on their way to compacted topics, for whoever reads those.
//!
//! Invariant: what stands in the log under a row's key is, in the end, the row's newest state. A
//! row that changed often while the log was away goes out once; a state that stands in the log
//! already does not go out again, after a rebuild either. A crash between append and mark appends
//! the same state twice. A topic that is not the one in which the rows stood gets all of them.

use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::Value;
use sha2::{Digest, Sha256};
use sqlx::SqliteConnection;
use tokio::sync::watch;

use super::ground::{Behalf, firm};
use super::publisher::Retry;
use super::resolve::prepare;
use super::{EngineError, Workshop};
use crate::crash;
use crate::kernel::record::NewRecord;
use crate::log::LogError;
use crate::log::once::Ends;
use crate::log::topics::Topic;
use crate::store::results::{self, Done, Waiting};
use crate::store::{Store, StoreError, Urgency};

/// Rows in one append.
const BATCH: i64 = 200;
/// What changes within this time goes out once.
const PAUSE: Duration = Duration::from_secs(1);

/// A result table, as its room tells of it.
#[derive(Debug, Clone, Copy)]
pub struct ResultTable {
    pub topic: &'static str,
    /// The pipeline whose views its rows are.
    pub pipeline: &'static str,
    /// Whether it is published where `topics.<topic>.publish` says nothing.
    pub by_default: bool,
    /// Notes every row that there is; for a table that was not published until now.
    pub note_all: NoteAll,
    /// The newest state of rows by their keys, in that order; `None` where there is none any more.
    pub read: ReadRows,
}

pub type NoteAll = for<'a> fn(&'a mut SqliteConnection) -> BoxFuture<'a, Result<(), StoreError>>;

pub type ReadRows = for<'a> fn(
    &'a mut SqliteConnection,
    &'a [String],
) -> BoxFuture<'a, Result<Vec<Option<Value>>, StoreError>>;

/// Makes the store know which of these tables are published.
pub async fn settle(
    store: &Store,
    tables: Vec<ResultTable>,
    published: impl Fn(&ResultTable) -> bool,
) -> Result<(), StoreError> {
    let wanted: Vec<(ResultTable, bool)> =
        tables.into_iter().map(|table| (table, published(&table))).collect();
    let settle = store.write(Urgency::Bulk, move |db| {
        Box::pin(async move {
            for (table, is_wanted) in wanted {
                if !is_wanted {
                    results::end(db, table.topic).await?;
                } else if results::begin(db, table.topic, table.pipeline).await? {
                    (table.note_all)(db).await?;
                }
            }
            Ok(())
        })
    });
    settle.await
}

/// Publishes what changes until `stop` turns true.
pub async fn run(
    workshop: Workshop,
    tables: Vec<ResultTable>,
    mut stop: watch::Receiver<bool>,
) -> Result<(), EngineError> {
    let mut changes = workshop.store.changes();
    let mut footings = workshop.ground.subscribe();
    let mut retry = Retry::new("results", stop.clone());
    let mut scope = Scope::All;
    while !*stop.borrow() {
        changes.mark_unchanged();
        if footings.has_changed().unwrap_or(false) {
            scope = Scope::All;
        }
        footings.mark_unchanged();
        match publish_until(&workshop, &tables, scope, &stop).await {
            Ok(()) => {
                scope = Scope::Waiting;
                retry.succeeded();
            }
            Err(error) => {
                retry.after(error).await?;
                continue;
            }
        }
        tokio::select! {
            _ = stop.changed() => {}
            _ = changes.changed() => {}
            _ = footings.changed() => {
                scope = Scope::All;
            }
        }
        tokio::select! {
            _ = stop.changed() => {}
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
    Ok(())
}

/// Publishes all that waits.
pub async fn publish(workshop: &Workshop, tables: &[ResultTable]) -> Result<(), EngineError> {
    let (_never, stop) = watch::channel(false);
    publish_until(workshop, tables, Scope::All, &stop).await
}

/// Which tables' topics are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// A pipeline has begun to stand on a log, perhaps on another than before.
    All,
    /// Those of which rows wait.
    Waiting,
}

/// The same until `stop` turns true: a batch of each table in turn, so that none waits for another;
/// nor for one that waits for somebody.
async fn publish_until(
    workshop: &Workshop,
    tables: &[ResultTable],
    scope: Scope,
    stop: &watch::Receiver<bool>,
) -> Result<(), EngineError> {
    let mut waiting: Vec<(ResultTable, Scope)> =
        tables.iter().map(|table| (*table, scope)).collect();
    let mut first_error = None;
    while !waiting.is_empty() {
        let mut more = Vec::new();
        for (table, scope) in waiting {
            if *stop.borrow() {
                return Ok(());
            }
            let topic = workshop.topics.get(table.topic)?.clone();
            match publish_batch(workshop, table, &topic, scope).await {
                Ok(true) => more.push((table, Scope::Waiting)),
                Ok(false) => {}
                Err(error) if error.is_of_topic() => {
                    first_error.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        waiting = more;
    }
    first_error.map_or(Ok(()), Err)
}

/// Publishes the rows that have waited longest. Says whether there may be more.
async fn publish_batch(
    workshop: &Workshop,
    table: ResultTable,
    topic: &Topic,
    scope: Scope,
) -> Result<bool, EngineError> {
    let (rows, states) = workshop
        .store
        .read(move |db| {
            Box::pin(async move {
                let rows = results::waiting(db, table.topic, BATCH).await?;
                let keys: Vec<String> = rows.iter().map(|row| row.record_key.clone()).collect();
                let states = (table.read)(db, &keys).await?;
                Ok((rows, states))
            })
        })
        .await?;
    if rows.is_empty() && scope == Scope::Waiting
        || firm(workshop, Behalf::Pipeline(table.pipeline)).await?.is_none()
    {
        return Ok(false);
    }
    if renew(workshop, table, topic).await? {
        return Ok(true);
    }
    if rows.is_empty() {
        return Ok(false);
    }
    prepare(workshop, topic).await?;
    let now_ms = workshop.clock.now_ms();
    let mut due = Vec::new();
    let mut done = Vec::with_capacity(rows.len());
    for (row, state) in rows.into_iter().zip(states) {
        match step(topic, row, state, now_ms) {
            (Some(record), mark) => due.push((record, mark)),
            (None, mark) => done.push(mark),
        }
    }
    let mut ends = None;
    let mut untaken = None;
    if !due.is_empty() {
        untaken = append(workshop, topic, due, &mut done).await?;
        crash::point(crash::RESULTS_POINT);
        // What is appended is marked, whether the log tells its ends just now or not.
        ends = Ends::of(workshop.log.as_ref(), &topic.log_name).await.ok();
    }
    workshop
        .store
        .write(Urgency::Bulk, move |db| {
            Box::pin(async move {
                if let Some(ends) = ends {
                    results::ends_at(db, table.topic, Some(&ends)).await?;
                }
                results::mark(db, table.topic, &done).await
            })
        })
        .await?;
    untaken.map_or(Ok(true), |error| Err(error.into()))
}

/// Makes every row go out again where the topic is not the one in which they stood. Says whether
/// that is so.
async fn renew(
    workshop: &Workshop,
    table: ResultTable,
    topic: &Topic,
) -> Result<bool, EngineError> {
    let known = workshop.store.read(move |db| Box::pin(results::ends(db, table.topic))).await?;
    let Some(known) = known else { return Ok(false) };
    if Ends::of(workshop.log.as_ref(), &topic.log_name).await?.continues(&known) {
        return Ok(false);
    }
    tracing::warn!(
        topic = table.topic,
        "the topic was made anew, or is another log's: all results that the views hold go out again"
    );
    workshop
        .store
        .write(Urgency::Bulk, move |db| {
            Box::pin(async move {
                results::begin_anew(db, table.topic).await?;
                (table.note_all)(db).await
            })
        })
        .await?;
    Ok(true)
}

/// Appends rows and adds to `done` those that are settled; gives what keeps the others waiting. One
/// that the log will never take is told and left out: what stood in the log before stays there, and
/// the others do not wait for it.
async fn append(
    workshop: &Workshop,
    topic: &Topic,
    due: Vec<(NewRecord, Done)>,
    done: &mut Vec<Done>,
) -> Result<Option<LogError>, EngineError> {
    let (records, marks): (Vec<NewRecord>, Vec<Done>) = due.into_iter().unzip();
    let sizes: Vec<usize> = records.iter().map(NewRecord::size_bytes).collect();
    let outcomes = workshop.log.append_each(&topic.log_name, records).await?;
    let mut untaken = None;
    for ((mark, size_bytes), outcome) in marks.into_iter().zip(sizes).zip(outcomes) {
        match outcome {
            Ok(_) => done.push(mark),
            Err(error) if error.is_of_record() => {
                let topic = topic.spec.name;
                tracing::error!(topic, size_bytes, %error, "the log does not take a result");
                done.push(mark);
            }
            Err(error) => untaken = Some(error),
        }
    }
    Ok(untaken)
}

/// What a published row's bytes are known by.
pub(crate) fn digest(bytes: &[u8]) -> Vec<u8> {
    Sha256::digest(bytes).to_vec()
}

/// What has to be appended for a row, if anything has, and how it is marked then.
fn step(
    topic: &Topic,
    row: Waiting,
    state: Option<Value>,
    now_ms: i64,
) -> (Option<NewRecord>, Done) {
    let Waiting { record_key, changed, value, published } = row;
    // A row that the views do not keep is not compared later either.
    let is_kept = value.is_none();
    let state = match value {
        Some(text) => serde_json::from_str(&text).ok(),
        None => state,
    };
    let encoded = match state.map(|state| topic.codec.encode(&state)).transpose() {
        Ok(encoded) => encoded,
        Err(error) => {
            // Our own view and our own schema disagree: what stands in the log stays there.
            tracing::error!(topic = topic.spec.name, %error, "a result does not fit its schema");
            return (None, Done { record_key, changed, published });
        }
    };
    let digest = encoded.as_ref().map(|bytes| digest(bytes));
    let is_new = digest != published;
    let key = Some(record_key.clone().into_bytes());
    let record = NewRecord { key, value: encoded, ts_ms: now_ms, ..NewRecord::default() };
    let published = digest.filter(|_| is_kept);
    (is_new.then_some(record), Done { record_key, changed, published })
}
