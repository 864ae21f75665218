//! Forecasts: of one plant for its card, in the evening of those that will be dry by the end of the
//! next day, and for the daily digest. What tells an evening runs inside the step's transaction, the
//! rest inside one read transaction.
//!
//! Invariant: an evening looks at readings before it alone, and a plant is told of once until its
//! forecast is two evenings old.

use sqlx::SqliteConnection;

use super::care::{self, Watered};
use super::fold::BUCKET_MS;
use super::history::{self, Quarter};
use super::life::Kind;
use super::rules::forecast::{self, Forecast, PAST_MS, SETTLES_MS};
use super::rules::watering::Mean;
use super::rules::{self, Drying, cards};
use super::types::thousandths;
use crate::clock;
use crate::engine::Due;
use crate::kernel::alert::Alert;
use crate::kernel::time::{DAY_MS, HOUR_MS};
use crate::kernel::when;
use crate::store::{StoreError, alerts as store_alerts};

/// Plants of which one step makes a forecast: each takes some hundred look-ups and a few fits.
const PLANTS_A_STEP: usize = 100;
/// Plants that one step goes through for those: each takes a dozen look-ups.
const LOOKED_AT_A_STEP: i64 = 10_000;
/// An evening is told of so late at most, by the pipelines' clock, as after a pause of the machine.
const LATE_MS: i64 = 6 * HOUR_MS;
/// A plant that was not read for so long has no forecast.
const FRESH_MS: i64 = 3 * HOUR_MS;
/// Nothing dries by more in a day and a half, in thousandths of a per cent.
const DRIES_AT_MOST: i64 = 30_000;
/// A forecast of the evening before is no news.
const TOLD_MS: i64 = 40 * HOUR_MS;
/// What was told longer ago is forgotten.
const TOLD_RETENTION_MS: i64 = 30 * DAY_MS;

/// When a plant will be dry, by its quarter hours up to the newest.
pub fn of(quarters: &[Quarter], waterings: &[Watered], moisture_low: f32) -> Option<Forecast> {
    let newest_ms = quarters.last()?.start_ms;
    let before = waterings.iter().filter(|watered| watered.at_ms <= newest_ms);
    let watered_ms = before.map(|watered| watered.at_ms + SETTLES_MS).max();
    let from_ms = watered_ms.unwrap_or(i64::MIN).max(newest_ms - PAST_MS);
    let since = quarters.iter().filter(|quarter| quarter.start_ms >= from_ms);
    let mean =
        |quarter: &Quarter| Mean { start_ms: quarter.start_ms, moisture: quarter.moisture_mean() };
    let means: Vec<Mean> = since.map(mean).collect();
    forecast::crossing(&means, thousandths(moisture_low))
}

/// Goes on with the evening that is due at this watermark; all of it where nothing comes after.
pub(super) async fn ring(
    db: &mut SqliteConnection,
    watermark_ms: i64,
    due: Due,
    time_zone: chrono_tz::Tz,
) -> Result<Vec<Alert>, StoreError> {
    let mut alerts = Vec::new();
    let Some((mut evening_ms, mut after)) = state(db).await? else {
        set_state(db, when::evening_after(watermark_ms, time_zone), -1).await?;
        return Ok(alerts);
    };
    if evening_ms > watermark_ms {
        return Ok(alerts);
    }
    loop {
        if evening_ms < due.now_ms - LATE_MS {
            // Too long ago to be of use.
            evening_ms = when::evening_after(due.now_ms - LATE_MS, time_zone);
            after = -1;
        }
        if evening_ms > watermark_ms {
            break;
        }
        let (plants, next) = near(db, evening_ms, after).await?;
        let mut soon = Vec::new();
        for plant in &plants {
            soon.extend(soon_dry(db, plant, evening_ms, time_zone).await?);
        }
        alerts.extend(rules::evening(&soon));
        match next {
            Some(come_to) => after = come_to,
            None => {
                forget(db, evening_ms).await?;
                evening_ms = when::evening_after(evening_ms, time_zone);
                after = -1;
            }
        }
        if !due.is_final {
            break;
        }
    }
    set_state(db, evening_ms, after).await?;
    Ok(alerts)
}

/// The watermark at which there is an evening to tell of, or to go on with.
pub(super) async fn next_due(db: &mut SqliteConnection) -> Result<Option<i64>, StoreError> {
    Ok(state(db).await?.map(|(evening_ms, _)| evening_ms))
}

async fn state(db: &mut SqliteConnection) -> Result<Option<(i64, i32)>, StoreError> {
    Ok(sqlx::query_as("select evening_ms, after_plant_id from forecast_evening")
        .fetch_optional(db)
        .await?)
}

async fn set_state(
    db: &mut SqliteConnection,
    evening_ms: i64,
    after_plant_id: i32,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into forecast_evening (id, evening_ms, after_plant_id) values (1, ?, ?)
         on conflict (id) do update set
            evening_ms = excluded.evening_ms, after_plant_id = excluded.after_plant_id",
    )
    .bind(evening_ms)
    .bind(after_plant_id)
    .execute(db)
    .await?;
    Ok(())
}

/// A plant that may be dry soon.
#[derive(Debug, sqlx::FromRow)]
struct Near {
    plant_id: i32,
    given_name: String,
    moisture_low: f32,
}

/// The next plants in order that were not dry in their last quarter hour before the evening, may
/// become so, and were not told of lately: neither by a forecast nor by an alert that lasts. And the
/// plant behind which to go on; `None`: these were the last.
async fn near(
    db: &mut SqliteConnection,
    evening_ms: i64,
    after_plant_id: i32,
) -> Result<(Vec<Near>, Option<i32>), StoreError> {
    let until_plant_id: Option<i32> = sqlx::query_scalar(&format!(
        "select plant_id from plant where plant_id > ? order by plant_id
          limit 1 offset {LOOKED_AT_A_STEP}"
    ))
    .bind(after_plant_id)
    .fetch_optional(&mut *db)
    .await?;
    let plants: Vec<Near> = sqlx::query_as(&format!(
        "with recursive recent (start_ms) as (
            select ?2 union all select start_ms + ?3 from recent where start_ms + ?3 < ?4)
         select p.plant_id, p.given_name, p.moisture_low
           from plant p
          where p.plant_id > ?1 and p.plant_id <= ?6
            and (select b.moisture_sum / b.reading_count
                   from recent cross join plant_bucket b
                  where b.start_ms = recent.start_ms and b.plant_id = p.plant_id
                  order by b.start_ms desc limit 1)
                - p.moisture_low * 1000 between 0 and {DRIES_AT_MOST}
            and not exists (select 1 from forecast_told t
                             where t.plant_id = p.plant_id and t.evening_ms > ?5)
            and not exists (select 1 from plant_life f
                             where f.plant_id = p.plant_id and f.kind in ('dry', 'drying')
                               and f.phase = 'firing')
          order by p.plant_id limit {PLANTS_A_STEP}"
    ))
    .bind(after_plant_id)
    .bind(history::first_start(evening_ms - FRESH_MS))
    .bind(BUCKET_MS)
    .bind(evening_ms)
    .bind(evening_ms - TOLD_MS)
    .bind(until_plant_id.unwrap_or(i32::MAX))
    .fetch_all(db)
    .await?;
    let last = plants.last().filter(|_| plants.len() == PLANTS_A_STEP).map(|last| last.plant_id);
    Ok((plants, last.or(until_plant_id)))
}

/// A plant that will be dry by the end of the next day, unless nobody wants to hear that it dries
/// out.
async fn soon_dry(
    db: &mut SqliteConnection,
    plant: &Near,
    evening_ms: i64,
    time_zone: chrono_tz::Tz,
) -> Result<Option<Drying>, StoreError> {
    let about = cards::about(plant.plant_id, Kind::Drying);
    if store_alerts::snoozed_until(db, &about, clock::now().house_ms).await?.is_some() {
        return Ok(None);
    }
    let until_ms = when::day_end(when::day_end(evening_ms, time_zone), time_zone);
    let forecast = seen_from(db, plant, evening_ms).await?;
    let is_told = |it: &Forecast| (evening_ms..until_ms).contains(&it.likely_ms);
    let Some(forecast) = forecast.filter(is_told) else { return Ok(None) };
    sqlx::query(
        "insert into forecast_told (plant_id, evening_ms) values (?, ?)
         on conflict (plant_id) do update set evening_ms = excluded.evening_ms",
    )
    .bind(plant.plant_id)
    .bind(evening_ms)
    .execute(db)
    .await?;
    Ok(Some(Drying {
        plant_id: plant.plant_id,
        given_name: plant.given_name.clone(),
        moisture_low: plant.moisture_low,
        evening_ms,
        forecast,
    }))
}

/// When a plant will be dry, by its readings before a moment; `None` where they are not fresh then.
async fn seen_from(
    db: &mut SqliteConnection,
    plant: &Near,
    at_ms: i64,
) -> Result<Option<Forecast>, StoreError> {
    let from_ms = at_ms - PAST_MS;
    let quarters = history::quarters(db, plant.plant_id, from_ms, at_ms - 1).await?;
    let is_fresh = quarters.last().is_some_and(|it| it.start_ms >= at_ms - FRESH_MS);
    let waterings = care::waterings(db, plant.plant_id, from_ms).await?;
    Ok(of(&quarters, &waterings, plant.moisture_low).filter(|_| is_fresh))
}

/// A plant that will be dry soon.
#[derive(Debug, Clone, PartialEq)]
pub struct Soon {
    pub given_name: String,
    pub forecast: Forecast,
}

/// The plants that are not dry and will be before `until_ms`, the first of them first. Of many those
/// are looked at that have the least left.
pub async fn soon(
    db: &mut SqliteConnection,
    now_ms: i64,
    until_ms: i64,
) -> Result<Vec<Soon>, StoreError> {
    let plants: Vec<Near> = sqlx::query_as(&format!(
        "select p.plant_id, p.given_name, p.moisture_low
           from plant p join plant_latest l using (plant_id)
          where l.event_ms >= ?
            and l.moisture - p.moisture_low * 1000 between 0 and {DRIES_AT_MOST}
          order by l.moisture - p.moisture_low * 1000, p.plant_id limit {PLANTS_A_STEP}"
    ))
    .bind(now_ms - FRESH_MS)
    .fetch_all(&mut *db)
    .await?;
    let mut soon = Vec::new();
    for plant in plants {
        let forecast = seen_from(db, &plant, now_ms).await?;
        // What has passed without coming true was wrong.
        let in_time = forecast.filter(|it| (now_ms..until_ms).contains(&it.likely_ms));
        let given_name = plant.given_name;
        soon.extend(in_time.map(|forecast| Soon { given_name, forecast }));
    }
    soon.sort_by_key(|plant| plant.forecast.likely_ms);
    Ok(soon)
}

async fn forget(db: &mut SqliteConnection, evening_ms: i64) -> Result<(), StoreError> {
    sqlx::query("delete from forecast_told where evening_ms < ?")
        .bind(evening_ms - TOLD_RETENTION_MS)
        .execute(db)
        .await?;
    Ok(())
}
