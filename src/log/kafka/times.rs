//! From when to when a topic's records are, as `topic list` shows it.
//!
//! Kafka finds a record by its time and never tells the least or the greatest. The records at both
//! ends of a partition are read instead: times rise with offsets, but for what came out of order.

use std::collections::BTreeMap;

use super::KafkaLog;
use crate::log::{Bounds, EventLog, Fetched, LogError, Start};

/// So many offsets at each end of a partition are looked at.
const LOOKED_AT: i64 = 1000;

/// The least and the greatest time at the ends of the topic's partitions.
pub(super) async fn range(
    log: &KafkaLog,
    topic: &str,
    bounds: &[Bounds],
) -> Result<(Option<i64>, Option<i64>), LogError> {
    let filled = || bounds.iter().filter(|at| at.next_offset > at.first_offset);
    let begin = |at: &Bounds| (at.partition, (at.first_offset, at.next_offset));
    let end = |at: &Bounds| {
        let from = at.first_offset.max(at.next_offset - LOOKED_AT);
        (at.partition, (from, at.next_offset))
    };
    let first = look(log, topic, filled().map(begin).collect()).await?;
    let last = look(log, topic, filled().map(end).collect()).await?;
    Ok((first.map(|(least, _)| least), last.map(|(_, greatest)| greatest)))
}

/// The least and the greatest time among the first records of these stretches.
async fn look(
    log: &KafkaLog,
    topic: &str,
    mut stretches: BTreeMap<i32, (i64, i64)>,
) -> Result<Option<(i64, i64)>, LogError> {
    if stretches.is_empty() {
        return Ok(None);
    }
    let starts = stretches.iter().map(|(partition, (from, _))| (*partition, *from));
    let starts = starts.map(|(partition, offset)| Start { partition, offset }).collect();
    let mut reader = log.read(topic, starts).await?;
    let mut seen: Option<(i64, i64)> = None;
    while !stretches.is_empty() {
        let batch = match reader.next().await? {
            Fetched::End { partition, .. } => {
                stretches.remove(&partition);
                continue;
            }
            Fetched::Batch(batch) => batch,
        };
        let Some((from, until)) = stretches.get(&batch.partition).copied() else { continue };
        for record in batch.records() {
            let record = record?;
            let (least, greatest) = seen.unwrap_or((record.ts_ms, record.ts_ms));
            seen = Some((least.min(record.ts_ms), greatest.max(record.ts_ms)));
        }
        if batch.next_offset >= until.min(from + LOOKED_AT) {
            stretches.remove(&batch.partition);
        }
    }
    Ok(seen)
}
