//! Notices what other processes append, by `pragma data_version` on a connection of its own.
//!
//! Invariant: whatever is committed after a reader looked at the version is followed by a change
//! of it; a reader that waits for a change misses nothing.

use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::SqliteConnection;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::identity::Identity;
use super::schema::{connect_to_read, log_error, log_id};
use crate::condition::{Condition, Use};
use crate::log::LogError;

/// While something changed within `LIVELY_FOR`, the file is looked at so often; else when idle.
const LIVELY_POLL: Duration = Duration::from_millis(10);
const IDLE_POLL: Duration = Duration::from_millis(100);
const LIVELY_FOR: Duration = Duration::from_secs(5);
/// How often the file is checked to be the one that was opened.
const IDENTITY_POLL: Duration = Duration::from_secs(1);
/// The pause after the connection failed.
const FAULT_PAUSE: Duration = Duration::from_secs(1);

/// A task that ends with its owner.
#[derive(Debug)]
pub(super) struct OwnedTask(pub JoinHandle<()>);

impl Drop for OwnedTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Starts the task that bumps `changes`, also when the log `id` is no longer at its place: readers
/// look, and find out.
pub(super) fn start(
    identity: Arc<Identity>,
    id: String,
    changes: watch::Sender<u64>,
    condition: Arc<Condition>,
) -> OwnedTask {
    OwnedTask(tokio::spawn(async move {
        loop {
            if let Err(error) = watch_file(&identity, &id, &changes).await {
                match error {
                    LogError::File(fault) => condition.fails(Use::Read, &fault),
                    error => {
                        tracing::warn!(%error, "cannot watch the event log for changes");
                    }
                }
                changes.send_modify(|version| *version += 1);
            }
            tokio::time::sleep(FAULT_PAUSE).await;
        }
    }))
}

async fn watch_file(
    identity: &Identity,
    id: &str,
    changes: &watch::Sender<u64>,
) -> Result<(), LogError> {
    let mut conn = connect_to_read(identity.path()).await?;
    let failed = |fault: sqlx::Error| log_error(identity.path(), &fault);
    let mut checked_at = None;
    let mut told = changes.subscribe();
    let mut known = None;
    let mut lively_until = Instant::now();
    loop {
        let now = Instant::now();
        let version = data_version(&mut conn).await.map_err(failed)?;
        let is_due = checked_at.is_none_or(|checked_at| now - checked_at >= IDENTITY_POLL);
        if is_due || known != Some(version) {
            checked_at = Some(now);
            identity.check()?;
            // The same file may have been written over with another log: before readers are told.
            if log_id(&mut conn).await.map_err(failed)? != id {
                identity.accuse("was overwritten with another log");
                identity.check()?;
            }
        }
        // The first look counts as a change: something may have come before it.
        if known != Some(version) {
            known = Some(version);
            changes.send_modify(|version| *version += 1);
        }
        // Our own process's appends are told at once; they too mean that the log is lively.
        if told.has_changed().unwrap_or(false) {
            told.mark_unchanged();
            lively_until = now + LIVELY_FOR;
        }
        let pause = if now < lively_until { LIVELY_POLL } else { IDLE_POLL };
        tokio::time::sleep(pause).await;
    }
}

async fn data_version(conn: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("pragma data_version").fetch_one(conn).await
}
