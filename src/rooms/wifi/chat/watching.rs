//! The form of `/watch_ssid`: which network, and why.

use serde::{Deserialize, Serialize};

use super::dialog::{Answer, Form, Looked, Need, Next};
use super::records;
use super::spelling;
use crate::kernel::dialog::{Asking, cancel, sentence, ways_out, yes_or_no};
use crate::kernel::effect::{Publish, Say};
use crate::kernel::name::line_of;
use crate::kernel::settings::Settings;
use crate::kernel::text::Text;
use crate::rooms::wifi::types::Ssid;

/// The longest reason, in characters: it stands in every alert.
const REASON_CHARS: usize = 200;

/// An entry of the watch list in progress.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum WatchForm {
    Ssid,
    Reason {
        ssid: Ssid,
        /// Why it is watched already, if it is.
        was: Option<String>,
    },
    Confirm {
        ssid: Ssid,
        was: Option<String>,
        reason: String,
    },
}

impl WatchForm {
    /// Begins with what was typed behind the command: nothing, a network, or a network and the
    /// reason, which needs no question.
    pub fn open(typed: &str, was: Option<String>) -> Next {
        if typed.is_empty() {
            return Next::ask(WatchForm::Ssid, None);
        }
        let (ssid, rest) = match spelling::first(typed) {
            Ok(found) => found,
            Err(error) => return Next::ask(WatchForm::Ssid, Some(error.words())),
        };
        if rest.is_empty() {
            return Next::ask(WatchForm::Reason { ssid, was }, None);
        }
        match reason_of(rest) {
            Ok(reason) if was.as_deref() == Some(reason) => Next::End(unchanged(&ssid, reason)),
            Ok(reason) => Next::Publish(vec![publish(&ssid, was.as_deref(), reason)]),
            Err(words) => Next::ask(WatchForm::Reason { ssid, was }, Some(words)),
        }
    }

    /// Judges an answer.
    pub fn answer(self, answer: &Answer, looked: Looked) -> Next {
        match self {
            WatchForm::Ssid => answer_ssid(answer, looked),
            WatchForm::Reason { ssid, was } => answer_reason(ssid, was, answer),
            WatchForm::Confirm { ssid, was, reason } => match (answer, looked) {
                (Answer::Back, _) => Next::ask(WatchForm::Reason { ssid, was }, None),
                (_, Looked::Watch(now)) => confirm(ssid, was, reason, now),
                _ => {
                    Next::repeat(WatchForm::Confirm { ssid, was, reason }, "Please confirm again.")
                }
            },
        }
    }
}

fn answer_ssid(answer: &Answer, looked: Looked) -> Next {
    let words = match (answer, looked) {
        (Answer::Back, _) => Text::of("This is the first question."),
        (Answer::Typed(typed), Looked::Watch(was)) => match spelling::whole(typed) {
            Ok(ssid) => return Next::ask(WatchForm::Reason { ssid, was }, None),
            Err(error) => error.words(),
        },
        (Answer::Typed(typed), _) => match spelling::whole(typed) {
            Ok(_) => Text::of("Please send it again."),
            Err(error) => error.words(),
        },
        _ => Text::of("I need to know the network: send its name. /cancel leaves it."),
    };
    Next::ask(WatchForm::Ssid, Some(words))
}

fn answer_reason(ssid: Ssid, was: Option<String>, answer: &Answer) -> Next {
    let checked = match (answer, &was) {
        (Answer::Back, _) => return Next::ask(WatchForm::Ssid, None),
        (Answer::Keep | Answer::Skip, Some(reason)) => {
            return Next::End(unchanged(&ssid, reason));
        }
        (Answer::Typed(typed), _) => reason_of(typed).map(str::to_owned),
        _ => Err(Text::of("I need the reason: it stands in every alert. /cancel leaves it.")),
    };
    match checked {
        Ok(reason) if was.as_ref() == Some(&reason) => Next::End(unchanged(&ssid, &reason)),
        Ok(reason) => Next::ask(WatchForm::Confirm { ssid, was, reason }, None),
        Err(words) => Next::ask(WatchForm::Reason { ssid, was }, Some(words)),
    }
}

fn confirm(ssid: Ssid, was: Option<String>, reason: String, now: Option<String>) -> Next {
    if now.as_ref() == Some(&reason) {
        return Next::End(unchanged(&ssid, &reason));
    }
    if now == was {
        return Next::Publish(vec![publish(&ssid, was.as_deref(), &reason)]);
    }
    let shown =
        |reason: &Option<String>| reason.clone().unwrap_or_else(|| "not watched".to_owned());
    let words = Text::of("Somebody changed this entry meanwhile:\n")
        .code(spelling::shown(&ssid))
        .plain(": ")
        .data(shown(&was))
        .plain(" → ")
        .bold(shown(&now))
        .plain("\nConfirming overwrites that.");
    Next::ask(WatchForm::Confirm { ssid, was: now, reason }, Some(words))
}

fn reason_of(typed: &str) -> Result<&str, Text> {
    line_of(typed, "reason", REASON_CHARS).map_err(|error| Text::of(sentence(&error.to_string())))
}

fn unchanged(ssid: &Ssid, reason: &str) -> Text {
    Text::new()
        .code(spelling::shown(ssid))
        .plain(" is watched already: ")
        .data(reason)
        .plain(". Nothing was changed.")
}

fn before(was: Option<&str>) -> Text {
    match was {
        Some(was) => Text::of(" (was: ").data(was).plain(")"),
        None => Text::new(),
    }
}

fn publish(ssid: &Ssid, was: Option<&str>, reason: &str) -> Publish {
    let saved = Text::new()
        .code(spelling::shown(ssid))
        .plain(" is watched now: ")
        .bold(reason)
        .then(before(was))
        .plain("\n/ssids shows the whole list.");
    records::watch(ssid, Some(reason), saved)
}

impl Asking<Form> for WatchForm {
    fn command(&self) -> &'static str {
        "/watch_ssid"
    }

    fn noun(&self) -> &'static str {
        "watch list entry"
    }

    fn question(&self, version: i64, _settings: &Settings) -> Say {
        match self {
            WatchForm::Ssid => {
                let text = Text::of("Which network is to be watched? Please send its name.")
                    .line()
                    .italic("Blanks at its ends go into quotation marks; ")
                    .code("hex:436f68")
                    .italic(" stands for bytes that cannot be typed.");
                Say::new(text).with(vec![vec![cancel(version)]]).asking("network's name")
            }
            WatchForm::Reason { ssid, was } => {
                let mut text = Text::of("Why is ")
                    .code(spelling::shown(ssid))
                    .plain(" watched? Please send the reason; it stands in every alert.");
                if let Some(was) = was {
                    text = text.line().italic("Now: ").data(was);
                    text = text.plain(" (/skip keeps it)");
                }
                Say::new(text).with(vec![ways_out(version)]).asking("reason")
            }
            WatchForm::Confirm { ssid, was, reason } => {
                let text = Text::of("Please confirm your watch list entry.\n")
                    .code(spelling::shown(ssid))
                    .plain(": ")
                    .bold(reason)
                    .then(before(was.as_deref()))
                    .plain("\n/y sends it, /n does not.");
                Say::new(text).with(yes_or_no(version))
            }
        }
    }

    fn needs(&self, answer: &Answer) -> Need {
        match (self, answer) {
            (WatchForm::Ssid, Answer::Typed(typed)) => {
                spelling::whole(typed).map_or(Need::Nothing, Need::Watch)
            }
            (WatchForm::Confirm { ssid, .. }, Answer::Yes) => Need::Watch(*ssid),
            _ => Need::Nothing,
        }
    }

    fn is_complete(&self) -> bool {
        matches!(self, WatchForm::Confirm { .. })
    }

    fn echo(&self, answer: &Answer, _settings: &Settings) -> Option<(&'static str, String)> {
        match (self, answer) {
            (WatchForm::Ssid, Answer::Typed(typed)) => Some(("network", typed.clone())),
            (WatchForm::Reason { .. }, Answer::Typed(typed)) => Some(("reason", typed.clone())),
            _ => None,
        }
    }
}
