//! Schemas that a registry told us: facts, so that a registry that is away at a start stops nobody
//! who writes with a known one.

use sqlx::SqliteConnection;

use super::StoreError;
use crate::log::registry::Learnt;

/// Keeps schemas of a registry; its newest word about an id stands.
pub async fn keep(
    db: &mut SqliteConnection,
    registry: &str,
    learnt: &[Learnt],
    now_ms: i64,
) -> Result<(), StoreError> {
    for schema in learnt {
        sqlx::query(
            "insert into registry_schema (registry, id, schema, learnt_at) values (?, ?, ?, ?)
             on conflict (registry, id) do update set
                schema = excluded.schema, learnt_at = excluded.learnt_at",
        )
        .bind(registry)
        .bind(schema.id)
        .bind(&schema.text)
        .bind(now_ms)
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}

/// Every schema that we know of the registry that was asked last.
pub async fn of_the_last(db: &mut SqliteConnection) -> Result<Vec<Learnt>, StoreError> {
    let last: Option<String> = sqlx::query_scalar(
        "select registry from registry_schema order by learnt_at desc, registry limit 1",
    )
    .fetch_optional(&mut *db)
    .await?;
    match last {
        Some(registry) => all(db, &registry).await,
        None => Ok(Vec::new()),
    }
}

/// Every schema of a registry that we know.
pub async fn all(db: &mut SqliteConnection, registry: &str) -> Result<Vec<Learnt>, StoreError> {
    let rows: Vec<(u32, String)> =
        sqlx::query_as("select id, schema from registry_schema where registry = ?")
            .bind(registry)
            .fetch_all(db)
            .await?;
    Ok(rows.into_iter().map(|(id, text)| Learnt { id, text }).collect())
}
