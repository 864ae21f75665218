//! The schema of `state.db`: which version a file has, and the way forward.
//!
//! Invariant: a file of a newer version is left as it is. The pending migrations happen together
//! or not at all, and the state as it was before them stays beside the file.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use sqlx::Connection;
use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnection;

use super::StoreError;
use crate::sqlite;

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");
/// What is told of who migrated a file that does not say it.
const UNKNOWN_PROGRAM: &str = "a newer windowsill";

/// The schema that this build makes.
pub fn newest() -> i64 {
    newest_of(&MIGRATIONS)
}

/// The schema of an open file; 0 when it has none yet.
pub async fn version(db: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    if !has_table(db, "_sqlx_migrations").await? {
        return Ok(0);
    }
    let version: Option<i64> =
        sqlx::query_scalar("select max(version) from _sqlx_migrations").fetch_one(db).await?;
    Ok(version.unwrap_or(0))
}

/// Refuses a file that a newer build has migrated, and says which.
pub async fn expect_not_newer(db: &mut SqliteConnection, path: &Path) -> Result<(), StoreError> {
    expect_known(db, path, &MIGRATIONS).await
}

/// Refuses a file that does not have this build's schema, for those who may not change it.
pub(super) async fn expect_present(
    db: &mut SqliteConnection,
    path: &Path,
) -> Result<(), StoreError> {
    expect_not_newer(db, path).await?;
    let (found, known) = (version(db).await?, newest());
    match found < known {
        true => Err(StoreError::Older { path: path.to_owned(), found, known }),
        false => Ok(()),
    }
}

/// Where the state is kept as it was before its schema became this one.
fn kept_path(path: &Path, newest: i64) -> PathBuf {
    path.with_file_name(format!("{KEPT_PREFIX}{newest}{KEPT_SUFFIX}"))
}

const KEPT_PREFIX: &str = "state-before-schema-";
const KEPT_SUFFIX: &str = ".db";

/// Brings the file at `path` forward to this build's schema.
pub(super) async fn bring_up_to_date(
    db: &mut SqliteConnection,
    path: &Path,
) -> Result<(), StoreError> {
    migrate(db, path, &MIGRATIONS).await
}

async fn migrate(
    db: &mut SqliteConnection,
    path: &Path,
    migrations: &Migrator,
) -> Result<(), StoreError> {
    expect_known(db, path, migrations).await?;
    let before = version(db).await?;
    let newest = newest_of(migrations);
    if before != 0 && is_behind(db, migrations).await? {
        keep_a_copy(db, path, newest).await;
    }
    let mut transaction = db.begin_with("begin immediate").await?;
    migrations.run_direct(&mut *transaction).await?;
    if before < newest {
        sqlx::query(
            "insert into migrated (schema_version, program, at_ms) values (?, ?, ?)
             on conflict (schema_version) do nothing",
        )
        .bind(newest)
        .bind(env!("CARGO_PKG_VERSION"))
        .bind(crate::clock::now_ms())
        .execute(&mut *transaction)
        .await?;
    }
    transaction.commit().await?;
    if before != 0 && before < newest {
        tracing::info!(before, newest, "the database's schema was brought up to date");
    }
    Ok(())
}

fn newest_of(migrations: &Migrator) -> i64 {
    migrations.iter().map(|migration| migration.version).max().unwrap_or(0)
}

async fn expect_known(
    db: &mut SqliteConnection,
    path: &Path,
    migrations: &Migrator,
) -> Result<(), StoreError> {
    let (found, known) = (version(db).await?, newest_of(migrations));
    if found <= known {
        return Ok(());
    }
    let mut program = Cow::Borrowed(UNKNOWN_PROGRAM);
    if has_table(db, "migrated").await? {
        let migrated: Option<String> =
            sqlx::query_scalar("select program from migrated where schema_version = ?")
                .bind(found)
                .fetch_optional(db)
                .await?;
        program = migrated.map_or(program, |version| format!("windowsill {version}").into());
    }
    let program = program.into_owned();
    Err(StoreError::Newer { path: path.to_owned(), found, known, program })
}

async fn has_table(db: &mut SqliteConnection, name: &str) -> Result<bool, sqlx::Error> {
    let row: Option<i64> =
        sqlx::query_scalar("select 1 from sqlite_schema where type = 'table' and name = ?")
            .bind(name)
            .fetch_optional(db)
            .await?;
    Ok(row.is_some())
}

/// Is a migration pending?
async fn is_behind(db: &mut SqliteConnection, migrations: &Migrator) -> Result<bool, sqlx::Error> {
    let applied: Vec<i64> =
        sqlx::query_scalar("select version from _sqlx_migrations").fetch_all(db).await?;
    Ok(migrations.iter().any(|migration| !applied.contains(&migration.version)))
}

/// Keeps the state as it is now, for whoever wants to go back to the version before. One such copy
/// is kept. Without room for it we go on all the same: the migration itself is all or nothing.
async fn keep_a_copy(db: &mut SqliteConnection, path: &Path, newest: i64) {
    let kept = kept_path(path, newest);
    let unfinished = kept.with_extension("partial");
    match keep(db, &unfinished, &kept).await {
        Ok(()) => {
            tracing::info!(copy = %kept.display(), "the state is kept as it was before the update");
            remove_older(&kept);
        }
        Err(error) => {
            let error = crate::engine::error_chain(&error);
            tracing::warn!(error, "no copy of the state as it was before the update could be kept");
            // There may be nothing to remove.
            let _ = std::fs::remove_file(&unfinished);
        }
    }
}

async fn keep(
    db: &mut SqliteConnection,
    unfinished: &Path,
    kept: &Path,
) -> Result<(), sqlite::CopyError> {
    if unfinished.exists() {
        std::fs::remove_file(unfinished)?;
    }
    sqlite::copy_into(db, unfinished).await?;
    Ok(std::fs::rename(unfinished, kept)?)
}

fn remove_older(kept: &Path) {
    let Some(dir) = kept.parent() else { return };
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_copy = name.starts_with(KEPT_PREFIX) && name.ends_with(KEPT_SUFFIX);
        if is_copy
            && path != kept
            && let Err(error) = std::fs::remove_file(&path)
        {
            tracing::warn!(%error, copy = %path.display(), "an older copy could not be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use sqlx::sqlite::SqliteConnectOptions;

    use super::*;

    const MIGRATED: &str = "create table migrated (schema_version integer primary key,
        program text not null, at_ms integer not null) strict;";

    async fn migrations(texts: &[(i64, &str)]) -> Migrator {
        let dir = tempfile::tempdir().unwrap();
        for (version, text) in texts {
            std::fs::write(dir.path().join(format!("{version:04}_step.sql")), text).unwrap();
        }
        Migrator::new(dir.path()).await.unwrap()
    }

    async fn open(path: &Path) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
        SqliteConnection::connect_with(&options).await.unwrap()
    }

    fn files(dir: &Path) -> BTreeSet<String> {
        let names = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
        names.map(|name| name.into_string().unwrap()).collect()
    }

    async fn tables(db: &mut SqliteConnection) -> Vec<String> {
        let sql = "select name from sqlite_schema where type = 'table' and name <> 'migrated'
            and name not like '\\_sqlx%' escape '\\' order by name";
        sqlx::query_scalar(sql).fetch_all(db).await.unwrap()
    }

    /// F37: forward, with one copy of the state as it was.
    #[tokio::test]
    async fn the_state_is_kept_once_as_it_was_before_the_newest_step_forward() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.db");
        let mut db = open(&path).await;
        let steps =
            [(1, MIGRATED), (2, "create table two (x text)"), (3, "create table three (x)")];
        migrate(&mut db, &path, &migrations(&steps[..1]).await).await.unwrap();
        assert_eq!(files(dir.path()), BTreeSet::from(["state.db".to_owned()]));
        migrate(&mut db, &path, &migrations(&steps[..2]).await).await.unwrap();
        sqlx::raw_sql("insert into two values ('before')").execute(&mut db).await.unwrap();
        let all = migrations(&steps).await;
        migrate(&mut db, &path, &all).await.unwrap();
        migrate(&mut db, &path, &all).await.unwrap();
        assert_eq!(tables(&mut db).await, ["three", "two"]);
        let kept = "state-before-schema-3.db";
        assert_eq!(files(dir.path()), BTreeSet::from([kept.to_owned(), "state.db".to_owned()]));
        let mut kept = open(&dir.path().join(kept)).await;
        assert_eq!(version(&mut kept).await.unwrap(), 2);
        let row: String =
            sqlx::query_scalar("select x from two").fetch_one(&mut kept).await.unwrap();
        assert_eq!(row, "before");
    }

    /// F37: a migration that fails leaves the state as it was, the ones before it included.
    #[tokio::test]
    async fn a_migration_that_fails_leaves_the_old_state() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.db");
        let mut db = open(&path).await;
        migrate(&mut db, &path, &migrations(&[(1, MIGRATED)]).await).await.unwrap();
        let broken = [(1, MIGRATED), (2, "create table two (x)"), (3, "create table three (")];
        let error = migrate(&mut db, &path, &migrations(&broken).await).await.unwrap_err();
        assert!(matches!(error, StoreError::Migrate(_)), "{error:?}");
        drop(db);
        let mut db = open(&path).await;
        assert!(tables(&mut db).await.is_empty());
        assert_eq!(version(&mut db).await.unwrap(), 1);
    }

    /// F37: going back to an older program is refused with the version that is needed.
    #[tokio::test]
    async fn a_newer_state_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.db");
        let mut db = open(&path).await;
        let steps = [(1, MIGRATED), (2, "create table two (x text)")];
        migrate(&mut db, &path, &migrations(&steps).await).await.unwrap();
        sqlx::raw_sql("update migrated set program = '7.5.0'").execute(&mut db).await.unwrap();
        let old = migrations(&steps[..1]).await;
        let error = migrate(&mut db, &path, &old).await.unwrap_err().to_string();
        for part in ["windowsill 7.5.0", "schema 2", "up to 1", "backup"] {
            assert!(error.contains(part), "{part:?} is missing in {error:?}");
        }
        sqlx::raw_sql("drop table migrated").execute(&mut db).await.unwrap();
        let error = migrate(&mut db, &path, &old).await.unwrap_err().to_string();
        assert!(error.contains(UNKNOWN_PROGRAM), "{error}");
    }
}
