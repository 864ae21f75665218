//! Where a session begins: our own positions, and nobody else's.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::fold::Place;
use super::{EngineError, Views, Workshop};
use crate::kernel::time::PartitionTime;
use crate::log::{Fetched, Start};
use crate::store::Urgency;
use crate::store::positions::{self, Position};

/// Times of the partitions, where to read each topic from, and the watermark.
type Resumed = (BTreeMap<Place, PartitionTime>, Vec<(String, Vec<Start>)>, Option<i64>);

/// The positions must be those of this log: before anything of another log enters the views.
pub(super) async fn check_identity<V: Views>(
    room: &V,
    workshop: &Workshop,
) -> Result<(), EngineError> {
    let name = room.name();
    let (_, stored) =
        workshop.store.write(Urgency::Bulk, move |db| Box::pin(positions::load(db, name))).await?;
    match stored.into_iter().find(|position| position.log_id != workshop.log.id()) {
        None => Ok(()),
        Some(other) => Err(EngineError::OtherLog {
            pipeline: name,
            stored: other.log_id,
            found: workshop.log.id().to_owned(),
        }),
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
        for partition in 0..workshop.log.partitions(&topic.log_name).await? {
            let known = stored
                .iter()
                .find(|position| position.topic == *topic_name && position.partition == partition);
            let greatest_ms = known.and_then(|position| position.greatest_event_ms);
            times.insert((stream, partition), PartitionTime { greatest_ms, at_end: false });
            if let Some(position) = known {
                check_past(name, workshop, &topic.log_name, position).await?;
            }
            let offset = known.map_or(0, |position| position.next_offset);
            from.push(Start { partition, offset });
        }
        topics.push((topic.log_name.clone(), from));
    }
    Ok((times, topics, row.watermark_ms))
}

/// The record before the position must be the one that was folded there, where it still exists: a
/// log that was put back from an older copy and has grown since ends beyond our position, too.
pub(super) async fn check_past(
    pipeline: &'static str,
    workshop: &Workshop,
    topic: &str,
    position: &Position,
) -> Result<(), EngineError> {
    let (offset, partition) = (position.next_offset - 1, position.partition);
    let Some(stored_ms) = position.last_ts_ms.filter(|_| offset >= 0) else { return Ok(()) };
    let mut reader = workshop.log.read(topic, vec![Start { partition, offset }]).await?;
    let Fetched::Batch(batch) = reader.next().await? else { return Ok(()) };
    for record in batch.records() {
        let record = record?;
        if record.offset > offset {
            break;
        }
        if record.offset == offset && record.ts_ms != stored_ms {
            return Err(EngineError::OtherPast {
                pipeline,
                topic: topic.to_owned(),
                partition,
                offset,
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
