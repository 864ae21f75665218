//! The picture of a card: when the device was heard.

use crate::kernel::chat::Snapshot;
use crate::kernel::picture::{Drawing, Hours, Picture, Title};
use crate::kernel::time::{DAY_MS, HOUR_MS};
use crate::kernel::when;
use crate::rooms::wifi::lookup::Card;
use crate::rooms::wifi::week::DAYS;

/// A calendar of the last days, or of the last ones in which the device was heard. `None` when the
/// hours are not known any more: they are kept for a month behind the newest one.
pub fn of(card: &Card, name: Option<&str>, snapshot: &Snapshot) -> Option<Picture> {
    let zone = snapshot.time_zone;
    let last_ms = card.parts.iter().map(|part| part.last_ms).max()?;
    let shown_ms = i64::try_from(DAYS - 1).unwrap_or(0) * DAY_MS;
    let now_ms = snapshot.pipeline_now_ms;
    // What was heard long ago is shown where it was, not as days of nothing.
    let is_recent = (last_ms..last_ms + shown_ms).contains(&now_ms);
    let (until_ms, last) = match is_recent {
        true => (now_ms, when::moment(last_ms, zone)),
        false => (last_ms, when::date(last_ms, zone)),
    };
    let hours = Hours::of_last_days(&card.week, DAYS, until_ms, zone);
    let (busiest_ms, count) = hours.busiest()?;
    let probes = if count == 1 { "probe" } else { "probes" };
    let busiest = when::span(busiest_ms, busiest_ms + HOUR_MS, zone);
    let address = card.parts.first()?.mac().to_string();
    Some(Picture {
        title: Title::new(name.unwrap_or(&address), &address),
        facts: vec![
            format!("Last seen {last}"),
            format!("Busiest hour {busiest}: {count} {probes}"),
        ],
        drawing: Drawing::Calendar(hours.calendar("probes")),
    })
}
