//! What a decision wants done. The shell does it, in one transaction; nothing here acts.

use serde_json::Value;

use super::chat::{Keyboard, Place};
use super::text::Text;

/// Something to say in the chat that the decision is about.
#[derive(Debug, Clone, PartialEq)]
pub struct Say {
    pub text: Text,
    pub keyboard: Keyboard,
    /// Without a sound: good news and corrections.
    pub silent: bool,
}

impl Say {
    pub fn new(text: Text) -> Say {
        Say { text, keyboard: Keyboard::new(), silent: false }
    }

    #[must_use]
    pub fn with(mut self, keyboard: Keyboard) -> Say {
        self.keyboard = keyboard;
        self
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
    pub key: String,
    /// `None` is a tombstone.
    pub value: Option<Value>,
}

/// What a decision about an update wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    Say(Say),
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
    Publish(Publish),
    /// The conversation goes on with this state of the room that decided.
    Converse(Value),
    EndConversation,
    Access(AccessChange),
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
    Subscribe(Place),
}
