//! What devices and networks look like in a chat. The shape of a card is the contract's, section 2.

use super::buttons::{self, PAGE};
use super::marks::Mark;
use super::picture;
use super::spelling;
use crate::kernel::chat::{Button, Keyboard, Snapshot};
use crate::kernel::dialog::shortened;
use crate::kernel::effect::Say;
use crate::kernel::paging::Page;
use crate::kernel::text::Text;
use crate::kernel::when;
use crate::rooms::wifi::given::{Said, Who};
use crate::rooms::wifi::lookup::{
    Card, Count, Found, Listed, Order, PAGE_LIMIT, STRIP_HOURS, Wanted,
};
use crate::rooms::wifi::types::{MacAddr, Ssid};
use crate::rooms::wifi::vendor;

/// Addresses that a card of several names; it says how many more there are.
const CARD_PARTS: usize = 10;

/// The answer to `/device`, with what was said of the devices that were found.
pub fn device(wanted: &Wanted, found: &Found, said: &[Said], snapshot: &Snapshot) -> Say {
    match found {
        Found::One(one) => card(one, said, snapshot),
        Found::Several(rows, total) => {
            let text = Text::of(format!("{total} devices have "))
                .code(named(wanted))
                .plain(" in their address.");
            let text = match total {
                Count::All(_) => text.plain(" Which one?"),
                Count::MoreThan(_) => text.plain(" Send more of it, or choose among these:"),
            };
            Say::new(text).with(choices(rows, snapshot))
        }
        Found::Silent(name) => {
            let text = Text::of("I know ").bold(name).plain(", but it never sent a probe.");
            let keyboard = said.first().map(|said| actions(said, Who::Mac(said.mac), snapshot));
            Say::new(text).with(keyboard.unwrap_or_default())
        }
        Found::Nothing(nearest) => {
            let text = Text::of("🛎 No result found for device ").code(named(wanted));
            let rows = nearest.iter().filter_map(|name| buttons::open_named(name));
            let near: Keyboard = rows.map(|button| vec![button]).collect();
            if !near.is_empty() {
                return Say::new(text.line().plain("The closest names:")).with(near);
            }
            let say = Say::new(text.line().plain("/devices lists those heard last."));
            match said.first() {
                // It may be named before it comes.
                Some(said) => say.with(actions(said, Who::Mac(said.mac), snapshot)),
                None => say,
            }
        }
    }
}

/// What was looked for, short enough to be quoted back.
fn named(wanted: &Wanted) -> String {
    match wanted {
        Wanted::Mac(mac) => mac.to_string(),
        Wanted::Part { typed, .. } | Wanted::Other(typed) => shortened(typed),
    }
}

fn card(card: &Card, said: &[Said], snapshot: &Snapshot) -> Say {
    let time = |ms| when::moment(ms, snapshot.time_zone);
    let mut text = heading(card, said);
    let probes: i64 = card.parts.iter().map(|part| part.probe_count).sum();
    let wildcards: i64 = card.parts.iter().map(|part| part.wildcard_count).sum();
    let first_ms = card.parts.iter().map(|part| part.first_ms).min().unwrap_or(0);
    let last_ms = card.parts.iter().map(|part| part.last_ms).max().unwrap_or(0);
    text = text
        .line()
        .plain(format!("Earliest probe : {}", time(first_ms)))
        .line()
        .plain(format!("Latest probe : {}", time(last_ms)))
        .plain(format!(" ({})", when::ago(last_ms, snapshot.pipeline_now_ms)))
        .line()
        .plain(format!("Probe count : {probes}"));
    if wildcards > 0 {
        text = text.plain(format!(", {wildcards} of them for any network"));
    }
    text = ssids(text.line(), card);
    let weakest = card.parts.iter().filter_map(|part| part.signal_min_dbm).min();
    let strongest = card.parts.iter().filter_map(|part| part.signal_max_dbm).max();
    if let (Some(weakest), Some(strongest)) = (weakest, strongest) {
        let range = match weakest == strongest {
            true => weakest.to_string(),
            false => format!("{weakest} to {strongest}"),
        };
        text = text.line().plain(format!("Signal : {range}\u{a0}dBm"));
    }
    text = text.line().plain(format!("{STRIP_HOURS} h : ")).code(strip(&card.hours));
    let mut keyboard = Keyboard::new();
    if card.parts.len() > 1 {
        keyboard.extend(card.parts.iter().take(CARD_PARTS).map(|part| {
            let label = format!("{} · {}", part.mac(), probes_of(part.probe_count));
            vec![buttons::open(label, part.mac())]
        }));
    }
    if let [first, others @ ..] = said {
        let who = if others.is_empty() { Who::Mac(first.mac) } else { Who::NameOf(first.mac) };
        keyboard.extend(actions(first, who, snapshot));
    }
    let name = said.first().and_then(Said::name);
    Say::new(text).with(keyboard).showing(picture::of(card, name, snapshot))
}

/// What can be done about a device, or about all of one name.
fn actions(said: &Said, who: Who, snapshot: &Snapshot) -> Keyboard {
    let copy = matches!(who, Who::Mac(_)).then(|| buttons::copy(said.mac));
    if !snapshot.standing.may_edit() {
        return copy.map(|button| vec![button]).into_iter().collect();
    }
    let name = if said.name().is_some() { "✏️ Rename" } else { "✏️ Name it" };
    let ignore = if said.given.ignored { Mark::Unignore } else { Mark::Ignore };
    let watch = if said.given.watched { Mark::Unwatch } else { Mark::Watch };
    let mut below = vec![buttons::mark_on_card(watch, &who)];
    below.extend(copy);
    vec![vec![buttons::name(name, &who), buttons::mark_on_card(ignore, &who)], below]
}

fn heading(card: &Card, said: &[Said]) -> Text {
    let name = said.first().and_then(Said::name);
    let text = Text::of("📡 Wi-Fi probe stats for ");
    let mut text = match (name, card.parts.as_slice()) {
        (Some(name), [only]) => text.bold(name).plain(" ").code(only.mac().to_string()),
        (Some(name), parts) => text.bold(name).plain(format!(" ({} addresses)", parts.len())),
        (None, [first, ..]) => text.code(first.mac().to_string()),
        (None, []) => text,
    };
    let mut makers: Vec<&str> = Vec::new();
    for part in &card.parts {
        let maker = match part.mac().is_randomised() {
            true => Some("a randomised address, made up: after a long silence it begins anew"),
            false => vendor::of(part.mac()),
        };
        makers.extend(maker.filter(|maker| !makers.contains(maker)));
    }
    for maker in makers {
        text = text.line().italic(maker);
    }
    if said.iter().any(|said| said.given.ignored) {
        text = text.line().plain("🙈 ").italic("ignored: no alert is about it");
    }
    if said.iter().any(|said| said.given.watched) {
        text =
            text.line().plain("👁 ").italic("watched: I tell when it has gone and when it is back");
    }
    text
}

fn ssids(text: Text, card: &Card) -> Text {
    let is_complete = card.parts.iter().all(|part| part.ssids_complete);
    let at_least = if is_complete { "" } else { "more than " };
    let mut text = text.plain(format!("Unique SSIDs : {at_least}{}", card.ssid_count));
    for (index, ssid) in card.ssids.iter().enumerate() {
        text = text.plain(if index == 0 { " (" } else { ", " }).code(spelling::shown(ssid));
    }
    let unnamed = card.ssid_count - i64::try_from(card.ssids.len()).unwrap_or(0);
    if unnamed > 0 {
        text = text.plain(format!(", … and {unnamed} more"));
    }
    if !card.ssids.is_empty() {
        text = text.plain(")");
    }
    if card.undecided_count > 0 {
        text = text.plain(format!(
            "; {} more wait until it is clear whether this stream writes text or hexadecimal",
            card.undecided_count
        ));
    }
    text
}

/// Hours as blocks against the busiest one, a dot where there was nothing.
fn strip(hours: &[i64; STRIP_HOURS]) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = hours.iter().copied().max().unwrap_or(0).max(1);
    let block = |count: &i64| match count {
        0 => '·',
        count => BLOCKS[usize::try_from((count * 8 - 1) / most).unwrap_or(0).min(7)],
    };
    hours.iter().map(block).collect()
}

fn choices(rows: &[Listed], snapshot: &Snapshot) -> Keyboard {
    let choice = |row: &Listed| {
        let age = when::ago(row.device.last_ms, snapshot.pipeline_now_ms);
        let mac = row.device.mac();
        let who = row.name.clone().unwrap_or_else(|| mac.to_string());
        let label = format!("{who} · {} · {age}", probes_of(row.device.probe_count));
        vec![buttons::open(label, mac)]
    };
    rows.iter().map(choice).collect()
}

impl Order {
    fn letter(self) -> char {
        match self {
            Order::Newest => 'n',
            Order::Busiest => 'b',
            Order::New => 't',
        }
    }

    fn label(self) -> &'static str {
        match self {
            Order::Newest => "heard last",
            Order::Busiest => "most active",
            Order::New => "new today",
        }
    }

    /// The order and the page that a button's data names.
    pub fn of_button(data: &str) -> Option<(Order, i64)> {
        let mut letters = data.strip_prefix(PAGE)?.chars();
        let letter = letters.next()?;
        let order = [Order::Newest, Order::Busiest, Order::New]
            .into_iter()
            .find(|order| order.letter() == letter)?;
        let page = letters.as_str().parse().ok().filter(|page| (0..PAGES).contains(page))?;
        Some((order, page))
    }
}

/// Nobody turns more pages than this.
const PAGES: i64 = 100_000;

/// The answer to `/devices`.
pub fn devices(order: Order, page: i64, rows: &[Listed], total: i64, snapshot: &Snapshot) -> Say {
    if total == 0 && order == Order::Newest {
        let words = "No Wi-Fi device has been heard yet. Captures go into the topic pcap.";
        return Say::new(Text::of(words));
    }
    // Its entries are those of the number that was asked for, whether it is there or not.
    let page = Page { number: page, ..Page::of(page, total, PAGE_LIMIT) };
    let count = if total == 1 { "1 device".to_owned() } else { format!("{total} devices") };
    let text = Text::new().bold(count).plain(format!(", {}{}", order.label(), page.words()));
    let mut keyboard = choices(rows, snapshot);
    let turn = |label: &str, order: Order, page: i64| {
        Button::new(label, format!("{PAGE}{}{page}", order.letter()))
    };
    let turns = page.turns(|label, number| turn(label, order, number));
    let others = [Order::Newest, Order::Busiest, Order::New].into_iter();
    let others = others.filter(|other| *other != order);
    keyboard.extend((!turns.is_empty()).then_some(turns));
    keyboard.push(others.map(|other| turn(other.label(), other, 0)).collect());
    Say::new(text).with(keyboard)
}

/// Somebody who looked for a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seeker {
    pub mac: MacAddr,
    pub name: Option<String>,
    pub probe_count: i64,
    pub last_ms: i64,
}

fn probes_of(count: i64) -> String {
    if count == 1 { "1 probe".to_owned() } else { format!("{count} probes") }
}

/// The answer to `/probes`.
pub fn seekers(ssid: &Ssid, seekers: &[Seeker], total: i64, snapshot: &Snapshot) -> Say {
    if seekers.is_empty() {
        return Say::new(Text::of("Nobody has looked for ").code(spelling::shown(ssid)).plain("."));
    }
    let devices = if total == 1 { "device" } else { "devices" };
    let mut text =
        Text::of(format!("{total} {devices} looked for ")).code(spelling::shown(ssid)).plain(":");
    for seeker in seekers {
        let age = when::ago(seeker.last_ms, snapshot.pipeline_now_ms);
        text = text.line();
        if let Some(name) = &seeker.name {
            text = text.bold(name).plain(" ");
        }
        let count = seeker.probe_count;
        text = text.code(seeker.mac.to_string()).plain(format!(" · {count}× · {age}"));
    }
    let unnamed = total - i64::try_from(seekers.len()).unwrap_or(0);
    if unnamed > 0 {
        text = text.line().plain(format!("… and {unnamed} more"));
    }
    let open = |seeker: &Seeker| {
        let label = seeker.name.clone().unwrap_or_else(|| seeker.mac.to_string());
        vec![buttons::open(label, seeker.mac)]
    };
    Say::new(text).with(seekers.iter().map(open).collect())
}
