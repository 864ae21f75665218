//! The program's exit codes, as scripts rely on them.

use std::process::{ExitCode, Termination};

/// How a command ended; [`Exit::meaning`] says what each means to a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Done,
    Errors,
    Usage,
    Taken,
    Fault,
}

impl Exit {
    pub const ALL: [Exit; 5] = [Exit::Done, Exit::Errors, Exit::Usage, Exit::Taken, Exit::Fault];

    /// As `--help` explains it.
    pub fn meaning(self) -> &'static str {
        match self {
            Exit::Done => "done",
            Exit::Errors => "the work met errors that were reported",
            Exit::Usage => "wrong usage or configuration",
            Exit::Taken => "another instance holds the data directory",
            Exit::Fault => "an internal fault",
        }
    }

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

/// The table of codes under every `--help`.
pub fn table() -> String {
    let line = |exit: Exit| format!("  {:<4}{}", exit.code(), exit.meaning());
    let lines: Vec<String> = Exit::ALL.into_iter().map(line).collect();
    format!("Exit codes:\n{}", lines.join("\n"))
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(self.code())
    }
}
