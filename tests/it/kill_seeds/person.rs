//! What the person says, and how each of their messages has to be answered.

use super::plan::EDITED;

/// A message of the person and what its answer is known by.
#[derive(Debug, Clone)]
pub(super) struct Turn {
    pub(super) says: String,
    pub(super) answer: Answer,
}

/// What answers are known by: parts of the bot's texts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Answer {
    Question(&'static str),
    /// The edit that gives this name is saved, or queued until it is.
    Outcome(String),
    /// The sensor is mapped, or it is queued until it is.
    Mapped,
    /// The list of plants shows this name.
    Listed(String),
    /// The plant has changed since the conversation looked.
    Changed,
}

pub(super) const CHANGED: &str = "Somebody changed this plant meanwhile";
pub(super) const SAVED: &str = "You've confirmed your metadata entry, and it has been updated.";
pub(super) const MAPPED: &str = "You've confirmed your mapping entry, and it has been updated.";
pub(super) const SENSOR: &str = "0x36";
pub(super) const QUEUED: &str = "⏳ Your entry for";

impl Answer {
    /// Is this text such an answer?
    pub(super) fn fits(&self, text: &str) -> bool {
        match self {
            // A question with a remark before it is the remark's answer.
            Answer::Question(part) => text.starts_with(part),
            Answer::Outcome(name) => {
                text.contains(name) && (text.starts_with(SAVED) || text.starts_with(QUEUED))
            }
            Answer::Mapped => {
                text.starts_with(MAPPED) || (text.starts_with(QUEUED) && text.contains(SENSOR))
            }
            Answer::Listed(name) => text.contains(name) && text.contains("1 plant"),
            Answer::Changed => text.starts_with(CHANGED),
        }
    }
}

/// The name that the n-th edit gives.
pub(super) fn name_of_edit(number: usize) -> String {
    format!("Edited-{number}")
}

/// An edit from its beginning to its confirmation.
pub(super) fn edit(number: usize) -> Vec<Turn> {
    let question =
        |says: &str, part| Turn { says: says.to_owned(), answer: Answer::Question(part) };
    let name = name_of_edit(number);
    vec![
        question(&format!("/update_plant {EDITED}"), "Please enter plant's given name"),
        question(&name, "Please enter plant's scientific name"),
        question("/skip", "Please enter plant's common name"),
        question("/skip", "Please enter plant's low temperature threshold"),
        question("16", "Please enter plant's high temperature threshold"),
        question("/skip", "Please enter plant's low moisture threshold"),
        question("/skip", "Please enter plant's high moisture threshold"),
        question("85.5", "Please confirm your metadata entry."),
        Turn { says: "/y".to_owned(), answer: Answer::Outcome(name) },
    ]
}

/// A sensor is mapped to the edited plant, in two words.
pub(super) fn mapping() -> [Turn; 2] {
    let begin = format!("/update_mapping {SENSOR} {EDITED}");
    let question = Answer::Question("Please confirm your mapping entry.");
    [Turn { says: begin, answer: question }, Turn { says: "/y".to_owned(), answer: Answer::Mapped }]
}
