//! Measures over time: a line within its band, gaps where nothing was measured, drops where
//! something was watered.

use super::Area;
use super::canvas::{Align, Canvas, Ink, Type};
use crate::kernel::picture::{Measure, Series, Tick};

/// Left of the plots: the edges of the bands. Below them: the days.
const GUTTER_PX: f32 = 92.0;
const AXIS_HEIGHT_PX: f32 = 52.0;
/// Above each plot: what it shows.
const LABEL_HEIGHT_PX: f32 = 46.0;
const LINE_PX: f32 = 5.0;
const RULE_PX: f32 = 2.0;
const DROP_PX: f32 = 44.0;
/// The first plot is the one that people look for: it is so much taller than the others.
const FIRST_SHARES: f32 = 2.4;
/// Above and below what a plot shows, as a share of it.
const HEADROOM: f32 = 0.08;

/// Draws a series into an area.
pub(super) fn draw(canvas: &mut Canvas<'_>, series: &Series, area: Area) {
    let cells = series.measures.iter().map(|measure| measure.values.len()).max().unwrap_or(0);
    let time = Area { left: area.left + GUTTER_PX, bottom: area.bottom - AXIS_HEIGHT_PX, ..area };
    let others = series.measures.len().saturating_sub(1) as f32;
    let share_px = (time.bottom - time.top) / (FIRST_SHARES + others);
    let mut top = time.top;
    for (index, measure) in series.measures.iter().enumerate() {
        let height_px = if index == 0 { share_px * FIRST_SHARES } else { share_px };
        let plot = Area { top: top + LABEL_HEIGHT_PX, bottom: top + height_px, ..time };
        let at = (time.left, top + LABEL_HEIGHT_PX - 12.0);
        let room_px = time.right - time.left;
        canvas.text(&measure.label, at, room_px, Align::Left, Type::SMALL_BOLD, Ink::Soft);
        let marks: &[usize] = if index == 0 { &series.marks } else { &[] };
        draw_measure(canvas, measure, Grid { plot, cells }, &series.ticks, marks);
        top += height_px;
    }
    axis(canvas, &series.ticks, Grid { plot: time, cells });
}

/// Where cells lie.
#[derive(Clone, Copy)]
struct Grid {
    plot: Area,
    cells: usize,
}

impl Grid {
    /// The left edge of a cell.
    fn x(self, cell: usize) -> f32 {
        let width_px = self.plot.right - self.plot.left;
        self.plot.left + width_px * cell as f32 / self.cells.max(1) as f32
    }

    fn middle(self, cell: usize) -> f32 {
        (self.x(cell) + self.x(cell + 1)) / 2.0
    }
}

/// What a plot's height shows, in thousandths.
#[derive(Clone, Copy)]
struct Scale {
    plot: Area,
    from: f32,
    to: f32,
}

impl Scale {
    /// The band and every value are to be seen.
    fn of(measure: &Measure, plot: Area) -> Scale {
        let values = measure.values.iter().flatten().copied();
        let all = || values.clone().chain([measure.low, measure.high]);
        let (least, most) = (all().min().unwrap_or(0), all().max().unwrap_or(0));
        let headroom = ((most - least) as f32 * HEADROOM).max(1.0);
        Scale { plot, from: least as f32 - headroom, to: most as f32 + headroom }
    }

    fn y(self, value: i64) -> f32 {
        let share = (value as f32 - self.from) / (self.to - self.from);
        self.plot.bottom - share * (self.plot.bottom - self.plot.top)
    }
}

fn draw_measure(
    canvas: &mut Canvas<'_>,
    measure: &Measure,
    grid: Grid,
    ticks: &[Tick],
    marks: &[usize],
) {
    let plot = grid.plot;
    let scale = Scale::of(measure, plot);
    let (high_y, low_y) = (scale.y(measure.high), scale.y(measure.low));
    canvas.block(plot.left, high_y, plot.right - plot.left, (low_y - high_y).max(1.0), Ink::Band);
    for tick in ticks {
        let x = grid.x(tick.cell);
        canvas.line(&[(x, plot.top), (x, plot.bottom)], RULE_PX, Ink::Empty);
    }
    for mark in marks {
        let x = grid.middle(*mark);
        canvas.line(&[(x, plot.top + DROP_PX), (x, plot.bottom)], RULE_PX, Ink::Water);
        canvas.drop((x, plot.top - DROP_PX / 4.0), DROP_PX, Ink::Water);
    }
    for (points, ink) in runs(measure, grid, scale) {
        match points.as_slice() {
            [alone] => canvas.dot(*alone, LINE_PX / 2.0, ink),
            points => canvas.line(points, LINE_PX, ink),
        }
    }
    edges(canvas, measure, plot, (high_y, low_y));
}

/// The edges of the band as numbers; one of them where both would overlap.
fn edges(canvas: &mut Canvas<'_>, measure: &Measure, plot: Area, (high_y, low_y): (f32, f32)) {
    let half_px = Type::AXIS.size_px * 0.36;
    let mut label = |value: i64, y: f32| {
        let at = (plot.left - 14.0, y + half_px);
        let room_px = GUTTER_PX - 14.0;
        canvas.text(&whole(value), at, room_px, Align::Right, Type::AXIS, Ink::Soft);
    };
    label(measure.low, low_y);
    if low_y - high_y >= Type::AXIS.size_px {
        label(measure.high, high_y);
    }
}

/// Thousandths in as few digits as they need.
fn whole(thousandths: i64) -> String {
    match thousandths % 1_000 {
        0 => (thousandths / 1_000).to_string(),
        _ => format!("{:.1}", thousandths as f32 / 1_000.0),
    }
}

/// Stretches without a gap, of one ink each: how the value stands against its band. Where the ink
/// changes, both stretches have the point.
fn runs(measure: &Measure, grid: Grid, scale: Scale) -> Vec<(Vec<(f32, f32)>, Ink)> {
    let mut runs: Vec<(Vec<(f32, f32)>, Ink)> = Vec::new();
    let mut before: Option<((f32, f32), Ink)> = None;
    for (cell, value) in measure.values.iter().enumerate() {
        let Some(value) = value else {
            before = None;
            continue;
        };
        let ink = standing(*value, measure.low, measure.high);
        let point = (grid.middle(cell), scale.y(*value));
        match before {
            Some((_, known)) if known == ink => {}
            Some((last, _)) => runs.push((vec![last], ink)),
            None => runs.push((Vec::new(), ink)),
        }
        if let Some((points, _)) = runs.last_mut() {
            points.push(point);
        }
        before = Some((point, ink));
    }
    runs
}

/// How a value against a band is drawn.
pub(super) fn standing(value: i64, low: i64, high: i64) -> Ink {
    if value < low {
        Ink::Low
    } else if value > high {
        Ink::High
    } else {
        Ink::Fine
    }
}

/// The days below the plots, each behind the line where it begins; one without room has no name.
fn axis(canvas: &mut Canvas<'_>, ticks: &[Tick], grid: Grid) {
    let baseline = grid.plot.bottom + Type::SMALL.size_px + 8.0;
    let ends = ticks.iter().skip(1).map(|tick| grid.x(tick.cell)).chain([grid.plot.right]);
    for (tick, end) in ticks.iter().zip(ends) {
        let x = grid.x(tick.cell);
        if canvas.measure_px(&tick.label, Type::SMALL) <= end - x {
            let at = (x, baseline);
            canvas.text(&tick.label, at, end - x, Align::Left, Type::SMALL, Ink::Soft);
        }
    }
}
