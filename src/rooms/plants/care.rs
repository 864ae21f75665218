//! The SQL of waterings that readings show. Each function runs inside the step's transaction, or
//! inside one read transaction.
//!
//! Invariant: every quarter hour before `plant_watering_judged` that shows a watering by
//! `rules::watering` has a row, and no other has. So the rows depend on the buckets and the
//! watermark alone, not on the steps in which they came.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use sqlx::SqliteConnection;

use super::WATERINGS;
use super::fold::{BUCKET_MS, Delta};
use super::history::{self, QUARTERS_READ};
use super::rules::watering::{self, AHEAD_MS, BEHIND_MS, Found, Mean, SIGN_AFTER_MS, SIGN_RISE};
use super::wire::Watering;
use crate::kernel::time::HOUR_MS;
use crate::store::bulk::BulkStatement;
use crate::store::{StoreError, publication};

/// So many spans of a plant's past one step looks at again because late readings came: each takes
/// some hundreds of look-ups.
const DOUBTS_A_STEP: usize = 200;
/// So many quarter hours of plants one step goes through: as many as a large step brings. More are
/// left by a rebuild or a migration alone.
const QUARTERS_A_STEP: usize = 100_000;

static PUT_DOUBTS: LazyLock<BulkStatement> = LazyLock::new(|| {
    BulkStatement::new(
        "insert into plant_watering_doubt (plant_id, from_ms, to_ms)",
        3,
        "on conflict (plant_id, from_ms) do update set to_ms = max(to_ms, excluded.to_ms)",
    )
});

static PUT_FOUND: LazyLock<BulkStatement> = LazyLock::new(|| {
    BulkStatement::new(
        "insert into plant_watering_found (start_ms, plant_id, at_ms)",
        3,
        "on conflict (start_ms, plant_id) do update set at_ms = excluded.at_ms",
    )
});

/// Looks at the quarter hours of which everything is known at this watermark, and again at those
/// whose neighbours a late reading changed. What is too much for one step is left for the next,
/// unless nothing comes after it.
pub(super) async fn judge(
    db: &mut SqliteConnection,
    watermark_ms: i64,
    is_final: bool,
    delta: &Delta,
) -> Result<(), StoreError> {
    let mut judged_ms = judged_until(db).await?.unwrap_or(i64::MIN);
    let late = late(delta, judged_ms);
    PUT_DOUBTS
        .run(db, &late, |query, (plant_id, from_ms, to_ms)| {
            query.bind(*plant_id).bind(*from_ms).bind(*to_ms)
        })
        .await?;
    let known_ms = (watermark_ms - AHEAD_MS).div_euclid(BUCKET_MS) * BUCKET_MS;
    loop {
        let doubts = take_doubts(db).await?;
        for (plant_id, from_ms, to_ms) in &doubts {
            judge_plant(db, *plant_id, *from_ms, (*to_ms).min(judged_ms)).await?;
        }
        if judged_ms < known_ms {
            let until_ms = some_until(db, judged_ms, known_ms).await?;
            judge_all(db, judged_ms, until_ms).await?;
            set_judged(db, until_ms).await?;
            judged_ms = until_ms;
        }
        let is_done = judged_ms >= known_ms && doubts.len() < DOUBTS_A_STEP;
        if is_done || !is_final {
            return Ok(());
        }
    }
}

/// Where a step that goes on at `judged_ms` stops, so that it goes through a bounded number of
/// quarter hours: at one at least, and at `known_ms` at most.
async fn some_until(
    db: &mut SqliteConnection,
    judged_ms: i64,
    known_ms: i64,
) -> Result<i64, StoreError> {
    let stop_ms: Option<i64> = sqlx::query_scalar(&format!(
        "select max(start_ms, (select min(start_ms) from plant_bucket where start_ms >= ?1) + ?2)
           from (select start_ms from plant_bucket where start_ms >= ?1
                  order by start_ms limit 1 offset {QUARTERS_A_STEP})"
    ))
    .bind(judged_ms)
    .bind(BUCKET_MS)
    .fetch_optional(db)
    .await?;
    Ok(stop_ms.map_or(known_ms, |stop_ms| stop_ms.min(known_ms)))
}

async fn set_judged(db: &mut SqliteConnection, until_ms: i64) -> Result<(), StoreError> {
    sqlx::query(
        "insert into plant_watering_judged (id, until_ms) values (1, ?)
         on conflict (id) do update set until_ms = excluded.until_ms",
    )
    .bind(until_ms)
    .execute(db)
    .await?;
    Ok(())
}

/// Spans of plants' pasts that late readings cast a doubt on, as many as one step looks at.
async fn take_doubts(db: &mut SqliteConnection) -> Result<Vec<(i32, i64, i64)>, StoreError> {
    Ok(sqlx::query_as(&format!(
        "delete from plant_watering_doubt
          where rowid in (select rowid from plant_watering_doubt limit {DOUBTS_A_STEP})
         returning plant_id, from_ms, to_ms"
    ))
    .fetch_all(db)
    .await?)
}

/// The watermark at which the next quarter hour can be looked at; at once where some were left.
pub(super) async fn next_due(db: &mut SqliteConnection) -> Result<Option<i64>, StoreError> {
    let doubted: Option<i64> = sqlx::query_scalar("select 1 from plant_watering_doubt limit 1")
        .fetch_optional(&mut *db)
        .await?;
    if doubted.is_some() {
        return Ok(Some(i64::MIN));
    }
    let judged_ms = judged_until(db).await?.unwrap_or(i64::MIN);
    let start_ms: Option<i64> =
        sqlx::query_scalar("select min(start_ms) from plant_bucket where start_ms >= ?")
            .bind(judged_ms)
            .fetch_one(db)
            .await?;
    Ok(start_ms.map(|start_ms| start_ms + BUCKET_MS + AHEAD_MS))
}

/// Everything is to be looked at anew.
pub(super) async fn empty(db: &mut SqliteConnection) -> Result<(), StoreError> {
    for view in ["plant_watering_found", "plant_watering_judged", "plant_watering_doubt"] {
        sqlx::query(&format!("delete from {view}")).execute(&mut *db).await?;
    }
    Ok(())
}

/// Somebody said that a plant was watered: the step at whose watermark it was so looks at it.
pub(super) async fn note_fresh(
    db: &mut SqliteConnection,
    watering: Watering,
) -> Result<(), StoreError> {
    let insert = "insert into plant_watering_fresh (at_ms, plant_id) values (?, ?)
        on conflict do nothing";
    sqlx::query(insert).bind(watering.watered_at).bind(watering.plant_id.get()).execute(db).await?;
    Ok(())
}

/// The plants of which that was said and not looked at.
pub(super) async fn take_fresh(
    db: &mut SqliteConnection,
    watermark_ms: i64,
) -> Result<Vec<i32>, StoreError> {
    let take = "delete from plant_watering_fresh where at_ms <= ? returning plant_id";
    Ok(sqlx::query_scalar(take).bind(watermark_ms).fetch_all(db).await?)
}

/// The watermark at which the next of them is to be looked at.
pub(super) async fn next_fresh(db: &mut SqliteConnection) -> Result<Option<i64>, StoreError> {
    Ok(sqlx::query_scalar("select min(at_ms) from plant_watering_fresh").fetch_one(db).await?)
}

/// A watering, and the watermark at which it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub(super) struct Known {
    pub(super) known_ms: i64,
    pub(super) plant_id: i32,
    pub(super) watered_ms: i64,
    /// Somebody said so.
    pub(super) is_said: bool,
}

/// The waterings of these plants that are known at `watermark_ms`: those that readings show, behind
/// `before_ms` alone, and all that were said, since that may be about the past, from the time on
/// that stands beside the plant. What readings show has an hour more: by then most alerts are over
/// by the readings themselves.
pub(super) async fn known_between(
    db: &mut SqliteConnection,
    plants: &[(i32, i64)],
    before_ms: i64,
    watermark_ms: i64,
) -> Result<Vec<Known>, StoreError> {
    if plants.is_empty() {
        return Ok(Vec::new());
    }
    let shown_ms = BUCKET_MS + AHEAD_MS + HOUR_MS;
    Ok(sqlx::query_as(
        "with plant (id, from_ms) as materialized (
            select value ->> 0, value ->> 1 from json_each(?1))
         select max(at_ms, ?2) as known_ms, plant_id, at_ms as watered_ms, 1 as is_said
           from plant cross join plant_watering_said on plant_id = id
          where at_ms >= from_ms and at_ms <= ?3
         union all
         select start_ms + ?4, plant_id, at_ms, 0
           from plant cross join plant_watering_found on plant_id = id
          where at_ms > ?2 - ?5 and start_ms + ?4 > ?2 and start_ms + ?4 <= ?3",
    )
    .bind(serde_json::to_string(plants)?)
    .bind(before_ms)
    .bind(watermark_ms)
    .bind(shown_ms)
    .bind(shown_ms + BEHIND_MS)
    .fetch_all(db)
    .await?)
}

/// Forgets what was found in quarter hours that are forgotten.
pub(super) async fn prune(db: &mut SqliteConnection, before_ms: i64) -> Result<(), StoreError> {
    for outlived in [
        "delete from plant_watering_found where start_ms < ?",
        "delete from plant_watering_doubt where to_ms < ?",
        "delete from plant_watering_settled where at_ms < ?",
    ] {
        sqlx::query(outlived).bind(before_ms).execute(&mut *db).await?;
    }
    Ok(())
}

async fn judged_until(db: &mut SqliteConnection) -> Result<Option<i64>, StoreError> {
    Ok(sqlx::query_scalar("select until_ms from plant_watering_judged").fetch_optional(db).await?)
}

/// The quarter hours before `judged_ms` whose verdicts changed ones may change: plants, and from
/// when to when those begin. Where spans of a plant meet they are one.
fn late(delta: &Delta, judged_ms: i64) -> Vec<(i32, i64, i64)> {
    let mut changed: Vec<(i32, i64)> = delta
        .buckets
        .keys()
        .map(|slot| (slot.plant_id(), slot.start_ms(BUCKET_MS)))
        .filter(|(_, start_ms)| start_ms - AHEAD_MS < judged_ms)
        .collect();
    changed.sort_unstable();
    let mut spans: Vec<(i32, i64, i64)> = Vec::new();
    for (plant_id, start_ms) in changed {
        let (from_ms, to_ms) = (start_ms - AHEAD_MS, start_ms + BEHIND_MS + BUCKET_MS);
        match spans.last_mut() {
            Some((last_id, _, last_ms)) if *last_id == plant_id && from_ms <= *last_ms => {
                *last_ms = to_ms;
            }
            _ => spans.push((plant_id, from_ms, to_ms)),
        }
    }
    spans
}

/// Looks at a plant's quarter hours that begin in `from_ms..to_ms`.
async fn judge_plant(
    db: &mut SqliteConnection,
    plant_id: i32,
    from_ms: i64,
    to_ms: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "delete from plant_watering_found where start_ms >= ? and start_ms < ? and plant_id = ?",
    )
    .bind(from_ms)
    .bind(to_ms)
    .bind(plant_id)
    .execute(&mut *db)
    .await?;
    let means = means(db, plant_id, from_ms, to_ms).await?;
    let judged = means.iter().filter(|mean| (from_ms..to_ms).contains(&mean.start_ms));
    let found = judged.filter_map(|mean| watering::first_at(&means, mean.start_ms));
    let found: Vec<(i32, Found)> = found.map(|found| (plant_id, found)).collect();
    put(db, &found).await
}

static SIGNS: LazyLock<String> = LazyLock::new(|| {
    format!(
        "{QUARTERS_READ},
         followed (start_ms) as materialized (
            select start_ms from quarter
             where exists (select 1 from plant_bucket later
                            where later.start_ms = quarter.start_ms + ?3))
         select s.start_ms, s.plant_id
           from followed
           cross join plant_bucket s on s.start_ms = followed.start_ms
           cross join plant_bucket later
             on later.start_ms = s.start_ms + ?3 and later.plant_id = s.plant_id
           left join plant_bucket last
             on last.start_ms = s.start_ms - ?4 and last.plant_id = s.plant_id
          where last.plant_id is null
             or later.moisture_sum / later.reading_count
                - last.moisture_sum / last.reading_count >= ?5
          order by s.start_ms, s.plant_id"
    )
});

/// Looks at the quarter hours of all plants that begin in `from_ms..to_ms`. Most show no sign: one
/// statement finds those that do. Where nothing at all was read half an hour later, as where
/// sensors tell little, it looks at no plant.
async fn judge_all(db: &mut SqliteConnection, from_ms: i64, to_ms: i64) -> Result<(), StoreError> {
    sqlx::query("delete from plant_watering_found where start_ms >= ? and start_ms < ?")
        .bind(from_ms)
        .bind(to_ms)
        .execute(&mut *db)
        .await?;
    let signs: Vec<(i64, i32)> = sqlx::query_as(&SIGNS)
        .bind(from_ms)
        .bind(to_ms)
        .bind(SIGN_AFTER_MS)
        .bind(BUCKET_MS)
        .bind(SIGN_RISE)
        .fetch_all(&mut *db)
        .await?;
    let mut found = Vec::new();
    for (start_ms, plant_id) in signs {
        let means = means(db, plant_id, start_ms, start_ms + 1).await?;
        found.extend(watering::first_at(&means, start_ms).map(|found| (plant_id, found)));
    }
    put(db, &found).await
}

/// What verdicts about quarter hours that begin in `from_ms..to_ms` depend on.
async fn means(
    db: &mut SqliteConnection,
    plant_id: i32,
    from_ms: i64,
    to_ms: i64,
) -> Result<Vec<Mean>, StoreError> {
    let (from_ms, until_ms) = (from_ms - BEHIND_MS, to_ms + AHEAD_MS);
    let quarters = history::quarters(db, plant_id, from_ms, until_ms).await?;
    let mean = |quarter: &history::Quarter| Mean {
        start_ms: quarter.start_ms,
        moisture: quarter.moisture_mean(),
    };
    Ok(quarters.iter().map(mean).collect())
}

async fn put(db: &mut SqliteConnection, found: &[(i32, Found)]) -> Result<(), StoreError> {
    PUT_FOUND
        .run(db, found, |query, (plant_id, found)| {
            query.bind(found.start_ms).bind(*plant_id).bind(found.at_ms)
        })
        .await
}

/// A plant was watered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct Watered {
    pub at_ms: i64,
    /// Somebody said so; otherwise the readings show it.
    pub is_said: bool,
}

/// Waterings of a plant since a time, in order; one that is known twice counts once, as somebody
/// said it.
pub async fn waterings(
    db: &mut SqliteConnection,
    plant_id: i32,
    from_ms: i64,
) -> Result<Vec<Watered>, StoreError> {
    let all: Vec<Watered> = sqlx::query_as(
        "select at_ms, is_said from plant_watering where plant_id = ? and at_ms >= ?
          order by at_ms, is_said desc",
    )
    .bind(plant_id)
    .bind(from_ms)
    .fetch_all(db)
    .await?;
    let said: Vec<i64> = all.iter().filter(|it| it.is_said).map(|it| it.at_ms).collect();
    let is_known = |found_ms: i64| said.iter().any(|said_ms| watering::is_same(*said_ms, found_ms));
    Ok(all.into_iter().filter(|it| it.is_said || !is_known(it.at_ms)).collect())
}

/// The newest watering of each of these plants since the time that stands beside it, of those that
/// have one.
pub(super) async fn newest_since(
    db: &mut SqliteConnection,
    plants: &[(i32, i64)],
) -> Result<BTreeMap<i32, i64>, StoreError> {
    if plants.is_empty() {
        return Ok(BTreeMap::new());
    }
    let newest: Vec<(i32, i64)> = sqlx::query_as(
        "with plant (id, from_ms) as materialized (
            select value ->> 0, value ->> 1 from json_each(?))
         select plant_id, max(at_ms)
           from (select plant_id, at_ms from plant cross join plant_watering_said on plant_id = id
                  where at_ms >= from_ms
                 union all
                 select plant_id, at_ms from plant cross join plant_watering_found on plant_id = id
                  where at_ms >= from_ms)
          group by plant_id",
    )
    .bind(serde_json::to_string(plants)?)
    .fetch_all(db)
    .await?;
    Ok(newest.into_iter().collect())
}

/// The plants that were watered since a time, and when each was last; the newest first, at most
/// `limit`.
pub async fn watered_since(
    db: &mut SqliteConnection,
    from_ms: i64,
    limit: usize,
) -> Result<Vec<(String, Watered)>, StoreError> {
    let plants: Vec<(i32, String)> = sqlx::query_as(
        "select p.plant_id, p.given_name from plant p join plant_watering w using (plant_id)
          where w.at_ms >= ? group by p.plant_id order by max(w.at_ms) desc, p.plant_id limit ?",
    )
    .bind(from_ms)
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(&mut *db)
    .await?;
    let mut watered = Vec::new();
    for (plant_id, given_name) in plants {
        let newest = waterings(db, plant_id, from_ms).await?.pop();
        watered.extend(newest.map(|newest| (given_name, newest)));
    }
    Ok(watered)
}

/// When somebody said that a plant was watered, the newest first, edits on their way included.
pub async fn said_soon(db: &mut SqliteConnection, plant_id: i32) -> Result<Vec<i64>, StoreError> {
    let said: Vec<i64> = sqlx::query_scalar(
        "select at_ms from plant_watering_said where plant_id = ? order by at_ms desc limit 100",
    )
    .bind(plant_id)
    .fetch_all(&mut *db)
    .await?;
    let mut said = BTreeSet::from_iter(said);
    for (key, value) in publication::on_the_way(db, WATERINGS).await? {
        let watering = Watering::of_key(&String::from_utf8_lossy(&key));
        let Some(watering) = watering.filter(|it| it.plant_id.get() == plant_id) else { continue };
        match value {
            Some(_) => said.insert(watering.watered_at),
            None => said.remove(&watering.watered_at),
        };
    }
    Ok(said.into_iter().rev().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::pipeline::At;
    use crate::kernel::time::{Arrival, DAY_MS};
    use crate::rooms::plants::fold::Thresholds;
    use crate::rooms::plants::types::PlantId;
    use crate::rooms::plants::wire::Reading;
    use crate::store::{Store, Urgency};

    const NOW_MS: i64 = 20_000 * DAY_MS;

    fn delta(readings: impl IntoIterator<Item = (i32, i64)>) -> Delta {
        let mut delta = Delta::default();
        for (plant_id, event_ms) in readings {
            let plant_id = PlantId::try_from(plant_id).unwrap();
            let reading = Reading { plant_id, moisture: 40.0, temperature: 20.0 };
            let at = At { event_ms, partition: 0, offset: 0 };
            delta.add(&reading, at, Arrival::default(), &Thresholds::default());
        }
        delta
    }

    /// One of 1970 is a span by itself: nothing is looked up of the years between.
    #[test]
    fn spans_of_late_readings_are_one_only_where_they_meet() {
        let late_ms = NOW_MS - 5 * HOUR_MS;
        let delta =
            delta([(0, 0), (0, late_ms), (0, late_ms + HOUR_MS), (1, late_ms), (2, NOW_MS)]);
        let span = |from_ms: i64, to_ms: i64| (from_ms - AHEAD_MS, to_ms + BEHIND_MS + BUCKET_MS);
        let of_plant = |plant_id, (from_ms, to_ms)| (plant_id, from_ms, to_ms);
        assert_eq!(
            late(&delta, NOW_MS - AHEAD_MS),
            [
                of_plant(0, span(0, 0)),
                of_plant(0, span(late_ms, late_ms + HOUR_MS)),
                of_plant(1, span(late_ms, late_ms)),
            ]
        );
    }

    /// As a rebuild leaves them, or many late readings.
    #[tokio::test]
    async fn what_is_too_much_for_one_step_is_gone_on_with_at_once() {
        const PLANTS: i64 = 1_000;
        const QUARTERS: i64 = 250;
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).await.unwrap();
        let tried = store.write(Urgency::Bulk, |db| {
            Box::pin(async move {
                sqlx::query(
                    "with recursive plant (id) as (
                        select 0 union all select id + 1 from plant where id + 1 < ?1),
                     quarter (start_ms) as (
                        select ?4 union all
                        select start_ms + ?3 from quarter where start_ms + ?3 < ?4 + ?2 * ?3)
                     insert into plant_bucket
                     select start_ms, id, 1, 40000, 40000, 40000, 20000, 20000, 20000
                       from quarter cross join plant",
                )
                .bind(PLANTS)
                .bind(QUARTERS)
                .bind(BUCKET_MS)
                .bind(NOW_MS)
                .execute(&mut *db)
                .await?;
                let watermark_ms = NOW_MS + QUARTERS * BUCKET_MS + AHEAD_MS;
                let known_ms = NOW_MS + QUARTERS * BUCKET_MS;
                let mut judged = Vec::new();
                while judged.last() != Some(&Some(known_ms)) {
                    assert!(next_due(db).await?.is_some_and(|due_ms| due_ms <= watermark_ms));
                    judge(db, watermark_ms, false, &Delta::default()).await?;
                    judged.push(judged_until(db).await?);
                }
                let after = |quarters: i64| Some(NOW_MS + quarters * BUCKET_MS);
                assert_eq!(judged, [after(100), after(200), Some(known_ms)]);
                assert_eq!(next_due(db).await?, None);

                let late = delta((0..450).map(|plant_id| (plant_id, NOW_MS)));
                let doubts = "select count(*) from plant_watering_doubt";
                for (delta, left) in [(late, 250), (Delta::default(), 50), (Delta::default(), 0)] {
                    judge(db, watermark_ms, false, &delta).await?;
                    let count: i64 = sqlx::query_scalar(doubts).fetch_one(&mut *db).await?;
                    assert_eq!(count, left);
                    assert_eq!(next_due(db).await?.is_some(), left > 0);
                }
                Ok(())
            })
        });
        tried.await.unwrap();
    }
}
