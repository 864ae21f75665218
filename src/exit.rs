//! The program's exit codes, as scripts rely on them.

use std::process::{ExitCode, Termination};

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// The work met errors that were reported.
    Errors,
    /// Wrong usage or configuration.
    Usage,
    /// Another instance holds the data directory.
    Taken,
    /// An internal fault.
    Fault,
}

impl Exit {
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Errors => 1,
            Exit::Usage => 2,
            Exit::Taken => 3,
            Exit::Fault => 70,
        }
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(self.code())
    }
}
