//! The watch list as it is shown: networks with their reasons, in pages.

use super::buttons;
use super::spelling::shown;
use crate::kernel::chat::{Keyboard, Snapshot};
use crate::kernel::effect::Say;
use crate::kernel::text::Text;
use crate::rooms::wifi::types::Ssid;

/// Networks on one page.
const PAGE_LIMIT: usize = 8;

/// A page of the list; one that no longer is becomes the last.
pub(super) fn list(networks: &[(Ssid, String)], page: usize, snapshot: &Snapshot) -> Say {
    let may_edit = snapshot.standing.may_edit();
    if networks.is_empty() {
        let text = Text::of("No network is watched.");
        let hint = match may_edit {
            true => " /watch_ssid RNM0 home network watches one and says why.",
            false => " A member can watch one.",
        };
        return Say::new(text.plain(hint));
    }
    let pages = networks.len().div_ceil(PAGE_LIMIT);
    let page = page.min(pages - 1);
    let count = match networks.len() {
        1 => "1 watched network".to_owned(),
        count => format!("{count} watched networks"),
    };
    let mut text = Text::new().bold(count);
    if pages > 1 {
        text = text.plain(format!(", page {} of {pages}", page + 1));
    }
    let mut keyboard = Keyboard::new();
    for (ssid, reason) in networks.iter().skip(page * PAGE_LIMIT).take(PAGE_LIMIT) {
        text = text.line().code(shown(ssid)).plain(" · ").data(reason);
        if may_edit {
            keyboard.push(vec![buttons::drop_ssid(format!("✖ {}", shown(ssid)), ssid, page)]);
        }
    }
    if may_edit {
        text = text.line().italic("✖ takes a network off the list; /watch_ssid adds one.");
    }
    let mut turns = Vec::new();
    if page > 0 {
        turns.push(buttons::watched_page("◀", page - 1));
    }
    if page + 1 < pages {
        turns.push(buttons::watched_page("▶", page + 1));
    }
    keyboard.extend((!turns.is_empty()).then_some(turns));
    Say::new(text).with(keyboard)
}
