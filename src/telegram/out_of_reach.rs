//! Alerts that do not reach a place any more. A chat cannot be reached, whoever says so: a send
//! that was refused, or an update that tells of a block; the two race, and either comes first. Or
//! somebody there wants none.
//!
//! Invariant: alerts that waited for that place alone stay on record as told to nobody.

use sqlx::SqliteConnection;

use crate::kernel::chat::Place;
use crate::store::{StoreError, access, alerts, cards, outbox, regular};

/// Ends the chat's subscriptions and drops what waits for it. Says how many subscriptions ended.
pub(super) async fn give_up(
    db: &mut SqliteConnection,
    chat_id: i64,
    reason: &str,
    now_ms: i64,
) -> Result<u64, StoreError> {
    let ended = access::end_subscriptions(db, chat_id, reason, now_ms).await?;
    let undelivered_since = outbox::oldest_alert(db, chat_id).await?;
    cards::forget_chat(db, chat_id).await?;
    regular::set_away(db, chat_id, true).await?;
    outbox::drop_chat(db, chat_id, reason, now_ms).await?;
    put_on_record(db, undelivered_since).await?;
    Ok(ended)
}

/// Somebody wants no alerts in this place: none of those that wait for it comes either. What was
/// told there goes on to change in place.
pub(super) async fn turn_off(
    db: &mut SqliteConnection,
    place: Place,
    now_ms: i64,
) -> Result<(), StoreError> {
    access::unsubscribe(db, place, now_ms).await?;
    let undelivered_since = outbox::drop_alerts(db, place, access::TURNED_OFF, now_ms).await?;
    put_on_record(db, undelivered_since).await
}

/// What waited since then has reached nobody, if no other place gets alerts.
async fn put_on_record(
    db: &mut SqliteConnection,
    undelivered_since: Option<i64>,
) -> Result<(), StoreError> {
    if let Some(since_ms) = undelivered_since
        && access::subscriptions(db).await?.is_empty()
    {
        alerts::told_nobody_since(db, since_ms).await?;
    }
    Ok(())
}
