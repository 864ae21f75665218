//! A chat that cannot be reached any more, whoever says so: a send that was refused, or an update
//! that tells of a block. The two race, and either comes first.
//!
//! Invariant: alerts that waited for that chat alone stay on record as told to nobody.

use sqlx::SqliteConnection;

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
    if let Some(since_ms) = undelivered_since
        && access::subscriptions(db).await?.is_empty()
    {
        alerts::told_nobody_since(db, since_ms).await?;
    }
    Ok(ended)
}
