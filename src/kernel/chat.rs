//! What a person sent, who they are to us, and where their conversation stands.

use serde::{Deserialize, Serialize};

use super::inline::InlineQuery;
use super::settings::Settings;
use super::text::{is_visible, shown};
use super::time::Sight;

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

/// Who we are to Telegram.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Me {
    /// Without the `@`.
    pub username: String,
    /// Privacy mode is off: in a group we see everything, not commands and replies alone.
    pub reads_all_group_messages: bool,
    /// Inline mode is on: people may type behind our name in any chat.
    pub answers_inline: bool,
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
        /// What somebody's program says was tapped: anything, whatever buttons the message has.
        data: String,
        /// What the message's buttons send, as Telegram has it; empty where it does not say.
        buttons: Vec<String>,
    },
    /// Something we cannot read as text, named for the answer ("a sticker").
    Unreadable(&'static str),
    /// An earlier message was changed; we do not act on changes.
    Edited {
        is_command: bool,
    },
    /// We came into the chat, or went out of it.
    Presence(Presence),
    /// Somebody types behind our name in some chat, which we are not told; the place is our private
    /// chat with them, whether or not it has begun.
    Inline(InlineQuery),
}

/// What became of the bot in a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// Added to a group, or no longer blocked by a person.
    Arrived,
    /// Taken out of a group, or blocked by a person.
    Gone,
}

/// Whom a message in a group is plainly meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Towards {
    /// Us: in private, by our name, as a reply to us, or by one of our buttons.
    Us,
    /// Somebody else: it replies to their message.
    Another,
    /// Nobody by name.
    Anybody,
}

/// One update, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    pub update_id: i64,
    pub place: Place,
    pub chat_kind: ChatKind,
    /// What a group is called: foreign text.
    pub chat_title: String,
    /// The message that an answer replies to. `None` for a tap: its message is ours.
    pub message_id: Option<i32>,
    pub towards: Towards,
    /// `None`: a channel post, or an admin who hides behind the group.
    pub person: Option<Person>,
    pub content: Content,
}

impl Incoming {
    pub fn is_private(&self) -> bool {
        self.chat_kind == ChatKind::Private
    }

    /// The text, trimmed, if it is one.
    pub fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Text(text) => Some(text.trim()),
            _ => None,
        }
    }

    pub fn press(&self) -> Option<(&str, i32, &str)> {
        match &self.content {
            Content::Press { callback_id, message_id, data, .. } => {
                Some((callback_id, *message_id, data))
            }
            _ => None,
        }
    }

    /// The message that was tapped, if it has a button whose data begins so. Only such a one is
    /// changed by a tap that means it.
    pub fn tapped_with(&self, beginning: &str) -> Option<i32> {
        match &self.content {
            Content::Press { message_id, buttons, .. } => {
                buttons.iter().any(|data| data.starts_with(beginning)).then_some(*message_id)
            }
            _ => None,
        }
    }

    pub fn inline(&self) -> Option<&InlineQuery> {
        match &self.content {
            Content::Inline(query) => Some(query),
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

/// Access as the configuration fixes it; it cannot be changed in a chat.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FixedAccess {
    pub owners: Vec<i64>,
    /// Private chats (members) and groups (whose people look).
    pub allowed_chats: Vec<i64>,
}

/// The world as a decision sees it.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub me: Me,
    pub fixed: FixedAccess,
    pub standing: Standing,
    /// The chat is private, or a group that an owner admitted.
    pub is_admitted: bool,
    pub draft: Option<Draft>,
    /// The machine's clock, in ms since the epoch: how long somebody is waited for.
    pub now_ms: i64,
    /// The house's clock, by which pipelines go and in which people are told everything; differs
    /// from `now_ms` only in the demo.
    pub pipeline_now_ms: i64,
    /// The chat's own zone, or the house's where it has set none.
    pub time_zone: chrono_tz::Tz,
    /// What the chat has set.
    pub settings: Settings,
    /// What has sent nothing for longer than this is called silent, in ms.
    pub silent_after_ms: i64,
}

impl Snapshot {
    /// What is called silent, and at which moment of the pipelines' clock.
    pub fn sight(&self) -> Sight {
        Sight { now_ms: self.pipeline_now_ms, silent_after_ms: self.silent_after_ms }
    }

    /// Is what was last heard then silent by now?
    pub fn is_silent(&self, heard_ms: i64) -> bool {
        self.sight().is_silent(heard_ms)
    }
}

/// An inline button.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Button {
    pub label: String,
    #[serde(flatten)]
    pub action: ButtonAction,
}

/// What a tap on a button does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ButtonAction {
    /// It comes to us as this: at most 64 bytes (Bot API, `callback_data`).
    Data(String),
    /// In a private chat it comes to us as this; in a group it is a link that opens our private chat
    /// with `/start` and that word (Bot API, deep linking).
    Visit { data: String, start: String },
    /// It opens this address.
    Link(String),
    /// The person's own device copies this, 1 to 256 characters (Bot API, `CopyTextButton`).
    Copy(String),
}

/// Rows of inline buttons; empty is none.
pub type Keyboard = Vec<Vec<Button>>;

/// How the data of a button of a draft begins; then come the draft's version and the action.
const DRAFT_BUTTON: &str = "d";

impl Button {
    pub fn new(label: impl Into<String>, data: impl Into<String>) -> Button {
        let action = ButtonAction::Data(data.into());
        Button { label: shown_label(&label.into()), action }
    }

    /// A button that opens something in our private chat, wherever it is tapped. The word is 1 to
    /// 64 letters, digits, `_` and `-`.
    pub fn visiting(
        label: impl Into<String>,
        data: impl Into<String>,
        start: impl Into<String>,
    ) -> Button {
        let action = ButtonAction::Visit { data: data.into(), start: start.into() };
        Button { label: shown_label(&label.into()), action }
    }

    /// A button that copies a text to whoever taps it.
    pub fn copying(label: impl Into<String>, text: impl Into<String>) -> Button {
        let action = ButtonAction::Copy(text.into());
        Button { label: shown_label(&label.into()), action }
    }

    /// What a tap on it sends us, if it sends anything.
    pub fn data(&self) -> Option<&str> {
        match &self.action {
            ButtonAction::Data(data) => Some(data),
            ButtonAction::Copy(_) | ButtonAction::Visit { .. } | ButtonAction::Link(_) => None,
        }
    }

    /// What it is in a chat with us (`in_private`), or in a group that sees us by our name.
    #[must_use]
    pub fn told_in(self, in_private: bool, username: &str) -> Button {
        let action = match self.action {
            ButtonAction::Visit { data, .. } if in_private => ButtonAction::Data(data),
            ButtonAction::Visit { start, .. } => {
                ButtonAction::Link(format!("https://t.me/{username}?start={start}"))
            }
            other => other,
        };
        Button { action, ..self }
    }

    /// A button that belongs to one step of one draft.
    pub fn of_draft(label: impl Into<String>, version: i64, action: &str) -> Button {
        Button::new(label, draft_buttons(version) + action)
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
    if !is_visible(&short) { "…".to_owned() } else { short }
}

/// How the data of this draft's buttons begins.
pub fn draft_buttons(version: i64) -> String {
    format!("{DRAFT_BUTTON}:{version}:")
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
            chat_title: String::new(),
            message_id: None,
            towards: Towards::Us,
            person: None,
            content: Content::Text(text.to_owned()),
        }
    }

    #[test]
    fn a_button_that_visits_us_is_a_link_among_others() {
        let button = Button::visiting("Open", "plant:show:7", "plant-7");
        let in_private = button.clone().told_in(true, "Sill_bot");
        assert_eq!(in_private.data(), Some("plant:show:7"));
        let link = ButtonAction::Link("https://t.me/Sill_bot?start=plant-7".to_owned());
        assert_eq!(button.told_in(false, "Sill_bot").action, link);
    }

    #[test]
    fn a_tap_means_only_a_message_that_has_such_a_button() {
        let tapped = |buttons: &[&str]| Incoming {
            content: Content::Press {
                callback_id: "1".to_owned(),
                message_id: 9,
                data: "house:set:all".to_owned(),
                buttons: buttons.iter().map(|data| (*data).to_owned()).collect(),
            },
            ..said("")
        };
        assert_eq!(tapped(&["house:set:zones"]).tapped_with("house:set:"), Some(9));
        assert_eq!(tapped(&["house:alerts:here"]).tapped_with("house:set:"), None);
        assert_eq!(tapped(&[]).tapped_with("house:set:"), None);
        assert_eq!(said("house:set:all").tapped_with("house:set:"), None);
    }

    #[test]
    fn a_command_is_taken_apart() {
        assert_eq!(said("/plant cyril").command(), Some(("plant", "cyril")));
        assert_eq!(said(" /plant@Sill_bot  the fern ").command(), Some(("plant", "the fern")));
        assert_eq!(said("/y").command(), Some(("y", "")));
        assert_eq!(said("cyril").command(), None);
    }

    /// Rows of the outbox outlive the program that wrote them.
    #[test]
    fn a_button_of_an_earlier_version_is_read() {
        let stored = r#"{"label":"keep","data":"d:42:keep"}"#;
        let button: Button = serde_json::from_str(stored).unwrap();
        assert_eq!(button, Button::new("keep", "d:42:keep"));
        assert_eq!(serde_json::to_string(&button).unwrap(), stored);
    }

    #[test]
    fn a_draft_button_carries_version_and_action() {
        let button = Button::of_draft("keep", 42, "keep");
        assert_eq!(button.data().and_then(draft_button), Some((42, "keep")));
        assert_eq!(draft_button("p:3"), None);
        assert_eq!(draft_button("d:x:keep"), None);
    }
}
