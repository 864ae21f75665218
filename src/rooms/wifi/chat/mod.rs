//! Talking about devices and networks: commands, the routes to them, and the decisions. Pure: what
//! a decision needs is read by `answers` before it.

use std::sync::Arc;

use serde_json::Value;
use teloxide::utils::command::BotCommands;

use super::lookup::{Found, Listed, Order, Wanted};
use super::types::{MacAddr, Ssid, SsidError};
use crate::kernel::chat::{Incoming, Snapshot};
use crate::kernel::conversation::Chat;
use crate::kernel::effect::{Effect, Say};
use crate::kernel::text::Text;

pub mod picture;
pub mod routes;
pub mod show;

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
}

/// What is asked of this room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    Device(Wanted),
    Devices(Order, i64),
    Seekers(Ssid),
    Unclear(Unclear),
}

/// What was typed so that it cannot be looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unclear {
    NoDevice,
    NoSsid,
    Ssid(SsidError),
}

/// What the views know about it.
#[derive(Debug)]
pub enum Known {
    Nothing,
    Device(Found),
    Devices(Vec<Listed>, i64),
    Seekers(Vec<(MacAddr, i64, i64)>, i64),
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
        let say = match (ask, known) {
            (Ask::Device(wanted), Known::Device(found)) => show::device(wanted, &found, snapshot),
            (Ask::Devices(order, page), Known::Devices(rows, total)) => {
                show::devices(*order, *page, &rows, total, snapshot)
            }
            (Ask::Seekers(ssid), Known::Seekers(rows, total)) => {
                show::seekers(ssid, &rows, total, snapshot)
            }
            (Ask::Unclear(unclear), _) => Say::new(unclear.words()),
            _ => Say::new(Text::of("That could not be looked up. Please try again.")),
        };
        let Some((callback_id, message_id, _)) = incoming.press() else {
            return vec![Effect::Say(say)];
        };
        let callback_id = callback_id.to_owned();
        let answer = match ask {
            // A page is turned in place.
            Ask::Devices(..) => Effect::Edit { message_id, say },
            _ => Effect::Say(say),
        };
        vec![Effect::Acknowledge { callback_id, note: None }, answer]
    }

    fn question(&self, _state: &Value, _version: i64) -> Option<Say> {
        None
    }

    fn unfinished(&self, _state: &Value) -> &'static str {
        "conversation"
    }
}

impl WifiChat {
    /// The room, shared by its routes.
    pub fn shared() -> Arc<WifiChat> {
        Arc::new(WifiChat)
    }
}

impl Unclear {
    fn words(&self) -> Text {
        match self {
            Unclear::NoDevice => Text::of(
                "Which device? Send /device and its name, its MAC or a part of that, such as ",
            )
            .code("/device 40:ec:99:1f:3e:75")
            .plain("."),
            Unclear::NoSsid => Text::of(
                "Which network? Send /probes and its name; hex:436f68 stands for bytes that \
                 cannot be typed.",
            ),
            Unclear::Ssid(error) => {
                Text::of("That cannot be a network's name: ").data(error.to_string()).plain(".")
            }
        }
    }
}
