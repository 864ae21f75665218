//! `windowsill backup` and `windowsill restore`: the state and the event log as a folder of three
//! files, taken while the bot runs.
//!
//! Invariant: a position in the state never lies beyond the end of the log. The state is copied
//! first: every record that it knows of was durable in the log before, so it is in the log's copy,
//! which is made later. What the log gained in between is folded again after a restore. Copied the
//! other way round, the state would have counted records that the log does not have.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::inspect::InspectError;
use crate::sqlite::CopyError;
use crate::store::StoreError;

mod files;
mod restore;
mod take;

pub use restore::restore;
pub use take::{take, take_among};

/// The layout of a backup; another one gets another number.
const FORMAT: u32 = 1;
const STATE: &str = "state.db";
const LOG: &str = "log.db";
const MANIFEST: &str = "manifest.json";
/// The largest manifest that is read.
const MANIFEST_MAX_BYTES: u64 = 64 * 1024;

/// Why there is no backup, or nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The bot has not run in that folder yet.
    #[error("there is nothing to back up in {0} yet; `windowsill run` fills it")]
    Nothing(PathBuf),
    /// What is there is not overwritten.
    #[error("{0} is there and not empty; a backup never overwrites, so name another folder")]
    TargetInUse(PathBuf),
    /// The same, for a data directory.
    #[error(
        "{0} is not empty, and a restore goes into an empty data directory only: name another \
         with --data-dir, or move this one away"
    )]
    DataInUse(PathBuf),
    /// Another `backup` makes this folder now.
    #[error("another backup to {0} is under way")]
    UnderWay(PathBuf),
    /// The folder is no backup, or not a whole one.
    #[error("{path} is no backup that can be restored: {reason}")]
    Unusable { path: PathBuf, reason: String },
    /// A file of the backup is not what was written.
    #[error("{path} is damaged: {reason}; nothing was restored, so try another backup")]
    Damaged { path: PathBuf, reason: String },
    #[error("{path} could not be copied")]
    Copy { path: PathBuf, source: CopyError },
    #[error("{path} could not be used")]
    File { path: PathBuf, source: io::Error },
    #[error("what was copied could not be examined")]
    Inspect(#[from] InspectError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a backup holds and how its files looked when they were written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub format: u32,
    /// The version of the program that made it.
    pub windowsill: String,
    /// RFC 3339, UTC.
    pub taken_at: String,
    pub log_id: String,
    pub schema_version: i64,
    pub files: Vec<FileNote>,
}

/// One file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileNote {
    pub name: String,
    pub size_bytes: u64,
    pub sha256: String,
}

impl Manifest {
    /// The size of all files together.
    pub fn size_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size_bytes).sum()
    }
}

/// Told while a file is copied: its name, how many bytes are there, and how many there will be at
/// most.
pub type Progress<'a> = &'a mut (dyn FnMut(&str, u64, u64) + Send);

/// An error of the file system at a path.
fn at(path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::File { path, source }
}
