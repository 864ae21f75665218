//! `/sensors`: which feed a plant, which are silent, and who sends readings without being known.

use super::button;
use crate::kernel::chat::{Button, Keyboard, Snapshot};
use crate::kernel::effect::Say;
use crate::kernel::text::Text;
use crate::kernel::when;
use crate::rooms::plants::sensors::{Mapped, Overview, Portion, Undescribed, Unmapped};

/// Buttons of a kind: more would hide the list.
const BUTTONS_MAX: usize = 8;

/// The answer to `/sensors`.
pub(super) fn list(overview: &Overview, snapshot: &Snapshot) -> Say {
    let Overview { mapped, unmapped, undescribed } = overview;
    if mapped.total + unmapped.total + undescribed.total == 0 {
        let hint = match snapshot.standing.may_edit() {
            true => " /update_mapping maps one.",
            false => "",
        };
        return Say::new(Text::of(format!("No sensor is mapped or was heard yet.{hint}")));
    }
    let feed = if mapped.total == 1 { "sensor feeds a plant" } else { "sensors feed plants" };
    let mut text = Text::new().bold(format!("{} {feed}", mapped.total));
    text = lines(text, mapped, |it| mapped_line(it, snapshot));
    if unmapped.total > 0 {
        text = text.line().line().bold("Heard, but mapped to no plant");
        text = lines(text, unmapped, |it| unmapped_line(it, snapshot));
    }
    if undescribed.total > 0 {
        text = text.line().line().bold("Readings of plants that nobody has described");
        text = lines(text, undescribed, |it| undescribed_line(it, snapshot));
    }
    Say::new(text).with(buttons(overview, snapshot))
}

fn lines<T>(text: Text, portion: &Portion<T>, line: impl Fn(&T) -> Text) -> Text {
    let text = portion.shown.iter().fold(text, |text, it| text.below(line(it)));
    let shown = i64::try_from(portion.shown.len()).unwrap_or(0);
    match portion.total - shown {
        ..=0 => text,
        more => text.below(Text::of(format!("… and {more} more"))),
    }
}

/// `🟢 0x36 feeds Cyril · heard 12 s ago`.
fn mapped_line(sensor: &Mapped, snapshot: &Snapshot) -> Text {
    let (mark, heard) = match sensor.heard_ms {
        None => ("⚪", "not heard yet".to_owned()),
        Some(heard_ms) => heard(heard_ms, "🟢", snapshot),
    };
    let text = Text::of(format!("{mark} ")).bold(&sensor.sensor_id).plain(" feeds ");
    let text = match &sensor.given_name {
        Some(name) => text.data(name),
        None => text.plain(format!("plant {}", sensor.plant_id)),
    };
    text.plain(format!(" · {heard}"))
}

fn unmapped_line(sensor: &Unmapped, snapshot: &Snapshot) -> Text {
    let (mark, heard) = heard(sensor.heard_ms, "🟡", snapshot);
    Text::of(format!("{mark} ")).bold(&sensor.sensor_id).plain(format!(" · {heard}"))
}

fn undescribed_line(plant: &Undescribed, snapshot: &Snapshot) -> Text {
    let (mark, heard) = heard(plant.event_ms, "🟡", snapshot);
    Text::of(format!("{mark} plant {} · {heard}", plant.plant_id))
}

/// A mark, and when something was heard last; with the time where that is long ago.
fn heard(at_ms: i64, lively: &'static str, snapshot: &Snapshot) -> (&'static str, String) {
    let now_ms = snapshot.pipeline_now_ms;
    let age = when::ago(at_ms, now_ms);
    if !snapshot.is_silent(at_ms) {
        return (lively, format!("heard {age}"));
    }
    let moment = when::moment(at_ms, snapshot.time_zone);
    ("⚫", format!("silent, heard {age} ({moment})"))
}

fn buttons(overview: &Overview, snapshot: &Snapshot) -> Keyboard {
    if !snapshot.standing.may_edit() {
        return Keyboard::new();
    }
    let maps = overview.unmapped.shown.iter().filter_map(|it| button::map(&it.sensor_id));
    let adds = overview.undescribed.shown.iter().map(|it| button::add(it.plant_id));
    let buttons: Vec<Button> = maps.take(BUTTONS_MAX).chain(adds.take(BUTTONS_MAX)).collect();
    buttons.chunks(2).map(<[Button]>::to_vec).collect()
}
