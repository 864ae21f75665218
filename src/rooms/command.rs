//! Commands as an enum of `BotCommands` describes them: found in an update, listed for the menu.

use teloxide::utils::command::BotCommands;

use crate::kernel::chat::Incoming;
use crate::kernel::conversation::CommandSpec;

/// The command that an update gives, whatever its case. An argument to a command that takes none
/// is passed over.
pub fn parse<C: BotCommands>(incoming: &Incoming) -> Option<C> {
    let (name, argument) = incoming.command()?;
    let name = name.to_lowercase();
    let with_argument = C::parse(format!("/{name} {argument}").trim_end(), "");
    with_argument.or_else(|_| C::parse(&format!("/{name}"), "")).ok()
}

/// The enum's commands in the order of the menu.
pub fn menu<C: BotCommands>() -> Vec<CommandSpec> {
    let spec = |command: teloxide::types::BotCommand| CommandSpec {
        name: command.command.trim_start_matches('/').to_owned(),
        description: command.description,
    };
    C::bot_commands().into_iter().map(spec).collect()
}
