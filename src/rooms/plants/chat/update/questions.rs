//! The questions of `/update_plant`: what each step asks, and the buttons under it.

use super::{Answer, PlantForm, Step};
use crate::kernel::chat::{Button, Keyboard};
use crate::kernel::dialog::{Asking, cancel, ways_out, yes_or_no};
use crate::kernel::effect::Say;
use crate::kernel::settings::{Settings, Unit};
use crate::kernel::text::Text;
use crate::rooms::plants::chat::dialog::{Form, Need, plant_rows};
use crate::rooms::plants::chat::fields::{Field, Kind};

impl Asking<Form> for PlantForm {
    fn command(&self) -> &'static str {
        "/update_plant"
    }

    fn noun(&self) -> &'static str {
        "metadata"
    }

    fn question(&self, version: i64, settings: &Settings) -> Say {
        match self.step {
            Step::PlantId => self.plant_question(version),
            Step::Field(field) => self.field_question(field, version, settings.unit),
            Step::Confirm => self.confirm_question(version, settings.unit),
        }
    }

    fn needs(&self, answer: &Answer) -> Need {
        match (self.step, answer) {
            (Step::PlantId, Answer::Typed(typed)) => Need::Plant(typed.clone()),
            (Step::PlantId, Answer::Turn(page)) => Need::Offers(*page),
            (Step::Confirm, Answer::Yes) => Need::Now(self.plant_id.unwrap_or(0)),
            _ => Need::Nothing,
        }
    }

    fn is_complete(&self) -> bool {
        self.step == Step::Confirm
    }

    fn echo(&self, answer: &Answer, settings: &Settings) -> Option<(&'static str, String)> {
        let unit = settings.unit;
        match (answer, self.step) {
            (Answer::Typed(typed), Step::PlantId) => Some(("plant", typed.clone())),
            (Answer::Keep | Answer::Skip, Step::Field(field)) => {
                Some((field.label(), self.kept_or_default(field, unit)))
            }
            (Answer::Default, Step::Field(field)) => {
                let value = self.default(field, unit).ok().map(|value| value.shown(field, unit));
                Some((field.label(), value.unwrap_or_default()))
            }
            _ => None,
        }
    }
}

impl PlantForm {
    fn plant_question(&self, version: i64) -> Say {
        let text = Text::of(
            "Please enter plant's id: one of yours to change it, or a new number for a new plant.",
        );
        let mut rows = plant_rows(&self.offers, self.page, version);
        let free_id = self.free_id;
        rows.push(vec![
            Button::of_draft(format!("➕ new: {free_id}"), version, &format!("id-{free_id}")),
            cancel(version),
        ]);
        Say::new(text).with(rows).asking("plant's id")
    }

    fn field_question(&self, field: Field, version: i64, unit: Unit) -> Say {
        let existing = self.existing.as_ref().and_then(|known| known.values.get(&field));
        let keepable = existing.filter(|value| self.check(field, (*value).clone(), unit).is_ok());
        let default = self.default(field, unit).ok();
        let ending = match (existing, &default) {
            (None, Some(_)) => " or /skip to use the default.",
            (Some(_), _) => " or /skip to keep the present one.",
            (None, None) => ".",
        };
        let mut text = match (self.only, self.given_name()) {
            (Some(only), name) if only != Field::GivenName => Text::new().bold(name).plain(": "),
            _ => Text::new(),
        };
        text = text.plain(format!("Please enter plant's {}{ending}", field.label()));
        if let Kind::Number { measure, least, most, .. } = field.kind() {
            let (least, most) = (measure.shown(least, unit), measure.shown(most, unit));
            let sign = measure.sign(unit);
            text = text.line().italic(format!("{sign}, between {least} and {most}"));
        }
        if let Some(value) = existing {
            text = text.line().italic("Now: ").data(value.shown(field, unit));
        }
        let mut row = Vec::new();
        if let Some(value) = keepable {
            let label = format!("Keep {}", value.shown(field, unit));
            row.push(Button::of_draft(label, version, "keep"));
        }
        if let Some(value) = default {
            let label = format!("Default {}", value.shown(field, unit));
            row.push(Button::of_draft(label, version, "default"));
        }
        let mut rows: Keyboard = Vec::new();
        if !row.is_empty() {
            rows.push(row);
        }
        rows.push(if self.only.is_some() { vec![cancel(version)] } else { ways_out(version) });
        Say::new(text).with(rows).asking(field.label())
    }

    fn confirm_question(&self, version: i64, unit: Unit) -> Say {
        let plant_id = self.plant_id.unwrap_or(0);
        let kind = if self.existing.is_some() { "Plant" } else { "New plant" };
        let mut text =
            Text::of("Please confirm your metadata entry.\n").bold(format!("{kind} {plant_id}"));
        let is_shown = |field: Field| self.only.is_none_or(|only| only == field);
        for (field, value) in self.values.iter().filter(|(field, _)| is_shown(**field)) {
            let was = self.existing.as_ref().and_then(|known| known.values.get(field));
            text =
                text.line().plain(format!("{}: ", field.label())).bold(value.shown(*field, unit));
            if let Some(was) = was.filter(|was| *was != value) {
                text = text.plain(" (was ").data(was.shown(*field, unit)).plain(")");
            }
        }
        text = text.line().plain("/y sends it, /n does not.");
        Say::new(text).with(yes_or_no(version))
    }

    fn kept_or_default(&self, field: Field, unit: Unit) -> String {
        let existing = self.existing.as_ref().and_then(|known| known.values.get(&field)).cloned();
        let value = existing.or_else(|| self.default(field, unit).ok());
        value.map(|value| value.shown(field, unit)).unwrap_or_default()
    }
}
