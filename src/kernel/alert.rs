//! An alert and its identity.
//!
//! Invariant: the identity is (rule, subject, event time) and, for alerts of a single record, the
//! record's place. Texts and counts are no part of it; recording the same alert twice is nothing.

use std::fmt;

use super::card::Card;
use super::chat::Keyboard;
use super::text::Text;

/// An alert that a rule found true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// The rule's name, e.g. `plants.dry`.
    pub rule: &'static str,
    /// Whom or what it is about, e.g. a plant's id.
    pub subject: String,
    /// For a window: its end. Milliseconds since the epoch.
    pub event_ms: i64,
    /// The record that it is about, where one record matters by itself.
    pub source: Option<Source>,
    /// What a snooze of it is known by; `None` cannot be snoozed.
    pub about: Option<String>,
    /// It lasts: its message is a card that changes with it, known by `about`.
    pub card: Option<Card>,
    /// What the chat is told.
    pub text: Text,
    /// One line of the same, for a message that gathers many.
    pub brief: Text,
    /// What can be done about it.
    pub keyboard: Keyboard,
    /// Urgent alerts come first where many wait.
    pub urgent: bool,
    /// Good news comes without a sound.
    pub silent: bool,
}

impl Alert {
    /// An alert of this identity that says this, and has nothing else to it.
    pub fn new(
        rule: &'static str,
        subject: impl Into<String>,
        event_ms: i64,
        text: Text,
        brief: Text,
    ) -> Alert {
        Alert {
            rule,
            subject: subject.into(),
            event_ms,
            source: None,
            about: None,
            card: None,
            text,
            brief,
            keyboard: Keyboard::new(),
            urgent: false,
            silent: false,
        }
    }
}

/// Where the record stands that an alert is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The topic's default name.
    pub topic: &'static str,
    pub partition: i32,
    pub offset: i64,
}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}/{}", self.topic, self.partition, self.offset)
    }
}
