//! The form of `/update_plant`: its state, and what each answer does to it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::choice::Choice;
use super::dialog::{Answer, Looked, Next};
use super::fields::{self, Field, FieldValue, Kind};
use super::typed;
use crate::kernel::paging::Page;
use crate::kernel::settings::{Settings, Unit};
use crate::kernel::text::Text;
use crate::rooms::plants::lookup::{Found, Offers};

mod confirm;
mod questions;

/// Where the conversation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Step {
    PlantId,
    Field(Field),
    Confirm,
}

type Values = BTreeMap<Field, FieldValue>;

/// The plant as it was when the conversation last looked: whether somebody changed it since is told
/// by what is different.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Existing {
    values: Values,
}

/// An edit in progress.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlantForm {
    step: Step,
    plant_id: Option<i32>,
    existing: Option<Existing>,
    values: Values,
    /// What the first question offers.
    offers: Vec<(i32, String)>,
    /// Which page of all that is.
    #[serde(default)]
    page: Page,
    free_id: i32,
    /// The one field that is asked for; the others stay as they are.
    #[serde(default)]
    only: Option<Field>,
}

/// `cyril moisture_low` as the plant, and the one field that is to change, if one is named.
pub fn split(typed: &str) -> (String, Option<Field>) {
    typed::apart(typed, Field::named)
}

impl PlantForm {
    fn begin(offers: Offers) -> PlantForm {
        PlantForm {
            step: Step::PlantId,
            plant_id: None,
            existing: None,
            values: BTreeMap::new(),
            offers: offers.plants,
            page: offers.page,
            free_id: offers.free_id,
            only: None,
        }
    }

    /// Begins with what was typed behind the command.
    pub fn open(typed: &str, offers: Offers, found: Option<Found>) -> Next {
        let (plant, only) = split(typed);
        let fresh = PlantForm { only, ..PlantForm::begin(offers) };
        match found {
            Some(found) => fresh.choose_plant(&plant, found),
            None => Next::ask(fresh, None),
        }
    }

    /// Judges an answer.
    pub fn answer(self, answer: &Answer, looked: Looked, settings: &Settings) -> Next {
        match (answer, self.step, looked) {
            (Answer::Back, ..) => self.back(),
            (Answer::Typed(typed), Step::PlantId, Looked::Plant(found)) => {
                self.choose_plant(typed, found)
            }
            (Answer::Turn(_), Step::PlantId, Looked::Offers(Offers { plants, page, free_id })) => {
                Next::ask(PlantForm { offers: plants, page, free_id, ..self }, None)
            }
            (_, Step::PlantId, _) => {
                Next::repeat(self, "I need to know which plant first: send its id, or tap one.")
            }
            (answer, Step::Field(field), _) => self.answer_field(field, answer, settings.unit),
            (_, Step::Confirm, Looked::Now(now)) => self.confirm(now, settings.unit),
            (_, Step::Confirm, _) => Next::repeat(self, "Please confirm again."),
        }
    }

    fn choose_plant(self, typed: &str, found: Found) -> Next {
        let step = Step::Field(self.only.unwrap_or(Field::ALL[0]));
        match Choice::of(typed, &found) {
            Choice::One(plant) => {
                let existing = Existing::of(plant);
                let values = self.only.map(|field| existing.all_but(field)).unwrap_or_default();
                let (plant_id, existing) = (Some(plant.plant_id), Some(existing));
                Next::ask(PlantForm { step, plant_id, existing, values, ..self }, None)
            }
            // Of a new plant everything is asked.
            Choice::New(plant_id) => {
                let (step, plant_id) = (Step::Field(Field::ALL[0]), Some(plant_id.get()));
                Next::ask(PlantForm { step, plant_id, existing: None, only: None, ..self }, None)
            }
            Choice::Several(offers) => Next::repeat(
                PlantForm { offers, page: Page::default(), ..self },
                "Several plants are called that. Which id?",
            ),
            Choice::Unclear(words) => Next::ask(self, Some(words)),
        }
    }

    fn answer_field(mut self, field: Field, answer: &Answer, unit: Unit) -> Next {
        let existing = self.existing.as_ref().and_then(|known| known.values.get(&field)).cloned();
        let checked = match answer {
            Answer::Typed(typed) => fields::parse(field, typed, self.other(field), unit),
            Answer::Skip => self.skipped(field, existing, unit),
            Answer::Keep => match existing {
                Some(value) => self.check(field, value, unit),
                None => Err(Text::of("There is nothing to keep: the plant is new.")),
            },
            Answer::Default => self.default(field, unit),
            _ => Err(Text::of("That is not an answer to this question.")),
        };
        match checked {
            Ok(value) => {
                self.values.insert(field, value);
                self.step = if self.only.is_some() { Step::Confirm } else { after(field) };
                Next::ask(self, None)
            }
            Err(reason) => Next::ask(self, Some(reason)),
        }
    }

    /// `/skip` keeps what the plant has; a new plant takes the default, where there is one.
    fn skipped(
        &self,
        field: Field,
        existing: Option<FieldValue>,
        unit: Unit,
    ) -> Result<FieldValue, Text> {
        match existing {
            Some(value) => self.check(field, value, unit),
            None => self.default(field, unit),
        }
    }

    fn default(&self, field: Field, unit: Unit) -> Result<FieldValue, Text> {
        match field.kind() {
            Kind::Number { default, .. } => self.check(field, FieldValue::Number(default), unit),
            Kind::Name => {
                Err(Text::of(format!("A new plant needs a {}: it has no default.", field.label())))
            }
        }
    }

    /// A kept or default number must still fit beside the other threshold.
    fn check(&self, field: Field, value: FieldValue, unit: Unit) -> Result<FieldValue, Text> {
        match value {
            FieldValue::Number(number) => {
                fields::check_number(field, number, self.other(field), unit)
            }
            FieldValue::Name(name) => Ok(FieldValue::Name(name)),
        }
    }

    /// The other threshold of the same measure, if it was given or stays as it is.
    fn other(&self, field: Field) -> Option<f32> {
        self.values.get(&field.other()?).and_then(FieldValue::number)
    }

    fn back(mut self) -> Next {
        let before = match self.step {
            Step::Confirm if let Some(field) = self.only => Step::Field(field),
            Step::Field(_) if self.only.is_some() => {
                return Next::repeat(self, "This is the only question; /cancel leaves it.");
            }
            Step::PlantId => return Next::repeat(self, "This is the first question."),
            Step::Confirm => Step::Field(Field::MoistureHigh),
            Step::Field(field) => before(field),
        };
        if let Step::Field(field) = before {
            self.values.remove(&field);
        }
        self.step = before;
        Next::ask(self, None)
    }
}

fn after(field: Field) -> Step {
    let next = Field::ALL.iter().skip_while(|known| **known != field).nth(1);
    next.map_or(Step::Confirm, |next| Step::Field(*next))
}

fn before(field: Field) -> Step {
    let earlier = Field::ALL.iter().take_while(|known| **known != field).last();
    earlier.map_or(Step::PlantId, |earlier| Step::Field(*earlier))
}
