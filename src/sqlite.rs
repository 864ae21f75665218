//! SQLite files seen from outside their owner: looked at, examined, copied.
//!
//! Invariant: nothing here writes to the file it is given, whether a bot uses it or not.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};

/// How long a look waits for a writer that recovers or checkpoints.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Complaints that are worth telling; a broken file can have thousands.
const COMPLAINTS_MAX: u32 = 3;
/// Complaints of `pragma integrity_check` when it has none.
const SOUND: &str = "ok";

/// Why a copy was not made.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// SQLite refused: a damaged source, no room for the copy.
    #[error("the copy could not be made")]
    Database(#[from] sqlx::Error),
    /// The copy could not be put to disk.
    #[error("the copy could not be made durable")]
    File(#[from] std::io::Error),
    /// SQLite takes names as text only.
    #[error("the name is not valid UTF-8")]
    Name,
}

/// How closely a file is examined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Care {
    /// Every page, but not whether each index agrees with its table.
    Quick,
    Thorough,
}

/// A connection that reads one moment of a file after the other, beside its owner.
pub async fn connect(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging();
    SqliteConnection::connect_with(&options).await
}

/// The same, and it leaves no trace: beside a file at rest SQLite would make its two helpers (the
/// write-ahead log and its index) and leave them there.
pub async fn connect_without_trace(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    if Path::new(&wal).exists() {
        return connect(path).await;
    }
    let options = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .immutable(true)
        .disable_statement_logging();
    SqliteConnection::connect_with(&options).await
}

/// What is wrong with a file; nothing when it is sound.
pub async fn complaints(db: &mut SqliteConnection, care: Care) -> Result<Vec<String>, sqlx::Error> {
    let check = match care {
        Care::Quick => "quick_check",
        Care::Thorough => "integrity_check",
    };
    let found: Vec<String> =
        sqlx::query_scalar(&format!("pragma {check}({COMPLAINTS_MAX})")).fetch_all(db).await?;
    Ok(found.into_iter().filter(|complaint| complaint != SOUND).collect())
}

/// How large a copy becomes at most, in bytes.
pub async fn size_bytes(db: &mut SqliteConnection) -> Result<u64, sqlx::Error> {
    let pages: i64 = sqlx::query_scalar("pragma page_count").fetch_one(&mut *db).await?;
    let page_bytes: i64 = sqlx::query_scalar("pragma page_size").fetch_one(db).await?;
    Ok(u64::try_from(pages.saturating_mul(page_bytes)).unwrap_or(0))
}

/// Copies one moment of the file to `target`, which must not exist. It is on the disk when this
/// returns. The owner goes on writing meanwhile; what it writes is not in the copy.
pub async fn copy_into(db: &mut SqliteConnection, target: &Path) -> Result<(), CopyError> {
    let name = target.to_str().ok_or(CopyError::Name)?;
    sqlx::query("vacuum into ?").bind(name).execute(db).await?;
    // SQLite does not sync what it vacuums into.
    std::fs::File::open(target)?.sync_all()?;
    Ok(())
}
