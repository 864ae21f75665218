//! A sheet of pixels with the few things that pictures are made of: boxes, lines, dots, drops and
//! lines of text.

use rustc_hash::FxHashMap;
use tiny_skia::{
    Color, FillRule, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, PremultipliedColorU8,
    Rect, Stroke, Transform,
};

use super::lettering::{Lettering, Weight};
use crate::kernel::picture::Title;

/// Where a text stands relative to its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

/// How a text is set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Type {
    pub weight: Weight,
    pub size_px: f32,
}

impl Type {
    pub(super) const TITLE: Type = Type { weight: Weight::Bold, size_px: 66.0 };
    /// A title that would not fit otherwise.
    pub(super) const LONG_TITLE: Type = Type { weight: Weight::Bold, size_px: 48.0 };
    pub(super) const FACT: Type = Type { weight: Weight::Regular, size_px: 45.0 };
    pub(super) const AXIS: Type = Type { weight: Weight::Regular, size_px: 41.0 };
    pub(super) const AXIS_BOLD: Type = Type { weight: Weight::Bold, size_px: 41.0 };
    /// Where many lines stand below each other.
    pub(super) const SMALL: Type = Type { weight: Weight::Regular, size_px: 33.0 };
    pub(super) const SMALL_BOLD: Type = Type { weight: Weight::Bold, size_px: 33.0 };
}

/// What something is drawn with. The paper is light and opaque, so that a picture looks the same in
/// a light and in a dark chat.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Ink {
    /// Titles.
    Strong,
    /// Everything that explains.
    Soft,
    /// A place where nothing was.
    Empty,
    /// A value as a share of the greatest, 0 to 1: the darker the more.
    Share(f32),
    /// Where a value is fine.
    Band,
    /// A value within its band, below it, and above it.
    Fine,
    Low,
    High,
    /// Somebody watered.
    Water,
}

const PAPER: [u8; 3] = [0xf7, 0xf7, 0xf7];
const STRONG: [u8; 3] = [0x1b, 0x25, 0x2b];
const SOFT: [u8; 3] = [0x4c, 0x5a, 0x63];
const EMPTY: [u8; 3] = [0xe7, 0xe7, 0xde];
const BAND: [u8; 3] = [0xcf, 0xe8, 0xd6];
/// Told apart by lightness as well as by colour: dark, middle, and between them.
const FINE: [u8; 3] = [0x14, 0x56, 0x4a];
const LOW: [u8; 3] = [0xd2, 0x5a, 0x10];
const HIGH: [u8; 3] = [0x5a, 0x3f, 0xb0];
const WATER: [u8; 3] = [0x1f, 0x7a, 0xd1];
/// The least value, the middle and the greatest one: told apart by lightness alone, so that no eye
/// for colours is needed.
const SCALE: [[u8; 3]; 3] = [[0x9c, 0xd3, 0xd6], [0x2b, 0x8a, 0x9d], [0x0a, 0x3a, 0x55]];

impl Ink {
    fn colour(self) -> [u8; 3] {
        match self {
            Ink::Strong => STRONG,
            Ink::Soft => SOFT,
            Ink::Empty => EMPTY,
            Ink::Share(share) => on_scale(share),
            Ink::Band => BAND,
            Ink::Fine => FINE,
            Ink::Low => LOW,
            Ink::High => HIGH,
            Ink::Water => WATER,
        }
    }

    fn paint(self) -> Paint<'static> {
        let [red, green, blue] = self.colour();
        let mut paint = Paint { anti_alias: true, ..Paint::default() };
        paint.set_color_rgba8(red, green, blue, u8::MAX);
        paint
    }
}

fn on_scale(share: f32) -> [u8; 3] {
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    let (from, to, part) = match share < 0.5 {
        true => (SCALE[0], SCALE[1], share * 2.0),
        false => (SCALE[1], SCALE[2], share * 2.0 - 1.0),
    };
    let mix = |from: u8, to: u8| (f32::from(from) * (1.0 - part) + f32::from(to) * part) as u8;
    [mix(from[0], to[0]), mix(from[1], to[1]), mix(from[2], to[2])]
}

/// The sheet.
pub(super) struct Canvas<'a> {
    pixels: Pixmap,
    lettering: &'a Lettering,
}

impl<'a> Canvas<'a> {
    /// A clean sheet, if there is memory for one.
    pub(super) fn new(
        width_px: u32,
        height_px: u32,
        lettering: &'a Lettering,
    ) -> Option<Canvas<'a>> {
        let mut pixels = Pixmap::new(width_px, height_px)?;
        let [red, green, blue] = PAPER;
        pixels.fill(Color::from_rgba8(red, green, blue, u8::MAX));
        Some(Canvas { pixels, lettering })
    }

    pub(super) fn width_px(&self) -> f32 {
        self.pixels.width() as f32
    }

    pub(super) fn height_px(&self) -> f32 {
        self.pixels.height() as f32
    }

    /// How wide a text would be.
    pub(super) fn measure_px(&self, text: &str, set: Type) -> f32 {
        self.lettering.width_px(text, set.weight, set.size_px)
    }

    /// Writes one line at a point of its base line, cut where it is wider than its room.
    pub(super) fn text(
        &mut self,
        text: &str,
        (x, y): (f32, f32),
        room_px: f32,
        align: Align,
        set: Type,
        ink: Ink,
    ) {
        let fitted = self.lettering.fitted(text, set.weight, set.size_px, room_px);
        let width_px = self.measure_px(&fitted, set);
        let left = match align {
            Align::Left => x,
            Align::Right => x - width_px,
        };
        let outlines = self.lettering.outlines(&fitted, set.weight, set.size_px, (left, y));
        self.fill(outlines, ink);
    }

    /// A name as far as the font has it. Signs that it lacks are left out, since the caption has
    /// them; where letters are missing, a name with holes would be another name.
    pub(super) fn name(&self, title: &Title) -> String {
        let drawable = self.lettering.drawable(title.name());
        drawable.or_else(|| self.lettering.drawable(title.otherwise())).unwrap_or_default()
    }

    fn fill(&mut self, path: Option<Path>, ink: Ink) {
        let Some(path) = path else { return };
        let (fill, still) = (FillRule::Winding, Transform::identity());
        self.pixels.fill_path(&path, &ink.paint(), fill, still, None);
    }

    /// Draws a line through points; fewer than two are none.
    pub(super) fn line(&mut self, points: &[(f32, f32)], width_px: f32, ink: Ink) {
        let mut path = PathBuilder::new();
        for (index, (x, y)) in points.iter().enumerate() {
            match index {
                0 => path.move_to(*x, *y),
                _ => path.line_to(*x, *y),
            }
        }
        if let Some(path) = path.finish() {
            let (cap, join) = (LineCap::Round, LineJoin::Round);
            let stroke =
                Stroke { width: width_px, line_cap: cap, line_join: join, ..Stroke::default() };
            self.pixels.stroke_path(&path, &ink.paint(), &stroke, Transform::identity(), None);
        }
    }

    pub(super) fn dot(&mut self, (x, y): (f32, f32), radius_px: f32, ink: Ink) {
        self.fill(PathBuilder::from_circle(x, y, radius_px), ink);
    }

    /// A drop of water whose tip is at this point.
    pub(super) fn drop(&mut self, (x, top): (f32, f32), height_px: f32, ink: Ink) {
        let (half_px, widest) = (height_px * 0.36, top + height_px * 0.64);
        let bottom = top + height_px;
        let mut path = PathBuilder::new();
        path.move_to(x, top);
        path.quad_to(x + half_px, top + height_px * 0.38, x + half_px, widest);
        path.quad_to(x + half_px, bottom, x, bottom);
        path.quad_to(x - half_px, bottom, x - half_px, widest);
        path.quad_to(x - half_px, top + height_px * 0.38, x, top);
        path.close();
        self.fill(path.finish(), ink);
    }

    /// Fills a box with round corners; one without an area is not drawn.
    pub(super) fn block(&mut self, left: f32, top: f32, width_px: f32, height_px: f32, ink: Ink) {
        const RADIUS_PX: f32 = 6.0;
        let Some(rect) = Rect::from_xywh(left, top, width_px, height_px) else { return };
        let radius = RADIUS_PX.min(width_px / 2.0).min(height_px / 2.0);
        let (right, bottom) = (rect.right(), rect.bottom());
        let mut path = PathBuilder::new();
        path.move_to(left + radius, top);
        path.line_to(right - radius, top);
        path.quad_to(right, top, right, top + radius);
        path.line_to(right, bottom - radius);
        path.quad_to(right, bottom, right - radius, bottom);
        path.line_to(left + radius, bottom);
        path.quad_to(left, bottom, left, bottom - radius);
        path.line_to(left, top + radius);
        path.quad_to(left, top, left + radius, top);
        path.close();
        self.fill(path.finish(), ink);
    }

    /// The sheet as PNG with a palette: a byte a pixel. Its few inks make few colours, and where
    /// their edges make more than a palette holds, those are drawn in the nearest ones.
    pub(super) fn png(&self) -> Result<Vec<u8>, png::EncodingError> {
        let mut palette = Palette::default();
        let indices: Vec<u8> =
            self.pixels.pixels().iter().map(|pixel| palette.index(*pixel)).collect();
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.pixels.width(), self.pixels.height());
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_palette(palette.colours.concat());
        encoder.set_compression(png::Compression::High);
        // Numbers of a palette have no slope that a filter could find.
        encoder.set_filter(png::Filter::NoFilter);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&indices)?;
        writer.finish()?;
        Ok(bytes)
    }
}

/// The colours of a sheet in the order in which they are met.
#[derive(Default)]
struct Palette {
    colours: Vec<[u8; 3]>,
    known: FxHashMap<[u8; 3], u8>,
}

impl Palette {
    /// What a palette of PNG holds.
    const COLOURS_MAX: usize = 256;

    /// Every pixel is opaque: the paper is.
    fn index(&mut self, pixel: PremultipliedColorU8) -> u8 {
        let colour = [pixel.red(), pixel.green(), pixel.blue()].map(rounded);
        if let Some(index) = self.known.get(&colour) {
            return *index;
        }
        let index = if self.colours.len() < Palette::COLOURS_MAX {
            self.colours.push(colour);
            self.colours.len() - 1
        } else {
            self.nearest(colour)
        };
        let index = u8::try_from(index).unwrap_or(u8::MAX);
        self.known.insert(colour, index);
        index
    }

    fn nearest(&self, colour: [u8; 3]) -> usize {
        let distance = |other: &[u8; 3]| -> u32 {
            let parts = colour.iter().zip(other);
            parts.map(|(one, other)| u32::from(one.abs_diff(*other)).pow(2)).sum()
        };
        let ranked = self.colours.iter().enumerate().min_by_key(|(_, other)| distance(other));
        ranked.map_or(0, |(index, _)| index)
    }
}

/// The same to the eye, in an eighth of a channel's values.
fn rounded(channel: u8) -> u8 {
    (channel & 0b1111_1000) | channel >> 5
}
