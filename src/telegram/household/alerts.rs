//! `/alerts`: the newest ones, and whether more come to this place. A forum topic is a place of
//! its own.

use crate::kernel::card;
use crate::kernel::chat::{Incoming, Keyboard, Snapshot, Standing};
use crate::kernel::effect::{AlertsChange, Effect, Say};
use crate::kernel::text::Text;
use crate::kernel::when;
use crate::store::alerts::{Recorded, Silence};

/// The data of the button that sends alerts to the place where it is.
pub(super) const HERE: &str = "house:alerts:here";

/// What somebody wants of the alerts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    List,
    Here,
    Off,
    /// A word after the command that we do not know.
    Unclear,
}

impl Wish {
    pub(super) fn of(typed: &str) -> Wish {
        match typed.trim().to_lowercase().as_str() {
            "" => Wish::List,
            "here" | "on" => Wish::Here,
            "off" => Wish::Off,
            _ => Wish::Unclear,
        }
    }
}

/// What the store knows of alerts.
#[derive(Debug)]
pub struct Overview {
    pub(super) newest: Vec<Recorded>,
    /// What lasts now: how many, and some of them in a line each.
    pub(super) lasting: (i64, Vec<Text>),
    /// What is told no more, as `lasting`.
    pub(super) silences: (i64, Vec<Silence>),
    /// They come to the place that asks.
    pub(super) subscribed: bool,
}

pub(super) fn decide(
    wish: Wish,
    overview: &Overview,
    incoming: &Incoming,
    snapshot: &Snapshot,
) -> Vec<Effect> {
    let (place, subscribed) = (incoming.place, overview.subscribed);
    let here = if place.thread_id.is_some() { "this topic" } else { "this chat" };
    let change = match wish {
        Wish::List => {
            let list = Say::new(list(overview, here, incoming, snapshot));
            return vec![Effect::Say(list.with(ways_out(overview, snapshot)))];
        }
        Wish::Unclear => {
            let words = "I know /alerts, which lists the newest, /alerts here, which sends them \
                         here, and /alerts off, which stops that.";
            return vec![super::say(Text::of(words))];
        }
        _ if !may_change(incoming, snapshot) => {
            let words = "Only an owner decides whether alerts come to this group.";
            return vec![super::say(Text::of(words))];
        }
        Wish::Here => AlertsChange::Subscribe(place),
        Wish::Off => AlertsChange::Unsubscribe(place),
    };
    let words = match (wish, subscribed) {
        (Wish::Here, true) => format!("Alerts come to {here} already. /alerts off stops them."),
        (Wish::Here, false) => {
            format!("🔔 New alerts come to {here} from now on. /alerts off stops them.")
        }
        (_, true) => format!("🔕 No more alerts come to {here}. /alerts here brings them back."),
        (_, false) => format!("No alerts come to {here} anyway. /alerts here changes that."),
    };
    vec![Effect::Alerts(change), super::say(Text::of(words))]
}

/// In private everybody decides for themselves.
fn may_change(incoming: &Incoming, snapshot: &Snapshot) -> bool {
    match incoming.is_private() {
        true => snapshot.standing.may_edit(),
        false => snapshot.standing == Standing::Owner,
    }
}

/// A button for each silence.
fn ways_out(overview: &Overview, snapshot: &Snapshot) -> Keyboard {
    if !snapshot.standing.may_edit() {
        return Keyboard::new();
    }
    let button = |silence: &Silence| {
        let brief = silence.brief.clone().told_in(&snapshot.settings, snapshot.time_zone);
        vec![card::tell_again(&silence.about, &brief)]
    };
    overview.silences.1.iter().map(button).collect()
}

fn list(overview: &Overview, here: &str, incoming: &Incoming, snapshot: &Snapshot) -> Text {
    let Overview { newest, lasting, silences, subscribed } = overview;
    let mut text = if newest.is_empty() {
        Text::of("No alerts so far.")
    } else {
        Text::new().bold("The newest alerts")
    };
    for alert in newest {
        let age = when::ago(alert.event_ms, snapshot.pipeline_now_ms);
        let brief = alert.brief().told_in(&snapshot.settings, snapshot.time_zone);
        text = text.below(brief.plain(format!(" · {age}")));
    }
    let of_chat = |line: &Text| line.clone().told_in(&snapshot.settings, snapshot.time_zone);
    if lasting.0 > 0 {
        text = text.line().below(Text::new().bold(format!("{} last now", lasting.0)));
        text = lasting.1.iter().map(of_chat).fold(text, Text::below);
    }
    if silences.0 > 0 {
        text = text.line().below(Text::new().bold(format!("🔕 {} silenced", silences.0)));
        let briefs = silences.1.iter().map(|silence| of_chat(&silence.brief));
        text = briefs.fold(text, Text::below);
    }
    let (state, hint) = match *subscribed {
        true => ("come", " /alerts off stops them."),
        false => ("do not come", " /alerts here brings them."),
    };
    let text = text.line().line().italic(format!("New alerts {state} to {here}."));
    if may_change(incoming, snapshot) { text.plain(hint) } else { text }
}
