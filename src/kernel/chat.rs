//! What a person sent, who they are to us, and where their conversation stands.

use serde::{Deserialize, Serialize};

use super::text::shown;

/// A chat, or a forum topic in one: where a message goes and where a conversation is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    pub chat_id: i64,
    pub thread_id: Option<i32>,
}

impl Place {
    pub fn private(user_id: i64) -> Place {
        Place { chat_id: user_id, thread_id: None }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChatKind {
    Private,
    Group,
    Channel,
}

/// Somebody who writes to us under their own name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    pub user_id: i64,
    /// The name they gave themselves in Telegram: foreign text.
    pub name: String,
}

/// What arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    Text(String),
    /// A tap on an inline button of one of our messages.
    Press {
        callback_id: String,
        message_id: i32,
        data: String,
    },
    /// Something we cannot read as text, named for the answer ("a sticker").
    Unreadable(&'static str),
    /// An earlier message was changed; we do not act on changes.
    Edited,
}

/// One update, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    pub update_id: i64,
    pub place: Place,
    pub chat_kind: ChatKind,
    /// `None`: a channel post, or an admin who hides behind the group.
    pub person: Option<Person>,
    pub content: Content,
}

impl Incoming {
    /// The text, trimmed, if it is one.
    pub fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Text(text) => Some(text.trim()),
            _ => None,
        }
    }

    pub fn press(&self) -> Option<(&str, i32, &str)> {
        match &self.content {
            Content::Press { callback_id, message_id, data } => {
                Some((callback_id, *message_id, data))
            }
            _ => None,
        }
    }

    /// The command's name without slash and bot name, and what follows it.
    pub fn command(&self) -> Option<(&str, &str)> {
        let text = self.text()?.strip_prefix('/')?;
        let (head, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let name = head.split('@').next().unwrap_or(head);
        Some((name, rest.trim()))
    }
}

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// No access and no data.
    Stranger,
    /// Somebody in an admitted group: looks, and changes nothing.
    Viewer,
    /// Looks and edits.
    Member,
    /// Everything.
    Owner,
}

impl Standing {
    pub fn may_look(self) -> bool {
        self >= Standing::Viewer
    }

    pub fn may_edit(self) -> bool {
        self >= Standing::Member
    }
}

/// An unfinished conversation as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// The room that holds it.
    pub room: String,
    /// The update that moved it last: a button carries it, so an older button is told apart.
    pub version: i64,
    /// The room's own state.
    pub state: serde_json::Value,
}

/// The world as a decision sees it.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub standing: Standing,
    pub draft: Option<Draft>,
    /// People's clock: ms since the epoch.
    pub now_ms: i64,
    /// The pipelines' clock; differs from `now_ms` only in the demo.
    pub pipeline_now_ms: i64,
    pub time_zone: chrono_tz::Tz,
}

/// An inline button.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Button {
    pub label: String,
    /// At most 64 bytes (Bot API, `callback_data`).
    pub data: String,
}

/// Rows of inline buttons; empty is none.
pub type Keyboard = Vec<Vec<Button>>;

/// How the data of a button of a draft begins; then come the draft's version and the action.
const DRAFT_BUTTON: &str = "d";

impl Button {
    pub fn new(label: impl Into<String>, data: impl Into<String>) -> Button {
        Button { label: shown_label(&label.into()), data: data.into() }
    }

    /// A button that belongs to one step of one draft.
    pub fn of_draft(label: impl Into<String>, version: i64, action: &str) -> Button {
        Button::new(label, format!("{DRAFT_BUTTON}:{version}:{action}"))
    }
}

/// A label that is seen as text and fits on a phone, whatever name is in it.
fn shown_label(label: &str) -> String {
    const LABEL_CHARS: usize = 48;
    let visible = shown(label);
    let mut short: String = visible.chars().take(LABEL_CHARS).collect();
    if visible.chars().nth(LABEL_CHARS).is_some() {
        short.push('…');
    }
    // Telegram refuses a button without a label.
    if short.trim().is_empty() { "…".to_owned() } else { short }
}

/// Takes apart the data of a draft's button: its version and its action.
pub fn draft_button(data: &str) -> Option<(i64, &str)> {
    let rest = data.strip_prefix(DRAFT_BUTTON)?.strip_prefix(':')?;
    let (version, action) = rest.split_once(':')?;
    Some((version.parse().ok()?, action))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Incoming {
        Incoming {
            update_id: 1,
            place: Place::private(7),
            chat_kind: ChatKind::Private,
            person: None,
            content: Content::Text(text.to_owned()),
        }
    }

    #[test]
    fn a_command_is_taken_apart() {
        assert_eq!(said("/plant cyril").command(), Some(("plant", "cyril")));
        assert_eq!(said(" /plant@Sill_bot  the fern ").command(), Some(("plant", "the fern")));
        assert_eq!(said("/y").command(), Some(("y", "")));
        assert_eq!(said("cyril").command(), None);
    }

    #[test]
    fn a_draft_button_carries_version_and_action() {
        let button = Button::of_draft("keep", 42, "keep");
        assert_eq!(draft_button(&button.data), Some((42, "keep")));
        assert_eq!(draft_button("p:3"), None);
        assert_eq!(draft_button("d:x:keep"), None);
    }
}
