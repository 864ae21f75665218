//! The past: what a pipeline had folded before a rebuild emptied its views.
//!
//! Invariant: below these offsets nothing is judged by a clock, closed or announced. A partition
//! waits at its past's end for the others, so that no record beyond it is folded in silence.

use std::collections::{BTreeMap, HashSet};

use super::fold::{Place, Verdicts};
use super::{EngineError, Views, Workshop};
use crate::log::Start;
use crate::store::past::{self, PastRow};
use crate::store::positions::{self, Position};
use crate::store::{StoreError, Urgency, dead_letters};

/// Stretches of the log to fold again, and how far that has come.
pub(super) struct Past {
    stretches: BTreeMap<Place, Stretch>,
    /// The last of it is stored.
    pub(super) is_stored: bool,
}

/// The past of one partition.
pub(super) struct Stretch {
    /// The first offset that is no past.
    pub(super) until: i64,
    /// Dead letters below it: verdicts of their time, which a rebuild obeys. What was good then is
    /// good now, too.
    dead: HashSet<i64>,
    reached: bool,
}

impl Stretch {
    pub(super) fn verdicts(&self) -> Verdicts<'_> {
        Verdicts::Given { dead: &self.dead }
    }
}

/// A stretch as the store has it.
type Stored = (PastRow, Option<Position>, HashSet<i64>);

impl Past {
    /// The past that is left to fold. `None`: no rebuild is under way.
    pub(super) async fn load<V: Views>(
        room: &V,
        workshop: &Workshop,
        log_id: &str,
    ) -> Result<Option<Past>, EngineError> {
        let name = room.name();
        // Through the writer's queue, behind whatever is on its way to the store.
        let stored = workshop
            .store
            .write(Urgency::Bulk, move |db| Box::pin(async move { stored(db, name).await }))
            .await?;
        let mut stretches = BTreeMap::new();
        for (row, position, dead) in stored {
            if row.log_id != log_id {
                let found = log_id.to_owned();
                return Err(EngineError::OtherLog { pipeline: name, stored: row.log_id, found });
            }
            let stream = room.streams().iter().position(|topic| *topic == row.topic);
            let Some(stream) = stream else { continue };
            let reached = position.is_some_and(|at| at.next_offset >= row.next_offset);
            let stretch = Stretch { until: row.next_offset, dead, reached };
            stretches.insert((stream, row.partition), stretch);
        }
        Ok((!stretches.is_empty()).then_some(Past { stretches, is_stored: false }))
    }

    /// The stretch of a partition that has not come to its end yet.
    pub(super) fn stretch(&self, place: Place) -> Option<&Stretch> {
        self.stretches.get(&place).filter(|stretch| !stretch.reached)
    }

    /// A partition has been folded up to this offset.
    pub(super) fn come_to(&mut self, place: Place, next_offset: i64) {
        if let Some(stretch) = self.stretches.get_mut(&place) {
            stretch.reached |= next_offset >= stretch.until;
        }
    }

    /// Every partition has come as far as it had been.
    pub(super) fn is_reached(&self) -> bool {
        self.stretches.values().all(|stretch| stretch.reached)
    }

    /// Leaves only the partitions to read that have a past to fold.
    pub(super) fn select(&self, topics: &mut [(String, Vec<Start>)]) {
        for (stream, (_, from)) in topics.iter_mut().enumerate() {
            from.retain(|start| self.stretch((stream, start.partition)).is_some());
        }
    }
}

async fn stored(
    db: &mut sqlx::SqliteConnection,
    pipeline: &str,
) -> Result<Vec<Stored>, StoreError> {
    let rows = past::load(db, pipeline).await?;
    let (_, positions) = positions::load(db, pipeline).await?;
    let mut all = Vec::with_capacity(rows.len());
    for row in rows {
        let dead = dead_letters::below(db, &row).await?;
        let position = positions
            .iter()
            .find(|known| known.topic == row.topic && known.partition == row.partition);
        let position = position.cloned();
        all.push((row, position, dead));
    }
    Ok(all)
}
