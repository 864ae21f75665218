//! `windowsill backup` and `windowsill restore`: their output and exit codes.

use std::io::{IsTerminal, Write};
use std::path::Path;

use super::house::{self, Failure};
use crate::cli::Backup;
use crate::config::Config;
use crate::engine::error_chain;
use crate::exit::Exit;
use crate::ops::backup::{self, BackupError, Manifest};

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Failure {
        match error {
            BackupError::Store(error) => error.into(),
            BackupError::TargetInUse(_)
            | BackupError::DataInUse(_)
            | BackupError::Unusable { .. } => Failure::new(Exit::Usage, error.to_string()),
            error => Failure::new(Exit::Errors, error_chain(&error)),
        }
    }
}

pub(super) async fn backup(config: &Config, options: &Backup) -> Result<Exit, Failure> {
    let data_dir = &config.data_dir;
    crate::store::lock::expect_whole(data_dir)?;
    // A cluster is backed up by whoever keeps it.
    let with_log = config.kafka.brokers.is_none();
    let mut line = Line::new();
    let mut progress = |name: &str, done, of| line.show(name, done, of);
    let (dir, manifest) = match options.keep {
        Some(keep) => {
            backup::take_among(data_dir, &options.dir, keep, with_log, &mut progress).await?
        }
        None => {
            let manifest = backup::take(data_dir, &options.dir, with_log, &mut progress).await?;
            (options.dir.clone(), manifest)
        }
    };
    line.clear();
    told(&format!("backed up {} to {}", data_dir.display(), dir.display()), &manifest);
    Ok(Exit::Done)
}

pub(super) async fn restore(config: &Config, source: &Path) -> Result<Exit, Failure> {
    let topics = house::topics(config)?;
    let mut line = Line::new();
    let mut progress = |name: &str, done, of| line.show(name, done, of);
    let manifest = backup::restore(source, &config.data_dir, &topics, &mut progress).await?;
    line.clear();
    let data_dir = config.data_dir.display();
    told(
        &format!("restored {} to {data_dir}; `windowsill run` goes on", source.display()),
        &manifest,
    );
    Ok(Exit::Done)
}

fn told(what: &str, manifest: &Manifest) {
    // A closed pipe is the reader's choice.
    let _ = writeln!(
        std::io::stdout(),
        "{what}: {}, taken {}, windowsill {}",
        megabytes(manifest.size_bytes()),
        manifest.taken_at,
        manifest.windowsill
    );
}

/// Progress on a terminal; nothing elsewhere.
struct Line {
    is_terminal: bool,
    shown: Option<String>,
}

impl Line {
    fn new() -> Line {
        Line { is_terminal: std::io::stderr().is_terminal(), shown: None }
    }

    fn show(&mut self, name: &str, done_bytes: u64, of_bytes: u64) {
        if !self.is_terminal {
            return;
        }
        let percent = (done_bytes * 100).checked_div(of_bytes).unwrap_or(100).min(100);
        let text = format!("{name}: {percent} % of {}", megabytes(of_bytes));
        if self.shown.as_ref() != Some(&text) {
            let _ = write!(std::io::stderr(), "\r{text}\u{1b}[K");
            self.shown = Some(text);
        }
    }

    fn clear(&self) {
        if self.shown.is_some() {
            let _ = write!(std::io::stderr(), "\r\u{1b}[K");
        }
    }
}

fn megabytes(bytes: u64) -> String {
    let tenths = bytes / 100_000;
    format!("{}.{} MB", tenths / 10, tenths % 10)
}
