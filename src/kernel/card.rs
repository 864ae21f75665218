//! An alert that lasts has a card: one message that changes in place as its state does, with
//! buttons for what people say to it.
//!
//! Invariant: what is acknowledged, snoozed or silenced is not told again by itself; a reaction
//! that was made already changes nothing.

use serde::{Deserialize, Serialize};

use super::chat::{Button, Keyboard};
use super::text::Text;
use super::time::{HOUR_MS, LAST_EVENT_MS, MINUTE_MS};

/// How long a tap on *snooze* keeps an alert quiet.
pub const SNOOZE_MS: i64 = 6 * HOUR_MS;
/// A second tap within this time is a double tap and no new wish.
const DOUBLE_TAP_MS: i64 = MINUTE_MS;
/// Fewer alerts of one step than this are a message each.
pub const GROUP_MIN: usize = 4;
/// More than this are left to the digest, which names them all in one message.
pub const GROUP_MAX: usize = 20;

/// How the data of a card's button begins; then come the reaction, what it is about, and since
/// when.
const ONE: &str = "card:";
/// How the data of the buttons begins that stand for every alert of a message.
const ALL: &str = "cards:";

/// What makes an alert one that lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// Event time: with what it is about, this tells one episode from the next.
    pub since_ms: i64,
    /// It is told again so often while nobody reacts; `None`: once.
    pub repeat_ms: Option<i64>,
}

/// An alert that lasted is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    pub about: String,
    /// The card's own.
    pub since_ms: i64,
    /// The card's last line.
    pub words: Text,
    /// The quiet message about it; none where another alert tells more.
    pub brief: Option<Text>,
}

/// Where an alert that lasts stands with people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stance {
    Firing,
    Acknowledged {
        by: String,
    },
    Snoozed {
        /// People's clock.
        until_ms: i64,
        by: String,
    },
    /// Nothing more is told of it, not even when it comes again.
    Silenced {
        by: String,
    },
}

/// What somebody makes of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    Acknowledge,
    Snooze,
    Silence,
    /// The end of a silence.
    TellAgain,
}

impl Reaction {
    const ALL: [Reaction; 4] =
        [Reaction::Acknowledge, Reaction::Snooze, Reaction::Silence, Reaction::TellAgain];

    fn word(self) -> &'static str {
        match self {
            Reaction::Acknowledge => "ack",
            Reaction::Snooze => "snooze",
            Reaction::Silence => "silence",
            Reaction::TellAgain => "tell",
        }
    }

    fn label(self) -> &'static str {
        match self {
            Reaction::Acknowledge => "✔️ Acknowledge",
            Reaction::Snooze => "😴 Snooze 6 h",
            Reaction::Silence => "🔕 Silence",
            Reaction::TellAgain => "🔔 Tell again",
        }
    }

    fn of_word(word: &str) -> Option<Reaction> {
        Reaction::ALL.into_iter().find(|reaction| reaction.word() == word)
    }
}

/// What a tap on a card's button asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tap {
    One {
        reaction: Reaction,
        about: String,
        since_ms: i64,
    },
    /// For every alert of the tapped message.
    All(Reaction),
}

impl Tap {
    pub fn of(data: &str) -> Option<Tap> {
        if let Some(word) = data.strip_prefix(ALL) {
            return Some(Tap::All(Reaction::of_word(word)?));
        }
        let (word, rest) = data.strip_prefix(ONE)?.split_once(':')?;
        let (about, since_ms) = rest.rsplit_once(':')?;
        let reaction = Reaction::of_word(word)?;
        Some(Tap::One { reaction, about: about.to_owned(), since_ms: since_ms.parse().ok()? })
    }

    pub fn reaction(&self) -> Reaction {
        match self {
            Tap::One { reaction, .. } | Tap::All(reaction) => *reaction,
        }
    }
}

impl Stance {
    /// What a reaction makes of it. `None`: it had been made already.
    pub fn after(&self, reaction: Reaction, by: &str, now_ms: i64) -> Option<Stance> {
        let by = by.to_owned();
        match (self, reaction) {
            (Stance::Acknowledged { .. }, Reaction::Acknowledge)
            | (Stance::Silenced { .. }, Reaction::Silence)
            | (Stance::Firing, Reaction::TellAgain) => None,
            (Stance::Snoozed { until_ms, .. }, Reaction::Snooze)
                if *until_ms > now_ms + SNOOZE_MS - DOUBLE_TAP_MS =>
            {
                None
            }
            (_, Reaction::Acknowledge) => Some(Stance::Acknowledged { by }),
            (_, Reaction::Snooze) => Some(Stance::Snoozed { until_ms: now_ms + SNOOZE_MS, by }),
            (_, Reaction::Silence) => Some(Stance::Silenced { by }),
            (_, Reaction::TellAgain) => Some(Stance::Firing),
        }
    }

    /// Until when nothing is told of what it is about; `None` where that is no question of time.
    pub fn quiet_until(&self) -> Option<i64> {
        match self {
            Stance::Firing | Stance::Acknowledged { .. } => None,
            Stance::Snoozed { until_ms, .. } => Some(*until_ms),
            Stance::Silenced { .. } => Some(LAST_EVENT_MS),
        }
    }

    /// How an alert begins of which nothing is to be told until then.
    pub fn of_quiet(until_ms: i64) -> Stance {
        let by = String::new();
        match until_ms {
            LAST_EVENT_MS.. => Stance::Silenced { by },
            until_ms => Stance::Snoozed { until_ms, by },
        }
    }

    /// When it is told (again), by people's clock, if it was told at `told_ms`.
    pub fn next_ms(&self, told_ms: i64, repeat_ms: Option<i64>) -> Option<i64> {
        match self {
            Stance::Firing => repeat_ms.map(|repeat_ms| told_ms.saturating_add(repeat_ms)),
            Stance::Snoozed { until_ms, .. } => Some(*until_ms),
            Stance::Acknowledged { .. } | Stance::Silenced { .. } => None,
        }
    }

    fn words(&self) -> Option<Text> {
        let by = |text: Text, by: &str| match by {
            "" => text,
            by => text.plain(" by ").data(by),
        };
        Some(match self {
            Stance::Firing => return None,
            Stance::Acknowledged { by: who } => by(Text::of("✔️ Acknowledged"), who),
            Stance::Snoozed { until_ms, by: who } => {
                by(Text::of("😴 Snoozed until ").clock(*until_ms), who)
            }
            Stance::Silenced { by: who } => by(Text::of("🔕 Silenced"), who),
        })
    }

    fn reactions(&self) -> &'static [Reaction] {
        match self {
            Stance::Firing => &[Reaction::Acknowledge, Reaction::Snooze, Reaction::Silence],
            Stance::Acknowledged { .. } => &[Reaction::Silence],
            Stance::Snoozed { .. } => &[Reaction::Acknowledge, Reaction::Silence],
            Stance::Silenced { .. } => &[Reaction::TellAgain],
        }
    }
}

/// A message, or an alert's part of one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Face {
    /// What a message says that is about this alert alone.
    pub words: Text,
    /// The same in one line, among others.
    pub line: Text,
    pub keyboard: Keyboard,
}

impl Face {
    /// Another message has taken its place.
    #[must_use]
    pub fn moved(self) -> Face {
        let moved = "⤵️ Told again below";
        Face {
            words: self.words.below(Text::of(moved)),
            line: self.line.plain(format!(" · {moved}")),
            keyboard: Keyboard::new(),
        }
    }
}

/// An alert as its card is drawn from it.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    pub about: String,
    pub since_ms: i64,
    pub text: Text,
    pub brief: Text,
    /// The room's own buttons.
    pub keyboard: Keyboard,
}

impl Subject {
    /// The card while the alert lasts.
    pub fn face(&self, stance: &Stance) -> Face {
        let (mut words, mut line) = (self.text.clone(), self.brief.clone());
        if let Some(said) = stance.words() {
            words = words.below(said.clone());
            line = line.plain(" · ").then(said);
        }
        let mut keyboard = Keyboard::new();
        for pair in stance.reactions().chunks(2) {
            keyboard.push(pair.iter().map(|reaction| self.button(*reaction)).collect());
        }
        keyboard.extend(self.keyboard.iter().cloned());
        Face { words, line, keyboard }
    }

    /// The card once it is over. A silence outlives its alert, and so does the way out of it.
    pub fn face_over(&self, ending: &Ending, stance: &Stance) -> Face {
        let mut keyboard = self.keyboard.clone();
        if matches!(stance, Stance::Silenced { .. }) {
            keyboard.insert(0, vec![self.button(Reaction::TellAgain)]);
        }
        Face {
            words: self.text.clone().below(ending.words.clone()),
            line: self.brief.clone().plain(" · ").then(ending.words.clone()),
            keyboard,
        }
    }

    fn button(&self, reaction: Reaction) -> Button {
        let data = format!("{ONE}{}:{}:{}", reaction.word(), self.about, self.since_ms);
        Button::new(reaction.label(), data)
    }
}

/// One message of several alerts that were told at once.
pub fn group(faces: &[Face], is_live: bool) -> (Text, Keyboard) {
    let mut text = Text::new().bold(format!("{} alerts", faces.len())).plain(" at once:");
    for face in faces {
        text = text.below(face.line.clone());
    }
    let mut keyboard = Keyboard::new();
    if is_live {
        let all = [
            (Reaction::Acknowledge, "✔️ Acknowledge all"),
            (Reaction::Snooze, "😴 Snooze all 6 h"),
        ];
        let button = |(reaction, label): (Reaction, &str)| {
            Button::new(label, format!("{ALL}{}", reaction.word()))
        };
        keyboard.push(all.map(button).to_vec());
    }
    (text, keyboard)
}

/// What a tap is answered with.
pub fn answer(reaction: Reaction, is_new: bool, now_ms: i64) -> Text {
    match (reaction, is_new) {
        (Reaction::Acknowledge, true) => Text::of("Acknowledged. I tell you when it is over."),
        (Reaction::Acknowledge, false) => Text::of("That was acknowledged already."),
        (Reaction::Snooze, true) => Text::of("Snoozed until ").clock(now_ms + SNOOZE_MS).plain("."),
        (Reaction::Snooze, false) => Text::of("That is snoozed already."),
        (Reaction::Silence, true) => {
            Text::of("Silenced: I tell nothing more of it until you want to hear of it again.")
        }
        (Reaction::Silence, false) => Text::of("That is silenced already."),
        (Reaction::TellAgain, true) => Text::of("I tell of it again."),
        (Reaction::TellAgain, false) => Text::of("I tell of it as it is."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject() -> Subject {
        Subject {
            about: "plants:2147483647:drying".to_owned(),
            since_ms: LAST_EVENT_MS,
            text: Text::of("too cold"),
            brief: Text::of("cold"),
            keyboard: vec![vec![Button::new("open", "plant:show:7")]],
        }
    }

    const ADA: &str = "Ada";

    #[test]
    fn every_button_of_a_card_fits_and_is_read_back() {
        let stances = [
            Stance::Firing,
            Stance::Acknowledged { by: ADA.to_owned() },
            Stance::Snoozed { until_ms: 0, by: ADA.to_owned() },
            Stance::Silenced { by: ADA.to_owned() },
        ];
        for stance in stances {
            let face = subject().face(&stance);
            let datas: Vec<&str> =
                face.keyboard.iter().flatten().filter_map(Button::data).collect();
            assert_eq!(datas.last(), Some(&"plant:show:7"));
            let taps: Vec<Reaction> = datas
                .iter()
                .filter_map(|data| {
                    assert!(data.len() <= 64, "{data}");
                    let tap = Tap::of(data)?;
                    let (about, since_ms) = (subject().about, LAST_EVENT_MS);
                    let reaction = tap.reaction();
                    assert_eq!(tap, Tap::One { reaction, about, since_ms });
                    Some(reaction)
                })
                .collect();
            assert_eq!(taps, stance.reactions());
        }
        assert_eq!(Tap::of("cards:ack"), Some(Tap::All(Reaction::Acknowledge)));
        for data in ["card:", "card:ack:plants", "card:boil:x:1", "cards:", "card:ack:x:y"] {
            assert_eq!(Tap::of(data), None, "{data}");
        }
    }

    /// F29: a double tap is answered and changes nothing.
    #[test]
    fn a_reaction_counts_once() {
        let mut stance = Stance::Firing;
        for reaction in Reaction::ALL {
            let next = stance.after(reaction, ADA, 5).unwrap();
            assert_eq!(next.after(reaction, "Bob", 6), None, "{reaction:?}");
            stance = next;
        }
        assert_eq!(stance, Stance::Firing);
        let snoozed = Stance::Snoozed { until_ms: 5 + SNOOZE_MS, by: ADA.to_owned() };
        assert!(snoozed.after(Reaction::Snooze, ADA, 5 + HOUR_MS).is_some());
    }

    #[test]
    fn a_card_says_who_has_seen_to_it() {
        let by = ADA.to_owned();
        let snoozed = subject().face(&Stance::Snoozed { until_ms: 18 * HOUR_MS, by });
        assert_eq!(snoozed.words.to_plain(), "too cold\n😴 Snoozed until 18:00 by Ada");
        assert_eq!(snoozed.line.to_plain(), "cold · 😴 Snoozed until 18:00 by Ada");
        let ending =
            Ending {
                about: subject().about, since_ms: 0, words: Text::of("✅ Over"), brief: None
            };
        let over = subject().face_over(&ending, &Stance::Firing);
        assert_eq!(over.words.to_plain(), "too cold\n✅ Over");
        assert_eq!(over.keyboard, subject().keyboard);
        let silenced = subject().face_over(&ending, &Stance::of_quiet(LAST_EVENT_MS));
        assert_eq!(silenced.keyboard.len(), 2);
    }
}
