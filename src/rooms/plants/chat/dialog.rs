//! The room's conversations: what begins each, what each needs looked up, and its form.

use serde::{Deserialize, Serialize};

use super::delete::DeleteForm;
use super::mapping::{self, MappingForm};
use super::unmap::UnmapForm;
use super::update::PlantForm;
use crate::kernel::chat::{Button, Keyboard};
use crate::kernel::dialog::{self, Asking, Forms, pick, turns};
use crate::kernel::paging::Page;
use crate::kernel::settings::Settings;
use crate::rooms::plants::lookup::{Found, Offers, PlantRow};
use crate::rooms::plants::sensors::{SensorOffer, Situation};

pub type Answer = dialog::Answer<Opening>;
pub type Dialog = dialog::Dialog<Form>;
pub type Next = dialog::Next<Form>;

/// A conversation that a command or a button begins, with what was typed behind the command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Opening {
    Plant(String),
    Mapping(String),
    Unmap(String),
    /// A sensor whose id is not taken apart, from a button.
    Sensor(String),
    Delete(String),
}

/// What an answer needs looked up before it can be judged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Need {
    #[default]
    Nothing,
    /// A plant by what was typed.
    Plant(String),
    /// A plant as it is now.
    Now(i32),
    /// Another page of plants to choose from.
    Offers(i64),
    /// A plant by what was typed, and its sensors.
    WithSensors(String),
    /// A sensor, and the plant that was typed for it, if one was.
    Situation { sensor_id: String, plant: String },
    /// What a conversation that begins offers, and what was typed with its command.
    Opening(Opening),
}

/// What the views know about it.
#[derive(Debug, Clone, PartialEq)]
pub enum Looked {
    Nothing,
    Plant(Found),
    Now(Option<PlantRow>),
    Offers(Offers),
    WithSensors(Found, Vec<String>),
    Situation(Box<Situation>),
    Opened(Box<Opened>),
}

/// What a conversation begins with.
#[derive(Debug, Clone, PartialEq)]
pub enum Opened {
    Plant(Offers, Option<Found>),
    Mapping(Vec<SensorOffer>, Offers, Option<Situation>),
    Unmap(Vec<SensorOffer>, Option<Situation>),
    /// Plants to offer; and the plant that was typed, with its sensors.
    Delete(Offers, Option<(Found, Vec<String>)>),
}

/// One of the room's conversations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Form {
    Plant(PlantForm),
    Mapping(MappingForm),
    Unmap(UnmapForm),
    Delete(DeleteForm),
}

impl From<PlantForm> for Form {
    fn from(form: PlantForm) -> Form {
        Form::Plant(form)
    }
}

impl From<MappingForm> for Form {
    fn from(form: MappingForm) -> Form {
        Form::Mapping(form)
    }
}

impl From<UnmapForm> for Form {
    fn from(form: UnmapForm) -> Form {
        Form::Unmap(form)
    }
}

impl From<DeleteForm> for Form {
    fn from(form: DeleteForm) -> Form {
        Form::Delete(form)
    }
}

impl Forms for Form {
    type Opening = Opening;
    type Need = Need;
    type Looked = Looked;
    type Opened = Opened;

    fn need_of(opening: Opening) -> Need {
        Need::Opening(opening)
    }

    fn opened_of(looked: Looked) -> Option<Opened> {
        match looked {
            Looked::Opened(opened) => Some(*opened),
            _ => None,
        }
    }

    fn open(opening: &Opening, opened: Opened) -> Option<Next> {
        Some(match (opening, opened) {
            (Opening::Plant(typed), Opened::Plant(offers, found)) => {
                PlantForm::open(typed, offers, found)
            }
            (Opening::Mapping(typed), Opened::Mapping(sensors, plants, situation)) => {
                let (sensor, plant) = mapping::split(typed, &sensors);
                MappingForm::open(sensor, plant, sensors, plants, situation)
            }
            (Opening::Sensor(sensor), Opened::Mapping(sensors, plants, situation)) => {
                MappingForm::open(sensor, "", sensors, plants, situation)
            }
            (Opening::Unmap(typed), Opened::Unmap(sensors, situation)) => {
                UnmapForm::open(typed, sensors, situation)
            }
            (Opening::Delete(typed), Opened::Delete(offers, found)) => {
                DeleteForm::open(typed, offers, found)
            }
            _ => return None,
        })
    }

    fn typed(opening: &Opening) -> String {
        let (command, typed) = match opening {
            Opening::Plant(typed) => ("/update_plant", typed),
            Opening::Mapping(typed) | Opening::Sensor(typed) => ("/update_mapping", typed),
            Opening::Unmap(typed) => ("/unmap_sensor", typed),
            Opening::Delete(typed) => ("/delete_plant", typed),
        };
        format!("{command} {typed}").trim_end().to_owned()
    }

    fn asking(&self) -> &dyn Asking<Form> {
        match self {
            Form::Plant(form) => form,
            Form::Mapping(form) => form,
            Form::Unmap(form) => form,
            Form::Delete(form) => form,
        }
    }

    fn answer(self, answer: &Answer, looked: Looked, settings: &Settings) -> Next {
        match self {
            Form::Plant(form) => form.answer(answer, looked, settings),
            Form::Mapping(form) => form.answer(answer, looked),
            Form::Unmap(form) => form.answer(answer, looked),
            Form::Delete(form) => form.answer(answer, looked),
        }
    }
}

/// Plants to tap, two in a row, and the way to the other pages of them.
pub fn plant_rows(plants: &[(i32, String)], page: Page, version: i64) -> Keyboard {
    let button = |(id, name): &(i32, String)| {
        Button::of_draft(format!("{id} · {name}"), version, &format!("id-{id}"))
    };
    let pairs = plants.chunks(2).map(|pair| pair.iter().map(button).collect());
    pairs.chain(turns(page, version)).collect()
}

/// Sensors to tap, two in a row.
pub fn sensor_rows(sensors: &[SensorOffer], version: i64) -> Keyboard {
    let button = |(index, offer): (usize, &SensorOffer)| pick(offer.label(), version, index);
    let buttons: Vec<Button> = sensors.iter().enumerate().map(button).collect();
    buttons.chunks(2).map(<[Button]>::to_vec).collect()
}
