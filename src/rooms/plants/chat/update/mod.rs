//! The conversation of `/update_plant`: its state, its questions, and what each answer does.
//!
//! Invariant: a state that was stored can always be asked about again; every answer either moves
//! it or says what is wanted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fields::{self, Field, FieldValue, Kind};
use crate::kernel::effect::{Effect, Publish, Say};
use crate::kernel::text::Text;
use crate::rooms::plants::lookup::{Found, Offers, PlantRow};

mod confirm;
mod questions;

/// Where the conversation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    PlantId,
    Field(Field),
    Confirm,
}

/// The plant as it was when the conversation last looked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Existing {
    pub partition: i32,
    pub offset: i64,
    pub values: BTreeMap<Field, FieldValue>,
}

/// An edit in progress.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Edit {
    pub step: Step,
    pub plant_id: Option<i32>,
    pub existing: Option<Existing>,
    pub values: BTreeMap<Field, FieldValue>,
    /// What the first question offers.
    pub offers: Vec<(i32, String)>,
    pub free_id: i32,
    /// Another `/update_plant` came in: its argument, while we ask whether to discard this edit.
    pub discard_for: Option<String>,
}

/// What a person answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Typed(String),
    Keep,
    Default,
    Skip,
    Back,
    Cancel,
    Yes,
    No,
    /// `/update_plant` again, with its argument.
    Again(String),
}

impl Answer {
    /// What a command or a button's action means inside this conversation.
    pub fn of_word(word: &str) -> Option<Answer> {
        Some(match word {
            "keep" => Answer::Keep,
            "default" => Answer::Default,
            "skip" => Answer::Skip,
            "back" => Answer::Back,
            "cancel" => Answer::Cancel,
            "y" | "yes" => Answer::Yes,
            "n" | "no" => Answer::No,
            _ => return None,
        })
    }
}

/// What the views know that this answer may need.
#[derive(Debug, Clone, PartialEq)]
pub enum Looked {
    Nothing,
    /// The plant that was typed, as the first question's answer.
    Found(Found),
    /// The plant as it is now, for the confirmation.
    Now(Option<PlantRow>),
    /// For a conversation that begins (again): what was typed with the command, if anything.
    Offers(Offers, Option<Found>),
}

/// Where an answer leads.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// The conversation goes on; the text, if any, comes before the question.
    Ask(Edit, Option<Text>),
    /// It is over, with a last word.
    End(Text),
    /// It is over: this is the record.
    Publish(Box<Publish>),
}

impl Edit {
    pub fn begin(offers: Offers) -> Edit {
        Edit {
            step: Step::PlantId,
            plant_id: None,
            existing: None,
            values: BTreeMap::new(),
            offers: offers.plants,
            free_id: offers.free_id,
            discard_for: None,
        }
    }

    /// What has to be looked up before this answer can be judged.
    pub fn needs(&self, answer: &Answer) -> Need {
        match (self.discard_for.as_ref(), self.step, answer) {
            (Some(again), _, Answer::Yes) => Need::Offers(again.clone()),
            (Some(_), ..) => Need::Nothing,
            (None, Step::PlantId, Answer::Typed(typed)) => Need::Plant(typed.clone()),
            (None, Step::Confirm, Answer::Yes) => Need::Now(self.plant_id.unwrap_or(0)),
            _ => Need::Nothing,
        }
    }

    /// Judges an answer.
    pub fn answer(self, answer: &Answer, looked: Looked) -> Next {
        if let Some(again) = self.discard_for.clone() {
            return self.answer_discard(answer, looked, &again);
        }
        match (answer, self.step) {
            (Answer::Cancel, _) => Next::End(Text::of("Cancelled metadata update.")),
            (Answer::Again(argument), _) => {
                Next::Ask(Edit { discard_for: Some(argument.clone()), ..self }, None)
            }
            (Answer::Back, _) => self.back(),
            (Answer::Typed(typed), Step::PlantId) => self.choose_plant(typed, looked),
            (_, Step::PlantId) => {
                self.repeat("I need to know which plant first: send its id, or tap one.")
            }
            (answer, Step::Field(field)) => self.answer_field(field, answer),
            (Answer::Yes, Step::Confirm) => self.confirm(looked),
            (Answer::No, Step::Confirm) => Next::End(Text::of(
                "Your metadata was not sent; please use /update_plant to re-try.",
            )),
            (_, Step::Confirm) => self.repeat("Please answer /y or /n, or go /back."),
        }
    }

    fn answer_discard(self, answer: &Answer, looked: Looked, again: &str) -> Next {
        let kept = Edit { discard_for: None, ..self };
        match (answer, looked) {
            (Answer::Yes, Looked::Offers(offers, found)) => {
                let fresh = Edit::begin(offers);
                match found {
                    Some(found) => fresh.choose_plant(again, Looked::Found(found)),
                    None => Next::Ask(fresh, None),
                }
            }
            (Answer::Cancel, _) => Next::End(Text::of("Cancelled metadata update.")),
            (Answer::No, _) => Next::Ask(kept, Some(Text::of("Going on where we were."))),
            _ => {
                let asking = Edit { discard_for: Some(again.to_owned()), ..kept };
                asking.repeat("Please answer /y to discard it or /n to go on with it.")
            }
        }
    }

    fn repeat(self, words: &str) -> Next {
        Next::Ask(self, Some(Text::of(words)))
    }

    fn choose_plant(self, typed: &str, looked: Looked) -> Next {
        let Looked::Found(found) = looked else {
            return self.repeat("Please send the plant's id or name again.");
        };
        if let [plant] = found.matches.as_slice() {
            let existing = Some(Existing::of(plant));
            let plant_id = Some(plant.plant_id);
            let step = Step::Field(Field::ALL[0]);
            return Next::Ask(Edit { step, plant_id, existing, ..self }, None);
        }
        if found.matches.len() > 1 {
            let offers = found.matches.iter().map(|row| (row.plant_id, row.given_name.clone()));
            let asked = Edit { offers: offers.collect(), ..self };
            return asked.repeat("Several plants are called that. Which id?");
        }
        match typed.trim().parse::<u32>().ok().and_then(|id| i32::try_from(id).ok()) {
            Some(id) => {
                let step = Step::Field(Field::ALL[0]);
                Next::Ask(Edit { step, plant_id: Some(id), existing: None, ..self }, None)
            }
            None => {
                let nearest: Vec<String> =
                    found.nearest.iter().map(|(id, name)| format!("{name} ({id})")).collect();
                let mut text = Text::new().data(fields::quoted(typed)).plain(
                    " is neither a plant's id (a whole number from 0 to 2147483647) nor the name \
                     of one of yours.",
                );
                if !nearest.is_empty() {
                    text = text.plain(" Did you mean ").data(nearest.join(", ")).plain("?");
                }
                Next::Ask(self, Some(text))
            }
        }
    }

    fn answer_field(mut self, field: Field, answer: &Answer) -> Next {
        let existing = self.existing.as_ref().and_then(|known| known.values.get(&field)).cloned();
        let checked = match answer {
            Answer::Typed(typed) => fields::parse(field, typed, self.floor(field)),
            Answer::Skip => self.skipped(field, existing),
            Answer::Keep => match existing {
                Some(value) => self.check(field, value),
                None => Err(Text::of("There is nothing to keep: the plant is new.")),
            },
            Answer::Default => self.default(field),
            _ => Err(Text::of("That is not an answer to this question.")),
        };
        match checked {
            Ok(value) => {
                self.values.insert(field, value);
                self.step = after(field);
                Next::Ask(self, None)
            }
            Err(reason) => Next::Ask(self, Some(reason)),
        }
    }

    /// `/skip` keeps what the plant has; a new plant takes the default, where there is one.
    fn skipped(&self, field: Field, existing: Option<FieldValue>) -> Result<FieldValue, Text> {
        match existing {
            Some(value) => self.check(field, value),
            None => self.default(field),
        }
    }

    fn default(&self, field: Field) -> Result<FieldValue, Text> {
        match field.kind() {
            Kind::Number { default, .. } => self.check(field, FieldValue::Number(default)),
            Kind::Name => {
                Err(Text::of(format!("A new plant needs a {}: it has no default.", field.label())))
            }
        }
    }

    /// A kept or default number must still fit beside the low threshold that was just given.
    fn check(&self, field: Field, value: FieldValue) -> Result<FieldValue, Text> {
        match value {
            FieldValue::Number(number) => fields::check_number(field, number, self.floor(field)),
            FieldValue::Name(name) => Ok(FieldValue::Name(name)),
        }
    }

    /// The value that this field must exceed.
    fn floor(&self, field: Field) -> Option<f32> {
        match field.kind() {
            Kind::Number { above: Some(low), .. } => {
                self.values.get(&low).and_then(FieldValue::number)
            }
            _ => None,
        }
    }

    fn back(mut self) -> Next {
        let before = match self.step {
            Step::PlantId => return self.repeat("This is the first question."),
            Step::Confirm => Step::Field(Field::MoistureHigh),
            Step::Field(field) => before(field),
        };
        if let Step::Field(field) = before {
            self.values.remove(&field);
        }
        self.step = before;
        Next::Ask(self, None)
    }
}

/// What an answer needs looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    Nothing,
    /// A plant by what was typed.
    Plant(String),
    /// A plant as it is now.
    Now(i32),
    /// What a new conversation offers, and the plant named in its command.
    Offers(String),
}

fn after(field: Field) -> Step {
    let next = Field::ALL.iter().skip_while(|known| **known != field).nth(1);
    next.map_or(Step::Confirm, |next| Step::Field(*next))
}

fn before(field: Field) -> Step {
    let earlier = Field::ALL.iter().take_while(|known| **known != field).last();
    earlier.map_or(Step::PlantId, |earlier| Step::Field(*earlier))
}

/// A state as it is stored.
pub fn stored(edit: &Edit) -> Value {
    // A plain struct of numbers and strings always serialises.
    serde_json::to_value(edit).unwrap_or(Value::Null)
}

/// What a [`Next`] does.
pub fn effects(next: Next, version: i64) -> Vec<Effect> {
    match next {
        Next::Ask(edit, words) => {
            let mut say = edit.question(version);
            if let Some(words) = words {
                say.text = words.below(say.text);
            }
            vec![Effect::Converse(stored(&edit)), Effect::Say(say)]
        }
        Next::End(words) => vec![Effect::EndConversation, Effect::Say(Say::new(words))],
        Next::Publish(publish) => vec![Effect::EndConversation, Effect::Publish(*publish)],
    }
}
