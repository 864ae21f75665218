//! How far each pipeline has folded each partition, and its watermark.

use sqlx::SqliteConnection;

use super::StoreError;

/// Where a pipeline stands in one partition.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Position {
    pub topic: String,
    pub partition: i32,
    /// The log that the offset belongs to.
    pub log_id: String,
    pub next_offset: i64,
    /// The timestamp of the last folded record.
    pub last_ts_ms: Option<i64>,
    pub greatest_event_ms: Option<i64>,
    /// Records folded since the views were built, and how many of them came late.
    pub records: i64,
    pub late: i64,
}

/// A pipeline's own row.
#[derive(Debug, Clone, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct PipelineRow {
    pub name: String,
    pub watermark_ms: Option<i64>,
    pub windows_closed: i64,
    pub caught_up_at: Option<i64>,
}

const POSITION: &str = "select topic, partition, log_id, next_offset, last_ts_ms,
    greatest_event_ms, records, late from position";

pub async fn load(
    db: &mut SqliteConnection,
    pipeline: &str,
) -> Result<(PipelineRow, Vec<Position>), StoreError> {
    let row = sqlx::query_as(
        "select name, watermark_ms, windows_closed, caught_up_at from pipeline where name = ?",
    )
    .bind(pipeline)
    .fetch_optional(&mut *db)
    .await?
    .unwrap_or_else(|| PipelineRow { name: pipeline.to_owned(), ..PipelineRow::default() });
    let positions =
        sqlx::query_as(&format!("{POSITION} where pipeline = ? order by topic, partition"))
            .bind(pipeline)
            .fetch_all(&mut *db)
            .await?;
    Ok((row, positions))
}

/// The positions of all pipelines that read a topic.
pub async fn of_topic(db: &mut SqliteConnection, topic: &str) -> Result<Vec<Position>, StoreError> {
    Ok(sqlx::query_as(&format!("{POSITION} where topic = ? order by partition, pipeline"))
        .bind(topic)
        .fetch_all(db)
        .await?)
}

/// Moves a position; `records` and `late` are added to what is counted.
pub async fn advance(
    db: &mut SqliteConnection,
    pipeline: &str,
    position: &Position,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into position
            (pipeline, topic, partition, log_id, next_offset, last_ts_ms, greatest_event_ms,
             records, late)
         values (?, ?, ?, ?, ?, ?, ?, ?, ?)
         on conflict (pipeline, topic, partition) do update set
            log_id = excluded.log_id, next_offset = excluded.next_offset,
            last_ts_ms = coalesce(excluded.last_ts_ms, last_ts_ms),
            greatest_event_ms = excluded.greatest_event_ms,
            records = records + excluded.records, late = late + excluded.late",
    )
    .bind(pipeline)
    .bind(&position.topic)
    .bind(position.partition)
    .bind(&position.log_id)
    .bind(position.next_offset)
    .bind(position.last_ts_ms)
    .bind(position.greatest_event_ms)
    .bind(position.records)
    .bind(position.late)
    .execute(db)
    .await?;
    Ok(())
}

/// The pipeline begins anew, but for its watermark and what it has closed: those are facts.
pub async fn forget(db: &mut SqliteConnection, pipeline: &str) -> Result<(), StoreError> {
    sqlx::query("delete from position where pipeline = ?").bind(pipeline).execute(&mut *db).await?;
    sqlx::query("update pipeline set caught_up_at = null where name = ?")
        .bind(pipeline)
        .execute(db)
        .await?;
    Ok(())
}

/// Moves a pipeline's watermark; it never falls.
pub async fn advance_watermark(
    db: &mut SqliteConnection,
    pipeline: &str,
    watermark_ms: Option<i64>,
    windows_closed: i64,
    caught_up_at: Option<i64>,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into pipeline (name, watermark_ms, windows_closed, caught_up_at)
         values (?, ?, ?, ?)
         on conflict (name) do update set
            watermark_ms = max(coalesce(watermark_ms, excluded.watermark_ms),
                               coalesce(excluded.watermark_ms, watermark_ms)),
            windows_closed = windows_closed + excluded.windows_closed,
            caught_up_at = coalesce(excluded.caught_up_at, caught_up_at)",
    )
    .bind(pipeline)
    .bind(watermark_ms)
    .bind(windows_closed)
    .bind(caught_up_at)
    .execute(db)
    .await?;
    Ok(())
}

/// Every pipeline with the sums over its partitions, for `/status`.
pub async fn overview(
    db: &mut SqliteConnection,
) -> Result<Vec<(PipelineRow, Vec<Position>)>, StoreError> {
    let names: Vec<String> = sqlx::query_scalar(
        "select name from pipeline union select pipeline from position
         union select pipeline from standstill order by 1",
    )
    .fetch_all(&mut *db)
    .await?;
    let mut all = Vec::with_capacity(names.len());
    for name in names {
        all.push(load(db, &name).await?);
    }
    Ok(all)
}
