//! From an update to what is asked of the plants: the room's table of contents.

use std::sync::Arc;

use super::button::{EDIT, MAP, OPEN, WATERED};
use super::past::Span;
use super::watered::Told;
use super::{Answer, Ask, Command, Opening, PlantChat};
use crate::kernel::chat::{Draft, Incoming, Standing, draft_button};
use crate::kernel::conversation::{Asked, Chat, CommandSpec};
use crate::rooms::command;
use crate::rooms::plants::rules::cards::START;
use crate::rooms::turn::{Route, Routes};

/// The room's part of the menu.
pub fn commands() -> Vec<CommandSpec> {
    command::menu::<Command>(least)
}

/// Whoever may look may use these; everything else changes something.
fn least(name: &str) -> Standing {
    match name {
        "plants" | "plant" | "history" | "export" | "sensors" => Standing::Viewer,
        _ => Standing::Member,
    }
}

/// Commands and buttons that stand by themselves.
pub fn routes() -> Routes {
    dptree::entry()
        .branch(dptree::filter_map(asked).endpoint(take))
        .branch(dptree::filter_map(card_command).endpoint(take))
        .branch(dptree::filter_map(button).endpoint(take))
        .branch(dptree::filter_map(inline).endpoint(take))
}

/// Answers inside a conversation of this room.
pub fn conversation() -> Routes {
    dptree::entry().branch(dptree::filter_map(answer).endpoint(take))
}

async fn take(ask: Ask) -> Route {
    Arc::new(Asked { room: PlantChat::shared(), ask })
}

fn asked(incoming: Arc<Incoming>) -> Option<Ask> {
    Some(match command::parse(&incoming)? {
        Command::Plants(filter) => Ask::List(filter),
        Command::Plant(typed) => Ask::Show(typed),
        Command::History(typed) => Ask::History(Span::of(&typed)),
        Command::Export(typed) => Ask::Export(typed.trim().to_owned()),
        Command::Watered(typed) => Ask::Watered(Told::of(&typed)),
        Command::Sensors => Ask::Sensors,
        Command::UpdatePlant(typed) => Ask::Begin(Opening::Plant(typed)),
        Command::DeletePlant(typed) => Ask::Begin(Opening::Delete(typed)),
        Command::UpdateMapping(typed) => Ask::Begin(Opening::Mapping(typed)),
        Command::UnmapSensor(typed) => Ask::Begin(Opening::Unmap(typed)),
    })
}

/// `/plant_3`, as the list offers it for tapping; `/start plant-3`, as a link from a group does.
fn card_command(incoming: Arc<Incoming>) -> Option<Ask> {
    let plant_id = match incoming.command()? {
        ("start", word) => word.strip_prefix(START)?,
        (name, _) => name.strip_prefix("plant_")?,
    };
    let plant_id: i32 = plant_id.parse().ok()?;
    Some(Ask::Show(plant_id.to_string()))
}

fn inline(incoming: Arc<Incoming>) -> Option<Ask> {
    let query = incoming.inline()?;
    Some(Ask::Inline { typed: query.typed.trim().to_owned(), given: query.given() })
}

fn button(incoming: Arc<Incoming>) -> Option<Ask> {
    let (_, _, data) = incoming.press()?;
    if let Some(plant_id) = data.strip_prefix(OPEN) {
        return Some(Ask::Show(plant_id.to_owned()));
    }
    if let Some(plant_id) = data.strip_prefix(WATERED) {
        return Some(Ask::Watered(Told::of(plant_id)));
    }
    opening(data).map(Ask::Begin)
}

/// The conversation that a button begins.
fn opening(data: &str) -> Option<Opening> {
    if let Some(sensor_id) = data.strip_prefix(MAP) {
        return Some(Opening::Sensor(sensor_id.to_owned()));
    }
    // A plant, and behind a colon the one field that is to change.
    let edited = data.strip_prefix(EDIT)?;
    Some(Opening::Plant(edited.replace(':', " ")))
}

/// What an update means to the conversation that is going on. `None`: it is for somebody else.
fn answer(incoming: Arc<Incoming>, draft: Option<Draft>) -> Option<Ask> {
    let draft = draft.filter(|draft| draft.room == PlantChat.name())?;
    let answer = match (incoming.press(), asked(Arc::clone(&incoming))) {
        (Some((_, _, data)), _) => pressed(data, draft.version)?,
        (None, Some(Ask::Begin(opening))) => Answer::Again(opening),
        (None, _) => Answer::of_text(&incoming)?,
    };
    Some(Ask::Answer(draft, answer))
}

fn pressed(data: &str, version: i64) -> Option<Answer> {
    if let Some(opening) = opening(data) {
        return Some(Answer::Again(opening));
    }
    match draft_button(data).filter(|(of_version, _)| *of_version == version)?.1.strip_prefix("id-")
    {
        Some(plant_id) => Some(Answer::Typed(plant_id.to_owned())),
        None => Answer::of_press(data, version),
    }
}
