//! The SQL of the room's copies of its table topics: given names, and watched networks.

use sqlx::SqliteConnection;

use super::stats;
use super::types::MacAddr;
use super::wire::{Given, Row};
use super::{NAMES, TABLES};
use crate::engine::{TableRow, Version};
use crate::rooms::mirror::Mirror;
use crate::store::StoreError;

const GIVEN: Mirror = Mirror { name: "wifi_given", key: "record_key", typed: "cast(? as text)" };
const WATCH: Mirror = Mirror { name: "wifi_watch", key: "ssid", typed: "?" };

/// The copy of `tables()[table]`.
pub(super) fn mirror(table: usize) -> Mirror {
    if TABLES[table] == NAMES { GIVEN } else { WATCH }
}

/// A name as it is looked up: without case and outer blanks.
pub(super) fn name_key(name: &str) -> String {
    name.trim().to_lowercase()
}

/// These are all rows of the table: what changed is written, what is not among them goes.
pub(super) async fn replace(
    db: &mut SqliteConnection,
    mirror: Mirror,
    rows: &[TableRow<Row>],
) -> Result<(), StoreError> {
    // A name that went while nobody followed the table is known by what was there before.
    let named: Vec<i64> = match mirror.name == GIVEN.name && stats::is_published(db).await? {
        true => sqlx::query_scalar("select mac from wifi_given").fetch_all(&mut *db).await?,
        false => Vec::new(),
    };
    for row in mirror.sweep(db, rows).await? {
        write(db, &row.row, row.version).await?;
    }
    let named: Vec<MacAddr> = named.into_iter().map(MacAddr::of_key).collect();
    stats::note(db, &named).await
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
        Some(row) => write(db, row, version).await?,
        None => {
            mirror.delete(db, key).await?;
            if let Ok(mac) = String::from_utf8_lossy(key).parse() {
                stats::note(db, &[mac]).await?;
            }
        }
    }
    Ok(Some(version))
}

/// Every row is to be written anew by the next first pass.
pub(super) async fn doubt_all(db: &mut SqliteConnection) -> Result<(), StoreError> {
    for mirror in [GIVEN, WATCH] {
        mirror.doubt(db).await?;
    }
    Ok(())
}

async fn write(db: &mut SqliteConnection, row: &Row, version: Version) -> Result<(), StoreError> {
    match row {
        Row::Given(mac, given) => write_given(db, *mac, given, version).await,
        Row::Watch(ssid, watch) => {
            sqlx::query(
                "insert into wifi_watch
                    (ssid, reason, record_partition, record_offset, record_ts_ms)
                 values (?, ?, ?, ?, ?)
                 on conflict (ssid) do update set
                    reason = excluded.reason, record_partition = excluded.record_partition,
                    record_offset = excluded.record_offset, record_ts_ms = excluded.record_ts_ms",
            )
            .bind(ssid.as_bytes().to_vec())
            .bind(&watch.reason)
            .bind(version.partition)
            .bind(version.offset)
            .bind(version.ts_ms)
            .execute(db)
            .await?;
            Ok(())
        }
    }
}

async fn write_given(
    db: &mut SqliteConnection,
    mac: MacAddr,
    given: &Given,
    version: Version,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into wifi_given
            (mac, record_key, name, name_key, ignored, watched, record_partition, record_offset,
             record_ts_ms)
         values (?, ?, ?, ?, ?, ?, ?, ?, ?)
         on conflict (mac) do update set
            name = excluded.name, name_key = excluded.name_key, ignored = excluded.ignored,
            watched = excluded.watched,
            record_partition = excluded.record_partition,
            record_offset = excluded.record_offset, record_ts_ms = excluded.record_ts_ms",
    )
    .bind(mac.key())
    .bind(mac.to_string())
    .bind(&given.name)
    .bind(given.name.as_deref().map(name_key))
    .bind(given.ignored)
    .bind(given.watched)
    .bind(version.partition)
    .bind(version.offset)
    .bind(version.ts_ms)
    .execute(&mut *db)
    .await?;
    stats::note(db, &[mac]).await
}
