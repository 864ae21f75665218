//! Taking updates in: stored before they are acknowledged, and a stranger's without their words.

use serde_json::Value;
use sqlx::SqliteConnection;

use super::access::{Access, FixedAccess};
use super::parse::{self, Envelope};
use crate::clock;
use crate::crash;
use crate::kernel::chat::Standing;
use crate::store::inbox::{self, Arrival};
use crate::store::intake::{self, Way};
use crate::store::{Store, StoreError, Urgency, access};

/// The kinds of updates that we ask Telegram for, whichever way they come.
pub const ALLOWED_UPDATES: [&str; 4] =
    ["message", "edited_message", "channel_post", "callback_query"];

/// An update's number. `None`: it is no update.
pub fn update_id(update: &Value) -> Option<i64> {
    update.get("update_id").and_then(Value::as_i64)
}

/// Notes how updates come from now on. A store that is full or busy just now takes updates later,
/// and notes nothing.
pub async fn begin(store: &Store, way: Way) -> Result<(), StoreError> {
    noted(store.write(Urgency::People, move |db| Box::pin(intake::begin(db, way))).await)
}

/// Notes that another program uses the same token.
pub async fn note_rival(store: &Store) -> Result<(), StoreError> {
    let write =
        store.write(Urgency::People, |db| Box::pin(intake::note_rival(db, clock::now_ms()))).await;
    noted(write)
}

/// What is only noted may be missing.
fn noted(written: Result<(), StoreError>) -> Result<(), StoreError> {
    match written {
        Err(StoreError::Closed) => Err(StoreError::Closed),
        Err(error) => {
            let error = crate::engine::error_chain(&error);
            tracing::warn!(error, "how updates come could not be noted");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

/// Stores updates and says how many were new. When this resolves with `Ok`, Telegram may forget
/// them.
pub async fn take(
    store: &Store,
    fixed: &FixedAccess,
    updates: Vec<Value>,
) -> Result<u64, StoreError> {
    crash::point("before-inbox-insert");
    let fixed = fixed.clone();
    let taken = store
        .write(Urgency::People, move |db| {
            Box::pin(async move {
                let access = Access::load(db, &fixed).await?;
                let mut arrivals = Vec::with_capacity(updates.len());
                for update in &updates {
                    arrivals.extend(arrival(db, &access, update).await?);
                }
                inbox::take(db, &arrivals, clock::now_ms()).await
            })
        })
        .await?;
    crash::point("after-inbox-insert");
    Ok(taken)
}

/// What is stored of an update. `None`: it has no id, so it cannot be one of Telegram's.
async fn arrival(
    db: &mut SqliteConnection,
    access: &Access,
    update: &Value,
) -> Result<Option<Arrival>, StoreError> {
    let Some(envelope) = parse::envelope(update) else {
        let Some(update_id) = update_id(update) else { return Ok(None) };
        // A kind of update that belongs to no chat: its id is kept, and nothing else.
        return Ok(Some(Arrival { update_id, chat_id: 0, body: None }));
    };
    let standing = access.standing(envelope.user_id, envelope.chat_id);
    let body = if standing != Standing::Stranger || envelope.is_start {
        Some(update.to_string())
    } else {
        strangers_body(db, &envelope).await?
    };
    Ok(Some(Arrival { update_id: envelope.update_id, chat_id: envelope.chat_id, body }))
}

/// A stranger is counted; the first time there is something to refuse, afterwards nothing.
async fn strangers_body(
    db: &mut SqliteConnection,
    envelope: &Envelope,
) -> Result<Option<String>, StoreError> {
    let Some(user_id) = envelope.user_id else { return Ok(None) };
    let is_tap = envelope.callback_id.is_some();
    // In a group that is not admitted, ordinary chatter is none of our business.
    if !(envelope.is_private || envelope.is_command || is_tap) {
        return Ok(None);
    }
    // Only the first: two chats of theirs are handled side by side, and each would refuse them.
    let is_first = access::count_stranger(db, user_id).await? == 1;
    // A tap is answered every time: it would spin for ever.
    if !is_tap && (!is_first || access::was_refused(db, user_id).await?) {
        return Ok(None);
    }
    Ok(Some(parse::redacted(envelope).to_string()))
}
