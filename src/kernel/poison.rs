//! A record that cannot be folded, and why.

/// Why a record is a dead letter; the text says what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Poison(pub String);

impl Poison {
    pub fn new(reason: impl Into<String>) -> Poison {
        Poison(reason.into())
    }
}
