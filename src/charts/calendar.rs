//! Days as rows, hours as columns: when there was much, when little, and when nothing.

use super::Area;
use super::canvas::{Align, Canvas, Ink, Type};
use crate::kernel::picture::{Calendar, Day};

/// Rows and columns that are drawn at most.
const DAYS_MAX: usize = 14;
const HOURS: usize = 24;
/// Every so many hours the axis has a number.
const TICK_HOURS: usize = 3;

const LABEL_WIDTH_PX: f32 = 160.0;
const TOTAL_WIDTH_PX: f32 = 118.0;
/// Below the rows: the hours, and the line that says what the colours mean.
const AXIS_HEIGHT_PX: f32 = 50.0;
const KEY_HEIGHT_PX: f32 = 54.0;
const GAP_PX: f32 = 4.0;
/// More could not be told apart.
const SHADES: u8 = 5;

/// Draws a calendar into an area.
pub(super) fn draw(canvas: &mut Canvas<'_>, calendar: &Calendar, area: Area) {
    let skipped = calendar.days.len().saturating_sub(DAYS_MAX);
    let days = &calendar.days[skipped..];
    let grid = Area {
        left: area.left + LABEL_WIDTH_PX,
        right: area.right - TOTAL_WIDTH_PX,
        bottom: area.bottom - AXIS_HEIGHT_PX - KEY_HEIGHT_PX,
        ..area
    };
    let most = days.iter().flat_map(|day| day.hours.iter().flatten()).copied().max().unwrap_or(0);
    let row_px = ((grid.bottom - grid.top) / days.len().max(1) as f32).floor();
    let mut top = grid.top;
    for (index, day) in days.iter().enumerate() {
        let is_last = index + 1 == days.len();
        row(canvas, day, Area { top, bottom: top + row_px, ..grid }, most, is_last);
        top += row_px;
    }
    axis(canvas, grid);
    key(canvas, calendar, area, most);
}

/// One day: its name, its hours, and how much there was in all.
fn row(canvas: &mut Canvas<'_>, day: &Day, row: Area, most: i64, is_last: bool) {
    let column_px = column_px(row);
    let height_px = row.bottom - row.top - GAP_PX;
    let baseline = row.top + height_px / 2.0 + Type::AXIS.size_px * 0.36;
    let (set, ink) = match is_last {
        true => (Type::AXIS_BOLD, Ink::Strong),
        false => (Type::AXIS, Ink::Soft),
    };
    let left = row.left - LABEL_WIDTH_PX;
    canvas.text(&day.label, (left, baseline), LABEL_WIDTH_PX, Align::Left, set, ink);
    for (hour, count) in day.hours.iter().take(HOURS).enumerate() {
        let Some(count) = count else { continue };
        let ink = if *count > 0 { shade(step(*count, most)) } else { Ink::Empty };
        let left = row.left + hour as f32 * column_px;
        canvas.block(left, row.top, column_px - GAP_PX, height_px, ink);
    }
    let total: i64 = day.hours.iter().flatten().fold(0, |sum, count| sum.saturating_add(*count));
    let right = row.right + TOTAL_WIDTH_PX;
    let room_px = TOTAL_WIDTH_PX - 12.0;
    canvas.text(&short(total), (right, baseline), room_px, Align::Right, set, ink);
}

/// The hours below the columns where they begin.
fn axis(canvas: &mut Canvas<'_>, grid: Area) {
    let baseline = grid.bottom + Type::AXIS.size_px;
    for hour in (0..HOURS).step_by(TICK_HOURS) {
        let x = grid.left + hour as f32 * column_px(grid);
        let label = format!("{hour:02}");
        canvas.text(&label, (x, baseline), f32::MAX, Align::Left, Type::AXIS, Ink::Soft);
    }
    let right = grid.right + TOTAL_WIDTH_PX;
    canvas.text("a day", (right, baseline), TOTAL_WIDTH_PX, Align::Right, Type::AXIS, Ink::Soft);
}

/// What the colours mean, and which zone the hours are of.
fn key(canvas: &mut Canvas<'_>, calendar: &Calendar, area: Area, most: i64) {
    const BLOCK_PX: f32 = 32.0;
    const SPACE_PX: f32 = 16.0;
    let (baseline, set, ink) = (area.bottom, Type::AXIS, Ink::Soft);
    let room_px = (area.right - area.left) / 2.0;
    let most_words = short(most);
    canvas.text(&most_words, (area.right, baseline), room_px, Align::Right, set, ink);
    let mut left = area.right - canvas.measure_px(&most_words, set) - SPACE_PX;
    for step in (0..=SHADES).rev() {
        left -= BLOCK_PX + GAP_PX;
        let ink = if step == 0 { Ink::Empty } else { shade(step) };
        canvas.block(left, baseline - BLOCK_PX + 2.0, BLOCK_PX, BLOCK_PX, ink);
    }
    left -= SPACE_PX;
    let words = format!("{} an hour: 0", calendar.counted);
    canvas.text(&words, (left, baseline), room_px, Align::Right, set, ink);
    left -= canvas.measure_px(&words, set).min(room_px) + 2.0 * SPACE_PX;
    let zone = calendar.zone.replace('_', " ");
    canvas.text(&zone, (area.left, baseline), left - area.left, Align::Left, set, ink);
}

fn column_px(row: Area) -> f32 {
    // Whole pixels, so that edges are sharp.
    ((row.right - row.left) / HOURS as f32).floor()
}

/// Which shade a count between one and the most has, from 1. By the root: one busy hour must not
/// make all others look like nothing.
fn step(count: i64, most: i64) -> u8 {
    let part = (count.max(1) as f32 / most.max(1) as f32).sqrt();
    ((part * f32::from(SHADES)).ceil() as u8).clamp(1, SHADES)
}

fn shade(step: u8) -> Ink {
    Ink::Share(f32::from(step - 1) / f32::from(SHADES - 1))
}

/// A count in few digits.
fn short(count: i64) -> String {
    match count {
        ..10_000 => count.to_string(),
        10_000..1_000_000 => format!("{}k", count / 1_000),
        _ => format!("{}M", count / 1_000_000),
    }
}
