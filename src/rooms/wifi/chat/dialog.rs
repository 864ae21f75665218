//! The room's conversations: what begins each, what each needs looked up, and its form.

use serde::{Deserialize, Serialize};

use super::forgetting::ForgetForm;
use super::marking::MarkForm;
use super::marks::Mark;
use super::naming::NameForm;
use super::unwatching::UnwatchForm;
use super::watching::WatchForm;
use crate::kernel::dialog::{self, Asking, Forms};
use crate::kernel::settings::Settings;
use crate::rooms::wifi::given::{Matches, Said, Who};
use crate::rooms::wifi::types::{MacAddr, Ssid};

pub type Answer = dialog::Answer<Opening>;
pub type Dialog = dialog::Dialog<Form>;
pub type Next = dialog::Next<Form>;

/// A conversation that a command or a button begins, with what was typed behind the command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Opening {
    /// A device and its name.
    Name(String),
    /// The name of a device whose button was tapped, or of all that share its name.
    NameOf {
        mac: MacAddr,
        all: bool,
    },
    Mark(Mark),
    Forget(String),
    /// A network and the reason.
    Watch(String),
    Unwatch(String),
}

/// What an answer needs looked up before it can be judged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Need {
    #[default]
    Nothing,
    /// The device that is meant.
    Who(Who),
    /// Devices as they are now.
    Now(Vec<MacAddr>),
    /// Why a network is watched now.
    Watch(Ssid),
    Opening(Opening),
}

/// What the views know about it.
#[derive(Debug, Clone, PartialEq)]
pub enum Looked {
    Nothing,
    Who(Matches),
    Now(Vec<Said>),
    Watch(Option<String>),
    Opened(Box<Opened>),
}

/// What a conversation begins with.
#[derive(Debug, Clone, PartialEq)]
pub enum Opened {
    /// Devices to offer; who was typed, and the text behind it.
    Device { offers: Vec<Said>, matches: Matches, rest: String },
    /// Why the typed network is watched, if it is.
    Watch(Option<String>),
    /// The watched networks, and why the typed one is watched.
    Unwatch(Vec<Ssid>, Option<String>),
}

/// One of the room's conversations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Form {
    Name(NameForm),
    Mark(MarkForm),
    Forget(ForgetForm),
    Watch(WatchForm),
    Unwatch(UnwatchForm),
}

impl From<NameForm> for Form {
    fn from(form: NameForm) -> Form {
        Form::Name(form)
    }
}

impl From<MarkForm> for Form {
    fn from(form: MarkForm) -> Form {
        Form::Mark(form)
    }
}

impl From<ForgetForm> for Form {
    fn from(form: ForgetForm) -> Form {
        Form::Forget(form)
    }
}

impl From<WatchForm> for Form {
    fn from(form: WatchForm) -> Form {
        Form::Watch(form)
    }
}

impl From<UnwatchForm> for Form {
    fn from(form: UnwatchForm) -> Form {
        Form::Unwatch(form)
    }
}

impl Forms for Form {
    type Opening = Opening;
    type Need = Need;
    type Looked = Looked;
    type Opened = Opened;

    fn need_of(opening: Opening) -> Need {
        Need::Opening(opening)
    }

    fn opened_of(looked: Looked) -> Option<Opened> {
        match looked {
            Looked::Opened(opened) => Some(*opened),
            _ => None,
        }
    }

    fn open(opening: &Opening, opened: Opened) -> Option<Next> {
        Some(match (opening, opened) {
            (Opening::Name(typed), Opened::Device { offers, matches, rest }) => {
                NameForm::open(typed, offers, matches, &rest)
            }
            (Opening::NameOf { mac, .. }, Opened::Device { offers, matches, .. }) => {
                NameForm::open(&mac.to_string(), offers, matches, "")
            }
            (Opening::Mark(mark), Opened::Device { offers, .. }) => MarkForm::open(*mark, offers),
            (Opening::Forget(typed), Opened::Device { offers, matches, .. }) => {
                ForgetForm::open(typed, offers, matches)
            }
            (Opening::Watch(typed), Opened::Watch(reason)) => WatchForm::open(typed, reason),
            (Opening::Unwatch(typed), Opened::Unwatch(networks, reason)) => {
                UnwatchForm::open(typed, networks, reason)
            }
            _ => return None,
        })
    }

    fn typed(opening: &Opening) -> String {
        let mac_text;
        let (command, typed) = match opening {
            Opening::Name(typed) => ("/name_device", typed.as_str()),
            Opening::NameOf { mac, .. } => {
                mac_text = mac.to_string();
                ("/name_device", mac_text.as_str())
            }
            Opening::Mark(mark) => (mark.command(), ""),
            Opening::Forget(typed) => ("/forget_device", typed.as_str()),
            Opening::Watch(typed) => ("/watch_ssid", typed.as_str()),
            Opening::Unwatch(typed) => ("/unwatch_ssid", typed.as_str()),
        };
        format!("{command} {typed}").trim_end().to_owned()
    }

    fn asking(&self) -> &dyn Asking<Form> {
        match self {
            Form::Name(form) => form,
            Form::Mark(form) => form,
            Form::Forget(form) => form,
            Form::Watch(form) => form,
            Form::Unwatch(form) => form,
        }
    }

    fn answer(self, answer: &Answer, looked: Looked, _settings: &Settings) -> Next {
        match self {
            Form::Name(form) => form.answer(answer, looked),
            Form::Mark(form) => form.answer(answer, looked),
            Form::Forget(form) => form.answer(answer, looked),
            Form::Watch(form) => form.answer(answer, looked),
            Form::Unwatch(form) => form.answer(answer, looked),
        }
    }
}
