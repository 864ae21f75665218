//! The SQL of questions about sensors: which plant each feeds, and when it was heard. Each runs
//! inside one read transaction.

use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;

use super::MAPPING;
use super::lookup::{self, Found};
use super::types::SensorId;
use super::wire::Mapping;
use crate::store::{StoreError, publication};

/// Sensors that a question offers: Telegram takes 100 buttons under a message.
const OFFER_LIMIT: usize = 40;
/// Sensors of a kind that `/sensors` lists; it says how many more there are.
const LIST_LIMIT: usize = 30;

/// A sensor and the plant that it feeds.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct Mapped {
    pub sensor_id: String,
    pub plant_id: i32,
    /// `None`: nobody has described the plant.
    pub given_name: Option<String>,
    /// The newest event time of a reading that named the sensor.
    pub heard_ms: Option<i64>,
}

const MAPPED: &str = "select m.sensor_id, m.plant_id, p.given_name, s.heard_ms
  from plant_sensor_mapping m
  left join plant p using (plant_id) left join plant_sensor s using (sensor_id)";

const UNMAPPED: &str =
    "from plant_sensor where sensor_id not in (select sensor_id from plant_sensor_mapping)";

/// The sensors that feed a plant.
pub async fn feeding(db: &mut SqliteConnection, plant_id: i32) -> Result<Vec<Mapped>, StoreError> {
    Ok(sqlx::query_as(&format!("{MAPPED} where m.plant_id = ? order by m.sensor_id"))
        .bind(plant_id)
        .fetch_all(db)
        .await?)
}

/// A sensor that is heard and feeds no plant.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Unmapped {
    pub sensor_id: String,
    pub heard_ms: i64,
}

/// A plant that sends readings and that nobody has described.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Undescribed {
    pub plant_id: i32,
    /// The time of its newest reading.
    pub event_ms: i64,
}

/// Some of a kind, and how many there are in all.
#[derive(Debug, Clone, PartialEq)]
pub struct Portion<T> {
    pub shown: Vec<T>,
    pub total: i64,
}

impl<T> Default for Portion<T> {
    fn default() -> Portion<T> {
        Portion { shown: Vec::new(), total: 0 }
    }
}

impl<T> Portion<T> {
    /// The first ones of all.
    pub fn first(mut all: Vec<T>, limit: usize) -> Portion<T> {
        let total = i64::try_from(all.len()).unwrap_or(i64::MAX);
        all.truncate(limit);
        Portion { shown: all, total }
    }
}

/// Sensors that were heard before `before_ms` and not since, of plants that were read since; at most
/// `limit` of them.
pub async fn fallen_silent(
    db: &mut SqliteConnection,
    before_ms: i64,
    limit: usize,
) -> Result<Vec<Mapped>, StoreError> {
    let silent = format!(
        "{MAPPED} join plant_latest l on l.plant_id = m.plant_id
          where s.heard_ms < ?1 and l.event_ms >= ?1 order by m.sensor_id limit ?2"
    );
    Ok(sqlx::query_as(&silent)
        .bind(before_ms)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(db)
        .await?)
}

/// Everything that reads a plant.
#[derive(Debug, Clone, PartialEq)]
pub struct Overview {
    pub mapped: Portion<Mapped>,
    pub unmapped: Portion<Unmapped>,
    pub undescribed: Portion<Undescribed>,
}

/// A sensor to choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SensorOffer {
    pub sensor_id: String,
    /// What is known of it, in a word or a name.
    pub note: Option<String>,
}

impl SensorOffer {
    pub fn label(&self) -> String {
        match &self.note {
            Some(note) => format!("{} · {note}", self.sensor_id),
            None => self.sensor_id.clone(),
        }
    }
}

/// The sensors that feed a plant, to choose from.
pub async fn mapped_offers(db: &mut SqliteConnection) -> Result<Vec<SensorOffer>, StoreError> {
    let mapped: Vec<Mapped> =
        sqlx::query_as(&format!("{MAPPED} order by m.sensor_id limit {OFFER_LIMIT}"))
            .fetch_all(db)
            .await?;
    let offer = |mapped: Mapped| SensorOffer {
        note: Some(mapped.given_name.unwrap_or_else(|| format!("plant {}", mapped.plant_id))),
        sensor_id: mapped.sensor_id,
    };
    Ok(mapped.into_iter().map(offer).collect())
}

/// All sensors, and who sends readings without being known; of each kind the first ones.
pub async fn overview(db: &mut SqliteConnection) -> Result<Overview, StoreError> {
    const UNDESCRIBED: &str =
        "from plant_latest where plant_id not in (select plant_id from plant)";
    let mapped = sqlx::query_as(&format!("{MAPPED} order by m.sensor_id limit {LIST_LIMIT}"))
        .fetch_all(&mut *db)
        .await?;
    let unmapped = sqlx::query_as(&format!(
        "select sensor_id, heard_ms {UNMAPPED} order by heard_ms desc, sensor_id limit {LIST_LIMIT}"
    ))
    .fetch_all(&mut *db)
    .await?;
    let undescribed = sqlx::query_as(&format!(
        "select plant_id, event_ms {UNDESCRIBED}
          order by event_ms desc, plant_id limit {LIST_LIMIT}"
    ))
    .fetch_all(&mut *db)
    .await?;
    Ok(Overview {
        mapped: Portion { shown: mapped, total: count(db, "from plant_sensor_mapping").await? },
        unmapped: Portion { shown: unmapped, total: count(db, UNMAPPED).await? },
        undescribed: Portion { shown: undescribed, total: count(db, UNDESCRIBED).await? },
    })
}

/// How many rows there are of what one of our own constants names.
async fn count(db: &mut SqliteConnection, of: &'static str) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar(&format!("select count(*) {of}")).fetch_one(db).await?)
}

/// Every sensor that is known: the usual addresses, those that feed a plant, and those that were
/// heard, the newest first.
pub async fn offers(db: &mut SqliteConnection) -> Result<Vec<SensorOffer>, StoreError> {
    let mapped = mapped_offers(db).await?;
    let heard: Vec<String> = sqlx::query_scalar(&format!(
        "select sensor_id {UNMAPPED} order by heard_ms desc, sensor_id limit {OFFER_LIMIT}"
    ))
    .fetch_all(db)
    .await?;
    let mut known = mapped;
    known.extend(
        heard.into_iter().map(|sensor_id| SensorOffer { sensor_id, note: Some("heard".into()) }),
    );
    let usual = SensorId::KNOWN.map(|usual| {
        let at = known.iter().position(|offer| offer.sensor_id == usual);
        at.map_or(SensorOffer { sensor_id: usual.into(), note: None }, |at| known.remove(at))
    });
    let mut offers = Vec::from(usual);
    offers.extend(known);
    offers.truncate(OFFER_LIMIT);
    Ok(offers)
}

/// What matters for mapping a sensor, edits that are on their way included: whoever edits next
/// must see them although the log has not taken them yet.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Situation {
    /// The plant that the sensor feeds, and its name.
    pub fed: Option<(i32, String)>,
    /// What the typed plant came to; nothing where none was typed.
    pub found: Found,
    /// Other sensors that feed the plant that was found.
    pub sharers: Vec<String>,
}

pub async fn situation(
    db: &mut SqliteConnection,
    sensor_id: &str,
    typed_plant: &str,
) -> Result<Situation, StoreError> {
    let on_the_way = on_the_way(db).await?;
    let mut fed: Option<i32> =
        sqlx::query_scalar("select plant_id from plant_sensor_mapping where sensor_id = ?")
            .bind(sensor_id)
            .fetch_optional(&mut *db)
            .await?;
    if let Some((_, plant_id)) = on_the_way.iter().rfind(|(key, _)| key == sensor_id) {
        fed = *plant_id;
    }
    let fed = match fed {
        Some(plant_id) => Some((plant_id, name_of(db, plant_id).await?)),
        None => None,
    };
    let found = match typed_plant {
        "" => Found::default(),
        typed => lookup::find_soon(db, typed).await?,
    };
    let mut sharers = sensors_of(db, &found, &on_the_way).await?;
    sharers.retain(|sharer| sharer != sensor_id);
    Ok(Situation { fed, found, sharers })
}

/// The plant that was typed, and the sensors that feed it, edits on their way included.
pub async fn plant_with_sensors(
    db: &mut SqliteConnection,
    typed: &str,
) -> Result<(Found, Vec<String>), StoreError> {
    let on_the_way = on_the_way(db).await?;
    let found = lookup::find_soon(db, typed).await?;
    let sensors = sensors_of(db, &found, &on_the_way).await?;
    Ok((found, sensors))
}

/// The sensors of the one plant that was found, in order.
async fn sensors_of(
    db: &mut SqliteConnection,
    found: &Found,
    on_the_way: &[(String, Option<i32>)],
) -> Result<Vec<String>, StoreError> {
    let [plant] = found.matches.as_slice() else { return Ok(Vec::new()) };
    let mapped = feeding(db, plant.plant_id).await?.into_iter().map(|it| it.sensor_id);
    let mut sensors: Vec<String> = mapped.collect();
    for (key, plant_id) in on_the_way {
        sensors.retain(|sensor| sensor != key);
        if *plant_id == Some(plant.plant_id) {
            sensors.push(key.clone());
        }
    }
    sensors.sort_unstable();
    Ok(sensors)
}

/// What a plant is called, or its number where nobody has described it.
async fn name_of(db: &mut SqliteConnection, plant_id: i32) -> Result<String, StoreError> {
    let plant = lookup::by_id_soon(db, plant_id).await?;
    Ok(plant.map_or_else(|| format!("plant {plant_id}"), |plant| plant.given_name))
}

/// Sensors with what edits on their way make of them, the oldest first.
async fn on_the_way(db: &mut SqliteConnection) -> Result<Vec<(String, Option<i32>)>, StoreError> {
    let edits = publication::on_the_way(db, MAPPING).await?;
    let plant_of =
        |value| serde_json::from_value::<Mapping>(value).ok().map(|it| it.plant_id.get());
    let edit = |(key, value): (Vec<u8>, Option<serde_json::Value>)| {
        (String::from_utf8_lossy(&key).into_owned(), value.and_then(plant_of))
    };
    Ok(edits.into_iter().map(edit).collect())
}
