//! The form of `/name_device`: which device, and what it is to be called.

use serde::{Deserialize, Serialize};

use super::dialog::{Answer, Form, Looked, Need, Next};
use super::records;
use super::which::Which;
use crate::kernel::dialog::{Asking, sentence, ways_out, yes_or_no};
use crate::kernel::effect::{Publish, Say};
use crate::kernel::name::Name;
use crate::kernel::settings::Settings;
use crate::kernel::text::Text;
use crate::rooms::wifi::given::{Matches, Said, Target};
use crate::rooms::wifi::wire::Given;

/// A naming in progress.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum NameForm {
    Device { which: Which },
    Name { which: Which, target: Target },
    Confirm { which: Which, target: Target, name: Name },
}

impl NameForm {
    /// Begins with what was typed behind the command: nothing, a device, or a device and its name,
    /// which needs no question.
    pub fn open(typed: &str, offers: Vec<Said>, matches: Matches, rest: &str) -> Next {
        let which = Which::of(offers);
        let target = match matches {
            Matches::One(target) if !typed.is_empty() => target,
            matches => {
                let (which, words) = which.asked_again(typed, matches);
                return Next::ask(NameForm::Device { which }, words);
            }
        };
        if rest.is_empty() {
            return Next::ask(NameForm::Name { which, target }, None);
        }
        match rest.parse::<Name>() {
            Ok(name) if is_called(&target, &name) => Next::End(unchanged(&target, &name)),
            Ok(name) => Next::Publish(vec![publish(&target, &name)]),
            Err(error) => {
                let words = Text::of(sentence(&error.to_string()));
                Next::ask(NameForm::Name { which, target }, Some(words))
            }
        }
    }

    /// Judges an answer.
    pub fn answer(self, answer: &Answer, looked: Looked) -> Next {
        match self {
            NameForm::Device { which } => match which.clone().choose(answer, looked) {
                Ok(target) => Next::ask(NameForm::Name { which, target }, None),
                Err((which, words)) => Next::ask(NameForm::Device { which }, Some(words)),
            },
            NameForm::Name { which, target } => answer_name(which, target, answer),
            NameForm::Confirm { which, target, name } => match (answer, looked) {
                (Answer::Back, _) => Next::ask(NameForm::Name { which, target }, None),
                (_, Looked::Now(now)) => confirm(which, target, name, now),
                _ => {
                    Next::repeat(NameForm::Confirm { which, target, name }, "Please confirm again.")
                }
            },
        }
    }
}

fn answer_name(which: Which, target: Target, answer: &Answer) -> Next {
    let words = match answer {
        Answer::Back => return Next::ask(NameForm::Device { which }, None),
        Answer::Typed(typed) => match typed.parse::<Name>() {
            Ok(name) if is_called(&target, &name) => return Next::End(unchanged(&target, &name)),
            Ok(name) => return Next::ask(NameForm::Confirm { which, target, name }, None),
            Err(error) => sentence(&error.to_string()),
        },
        _ => "That is not an answer to this question: I need a name. /cancel leaves it as it is."
            .to_owned(),
    };
    Next::ask(NameForm::Name { which, target }, Some(Text::of(words)))
}

fn confirm(which: Which, before: Target, name: Name, now: Vec<Said>) -> Next {
    let target = Target { devices: now };
    if is_called(&target, &name) {
        return Next::End(unchanged(&target, &name));
    }
    if target == before {
        return Next::Publish(vec![publish(&target, &name)]);
    }
    let words = difference(&before, &target);
    Next::ask(NameForm::Confirm { which, target, name }, Some(words))
}

/// Does everything of it have this name, given in chat?
fn is_called(target: &Target, name: &Name) -> bool {
    target.devices.iter().all(|said| said.given.name.as_deref() == Some(name.as_str()))
}

fn unchanged(target: &Target, name: &Name) -> Text {
    addresses(target)
        .plain(" is called ")
        .bold(name.as_str())
        .plain(" already; nothing was changed.")
}

/// A device by its address, or several by their number.
fn addresses(target: &Target) -> Text {
    match target.devices.as_slice() {
        [only] => Text::new().code(only.mac.to_string()),
        several => Text::of(format!("Each of {} addresses", several.len())),
    }
}

fn was(target: &Target) -> Text {
    match target.devices.first().and_then(Said::name) {
        Some(name) => Text::of(" (was ").data(name).plain(")"),
        None => Text::new(),
    }
}

fn publish(target: &Target, name: &Name) -> Publish {
    let named = |said: &Said| {
        let given = Given { name: Some(name.as_str().to_owned()), ..said.given.clone() };
        records::of_device(said.mac, &given)
    };
    let saved = addresses(target)
        .plain(" is called ")
        .bold(name.as_str())
        .plain(" now")
        .then(was(target))
        .plain(".\n")
        .code(format!("/device {name}"))
        .plain(" shows it.");
    records::devices(target.devices.iter().map(named).collect(), saved, name.as_str())
}

/// What somebody else said of the devices meanwhile.
fn difference(before: &Target, now: &Target) -> Text {
    let mut text = Text::of("Somebody changed this device meanwhile:");
    for (was, is) in before.devices.iter().zip(&now.devices).filter(|(was, is)| was != is) {
        text = text
            .line()
            .code(is.mac.to_string())
            .plain(": ")
            .data(state(was))
            .plain(" → ")
            .bold(state(is));
    }
    text.line().plain("Confirming changes its name alone.")
}

/// A device in a few words.
pub(super) fn state(said: &Said) -> String {
    let mut words = vec![said.name().map_or_else(|| "no name".to_owned(), str::to_owned)];
    words.extend(said.given.ignored.then(|| "ignored".to_owned()));
    words.extend(said.given.watched.then(|| "watched".to_owned()));
    words.join(", ")
}

impl Asking<Form> for NameForm {
    fn command(&self) -> &'static str {
        "/name_device"
    }

    fn noun(&self) -> &'static str {
        "device name"
    }

    fn question(&self, version: i64, _settings: &Settings) -> Say {
        match self {
            NameForm::Device { which } => {
                which.question(Text::of("Which device is to be named?"), version)
            }
            NameForm::Name { target, .. } => {
                let mut text = Text::of("What is ")
                    .then(target.text())
                    .plain(" to be called? Please send a name of 1 to 64 characters.");
                if let Some(unifi) = target.devices.first().and_then(|said| said.unifi.as_ref()) {
                    text = text.line().italic("UniFi calls it: ").data(unifi);
                }
                if let Some(caveat) = target.caveat() {
                    text = text.line().italic(caveat);
                }
                Say::new(text).with(vec![ways_out(version)]).asking("name")
            }
            NameForm::Confirm { target, name, .. } => {
                let text = Text::of("Please confirm the device's name.\n")
                    .then(addresses(target))
                    .plain(" is called ")
                    .bold(name.as_str())
                    .then(was(target))
                    .plain("\n/y sends it, /n does not.");
                Say::new(text).with(yes_or_no(version))
            }
        }
    }

    fn needs(&self, answer: &Answer) -> Need {
        match (self, answer) {
            (NameForm::Device { which }, answer) => which.needs(answer),
            (NameForm::Confirm { target, .. }, Answer::Yes) => Need::Now(target.macs()),
            _ => Need::Nothing,
        }
    }

    fn is_complete(&self) -> bool {
        matches!(self, NameForm::Confirm { .. })
    }

    fn echo(&self, answer: &Answer, _settings: &Settings) -> Option<(&'static str, String)> {
        match (self, answer) {
            (NameForm::Device { which }, answer) => which.echo(answer),
            (NameForm::Name { .. }, Answer::Typed(typed)) => Some(("name", typed.clone())),
            _ => None,
        }
    }
}
