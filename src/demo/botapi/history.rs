//! The history file: one change a line, appended as it happens, rewritten at start.
//!
//! Invariant: a line counts only when it is whole, so a write cut short by a crash
//! loses at most itself. The bytes of files lie in a folder beside the history.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::model::{Change, StoredFile};
use super::world::World;

/// Lines appended before the file is rewritten without what is no longer so.
const COMPACT_AFTER_LINES: usize = 20_000;

pub(super) struct History {
    path: PathBuf,
    file: File,
    lines: usize,
}

impl History {
    /// Replays the file into `world` and opens it for what happens next.
    pub(super) fn open(path: &Path, world: &mut World) -> io::Result<History> {
        fs::create_dir_all(folder_of_files(path))?;
        if let Ok(bytes) = fs::read(path) {
            for line in bytes.split(|byte| *byte == b'\n') {
                // A torn or foreign line is nobody's loss but its own.
                if let Ok(change) = serde_json::from_slice::<Change>(line) {
                    world.apply(change);
                }
            }
        }
        remove_orphans(path, world)?;
        let file = compact(path, world)?;
        Ok(History { path: path.to_owned(), file, lines: 0 })
    }

    /// Appends a change that `world` already contains.
    pub(super) fn append(&mut self, change: &Change, world: &World) -> io::Result<()> {
        let mut line = serde_json::to_vec(change)?;
        line.push(b'\n');
        self.file.write_all(&line)?;
        self.lines += 1;
        if self.lines >= COMPACT_AFTER_LINES {
            self.file = compact(&self.path, world)?;
            self.lines = 0;
        }
        Ok(())
    }

    pub(super) fn store_bytes(&self, file: &StoredFile, bytes: &[u8]) -> io::Result<()> {
        fs::write(folder_of_files(&self.path).join(&file.unique_id), bytes)
    }

    pub(super) fn load_bytes(&self, file: &StoredFile) -> io::Result<Vec<u8>> {
        fs::read(folder_of_files(&self.path).join(&file.unique_id))
    }
}

fn folder_of_files(path: &Path) -> PathBuf {
    path.with_extension("files")
}

fn compact(path: &Path, world: &World) -> io::Result<File> {
    let fresh = path.with_extension("new");
    let mut file = io::BufWriter::new(File::create(&fresh)?);
    for change in world.as_changes() {
        serde_json::to_writer(&mut file, &change)?;
        file.write_all(b"\n")?;
    }
    file.into_inner()?.sync_all()?;
    fs::rename(&fresh, path)?;
    OpenOptions::new().append(true).open(path)
}

/// Removes the bytes of files the history no longer knows.
fn remove_orphans(path: &Path, world: &World) -> io::Result<()> {
    for entry in fs::read_dir(folder_of_files(path))? {
        let entry = entry?;
        let name = entry.file_name();
        if !world.files.values().any(|file| name == *file.unique_id) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
