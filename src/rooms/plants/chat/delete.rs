//! The form of `/delete_plant`: which plant, what becomes of its sensors, and whether it is so.

use serde::{Deserialize, Serialize};

use super::choice::Choice;
use super::dialog::{Answer, Form, Looked, Need, Next, plant_rows};
use super::update::Existing;
use crate::kernel::chat::Button;
use crate::kernel::dialog::{Asking, cancel, queued, ways_out, yes_or_no};
use crate::kernel::effect::{EditRecord, Publish, Say};
use crate::kernel::paging::Page;
use crate::kernel::settings::Settings;
use crate::kernel::text::Text;
use crate::rooms::plants::lookup::{Found, Offers, PlantRow};
use crate::rooms::plants::{MAPPING, METADATA};

/// A plant that is to go, as the conversation last saw it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Chosen {
    plant_id: i32,
    name: String,
    existing: Existing,
    /// The sensors that feed it, in order.
    sensors: Vec<String>,
}

impl Chosen {
    fn of(row: &PlantRow, sensors: Vec<String>) -> Chosen {
        let name = row.given_name.clone();
        Chosen { plant_id: row.plant_id, name, existing: Existing::of(row), sensors }
    }
}

/// A deletion in progress.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeleteForm {
    /// What the first question offers.
    offers: Vec<(i32, String)>,
    /// Which page of all that is.
    #[serde(default)]
    page: Page,
    chosen: Option<Chosen>,
    /// Whether its sensors feed no plant any more; asked where there are any.
    unmaps: Option<bool>,
}

impl DeleteForm {
    /// Begins with what was typed behind the command.
    pub fn open(typed: &str, offers: Offers, found: Option<(Found, Vec<String>)>) -> Next {
        if offers.plants.is_empty() {
            return Next::End(Text::of("There is no plant to delete."));
        }
        let Offers { plants, page, .. } = offers;
        let fresh = DeleteForm { offers: plants, page, chosen: None, unmaps: None };
        match found {
            Some((found, sensors)) => fresh.choose(typed, &found, sensors),
            None => Next::ask(fresh, None),
        }
    }

    /// Judges an answer.
    pub fn answer(self, answer: &Answer, looked: Looked) -> Next {
        match (answer, &self.chosen, looked) {
            (Answer::Back, ..) => self.back(),
            (Answer::Typed(typed), None, Looked::WithSensors(found, sensors)) => {
                self.choose(typed, &found, sensors)
            }
            (Answer::Turn(_), None, Looked::Offers(Offers { plants, page, .. })) => {
                Next::ask(DeleteForm { offers: plants, page, ..self }, None)
            }
            (_, None, _) => {
                Next::repeat(self, "I need to know the plant: send its id or name, or tap one.")
            }
            (Answer::Yes, Some(chosen), Looked::WithSensors(found, sensors)) => {
                let chosen = chosen.clone();
                self.confirm(&chosen, &found, sensors)
            }
            (Answer::Yes, Some(_), _) if self.unmaps.is_none() => self.with_sensors(true),
            (Answer::No, Some(_), _) => self.with_sensors(false),
            (_, Some(_), _) => Next::repeat(self, "Please answer /y or /n, or go /back."),
        }
    }

    fn choose(self, typed: &str, found: &Found, sensors: Vec<String>) -> Next {
        match Choice::of(typed, found) {
            Choice::One(plant) => {
                let chosen = Some(Chosen::of(plant, sensors));
                Next::ask(DeleteForm { chosen, unmaps: None, ..self }, None)
            }
            Choice::New(plant_id) => {
                let words = Text::of(format!("There is no plant {plant_id}."));
                Next::ask(self, Some(words))
            }
            Choice::Several(offers) => Next::repeat(
                DeleteForm { offers, page: Page::default(), ..self },
                "Several plants are called that. Which id?",
            ),
            Choice::Unclear(words) => Next::ask(self, Some(words)),
        }
    }

    fn with_sensors(self, unmaps: bool) -> Next {
        Next::ask(DeleteForm { unmaps: Some(unmaps), ..self }, None)
    }

    fn back(self) -> Next {
        match (&self.chosen, self.unmaps) {
            (None, _) => Next::repeat(self, "This is the first question."),
            (Some(_), Some(_)) => Next::ask(DeleteForm { unmaps: None, ..self }, None),
            (Some(_), None) => Next::ask(DeleteForm { chosen: None, ..self }, None),
        }
    }

    fn confirm(self, chosen: &Chosen, found: &Found, sensors: Vec<String>) -> Next {
        let is_it = |plant: &&PlantRow| plant.plant_id == chosen.plant_id;
        let Some(plant) = found.matches.iter().find(is_it) else {
            return Next::End(
                Text::of("Somebody deleted ")
                    .bold(&chosen.name)
                    .plain(" meanwhile; nothing is left to do."),
            );
        };
        let now = Chosen::of(plant, sensors);
        if now == *chosen {
            return Next::Publish(self.publish(chosen));
        }
        let unmaps = self.unmaps.filter(|_| now.sensors == chosen.sensors);
        let asked = DeleteForm { chosen: Some(now), unmaps, ..self };
        Next::repeat(asked, "Somebody changed this plant or its sensors meanwhile; it is so now.")
    }

    /// The sensors are unmapped first: no moment of the log maps them to a plant that is gone.
    fn publish(&self, chosen: &Chosen) -> Vec<Publish> {
        let (plant_id, name) = (chosen.plant_id, &chosen.name);
        let tombstone = |key: String| EditRecord { key: key.into_bytes(), value: None };
        let mut edits = Vec::new();
        let mut saved = Text::of("🗑 ").bold(name).plain(format!(" (plant {plant_id}) is deleted."));
        match (chosen.sensors.as_slice(), self.unmaps) {
            ([], _) => {}
            (sensors, Some(true)) => edits.push(Publish {
                topic: MAPPING,
                records: sensors.iter().cloned().map(tombstone).collect(),
                saved: unmapped(sensors),
                queued: queued(&sensors.join(", ")),
            }),
            (sensors, _) => {
                saved = saved.line().then(kept(sensors, plant_id));
            }
        }
        edits.push(Publish {
            topic: METADATA,
            records: vec![tombstone(plant_id.to_string())],
            saved,
            queued: queued(name),
        });
        edits
    }

    fn plant_question(&self, version: i64) -> Say {
        let mut rows = plant_rows(&self.offers, self.page, version);
        rows.push(vec![cancel(version)]);
        let text = Text::of("Which plant is to be deleted? Send its id or name, or tap one.");
        Say::new(text).with(rows).asking("plant's id")
    }
}

/// `0x36 feeds no plant any more.`
fn unmapped(sensors: &[String]) -> Text {
    Text::new().bold(sensors.join(", ")).plain(match sensors.len() {
        1 => " feeds no plant any more.",
        _ => " feed no plant any more.",
    })
}

/// The same before it is so.
fn to_unmap(sensors: &[String]) -> Text {
    Text::new().bold(sensors.join(", ")).plain(" will feed no plant any more.")
}

/// What is said of sensors that stay mapped.
fn kept(sensors: &[String], plant_id: i32) -> Text {
    let (stay, change) = if sensors.len() == 1 {
        ("stays", format!("/unmap_sensor {}", sensors[0]))
    } else {
        ("stay", "/unmap_sensor".to_owned())
    };
    Text::new()
        .bold(sensors.join(", "))
        .plain(format!(" {stay} mapped to plant {plant_id}; "))
        .code(change)
        .plain(" changes that.")
}

fn sensors_question(chosen: &Chosen, version: i64) -> Say {
    let feeds = if chosen.sensors.len() == 1 { "feeds" } else { "feed" };
    let them = if chosen.sensors.len() == 1 { "it" } else { "them" };
    let text = Text::new()
        .bold(chosen.sensors.join(", "))
        .plain(format!(" {feeds} "))
        .bold(&chosen.name)
        .plain(format!(
            ". Unmap {them} as well?\nWhat stays mapped goes on sending readings of plant {}, which \
             nobody has described then.\n/y unmaps {them}, /n does not.",
            chosen.plant_id
        ));
    Say::new(text).with(vec![
        vec![
            Button::of_draft(format!("Unmap {them}"), version, "y"),
            Button::of_draft("Keep mapped", version, "n"),
        ],
        ways_out(version),
    ])
}

fn confirm_question(chosen: &Chosen, unmaps: bool, version: i64, settings: &Settings) -> Say {
    let mut text = Text::of("Please confirm that this plant goes.\n")
        .bold(&chosen.name)
        .plain(format!(" (plant {})", chosen.plant_id))
        .below(chosen.existing.shown(settings.unit));
    text = match chosen.sensors.as_slice() {
        [] => text,
        sensors if unmaps => text.below(to_unmap(sensors)),
        sensors => text.below(kept(sensors, chosen.plant_id)),
    };
    let text = text.line().plain(
        "What was read of it is kept as long as any reading, and is there again if it is added \
         again.\n/y deletes it, /n does not.",
    );
    Say::new(text).with(yes_or_no(version))
}

impl Asking<Form> for DeleteForm {
    fn command(&self) -> &'static str {
        "/delete_plant"
    }

    fn noun(&self) -> &'static str {
        "deletion"
    }

    fn undertaking(&self) -> String {
        "the deletion; nothing was changed".to_owned()
    }

    fn question(&self, version: i64, settings: &Settings) -> Say {
        match &self.chosen {
            None => self.plant_question(version),
            Some(chosen) if !self.is_complete() => sensors_question(chosen, version),
            Some(chosen) => confirm_question(chosen, self.unmaps == Some(true), version, settings),
        }
    }

    fn needs(&self, answer: &Answer) -> Need {
        match (&self.chosen, answer) {
            (None, Answer::Typed(typed)) => Need::WithSensors(typed.clone()),
            (None, Answer::Turn(page)) => Need::Offers(*page),
            (Some(chosen), Answer::Yes) if self.is_complete() => {
                Need::WithSensors(chosen.plant_id.to_string())
            }
            _ => Need::Nothing,
        }
    }

    fn is_complete(&self) -> bool {
        self.chosen.as_ref().is_some_and(|it| it.sensors.is_empty() || self.unmaps.is_some())
    }

    fn echo(&self, answer: &Answer, _settings: &Settings) -> Option<(&'static str, String)> {
        match (&self.chosen, answer) {
            (None, Answer::Typed(typed)) => Some(("plant", typed.clone())),
            (Some(_), Answer::Yes) if !self.is_complete() => Some(("sensors", "unmap".to_owned())),
            (Some(_), Answer::No) if !self.is_complete() => {
                Some(("sensors", "keep mapped".to_owned()))
            }
            _ => None,
        }
    }
}
