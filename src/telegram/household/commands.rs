//! The household's commands and buttons, and the menu of all commands: who may use which, and
//! where.

use std::sync::Arc;

use teloxide::utils::command::BotCommands;

use super::{Ask, alerts, board, daily, people, settings};
use crate::kernel::card;
use crate::kernel::chat::{ChatKind, Incoming, Snapshot, Standing};
use crate::kernel::conversation::{CommandSpec, Site};
use crate::kernel::text::Text;
use crate::rooms::command;

/// The household's commands; their descriptions are the menu's.
#[derive(Debug, Clone, PartialEq, Eq, BotCommands)]
#[command(rename_rule = "snake_case")]
pub enum Command {
    #[command(description = "the newest alerts; with here or off, whether they come to this chat")]
    Alerts(String),
    #[command(description = "this chat's time zone, °C or °F, and quiet hours")]
    Settings(String),
    #[command(description = "how things are; with a time such as 8:00 every day, with off no more")]
    Digest(String),
    #[command(description = "a pinned message with all plants, kept up to date; with off no more")]
    Board(String),
    #[command(description = "how the pipelines and the outbox are doing")]
    Status,
    #[command(description = "records that could not be used")]
    DeadLetters,
    #[command(description = "what I can do")]
    Help,
    #[command(description = "stop the present conversation")]
    Cancel,
    #[command(description = "a link that lets one person in")]
    Invite,
    #[command(description = "who is let in, and where alerts go")]
    Members,
    #[command(description = "take a person or a group out again")]
    Revoke(String),
    #[command(description = "let everybody in this group look")]
    Admit,
    #[command(description = "begin, or claim the bot with its code")]
    Start(String),
}

/// The data of the button that admits a group.
pub(super) const ADMIT: &str = "house:admit";

/// Closed by default: what is not named here is for owners.
fn least(name: &str) -> Standing {
    match name {
        "start" => Standing::Stranger,
        "alerts" | "settings" | "digest" | "status" | "help" | "cancel" => Standing::Viewer,
        "board" => Standing::Member,
        _ => Standing::Owner,
    }
}

fn site(name: &str) -> Site {
    match name {
        "invite" | "members" | "revoke" => Site::Private,
        "admit" => Site::Group,
        _ => Site::Anywhere,
    }
}

/// The menu: the rooms' commands, then the household's.
pub fn menu() -> Vec<CommandSpec> {
    let own = command::menu::<Command>(least).into_iter();
    let own = own.map(|command| CommandSpec { site: site(&command.name), ..command });
    let rooms = crate::rooms::all();
    rooms.iter().flat_map(|room| (room.commands)()).chain(own).collect()
}

/// Is this the name of one of our commands? `plant_3` is one of `plant`'s.
pub fn has_command(name: &str) -> bool {
    let name = name.to_lowercase();
    let shortened = name
        .rsplit_once('_')
        .filter(|(_, id)| !id.is_empty() && id.bytes().all(|digit| digit.is_ascii_digit()));
    let stem = shortened.map_or(name.as_str(), |(stem, _)| stem);
    menu().iter().any(|command| command.name == stem)
}

pub(super) fn asked(incoming: Arc<Incoming>) -> Option<Ask> {
    Some(match command::parse(&incoming)? {
        Command::Alerts(wish) => Ask::Alerts(alerts::Wish::of(&wish)),
        Command::Settings(typed) => Ask::Settings(settings::Wish::Typed(typed)),
        Command::Digest(typed) => Ask::Daily(daily::Wish::of(&typed)),
        Command::Board(typed) => Ask::Board(board::Wish::of(&typed)),
        Command::Status => Ask::Status,
        Command::DeadLetters => Ask::DeadLetters(0),
        Command::Help => Ask::Help,
        Command::Cancel => Ask::Cancel,
        Command::Invite => Ask::Invite,
        Command::Members => Ask::Members,
        Command::Revoke(whom) => Ask::Revoke(whom),
        Command::Admit => Ask::Admit,
        Command::Start(code) => Ask::Start(code),
    })
}

pub(super) fn tapped(incoming: Arc<Incoming>) -> Option<Ask> {
    let (_, _, data) = incoming.press()?;
    match data {
        ADMIT => Some(Ask::Admit),
        alerts::HERE => Some(Ask::Alerts(alerts::Wish::Here)),
        data => card::Tap::of(data)
            .map(Ask::Card)
            .or_else(|| alerts::Wish::of_button(data).map(Ask::Alerts))
            .or_else(|| Some(Ask::Settings(settings::Wish::Tapped(settings::Tap::of(data)?))))
            .or_else(|| people::Tap::of(data).map(Ask::Remove)),
    }
}

/// What somebody may use where they are.
fn usable(incoming: &Incoming, snapshot: &Snapshot) -> Vec<CommandSpec> {
    let elsewhere = match incoming.chat_kind {
        ChatKind::Private => Site::Group,
        ChatKind::Group | ChatKind::Channel => Site::Private,
    };
    let usable =
        |command: &CommandSpec| command.site != elsewhere && command.least <= snapshot.standing;
    menu().into_iter().filter(usable).collect()
}

pub(super) fn help(incoming: &Incoming, snapshot: &Snapshot) -> Text {
    let mut text = Text::new().bold("What I can do");
    for command in usable(incoming, snapshot) {
        text =
            text.line().plain(format!("/{}", command.name)).plain(" – ").data(command.description);
    }
    let text = text.line().line();
    match snapshot.standing.may_edit() {
        true => with_inline(
            text.plain("In a conversation: /back, /skip, /cancel. Alerts come by themselves."),
            snapshot,
        ),
        false => text.plain("Whoever wants to change something asks an owner for an invitation."),
    }
}

/// With a line on what a member may do in any chat, where inline mode is on.
pub(super) fn with_inline(text: Text, snapshot: &Snapshot) -> Text {
    if !snapshot.me.answers_inline {
        return text;
    }
    let typed = format!("@{} cyril", snapshot.me.username);
    text.line().plain("In any chat ").code(typed).plain(" finds a plant and says its card there.")
}

/// A command that nobody has, or a word of a conversation where none is going on.
pub(super) fn unknown(name: &str, incoming: &Incoming, snapshot: &Snapshot) -> Text {
    let wanted = name.to_lowercase();
    match wanted.as_str() {
        "y" | "yes" | "n" | "no" => {
            return Text::of("There is nothing to confirm just now. /help lists what I can do.");
        }
        "skip" | "back" | "keep" | "default" => {
            return Text::of("There is no question open just now. /help lists what I can do.");
        }
        _ => {}
    }
    let text = Text::of("I do not know the command ").code(format!("/{name}")).plain(".");
    let nearest = usable(incoming, snapshot)
        .into_iter()
        .map(|command| (strsim::jaro_winkler(&wanted, &command.name), command.name))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(similarity, _)| *similarity >= 0.8);
    match nearest {
        Some((_, name)) => text.plain(format!(" Did you mean /{name}?")),
        None => text.plain(" /help lists what I can do."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_commands_are_known_by_name() {
        for ours in ["plants", "Plant", "plant_12", "start", "admit"] {
            assert!(has_command(ours), "{ours}");
        }
        for other in ["", "plant_", "plant_x", "roll", "_3", "y"] {
            assert!(!has_command(other), "{other}");
        }
    }
}
