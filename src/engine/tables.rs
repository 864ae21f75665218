//! Tables first: a pass from the beginning with a sweep at its end, then live changes.
//!
//! Invariant: look-ups never see a half-read table; the first pass enters the views in one
//! transaction.

use std::collections::HashMap;

use futures_util::future::BoxFuture;
use sqlx::SqliteConnection;

use super::resolve::Resolver;
use super::resume::{check_past, expect_not_shorter, expect_partitions};
use super::{EngineError, TableRow, Version, Views, Workshop};
use crate::kernel::record::RecordRef;
use crate::log::dead_letters::{DeadLetter, Origin, replay_of};
use crate::log::topics::Topic;
use crate::log::{Batch, Fetched, LogError, LogReader, Start};
use crate::store::dead_letters;
use crate::store::positions::{self, Position};
use crate::store::{StoreError, Urgency, publication};

/// A table's record, decoded or found to be poison.
enum Entry<R> {
    /// `None` deletes.
    Row(Vec<u8>, Option<R>, Version),
    Poison(DeadLetter),
}

/// What a table's records held beside its rows.
#[derive(Default)]
struct Beside {
    letters: Vec<DeadLetter>,
    /// Dead letters whose replays were among the records.
    replayed: Vec<Origin>,
}

impl Beside {
    async fn store(&self, db: &mut SqliteConnection, now_ms: i64) -> Result<(), StoreError> {
        for letter in &self.letters {
            dead_letters::bury(db, letter, now_ms).await?;
        }
        for origin in &self.replayed {
            dead_letters::mark_replayed(db, origin, now_ms).await?;
        }
        Ok(())
    }
}

/// One decoded change of a table.
pub(super) struct Change<R> {
    key: Vec<u8>,
    row: Option<R>,
    version: Version,
}

/// Deleted keys by table, and what deleted them. The views forget a deleted row, so an older row of
/// it in another partition (a topic that grew) would come back. As many as the topic's tombstones.
pub(super) type Gone = HashMap<(usize, Vec<u8>), Version>;

/// Where a table's reader came to stand in one partition.
#[derive(Debug, Clone, Copy)]
struct Reached {
    next_offset: i64,
    last_ts_ms: Option<i64>,
}

impl Reached {
    fn after(batch: &Batch) -> Result<Reached, LogError> {
        let mut last_ts_ms = None;
        for record in batch.records() {
            last_ts_ms = Some(record?.ts_ms);
        }
        Ok(Reached { next_offset: batch.next_offset, last_ts_ms })
    }
}

/// The table's topic must be the one that was read before: the sweep would forget every row that a
/// topic made anew does not have.
async fn expect_same(
    pipeline: &'static str,
    workshop: &Workshop,
    topic_name: &str,
    known: &[Position],
) -> Result<(), EngineError> {
    if workshop.log.is_ours() {
        // Its topics are never made anew, and the file itself is known by its identity.
        return Ok(());
    }
    let topic = &workshop.topics.get(topic_name)?.log_name;
    let known: Vec<&Position> = known.iter().filter(|at| at.topic == topic_name).collect();
    let all = workshop.log.bounds(topic).await?;
    expect_partitions(topic, known.iter().copied(), all.len())?;
    for bounds in all {
        let read = known.iter().find(|at| at.partition == bounds.partition);
        if let Some(read) = read {
            expect_not_shorter(topic, read, bounds)?;
        }
    }
    check_past(pipeline, workshop, topic, &known).await
}

/// A reader of a whole table, which reads ahead from its beginning.
pub(super) struct Beginning {
    reader: Box<dyn LogReader>,
    partitions: i32,
}

/// Begins to read a table whose topic is the one that was read before.
pub(super) async fn begin(
    pipeline: &'static str,
    workshop: &Workshop,
    topic_name: &str,
    known: &[Position],
) -> Result<Beginning, EngineError> {
    expect_same(pipeline, workshop, topic_name, known).await?;
    let topic = workshop.topics.get(topic_name)?;
    let partitions = workshop.log.partitions(&topic.log_name).await?;
    let from = (0..partitions).map(|partition| Start { partition, offset: 0 }).collect();
    Ok(Beginning { reader: workshop.log.read(&topic.log_name, from).await?, partitions })
}

/// Reads a table to its end and swaps it in; `tables` knows nothing of it yet. Returns the
/// positions from which to follow it.
pub(super) async fn first_pass<V: Views>(
    room: &std::sync::Arc<V>,
    resolver: &Resolver,
    log_id: &str,
    (table, mut beginning): (usize, Beginning),
    tables: &mut V::Tables,
    gone: &mut Gone,
) -> Result<Vec<Start>, EngineError> {
    let workshop = resolver.workshop();
    let topic = workshop.topics.get(room.tables()[table])?;
    let mut newest: HashMap<Vec<u8>, (Option<V::Row>, Version)> = HashMap::new();
    let mut beside = Beside::default();
    let reached = read_to_end(&mut beginning, (resolver, topic), |batch| {
        for entry in entries(room.as_ref(), table, log_id, topic, batch, &mut beside.replayed)? {
            match entry {
                Entry::Poison(letter) => beside.letters.push(letter),
                Entry::Row(key, row, version) => {
                    let known = newest.get(&key).map(|(_, known)| known);
                    if let Some(version) = winner(version, known) {
                        newest.insert(key, (row, version));
                    }
                }
            }
        }
        Ok(())
    })
    .await?;
    let mut rows = Vec::new();
    for (key, (row, version)) in newest {
        match row {
            Some(row) => rows.push(TableRow { key, row, version }),
            None => drop(gone.insert((table, key), version)),
        }
    }
    for row in &rows {
        room.set_row(tables, table, &row.key, Some(&row.row));
    }
    swap_in(room, workshop, log_id, table, rows, beside, &reached).await?;
    let follow = reached
        .iter()
        .map(|(partition, at)| Start { partition: *partition, offset: at.next_offset });
    Ok(follow.collect())
}

/// The version under which a row stands now, unless a known one beats it.
fn winner(version: Version, known: Option<&Version>) -> Option<Version> {
    known.map_or(Some(version), |known| version.succeed(known))
}

async fn read_to_end(
    beginning: &mut Beginning,
    (resolver, topic): (&Resolver, &Topic),
    mut take: impl FnMut(&Batch) -> Result<(), EngineError>,
) -> Result<HashMap<i32, Reached>, EngineError> {
    let mut reached: HashMap<i32, Reached> = HashMap::new();
    let mut ended = std::collections::HashSet::new();
    let wanted = usize::try_from(beginning.partitions).unwrap_or(0);
    while ended.len() < wanted {
        match beginning.reader.next().await? {
            Fetched::Batch(batch) => {
                resolver.resolve(topic, &batch).await?;
                take(&batch)?;
                reached.insert(batch.partition, Reached::after(&batch)?);
            }
            Fetched::End { partition, next_offset } => {
                ended.insert(partition);
                let at =
                    reached.entry(partition).or_insert(Reached { next_offset, last_ts_ms: None });
                at.next_offset = next_offset;
            }
        }
    }
    Ok(reached)
}

async fn swap_in<V: Views>(
    room: &std::sync::Arc<V>,
    workshop: &Workshop,
    log_id: &str,
    table: usize,
    rows: Vec<TableRow<V::Row>>,
    beside: Beside,
    reached: &HashMap<i32, Reached>,
) -> Result<(), EngineError> {
    let topic_name = room.tables()[table];
    let moves: Vec<Position> = reached
        .iter()
        .map(|(partition, at)| table_position(topic_name, log_id, *partition, *at))
        .collect();
    let room = std::sync::Arc::clone(room);
    let now_ms = crate::clock::now_ms();
    workshop
        .store
        .write(Urgency::Bulk, move |db| {
            Box::pin(async move {
                room.replace_table(db, table, &rows).await?;
                beside.store(db, now_ms).await?;
                for position in &moves {
                    positions::advance(db, room.name(), position).await?;
                }
                publication::say_saved(db, now_ms).await
            })
        })
        .await?;
    Ok(())
}

/// Stores a live batch of a table and updates what is in memory.
pub(super) async fn follow<V: Views>(
    room: &std::sync::Arc<V>,
    workshop: &Workshop,
    log_id: &str,
    table: usize,
    batch: &Batch,
    tables: &mut V::Tables,
    gone: &mut Gone,
) -> Result<(), EngineError> {
    let topic = workshop.topics.get(room.tables()[table])?;
    let mut changes = Vec::new();
    let mut deleted = HashMap::new();
    let mut beside = Beside::default();
    for entry in entries(room.as_ref(), table, log_id, topic, batch, &mut beside.replayed)? {
        match entry {
            Entry::Poison(letter) => beside.letters.push(letter),
            Entry::Row(key, row, version) => {
                let place = (table, key);
                if let Some(version) = gone.get(&place) {
                    deleted.insert(place.1.clone(), *version);
                }
                changes.push(Change { key: place.1, row, version });
            }
        }
    }
    let at = Reached::after(batch)?;
    let position = table_position(topic.spec.name, log_id, batch.partition, at);
    let writing = std::sync::Arc::clone(room);
    let applied = workshop
        .store
        .write(Urgency::People, move |db| {
            let work: BoxFuture<'_, Result<Vec<Change<V::Row>>, StoreError>> =
                Box::pin(async move {
                    let applied = apply(writing.as_ref(), db, table, changes, deleted).await?;
                    let now_ms = crate::clock::now_ms();
                    beside.store(db, now_ms).await?;
                    positions::advance(db, writing.name(), &position).await?;
                    publication::say_saved(db, now_ms).await?;
                    Ok(applied)
                });
            work
        })
        .await?;
    for change in applied {
        room.set_row(tables, table, &change.key, change.row.as_ref());
        let place = (table, change.key);
        match change.row {
            Some(_) => drop(gone.remove(&place)),
            None => drop(gone.insert(place, change.version)),
        }
    }
    Ok(())
}

/// Writes the changes that win, in order. `deleted` holds those of their keys that are gone.
async fn apply<V: Views>(
    room: &V,
    db: &mut SqliteConnection,
    table: usize,
    changes: Vec<Change<V::Row>>,
    mut deleted: HashMap<Vec<u8>, Version>,
) -> Result<Vec<Change<V::Row>>, StoreError> {
    let mut applied = Vec::new();
    for change in changes {
        let Change { key, row, version } = change;
        let Some(version) = winner(version, deleted.get(&key)) else { continue };
        let Some(version) = room.put_row(db, table, &key, row.as_ref(), version).await? else {
            continue;
        };
        match row {
            Some(_) => drop(deleted.remove(&key)),
            None => drop(deleted.insert(key.clone(), version)),
        }
        applied.push(Change { key, row, version });
    }
    Ok(applied)
}

fn table_position(topic: &str, log_id: &str, partition: i32, at: Reached) -> Position {
    Position {
        topic: topic.to_owned(),
        partition,
        log_id: log_id.to_owned(),
        next_offset: at.next_offset,
        last_ts_ms: at.last_ts_ms,
        greatest_event_ms: None,
        records: 0,
        late: 0,
    }
}

fn entries<V: Views>(
    room: &V,
    table: usize,
    log_id: &str,
    topic: &Topic,
    batch: &Batch,
    replayed: &mut Vec<Origin>,
) -> Result<Vec<Entry<V::Row>>, EngineError> {
    let mut decoded = Vec::new();
    for record in batch.records() {
        let record = record?;
        replayed.extend(replay_of(record.headers));
        decoded.push(match decode(room, table, topic, &record) {
            Ok((key, row)) => {
                let version = Version {
                    partition: record.partition,
                    offset: record.offset,
                    ts_ms: record.ts_ms,
                };
                Entry::Row(key.to_vec(), row, version)
            }
            Err(reason) => Entry::Poison(DeadLetter::of(log_id, topic.spec.name, &record, reason)),
        });
    }
    Ok(decoded)
}

fn decode<'r, V: Views>(
    room: &V,
    table: usize,
    topic: &Topic,
    record: &RecordRef<'r>,
) -> Result<(&'r [u8], Option<V::Row>), String> {
    let key = record.key.ok_or("a table's record needs a key; this one has none")?;
    let row = room
        .decode_row(table, &topic.codec, record.ts_ms, key, record.value)
        .map_err(|poison| poison.to_string())?;
    Ok((key, row))
}
