//! What people wait for by the wall clock, when that is set back while we run.
//!
//! Invariant: nothing waits longer than its whole time, however far the clock goes back. Delivery
//! needs none of this: it goes by the monotonic clock.

use sqlx::SqliteConnection;

use super::apply::CONVERSATION_MS;
use crate::clock;
use crate::kernel::card::SNOOZE_MS;
use crate::kernel::time::{Now, SECOND_MS};
use crate::store::regular::board;
use crate::store::{StoreError, alerts, cards, conversation, outbox, publication};

/// Differences below this are the clock being disciplined.
const SLACK_MS: i64 = 2 * SECOND_MS;

/// Notices by how much the wall clock was set back.
#[derive(Debug)]
pub(super) struct SetBack {
    wall_ms: i64,
    monotonic_ms: i64,
}

impl SetBack {
    pub(super) fn new() -> SetBack {
        SetBack { wall_ms: clock::now_ms(), monotonic_ms: clock::monotonic_ms() }
    }

    /// By how much, since it was asked last.
    pub(super) fn by_ms(&mut self) -> Option<i64> {
        let now = SetBack::new();
        let expected_ms = self.wall_ms + now.monotonic_ms - self.monotonic_ms;
        let by_ms = expected_ms - now.wall_ms;
        *self = now;
        (by_ms > SLACK_MS).then_some(by_ms)
    }
}

/// Deadlines that now lie too far ahead come back into reach.
pub(super) async fn mend(db: &mut SqliteConnection, now: Now) -> Result<(), StoreError> {
    conversation::wait_at_most(db, now.machine_ms + CONVERSATION_MS).await?;
    publication::wait_at_most(db, now.machine_ms + publication::QUEUED_AFTER_MS).await?;
    cards::wait_at_most(db, now.house_ms).await?;
    alerts::snooze_at_most(db, now.house_ms + SNOOZE_MS).await?;
    board::wait_at_most(db, now.house_ms).await?;
    outbox::defer_no_more(db, None).await
}
