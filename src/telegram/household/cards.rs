//! Taps on the buttons of an alert that lasts: acknowledged, snoozed, silenced, told again.

use crate::kernel::card::{self, Reaction, Tap};
use crate::kernel::chat::{Incoming, Snapshot};
use crate::kernel::effect::Effect;
use crate::store::cards::Stored;

/// `found` are the alerts that the tap means, as far as they last.
pub(super) fn decide(
    tap: &Tap,
    found: &[Stored],
    incoming: &Incoming,
    snapshot: &Snapshot,
) -> Vec<Effect> {
    let Some((callback_id, ..)) = incoming.press() else { return Vec::new() };
    let answered = |note: String| Effect::Acknowledge {
        callback_id: callback_id.to_owned(),
        note: Some(note),
    };
    if !snapshot.standing.may_edit() {
        let words = "Only members see to alerts here; an owner can make you one.";
        return vec![answered(words.to_owned())];
    }
    let reaction = tap.reaction();
    let by = incoming.person.as_ref().map_or("", |person| person.name.as_str());
    let is_new =
        |card: &&Stored| card.stance.after(reaction, by, snapshot.pipeline_now_ms).is_some();
    let mut abouts: Vec<String> =
        found.iter().filter(is_new).map(|card| card.subject.about.clone()).collect();
    // A silence outlives what it silenced.
    if let (Tap::One { reaction: Reaction::TellAgain, about, .. }, []) = (tap, found) {
        abouts.push(about.clone());
    } else if found.is_empty() {
        return vec![answered("That is over already; nothing is left to do.".to_owned())];
    }
    let words = match found.first() {
        Some(card) if abouts.is_empty() => card::answer_again(reaction, &card.stance),
        _ => card::answer(reaction, snapshot.pipeline_now_ms),
    };
    let note = words.told_in(&snapshot.settings, snapshot.time_zone).to_plain();
    let mut effects = vec![answered(note)];
    let react = |about| Effect::React { about, reaction, by: by.to_owned() };
    effects.extend(abouts.into_iter().map(react));
    effects
}
