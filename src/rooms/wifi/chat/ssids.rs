//! The watch list as it is shown: networks with their reasons, in pages.

use super::buttons;
use super::spelling::shown;
use crate::kernel::chat::{Keyboard, Snapshot};
use crate::kernel::effect::Say;
use crate::kernel::paging::Page;
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
    let whole = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let page = Page::of(whole(page), whole(networks.len()), whole(PAGE_LIMIT));
    let number = usize::try_from(page.number).unwrap_or(0);
    let count = match networks.len() {
        1 => "1 watched network".to_owned(),
        count => format!("{count} watched networks"),
    };
    let mut text = Text::new().bold(count).plain(page.words());
    let mut keyboard = Keyboard::new();
    for (ssid, reason) in networks.iter().skip(number * PAGE_LIMIT).take(PAGE_LIMIT) {
        text = text.line().code(shown(ssid)).plain(" · ").data(reason);
        if may_edit {
            keyboard.push(vec![buttons::drop_ssid(
                format!("✖ {}", shown(ssid)),
                ssid,
                page.number,
            )]);
        }
    }
    if may_edit {
        text = text.line().italic("✖ takes a network off the list; /watch_ssid adds one.");
    }
    let turns = page.turns(buttons::watched_page);
    keyboard.extend((!turns.is_empty()).then_some(turns));
    Say::new(text).with(keyboard)
}
