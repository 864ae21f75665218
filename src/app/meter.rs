//! How far a long command has come: a bar on a terminal, a line now and then elsewhere.

use std::io::{IsTerminal, Write};

use crate::store::past::Progress;

/// Without a terminal a line is printed each time that so many more per cent are done.
const LINE_PER_CENT: i64 = 10;
const BAR_WIDTH: usize = 40;

/// What was shown last.
#[derive(Debug)]
pub(super) struct Meter {
    /// What is done, as in "rebuilding: 20 %".
    what: &'static str,
    shown_per_cent: Option<i64>,
}

/// Nobody is left to be told when standard error is closed.
pub(super) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

impl Meter {
    pub(super) fn new(what: &'static str) -> Meter {
        Meter { what, shown_per_cent: None }
    }

    pub(super) fn show(&mut self, all: &Progress) {
        let per_cent = all.per_cent();
        let is_terminal = std::io::stderr().is_terminal();
        if is_terminal && self.shown_per_cent != Some(per_cent) {
            let filled = usize::try_from(per_cent).unwrap_or(0) * BAR_WIDTH / 100;
            let bar = format!("{}{}", "█".repeat(filled), "░".repeat(BAR_WIDTH - filled));
            let _ = write!(std::io::stderr(), "\r{bar} {per_cent:>3} % of {}", all.total);
            let _ = std::io::stderr().flush();
        } else if !is_terminal
            && self.shown_per_cent.is_none_or(|shown| per_cent >= shown + LINE_PER_CENT)
        {
            say(&format!("{}: {per_cent} % of {} records", self.what, all.total));
        } else {
            return;
        }
        self.shown_per_cent = Some(per_cent);
    }

    /// It is done; nothing is said if nothing was shown.
    pub(super) fn finish(&self, words: &str) {
        if self.shown_per_cent.is_none() {
            return;
        }
        let begin = if std::io::stderr().is_terminal() { "\r\x1b[K" } else { "" };
        say(&format!("{begin}{words}"));
    }
}
