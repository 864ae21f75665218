//! The contract between a room's conversations and the shell that routes updates to them.
//!
//! An update is routed (dptree) to a [`Turn`]: something to read, then something to decide. The
//! decision is pure; the shell reads before it and writes after it.

use std::sync::Arc;

use serde_json::Value;

use super::chat::{Incoming, Snapshot, Standing};
use super::effect::{Effect, Say};
use super::settings::Settings;

/// A room's half of a turn: what was asked, and the pure answer to it.
///
/// `Ask` is what the update asks for, `Known` what the views know about it.
pub trait Chat: Send + Sync + 'static {
    type Ask: Clone + Send + Sync + 'static;
    type Known: Send + 'static;

    /// The room's name; conversations are stored under it.
    fn name(&self) -> &'static str;

    fn decide(
        &self,
        ask: &Self::Ask,
        known: Self::Known,
        incoming: &Incoming,
        snapshot: &Snapshot,
    ) -> Vec<Effect>;

    /// The question that an unfinished conversation is at, to be asked again in a chat with these
    /// settings.
    fn question(&self, state: &Value, version: i64, settings: &Settings) -> Option<Say>;

    /// What an unfinished conversation is called when it has run out of time.
    fn unfinished(&self, state: &Value) -> &'static str;
}

/// A command as the menu shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandSpec {
    /// Without the slash.
    pub name: String,
    pub description: String,
    /// The least that somebody must be to use it.
    pub least: Standing,
    pub site: Site,
}

/// Where a command makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Site {
    Anywhere,
    Private,
    Group,
}

/// Something asked of a room, on its way through the routes.
pub struct Asked<C: Chat> {
    pub room: Arc<C>,
    pub ask: C::Ask,
}
