//! Talking about plants: commands, the routes to them, and the decisions. Pure: what a decision
//! needs is read by `views` before it.

use std::sync::Arc;

use serde_json::Value;
use teloxide::utils::command::BotCommands;

use super::care::Watered;
use super::filter::Filter;
use super::history::Quarter;
use super::lookup::{Found, Listed, PlantRow};
use super::rules::forecast::Forecast;
use super::sensors::{Mapped, Overview};
use crate::kernel::chat::{Draft, Incoming, Snapshot};
use crate::kernel::conversation::Chat;
use crate::kernel::dialog::{self as conversation, Forms};
use crate::kernel::effect::{Effect, Say};
use crate::kernel::settings::{Settings, Unit};
use crate::kernel::text::Text;

pub mod board;
pub mod button;
mod choice;
pub mod daily;
mod delete;
pub mod dialog;
pub mod fields;
pub mod inline;
pub mod mapping;
pub mod past;
pub mod picture;
pub mod routes;
mod sensors;
pub mod show;
pub mod typed;
mod unmap;
pub mod update;
pub mod watered;

use dialog::{Answer, Dialog, Form, Looked, Opened, Opening};
use past::{Past, Span};
use update::PlantForm;
use watered::Told;

/// The commands of this room; their descriptions are the menu's.
#[derive(Debug, Clone, PartialEq, Eq, BotCommands)]
#[command(rename_rule = "snake_case")]
pub enum Command {
    #[command(description = "all plants, or those that pass a filter such as moisture_low > 20")]
    Plants(String),
    #[command(description = "one plant, by id or name")]
    Plant(String),
    #[command(description = "a plant by days, such as cyril or cyril 30 days")]
    History(String),
    #[command(description = "a plant's quarter hours as a file for a spreadsheet")]
    Export(String),
    #[command(description = "note that a plant was watered, now or at another time")]
    Watered(String),
    #[command(description = "which sensors feed which plant, and which are silent or unknown")]
    Sensors,
    #[command(description = "add a plant or change one")]
    UpdatePlant(String),
    #[command(description = "delete a plant")]
    DeletePlant(String),
    #[command(description = "say which plant a sensor feeds")]
    UpdateMapping(String),
    #[command(description = "a sensor feeds no plant any more")]
    UnmapSensor(String),
}

/// What is asked of this room.
#[derive(Debug, Clone)]
pub enum Ask {
    /// `/plants`, with its filter as typed.
    List(String),
    /// `/plant`, with what was typed.
    Show(String),
    /// What is typed behind our name in some chat, and how many plants were given for it before.
    Inline {
        typed: String,
        given: u32,
    },
    History(Span),
    /// `/export`, with what was typed.
    Export(String),
    /// `/watered`, or its button.
    Watered(Told),
    /// `/sensors`.
    Sensors,
    /// A conversation, while there is none.
    Begin(Opening),
    /// An answer inside a conversation.
    Answer(Draft, Answer),
}

/// What the views know about it.
#[derive(Debug)]
pub enum Known {
    Nothing,
    Plants(Listed),
    Plant(Found, Option<PlantCard>),
    /// A page of plants that are called so, and whether it is the last.
    Called {
        plants: Vec<(PlantRow, PlantCard)>,
        is_last: bool,
    },
    /// A plant by its name, and words behind it that mean nothing.
    Unclear {
        plant: String,
        rest: String,
    },
    /// Which plant was meant, and its past if it is one.
    Past(Found, Option<Past>),
    /// Which plant was meant, and when somebody said before that it was watered, newest first.
    Waterings(Found, Vec<i64>),
    Sensors(Overview),
    Opened(Opened),
    Looked(Looked),
}

/// What a plant's card shows beside its row.
#[derive(Debug)]
pub struct PlantCard {
    /// The week up to the newest reading, by quarter hours.
    pub week: Vec<Quarter>,
    /// Waterings of that week, oldest first.
    pub waterings: Vec<Watered>,
    /// When it will be dry, as its newest reading has it.
    pub forecast: Option<Forecast>,
    /// The sensors that feed it.
    pub sensors: Vec<Mapped>,
}

impl PlantCard {
    /// The forecast, unless its time has come without new readings.
    pub fn outlook(&self, now_ms: i64) -> Option<Forecast> {
        self.forecast.filter(|forecast| forecast.likely_ms > now_ms)
    }
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
            (Ask::List(typed), Known::Plants(listed)) => {
                let filter = filter_of(typed, snapshot.settings.unit);
                let filter = filter.as_ref().and_then(|filter| filter.as_ref().ok());
                vec![Effect::Say(show::list(&listed, filter, snapshot))]
            }
            (Ask::List(typed), _) => vec![Effect::Say(filter_refused(typed, snapshot))],
            (Ask::Show(typed), Known::Plant(found, card)) => {
                vec![Effect::Say(shown(typed, &found, card.as_ref(), snapshot))]
            }
            (Ask::Show(_), _) => vec![Effect::Say(Say::new(Text::of(
                "Which plant? Send /plant and its id or name, such as /plant cyril.",
            )))],
            (Ask::Inline { given, .. }, Known::Called { plants, is_last }) => {
                inline::answer(*given, &plants, is_last, incoming, snapshot)
            }
            // Nothing can be said in a chat that we are not told.
            (Ask::Inline { .. }, _) => Vec::new(),
            (Ask::History(span), Known::Past(found, past)) => {
                vec![Effect::Say(past::history(span, &found, past.as_ref(), snapshot))]
            }
            (Ask::History(_), Known::Unclear { plant, rest }) => {
                vec![Effect::Say(past::unclear(&plant, &rest))]
            }
            (Ask::Export(typed), Known::Past(found, past)) => {
                vec![Effect::Say(past::export(typed, &found, past.as_ref(), snapshot))]
            }
            (Ask::Watered(told), Known::Waterings(found, said)) => {
                vec![watered::decide(told, &found, &said, snapshot)]
            }
            (Ask::Watered(_), Known::Unclear { plant, rest }) => {
                vec![watered::unclear(&plant, &rest, snapshot)]
            }
            (Ask::Sensors, Known::Sensors(overview)) => {
                vec![Effect::Say(sensors::list(&overview, snapshot))]
            }
            (Ask::Begin(opening), Known::Opened(opened)) => {
                begin(opening, opened, incoming.update_id, snapshot)
            }
            (Ask::Answer(draft, answer), Known::Looked(looked)) => {
                answered(draft, answer, looked, incoming, snapshot)
            }
            (
                Ask::History(_)
                | Ask::Export(_)
                | Ask::Watered(_)
                | Ask::Sensors
                | Ask::Begin(_)
                | Ask::Answer(..),
                _,
            ) => not_looked_up(),
        };
        if let Some((callback_id, ..)) = incoming.press() {
            let callback_id = callback_id.to_owned();
            effects.insert(0, Effect::Acknowledge { callback_id, note: None });
        }
        effects
    }

    fn question(&self, state: &Value, version: i64, settings: &Settings) -> Option<Say> {
        Some(stored(state)?.question(version, settings))
    }

    fn unfinished(&self, state: &Value) -> &'static str {
        stored(state).map_or("a conversation", |dialog| dialog.unfinished())
    }
}

impl PlantChat {
    /// The room, shared by its routes.
    pub fn shared() -> Arc<PlantChat> {
        Arc::new(PlantChat)
    }
}

/// The filter of `/plants` in a chat that reads temperatures in this unit; `None` without one.
pub fn filter_of(typed: &str, unit: Unit) -> Option<Result<Filter, Text>> {
    (!typed.is_empty()).then(|| Filter::parse(typed, unit))
}

fn filter_refused(typed: &str, snapshot: &Snapshot) -> Say {
    match filter_of(typed, snapshot.settings.unit) {
        Some(Err(reason)) => Say::new(reason),
        _ => Say::new(Text::of("The plants could not be looked up. Please try again.")),
    }
}

/// A conversation as it was stored. `None`: a version that we know nothing of stored it.
pub fn stored(state: &Value) -> Option<Dialog> {
    let dialog = serde_json::from_value(state.clone()).ok();
    // 0.1.0 knew one kind of conversation and stored its form alone.
    let form = || serde_json::from_value::<PlantForm>(state.clone()).ok();
    dialog.or_else(|| Some(Dialog::of_unknown(form()?)))
}

fn not_looked_up() -> Vec<Effect> {
    vec![Effect::Say(Say::new(Text::of("That could not be looked up. Please try again.")))]
}

fn shown(typed: &str, found: &Found, card: Option<&PlantCard>, snapshot: &Snapshot) -> Say {
    match (found.matches.as_slice(), card) {
        ([plant], Some(card)) => show::card(plant, card, snapshot),
        _ => show::not_one(typed, found, snapshot),
    }
}

fn begin(opening: &Opening, opened: Opened, version: i64, snapshot: &Snapshot) -> Vec<Effect> {
    if !snapshot.standing.may_edit() {
        let words = "Only members change plants here; an owner can make you one.";
        return vec![Effect::Say(Say::new(Text::of(words)))];
    }
    match Form::open(opening, opened) {
        Some(next) => conversation::begin(opening, next, version, snapshot),
        None => not_looked_up(),
    }
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
    match stored(&draft.state) {
        Some(dialog) => {
            let settings = &snapshot.settings;
            conversation::answered(dialog, draft, answer, looked, incoming, settings)
        }
        None => conversation::unreadable(),
    }
}
