//! Talking about plants: commands, the routes to them, and the decisions. Pure: what a decision
//! needs is read by `views` before it.

use std::sync::Arc;

use serde_json::Value;
use teloxide::utils::command::BotCommands;

use super::filter::Filter;
use super::lookup::{Day, Found, Offers, PlantRow};
use crate::kernel::chat::{Draft, Incoming, Snapshot, draft_button};
use crate::kernel::conversation::Chat;
use crate::kernel::effect::{Effect, Say};
use crate::kernel::text::Text;

pub mod fields;
pub mod routes;
pub mod show;
pub mod update;

use update::{Answer, Edit, Looked, Next};

/// The commands of this room; their descriptions are the menu's.
#[derive(Debug, Clone, PartialEq, Eq, BotCommands)]
#[command(rename_rule = "snake_case")]
pub enum Command {
    #[command(description = "all plants, or those that pass a filter such as moisture_low > 20")]
    Plants(String),
    #[command(description = "one plant, by id or name")]
    Plant(String),
    #[command(description = "add a plant or change one")]
    UpdatePlant(String),
}

/// What is asked of this room.
#[derive(Debug, Clone)]
pub enum Ask {
    /// `/plants`, with its filter as typed.
    List(String),
    /// `/plant`, with what was typed.
    Show(String),
    /// `/update_plant`, outside a conversation.
    Begin(String),
    /// An answer inside a conversation.
    Answer(Draft, Answer),
}

/// What the views know about it.
#[derive(Debug)]
pub enum Known {
    Nothing,
    Plants(Vec<PlantRow>, i64),
    Plant(Found, Option<Day>),
    Offers(Offers, Option<Found>),
    Looked(Looked),
}

/// The room's half of a chat.
#[derive(Debug, Clone, Copy, Default)]
pub struct PlantChat;

impl Chat for PlantChat {
    type Ask = Ask;
    type Known = Known;

    fn name(&self) -> &'static str {
        "plants"
    }

    fn decide(
        &self,
        ask: &Ask,
        known: Known,
        incoming: &Incoming,
        snapshot: &Snapshot,
    ) -> Vec<Effect> {
        let mut effects = match (ask, known) {
            (Ask::List(typed), Known::Plants(rows, total)) => {
                let filter = filter_of(typed);
                let filter = filter.as_ref().and_then(|filter| filter.as_ref().ok());
                vec![Effect::Say(show::list(&rows, total, filter, snapshot))]
            }
            (Ask::List(typed), _) => vec![Effect::Say(filter_refused(typed))],
            (Ask::Show(typed), Known::Plant(found, day)) => {
                vec![Effect::Say(shown(typed, &found, day.as_ref(), snapshot))]
            }
            (Ask::Show(_), _) => vec![Effect::Say(Say::new(Text::of(
                "Which plant? Send /plant and its id or name, such as /plant cyril.",
            )))],
            (Ask::Begin(typed), Known::Offers(offers, found)) => {
                begin(typed, offers, found, incoming.update_id, snapshot)
            }
            (Ask::Answer(draft, answer), Known::Looked(looked)) => {
                answered(draft, answer, looked, incoming, snapshot)
            }
            (Ask::Begin(_) | Ask::Answer(..), _) => vec![Effect::Say(Say::new(Text::of(
                "That could not be looked up. Please try again.",
            )))],
        };
        if let Some((callback_id, ..)) = incoming.press() {
            let callback_id = callback_id.to_owned();
            effects.insert(0, Effect::Acknowledge { callback_id, note: None });
        }
        effects
    }

    fn question(&self, state: &Value, version: i64) -> Option<Say> {
        let edit: Edit = serde_json::from_value(state.clone()).ok()?;
        Some(edit.question(version))
    }

    fn unfinished(&self) -> &'static str {
        "/update_plant"
    }
}

impl PlantChat {
    /// The room, shared by its routes.
    pub fn shared() -> Arc<PlantChat> {
        Arc::new(PlantChat)
    }
}

/// The filter of `/plants`; `None` without one.
pub fn filter_of(typed: &str) -> Option<Result<Filter, Text>> {
    (!typed.is_empty()).then(|| Filter::parse(typed))
}

fn filter_refused(typed: &str) -> Say {
    match filter_of(typed) {
        Some(Err(reason)) => Say::new(reason),
        _ => Say::new(Text::of("The plants could not be looked up. Please try again.")),
    }
}

fn shown(typed: &str, found: &Found, day: Option<&Day>, snapshot: &Snapshot) -> Say {
    match found.matches.as_slice() {
        [plant] => show::card(plant, day, snapshot),
        _ => show::not_one(typed, found),
    }
}

fn begin(
    typed: &str,
    offers: Offers,
    found: Option<Found>,
    version: i64,
    snapshot: &Snapshot,
) -> Vec<Effect> {
    if !snapshot.standing.may_edit() {
        let words = "Only members change plants here; an owner can make you one.";
        return vec![Effect::Say(Say::new(Text::of(words)))];
    }
    let edit = Edit::begin(offers);
    let next = match found {
        Some(found) => edit.answer(&Answer::Typed(typed.to_owned()), Looked::Found(found)),
        None => Next::Ask(edit, None),
    };
    update::effects(next, version)
}

fn answered(
    draft: &Draft,
    answer: &Answer,
    looked: Looked,
    incoming: &Incoming,
    snapshot: &Snapshot,
) -> Vec<Effect> {
    if !snapshot.standing.may_edit() {
        let words = "Only members change plants here; this edit is closed.";
        return vec![Effect::EndConversation, Effect::Say(Say::new(Text::of(words)))];
    }
    let Ok(edit) = serde_json::from_value::<Edit>(draft.state.clone()) else {
        let words = "This conversation was begun by another version of me and cannot go on. \
                     Please start /update_plant again.";
        return vec![Effect::EndConversation, Effect::Say(Say::new(Text::of(words)))];
    };
    let mut effects = Vec::new();
    if let Some((_, message_id, data)) = incoming.press()
        && draft_button(data).is_some()
    {
        let say = edit.answered(answer, draft.version);
        effects.push(Effect::Edit { message_id, say });
    }
    effects.extend(update::effects(edit.answer(answer, looked), incoming.update_id));
    effects
}
