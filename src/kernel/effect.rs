//! What a decision wants done. The shell does it, in one transaction; nothing here acts.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::card::Reaction;
use super::chat::{Incoming, Keyboard, Place};
use super::inline::InlinePage;
use super::picture::Picture;
use super::settings::Settings;
use super::text::{CAPTION_LIMIT_UTF16, MESSAGE_LIMIT_UTF16, Text};

/// Something to say in the chat that the decision is about.
#[derive(Debug, Clone, PartialEq)]
pub struct Say {
    pub text: Text,
    pub keyboard: Keyboard,
    /// Without a sound: good news and corrections.
    pub silent: bool,
    /// It asks for a typed answer, and this stands in the input field meanwhile. In a group the
    /// question becomes a reply that its person is made to answer (ForceReply), without buttons.
    pub placeholder: Option<String>,
    /// What shows it at a glance. It is drawn when the message is delivered; a message that is
    /// changed in place stays what it is.
    pub picture: Option<Picture>,
    /// Goes with it, where there is no picture. The same holds of changes in place.
    pub file: Option<File>,
}

/// A text file that goes with a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Letters, digits, `-` and `.`: it is a file's name everywhere.
    pub name: String,
    /// Comma-separated values (RFC 4180), in UTF-8.
    pub csv: String,
}

impl Say {
    pub fn new(text: Text) -> Say {
        Say {
            text,
            keyboard: Keyboard::new(),
            silent: false,
            placeholder: None,
            picture: None,
            file: None,
        }
    }

    #[must_use]
    pub fn with(mut self, keyboard: Keyboard) -> Say {
        self.keyboard = keyboard;
        self
    }

    #[must_use]
    pub fn asking(mut self, placeholder: impl Into<String>) -> Say {
        self.placeholder = Some(placeholder.into());
        self
    }

    #[must_use]
    pub fn showing(mut self, picture: Option<Picture>) -> Say {
        self.picture = picture;
        self
    }

    #[must_use]
    pub fn enclosing(mut self, file: File) -> Say {
        self.file = Some(file);
        self
    }

    /// The messages that this becomes, in order; never none. A text too long to stand below its
    /// picture or file follows it as a message of its own. The buttons go with the last one.
    pub fn parts(&self, is_new: bool) -> Vec<Part> {
        let picture = self.picture.clone().filter(|_| is_new);
        let file = self.file.clone().filter(|_| is_new && picture.is_none());
        let has_caption = picture.is_some() || file.is_some();
        if has_caption && self.text.width_utf16() <= CAPTION_LIMIT_UTF16 {
            return vec![Part { text: self.text.clone(), picture, file }];
        }
        let mut parts = Vec::new();
        if has_caption {
            parts.push(Part { text: Text::new(), picture, file });
        }
        let texts = self.text.split(MESSAGE_LIMIT_UTF16).into_iter();
        parts.extend(texts.map(Part::of));
        if parts.is_empty() {
            parts.push(Part::of(Text::of("…")));
        }
        parts
    }
}

/// One of the messages that something said becomes.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Empty only below a picture or a file.
    pub text: Text,
    pub picture: Option<Picture>,
    pub file: Option<File>,
}

impl Part {
    fn of(text: Text) -> Part {
        Part { text, picture: None, file: None }
    }
}

/// An edit: the records of one decision for a topic, and what its author is told about them.
#[derive(Debug, Clone, PartialEq)]
pub struct Publish {
    /// The topic's default name.
    pub topic: &'static str,
    /// In the order in which they enter the log.
    pub records: Vec<EditRecord>,
    /// Said when all records are durable and our own table reader has passed them.
    pub saved: Text,
    /// Said when that takes longer than a moment.
    pub queued: Text,
}

/// A record of an edit.
#[derive(Debug, Clone, PartialEq)]
pub struct EditRecord {
    pub key: Vec<u8>,
    /// `None` is a tombstone.
    pub value: Option<Value>,
}

/// A conversation that was interrupted: the room that holds it, and its state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Held {
    pub room: String,
    pub state: Value,
}

/// What a decision about an update wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    Say(Say),
    /// Say it somewhere else.
    Tell {
        place: Place,
        say: Say,
    },
    /// Change one of our messages: the one whose button was tapped.
    Edit {
        message_id: i32,
        say: Say,
    },
    /// Answer a tap; the note appears over the chat.
    Acknowledge {
        callback_id: String,
        note: Option<String>,
    },
    /// Answer what somebody types behind our name.
    Inline {
        query_id: String,
        page: InlinePage,
    },
    Publish(Publish),
    /// The conversation goes on with this state of the room that decided.
    Converse(Value),
    /// A conversation, of any room, goes on where it was interrupted.
    Resume(Held),
    EndConversation,
    /// The chat wants to be told things like this from now on.
    Settings(Settings),
    Access(AccessChange),
    Alerts(AlertsChange),
    /// What the place of the update is told regularly from now on.
    Regular(RegularChange),
    /// Alerts about this are recorded and sent to nobody until then (the house's clock).
    Snooze {
        about: String,
        until_ms: i64,
    },
    /// Somebody reacts to an alert that lasts.
    React {
        about: String,
        reaction: Reaction,
        /// The name of whoever it was.
        by: String,
    },
    /// The commands that a chat is offered from now on.
    Menu {
        chat_id: i64,
        audience: Audience,
    },
}

impl Effect {
    /// Shows something in the place of the message that was tapped, if that has a button whose data
    /// begins so; else as a message of its own.
    pub fn in_place(incoming: &Incoming, beginning: &str, say: Say) -> Effect {
        match incoming.tapped_with(beginning) {
            Some(message_id) => Effect::Edit { message_id, say },
            None => Effect::Say(say),
        }
    }
}

/// Whom a menu is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// An owner, in private.
    Owner,
    /// A member, in private.
    Member,
    /// Whoever is in an admitted group.
    Group,
    /// Nobody of ours: what every stranger sees.
    Strangers,
}

/// A change of who may do what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessChange {
    /// The claim code was right: this person owns the bot, and alerts go to this place.
    Claim {
        user_id: i64,
        name: String,
        place: Place,
    },
    /// A wrong code was tried.
    WrongCode {
        user_id: i64,
    },
    /// A stranger was told once that there is nothing here for them.
    Refused {
        user_id: i64,
    },
    /// An owner lets everybody in a group look.
    Admit {
        chat_id: i64,
        title: String,
        by_user: i64,
    },
    /// An owner may bring in one person with this code.
    Invite {
        code: String,
        by_user: i64,
    },
    /// The code of an invitation was right: this person is a member, and alerts come to them.
    Join {
        code: String,
        user_id: i64,
        name: String,
    },
    /// A code was tried that is no open invitation.
    WrongInvite {
        user_id: i64,
    },
    RemoveMember {
        user_id: i64,
    },
    RemoveChat {
        chat_id: i64,
    },
    /// Somebody who hides behind this chat was told once that we only talk with people.
    ToldNameless {
        chat_id: i64,
    },
}

/// A change of what a chat is told regularly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegularChange {
    /// The daily digest comes at this minute of the chat's day, 0 to 1439.
    Daily(u16),
    NoDaily,
    /// The board is kept up to date; where there is one, it is looked at and pinned anew.
    Board,
    NoBoard,
}

/// A change of where alerts go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertsChange {
    /// Alerts come to this place.
    Subscribe(Place),
    /// Somebody with access greeted us in private: alerts come there, unless they were turned off.
    Greeted(Place),
    /// Alerts were turned off in this place.
    Unsubscribe(Place),
    /// The chat has gone out of reach: its alerts end, with this reason.
    Unreachable { chat_id: i64, reason: &'static str },
    /// The chat is within reach again: what ended for want of it goes on.
    Resume { chat_id: i64 },
}
