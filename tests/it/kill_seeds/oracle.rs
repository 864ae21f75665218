//! What must be true when everything is over, whatever the kills were.

use std::collections::BTreeMap;

use super::household::{Household, LISTENER, name};
use super::person::{self, Answer};
use super::plan::{EDITED, LOW};
use crate::bot::OWNER;
use crate::bot::past::WINDOW_MS;
use crate::bot::state::{RAISED, State};

pub(crate) async fn check(household: &Household, kills: &[String]) {
    messages(household, OWNER, kills.len());
    messages(household, LISTENER, kills.len());
    views(household).await;
    edits(household).await;
}

/// Every message that was due has come; what came twice is bounded by the kills; nothing else came.
fn messages(household: &Household, chat_id: i64, kills: usize) {
    let due = due(household, chat_id);
    let mut come: BTreeMap<usize, usize> = BTreeMap::new();
    let mut twice = 0;
    for message in household.handle.messages(chat_id).iter().filter(|it| it.from_bot) {
        let told: Vec<usize> =
            (0..due.len()).filter(|kind| due[*kind].0.fits(&message.text)).collect();
        // Several alerts at once are one message, a line each.
        let lines = message.text.lines().filter(|line| line.contains(" was dry, ")).count();
        if lines == 0 {
            let kind =
                told.first().unwrap_or_else(|| panic!("nobody asked for {:?}", message.text));
            *come.entry(*kind).or_default() += 1;
            continue;
        }
        assert_eq!(told.len(), lines, "nobody asked for a line of {:?}", message.text);
        let known = come.len();
        for kind in told {
            come.entry(kind).or_insert(1);
        }
        let news = come.len() - known;
        // A message that comes twice is one duplicate, whatever it lists.
        twice += usize::from(news < lines);
    }
    for (kind, (expected, count)) in due.iter().enumerate() {
        let came = come.get(&kind).copied().unwrap_or(0);
        assert!(came >= *count, "{expected:?} came {came} times in {chat_id}, of {count}");
        twice += came - count;
    }
    assert!(twice <= kills, "{twice} duplicates in chat {chat_id} by {kills} kills");
}

/// A message that has to come.
#[derive(Debug)]
enum Expected {
    Answer(Answer),
    /// The greeting after `/start`.
    Greeting,
    /// A plant's name, and its window as the alert tells it.
    Alert(String, String),
}

impl Expected {
    fn fits(&self, text: &str) -> bool {
        match self {
            Expected::Answer(answer) => answer.fits(text),
            Expected::Greeting => text.starts_with("Hello!"),
            Expected::Alert(name, span) => {
                let is_of_it = |text: &str| text.contains(name) && text.contains(span);
                text.contains("is looking pretty dry...") && is_of_it(text)
                    || text.lines().any(|line| line.contains(" was dry, ") && is_of_it(line))
            }
        }
    }
}

/// The messages that are due in a chat, and how often.
fn due(household: &Household, chat_id: i64) -> Vec<(Expected, usize)> {
    let mut due = vec![(Expected::Greeting, 1)];
    for (start_ms, plant_id) in household.model.dry() {
        let span = windowsill::kernel::when::span(start_ms, start_ms + WINDOW_MS, chrono_tz::UTC);
        due.push((Expected::Alert(name(plant_id), span), 1));
    }
    if chat_id == OWNER {
        let mut answers: BTreeMap<&Answer, usize> = BTreeMap::new();
        for turn in &household.turns {
            *answers.entry(&turn.answer).or_default() += 1;
        }
        let answers = answers.into_iter();
        due.extend(answers.map(|(answer, count)| (Expected::Answer(answer.clone()), count)));
    }
    due
}

/// Windows, counts and late records are what an undisturbed pass over the log makes of them.
async fn views(household: &Household) {
    let mut state = State::open(&household.data_dir).await;
    assert!(state.is_quiet().await);
    assert_eq!(state.number("select count(*) from conversation").await, 0);
    let windows: Vec<(i64, i64, i64)> =
        state.rows("select start_ms, plant_id, low_count from plant_window").await;
    let windows: BTreeMap<(i64, i64), i64> = windows
        .into_iter()
        .map(|(start_ms, plant_id, count)| ((start_ms, plant_id), count))
        .collect();
    assert_eq!(windows, household.model.lows);
    let late = "select sum(late) from position where topic = 'houseplant-readings'";
    assert_eq!(state.number(late).await, household.model.late);
    let readings = state.number("select sum(reading_count) from plant_bucket").await;
    assert_eq!(readings, household.plan.readings.len() as i64);
    assert_eq!(state.number("select count(*) from plant_latest").await, LOW.len() as i64);
    assert_eq!(state.number("select count(*) from dead_letter").await, 0);
    let dry = household.model.dry().len() as i64;
    assert_eq!(state.number(RAISED).await, dry);
}

/// The last confirmed edit is the one in force, in the log and in the table. The one before it may
/// have been appended twice, or be gone by compaction; it is never behind.
async fn edits(household: &Household) {
    let last = person::name_of_edit(2);
    let records = household.log.described(EDITED).await;
    let names: Vec<&str> = records.iter().filter_map(|it| it.1["given_name"].as_str()).collect();
    assert_eq!(names.last(), Some(&last.as_str()), "{names:?}");
    let mapped = household.log.mapped().await;
    let wanted = (person::SENSOR.to_owned(), Some(EDITED));
    assert!(!mapped.is_empty() && mapped.iter().all(|row| *row == wanted), "{mapped:?}");
    let mut state = State::open(&household.data_dir).await;
    let shown: Vec<(String,)> = state.rows("select given_name from plant where plant_id = 9").await;
    assert_eq!(shown, [(last,)]);
}
