//! Going on behind what a log of others no longer holds, when somebody has accepted the loss.
//!
//! Invariant: what is passed over becomes a dead letter in the transaction that moves the position,
//! so it is on record what was never folded.

use super::{EngineError, Runner, Views};
use crate::clock;
use crate::log::dead_letters::{DeadLetter, Origin};
use crate::store::positions::{self, Position};
use crate::store::{Urgency, dead_letters};

/// Offsets of a partition that were passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedOver {
    pub topic: String,
    pub partition: i32,
    pub from_offset: i64,
    pub first_offset: i64,
}

impl<V: Views> Runner<V> {
    /// Moves every position that lies before the beginning of its partition to that beginning.
    pub async fn accept_loss(&self) -> Result<Vec<PassedOver>, EngineError> {
        let (name, workshop) = (self.name(), self.workshop());
        let (log_id, stored) = (workshop.log.id().await?, self.positions().await?);
        let mut lost = Vec::new();
        for topic_name in self.room().streams() {
            let log_name = &workshop.topics.get(topic_name)?.log_name;
            for bounds in workshop.log.bounds(log_name).await? {
                let here = stored.iter().find(|at| {
                    at.topic == *topic_name
                        && at.partition == bounds.partition
                        && at.log_id == log_id
                });
                let Some(at) = here.filter(|at| at.next_offset < bounds.first_offset) else {
                    continue;
                };
                lost.push((at.clone(), bounds.first_offset));
            }
        }
        let passed_over = lost.iter().map(|(at, first_offset)| PassedOver {
            topic: at.topic.clone(),
            partition: at.partition,
            from_offset: at.next_offset,
            first_offset: *first_offset,
        });
        let passed_over = passed_over.collect();
        let now_ms = clock::now_ms();
        let moved = workshop.store.write(Urgency::Bulk, move |db| {
            Box::pin(async move {
                for (at, first_offset) in &lost {
                    dead_letters::bury(db, &letter(at, *first_offset, now_ms), now_ms).await?;
                    let at = Position {
                        next_offset: *first_offset,
                        last_ts_ms: None,
                        records: 0,
                        late: 0,
                        ..at.clone()
                    };
                    positions::advance(db, name, &at).await?;
                }
                Ok(())
            })
        });
        moved.await?;
        Ok(passed_over)
    }

    async fn positions(&self) -> Result<Vec<Position>, EngineError> {
        let name = self.name();
        let store = &self.workshop().store;
        let (_, stored) =
            store.write(Urgency::Bulk, move |db| Box::pin(positions::load(db, name))).await?;
        Ok(stored)
    }
}

fn letter(at: &Position, first_offset: i64, now_ms: i64) -> DeadLetter {
    DeadLetter {
        origin: Origin {
            log_id: at.log_id.clone(),
            topic: at.topic.clone(),
            partition: at.partition,
            offset: at.next_offset,
        },
        ts_ms: now_ms,
        key: None,
        value: None,
        headers: Vec::new(),
        reason: format!(
            "offsets {} to {} were gone before they were processed, and the loss was accepted",
            at.next_offset,
            first_offset - 1
        ),
    }
}
