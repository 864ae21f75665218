//! Poison: a record that no fold can use.
//!
//! Invariant: the reason says what was expected; it is what the dead letter shows and what
//! `topic write` prints for the same value.

/// Why a record is a dead letter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Poison {
    pub reason: String,
}

impl Poison {
    pub fn new(reason: impl Into<String>) -> Poison {
        Poison { reason: reason.into() }
    }
}
