//! What the bot answers by itself: start, help, status, alerts, access, and whatever nobody else
//! takes.

use std::sync::Arc;

use serde_json::Value;

use crate::kernel::card::Tap;
use crate::kernel::chat::{Incoming, Presence, Snapshot, Standing};
use crate::kernel::conversation::{Asked, Chat};
use crate::kernel::effect::{Effect, Say};
use crate::kernel::settings::Settings;
use crate::kernel::text::Text;
use crate::rooms::command;
use crate::rooms::turn::{Route, Routes};
use crate::store::cards::Stored;

mod alerts;
mod board;
mod cards;
mod commands;
mod daily;
mod groups;
mod invite;
mod letters;
mod people;
mod plain;
mod read;
mod settings;
mod start;
mod status;

pub use commands::{Command, has_command, menu};
pub use daily::digest;
pub use groups::admission;
pub use letters::LettersPage;
pub use people::People;
pub use status::StatusFacts;

/// What is asked of the household.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    Alerts(alerts::Wish),
    Settings(settings::Wish),
    Daily(daily::Wish),
    Board(board::Wish),
    /// A button of an alert that lasts.
    Card(Tap),
    Status,
    /// A page of the dead letters; the first is 0.
    DeadLetters(i64),
    Help,
    /// `/cancel` outside a conversation.
    Cancel,
    /// `/start`, with what follows it.
    Start(String),
    Invite,
    Members,
    /// `/revoke`, with whom it names.
    Revoke(String),
    /// A button of the list of people.
    Remove(people::Tap),
    Admit,
    /// We came into a chat, or went out of it.
    Presence(Presence),
    /// One of ours where no owner has admitted the group.
    Unadmitted,
    /// A command that nobody has.
    UnknownCommand(String),
    /// A text that is no command, outside a conversation.
    Chatter,
    /// A button whose time is over, or somebody else's: its draft's version, if it has one.
    StalePress(Option<i64>),
    /// A picture, a sticker, a forwarded message.
    Unreadable(&'static str),
    Edited,
    /// Somebody without a name of their own: a channel, an anonymous admin.
    Nameless,
    /// Somebody without access.
    Stranger,
    Nothing,
}

/// What the store knows about it.
#[derive(Debug)]
pub enum Known {
    Nothing,
    Alerts(alerts::Overview),
    Daily(Box<daily::State>),
    /// The chat has a board.
    Board(bool),
    Cards(Vec<Stored>),
    Status(Box<StatusFacts>),
    DeadLetters(LettersPage),
    Start(Box<start::Door>),
    /// A fresh code, if the system had random numbers for one.
    Code(Option<String>),
    People(Box<People>),
    /// Subscriptions of this chat that ended for want of it.
    Resumable(i64),
    /// Whose question the button belongs to.
    Holder(Option<String>),
    /// The stranger, or the chat of the nameless, has been told before.
    Told(bool),
}

/// The household's half of a chat.
#[derive(Debug, Clone, Copy, Default)]
pub struct Household;

impl Chat for Household {
    type Ask = Ask;
    type Known = Known;

    fn name(&self) -> &'static str {
        "household"
    }

    fn decide(
        &self,
        ask: &Ask,
        known: Known,
        incoming: &Incoming,
        snapshot: &Snapshot,
    ) -> Vec<Effect> {
        let mut effects = decide(ask, known, incoming, snapshot);
        let is_acknowledged =
            effects.iter().any(|effect| matches!(effect, Effect::Acknowledge { .. }));
        if let (Some((callback_id, ..)), false) = (incoming.press(), is_acknowledged) {
            let callback_id = callback_id.to_owned();
            effects.insert(0, Effect::Acknowledge { callback_id, note: None });
        }
        effects
    }

    fn question(&self, _state: &Value, _version: i64, _settings: &Settings) -> Option<Say> {
        None
    }

    fn unfinished(&self, _state: &Value) -> &'static str {
        "conversation"
    }
}

fn decide(ask: &Ask, known: Known, incoming: &Incoming, snapshot: &Snapshot) -> Vec<Effect> {
    match (ask, known) {
        (Ask::Alerts(wish), Known::Alerts(overview)) => {
            alerts::decide(*wish, &overview, incoming, snapshot)
        }
        (Ask::Settings(wish), _) => settings::decide(wish, incoming, snapshot),
        (Ask::Daily(wish), Known::Daily(state)) => daily::decide(wish, *state, incoming, snapshot),
        (Ask::Board(wish), Known::Board(is_there)) => board::decide(*wish, is_there, snapshot),
        (Ask::Card(tap), Known::Cards(found)) => cards::decide(tap, &found, incoming, snapshot),
        (Ask::Status, Known::Status(facts)) => vec![say(facts.text(snapshot))],
        (Ask::DeadLetters(_), _) if snapshot.standing != Standing::Owner => {
            vec![say(Text::of("Only an owner can see these."))]
        }
        (Ask::DeadLetters(_), Known::DeadLetters(page)) => vec![Effect::Say(page.say(snapshot))],
        (Ask::Start(code), Known::Start(door)) => start::start(code, *door, incoming, snapshot),
        (Ask::Invite, Known::Code(code)) => invite::invite(code, incoming, snapshot),
        (Ask::Members, Known::People(people)) => people::members(&people, incoming, snapshot),
        (Ask::Revoke(typed), Known::People(people)) => {
            people::revoke(typed, &people, incoming, snapshot)
        }
        (Ask::Remove(tap), Known::People(people)) => {
            people::tapped(*tap, &people, incoming, snapshot)
        }
        (Ask::Admit, _) => groups::admit(incoming, snapshot),
        (Ask::Unadmitted, _) => groups::unadmitted(snapshot),
        (Ask::Presence(presence), Known::Resumable(ended)) => {
            groups::presence(*presence, ended, incoming, snapshot)
        }
        (Ask::StalePress(_), Known::Holder(holder)) => plain::stale_press(holder, incoming),
        (Ask::Stranger, Known::Told(before)) => plain::refuse(before, incoming),
        (Ask::Nameless, Known::Told(before)) => plain::nameless(before, incoming),
        (ask, _) => plain::decide(ask, incoming, snapshot),
    }
}

fn say(text: Text) -> Effect {
    Effect::Say(Say::new(text))
}

/// Commands and buttons that stand by themselves.
pub fn routes() -> Routes {
    dptree::entry()
        .branch(dptree::filter_map(commands::asked).endpoint(take))
        .branch(dptree::filter_map(commands::tapped).endpoint(take))
        .branch(dptree::filter_map(letters::button).endpoint(take))
}

/// Does the answer need to know where the log ends?
pub fn asks_for_status(incoming: &Incoming) -> bool {
    command::parse(incoming) == Some(Command::Status)
}

/// An endpoint for one fixed ask.
pub fn always(ask: Ask) -> Routes {
    dptree::endpoint(move || take(ask.clone()))
}

/// The endpoint of an ask that the routes found.
pub async fn take(ask: Ask) -> Route {
    Arc::new(Asked { room: Arc::new(Household), ask })
}
