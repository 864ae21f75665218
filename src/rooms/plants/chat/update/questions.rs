//! The questions of `/update_plant`: what each step asks, and the buttons under it.

use super::{Answer, Edit, Step};
use crate::kernel::chat::{Button, Keyboard};
use crate::kernel::effect::Say;
use crate::kernel::text::Text;
use crate::rooms::plants::chat::fields::{Field, Kind};

impl Edit {
    /// The question that this state is at; its buttons belong to `version`.
    pub fn question(&self, version: i64) -> Say {
        if let Some(again) = &self.discard_for {
            return discard_question(again, version);
        }
        match self.step {
            Step::PlantId => self.plant_question(version),
            Step::Field(field) => self.field_question(field, version),
            Step::Confirm => self.confirm_question(version),
        }
    }

    fn plant_question(&self, version: i64) -> Say {
        let text = Text::of(
            "Please enter plant's id: one of yours to change it, or a new number for a new plant.",
        );
        let mut rows: Keyboard = self
            .offers
            .chunks(2)
            .map(|pair| {
                let button = |(id, name): &(i32, String)| {
                    Button::of_draft(format!("{id} · {name}"), version, &format!("id-{id}"))
                };
                pair.iter().map(button).collect()
            })
            .collect();
        let free_id = self.free_id;
        rows.push(vec![
            Button::of_draft(format!("➕ new: {free_id}"), version, &format!("id-{free_id}")),
            Button::of_draft("Cancel", version, "cancel"),
        ]);
        Say::new(text).with(rows)
    }

    fn field_question(&self, field: Field, version: i64) -> Say {
        let existing = self.existing.as_ref().and_then(|known| known.values.get(&field));
        let keepable = existing.filter(|value| self.check(field, (*value).clone()).is_ok());
        let default = self.default(field).ok();
        let ending = match (existing, &default) {
            (None, Some(_)) => " or /skip to use the default.",
            (Some(_), _) => " or /skip to keep the present one.",
            (None, None) => ".",
        };
        let mut text = Text::of(format!("Please enter plant's {}{ending}", field.label()));
        if let Kind::Number { unit, least, most, .. } = field.kind() {
            text = text.line().italic(format!("{unit}, between {least} and {most}"));
        }
        if let Some(value) = existing {
            text = text.line().italic("Now: ").data(value.shown(field));
        }
        let mut row = Vec::new();
        if let Some(value) = keepable {
            let label = format!("Keep {}", value.shown(field));
            row.push(Button::of_draft(shortened(&label), version, "keep"));
        }
        if let Some(value) = default {
            let label = format!("Default {}", value.shown(field));
            row.push(Button::of_draft(label, version, "default"));
        }
        let mut rows: Keyboard = Vec::new();
        if !row.is_empty() {
            rows.push(row);
        }
        rows.push(vec![
            Button::of_draft("« Back", version, "back"),
            Button::of_draft("Cancel", version, "cancel"),
        ]);
        Say::new(text).with(rows)
    }

    fn confirm_question(&self, version: i64) -> Say {
        let plant_id = self.plant_id.unwrap_or(0);
        let kind = if self.existing.is_some() { "Plant" } else { "New plant" };
        let mut text =
            Text::of("Please confirm your metadata entry.\n").bold(format!("{kind} {plant_id}"));
        for (field, value) in &self.values {
            let was = self.existing.as_ref().and_then(|known| known.values.get(field));
            text = text.line().plain(format!("{}: ", field.label())).bold(value.shown(*field));
            if let Some(was) = was.filter(|was| *was != value) {
                text = text.plain(" (was ").data(was.shown(*field)).plain(")");
            }
        }
        text = text.line().plain("/y sends it, /n does not.");
        let rows = vec![
            vec![Button::of_draft("✅ Yes", version, "y"), Button::of_draft("❌ No", version, "n")],
            vec![
                Button::of_draft("« Back", version, "back"),
                Button::of_draft("Cancel", version, "cancel"),
            ],
        ];
        Say::new(text).with(rows)
    }

    /// What an answered question becomes, so that its buttons go: the answer, in one line.
    pub fn answered(&self, answer: &Answer, version: i64) -> Say {
        let value = match (answer, self.step) {
            (Answer::Typed(typed), Step::PlantId) => Some(("plant", typed.clone())),
            (Answer::Keep | Answer::Skip, Step::Field(field)) => {
                Some((field.label(), self.kept_or_default(field)))
            }
            (Answer::Default, Step::Field(field)) => {
                let value = self.default(field).ok().map(|value| value.shown(field));
                Some((field.label(), value.unwrap_or_default()))
            }
            _ => None,
        };
        if let Some((label, value)) = value {
            return Say::new(Text::of(format!("{label}: ")).bold(value));
        }
        let word = match answer {
            Answer::Back => "back",
            Answer::Cancel => "cancelled",
            Answer::Yes => "yes",
            Answer::No => "no",
            _ => "answered",
        };
        Say::new(self.question(version).text.line().plain("→ ").bold(word))
    }

    fn kept_or_default(&self, field: Field) -> String {
        let existing = self.existing.as_ref().and_then(|known| known.values.get(&field)).cloned();
        let value = existing.or_else(|| self.default(field).ok());
        value.map(|value| value.shown(field)).unwrap_or_default()
    }
}

fn discard_question(again: &str, version: i64) -> Say {
    let text = Text::of("You have an unfinished edit. Discard it and begin ")
        .code(format!("/update_plant {again}").trim_end())
        .plain("?\n/y discards it, /n goes on with it.");
    Say::new(text).with(vec![vec![
        Button::of_draft("🗑 Discard", version, "y"),
        Button::of_draft("Go on", version, "n"),
    ]])
}

/// A button's label, short enough for a phone.
fn shortened(label: &str) -> String {
    const LABEL_CHARS: usize = 32;
    let mut short: String = label.chars().take(LABEL_CHARS).collect();
    if label.chars().nth(LABEL_CHARS).is_some() {
        short.push('…');
    }
    crate::kernel::text::shown(&short).into_owned()
}
