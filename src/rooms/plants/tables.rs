//! The SQL of the room's copies of its table topics: the newest row of each key, with its version.
//!
//! Invariant: a row is replaced or deleted only by a version that succeeds its own. Names are as they
//! are shown, whatever a producer gave.

use std::sync::LazyLock;

use sqlx::SqliteConnection;

use super::lookup::name_key;
use super::wire::{Houseplant, Mapping, Watering};
use super::{MAPPING, Row, TABLES, WATERINGS};
use crate::engine::{TableRow, Version};
use crate::kernel::name;
use crate::rooms::mirror::Mirror;
use crate::store::StoreError;
use crate::store::bulk::BulkStatement;

static PUT_PLANTS: LazyLock<BulkStatement> = LazyLock::new(|| {
    BulkStatement::new(
        "insert into plant
            (plant_id, name_key, given_name, common_name, scientific_name, temperature_low,
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

static PUT_WATERINGS: LazyLock<BulkStatement> = LazyLock::new(|| {
    BulkStatement::new(
        "insert into plant_watering_said
            (record_key, plant_id, at_ms, record_partition, record_offset, record_ts_ms)",
        6,
        "on conflict (record_key) do update set
            record_partition = excluded.record_partition,
            record_offset = excluded.record_offset, record_ts_ms = excluded.record_ts_ms",
    )
});

const PLANTS: Mirror =
    Mirror { name: "plant", key: "plant_id", typed: "cast(cast(? as text) as integer)" };
const MAPPINGS: Mirror =
    Mirror { name: "plant_sensor_mapping", key: "sensor_id", typed: "cast(? as text)" };
const SAID_WATERINGS: Mirror =
    Mirror { name: "plant_watering_said", key: "record_key", typed: "cast(? as text)" };

/// The copy of `tables()[table]`.
pub(super) fn mirror(table: usize) -> Mirror {
    match TABLES[table] {
        MAPPING => MAPPINGS,
        WATERINGS => SAID_WATERINGS,
        _ => PLANTS,
    }
}

/// These are all rows of the table: what changed is written, what is not among them goes.
pub(super) async fn replace(
    db: &mut SqliteConnection,
    mirror: Mirror,
    rows: &[TableRow<Row>],
) -> Result<(), StoreError> {
    let changed = mirror.sweep(db, rows).await?;
    let changed: Vec<_> = changed.into_iter().map(|row| (&row.row, row.version)).collect();
    write(db, &changed).await
}

/// Every row is to be written anew by the next first pass.
pub(super) async fn doubt_all(db: &mut SqliteConnection) -> Result<(), StoreError> {
    for mirror in [PLANTS, MAPPINGS, SAID_WATERINGS] {
        mirror.doubt(db).await?;
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
    let Some(version) = mirror.winner(db, key, version).await? else { return Ok(None) };
    match row {
        Some(row) => write(db, &[(row, version)]).await?,
        None => mirror.delete(db, key).await?,
    }
    Ok(Some(version))
}

async fn write(db: &mut SqliteConnection, rows: &[(&Row, Version)]) -> Result<(), StoreError> {
    let (mut plants, mut mappings, mut waterings) = (Vec::new(), Vec::new(), Vec::new());
    for (row, version) in rows {
        match row {
            Row::Plant(plant) => plants.push((plant, *version)),
            Row::Mapping(mapping) => mappings.push((mapping, *version)),
            Row::Watering(watering) => waterings.push((*watering, *version)),
        }
    }
    write_plants(db, &plants).await?;
    write_mappings(db, &mappings).await?;
    write_waterings(db, &waterings).await
}

async fn write_plants(
    db: &mut SqliteConnection,
    rows: &[(&Houseplant, Version)],
) -> Result<(), StoreError> {
    PUT_PLANTS
        .run(db, rows, |query, (plant, version)| {
            let given_name = name::shown(&plant.given_name, &format!("Plant {}", plant.plant_id));
            query
                .bind(plant.plant_id.get())
                .bind(name_key(&given_name))
                .bind(given_name)
                .bind(name::shown(&plant.common_name, "plant"))
                .bind(name::shown(&plant.scientific_name, "unknown"))
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

async fn write_waterings(
    db: &mut SqliteConnection,
    rows: &[(Watering, Version)],
) -> Result<(), StoreError> {
    PUT_WATERINGS
        .run(db, rows, |query, (watering, version)| {
            query
                .bind(watering.key())
                .bind(watering.plant_id.get())
                .bind(watering.watered_at)
                .bind(version.partition)
                .bind(version.offset)
                .bind(version.ts_ms)
        })
        .await
}
