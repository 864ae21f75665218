//! The result table `pcap-stats`: what is known of each device, for whoever reads the topic.

use std::collections::BTreeMap;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use sqlx::SqliteConnection;

use super::lookup::{self, DeviceRow, keys};
use super::namebook;
use super::types::{MacAddr, Ssid};
use crate::engine::results::ResultTable;
use crate::store::{StoreError, results};

/// The topic's default name.
pub(super) const TOPIC: &str = "pcap-stats";

/// The table as the engine publishes it.
pub(super) const TABLE: ResultTable =
    ResultTable { topic: TOPIC, pipeline: "wifi", by_default: false, note_all, read };

/// What is known of these devices changed.
pub(super) async fn note(db: &mut SqliteConnection, macs: &[MacAddr]) -> Result<(), StoreError> {
    results::note(db, TOPIC, macs, MacAddr::to_string).await
}

/// Does anybody publish the table?
pub(super) async fn is_published(db: &mut SqliteConnection) -> Result<bool, StoreError> {
    results::is_published(db, TOPIC).await
}

fn note_all(db: &mut SqliteConnection) -> BoxFuture<'_, Result<(), StoreError>> {
    Box::pin(async move {
        let all: Vec<i64> = sqlx::query_scalar("select mac from wifi_device order by mac")
            .fetch_all(&mut *db)
            .await?;
        let macs: Vec<MacAddr> = all.into_iter().map(MacAddr::of_key).collect();
        note(db, &macs).await
    })
}

fn read<'a>(
    db: &'a mut SqliteConnection,
    record_keys: &'a [String],
) -> BoxFuture<'a, Result<Vec<Option<Value>>, StoreError>> {
    Box::pin(async move {
        let macs: Vec<Option<MacAddr>> = record_keys.iter().map(|key| key.parse().ok()).collect();
        let known: Vec<MacAddr> = macs.iter().flatten().copied().collect();
        let devices = lookup::devices(db, &known).await?;
        let mut names = namebook::names_of(db, known.iter().copied()).await?;
        let mut ssids = ssids_of(db, &known).await?.into_iter().peekable();
        let mut rows = BTreeMap::new();
        let devices: BTreeMap<MacAddr, DeviceRow> =
            devices.into_iter().map(|device| (device.mac(), device)).collect();
        for (mac, device) in devices {
            let mut own = Vec::new();
            while let Some((_, ssid)) = ssids.next_if(|(of, _)| *of <= mac) {
                own.push(json!({"hex": ssid.hex(), "text": ssid.to_string()}));
            }
            let row = json!({
                "mac": mac.to_string(),
                "name": names.remove(&mac),
                "probe_count": device.probe_count,
                "wildcard_count": device.wildcard_count,
                "first_probe": device.first_ms,
                "last_probe": device.last_ms,
                "unique_ssids": own.len(),
                "ssids": own,
                "ssids_complete": device.ssids_complete,
                "signal_min_dbm": device.signal_min_dbm,
                "signal_max_dbm": device.signal_max_dbm,
            });
            rows.insert(mac, row);
        }
        Ok(macs.into_iter().map(|mac| rows.remove(&mac?)).collect())
    })
}

/// The networks of these devices, device by device in the order of their addresses.
async fn ssids_of(
    db: &mut SqliteConnection,
    macs: &[MacAddr],
) -> Result<Vec<(MacAddr, Ssid)>, StoreError> {
    let rows: Vec<(i64, Vec<u8>)> = sqlx::query_as(
        "select mac, ssid from wifi_ssid where mac in (select value from json_each(?))
          order by mac, ssid",
    )
    .bind(keys(macs.iter().copied()))
    .fetch_all(db)
    .await?;
    let mut ssids = Vec::with_capacity(rows.len());
    for (mac, bytes) in rows {
        let ssid = Ssid::of_bytes(&bytes);
        let ssid = ssid.map_err(|error| StoreError::Unexpected(error.to_string()))?;
        ssids.push((MacAddr::of_key(mac), ssid));
    }
    Ok(ssids)
}
