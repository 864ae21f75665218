//! The data directory: is it there, may we write, is there room, who holds it.

use std::path::{Path, PathBuf};

use rustix::fs::{Access, access, statvfs};

use super::{Finding, Verdict};
use crate::store::lock;

const FOLDER: &str = "data directory";
const SPACE: &str = "disk space";
/// With less room the owner should hear of it.
const LOW_BYTES: u64 = 512 * 1024 * 1024;
/// With less the log's next checkpoint may not fit.
const LEAST_BYTES: u64 = 64 * 1024 * 1024;

/// What can be said of the folder from outside.
pub fn findings(data_dir: &Path) -> Vec<Finding> {
    let existing = nearest(data_dir);
    vec![folder(data_dir, &existing), space(&existing)]
}

/// The folder itself, or the one in which it would be made.
fn nearest(data_dir: &Path) -> PathBuf {
    let there = data_dir.ancestors().find(|path| path.exists());
    there.filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}

fn folder(data_dir: &Path, existing: &Path) -> Finding {
    let name = data_dir.display();
    if !existing.is_dir() {
        let says = format!("{} is no folder", existing.display());
        return Finding::new(Verdict::Misconfigured, FOLDER, says, "set data_dir to another place");
    }
    if lock::expect_whole(data_dir).is_err() {
        let says = format!("a restore into {name} has not finished");
        return Finding::new(Verdict::Failed, FOLDER, says, "run `windowsill restore` again");
    }
    if let Err(error) = access(existing, Access::WRITE_OK | Access::EXEC_OK) {
        let says = format!("{} cannot be written by this user: {error}", existing.display());
        let remedy = "give it to the bot's user, or run this as that user";
        return Finding::new(Verdict::Failed, FOLDER, says, remedy);
    }
    Finding::ok(
        FOLDER,
        match (data_dir.is_dir(), lock::is_held(data_dir)) {
            (false, _) => format!("{name} is not there yet; the first start makes it"),
            (true, true) => format!("{name} can be written; a bot runs on it"),
            (true, false) => format!("{name} can be written; no bot runs on it"),
        },
    )
}

fn space(existing: &Path) -> Finding {
    let volume = match statvfs(existing) {
        Ok(volume) => volume,
        Err(error) => {
            let says = format!("unknown: {error}");
            return Finding::new(Verdict::Warning, SPACE, says, "look at it with `df`");
        }
    };
    room(volume.f_bavail.saturating_mul(volume.f_frsize))
}

fn room(free_bytes: u64) -> Finding {
    let megabytes = free_bytes / 1_000_000;
    let says = format!("{megabytes} MB free");
    let remedy = "make room; what cannot be stored is not acknowledged, and waits at Telegram";
    match free_bytes {
        0..LEAST_BYTES => Finding::new(Verdict::Failed, SPACE, says, remedy),
        LEAST_BYTES..LOW_BYTES => Finding::new(Verdict::Warning, SPACE, says, remedy),
        _ => Finding::ok(SPACE, says),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_room_is_a_warning_and_hardly_any_a_failure() {
        let verdict = |free_bytes| room(free_bytes).verdict;
        assert_eq!(verdict(LOW_BYTES), Verdict::Ok);
        assert_eq!(verdict(LOW_BYTES - 1), Verdict::Warning);
        assert_eq!(verdict(LEAST_BYTES - 1), Verdict::Failed);
    }

    #[test]
    fn a_folder_that_is_not_there_is_judged_by_its_parent_and_not_made() {
        let dir = tempfile::tempdir().unwrap();
        let wanted = dir.path().join("a/b");
        assert_eq!(findings(&wanted)[0].verdict, Verdict::Ok);
        assert!(!dir.path().join("a").exists());
        std::fs::write(dir.path().join("a"), "a file").unwrap();
        assert_eq!(findings(&wanted)[0].verdict, Verdict::Misconfigured);
    }
}
