//! The file `log.db`: how it is opened, what its tables are, and what its errors mean.
//!
//! Invariant: a file that is not ours, or of a newer version, is refused, and its tables are left
//! as they are.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};

use crate::log::LogError;

/// How long SQLite itself waits for another process before a statement fails as busy.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a transaction that found the file busy is begun again.
pub(super) const BUSY_ATTEMPTS: u32 = 6;
/// Pauses between those attempts grow from this by doubling.
pub(super) const BUSY_PAUSE: Duration = Duration::from_millis(20);
/// Rows that a connection's thread may be ahead of the task that reads them.
const ROW_BUFFER_ROWS: usize = 4;
/// After so many pages a commit copies the write-ahead log into the file: 16 MiB.
const CHECKPOINT_PAGES: &str = "4096";

/// "WSil": tells a log from any other SQLite file.
const APPLICATION_ID: i64 = 0x5753_696c;
const SCHEMA_VERSION: i64 = 1;

const LOG_ID: &str = "select value from meta where key = 'log_id'";

const SCHEMA: &str = "
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
        .row_buffer_size(ROW_BUFFER_ROWS)
        .disable_statement_logging();
    connect_patiently(path, &options).await
}

/// Creates the tables in an empty file, checks them in any other, and gives the log's identity.
pub(super) async fn prepare(conn: &mut SqliteConnection, path: &Path) -> Result<String, LogError> {
    let mut attempt = 1;
    loop {
        match try_prepare(conn, path).await {
            Err(PrepareError::Sqlite(fault)) if is_busy(&fault) && attempt < BUSY_ATTEMPTS => {
                tokio::time::sleep(BUSY_PAUSE * 2u32.pow(attempt)).await;
                attempt += 1;
            }
            Err(PrepareError::Sqlite(fault)) => return Err(log_error(path, &fault)),
            Err(PrepareError::Log(error)) => return Err(error),
            Ok(id) => return Ok(id),
        }
    }
}

/// What an error of SQLite means for whoever uses the log.
pub(super) fn log_error(path: &Path, fault: &sqlx::Error) -> LogError {
    const SQLITE_CORRUPT: i32 = 11;
    const SQLITE_NOTADB: i32 = 26;
    let place = path.display();
    match primary_code(fault) {
        Some(SQLITE_CORRUPT | SQLITE_NOTADB) => {
            LogError::Damaged { place: place.to_string(), reason: fault.to_string() }
        }
        _ => LogError::Unavailable(format!("{place}: {fault}")),
    }
}

pub(super) fn is_busy(fault: &sqlx::Error) -> bool {
    const SQLITE_BUSY: i32 = 5;
    const SQLITE_LOCKED: i32 = 6;
    matches!(primary_code(fault), Some(SQLITE_BUSY | SQLITE_LOCKED))
}

/// The low byte of SQLite's extended result code.
fn primary_code(fault: &sqlx::Error) -> Option<i32> {
    let code: i32 = fault.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
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

enum PrepareError {
    Sqlite(sqlx::Error),
    Log(LogError),
}

impl From<sqlx::Error> for PrepareError {
    fn from(fault: sqlx::Error) -> PrepareError {
        PrepareError::Sqlite(fault)
    }
}

async fn try_prepare(conn: &mut SqliteConnection, path: &Path) -> Result<String, PrepareError> {
    let mut tx = conn.begin_with("begin immediate").await?;
    let application_id: i64 =
        sqlx::query_scalar("pragma application_id").fetch_one(&mut *tx).await?;
    let version: i64 = sqlx::query_scalar("pragma user_version").fetch_one(&mut *tx).await?;
    let tables: i64 =
        sqlx::query_scalar("select count(*) from sqlite_schema").fetch_one(&mut *tx).await?;
    if application_id == 0 && version == 0 && tables == 0 {
        sqlx::raw_sql(SCHEMA).execute(&mut *tx).await?;
        let marks = format!(
            "pragma application_id = {APPLICATION_ID}; pragma user_version = {SCHEMA_VERSION};"
        );
        sqlx::raw_sql(&marks).execute(&mut *tx).await?;
        // SQLite's generator is seeded from the operating system's randomness.
        sqlx::query("insert into meta (key, value) values ('log_id', lower(hex(randomblob(16))))")
            .execute(&mut *tx)
            .await?;
    } else {
        expect_ours(path, application_id, version).map_err(PrepareError::Log)?;
    }
    let id: String = sqlx::query_scalar(LOG_ID).fetch_one(&mut *tx).await?;
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
    expect_ours(path, application_id, version)?;
    sqlx::query_scalar(LOG_ID).fetch_one(conn).await.map_err(failed)
}

fn expect_ours(path: &Path, application_id: i64, version: i64) -> Result<(), LogError> {
    if application_id != APPLICATION_ID {
        return Err(refusal(path, "it is not an event log of Windowsill"));
    }
    if version != SCHEMA_VERSION {
        let reason = format!(
            "it has version {version} and this program knows version {SCHEMA_VERSION}; \
             a newer Windowsill wrote it"
        );
        return Err(refusal(path, &reason));
    }
    Ok(())
}

fn refusal(path: &Path, reason: &str) -> LogError {
    LogError::Damaged { place: path.display().to_string(), reason: reason.to_owned() }
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
        assert!(reason.contains("it has version 99 and this program knows version 1"), "{reason}");
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
