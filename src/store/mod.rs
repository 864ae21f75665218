//! The store: one SQLite file with one writer and many readers.
//!
//! Invariant: every write is a transaction of the one writer task; nothing else holds a writable
//! connection. `state.db` belongs to one process at a time, by a lock that dies with it.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{Connection, Executor};

pub mod access;
pub mod alerts;
pub mod bulk;
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
pub mod removal;
pub mod schema;
mod writer;

pub use lock::DirLock;
pub use writer::{Urgency, Writer};

/// Readers at once; more wait their turn.
const READERS: u32 = 4;
/// How long a reader waits for SQLite before it gives up.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Page cache of each connection, in KiB (negative, as SQLite takes it).
const CACHE_KIB: &str = "-4096";

/// What can go wrong in the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite refused: a full disk, a damaged file, a busy database.
    #[error("the database could not be used")]
    Database(#[from] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("the database's schema could not be brought up to date")]
    Migrate(#[from] sqlx::migrate::MigrateError),
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
    #[error("the data directory {path} cannot be used")]
    Directory { path: PathBuf, source: std::io::Error },
    /// A stored value is not what we store.
    #[error("the database holds something unexpected: {0}")]
    Unexpected(String),
    /// The writer task has ended; the process is going down.
    #[error("the store is closed")]
    Closed,
}

/// SQLite's result codes for a file or a machine in trouble: busy, locked, out of memory, read-only,
/// interrupted, a failing disk, damaged, full, not to be opened, a lock protocol, no database.
const OUTAGES: [i32; 11] = [5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 26];

impl StoreError {
    /// Is it a fault of the file or the machine, which says nothing about the work that met it?
    pub fn is_outage(&self) -> bool {
        match self {
            StoreError::Database(sqlx::Error::Database(error)) => {
                // The extended codes carry the primary one in their low byte.
                let code = error.code().and_then(|code| code.parse::<i32>().ok());
                code.is_none_or(|code| OUTAGES.contains(&(code & 0xff)))
            }
            StoreError::Database(error) => {
                !matches!(error, sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_))
            }
            _ => false,
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
    readers: SqlitePool,
}

/// Where the store's file lies in the data directory.
pub fn state_path(data_dir: &Path) -> PathBuf {
    data_dir.join("state.db")
}

impl Store {
    /// Opens the store for its one owner, bringing the schema up to date.
    pub async fn open(data_dir: &Path) -> Result<Store, StoreError> {
        let options = options(&state_path(data_dir))?
            .create_if_missing(true)
            // The file stays in this mode; a restored one is brought into it here, by its owner.
            .journal_mode(SqliteJournalMode::Wal);
        let mut connection = SqliteConnection::connect_with(&options).await?;
        schema::bring_up_to_date(&mut connection, &state_path(data_dir)).await?;
        let wal_path = data_dir.join("state.db-wal");
        let writer = Writer::spawn(connection, options, wal_path);
        let readers = readers(&state_path(data_dir))?;
        Ok(Store { writer, readers })
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
        if !self.writer.meter().is_failing() {
            return self.writer.answer().await;
        }
        self.write(Urgency::Bulk, |db| {
            Box::pin(async move {
                // It writes a page and changes nothing: nobody uses this number.
                db.execute("pragma user_version = 0").await?;
                Ok(())
            })
        })
        .await
    }

    /// Reads in one transaction: everything in `work` sees the same moment.
    pub async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, StoreError>> + Send,
    {
        read(&self.readers, work).await
    }

    /// The readers alone.
    pub fn reader(&self) -> StoreReader {
        StoreReader { readers: self.readers.clone() }
    }

    /// Changes with every write that came through: pumps wait on it and look for work.
    pub fn changes(&self) -> tokio::sync::watch::Receiver<u64> {
        self.writer.changes()
    }

    /// Finishes what is queued, tidies the write-ahead log and closes the file.
    pub async fn close(self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// Reads another process's store.
#[derive(Clone)]
pub struct StoreReader {
    readers: SqlitePool,
}

impl StoreReader {
    /// Opens the file of a store that another process may own, if it has this build's schema.
    pub async fn open(data_dir: &Path) -> Result<StoreReader, StoreError> {
        let path = state_path(data_dir);
        let reader = StoreReader { readers: readers(&path)? };
        reader.read(|db| Box::pin(async move { schema::expect_present(db, &path).await })).await?;
        Ok(reader)
    }

    /// Reads in one transaction: everything in `work` sees the same moment.
    pub async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, StoreError>> + Send,
    {
        read(&self.readers, work).await
    }
}

async fn read<T, F>(readers: &SqlitePool, work: F) -> Result<T, StoreError>
where
    T: Send + 'static,
    F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, StoreError>> + Send,
{
    let mut connection = readers.acquire().await?;
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
        // Checkpoints are the writer's to choose: see `writer`.
        .pragma("wal_autocheckpoint", "0"))
}

fn readers(path: &Path) -> Result<SqlitePool, StoreError> {
    let options = options(path)?.read_only(true);
    Ok(SqlitePoolOptions::new()
        .max_connections(READERS)
        .after_connect(|connection, _| {
            Box::pin(async move {
                connection.execute("pragma query_only = on").await?;
                Ok(())
            })
        })
        .connect_lazy_with(options))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_store_that_failed_is_tried_before_it_is_said_to_work() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        store.check().await.unwrap();
        let failed = store.write(Urgency::People, |db| {
            Box::pin(async move {
                db.execute("insert into nowhere values (1)").await?;
                Ok(())
            })
        });
        assert!(failed.await.is_err() && store.writer().meter().is_failing());
        let writes = store.writer().meter().write_times.cumulative();
        store.check().await.unwrap();
        assert!(!store.writer().meter().is_failing());
        assert_ne!(store.writer().meter().write_times.cumulative(), writes, "it has written");
        store.close().await;
    }
}
