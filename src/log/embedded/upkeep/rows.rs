//! Rows of a partition as upkeep reads and replaces them.
//!
//! Invariant: what `topic list` shows of a partition changes in the transaction that changes rows.

use futures_util::TryStreamExt;
use sqlx::sqlite::SqliteConnection;

use super::Partition;
use crate::log::LogError;
use crate::log::batch::{Batch, BatchBuilder};
use crate::log::embedded::schema::{Fault, ROW_OVERHEAD_BYTES};

/// A new row is closed when it holds so many bytes.
const ROW_BYTES: usize = 256 * 1024;

/// A row with its records.
pub(super) struct Row {
    pub(super) id: i64,
    pub(super) batch: Batch,
}

/// A row without its records.
#[derive(Debug, Clone, Copy, sqlx::FromRow)]
pub(super) struct Outline {
    pub(super) base_offset: i64,
    pub(super) next_offset: i64,
    pub(super) count: i64,
    pub(super) size_bytes: i64,
}

/// The first rows from an offset on, without their records.
pub(super) async fn outlines(
    conn: &mut SqliteConnection,
    at: &Partition,
    from_offset: i64,
    limit: usize,
) -> Result<Vec<Outline>, Fault> {
    let found = sqlx::query_as(
        "select base_offset, next_offset, count, length(bytes) as size_bytes from batch
         where topic_id = ? and partition = ? and base_offset >= ?
         order by base_offset limit ?",
    );
    let found = found.bind(at.topic_id).bind(at.partition).bind(from_offset);
    Ok(found.bind(i64::try_from(limit).unwrap_or(i64::MAX)).fetch_all(conn).await?)
}

/// Rows from an offset on that end at or below another, up to so many bytes (and at least one).
pub(super) async fn read(
    conn: &mut SqliteConnection,
    at: &Partition,
    from_offset: i64,
    until_offset: i64,
    limit_bytes: usize,
) -> Result<Vec<Row>, Fault> {
    type Columns = (i64, i64, i64, u32, i64, i64, Vec<u8>);
    let mut found = sqlx::query_as::<_, Columns>(
        "select id, base_offset, next_offset, count, first_ts, last_ts, bytes from batch
         where topic_id = ? and partition = ? and base_offset >= ? and next_offset <= ?
         order by base_offset limit ?",
    )
    .bind(at.topic_id)
    .bind(at.partition)
    .bind(from_offset)
    .bind(until_offset)
    .bind(super::TX_ROWS as i64)
    .fetch(conn);
    let mut rows = Vec::new();
    let mut size_bytes = 0;
    while size_bytes < limit_bytes
        && let Some((id, base_offset, next_offset, count, first_ts_ms, last_ts_ms, bytes)) =
            found.try_next().await?
    {
        size_bytes += bytes.len();
        let batch = Batch {
            partition: at.partition,
            from_offset: base_offset,
            base_offset,
            next_offset,
            count,
            first_ts_ms,
            last_ts_ms,
            bytes,
        };
        rows.push(Row { id, batch });
    }
    Ok(rows)
}

/// Packs the records of rows that are to stay into as few rows as hold them.
pub(super) fn repack(
    at: &Partition,
    rows: &[Row],
    mut stays: impl FnMut(&crate::kernel::record::RecordRef<'_>) -> bool,
) -> Result<Vec<Batch>, LogError> {
    let mut done = Vec::new();
    let mut open: Option<BatchBuilder> = None;
    for row in rows {
        for record in row.batch.records() {
            let record = record?;
            if !stays(&record) {
                continue;
            }
            let mut builder =
                open.take().unwrap_or_else(|| BatchBuilder::new(at.partition, record.offset));
            builder.push_ref(&record)?;
            if builder.size_bytes() >= ROW_BYTES {
                done.extend(builder.finish());
            } else {
                open = Some(builder);
            }
        }
    }
    done.extend(open.and_then(BatchBuilder::finish));
    Ok(done)
}

/// Puts new rows in the place of old ones.
pub(super) async fn replace(
    tx: &mut SqliteConnection,
    at: &Partition,
    old: &[Row],
    new: &[Batch],
) -> Result<(), Fault> {
    for row in old {
        sqlx::query("delete from batch where id = ?").bind(row.id).execute(&mut *tx).await?;
    }
    for batch in new {
        sqlx::query(
            "insert into batch
                (topic_id, partition, base_offset, next_offset, count, first_ts, last_ts, bytes)
             values (?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(at.topic_id)
        .bind(at.partition)
        .bind(batch.base_offset)
        .bind(batch.next_offset)
        .bind(batch.count)
        .bind(batch.first_ts_ms)
        .bind(batch.last_ts_ms)
        .bind(&batch.bytes)
        .execute(&mut *tx)
        .await?;
    }
    let (old_records, old_bytes) = sums(old.iter().map(|row| &row.batch));
    let (new_records, new_bytes) = sums(new.iter());
    shrink(tx, at, old_records - new_records, old_bytes - new_bytes).await
}

/// The partition holds so much less.
pub(super) async fn shrink(
    tx: &mut SqliteConnection,
    at: &Partition,
    records: i64,
    size_bytes: i64,
) -> Result<(), Fault> {
    sqlx::query(
        "update partition set records = records - ?, size_bytes = size_bytes - ?
         where topic_id = ? and partition = ?",
    )
    .bind(records)
    .bind(size_bytes)
    .bind(at.topic_id)
    .bind(at.partition)
    .execute(tx)
    .await?;
    Ok(())
}

/// The oldest and the newest time of what is left.
pub(super) async fn refresh_times(tx: &mut SqliteConnection, at: &Partition) -> Result<(), Fault> {
    sqlx::query(
        "update partition set (first_ts, last_ts) =
            (select min(first_ts), max(last_ts) from batch
             where batch.topic_id = ?1 and batch.partition = ?2)
         where topic_id = ?1 and partition = ?2",
    )
    .bind(at.topic_id)
    .bind(at.partition)
    .execute(tx)
    .await?;
    Ok(())
}

fn sums<'a>(batches: impl Iterator<Item = &'a Batch>) -> (i64, i64) {
    batches.fold((0, 0), |(records, size_bytes), batch| {
        let own_bytes = batch.bytes.len() as i64 + ROW_OVERHEAD_BYTES;
        (records + i64::from(batch.count), size_bytes + own_bytes)
    })
}
