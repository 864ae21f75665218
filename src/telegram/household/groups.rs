//! Groups: an owner admits them, and what coming into a chat or going out of it means.

use super::{Ask, alerts, commands, say};
use crate::kernel::chat::{Button, ChatKind, Incoming, Presence, Snapshot, Standing};
use crate::kernel::effect::{AccessChange, AlertsChange, Audience, Effect, Say};
use crate::kernel::text::Text;

/// `/admit`, or its button: what an owner says before anything else is heard in a group.
pub fn admission(incoming: &Incoming) -> Option<Ask> {
    let is_command = incoming.command().is_some_and(|(name, _)| name.eq_ignore_ascii_case("admit"));
    let is_button = incoming.press().is_some_and(|(_, _, data)| data == commands::ADMIT);
    (is_command || is_button).then_some(Ask::Admit)
}

pub(super) fn admit(incoming: &Incoming, snapshot: &Snapshot) -> Vec<Effect> {
    if incoming.is_private() {
        return vec![say(Text::of("Write /admit in the group that you want to let in."))];
    }
    let Some(person) = incoming.person.as_ref().filter(|_| snapshot.standing == Standing::Owner)
    else {
        return vec![say(Text::of("Only an owner admits a group."))];
    };
    if snapshot.is_admitted {
        return vec![say(Text::of("This group is admitted already. /help lists what I can do."))];
    }
    let chat_id = incoming.place.chat_id;
    let title = incoming.chat_title.clone();
    vec![
        Effect::Access(AccessChange::Admit { chat_id, title, by_user: person.user_id }),
        Effect::Menu { chat_id, audience: Audience::Group },
        Effect::Say(welcome(snapshot)),
    ]
}

/// What an admitted group is told.
fn welcome(snapshot: &Snapshot) -> Say {
    let text = Text::of(
        "Everybody in this group may look now: /plants, /alerts, /help. Only members change \
         something.\n",
    );
    let text = text.italic(privacy(snapshot));
    Say::new(text).with(vec![vec![Button::new("🔔 Alerts here", alerts::HERE)]])
}

/// How much of a group we hear.
pub(super) fn privacy(snapshot: &Snapshot) -> &'static str {
    match snapshot.me.reads_all_group_messages {
        true => {
            "I am sent everything that is written in groups; @BotFather's /setprivacy changes that."
        }
        false => "In groups I am sent commands and replies to me, and nothing else.",
    }
}

/// To those whom we know, in a group that no owner has admitted.
pub(super) fn unadmitted(snapshot: &Snapshot) -> Vec<Effect> {
    match snapshot.standing {
        Standing::Owner => vec![Effect::Say(offer())],
        _ => vec![say(Text::of(
            "This group is not admitted yet: an owner has to write /admit here first.",
        ))],
    }
}

fn offer() -> Say {
    let text = Text::of(
        "Nobody in this group sees anything of the household yet. Shall everybody in it be able \
         to look? /admit says yes.",
    );
    Say::new(text).with(vec![vec![Button::new("Admit this group", commands::ADMIT)]])
}

/// `ended`: how many of this chat's subscriptions ended because it was out of reach.
pub(super) fn presence(
    presence: Presence,
    ended: i64,
    incoming: &Incoming,
    snapshot: &Snapshot,
) -> Vec<Effect> {
    let chat_id = incoming.place.chat_id;
    match (presence, incoming.chat_kind) {
        (Presence::Gone, ChatKind::Private) => unreachable(chat_id, "the person blocked the bot"),
        (Presence::Gone, _) => unreachable(chat_id, "the bot was taken out of the chat"),
        (Presence::Arrived, ChatKind::Private) => came_back(ended, chat_id, snapshot),
        (Presence::Arrived, ChatKind::Group) => joined(ended, chat_id, snapshot),
        (Presence::Arrived, ChatKind::Channel) => Vec::new(),
    }
}

fn unreachable(chat_id: i64, reason: &'static str) -> Vec<Effect> {
    vec![Effect::Alerts(AlertsChange::Unreachable { chat_id, reason })]
}

fn came_back(ended: i64, chat_id: i64, snapshot: &Snapshot) -> Vec<Effect> {
    if !snapshot.standing.may_edit() {
        return Vec::new();
    }
    if ended == 0 {
        // A digest or a board may have waited for it.
        return vec![Effect::Alerts(AlertsChange::Resume { chat_id })];
    }
    let words =
        "Good to see you again! Alerts come to this chat as before; /alerts off stops them.";
    vec![Effect::Alerts(AlertsChange::Resume { chat_id }), say(Text::of(words))]
}

fn joined(ended: i64, chat_id: i64, snapshot: &Snapshot) -> Vec<Effect> {
    if !snapshot.is_admitted {
        return unadmitted(snapshot);
    }
    let greeting = match ended {
        0 => Effect::Say(welcome(snapshot)),
        _ => say(Text::of("I am back, and alerts come here as before. /alerts off stops them.")),
    };
    vec![
        Effect::Alerts(AlertsChange::Resume { chat_id }),
        Effect::Menu { chat_id, audience: Audience::Group },
        greeting,
    ]
}
