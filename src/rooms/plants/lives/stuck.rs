//! Which sensors do not move: a few look-ups sort out nearly all, and the rest are looked at
//! closely.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use sqlx::SqliteConnection;

use crate::rooms::plants::fold::BUCKET_MS;
use crate::rooms::plants::history::QUARTERS_READ;
use crate::rooms::plants::life::Stillness;
use crate::store::StoreError;

/// Each plant is looked at in one of so many quarters: once an hour.
const TURNS: i64 = 4;
/// The ends of a sensor's scale, in thousandths of a per cent: a bone-dry pot stays at one.
const SCALE: (i64, i64) = (0, 100_000);

static SUSPECTS: LazyLock<String> = LazyLock::new(|| {
    format!(
        "{QUARTERS_READ},
         compared (start_ms) as materialized (
            select start_ms from quarter
             where exists (select 1 from plant_bucket half
                            where half.start_ms = quarter.start_ms - ?5)
               and exists (select 1 from plant_bucket first
                            where first.start_ms = quarter.start_ms - ?6))
         select n.start_ms, n.plant_id
           from compared cross join plant_bucket n on n.start_ms = compared.start_ms
          where (n.plant_id + n.start_ms / ?3) % ?4 = 0
            and exists (select 1 from plant_quarter now, plant_quarter half
                         where now.start_ms = n.start_ms and now.plant_id = n.plant_id
                           and half.start_ms = n.start_ms - ?5 and half.plant_id = n.plant_id
                           and abs(now.moisture - half.moisture) <= ?7)
            and exists (select 1 from plant_quarter now, plant_quarter first
                         where now.start_ms = n.start_ms and now.plant_id = n.plant_id
                           and first.start_ms = n.start_ms - ?6 and first.plant_id = n.plant_id
                           and abs(now.moisture - first.moisture) <= ?7)"
    )
});

/// Quarters from `first_ms` on and before `end_ms`, and the plants whose turn it is in them, whose
/// moisture is what it was one span and half a span before. Where nothing at all was read then, as
/// where sensors tell little, it looks at no plant.
pub(super) async fn suspects(
    db: &mut SqliteConnection,
    stillness: Stillness,
    first_ms: i64,
    end_ms: i64,
) -> Result<BTreeSet<(i64, i32)>, StoreError> {
    let back_ms = span(stillness) - BUCKET_MS;
    let half_ms = back_ms / 2 / BUCKET_MS * BUCKET_MS;
    let rows: Vec<(i64, i32)> = sqlx::query_as(&SUSPECTS)
        .bind(first_ms)
        .bind(end_ms)
        .bind(BUCKET_MS)
        .bind(TURNS)
        .bind(half_ms)
        .bind(back_ms)
        .bind(stillness.band)
        .fetch_all(db)
        .await?;
    Ok(rows.into_iter().collect())
}

/// The whole quarters of the span, at least one.
fn span(stillness: Stillness) -> i64 {
    (stillness.span_ms / BUCKET_MS).max(1) * BUCKET_MS
}

/// Have the means of this plant kept still until the end of a quarter? `None`: too few quarters had
/// readings to say so. At an end of the scale the temperature has to keep still as well.
pub(super) async fn is_still(
    db: &mut SqliteConnection,
    plant_id: i32,
    start_ms: i64,
    stillness: Stillness,
) -> Result<Option<bool>, StoreError> {
    let first_ms = start_ms - span(stillness) + BUCKET_MS;
    // Buckets lie on a grid, and time comes first in their key: look-ups, no scan.
    let (count, low, high, cold, warm): (i64, Option<i64>, Option<i64>, Option<i64>, Option<i64>) =
        sqlx::query_as(
            "with recursive grid (start_ms) as (
                select ?1 union all select start_ms + ?3 from grid where start_ms < ?2)
             select count(q.moisture), min(q.moisture), max(q.moisture), min(q.temperature),
                    max(q.temperature)
               from grid cross join plant_quarter q
              where q.start_ms = grid.start_ms and q.plant_id = ?4",
        )
        .bind(first_ms)
        .bind(start_ms)
        .bind(BUCKET_MS)
        .bind(plant_id)
        .fetch_one(db)
        .await?;
    let (Some(low), Some(high), Some(cold), Some(warm)) = (low, high, cold, warm) else {
        return Ok(None);
    };
    if high - low > stillness.band {
        return Ok(Some(false));
    }
    let is_at_end = high <= SCALE.0 || low >= SCALE.1;
    if is_at_end && warm - cold > stillness.band {
        return Ok(Some(false));
    }
    Ok((count * BUCKET_MS * 2 >= stillness.span_ms).then_some(true))
}
