//! An alert that lasts has a card: one message that changes in place as its state does, with
//! buttons for what people say to it.
//!
//! Invariant: what is acknowledged, snoozed or silenced is not told again by itself; a reaction
//! that was made already changes nothing, and a silence ends by *tell again* alone.

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

/// One time that something lasted, among those about the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Episode {
    pub about: String,
    /// The card's own.
    pub since_ms: i64,
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
        /// The house's clock.
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
    /// What a reaction makes of it. `None`: nothing, since it was made already, or the button was
    /// of an earlier state. So a tap that means many ends no silence, and puts off nothing that
    /// somebody has seen to.
    pub fn after(&self, reaction: Reaction, by: &str, now_ms: i64) -> Option<Stance> {
        let by = by.to_owned();
        match (self, reaction) {
            (Stance::Silenced { .. }, Reaction::TellAgain) => Some(Stance::Firing),
            (Stance::Silenced { .. }, _)
            | (_, Reaction::TellAgain)
            | (Stance::Acknowledged { .. }, Reaction::Acknowledge | Reaction::Snooze) => None,
            (Stance::Snoozed { until_ms, .. }, Reaction::Snooze)
                if *until_ms > now_ms + SNOOZE_MS - DOUBLE_TAP_MS =>
            {
                None
            }
            (_, Reaction::Acknowledge) => Some(Stance::Acknowledged { by }),
            (_, Reaction::Snooze) => Some(Stance::Snoozed { until_ms: now_ms + SNOOZE_MS, by }),
            (_, Reaction::Silence) => Some(Stance::Silenced { by }),
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

    /// When it is told (again), by the house's clock, if it was told at `told_ms`.
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
    /// It is worth no sound: somebody has seen to it, or it is over.
    #[serde(default)]
    pub is_quiet: bool,
}

impl Face {
    /// Can somebody still say something to it?
    pub fn asks(&self) -> bool {
        self.keyboard.iter().any(|row| is_reaction(row))
    }

    /// Nobody has to say anything to it any more.
    #[must_use]
    pub fn settled(mut self) -> Face {
        self.keyboard.retain(|row| !is_reaction(row));
        Face { is_quiet: true, ..self }
    }

    /// Another message has taken its place.
    #[must_use]
    pub fn moved(self) -> Face {
        let moved = "⤵️ Told again below";
        Face {
            words: self.words.below(Text::of(moved)),
            line: self.line.plain(format!(" · {moved}")),
            keyboard: Keyboard::new(),
            is_quiet: true,
        }
    }
}

/// A card's rows hold its own buttons or the room's.
fn is_reaction(row: &[Button]) -> bool {
    row.iter().filter_map(Button::data).any(|data| Tap::of(data).is_some())
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
    pub fn episode(&self) -> Episode {
        Episode { about: self.about.clone(), since_ms: self.since_ms }
    }

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
        Face { words, line, keyboard, is_quiet: *stance != Stance::Firing }
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
            is_quiet: true,
        }
    }

    fn button(&self, reaction: Reaction) -> Button {
        button(reaction, reaction.label(), &self.about, self.since_ms)
    }
}

fn button(reaction: Reaction, label: impl Into<String>, about: &str, since_ms: i64) -> Button {
    Button::new(label, format!("{ONE}{}:{about}:{since_ms}", reaction.word()))
}

/// The way out of a silence, whatever episode is going on. `brief` says of what.
pub fn tell_again(about: &str, brief: &Text) -> Button {
    let label = format!("🔔 Tell again: {}", brief.to_plain());
    button(Reaction::TellAgain, label, about, 0)
}

/// The buttons of a message that tells several alerts.
pub fn for_all() -> Keyboard {
    let all =
        [(Reaction::Acknowledge, "✔️ Acknowledge all"), (Reaction::Snooze, "😴 Snooze all 6 h")];
    let button = |(reaction, label): (Reaction, &str)| {
        Button::new(label, format!("{ALL}{}", reaction.word()))
    };
    vec![all.map(button).to_vec()]
}

/// What a tap is answered with that counts.
pub fn answer(reaction: Reaction, now_ms: i64) -> Text {
    match reaction {
        Reaction::Acknowledge => Text::of("Acknowledged. I tell you when it is over."),
        Reaction::Snooze => Text::of("Snoozed until ").clock(now_ms + SNOOZE_MS).plain("."),
        Reaction::Silence => {
            Text::of("Silenced: I tell nothing more of it until you want to hear of it again.")
        }
        Reaction::TellAgain => Text::of("I tell of it again."),
    }
}

/// What a tap is answered with that changes nothing of an alert that stands so.
pub fn answer_again(reaction: Reaction, stance: &Stance) -> Text {
    Text::of(match (stance, reaction) {
        (_, Reaction::TellAgain) => "I tell of it as it is.",
        (Stance::Silenced { .. }, Reaction::Acknowledge | Reaction::Snooze) => {
            "That is silenced; 🔔 Tell again ends it."
        }
        (_, Reaction::Silence) => "That is silenced already.",
        (Stance::Snoozed { .. }, Reaction::Snooze) => "That is snoozed already.",
        (_, Reaction::Acknowledge | Reaction::Snooze) => "That was acknowledged already.",
    })
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
        use Reaction::{Acknowledge, Silence, Snooze, TellAgain};
        for reaction in [Snooze, Acknowledge, Silence, TellAgain] {
            let next = stance.after(reaction, ADA, 5).unwrap();
            assert_eq!(next.after(reaction, "Bob", 6), None, "{reaction:?}");
            stance = next;
        }
        assert_eq!(stance, Stance::Firing);
        let snoozed = Stance::Snoozed { until_ms: 5 + SNOOZE_MS, by: ADA.to_owned() };
        assert!(snoozed.after(Snooze, ADA, 5 + HOUR_MS).is_some());
    }

    /// A button of an earlier state, or one for all, takes back nothing that somebody else said.
    #[test]
    fn nothing_but_tell_again_ends_a_silence_and_nothing_puts_off_what_is_seen_to() {
        let silenced = Stance::Silenced { by: ADA.to_owned() };
        for reaction in [Reaction::Acknowledge, Reaction::Snooze, Reaction::Silence] {
            assert_eq!(silenced.after(reaction, "Bob", 5), None, "{reaction:?}");
        }
        assert_eq!(silenced.after(Reaction::TellAgain, "Bob", 5), Some(Stance::Firing));
        let seen_to = Stance::Acknowledged { by: ADA.to_owned() };
        assert_eq!(seen_to.after(Reaction::Snooze, "Bob", 5), None);
        assert_eq!(seen_to.after(Reaction::TellAgain, "Bob", 5), None);
        let words = answer_again(Reaction::Acknowledge, &silenced).to_plain();
        assert_eq!(words, "That is silenced; 🔔 Tell again ends it.");
        assert_eq!(
            answer_again(Reaction::Snooze, &seen_to),
            Text::of("That was acknowledged already.")
        );
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
        assert_eq!((silenced.keyboard.len(), silenced.asks()), (2, true));
        assert_eq!(silenced.settled(), over);
        let button = tell_again("plants:7:dry", &Text::of("cold"));
        let (reaction, about, since_ms) = (Reaction::TellAgain, "plants:7:dry".to_owned(), 0);
        assert_eq!(button.data().and_then(Tap::of), Some(Tap::One { reaction, about, since_ms }));
    }
}
