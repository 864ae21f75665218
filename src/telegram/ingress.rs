//! Taking updates in: stored before they are acknowledged, and a stranger's without their words.
//!
//! Invariant: what is kept of an update is decided by who wrote it and where, before it is
//! inserted. A group's new id is taken in here too, so that whatever follows is judged by it.

use std::sync::{Arc, OnceLock};

use serde_json::Value;
use sqlx::SqliteConnection;

use super::access::{Access, FixedAccess};
use super::menu;
use super::notices;
use super::parse::{self, Author, Envelope, Kind};
use crate::clock;
use crate::crash;
use crate::kernel::chat::Standing;
use crate::kernel::effect::Audience;
use crate::kernel::time::Now;
use crate::store::inbox::{self, Arrival};
use crate::store::intake::{self, Way};
use crate::store::{Store, StoreError, Urgency, access, group, migration};

/// The bot's user name, once Telegram has said it.
pub type BotName = Arc<OnceLock<String>>;

/// The kinds of updates that we ask Telegram for, whichever way they come.
pub const ALLOWED_UPDATES: [&str; 6] = [
    "message",
    "edited_message",
    "channel_post",
    "callback_query",
    "my_chat_member",
    "inline_query",
];

/// An update's number. `None`: it is no update.
pub fn update_id(update: &Value) -> Option<i64> {
    update.get("update_id").and_then(Value::as_i64)
}

/// Notes how updates come from now on. A store that is full or busy just now takes updates later,
/// and notes nothing.
pub async fn begin(store: &Store, way: Way) -> Result<(), StoreError> {
    noted(store.write(Urgency::People, move |db| Box::pin(intake::begin(db, way))).await)
}

/// Notes that another program uses the same token; the owners are told when that begins.
pub async fn note_rival(store: &Store, fixed: &FixedAccess) -> Result<(), StoreError> {
    let fixed = fixed.clone();
    let write = store.write(Urgency::People, move |db| {
        Box::pin(async move {
            let now_ms = clock::now_ms();
            if intake::note_rival(db, now_ms).await? {
                notices::tell_rival(db, &fixed, now_ms).await?;
            }
            Ok(())
        })
    });
    noted(write.await)
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
    bot_name: &str,
    updates: Vec<Value>,
) -> Result<u64, StoreError> {
    crash::point("before-inbox-insert");
    let (fixed, bot_name) = (fixed.clone(), bot_name.to_owned());
    let taken = store
        .write(Urgency::People, move |db| {
            Box::pin(async move {
                let now = clock::now();
                let now_ms = now.machine_ms;
                let mut access = Access::load(db, &fixed).await?;
                let mut taken = 0;
                // One by one: a migration also moves what came before it in the same answer.
                for update in &updates {
                    let Some(envelope) = parse::envelope(update, &bot_name) else {
                        taken += inbox::take(db, homeless(update), now_ms).await?;
                        continue;
                    };
                    if let Kind::Migration { from_chat_id, to_chat_id } = envelope.kind {
                        follow(db, &access, from_chat_id, to_chat_id, now).await?;
                        access = Access::load(db, &fixed).await?;
                    }
                    let arrival = arrival(db, &access, &envelope, update, now_ms).await?;
                    taken += inbox::take(db, Some(arrival), now_ms).await?;
                }
                Ok(taken)
            })
        })
        .await?;
    crash::point("after-inbox-insert");
    Ok(taken)
}

/// A kind of update that belongs to no chat: its id is kept, and nothing else. Without an id it
/// cannot be one of Telegram's.
fn homeless(update: &Value) -> Option<Arrival> {
    let update_id = update_id(update)?;
    Some(Arrival { update_id, chat_id: 0, body: None })
}

async fn follow(
    db: &mut SqliteConnection,
    access: &Access,
    from_chat_id: i64,
    to_chat_id: i64,
    now: Now,
) -> Result<(), StoreError> {
    migration::follow(db, from_chat_id, to_chat_id, now).await?;
    if access.has_group(from_chat_id) {
        // The configuration goes on naming the old id.
        migration::remember(db, from_chat_id, to_chat_id, now.machine_ms).await?;
        menu::show(db, to_chat_id, Audience::Group, now.machine_ms).await?;
    }
    Ok(())
}

/// What is stored of an update.
async fn arrival(
    db: &mut SqliteConnection,
    access: &Access,
    envelope: &Envelope,
    update: &Value,
    now_ms: i64,
) -> Result<Arrival, StoreError> {
    let standing = match envelope.author {
        Author::Person(user_id) => access.standing(Some(user_id), envelope.chat_id),
        Author::Nameless | Author::Bot => access.standing(None, envelope.chat_id),
    };
    let body = match (&envelope.kind, envelope.author) {
        (Kind::Migration { .. }, _) => None,
        // Whoever throws us out of a group of ours need not be anybody we know.
        (Kind::Presence, _) => (standing != Standing::Stranger).then(|| update.to_string()),
        (_, Author::Bot) => None,
        (_, Author::Nameless) => nameless_body(db, envelope).await?,
        (_, Author::Person(user_id)) => match standing {
            Standing::Stranger if envelope.is_start => {
                Some(parse::start(envelope, update).to_string())
            }
            // It is answered each time, with nothing: typing our name elsewhere knocks at no door.
            Standing::Stranger if matches!(envelope.kind, Kind::Inline(_)) => {
                Some(parse::redacted(envelope).to_string())
            }
            Standing::Stranger => strangers_body(db, envelope, user_id, now_ms).await?,
            // Those who only look hold no conversation: their chatter is none of our business.
            Standing::Viewer => {
                (envelope.is_for_us || envelope.speaks_to_us).then(|| update.to_string())
            }
            Standing::Member | Standing::Owner => Some(update.to_string()),
        },
    };
    Ok(Arrival { update_id: envelope.update_id, chat_id: envelope.chat_id, body })
}

/// A stranger is counted; the first time there is something to refuse, afterwards nothing.
async fn strangers_body(
    db: &mut SqliteConnection,
    envelope: &Envelope,
    user_id: i64,
    now_ms: i64,
) -> Result<Option<String>, StoreError> {
    // In a group that is not admitted, ordinary chatter is none of our business.
    if !envelope.is_for_us {
        return Ok(None);
    }
    // Only the first: two chats of theirs are handled side by side, and each would refuse them.
    let is_first = access::count_stranger(db, user_id, now_ms).await? == 1;
    // A tap is answered every time: it would spin for ever.
    let is_tap = matches!(envelope.kind, Kind::Tap(_));
    if !is_tap && (!is_first || access::was_refused(db, user_id).await?) {
        return Ok(None);
    }
    Ok(Some(parse::redacted(envelope).to_string()))
}

/// Somebody who hides behind a chat is told once, and nothing of theirs is kept.
async fn nameless_body(
    db: &mut SqliteConnection,
    envelope: &Envelope,
) -> Result<Option<String>, StoreError> {
    if !envelope.is_for_us || group::told_nameless(db, envelope.chat_id).await? {
        return Ok(None);
    }
    Ok(Some(parse::redacted(envelope).to_string()))
}
