//! The picture of a card: when the device was heard.

use crate::kernel::chat::Snapshot;
use crate::kernel::picture::{Drawing, Hours, Picture, Title};
use crate::kernel::time::{DAY_MS, HOUR_MS};
use crate::kernel::when;
use crate::rooms::wifi::lookup::Card;
use crate::rooms::wifi::week::DAYS;

/// A calendar of the last days, or of the last ones in which the device was heard. `None` when the
/// hours are not known any more: they are kept for a month behind the newest one.
pub fn of(card: &Card, snapshot: &Snapshot) -> Option<Picture> {
    let zone = snapshot.time_zone;
    let last_ms = card.parts.iter().map(|part| part.last_ms).max()?;
    let shown_ms = i64::try_from(DAYS - 1).unwrap_or(0) * DAY_MS;
    let now_ms = snapshot.pipeline_now_ms;
    // What was heard long ago is shown where it was, not as days of nothing.
    let until_ms = if (last_ms..last_ms + shown_ms).contains(&now_ms) { now_ms } else { last_ms };
    let hours = Hours::of_last_days(&card.week, DAYS, until_ms, zone);
    let (busiest_ms, count) = hours.busiest()?;
    let probes = if count == 1 { "probe" } else { "probes" };
    let busiest = when::span(busiest_ms, busiest_ms + HOUR_MS, zone);
    let address = card.parts.first()?.mac().to_string();
    Some(Picture {
        title: Title::new(card.name.as_deref().unwrap_or(&address), &address),
        facts: vec![
            format!("Last seen {}", when::moment(last_ms, zone)),
            format!("Busiest hour {busiest}: {count} {probes}"),
        ],
        drawing: Drawing::Calendar(hours.calendar("probes")),
    })
}
