//! What is said in a chat as records of the room's tables.

use serde_json::json;

use super::spelling::shown;
use crate::kernel::dialog::queued;
use crate::kernel::effect::{EditRecord, Publish};
use crate::kernel::text::Text;
use crate::rooms::wifi::types::{MacAddr, Ssid};
use crate::rooms::wifi::wire::Given;
use crate::rooms::wifi::{NAMES, WATCHED};

/// What is said of a device. Where nothing is left to say, its row goes.
pub(super) fn of_device(mac: MacAddr, given: &Given) -> EditRecord {
    let value = json!({
        "name": given.name,
        "ignored": given.ignored,
        "watched": given.watched,
    });
    let is_said = *given != Given::default();
    EditRecord { key: mac.to_string().into_bytes(), value: is_said.then_some(value) }
}

pub(super) fn devices(records: Vec<EditRecord>, saved: Text, name: &str) -> Publish {
    Publish { topic: NAMES, records, saved, queued: queued(name) }
}

/// A network on the watch list with its reason, or off it.
pub(super) fn watch(ssid: &Ssid, reason: Option<&str>, saved: Text) -> Publish {
    let value = reason.map(|reason| json!({ "REASON": reason }));
    let records = vec![EditRecord { key: ssid.as_bytes().to_vec(), value }];
    Publish { topic: WATCHED, records, saved, queued: queued(&shown(ssid)) }
}
