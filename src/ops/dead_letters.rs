//! `windowsill dead-letters`: records that could not be folded, seen and tried again from a
//! terminal.
//!
//! Invariant: the state belongs to the bot and is only read here. What a replay leaves behind is
//! its record in the log, and the bot marks the letter when it meets that record.

use std::io;

use crate::log::LogError;
use crate::store::StoreError;

mod list;
mod replay;

pub use list::{ListOptions, list};
pub use replay::{Replayed, Which, replay};

/// Why a verb could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum LettersError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("cannot write the output: {0}")]
    Output(#[source] io::Error),
    /// Two replays at once could append the same letter twice.
    #[error("another replay is at work in {0}; try again when it is done")]
    Busy(String),
    #[error("the data directory cannot be used: {0}")]
    Lock(#[source] io::Error),
}
