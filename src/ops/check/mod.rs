//! `windowsill check`: is everything as it should be, a line each.
//!
//! Invariant: nothing is changed, neither here nor at Telegram: no folder is made, no lock is kept,
//! no webhook is touched. It works beside a running bot and before the first start.

use std::fmt::Display;
use std::io::Write;

use serde::Serialize;
use serde_json::json;

use crate::exit::Exit;

pub mod clock;
pub mod cluster;
pub mod files;
pub mod folder;
pub mod registry;
pub mod settings;
pub mod telegram;

/// Columns of the verdict and of the name.
const VERDICT_WIDTH: usize = 9;
const NAME_WIDTH: usize = 16;

/// How one thing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Ok,
    /// It works, and somebody should know.
    Warning,
    /// The bot cannot do its work like this.
    Failed,
    /// The same, and only the configuration can help.
    Misconfigured,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Warning => "warning",
            Verdict::Failed | Verdict::Misconfigured => "failed",
        }
    }

    /// Green, yellow or red, as terminals have it.
    fn colour(self) -> &'static str {
        match self {
            Verdict::Ok => "\u{1b}[32m",
            Verdict::Warning => "\u{1b}[33m",
            Verdict::Failed | Verdict::Misconfigured => "\u{1b}[31m",
        }
    }

    fn exit(self) -> Exit {
        match self {
            Verdict::Ok | Verdict::Warning => Exit::Done,
            Verdict::Failed => Exit::Errors,
            Verdict::Misconfigured => Exit::Usage,
        }
    }
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub name: &'static str,
    pub verdict: Verdict,
    /// What was found, and what it means.
    pub says: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

impl Finding {
    pub fn ok(name: &'static str, says: impl Into<String>) -> Finding {
        Finding { name, verdict: Verdict::Ok, says: says.into(), remedy: None }
    }

    pub fn new(
        verdict: Verdict,
        name: &'static str,
        says: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Finding {
        Finding { name, verdict, says: says.into(), remedy: Some(remedy.into()) }
    }

    fn line(&self, in_colour: bool) -> String {
        let word = format!("{:<VERDICT_WIDTH$}", self.verdict.word());
        let word = match in_colour {
            true => format!("{}{word}\u{1b}[0m", self.verdict.colour()),
            false => word,
        };
        // What Telegram or SQLite said may have lines of its own.
        let says = self.says.replace('\n', " ");
        let remedy = self.remedy.as_ref().map_or_else(String::new, |remedy| format!("; {remedy}"));
        format!("{word}{:<NAME_WIDTH$}{says}{remedy}", self.name)
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "name": self.name,
            "verdict": self.verdict.word(),
            "says": self.says,
            "remedy": self.remedy,
        })
    }
}

/// How the report is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Lines { in_colour: bool },
    Json,
}

/// What was found so far; lines are shown as they come.
pub struct Report<'a> {
    form: Form,
    out: &'a mut (dyn Write + Send),
    findings: Vec<Finding>,
}

impl<'a> Report<'a> {
    pub fn new(form: Form, out: &'a mut (dyn Write + Send)) -> Report<'a> {
        Report { form, out, findings: Vec::new() }
    }

    pub fn add(&mut self, finding: Finding) {
        if let Form::Lines { in_colour } = self.form {
            // A closed pipe is the reader's choice.
            let _ = writeln!(self.out, "{}", finding.line(in_colour));
        }
        self.findings.push(finding);
    }

    pub fn add_all(&mut self, findings: impl IntoIterator<Item = Finding>) {
        for finding in findings {
            self.add(finding);
        }
    }

    /// The exit code that the worst finding asks for.
    pub fn finish(self) -> Exit {
        let exits = self.findings.iter().map(|finding| finding.verdict.exit());
        let exit = exits.max_by_key(|exit| exit.code()).unwrap_or(Exit::Done);
        if self.form == Form::Json {
            let checks: Vec<_> = self.findings.iter().map(Finding::json).collect();
            let _ = writeln!(self.out, "{}", json!({ "checks": checks, "exit": exit.code() }));
        }
        exit
    }
}

/// A number of things, as people say it.
fn counted<N: Display + PartialEq + From<u8>>(number: N, thing: &str) -> String {
    let ending = if number == N::from(1) { "" } else { "s" };
    format!("{number} {thing}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(verdicts: &[Verdict], form: Form) -> (Exit, String) {
        let mut out = Vec::new();
        let mut report = Report::new(form, &mut out);
        for verdict in verdicts {
            report.add(Finding::new(*verdict, "thing", "it is\nso", "do this"));
        }
        let exit = report.finish();
        (exit, String::from_utf8(out).unwrap())
    }

    #[test]
    fn the_worst_finding_decides_the_exit_code() {
        let exit = |verdicts: &[Verdict]| report(verdicts, Form::Json).0;
        use Verdict::{Failed, Misconfigured, Ok, Warning};
        assert_eq!(exit(&[]), Exit::Done);
        assert_eq!(exit(&[Ok, Warning]), Exit::Done);
        assert_eq!(exit(&[Failed, Ok]), Exit::Errors);
        assert_eq!(exit(&[Misconfigured, Failed]), Exit::Usage);
    }

    #[test]
    fn a_finding_is_one_line_and_in_colour_only_where_asked() {
        let (_, plain) = report(&[Verdict::Warning], Form::Lines { in_colour: false });
        assert_eq!(plain, "warning  thing           it is so; do this\n");
        let (_, coloured) = report(&[Verdict::Warning], Form::Lines { in_colour: true });
        assert!(coloured.starts_with("\u{1b}[33mwarning"), "{coloured:?}");
    }
}
