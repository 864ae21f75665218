//! Letters as outlines, and which letters there are.
//!
//! The font is Noto Sans in two weights (SIL Open Font License 1.1): Latin, Greek and Cyrillic. It
//! is set letter by letter without shaping, which these scripts bear and many others do not.

use tiny_skia::{Path, PathBuilder};
use ttf_parser::{Face, FaceParsingError, GlyphId, OutlineBuilder};

/// How heavy letters are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    Regular,
    Bold,
}

/// The font.
pub(super) struct Lettering {
    regular: Face<'static>,
    bold: Face<'static>,
}

impl Lettering {
    pub(super) fn new() -> Result<Lettering, FaceParsingError> {
        Ok(Lettering {
            regular: Face::parse(notosans::REGULAR_TTF, 0)?,
            bold: Face::parse(notosans::BOLD_TTF, 0)?,
        })
    }

    fn face(&self, weight: Weight) -> &Face<'static> {
        match weight {
            Weight::Regular => &self.regular,
            Weight::Bold => &self.bold,
        }
    }

    /// Is there a letter for this in both weights, and can it stand by itself?
    fn has(&self, character: char) -> bool {
        let is_there =
            |face: &Face<'static>| face.glyph_index(character).is_some_and(|id| id.0 > 0);
        let stands_alone = !is_combining(character);
        stands_alone && is_there(&self.regular) && is_there(&self.bold)
    }

    /// The text as it can be drawn: signs that are no letters are left out where the font lacks
    /// them. `None` when it lacks a letter or digit, or when nothing is left.
    pub(super) fn drawable(&self, text: &str) -> Option<String> {
        let mut drawn = String::with_capacity(text.len());
        for character in text.chars() {
            if self.has(character) {
                drawn.push(character);
            } else if character.is_alphanumeric() {
                return None;
            }
        }
        let words: Vec<&str> = drawn.split_whitespace().collect();
        let drawn = words.join(" ");
        drawn.chars().any(char::is_alphanumeric).then_some(drawn)
    }

    /// How wide a text is.
    pub(super) fn width_px(&self, text: &str, weight: Weight, size_px: f32) -> f32 {
        let face = self.face(weight);
        let units: u32 = text.chars().map(|character| advance(face, glyph(face, character))).sum();
        units as f32 * scale(face, size_px)
    }

    /// The text, cut with an ellipsis where it is wider than the room.
    pub(super) fn fitted(&self, text: &str, weight: Weight, size_px: f32, room_px: f32) -> String {
        if self.width_px(text, weight, size_px) <= room_px {
            return text.to_owned();
        }
        let mut fitted = String::new();
        let mut used_px = self.width_px("…", weight, size_px);
        for character in text.chars() {
            used_px += self.width_px(character.encode_utf8(&mut [0; 4]), weight, size_px);
            if used_px > room_px {
                break;
            }
            fitted.push(character);
        }
        fitted.truncate(fitted.trim_end().len());
        fitted.push('…');
        fitted
    }

    /// The outlines of a text whose first letter stands at (x, y) on the base line.
    pub(super) fn outlines(
        &self,
        text: &str,
        weight: Weight,
        size_px: f32,
        (x, y): (f32, f32),
    ) -> Option<Path> {
        let face = self.face(weight);
        let scale = scale(face, size_px);
        let mut outlines = Outlines { path: PathBuilder::new(), x, y, scale };
        for character in text.chars() {
            let glyph = glyph(face, character);
            // A blank has no outline.
            let _ = face.outline_glyph(glyph, &mut outlines);
            outlines.x += advance(face, glyph) as f32 * scale;
        }
        outlines.path.finish()
    }
}

/// A missing letter becomes a blank, never an empty box.
fn glyph(face: &Face<'_>, character: char) -> GlyphId {
    let known = face.glyph_index(character).filter(|id| id.0 > 0);
    known.or_else(|| face.glyph_index(' ')).unwrap_or_default()
}

fn advance(face: &Face<'_>, glyph: GlyphId) -> u32 {
    face.glyph_hor_advance(glyph).unwrap_or(0).into()
}

fn scale(face: &Face<'_>, size_px: f32) -> f32 {
    size_px / f32::from(face.units_per_em().max(1))
}

/// Marks that belong over or under the letter before them (Unicode blocks of combining marks);
/// without shaping they would stand beside it.
fn is_combining(character: char) -> bool {
    matches!(character,
        '\u{0300}'..='\u{036f}' | '\u{0483}'..='\u{0489}' | '\u{1ab0}'..='\u{1aff}'
        | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
}

/// Turns a glyph's outline, whose y axis points up, into a path on the canvas.
struct Outlines {
    path: PathBuilder,
    x: f32,
    y: f32,
    scale: f32,
}

impl Outlines {
    fn at(&self, x: f32, y: f32) -> (f32, f32) {
        (self.x + x * self.scale, self.y - y * self.scale)
    }
}

impl OutlineBuilder for Outlines {
    fn move_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.path.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.path.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let ((x1, y1), (x, y)) = (self.at(x1, y1), self.at(x, y));
        self.path.quad_to(x1, y1, x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let ((x1, y1), (x2, y2), (x, y)) = (self.at(x1, y1), self.at(x2, y2), self.at(x, y));
        self.path.cubic_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.path.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_latin_greek_and_cyrillic_are_drawn_as_they_are() {
        let lettering = Lettering::new().unwrap();
        for name in ["Robin's Kindle", "Żółw & Größe", "Ελένη", "Телефон Ани", "Nguyễn", "10–20 €"]
        {
            assert_eq!(lettering.drawable(name).as_deref(), Some(name));
        }
    }

    #[test]
    fn a_name_with_a_letter_that_the_font_lacks_is_not_drawn_with_holes() {
        let lettering = Lettering::new().unwrap();
        for name in ["客厅电视", "My 電話", "تلفون", "טלפון", "ทีวี", "टीवी", "ᏣᎳᎩ"]
        {
            assert_eq!(lettering.drawable(name), None, "{name}");
        }
    }

    #[test]
    fn signs_that_the_font_lacks_are_left_out() {
        let lettering = Lettering::new().unwrap();
        assert_eq!(lettering.drawable("📱 Anna's 🏠 phone").as_deref(), Some("Anna's phone"));
        assert_eq!(lettering.drawable("Jose\u{301}").as_deref(), Some("Jose"));
        assert_eq!(lettering.drawable(&"🎉".repeat(64)), None);
        assert_eq!(lettering.drawable("\u{200d}\u{fe0f} "), None);
    }

    #[test]
    fn a_long_text_is_cut_to_its_room() {
        let lettering = Lettering::new().unwrap();
        let long = "W".repeat(200);
        let fitted = lettering.fitted(&long, Weight::Bold, 60.0, 600.0);
        assert!(fitted.ends_with('…') && lettering.width_px(&fitted, Weight::Bold, 60.0) <= 600.0);
        assert_eq!(lettering.fitted("short", Weight::Bold, 60.0, 600.0), "short");
    }
}
