//! `/start`: greeting members, claiming the bot with the code from the console, and coming in by
//! an invitation.

use super::commands::with_inline;
use super::invite;
use crate::kernel::chat::{Incoming, Person, Place, Snapshot, Standing};
use crate::kernel::effect::{AccessChange, AlertsChange, Audience, Effect, Say};
use crate::kernel::text::Text;
use crate::store::access::Claim;
use crate::store::invite::Attempt;
use crate::telegram::code::same;

/// Wrong codes that one person may try, and all people together.
const TRIES_OF_USER: i64 = 5;
const TRIES_IN_ALL: i64 = 20;

/// What is left to do where a code does not help any more: whoever stands at the door may be the
/// owner, or somebody whom only the owner can let in.
const ELSE: &str = "If this bot is yours, restart windowsill: it prints a new code. If it is not, \
                    ask whoever runs it for an invitation.";

/// What the store knows about somebody at the door.
#[derive(Debug)]
pub struct Door {
    pub claim: Option<Claim>,
    /// Where the code is one of an invitation.
    pub attempt: Option<Attempt>,
    /// This stranger has been refused before.
    pub refused_before: bool,
}

pub(super) fn start(
    code: &str,
    door: Door,
    incoming: &Incoming,
    snapshot: &Snapshot,
) -> Vec<Effect> {
    let Some(person) = &incoming.person else { return Vec::new() };
    if snapshot.standing != Standing::Stranger {
        return greet(person, incoming, snapshot);
    }
    if !incoming.is_private() {
        // Codes belong into a private chat; here it is a command like any other.
        return super::plain::refuse(door.refused_before, incoming);
    }
    match door.attempt {
        Some(attempt) => invite::accept(code, &attempt, person),
        None => claim(code.trim(), door, person, incoming, snapshot),
    }
}

fn greet(person: &Person, incoming: &Incoming, snapshot: &Snapshot) -> Vec<Effect> {
    let hello = Text::of("Hello! /help lists what I can do.");
    if !snapshot.standing.may_edit() || incoming.place.chat_id != person.user_id {
        return vec![super::say(hello)];
    }
    let hello = super::say(with_inline(hello, snapshot));
    let chat_id = person.user_id;
    let audience = match snapshot.standing {
        Standing::Owner => Audience::Owner,
        _ => Audience::Member,
    };
    vec![
        hello,
        Effect::Alerts(AlertsChange::Greeted(Place::private(chat_id))),
        // Telegram takes no menu for a chat that it does not know yet.
        Effect::Menu { chat_id, audience },
    ]
}

fn claim(
    code: &str,
    door: Door,
    person: &Person,
    incoming: &Incoming,
    snapshot: &Snapshot,
) -> Vec<Effect> {
    let user_id = person.user_id;
    let refused = Effect::Access(AccessChange::Refused { user_id });
    if code.is_empty() && door.refused_before {
        return Vec::new();
    }
    if code.is_empty() {
        let words = "You are not authorized to use this application.\n\
                     Its owner claims it with /start and the code that windowsill printed.";
        return vec![say(words), refused];
    }
    let Some(claim) = door.claim else {
        if door.refused_before {
            return Vec::new();
        }
        // A button of an alert leads here from a group, also those who may only look there.
        let words = "This bot has an owner already; ask them for an invitation.\n\
                     If a button in a group brought you here, ask me in the group itself: /help \
                     lists there what you may see.";
        return vec![say(words), refused];
    };
    if claim.tries_of_user >= TRIES_OF_USER || claim.tries_in_all >= TRIES_IN_ALL {
        return vec![say(&format!("Too many wrong codes; I take no more of them. {ELSE}"))];
    }
    if claim.expires_at <= snapshot.now_ms {
        return vec![say(&format!("That code has expired. {ELSE}"))];
    }
    if !same(code, &claim.code) {
        let wrong = Effect::Access(AccessChange::WrongCode { user_id });
        return vec![say("That is not the code. It stands where windowsill was started."), wrong];
    }
    let name = person.name.clone();
    let change = AccessChange::Claim { user_id, name, place: incoming.place };
    let words = "Welcome! You own this bot now, and alerts come to this chat.\n\
                 /update_plant adds a plant; /invite lets somebody in; /help lists the rest.";
    let menu = Effect::Menu { chat_id: user_id, audience: Audience::Owner };
    vec![Effect::Access(change), menu, say(words)]
}

fn say(words: &str) -> Effect {
    Effect::Say(Say::new(Text::of(words)))
}
