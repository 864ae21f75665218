//! `/digest`: whether a chat is told once a day how things are, and when; and what it is told.

use super::settings::minute;
use crate::kernel::chat::{Incoming, Snapshot};
use crate::kernel::daily::Daily;
use crate::kernel::dialog::quoted;
use crate::kernel::effect::{Effect, RegularChange};
use crate::kernel::text::Text;
use crate::kernel::when;
use crate::store::cards::Stored;
use crate::store::regular::daily::Wanted;

/// What somebody wants of the digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// What is set, and what it would say now.
    Show,
    /// It comes at this minute of the day.
    At(u16),
    Off,
    /// Something behind the command that we do not know.
    Unclear(String),
}

impl Wish {
    pub(super) fn of(typed: &str) -> Wish {
        match typed.trim().to_lowercase().as_str() {
            "" => Wish::Show,
            "off" | "none" | "no" => Wish::Off,
            words => match minute(words) {
                Some(minute) => Wish::At(minute),
                None => Wish::Unclear(typed.to_owned()),
            },
        }
    }
}

/// What the store knows of it.
#[derive(Debug)]
pub struct State {
    pub(super) wanted: Option<Wanted>,
    /// What it would say now; nothing where that was not asked for.
    pub(super) text: Text,
}

pub(super) fn decide(
    wish: &Wish,
    state: State,
    incoming: &Incoming,
    snapshot: &Snapshot,
) -> Vec<Effect> {
    let daily = state.wanted.map(|wanted| wanted.daily);
    let say = |text: Text| vec![super::say(text)];
    match wish {
        Wish::Show => say(shown(daily, state.text, snapshot)),
        Wish::Unclear(typed) => say(unclear(typed)),
        _ if !snapshot.standing.may_edit() => {
            say(Text::of("Only members decide whether a digest comes to this chat."))
        }
        Wish::Off => {
            let words = match daily {
                Some(_) => "No digest comes to this chat any more. /digest 8:00 brings it back.",
                None => "No digest comes to this chat anyway. /digest 8:00 brings one.",
            };
            vec![Effect::Regular(RegularChange::NoDaily), super::say(Text::of(words))]
        }
        Wish::At(minute) => {
            let told_on = daily.and_then(|daily| daily.told_on);
            let next = Daily { minute: *minute, since_ms: snapshot.pipeline_now_ms, told_on };
            let here = if incoming.place.thread_id.is_some() { "this topic" } else { "this chat" };
            let text = Text::of(format!("🗞 A digest comes to {here} at "))
                .bold(when::of_minute(*minute))
                .plain(" from now on. ");
            let text = text.then(next_one(&next, snapshot)).plain(" /digest off stops it.");
            vec![Effect::Regular(RegularChange::Daily(*minute)), super::say(text)]
        }
    }
}

fn shown(daily: Option<Daily>, text: Text, snapshot: &Snapshot) -> Text {
    let may_edit = snapshot.standing.may_edit();
    let set = match daily {
        Some(daily) => {
            let set = Text::of("🗞 A digest comes to this chat at ")
                .bold(when::of_minute(daily.minute))
                .plain(". ")
                .then(next_one(&daily, snapshot));
            if may_edit { set.plain(" /digest off stops it.") } else { set }
        }
        None if may_edit => {
            Text::of("No digest comes to this chat. /digest 8:00 brings one every day at eight.")
        }
        None => Text::of("No digest comes to this chat; a member can change that."),
    };
    let text = text.told_in(&snapshot.settings, snapshot.time_zone);
    set.line().italic("Now it would say:").line().below(text)
}

/// `The next one comes Tue 1 Dec 08:00.`, by the chat's clock.
fn next_one(daily: &Daily, snapshot: &Snapshot) -> Text {
    match daily.next(snapshot.pipeline_now_ms, snapshot.time_zone) {
        Some(next) if next.at_ms > snapshot.pipeline_now_ms => {
            let moment = when::moment(next.at_ms, snapshot.time_zone);
            Text::of(format!("The next one comes {moment}."))
        }
        _ => Text::of("The next one comes in a moment."),
    }
}

fn unclear(typed: &str) -> Text {
    Text::of("I do not know what ")
        .data(quoted(typed))
        .plain(" is. Send ")
        .code("/digest 8:00")
        .plain(" for a digest every day at eight, ")
        .code("/digest off")
        .plain(" for none, or /digest to see what it would say now.")
}

/// The digest at a moment of the pipelines' clock: what lasts, how many that are, and the rooms'
/// parts.
pub fn digest(now_ms: i64, lasting: &(i64, Vec<Stored>), parts: Vec<Text>) -> Text {
    let (count, cards) = lasting;
    let mut text = Text::of("🗞 ").bold("Daily digest").plain(", ").moment(now_ms);
    if *count > 0 {
        text = text.line().below(Text::new().bold("Not well now:"));
    }
    for card in cards {
        let lasts_ms = (now_ms - card.subject.since_ms).max(0);
        let line = card.subject.face(&card.stance).line;
        text = text.below(line.plain(format!(" · for {}", when::length(lasts_ms))));
    }
    let rest = count - i64::try_from(cards.len()).unwrap_or(0);
    if rest > 0 {
        text = text.below(Text::of(format!("… and {rest} more: /alerts")));
    }
    parts.into_iter().fold(text, |text, part| text.line().below(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_an_hour_or_an_end_or_nothing_we_know() {
        assert_eq!(Wish::of(" "), Wish::Show);
        assert_eq!(Wish::of("8"), Wish::At(480));
        assert_eq!(Wish::of(" 08:30 "), Wish::At(510));
        assert_eq!(Wish::of("OFF"), Wish::Off);
        for typed in ["24", "8:60", "soon", "-1", "8:00:00"] {
            assert_eq!(Wish::of(typed), Wish::Unclear(typed.to_owned()), "{typed}");
        }
    }
}
