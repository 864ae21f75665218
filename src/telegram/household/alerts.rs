//! `/alerts`: the newest ones, and whether more come to this place. A forum topic is a place of
//! its own.

use crate::kernel::card;
use crate::kernel::chat::{Button, Incoming, Keyboard, Snapshot, Standing};
use crate::kernel::effect::{AlertsChange, Effect, Say};
use crate::kernel::paging::Page;
use crate::kernel::text::Text;
use crate::kernel::when;
use crate::store::alerts::{Recorded, Silence};

/// The data of the button that sends alerts to the place where it is.
pub(super) const HERE: &str = "house:alerts:here";
/// Turns a page: that of what lasts, and that of what is silenced.
const TURN: &str = "house:alerts:page:";
/// What lasts, and what is silenced, on one page.
pub(super) const PAGE_SIZE: i64 = 10;

/// What somebody wants of the alerts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// At these pages of what lasts and of what is silenced.
    List {
        lasting: i64,
        silenced: i64,
    },
    Here,
    Off,
    /// A word after the command that we do not know.
    Unclear,
}

impl Wish {
    pub(super) fn of(typed: &str) -> Wish {
        match typed.trim().to_lowercase().as_str() {
            "" => Wish::List { lasting: 0, silenced: 0 },
            "here" | "on" => Wish::Here,
            "off" => Wish::Off,
            _ => Wish::Unclear,
        }
    }

    /// The pages that a button's data names.
    pub(super) fn of_button(data: &str) -> Option<Wish> {
        let (lasting, silenced) = data.strip_prefix(TURN)?.split_once(':')?;
        Some(Wish::List { lasting: lasting.parse().ok()?, silenced: silenced.parse().ok()? })
    }
}

/// A page of what lasts or is silenced, how many there are in all, and which page it is.
#[derive(Debug)]
pub(super) struct Shown<T> {
    pub(super) rows: Vec<T>,
    pub(super) total: i64,
    pub(super) page: Page,
}

/// What the store knows of alerts.
#[derive(Debug)]
pub struct Overview {
    pub(super) newest: Vec<Recorded>,
    /// What lasts now, in a line each.
    pub(super) lasting: Shown<Text>,
    /// What is told no more.
    pub(super) silences: Shown<Silence>,
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
        Wish::List { .. } => {
            let say = Say::new(list(overview, here, incoming, snapshot));
            let say = say.with(buttons(overview, snapshot));
            // A page is turned in place.
            return vec![Effect::in_place(incoming, TURN, say)];
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

/// A button for each silence that is shown, and those that turn pages.
fn buttons(overview: &Overview, snapshot: &Snapshot) -> Keyboard {
    let (lasting, silenced) = (overview.lasting.page, overview.silences.page);
    let turn = |of: &str, label: &str, (lasting, silenced): (i64, i64)| {
        Button::new(format!("{label} {of}"), format!("{TURN}{lasting}:{silenced}"))
    };
    let mut rows = vec![
        lasting.turns(|label, page| turn("Lasting", label, (page, silenced.number))),
        silenced.turns(|label, page| turn("Silenced", label, (lasting.number, page))),
    ];
    rows.retain(|row| !row.is_empty());
    if !snapshot.standing.may_edit() {
        return rows;
    }
    let button = |silence: &Silence| {
        let brief = silence.brief.clone().told_in(&snapshot.settings, snapshot.time_zone);
        vec![card::tell_again(&silence.about, &brief)]
    };
    rows.extend(overview.silences.rows.iter().map(button));
    rows
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
    if lasting.total > 0 {
        let heading = format!("{} last now{}", lasting.total, lasting.page.words());
        text = text.line().below(Text::new().bold(heading));
        text = lasting.rows.iter().map(of_chat).fold(text, Text::below);
    }
    if silences.total > 0 {
        let heading = format!("🔕 {} silenced{}", silences.total, silences.page.words());
        text = text.line().below(Text::new().bold(heading));
        let briefs = silences.rows.iter().map(|silence| of_chat(&silence.brief));
        text = briefs.fold(text, Text::below);
    }
    let (state, hint) = match *subscribed {
        true => ("come", " /alerts off stops them."),
        false => ("do not come", " /alerts here brings them."),
    };
    let text = text.line().line().italic(format!("New alerts {state} to {here}."));
    if may_change(incoming, snapshot) { text.plain(hint) } else { text }
}
