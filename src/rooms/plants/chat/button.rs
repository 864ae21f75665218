//! The buttons of plants that stand by themselves, and what a tap on each asks for.

use crate::kernel::chat::Button;

/// Opens a plant's card.
pub const OPEN: &str = "plant:show:";
/// Begins an edit of a plant.
pub const EDIT: &str = "plant:edit:";
/// Notes that a plant was watered now.
pub const WATERED: &str = "plant:watered:";

pub fn open(plant_id: i32) -> Button {
    Button::new("🪴 Open", format!("{OPEN}{plant_id}"))
}

pub fn edit(plant_id: i32) -> Button {
    Button::new("✏️ Edit", format!("{EDIT}{plant_id}"))
}

pub fn watered(plant_id: i32) -> Button {
    Button::new("💧 Watered", format!("{WATERED}{plant_id}"))
}
