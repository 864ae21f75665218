//! What can be said of a device beside its name: that it is ignored, or watched. It is said at once,
//! for it can be taken back as easily.

use serde::{Deserialize, Serialize};

use super::{buttons, records};
use crate::kernel::chat::Keyboard;
use crate::kernel::dialog::quoted;
use crate::kernel::effect::{Publish, Say};
use crate::kernel::text::Text;
use crate::rooms::wifi::given::{Matches, Said, Target};
use crate::rooms::wifi::wire::Given;

/// What is said of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mark {
    /// Nothing of it is news.
    Ignore,
    Unignore,
    /// Its absence and its return are told.
    Watch,
    Unwatch,
}

impl Mark {
    const ALL: [Mark; 4] = [Mark::Ignore, Mark::Unignore, Mark::Watch, Mark::Unwatch];

    pub fn word(self) -> &'static str {
        match self {
            Mark::Ignore => "ignore",
            Mark::Unignore => "unignore",
            Mark::Watch => "watch",
            Mark::Unwatch => "unwatch",
        }
    }

    pub fn of_word(word: &str) -> Option<Mark> {
        Mark::ALL.into_iter().find(|mark| mark.word() == word)
    }

    pub fn command(self) -> &'static str {
        match self {
            Mark::Ignore => "/ignore_device",
            Mark::Unignore => "/unignore_device",
            Mark::Watch => "/watch_device",
            Mark::Unwatch => "/unwatch_device",
        }
    }

    pub fn label(self) -> &'static str {
        match self {
            Mark::Ignore => "🙈 Ignore",
            Mark::Unignore => "🐵 Stop ignoring",
            Mark::Watch => "👁 Watch",
            Mark::Unwatch => "Stop watching",
        }
    }

    /// What is said of a device from then on. An ignored device is not watched, nor the other way
    /// round: the newer word counts.
    pub fn on(self, given: &Given) -> Given {
        let given = given.clone();
        match self {
            Mark::Ignore => Given { ignored: true, watched: false, ..given },
            Mark::Unignore => Given { ignored: false, ..given },
            Mark::Watch => Given { watched: true, ignored: false, ..given },
            Mark::Unwatch => Given { watched: false, ..given },
        }
    }

    /// How it is with a device of which this was said.
    fn state(self) -> &'static str {
        match self {
            Mark::Ignore => " is ignored",
            Mark::Unignore => " is not ignored",
            Mark::Watch => " is watched",
            Mark::Unwatch => " is not watched",
        }
    }

    /// What that means, and how it is taken back.
    fn meaning(self) -> &'static str {
        match self {
            Mark::Ignore => ": no alert is about it any more. /unignore_device takes that back.",
            Mark::Unignore => ": alerts may be about it again.",
            Mark::Watch => ": I tell when it has gone and when it is back.",
            Mark::Unwatch => ": I do not tell when it comes and goes.",
        }
    }

    /// The question for a device, as a conversation asks it.
    pub fn question(self) -> &'static str {
        match self {
            Mark::Ignore => "Which device is to be ignored?",
            Mark::Unignore => "Which device is not to be ignored any more?",
            Mark::Watch => "Which device is to be watched?",
            Mark::Unwatch => "Which device is not to be watched any more?",
        }
    }
}

/// Says it of a device. `Err` where it is so already.
pub fn publish(mark: Mark, target: &Target) -> Result<Publish, Text> {
    let records: Vec<_> = target
        .devices
        .iter()
        .map(|said| (said, mark.on(&said.given)))
        .filter(|(said, given)| *given != said.given)
        .map(|(said, given)| records::of_device(said.mac, &given))
        .collect();
    if records.is_empty() {
        return Err(target.text().plain(mark.state()).plain(" already."));
    }
    let mut saved = target.text().plain(mark.state()).plain(" now").plain(mark.meaning());
    if let Some(caveat) = target.caveat().filter(|_| mark == Mark::Watch) {
        saved = saved.line().italic(caveat);
    }
    Ok(records::devices(records, saved, &target.shown()))
}

/// What was meant is not one device: those that it could be, to tap.
pub fn not_one(mark: Mark, typed: &str, matches: &Matches) -> Say {
    match matches {
        Matches::One(_) => Say::new(Text::of(mark.question())),
        Matches::Several(several, total) => {
            let button = |said: &Said| vec![buttons::mark(said.shown(), mark, said.mac)];
            let text = Text::of(format!("{total} devices fit ")).code(typed).plain(". ");
            let keyboard: Keyboard = several.iter().map(button).collect();
            Say::new(text.plain(mark.question())).with(keyboard)
        }
        Matches::None(nearest) => {
            let text = Text::of("🛎 No result found for device ").data(quoted(typed));
            let near: Keyboard = nearest
                .iter()
                .filter_map(|name| buttons::mark_named(name, mark))
                .map(|button| vec![button])
                .collect();
            let hint = if near.is_empty() {
                "/devices lists those heard last."
            } else {
                "The closest names:"
            };
            Say::new(text.line().plain(hint)).with(near)
        }
    }
}
