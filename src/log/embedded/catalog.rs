//! The SQL of everything but appending and reading: topics, their bounds, the values beside them.
//!
//! Invariant: no question decodes a record; what is told was kept when records were appended.

use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;

use crate::kernel::topic::TopicKind;
use crate::log::{Bounds, TopicStat};

#[derive(Debug, Clone, Copy)]
pub(super) struct Topic {
    pub id: i64,
    pub kind: TopicKind,
    pub partitions: i32,
}

pub(super) async fn find(
    conn: &mut SqliteConnection,
    name: &str,
) -> Result<Option<Topic>, sqlx::Error> {
    let row: Option<(i64, String, i32)> =
        sqlx::query_as("select id, kind, partitions from topic where name = ?")
            .bind(name)
            .fetch_optional(conn)
            .await?;
    Ok(row.map(|(id, kind, partitions)| Topic { id, kind: kind_of(&kind), partitions }))
}

fn kind_of(name: &str) -> TopicKind {
    if name == "table" { TopicKind::Table } else { TopicKind::Stream }
}

/// Leaves a topic that is there as it is.
pub(super) async fn insert(
    conn: &mut SqliteConnection,
    name: &str,
    kind: TopicKind,
    partitions: i32,
) -> Result<(), sqlx::Error> {
    let mut tx = conn.begin_with("begin immediate").await?;
    let id: Option<i64> = sqlx::query_scalar(
        "insert into topic (name, kind, partitions) values (?, ?, ?)
         on conflict (name) do nothing returning id",
    )
    .bind(name)
    .bind(kind.name())
    .bind(partitions)
    .fetch_optional(&mut *tx)
    .await?;
    for partition in 0..id.map_or(0, |_| partitions) {
        sqlx::query("insert into partition (topic_id, partition) values (?, ?)")
            .bind(id)
            .bind(partition)
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await
}

pub(super) async fn bounds(
    conn: &mut SqliteConnection,
    topic: Topic,
) -> Result<Vec<Bounds>, sqlx::Error> {
    let rows: Vec<(i32, i64, i64)> = sqlx::query_as(
        "select partition, next_offset, coalesce(
            (select min(base_offset) from batch
             where batch.topic_id = partition.topic_id
               and batch.partition = partition.partition), next_offset)
         from partition where topic_id = ? order by partition",
    )
    .bind(topic.id)
    .fetch_all(conn)
    .await?;
    let bounds =
        |(partition, next_offset, first_offset)| Bounds { partition, first_offset, next_offset };
    Ok(rows.into_iter().map(bounds).collect())
}

pub(super) async fn stats(conn: &mut SqliteConnection) -> Result<Vec<TopicStat>, sqlx::Error> {
    type Row = (String, String, i32, i64, Option<i64>, Option<i64>);
    let rows: Vec<Row> = sqlx::query_as(
        "select name, kind, partitions, sum(records), min(first_ts), max(last_ts)
         from topic join partition on topic_id = topic.id
         group by topic.id order by name",
    )
    .fetch_all(conn)
    .await?;
    let stat = |(name, kind, partitions, records, first_ts_ms, last_ts_ms): Row| TopicStat {
        name,
        kind: kind_of(&kind),
        partitions,
        records,
        first_ts_ms,
        last_ts_ms,
    };
    Ok(rows.into_iter().map(stat).collect())
}

pub(super) async fn meta_get(
    conn: &mut SqliteConnection,
    key: &str,
) -> Result<Option<String>, sqlx::Error> {
    let value = sqlx::query_scalar("select value from meta where key = ?");
    value.bind(key).fetch_optional(conn).await
}

pub(super) async fn meta_set(
    conn: &mut SqliteConnection,
    key: &str,
    value: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into meta (key, value) values (?, ?)
         on conflict (key) do update set value = excluded.value",
    )
    .bind(key)
    .bind(value)
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn meta_remove(conn: &mut SqliteConnection, key: &str) -> Result<(), sqlx::Error> {
    sqlx::query("delete from meta where key = ?").bind(key).execute(conn).await?;
    Ok(())
}
