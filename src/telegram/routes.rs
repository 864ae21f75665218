//! Where an update goes: the bot's table of contents.

use std::sync::Arc;

use dptree::prelude::DependencyMap;

use super::household::{self, Ask};
use crate::kernel::chat::{Content, Draft, Incoming, Standing, draft_button};
use crate::rooms::turn::{Route, Routes};

/// The tree. The first branch that takes an update decides.
pub fn schema() -> Routes {
    let mut conversations = dptree::entry();
    let mut rooms = dptree::entry();
    for room in crate::rooms::all() {
        conversations = conversations.branch((room.conversation)());
        rooms = rooms.branch((room.routes)());
    }
    dptree::entry()
        .branch(dptree::filter(is_nameless).chain(household::always(Ask::Nameless)))
        .branch(dptree::filter_map(start).endpoint(household::take))
        .branch(dptree::filter(is_stranger).chain(household::always(Ask::Stranger)))
        .branch(dptree::filter(is_edited).chain(household::always(Ask::Edited)))
        .branch(conversations)
        .branch(dptree::filter(is_stale_press).chain(household::always(Ask::StalePress)))
        .branch(rooms)
        .branch(household::routes())
        .branch(dptree::filter_map(anything_else).endpoint(household::take))
}

/// Sends an update through the tree.
pub async fn route(
    schema: &Routes,
    incoming: &Arc<Incoming>,
    standing: Standing,
    draft: Option<Draft>,
) -> Option<Route> {
    let mut deps = DependencyMap::new();
    deps.insert(Arc::clone(incoming));
    deps.insert(standing);
    deps.insert(draft);
    match schema.dispatch(deps).await {
        std::ops::ControlFlow::Break(route) => Some(route),
        std::ops::ControlFlow::Continue(_) => None,
    }
}

fn is_nameless(incoming: Arc<Incoming>) -> bool {
    // Ordinary chatter of a channel is none of our business; a command deserves an answer.
    incoming.person.is_none() && incoming.command().is_some()
}

fn is_stranger(standing: Standing) -> bool {
    !standing.may_look()
}

fn is_edited(incoming: Arc<Incoming>) -> bool {
    incoming.content == Content::Edited
}

/// `/start` comes before the refusal of strangers: it is how they stop being one.
fn start(incoming: Arc<Incoming>) -> Option<Ask> {
    match incoming.command()? {
        ("start", code) => Some(Ask::Start(code.to_owned())),
        _ => None,
    }
}

/// A button of a draft that no conversation took: it is from an earlier step.
fn is_stale_press(incoming: Arc<Incoming>) -> bool {
    incoming.press().is_some_and(|(_, _, data)| draft_button(data).is_some())
}

fn anything_else(incoming: Arc<Incoming>) -> Option<Ask> {
    Some(match &incoming.content {
        Content::Text(_) => match incoming.command() {
            Some((name, _)) => Ask::UnknownCommand(name.to_owned()),
            None => Ask::Chatter,
        },
        Content::Press { .. } => Ask::StalePress,
        Content::Unreadable(what) => Ask::Unreadable(what),
        Content::Edited => Ask::Nothing,
    })
}
