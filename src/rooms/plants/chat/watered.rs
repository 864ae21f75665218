//! `/watered`: which plant, when, and what is published of it.

use chrono::{NaiveDate, NaiveTime};
use serde_json::json;

use super::{show, typed};
use crate::kernel::chat::Snapshot;
use crate::kernel::dialog::{queued, quoted};
use crate::kernel::effect::{EditRecord, Effect, Publish, Say};
use crate::kernel::text::Text;
use crate::kernel::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use crate::kernel::when;
use crate::kernel::zones;
use crate::rooms::plants::WATERINGS;
use crate::rooms::plants::lookup::{Found, PlantRow};
use crate::rooms::plants::types::PlantId;
use crate::rooms::plants::wire::Watering;

/// What lies further back is forgotten like the quarter hours.
const KEPT_MS: i64 = 90 * DAY_MS;
/// Waterings that somebody told closer together are one that was told twice.
const TWICE_MS: i64 = 10 * MINUTE_MS;

/// How people write spans of time, in ms.
const SPANS_MS: [(&str, i64); 10] = [
    ("m", MINUTE_MS),
    ("min", MINUTE_MS),
    ("minute", MINUTE_MS),
    ("minutes", MINUTE_MS),
    ("h", HOUR_MS),
    ("hour", HOUR_MS),
    ("hours", HOUR_MS),
    ("d", DAY_MS),
    ("day", DAY_MS),
    ("days", DAY_MS),
];

/// What was typed behind `/watered`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Nothing where no plant was named.
    pub plant: String,
    pub word: Word,
    /// All of it.
    pub typed: String,
}

/// What is told of the plant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    Watered(When),
    /// The newest watering that somebody told was none.
    Undo,
}

/// When a plant was watered, as people say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// So many ms ago; 0 is now.
    Ago(i64),
    /// The last time that the clocks showed this.
    Clock(NaiveTime),
    /// So many days ago at this time.
    Day(u64, NaiveTime),
    Date(NaiveDate, NaiveTime),
}

impl Told {
    /// The plant comes first; the longest rest that is a time is one.
    pub fn of(typed: &str) -> Told {
        let (plant, word) = typed::apart(typed, Word::of);
        let word = word.unwrap_or(Word::Watered(When::Ago(0)));
        Told { plant, word, typed: typed.to_owned() }
    }
}

impl Word {
    fn of(text: &str) -> Option<Word> {
        match text {
            "undo" => Some(Word::Undo),
            text => when(text).map(Word::Watered),
        }
    }
}

/// `now`, `2 h ago`, `18:30`, `yesterday`, `yesterday 18:30`, `2026-11-28`, `2026-11-28 18:30`.
fn when(text: &str) -> Option<When> {
    let clock = |text: &str| NaiveTime::parse_from_str(text, "%H:%M").ok();
    match text {
        "now" | "just now" => return Some(When::Ago(0)),
        "yesterday" => return Some(When::Ago(DAY_MS)),
        _ => {}
    }
    if let Some(time) = clock(text) {
        return Some(When::Clock(time));
    }
    let (head, rest) = text.split_once(' ').unwrap_or((text, ""));
    let rest = rest.strip_prefix("at ").unwrap_or(rest);
    match (head, clock(rest)) {
        ("today", Some(time)) => return Some(When::Day(0, time)),
        ("yesterday", Some(time)) => return Some(When::Day(1, time)),
        _ => {}
    }
    if let Ok(date) = NaiveDate::parse_from_str(head, "%Y-%m-%d") {
        let time = if rest.is_empty() { NaiveTime::from_hms_opt(12, 0, 0) } else { clock(rest) };
        return Some(When::Date(date, time?));
    }
    let span_ms = typed::number_of(text.strip_suffix("ago").unwrap_or(text), &SPANS_MS);
    span_ms.map(When::Ago)
}

impl When {
    /// The moment in ms, at a whole minute. `None`: the clocks leave it out.
    fn ms(self, now_ms: i64, zone: chrono_tz::Tz) -> Option<i64> {
        let today = when::date_of(now_ms, zone);
        let exact_ms = match self {
            When::Ago(span_ms) => now_ms.checked_sub(span_ms)?,
            When::Date(date, time) => when::at(date, time, zone)?,
            When::Day(days, time) => {
                when::at(today.checked_sub_days(chrono::Days::new(days))?, time, zone)?
            }
            When::Clock(time) => match when::last_at(today, time, zone, now_ms) {
                Some(at_ms) => at_ms,
                None => when::last_at(today.pred_opt()?, time, zone, now_ms)?,
            },
        };
        Some(exact_ms.div_euclid(MINUTE_MS) * MINUTE_MS)
    }
}

/// What comes of it. `said` holds the times, newest first, at which somebody said before that the
/// plant was watered.
pub fn decide(told: &Told, found: &Found, said: &[i64], snapshot: &Snapshot) -> Effect {
    if !snapshot.standing.may_edit() {
        return Effect::Say(Say::new(Text::of(NOT_YOURS)));
    }
    if told.plant.is_empty() {
        return Effect::Say(Say::new(which()));
    }
    let [plant] = found.matches.as_slice() else {
        return Effect::Say(show::not_one(&told.plant, found, snapshot));
    };
    let Ok(plant_id) = PlantId::try_from(plant.plant_id) else {
        return Effect::Say(show::not_one(&told.plant, found, snapshot));
    };
    let noted = match told.word {
        Word::Undo => take_back(plant, plant_id, said, snapshot),
        Word::Watered(when) => note(plant, plant_id, when, said, snapshot),
    };
    match noted {
        Ok(publish) => Effect::Publish(publish),
        Err(words) => Effect::Say(Say::new(words)),
    }
}

/// What is expected behind the command.
fn which() -> Text {
    Text::of("Which plant did you water, and when? Send ")
        .code("/watered cyril")
        .plain(", ")
        .code("/watered cyril 2 h ago")
        .plain(" or ")
        .code("/watered cyril yesterday 18:00")
        .plain(".")
}

/// The answer where words behind the plant are no time.
pub fn unclear(plant: &str, rest: &str, snapshot: &Snapshot) -> Effect {
    if !snapshot.standing.may_edit() {
        return Effect::Say(Say::new(Text::of(NOT_YOURS)));
    }
    let text = Text::of("I cannot read ")
        .data(quoted(rest))
        .plain(" as a time at which ")
        .bold(plant)
        .plain(" was watered. Send one such as ")
        .code("30 min ago")
        .plain(", ")
        .code("1.5 h ago")
        .plain(", ")
        .code("18:30")
        .plain(", ")
        .code("yesterday 18:30")
        .plain(" or ")
        .code("2026-11-28 18:30")
        .plain(" behind the plant, or nothing for now.");
    Effect::Say(Say::new(text))
}

const NOT_YOURS: &str = "Only members note waterings here; an owner can make you one.";

fn note(
    plant: &PlantRow,
    plant_id: PlantId,
    when: When,
    said: &[i64],
    snapshot: &Snapshot,
) -> Result<Publish, Text> {
    let (now_ms, zone) = (snapshot.pipeline_now_ms, snapshot.time_zone);
    let Some(at_ms) = when.ms(now_ms, zone) else {
        return Err(Text::of(format!("In {} the clocks leave that time out.", zones::name(zone))));
    };
    if at_ms > now_ms {
        let moment = when::date(at_ms, zone);
        return Err(Text::of(format!("{moment} has not come yet: say it when it is done.")));
    }
    if at_ms < now_ms - KEPT_MS {
        let days = KEPT_MS / DAY_MS;
        return Err(Text::of(format!("That is more than {days} days ago, which is all I keep.")));
    }
    if let Some(known_ms) = said.iter().find(|known_ms| (at_ms - **known_ms).abs() < TWICE_MS) {
        let moment = when::moment(*known_ms, zone);
        let name = Text::new().bold(&plant.given_name);
        return Err(name.plain(format!(" was watered {moment}: that is noted already.")));
    }
    let watering = Watering { plant_id, watered_at: at_ms };
    let saved = Text::of("💧 ")
        .bold(&plant.given_name)
        .plain(format!(" was watered {}. ", when::moment(at_ms, zone)))
        .code(format!("/watered {plant_id} undo"))
        .plain(" takes that back.");
    let value = json!({ "plant_id": plant_id, "watered_at": at_ms });
    Ok(publish(plant, watering, Some(value), saved))
}

fn take_back(
    plant: &PlantRow,
    plant_id: PlantId,
    said: &[i64],
    snapshot: &Snapshot,
) -> Result<Publish, Text> {
    let Some(at_ms) = said.first() else {
        let text = Text::of("Nobody has told me that ").bold(&plant.given_name);
        return Err(text.plain(" was watered, so there is nothing to take back."));
    };
    let saved = Text::of("Taken back: nobody says any more that ")
        .bold(&plant.given_name)
        .plain(format!(" was watered {}. ", when::moment(*at_ms, snapshot.time_zone)))
        .plain("A dryness that it had settled is told again within half an hour, if it lasts.");
    let watering = Watering { plant_id, watered_at: *at_ms };
    Ok(publish(plant, watering, None, saved))
}

fn publish(
    plant: &PlantRow,
    watering: Watering,
    value: Option<serde_json::Value>,
    saved: Text,
) -> Publish {
    let records = vec![EditRecord { key: watering.key().into_bytes(), value }];
    Publish { topic: WATERINGS, records, saved, queued: queued(&plant.given_name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(hour: u32, minute: u32) -> NaiveTime {
        NaiveTime::from_hms_opt(hour, minute, 0).unwrap()
    }

    #[test]
    fn the_plant_comes_first_and_the_time_may_be_said_in_many_ways() {
        let date = NaiveDate::from_ymd_opt(2026, 11, 28).unwrap();
        let ways = [
            ("cyril", "cyril", When::Ago(0)),
            ("the fern now", "the fern", When::Ago(0)),
            ("the  fern 2 h ago", "the fern", When::Ago(2 * HOUR_MS)),
            ("7 30min", "7", When::Ago(30 * MINUTE_MS)),
            ("7 1.5 h ago", "7", When::Ago(90 * MINUTE_MS)),
            ("7 3 Days ago", "7", When::Ago(3 * DAY_MS)),
            ("7 18:05", "7", When::Clock(clock(18, 5))),
            ("7 today 08:00", "7", When::Day(0, clock(8, 0))),
            ("cyril Yesterday at 18:05", "cyril", When::Day(1, clock(18, 5))),
            ("cyril yesterday", "cyril", When::Ago(DAY_MS)),
            ("cyril 2026-11-28", "cyril", When::Date(date, clock(12, 0))),
            ("cyril 2026-11-28 07:30", "cyril", When::Date(date, clock(7, 30))),
            // No times: names may hold anything.
            ("number 7", "number 7", When::Ago(0)),
            ("fern 25:00", "fern 25:00", When::Ago(0)),
            ("fern 999999999999999999 days", "fern 999999999999999999 days", When::Ago(0)),
            ("18:05", "18:05", When::Ago(0)),
        ];
        for (typed, plant, when) in ways {
            let word = Word::Watered(when);
            let told = Told { plant: plant.to_owned(), word, typed: typed.to_owned() };
            assert_eq!(Told::of(typed), told, "{typed:?}");
        }
        assert_eq!(Told::of("the fern undo").word, Word::Undo);
        assert_eq!(Told::of("  ").plant, "");
    }

    /// 2026-11-28 14:20 UTC, 15:20 in Berlin.
    const NOW_MS: i64 = 1_795_875_600_000;

    #[test]
    fn a_time_of_the_clock_is_the_last_time_that_it_was_shown() {
        let berlin = chrono_tz::Europe::Berlin;
        let ms = |when: When| when::second(when.ms(NOW_MS, berlin).unwrap(), berlin);
        assert_eq!(ms(When::Ago(30_000)), "2026-11-28 15:19:00");
        assert_eq!(ms(When::Clock(clock(15, 20))), "2026-11-28 15:20:00");
        assert_eq!(ms(When::Clock(clock(15, 21))), "2026-11-27 15:21:00");
        assert_eq!(ms(When::Day(1, clock(23, 0))), "2026-11-27 23:00:00");
        // F14: two o'clock is left out on 28 March 2027.
        let date = NaiveDate::from_ymd_opt(2027, 3, 28).unwrap();
        assert_eq!(When::Date(date, clock(2, 30)).ms(NOW_MS, berlin), None);
        // It is shown twice on 31 October 2027, from 00:00 and from 01:00 UTC on.
        let first_ms = 1_824_942_600_000;
        let half_past_two = |now_ms| When::Clock(clock(2, 30)).ms(now_ms, berlin);
        for (now_ms, at_ms) in [(0, 0), (59, 0), (60, 60), (300, 60)] {
            let at_ms = first_ms + at_ms * MINUTE_MS;
            assert_eq!(half_past_two(first_ms + now_ms * MINUTE_MS), Some(at_ms), "{now_ms} min");
        }
    }
}
