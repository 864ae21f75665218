//! The household board: one message that is kept up to date.
//!
//! Invariant: it is one message, however much there is to say.

use chrono_tz::Tz;

use super::settings::Settings;
use super::text::Text;

/// Room for the heading, and for the line that counts the rest.
const SPARE_UTF16: usize = 200;

/// How the household's things are.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Board {
    /// A line for each thing, trouble first; where there is nothing, what to do about that.
    pub lines: Vec<Text>,
    /// How many things there are.
    pub total: i64,
}

impl Board {
    /// Those of several rooms together.
    pub fn absorb(&mut self, other: Board) {
        self.lines.extend(other.lines);
        self.total += other.total;
    }

    /// What stands below the heading in a chat with these settings, in a house of this zone.
    pub fn content(&self, settings: &Settings, of_house: Tz) -> Text {
        let lines = self.lines.iter().map(|line| line.clone().told_in(settings, of_house));
        let (text, shown) = Text::new().below_while_it_fits(lines, SPARE_UTF16);
        match self.total - i64::try_from(shown).unwrap_or(i64::MAX) {
            rest @ 1.. => text.below(Text::of(format!("… and {rest} more"))),
            _ => text,
        }
    }
}

/// The message: its content under a heading that says of when it is.
pub fn message(content: &Text, as_of_ms: i64) -> Text {
    let heading = Text::of("📌 ").bold("Household board").plain(", as of ").moment(as_of_ms);
    heading.below(content.clone())
}

/// What the message says last, when it is kept up to date no more; nothing but that where it is to
/// show nothing.
pub fn last_message(content: &Text, ended_ms: i64) -> Text {
    let heading = Text::of("⏹ ").bold("Household board").plain(", not kept up to date since ");
    heading.moment(ended_ms).below(content.clone())
}

#[cfg(test)]
mod tests {
    use chrono_tz::UTC;

    use super::*;
    use crate::kernel::settings::Unit;
    use crate::kernel::text::MESSAGE_LIMIT_UTF16;

    /// 2026-11-28 14:20 UTC.
    const NOW_MS: i64 = 1_795_875_600_000;

    fn content(board: &Board) -> Text {
        board.content(&Settings::default(), UTC)
    }

    #[test]
    fn a_board_says_of_when_it_is_and_how_things_are_in_the_chats_own_words() {
        let mut board = Board { lines: vec![Text::of("Cyril ").degrees(20_000)], total: 1 };
        board.absorb(Board { lines: vec![Text::of("since ").moment(NOW_MS)], total: 1 });
        let of_chat = Settings {
            unit: Unit::Fahrenheit,
            time_zone: Some(chrono_tz::Asia::Tokyo),
            ..Settings::default()
        };
        let told = board.content(&of_chat, UTC).to_plain();
        assert_eq!(told, "\nCyril 68.0\u{a0}°F\nsince Sat 28 Nov 23:20");
        let text = message(&content(&board), NOW_MS).to_plain();
        assert!(text.starts_with("📌 Household board, as of Sat 28 Nov 14:20\n"), "{text}");
        let last = last_message(&content(&board), NOW_MS).to_plain();
        assert!(last.contains("not kept up to date since Sat 28 Nov 14:20\n\nCyril"), "{last}");
    }

    #[test]
    fn a_board_is_one_message_and_counts_what_has_no_room() {
        let line = |number: i32| Text::of(format!("🟢 {number} {}", "ä".repeat(40)));
        let board = Board { lines: (0..150).map(line).collect(), total: 4_000 };
        let text = message(&content(&board), NOW_MS);
        assert!(text.width_utf16() <= MESSAGE_LIMIT_UTF16);
        assert!(text.width_utf16() > MESSAGE_LIMIT_UTF16 - 2 * SPARE_UTF16);
        let words = text.to_plain();
        let shown = words.lines().filter(|line| line.starts_with("🟢")).count();
        let rest = format!("… and {} more", 4_000 - shown);
        assert_eq!(words.lines().last(), Some(rest.as_str()));
        let none = Board { lines: vec![Text::of("Nothing is described yet.")], total: 0 };
        assert_eq!(content(&none).to_plain(), "\nNothing is described yet.");
    }
}
