//! One owner for a data directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use super::StoreError;

/// The lock's file in the data directory.
pub const FILE: &str = "state.lock";
/// Stands in a data directory while it is filled from a backup.
pub const RESTORE_MARKER: &str = "restore.partial";

/// Held while a process owns a data directory. The operating system drops the lock with the
/// process, so a crash leaves nothing to clean up.
#[derive(Debug)]
pub struct DirLock {
    _file: File,
}

impl DirLock {
    /// Creates the directory if it is missing and takes its lock.
    pub fn take(data_dir: &Path) -> Result<DirLock, StoreError> {
        DirLock::take_part(data_dir, FILE)
    }

    /// The same for a part of the directory that has an owner of its own, by its lock's file.
    pub fn take_part(data_dir: &Path, file: &str) -> Result<DirLock, StoreError> {
        make_dir(data_dir)?;
        let unusable = |source| StoreError::Directory { path: data_dir.to_owned(), source };
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(data_dir.join(file))
            .map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => Ok(DirLock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Locked(data_dir.to_owned())),
            Err(TryLockError::Error(source)) => Err(unusable(source)),
        }
    }
}

/// Creates the directory if it is missing.
pub fn make_dir(data_dir: &Path) -> Result<(), StoreError> {
    if data_dir.is_file() {
        return Err(StoreError::NoDirectory(data_dir.to_owned()));
    }
    let unusable = |source| StoreError::Directory { path: data_dir.to_owned(), source };
    std::fs::create_dir_all(data_dir).map_err(unusable)
}

/// Does a process hold the directory's lock at this moment? Takes nothing.
pub fn is_held(data_dir: &Path) -> bool {
    let Ok(file) = File::open(data_dir.join(FILE)) else { return false };
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}

/// Refuses a data directory that a restore has begun to fill and not finished.
pub fn expect_whole(data_dir: &Path) -> Result<(), StoreError> {
    match data_dir.join(RESTORE_MARKER).exists() {
        true => Err(StoreError::HalfRestored(data_dir.to_owned())),
        false => Ok(()),
    }
}
