//! The SQL that copies of table topics have in common: the newest row of each key, by version.
//!
//! Invariant: a row is replaced or deleted only by a version that succeeds its own.

use std::collections::HashMap;

use sqlx::SqliteConnection;

use crate::engine::{TableRow, Version};
use crate::store::StoreError;

/// A SQL table that copies a topic. It has the columns `record_partition`, `record_offset` and
/// `record_ts_ms`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mirror {
    pub(super) name: &'static str,
    /// The column that a record's key is.
    pub(super) key: &'static str,
    /// A record's key, which is bytes, as the type of that column.
    pub(super) typed: &'static str,
}

impl Mirror {
    /// The first pass has ended: deletes what is not among these rows, and gives those to write.
    pub(super) async fn sweep<'a, R>(
        self,
        db: &mut SqliteConnection,
        rows: &'a [TableRow<R>],
    ) -> Result<Vec<&'a TableRow<R>>, StoreError> {
        let mut known = self.versions(db).await?;
        let mut changed = Vec::new();
        for row in rows {
            if known.remove(&row.key) != Some(row.version) {
                changed.push(row);
            }
        }
        for key in known.into_keys() {
            self.delete(db, &key).await?;
        }
        Ok(changed)
    }

    /// The version under which a row takes its place; `None` where it does not.
    pub(super) async fn winner(
        self,
        db: &mut SqliteConnection,
        key: &[u8],
        version: Version,
    ) -> Result<Option<Version>, StoreError> {
        let row: Option<(i32, i64, i64)> = sqlx::query_as(&format!(
            "select record_partition, record_offset, record_ts_ms from {} where {} = {}",
            self.name, self.key, self.typed
        ))
        .bind(key)
        .fetch_optional(db)
        .await?;
        let known = row.map(|(partition, offset, ts_ms)| Version { partition, offset, ts_ms });
        Ok(known.map_or(Some(version), |known| version.succeed(&known)))
    }

    pub(super) async fn delete(
        self,
        db: &mut SqliteConnection,
        key: &[u8],
    ) -> Result<(), StoreError> {
        sqlx::query(&format!("delete from {} where {} = {}", self.name, self.key, self.typed))
            .bind(key)
            .execute(db)
            .await?;
        Ok(())
    }

    /// Every row is to be written anew by the next first pass, whatever it holds. No record stands
    /// at this offset, so each is found changed, or is swept.
    pub(super) async fn doubt(self, db: &mut SqliteConnection) -> Result<(), StoreError> {
        sqlx::query(&format!("update {} set record_offset = -1", self.name)).execute(db).await?;
        Ok(())
    }

    /// Every row's key and version.
    async fn versions(
        self,
        db: &mut SqliteConnection,
    ) -> Result<HashMap<Vec<u8>, Version>, StoreError> {
        let rows: Vec<(Vec<u8>, i32, i64, i64)> = sqlx::query_as(&format!(
            "select cast({} as blob), record_partition, record_offset, record_ts_ms from {}",
            self.key, self.name
        ))
        .fetch_all(db)
        .await?;
        let version = |(key, partition, offset, ts_ms): (Vec<u8>, i32, i64, i64)| {
            (key, Version { partition, offset, ts_ms })
        };
        Ok(rows.into_iter().map(version).collect())
    }
}
