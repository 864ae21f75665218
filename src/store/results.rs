//! Rows of result tables on their way to the log: which changed, and what stands there.
//!
//! Invariant: a row waits exactly while `changed` says so, and a change that comes while an older
//! one is being published waits on. Rows of a table that nobody publishes are not noted at all.

use std::sync::LazyLock;

use sqlx::SqliteConnection;

use super::StoreError;
use super::bulk::BulkStatement;
use crate::log::once::Ends;

/// A row that waits.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Waiting {
    pub record_key: String,
    pub changed: i64,
    pub value: Option<String>,
    pub published: Option<Vec<u8>>,
}

/// A waiting row whose newest state is in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    pub record_key: String,
    pub changed: i64,
    /// What stands in the log; `None`: nothing, or nobody has to remember.
    pub published: Option<Vec<u8>>,
}

static NOTE: LazyLock<BulkStatement> = LazyLock::new(|| {
    BulkStatement::new(
        "insert into result_row (topic, record_key, changed)",
        3,
        "on conflict (topic, record_key) do update set changed = excluded.changed, value = null",
    )
});

static PUT: LazyLock<BulkStatement> = LazyLock::new(|| {
    BulkStatement::new(
        "insert into result_row (topic, record_key, changed, value)",
        4,
        "on conflict (topic, record_key) do update set
            changed = excluded.changed, value = excluded.value",
    )
});

static MARK: LazyLock<BulkStatement> = LazyLock::new(|| {
    BulkStatement::new(
        "with done (of_topic, of_key, was_changed, in_log) as (",
        4,
        ") update result_row set published = in_log, value = iif(changed = was_changed, null, value),
                  changed = nullif(changed, was_changed)
             from done where topic = of_topic and record_key = of_key",
    )
});

static FORGET: LazyLock<BulkStatement> = LazyLock::new(|| {
    // Of values alone SQLite makes no look-ups by key.
    BulkStatement::new(
        "delete from result_row where changed is null
            and (topic, record_key) in (select * from (",
        2,
        "))",
    )
});

/// Is the table published?
pub async fn is_published(db: &mut SqliteConnection, topic: &str) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar("select exists (select 1 from result_table where topic = ?)")
        .bind(topic)
        .fetch_one(db)
        .await?)
}

/// Rows changed, if the table is published. `key` makes a row's key.
pub async fn note<R>(
    db: &mut SqliteConnection,
    topic: &'static str,
    rows: &[R],
    key: impl for<'r> Fn(&'r R) -> String,
) -> Result<(), StoreError> {
    if rows.is_empty() || !is_published(db, topic).await? {
        return Ok(());
    }
    let changed = next_change(db, topic).await?;
    NOTE.run(db, rows, |query, row| query.bind(topic).bind(key(row)).bind(changed)).await
}

/// Rows have these states, by key, if the table is published; it is, in this order.
pub async fn put(
    db: &mut SqliteConnection,
    topic: &'static str,
    rows: &[(String, serde_json::Value)],
) -> Result<(), StoreError> {
    if rows.is_empty() || !is_published(db, topic).await? {
        return Ok(());
    }
    let numbered: Vec<_> = (next_change(db, topic).await?..).zip(rows).collect();
    PUT.run(db, &numbered, |query, (changed, (record_key, value))| {
        query.bind(topic).bind(record_key.clone()).bind(*changed).bind(value.to_string())
    })
    .await
}

/// Every row that was published may be another one now: the views of its pipeline begin anew.
pub async fn doubt(db: &mut SqliteConnection, pipeline: &str) -> Result<(), StoreError> {
    sqlx::query(
        "update result_row set changed = 1 + (select coalesce(max(changed), 0) from result_row)
          where value is null
            and topic in (select topic from result_table where pipeline = ?)",
    )
    .bind(pipeline)
    .execute(db)
    .await?;
    Ok(())
}

/// Begins to publish a table. Says whether it was not published before.
pub async fn begin(
    db: &mut SqliteConnection,
    topic: &str,
    pipeline: &str,
) -> Result<bool, StoreError> {
    let begun = sqlx::query(
        "insert into result_table (topic, pipeline) values (?, ?) on conflict do nothing",
    )
    .bind(topic)
    .bind(pipeline)
    .execute(db)
    .await?;
    Ok(begun.rows_affected() > 0)
}

/// Where the topic ended when a row was last published. `None`: nobody knows, or nobody publishes it.
pub async fn ends(db: &mut SqliteConnection, topic: &str) -> Result<Option<Ends>, StoreError> {
    let text: Option<Option<String>> =
        sqlx::query_scalar("select ends from result_table where topic = ?")
            .bind(topic)
            .fetch_optional(db)
            .await?;
    // What another version wrote in another way says nothing.
    Ok(text.flatten().and_then(|text| text.parse().ok()))
}

/// The topic ends there, with all that is marked as published in it.
pub async fn ends_at(
    db: &mut SqliteConnection,
    topic: &str,
    ends: Option<&Ends>,
) -> Result<(), StoreError> {
    sqlx::query("update result_table set ends = ? where topic = ?")
        .bind(ends.map(Ends::to_string))
        .bind(topic)
        .execute(db)
        .await?;
    Ok(())
}

/// Nothing of the table stands in the log: every row waits.
pub async fn begin_anew(db: &mut SqliteConnection, topic: &str) -> Result<(), StoreError> {
    let changed = next_change(db, topic).await?;
    sqlx::query("update result_row set published = null, changed = ? where topic = ?")
        .bind(changed)
        .bind(topic)
        .execute(&mut *db)
        .await?;
    ends_at(db, topic, None).await
}

/// Publishes a table no longer; what stands in the log stays there.
pub async fn end(db: &mut SqliteConnection, topic: &str) -> Result<(), StoreError> {
    for statement in
        ["delete from result_row where topic = ?", "delete from result_table where topic = ?"]
    {
        sqlx::query(statement).bind(topic).execute(&mut *db).await?;
    }
    Ok(())
}

/// The rows that have waited longest; none while the table's pipeline is being rebuilt, as its
/// views are not whole then.
pub async fn waiting(
    db: &mut SqliteConnection,
    topic: &str,
    limit: i64,
) -> Result<Vec<Waiting>, StoreError> {
    Ok(sqlx::query_as(
        "select record_key, changed, value, published from result_row
          where topic = ?1 and changed is not null
            and not exists (select 1 from result_table t join past p on p.pipeline = t.pipeline
                             where t.topic = ?1)
          order by changed, record_key limit ?2",
    )
    .bind(topic)
    .bind(limit)
    .fetch_all(db)
    .await?)
}

/// These are in the log.
pub async fn mark(
    db: &mut SqliteConnection,
    topic: &'static str,
    rows: &[Done],
) -> Result<(), StoreError> {
    MARK.run(db, rows, |query, row| {
        let query = query.bind(topic).bind(row.record_key.clone());
        query.bind(row.changed).bind(row.published.clone())
    })
    .await?;
    let gone: Vec<&Done> = rows.iter().filter(|row| row.published.is_none()).collect();
    FORGET.run(db, &gone, |query, row| query.bind(topic).bind(row.record_key.clone())).await
}

async fn next_change(db: &mut SqliteConnection, topic: &str) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar(
        "select coalesce(max(changed), 0) + 1 from result_row
          where topic = ? and changed is not null",
    )
    .bind(topic)
    .fetch_one(db)
    .await?)
}
