//! The SQL of devices that come, go and return.
//!
//! Invariant: nobody is gone because nothing was heard at all: a device is absent only while other
//! frames are captured. An absence is known by the last probe before it, a return by its absence.

use sqlx::SqliteConnection;

use super::fold::Delta;
use super::namebook;
use super::rules::{self, Named, Rules};
use super::types::MacAddr;
use crate::engine::Due;
use crate::kernel::alert::Alert;
use crate::store::{StoreError, alerts};

/// The start of 2000: a frame from before it was stamped by a clock that was never set.
const NEVER_SET_MS: i64 = 946_684_800_000;

/// Adds when frames were captured.
pub(super) async fn merge_span(db: &mut SqliteConnection, delta: &Delta) -> Result<(), StoreError> {
    let Some((first_ms, last_ms)) = delta.span_ms else { return Ok(()) };
    if last_ms < NEVER_SET_MS {
        return Ok(());
    }
    let first_ms = first_ms.max(NEVER_SET_MS);
    sqlx::query(
        "insert into wifi_span (id, first_ms, last_ms) values (1, ?, ?)
         on conflict (id) do update set
            first_ms = min(first_ms, excluded.first_ms), last_ms = max(last_ms, excluded.last_ms)",
    )
    .bind(first_ms)
    .bind(last_ms)
    .execute(db)
    .await?;
    Ok(())
}

async fn span(db: &mut SqliteConnection) -> Result<Option<(i64, i64)>, StoreError> {
    Ok(sqlx::query_as("select first_ms, last_ms from wifi_span").fetch_optional(db).await?)
}

/// New devices told in one step: people wait for the writer.
const STEP_DEVICES: i64 = 500;

/// Devices that were heard for the first time, now that it is known when.
pub(super) async fn newcomers(
    db: &mut SqliteConnection,
    rules: &Rules,
    due: &Due,
) -> Result<Vec<Alert>, StoreError> {
    let Some((since_ms, _)) = span(db).await? else { return Ok(Vec::new()) };
    // Few are new and many are known: the order of the join matters.
    let known = "from wifi_new cross join wifi_device using (mac) where first_ms <= ?1";
    sqlx::query(&format!(
        "delete from wifi_new where mac in (select mac {known} and first_ms < ?2)"
    ))
    .bind(due.settled_ms)
    .bind(since_ms.saturating_add(rules.learning_ms))
    .execute(&mut *db)
    .await?;
    sqlx::query(&format!(
        "update wifi_new set is_ready = 1 where is_ready = 0 and mac in (select mac {known})"
    ))
    .bind(due.settled_ms)
    .execute(&mut *db)
    .await?;
    let new: Vec<(i64, i64)> = sqlx::query_as(
        "select mac, first_ms from wifi_new cross join wifi_device using (mac)
          where is_ready = 1 order by first_ms, mac limit ?",
    )
    .bind(STEP_DEVICES)
    .fetch_all(&mut *db)
    .await?;
    let mut told = Vec::new();
    for (key, first_ms) in new {
        forget_new(db, key).await?;
        let mac = MacAddr::of_key(key);
        let (name, is_ignored) = namebook::name_of(db, mac).await?;
        let is_known = alerts::latest(db, rules::NEW_DEVICE, &mac.to_string()).await?.is_some();
        if !is_ignored && !is_known {
            told.push(rules.new_device(&Named { mac, name }, first_ms));
        }
    }
    Ok(told)
}

/// Do new devices wait to be told?
pub(super) async fn has_ready(db: &mut SqliteConnection) -> Result<bool, StoreError> {
    let waiting: Option<i64> =
        sqlx::query_scalar("select 1 from wifi_new where is_ready = 1 limit 1")
            .fetch_optional(db)
            .await?;
    Ok(waiting.is_some())
}

async fn forget_new(db: &mut SqliteConnection, mac: i64) -> Result<(), StoreError> {
    sqlx::query("delete from wifi_new where mac = ?").bind(mac).execute(db).await?;
    Ok(())
}

/// A rebuild has folded its past: who was heard for the first time in it was new then.
pub(super) async fn settle_past(
    db: &mut SqliteConnection,
    watermark_ms: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "delete from wifi_new where mac in
            (select mac from wifi_new cross join wifi_device using (mac) where first_ms <= ?)",
    )
    .bind(watermark_ms)
    .execute(db)
    .await?;
    Ok(())
}

/// A watched device: its address, and when it was heard last.
type Watched = (i64, i64);

async fn watched(db: &mut SqliteConnection) -> Result<Vec<Watched>, StoreError> {
    Ok(sqlx::query_as(
        "select mac, last_ms from wifi_given join wifi_device using (mac)
          where watched and not ignored order by mac",
    )
    .fetch_all(db)
    .await?)
}

/// When an absence of this device was told that has not ended; the last probe before it.
async fn gone_since(db: &mut SqliteConnection, mac: MacAddr) -> Result<Option<i64>, StoreError> {
    let Some(gone_ms) = alerts::latest(db, rules::GONE, &mac.to_string()).await? else {
        return Ok(None);
    };
    let subject = rules::back_subject(mac, gone_ms);
    let is_back = alerts::latest(db, rules::BACK, &subject).await?.is_some();
    Ok((!is_back).then_some(gone_ms))
}

/// Watched devices that have gone, or are back.
pub(super) async fn comings_and_goings(
    db: &mut SqliteConnection,
    rules: &Rules,
    due: &Due,
) -> Result<Vec<Alert>, StoreError> {
    let mut told = Vec::new();
    let Some((_, newest_ms)) = span(db).await? else { return Ok(told) };
    let horizon_ms = due.watermark_ms.map_or(i64::MIN, |watermark_ms| watermark_ms.min(newest_ms));
    for (key, last_ms) in watched(db).await? {
        let mac = MacAddr::of_key(key);
        let gone_ms = gone_since(db, mac).await?;
        let is_absent = last_ms.saturating_add(rules.absent_ms) <= horizon_ms;
        // What came late from before it was called gone is no return.
        let is_news = match gone_ms {
            Some(gone_ms) => last_ms >= gone_ms.saturating_add(rules.absent_ms),
            None => is_absent,
        };
        if !is_news {
            continue;
        }
        // Most steps tell nothing, and need no name.
        let (name, _) = namebook::name_of(db, mac).await?;
        let who = Named { mac, name };
        told.push(match gone_ms {
            Some(gone_ms) => rules.back(&who, gone_ms, last_ms),
            None => rules.gone(&who, last_ms),
        });
    }
    Ok(told)
}

/// The watermark at which the next watched device will have been absent for long enough, if frames
/// go on being captured: what is absent at this watermark already waits for those.
pub(super) async fn next_absence(
    db: &mut SqliteConnection,
    rules: &Rules,
    watermark_ms: i64,
) -> Result<Option<i64>, StoreError> {
    let absent_at = watched(db).await?.into_iter().map(|(_, last_ms)| last_ms + rules.absent_ms);
    Ok(absent_at.filter(|at_ms| *at_ms > watermark_ms).min())
}
