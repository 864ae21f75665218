//! Where an update goes: the bot's table of contents.

use std::sync::Arc;

use dptree::prelude::DependencyMap;

use super::household::{self, Ask};
use crate::kernel::chat::{Content, Draft, Incoming, Standing, Towards, draft_button};
use crate::rooms::turn::{Route, Routes};

/// Who comes, and whether anything may be seen where they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visit {
    pub standing: Standing,
    pub is_admitted: bool,
}

/// The tree. The first branch that takes an update decides.
pub fn schema() -> Routes {
    let mut conversations = dptree::entry();
    let mut rooms = dptree::entry();
    let mut free_texts = dptree::entry();
    for room in crate::rooms::all() {
        if let Some(conversation) = room.conversation {
            conversations = conversations.branch(conversation());
        }
        rooms = rooms.branch((room.routes)());
        if let Some(free_text) = room.free_text {
            free_texts = free_texts.branch(free_text());
        }
    }
    dptree::entry()
        .branch(dptree::filter_map(presence).endpoint(household::take))
        .branch(dptree::filter(is_nameless).chain(household::always(Ask::Nameless)))
        .branch(dptree::filter_map(before_admission).endpoint(household::take))
        .branch(dptree::filter_map(start).endpoint(household::take))
        .branch(dptree::filter_map(inline_of_others).endpoint(household::take))
        .branch(dptree::filter(is_stranger).chain(household::always(Ask::Stranger)))
        .branch(dptree::filter(is_said_to_another).chain(household::always(Ask::Nothing)))
        .branch(dptree::filter(is_edited).chain(household::always(Ask::Edited)))
        .branch(conversations)
        .branch(dptree::filter_map(stale_press).endpoint(household::take))
        .branch(rooms)
        .branch(household::routes())
        .branch(free_texts)
        .branch(dptree::filter_map(anything_else).endpoint(household::take))
}

/// Sends an update through the tree.
pub async fn route(
    schema: &Routes,
    incoming: &Arc<Incoming>,
    visit: Visit,
    draft: Option<Draft>,
) -> Option<Route> {
    let mut deps = DependencyMap::new();
    deps.insert(Arc::clone(incoming));
    deps.insert(visit);
    deps.insert(draft);
    match schema.dispatch(deps).await {
        std::ops::ControlFlow::Break(route) => Some(route),
        std::ops::ControlFlow::Continue(_) => None,
    }
}

fn presence(incoming: Arc<Incoming>) -> Option<Ask> {
    match incoming.content {
        Content::Presence(presence) => Some(Ask::Presence(presence)),
        _ => None,
    }
}

/// Of what a channel or an anonymous admin says, ingress lets through what deserves an answer.
fn is_nameless(incoming: Arc<Incoming>) -> bool {
    incoming.person.is_none()
}

/// In a group that no owner has admitted, nobody sees anything; those whom we know are told how
/// that changes.
fn before_admission(incoming: Arc<Incoming>, visit: Visit) -> Option<Ask> {
    if visit.is_admitted || !visit.standing.may_look() {
        return None;
    }
    if let Some(ask) = household::admission(&incoming) {
        return Some(ask);
    }
    let is_ours = incoming.command().is_some_and(|(name, _)| household::has_command(name));
    Some(if is_ours || incoming.press().is_some() { Ask::Unadmitted } else { Ask::Nothing })
}

/// What is typed behind our name by somebody who is no member: whoever only looks does so in their
/// group.
fn inline_of_others(incoming: Arc<Incoming>, visit: Visit) -> Option<Ask> {
    incoming.inline()?;
    (!visit.standing.may_edit()).then_some(Ask::InlineOfOthers)
}

fn is_stranger(visit: Visit) -> bool {
    !visit.standing.may_look()
}

/// In a group, a reply to somebody else answers them, even in the middle of a conversation with us.
fn is_said_to_another(incoming: Arc<Incoming>) -> bool {
    incoming.towards == Towards::Another && incoming.command().is_none()
}

fn is_edited(incoming: Arc<Incoming>) -> bool {
    matches!(incoming.content, Content::Edited { .. })
}

/// `/start` comes before the refusal of strangers: it is how they stop being one. Whoever is known
/// may follow a link of a room's by it.
fn start(incoming: Arc<Incoming>, visit: Visit) -> Option<Ask> {
    match incoming.command()? {
        ("start", word) if visit.standing.may_look() && !word.is_empty() => None,
        ("start", code) => Some(Ask::Start(code.to_owned())),
        _ => None,
    }
}

/// A button of a draft that no conversation took: it is from an earlier step, or somebody else's.
fn stale_press(incoming: Arc<Incoming>, draft: Option<Draft>) -> Option<Ask> {
    let (_, _, data) = incoming.press()?;
    let (version, _) = draft_button(data)?;
    let is_own = draft.is_some_and(|draft| draft.version == version);
    Some(Ask::StalePress((!is_own).then_some(version)))
}

fn anything_else(incoming: Arc<Incoming>) -> Option<Ask> {
    Some(match &incoming.content {
        Content::Text(_) => match incoming.command() {
            Some((name, _)) => Ask::UnknownCommand(name.to_owned()),
            None => Ask::Chatter,
        },
        Content::Press { .. } => Ask::StalePress(None),
        Content::Unreadable(what) => Ask::Unreadable(what),
        Content::Edited { .. } | Content::Presence(_) | Content::Inline(_) => Ask::Nothing,
    })
}
