//! `windowsill ask`: what the bot would answer its owner, read beside a running bot.

use std::io::Write;
use std::sync::Arc;

use serde_json::{Value, json};

use super::bot;
use super::house::{self, Failure};
use super::log::OpenLog;
use crate::config::Config;
use crate::demo::botapi::PAGE_USER;
use crate::demo::clock::DemoClock;
use crate::exit::Exit;
use crate::kernel::chat::{ChatKind, Content, Incoming, Me, Person, Place, Towards};
use crate::kernel::effect::{Effect, Say};
use crate::store::{StoreReader, access, state_path};
use crate::telegram::delivery;
use crate::telegram::handle::Desk;
use crate::telegram::routes;

/// Who asks where the bot has no owner yet.
const NOBODY: i64 = 1;

pub(super) async fn ask(config: &Config, text: &str, as_json: bool) -> Result<Exit, Failure> {
    if !state_path(&config.data_dir).is_file() {
        let reason = format!(
            "there is nothing in {} yet; `windowsill run`, `demo` or `fold` fills it",
            config.data_dir.display()
        );
        return Err(Failure::new(Exit::Errors, reason));
    }
    let reader = StoreReader::open(&config.data_dir).await?;
    let topics = house::topics(config)?;
    let log = OpenLog::open(config, &topics).await?;
    let demo = match log.embedded() {
        Some(file) => DemoClock::load(file).await?,
        None => None,
    };
    let owner = match demo {
        Some(_) => PAGE_USER,
        None => owner(&reader, config).await?,
    };
    let mut fixed = bot::fixed_access(config);
    fixed.owners.push(owner);
    let desk = Desk {
        routes: routes::schema(),
        access: fixed,
        time_zone: config.time_zone.get(),
        clock: house::clock_of(&log, config).await?,
        me: Me::default(),
        topics,
        log: log.events(),
        // What is asked here is no answer to a question that stands open in the chat.
        follows_conversations: false,
    };
    let incoming = Arc::new(Incoming {
        update_id: 0,
        place: Place::private(owner),
        chat_kind: ChatKind::Private,
        chat_title: String::new(),
        message_id: None,
        towards: Towards::Us,
        person: Some(Person { user_id: owner, name: String::new() }),
        content: Content::Text(text.to_owned()),
    });
    let Some(decided) = desk.decide(&reader, &incoming).await? else { return Ok(Exit::Done) };
    if decided.effects.iter().any(changes_something) {
        let reason = "that begins a conversation or changes something; say it to the bot itself";
        return Err(Failure::new(Exit::Usage, reason));
    }
    let mut out = std::io::stdout().lock();
    for say in decided.effects.iter().filter_map(said) {
        let line = if as_json { shown_json(owner, say).to_string() } else { shown(say) };
        // A closed pipe is the reader's choice.
        let _ = writeln!(out, "{line}");
    }
    Ok(Exit::Done)
}

async fn owner(reader: &StoreReader, config: &Config) -> Result<i64, Failure> {
    if let Some(owner) = config.telegram.owners.first() {
        return Ok(*owner);
    }
    let members = reader.read(|db| Box::pin(async move { access::members(db).await })).await?;
    let owner = members.iter().find(|member| member.standing == "owner");
    Ok(owner.map_or(NOBODY, |member| member.user_id))
}

fn said(effect: &Effect) -> Option<&Say> {
    match effect {
        Effect::Say(say) => Some(say),
        _ => None,
    }
}

fn changes_something(effect: &Effect) -> bool {
    !matches!(effect, Effect::Say(_))
}

/// A message in a terminal: its text, and its buttons in brackets.
fn shown(say: &Say) -> String {
    let mut lines = say.text.to_plain();
    for row in &say.keyboard {
        let labels: Vec<String> = row.iter().map(|button| format!("[{}]", button.label)).collect();
        lines.push('\n');
        lines.push_str(&labels.join(" "));
    }
    lines
}

fn shown_json(owner: i64, say: &Say) -> Value {
    let mut message = json!({
        "method": "sendMessage",
        "chat_id": owner,
        "text": say.text.html(),
        "parse_mode": "HTML",
    });
    if !say.keyboard.is_empty() {
        message["reply_markup"] = json!({ "inline_keyboard": delivery::keyboard(&say.keyboard) });
    }
    message
}
