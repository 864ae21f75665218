//! What all rooms' conversations have in common: each asks for the parts of an edit and confirms
//! it; each can be left; and where another begins, it is asked whether to discard the first, unless
//! nothing was entered in it yet.
//!
//! Invariant: a state that was stored can always be asked about again; every answer either moves
//! it or says what is wanted. Of several commands the newest begins, and what gave way to it is told.

use std::fmt::Debug;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::chat::{Button, Draft, Incoming, Keyboard, Snapshot, draft_button, draft_buttons};
use super::effect::{Effect, Held, Publish, Say};
use super::paging::Page;
use super::settings::Settings;
use super::text::Text;

/// The conversations of one room: an enum of its forms.
pub trait Forms: Debug + Clone + PartialEq + Serialize + DeserializeOwned {
    /// What begins one, with what was typed behind the command.
    type Opening: Debug + Clone + PartialEq + Eq + Serialize + DeserializeOwned;
    /// What an answer needs looked up before it can be judged; by default nothing.
    type Need: Default;
    /// What the views know about it.
    type Looked;
    /// What a conversation begins with.
    type Opened;

    /// The need for what a conversation begins with.
    fn need_of(opening: Self::Opening) -> Self::Need;

    /// What a conversation begins with, if that is what was looked up.
    fn opened_of(looked: Self::Looked) -> Option<Self::Opened>;

    /// Begins a conversation. `None` where something else was looked up.
    fn open(opening: &Self::Opening, opened: Self::Opened) -> Option<Next<Self>>;

    /// The command, as it would be typed.
    fn typed(opening: &Self::Opening) -> String;

    fn asking(&self) -> &dyn Asking<Self>;

    /// Judges an answer that belongs to the form itself, in a chat with these settings.
    fn answer(
        self,
        answer: &Answer<Self::Opening>,
        looked: Self::Looked,
        settings: &Settings,
    ) -> Next<Self>;
}

/// What one kind of conversation asks for.
pub trait Asking<F: Forms> {
    /// The command that begins it.
    fn command(&self) -> &'static str;

    /// What it sends, in its sentences.
    fn noun(&self) -> &'static str;

    /// What is left when it is cancelled.
    fn undertaking(&self) -> String {
        format!("{} update", self.noun())
    }

    /// The question that this state is at, as a chat with these settings reads it; its buttons
    /// belong to `version`.
    fn question(&self, version: i64, settings: &Settings) -> Say;

    fn needs(&self, answer: &Answer<F::Opening>) -> F::Need;

    /// Everything is answered, and it waits for yes or no.
    fn is_complete(&self) -> bool;

    /// An answer that gives a value, in one line: what it is and which.
    fn echo(
        &self,
        answer: &Answer<F::Opening>,
        settings: &Settings,
    ) -> Option<(&'static str, String)>;
}

/// What a person answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer<O> {
    Typed(String),
    /// A tap on one of the things that the question offers, by its place among them.
    Picked(usize),
    /// Another page of the things that the question offers.
    Turn(i64),
    Keep,
    Default,
    Skip,
    /// Of two for one place, the new one alone.
    Replace,
    /// Of two for one place, both.
    Both,
    Back,
    Cancel,
    Yes,
    No,
    /// Another conversation of the same room is to begin.
    Again(O),
}

/// Before the place of a thing that a question offers, in its button's action.
const PICK: &str = "pick-";
/// Before the number of a page of them.
const TURN: &str = "page-";
/// The same as older versions wrote it, which offered sensors alone.
const PICK_SENSOR: &str = "sensor-";

impl<O> Answer<O> {
    /// What a command or a button's action means inside a conversation.
    pub fn of_word(word: &str) -> Option<Answer<O>> {
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

    /// What a tap on one of a draft's own buttons means. `None`: it is no button of this step.
    pub fn of_press(data: &str, version: i64) -> Option<Answer<O>> {
        let (button_version, action) = draft_button(data)?;
        if button_version != version {
            return None;
        }
        if let Some(page) = action.strip_prefix(TURN) {
            return Some(Answer::Turn(page.parse().ok()?));
        }
        let place = action.strip_prefix(PICK).or_else(|| action.strip_prefix(PICK_SENSOR));
        match place {
            Some(index) => Some(Answer::Picked(index.parse().ok()?)),
            None => Answer::of_word(action),
        }
    }

    /// What a message means: a command that conversations know, or an answer in words.
    pub fn of_text(incoming: &Incoming) -> Option<Answer<O>> {
        match incoming.command() {
            Some((name, _)) => Answer::of_word(&name.to_lowercase()),
            None => Some(Answer::Typed(incoming.text()?.to_owned())),
        }
    }
}

/// Where an answer leads.
#[derive(Debug, Clone, PartialEq)]
pub enum Next<F: Forms> {
    /// The conversation goes on; the text, if any, comes before the question.
    Ask(Dialog<F>, Option<Text>),
    /// It is over, with a last word.
    End(Text),
    /// It is over: these are the edits, in their order.
    Publish(Vec<Publish>),
    /// Another room's conversation goes on where it was.
    Resume(Held),
}

impl<F: Forms> Next<F> {
    pub fn ask(form: impl Into<F>, words: Option<Text>) -> Next<F> {
        Next::Ask(Dialog::of(form), words)
    }

    /// The same question again, after this sentence.
    pub fn repeat(form: impl Into<F>, words: &str) -> Next<F> {
        Next::ask(form, Some(Text::of(words)))
    }
}

/// A conversation as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, bound = "")]
pub enum Dialog<F: Forms> {
    /// Another room's conversation is held while we ask whether to discard it.
    Instead { begin: F::Opening, held: Held },
    Own {
        form: F,
        /// Another conversation was to begin, while we ask whether to discard this one.
        discard_for: Option<F::Opening>,
        /// It holds something that somebody entered, which does not go unasked. Older versions did
        /// not say.
        #[serde(default = "is_unknown")]
        is_begun: bool,
    },
}

fn is_unknown() -> bool {
    true
}

impl<F: Forms> Dialog<F> {
    pub fn of(form: impl Into<F>) -> Dialog<F> {
        let form = form.into();
        // One command may have said everything.
        let is_begun = form.asking().is_complete();
        Dialog::Own { form, discard_for: None, is_begun }
    }

    /// One of which it is not known whether something was entered.
    pub fn of_unknown(form: impl Into<F>) -> Dialog<F> {
        Dialog::Own { form: form.into(), discard_for: None, is_begun: is_unknown() }
    }

    /// The command that began such a conversation.
    pub fn unfinished(&self) -> &'static str {
        match self {
            Dialog::Own { form, .. } => form.asking().command(),
            Dialog::Instead { .. } => "a conversation",
        }
    }

    pub fn question(&self, version: i64, settings: &Settings) -> Say {
        match self {
            Dialog::Own { form, discard_for: None, .. } => {
                form.asking().question(version, settings)
            }
            Dialog::Own { discard_for: Some(begin), .. } | Dialog::Instead { begin, .. } => {
                discard_question(&F::typed(begin), version)
            }
        }
    }

    pub fn needs(&self, answer: &Answer<F::Opening>) -> F::Need {
        match (self, answer) {
            (Dialog::Own { discard_for: None, is_begun: false, .. }, Answer::Again(begin)) => {
                F::need_of(begin.clone())
            }
            (Dialog::Own { form, discard_for: None, .. }, answer) => form.asking().needs(answer),
            (
                Dialog::Own { discard_for: Some(begin), .. } | Dialog::Instead { begin, .. },
                Answer::Yes,
            ) => F::need_of(begin.clone()),
            _ => F::Need::default(),
        }
    }

    /// Judges an answer.
    pub fn answer(
        self,
        answer: &Answer<F::Opening>,
        looked: F::Looked,
        settings: &Settings,
    ) -> Next<F> {
        match self {
            Dialog::Own { form, .. } if *answer == Answer::Cancel => cancelled(&form),
            Dialog::Own { form, discard_for: None, is_begun } => match answer {
                Answer::Again(begin) => replace(form, is_begun, begin, looked),
                answer => {
                    // Turning a page enters nothing.
                    let before = (!matches!(answer, Answer::Turn(_))).then(|| form.clone());
                    let next = answer_form(form, answer, looked, settings);
                    noted(next, before.as_ref(), is_begun)
                }
            },
            Dialog::Own { form, discard_for: Some(begin), is_begun } => {
                let held = |discard_for| Dialog::Own { form, discard_for, is_begun };
                match answer {
                    Answer::No => Next::Ask(held(None), Some(Text::of("Going on where we were."))),
                    Answer::Again(newer) => {
                        Next::Ask(held(Some(newer.clone())), given_way::<F>(&begin, newer))
                    }
                    answer => discard(held(Some(begin.clone())), &begin, answer, looked),
                }
            }
            Dialog::Instead { held, .. } if *answer == Answer::No => Next::Resume(held),
            Dialog::Instead { .. } if *answer == Answer::Cancel => {
                Next::End(Text::of("Cancelled; the unfinished edit is gone as well."))
            }
            Dialog::Instead { begin, held } if let Answer::Again(newer) = answer => {
                let words = given_way::<F>(&begin, newer);
                Next::Ask(Dialog::Instead { begin: newer.clone(), held }, words)
            }
            Dialog::Instead { begin, held } => {
                let dialog = Dialog::Instead { begin: begin.clone(), held };
                discard(dialog, &begin, answer, looked)
            }
        }
    }

    /// What an answered question becomes, so that its buttons go: the answer, in one line.
    pub fn answered(&self, answer: &Answer<F::Opening>, version: i64, settings: &Settings) -> Say {
        if let Dialog::Own { form, discard_for: None, .. } = self
            && let Some((label, value)) = form.asking().echo(answer, settings)
        {
            return Say::new(Text::of(format!("{label}: ")).bold(value));
        }
        let word = match answer {
            Answer::Back => "back",
            Answer::Cancel => "cancelled",
            Answer::Yes => "yes",
            Answer::No => "no",
            _ => "answered",
        };
        Say::new(self.question(version, settings).text.line().plain("→ ").bold(word))
    }
}

fn answer_form<F: Forms>(
    form: F,
    answer: &Answer<F::Opening>,
    looked: F::Looked,
    settings: &Settings,
) -> Next<F> {
    let asking = form.asking();
    match answer {
        Answer::No if asking.is_complete() => Next::End(Text::of(format!(
            "Your {} was not sent; please use {} to re-try.",
            asking.noun(),
            asking.command()
        ))),
        Answer::Yes | Answer::Back => form.answer(answer, looked, settings),
        _ if asking.is_complete() => Next::repeat(form, "Please answer /y or /n, or go /back."),
        answer => form.answer(answer, looked, settings),
    }
}

fn cancelled<F: Forms>(form: &F) -> Next<F> {
    Next::End(Text::of(format!("Cancelled {}.", form.asking().undertaking())))
}

/// What an answer made of a form: from the first that changes it on, something was entered.
fn noted<F: Forms>(next: Next<F>, before: Option<&F>, was_begun: bool) -> Next<F> {
    match next {
        Next::Ask(Dialog::Own { form, discard_for, is_begun }, words) => {
            let is_changed = before.is_some_and(|before| form != *before);
            let is_begun = is_begun || was_begun || is_changed;
            Next::Ask(Dialog::Own { form, discard_for, is_begun }, words)
        }
        other => other,
    }
}

/// Another conversation is to take a form's place. One in which nothing was entered goes unasked.
fn replace<F: Forms>(form: F, is_begun: bool, begin: &F::Opening, looked: F::Looked) -> Next<F> {
    if is_begun {
        let discard_for = Some(begin.clone());
        return Next::Ask(Dialog::Own { form, discard_for, is_begun }, None);
    }
    let begun = F::opened_of(looked).and_then(|opened| F::open(begin, opened));
    begun.unwrap_or_else(|| Next::repeat(form, NOT_LOOKED_UP))
}

const NOT_LOOKED_UP: &str = "That could not be looked up. Please try again.";

/// A command waits for an answer no more: a newer one waits for it. Nothing is said where that is
/// the same.
fn given_way<F: Forms>(older: &F::Opening, newer: &F::Opening) -> Option<Text> {
    let words = "is not begun: your newer command takes its place.";
    (older != newer).then(|| Text::new().code(F::typed(older)).plain(format!(" {words}")))
}

/// An answer to the question whether to discard what is unfinished.
fn discard<F: Forms>(
    dialog: Dialog<F>,
    begin: &F::Opening,
    answer: &Answer<F::Opening>,
    looked: F::Looked,
) -> Next<F> {
    if *answer != Answer::Yes {
        let words = "Please answer /y to discard it or /n to go on with it.";
        return Next::Ask(dialog, Some(Text::of(words)));
    }
    let begun = F::opened_of(looked).and_then(|opened| F::open(begin, opened));
    begun.unwrap_or_else(|| Next::Ask(dialog, Some(Text::of(NOT_LOOKED_UP))))
}

fn discard_question(typed: &str, version: i64) -> Say {
    let text = Text::of("You have an unfinished edit. Discard it and begin ")
        .code(typed)
        .plain("?\n/y discards it, /n goes on with it.");
    Say::new(text).with(vec![vec![
        Button::of_draft("🗑 Discard", version, "y"),
        Button::of_draft("Go on", version, "n"),
    ]])
}

/// A conversation of a room is to begin. One of another room's in which something was entered is not
/// overwritten: it is asked whether to discard it. What needs no question at all leaves it alone.
pub fn begin<F: Forms>(
    begin: &F::Opening,
    next: Next<F>,
    version: i64,
    snapshot: &Snapshot,
) -> Vec<Effect> {
    let Some(draft) = &snapshot.draft else { return effects(next, version, &snapshot.settings) };
    match next {
        Next::Ask(..) if !is_begun(draft) => effects(next, version, &snapshot.settings),
        Next::Ask(..) => {
            let (held, gave_way) = held(draft);
            let dialog = Dialog::Instead { begin: begin.clone(), held };
            let words = "The command before that is not begun: this newer one takes its place.";
            let words = gave_way.then(|| Text::of(words));
            effects::<F>(Next::Ask(dialog, words), version, &snapshot.settings)
        }
        Next::End(words) => vec![Effect::Say(Say::new(words))],
        Next::Publish(edits) => edits.into_iter().map(Effect::Publish).collect(),
        Next::Resume(held) => vec![Effect::Resume(held)],
    }
}

/// Was something entered in a conversation of any room?
fn is_begun(draft: &Draft) -> bool {
    draft.state.get("is_begun").and_then(Value::as_bool).unwrap_or_else(is_unknown)
}

/// What is held of an unfinished conversation: where it only asked whether to discard another one,
/// that other one. Says whether it asked so for a command, which waits for nothing then.
fn held(draft: &Draft) -> (Held, bool) {
    if let Some(held) = draft.state.get("held").and_then(|held| Held::deserialize(held).ok()) {
        return (held, true);
    }
    let mut held = Held { room: draft.room.clone(), state: draft.state.clone() };
    let waiting = held.state.get_mut("discard_for").map(Value::take);
    (held, waiting.is_some_and(|begin| !begin.is_null()))
}

/// An answer inside a conversation: its effects, and the question that it answered loses its
/// buttons.
pub fn answered<F: Forms>(
    dialog: Dialog<F>,
    draft: &Draft,
    answer: &Answer<F::Opening>,
    looked: F::Looked,
    incoming: &Incoming,
    settings: &Settings,
) -> Vec<Effect> {
    if matches!(answer, Answer::Turn(_)) {
        let next = dialog.answer(answer, looked, settings);
        return turned(next, draft, incoming, settings);
    }
    let mut done = Vec::new();
    if let Some((_, _, data)) = incoming.press()
        && draft_button(data).is_some()
        && let Some(message_id) = incoming.tapped_with(&draft_buttons(draft.version))
    {
        let say = dialog.answered(answer, draft.version, settings);
        done.push(Effect::Edit { message_id, say });
    }
    let next = dialog.answer(answer, looked, settings);
    done.extend(effects(next, incoming.update_id, settings));
    done
}

/// A page of what a question offers is turned: the question is the same message.
fn turned<F: Forms>(
    next: Next<F>,
    draft: &Draft,
    incoming: &Incoming,
    settings: &Settings,
) -> Vec<Effect> {
    match next {
        Next::Ask(dialog, None) => {
            let say = dialog.question(incoming.update_id, settings);
            let shown = Effect::in_place(incoming, &draft_buttons(draft.version), say);
            vec![Effect::Converse(state_of(&dialog)), shown]
        }
        other => effects(other, incoming.update_id, settings),
    }
}

/// A conversation as it is stored. Plain structs of numbers and strings always serialise.
fn state_of<F: Forms>(dialog: &Dialog<F>) -> Value {
    serde_json::to_value(dialog).unwrap_or(Value::Null)
}

/// The conversation was begun by a version that is unknown here.
pub fn unreadable() -> Vec<Effect> {
    let words = "This conversation was begun by another version of me and cannot go on. \
                 Please start it again.";
    vec![Effect::EndConversation, Effect::Say(Say::new(Text::of(words)))]
}

/// What a [`Next`] does.
fn effects<F: Forms>(next: Next<F>, version: i64, settings: &Settings) -> Vec<Effect> {
    match next {
        Next::Ask(dialog, words) => {
            let mut say = dialog.question(version, settings);
            if let Some(words) = words {
                say.text = words.below(say.text);
            }
            vec![Effect::Converse(state_of(&dialog)), Effect::Say(say)]
        }
        Next::End(words) => vec![Effect::EndConversation, Effect::Say(Say::new(words))],
        Next::Publish(edits) => {
            let edits = edits.into_iter().map(Effect::Publish);
            [Effect::EndConversation].into_iter().chain(edits).collect()
        }
        Next::Resume(held) => {
            vec![Effect::Resume(held), Effect::Say(Say::new(Text::of("Going on where we were.")))]
        }
    }
}

/// The last row of every question but the first.
pub fn ways_out(version: i64) -> Vec<Button> {
    vec![Button::of_draft("« Back", version, "back"), cancel(version)]
}

/// The way out of the first question.
pub fn cancel(version: i64) -> Button {
    Button::of_draft("Cancel", version, "cancel")
}

/// The buttons under a summary.
pub fn yes_or_no(version: i64) -> Keyboard {
    let yes = Button::of_draft("✅ Yes", version, "y");
    let no = Button::of_draft("❌ No", version, "n");
    vec![vec![yes, no], ways_out(version)]
}

/// A button for one of the things that a question offers. It carries its place in the list: what
/// it stands for may be longer than what fits into a button.
pub fn pick(label: impl Into<String>, version: i64, index: usize) -> Button {
    Button::of_draft(label, version, &format!("{PICK}{index}"))
}

/// The buttons that turn the pages of what a question offers; none where there is one page.
pub fn turns(page: Page, version: i64) -> Option<Vec<Button>> {
    let button = |label: &str, number| Button::of_draft(label, version, &format!("{TURN}{number}"));
    Some(page.turns(button)).filter(|turns| !turns.is_empty())
}

/// Said while the log has not taken an edit.
pub fn queued(name: &str) -> Text {
    Text::of("⏳ Your entry for ").bold(name).plain(
        " is queued: it is stored here, the log has not taken it yet. I will say so when it is \
         saved.",
    )
}

/// What somebody typed, short enough to be said back.
pub fn shortened(typed: &str) -> String {
    const SHOWN_CHARS: usize = 40;
    let mut short: String = typed.chars().take(SHOWN_CHARS).collect();
    if typed.chars().nth(SHOWN_CHARS).is_some() {
        short.push('…');
    }
    short
}

/// The same in quotation marks.
pub fn quoted(typed: &str) -> String {
    format!("“{}”", shortened(typed))
}

/// An error's words as a sentence.
pub fn sentence(error: &str) -> String {
    let mut characters = error.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), characters.as_str())
}
