//! From effects to rows: what a decision wants, inside the transaction of its update.

use serde_json::Value;
use sqlx::SqliteConnection;

use super::{inline, menu, out_of_reach};
use crate::kernel::chat::{Draft, Incoming, Place, draft_button};
use crate::kernel::effect::{AccessChange, AlertsChange, Effect, RegularChange, Say};
use crate::kernel::text::Text;
use crate::kernel::time::{HOUR_MS, MINUTE_MS, Now};
use crate::store::conversation::{self, Holder};
use crate::store::outbox::{self, Call, Class, Target};
use crate::store::regular::{self, board, daily};
use crate::store::{
    StoreError, access, alerts, cards, group, invite, publication, removal, settings,
};

/// How long an unfinished conversation waits for an answer.
pub const CONVERSATION_MS: i64 = 30 * MINUTE_MS;
/// How long an invitation is good for.
pub const INVITE_MS: i64 = 24 * HOUR_MS;
/// Telegram forgets a tap after a while; answering later is an error.
const TAP_MS: i64 = 30 * 1000;

/// Is what the decision let somebody in by still there? Two people may have come with one code.
pub async fn still_holds(
    db: &mut SqliteConnection,
    effects: &[Effect],
    now_ms: i64,
) -> Result<bool, StoreError> {
    for effect in effects {
        let holds = match effect {
            Effect::Access(AccessChange::Join { code, .. }) => {
                invite::is_open(db, code, now_ms).await?
            }
            Effect::Access(AccessChange::Claim { user_id, .. }) => {
                access::claim(db, *user_id).await?.is_some()
            }
            _ => true,
        };
        if !holds {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Writes what follows from an update. `room` is the room that decided.
pub async fn effects(
    db: &mut SqliteConnection,
    incoming: &Incoming,
    room: &str,
    effects: &[Effect],
    now: Now,
) -> Result<(), StoreError> {
    let confirmed_by = confirmed_by(db, incoming, effects).await?;
    for effect in effects {
        one(db, incoming, room, effect, confirmed_by, now).await?;
    }
    Ok(())
}

/// The person's own message by which an edit is confirmed: the one that they have just written, or,
/// where they tapped, the newest that they wrote in the conversation that ends with it. A tap on a
/// card that is part of no conversation has none.
async fn confirmed_by(
    db: &mut SqliteConnection,
    incoming: &Incoming,
    effects: &[Effect],
) -> Result<Option<i32>, StoreError> {
    if !effects.iter().any(|effect| matches!(effect, Effect::Publish(_))) {
        return Ok(None);
    }
    let ends = effects.iter().any(|effect| matches!(effect, Effect::EndConversation));
    match (incoming.message_id, holder(incoming)) {
        (Some(message_id), _) => Ok(Some(message_id)),
        (None, Some(holder)) if ends => conversation::said_in(db, holder).await,
        (None, _) => Ok(None),
    }
}

async fn one(
    db: &mut SqliteConnection,
    incoming: &Incoming,
    room: &str,
    effect: &Effect,
    confirmed_by: Option<i32>,
    now: Now,
) -> Result<(), StoreError> {
    let (place, now_ms) = (incoming.place, now.machine_ms);
    match effect {
        Effect::Say(say) => answer(db, incoming, say, now_ms).await?,
        Effect::Tell { place, say } => {
            outbox::tell(db, *place, Target::New, say, now_ms).await?;
        }
        Effect::Menu { chat_id, audience } => menu::show(db, *chat_id, *audience, now_ms).await?,
        Effect::Edit { message_id, say } => {
            let target = Target::Message(*message_id);
            outbox::say(db, place, Class::Reply, target, say, now_ms).await?;
        }
        Effect::Acknowledge { callback_id, note } => {
            acknowledge(db, place, callback_id, note.as_deref(), now_ms).await?;
        }
        Effect::Inline { query_id, page } => {
            inline::answer(db, incoming, query_id, page, now_ms).await?;
        }
        Effect::Publish(publish) => {
            publication::add(db, place, publish, confirmed_by, now_ms).await?;
        }
        Effect::Converse(state) => converse(db, incoming, room, state, now_ms).await?,
        Effect::Resume(held) => converse(db, incoming, &held.room, &held.state, now_ms).await?,
        Effect::EndConversation => {
            if let Some(holder) = holder(incoming) {
                conversation::end(db, holder).await?;
            }
        }
        Effect::Settings(chosen) => settings::put(db, place.chat_id, chosen).await?,
        Effect::Access(change) => change_access(db, change, now).await?,
        Effect::Alerts(change) => change_alerts(db, *change, now_ms).await?,
        Effect::Regular(change) => change_regular(db, place, *change, now).await?,
        Effect::React { about, reaction, by } => {
            cards::react(db, about, *reaction, by, now).await?;
        }
        Effect::Snooze { about, until_ms } => alerts::snooze(db, about, *until_ms, None).await?,
    }
    Ok(())
}

/// The conversation of whoever sent the update is at this state.
async fn converse(
    db: &mut SqliteConnection,
    incoming: &Incoming,
    room: &str,
    state: &Value,
    now_ms: i64,
) -> Result<(), StoreError> {
    let Some(holder) = holder(incoming) else { return Ok(()) };
    let draft = Draft { room: room.to_owned(), version: incoming.update_id, state: state.clone() };
    let name = incoming.person.as_ref().map_or("", |person| person.name.as_str());
    conversation::save(db, holder, name, &draft, now_ms + CONVERSATION_MS).await?;
    let press = incoming.press();
    match press.is_some_and(|(_, _, data)| draft_button(data).is_some()) {
        // One of the conversation's own buttons: what was written in it before is still theirs.
        true => Ok(()),
        false => conversation::note_said(db, holder, incoming.message_id).await,
    }
}

/// Answers where the update came from. In a group the answer replies to the person's message; a
/// question is theirs alone to answer, and after a tap it is their name that says so.
async fn answer(
    db: &mut SqliteConnection,
    incoming: &Incoming,
    say: &Say,
    now_ms: i64,
) -> Result<(), StoreError> {
    let place = incoming.place;
    if incoming.is_private() {
        outbox::say(db, place, Class::Reply, Target::New, say, now_ms).await?;
        return Ok(());
    }
    let mut say = say.clone();
    if say.placeholder.is_some() {
        say.text = say.text.line().italic("Reply to this message, or send /back or /cancel.");
        if let (None, Some(person)) = (incoming.message_id, &incoming.person) {
            let asked = Text::new().mention(person.user_id, &person.name).plain(",");
            say.text = asked.below(say.text);
        }
    }
    outbox::answer(db, place, &say, incoming.message_id, now_ms).await?;
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
    now: Now,
) -> Result<(), StoreError> {
    let now_ms = now.machine_ms;
    match change {
        AccessChange::Claim { user_id, name, place } => {
            access::add_owner(db, *user_id, name, now_ms).await?;
            access::spend_claim(db).await?;
            access::subscribe(db, *place, now_ms).await
        }
        AccessChange::WrongCode { user_id } => access::count_wrong_code(db, *user_id).await,
        AccessChange::Refused { user_id } => access::mark_refused(db, *user_id, now_ms).await,
        AccessChange::Invite { code, by_user } => {
            invite::open(db, code, *by_user, now_ms + INVITE_MS).await
        }
        AccessChange::WrongInvite { user_id } => invite::count_wrong(db, *user_id, now_ms).await,
        AccessChange::Join { code, user_id, name } => {
            invite::spend(db, code).await?;
            access::add_member(db, *user_id, name, now_ms).await?;
            access::subscribe(db, Place::private(*user_id), now_ms).await
        }
        AccessChange::RemoveMember { user_id } => removal::remove_member(db, *user_id, now).await,
        AccessChange::Admit { chat_id, title, by_user } => {
            group::admit(db, *chat_id, title, *by_user, now_ms).await
        }
        AccessChange::RemoveChat { chat_id } => removal::remove_chat(db, *chat_id, now).await,
        AccessChange::ToldNameless { chat_id } => group::tell_nameless(db, *chat_id, now_ms).await,
    }
}

async fn change_regular(
    db: &mut SqliteConnection,
    place: Place,
    change: RegularChange,
    now: Now,
) -> Result<(), StoreError> {
    match change {
        RegularChange::Daily(minute) => daily::want(db, place, minute, now.house_ms).await,
        RegularChange::NoDaily => daily::end(db, place.chat_id).await,
        RegularChange::Board => board::want(db, place, now).await,
        RegularChange::NoBoard => board::end(db, place.chat_id, now).await,
    }
}

pub(super) async fn change_alerts(
    db: &mut SqliteConnection,
    change: AlertsChange,
    now_ms: i64,
) -> Result<(), StoreError> {
    match change {
        AlertsChange::Subscribe(place) => {
            regular::set_away(db, place.chat_id, false).await?;
            access::subscribe(db, place, now_ms).await
        }
        AlertsChange::Greeted(place) => {
            regular::set_away(db, place.chat_id, false).await?;
            access::subscribe_unless_off(db, place, now_ms).await
        }
        AlertsChange::Unsubscribe(place) => out_of_reach::turn_off(db, place, now_ms).await,
        AlertsChange::Resume { chat_id } => {
            regular::set_away(db, chat_id, false).await?;
            access::resume(db, chat_id).await
        }
        AlertsChange::Unreachable { chat_id, reason } => {
            out_of_reach::give_up(db, chat_id, reason, now_ms).await.map(drop)
        }
    }
}
