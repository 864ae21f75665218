//! The end of `/update_plant`: confirming what may have changed meanwhile, and the record.

use serde_json::json;

use super::{Existing, Next, PlantForm};
use crate::kernel::dialog::queued;
use crate::kernel::effect::{EditRecord, Publish};
use crate::kernel::text::Text;
use crate::rooms::plants::METADATA;
use crate::rooms::plants::chat::fields::{Field, FieldValue};
use crate::rooms::plants::lookup::PlantRow;

impl PlantForm {
    pub(super) fn confirm(mut self, now: Option<PlantRow>) -> Next {
        let current = now.as_ref().map(Existing::of);
        if self.existing == current {
            return Next::Publish(Box::new(self.publish()));
        }
        let difference = difference(self.existing.as_ref(), current.as_ref());
        self.existing = current;
        Next::ask(self, Some(difference))
    }

    fn publish(&self) -> Publish {
        let plant_id = self.plant_id.unwrap_or(0);
        let mut value = json!({ "plant_id": plant_id });
        for (field, given) in &self.values {
            value[field.name()] = match given {
                FieldValue::Number(number) => json!(number),
                FieldValue::Name(name) => json!(name),
            };
        }
        let name = self.shown_value(Field::GivenName);
        Publish {
            topic: METADATA,
            records: vec![EditRecord {
                key: plant_id.to_string().into_bytes(),
                value: Some(value),
            }],
            saved: Text::of("You've confirmed your metadata entry, and it has been updated.\n")
                .bold(&name)
                .plain(format!(": /plant_{plant_id}")),
            queued: queued(&name),
        }
    }

    fn shown_value(&self, field: Field) -> String {
        self.values.get(&field).map(|value| value.shown(field)).unwrap_or_default()
    }
}

impl Existing {
    pub(super) fn of(row: &PlantRow) -> Existing {
        let name = |text: &str| FieldValue::Name(text.to_owned());
        let values = Field::ALL.map(|field| {
            let value = match field {
                Field::GivenName => name(&row.given_name),
                Field::ScientificName => name(&row.scientific_name),
                Field::CommonName => name(&row.common_name),
                Field::TemperatureLow => FieldValue::Number(row.temperature_low),
                Field::TemperatureHigh => FieldValue::Number(row.temperature_high),
                Field::MoistureLow => FieldValue::Number(row.moisture_low),
                Field::MoistureHigh => FieldValue::Number(row.moisture_high),
            };
            (field, value)
        });
        Existing { values: values.into_iter().collect() }
    }
}

/// Somebody else changed the plant meanwhile: what is different now.
fn difference(before: Option<&Existing>, now: Option<&Existing>) -> Text {
    let Some(now) = now else {
        return Text::of("Somebody deleted this plant meanwhile. Confirming adds it again.");
    };
    let Some(before) = before else {
        let name = now.values.get(&Field::GivenName).map(|name| name.shown(Field::GivenName));
        return Text::of("Somebody added a plant with this id meanwhile: ")
            .bold(name.unwrap_or_default())
            .plain(". Confirming replaces it.");
    };
    let mut text = Text::of("Somebody changed this plant meanwhile:");
    for (field, value) in &now.values {
        let was = before.values.get(field);
        if let Some(was) = was.filter(|was| *was != value) {
            text = text
                .line()
                .plain(format!("{}: ", field.label()))
                .data(was.shown(*field))
                .plain(" → ")
                .bold(value.shown(*field));
        }
    }
    text.line().plain("Confirming overwrites that.")
}
