//! Answers that need next to nothing from the store: help, what cannot be read, who is refused.

use super::{Ask, commands, say};
use crate::kernel::chat::{Content, Incoming, Snapshot, Towards};
use crate::kernel::effect::{AccessChange, Effect};
use crate::kernel::inline::InlinePage;
use crate::kernel::text::Text;

pub(super) fn decide(ask: &Ask, incoming: &Incoming, snapshot: &Snapshot) -> Vec<Effect> {
    // In a group much is said that has nothing to do with us.
    let is_for_us = incoming.towards == Towards::Us;
    match ask {
        Ask::InlineOfOthers => nothing_to_pick(incoming),
        Ask::Help => vec![say(commands::help(incoming, snapshot))],
        Ask::Cancel => vec![say(Text::of("There is nothing to cancel."))],
        Ask::UnknownCommand(name) if is_for_us => {
            vec![say(commands::unknown(name, incoming, snapshot))]
        }
        Ask::Chatter if incoming.is_private() => {
            vec![say(Text::of("I did not understand that. /help lists what I can do."))]
        }
        Ask::Unreadable(what) if is_for_us => vec![say(Text::of(format!(
            "I cannot act on {what}; please write it as text. /help lists what I can do."
        )))],
        Ask::Edited if is_worth_a_word(incoming, snapshot) => {
            vec![say(Text::of("I do not follow edited messages. Please send it again."))]
        }
        Ask::UnknownCommand(_) | Ask::Chatter | Ask::Unreadable(_) | Ask::Edited | Ask::Nothing => {
            Vec::new()
        }
        _ => vec![say(Text::of("That could not be looked up. Please try again."))],
    }
}

/// An edit is passed over in silence, unless somebody may wait for an answer to it.
fn is_worth_a_word(incoming: &Incoming, snapshot: &Snapshot) -> bool {
    let is_command = matches!(incoming.content, Content::Edited { is_command: true });
    snapshot.draft.is_some() || (is_command && incoming.towards == Towards::Us)
}

/// A button of a conversation that is over, or that is somebody else's.
pub(super) fn stale_press(holder: Option<String>, incoming: &Incoming) -> Vec<Effect> {
    let Some((callback_id, ..)) = incoming.press() else { return Vec::new() };
    let note = match holder {
        Some(name) if name.is_empty() => "This question is for somebody else.".to_owned(),
        Some(name) => format!("This question is for {}.", crate::kernel::text::shown(&name)),
        None => "This button has expired.".to_owned(),
    };
    vec![Effect::Acknowledge { callback_id: callback_id.to_owned(), note: Some(note) }]
}

/// One polite sentence to somebody without access, once; a tap is answered every time.
pub(super) fn refuse(refused_before: bool, incoming: &Incoming) -> Vec<Effect> {
    let words = "You are not authorized to use this application.";
    if let Some((callback_id, ..)) = incoming.press() {
        let callback_id = callback_id.to_owned();
        return vec![Effect::Acknowledge { callback_id, note: Some(words.to_owned()) }];
    }
    let Some(person) = incoming.person.as_ref().filter(|_| !refused_before) else {
        return Vec::new();
    };
    vec![say(Text::of(words)), Effect::Access(AccessChange::Refused { user_id: person.user_id })]
}

/// Nothing to pick for somebody who is no member, as if there were nothing.
fn nothing_to_pick(incoming: &Incoming) -> Vec<Effect> {
    let Some(query) = incoming.inline() else { return Vec::new() };
    vec![Effect::Inline { query_id: query.id.clone(), page: InlinePage::default() }]
}

/// One sentence to whoever hides behind a channel or a group, once.
pub(super) fn nameless(told_before: bool, incoming: &Incoming) -> Vec<Effect> {
    if told_before {
        return Vec::new();
    }
    let told = AccessChange::ToldNameless { chat_id: incoming.place.chat_id };
    let words = "I only talk with people who write under their own name.";
    vec![say(Text::of(words)), Effect::Access(told)]
}
