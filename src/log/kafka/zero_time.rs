//! The one time that librdkafka does not send: 0 means "now" to it.
//!
//! Invariant: a record of 1970-01-01T00:00:00.000 comes back with its time. Others see it a
//! millisecond later, with a header that says so.

use crate::kernel::record::Header;

const HEADER: &str = "windowsill.time-0";
/// The time that is sent instead.
const NEAREST_MS: i64 = 1;

/// The time to send, and whether the header has to go with it.
pub(super) fn to_send(ts_ms: i64) -> (i64, Option<&'static str>) {
    if ts_ms == 0 { (NEAREST_MS, Some(HEADER)) } else { (ts_ms, None) }
}

/// Undoes it where it was done.
pub(super) fn restore(ts_ms: &mut i64, headers: &mut Vec<Header>) {
    if *ts_ms == NEAREST_MS && headers.last().is_some_and(|header| header.name == HEADER) {
        headers.pop();
        *ts_ms = 0;
    }
}
