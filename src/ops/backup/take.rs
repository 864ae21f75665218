//! Taking a backup.
//!
//! Invariant: a folder has the name it was given only when everything in it is on the disk.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, SecondsFormat};

use super::{BackupError, FORMAT, FileNote, LOG, MANIFEST, Manifest, Progress, STATE, at, files};
use crate::ops::inspect;
use crate::sqlite::{self, CopyError};
use crate::{clock, crash};

/// How often it is looked how far a copy is.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// The names of backups that are kept side by side: they sort by time.
const NAME_FORMAT: &str = "%Y-%m-%dT%H%M%SZ";
/// What follows the name of a backup that is being made.
const UNFINISHED: &str = ".partial";

/// Takes a backup of a data directory as the folder `target`. `with_log`: the log is a file in it.
pub async fn take(
    data_dir: &Path,
    target: &Path,
    with_log: bool,
    progress: Progress<'_>,
) -> Result<Manifest, BackupError> {
    if !data_dir.join(STATE).is_file() || with_log && !data_dir.join(LOG).is_file() {
        return Err(BackupError::Nothing(data_dir.to_owned()));
    }
    if !files::is_vacant(target).map_err(at(target))? {
        return Err(BackupError::TargetInUse(target.to_owned()));
    }
    let unfinished = Unfinished::begin(target)?;
    let taken = fill(data_dir, &unfinished.dir, with_log, progress).await;
    match taken {
        Ok(manifest) => {
            unfinished.finish(target)?;
            Ok(manifest)
        }
        Err(error) => {
            unfinished.give_up();
            Err(error)
        }
    }
}

/// Takes a backup named by the time inside `parent`, then removes older ones than the newest
/// `keep`. Gives its folder, too.
pub async fn take_among(
    data_dir: &Path,
    parent: &Path,
    keep: u32,
    with_log: bool,
    progress: Progress<'_>,
) -> Result<(PathBuf, Manifest), BackupError> {
    let now = DateTime::from_timestamp_millis(clock::now_ms()).unwrap_or_default();
    let target = parent.join(now.format(NAME_FORMAT).to_string());
    let manifest = take(data_dir, &target, with_log, progress).await?;
    prune(parent, keep).map_err(at(parent))?;
    Ok((target, manifest))
}

/// Removes all but the newest `keep` backups, and what killed ones have left. What is not named as
/// one and has no manifest is somebody else's, and stays.
fn prune(parent: &Path, keep: u32) -> std::io::Result<()> {
    let mut backups = Vec::new();
    for entry in fs::read_dir(parent)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_time = |name: &str| NaiveDateTime::parse_from_str(name, NAME_FORMAT).is_ok();
        if name.strip_suffix(UNFINISHED).is_some_and(is_time) {
            // A backup that is under way holds its folder's lock.
            let lock = File::open(&path)?;
            if lock.try_lock().is_ok() {
                fs::remove_dir_all(&path)?;
            }
        } else if is_time(name) && path.join(MANIFEST).is_file() {
            backups.push(path);
        }
    }
    backups.sort();
    let surplus = backups.len().saturating_sub(usize::try_from(keep).unwrap_or(usize::MAX));
    for path in &backups[..surplus] {
        // Without its manifest it is no backup any more, should this be interrupted.
        fs::remove_file(path.join(MANIFEST))?;
        fs::remove_dir_all(path)?;
    }
    Ok(())
}

/// The folder under its passing name, locked against a second `backup` to the same place.
struct Unfinished {
    dir: PathBuf,
    _lock: File,
}

impl Unfinished {
    fn begin(target: &Path) -> Result<Unfinished, BackupError> {
        let mut name = target.as_os_str().to_owned();
        name.push(UNFINISHED);
        let dir = PathBuf::from(name);
        fs::create_dir_all(&dir).map_err(at(&dir))?;
        let lock = File::open(&dir).map_err(at(&dir))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(BackupError::UnderWay(target.to_owned())),
            Err(TryLockError::Error(error)) => return Err(at(&dir)(error)),
        }
        // A backup that was killed has left what it had.
        files::clear(&dir).map_err(at(&dir))?;
        Ok(Unfinished { dir, _lock: lock })
    }

    fn finish(self, target: &Path) -> Result<(), BackupError> {
        files::sync_dir(&self.dir).map_err(at(&self.dir))?;
        fs::rename(&self.dir, target).map_err(at(target))?;
        let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        files::sync_dir(parent).map_err(at(parent))
    }

    /// Makes room again, most of all where there was none.
    fn give_up(self) {
        if let Err(error) = fs::remove_dir_all(&self.dir) {
            tracing::warn!(%error, dir = %self.dir.display(), "an unfinished backup is left");
        }
    }
}

/// Copies the files, the state first, and describes them.
async fn fill(
    data_dir: &Path,
    dir: &Path,
    with_log: bool,
    progress: Progress<'_>,
) -> Result<Manifest, BackupError> {
    let taken_at = DateTime::from_timestamp_millis(clock::now_ms()).unwrap_or_default();
    copy(&data_dir.join(STATE), &dir.join(STATE), STATE, progress).await?;
    crash::point("between-copies");
    let state = inspect::state(&dir.join(STATE), None).await?;
    let log_id = match with_log {
        true => {
            copy(&data_dir.join(LOG), &dir.join(LOG), LOG, progress).await?;
            inspect::log(&dir.join(LOG), None).await?.id
        }
        // The cluster's, if anything of it was read.
        false => state.positions.first().map(|at| at.log_id.clone()).unwrap_or_default(),
    };
    let note = |name: &str| -> Result<FileNote, BackupError> {
        let path = dir.join(name);
        files::note(&path, name).map_err(at(&path))
    };
    let manifest = Manifest {
        format: FORMAT,
        windowsill: env!("CARGO_PKG_VERSION").to_owned(),
        taken_at: taken_at.to_rfc3339_opts(SecondsFormat::Secs, true),
        log_id,
        schema_version: state.schema_version,
        files: match with_log {
            true => vec![note(STATE)?, note(LOG)?],
            false => vec![note(STATE)?],
        },
    };
    let path = dir.join(MANIFEST);
    let text = serde_json::to_vec_pretty(&manifest).map_err(|error| at(&path)(error.into()))?;
    files::write(&path, &text).map_err(at(&path))?;
    Ok(manifest)
}

/// Copies a database while its owner goes on, and tells how far it is.
async fn copy(
    from: &Path,
    to: &Path,
    name: &str,
    progress: Progress<'_>,
) -> Result<(), BackupError> {
    let failed = |source: CopyError| BackupError::Copy { path: from.to_owned(), source };
    let mut db = sqlite::connect(from).await.map_err(|error| failed(error.into()))?;
    let expected_bytes = sqlite::size_bytes(&mut db).await.map_err(|error| failed(error.into()))?;
    let copying = sqlite::copy_into(&mut db, to);
    tokio::pin!(copying);
    loop {
        tokio::select! {
            copied = &mut copying => return copied.map_err(failed),
            () = tokio::time::sleep(LOOK_EVERY) => {
                let there_bytes = fs::metadata(to).map_or(0, |data| data.len());
                progress(name, there_bytes, expected_bytes);
            }
        }
    }
}
