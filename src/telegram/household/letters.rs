//! The answer of `/dead_letters`: records that could not be used, alike ones together.

use std::sync::Arc;

use sqlx::SqliteConnection;

use super::Ask;
use crate::kernel::chat::{Button, Incoming, Keyboard, Snapshot};
use crate::kernel::effect::Say;
use crate::kernel::text::Text;
use crate::kernel::when;
use crate::store::StoreError;
use crate::store::dead_letters::{self, Summary};

/// The data of a button that turns the page.
const PAGE: &str = "letters:";
/// Groups on a page.
const PAGE_GROUPS: i64 = 5;
/// What is shown of a value.
const VALUE_CHARS: usize = 80;
const VALUE_BYTES: usize = 16;

/// A page of groups.
#[derive(Debug)]
pub struct LettersPage {
    groups: Vec<Summary>,
    /// Groups on all pages.
    total: i64,
    page: i64,
}

impl LettersPage {
    pub(super) async fn read(
        db: &mut SqliteConnection,
        page: i64,
    ) -> Result<LettersPage, StoreError> {
        let (groups, total) =
            dead_letters::groups(db, 0, page.saturating_mul(PAGE_GROUPS), PAGE_GROUPS).await?;
        Ok(LettersPage { groups, total, page })
    }

    pub(super) fn say(&self, snapshot: &Snapshot) -> Say {
        if self.groups.is_empty() {
            let words = if self.total == 0 { "No dead letters." } else { "There are no more." };
            return Say::new(Text::of(words));
        }
        let mut text = Text::new().bold("Records that could not be used");
        for summary in &self.groups {
            text = text.line().below(shown(summary, snapshot));
        }
        text = text.line().line().code("windowsill dead-letters replay ID").plain(
            " appends one again, once what made it fail has been mended; `list` shows them all.",
        );
        let mut turns = Vec::new();
        if self.page > 0 {
            turns.push(Button::new("◂ newer", format!("{PAGE}{}", self.page - 1)));
        }
        if (self.page + 1) * PAGE_GROUPS < self.total {
            turns.push(Button::new("older ▸", format!("{PAGE}{}", self.page + 1)));
        }
        Say::new(text).with(if turns.is_empty() { Keyboard::new() } else { vec![turns] })
    }
}

fn shown(summary: &Summary, snapshot: &Snapshot) -> Text {
    let (group, last) = (&summary.group, &summary.last);
    let mut text = Text::new()
        .bold(&group.topic)
        .plain(format!(" · {} × · ", group.count))
        .plain(when::ago(group.newest_at, snapshot.now_ms));
    if group.replayed > 0 {
        text = text.plain(format!(" · {} replayed", group.replayed));
    }
    text = text.line().data(&last.letter.reason).line().plain(format!(
        "newest: {}, {}: ",
        last.id,
        last.letter.origin.place()
    ));
    text = match &last.letter.value {
        None => text.plain("null"),
        Some(bytes) => text.code(preview(bytes)).plain(format!(" ({} bytes)", bytes.len())),
    };
    match last.letter.replay_of() {
        Some(first) => text.line().plain(format!("a replay of {}", first.place())),
        None => text,
    }
}

/// The beginning of a value: as text where it is text, else its first bytes.
fn preview(bytes: &[u8]) -> String {
    let Ok(text) = std::str::from_utf8(bytes) else {
        let first: Vec<String> =
            bytes.iter().take(VALUE_BYTES).map(|byte| format!("{byte:02x}")).collect();
        let more = if bytes.len() > VALUE_BYTES { " …" } else { "" };
        return format!("{}{more}", first.join(" "));
    };
    match text.char_indices().nth(VALUE_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

pub(super) fn button(incoming: Arc<Incoming>) -> Option<Ask> {
    let (_, _, data) = incoming.press()?;
    let page: i64 = data.strip_prefix(PAGE)?.parse().ok()?;
    Some(Ask::DeadLetters(page.max(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_shown_cut_and_never_as_raw_bytes() {
        assert_eq!(preview(b"hello"), "hello");
        assert_eq!(preview(&[0xc3, 0x01, 0xff]), "c3 01 ff");
        assert_eq!(preview(&[0xff; 40]).len(), 16 * 3 - 1 + " …".len());
        assert_eq!(preview("ü".repeat(1_000).as_bytes()).chars().count(), VALUE_CHARS + 1);
    }
}
