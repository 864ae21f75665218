//! From an update to what is asked about devices: the room's table of contents.

use std::sync::Arc;

use super::show::OPEN;
use super::{Ask, Command, Unclear, WifiChat};
use crate::kernel::chat::{Incoming, Standing};
use crate::kernel::conversation::{Asked, CommandSpec};
use crate::rooms::command;
use crate::rooms::turn::{Route, Routes};
use crate::rooms::wifi::lookup::{Order, Wanted};
use crate::rooms::wifi::types::{Ssid, SsidError};

/// Before the hexadecimal digits of an SSID that cannot be typed.
const HEX: &str = "hex:";

/// The room's part of the menu.
pub fn commands() -> Vec<CommandSpec> {
    command::menu::<Command>(|_| Standing::Viewer)
}

/// Commands and buttons that stand by themselves.
pub fn routes() -> Routes {
    dptree::entry()
        .branch(dptree::filter_map(typed).endpoint(take))
        .branch(dptree::filter_map(button).endpoint(take))
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
        Command::Probes(typed) => match ssid(&typed) {
            Ok(ssid) => Ask::Seekers(ssid),
            Err(error) => Ask::Unclear(Unclear::Ssid(error)),
        },
    })
}

fn ssid(typed: &str) -> Result<Ssid, SsidError> {
    match typed.strip_prefix(HEX) {
        Some(digits) => Ssid::of_hex(digits.trim()),
        None => Ssid::of_bytes(typed.as_bytes()),
    }
}

fn button(incoming: Arc<Incoming>) -> Option<Ask> {
    let (_, _, data) = incoming.press()?;
    if let Some((order, page)) = Order::of_button(data) {
        return Some(Ask::Devices(order, page));
    }
    Some(Ask::Device(Wanted::of(data.strip_prefix(OPEN)?)))
}
