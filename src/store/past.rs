//! The past of a rebuild: how far each pipeline had folded before its views were emptied.
//!
//! Invariant: a pipeline has rows here exactly while it is being rebuilt; they come in the
//! transaction that empties its views and go in the one that stores its last silent step.

use sqlx::SqliteConnection;

use super::StoreError;

/// Where a pipeline stood in one partition.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct PastRow {
    pub topic: String,
    pub partition: i32,
    /// The log that the offset belongs to.
    pub log_id: String,
    pub next_offset: i64,
}

/// How far a rebuild has come.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Progress {
    pub pipeline: String,
    /// Offsets folded again, of so many.
    pub done: i64,
    pub total: i64,
}

impl Progress {
    /// In whole per cent; 100 only at the end.
    pub fn per_cent(&self) -> i64 {
        self.done.saturating_mul(100) / self.total.max(1)
    }
}

pub async fn load(db: &mut SqliteConnection, pipeline: &str) -> Result<Vec<PastRow>, StoreError> {
    Ok(sqlx::query_as(
        "select topic, partition, log_id, next_offset from past where pipeline = ?
          order by topic, partition",
    )
    .bind(pipeline)
    .fetch_all(db)
    .await?)
}

/// A rebuild begins: remembers where the pipeline stood.
pub async fn begin(
    db: &mut SqliteConnection,
    pipeline: &str,
    rows: &[PastRow],
) -> Result<(), StoreError> {
    for row in rows {
        sqlx::query(
            "insert into past (pipeline, topic, partition, log_id, next_offset)
             values (?, ?, ?, ?, ?)",
        )
        .bind(pipeline)
        .bind(&row.topic)
        .bind(row.partition)
        .bind(&row.log_id)
        .bind(row.next_offset)
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}

/// The pipeline has come as far as it had been.
pub async fn end(db: &mut SqliteConnection, pipeline: &str) -> Result<(), StoreError> {
    sqlx::query("delete from past where pipeline = ?").bind(pipeline).execute(db).await?;
    Ok(())
}

/// Every rebuild that is under way.
pub async fn progress(db: &mut SqliteConnection) -> Result<Vec<Progress>, StoreError> {
    Ok(sqlx::query_as(
        "select pipeline,
                sum(min(coalesce(position.next_offset, 0), past.next_offset)) as done,
                sum(past.next_offset) as total
           from past left join position using (pipeline, topic, partition)
          group by pipeline order by pipeline",
    )
    .fetch_all(db)
    .await?)
}
