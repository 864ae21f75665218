//! What the plants' views read for the chat's decisions.

use futures_util::future::BoxFuture;
use sqlx::SqliteConnection;

use super::chat::dialog::{Looked, Need, Opened, Opening};
use super::chat::inline::PAGE;
use super::chat::past::{DAYS_MAX, Past};
use super::chat::{Ask, Known, PlantCard, PlantChat, filter_of, mapping, stored, update};
use super::lookup::PlantRow;
use super::sensors::{SensorOffer, Situation};
use super::{care, history, lookup, outlook, sensors};
use crate::kernel::time::{DAY_MS, Sight};
use crate::rooms::turn::{Answers, Asker};
use crate::store::StoreError;

impl Answers for PlantChat {
    fn read<'a>(
        &'a self,
        ask: &'a Ask,
        asker: &'a Asker,
        db: &'a mut SqliteConnection,
    ) -> BoxFuture<'a, Result<Known, StoreError>> {
        Box::pin(async move {
            match ask {
                Ask::List(typed) => list(db, typed, asker).await,
                Ask::Show(typed) if typed.is_empty() => Ok(Known::Nothing),
                Ask::Show(typed) => show(db, typed).await,
                Ask::Inline { typed, given } => inline(db, typed, *given, asker.sight).await,
                Ask::History(span) => {
                    let past = past(db, &span.plant, span.ms()).await?;
                    or_unclear(db, past, &span.typed).await
                }
                Ask::Export(typed) => past(db, typed, DAYS_MAX * DAY_MS).await,
                Ask::Watered(told) => {
                    let waterings = watered(db, &told.plant).await?;
                    or_unclear(db, waterings, &told.typed).await
                }
                Ask::Sensors => Ok(Known::Sensors(sensors::overview(db).await?)),
                Ask::Begin(opening) => Ok(Known::Opened(opened(db, opening).await?)),
                Ask::Answer(draft, answer) => {
                    let dialog = stored(&draft.state);
                    let need = dialog.map_or(Need::Nothing, |dialog| dialog.needs(answer));
                    Ok(Known::Looked(look(db, need).await?))
                }
            }
        })
    }
}

async fn list(db: &mut SqliteConnection, typed: &str, asker: &Asker) -> Result<Known, StoreError> {
    let filter = match filter_of(typed, asker.settings.unit) {
        Some(Err(_)) => return Ok(Known::Nothing),
        Some(Ok(filter)) => Some(filter),
        None => None,
    };
    Ok(Known::Plants(lookup::list(db, filter.as_ref(), asker.sight).await?))
}

async fn show(db: &mut SqliteConnection, typed: &str) -> Result<Known, StoreError> {
    let found = lookup::find(db, typed).await?;
    let card = match found.matches.as_slice() {
        [plant] => Some(card(db, plant).await?),
        _ => None,
    };
    Ok(Known::Plant(found, card))
}

async fn card(db: &mut SqliteConnection, plant: &PlantRow) -> Result<PlantCard, StoreError> {
    // The week up to the newest reading: a silent sensor still has a history.
    let until_ms = plant.event_ms.unwrap_or(0);
    let week = history::week(db, plant.plant_id, until_ms).await?;
    let since_ms = until_ms - history::WEEK_MS;
    let waterings = care::waterings(db, plant.plant_id, since_ms).await?;
    let sensors = sensors::feeding(db, plant.plant_id).await?;
    let forecast = outlook::of(&week, &waterings, plant.moisture_low);
    Ok(PlantCard { week, waterings, forecast, sensors })
}

/// A page of plants to pick from, with their cards.
async fn inline(
    db: &mut SqliteConnection,
    typed: &str,
    given: u32,
    sight: Sight,
) -> Result<Known, StoreError> {
    // One more tells whether there is another page.
    let mut rows = lookup::called(db, typed, sight, given, u32::from(PAGE) + 1).await?;
    let is_last = rows.len() <= usize::from(PAGE);
    rows.truncate(PAGE.into());
    let mut plants = Vec::new();
    for row in rows {
        let card = card(db, &row).await?;
        plants.push((row, card));
    }
    Ok(Known::Called { plants, is_last })
}

/// What is known, unless that is no plant and the first words of what was typed are one: then those
/// behind it mean nothing.
async fn or_unclear(
    db: &mut SqliteConnection,
    known: Known,
    typed: &str,
) -> Result<Known, StoreError> {
    match &known {
        Known::Past(found, _) | Known::Waterings(found, _) if found.is_nothing() => {}
        _ => return Ok(known),
    }
    let named = lookup::named_before(db, typed).await?;
    Ok(named.map_or(known, |(plant, rest)| Known::Unclear { plant: plant.given_name, rest }))
}

/// The time that ends with the plant's newest reading.
async fn past(db: &mut SqliteConnection, typed: &str, span_ms: i64) -> Result<Known, StoreError> {
    let found = lookup::find(db, typed).await?;
    let past = match found.matches.as_slice() {
        [PlantRow { plant_id, event_ms: Some(until_ms), .. }] => {
            let from_ms = until_ms - span_ms;
            let quarters = history::quarters(db, *plant_id, from_ms, *until_ms).await?;
            let waterings = care::waterings(db, *plant_id, from_ms).await?;
            Some(Past { quarters, waterings })
        }
        _ => None,
    };
    Ok(Known::Past(found, past))
}

async fn watered(db: &mut SqliteConnection, typed: &str) -> Result<Known, StoreError> {
    let found = lookup::find_soon(db, typed).await?;
    let said = match found.matches.as_slice() {
        [plant] => care::said_soon(db, plant.plant_id).await?,
        _ => Vec::new(),
    };
    Ok(Known::Waterings(found, said))
}

async fn opened(db: &mut SqliteConnection, opening: &Opening) -> Result<Opened, StoreError> {
    Ok(match opening {
        Opening::Plant(typed) => {
            let offers = lookup::offers(db, 0).await?;
            let found = match typed.as_str() {
                "" => None,
                typed => Some(lookup::find_soon(db, &update::split(typed).0).await?),
            };
            Opened::Plant(offers, found)
        }
        Opening::Mapping(typed) => {
            let sensors = sensors::offers(db).await?;
            let (sensor, plant) = mapping::split(typed, &sensors);
            let situation = situation(db, sensor, &sensors, plant).await?;
            Opened::Mapping(sensors, lookup::offers(db, 0).await?, situation)
        }
        Opening::Sensor(sensor) => {
            let sensors = sensors::offers(db).await?;
            let situation = situation(db, sensor, &sensors, "").await?;
            Opened::Mapping(sensors, lookup::offers(db, 0).await?, situation)
        }
        Opening::Delete(typed) => {
            let found = match typed.as_str() {
                "" => None,
                typed => Some(sensors::plant_with_sensors(db, typed).await?),
            };
            Opened::Delete(lookup::offers(db, 0).await?, found)
        }
        Opening::Unmap(typed) => {
            let sensors = sensors::mapped_offers(db).await?;
            let situation = situation(db, typed, &sensors, "").await?;
            Opened::Unmap(sensors, situation)
        }
    })
}

/// `None` where no sensor's id was typed.
async fn situation(
    db: &mut SqliteConnection,
    typed: &str,
    known: &[SensorOffer],
    plant: &str,
) -> Result<Option<Situation>, StoreError> {
    match mapping::meant(typed, known) {
        Ok(sensor_id) => Ok(Some(sensors::situation(db, sensor_id.as_str(), plant).await?)),
        Err(_) => Ok(None),
    }
}

async fn look(db: &mut SqliteConnection, need: Need) -> Result<Looked, StoreError> {
    Ok(match need {
        Need::Nothing => Looked::Nothing,
        Need::Plant(typed) => Looked::Plant(lookup::find_soon(db, &typed).await?),
        Need::Offers(page) => Looked::Offers(lookup::offers(db, page).await?),
        Need::Now(plant_id) => Looked::Now(lookup::by_id_soon(db, plant_id).await?),
        Need::WithSensors(typed) => {
            let (found, sensors) = sensors::plant_with_sensors(db, &typed).await?;
            Looked::WithSensors(found, sensors)
        }
        Need::Situation { sensor_id, plant } => {
            Looked::Situation(Box::new(sensors::situation(db, &sensor_id, &plant).await?))
        }
        Need::Opening(opening) => Looked::Opened(Box::new(opened(db, &opening).await?)),
    })
}
