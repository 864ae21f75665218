//! `/members` and `/revoke`: who is let in, where alerts go, and taking either away again.
//!
//! Invariant: what the configuration grants is not taken away in a chat, and there is always an
//! owner left.

use super::say;
use crate::kernel::chat::{Button, FixedAccess, Incoming, Keyboard, Place, Snapshot, Standing};
use crate::kernel::effect::{AccessChange, AlertsChange, Audience, Effect, Say};
use crate::kernel::text::{Text, is_visible};
use crate::store::access::Member;
use crate::store::group::Admitted;

/// Buttons under the list; the rest is reached by name.
const BUTTONS_MAX: usize = 30;
/// How the data of its buttons begins; then come the step and the target.
const DATA: &str = "house:out:";

/// Everybody and everything that is let in.
#[derive(Debug)]
pub struct People {
    pub members: Vec<Member>,
    pub groups: Vec<Admitted>,
    pub places: Vec<Place>,
    pub open_invites: i64,
}

/// Somebody or something that can be taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    Person(i64),
    Group(i64),
    /// The alerts of a place.
    Alerts(Place),
}

/// A button of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tap {
    /// Shall it be taken out?
    Ask(Target),
    Yes(Target),
    /// Back to the list.
    No,
}

impl Tap {
    pub(super) fn of(data: &str) -> Option<Tap> {
        let (step, target) = data.strip_prefix(DATA)?.split_once(':')?;
        Some(match step {
            "ask" => Tap::Ask(Target::of(target)?),
            "yes" => Tap::Yes(Target::of(target)?),
            "no" => Tap::No,
            _ => return None,
        })
    }

    fn data(self) -> String {
        match self {
            Tap::Ask(target) => format!("{DATA}ask:{}", target.data()),
            Tap::Yes(target) => format!("{DATA}yes:{}", target.data()),
            Tap::No => format!("{DATA}no:"),
        }
    }
}

impl Target {
    fn of(data: &str) -> Option<Target> {
        let (kind, id) = data.split_once(':')?;
        Some(match kind {
            "p" => Target::Person(id.parse().ok()?),
            "g" => Target::Group(id.parse().ok()?),
            "a" => {
                let (chat_id, thread) = id.split_once(':')?;
                let thread: i32 = thread.parse().ok()?;
                let thread_id = (thread != 0).then_some(thread);
                Target::Alerts(Place { chat_id: chat_id.parse().ok()?, thread_id })
            }
            _ => return None,
        })
    }

    fn data(self) -> String {
        match self {
            Target::Person(user_id) => format!("p:{user_id}"),
            Target::Group(chat_id) => format!("g:{chat_id}"),
            Target::Alerts(place) => {
                format!("a:{}:{}", place.chat_id, place.thread_id.unwrap_or(0))
            }
        }
    }
}

impl People {
    /// Everybody with rights of their own, by number, with what they are called and are.
    fn persons(&self, fixed: &FixedAccess) -> Vec<(i64, String, Standing)> {
        let mut persons: Vec<(i64, String, Standing)> = Vec::new();
        for member in &self.members {
            let standing = match member.standing.as_str() {
                "owner" => Standing::Owner,
                _ => Standing::Member,
            };
            persons.push((member.user_id, member.name.clone(), standing));
        }
        let private = fixed.allowed_chats.iter().filter(|chat_id| **chat_id > 0);
        let configured = fixed.owners.iter().map(|owner| (owner, Standing::Owner));
        for (user_id, standing) in configured.chain(private.map(|id| (id, Standing::Member))) {
            match persons.iter_mut().find(|(known, ..)| known == user_id) {
                Some((_, _, known)) => *known = standing.max(*known),
                None => persons.push((*user_id, String::new(), standing)),
            }
        }
        persons
    }

    fn groups(&self, fixed: &FixedAccess) -> Vec<(i64, String)> {
        let mut groups: Vec<(i64, String)> =
            self.groups.iter().map(|group| (group.chat_id, group.title.clone())).collect();
        for chat_id in fixed.allowed_chats.iter().filter(|chat_id| **chat_id < 0) {
            if !groups.iter().any(|(known, _)| known == chat_id) {
                groups.push((*chat_id, String::new()));
            }
        }
        groups
    }

    /// What a target is called.
    fn name(&self, target: Target) -> String {
        let given = match target {
            Target::Person(id) => {
                self.members.iter().find(|member| member.user_id == id).map(|it| it.name.clone())
            }
            Target::Group(id) => {
                self.groups.iter().find(|group| group.chat_id == id).map(|it| it.title.clone())
            }
            Target::Alerts(place) => return self.place_name(place),
        };
        match (given.filter(|name| is_visible(name)), target) {
            (Some(name), _) => name,
            (None, Target::Group(id)) => format!("group {id}"),
            (None, Target::Person(id)) => format!("person {id}"),
            (None, Target::Alerts(_)) => String::new(),
        }
    }

    fn place_name(&self, place: Place) -> String {
        // Groups have negative ids (Bot API, `Chat.id`).
        let chat = match place.chat_id < 0 {
            true => self.name(Target::Group(place.chat_id)),
            false => self.name(Target::Person(place.chat_id)),
        };
        match place.thread_id {
            Some(thread_id) => format!("{chat}, topic {thread_id}"),
            None => chat,
        }
    }

    /// Why a target stays. `None`: it can be taken out.
    fn objection(&self, target: Target, snapshot: &Snapshot) -> Option<Text> {
        let fixed = &snapshot.fixed;
        let key = match target {
            Target::Person(id) if fixed.owners.contains(&id) => "telegram.owners",
            Target::Person(id) | Target::Group(id) if fixed.allowed_chats.contains(&id) => {
                "telegram.allowed_chats"
            }
            Target::Person(id) => {
                let is_owner = |person: &(i64, String, Standing)| person.2 == Standing::Owner;
                let others = self.persons(fixed).into_iter().filter(is_owner).any(|it| it.0 != id);
                let words = "That is the only owner; there has to be one.";
                return (!others).then(|| Text::of(words));
            }
            Target::Group(_) | Target::Alerts(_) => return None,
        };
        let text = Text::new().bold(self.name(target)).plain(" stands in the configuration (");
        let text = text.code(key).plain("). Whoever runs windowsill takes them out there.");
        Some(text)
    }

    fn holds(&self, target: Target, fixed: &FixedAccess) -> bool {
        match target {
            Target::Person(id) => self.persons(fixed).iter().any(|person| person.0 == id),
            Target::Group(id) => self.groups(fixed).iter().any(|group| group.0 == id),
            Target::Alerts(place) => self.places.contains(&place),
        }
    }
}

/// `/members`.
pub(super) fn members(people: &People, incoming: &Incoming, snapshot: &Snapshot) -> Vec<Effect> {
    match objection_to_asker(incoming, snapshot) {
        Some(words) => vec![say(Text::of(words))],
        None => vec![Effect::Say(list(people, snapshot))],
    }
}

fn objection_to_asker(incoming: &Incoming, snapshot: &Snapshot) -> Option<&'static str> {
    if snapshot.standing != Standing::Owner {
        return Some("Only an owner sees and changes who is let in.");
    }
    (!incoming.is_private()).then_some("Please ask me that in private.")
}

fn list(people: &People, snapshot: &Snapshot) -> Say {
    let fixed = &snapshot.fixed;
    let mut targets = Vec::new();
    let mut text = Text::new().bold("People");
    for (user_id, _, standing) in people.persons(fixed) {
        let target = Target::Person(user_id);
        let rank = if standing == Standing::Owner { "owner" } else { "member" };
        text = text.line().data(people.name(target)).plain(format!(" · {rank}"));
        targets.push(target);
    }
    let groups = people.groups(fixed);
    if !groups.is_empty() {
        text = text.line().line().bold("Groups that look");
    }
    for (chat_id, _) in groups {
        text = text.line().data(people.name(Target::Group(chat_id)));
        targets.push(Target::Group(chat_id));
    }
    text = text.line().line().bold("Alerts go to");
    for place in &people.places {
        text = text.line().data(people.place_name(*place));
        targets.push(Target::Alerts(*place));
    }
    if people.places.is_empty() {
        text = text.line().plain("nobody. /alerts here brings them into a chat.");
    }
    if people.open_invites > 0 {
        text = text.line().line().plain(format!("Open invitations: {}", people.open_invites));
    }
    let removable = targets.into_iter().filter(|it| people.objection(*it, snapshot).is_none());
    let button = |target: Target| {
        let label = match target {
            Target::Alerts(_) => format!("🔕 Stop alerts: {}", people.name(target)),
            _ => format!("Remove {}", people.name(target)),
        };
        vec![Button::new(label, Tap::Ask(target).data())]
    };
    let rows: Keyboard = removable.take(BUTTONS_MAX).map(button).collect();
    Say::new(text.line().line().plain("/invite lets somebody in.")).with(rows)
}

/// `/revoke`, with whom it names.
pub(super) fn revoke(
    typed: &str,
    people: &People,
    incoming: &Incoming,
    snapshot: &Snapshot,
) -> Vec<Effect> {
    if let Some(words) = objection_to_asker(incoming, snapshot) {
        return vec![say(Text::of(words))];
    }
    let wanted = typed.trim().to_lowercase();
    if wanted.is_empty() {
        return vec![Effect::Say(list(people, snapshot))];
    }
    let fixed = &snapshot.fixed;
    let persons = people.persons(fixed).into_iter().map(|person| Target::Person(person.0));
    let groups = people.groups(fixed).into_iter().map(|group| Target::Group(group.0));
    let is_meant = |target: &Target| {
        let (Target::Person(id) | Target::Group(id)) = target else { return false };
        id.to_string() == wanted || people.name(*target).to_lowercase() == wanted
    };
    let meant: Vec<Target> = persons.chain(groups).filter(is_meant).collect();
    match meant.as_slice() {
        [target] => match people.objection(*target, snapshot) {
            Some(objection) => vec![say(objection)],
            None => remove(*target, people),
        },
        [] => {
            let text = Text::of("Nobody who is let in is called ").bold(typed.trim());
            vec![say(text.plain(". /members lists everybody."))]
        }
        _ => {
            let text = Text::of("Several are called ").bold(typed.trim());
            vec![say(text.plain(". /members has a button for each."))]
        }
    }
}

/// A button of the list.
pub(super) fn tapped(
    tap: Tap,
    people: &People,
    incoming: &Incoming,
    snapshot: &Snapshot,
) -> Vec<Effect> {
    if let Some(words) = objection_to_asker(incoming, snapshot) {
        return vec![say(Text::of(words))];
    }
    let shown = |say: Say| Effect::in_place(incoming, DATA, say);
    let target = match tap {
        Tap::No => return vec![shown(list(people, snapshot))],
        Tap::Ask(target) | Tap::Yes(target) => target,
    };
    if !people.holds(target, &snapshot.fixed) {
        return vec![shown(list(people, snapshot))];
    }
    if let Some(objection) = people.objection(target, snapshot) {
        return vec![say(objection)];
    }
    if let Tap::Ask(_) = tap {
        return vec![shown(question(target, people))];
    }
    let mut effects = remove(target, people);
    // The last word takes the place of the question.
    for effect in &mut effects {
        if let Effect::Say(said) = effect {
            *effect = shown(said.clone());
        }
    }
    effects
}

fn question(target: Target, people: &People) -> Say {
    let text = Text::new().bold(people.name(target)).plain(match target {
        Target::Person(_) => ": shall they lose their access, at once?",
        Target::Group(_) => ": shall nobody there see anything any more?",
        Target::Alerts(_) => ": shall no more alerts go there?",
    });
    Say::new(text).with(vec![vec![
        Button::new("Yes", Tap::Yes(target).data()),
        Button::new("No, keep it", Tap::No.data()),
    ]])
}

fn remove(target: Target, people: &People) -> Vec<Effect> {
    let name = Text::new().bold(people.name(target));
    let tell = |chat_id: i64, words: &str| Effect::Tell {
        place: Place::private(chat_id),
        say: Say::new(Text::of(words)),
    };
    let menu = |chat_id: i64| Effect::Menu { chat_id, audience: Audience::Strangers };
    match target {
        Target::Person(user_id) => vec![
            Effect::Access(AccessChange::RemoveMember { user_id }),
            menu(user_id),
            tell(user_id, "An owner has taken your access away; what you had begun is discarded."),
            say(name.plain(" has no access any more.")),
        ],
        Target::Group(chat_id) => vec![
            Effect::Access(AccessChange::RemoveChat { chat_id }),
            menu(chat_id),
            tell(chat_id, "This group is not admitted any more; an owner's /admit changes that."),
            say(name.plain(" is not admitted any more.")),
        ],
        Target::Alerts(place) => vec![
            Effect::Alerts(AlertsChange::Unsubscribe(place)),
            say(name.plain(": no more alerts go there. /alerts here, written there, changes that.")),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buttons_say_what_they_said_when_they_are_tapped() {
        let place = Place { chat_id: -1_001_234_567_890, thread_id: Some(i32::MAX) };
        for target in [Target::Person(7), Target::Group(-5), Target::Alerts(place)] {
            for tap in [Tap::Ask(target), Tap::Yes(target), Tap::No] {
                assert!(tap.data().len() <= 64, "{}", tap.data());
                assert_eq!(Tap::of(&tap.data()), Some(tap));
            }
        }
        assert_eq!(Tap::of("house:out:yes:p:x"), None);
        assert_eq!(Tap::of("house:admit"), None);
    }
}
