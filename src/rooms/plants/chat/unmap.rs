//! The form of `/unmap_sensor`: which sensor, and whether it is so.

use serde::{Deserialize, Serialize};

use super::dialog::{Answer, Form, Looked, Need, Next, sensor_rows};
use super::mapping::{meant, no_sensor};
use crate::kernel::dialog::{Asking, cancel, queued, yes_or_no};
use crate::kernel::effect::{EditRecord, Publish, Say};
use crate::kernel::settings::Settings;
use crate::kernel::text::Text;
use crate::rooms::plants::MAPPING;
use crate::rooms::plants::sensors::{SensorOffer, Situation};
use crate::rooms::plants::types::{SensorId, TypeError};

/// A sensor that feeds a plant, as the conversation last saw it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Fed {
    sensor_id: SensorId,
    plant_id: i32,
    name: String,
}

/// An unmapping in progress.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UnmapForm {
    /// What the question offers.
    sensors: Vec<SensorOffer>,
    /// Chosen; now it waits for yes or no.
    fed: Option<Fed>,
}

impl UnmapForm {
    /// Begins with what was typed behind the command.
    pub fn open(typed: &str, sensors: Vec<SensorOffer>, situation: Option<Situation>) -> Next {
        if sensors.is_empty() {
            return Next::End(Text::of("No sensor feeds a plant yet; /update_mapping maps one."));
        }
        let fresh = UnmapForm { sensors, fed: None };
        if typed.is_empty() {
            return Next::ask(fresh, None);
        }
        fresh.choose(&Answer::Typed(typed.to_owned()), situation)
    }

    /// Judges an answer.
    pub fn answer(self, answer: &Answer, looked: Looked) -> Next {
        let situation = match looked {
            Looked::Situation(situation) => Some(*situation),
            _ => None,
        };
        match (answer, self.fed.clone(), situation) {
            (Answer::Back, Some(_), _) => Next::ask(UnmapForm { fed: None, ..self }, None),
            (Answer::Back, None, _) => Next::repeat(self, "This is the first question."),
            (Answer::Yes, Some(fed), Some(situation)) => self.confirm(fed, &situation),
            (_, Some(_), _) => Next::repeat(self, "Please confirm again."),
            (answer, None, situation) => self.choose(answer, situation),
        }
    }

    fn choose(self, answer: &Answer, situation: Option<Situation>) -> Next {
        let sensor_id = match self.sensor_of(answer) {
            Some(Ok(sensor_id)) => sensor_id,
            Some(Err(error)) => return Next::ask(self, Some(no_sensor(&error))),
            None => {
                return Next::repeat(self, "I need to know the sensor: send its id, or tap one.");
            }
        };
        match situation.and_then(|situation| situation.fed) {
            Some((plant_id, name)) => {
                let fed = Some(Fed { sensor_id, plant_id, name });
                Next::ask(UnmapForm { fed, ..self }, None)
            }
            None => {
                let words = Text::new().bold(sensor_id.as_str()).plain(" feeds no plant.");
                Next::ask(self, Some(words))
            }
        }
    }

    fn sensor_of(&self, answer: &Answer) -> Option<Result<SensorId, TypeError>> {
        match answer {
            Answer::Typed(typed) => Some(meant(typed, &self.sensors)),
            Answer::Picked(index) => Some(self.sensors.get(*index)?.sensor_id.parse()),
            _ => None,
        }
    }

    fn confirm(self, before: Fed, now: &Situation) -> Next {
        let sensor_id = before.sensor_id.as_str();
        match &now.fed {
            None => Next::End(
                Text::of("Somebody unmapped ")
                    .bold(sensor_id)
                    .plain(" meanwhile; nothing is left to do."),
            ),
            Some((plant_id, _)) if *plant_id == before.plant_id => {
                let saved =
                    Text::of("You've confirmed your mapping entry, and it has been updated.\n")
                        .bold(sensor_id)
                        .plain(" feeds no plant now.");
                let records =
                    vec![EditRecord { key: sensor_id.to_owned().into_bytes(), value: None }];
                let queued = queued(sensor_id);
                Next::Publish(vec![Publish { topic: MAPPING, records, saved, queued }])
            }
            Some((plant_id, name)) => {
                let words = Text::of("Somebody changed this mapping meanwhile:\n")
                    .bold(sensor_id)
                    .plain(" feeds: ")
                    .data(&before.name)
                    .plain(" → ")
                    .bold(name);
                let fed = Fed { plant_id: *plant_id, name: name.clone(), ..before };
                Next::ask(UnmapForm { fed: Some(fed), ..self }, Some(words))
            }
        }
    }
}

impl Asking<Form> for UnmapForm {
    fn command(&self) -> &'static str {
        "/unmap_sensor"
    }

    fn noun(&self) -> &'static str {
        "mapping"
    }

    fn question(&self, version: i64, _settings: &Settings) -> Say {
        if let Some(fed) = &self.fed {
            let text = Text::of("Please confirm your mapping entry.\n")
                .bold(fed.sensor_id.as_str())
                .plain(" will feed no plant any more (now ")
                .data(&fed.name)
                .plain(")\n/y sends it, /n does not.");
            return Say::new(text).with(yes_or_no(version));
        }
        let mut rows = sensor_rows(&self.sensors, version);
        rows.push(vec![cancel(version)]);
        Say::new(Text::of("Which sensor is to feed no plant any more?")).with(rows)
    }

    fn needs(&self, answer: &Answer) -> Need {
        let sensor_id = match (&self.fed, answer) {
            (Some(fed), Answer::Yes) => Some(fed.sensor_id.clone()),
            (Some(_), _) => None,
            (None, answer) => self.sensor_of(answer).and_then(Result::ok),
        };
        sensor_id.map_or(Need::Nothing, |sensor_id| Need::Situation {
            sensor_id: sensor_id.into(),
            plant: String::new(),
        })
    }

    fn is_complete(&self) -> bool {
        self.fed.is_some()
    }

    fn echo(&self, answer: &Answer, _settings: &Settings) -> Option<(&'static str, String)> {
        match self.fed {
            None => Some(("sensor", self.sensor_of(answer)?.ok()?.into())),
            Some(_) => None,
        }
    }
}
