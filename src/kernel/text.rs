//! Message text that cannot be broken by what people and producers put into it.
//!
//! Invariant: markup exists only as [`Style`]; every piece of text is escaped when it is rendered,
//! and control and bidirectional characters of foreign data appear as visible escapes.

use std::borrow::Cow;
use std::fmt::Write as _;

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::settings::{Settings, Unit};
use super::when;

/// What Telegram takes in one message, in UTF-16 code units after its entities are parsed
/// (Bot API, `sendMessage`).
pub const MESSAGE_LIMIT_UTF16: usize = 4096;
/// What it takes below a picture, counted the same way (Bot API, `sendPhoto`).
pub const CAPTION_LIMIT_UTF16: usize = 1024;

/// How a span is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Style {
    Plain,
    Bold,
    Italic,
    Code,
    /// A person by their number: Telegram lets them know, and a selective question finds them.
    Mention(i64),
    /// A moment, in ms since the epoch, that each chat reads by its own clock.
    Moment(i64),
    /// The same, with the time of day alone.
    Clock(i64),
    /// The same, with its year.
    Date(i64),
    /// The same, with its year and to the second.
    Second(i64),
    /// From one moment to another.
    Span(i64, i64),
    /// A temperature in thousandths of a degree Celsius, that each chat reads in its own unit.
    Degrees(i64),
}

impl Style {
    fn tag(self) -> Option<&'static str> {
        match self {
            Style::Plain
            | Style::Mention(_)
            | Style::Moment(_)
            | Style::Clock(_)
            | Style::Date(_)
            | Style::Second(_)
            | Style::Span(..)
            | Style::Degrees(_) => None,
            Style::Bold => Some("b"),
            Style::Italic => Some("i"),
            Style::Code => Some("code"),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Span {
    style: Style,
    text: String,
}

/// A message's text: lines of styled spans. No span holds a line break.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    lines: Vec<Vec<Span>>,
}

impl Default for Text {
    fn default() -> Self {
        Text::new()
    }
}

impl Text {
    pub fn new() -> Text {
        Text { lines: vec![Vec::new()] }
    }

    /// A text of our own words; `\n` begins a new line.
    pub fn of(words: impl AsRef<str>) -> Text {
        Text::new().plain(words)
    }

    /// Our own words; `\n` begins a new line.
    #[must_use]
    pub fn plain(mut self, words: impl AsRef<str>) -> Text {
        for (index, line) in words.as_ref().split('\n').enumerate() {
            if index > 0 {
                self.lines.push(Vec::new());
            }
            self.push(Style::Plain, line);
        }
        self
    }

    /// Somebody's data on the present line: a line break in it is shown, not obeyed.
    #[must_use]
    pub fn data(self, data: impl AsRef<str>) -> Text {
        self.styled(Style::Plain, data)
    }

    #[must_use]
    pub fn bold(self, data: impl AsRef<str>) -> Text {
        self.styled(Style::Bold, data)
    }

    #[must_use]
    pub fn italic(self, data: impl AsRef<str>) -> Text {
        self.styled(Style::Italic, data)
    }

    #[must_use]
    pub fn code(self, data: impl AsRef<str>) -> Text {
        self.styled(Style::Code, data)
    }

    #[must_use]
    pub fn mention(self, user_id: i64, name: impl AsRef<str>) -> Text {
        self.styled(Style::Mention(user_id), name)
    }

    /// `Sat 21 Nov 14:05`, by the clock of whoever reads it.
    #[must_use]
    pub fn moment(mut self, ms: i64) -> Text {
        self.push(Style::Moment(ms), &when::moment(ms, Tz::UTC));
        self
    }

    /// `14:05`, by the clock of whoever reads it.
    #[must_use]
    pub fn clock(mut self, ms: i64) -> Text {
        self.push(Style::Clock(ms), &when::clock(ms, Tz::UTC));
        self
    }

    /// `2026-11-21 14:05`, by the clock of whoever reads it.
    #[must_use]
    pub fn date(mut self, ms: i64) -> Text {
        self.push(Style::Date(ms), &when::date(ms, Tz::UTC));
        self
    }

    /// `2026-11-21 14:05:09`, by the clock of whoever reads it.
    #[must_use]
    pub fn second(mut self, ms: i64) -> Text {
        self.push(Style::Second(ms), &when::second(ms, Tz::UTC));
        self
    }

    /// `Sat 21 Nov 06:00–12:00`, by the clock of whoever reads it.
    #[must_use]
    pub fn span(mut self, from_ms: i64, to_ms: i64) -> Text {
        self.push(Style::Span(from_ms, to_ms), &when::span(from_ms, to_ms, Tz::UTC));
        self
    }

    /// `21.5 °C`, or the same in the unit of whoever reads it; from thousandths of a degree
    /// Celsius.
    #[must_use]
    pub fn degrees(mut self, thousandths: i64) -> Text {
        self.push(Style::Degrees(thousandths), &Unit::Celsius.shown(thousandths));
        self
    }

    /// The text as a chat with these settings reads it, in a house of this zone: moments and
    /// temperatures have become its own.
    #[must_use]
    pub fn told_in(mut self, settings: &Settings, of_house: Tz) -> Text {
        let zone = settings.zone(of_house);
        for span in self.lines.iter_mut().flatten() {
            span.text = match span.style {
                Style::Moment(ms) => when::moment(ms, zone),
                Style::Clock(ms) => when::clock(ms, zone),
                Style::Date(ms) => when::date(ms, zone),
                Style::Second(ms) => when::second(ms, zone),
                Style::Span(from_ms, to_ms) => when::span(from_ms, to_ms, zone),
                Style::Degrees(thousandths) => settings.unit.shown(thousandths),
                Style::Plain | Style::Bold | Style::Italic | Style::Code | Style::Mention(_) => {
                    continue;
                }
            };
            span.style = Style::Plain;
        }
        self
    }

    /// Ends the present line.
    #[must_use]
    pub fn line(mut self) -> Text {
        self.lines.push(Vec::new());
        self
    }

    /// Goes on with `other` on the present line.
    #[must_use]
    pub fn then(mut self, other: Text) -> Text {
        let mut lines = other.lines.into_iter();
        if let (Some(last), Some(first)) = (self.lines.last_mut(), lines.next()) {
            last.extend(first);
        }
        self.lines.extend(lines);
        self
    }

    /// Puts `other` on new lines below.
    #[must_use]
    pub fn below(mut self, other: Text) -> Text {
        self.lines.extend(other.lines);
        self
    }

    /// Puts as many of these lines below as one message holds beside what is to come (`spare_utf16`).
    /// Gives how many that are, too.
    #[must_use]
    pub fn below_while_it_fits(
        mut self,
        lines: impl IntoIterator<Item = Text>,
        spare_utf16: usize,
    ) -> (Text, usize) {
        let mut used = self.width_utf16() + spare_utf16;
        let mut count = 0;
        for line in lines {
            used += 1 + line.width_utf16();
            if used > MESSAGE_LIMIT_UTF16 {
                break;
            }
            self = self.below(line);
            count += 1;
        }
        (self, count)
    }

    fn styled(mut self, style: Style, data: impl AsRef<str>) -> Text {
        self.push(style, &shown(short(data.as_ref())));
        self
    }

    fn push(&mut self, style: Style, text: &str) {
        if text.is_empty() {
            return;
        }
        if let Some(line) = self.lines.last_mut() {
            line.push(Span { style, text: text.to_owned() });
        }
    }

    /// The text as Telegram's HTML parse mode takes it.
    pub fn html(&self) -> String {
        let mut html = String::new();
        for (index, line) in self.lines.iter().enumerate() {
            if index > 0 {
                html.push('\n');
            }
            for span in line {
                push_html(&mut html, span);
            }
        }
        html
    }

    /// The text without markup: for a terminal, and for a chat that could not parse the markup.
    pub fn to_plain(&self) -> String {
        let mut plain = String::new();
        for (index, line) in self.lines.iter().enumerate() {
            if index > 0 {
                plain.push('\n');
            }
            for span in line {
                plain.push_str(&span.text);
            }
        }
        plain
    }

    /// Is there nothing in it at all?
    pub fn is_empty(&self) -> bool {
        self.lines.iter().all(Vec::is_empty)
    }

    /// Its length as Telegram counts it.
    pub fn width_utf16(&self) -> usize {
        let breaks = self.lines.len().saturating_sub(1);
        self.lines.iter().map(|line| line_width(line)).sum::<usize>() + breaks
    }

    /// Parts that each fit into one message, cut between lines where that is possible.
    pub fn split(&self, limit_utf16: usize) -> Vec<Text> {
        let mut parts: Vec<Text> = Vec::new();
        let mut part: Vec<Vec<Span>> = Vec::new();
        let mut used = 0;
        for line in self.lines.iter().flat_map(|line| cut_line(line, limit_utf16)) {
            let width = line_width(&line);
            if !part.is_empty() && used + 1 + width > limit_utf16 {
                parts.push(Text { lines: std::mem::take(&mut part) });
                used = 0;
            }
            used += width + usize::from(!part.is_empty());
            part.push(line);
        }
        parts.push(Text { lines: part });
        parts.retain(|text| !text.to_plain().trim().is_empty());
        parts
    }
}

fn push_html(html: &mut String, span: &Span) {
    if let Style::Mention(user_id) = span.style {
        // Writing to a String cannot fail.
        let _ = write!(html, "<a href=\"tg://user?id={user_id}\">");
        push_escaped(html, &span.text);
        html.push_str("</a>");
        return;
    }
    match span.style.tag() {
        None => push_escaped(html, &span.text),
        Some(tag) => {
            html.push('<');
            html.push_str(tag);
            html.push('>');
            push_escaped(html, &span.text);
            html.push_str("</");
            html.push_str(tag);
            html.push('>');
        }
    }
}

fn push_escaped(html: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            other => html.push(other),
        }
    }
}

fn width(text: &str) -> usize {
    text.encode_utf16().count()
}

fn line_width(line: &[Span]) -> usize {
    line.iter().map(|span| width(&span.text)).sum()
}

/// Cuts a line that is too long by itself; any other comes back whole.
fn cut_line(line: &[Span], limit_utf16: usize) -> Vec<Vec<Span>> {
    if line_width(line) <= limit_utf16 {
        return vec![line.to_vec()];
    }
    let mut pieces: Vec<Vec<Span>> = vec![Vec::new()];
    let mut used = 0;
    for span in line {
        let mut text = String::new();
        for character in span.text.chars() {
            if used + character.len_utf16() > limit_utf16 {
                push_span(&mut pieces, span.style, &mut text);
                pieces.push(Vec::new());
                used = 0;
            }
            used += character.len_utf16();
            text.push(character);
        }
        push_span(&mut pieces, span.style, &mut text);
    }
    pieces
}

fn push_span(pieces: &mut [Vec<Span>], style: Style, text: &mut String) {
    if let (false, Some(piece)) = (text.is_empty(), pieces.last_mut()) {
        piece.push(Span { style, text: std::mem::take(text) });
    }
}

/// Nobody's name is longer than this; what is, must not fill a chat.
const DATA_CHARS: usize = 2_000;

fn short(data: &str) -> &str {
    match data.char_indices().nth(DATA_CHARS) {
        Some((end, _)) => &data[..end],
        None => data,
    }
}

/// Foreign text with every character that could act (controls, line breaks, bidirectional
/// controls) as a visible escape.
pub fn shown(data: &str) -> Cow<'_, str> {
    if !data.chars().any(acts) {
        return Cow::Borrowed(data);
    }
    let mut visible = String::with_capacity(data.len() + 8);
    for character in data.chars() {
        match character {
            '\n' => visible.push_str("\\n"),
            '\r' => visible.push_str("\\r"),
            '\t' => visible.push_str("\\t"),
            other if acts(other) => {
                // Writing to a String cannot fail.
                let _ = write!(visible, "\\u{{{:x}}}", u32::from(other));
            }
            other => visible.push(other),
        }
    }
    Cow::Owned(visible)
}

/// Does this character do something instead of being seen? Controls, bidirectional controls
/// (Unicode UAX #9), line and paragraph separators, and the byte order mark.
pub fn acts(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}' | '\u{feff}')
}

/// Is there anything to see in it? Blanks, joiners and other characters without a shape of their
/// own (Unicode: `Default_Ignorable_Code_Point`, and the blank Braille pattern) leave nothing.
pub fn is_visible(text: &str) -> bool {
    let is_blank = |character: char| {
        character.is_whitespace()
            || acts(character)
            || matches!(character,
                '\u{00ad}' | '\u{034f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
                | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{206f}'
                | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}'
                | '\u{e0000}'..='\u{e0fff}')
    };
    !text.chars().all(is_blank)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn markup_in_data_is_text() {
        let text = Text::of("I know ").bold("<b>&\"Rob's\"").plain(".");
        assert_eq!(text.html(), "I know <b>&lt;b&gt;&amp;&quot;Rob's&quot;</b>.");
        assert_eq!(text.to_plain(), "I know <b>&\"Rob's\".");
    }

    #[test]
    fn a_mention_is_a_link_to_a_person_and_their_name_is_text() {
        let text = Text::new().mention(7, "<Anna>").plain(", hello");
        assert_eq!(text.html(), "<a href=\"tg://user?id=7\">&lt;Anna&gt;</a>, hello");
        assert_eq!(text.to_plain(), "<Anna>, hello");
    }

    #[test]
    fn moments_and_temperatures_are_the_chats_own() {
        let text = Text::of("since ").moment(0).plain(", until ").clock(60_000).plain(": ");
        let text = text.degrees(-12_340);
        assert_eq!(text.to_plain(), "since Thu 1 Jan 00:00, until 00:01: -12.3\u{a0}°C");
        let settings = Settings {
            time_zone: Some(Tz::Asia__Tokyo),
            unit: Unit::Fahrenheit,
            ..Settings::default()
        };
        let told = text.told_in(&settings, Tz::UTC);
        assert_eq!(told.html(), "since Thu 1 Jan 09:00, until 09:01: 9.8\u{a0}°F");
        let text = Text::new().date(0).plain(", ").second(0).plain(", ").span(0, 60_000);
        let told = text.told_in(&settings, Tz::UTC).to_plain();
        assert_eq!(told, "1970-01-01 09:00, 1970-01-01 09:00:00, Thu 1 Jan 09:00–09:01");
    }

    #[test]
    fn characters_that_act_are_shown() {
        assert_eq!(shown("a\u{202e}b\0\n"), "a\\u{202e}b\\u{0}\\n");
        assert_eq!(shown("🪴 größer 中文 👩‍👩‍👧"), "🪴 größer 中文 👩‍👩‍👧");
    }

    #[test]
    fn characters_without_a_shape_leave_nothing_to_see() {
        for invisible in ["", " ", "\u{200b}", "\u{200d}\u{2060}\u{feff}", "\u{3164}\u{2800}"] {
            assert!(!is_visible(invisible), "{invisible:?}");
        }
        for visible in ["a", "שלום", "\u{200b}x", "👨‍👩‍👧", "-"] {
            assert!(is_visible(visible), "{visible:?}");
        }
    }

    #[test]
    fn a_long_text_is_cut_between_lines() {
        let text = Text::of("aaaa\nbbbb\ncccc");
        let parts: Vec<String> = text.split(9).iter().map(Text::to_plain).collect();
        assert_eq!(parts, ["aaaa\nbbbb", "cccc"]);
    }

    proptest! {
        #[test]
        fn parts_fit_and_lose_nothing(words in "\\PC{0,60}", data in ".{0,60}", limit in 4usize..20) {
            let text = Text::of(&words).bold(&data).line().code(&data).plain(&words);
            let parts = text.split(limit);
            let mut joined = String::new();
            for part in &parts {
                prop_assert!(width(&part.to_plain()) <= limit);
                joined.push_str(&part.to_plain());
            }
            let dense = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert_eq!(dense(&joined), dense(&text.to_plain()));
        }

        #[test]
        fn html_holds_no_tag_but_ours(data in ".{0,80}") {
            let html = Text::new().bold(&data).html();
            let inner = html.trim_start_matches("<b>").trim_end_matches("</b>");
            prop_assert!(!inner.contains('<') && !inner.contains('>'));
        }
    }
}
