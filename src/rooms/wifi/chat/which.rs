//! The question which device is meant, as all conversations about devices ask it.

use serde::{Deserialize, Serialize};

use super::dialog::{Answer, Looked, Need};
use crate::kernel::chat::Button;
use crate::kernel::dialog::{cancel, pick, quoted};
use crate::kernel::effect::Say;
use crate::kernel::text::Text;
use crate::rooms::wifi::given::{Matches, Said, Target, Who};

/// The devices that the question offers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Which {
    offers: Vec<Said>,
}

impl Which {
    pub fn of(offers: Vec<Said>) -> Which {
        Which { offers }
    }

    pub fn question(&self, text: Text, version: i64) -> Say {
        let button = |(index, said): (usize, &Said)| vec![pick(said.label(), version, index)];
        let mut rows: Vec<Vec<Button>> = self.offers.iter().enumerate().map(button).collect();
        rows.push(vec![cancel(version)]);
        let hint = "Its name, its MAC or a part of that; /devices lists those heard last.";
        Say::new(text.line().italic(hint)).with(rows).asking("name or MAC")
    }

    pub fn needs(&self, answer: &Answer) -> Need {
        match answer {
            Answer::Typed(typed) => Need::Who(Who::Typed(typed.clone())),
            Answer::Picked(index) => match self.offers.get(*index) {
                Some(said) => Need::Who(Who::Mac(said.mac)),
                None => Need::Nothing,
            },
            _ => Need::Nothing,
        }
    }

    pub fn echo(&self, answer: &Answer) -> Option<(&'static str, String)> {
        match answer {
            Answer::Picked(index) => Some(("device", self.offers.get(*index)?.label())),
            Answer::Typed(typed) => Some(("device", typed.clone())),
            _ => None,
        }
    }

    /// The device that was chosen; or the question with other offers, and what was wrong.
    pub fn choose(self, answer: &Answer, looked: Looked) -> Result<Target, (Which, Text)> {
        match (answer, looked) {
            (Answer::Back, _) => Err((self, Text::of("This is the first question."))),
            (_, Looked::Who(Matches::One(target))) => Ok(target),
            (Answer::Typed(typed), Looked::Who(matches)) => Err(self.unclear(typed, matches)),
            _ => {
                let words = "I need to know the device: send its name or MAC, or tap one.";
                Err((self, Text::of(words)))
            }
        }
    }

    fn unclear(self, typed: &str, matches: Matches) -> (Which, Text) {
        match matches {
            Matches::One(_) => (self, Text::of("Please send it again.")),
            Matches::Several(offers, total) => {
                (Which { offers }, Text::of(format!("{total} devices fit that.")))
            }
            Matches::None(nearest) => {
                let text = Text::of("🛎 No result found for device ").data(quoted(typed));
                if nearest.is_empty() {
                    return (self, text.plain("."));
                }
                let near = nearest.join(", ");
                (self, text.plain(". Did you mean ").data(near).plain("?"))
            }
        }
    }

    /// What was typed with the command was not one device.
    pub fn asked_again(self, typed: &str, matches: Matches) -> (Which, Option<Text>) {
        if typed.is_empty() {
            return (self, None);
        }
        let (which, words) = self.unclear(typed, matches);
        (which, Some(words))
    }
}
