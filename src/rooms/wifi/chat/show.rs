//! What devices and networks look like in a chat. The shape of a card is the contract's, section 2.

use crate::kernel::chat::{Button, Keyboard, Snapshot};
use crate::kernel::effect::Say;
use crate::kernel::text::Text;
use crate::kernel::when;
use crate::rooms::wifi::lookup::{
    Card, Count, Found, Listed, Order, PAGE_LIMIT, STRIP_HOURS, Wanted,
};
use crate::rooms::wifi::types::{MacAddr, Ssid};

/// The data of a button that opens a device's card.
pub const OPEN: &str = "wifi:show:";
/// The data of a button that turns a page: its order's letter and its number.
pub const PAGE: &str = "wifi:page:";

/// Addresses that a card of several names; it says how many more there are.
const CARD_PARTS: usize = 10;

/// The answer to `/device`.
pub fn device(wanted: &Wanted, found: &Found, snapshot: &Snapshot) -> Say {
    match found {
        Found::One(one) => card(one, snapshot),
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
            Say::new(Text::of("I know ").bold(name).plain(", but it never sent a probe."))
        }
        Found::Nothing(nearest) => {
            let text = Text::of("🛎 No result found for device ").code(named(wanted));
            if nearest.is_empty() {
                return Say::new(text.line().plain("/devices lists those heard last."));
            }
            let rows = nearest.iter().filter(|name| OPEN.len() + name.len() <= DATA_BYTES);
            let rows = rows.map(|name| vec![Button::new(name.clone(), format!("{OPEN}{name}"))]);
            Say::new(text.line().plain("The closest names:")).with(rows.collect())
        }
    }
}

/// What Telegram takes as a button's data, in bytes (Bot API, `InlineKeyboardButton`).
const DATA_BYTES: usize = 64;

fn named(wanted: &Wanted) -> String {
    match wanted {
        Wanted::Mac(mac) => mac.to_string(),
        Wanted::Part { typed, .. } | Wanted::Other(typed) => typed.clone(),
    }
}

fn card(card: &Card, snapshot: &Snapshot) -> Say {
    let time = |ms| when::moment(ms, snapshot.time_zone);
    let mut text = heading(card);
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
        text = text.line().plain(format!("Signal : {weakest} to {strongest}\u{a0}dBm"));
    }
    text = text.line().plain(format!("{STRIP_HOURS} h : ")).code(strip(&card.hours));
    let say = Say::new(text);
    if card.parts.len() < 2 {
        return say;
    }
    let parts = card.parts.iter().take(CARD_PARTS).map(|part| {
        let label = format!("{} · {} probes", part.mac(), part.probe_count);
        vec![Button::new(label, format!("{OPEN}{}", part.mac()))]
    });
    say.with(parts.collect())
}

fn heading(card: &Card) -> Text {
    let text = Text::of("📡 Wi-Fi probe stats for ");
    let mut text = match (&card.name, card.parts.as_slice()) {
        (Some(name), [only]) => text.bold(name).plain(" ").code(only.mac().to_string()),
        (Some(name), parts) => text.bold(name).plain(format!(" ({} addresses)", parts.len())),
        (None, [first, ..]) => text.code(first.mac().to_string()),
        (None, []) => text,
    };
    if card.parts.iter().any(|part| part.mac().is_randomised()) {
        let words =
            "a randomised address: the device made it up, and begins anew after a long silence";
        text = text.line().italic(words);
    }
    if card.is_ignored {
        text = text.line().italic("ignored: nothing of it is news");
    }
    text
}

fn ssids(text: Text, card: &Card) -> Text {
    let is_complete = card.parts.iter().all(|part| part.ssids_complete);
    let at_least = if is_complete { "" } else { "more than " };
    let mut text = text.plain(format!("Unique SSIDs : {at_least}{}", card.ssid_count));
    for (index, ssid) in card.ssids.iter().enumerate() {
        text = text.plain(if index == 0 { " (" } else { ", " }).code(ssid.to_string());
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
        let label = format!("{who} · {} probes · {age}", row.device.probe_count);
        vec![Button::new(label, format!("{OPEN}{mac}"))]
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
    let pages = (total + PAGE_LIMIT - 1) / PAGE_LIMIT;
    let count = if total == 1 { "1 device".to_owned() } else { format!("{total} devices") };
    let text = Text::new().bold(count).plain(format!(", {}", order.label()));
    let text = if pages > 1 { text.plain(format!(", page {} of {pages}", page + 1)) } else { text };
    let mut keyboard = choices(rows, snapshot);
    let turn = |label: &str, order: Order, page: i64| {
        Button::new(label, format!("{PAGE}{}{page}", order.letter()))
    };
    let mut turns = Vec::new();
    if page > 0 {
        turns.push(turn("◀", order, page - 1));
    }
    if page + 1 < pages {
        turns.push(turn("▶", order, page + 1));
    }
    let others = [Order::Newest, Order::Busiest, Order::New].into_iter();
    let others = others.filter(|other| *other != order);
    keyboard.extend((!turns.is_empty()).then_some(turns));
    keyboard.push(others.map(|other| turn(other.label(), other, 0)).collect());
    Say::new(text).with(keyboard)
}

/// The answer to `/probes`.
pub fn seekers(ssid: &Ssid, rows: &[(MacAddr, i64, i64)], total: i64, snapshot: &Snapshot) -> Say {
    if rows.is_empty() {
        return Say::new(Text::of("Nobody has looked for ").code(ssid.to_string()).plain("."));
    }
    let devices = if total == 1 { "device" } else { "devices" };
    let mut text =
        Text::of(format!("{total} {devices} looked for ")).code(ssid.to_string()).plain(":");
    for (mac, count, last_ms) in rows {
        let age = when::ago(*last_ms, snapshot.pipeline_now_ms);
        text = text.line().code(mac.to_string()).plain(format!(" · {count}× · {age}"));
    }
    let unnamed = total - i64::try_from(rows.len()).unwrap_or(0);
    if unnamed > 0 {
        text = text.line().plain(format!("… and {unnamed} more"));
    }
    Say::new(text)
}
