//! The end of `/update_plant`: confirming what may have changed meanwhile, and the record.

use serde_json::json;

use super::{Existing, Next, PlantForm, Step, Values};
use crate::kernel::dialog::queued;
use crate::kernel::effect::{EditRecord, Publish};
use crate::kernel::settings::Unit;
use crate::kernel::text::Text;
use crate::rooms::plants::METADATA;
use crate::rooms::plants::chat::fields::{Field, FieldValue};
use crate::rooms::plants::lookup::PlantRow;

impl PlantForm {
    pub(super) fn confirm(mut self, now: Option<PlantRow>, unit: Unit) -> Next {
        let current = now.as_ref().map(Existing::of);
        if self.existing == current {
            return Next::Publish(vec![self.publish()]);
        }
        if let (Some(field), Some(current)) = (self.only, &current) {
            return self.confirm_one(field, current.clone(), unit);
        }
        let difference = difference(self.existing.as_ref(), current.as_ref(), unit);
        self.existing = current;
        Next::ask(self, Some(difference))
    }

    /// Somebody changed the plant while one field of it was edited: what they made of the others
    /// stays, and only what concerns the field is asked again.
    fn confirm_one(mut self, field: Field, current: Existing, unit: Unit) -> Next {
        let given = self.values.get(&field).cloned();
        let (before, now) = (self.existing.take(), current.values.get(&field).cloned());
        let is_same = before.is_some_and(|before| before.values.get(&field) == now.as_ref());
        self.values = current.all_but(field);
        self.existing = Some(current);
        match given.map(|given| self.check(field, given, unit)) {
            Some(Ok(given)) => {
                self.values.insert(field, given);
                if is_same {
                    return Next::Publish(vec![self.publish()]);
                }
                let words = "Somebody changed this field meanwhile. Confirming overwrites that.";
                Next::repeat(self, words)
            }
            Some(Err(reason)) => {
                self.step = Step::Field(field);
                let words = Text::of("Somebody changed this plant meanwhile:\n").then(reason);
                Next::ask(self, Some(words))
            }
            None => {
                self.step = Step::Field(field);
                Next::ask(self, None)
            }
        }
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
        let name = self.given_name();
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

    pub(super) fn given_name(&self) -> String {
        match self.values.get(&Field::GivenName) {
            Some(FieldValue::Name(name)) => name.clone(),
            _ => String::new(),
        }
    }
}

impl Existing {
    pub(in crate::rooms::plants::chat) fn of(row: &PlantRow) -> Existing {
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

    /// A line for each field.
    pub(in crate::rooms::plants::chat) fn shown(&self, unit: Unit) -> Text {
        let lines = self.values.iter().map(|(field, value)| {
            Text::of(format!("{}: ", field.label())).data(value.shown(*field, unit))
        });
        lines.reduce(Text::below).unwrap_or_default()
    }

    /// Every field's value but this one's.
    pub(super) fn all_but(&self, field: Field) -> Values {
        let others = self.values.iter().filter(|(other, _)| **other != field);
        others.map(|(other, value)| (*other, value.clone())).collect()
    }
}

/// Somebody else changed the plant meanwhile: what is different now.
fn difference(before: Option<&Existing>, now: Option<&Existing>, unit: Unit) -> Text {
    let Some(now) = now else {
        return Text::of("Somebody deleted this plant meanwhile. Confirming adds it again.");
    };
    let Some(before) = before else {
        let name = now.values.get(&Field::GivenName).map(|name| name.shown(Field::GivenName, unit));
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
                .data(was.shown(*field, unit))
                .plain(" → ")
                .bold(value.shown(*field, unit));
        }
    }
    text.line().plain("Confirming overwrites that.")
}
