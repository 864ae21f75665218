//! The SQL of the room's copies of its table topics: the newest row of each key, with its version.
//!
//! Invariant: a row is replaced or deleted only by a version that succeeds its own.

use std::collections::HashMap;
use std::sync::LazyLock;

use sqlx::SqliteConnection;

use super::lookup::name_key;
use super::wire::{Houseplant, Mapping};
use super::{MAPPING, Row, TABLES};
use crate::engine::{TableRow, Version};
use crate::store::StoreError;
use crate::store::bulk::BulkStatement;

static PUT_PLANTS: LazyLock<BulkStatement> = LazyLock::new(|| {
    BulkStatement::new(
        "insert into plant
            (plant_id, given_name, name_key, common_name, scientific_name, temperature_low,
             temperature_high, moisture_low, moisture_high, record_partition, record_offset,
             record_ts_ms)",
        12,
        "on conflict (plant_id) do update set
            given_name = excluded.given_name, name_key = excluded.name_key,
            common_name = excluded.common_name,
            scientific_name = excluded.scientific_name,
            temperature_low = excluded.temperature_low,
            temperature_high = excluded.temperature_high,
            moisture_low = excluded.moisture_low, moisture_high = excluded.moisture_high,
            record_partition = excluded.record_partition,
            record_offset = excluded.record_offset, record_ts_ms = excluded.record_ts_ms",
    )
});

static PUT_MAPPINGS: LazyLock<BulkStatement> = LazyLock::new(|| {
    BulkStatement::new(
        "insert into plant_sensor_mapping
            (sensor_id, plant_id, record_partition, record_offset, record_ts_ms)",
        5,
        "on conflict (sensor_id) do update set
            plant_id = excluded.plant_id, record_partition = excluded.record_partition,
            record_offset = excluded.record_offset, record_ts_ms = excluded.record_ts_ms",
    )
});

/// The SQL table that copies a topic.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mirror {
    name: &'static str,
    key: &'static str,
    /// A record's key, which is text, as the type of the key's column.
    typed: &'static str,
}

const PLANTS: Mirror = Mirror { name: "plant", key: "plant_id", typed: "cast(? as integer)" };
const MAPPINGS: Mirror = Mirror { name: "plant_sensor_mapping", key: "sensor_id", typed: "?" };

impl Mirror {
    /// The copy of `tables()[table]`.
    pub(super) fn of(table: usize) -> Mirror {
        if TABLES[table] == MAPPING { MAPPINGS } else { PLANTS }
    }

    /// Every row's key and version.
    async fn versions(
        self,
        db: &mut SqliteConnection,
    ) -> Result<HashMap<String, Version>, StoreError> {
        let rows: Vec<(String, i32, i64, i64)> = sqlx::query_as(&format!(
            "select cast({} as text), record_partition, record_offset, record_ts_ms from {}",
            self.key, self.name
        ))
        .fetch_all(db)
        .await?;
        let version = |(key, partition, offset, ts_ms): (String, i32, i64, i64)| {
            (key, Version { partition, offset, ts_ms })
        };
        Ok(rows.into_iter().map(version).collect())
    }

    async fn version_of(
        self,
        db: &mut SqliteConnection,
        key: &str,
    ) -> Result<Option<Version>, StoreError> {
        let row: Option<(i32, i64, i64)> = sqlx::query_as(&format!(
            "select record_partition, record_offset, record_ts_ms from {} where {} = {}",
            self.name, self.key, self.typed
        ))
        .bind(key)
        .fetch_optional(db)
        .await?;
        Ok(row.map(|(partition, offset, ts_ms)| Version { partition, offset, ts_ms }))
    }

    async fn delete(self, db: &mut SqliteConnection, key: &str) -> Result<(), StoreError> {
        sqlx::query(&format!("delete from {} where {} = {}", self.name, self.key, self.typed))
            .bind(key)
            .execute(db)
            .await?;
        Ok(())
    }
}

/// These are all rows of the table: what changed is written, what is not among them goes.
pub(super) async fn replace(
    db: &mut SqliteConnection,
    mirror: Mirror,
    rows: &[TableRow<Row>],
) -> Result<(), StoreError> {
    let mut known = mirror.versions(db).await?;
    let mut changed = Vec::new();
    for row in rows {
        if known.remove(key_text(&row.key)) != Some(row.version) {
            changed.push((&row.row, row.version));
        }
    }
    write(db, &changed).await?;
    // What is left was not seen by the table's end.
    for key in known.into_keys() {
        mirror.delete(db, &key).await?;
    }
    Ok(())
}

/// Every row is to be written anew by the next first pass, whatever it holds. No record stands at
/// this offset, so each is found changed, or is swept.
pub(super) async fn doubt_all(db: &mut SqliteConnection) -> Result<(), StoreError> {
    for mirror in [PLANTS, MAPPINGS] {
        sqlx::query(&format!("update {} set record_offset = -1", mirror.name))
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}

/// One row changed. Gives the version under which it stands now, if it won.
pub(super) async fn put(
    db: &mut SqliteConnection,
    mirror: Mirror,
    key: &[u8],
    row: Option<&Row>,
    version: Version,
) -> Result<Option<Version>, StoreError> {
    let key = key_text(key);
    let known = mirror.version_of(db, key).await?;
    let winner = known.map_or(Some(version), |known| version.succeed(&known));
    let Some(version) = winner else { return Ok(None) };
    match row {
        Some(row) => write(db, &[(row, version)]).await?,
        None => mirror.delete(db, key).await?,
    }
    Ok(Some(version))
}

/// A key of a record that was decoded is text.
fn key_text(key: &[u8]) -> &str {
    std::str::from_utf8(key).unwrap_or_default()
}

async fn write(db: &mut SqliteConnection, rows: &[(&Row, Version)]) -> Result<(), StoreError> {
    let (mut plants, mut mappings) = (Vec::new(), Vec::new());
    for (row, version) in rows {
        match row {
            Row::Plant(plant) => plants.push((plant, *version)),
            Row::Mapping(mapping) => mappings.push((mapping, *version)),
        }
    }
    write_plants(db, &plants).await?;
    write_mappings(db, &mappings).await
}

async fn write_plants(
    db: &mut SqliteConnection,
    rows: &[(&Houseplant, Version)],
) -> Result<(), StoreError> {
    PUT_PLANTS
        .run(db, rows, |query, (plant, version)| {
            query
                .bind(plant.plant_id.get())
                .bind(plant.given_name.clone())
                .bind(name_key(&plant.given_name))
                .bind(plant.common_name.clone())
                .bind(plant.scientific_name.clone())
                .bind(plant.temperature_low)
                .bind(plant.temperature_high)
                .bind(plant.moisture_low)
                .bind(plant.moisture_high)
                .bind(version.partition)
                .bind(version.offset)
                .bind(version.ts_ms)
        })
        .await
}

async fn write_mappings(
    db: &mut SqliteConnection,
    rows: &[(&Mapping, Version)],
) -> Result<(), StoreError> {
    PUT_MAPPINGS
        .run(db, rows, |query, (mapping, version)| {
            query
                .bind(mapping.sensor_id.as_str().to_owned())
                .bind(mapping.plant_id.get())
                .bind(version.partition)
                .bind(version.offset)
                .bind(version.ts_ms)
        })
        .await
}
