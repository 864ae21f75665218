//! The SQL of names: what a device is called, and which devices a name means.
//!
//! Invariant: a name given in chat beats UniFi's, and a device's document beats a user's.

use sqlx::SqliteConnection;

use super::copies::name_key;
use super::types::MacAddr;
use crate::store::StoreError;

/// Addresses that one name may have: a card is made of them all.
const MACS_LIMIT: i64 = 100;
/// Names suggested when none fits.
const NEAREST_LIMIT: usize = 5;
/// A name is suggested when it is at least this similar (Jaro-Winkler, 0 to 1).
const NEAREST_SIMILARITY: f64 = 0.75;

/// Every device with the name it goes by.
const NAMED: &str = "select mac, name, name_key from wifi_given where name is not null
    union all
    select d.mac, d.device_name, d.name_key from wifi_document d
     where d.device_name is not null and d.mac is not null
       and not exists (select 1 from wifi_given g where g.mac = d.mac and g.name is not null)
       and not exists (select 1 from wifi_document e where e.mac = d.mac
            and e.device_name is not null
            and (e.collection, e.document_id) < (d.collection, d.document_id))";

/// A device's name, and whether it is ignored.
pub(super) async fn name_of(
    db: &mut SqliteConnection,
    mac: MacAddr,
) -> Result<(Option<String>, bool), StoreError> {
    let given: Option<(Option<String>, bool)> =
        sqlx::query_as("select name, ignored from wifi_given where mac = ?")
            .bind(mac.key())
            .fetch_optional(&mut *db)
            .await?;
    let (name, is_ignored) = given.unwrap_or_default();
    if name.is_some() {
        return Ok((name, is_ignored));
    }
    Ok((unifi_name_of(db, mac).await?, is_ignored))
}

/// What UniFi calls a device.
pub(super) async fn unifi_name_of(
    db: &mut SqliteConnection,
    mac: MacAddr,
) -> Result<Option<String>, StoreError> {
    Ok(sqlx::query_scalar(
        "select device_name from wifi_document where mac = ? and device_name is not null
          order by collection, document_id limit 1",
    )
    .bind(mac.key())
    .fetch_optional(db)
    .await?)
}

/// The devices that go by a name, without case.
pub(super) async fn macs_of(
    db: &mut SqliteConnection,
    typed: &str,
) -> Result<Vec<MacAddr>, StoreError> {
    let macs: Vec<i64> = sqlx::query_scalar(&format!(
        "select mac from ({NAMED}) where name_key = ? order by mac limit {MACS_LIMIT}"
    ))
    .bind(name_key(typed))
    .fetch_all(db)
    .await?;
    Ok(macs.into_iter().map(MacAddr::of_key).collect())
}

/// The names most like what was typed.
pub(super) async fn nearest(
    db: &mut SqliteConnection,
    typed: &str,
) -> Result<Vec<String>, StoreError> {
    let wanted = name_key(typed);
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let names: Vec<(String, String)> =
        sqlx::query_as(&format!("select distinct name, name_key from ({NAMED})"))
            .fetch_all(db)
            .await?;
    let mut scored: Vec<(f64, String)> = names
        .into_iter()
        .map(|(name, key)| (similarity(&wanted, &key), name))
        .filter(|(score, _)| *score >= NEAREST_SIMILARITY)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    scored.truncate(NEAREST_LIMIT);
    Ok(scored.into_iter().map(|(_, name)| name).collect())
}

fn similarity(wanted: &str, name: &str) -> f64 {
    if name.contains(wanted) {
        return 1.0;
    }
    strsim::jaro_winkler(wanted, name)
}
