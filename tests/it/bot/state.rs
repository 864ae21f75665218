//! What a data folder holds, read beside the bot or after it.

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection, FromRow};

/// How many readings are folded.
pub(crate) const FOLDED: &str =
    "select sum(records) from position where topic = 'houseplant-readings'";
/// How many windows were found dry.
pub(crate) const RAISED: &str = "select count(*) from alert where rule = 'plants.dry'";

/// Both files of a folder are whole, as SQLite itself sees it.
pub(crate) async fn is_sound(data_dir: &Path) {
    for name in ["state.db", "log.db"] {
        let options = SqliteConnectOptions::new().filename(data_dir.join(name)).read_only(true);
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        let found: String =
            sqlx::query_scalar("pragma integrity_check").fetch_one(&mut connection).await.unwrap();
        assert_eq!(found, "ok", "{name}");
    }
}

/// A connection that only reads the state.
pub(crate) struct State(SqliteConnection);

impl State {
    pub(crate) async fn open(data_dir: &Path) -> State {
        let path = data_dir.join("state.db");
        let options = SqliteConnectOptions::new().filename(path).read_only(true);
        State(SqliteConnection::connect_with(&options).await.unwrap())
    }

    /// The same where the bot may not have made the file yet.
    pub(crate) async fn open_if_there(data_dir: &Path) -> Option<State> {
        let path = data_dir.join("state.db");
        let options = SqliteConnectOptions::new().filename(path).read_only(true);
        let mut connection = SqliteConnection::connect_with(&options).await.ok()?;
        let tables = "select count(*) from sqlite_schema where name = 'plant'";
        let tables: i64 = sqlx::query_scalar(tables).fetch_one(&mut connection).await.ok()?;
        (tables == 1).then_some(State(connection))
    }

    /// Changes the state of a folder in which nothing runs.
    pub(crate) async fn change(data_dir: &Path, sql: &str) {
        let options = SqliteConnectOptions::new().filename(data_dir.join("state.db"));
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    pub(crate) async fn number(&mut self, sql: &str) -> i64 {
        let number: Option<i64> = sqlx::query_scalar(sql).fetch_one(&mut self.0).await.unwrap();
        number.unwrap_or(0)
    }

    pub(crate) async fn rows<R>(&mut self, sql: &str) -> Vec<R>
    where
        R: for<'r> FromRow<'r, sqlx::sqlite::SqliteRow> + Send + Unpin,
    {
        sqlx::query_as(sql).fetch_all(&mut self.0).await.unwrap()
    }

    /// Nothing waits to be handled, sent or published.
    pub(crate) async fn is_quiet(&mut self) -> bool {
        let waiting = "select (select count(*) from inbox where state = 'waiting')
            + (select count(*) from outbox where state = 'waiting')
            + (select count(*) from publication)";
        self.number(waiting).await == 0
    }
}
