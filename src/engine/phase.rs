//! How far a pipeline's present session is, for whoever asks whether it works.

/// A pipeline's phase. It changes with each session; nothing of it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Its tables are read from their beginning; records wait for that.
    ReadingTables,
    /// Its views were emptied; what it had folded is folded again, in silence.
    Rebuilding,
    /// Records are folded as they come.
    Folding,
    /// A session failed for this reason; another one begins after a pause.
    Pausing(String),
    /// It must not go on for this reason until somebody has seen to it; it looks again by itself.
    Halted(String),
}
