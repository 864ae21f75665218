//! Where a session begins: our own positions, and nobody else's.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::fold::Place;
use super::{EngineError, Views, Workshop};
use crate::kernel::time::PartitionTime;
use crate::log::{Bounds, Fetched, LogError, Start};
use crate::store::Urgency;
use crate::store::positions::{self, Position};

/// Times of the partitions, where to read each topic from, and the watermark.
type Resumed = (BTreeMap<Place, PartitionTime>, Vec<(String, Vec<Start>)>, Option<i64>);

/// The positions must be those of this log: before anything of another log enters the views. Gives
/// the log's identity and the positions.
pub(super) async fn check_identity<V: Views>(
    room: &V,
    workshop: &Workshop,
) -> Result<(Arc<str>, Vec<Position>), EngineError> {
    let name = room.name();
    let found = workshop.log.id().await?;
    let (_, stored) =
        workshop.store.write(Urgency::Bulk, move |db| Box::pin(positions::load(db, name))).await?;
    match stored.iter().find(|position| position.log_id != found) {
        None => Ok((found.into(), stored)),
        Some(other) => {
            let stored = other.log_id.clone();
            Err(EngineError::OtherLog { pipeline: name, stored, found })
        }
    }
}

/// Where the pipeline stands in its streams: our own positions, and nobody else's. Read through the
/// writer's queue, behind whatever is on its way to the store.
pub(super) async fn resume<V: Views>(
    room: &V,
    workshop: &Workshop,
) -> Result<Resumed, EngineError> {
    let name = room.name();
    let (row, stored) =
        workshop.store.write(Urgency::Bulk, move |db| Box::pin(positions::load(db, name))).await?;
    let mut times = BTreeMap::new();
    let mut topics = Vec::new();
    for (stream, topic_name) in room.streams().iter().enumerate() {
        let topic = workshop.topics.get(topic_name)?;
        let mut from = Vec::new();
        let mut known_here = Vec::new();
        for bounds in workshop.log.bounds(&topic.log_name).await? {
            let partition = bounds.partition;
            let known = stored
                .iter()
                .find(|position| position.topic == *topic_name && position.partition == partition);
            let greatest_ms = known.and_then(|position| position.greatest_event_ms);
            times.insert((stream, partition), PartitionTime { greatest_ms, at_end: false });
            if let Some(position) = known {
                expect_held(name, workshop, &topic.log_name, position, bounds)?;
                known_here.push(position);
            }
            let offset = known.map_or(0, |position| position.next_offset);
            from.push(Start { partition, offset });
        }
        let known = stored.iter().filter(|position| position.topic == *topic_name);
        expect_partitions(&topic.log_name, known, from.len())?;
        check_past(name, workshop, &topic.log_name, &known_here).await?;
        topics.push((topic.log_name.clone(), from));
    }
    Ok((times, topics, row.watermark_ms))
}

/// The log must reach to the position, and not begin behind it: one of others may have let go what
/// was not read yet. Ours would have told.
fn expect_held(
    pipeline: &'static str,
    workshop: &Workshop,
    topic: &str,
    position: &Position,
    bounds: Bounds,
) -> Result<(), EngineError> {
    expect_not_shorter(topic, position, bounds)?;
    if workshop.log.is_ours() || bounds.first_offset <= position.next_offset {
        return Ok(());
    }
    Err(EngineError::Vanished {
        pipeline,
        topic: topic.to_owned(),
        partition: bounds.partition,
        offset: position.next_offset,
        first_offset: bounds.first_offset,
    })
}

/// A topic that ends before what was read of it is another one.
pub(super) fn expect_not_shorter(
    topic: &str,
    position: &Position,
    bounds: Bounds,
) -> Result<(), LogError> {
    if position.next_offset <= bounds.next_offset {
        return Ok(());
    }
    Err(LogError::BeyondEnd {
        topic: topic.to_owned(),
        partition: bounds.partition,
        offset: position.next_offset,
        next_offset: bounds.next_offset,
    })
}

/// A topic that has fewer partitions than were read of it is another one.
pub(super) fn expect_partitions<'a>(
    topic: &str,
    known: impl Iterator<Item = &'a Position>,
    partitions: usize,
) -> Result<(), LogError> {
    let partitions = i32::try_from(partitions).unwrap_or(i32::MAX);
    let most = known.filter(|at| at.next_offset > 0).map(|at| at.partition).max();
    match most {
        Some(partition) if partition >= partitions => {
            Err(LogError::UnknownPartition { topic: topic.to_owned(), partition, partitions })
        }
        _ => Ok(()),
    }
}

/// The record before each position must be the one that was folded there, where it still exists: a
/// topic that was made anew, or a log that was put back from an older copy, and has grown since,
/// ends beyond our position, too.
pub(super) async fn check_past(
    pipeline: &'static str,
    workshop: &Workshop,
    topic: &str,
    positions: &[&Position],
) -> Result<(), EngineError> {
    let told = positions.iter().filter(|at| at.next_offset > 0 && at.last_ts_ms.is_some());
    let mut left: BTreeMap<i32, &Position> = told.map(|at| (at.partition, *at)).collect();
    if left.is_empty() {
        return Ok(());
    }
    let from = left.values();
    let from = from.map(|at| Start { partition: at.partition, offset: at.next_offset - 1 });
    let mut reader = workshop.log.read(topic, from.collect()).await?;
    while !left.is_empty() {
        let batch = match reader.next().await? {
            Fetched::End { partition, .. } => {
                left.remove(&partition);
                continue;
            }
            Fetched::Batch(batch) => batch,
        };
        let Some(position) = left.remove(&batch.partition) else { continue };
        let Some(first) = batch.records().next() else { continue };
        let (record, stored_ms) = (first?, position.last_ts_ms.unwrap_or_default());
        if record.offset == position.next_offset - 1 && record.ts_ms != stored_ms {
            return Err(EngineError::OtherPast {
                pipeline,
                topic: topic.to_owned(),
                partition: position.partition,
                offset: record.offset,
                stored_ms,
                found_ms: record.ts_ms,
            });
        }
    }
    Ok(())
}

pub(super) async fn next_due<V: Views>(
    room: &Arc<V>,
    workshop: &Workshop,
    watermark_ms: Option<i64>,
) -> Result<Option<i64>, EngineError> {
    let Some(watermark_ms) = watermark_ms else { return Ok(None) };
    let room = Arc::clone(room);
    let next = workshop
        .store
        .read(move |db| Box::pin(async move { room.next_due(db, watermark_ms).await }))
        .await?;
    Ok(next)
}
