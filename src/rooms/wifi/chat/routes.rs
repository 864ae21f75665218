//! From an update to what is asked about devices: the room's table of contents.

use std::sync::Arc;

use super::buttons::{OPEN, Tap};
use super::dialog::{Answer, Opening};
use super::marks::Mark;
use super::spelling;
use super::{Ask, Command, Unclear, WifiChat};
use crate::kernel::chat::{Content, Draft, Incoming, Standing, Towards};
use crate::kernel::conversation::{Asked, Chat, CommandSpec};
use crate::kernel::text::is_visible;
use crate::rooms::command;
use crate::rooms::turn::{Route, Routes};
use crate::rooms::wifi::given::Who;
use crate::rooms::wifi::lookup::{Order, Wanted};

/// Nothing is called by a longer text.
const NAME_BYTES: usize = 512;

/// The room's part of the menu.
pub fn commands() -> Vec<CommandSpec> {
    command::menu::<Command>(least)
}

/// Whoever may look may use these; everything else changes something.
fn least(name: &str) -> Standing {
    match name {
        "devices" | "device" | "probes" | "ssids" => Standing::Viewer,
        _ => Standing::Member,
    }
}

/// Commands and buttons that stand by themselves.
pub fn routes() -> Routes {
    dptree::entry()
        .branch(dptree::filter_map(typed).endpoint(take))
        .branch(dptree::filter_map(button).endpoint(take))
}

/// Answers inside a conversation of this room.
pub fn conversation() -> Routes {
    dptree::entry().branch(dptree::filter_map(answer).endpoint(take))
}

/// What is said to us and is no command is looked up, unless a conversation is open.
pub fn free_text() -> Routes {
    dptree::entry().branch(dptree::filter_map(chatter).endpoint(take))
}

async fn take(ask: Ask) -> Route {
    Arc::new(Asked { room: WifiChat::shared(), ask })
}

fn typed(incoming: Arc<Incoming>) -> Option<Ask> {
    Some(match command::parse::<Command>(&incoming)? {
        Command::Devices => Ask::Devices(Order::Newest, 0),
        Command::Device(typed) if typed.is_empty() => Ask::Unclear(Unclear::NoDevice),
        Command::Device(typed) => Ask::Device(Wanted::of(&typed)),
        Command::Probes(typed) if typed.is_empty() => Ask::Unclear(Unclear::NoSsid),
        Command::Probes(typed) => match spelling::whole(&typed) {
            Ok(ssid) => Ask::Seekers(ssid),
            Err(error) => Ask::Unclear(Unclear::Ssid(error)),
        },
        Command::NameDevice(typed) => Ask::Begin(Opening::Name(typed)),
        Command::IgnoreDevice(typed) => mark(Mark::Ignore, typed),
        Command::UnignoreDevice(typed) => mark(Mark::Unignore, typed),
        Command::WatchDevice(typed) => mark(Mark::Watch, typed),
        Command::UnwatchDevice(typed) => mark(Mark::Unwatch, typed),
        Command::ForgetDevice(typed) => Ask::Begin(Opening::Forget(typed)),
        Command::WatchSsid(typed) => Ask::Begin(Opening::Watch(typed)),
        Command::UnwatchSsid(typed) => Ask::Begin(Opening::Unwatch(typed)),
        Command::Ssids => Ask::Watched(0),
    })
}

/// With a device it is done at once; without one it is asked which.
fn mark(mark: Mark, typed: String) -> Ask {
    if typed.is_empty() {
        return Ask::Begin(Opening::Mark(mark));
    }
    Ask::Mark { mark, who: Who::Typed(typed), on_card: false }
}

fn button(incoming: Arc<Incoming>) -> Option<Ask> {
    let (_, _, data) = incoming.press()?;
    if let Some((order, page)) = Order::of_button(data) {
        return Some(Ask::Devices(order, page));
    }
    if let Some(typed) = data.strip_prefix(OPEN) {
        return Some(Ask::Device(Wanted::of(typed)));
    }
    Some(match Tap::of(data)? {
        Tap::Name(who) => Ask::Begin(naming(who)),
        Tap::Mark { mark, who, on_card } => Ask::Mark { mark, who, on_card },
        Tap::Snooze(mac) => Ask::Snooze(mac),
        Tap::Watched(page) => Ask::Watched(page),
        Tap::Drop(ssid, page) => Ask::Drop(ssid, page),
    })
}

fn naming(who: Who) -> Opening {
    match who {
        Who::Mac(mac) => Opening::NameOf { mac, all: false },
        Who::NameOf(mac) => Opening::NameOf { mac, all: true },
        Who::Typed(typed) => Opening::Name(typed),
    }
}

/// What an update means to the conversation that is going on. `None`: it is for somebody else.
fn answer(incoming: Arc<Incoming>, draft: Option<Draft>) -> Option<Ask> {
    let draft = draft.filter(|draft| draft.room == WifiChat.name())?;
    let asked = match incoming.press() {
        Some(_) => button(Arc::clone(&incoming)),
        None => typed(Arc::clone(&incoming)),
    };
    let answer = match (incoming.press(), asked) {
        (_, Some(Ask::Begin(opening))) => Answer::Again(opening),
        (Some((_, _, data)), _) => Answer::of_press(data, draft.version)?,
        (None, _) => Answer::of_text(&incoming)?,
    };
    Some(Ask::Answer(draft, answer))
}

/// Something to look up: said to us, in a few words, and not in a conversation.
fn chatter(incoming: Arc<Incoming>, draft: Option<Draft>) -> Option<Ask> {
    let is_for_us = incoming.towards == Towards::Us && draft.is_none();
    let Content::Text(_) = incoming.content else { return None };
    if !is_for_us || incoming.command().is_some() {
        return None;
    }
    let is_name = |text: &&str| is_visible(text) && text.len() <= NAME_BYTES;
    Some(Ask::Chatter(Wanted::of(incoming.text().filter(is_name)?)))
}
