//! When a device was heard in the last days: what its picture shows.

use super::lookup::DeviceRow;
use crate::kernel::time::HOUR_MS;

/// Days that a picture shows, the last one included.
pub const DAYS: u64 = 7;
/// Hours that are read: the days shown, and what a zone or a change of the clocks moves.
const HOURS: i64 = 8 * 24;

/// SQL: probes by hour since the epoch of the devices whose stays these are.
///
/// Time comes first in the key: a look-up for each device and hour of its stay, no scan.
pub(super) fn hours(stays: &str) -> String {
    format!(
        "with recursive span (mac, hour, last) as (
             select value ->> 0, value ->> 1, value ->> 2 from json_each({stays})
             union all select mac, hour + 1, last from span where hour < last)
         select span.hour as hour, sum(probe_count) as probes
           from span cross join wifi_hour
             on wifi_hour.hour = span.hour and wifi_hour.mac = span.mac
          group by span.hour"
    )
}

/// Each device with its first and its last hour among those that are shown: up to the newest probe
/// of any of them.
pub(super) fn stays(parts: &[DeviceRow]) -> Result<String, serde_json::Error> {
    let hour_of = |ms: i64| ms.div_euclid(HOUR_MS);
    let newest = parts.iter().map(|part| hour_of(part.last_ms)).max().unwrap_or(0);
    let stays = parts.iter().map(|part| {
        let from = hour_of(part.first_ms).max(newest - HOURS);
        (part.mac().key(), from, hour_of(part.last_ms))
    });
    let stays: Vec<(i64, i64, i64)> = stays.filter(|(_, from, to)| from <= to).collect();
    serde_json::to_string(&stays)
}
