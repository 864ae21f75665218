//! `windowsill topic`: the event log seen from a terminal.
//!
//! Invariant: a line goes into the log only if the fold would take it, unless it is given as raw
//! bytes.

use std::io;

use crate::log::LogError;
use crate::log::topics::{Topic, Topics};

mod lines;
mod list;
mod output;
mod parse;
mod read;
mod write;

pub use lines::{ParsedLines, parse_lines};
pub use list::list;
pub use parse::{LineFormat, LineParser};
pub use read::{Begin, Lines, Piece, ReadOptions, read};
pub use write::{WriteOptions, Written, write};

/// Why a verb could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum TopicError {
    /// The person asked for something that is not there.
    #[error("there is no topic {name:?}; the topics are {known}")]
    Unknown { name: String, known: String },
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("cannot read standard input: {0}")]
    Input(#[source] io::Error),
    #[error("cannot write the output: {0}")]
    Output(#[source] io::Error),
}

/// The topic that a person means, by the name in force or the default one.
pub fn find<'a>(topics: &'a Topics, name: &str) -> Result<&'a Topic, TopicError> {
    topics.find(name).ok_or_else(|| {
        let known: Vec<&str> = topics.iter().map(|topic| topic.log_name.as_str()).collect();
        TopicError::Unknown { name: name.to_owned(), known: known.join(", ") }
    })
}
