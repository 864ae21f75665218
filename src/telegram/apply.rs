//! From effects to rows: what a decision wants, inside the transaction of its update.

use sqlx::SqliteConnection;

use super::menu;
use crate::kernel::chat::{Draft, Incoming, Place};
use crate::kernel::effect::{AccessChange, Effect};
use crate::kernel::time::MINUTE_MS;
use crate::store::conversation::{self, Holder};
use crate::store::outbox::{self, Call, Class, Target};
use crate::store::{StoreError, access, publication};

/// How long an unfinished conversation waits for an answer.
pub const CONVERSATION_MS: i64 = 30 * MINUTE_MS;
/// Telegram forgets a tap after a while; answering later is an error.
const TAP_MS: i64 = 30 * 1000;

/// Writes what follows from an update. `room` is the room that decided.
pub async fn effects(
    db: &mut SqliteConnection,
    incoming: &Incoming,
    room: &str,
    effects: &[Effect],
    now_ms: i64,
) -> Result<(), StoreError> {
    for effect in effects {
        one(db, incoming, room, effect, now_ms).await?;
    }
    Ok(())
}

async fn one(
    db: &mut SqliteConnection,
    incoming: &Incoming,
    room: &str,
    effect: &Effect,
    now_ms: i64,
) -> Result<(), StoreError> {
    let place = incoming.place;
    match effect {
        Effect::Say(say) => {
            outbox::say(db, place, Class::Reply, Target::New, say, now_ms).await?;
        }
        Effect::Edit { message_id, say } => {
            let target = Target::Message(*message_id);
            outbox::say(db, place, Class::Reply, target, say, now_ms).await?;
        }
        Effect::Acknowledge { callback_id, note } => {
            acknowledge(db, place, callback_id, note.as_deref(), now_ms).await?;
        }
        Effect::Publish(publish) => publication::add(db, place, publish, now_ms).await?,
        Effect::Converse(state) => {
            let Some(holder) = holder(incoming) else { return Ok(()) };
            let draft =
                Draft { room: room.to_owned(), version: incoming.update_id, state: state.clone() };
            conversation::save(db, holder, &draft, now_ms + CONVERSATION_MS).await?;
        }
        Effect::EndConversation => {
            if let Some(holder) = holder(incoming) {
                conversation::end(db, holder).await?;
            }
        }
        Effect::Access(change) => change_access(db, change, now_ms).await?,
    }
    Ok(())
}

/// Whose conversation an update belongs to. `None` for somebody without a name of their own.
pub fn holder(incoming: &Incoming) -> Option<Holder> {
    let person = incoming.person.as_ref()?;
    Some(Holder { place: incoming.place, user_id: person.user_id })
}

async fn acknowledge(
    db: &mut SqliteConnection,
    place: Place,
    callback_id: &str,
    note: Option<&str>,
    now_ms: i64,
) -> Result<(), StoreError> {
    let mut params = serde_json::json!({ "callback_query_id": callback_id });
    if let Some(note) = note {
        params["text"] = note.into();
    }
    let call = Call { method: "answerCallbackQuery".to_owned(), params };
    outbox::call(db, place, Class::Tap, call, now_ms, Some(now_ms + TAP_MS)).await?;
    Ok(())
}

async fn change_access(
    db: &mut SqliteConnection,
    change: &AccessChange,
    now_ms: i64,
) -> Result<(), StoreError> {
    match change {
        AccessChange::Claim { user_id, name, place } => {
            access::add_owner(db, *user_id, name, now_ms).await?;
            access::spend_claim(db).await?;
            access::subscribe(db, *place, now_ms).await?;
            menu::show_in(db, *user_id, now_ms).await
        }
        AccessChange::WrongCode { user_id } => access::count_wrong_code(db, *user_id).await,
        AccessChange::Refused { user_id } => access::mark_refused(db, *user_id, now_ms).await,
        AccessChange::Subscribe(place) => {
            access::subscribe(db, *place, now_ms).await?;
            // Telegram takes no menu for a chat that it does not know yet.
            menu::show_in(db, place.chat_id, now_ms).await
        }
    }
}
