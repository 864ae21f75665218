//! Talking about devices and networks: commands, the routes to them, and the decisions. Pure: what
//! a decision needs is read by `answers` before it.

use std::sync::Arc;

use serde_json::Value;
use teloxide::utils::command::BotCommands;

use super::given::{Matches, Said, Who};
use super::lookup::{Found, Listed, Order, Wanted};
use super::types::{MacAddr, Ssid};
use crate::kernel::chat::{Draft, Incoming, Snapshot};
use crate::kernel::conversation::Chat;
use crate::kernel::effect::{Effect, Say};
use crate::kernel::settings::Settings;

pub mod buttons;
mod decide;
pub mod dialog;
mod forgetting;
mod marking;
pub mod marks;
mod naming;
pub mod picture;
mod records;
pub mod routes;
pub mod show;
pub mod spelling;
mod ssids;
mod unwatching;
mod watching;
mod which;

use dialog::{Answer, Dialog, Looked, Opened, Opening};
use marks::Mark;
use show::Seeker;
use spelling::SpellingError;

/// The commands of this room; their descriptions are the menu's.
#[derive(Debug, Clone, PartialEq, Eq, BotCommands)]
#[command(rename_rule = "snake_case")]
pub enum Command {
    #[command(description = "the Wi-Fi devices heard last")]
    Devices,
    #[command(description = "one Wi-Fi device, by name, MAC or a part of it")]
    Device(String),
    #[command(description = "who looked for a Wi-Fi network")]
    Probes(String),
    #[command(description = "give a Wi-Fi device a name")]
    NameDevice(String),
    #[command(description = "no alert is about a Wi-Fi device any more")]
    IgnoreDevice(String),
    #[command(description = "alerts may be about a Wi-Fi device again")]
    UnignoreDevice(String),
    #[command(description = "tell when a Wi-Fi device has gone and when it is back")]
    WatchDevice(String),
    #[command(description = "do not tell when a Wi-Fi device comes and goes")]
    UnwatchDevice(String),
    #[command(description = "forget what was said here of a Wi-Fi device")]
    ForgetDevice(String),
    #[command(description = "tell when somebody looks for a Wi-Fi network")]
    WatchSsid(String),
    #[command(description = "do not watch a Wi-Fi network any more")]
    UnwatchSsid(String),
    #[command(description = "the watched Wi-Fi networks, and why")]
    Ssids,
}

/// What is asked of this room.
#[derive(Debug, Clone, PartialEq)]
pub enum Ask {
    Device(Wanted),
    /// A message that is no command.
    Chatter(Wanted),
    Devices(Order, i64),
    Seekers(Ssid),
    Unclear(Unclear),
    /// The watch list, at a page.
    Watched(usize),
    Mark {
        mark: Mark,
        who: Who,
        on_card: bool,
    },
    /// A network goes off the watch list, which is shown at a page.
    Drop(Ssid, usize),
    Snooze(MacAddr),
    /// A conversation, while there is none.
    Begin(Opening),
    /// An answer inside a conversation.
    Answer(Draft, Answer),
}

/// What was typed so that it cannot be looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unclear {
    NoDevice,
    NoSsid,
    Ssid(SpellingError),
}

/// What the views know about it.
#[derive(Debug)]
pub enum Known {
    Nothing,
    /// What was found, and what was said of it.
    Device(Found, Vec<Said>),
    Devices(Vec<Listed>, i64),
    Seekers(Vec<Seeker>, i64),
    Watched(Vec<(Ssid, String)>),
    /// Who was meant; and their card, if it is to be shown anew.
    Marked(Matches, Option<Found>),
    Opened(Opened),
    Looked(Looked),
}

/// The room's half of a chat.
#[derive(Debug, Clone, Copy, Default)]
pub struct WifiChat;

impl Chat for WifiChat {
    type Ask = Ask;
    type Known = Known;

    fn name(&self) -> &'static str {
        "wifi"
    }

    fn decide(
        &self,
        ask: &Ask,
        known: Known,
        incoming: &Incoming,
        snapshot: &Snapshot,
    ) -> Vec<Effect> {
        decide::decide(ask, known, incoming, snapshot)
    }

    fn question(&self, state: &Value, version: i64, settings: &Settings) -> Option<Say> {
        Some(stored(state)?.question(version, settings))
    }

    fn unfinished(&self, state: &Value) -> &'static str {
        stored(state).map_or("a conversation", |dialog| dialog.unfinished())
    }
}

impl WifiChat {
    /// The room, shared by its routes.
    pub fn shared() -> Arc<WifiChat> {
        Arc::new(WifiChat)
    }
}

/// A conversation as it was stored. `None`: a version that we know nothing of stored it.
pub fn stored(state: &Value) -> Option<Dialog> {
    serde_json::from_value(state.clone()).ok()
}
