//! The SQL of questions about plants. Each runs inside one read transaction.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use sqlx::SqliteConnection;

use super::METADATA;
use super::filter::Filter;
use super::rules::state::State;
use super::types::PlantId;
use super::wire::Houseplant;
use crate::kernel::paging::Page;
use crate::kernel::time::Sight;
use crate::store::{StoreError, publication};

/// Plants that a list names; it says how many more there are.
pub const LIST_LIMIT: i64 = 50;
/// Plants on one page of those to choose from.
const OFFERS_LIMIT: i64 = 8;
/// Plants offered when a name fits several.
const MATCH_LIMIT: i64 = 8;
/// Names suggested when none fits.
const NEAREST_LIMIT: usize = 3;
/// Words of a plant's name that are looked for before others: each takes a look-up.
const NAME_WORDS: usize = 12;
/// A name is suggested when it is at least this similar (Jaro-Winkler, 0 to 1).
const NEAREST_SIMILARITY: f64 = 0.7;

/// A plant with its newest reading.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct PlantRow {
    pub plant_id: i32,
    pub given_name: String,
    pub common_name: String,
    pub scientific_name: String,
    pub temperature_low: f32,
    pub temperature_high: f32,
    pub moisture_low: f32,
    pub moisture_high: f32,
    /// The newest reading, if there is one: event time, and values in thousandths.
    pub event_ms: Option<i64>,
    pub moisture: Option<i64>,
    pub temperature: Option<i64>,
}

pub(super) const PLANT_ROW: &str =
    "select p.plant_id, p.given_name, p.common_name, p.scientific_name,
    p.temperature_low, p.temperature_high, p.moisture_low, p.moisture_high,
    l.event_ms, l.moisture, l.temperature
  from plant p left join plant_latest l using (plant_id)";

/// What a typed id or name came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Found {
    pub matches: Vec<PlantRow>,
    /// Names like the one that nobody has.
    pub nearest: Vec<(i32, String)>,
    /// Readings arrive for this id, but there is no metadata: its newest reading's time.
    pub unnamed_event_ms: Option<i64>,
}

impl Found {
    /// Neither a plant nor readings of one.
    pub fn is_nothing(&self) -> bool {
        self.matches.is_empty() && self.unnamed_event_ms.is_none()
    }
}

/// Looks a plant up by id or, without case, by given name.
pub async fn find(db: &mut SqliteConnection, typed: &str) -> Result<Found, StoreError> {
    if let Ok(plant_id) = typed.trim().parse::<i32>()
        && plant_id >= 0
    {
        if let Some(plant) = by_id(db, plant_id).await? {
            return Ok(Found { matches: vec![plant], ..Found::default() });
        }
        let unnamed_event_ms =
            sqlx::query_scalar("select event_ms from plant_latest where plant_id = ?")
                .bind(plant_id)
                .fetch_optional(&mut *db)
                .await?;
        if unnamed_event_ms.is_some() {
            return Ok(Found { unnamed_event_ms, ..Found::default() });
        }
    }
    let matches = called_exactly(db, typed).await?;
    let nearest = if matches.is_empty() { nearest(db, typed).await? } else { Vec::new() };
    Ok(Found { matches, nearest, unnamed_event_ms: None })
}

async fn called_exactly(
    db: &mut SqliteConnection,
    name: &str,
) -> Result<Vec<PlantRow>, StoreError> {
    Ok(sqlx::query_as(&format!(
        "{PLANT_ROW} where p.name_key = ? order by p.plant_id limit {MATCH_LIMIT}"
    ))
    .bind(name_key(name))
    .fetch_all(db)
    .await?)
}

/// The plant that the first words of what was typed name, as many of them as do, and those behind
/// it.
pub async fn named_before(
    db: &mut SqliteConnection,
    typed: &str,
) -> Result<Option<(PlantRow, String)>, StoreError> {
    let words: Vec<&str> = typed.split_whitespace().collect();
    for count in (1..words.len().min(NAME_WORDS + 1)).rev() {
        let name = words[..count].join(" ");
        let plant = match name.parse::<PlantId>() {
            Ok(plant_id) => by_id(db, plant_id.get()).await?,
            Err(_) => None,
        };
        let plant = match plant {
            Some(plant) => Some(plant),
            None => called_exactly(db, &name).await?.into_iter().next(),
        };
        if let Some(plant) = plant {
            return Ok(Some((plant, words[count..].join(" "))));
        }
    }
    Ok(None)
}

pub async fn by_id(
    db: &mut SqliteConnection,
    plant_id: i32,
) -> Result<Option<PlantRow>, StoreError> {
    Ok(sqlx::query_as(&format!("{PLANT_ROW} where p.plant_id = ?"))
        .bind(plant_id)
        .fetch_optional(db)
        .await?)
}

/// A plant as it will be when the edits on their way are saved: whoever edits next must see them
/// although the log has not taken them yet.
pub async fn by_id_soon(
    db: &mut SqliteConnection,
    plant_id: i32,
) -> Result<Option<PlantRow>, StoreError> {
    let row = by_id(db, plant_id).await?;
    Ok(match on_the_way(db).await?.remove(&plant_id) {
        Some(plant) => plant.map(|plant| edited(row, plant)),
        None => row,
    })
}

/// Looks a plant up as [`find`] does, among the plants as they will be.
pub async fn find_soon(db: &mut SqliteConnection, typed: &str) -> Result<Found, StoreError> {
    let mut found = find(db, typed).await?;
    for (plant_id, plant) in on_the_way(db).await? {
        let at = found.matches.iter().position(|row| row.plant_id == plant_id);
        let known = at.map(|at| found.matches.remove(at));
        let Some(plant) = plant else { continue };
        let is_meant =
            typed.trim() == plant_id.to_string() || name_key(&plant.given_name) == name_key(typed);
        if known.is_some() || is_meant {
            found.matches.push(edited(known, plant));
        }
    }
    Ok(found)
}

/// A plant's row with an edit applied; its readings stay.
fn edited(row: Option<PlantRow>, plant: Houseplant) -> PlantRow {
    let readings = row.map(|row| (row.event_ms, row.moisture, row.temperature));
    let (event_ms, moisture, temperature) = readings.unwrap_or_default();
    PlantRow {
        plant_id: plant.plant_id.get(),
        given_name: plant.given_name,
        common_name: plant.common_name,
        scientific_name: plant.scientific_name,
        temperature_low: plant.temperature_low,
        temperature_high: plant.temperature_high,
        moisture_low: plant.moisture_low,
        moisture_high: plant.moisture_high,
        event_ms,
        moisture,
        temperature,
    }
}

/// What the newest edits on their way make of plants; `None` deletes. One that is no plant will
/// not be saved: it changes nothing.
async fn on_the_way(
    db: &mut SqliteConnection,
) -> Result<BTreeMap<i32, Option<Houseplant>>, StoreError> {
    let mut plants = BTreeMap::new();
    for (key, value) in publication::on_the_way(db, METADATA).await? {
        let Ok(plant_id) = String::from_utf8_lossy(&key).parse::<PlantId>() else { continue };
        match value.map(serde_json::from_value) {
            None => drop(plants.insert(plant_id.get(), None)),
            Some(Ok(plant)) => drop(plants.insert(plant_id.get(), Some(plant))),
            Some(Err(_)) => {}
        }
    }
    Ok(plants)
}

/// How a name is compared: without case and outer blanks.
pub fn name_key(name: &str) -> String {
    name.trim().to_lowercase()
}

async fn nearest(db: &mut SqliteConnection, typed: &str) -> Result<Vec<(i32, String)>, StoreError> {
    let wanted = name_key(typed);
    let names: Vec<(i32, String, String)> =
        sqlx::query_as("select plant_id, given_name, name_key from plant").fetch_all(db).await?;
    let mut scored: Vec<(f64, i32, String)> = names
        .into_iter()
        .map(|(id, name, key)| (similarity(&wanted, &key), id, name))
        .filter(|(score, ..)| *score >= NEAREST_SIMILARITY)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    scored.truncate(NEAREST_LIMIT);
    Ok(scored.into_iter().map(|(_, id, name)| (id, name)).collect())
}

fn similarity(wanted: &str, name: &str) -> f64 {
    if !wanted.is_empty() && name.contains(wanted) {
        return 1.0;
    }
    strsim::jaro_winkler(wanted, name)
}

/// Plants that pass a filter.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// Those in need first, then by name; no more than a list names.
    pub rows: Vec<PlantRow>,
    /// How many of all are how, the worst first; none is there of which there is no plant.
    pub counts: Vec<(State, i64)>,
}

impl Listed {
    /// How many there are in all.
    pub fn total(&self) -> i64 {
        self.counts.iter().map(|(_, count)| count).sum()
    }
}

/// The condition of a filter, whose limit is `?2`, and that limit.
fn condition(filter: Option<&Filter>) -> (String, f32) {
    match filter {
        // Both come from fixed lists of our own, never from what was typed.
        Some(filter) => {
            (format!("where p.{} {} ?2", filter.column(), filter.operator()), filter.limit)
        }
        None => ("where ?2 is not null".to_owned(), 0.0),
    }
}

/// How a plant is, as `rules::state` has it: its place in [`State::ALL`]. What was read before `?1`
/// is silent. Values are whole thousandths and limits are rounded to such: half a one decides the
/// same, and `round` would take as long as all the rest.
pub(super) const STATE: &str = "case
    when l.event_ms is null then 5
    when l.event_ms < ?1 then 4
    when l.temperature + 0.5 < p.temperature_low * 1000 then 0
    when l.temperature - 0.5 > p.temperature_high * 1000 then 1
    when l.moisture + 0.5 < p.moisture_low * 1000 then 2
    when l.moisture - 0.5 > p.moisture_high * 1000 then 3
    else 6 end";

/// By state; those that were furthest out of a band first, then by name.
pub(super) static BY_NEED: LazyLock<String> = LazyLock::new(|| {
    let inside = |value: &str| {
        let (low, high) = (format!("p.{value}_low * 1000"), format!("p.{value}_high * 1000"));
        format!("min(0, l.{value} + 0.5 - {low}, {high} - l.{value} + 0.5)")
    };
    let (warm, wet) = (inside("temperature"), inside("moisture"));
    format!("{STATE}, {warm}, {wet}, p.name_key, p.plant_id")
});

/// The condition that a plant is in one of these states.
pub(super) fn is_one_of(states: &[State]) -> String {
    let places: Vec<String> = states.iter().map(|state| (*state as u8).to_string()).collect();
    format!("({STATE}) in ({})", places.join(", "))
}

/// Plants that have what was typed in one of their names, or as their id: all of them if that is
/// nothing. Those called so come first, then those whose given name begins so, then those in need.
/// Given names are compared without case; the others so as far as ASCII goes.
pub async fn called(
    db: &mut SqliteConnection,
    typed: &str,
    sight: Sight,
    skip: u32,
    limit: u32,
) -> Result<Vec<PlantRow>, StoreError> {
    Ok(sqlx::query_as(&format!(
        "{PLANT_ROW}
          where instr(p.name_key, ?2) > 0
             or instr(lower(p.common_name), ?2) > 0 or instr(p.common_name, ?3) > 0
             or instr(lower(p.scientific_name), ?2) > 0 or instr(p.scientific_name, ?3) > 0
             or cast(p.plant_id as text) = ?3
          order by p.name_key <> ?2, instr(p.name_key, ?2) <> 1, {}
          limit ?4 offset ?5",
        *BY_NEED
    ))
    .bind(sight.silent_before_ms())
    .bind(name_key(typed))
    .bind(typed.trim())
    .bind(limit)
    .bind(skip)
    .fetch_all(db)
    .await?)
}

pub async fn list(
    db: &mut SqliteConnection,
    filter: Option<&Filter>,
    sight: Sight,
) -> Result<Listed, StoreError> {
    let (condition, limit) = condition(filter);
    let places: Vec<(i64, i64)> = sqlx::query_as(&format!(
        "select {STATE}, count(*) from plant p left join plant_latest l using (plant_id)
          {condition} group by 1 order by 1"
    ))
    .bind(sight.silent_before_ms())
    .bind(limit)
    .fetch_all(&mut *db)
    .await?;
    let state = |(place, count)| Some((*State::ALL.get(usize::try_from(place).ok()?)?, count));
    let rows = sqlx::query_as(&format!(
        "{PLANT_ROW} {condition} order by {} limit {LIST_LIMIT}",
        *BY_NEED
    ))
    .bind(sight.silent_before_ms())
    .bind(limit)
    .fetch_all(db)
    .await?;
    Ok(Listed { rows, counts: places.into_iter().filter_map(state).collect() })
}

/// A page of plants to choose from, and the smallest id that is free: no plant's, and none whose past
/// would be taken for the new plant's.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Offers {
    pub plants: Vec<(i32, String)>,
    pub page: Page,
    pub free_id: i32,
}

pub async fn offers(db: &mut SqliteConnection, page: i64) -> Result<Offers, StoreError> {
    let total = sqlx::query_scalar("select count(*) from plant").fetch_one(&mut *db).await?;
    let page = Page::of(page, total, OFFERS_LIMIT);
    let plants =
        sqlx::query_as("select plant_id, given_name from plant order by plant_id limit ? offset ?")
            .bind(OFFERS_LIMIT)
            .bind(page.skipped(OFFERS_LIMIT))
            .fetch_all(&mut *db)
            .await?;
    let free_id = sqlx::query_scalar(
        "with recursive candidate (id) as (
            select 0
            union all
            select id + 1 from candidate
             where id < 2147483647
               and (exists (select 1 from plant where plant_id = id)
                    or exists (select 1 from plant_latest where plant_id = id)
                    or exists (select 1 from plant_watering_said where plant_id = id)))
         select max(id) from candidate",
    )
    .fetch_one(db)
    .await?;
    Ok(Offers { plants, page, free_id })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Store, Urgency};

    /// 2026-11-28 14:20 UTC.
    const NOW_MS: i64 = 1_795_875_600_000;
    const SIGHT: Sight = Sight { now_ms: NOW_MS, silent_after_ms: 600_000 };

    /// Plants of all sorts: on the edges of their bands, out of one or both, silent, never read.
    async fn fill(db: &mut SqliteConnection) -> Result<(), StoreError> {
        let mut plant_id = 0;
        for moisture in [None, Some(29_999), Some(20_000), Some(30_100), Some(60_000), Some(60_001)]
        {
            for temperature in [14_999, 10_000, 15_000, 30_000, 30_001, 40_000] {
                for age_ms in [0, 600_000, 600_001] {
                    sqlx::query(
                        "insert into plant (plant_id, given_name, name_key, common_name,
                            scientific_name, temperature_low, temperature_high, moisture_low,
                            moisture_high, record_partition, record_offset, record_ts_ms)
                         values (?1, ?2, ?2, '', '', 15, 30, ?3, 60, 0, 0, 0)",
                    )
                    .bind(plant_id)
                    .bind(format!("fern {}", plant_id * 37 % 100))
                    // Not exact in binary: neither is out of the band at 30.1 %.
                    .bind(if plant_id % 2 == 0 { 30.0 } else { 30.1f32 })
                    .execute(&mut *db)
                    .await?;
                    if let Some(moisture) = moisture {
                        sqlx::query("insert into plant_latest values (?, ?, 0, 0, ?, ?)")
                            .bind(plant_id)
                            .bind(NOW_MS - age_ms)
                            .bind(moisture)
                            .bind(temperature)
                            .execute(&mut *db)
                            .await?;
                    }
                    plant_id += 1;
                }
            }
        }
        Ok(())
    }

    /// How far a plant's newest reading lies out of its bands, temperature first.
    fn inside(row: &PlantRow) -> Option<(i64, i64)> {
        let bands = row.bands();
        let inside = |value: i64, (low, high): (i64, i64)| (value - low).min(high - value).min(0);
        let warm = inside(row.temperature?, bands.temperature);
        Some((warm, inside(row.moisture?, bands.moisture)))
    }

    #[tokio::test]
    async fn sql_has_the_states_of_the_rules_and_puts_those_in_need_first() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).await.unwrap();
        let read = store.write(Urgency::People, |db| {
            Box::pin(async move {
                fill(db).await?;
                let by_need = format!("{PLANT_ROW} order by {}", *BY_NEED);
                let all = sqlx::query_as(&by_need).bind(SIGHT.silent_before_ms());
                let rows: Vec<PlantRow> = all.fetch_all(&mut *db).await?;
                Ok((rows, list(db, None, SIGHT).await?))
            })
        });
        let (rows, listed) = read.await.unwrap();
        let key = |row: &PlantRow| {
            (State::of(row, SIGHT), inside(row), row.given_name.clone(), row.plant_id)
        };
        assert!(rows.is_sorted_by_key(key), "{:?}", rows.iter().map(key).collect::<Vec<_>>());
        let of_rules = |wanted: State| rows.iter().filter(|row| key(row).0 == wanted).count();
        let counted = State::ALL.map(|state| (state, i64::try_from(of_rules(state)).unwrap()));
        assert!(counted.iter().all(|(_, count)| *count > 0), "{counted:?}");
        assert_eq!(listed.counts, counted);
        assert_eq!(listed.rows, rows[..50]);
    }
}
