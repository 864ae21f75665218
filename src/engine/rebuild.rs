//! How a rebuild begins: what it cannot bring back, and the one transaction that empties the views.
//!
//! Invariant: a rebuild never touches facts. Where the pipeline stood becomes its past in the
//! transaction that forgets its positions, so a rebuild is either not begun or can be finished.

use std::sync::Arc;

use serde::Serialize;
use sqlx::SqliteConnection;

use super::resume::check_past;
use super::{EngineError, Runner, Span, Views, Workshop};
use crate::log::{Bounds, EventLog, Fetched, LogError, Start};
use crate::store::past::{self, PastRow};
use crate::store::positions::{self, Position};
use crate::store::{StoreError, Urgency, publication, results};

/// What a view would lose: the log no longer holds what it was folded from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Loss {
    pub pipeline: &'static str,
    pub view: &'static str,
    pub from_ms: i64,
    pub to_ms: i64,
}

/// What a rebuild of a pipeline begins with.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    past: Vec<PastRow>,
    pub losses: Vec<Loss>,
}

impl<V: Views> Runner<V> {
    /// Looks at what the log holds of the pipeline's past. Touches nothing.
    pub async fn plan_rebuild(&self) -> Result<Plan, EngineError> {
        let (name, workshop) = (self.name(), self.workshop());
        let (_, stored) = workshop
            .store
            .write(Urgency::Bulk, move |db| Box::pin(positions::load(db, name)))
            .await?;
        let mut plan = Plan::default();
        let mut gone_before_ms = None;
        for topic_name in self.room().streams() {
            let topic = &workshop.topics.get(topic_name)?.log_name;
            for bounds in workshop.log.bounds(topic).await? {
                let position = stored
                    .iter()
                    .find(|at| at.topic == *topic_name && at.partition == bounds.partition);
                let Some(position) = position else { continue };
                let held = Held::of(name, position, bounds, workshop, topic).await?;
                gone_before_ms = gone_before_ms.max(held.gone_before_ms);
                plan.past.extend(held.past);
            }
        }
        if let Some(gone_before_ms) = gone_before_ms {
            plan.losses = self.losses(gone_before_ms).await?;
        }
        Ok(plan)
    }

    async fn losses(&self, gone_before_ms: i64) -> Result<Vec<Loss>, EngineError> {
        let room = Arc::clone(self.room());
        let spans = self
            .workshop()
            .store
            .read(move |db| Box::pin(async move { room.spans(db).await }))
            .await?;
        let lost = spans.into_iter().filter(|span| span.from_ms < gone_before_ms);
        let loss = |Span { view, from_ms, to_ms }| Loss {
            pipeline: self.name(),
            view,
            from_ms,
            to_ms: to_ms.min(gone_before_ms),
        };
        Ok(lost.map(loss).collect())
    }

    /// Empties the views and remembers where the pipeline stood.
    pub async fn empty(&self, db: &mut SqliteConnection, plan: &Plan) -> Result<(), StoreError> {
        past::begin(db, self.name(), &plan.past).await?;
        positions::forget(db, self.name()).await?;
        results::doubt(db, self.name()).await?;
        // The log may be another one than that in which they were placed.
        for topic in self.room().tables() {
            publication::place_anew(db, topic).await?;
        }
        self.room().empty(db).await
    }
}

/// What the log holds of one partition's past.
struct Held {
    past: Option<PastRow>,
    /// Records of event times before this are gone; `i64::MAX` where nothing is left.
    gone_before_ms: Option<i64>,
}

impl Held {
    /// Another log, or one that went on differently from where we stood.
    const NOTHING: Held = Held { past: None, gone_before_ms: Some(i64::MAX) };

    async fn of(
        pipeline: &'static str,
        position: &Position,
        bounds: Bounds,
        workshop: &Workshop,
        topic: &str,
    ) -> Result<Held, EngineError> {
        let log = workshop.log.as_ref();
        if position.log_id != log.id().await? {
            return Ok(Held::NOTHING);
        }
        // A log that was put back from a copy may end before the place where we stood.
        let is_cut_short = bounds.next_offset < position.next_offset;
        if !is_cut_short {
            match check_past(pipeline, workshop, topic, &[position]).await {
                Ok(()) => {}
                Err(EngineError::OtherPast { .. }) => return Ok(Held::NOTHING),
                Err(error) => return Err(error),
            }
        }
        let past = PastRow {
            topic: position.topic.clone(),
            partition: position.partition,
            log_id: position.log_id.clone(),
            next_offset: position.next_offset.min(bounds.next_offset),
        };
        let gone_before_ms = match bounds.first_offset {
            _ if is_cut_short => Some(i64::MAX),
            0 => None,
            first if first >= past.next_offset => Some(i64::MAX),
            first => Some(first_ts_ms(log, topic, bounds.partition, first).await?),
        };
        Ok(Held { past: Some(past), gone_before_ms })
    }
}

/// The time of the first record that a partition still holds.
async fn first_ts_ms(
    log: &dyn EventLog,
    topic: &str,
    partition: i32,
    offset: i64,
) -> Result<i64, LogError> {
    let mut reader = log.read(topic, vec![Start { partition, offset }]).await?;
    match reader.next().await? {
        Fetched::Batch(batch) => match batch.records().next() {
            Some(record) => Ok(record?.ts_ms),
            None => Ok(i64::MAX),
        },
        Fetched::End { .. } => Ok(i64::MAX),
    }
}
