//! `windowsill ask`: what the bot would answer its owner, read beside a running bot.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use super::bot;
use super::house::{self, Failure};
use super::log::OpenLog;
use crate::charts;
use crate::cli::Ask;
use crate::config::Config;
use crate::demo::botapi::PAGE_USER;
use crate::demo::clock::DemoClock;
use crate::engine::{Phases, error_chain};
use crate::exit::Exit;
use crate::kernel::chat::{Button, ChatKind, Content, Incoming, Me, Person, Place, Towards};
use crate::kernel::effect::{Effect, Part, Say};
use crate::store::{StoreReader, access, state_path};
use crate::telegram::delivery;
use crate::telegram::handle::Desk;
use crate::telegram::routes;

/// Who asks where the bot has no owner yet.
const NOBODY: i64 = 1;

pub(super) async fn ask(config: &Config, options: &Ask) -> Result<Exit, Failure> {
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
        silent_after_ms: config.plants.silent_after_ms(),
        clock: house::clock_of(&log, config).await?,
        me: Me::default(),
        topics,
        phases: Phases::default(),
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
        content: Content::Text(options.text.clone()),
    });
    let Some(decided) = desk.decide(&reader, &incoming).await? else { return Ok(Exit::Done) };
    if decided.effects.iter().any(changes_something) {
        let reason = "that begins a conversation or changes something; say it to the bot itself";
        return Err(Failure::new(Exit::Usage, reason));
    }
    let mut pictures = Pictures::new(options.pictures.as_deref())?;
    let mut lines = Vec::new();
    for say in decided.effects.iter().filter_map(said) {
        let parts = say.parts(true);
        let last = parts.len() - 1;
        for (index, part) in parts.iter().enumerate() {
            let keyboard = if index == last { say.keyboard.as_slice() } else { &[] };
            let name = pictures.keep_enclosed(part)?;
            lines.push(match options.json {
                true => shown_json(owner, part, keyboard, name.as_deref()).to_string(),
                false => shown(part, keyboard, name.and_then(|name| pictures.path(&name))),
            });
        }
    }
    let mut out = std::io::stdout().lock();
    for line in lines.iter().filter(|line| !line.is_empty()) {
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

/// The pictures of an answer.
struct Pictures<'a> {
    /// Where they are kept, if they are.
    dir: Option<&'a Path>,
    named: u32,
}

impl Pictures<'_> {
    fn new(dir: Option<&Path>) -> Result<Pictures<'_>, Failure> {
        if let Some(path) = dir {
            std::fs::create_dir_all(path).map_err(|error| unkept(path, &error))?;
        }
        Ok(Pictures { dir, named: 0 })
    }

    /// Keeps what goes with a message, and gives its name.
    fn keep_enclosed(&mut self, part: &Part) -> Result<Option<String>, Failure> {
        if let Some(picture) = &part.picture {
            let png = || {
                charts::draw(picture)
                    .map_err(|error| Failure::new(Exit::Fault, error_chain(&error)))
            };
            return self.keep("picture", "png", png).map(Some);
        }
        let Some(file) = &part.file else { return Ok(None) };
        let (stem, ending) = file.name.rsplit_once('.').unwrap_or((&file.name, "csv"));
        self.keep(stem, ending, || Ok(file.csv.clone().into_bytes())).map(Some)
    }

    /// Gives the next file a name, and keeps it under that in the folder, beside whatever is there
    /// already.
    fn keep(
        &mut self,
        stem: &str,
        ending: &str,
        bytes: impl FnOnce() -> Result<Vec<u8>, Failure>,
    ) -> Result<String, Failure> {
        loop {
            self.named += 1;
            let name = format!("{stem}-{}.{ending}", self.named);
            let Some(path) = self.path(&name) else { return Ok(name) };
            let mut file = match std::fs::File::create_new(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(unkept(&path, &error)),
            };
            file.write_all(&bytes()?).map_err(|error| unkept(&path, &error))?;
            return Ok(name);
        }
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        self.dir.map(|dir| dir.join(name))
    }
}

fn unkept(path: &Path, error: &std::io::Error) -> Failure {
    let reason = format!("a picture cannot be kept in {}: {error}", path.display());
    Failure::new(Exit::Errors, reason)
}

/// A message in a terminal: where its picture or file is kept, its text, and its buttons in brackets.
fn shown(part: &Part, keyboard: &[Vec<Button>], kept: Option<PathBuf>) -> String {
    let mut lines = Vec::new();
    if let Some(path) = kept {
        let what = if part.picture.is_some() { "picture" } else { "file" };
        lines.push(format!("[{what}: {}]", path.display()));
    }
    if !part.text.is_empty() {
        lines.push(part.text.to_plain());
    }
    for row in keyboard {
        let labels: Vec<String> = row.iter().map(|button| format!("[{}]", button.label)).collect();
        lines.push(labels.join(" "));
    }
    lines.join("\n")
}

/// The same as the Bot API would carry it; `enclosed` is the name of the file that goes with it.
fn shown_json(owner: i64, part: &Part, keyboard: &[Vec<Button>], enclosed: Option<&str>) -> Value {
    let (method, field, text_field) = match (&part.picture, enclosed) {
        (Some(_), _) => ("sendPhoto", "photo", "caption"),
        (None, Some(_)) => ("sendDocument", "document", "caption"),
        (None, None) => ("sendMessage", "", "text"),
    };
    let mut message = json!({ "method": method, "chat_id": owner });
    if let Some(name) = enclosed {
        message[field] = delivery::attached(name).into();
    }
    if !part.text.is_empty() {
        message[text_field] = part.text.html().into();
        message["parse_mode"] = "HTML".into();
    }
    if !keyboard.is_empty() {
        message["reply_markup"] = json!({ "inline_keyboard": delivery::keyboard(keyboard) });
    }
    message
}
