//! Pictures: a small description becomes a PNG.
//!
//! Invariant: pure. The same description gives the same bytes, and whatever a name holds, no letter
//! is drawn that the font does not have.

use crate::kernel::picture::{Drawing, Picture};

mod calendar;
mod canvas;
mod lettering;
mod overview;
mod series;

use canvas::{Align, Canvas, Ink, Type};
use lettering::Lettering;

/// Pixels of a picture; a phone shows it at about a third of that.
pub const WIDTH_PX: u32 = 1280;
pub const HEIGHT_PX: u32 = 800;

/// What a picture is sent as.
pub const MIME: &str = "image/png";

/// Between the border and anything drawn.
const MARGIN_PX: f32 = 48.0;
const TITLE_BASELINE_PX: f32 = 94.0;
const FACT_LINE_PX: f32 = 53.0;
/// Sentences that fit between the title and the drawing.
const FACTS_MAX: usize = 2;

/// Why a picture could not be drawn.
#[derive(Debug, thiserror::Error)]
pub enum DrawError {
    /// The font that is built in is damaged.
    #[error("the font cannot be read")]
    Font(#[from] ttf_parser::FaceParsingError),
    /// There is no room for the pixels.
    #[error("there is no memory for {WIDTH_PX}×{HEIGHT_PX} pixels")]
    NoRoom,
    #[error("the picture cannot be written as PNG")]
    Encoding(#[from] png::EncodingError),
}

/// An area of a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Area {
    left: f32,
    top: f32,
    right: f32,
    bottom: f32,
}

/// Draws a picture and gives it as PNG.
pub fn draw(picture: &Picture) -> Result<Vec<u8>, DrawError> {
    let lettering = Lettering::new()?;
    let mut canvas = Canvas::new(WIDTH_PX, HEIGHT_PX, &lettering).ok_or(DrawError::NoRoom)?;
    let (width_px, height_px) = (canvas.width_px(), canvas.height_px());
    let room_px = width_px - 2.0 * MARGIN_PX;
    let title = canvas.name(&picture.title);
    let at = (MARGIN_PX, TITLE_BASELINE_PX);
    let is_long = canvas.measure_px(&title, Type::TITLE) > room_px;
    let set = if is_long { Type::LONG_TITLE } else { Type::TITLE };
    canvas.text(&title, at, room_px, Align::Left, set, Ink::Strong);
    let mut baseline_px = TITLE_BASELINE_PX + 6.0;
    for fact in picture.facts.iter().take(FACTS_MAX) {
        baseline_px += FACT_LINE_PX;
        let at = (MARGIN_PX, baseline_px);
        canvas.text(fact, at, room_px, Align::Left, Type::FACT, Ink::Soft);
    }
    let area = Area {
        left: MARGIN_PX,
        top: baseline_px + 34.0,
        right: width_px - MARGIN_PX,
        bottom: height_px - 34.0,
    };
    match &picture.drawing {
        Drawing::Calendar(calendar) => calendar::draw(&mut canvas, calendar, area),
        Drawing::Series(series) => series::draw(&mut canvas, series, area),
        Drawing::Overview(overview) => overview::draw(&mut canvas, overview, area),
    }
    Ok(canvas.png()?)
}

#[cfg(test)]
mod tests;
