//! `/start`: greeting members, and claiming the bot with the code from the console.

use crate::kernel::chat::{ChatKind, Incoming, Place, Snapshot, Standing};
use crate::kernel::effect::{AccessChange, Effect, Say};
use crate::kernel::text::Text;
use crate::store::access::Claim;

/// Wrong codes that one person may try, and all people together.
const TRIES_OF_USER: i64 = 5;
const TRIES_IN_ALL: i64 = 20;

pub(super) fn start(
    code: &str,
    claim: Option<Claim>,
    refused_before: bool,
    incoming: &Incoming,
    snapshot: &Snapshot,
) -> Vec<Effect> {
    let Some(person) = &incoming.person else { return Vec::new() };
    if snapshot.standing == Standing::Stranger && incoming.chat_kind != ChatKind::Private {
        // A claim belongs into a private chat, and a foreign group gets no answer at all.
        return Vec::new();
    }
    if snapshot.standing != Standing::Stranger {
        let mut effects = vec![say("Hello! /help lists what I can do.")];
        if snapshot.standing.may_edit() && incoming.place == Place::private(person.user_id) {
            effects.push(Effect::Access(AccessChange::Subscribe(incoming.place)));
        }
        return effects;
    }
    let refused = Effect::Access(AccessChange::Refused { user_id: person.user_id });
    if code.is_empty() && refused_before {
        return Vec::new();
    }
    if code.is_empty() {
        let words = "You are not authorized to use this application.\n\
                     Its owner claims it with /start and the code that windowsill printed.";
        return vec![say(words), refused];
    }
    let Some(claim) = claim else {
        if refused_before {
            return Vec::new();
        }
        return vec![say("This bot has an owner already; ask them for access."), refused];
    };
    if claim.tries_of_user >= TRIES_OF_USER || claim.tries_in_all >= TRIES_IN_ALL {
        return vec![say("Too many wrong codes. Restart windowsill: it prints a new one.")];
    }
    if claim.expires_at <= snapshot.now_ms {
        return vec![say("That code has expired. Restart windowsill: it prints a new one.")];
    }
    if !same(code.trim(), &claim.code) {
        let wrong = Effect::Access(AccessChange::WrongCode { user_id: person.user_id });
        return vec![say("That is not the code. It stands where windowsill was started."), wrong];
    }
    let change = AccessChange::Claim {
        user_id: person.user_id,
        name: person.name.clone(),
        place: incoming.place,
    };
    let words = "Welcome! You own this bot now, and alerts come to this chat.\n\
                 /update_plant adds a plant; /help lists the rest.";
    vec![Effect::Access(change), say(words)]
}

fn say(words: &str) -> Effect {
    Effect::Say(Say::new(Text::of(words)))
}

/// Compares codes in the same time wherever they differ; letters count without case.
fn same(typed: &str, code: &str) -> bool {
    let (typed, code) = (typed.to_ascii_uppercase(), code.to_ascii_uppercase());
    if typed.len() != code.len() {
        return false;
    }
    typed.bytes().zip(code.bytes()).fold(0, |differing, (a, b)| differing | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_compared_whole_and_without_case() {
        assert!(same("abcd2345", "ABCD2345"));
        assert!(!same("ABCD234", "ABCD2345"));
        assert!(!same("ABCD2346", "ABCD2345"));
    }
}
