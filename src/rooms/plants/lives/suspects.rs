//! Which plants have to be looked at when quarters close: what was read of them left their bands, in
//! quarters that do not stand alone.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use sqlx::SqliteConnection;

use super::rows::{self, Listed};
use crate::rooms::plants::fold::BUCKET_MS;
use crate::rooms::plants::history::QUARTERS_READ;
use crate::rooms::plants::life::{self, Quarter};
use crate::rooms::plants::rules::cards::Seen;
use crate::store::StoreError;

/// A bucket of which a reading left its plant's bands; where a mean does, one of its readings does.
/// A thousandth either way is for the rounding of limits.
fn left(bucket: &str) -> String {
    format!(
        "({bucket}.moisture_min < p.moisture_low * 1000 + 1
          or {bucket}.moisture_max > p.moisture_high * 1000 - 1
          or {bucket}.temperature_min < p.temperature_low * 1000 + 1
          or {bucket}.temperature_max > p.temperature_high * 1000 - 1)"
    )
}

static SUSPECTS: LazyLock<String> = LazyLock::new(|| {
    format!(
        "{QUARTERS_READ},
         back (span_ms) as (
            select ?3 union all select span_ms + ?3 from back where span_ms + ?3 <= ?4),
         judged (start_ms) as materialized (
            select start_ms from quarter
             where ?4 = 0 and start_ms is not null
                or exists (select 1 from back cross join plant_bucket earlier
                            where earlier.start_ms = quarter.start_ms - back.span_ms))
         select distinct b.plant_id
           from judged
           cross join plant_bucket b on b.start_ms = judged.start_ms
           cross join plant p on p.plant_id = b.plant_id
          where (?4 = 0 or exists (
                 select 1 from back
                  cross join plant_bucket e
                     on e.start_ms = b.start_ms - back.span_ms and e.plant_id = b.plant_id))
            and (?4 = 0 and {now} or (select {now} or {before} from back
                  cross join plant_bucket e
                     on e.start_ms = b.start_ms - back.span_ms and e.plant_id = b.plant_id
                  where not exists (select 1 from plant_late l
                                     where l.start_ms = e.start_ms and l.plant_id = e.plant_id
                                       and l.reading_count = e.reading_count)
                  limit 1))",
        now = left("b"),
        before = left("e"),
    )
});

/// The plants that some quarter from `first_ms` on and before `end_ms` casts a doubt on: it, or the
/// one before it, left the plant's bands. Quarters that stand alone by `pause_ms` cast none; where
/// that is `None`, by themselves each.
///
/// A quarter has one before it where that begins so much earlier that the pause between them is not
/// over: some look-ups by time, and none where all sensors pause for longer. Only of those is a plant
/// looked up: few of many plants are in SQLite's memory.
pub(super) async fn of_quarters(
    db: &mut SqliteConnection,
    pause_ms: Option<i64>,
    first_ms: i64,
    end_ms: i64,
) -> Result<BTreeSet<i32>, StoreError> {
    let suspects: Vec<i32> = sqlx::query_scalar(&SUSPECTS)
        .bind(first_ms)
        .bind(end_ms)
        .bind(BUCKET_MS)
        .bind(pause_ms.map_or(0, |pause_ms| pause_ms + BUCKET_MS))
        .fetch_all(db)
        .await?;
    Ok(suspects.into_iter().collect())
}

/// The quarters before `first_ms` that were not judged because they stood alone, of these plants,
/// of which nothing else is known.
pub(super) async fn held_back(
    db: &mut SqliteConnection,
    plants: &[i32],
    pause_ms: i64,
    first_ms: i64,
) -> Result<Vec<(i32, Quarter, Seen)>, StoreError> {
    if plants.is_empty() || first_ms < 0 {
        return Ok(Vec::new());
    }
    let next_ms = (first_ms + BUCKET_MS - 1) / BUCKET_MS * BUCKET_MS;
    let listed: Vec<Listed> = sqlx::query_as(
        "with recursive back (start_ms) as (
            select ?2 - ?3 union all select start_ms - ?3 from back where start_ms - ?3 >= ?4)
         select q.start_ms, q.plant_id, q.moisture, q.temperature
           from json_each(?1) it
           cross join back
           cross join plant_quarter q on q.start_ms = back.start_ms and q.plant_id = it.value
          order by q.plant_id, q.start_ms",
    )
    .bind(serde_json::to_string(plants)?)
    .bind(next_ms)
    .bind(BUCKET_MS)
    .bind(next_ms - 2 * (pause_ms + BUCKET_MS))
    .fetch_all(&mut *db)
    .await?;
    let known = rows::seen(db, plants, &listed).await?;
    let mut held = Vec::new();
    for of_plant in known.chunk_by(|one, next| one.0 == next.0) {
        let before: Vec<Quarter> = of_plant.iter().map(|(_, quarter, _)| *quarter).collect();
        let last = of_plant.last().filter(|_| life::is_held_back(&before, next_ms, pause_ms));
        held.extend(last.copied());
    }
    Ok(held)
}
