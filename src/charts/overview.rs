//! Many plants at once: a line each, with its band and where it stands.

use super::Area;
use super::canvas::{Align, Canvas, Ink, Type};
use super::series::standing;
use crate::kernel::picture::{Gauge, Overview};

/// Lines of one column; more make two columns of smaller letters.
const ONE_COLUMN: usize = 9;
/// Between two columns.
const SPACE_PX: f32 = 36.0;
const ROW_MAX_PX: f32 = 72.0;
/// A name, and the number at the other end, as shares of a line.
const NAME_SHARE: f32 = 0.34;
const NUMBER_SHARE: f32 = 0.13;
/// What a track shows: 0 to 100 per cent.
const FULL: f32 = 100_000.0;

/// Draws an overview into an area.
pub(super) fn draw(canvas: &mut Canvas<'_>, overview: &Overview, area: Area) {
    let shown = overview.gauges.len().min(Overview::GAUGES_MAX);
    let columns = if shown > ONE_COLUMN { 2 } else { 1 };
    let rows = shown.div_ceil(columns).max(1);
    let spaces_px = SPACE_PX * (columns - 1) as f32;
    let width_px = (area.right - area.left - spaces_px) / columns as f32;
    let height_px = ((area.bottom - area.top) / rows as f32).min(ROW_MAX_PX);
    for (index, gauge) in overview.gauges.iter().take(shown).enumerate() {
        let left = area.left + (index / rows) as f32 * (width_px + SPACE_PX);
        let top = area.top + (index % rows) as f32 * height_px;
        let line = Area { left, top, right: left + width_px, bottom: top + height_px };
        let set = if columns == 1 { Type::AXIS } else { Type::SMALL };
        draw_gauge(canvas, gauge, line, set);
    }
}

/// A name, a track with the band and a dot on it, and the number or what is wrong beside it.
fn draw_gauge(canvas: &mut Canvas<'_>, gauge: &Gauge, line: Area, set: Type) {
    let width_px = line.right - line.left;
    let middle = (line.top + line.bottom) / 2.0;
    let baseline = middle + set.size_px * 0.36;
    let name = canvas.name(&gauge.title);
    let name_px = width_px * NAME_SHARE;
    let ink = if gauge.is_old { Ink::Soft } else { Ink::Strong };
    canvas.text(&name, (line.left, baseline), name_px - 14.0, Align::Left, set, ink);

    let track = Area {
        left: line.left + name_px,
        right: line.right - width_px * NUMBER_SHARE,
        top: middle - set.size_px * 0.3,
        bottom: middle + set.size_px * 0.3,
    };
    let x = |value: i64| {
        let share = (value as f32 / FULL).clamp(0.0, 1.0);
        track.left + share * (track.right - track.left)
    };
    let height_px = track.bottom - track.top;
    canvas.block(track.left, track.top, track.right - track.left, height_px, Ink::Empty);
    let (low, high) = (x(gauge.low), x(gauge.high));
    canvas.block(low, track.top, (high - low).max(1.0), height_px, Ink::Band);
    let Some(value) = gauge.value else {
        canvas.text("–", (line.right, baseline), width_px, Align::Right, set, Ink::Soft);
        return;
    };
    let ink = if gauge.is_old { Ink::Soft } else { standing(value, gauge.low, gauge.high) };
    let at = (x(value), middle);
    canvas.dot(at, set.size_px * 0.42, ink);
    if gauge.is_old {
        canvas.dot(at, set.size_px * 0.24, Ink::Empty);
    }
    let (number, ink) = match &gauge.beside {
        Some(word) => (word.clone(), Ink::Strong),
        None => (format!("{:.0}", value as f32 / 1_000.0), ink),
    };
    let room_px = width_px * NUMBER_SHARE - 8.0;
    canvas.text(&number, (line.right, baseline), room_px, Align::Right, set, ink);
}
