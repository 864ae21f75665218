//! Copies and checksums of files, and folders that appear whole or not at all.
//!
//! Invariant: what a function here has written is on the disk when it returns.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::{FileNote, Progress};

/// Bytes read at once.
const CHUNK_BYTES: usize = 256 * 1024;

/// Size and checksum of a file.
pub(super) fn note(path: &Path, name: &str) -> io::Result<FileNote> {
    pass(File::open(path)?, &mut io::sink(), name, &mut |_, _, _| {})
}

/// Copies a file and says what went through.
pub(super) fn copy(
    from: &Path,
    to: &Path,
    name: &str,
    progress: Progress<'_>,
) -> io::Result<FileNote> {
    let mut target = File::create_new(to)?;
    let copied = pass(File::open(from)?, &mut target, name, progress)?;
    target.sync_all()?;
    Ok(copied)
}

fn pass(
    mut source: File,
    target: &mut dyn Write,
    name: &str,
    progress: Progress<'_>,
) -> io::Result<FileNote> {
    let expected_bytes = source.metadata()?.len();
    let mut digest = Sha256::new();
    let mut size_bytes = 0;
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = source.read(&mut chunk)?;
        if read == 0 {
            let sha256 = format!("{:x}", digest.finalize());
            return Ok(FileNote { name: name.to_owned(), size_bytes, sha256 });
        }
        digest.update(&chunk[..read]);
        target.write_all(&chunk[..read])?;
        size_bytes += read as u64;
        progress(name, size_bytes, expected_bytes);
    }
}

pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes the names in a folder durable.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Is there nothing at this place, or an empty folder?
pub(super) fn is_vacant(dir: &Path) -> io::Result<bool> {
    match fs::read_dir(dir) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

/// Empties a folder that was left unfinished.
pub(super) fn clear(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        fs::remove_file(entry?.path())?;
    }
    Ok(())
}
