//! Commands as an enum of `BotCommands` describes them: found in an update, listed for the menu.

use teloxide::utils::command::BotCommands;

use crate::kernel::chat::{Incoming, Standing};
use crate::kernel::conversation::{CommandSpec, Site};

/// The command that an update gives, whatever its case. An argument to a command that takes none
/// is passed over.
pub fn parse<C: BotCommands>(incoming: &Incoming) -> Option<C> {
    let (name, argument) = incoming.command()?;
    let name = name.to_lowercase();
    let with_argument = C::parse(format!("/{name} {argument}").trim_end(), "");
    with_argument.or_else(|_| C::parse(&format!("/{name}"), "")).ok()
}

/// The enum's commands in the order of the menu; `least` says by name who may use each.
pub fn menu<C: BotCommands>(least: fn(&str) -> Standing) -> Vec<CommandSpec> {
    let spec = |command: teloxide::types::BotCommand| {
        let name = command.command.trim_start_matches('/').to_owned();
        let (least, site) = (least(&name), Site::Anywhere);
        CommandSpec { name, description: command.description, least, site }
    };
    C::bot_commands().into_iter().map(spec).collect()
}
