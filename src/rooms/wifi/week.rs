//! When a device was heard in the last days: what its picture shows.

use sqlx::SqliteConnection;

use super::lookup::DeviceRow;
use crate::kernel::time::HOUR_MS;
use crate::store::StoreError;

/// Days that a picture shows, the last one included.
pub const DAYS: u64 = 7;
/// Hours that are read: the days shown, and what a zone or a change of the clocks moves.
const HOURS: i64 = 8 * 24;

/// Probes of these devices by hour since the epoch, up to the newest probe, in their order.
pub async fn hours(
    db: &mut SqliteConnection,
    parts: &[DeviceRow],
) -> Result<Vec<(i64, i64)>, StoreError> {
    let hour_of = |ms: i64| ms.div_euclid(HOUR_MS);
    let newest = parts.iter().map(|part| hour_of(part.last_ms)).max().unwrap_or(0);
    // A device, and from when until when it was heard within these days.
    let heard = parts.iter().map(|part| {
        let from = hour_of(part.first_ms).max(newest - HOURS);
        (part.mac().key(), from, hour_of(part.last_ms))
    });
    let heard: Vec<(i64, i64, i64)> = heard.filter(|(_, from, to)| from <= to).collect();
    // Time comes first in the key: a look-up for each device and hour of its stay, no scan.
    let rows = sqlx::query_as(
        "with recursive span (mac, hour, last) as (
             select value ->> 0, value ->> 1, value ->> 2 from json_each(?)
             union all select mac, hour + 1, last from span where hour < last)
         select span.hour, sum(probe_count)
           from span cross join wifi_hour
             on wifi_hour.hour = span.hour and wifi_hour.mac = span.mac
          group by span.hour order by span.hour",
    )
    .bind(serde_json::to_string(&heard)?)
    .fetch_all(db)
    .await?;
    Ok(rows)
}
