//! The SQL of UniFi's documents: merging their changes, and the names they come to.

use sqlx::SqliteConnection;

use super::copies::name_key;
use super::debezium::Change;
use super::fold::Delta;
use super::names::{Collection, Document};
use super::stats;
use super::types::MacAddr;
use crate::store::StoreError;

/// Applies the changes of a delta.
pub(super) async fn merge(db: &mut SqliteConnection, delta: &Delta) -> Result<(), StoreError> {
    for ((collection, id), change) in &delta.documents {
        apply(db, *collection, id, change.clone()).await?;
    }
    Ok(())
}

async fn apply(
    db: &mut SqliteConnection,
    collection: Collection,
    id: &str,
    change: Change,
) -> Result<(), StoreError> {
    let before = find(db, collection, id).await?;
    let mac_before = before.as_ref().and_then(mac_of);
    let after = Document::changed(before, change);
    let mac_after = after.as_ref().and_then(mac_of);
    match after {
        Some(document) => put(db, collection, id, &document).await?,
        None => {
            sqlx::query("delete from wifi_document where collection = ? and document_id = ?")
                .bind(collection.name())
                .bind(id)
                .execute(&mut *db)
                .await?;
        }
    }
    let renamed: Vec<MacAddr> = mac_before.into_iter().chain(mac_after).collect();
    stats::note(db, &renamed).await
}

/// The device that a document is about.
fn mac_of(document: &Document) -> Option<MacAddr> {
    document.mac.as_deref().and_then(|mac| mac.parse().ok())
}

type Row = (Option<String>, Option<String>, Option<String>, Option<String>, Option<bool>);

async fn find(
    db: &mut SqliteConnection,
    collection: Collection,
    id: &str,
) -> Result<Option<Document>, StoreError> {
    let row: Option<Row> = sqlx::query_as(
        "select document_mac, name, hostname, oui, is_guest from wifi_document
          where collection = ? and document_id = ?",
    )
    .bind(collection.name())
    .bind(id)
    .fetch_optional(db)
    .await?;
    Ok(row.map(|(mac, name, hostname, oui, is_guest)| Document {
        mac,
        name,
        hostname,
        oui,
        is_guest,
    }))
}

async fn put(
    db: &mut SqliteConnection,
    collection: Collection,
    id: &str,
    document: &Document,
) -> Result<(), StoreError> {
    let mac = mac_of(document);
    let device_name = document.device_name(collection);
    sqlx::query(
        "insert or replace into wifi_document
            (collection, document_id, mac, document_mac, name, hostname, oui, is_guest,
             device_name, name_key)
         values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(collection.name())
    .bind(id)
    .bind(mac.map(MacAddr::key))
    .bind(&document.mac)
    .bind(&document.name)
    .bind(&document.hostname)
    .bind(&document.oui)
    .bind(document.is_guest)
    .bind(&device_name)
    .bind(device_name.as_deref().map(name_key))
    .execute(db)
    .await?;
    Ok(())
}
