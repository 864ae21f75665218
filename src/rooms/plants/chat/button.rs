//! The buttons of plants that stand by themselves, and what a tap on each asks for.

use super::fields::Field;
use crate::kernel::chat::Button;

/// What a button's data may take (Bot API, `callback_data`).
const DATA_BYTES: usize = 64;

/// Opens a plant's card.
pub const OPEN: &str = "plant:show:";
/// Begins an edit of a plant; with a colon and a field's name behind the id, of that field alone.
pub const EDIT: &str = "plant:edit:";
/// Begins the mapping of a sensor.
pub const MAP: &str = "plant:map:";
/// Notes that a plant was watered now.
pub const WATERED: &str = "plant:watered:";

pub fn open(plant_id: i32) -> Button {
    Button::new("🪴 Open", format!("{OPEN}{plant_id}"))
}

pub fn edit(plant_id: i32) -> Button {
    Button::new("✏️ Edit", format!("{EDIT}{plant_id}"))
}

/// Edits one field.
pub fn edit_field(plant_id: i32, field: Field, label: &str) -> Button {
    Button::new(label, format!("{EDIT}{plant_id}:{}", field.name()))
}

/// Adds a plant that nobody has described.
pub fn add(plant_id: i32) -> Button {
    Button::new(format!("➕ add plant {plant_id}"), format!("{EDIT}{plant_id}"))
}

/// Maps a sensor. `None`: its id is too long for a button.
pub fn map(sensor_id: &str) -> Option<Button> {
    let data = format!("{MAP}{sensor_id}");
    (data.len() <= DATA_BYTES).then(|| Button::new(format!("🔌 map {sensor_id}"), data))
}

pub fn watered(plant_id: i32) -> Button {
    Button::new("💧 Watered", format!("{WATERED}{plant_id}"))
}
