//! The store: one SQLite file with one writer and many readers.
//!
//! Invariant: every write is a transaction of the one writer task; nothing else holds a writable
//! connection. `state.db` belongs to one process at a time, by a lock that dies with it.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::Connection;
use sqlx::migrate::MigrateError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use tokio::sync::watch;

use self::readers::Readers;
use crate::condition::{Condition, FileFault, Use};

pub mod access;
pub mod alerts;
pub mod bulk;
pub mod cards;
pub mod carry;
pub mod clock;
pub mod conversation;
pub mod dead_letters;
pub mod digest;
pub mod group;
pub mod inbox;
pub mod intake;
pub mod invite;
pub mod lock;
pub mod migration;
pub mod outbox;
pub mod parks;
pub mod past;
pub mod positions;
pub mod publication;
mod readers;
pub mod regular;
pub mod removal;
pub mod results;
pub mod schema;
pub mod schemas;
pub mod settings;
pub mod standstill;
mod writer;

pub use lock::{DirLock, make_dir};
pub use writer::{Urgency, Writer};

/// How long a reader waits for SQLite before it gives up.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// The write-ahead log is folded back into the file by the commit that makes it so long, in pages of
/// 4 KiB: 32 MiB. No reader waits for that, and what one holds up the next commit tries again.
const CHECKPOINT_PAGES: &str = "8192";
/// It is then written anew from its start; what a large step made longer than this is given back.
const WAL_REST_BYTES: &str = "134217728";
/// Page cache of each connection, in KiB (negative, as SQLite takes it).
const CACHE_KIB: &str = "-4096";

/// What can go wrong in the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite refused inside a transaction; whoever asked for it gets the `File` instead.
    #[error("the database could not be used")]
    Database(#[from] sqlx::Error),
    /// A full disk, a damaged file, a busy database.
    #[error(transparent)]
    File(#[from] FileFault),
    /// The schema could not be brought up to date.
    #[error("the database's schema could not be brought up to date")]
    Migrate(#[from] MigrateError),
    /// A newer version of the program has changed the schema.
    #[error(
        "{path} was brought to schema {found} by {program}, and this version knows schemas up to \
         {known}; run that version again, or restore a backup that this one made"
    )]
    Newer { path: PathBuf, found: i64, known: i64, program: String },
    /// The schema is that of an older version, and who only reads does not change it.
    #[error(
        "{path} still has schema {found}, and this version needs schema {known}; the next \
         `windowsill run` or `fold` brings it up to date"
    )]
    Older { path: PathBuf, found: i64, known: i64 },
    /// The data directory is used by another process.
    #[error("another instance of windowsill holds {0}")]
    Locked(PathBuf),
    /// A restore was interrupted.
    #[error("a restore into {0} has not finished; run `windowsill restore` again")]
    HalfRestored(PathBuf),
    /// The data directory cannot be used.
    #[error(
        "the data directory {path} cannot be used: look whether this user may write to it and \
         whether its disk is full"
    )]
    Directory { path: PathBuf, source: std::io::Error },
    /// The data directory is no directory.
    #[error("the data directory {0} is a file, expected a folder: name another with --data-dir")]
    NoDirectory(PathBuf),
    /// A stored value is not what we store.
    #[error("the database holds something unexpected: {0}")]
    Unexpected(String),
    /// What was to be written panicked; nothing of it was.
    #[error("a write to the database panicked (a bug in windowsill)")]
    Panicked,
    /// The writer task has ended; the process is going down.
    #[error("the store is closed")]
    Closed,
}

/// SQLite's result codes for a file or a machine in trouble: busy, locked, out of memory, read-only,
/// interrupted, a failing disk, damaged, full, not to be opened, a lock protocol, no database.
const OUTAGES: [i32; 11] = [5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 26];

/// Is it a fault of the file or the machine, which says nothing about the work that met it?
fn is_outage(fault: &sqlx::Error) -> bool {
    match fault {
        sqlx::Error::Database(error) => {
            // The extended codes carry the primary one in their low byte.
            let code = error.code().and_then(|code| code.parse::<i32>().ok());
            code.is_none_or(|code| OUTAGES.contains(&(code & 0xff)))
        }
        fault => !matches!(fault, sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_)),
    }
}

impl StoreError {
    /// May the same work succeed later?
    pub fn is_transient(&self) -> bool {
        matches!(self, StoreError::Database(_) | StoreError::File(_))
    }

    /// Is it a fault of the file or the machine, which says nothing about the work that met it?
    pub fn is_outage(&self) -> bool {
        matches!(self, StoreError::File(_))
    }

    /// Logs what failed because of this. Trouble with the file is told by its condition, once, and
    /// not by everybody who meets it.
    pub fn log(&self, what: &'static str) {
        let error = crate::engine::error_chain(self);
        match self {
            // Closed: the process is going down.
            StoreError::File(_) | StoreError::Closed => tracing::debug!(error, "{what}"),
            _ => tracing::error!(error, "{what}"),
        }
    }

    /// The same error with the file that it is about, where the file is at fault.
    fn of_file(self, path: &Path) -> StoreError {
        match self {
            StoreError::Database(fault)
            | StoreError::Migrate(
                MigrateError::Execute(fault) | MigrateError::ExecuteMigration(fault, _),
            ) if is_outage(&fault) => FileFault::of(path, &fault).into(),
            other => other,
        }
    }
}

impl From<serde_json::Error> for StoreError {
    fn from(error: serde_json::Error) -> StoreError {
        StoreError::Unexpected(error.to_string())
    }
}

/// The store of a running instance, or the reading half of it.
#[derive(Clone)]
pub struct Store {
    writer: Writer,
    reader: StoreReader,
}

/// Where the store's file lies in the data directory.
pub fn state_path(data_dir: &Path) -> PathBuf {
    data_dir.join("state.db")
}

impl Store {
    /// Opens the store for its one owner, bringing the schema up to date.
    pub async fn open(data_dir: &Path) -> Result<Store, StoreError> {
        let path = state_path(data_dir);
        let options = options(&path)?
            .create_if_missing(true)
            // Else each statement of many rows begins a journal of its own in a temporary file.
            .pragma("temp_store", "memory")
            // The file stays in this mode; a restored one is brought into it here, by its owner.
            .journal_mode(SqliteJournalMode::Wal);
        let connection = async {
            let mut connection = writer::connect(&options).await?;
            schema::bring_up_to_date(&mut connection, &path).await?;
            Ok(connection)
        };
        let connection = connection.await.map_err(|error: StoreError| error.of_file(&path))?;
        let reader = StoreReader::of_own(data_dir)?;
        let writer = Writer::spawn(connection, options, Arc::clone(&reader.file));
        Ok(Store { writer, reader })
    }

    /// The condition of the file, for whoever reports it.
    pub fn condition(&self) -> &Condition {
        &self.reader.file.condition
    }

    /// Works until `stop` turns true, or until the file turns out to be damaged.
    pub async fn watch_over(self, stop: watch::Receiver<bool>) -> Result<(), FileFault> {
        let file = &self.reader.file;
        file.condition.watch_over(&file.path, stop).await
    }

    /// Writes in one transaction: everything in `work` happens, or nothing.
    pub async fn write<T, F>(&self, urgency: Urgency, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, StoreError>>
            + Send
            + 'static,
    {
        self.writer.write(urgency, work).await
    }

    pub fn writer(&self) -> &Writer {
        &self.writer
    }

    /// Does the store take writes? Where the last one failed, another is tried, on the disk.
    pub async fn check(&self) -> Result<(), StoreError> {
        if self.condition().trouble().is_none() {
            return self.writer.answer().await;
        }
        self.write(Urgency::Bulk, |_| Box::pin(async { Ok(()) })).await?;
        // Reads may fail all the same.
        self.condition().trouble().map_or(Ok(()), |fault| Err(fault.into()))
    }

    /// Reads in one transaction: everything in `work` sees the same moment.
    pub async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, StoreError>> + Send,
    {
        self.reader.read(work).await
    }

    /// The readers alone.
    pub fn reader(&self) -> StoreReader {
        self.reader.clone()
    }

    /// Changes with every write that came through: pumps wait on it and look for work.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.writer.changes()
    }

    /// Finishes what is queued, tidies the write-ahead log and closes the file.
    pub async fn close(self) {
        self.reader.readers.close().await;
        self.writer.close().await;
    }
}

/// The file, and the condition it is in.
struct StateFile {
    path: PathBuf,
    condition: Condition,
}

/// Reads a store, which may be another process's.
#[derive(Clone)]
pub struct StoreReader {
    readers: Readers,
    file: Arc<StateFile>,
}

impl StoreReader {
    /// Opens the file of a store that another process may own, if it has this build's schema.
    pub async fn open(data_dir: &Path) -> Result<StoreReader, StoreError> {
        let path = state_path(data_dir);
        let reader = StoreReader::of_own(data_dir)?;
        reader.read(|db| Box::pin(async move { schema::expect_present(db, &path).await })).await?;
        Ok(reader)
    }

    /// The reading half of a store that is ours.
    fn of_own(data_dir: &Path) -> Result<StoreReader, StoreError> {
        let path = state_path(data_dir);
        let readers = Readers::new(options(&path)?.read_only(true));
        let file = Arc::new(StateFile { path, condition: Condition::default() });
        Ok(StoreReader { readers, file })
    }

    /// Reads in one transaction: everything in `work` sees the same moment.
    pub async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, StoreError>> + Send,
    {
        let result = self.read_once(work).await.map_err(|error| error.of_file(&self.file.path));
        match &result {
            Err(StoreError::File(fault)) => self.file.condition.fails(Use::Read, fault),
            _ => self.file.condition.works(Use::Read),
        }
        result
    }

    async fn read_once<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, StoreError>> + Send,
    {
        let mut lent = self.readers.lend().await?;
        let result = read_in_transaction(&mut lent.connection, work).await;
        // SQLite ends a transaction by itself on some faults of the disk, and sqlx would go on
        // counting it.
        if !matches!(result, Err(StoreError::Database(_))) {
            lent.give_back();
        }
        result
    }
}

async fn read_in_transaction<T, F>(
    connection: &mut SqliteConnection,
    work: F,
) -> Result<T, StoreError>
where
    F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, StoreError>> + Send,
{
    let mut transaction = connection.begin().await?;
    let result = work(&mut transaction).await;
    transaction.rollback().await?;
    result
}

fn options(path: &Path) -> Result<SqliteConnectOptions, StoreError> {
    Ok(SqliteConnectOptions::from_str("sqlite:")?
        .filename(path)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
        .pragma("cache_size", CACHE_KIB)
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        .pragma("journal_size_limit", WAL_REST_BYTES))
}

#[cfg(test)]
mod tests {
    use sqlx::Executor;

    use super::*;

    #[tokio::test]
    async fn a_store_that_failed_is_tried_before_it_is_said_to_work() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        store.check().await.unwrap();
        let failed = store.write(Urgency::People, |db| {
            Box::pin(async move {
                // As if the disk were full, for this connection.
                db.execute("pragma max_page_count = 1").await?;
                db.execute("create table large as select zeroblob(100000)").await?;
                Ok(())
            })
        });
        assert!(failed.await.is_err() && store.condition().trouble().is_some());
        let writes = store.writer().meter().write_times.cumulative();
        store.check().await.unwrap();
        assert!(store.condition().trouble().is_none());
        assert_ne!(store.writer().meter().write_times.cumulative(), writes, "it has written");
        store.close().await;
    }
}
