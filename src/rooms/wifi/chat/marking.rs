//! The form of `/ignore_device`, `/watch_device` and what takes them back: which device?

use serde::{Deserialize, Serialize};

use super::dialog::{Answer, Form, Looked, Need, Next};
use super::marks::{self, Mark};
use super::which::Which;
use crate::kernel::dialog::Asking;
use crate::kernel::effect::Say;
use crate::kernel::settings::Settings;
use crate::kernel::text::Text;
use crate::rooms::wifi::given::Said;

/// It waits for the device; what is said of it is known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MarkForm {
    mark: Mark,
    which: Which,
}

impl MarkForm {
    pub fn open(mark: Mark, offers: Vec<Said>) -> Next {
        let nothing = match mark {
            Mark::Unignore => Some("No device is ignored."),
            Mark::Unwatch => Some("No device is watched."),
            Mark::Ignore | Mark::Watch => None,
        };
        match nothing.filter(|_| offers.is_empty()) {
            Some(words) => Next::End(Text::of(words)),
            None => Next::ask(MarkForm { mark, which: Which::of(offers) }, None),
        }
    }

    /// Judges an answer.
    pub fn answer(self, answer: &Answer, looked: Looked) -> Next {
        let mark = self.mark;
        match self.which.choose(answer, looked) {
            Ok(target) => match marks::publish(mark, &target) {
                Ok(publish) => Next::Publish(vec![publish]),
                Err(already) => Next::End(already),
            },
            Err((which, words)) => Next::ask(MarkForm { mark, which }, Some(words)),
        }
    }
}

impl Asking<Form> for MarkForm {
    fn command(&self) -> &'static str {
        self.mark.command()
    }

    fn noun(&self) -> &'static str {
        "device entry"
    }

    fn question(&self, version: i64, _settings: &Settings) -> Say {
        self.which.question(Text::of(self.mark.question()), version)
    }

    fn needs(&self, answer: &Answer) -> Need {
        self.which.needs(answer)
    }

    fn is_complete(&self) -> bool {
        false
    }

    fn echo(&self, answer: &Answer, _settings: &Settings) -> Option<(&'static str, String)> {
        self.which.echo(answer)
    }
}
