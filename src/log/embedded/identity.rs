//! Which file the log is, so that it is noticed when that is no longer the one at its path.
//!
//! Invariant: no append is answered, and no record handed out, once the file was seen to be gone or
//! another one: what is written into a deleted file is lost with the process.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::log::LogError;

/// The file that was opened: its path, and the inode that was found there.
#[derive(Debug)]
pub(super) struct Identity {
    path: PathBuf,
    device: u64,
    inode: u64,
    /// Found out once, true for ever: a file that is put back may have missed appends.
    fault: OnceLock<&'static str>,
}

impl Identity {
    /// The file that lies at `path` now.
    pub(super) fn of(path: &Path) -> Result<Identity, LogError> {
        let found = std::fs::metadata(path)
            .map_err(|error| LogError::Unavailable(format!("{}: {error}", path.display())))?;
        let (device, inode) = (found.dev(), found.ino());
        Ok(Identity { path: path.to_owned(), device, inode, fault: OnceLock::new() })
    }

    /// Is it still there? One look at the directory, no reading.
    pub(super) fn check(&self) -> Result<(), LogError> {
        if self.fault.get().is_none() {
            match std::fs::metadata(&self.path) {
                Ok(found) if (found.dev(), found.ino()) == (self.device, self.inode) => {
                    return Ok(());
                }
                Ok(_) => self.accuse("was replaced by another file"),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    self.accuse("was deleted or moved away");
                }
                Err(error) => {
                    let place = self.path.display();
                    return Err(LogError::Unavailable(format!("{place}: {error}")));
                }
            }
        }
        let what = self.fault.get().copied().unwrap_or("was replaced by another file");
        Err(LogError::Replaced { place: self.path.display().to_string(), what })
    }

    /// From here on every check fails with this.
    pub(super) fn accuse(&self, what: &'static str) {
        // The first reason stays.
        let _ = self.fault.set(what);
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_gone_or_another_is_told_and_never_forgiven() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.db");
        std::fs::write(&path, "one").unwrap();
        let identity = Identity::of(&path).unwrap();
        identity.check().unwrap();
        std::fs::rename(&path, dir.path().join("aside")).unwrap();
        let gone = identity.check().unwrap_err().to_string();
        assert!(gone.contains("deleted or moved away"), "{gone}");
        std::fs::rename(dir.path().join("aside"), &path).unwrap();
        assert!(identity.check().is_err());

        let other = Identity::of(&path).unwrap();
        std::fs::write(dir.path().join("new"), "two").unwrap();
        std::fs::rename(dir.path().join("new"), &path).unwrap();
        let replaced = other.check().unwrap_err().to_string();
        assert!(replaced.contains("replaced by another file"), "{replaced}");
    }
}
