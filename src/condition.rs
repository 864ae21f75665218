//! SQLite files as whoever runs the bot sees them: what an error means, what to do about it, and
//! the condition of a file, told when it changes and not with every use that fails.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::sqlite::{self, Care};

/// A trouble that lasts is told again after this long.
const TOLD_EVERY: Duration = Duration::from_secs(5 * 60);
/// One that has passed and comes again is not told sooner than this.
const TOLD_ANEW: Duration = Duration::from_secs(30);
/// After what looked like damage and was none, it is looked at again after this long.
const LOOKED_AGAIN: Duration = Duration::from_secs(10);

/// What is wrong with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The disk has no room left.
    Full,
    /// We may not write here.
    ReadOnly,
    /// Another process holds it.
    Busy,
    /// What is in it is not what was written, or was never a database.
    Damaged,
    /// The disk did not do what it was asked to do.
    Disk,
    /// It cannot even be opened.
    Closed,
    /// SQLite refused for another reason.
    Other,
}

impl Trouble {
    fn of(fault: &sqlx::Error) -> Trouble {
        match primary_code(fault) {
            Some(13) => Trouble::Full,
            Some(3 | 8) => Trouble::ReadOnly,
            Some(5 | 6) => Trouble::Busy,
            Some(11 | 26) => Trouble::Damaged,
            Some(10) => Trouble::Disk,
            Some(14) => Trouble::Closed,
            _ => Trouble::Other,
        }
    }

    /// What is wrong, and what to do.
    fn advice(self) -> &'static str {
        match self {
            Trouble::Full => {
                "the disk is full: free some space on it; a running bot goes on by itself then, \
                 any other command has to be given again"
            }
            Trouble::ReadOnly => {
                "it cannot be written: make the folder and its files writable for this user, and \
                 look whether the disk was mounted read-only"
            }
            Trouble::Busy => {
                "another program holds it: when that program lets go, a running bot goes on by \
                 itself, any other command has to be given again"
            }
            Trouble::Damaged => {
                "it is damaged, or no database of windowsill: stop, keep a copy of the folder, and \
                 put a backup in its place"
            }
            Trouble::Disk => {
                "the disk failed: look at its free space, its health and the system's log"
            }
            Trouble::Closed => {
                "it cannot be opened: look whether the folder is there, whether this user may \
                 write to it, and whether its disk is full"
            }
            Trouble::Other => "SQLite refused",
        }
    }
}

/// A use of a file that failed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}: {} ({detail})", path.display(), trouble.advice())]
pub struct FileFault {
    pub path: PathBuf,
    pub trouble: Trouble,
    /// SQLite's own words.
    detail: String,
}

impl FileFault {
    pub fn of(path: &Path, fault: &sqlx::Error) -> FileFault {
        let detail = match fault.as_database_error() {
            Some(error) => error.to_string(),
            None => fault.to_string(),
        };
        FileFault { path: path.to_owned(), trouble: Trouble::of(fault), detail }
    }
}

/// The low byte of SQLite's extended result code.
fn primary_code(fault: &sqlx::Error) -> Option<i32> {
    let code: i32 = fault.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}

pub fn is_busy(fault: &sqlx::Error) -> bool {
    Trouble::of(fault) == Trouble::Busy
}

/// How a file was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    Read,
    Write,
}

/// One use of a file over time.
#[derive(Default)]
struct Slot {
    /// The trouble that has not passed yet, and since when.
    lasting: Option<(FileFault, Instant)>,
    /// What was told last, and when.
    told: Option<(Trouble, Instant)>,
}

/// The condition of a file, as its last read and its last write found it.
pub struct Condition {
    reading: Mutex<Slot>,
    writing: Mutex<Slot>,
    /// What is wrong now; writing counts before reading.
    now: watch::Sender<Option<FileFault>>,
}

impl Condition {
    /// What is wrong now, if anything is.
    pub fn trouble(&self) -> Option<FileFault> {
        self.now.borrow().clone()
    }

    /// A use of the file went well.
    pub fn works(&self, usage: Use) {
        if self.now.borrow().is_none() {
            return;
        }
        let Some((fault, since)) = self.slot(usage).lasting.take() else { return };
        let (path, seconds) = (fault.path.display(), since.elapsed().as_secs());
        tracing::info!("{path} works again, after {seconds} s");
        self.tell_watchers();
    }

    /// A use of the file failed. It is logged when it is new, and now and then while it lasts.
    pub fn fails(&self, usage: Use, fault: &FileFault) {
        let now = Instant::now();
        let mut slot = self.slot(usage);
        let lasting = slot.lasting.take().filter(|(known, _)| known.trouble == fault.trouble);
        let every = if lasting.is_some() { TOLD_EVERY } else { TOLD_ANEW };
        let since = lasting.map_or(now, |(_, since)| since);
        slot.lasting = Some((fault.clone(), since));
        let told = slot.told.filter(|(trouble, at)| {
            *trouble == fault.trouble && now.saturating_duration_since(*at) < every
        });
        if told.is_none() {
            slot.told = Some((fault.trouble, now));
            tracing::error!("{fault}");
        }
        drop(slot);
        self.tell_watchers();
    }

    /// Works until `stop` turns true. Damage ends it: nothing may be built on a damaged file.
    pub async fn watch_over(
        &self,
        path: &Path,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), FileFault> {
        let is_damaged = |now: &Option<FileFault>| {
            now.as_ref().is_some_and(|fault| fault.trouble == Trouble::Damaged)
        };
        let mut condition = self.now.subscribe();
        while !*stop.borrow() {
            let damaged = tokio::select! {
                _ = stop.changed() => continue,
                now = condition.wait_for(is_damaged) => now.ok().and_then(|now| now.clone()),
            };
            if let Some(fault) = damaged
                && is_damaged_indeed(path).await
            {
                return Err(fault);
            }
            tokio::select! {
                _ = stop.changed() => {}
                () = tokio::time::sleep(LOOKED_AGAIN) => {}
            }
        }
        Ok(())
    }

    fn slot(&self, usage: Use) -> MutexGuard<'_, Slot> {
        let slot = match usage {
            Use::Read => &self.reading,
            Use::Write => &self.writing,
        };
        slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell_watchers(&self) {
        let fault = |usage| self.slot(usage).lasting.as_ref().map(|(fault, _)| fault.clone());
        let now = fault(Use::Write).or_else(|| fault(Use::Read));
        self.now.send_replace(now);
    }
}

impl Default for Condition {
    fn default() -> Condition {
        Condition {
            reading: Mutex::default(),
            writing: Mutex::default(),
            now: watch::Sender::new(None),
        }
    }
}

/// A disk that fails now and then also makes SQLite speak of damage: only what can be read and is
/// wrong is damaged.
async fn is_damaged_indeed(path: &Path) -> bool {
    let own_path = path.to_owned();
    let read = tokio::task::spawn_blocking(move || {
        std::io::copy(&mut std::fs::File::open(own_path)?, &mut std::io::sink())
    });
    if !matches!(read.await, Ok(Ok(_))) {
        return false;
    }
    let examined = async {
        let mut db = sqlite::connect(path).await?;
        sqlite::complaints(&mut db, Care::Quick).await
    };
    match examined.await {
        Ok(complaints) => !complaints.is_empty(),
        Err(fault) => Trouble::of(&fault) == Trouble::Damaged,
    }
}

#[cfg(test)]
mod tests {
    use sqlx::Connection;
    use sqlx::sqlite::SqliteConnection;

    use super::*;

    async fn full() -> FileFault {
        let mut memory = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        let sql =
            "create table t (x); pragma max_page_count = 1; insert into t values (zeroblob(9000))";
        let fault = sqlx::raw_sql(sql).execute(&mut memory).await.unwrap_err();
        FileFault::of(Path::new("/house/state.db"), &fault)
    }

    #[tokio::test]
    async fn a_full_disk_is_told_with_its_file_and_what_to_do() {
        let fault = full().await;
        assert_eq!(fault.trouble, Trouble::Full);
        let said = fault.to_string();
        assert!(said.starts_with("/house/state.db: the disk is full: free some space"), "{said}");
        assert!(said.ends_with("database or disk is full)"), "{said}");
    }

    #[tokio::test]
    async fn a_condition_passes_when_the_use_that_failed_works_again() {
        let condition = Condition::default();
        condition.fails(Use::Write, &full().await);
        condition.works(Use::Read);
        assert!(condition.trouble().is_some());
        condition.works(Use::Write);
        assert!(condition.trouble().is_none());
    }
}
