//! What the plants' views read for the chat's decisions.

use futures_util::future::BoxFuture;
use sqlx::SqliteConnection;

use super::chat::update::{Edit, Looked, Need};
use super::chat::{Ask, Known, PlantChat, filter_of};
use super::lookup;
use crate::rooms::turn::{Answers, Asker};
use crate::store::StoreError;

impl Answers for PlantChat {
    fn read<'a>(
        &'a self,
        ask: &'a Ask,
        _asker: &'a Asker,
        db: &'a mut SqliteConnection,
    ) -> BoxFuture<'a, Result<Known, StoreError>> {
        Box::pin(async move {
            match ask {
                Ask::List(typed) => list(db, typed).await,
                Ask::Show(typed) if typed.is_empty() => Ok(Known::Nothing),
                Ask::Show(typed) => show(db, typed).await,
                Ask::Begin(typed) => {
                    let (offers, found) = offers(db, typed).await?;
                    Ok(Known::Offers(offers, found))
                }
                Ask::Answer(draft, answer) => {
                    let edit: Option<Edit> = serde_json::from_value(draft.state.clone()).ok();
                    let need = edit.map_or(Need::Nothing, |edit| edit.needs(answer));
                    Ok(Known::Looked(look(db, need).await?))
                }
            }
        })
    }
}

async fn list(db: &mut SqliteConnection, typed: &str) -> Result<Known, StoreError> {
    let filter = match filter_of(typed) {
        Some(Err(_)) => return Ok(Known::Nothing),
        Some(Ok(filter)) => Some(filter),
        None => None,
    };
    let (rows, total) = lookup::list(db, filter.as_ref()).await?;
    Ok(Known::Plants(rows, total))
}

async fn show(db: &mut SqliteConnection, typed: &str) -> Result<Known, StoreError> {
    let found = lookup::find(db, typed).await?;
    let day = match found.matches.as_slice() {
        [plant] => match plant.event_ms {
            // The day up to the newest reading: a silent sensor still has a history.
            Some(event_ms) => lookup::day(db, plant.plant_id, event_ms).await?,
            None => None,
        },
        _ => None,
    };
    Ok(Known::Plant(found, day))
}

async fn offers(
    db: &mut SqliteConnection,
    typed: &str,
) -> Result<(lookup::Offers, Option<lookup::Found>), StoreError> {
    let offers = lookup::offers(db).await?;
    let found = if typed.is_empty() { None } else { Some(lookup::find(db, typed).await?) };
    Ok((offers, found))
}

async fn look(db: &mut SqliteConnection, need: Need) -> Result<Looked, StoreError> {
    Ok(match need {
        Need::Nothing => Looked::Nothing,
        Need::Plant(typed) => Looked::Found(lookup::find(db, &typed).await?),
        Need::Now(plant_id) => Looked::Now(lookup::by_id(db, plant_id).await?),
        Need::Offers(typed) => {
            let (offers, found) = offers(db, &typed).await?;
            Looked::Offers(offers, found)
        }
    })
}
