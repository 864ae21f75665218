//! The questions of `/update_mapping`: what each step asks, and the buttons under it.

use super::{Answer, MappingForm, Sharing, Step};
use crate::kernel::chat::Button;
use crate::kernel::dialog::{Asking, cancel, ways_out, yes_or_no};
use crate::kernel::effect::Say;
use crate::kernel::settings::Settings;
use crate::kernel::text::Text;
use crate::rooms::plants::chat::button;
use crate::rooms::plants::chat::dialog::{Form, Need, plant_rows, sensor_rows};
use crate::rooms::plants::types::SensorId;

impl Asking<Form> for MappingForm {
    fn command(&self) -> &'static str {
        "/update_mapping"
    }

    fn noun(&self) -> &'static str {
        "mapping"
    }

    fn question(&self, version: i64, _settings: &Settings) -> Say {
        match self.step {
            Step::Sensor => self.sensor_question(version),
            Step::Plant => self.plant_question(version),
            Step::Sharing => self.sharing_question(version),
            Step::Confirm => Say::new(self.summary()).with(yes_or_no(version)),
        }
    }

    fn needs(&self, answer: &Answer) -> Need {
        let sensor_id = match self.step {
            Step::Sensor => self.sensor_of(answer).and_then(Result::ok),
            _ => self.sensor_id.clone(),
        };
        let plant = match (self.step, answer, &self.plant) {
            (Step::Sensor, ..) => String::new(),
            (Step::Plant, Answer::Turn(page), _) => return Need::Offers(*page),
            (Step::Plant, Answer::Typed(typed), _) => typed.clone(),
            (Step::Confirm, Answer::Yes, Some((plant_id, _))) => plant_id.to_string(),
            _ => return Need::Nothing,
        };
        match sensor_id {
            Some(sensor_id) => Need::Situation { sensor_id: sensor_id.into(), plant },
            None => Need::Nothing,
        }
    }

    fn is_complete(&self) -> bool {
        self.step == Step::Confirm
    }

    fn echo(&self, answer: &Answer, _settings: &Settings) -> Option<(&'static str, String)> {
        match (self.step, answer) {
            (Step::Sensor, answer) => {
                let sensor_id = self.sensor_of(answer)?.ok()?;
                Some(("sensor", sensor_id.into()))
            }
            (Step::Plant, Answer::Typed(typed)) => Some(("plant", typed.clone())),
            (Step::Plant, Answer::Keep) => Some(("plant", self.fed.clone()?.1)),
            (Step::Sharing, Answer::Replace) => Some(("sensors", "replace".to_owned())),
            (Step::Sharing, Answer::Both) => Some(("sensors", "use both".to_owned())),
            _ => None,
        }
    }
}

impl MappingForm {
    fn sensor_question(&self, version: i64) -> Say {
        let text = Text::of("Please enter sensor's id, such as ")
            .code(SensorId::KNOWN[0])
            .plain(", or tap one.");
        let mut rows = sensor_rows(&self.sensors, version);
        rows.push(vec![cancel(version)]);
        Say::new(text).with(rows).asking("sensor's id")
    }

    fn plant_question(&self, version: i64) -> Say {
        let mut text = Text::of("Which plant does ")
            .bold(self.sensor())
            .plain(" feed? Please enter plant's id");
        text = match &self.fed {
            Some((_, name)) => {
                text.plain(" or /skip to keep the present one.").line().italic("Now: ").data(name)
            }
            None => text.plain("."),
        };
        let mut rows = Vec::new();
        if let Some(plant_id) = self.missing {
            rows.push(vec![button::add(plant_id)]);
        }
        if let Some((_, name)) = &self.fed {
            rows.push(vec![Button::of_draft(format!("Keep {name}"), version, "keep")]);
        }
        rows.extend(plant_rows(&self.plants, self.page, version));
        rows.push(ways_out(version));
        let say = Say::new(text).with(rows);
        // The button that adds the plant must not give way to a forced reply.
        if self.missing.is_some() { say } else { say.asking("plant's id") }
    }

    fn sharing_question(&self, version: i64) -> Say {
        let sharers = self.sharers.join(", ");
        let text = Text::new()
            .bold(&sharers)
            .plain(format!(" {} ", self.sharers_feed()))
            .bold(self.plant_name())
            .plain(" already. Replace by ")
            .bold(self.sensor())
            .plain(
                ", or use both?\nWith both the plant's readings count double, so it is called dry \
                 too soon.\n/replace or /both",
            );
        let rows = vec![
            vec![
                Button::of_draft(format!("Replace {sharers}"), version, "replace"),
                Button::of_draft("Use both", version, "both"),
            ],
            ways_out(version),
        ];
        Say::new(text).with(rows)
    }

    fn summary(&self) -> Text {
        let mut text = Text::of("Please confirm your mapping entry.\n")
            .bold(self.sensor())
            .plain(" will feed ")
            .bold(self.plant_name());
        if let Some((_, name)) = &self.fed {
            text = text.plain(" (now ").data(name).plain(")");
        }
        let sharers = self.sharers.join(", ");
        text = match self.sharing {
            Some(Sharing::Replace) => {
                text.line().bold(sharers).plain(" will feed no plant any more")
            }
            Some(Sharing::Both) => {
                text.line().plain("⚠️ Readings count double, beside ").bold(sharers)
            }
            None => text,
        };
        text.line().plain("/y sends it, /n does not.")
    }

    /// The verb for the other sensors.
    fn sharers_feed(&self) -> &'static str {
        if self.sharers.len() == 1 { "feeds" } else { "feed" }
    }

    pub(super) fn plant_name(&self) -> &str {
        self.plant.as_ref().map_or("the plant", |(_, name)| name.as_str())
    }
}
