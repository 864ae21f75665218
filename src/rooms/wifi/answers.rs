//! What the Wi-Fi views read for the chat's decisions.

use futures_util::future::BoxFuture;
use sqlx::SqliteConnection;

use super::chat::dialog::{Looked, Need, Opened, Opening};
use super::chat::marks::Mark;
use super::chat::show::Seeker;
use super::chat::{Ask, Known, WifiChat, spelling, stored};
use super::given::{self, Matches, Offer, Said, Who};
use super::lookup::{self, Found, Wanted};
use super::types::{MacAddr, Ssid};
use super::{namebook, watchlist};
use crate::rooms::turn::{Answers, Asker};
use crate::store::StoreError;

impl Answers for WifiChat {
    fn read<'a>(
        &'a self,
        ask: &'a Ask,
        _asker: &'a Asker,
        db: &'a mut SqliteConnection,
    ) -> BoxFuture<'a, Result<Known, StoreError>> {
        Box::pin(async move {
            Ok(match ask {
                Ask::Device(wanted) | Ask::Chatter(wanted) => {
                    let found = lookup::find(db, wanted).await?;
                    let said = said_of(db, wanted, &found).await?;
                    Known::Device(found, said)
                }
                Ask::Devices(order, page) => {
                    let (rows, total) = lookup::page(db, *order, *page).await?;
                    Known::Devices(rows, total)
                }
                Ask::Seekers(ssid) => seekers(db, ssid).await?,
                Ask::Watched(_) | Ask::Drop(..) => Known::Watched(watchlist::all(db).await?),
                Ask::Mark { who, on_card, .. } => marked(db, who, *on_card).await?,
                Ask::Begin(opening) => Known::Opened(opened(db, opening).await?),
                Ask::Answer(draft, answer) => {
                    let dialog = stored(&draft.state);
                    let need = dialog.map_or(Need::Nothing, |dialog| dialog.needs(answer));
                    Known::Looked(look(db, need).await?)
                }
                Ask::Snooze(_) | Ask::Unclear(_) => Known::Nothing,
            })
        })
    }
}

/// What was said of the devices of a card, or of an address that was never heard.
async fn said_of(
    db: &mut SqliteConnection,
    wanted: &Wanted,
    found: &Found,
) -> Result<Vec<Said>, StoreError> {
    let macs: Vec<MacAddr> = match (found, wanted) {
        (Found::One(card), _) => card.parts.iter().map(lookup::DeviceRow::mac).collect(),
        (_, Wanted::Mac(mac)) => vec![*mac],
        _ => Vec::new(),
    };
    given::said(db, &macs).await
}

async fn seekers(db: &mut SqliteConnection, ssid: &Ssid) -> Result<Known, StoreError> {
    let (rows, total) = lookup::seekers(db, ssid).await?;
    let mut seekers = Vec::with_capacity(rows.len());
    for (mac, probe_count, last_ms) in rows {
        let (name, _) = namebook::name_of(db, mac).await?;
        seekers.push(Seeker { mac, name, probe_count, last_ms });
    }
    Ok(Known::Seekers(seekers, total))
}

async fn marked(db: &mut SqliteConnection, who: &Who, on_card: bool) -> Result<Known, StoreError> {
    let matches = given::matches(db, who).await?;
    let wanted = match (&matches, who) {
        (Matches::One(_), Who::Mac(mac)) => Some(Wanted::Mac(*mac)),
        (Matches::One(target), _) => Some(Wanted::Other(target.shown())),
        _ => None,
    };
    let card = match wanted.filter(|_| on_card) {
        Some(wanted) => Some(lookup::find(db, &wanted).await?),
        None => None,
    };
    Ok(Known::Marked(matches, card))
}

async fn opened(db: &mut SqliteConnection, opening: &Opening) -> Result<Opened, StoreError> {
    let nobody = || (Matches::None(Vec::new()), String::new());
    let (offer, (matches, rest)) = match opening {
        Opening::Name(typed) if typed.is_empty() => (Offer::Unnamed, nobody()),
        Opening::Name(typed) => (Offer::Unnamed, given::leading(db, typed).await?),
        Opening::NameOf { mac, all } => {
            let who = if *all { Who::NameOf(*mac) } else { Who::Mac(*mac) };
            (Offer::Unnamed, (given::matches(db, &who).await?, String::new()))
        }
        Opening::Mark(Mark::Ignore) => (Offer::Heard, nobody()),
        Opening::Mark(Mark::Watch) => (Offer::Unwatched, nobody()),
        Opening::Mark(Mark::Unignore) => (Offer::Ignored, nobody()),
        Opening::Mark(Mark::Unwatch) => (Offer::Watched, nobody()),
        Opening::Forget(typed) if typed.is_empty() => (Offer::Said, nobody()),
        Opening::Forget(typed) => {
            let matches = given::matches(db, &Who::Typed(typed.clone())).await?;
            (Offer::Said, (matches, String::new()))
        }
        Opening::Watch(typed) => {
            let ssid = spelling::first(typed).map(|(ssid, _)| ssid);
            return Ok(Opened::Watch(reason(db, ssid.ok()).await?));
        }
        Opening::Unwatch(typed) => {
            let networks = watchlist::all(db).await?.into_iter().map(|(ssid, _)| ssid).collect();
            let reason = reason(db, spelling::whole(typed).ok()).await?;
            return Ok(Opened::Unwatch(networks, reason));
        }
    };
    Ok(Opened::Device { offers: given::offers(db, offer).await?, matches, rest })
}

async fn reason(
    db: &mut SqliteConnection,
    ssid: Option<Ssid>,
) -> Result<Option<String>, StoreError> {
    match ssid {
        Some(ssid) => watchlist::reason(db, &ssid).await,
        None => Ok(None),
    }
}

async fn look(db: &mut SqliteConnection, need: Need) -> Result<Looked, StoreError> {
    Ok(match need {
        Need::Nothing => Looked::Nothing,
        Need::Who(who) => Looked::Who(given::matches(db, &who).await?),
        Need::Now(macs) => Looked::Now(given::said(db, &macs).await?),
        Need::Watch(ssid) => Looked::Watch(watchlist::reason(db, &ssid).await?),
        Need::Opening(opening) => Looked::Opened(Box::new(opened(db, &opening).await?)),
    })
}
