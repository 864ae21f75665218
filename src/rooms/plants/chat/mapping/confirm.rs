//! The end of `/update_mapping`: confirming what may have changed meanwhile, and the records.

use serde_json::json;

use super::{MappingForm, Next, Sharing, Step};
use crate::kernel::dialog::queued;
use crate::kernel::effect::{EditRecord, Publish};
use crate::kernel::text::Text;
use crate::rooms::plants::MAPPING;
use crate::rooms::plants::sensors::Situation;

impl MappingForm {
    pub(super) fn confirm(self, now: &Situation) -> Next {
        let (Some(sensor_id), Some((plant_id, name))) =
            (self.sensor_id.clone(), self.plant.clone())
        else {
            return Next::repeat(MappingForm { step: Step::Sensor, ..self }, "Please begin again.");
        };
        let is_there = now.found.matches.iter().any(|plant| plant.plant_id == plant_id);
        if !is_there {
            let words = Text::of("Somebody deleted ").bold(&name).plain(format!(
                " (plant {plant_id}) meanwhile. Choose another plant, or add it again."
            ));
            let missing = Some(plant_id);
            return Next::ask(MappingForm { step: Step::Plant, missing, ..self }, Some(words));
        }
        let fed_now = now.fed.as_ref().map(|(fed_id, _)| *fed_id);
        let fed_before = self.fed.as_ref().map(|(fed_id, _)| *fed_id);
        if fed_now == fed_before && now.sharers == self.sharers {
            return Next::Publish(vec![self.publish(sensor_id.as_str(), plant_id, &name)]);
        }
        let words = self.difference(now);
        let asked = MappingForm { fed: now.fed.clone(), ..self };
        match asked.with_plant((plant_id, name), &now.sharers) {
            Next::Ask(dialog, _) => Next::Ask(dialog, Some(words)),
            // Somebody else has done the same.
            Next::End(unchanged) => Next::End(words.below(unchanged)),
            other => other,
        }
    }

    /// What is different from what the conversation saw.
    fn difference(&self, now: &Situation) -> Text {
        let name = |fed: &Option<(i32, String)>| {
            fed.as_ref().map_or("no plant", |(_, name)| name.as_str()).to_owned()
        };
        let mut text = Text::of("Somebody changed this mapping meanwhile:");
        if now.fed != self.fed {
            text = text
                .line()
                .bold(self.sensor())
                .plain(" feeds: ")
                .data(name(&self.fed))
                .plain(" → ")
                .bold(name(&now.fed));
        }
        if now.sharers != self.sharers {
            let sensors = |ids: &[String]| match ids {
                [] => "none".to_owned(),
                ids => ids.join(", "),
            };
            text = text
                .line()
                .plain("other sensors of ")
                .bold(self.plant_name())
                .plain(": ")
                .data(sensors(&self.sharers))
                .plain(" → ")
                .bold(sensors(&now.sharers));
        }
        text
    }

    /// The sensors that are replaced go first: no moment of the log has both.
    fn publish(&self, sensor_id: &str, plant_id: i32, name: &str) -> Publish {
        let is_replaced = self.sharing == Some(Sharing::Replace);
        let replaced = self.sharers.iter().filter(|_| is_replaced);
        let mut records: Vec<EditRecord> = replaced
            .map(|sharer| EditRecord { key: sharer.clone().into_bytes(), value: None })
            .collect();
        let value = json!({ "sensor_id": sensor_id, "plant_id": plant_id });
        records.push(EditRecord { key: sensor_id.to_owned().into_bytes(), value: Some(value) });
        Publish {
            topic: MAPPING,
            records,
            saved: Text::of("You've confirmed your mapping entry, and it has been updated.\n")
                .bold(sensor_id)
                .plain(" feeds ")
                .bold(name)
                .plain(format!(": /plant_{plant_id}")),
            queued: queued(sensor_id),
        }
    }
}
