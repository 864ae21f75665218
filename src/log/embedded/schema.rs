//! The file `log.db`: how it is opened, what its tables are, and what its errors mean.
//!
//! Invariant: a file that is not ours, or of a newer version, is refused, and its tables are left
//! as they are.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};

use crate::condition::{FileFault, is_busy};
use crate::log::LogError;

/// How long SQLite itself waits for another process before a statement fails as busy.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a transaction that found the file busy is begun again.
pub(super) const BUSY_ATTEMPTS: u32 = 6;
/// Pauses between those attempts grow from this by doubling.
pub(super) const BUSY_PAUSE: Duration = Duration::from_millis(20);
/// Rows that a connection's thread may be ahead of the task that reads them.
const ROW_BUFFER_ROWS: usize = 4;
/// The page cache of a connection that only reads, in KiB (negative, as SQLite takes it): reading
/// goes forward, so little of it would be met again.
const READER_CACHE_KIB: &str = "-256";
/// After so many pages a commit copies the write-ahead log into the file: 16 MiB.
const CHECKPOINT_PAGES: &str = "4096";

/// "WSil": tells a log from any other SQLite file.
const APPLICATION_ID: i64 = 0x5753_696c;
const SCHEMA_VERSION: i64 = VERSIONS.len() as i64;

/// What each version adds to the one before it: a new file gets all, an older one the rest.
const VERSIONS: &[&str] = &[TABLES, UPKEEP];

/// What a row takes in the file beside its bytes, about: its other columns and its index entry.
pub(super) const ROW_OVERHEAD_BYTES: i64 = 64;

const TABLES: &str = "
create table meta (
    key text primary key,
    value text not null
) strict, without rowid;

create table topic (
    id integer primary key,
    name text not null unique,
    kind text not null check (kind in ('stream', 'table')),
    partitions integer not null check (partitions > 0)
) strict;

-- What `topic list` shows is kept here, so that nothing has to be decoded for it.
create table partition (
    topic_id integer not null references topic (id),
    partition integer not null,
    next_offset integer not null default 0,
    records integer not null default 0,
    first_ts integer,
    last_ts integer,
    primary key (topic_id, partition)
) strict, without rowid;

create table batch (
    id integer primary key,
    topic_id integer not null references topic (id),
    partition integer not null,
    base_offset integer not null,
    next_offset integer not null,
    count integer not null,
    first_ts integer not null,
    last_ts integer not null,
    bytes blob not null
) strict;

create unique index batch_place on batch (topic_id, partition, base_offset);
";

const UPKEEP: &str = "
-- The bytes of the partition's rows, 64 a row included.
alter table partition add column size_bytes integer not null default 0;
update partition set size_bytes = coalesce(
    (select sum(length(bytes) + 64) from batch
     where batch.topic_id = partition.topic_id and batch.partition = partition.partition), 0);

-- At `seen_at` everything below `next_offset` had been appended: how old records are, by the
-- clock of whoever keeps the log, whatever times they carry.
create table mark (
    topic_id integer not null references topic (id),
    partition integer not null,
    next_offset integer not null,
    seen_at integer not null,
    primary key (topic_id, partition, next_offset)
) strict, without rowid;

-- How far upkeep has come: below `clean_offset` a stream's rows are packed and a table's are
-- compacted, `tombstones` of which were too young to go at `cleaned_at`.
create table upkeep (
    topic_id integer not null references topic (id),
    partition integer not null,
    clean_offset integer not null default 0,
    tombstones integer not null default 0,
    cleaned_at integer not null default 0,
    looked_at integer,
    primary key (topic_id, partition)
) strict, without rowid;
";

/// A connection that may write.
pub(super) async fn connect(path: &Path) -> Result<SqliteConnection, LogError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .busy_timeout(BUSY_TIMEOUT)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        .row_buffer_size(ROW_BUFFER_ROWS)
        .disable_statement_logging();
    connect_patiently(path, &options).await
}

/// A connection that only reads.
pub(super) async fn connect_to_read(path: &Path) -> Result<SqliteConnection, LogError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .busy_timeout(BUSY_TIMEOUT)
        .pragma("query_only", "on")
        .pragma("cache_size", READER_CACHE_KIB)
        .row_buffer_size(ROW_BUFFER_ROWS)
        .disable_statement_logging();
    connect_patiently(path, &options).await
}

/// Creates the tables in an empty file, checks them in any other, and gives the log's identity.
pub(super) async fn prepare(conn: &mut SqliteConnection, path: &Path) -> Result<String, LogError> {
    let mut attempt = 1;
    loop {
        match try_prepare(conn, path).await {
            Err(Fault::Sqlite(fault)) if is_busy(&fault) && attempt < BUSY_ATTEMPTS => {
                tokio::time::sleep(BUSY_PAUSE * 2u32.pow(attempt)).await;
                attempt += 1;
            }
            outcome => return outcome.map_err(|fault| fault.at(path)),
        }
    }
}

/// What an error of SQLite means for whoever uses the log.
pub(super) fn log_error(path: &Path, fault: &sqlx::Error) -> LogError {
    FileFault::of(path, fault).into()
}

async fn connect_patiently(
    path: &Path,
    options: &SqliteConnectOptions,
) -> Result<SqliteConnection, LogError> {
    // Turning a new file to WAL fails at once when another process does the same.
    let mut attempt = 1;
    loop {
        match SqliteConnection::connect_with(options).await {
            Err(fault) if is_busy(&fault) && attempt < BUSY_ATTEMPTS => {
                tokio::time::sleep(BUSY_PAUSE * 2u32.pow(attempt)).await;
                attempt += 1;
            }
            Err(fault) => return Err(log_error(path, &fault)),
            Ok(conn) => return Ok(conn),
        }
    }
}

/// What goes wrong inside a transaction: SQLite's errors get their meaning where the path is known.
pub(super) enum Fault {
    Sqlite(sqlx::Error),
    Log(LogError),
}

impl Fault {
    pub(super) fn at(self, path: &Path) -> LogError {
        match self {
            Fault::Sqlite(fault) => log_error(path, &fault),
            Fault::Log(error) => error,
        }
    }
}

impl From<LogError> for Fault {
    fn from(error: LogError) -> Fault {
        Fault::Log(error)
    }
}

impl From<sqlx::Error> for Fault {
    fn from(fault: sqlx::Error) -> Fault {
        Fault::Sqlite(fault)
    }
}

async fn try_prepare(conn: &mut SqliteConnection, path: &Path) -> Result<String, Fault> {
    let mut tx = conn.begin_with("begin immediate").await?;
    let application_id: i64 =
        sqlx::query_scalar("pragma application_id").fetch_one(&mut *tx).await?;
    let version: i64 = sqlx::query_scalar("pragma user_version").fetch_one(&mut *tx).await?;
    let tables: i64 =
        sqlx::query_scalar("select count(*) from sqlite_schema").fetch_one(&mut *tx).await?;
    let is_new = application_id == 0 && version == 0 && tables == 0;
    let missing = if is_new { VERSIONS } else { missing(path, application_id, version)? };
    for step in missing {
        sqlx::raw_sql(step).execute(&mut *tx).await?;
    }
    if !missing.is_empty() {
        let marks = format!(
            "pragma application_id = {APPLICATION_ID}; pragma user_version = {SCHEMA_VERSION};"
        );
        sqlx::raw_sql(&marks).execute(&mut *tx).await?;
    }
    if is_new {
        // SQLite's generator is seeded from the operating system's randomness.
        sqlx::query("insert into meta (key, value) values ('log_id', lower(hex(randomblob(16))))")
            .execute(&mut *tx)
            .await?;
    }
    let id = log_id(&mut tx).await?;
    tx.commit().await?;
    Ok(id)
}

/// The identity of a file that has to be a log already. Nothing is written.
pub(super) async fn identity(conn: &mut SqliteConnection, path: &Path) -> Result<String, LogError> {
    let failed = |fault: sqlx::Error| log_error(path, &fault);
    let marks = "select application_id, user_version
                   from pragma_application_id, pragma_user_version";
    let (application_id, version): (i64, i64) =
        sqlx::query_as(marks).fetch_one(&mut *conn).await.map_err(failed)?;
    missing(path, application_id, version)?;
    log_id(conn).await.map_err(failed)
}

/// What a log of this version lacks; a file that is no log, or a newer one, is refused.
fn missing(
    path: &Path,
    application_id: i64,
    version: i64,
) -> Result<&'static [&'static str], LogError> {
    if application_id != APPLICATION_ID {
        return Err(refusal(path, "it is not an event log of Windowsill"));
    }
    let missing = usize::try_from(version).ok().and_then(|known| VERSIONS.get(known..));
    missing.ok_or_else(|| {
        let reason = format!(
            "it has version {version} and this program knows version {SCHEMA_VERSION}; \
             a newer Windowsill wrote it"
        );
        refusal(path, &reason)
    })
}

/// The identity that the log was given when it was created.
pub(super) async fn log_id(conn: &mut SqliteConnection) -> Result<String, sqlx::Error> {
    sqlx::query_scalar("select value from meta where key = 'log_id'").fetch_one(conn).await
}

fn refusal(path: &Path, reason: &str) -> LogError {
    LogError::Foreign { place: path.display().to_string(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn refused_after(sql: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.db");
        let mut conn = connect(&path).await.unwrap();
        sqlx::raw_sql(sql).execute(&mut conn).await.unwrap();
        prepare(&mut conn, &path).await.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn another_programs_file_is_refused() {
        let reason = refused_after("create table letter (text)").await;
        assert!(reason.ends_with("it is not an event log of Windowsill"), "{reason}");
    }

    #[tokio::test]
    async fn a_newer_version_is_refused() {
        let marks = format!("pragma application_id = {APPLICATION_ID}; pragma user_version = 99");
        let reason = refused_after(&marks).await;
        assert!(reason.contains("it has version 99 and this program knows version 2"), "{reason}");
    }

    #[tokio::test]
    async fn a_log_of_the_first_version_is_brought_up_to_date() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.db");
        let mut conn = connect(&path).await.unwrap();
        sqlx::raw_sql(TABLES).execute(&mut conn).await.unwrap();
        let marks = format!(
            "pragma application_id = {APPLICATION_ID}; pragma user_version = 1;
             insert into meta values ('log_id', 'abc');
             insert into topic values (1, 't', 'stream', 2);
             insert into partition (topic_id, partition, next_offset, records)
                values (1, 0, 1, 1), (1, 1, 0, 0);
             insert into batch values (1, 1, 0, 0, 1, 1, 5, 5, x'0102030405060708090a');"
        );
        sqlx::raw_sql(&marks).execute(&mut conn).await.unwrap();
        for _ in 0..2 {
            assert_eq!(prepare(&mut conn, &path).await.unwrap(), "abc");
        }
        let sizes: Vec<i64> = sqlx::query_scalar("select size_bytes from partition")
            .fetch_all(&mut conn)
            .await
            .unwrap();
        assert_eq!(sizes, [10 + ROW_OVERHEAD_BYTES, 0]);
    }

    #[tokio::test]
    async fn each_log_has_an_identity_of_its_own_and_keeps_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut ids = Vec::new();
        for name in ["a", "b", "a"] {
            let path = dir.path().join(name);
            let mut conn = connect(&path).await.unwrap();
            ids.push(prepare(&mut conn, &path).await.unwrap());
        }
        assert_eq!(ids[0].len(), 32);
        assert_eq!(ids[0], ids[2]);
        assert_ne!(ids[0], ids[1]);
    }
}
