//! The decisions of the room: from what was asked and what the views know to what is done.

use super::buttons::{self, snoozed};
use super::dialog::{Form, Opened, Opening};
use super::marks::{self, Mark};
use super::{Ask, Known, Unclear, show, spelling, ssids, stored, unwatching};
use crate::kernel::card::SNOOZE_MS;
use crate::kernel::chat::{Incoming, Snapshot};
use crate::kernel::dialog::{self as conversation, Forms};
use crate::kernel::effect::{Effect, Say};
use crate::kernel::text::Text;
use crate::kernel::when;
use crate::rooms::wifi::given::{Matches, Said, Who};
use crate::rooms::wifi::lookup::{Found, Wanted};
use crate::rooms::wifi::types::{MacAddr, Ssid};

const MEMBERS_ONLY: &str = "Only members change this; an owner can make you one.";

pub(super) fn decide(
    ask: &Ask,
    known: Known,
    incoming: &Incoming,
    snapshot: &Snapshot,
) -> Vec<Effect> {
    if changes_something(ask) && !snapshot.standing.may_edit() {
        return refused(ask, incoming);
    }
    let answer = match (ask, known) {
        (Ask::Device(wanted), Known::Device(found, said)) => {
            said_of(show::device(wanted, &found, &said, snapshot))
        }
        (Ask::Chatter(wanted), Known::Device(found, said)) => {
            said_of(chatter(wanted, &found, &said, incoming, snapshot))
        }
        (Ask::Devices(order, page), Known::Devices(rows, total)) => {
            turned(show::devices(*order, *page, &rows, total, snapshot), buttons::PAGE, incoming)
        }
        (Ask::Seekers(ssid), Known::Seekers(seekers, total)) => {
            said_of(show::seekers(ssid, &seekers, total, snapshot))
        }
        (Ask::Watched(page), Known::Watched(networks)) => {
            turned(ssids::list(&networks, *page, snapshot), buttons::WATCHED, incoming)
        }
        (Ask::Mark { mark, who, .. }, Known::Marked(matches, card)) => {
            marked(*mark, who, matches, card.as_ref(), incoming, snapshot)
        }
        (Ask::Drop(ssid, page), Known::Watched(networks)) => {
            dropped(ssid, *page, networks, incoming, snapshot)
        }
        (Ask::Snooze(mac), _) => snoozed_until(*mac, snapshot),
        (Ask::Begin(opening), Known::Opened(opened)) => begin(opening, opened, incoming, snapshot),
        (Ask::Answer(draft, answer), Known::Looked(looked)) => match stored(&draft.state) {
            Some(dialog) => Done::of(conversation::answered(
                dialog,
                draft,
                answer,
                looked,
                incoming,
                &snapshot.settings,
            )),
            None => Done::of(conversation::unreadable()),
        },
        (Ask::Unclear(unclear), _) => said_of(Say::new(unclear.words())),
        _ => said_of(Say::new(Text::of("That could not be looked up. Please try again."))),
    };
    answer.acknowledged(incoming)
}

/// Effects, and what a tap is answered with.
struct Done {
    effects: Vec<Effect>,
    note: Option<String>,
}

impl Done {
    fn of(effects: Vec<Effect>) -> Done {
        Done { effects, note: None }
    }

    fn acknowledged(mut self, incoming: &Incoming) -> Vec<Effect> {
        if let Some((callback_id, ..)) = incoming.press() {
            let callback_id = callback_id.to_owned();
            self.effects.insert(0, Effect::Acknowledge { callback_id, note: self.note });
        }
        self.effects
    }
}

fn said_of(say: Say) -> Done {
    Done::of(vec![Effect::Say(say)])
}

/// A page is turned in place, where there are such buttons.
fn turned(say: Say, buttons: &str, incoming: &Incoming) -> Done {
    Done::of(vec![Effect::in_place(incoming, buttons, say)])
}

fn changes_something(ask: &Ask) -> bool {
    matches!(
        ask,
        Ask::Mark { .. } | Ask::Drop(..) | Ask::Snooze(_) | Ask::Begin(_) | Ask::Answer(..)
    )
}

fn refused(ask: &Ask, incoming: &Incoming) -> Vec<Effect> {
    let mut effects = Vec::new();
    if matches!(ask, Ask::Answer(..)) {
        effects.push(Effect::EndConversation);
    }
    if incoming.press().is_some() {
        return Done { effects, note: Some(MEMBERS_ONLY.to_owned()) }.acknowledged(incoming);
    }
    effects.push(Effect::Say(Say::new(Text::of(MEMBERS_ONLY))));
    effects
}

/// A message that is no command was looked up.
fn chatter(
    wanted: &Wanted,
    found: &Found,
    said: &[Said],
    incoming: &Incoming,
    snapshot: &Snapshot,
) -> Say {
    let mut say = show::device(wanted, found, said, snapshot);
    if matches!(found, Found::Nothing(_)) && incoming.is_private() {
        say.text = say.text.line().plain("/help lists what I can do.");
    }
    say
}

fn begin(opening: &Opening, opened: Opened, incoming: &Incoming, snapshot: &Snapshot) -> Done {
    match Form::open(opening, opened) {
        Some(next) => Done::of(conversation::begin(opening, next, incoming.update_id, snapshot)),
        None => said_of(Say::new(Text::of("That could not be looked up. Please try again."))),
    }
}

fn marked(
    mark: Mark,
    who: &Who,
    matches: Matches,
    card: Option<&Found>,
    incoming: &Incoming,
    snapshot: &Snapshot,
) -> Done {
    let Matches::One(mut target) = matches else {
        let typed = match who {
            Who::Typed(typed) => typed.as_str(),
            Who::Mac(_) | Who::NameOf(_) => "",
        };
        return said_of(marks::not_one(mark, typed, &matches));
    };
    let is_tap = incoming.press().is_some();
    let (mut effects, note) = match marks::publish(mark, &target) {
        Ok(publish) => (vec![Effect::Publish(publish)], None),
        Err(already) if is_tap => (Vec::new(), Some(already.to_plain())),
        Err(already) => (vec![Effect::Say(Say::new(already))], None),
    };
    for said in &mut target.devices {
        said.given = mark.on(&said.given);
    }
    if let (Some(found), true) = (card, is_tap) {
        let wanted = Wanted::Other(target.shown());
        let say = show::device(&wanted, found, &target.devices, snapshot);
        effects.push(Effect::in_place(incoming, buttons::CARD, say));
    }
    Done { effects, note }
}

fn dropped(
    ssid: &Ssid,
    page: usize,
    mut networks: Vec<(Ssid, String)>,
    incoming: &Incoming,
    snapshot: &Snapshot,
) -> Done {
    let list = |networks: &[(Ssid, String)]| ssids::list(networks, page, snapshot);
    let place = networks.iter().position(|(watched, _)| watched == ssid);
    let Some(place) = place else {
        let note = Some(format!("{} is not watched any more.", spelling::shown(ssid)));
        return Done { note, ..turned(list(&networks), buttons::DROP, incoming) };
    };
    let (_, reason) = networks.remove(place);
    let mut done = turned(list(&networks), buttons::DROP, incoming);
    done.effects.push(Effect::Publish(unwatching::publish(ssid, &reason)));
    done
}

fn snoozed_until(mac: MacAddr, snapshot: &Snapshot) -> Done {
    let until_ms = snapshot.pipeline_now_ms + SNOOZE_MS;
    let note = format!("Snoozed until {}.", when::clock(until_ms, snapshot.time_zone));
    let effects = vec![Effect::Snooze { about: snoozed(mac), until_ms }];
    Done { effects, note: Some(note) }
}

impl Unclear {
    fn words(&self) -> Text {
        match self {
            Unclear::NoDevice => Text::of(
                "Which device? Send /device and its name, its MAC or a part of that, such as ",
            )
            .code("/device 40:ec:99:1f:3e:75")
            .plain("."),
            Unclear::NoSsid => Text::of("Which network? Send /probes and its name, such as ")
                .code("/probes RNM0")
                .plain("; ")
                .code("hex:436f68")
                .plain(" stands for bytes that cannot be typed."),
            Unclear::Ssid(error) => error.words(),
        }
    }
}
