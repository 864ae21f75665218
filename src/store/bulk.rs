//! Bulk writes: statements of many rows, in a few fixed sizes so that SQLite's compiled statements
//! are found again.

use sqlx::SqliteConnection;
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments};

use super::StoreError;

/// Rows in one statement. SQLite takes 32,766 parameters; measured, larger is not faster.
const SIZES: [usize; 3] = [512, 32, 1];

type Bound<'q> = Query<'q, Sqlite, SqliteArguments<'q>>;

/// A statement for any number of rows.
pub struct BulkStatement {
    /// One text for each of `SIZES`.
    texts: [String; 3],
}

impl BulkStatement {
    /// `head` is what comes before the values (`insert into t (a, b)`), `columns` how many values a
    /// row has, `tail` what follows them (`on conflict …`).
    pub fn new(head: &str, columns: usize, tail: &str) -> BulkStatement {
        let row = format!("({})", vec!["?"; columns].join(", "));
        let text =
            |rows: usize| format!("{head} values {} {tail}", vec![row.as_str(); rows].join(", "));
        BulkStatement { texts: SIZES.map(text) }
    }

    /// Runs it over all rows; `bind` adds one row's values in order.
    pub async fn run<R>(
        &self,
        db: &mut SqliteConnection,
        rows: &[R],
        bind: impl for<'q> Fn(Bound<'q>, &R) -> Bound<'q>,
    ) -> Result<(), StoreError> {
        let mut rest = rows;
        for (text, size) in self.texts.iter().zip(SIZES) {
            while rest.len() >= size {
                let (now, later) = rest.split_at(size);
                let mut query = sqlx::query(text);
                for row in now {
                    query = bind(query, row);
                }
                query.execute(&mut *db).await?;
                rest = later;
            }
        }
        Ok(())
    }
}
