//! The rows of lives: quarters, phases.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use rustc_hash::FxHashMap;
use sqlx::SqliteConnection;

use crate::clock;
use crate::rooms::plants::fold::{BUCKET_MS, QUARTERS};
use crate::rooms::plants::life::{Bands, Kind, Lives, Phase, Quarter};
use crate::rooms::plants::lookup;
use crate::rooms::plants::rules::cards::{self, Seen};
use crate::store::bulk::BulkStatement;
use crate::store::{StoreError, alerts, cards as store_cards, positions};

static PUT: LazyLock<BulkStatement> = LazyLock::new(|| {
    BulkStatement::new(
        "insert into plant_life (plant_id, kind, phase, since_ms, better_ms, bad_ms)",
        6,
        "on conflict (plant_id, kind) do update set
            phase = excluded.phase, since_ms = excluded.since_ms,
            better_ms = excluded.better_ms, bad_ms = excluded.bad_ms",
    )
});

static FORGET: LazyLock<BulkStatement> = LazyLock::new(|| {
    // Of values alone SQLite makes no look-ups by key.
    BulkStatement::new("delete from plant_life where (plant_id, kind) in (select * from (", 2, "))")
});

/// A quarter as it comes in a list: its start, its plant, and the two means.
pub(super) type Listed = (i64, i32, i64, i64);

/// What these plants' quarters came to, those that had readings and close now, oldest first. They
/// come as one text: a row each would cost several times what finding them does.
pub(super) async fn quarters(
    db: &mut SqliteConnection,
    plants: &[i32],
    first_ms: i64,
    end_ms: i64,
) -> Result<Vec<(i32, Quarter, Seen)>, StoreError> {
    if plants.is_empty() {
        return Ok(Vec::new());
    }
    let listed: String = sqlx::query_scalar(
        "select json_group_array(json_array(start_ms, plant_id, moisture, temperature))
           from (select q.start_ms, q.plant_id, q.moisture, q.temperature from plant_quarter q
                  where q.start_ms >= ? and q.start_ms < ?
                    and q.plant_id in (select value from json_each(?))
                  order by q.start_ms, q.plant_id)",
    )
    .bind(first_ms)
    .bind(end_ms)
    .bind(serde_json::to_string(plants)?)
    .fetch_one(&mut *db)
    .await?;
    seen(db, plants, &serde_json::from_str::<Vec<Listed>>(&listed)?).await
}

/// These quarters beside what their plants should have; without those of plants that nobody has
/// described.
pub(super) async fn seen(
    db: &mut SqliteConnection,
    plants: &[i32],
    listed: &[Listed],
) -> Result<Vec<(i32, Quarter, Seen)>, StoreError> {
    let limits: Vec<(i32, f32, f32, f32, f32)> = sqlx::query_as(
        "select plant_id, moisture_low, moisture_high, temperature_low, temperature_high
           from plant where plant_id in (select value from json_each(?))",
    )
    .bind(serde_json::to_string(plants)?)
    .fetch_all(db)
    .await?;
    let bands = limits.into_iter().map(|(id, low, high, cold, hot)| {
        let bands = Bands::of((low, high), (cold, hot));
        (id, bands)
    });
    let bands: FxHashMap<i32, Bands> = bands.collect();
    let quarter = |(from_ms, plant_id, moisture, temperature): &Listed| {
        let (from_ms, moisture, temperature) = (*from_ms, *moisture, *temperature);
        let bands = *bands.get(plant_id)?;
        let quarter = Quarter { from_ms, to_ms: from_ms + BUCKET_MS, moisture, temperature };
        Some((*plant_id, quarter, Seen { moisture, temperature, bands }))
    };
    Ok(listed.iter().filter_map(quarter).collect())
}

/// The watermark that closes the next quarter with readings.
pub(in crate::rooms::plants) async fn next_quarter(
    db: &mut SqliteConnection,
    watermark_ms: i64,
) -> Result<Option<i64>, StoreError> {
    let (_, first_open_ms) = QUARTERS.starts_closed_between(i64::MIN, watermark_ms);
    let start_ms: Option<i64> =
        sqlx::query_scalar("select min(start_ms) from plant_bucket where start_ms >= ?")
            .bind(first_open_ms)
            .fetch_one(db)
            .await?;
    Ok(start_ms.map(|start_ms| QUARTERS.closes_at(start_ms)))
}

#[derive(sqlx::FromRow)]
pub(super) struct Row {
    pub(super) plant_id: i32,
    kind: String,
    phase: String,
    since_ms: i64,
    better_ms: Option<i64>,
    bad_ms: Option<i64>,
}

impl Row {
    /// Puts the row into a plant's lives.
    pub(super) fn enter(&self, lives: &mut Lives) -> Result<(), StoreError> {
        let unexpected = |what| StoreError::Unexpected(format!("in plant_life: {what}"));
        let kind = Kind::of_word(&self.kind)
            .ok_or_else(|| unexpected(format!("a kind {:?}", self.kind)))?;
        let (since_ms, better_ms) = (self.since_ms, self.better_ms);
        let phase = match self.phase.as_str() {
            // A row of a version that did not note it was bad when it began at least.
            "pending" => Phase::Pending { since_ms, bad_ms: self.bad_ms.unwrap_or(since_ms) },
            "firing" => Phase::Firing { since_ms, better_ms },
            other => return Err(unexpected(format!("a phase {other:?}"))),
        };
        lives.set(kind, Some(phase));
        Ok(())
    }
}

/// Every life that quarters are judged for; silence has its own roll-call.
pub(super) async fn load(db: &mut SqliteConnection) -> Result<BTreeMap<i32, Lives>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "select plant_id, kind, phase, since_ms, better_ms, bad_ms from plant_life
          where kind <> 'silent'",
    )
    .fetch_all(db)
    .await?;
    let mut lives: BTreeMap<i32, Lives> = BTreeMap::new();
    for row in rows {
        row.enter(lives.entry(row.plant_id).or_default())?;
    }
    Ok(lives)
}

/// What differs between lives as they were and as they are, of many plants.
#[derive(Default)]
pub(super) struct Changes {
    put: Vec<(i32, Kind, Phase)>,
    forgotten: Vec<(i32, Kind)>,
}

impl Changes {
    pub(super) fn note(&mut self, plant_id: i32, known: &Lives, lives: &Lives) {
        for kind in Kind::ALL {
            match lives.phase(kind) {
                same if same == known.phase(kind) => {}
                Some(phase) => self.put.push((plant_id, kind, phase)),
                None => self.forgotten.push((plant_id, kind)),
            }
        }
    }

    pub(super) async fn store(self, db: &mut SqliteConnection) -> Result<(), StoreError> {
        FORGET
            .run(db, &self.forgotten, |query, (plant_id, kind)| {
                query.bind(*plant_id).bind(kind.word())
            })
            .await?;
        let columns = |phase: Phase| match phase {
            Phase::Pending { since_ms, bad_ms } => ("pending", since_ms, None, Some(bad_ms)),
            Phase::Firing { since_ms, better_ms } => ("firing", since_ms, better_ms, None),
        };
        PUT.run(db, &self.put, |query, (plant_id, kind, phase)| {
            let (word, since_ms, better_ms, bad_ms) = columns(*phase);
            let query = query.bind(*plant_id).bind(kind.word()).bind(word);
            query.bind(since_ms).bind(better_ms).bind(bad_ms)
        })
        .await
    }
}

/// A watering that somebody told has settled a dryness that had lasted since then.
pub(super) async fn settle(
    db: &mut SqliteConnection,
    plant_id: i32,
    watered_ms: i64,
    since_ms: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into plant_watering_settled (plant_id, at_ms, since_ms) values (?, ?, ?)
         on conflict (plant_id, at_ms) do update set since_ms = min(since_ms, excluded.since_ms)",
    )
    .bind(plant_id)
    .bind(watered_ms)
    .bind(since_ms)
    .execute(db)
    .await?;
    Ok(())
}

/// What waterings had settled that nobody tells any more lasts as before: the next quarter that is
/// too dry tells it.
pub(in crate::rooms::plants) async fn unsettle(
    db: &mut SqliteConnection,
    pipeline: &str,
) -> Result<(), StoreError> {
    let lasting: Vec<(i32, i64)> = sqlx::query_as(
        "delete from plant_watering_settled
          where not exists (select 1 from plant_watering_said said
                             where said.plant_id = plant_watering_settled.plant_id
                               and said.at_ms = plant_watering_settled.at_ms)
         returning plant_id, since_ms",
    )
    .fetch_all(&mut *db)
    .await?;
    if lasting.is_empty() {
        return Ok(());
    }
    let (row, _) = positions::load(db, pipeline).await?;
    for (plant_id, since_ms) in lasting {
        sqlx::query(
            "insert into plant_life (plant_id, kind, phase, since_ms, bad_ms)
             select ?1, 'drying', 'pending', ?2, ?3
              where not exists (select 1 from plant_life
                                 where plant_id = ?1 and kind in ('dry', 'drying')
                                   and phase = 'firing')
             on conflict (plant_id, kind) do update set since_ms = min(since_ms, ?2)",
        )
        .bind(plant_id)
        .bind(since_ms)
        .bind(row.watermark_ms.unwrap_or(since_ms))
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}

/// Plants that are there no more have no lives, their alerts are closed, and what people wanted to
/// hear of them ends: their numbers may be given to others.
pub(in crate::rooms::plants) async fn forget_orphans(
    db: &mut SqliteConnection,
) -> Result<(), StoreError> {
    let orphans: Vec<(i32, String, i64)> = sqlx::query_as(
        "delete from plant_life
          where not exists (select 1 from plant p where p.plant_id = plant_life.plant_id)
         returning plant_id, kind, since_ms",
    )
    .fetch_all(&mut *db)
    .await?;
    let now = clock::now();
    for (plant_id, word, since_ms) in orphans {
        let Some(kind) = Kind::of_word(&word) else { continue };
        let ending = cards::closed(plant_id, kind, since_ms);
        let overs = store_cards::end(db, &ending, now).await?;
        store_cards::tell_over(db, overs, now).await?;
    }
    for about in alerts::snoozed(db, cards::ABOUT).await? {
        let Some(plant_id) = cards::plant_of(&about) else { continue };
        if lookup::by_id(db, plant_id).await?.is_none() {
            alerts::unsnooze(db, &about).await?;
        }
    }
    Ok(())
}
