//! The form of `/forget_device`: which device, and whether what was said of it is to go.

use serde::{Deserialize, Serialize};

use super::dialog::{Answer, Form, Looked, Need, Next};
use super::naming::state;
use super::records;
use super::which::Which;
use crate::kernel::dialog::{Asking, yes_or_no};
use crate::kernel::effect::{Publish, Say};
use crate::kernel::settings::Settings;
use crate::kernel::text::Text;
use crate::rooms::wifi::given::{Matches, Said, Target};
use crate::rooms::wifi::wire::Given;

/// A forgetting in progress.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ForgetForm {
    Device { which: Which },
    Confirm { which: Which, target: Target },
}

impl ForgetForm {
    pub fn open(typed: &str, offers: Vec<Said>, matches: Matches) -> Next {
        if typed.is_empty() && offers.is_empty() {
            return Next::End(Text::of(
                "Nothing was said of any device; there is nothing to forget.",
            ));
        }
        let which = Which::of(offers);
        match matches {
            Matches::One(target) if !typed.is_empty() => ask(which, target),
            matches => {
                let (which, words) = which.asked_again(typed, matches);
                Next::ask(ForgetForm::Device { which }, words)
            }
        }
    }

    /// Judges an answer.
    pub fn answer(self, answer: &Answer, looked: Looked) -> Next {
        match self {
            ForgetForm::Device { which } => match which.clone().choose(answer, looked) {
                Ok(target) => ask(which, target),
                Err((which, words)) => Next::ask(ForgetForm::Device { which }, Some(words)),
            },
            ForgetForm::Confirm { which, target } => match (answer, looked) {
                (Answer::Back, _) => Next::ask(ForgetForm::Device { which }, None),
                (_, Looked::Now(now)) => confirm(which, &target, now),
                _ => Next::repeat(ForgetForm::Confirm { which, target }, "Please confirm again."),
            },
        }
    }
}

fn ask(which: Which, target: Target) -> Next {
    if is_unsaid(&target) {
        return Next::End(nothing(&target));
    }
    Next::ask(ForgetForm::Confirm { which, target }, None)
}

fn is_unsaid(target: &Target) -> bool {
    target.devices.iter().all(|said| said.given == Given::default())
}

fn nothing(target: &Target) -> Text {
    Text::of("Nothing was said in a chat of ")
        .then(target.text())
        .plain("; there is nothing to forget.")
}

fn confirm(which: Which, before: &Target, now: Vec<Said>) -> Next {
    let target = Target { devices: now };
    if target == *before {
        return Next::Publish(vec![publish(&target)]);
    }
    if is_unsaid(&target) {
        return Next::End(Text::of("Somebody has forgotten it meanwhile; nothing is left to do."));
    }
    let words = "Somebody changed this device meanwhile; please look again.";
    Next::repeat(ForgetForm::Confirm { which, target }, words)
}

fn publish(target: &Target) -> Publish {
    let said = target.devices.iter().filter(|said| said.given != Given::default());
    let records = said.map(|said| records::of_device(said.mac, &Given::default())).collect();
    let saved = Text::of("What was said of ")
        .then(target.text())
        .plain(" is forgotten. Its probes stay counted.");
    records::devices(records, saved, &target.shown())
}

impl Asking<Form> for ForgetForm {
    fn command(&self) -> &'static str {
        "/forget_device"
    }

    fn noun(&self) -> &'static str {
        "device entry"
    }

    fn question(&self, version: i64, _settings: &Settings) -> Say {
        let (ForgetForm::Device { which } | ForgetForm::Confirm { which, .. }) = self;
        let ForgetForm::Confirm { target, .. } = self else {
            let text = "Of which device is everything to be forgotten that was said here?";
            return which.question(Text::of(text), version);
        };
        let mut text = Text::of("Forget what was said here of this device?");
        for said in &target.devices {
            text = text.line().code(said.mac.to_string()).plain(": ").bold(state(said));
            if let (Some(unifi), Some(_)) = (&said.unifi, &said.given.name) {
                text = text.plain("; then it is called ").data(unifi);
            }
        }
        Say::new(text.line().plain("/y sends it, /n does not.")).with(yes_or_no(version))
    }

    fn needs(&self, answer: &Answer) -> Need {
        match (self, answer) {
            (ForgetForm::Device { which }, answer) => which.needs(answer),
            (ForgetForm::Confirm { target, .. }, Answer::Yes) => Need::Now(target.macs()),
            _ => Need::Nothing,
        }
    }

    fn is_complete(&self) -> bool {
        matches!(self, ForgetForm::Confirm { .. })
    }

    fn echo(&self, answer: &Answer, _settings: &Settings) -> Option<(&'static str, String)> {
        match self {
            ForgetForm::Device { which } => which.echo(answer),
            ForgetForm::Confirm { .. } => None,
        }
    }
}
