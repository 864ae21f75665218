//! What the bot answers by itself: start, help, status, alerts, and whatever nobody else takes.

use std::sync::Arc;

use serde_json::Value;
use teloxide::utils::command::BotCommands;

use crate::kernel::chat::{ChatKind, Incoming, Snapshot, Standing};
use crate::kernel::conversation::{Asked, Chat, CommandSpec};
use crate::kernel::effect::{AccessChange, Effect, Say};
use crate::kernel::text::Text;
use crate::rooms::command;
use crate::rooms::turn::{Route, Routes};
use crate::store::access::Claim;
use crate::store::alerts::Recorded;

mod claim;
mod letters;
mod read;
mod status;

pub use letters::LettersPage;
pub use status::StatusFacts;

/// The household's commands; their descriptions are the menu's.
#[derive(Debug, Clone, PartialEq, Eq, BotCommands)]
#[command(rename_rule = "snake_case")]
pub enum Command {
    #[command(description = "the newest alerts")]
    Alerts,
    #[command(description = "how the pipelines and the outbox are doing")]
    Status,
    #[command(description = "records that could not be used")]
    DeadLetters,
    #[command(description = "what I can do")]
    Help,
    #[command(description = "stop the present conversation")]
    Cancel,
    #[command(description = "begin, or claim the bot with its code")]
    Start(String),
}

/// What is asked of the household.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    Alerts,
    Status,
    /// A page of the dead letters; the first is 0.
    DeadLetters(i64),
    Help,
    /// `/cancel` outside a conversation.
    Cancel,
    /// `/start`, with what follows it.
    Start(String),
    /// A command that nobody has.
    UnknownCommand(String),
    /// A text that is no command, outside a conversation.
    Chatter,
    /// A button whose time is over.
    StalePress,
    /// A picture, a sticker, an edited message.
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
    Alerts(Vec<Recorded>, bool),
    Status(Box<StatusFacts>),
    DeadLetters(LettersPage),
    /// The claim code, and whether this stranger has been refused before.
    Claim(Option<Claim>, bool),
    /// The stranger has been refused before.
    Refused(bool),
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
        match (ask, known) {
            (Ask::Alerts, Known::Alerts(newest, subscribed)) => {
                vec![say(alerts(&newest, subscribed, snapshot))]
            }
            (Ask::Status, Known::Status(facts)) => vec![say(facts.text(snapshot))],
            (Ask::DeadLetters(_), _) if snapshot.standing != Standing::Owner => {
                letters::acknowledged(incoming, say(Text::of("Only an owner can see these.")))
            }
            (Ask::DeadLetters(_), Known::DeadLetters(page)) => {
                letters::acknowledged(incoming, Effect::Say(page.say(snapshot)))
            }
            (Ask::Start(code), Known::Claim(claim, refused)) => {
                claim::start(code, claim, refused, incoming, snapshot)
            }
            (Ask::Stranger, Known::Refused(before)) => refuse(before, incoming),
            (ask, _) => plainly(ask, incoming, snapshot),
        }
    }

    fn question(&self, _state: &Value, _version: i64) -> Option<Say> {
        None
    }

    fn unfinished(&self, _state: &Value) -> &'static str {
        "conversation"
    }
}

/// Answers that need nothing from the store.
fn plainly(ask: &Ask, incoming: &Incoming, snapshot: &Snapshot) -> Vec<Effect> {
    let is_private = incoming.chat_kind == ChatKind::Private;
    match ask {
        Ask::Help => vec![say(help(snapshot.standing))],
        Ask::Cancel => vec![say(Text::of("There is nothing to cancel."))],
        Ask::UnknownCommand(name) => vec![say(unknown_command(name))],
        Ask::Chatter if is_private => {
            vec![say(Text::of("I did not understand that. /help lists what I can do."))]
        }
        Ask::Unreadable(what) if is_private => vec![say(Text::of(format!(
            "I cannot read {what}; please write it as text. /help lists what I can do."
        )))],
        Ask::Edited if snapshot.draft.is_some() => {
            vec![say(Text::of("I do not follow edited messages. Please send the answer again."))]
        }
        Ask::Nameless => {
            vec![say(Text::of("I only talk with people who write under their own name."))]
        }
        Ask::StalePress => match incoming.press() {
            Some((callback_id, ..)) => vec![Effect::Acknowledge {
                callback_id: callback_id.to_owned(),
                note: Some("This button has expired.".to_owned()),
            }],
            None => Vec::new(),
        },
        Ask::Alerts | Ask::Status | Ask::DeadLetters(_) | Ask::Start(_) | Ask::Stranger => {
            vec![say(Text::of("That could not be looked up. Please try again."))]
        }
        Ask::Chatter | Ask::Unreadable(_) | Ask::Edited | Ask::Nothing => Vec::new(),
    }
}

fn say(text: Text) -> Effect {
    Effect::Say(Say::new(text))
}

/// One polite sentence to somebody without access, once; a tap is answered every time.
fn refuse(refused_before: bool, incoming: &Incoming) -> Vec<Effect> {
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

fn alerts(newest: &[Recorded], subscribed: bool, snapshot: &Snapshot) -> Text {
    let mut text = if newest.is_empty() {
        Text::of("No alerts so far.")
    } else {
        Text::new().bold("The newest alerts")
    };
    for alert in newest {
        let age = crate::kernel::when::ago(alert.event_ms, snapshot.pipeline_now_ms);
        text = text.below(alert.brief().plain(format!(" · {age}")));
    }
    let here = if subscribed {
        "New alerts come to this chat."
    } else {
        "New alerts do not come to this chat."
    };
    text.line().line().italic(here)
}

fn unknown_command(name: &str) -> Text {
    let wanted = name.to_lowercase();
    let text = Text::of("I do not know the command ").code(format!("/{name}")).plain(".");
    let nearest = menu()
        .into_iter()
        .map(|command| (strsim::jaro_winkler(&wanted, &command.name), command.name))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(similarity, _)| *similarity >= 0.8);
    match nearest {
        Some((_, name)) => text.plain(format!(" Did you mean /{name}?")),
        None => text.plain(" /help lists what I can do."),
    }
}

fn help(standing: Standing) -> Text {
    let mut text = Text::new().bold("What I can do");
    for command in menu() {
        let hidden = match command.name.as_str() {
            "update_plant" => !standing.may_edit(),
            "dead_letters" => standing != Standing::Owner,
            _ => false,
        };
        if hidden {
            continue;
        }
        text =
            text.line().plain(format!("/{}", command.name)).plain(" – ").data(command.description);
    }
    text.line().line().plain("In a conversation: /back, /skip, /cancel. Alerts come by themselves.")
}

/// The menu: the rooms' commands, then the household's.
pub fn menu() -> Vec<CommandSpec> {
    let rooms = crate::rooms::all();
    rooms.iter().flat_map(|room| (room.commands)()).chain(command::menu::<Command>()).collect()
}

/// Commands and buttons that stand by themselves.
pub fn routes() -> Routes {
    dptree::entry()
        .branch(dptree::filter_map(asked).endpoint(take))
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

fn asked(incoming: Arc<Incoming>) -> Option<Ask> {
    Some(match command::parse(&incoming)? {
        Command::Alerts => Ask::Alerts,
        Command::Status => Ask::Status,
        Command::DeadLetters => Ask::DeadLetters(0),
        Command::Help => Ask::Help,
        Command::Cancel => Ask::Cancel,
        Command::Start(code) => Ask::Start(code),
    })
}
