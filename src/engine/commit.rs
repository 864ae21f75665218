//! The transaction of a step: everything that follows from its records, or nothing.

use std::sync::Arc;

use sqlx::SqliteConnection;

use super::fold::{Move, Place, Step};
use super::watchdog::News;
use super::{Closed, Due, EngineSettings, Views, Workshop, announce};
use crate::clock;
use crate::kernel::time::Tumbling;
use crate::store::clock as clock_facts;
use crate::store::positions::{self, Position};
use crate::store::{StoreError, Urgency, cards, dead_letters, past};

/// Which part of the log a step belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Below the past of a rebuild: nothing is closed or announced.
    Past,
    /// The same, and with this step the past is folded.
    EndOfPast,
    Present,
}

/// What a step's transaction works from, beside the step itself.
pub(super) struct Commit {
    /// The watermark before and after this step.
    pub(super) before_ms: Option<i64>,
    pub(super) after_ms: Option<i64>,
    /// The greatest event time of each moved partition.
    pub(super) greatest: Vec<(Place, Option<i64>)>,
    /// Every partition was at its end when the step was cut.
    pub(super) caught_up: bool,
    /// The pipelines' clock.
    pub(super) pipeline_now_ms: i64,
    /// The machine's clock, unless it is in doubt.
    pub(super) committed_at: Option<i64>,
    pub(super) stage: Stage,
    /// A command that ends at the log's end has come there.
    pub(super) is_final: bool,
    /// Streams that have stalled, or go on.
    pub(super) news: Vec<News>,
}

/// What a step's transaction came to.
pub(super) struct Committed<D> {
    /// The step's summary, for its memory.
    pub(super) delta: D,
    pub(super) windows_closed: i64,
    pub(super) alerts: u64,
    pub(super) letters: u64,
    /// A rebuild has come as far as the pipeline had been.
    pub(super) ends_past: bool,
    /// The watermark at which the clock alone has something to do.
    pub(super) next_due_ms: Option<i64>,
}

/// Stores a step.
pub(super) async fn store<V: Views>(
    room: Arc<V>,
    workshop: Workshop,
    log_id: Arc<str>,
    mut step: Step<V::Delta>,
    commit: Commit,
) -> Result<Committed<V::Delta>, StoreError> {
    let settings = workshop.settings;
    let written = workshop
        .store
        .write(Urgency::Bulk, move |db| {
            Box::pin(async move {
                let now = clock::now();
                let now_ms = now.machine_ms;
                room.merge(db, &step.delta).await?;
                let mut letters = 0;
                for letter in &step.letters {
                    letters += u64::from(dead_letters::bury(db, letter, now_ms).await?);
                }
                for origin in &step.replayed {
                    dead_letters::mark_replayed(db, origin, now_ms).await?;
                }
                move_positions(room.as_ref(), db, &log_id, &step, &commit).await?;
                let mut closed = match commit.stage {
                    Stage::Past | Stage::EndOfPast => Closed::default(),
                    Stage::Present => {
                        let due = due(room.windows(), &commit, &settings);
                        room.close(db, due, &step.delta).await?
                    }
                };
                closed.news.extend(commit.news.iter().map(|news| news.alert().into()));
                let old_before_ms = commit.pipeline_now_ms - settings.alert_max_age_ms;
                announce::tell_news(db, &closed.news, old_before_ms, now).await?;
                if commit.caught_up {
                    cards::tell_waiting(db, now.house_ms, now).await?;
                    announce::tell_gathered(db, now_ms).await?;
                }
                let caught_up_at = commit.caught_up.then_some(now_ms);
                positions::advance_watermark(
                    db,
                    room.name(),
                    commit.after_ms,
                    closed.windows,
                    caught_up_at,
                )
                .await?;
                let next_due_ms = finish(room.as_ref(), db, &commit).await?;
                room.clear(&mut step.delta);
                Ok(Committed {
                    delta: step.delta,
                    windows_closed: closed.windows,
                    alerts: u64::try_from(closed.news.len()).unwrap_or(u64::MAX),
                    letters,
                    ends_past: commit.stage == Stage::EndOfPast,
                    next_due_ms,
                })
            })
        })
        .await?;
    Ok(written)
}

/// Prunes what the watermark has outlived, in every step, so that what is left depends on the log
/// and the watermark alone; and finds what to wait for next.
async fn finish<V: Views>(
    room: &V,
    db: &mut SqliteConnection,
    commit: &Commit,
) -> Result<Option<i64>, StoreError> {
    if commit.stage == Stage::EndOfPast {
        room.settle_past(db, commit.after_ms).await?;
        past::end(db, room.name()).await?;
    }
    if let Some(committed_at) = commit.committed_at {
        clock_facts::commit(db, committed_at).await?;
    }
    let Some(watermark_ms) = commit.after_ms else { return Ok(None) };
    room.prune(db, watermark_ms).await?;
    room.next_due(db, watermark_ms).await
}

async fn move_positions<V: Views>(
    room: &V,
    db: &mut SqliteConnection,
    log_id: &str,
    step: &Step<V::Delta>,
    commit: &Commit,
) -> Result<(), StoreError> {
    for (place, moved) in &step.moves {
        let greatest = commit.greatest.iter().find(|(known, _)| known == place);
        let position = position(
            room.streams()[place.0],
            log_id,
            place.1,
            moved,
            greatest.and_then(|(_, greatest_ms)| *greatest_ms),
        );
        positions::advance(db, room.name(), &position).await?;
    }
    Ok(())
}

fn position(
    topic: &str,
    log_id: &str,
    partition: i32,
    moved: &Move,
    greatest_event_ms: Option<i64>,
) -> Position {
    Position {
        topic: topic.to_owned(),
        partition,
        log_id: log_id.to_owned(),
        next_offset: moved.next_offset,
        last_ts_ms: moved.last_ts_ms,
        greatest_event_ms,
        records: moved.records,
        late: moved.late,
    }
}

/// The window starts that this step closes (an empty range when the watermark stands), and how far
/// time has come.
fn due(windows: Tumbling, commit: &Commit, settings: &EngineSettings) -> Due {
    let (first_start_ms, end_start_ms) = match commit.after_ms {
        None => (i64::MIN, i64::MIN),
        Some(after_ms) => {
            windows.starts_closed_between(commit.before_ms.unwrap_or(i64::MIN), after_ms)
        }
    };
    let settled_ms = match (commit.caught_up, commit.after_ms) {
        (true, _) => i64::MAX,
        (false, None) => i64::MIN,
        (false, Some(after_ms)) => after_ms.saturating_sub(settings.clock_lag_ms),
    };
    Due {
        first_start_ms,
        end_start_ms,
        before_ms: commit.before_ms,
        watermark_ms: commit.after_ms,
        settled_ms,
        is_final: commit.is_final && commit.caught_up,
        now_ms: commit.pipeline_now_ms,
    }
}
