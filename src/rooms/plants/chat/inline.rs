//! Plants to pick from by their names, in any chat: inline mode.
//!
//! Invariant: what is picked is a plant's card as its asker reads it, without what only a chat with
//! us can do: no buttons, and no command.

use super::PlantCard;
use super::board::stands;
use super::show::card_words;
use crate::kernel::chat::{Incoming, Snapshot, Standing};
use crate::kernel::effect::Effect;
use crate::kernel::inline::{InlinePage, InlineResult};
use crate::kernel::text::Text;
use crate::kernel::when;
use crate::rooms::plants::lookup::PlantRow;
use crate::rooms::plants::rules::state::State;

/// Plants of a page: as many as somebody scrolls through before more are asked for (Bot API: at
/// most 50).
pub const PAGE: u8 = 20;

/// The answer with these plants, after so many that were given before.
pub(super) fn answer(
    given: u32,
    plants: &[(PlantRow, PlantCard)],
    is_last: bool,
    incoming: &Incoming,
    snapshot: &Snapshot,
) -> Vec<Effect> {
    let Some(query) = incoming.inline() else { return Vec::new() };
    let elsewhere = Snapshot { standing: Standing::Viewer, ..snapshot.clone() };
    let results = plants.iter().map(|(row, card)| result(row, card, &elsewhere)).collect();
    let next = (!is_last).then_some(given.saturating_add(PAGE.into()));
    vec![Effect::Inline { query_id: query.id.clone(), page: InlinePage { results, next } }]
}

/// `🟠 Cyril the Dwarf Umbrella Tree`, and `24.5 % of 30–60, dry · 21.3 °C · 12 s ago`.
fn result(row: &PlantRow, card: &PlantCard, snapshot: &Snapshot) -> InlineResult {
    let sight = snapshot.sight();
    let mark = State::of(row, sight).mark();
    let mut words = stands(row, sight).told_in(&snapshot.settings, snapshot.time_zone);
    let now_ms = snapshot.pipeline_now_ms;
    // Of a silent plant the words say it already.
    if let Some(event_ms) = row.event_ms.filter(|event_ms| !snapshot.is_silent(*event_ms)) {
        words = words.plain(format!(" · {}", when::ago(event_ms, now_ms)));
    }
    let name = Text::of(format!("{mark} ")).data(&row.given_name);
    InlineResult {
        id: format!("plant-{}", row.plant_id),
        title: name.plain(" the ").data(&row.common_name),
        description: words,
        text: card_words(row, card, snapshot),
    }
}
