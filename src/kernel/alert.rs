//! An alert and its identity.
//!
//! Invariant: the identity is (rule, subject, event time) and, for alerts of a single record, the
//! record's place. Texts and counts are no part of it; recording the same alert twice is nothing.

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
    /// What the chat is told.
    pub text: Text,
    /// One line of the same, for a message that gathers many.
    pub brief: Text,
    /// Urgent alerts come first where many wait.
    pub urgent: bool,
}
