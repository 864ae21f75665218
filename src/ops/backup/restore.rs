//! Filling an empty data directory from a backup.
//!
//! Invariant: while the marker stands in the data directory, the restore is not finished, every
//! command that opens the folder refuses it, and whatever lies in it came from a restore.

use std::fs;
use std::io::Read;
use std::path::Path;

use super::{
    BackupError, FORMAT, FileNote, LOG, MANIFEST, MANIFEST_MAX_BYTES, Manifest, Progress, STATE,
    at, files,
};
use crate::crash;
use crate::log::topics::Topics;
use crate::ops::inspect;
use crate::sqlite::Care;
use crate::store::{DirLock, StoreError, lock, schema};

/// What an empty data directory may hold: its lock, and what a file system puts into its root.
const HARMLESS: [&str; 2] = [lock::FILE, "lost+found"];

/// Restores the backup in `source` into `data_dir`.
pub async fn restore(
    source: &Path,
    data_dir: &Path,
    topics: &Topics,
    progress: Progress<'_>,
) -> Result<Manifest, BackupError> {
    let manifest = read_manifest(source)?;
    if lock::is_held(data_dir) {
        return Err(StoreError::Locked(data_dir.to_owned()).into());
    }
    if !is_fresh(data_dir)? {
        return Err(BackupError::DataInUse(data_dir.to_owned()));
    }
    // Before anything is touched.
    for expected in &manifest.files {
        let path = source.join(&expected.name);
        let found = files::note(&path, &expected.name).map_err(at(&path))?;
        expect_same(&path, expected, &found)?;
    }
    let _lock = DirLock::take(data_dir)?;
    let marker = data_dir.join(lock::RESTORE_MARKER);
    begin(data_dir, &marker)?;
    if let Err(error) = fill(source, &marker, &manifest, topics, progress).await {
        // As empty as before: another backup may be tried at once.
        fs::remove_dir_all(&marker).map_err(at(&marker))?;
        return Err(error);
    }
    take_over(data_dir, &marker, &manifest)?;
    Ok(manifest)
}

fn read_manifest(source: &Path) -> Result<Manifest, BackupError> {
    let path = source.join(MANIFEST);
    let unusable = |reason: String| BackupError::Unusable { path: source.to_owned(), reason };
    let file = fs::File::open(&path)
        .map_err(|error| unusable(format!("its {MANIFEST} cannot be read: {error}")))?;
    let mut text = String::new();
    file.take(MANIFEST_MAX_BYTES).read_to_string(&mut text).map_err(at(&path))?;
    let manifest: Manifest = serde_json::from_str(&text)
        .map_err(|error| unusable(format!("its {MANIFEST} is not as it was written: {error}")))?;
    if manifest.format != FORMAT {
        let (format, program) = (manifest.format, &manifest.windowsill);
        return Err(unusable(format!(
            "it has format {format} of windowsill {program}, and this one knows format {FORMAT}"
        )));
    }
    if manifest.schema_version > schema::newest() {
        return Err(StoreError::Newer {
            path: source.join(STATE),
            found: manifest.schema_version,
            known: schema::newest(),
            program: format!("windowsill {}", manifest.windowsill),
        }
        .into());
    }
    let names: Vec<&str> = manifest.files.iter().map(|file| file.name.as_str()).collect();
    // Where the log is a cluster, the state is all.
    if names != [STATE, LOG] && names != [STATE] {
        return Err(unusable(format!("it lists {names:?}, expected {STATE}, and {LOG} at most")));
    }
    Ok(manifest)
}

fn expect_same(path: &Path, expected: &FileNote, found: &FileNote) -> Result<(), BackupError> {
    if expected == found {
        return Ok(());
    }
    let reason = if expected.size_bytes == found.size_bytes {
        "its checksum is not the manifest's".to_owned()
    } else {
        format!("it has {} bytes, expected {}", found.size_bytes, expected.size_bytes)
    };
    Err(BackupError::Damaged { path: path.to_owned(), reason })
}

/// May a restore begin here? What an interrupted one has left does not count.
fn is_fresh(data_dir: &Path) -> Result<bool, BackupError> {
    if data_dir.join(lock::RESTORE_MARKER).is_dir() {
        return Ok(true);
    }
    let entries = match fs::read_dir(data_dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(at(data_dir)(error)),
    };
    for entry in entries {
        let name = entry.map_err(at(data_dir))?.file_name();
        if !HARMLESS.iter().any(|harmless| name == *harmless) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Sets the marker, a folder that the copies go into, and clears what an interrupted restore left.
fn begin(data_dir: &Path, marker: &Path) -> Result<(), BackupError> {
    if marker.is_dir() {
        files::clear(marker).map_err(at(marker))?;
        for name in [STATE, LOG] {
            let path = data_dir.join(name);
            if path.exists() {
                fs::remove_file(&path).map_err(at(&path))?;
            }
        }
    } else {
        fs::create_dir(marker).map_err(at(marker))?;
    }
    files::sync_dir(data_dir).map_err(at(data_dir))
}

/// Copies the files beside their places and examines the copies.
async fn fill(
    source: &Path,
    dir: &Path,
    manifest: &Manifest,
    topics: &Topics,
    progress: Progress<'_>,
) -> Result<(), BackupError> {
    for expected in &manifest.files {
        let from = source.join(&expected.name);
        let copied = files::copy(&from, &dir.join(&expected.name), &expected.name, progress);
        expect_same(&from, expected, &copied.map_err(at(&from))?)?;
    }
    let state = inspect::state(&dir.join(STATE), Some(Care::Thorough)).await?;
    let mut complaints = state.complaints.clone();
    if manifest.files.iter().any(|file| file.name == LOG) {
        let log = inspect::log(&dir.join(LOG), Some(Care::Thorough)).await?;
        complaints.extend(log.complaints.iter().cloned());
        complaints.extend(inspect::misfits(&state, &log, topics));
    }
    if let Some(reason) = complaints.into_iter().next() {
        return Err(BackupError::Damaged { path: source.to_owned(), reason });
    }
    Ok(())
}

/// Puts the copies in their places; the restore is done when the marker is gone.
fn take_over(data_dir: &Path, marker: &Path, manifest: &Manifest) -> Result<(), BackupError> {
    for FileNote { name, .. } in &manifest.files {
        let place = data_dir.join(name);
        fs::rename(marker.join(name), &place).map_err(at(&place))?;
        crash::point("between-places");
    }
    files::sync_dir(data_dir).map_err(at(data_dir))?;
    fs::remove_dir(marker).map_err(at(marker))?;
    files::sync_dir(data_dir).map_err(at(data_dir))
}
