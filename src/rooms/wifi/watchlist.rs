//! The SQL of the watch list as people edit it: with edits that the log has not taken yet.

use std::collections::BTreeMap;

use sqlx::SqliteConnection;

use super::WATCHED;
use super::types::Ssid;
use super::wire::Watch;
use crate::store::{StoreError, publication};

/// The watched networks with their reasons, by their bytes. People make the list by hand, so it is
/// read whole.
pub(super) async fn all(db: &mut SqliteConnection) -> Result<Vec<(Ssid, String)>, StoreError> {
    let rows: Vec<(Vec<u8>, String)> =
        sqlx::query_as("select ssid, reason from wifi_watch").fetch_all(&mut *db).await?;
    let mut list: BTreeMap<Vec<u8>, String> = rows.into_iter().collect();
    for (key, value) in publication::on_the_way(db, WATCHED).await? {
        match value.map(serde_json::from_value::<Watch>) {
            None => drop(list.remove(&key)),
            Some(Ok(watch)) => drop(list.insert(key, watch.reason)),
            // It never fitted its topic; its author is told.
            Some(Err(_)) => {}
        }
    }
    let networks = list.into_iter().map(|(bytes, reason)| {
        let ssid = Ssid::of_bytes(&bytes);
        Ok((ssid.map_err(|error| StoreError::Unexpected(error.to_string()))?, reason))
    });
    networks.collect()
}

/// Why a network is watched, if it is.
pub(super) async fn reason(
    db: &mut SqliteConnection,
    ssid: &Ssid,
) -> Result<Option<String>, StoreError> {
    Ok(all(db).await?.into_iter().find(|(watched, _)| watched == ssid).map(|(_, reason)| reason))
}
