//! When a device was heard in the last days: what its picture shows.

use sqlx::SqliteConnection;

use super::lookup::DeviceRow;
use crate::kernel::time::HOUR_MS;
use crate::store::StoreError;

/// Days that a picture shows, the last one included.
pub const DAYS: u64 = 7;
/// Hours that are read: the days shown, and what a zone or a change of the clocks moves.
const HOURS: i64 = 8 * 24;

/// Probes of these devices by hour since the epoch, up to the newest probe.
pub async fn hours(
    db: &mut SqliteConnection,
    parts: &[DeviceRow],
) -> Result<Vec<(i64, i64)>, StoreError> {
    let macs: Vec<String> = parts.iter().map(|part| part.mac().key().to_string()).collect();
    // Whole numbers of our own, never anything typed.
    let among = macs.join(", ");
    let last_ms = parts.iter().map(|part| part.last_ms).max().unwrap_or(0);
    let last_hour = last_ms.div_euclid(HOUR_MS);
    // Time comes first in the key: a look-up for each hour and device, no scan.
    let rows = sqlx::query_as(&format!(
        "with recursive span (hour) as (
             values (?1) union all select hour + 1 from span where hour < ?2)
         select span.hour, sum(probe_count)
           from span cross join wifi_hour on wifi_hour.hour = span.hour and mac in ({among})
          group by span.hour"
    ))
    .bind(last_hour - HOURS)
    .bind(last_hour)
    .fetch_all(db)
    .await?;
    Ok(rows)
}
