//! What somebody meant who was asked for a plant: one of ours, a new number, or nothing yet.

use crate::kernel::dialog::quoted;
use crate::kernel::text::Text;
use crate::rooms::plants::lookup::{Found, PlantRow};
use crate::rooms::plants::types::PlantId;

/// What a typed plant came to.
pub(super) enum Choice<'a> {
    One(&'a PlantRow),
    /// A number that no plant has.
    New(PlantId),
    /// A name that several have: their ids and names.
    Several(Vec<(i32, String)>),
    /// Neither; the text says what was expected.
    Unclear(Text),
}

impl Choice<'_> {
    pub(super) fn of<'a>(typed: &str, found: &'a Found) -> Choice<'a> {
        match found.matches.as_slice() {
            [plant] => return Choice::One(plant),
            [] => {}
            several => {
                let named = |row: &PlantRow| (row.plant_id, row.given_name.clone());
                return Choice::Several(several.iter().map(named).collect());
            }
        }
        if let Ok(plant_id) = typed.parse() {
            return Choice::New(plant_id);
        }
        let text = Text::new().data(quoted(typed)).plain(
            " is neither a plant's id (a whole number from 0 to 2147483647) nor the name of one \
             of yours.",
        );
        if found.nearest.is_empty() {
            return Choice::Unclear(text);
        }
        let nearest: Vec<String> =
            found.nearest.iter().map(|(id, name)| format!("{name} ({id})")).collect();
        Choice::Unclear(text.plain(" Did you mean ").data(nearest.join(", ")).plain("?"))
    }
}
