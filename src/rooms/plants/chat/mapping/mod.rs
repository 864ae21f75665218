//! The form of `/update_mapping`: its state, and what each answer does to it.

use serde::{Deserialize, Serialize};

use super::choice::Choice;
use super::dialog::{Answer, Looked, Next};
use crate::kernel::dialog::sentence;
use crate::kernel::paging::Page;
use crate::kernel::text::Text;
use crate::rooms::plants::lookup::Offers;
use crate::rooms::plants::sensors::{SensorOffer, Situation};
use crate::rooms::plants::types::{SensorId, TypeError};

mod confirm;
mod questions;

/// Where the conversation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Step {
    Sensor,
    Plant,
    /// Another sensor feeds the plant: instead of it, or beside it?
    Sharing,
    Confirm,
}

/// What becomes of other sensors of the same plant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Sharing {
    Replace,
    Both,
}

/// A mapping in progress.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MappingForm {
    step: Step,
    /// What the first two questions offer.
    sensors: Vec<SensorOffer>,
    plants: Vec<(i32, String)>,
    /// Which page of all that is.
    #[serde(default)]
    page: Page,
    sensor_id: Option<SensorId>,
    /// The plant that the sensor fed when the conversation last looked.
    fed: Option<(i32, String)>,
    plant: Option<(i32, String)>,
    /// Other sensors of the plant when the conversation last looked.
    sharers: Vec<String>,
    sharing: Option<Sharing>,
    /// A number that was given and that no plant has: it can be added.
    missing: Option<i32>,
}

/// `0x36 4` as the sensor and the plant. A sensor's id may have blanks in it: what begins like one
/// that is known is that one, and the longest of such.
pub fn split<'a>(typed: &'a str, known: &[SensorOffer]) -> (&'a str, &'a str) {
    let typed = typed.trim();
    let is_end = |rest: &str| rest.is_empty() || rest.starts_with(char::is_whitespace);
    let begins =
        |offer: &SensorOffer| typed.strip_prefix(offer.sensor_id.as_str()).is_some_and(is_end);
    let known_bytes = known.iter().filter(|offer| begins(offer)).map(|offer| offer.sensor_id.len());
    let first_bytes = || typed.find(char::is_whitespace).unwrap_or(typed.len());
    let (sensor, plant) = typed.split_at(known_bytes.max().unwrap_or_else(first_bytes));
    (sensor, plant.trim())
}

/// The sensor that somebody means: one that is known under just this id, or else what they typed.
pub fn meant(typed: &str, known: &[SensorOffer]) -> Result<SensorId, TypeError> {
    let typed = typed.trim();
    match known.iter().find(|offer| offer.sensor_id == typed) {
        Some(offer) => offer.sensor_id.parse(),
        None => SensorId::typed(typed),
    }
}

/// Why what was typed is no sensor's id.
pub fn no_sensor(error: &TypeError) -> Text {
    Text::of(sentence(&error.to_string())).plain(" It is one such as 0x36.")
}

impl MappingForm {
    /// Begins with what was given: nothing, a sensor, or a sensor and a plant.
    pub fn open(
        sensor: &str,
        plant: &str,
        sensors: Vec<SensorOffer>,
        plants: Offers,
        situation: Option<Situation>,
    ) -> Next {
        let fresh = MappingForm {
            step: Step::Sensor,
            sensors,
            plants: plants.plants,
            page: plants.page,
            sensor_id: None,
            fed: None,
            plant: None,
            sharers: Vec::new(),
            sharing: None,
            missing: None,
        };
        if sensor.is_empty() {
            return Next::ask(fresh, None);
        }
        match (meant(sensor, &fresh.sensors), situation) {
            (Err(error), _) => Next::ask(fresh, Some(no_sensor(&error))),
            (Ok(_), None) => Next::repeat(fresh, "Please send the sensor's id again."),
            (Ok(sensor_id), Some(situation)) => {
                let chosen = fresh.with_sensor(sensor_id, &situation);
                if plant.is_empty() {
                    return Next::ask(chosen, None);
                }
                chosen.choose_plant(plant, &situation)
            }
        }
    }

    /// Judges an answer.
    pub fn answer(self, answer: &Answer, looked: Looked) -> Next {
        match (self.step, answer, looked) {
            (_, Answer::Back, _) => self.back(),
            (Step::Sensor, answer, looked) => self.answer_sensor(answer, looked),
            (Step::Plant, Answer::Typed(typed), Looked::Situation(situation)) => {
                self.choose_plant(typed, &situation)
            }
            (Step::Plant, Answer::Turn(_), Looked::Offers(Offers { plants, page, .. })) => {
                Next::ask(MappingForm { plants, page, ..self }, None)
            }
            (Step::Plant, Answer::Keep | Answer::Skip, _) => self.keep_plant(),
            (Step::Plant, ..) => {
                Next::repeat(self, "I need to know the plant: send its id or name, or tap one.")
            }
            (Step::Sharing, answer, _) => self.answer_sharing(answer),
            (Step::Confirm, _, Looked::Situation(situation)) => self.confirm(&situation),
            (Step::Confirm, ..) => Next::repeat(self, "Please confirm again."),
        }
    }

    fn answer_sensor(self, answer: &Answer, looked: Looked) -> Next {
        match (self.sensor_of(answer), looked) {
            (Some(Ok(sensor_id)), Looked::Situation(situation)) => {
                Next::ask(self.with_sensor(sensor_id, &situation), None)
            }
            (Some(Err(error)), _) => Next::ask(self, Some(no_sensor(&error))),
            _ => Next::repeat(self, "I need to know the sensor: send its id, or tap one."),
        }
    }

    /// The sensor that an answer to the first question names.
    fn sensor_of(&self, answer: &Answer) -> Option<Result<SensorId, TypeError>> {
        match answer {
            Answer::Typed(typed) => Some(meant(typed, &self.sensors)),
            Answer::Picked(index) => Some(self.sensors.get(*index)?.sensor_id.parse()),
            _ => None,
        }
    }

    fn with_sensor(self, sensor_id: SensorId, situation: &Situation) -> MappingForm {
        let fed = situation.fed.clone();
        MappingForm { step: Step::Plant, sensor_id: Some(sensor_id), fed, ..self }
    }

    fn choose_plant(self, typed: &str, situation: &Situation) -> Next {
        let asked = MappingForm { missing: None, ..self };
        match Choice::of(typed, &situation.found) {
            Choice::One(plant) => {
                let chosen = (plant.plant_id, plant.given_name.clone());
                asked.with_plant(chosen, &situation.sharers)
            }
            Choice::New(plant_id) => {
                let words = format!(
                    "There is no plant {plant_id} yet. Choose another, or add it first: \
                     /update_plant {plant_id}."
                );
                Next::ask(
                    MappingForm { missing: Some(plant_id.get()), ..asked },
                    Some(Text::of(words)),
                )
            }
            Choice::Several(plants) => Next::repeat(
                MappingForm { plants, page: Page::default(), ..asked },
                "Several plants are called that. Which id?",
            ),
            Choice::Unclear(words) => Next::ask(asked, Some(words)),
        }
    }

    fn with_plant(self, plant: (i32, String), sharers: &[String]) -> Next {
        if self.feeds(plant.0) && sharers.is_empty() {
            return Next::End(self.unchanged(&plant.1));
        }
        let step = if sharers.is_empty() { Step::Confirm } else { Step::Sharing };
        let sharers = sharers.to_vec();
        Next::ask(MappingForm { step, plant: Some(plant), sharers, sharing: None, ..self }, None)
    }

    fn keep_plant(self) -> Next {
        match &self.fed {
            Some((_, name)) => Next::End(self.unchanged(name)),
            None => Next::repeat(self, "The sensor feeds no plant yet: there is nothing to keep."),
        }
    }

    fn answer_sharing(self, answer: &Answer) -> Next {
        let sharing = match answer {
            Answer::Replace => Sharing::Replace,
            Answer::Both => Sharing::Both,
            Answer::Typed(word) if word.trim().eq_ignore_ascii_case("replace") => Sharing::Replace,
            Answer::Typed(word) if word.trim().eq_ignore_ascii_case("both") => Sharing::Both,
            _ => return Next::repeat(self, "Please answer /replace or /both, or go /back."),
        };
        if let (Sharing::Both, Some((plant_id, name))) = (sharing, &self.plant)
            && self.feeds(*plant_id)
        {
            return Next::End(self.unchanged(name));
        }
        Next::ask(MappingForm { step: Step::Confirm, sharing: Some(sharing), ..self }, None)
    }

    fn back(self) -> Next {
        let step = match self.step {
            Step::Sensor => return Next::repeat(self, "This is the first question."),
            Step::Plant => Step::Sensor,
            Step::Confirm if !self.sharers.is_empty() => Step::Sharing,
            Step::Confirm | Step::Sharing => Step::Plant,
        };
        Next::ask(MappingForm { step, sharing: None, missing: None, ..self }, None)
    }

    fn feeds(&self, plant_id: i32) -> bool {
        self.fed.as_ref().is_some_and(|(fed_id, _)| *fed_id == plant_id)
    }

    fn sensor(&self) -> &str {
        self.sensor_id.as_ref().map_or("the sensor", SensorId::as_str)
    }

    fn unchanged(&self, plant: &str) -> Text {
        Text::new()
            .bold(self.sensor())
            .plain(" feeds ")
            .bold(plant)
            .plain(" as before; nothing was changed.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sensor_with_blanks_in_its_id_is_told_from_the_plant_behind_it() {
        let offer = |sensor_id: &str| SensorOffer { sensor_id: sensor_id.to_owned(), note: None };
        let known = ["0x36", "Greenhouse", "Greenhouse 2"].map(offer);
        let cases = [
            ("0x36 4", ("0x36", "4")),
            ("0x36  the fern ", ("0x36", "the fern")),
            ("0x36", ("0x36", "")),
            ("0x361 4", ("0x361", "4")),
            ("Greenhouse 2", ("Greenhouse 2", "")),
            ("Greenhouse 2 4", ("Greenhouse 2", "4")),
            ("Greenhouse 21", ("Greenhouse", "21")),
            ("Greenhouse  2", ("Greenhouse", "2")),
            ("new 4", ("new", "4")),
            ("", ("", "")),
        ];
        for (typed, apart) in cases {
            assert_eq!(split(typed, &known), apart, "{typed:?}");
        }
    }
}
