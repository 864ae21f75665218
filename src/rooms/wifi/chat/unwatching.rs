//! The form of `/unwatch_ssid`: which network is not watched any more. It is done at once, for it
//! can be taken back as easily.

use serde::{Deserialize, Serialize};

use super::dialog::{Answer, Form, Looked, Need, Next};
use super::records;
use super::spelling;
use crate::kernel::chat::Keyboard;
use crate::kernel::dialog::{Asking, cancel, pick};
use crate::kernel::effect::{Publish, Say};
use crate::kernel::settings::Settings;
use crate::kernel::text::Text;
use crate::rooms::wifi::types::Ssid;

/// Networks that the question offers; any other can be typed.
const OFFERS_LIMIT: usize = 8;

/// It waits for the network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UnwatchForm {
    offers: Vec<Ssid>,
}

impl UnwatchForm {
    /// Begins with what was typed behind the command; a network that is watched needs no question.
    pub fn open(typed: &str, mut offers: Vec<Ssid>, reason: Option<String>) -> Next {
        if offers.is_empty() {
            return Next::End(Text::of("No network is watched; /watch_ssid watches one."));
        }
        offers.truncate(OFFERS_LIMIT);
        let form = UnwatchForm { offers };
        if typed.is_empty() {
            return Next::ask(form, None);
        }
        form.judge(typed, reason)
    }

    /// Judges an answer.
    pub fn answer(self, answer: &Answer, looked: Looked) -> Next {
        let reason = match looked {
            Looked::Watch(reason) => reason,
            _ => None,
        };
        match answer {
            Answer::Back => Next::repeat(self, "This is the first question."),
            Answer::Typed(typed) => self.judge(typed, reason),
            Answer::Picked(index) => match self.offers.get(*index).copied() {
                Some(ssid) => self.take_off(&ssid, reason),
                None => Next::repeat(self, "Please tap one, or send its name."),
            },
            _ => Next::repeat(self, "I need to know the network: tap one, or send its name."),
        }
    }

    fn judge(self, typed: &str, reason: Option<String>) -> Next {
        match spelling::whole(typed) {
            Ok(ssid) => self.take_off(&ssid, reason),
            Err(error) => Next::ask(self, Some(error.words())),
        }
    }

    fn take_off(self, ssid: &Ssid, reason: Option<String>) -> Next {
        match reason {
            Some(reason) => Next::Publish(vec![publish(ssid, &reason)]),
            None => {
                let words = Text::new().code(spelling::shown(ssid)).plain(" is not watched.");
                Next::ask(self, Some(words))
            }
        }
    }
}

/// Takes a network off the list.
pub(super) fn publish(ssid: &Ssid, was: &str) -> Publish {
    let saved = Text::new().code(spelling::shown(ssid)).plain(" is not watched any more (was: ");
    records::watch(ssid, None, saved.data(was).plain(")."))
}

impl Asking<Form> for UnwatchForm {
    fn command(&self) -> &'static str {
        "/unwatch_ssid"
    }

    fn noun(&self) -> &'static str {
        "watch list entry"
    }

    fn question(&self, version: i64, _settings: &Settings) -> Say {
        let button =
            |(index, ssid): (usize, &Ssid)| vec![pick(spelling::shown(ssid), version, index)];
        let mut rows: Keyboard = self.offers.iter().enumerate().map(button).collect();
        rows.push(vec![cancel(version)]);
        let text = Text::of("Which network is not to be watched any more?");
        Say::new(text).with(rows).asking("network's name")
    }

    fn needs(&self, answer: &Answer) -> Need {
        match answer {
            Answer::Typed(typed) => spelling::whole(typed).map_or(Need::Nothing, Need::Watch),
            Answer::Picked(index) => {
                self.offers.get(*index).map_or(Need::Nothing, |ssid| Need::Watch(*ssid))
            }
            _ => Need::Nothing,
        }
    }

    fn is_complete(&self) -> bool {
        false
    }

    fn echo(&self, answer: &Answer, _settings: &Settings) -> Option<(&'static str, String)> {
        match answer {
            Answer::Typed(typed) => Some(("network", typed.clone())),
            Answer::Picked(index) => Some(("network", self.offers.get(*index)?.to_string())),
            _ => None,
        }
    }
}
