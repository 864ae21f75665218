//! Invitations: an owner makes a link, and one person comes in by it.

use super::say;
use crate::kernel::chat::{Incoming, Person, Place, Snapshot, Standing};
use crate::kernel::effect::{AccessChange, Audience, Effect, Say};
use crate::kernel::text::Text;
use crate::store::invite::Attempt;

/// What an invitation's code begins with: it tells it from the claim code.
pub(super) const PREFIX: &str = "in-";
/// 130 random bits; with the prefix well below what a deep link takes (64 characters).
pub(super) const CODE_CHARACTERS: usize = 26;
/// Wrong codes that one person may try, and all people together, until an owner invites again.
const TRIES_OF_USER: i64 = 5;
const TRIES_IN_ALL: i64 = 20;

/// `/invite`.
pub(super) fn invite(
    code: Option<String>,
    incoming: &Incoming,
    snapshot: &Snapshot,
) -> Vec<Effect> {
    let Some(person) = incoming.person.as_ref().filter(|_| snapshot.standing == Standing::Owner)
    else {
        return vec![say(Text::of("Only an owner invites people."))];
    };
    if !incoming.is_private() {
        let words = "Please send me /invite in private: everybody here would see the link.";
        return vec![say(Text::of(words))];
    }
    let Some(code) = code else {
        return vec![say(Text::of("I could not make a code just now. Please try again."))];
    };
    let link = format!("https://t.me/{}?start={code}", snapshot.me.username);
    let text = Text::of("Send this link to the person you want to let in:\n")
        .plain(link)
        .plain("\nIt works once, for 24 hours. Whoever opens it becomes a member.");
    let by_user = person.user_id;
    vec![Effect::Access(AccessChange::Invite { code, by_user }), say(text)]
}

/// `/start in-…` of somebody who has no access yet.
pub(super) fn accept(code: &str, attempt: &Attempt, person: &Person) -> Vec<Effect> {
    let user_id = person.user_id;
    if attempt.tries_of_user > TRIES_OF_USER {
        return Vec::new();
    }
    // Counted beyond the limit, so that this is said once.
    let wrong = Effect::Access(AccessChange::WrongInvite { user_id });
    if attempt.tries_of_user == TRIES_OF_USER || attempt.tries_in_all >= TRIES_IN_ALL {
        let words = "Too many invitations were wrong. Ask for a new one.";
        return vec![say(Text::of(words)), wrong];
    }
    let Some(invited_by) = attempt.invited_by else {
        let words = "This invitation has been used, or its time is over. Ask for a new one.";
        return vec![say(Text::of(words)), wrong];
    };
    let told = Text::new()
        .bold(&person.name)
        .plain(" has accepted your invitation and is a member now. /members lists everybody.");
    let join = AccessChange::Join { code: code.to_owned(), user_id, name: person.name.clone() };
    let words = "Welcome! You are a member now: you may look and change things, and alerts come \
                 to this chat.\n/plants lists the plants; /help lists the rest.";
    vec![
        Effect::Access(join),
        Effect::Menu { chat_id: user_id, audience: Audience::Member },
        say(Text::of(words)),
        Effect::Tell { place: Place::private(invited_by), say: Say::new(told) },
    ]
}
