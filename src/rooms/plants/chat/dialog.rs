//! What this room's conversations have in common: each asks for the parts of an edit and confirms
//! it; each can be left; and where another begins, it is asked whether to discard the first.
//!
//! Invariant: a state that was stored can always be asked about again; every answer either moves
//! it or says what is wanted.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::mapping::MappingForm;
use super::unmap::UnmapForm;
use super::update::PlantForm;
use crate::kernel::chat::{Button, Keyboard};
use crate::kernel::effect::{Effect, Publish, Say};
use crate::kernel::text::Text;
use crate::rooms::plants::lookup::{Found, Offers, PlantRow};
use crate::rooms::plants::sensors::{SensorOffer, Situation};

/// A conversation that a command or a button begins, with what was typed behind the command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Opening {
    Plant(String),
    Mapping(String),
    Unmap(String),
}

/// What a person answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Typed(String),
    /// A tap on one of the sensors that the question offers.
    Sensor(usize),
    Keep,
    Default,
    Skip,
    /// Of two sensors for one plant, the new one alone.
    Replace,
    /// Of two sensors for one plant, both.
    Both,
    Back,
    Cancel,
    Yes,
    No,
    /// Another conversation is to begin.
    Again(Opening),
}

impl Answer {
    /// What a command or a button's action means inside a conversation.
    pub fn of_word(word: &str) -> Option<Answer> {
        Some(match word {
            "keep" => Answer::Keep,
            "default" => Answer::Default,
            "skip" => Answer::Skip,
            "replace" => Answer::Replace,
            "both" => Answer::Both,
            "back" => Answer::Back,
            "cancel" => Answer::Cancel,
            "y" | "yes" => Answer::Yes,
            "n" | "no" => Answer::No,
            _ => return None,
        })
    }
}

/// What an answer needs looked up before it can be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    Nothing,
    /// A plant by what was typed.
    Plant(String),
    /// A plant as it is now.
    Now(i32),
    /// A sensor, and the plant that was typed for it, if one was.
    Situation {
        sensor_id: String,
        plant: String,
    },
    /// What a conversation that begins offers, and what was typed with its command.
    Opening(Opening),
}

/// What the views know about it.
#[derive(Debug, Clone, PartialEq)]
pub enum Looked {
    Nothing,
    Plant(Found),
    Now(Option<PlantRow>),
    Situation(Box<Situation>),
    Opened(Box<Opened>),
}

/// What a conversation begins with.
#[derive(Debug, Clone, PartialEq)]
pub enum Opened {
    Plant(Offers, Option<Found>),
    Mapping(Vec<SensorOffer>, Offers, Option<Situation>),
    Unmap(Vec<SensorOffer>, Option<Situation>),
}

/// Where an answer leads.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// The conversation goes on; the text, if any, comes before the question.
    Ask(Dialog, Option<Text>),
    /// It is over, with a last word.
    End(Text),
    /// It is over: these are the records.
    Publish(Box<Publish>),
}

impl Next {
    pub fn ask(form: impl Into<Form>, words: Option<Text>) -> Next {
        Next::Ask(Dialog::of(form), words)
    }

    /// The same question again, after this sentence.
    pub fn repeat(form: impl Into<Form>, words: &str) -> Next {
        Next::ask(form, Some(Text::of(words)))
    }
}

/// What one kind of conversation asks for.
pub trait Asking {
    /// The command that begins it.
    fn command(&self) -> &'static str;

    /// What it edits, in its sentences.
    fn noun(&self) -> &'static str;

    /// The question that this state is at; its buttons belong to `version`.
    fn question(&self, version: i64) -> Say;

    fn needs(&self, answer: &Answer) -> Need;

    /// Everything is answered, and it waits for yes or no.
    fn is_complete(&self) -> bool;

    /// An answer that gives a value, in one line: what it is and which.
    fn echo(&self, answer: &Answer) -> Option<(&'static str, String)>;
}

/// One of the room's conversations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Form {
    Plant(PlantForm),
    Mapping(MappingForm),
    Unmap(UnmapForm),
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

impl Form {
    fn asking(&self) -> &dyn Asking {
        match self {
            Form::Plant(form) => form,
            Form::Mapping(form) => form,
            Form::Unmap(form) => form,
        }
    }

    fn answer(self, answer: &Answer, looked: Looked) -> Next {
        match self {
            Form::Plant(form) => form.answer(answer, looked),
            Form::Mapping(form) => form.answer(answer, looked),
            Form::Unmap(form) => form.answer(answer, looked),
        }
    }
}

/// A conversation as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dialog {
    form: Form,
    /// Another conversation was to begin, while we ask whether to discard this one.
    discard_for: Option<Opening>,
}

/// Begins a conversation. `None` where nothing was looked up for it.
pub fn open(opening: &Opening, opened: Opened) -> Option<Next> {
    Some(match (opening, opened) {
        (Opening::Plant(typed), Opened::Plant(offers, found)) => {
            PlantForm::open(typed, offers, found)
        }
        (Opening::Mapping(typed), Opened::Mapping(sensors, plants, situation)) => {
            MappingForm::open(typed, sensors, plants, situation)
        }
        (Opening::Unmap(typed), Opened::Unmap(sensors, situation)) => {
            UnmapForm::open(typed, sensors, situation)
        }
        _ => return None,
    })
}

impl Opening {
    /// The command as it was typed.
    fn shown(&self) -> String {
        let (command, typed) = match self {
            Opening::Plant(typed) => ("/update_plant", typed),
            Opening::Mapping(typed) => ("/update_mapping", typed),
            Opening::Unmap(typed) => ("/unmap_sensor", typed),
        };
        format!("{command} {typed}").trim_end().to_owned()
    }
}

impl Dialog {
    pub fn of(form: impl Into<Form>) -> Dialog {
        Dialog { form: form.into(), discard_for: None }
    }

    /// The command that begins such a conversation.
    pub fn command(&self) -> &'static str {
        self.form.asking().command()
    }

    pub fn question(&self, version: i64) -> Say {
        match &self.discard_for {
            Some(opening) => discard_question(opening, version),
            None => self.form.asking().question(version),
        }
    }

    pub fn needs(&self, answer: &Answer) -> Need {
        match (&self.discard_for, answer) {
            (Some(opening), Answer::Yes) => Need::Opening(opening.clone()),
            (Some(_), _) => Need::Nothing,
            (None, answer) => self.form.asking().needs(answer),
        }
    }

    /// Judges an answer.
    pub fn answer(self, answer: &Answer, looked: Looked) -> Next {
        let asking = self.form.asking();
        match (answer, self.discard_for) {
            (Answer::Cancel, _) => {
                Next::End(Text::of(format!("Cancelled {} update.", asking.noun())))
            }
            (answer, Some(opening)) => answer_discard(self.form, answer, looked, opening),
            (Answer::Again(opening), None) => {
                let discard_for = Some(opening.clone());
                Next::Ask(Dialog { form: self.form, discard_for }, None)
            }
            (Answer::No, None) if asking.is_complete() => Next::End(Text::of(format!(
                "Your {} was not sent; please use {} to re-try.",
                asking.noun(),
                asking.command()
            ))),
            (Answer::Yes | Answer::Back, None) => self.form.answer(answer, looked),
            (_, None) if asking.is_complete() => {
                Next::repeat(self.form, "Please answer /y or /n, or go /back.")
            }
            (answer, None) => self.form.answer(answer, looked),
        }
    }

    /// What an answered question becomes, so that its buttons go: the answer, in one line.
    pub fn answered(&self, answer: &Answer, version: i64) -> Say {
        let echo = match self.discard_for {
            None => self.form.asking().echo(answer),
            Some(_) => None,
        };
        if let Some((label, value)) = echo {
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
}

fn answer_discard(form: Form, answer: &Answer, looked: Looked, opening: Opening) -> Next {
    match (answer, looked) {
        (Answer::Yes, Looked::Opened(opened)) => open(&opening, *opened).unwrap_or_else(|| {
            Next::repeat(form, "That could not be looked up. Please try again.")
        }),
        (Answer::No, _) => Next::repeat(form, "Going on where we were."),
        _ => {
            let words = Text::of("Please answer /y to discard it or /n to go on with it.");
            Next::Ask(Dialog { form, discard_for: Some(opening) }, Some(words))
        }
    }
}

fn discard_question(opening: &Opening, version: i64) -> Say {
    let text = Text::of("You have an unfinished edit. Discard it and begin ")
        .code(opening.shown())
        .plain("?\n/y discards it, /n goes on with it.");
    Say::new(text).with(vec![vec![
        Button::of_draft("🗑 Discard", version, "y"),
        Button::of_draft("Go on", version, "n"),
    ]])
}

/// The last row of every question but the first.
pub fn ways_out(version: i64) -> Vec<Button> {
    vec![Button::of_draft("« Back", version, "back"), Button::of_draft("Cancel", version, "cancel")]
}

/// The buttons under a summary.
pub fn yes_or_no(version: i64) -> Keyboard {
    let yes = Button::of_draft("✅ Yes", version, "y");
    let no = Button::of_draft("❌ No", version, "n");
    vec![vec![yes, no], ways_out(version)]
}

/// Plants to tap, two in a row.
pub fn plant_rows(plants: &[(i32, String)], version: i64) -> Keyboard {
    let button = |(id, name): &(i32, String)| {
        Button::of_draft(format!("{id} · {name}"), version, &format!("id-{id}"))
    };
    plants.chunks(2).map(|pair| pair.iter().map(button).collect()).collect()
}

/// Sensors to tap, two in a row. A button carries the place in the list: an id may be longer than
/// what fits into a button.
pub fn sensor_rows(sensors: &[SensorOffer], version: i64) -> Keyboard {
    let button = |(index, offer): (usize, &SensorOffer)| {
        Button::of_draft(offer.label(), version, &format!("sensor-{index}"))
    };
    let buttons: Vec<Button> = sensors.iter().enumerate().map(button).collect();
    buttons.chunks(2).map(<[Button]>::to_vec).collect()
}

/// Said while the log has not taken an edit.
pub fn queued(name: &str) -> Text {
    Text::of("⏳ Your entry for ").bold(name).plain(
        " is queued: it is stored here, the log has not taken it yet. I will say so when it is \
         saved.",
    )
}

/// What a [`Next`] does.
pub fn effects(next: Next, version: i64) -> Vec<Effect> {
    match next {
        Next::Ask(dialog, words) => {
            let mut say = dialog.question(version);
            if let Some(words) = words {
                say.text = words.below(say.text);
            }
            // A plain struct of numbers and strings always serialises.
            let state = serde_json::to_value(&dialog).unwrap_or(Value::Null);
            vec![Effect::Converse(state), Effect::Say(say)]
        }
        Next::End(words) => vec![Effect::EndConversation, Effect::Say(Say::new(words))],
        Next::Publish(publish) => vec![Effect::EndConversation, Effect::Publish(*publish)],
    }
}
