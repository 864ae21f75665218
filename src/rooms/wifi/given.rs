//! The SQL of what people said of devices: who is meant, and what holds of it. Whoever edits sees
//! edits that the log has not taken yet.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;

use super::copies::name_key;
use super::lookup::{self, Count, Found, Wanted};
use super::types::MacAddr;
use super::wire::Given;
use super::{NAMES, namebook};
use crate::kernel::text::Text;
use crate::store::{StoreError, publication};

/// Devices that a question offers.
const OFFERS_LIMIT: usize = 6;
/// Devices heard last among which a question looks for such that it may offer.
const RECENT_LIMIT: i64 = 60;
/// Words at the beginning of a text that may be a device's name.
const NAME_WORDS: usize = 16;

/// A device and what was said of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    pub mac: MacAddr,
    pub given: Given,
    /// What UniFi calls it.
    pub unifi: Option<String>,
}

impl Said {
    /// The name it goes by: one that was given in chat wins.
    pub fn name(&self) -> Option<&str> {
        self.given.name.as_deref().or(self.unifi.as_deref())
    }

    /// Its name or, without one, its address.
    pub fn shown(&self) -> String {
        self.name().map_or_else(|| self.mac.to_string(), str::to_owned)
    }

    /// Both, for a list.
    pub fn label(&self) -> String {
        match self.name() {
            Some(name) => format!("{name} · {}", self.mac),
            None => self.mac.to_string(),
        }
    }
}

/// Who is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    Mac(MacAddr),
    /// Everything that goes by the name of this device.
    NameOf(MacAddr),
    /// A name, an address, or a part of one.
    Typed(String),
}

/// The devices that an edit is about: one, or all that go by one name; never none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    pub devices: Vec<Said>,
}

impl Target {
    /// The name of the first, or its address.
    pub fn shown(&self) -> String {
        self.devices.first().map(Said::shown).unwrap_or_default()
    }

    pub fn macs(&self) -> Vec<MacAddr> {
        self.devices.iter().map(|said| said.mac).collect()
    }

    /// What to know of a device that made its address up, before much is said of it.
    pub fn caveat(&self) -> Option<&'static str> {
        let is_made_up = self.devices.iter().any(|said| said.mac.is_randomised());
        is_made_up.then_some("It made its address up, and may come back under another one.")
    }

    /// The beginning of a sentence about it.
    pub fn text(&self) -> Text {
        match self.devices.as_slice() {
            [only] => match only.name() {
                Some(name) => {
                    Text::new().bold(name).plain(" (").code(only.mac.to_string()).plain(")")
                }
                None => Text::new().code(only.mac.to_string()),
            },
            several => {
                Text::new().bold(self.shown()).plain(format!(" ({} addresses)", several.len()))
            }
        }
    }
}

/// What somebody typed for a device came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Matches {
    One(Target),
    /// Some of those that fit, and how many do.
    Several(Vec<Said>, Count),
    /// None, and the names most like it.
    None(Vec<String>),
}

type OnTheWay = BTreeMap<MacAddr, Given>;

/// What edits on their way to the log make of devices.
async fn on_the_way(db: &mut SqliteConnection) -> Result<OnTheWay, StoreError> {
    let mut devices = OnTheWay::new();
    for (key, value) in publication::on_the_way(db, NAMES).await? {
        let mac = std::str::from_utf8(&key).ok().and_then(|key| key.parse().ok());
        let Some(mac) = mac else { continue };
        match value.map(serde_json::from_value) {
            None => drop(devices.insert(mac, Given::default())),
            Some(Ok(given)) => drop(devices.insert(mac, given)),
            // It never fitted its topic; its author is told.
            Some(Err(_)) => {}
        }
    }
    Ok(devices)
}

/// Devices as they are, or will be when the edits on their way have arrived.
pub async fn said(db: &mut SqliteConnection, macs: &[MacAddr]) -> Result<Vec<Said>, StoreError> {
    let soon = on_the_way(db).await?;
    let mut devices = Vec::with_capacity(macs.len());
    for mac in macs {
        let given = match soon.get(mac) {
            Some(given) => given.clone(),
            None => stored(db, *mac).await?.unwrap_or_default(),
        };
        let unifi = namebook::unifi_name_of(db, *mac).await?;
        devices.push(Said { mac: *mac, given, unifi });
    }
    Ok(devices)
}

async fn stored(db: &mut SqliteConnection, mac: MacAddr) -> Result<Option<Given>, StoreError> {
    let row: Option<(Option<String>, bool, bool)> =
        sqlx::query_as("select name, ignored, watched from wifi_given where mac = ?")
            .bind(mac.key())
            .fetch_optional(db)
            .await?;
    Ok(row.map(|(name, ignored, watched)| Given { name, ignored, watched }))
}

async fn target(db: &mut SqliteConnection, macs: &[MacAddr]) -> Result<Matches, StoreError> {
    Ok(Matches::One(Target { devices: said(db, macs).await? }))
}

/// Who is meant, as far as we know them.
pub async fn matches(db: &mut SqliteConnection, who: &Who) -> Result<Matches, StoreError> {
    match who {
        Who::Mac(mac) => target(db, &[*mac]).await,
        Who::NameOf(mac) => {
            let named = said(db, &[*mac]).await?;
            let name = named.first().and_then(|said| said.name()).unwrap_or_default();
            match named_soon(db, name).await? {
                macs if macs.is_empty() => target(db, &[*mac]).await,
                macs => target(db, &macs).await,
            }
        }
        Who::Typed(typed) => matches_typed(db, typed).await,
    }
}

async fn matches_typed(db: &mut SqliteConnection, typed: &str) -> Result<Matches, StoreError> {
    let wanted = Wanted::of(typed);
    if let Wanted::Mac(mac) = wanted {
        // Also one that was never heard: it may be named before it comes.
        return target(db, &[mac]).await;
    }
    let macs = named_soon(db, typed).await?;
    if !macs.is_empty() {
        return target(db, &macs).await;
    }
    match lookup::find(db, &wanted).await? {
        Found::One(card) => {
            let macs: Vec<MacAddr> = card.parts.iter().map(lookup::DeviceRow::mac).collect();
            target(db, &macs).await
        }
        Found::Several(listed, total) => {
            let macs: Vec<MacAddr> = listed.iter().map(|row| row.device.mac()).collect();
            Ok(Matches::Several(said(db, &macs).await?, total))
        }
        Found::Silent(_) => Ok(Matches::None(Vec::new())),
        Found::Nothing(nearest) => Ok(Matches::None(nearest)),
    }
}

/// The devices that go by a name, or will when the edits on their way have arrived.
async fn named_soon(db: &mut SqliteConnection, typed: &str) -> Result<Vec<MacAddr>, StoreError> {
    let wanted = name_key(typed);
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let mut macs = namebook::macs_of(db, typed).await?;
    let soon = on_the_way(db).await?;
    macs.extend(soon.keys());
    macs.sort_unstable();
    macs.dedup();
    let devices = said(db, &macs).await?;
    let named = |said: &Said| said.name().is_some_and(|name| name_key(name) == wanted);
    Ok(devices.iter().filter(|said| named(said)).map(|said| said.mac).collect())
}

/// A device at the beginning of a text, and the rest of the text: an address, the longest name that
/// we know and that leaves something, what is quoted, or else the first word.
pub async fn leading(
    db: &mut SqliteConnection,
    typed: &str,
) -> Result<(Matches, String), StoreError> {
    let typed = typed.trim();
    let (word, rest) = typed.split_once(char::is_whitespace).unwrap_or((typed, ""));
    if let Ok(mac) = word.parse() {
        return Ok((target(db, &[mac]).await?, rest.trim().to_owned()));
    }
    if let Some((name, rest)) = quoted(typed) {
        return Ok((matches_typed(db, name).await?, rest.to_owned()));
    }
    let ends: Vec<usize> = typed
        .char_indices()
        .filter(|(_, letter)| letter.is_whitespace())
        .map(|(at, _)| at)
        .take(NAME_WORDS)
        .collect();
    for end in ends.into_iter().rev() {
        let macs = named_soon(db, &typed[..end]).await?;
        if !macs.is_empty() {
            return Ok((target(db, &macs).await?, typed[end..].trim().to_owned()));
        }
    }
    match matches_typed(db, typed).await? {
        Matches::None(_) if !rest.is_empty() => {
            Ok((matches_typed(db, word).await?, rest.trim().to_owned()))
        }
        whole => Ok((whole, String::new())),
    }
}

/// What stands in straight or typographic quotation marks at the beginning.
fn quoted(typed: &str) -> Option<(&str, &str)> {
    let inner = typed.strip_prefix(['"', '“', '„'])?;
    let end = inner.find(['"', '”', '“'])?;
    let rest = inner[end..].trim_start_matches(['"', '”', '“']);
    Some((&inner[..end], rest.trim()))
}

/// Which devices a question offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// Heard lately, and without a name.
    Unnamed,
    /// Heard lately, and not ignored.
    Heard,
    /// Heard lately, and not watched.
    Unwatched,
    /// Of which something was said.
    Said,
    Ignored,
    Watched,
}

impl Offer {
    fn fits(self, said: &Said) -> bool {
        match self {
            Offer::Unnamed => said.name().is_none() && !said.given.ignored,
            Offer::Heard => !said.given.ignored,
            Offer::Unwatched => !said.given.watched && !said.given.ignored,
            Offer::Said => said.given != Given::default(),
            Offer::Ignored => said.given.ignored,
            Offer::Watched => said.given.watched,
        }
    }
}

pub async fn offers(db: &mut SqliteConnection, offer: Offer) -> Result<Vec<Said>, StoreError> {
    let mut macs: Vec<MacAddr>;
    if matches!(offer, Offer::Unnamed | Offer::Heard | Offer::Unwatched) {
        let recent = lookup::newest(db, RECENT_LIMIT, 0).await?;
        macs = recent.iter().map(lookup::DeviceRow::mac).collect();
    } else {
        let recent = "select mac from wifi_given order by record_ts_ms desc, mac limit ?";
        let keys: Vec<i64> =
            sqlx::query_scalar(recent).bind(RECENT_LIMIT).fetch_all(&mut *db).await?;
        macs = keys.into_iter().map(MacAddr::of_key).collect();
        let soon = on_the_way(db).await?;
        macs.extend(soon.into_keys().filter(|mac| !macs.contains(mac)).collect::<Vec<_>>());
    }
    let mut devices = said(db, &macs).await?;
    devices.retain(|said| offer.fits(said));
    devices.truncate(OFFERS_LIMIT);
    Ok(devices)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_at_the_beginning_is_one_name() {
        assert_eq!(quoted("\"Robin's Kindle\" Reader"), Some(("Robin's Kindle", "Reader")));
        assert_eq!(quoted("„Robins Kindle“  Reader"), Some(("Robins Kindle", "Reader")));
        assert_eq!(quoted("“x”"), Some(("x", "")));
        assert_eq!(quoted("\"open"), None);
        assert_eq!(quoted("plain"), None);
    }
}
