//! A plant's past by quarter hours, as the fold keeps it. Each question runs inside one read
//! transaction.

use sqlx::SqliteConnection;

use super::fold::BUCKET_MS;
use crate::kernel::time::{DAY_MS, HOUR_MS};
use crate::store::StoreError;

/// The day that a card shows is cut into this many cells.
pub const DAY_CELLS: usize = 12;
const CELL_MS: i64 = 2 * HOUR_MS;
/// What a card's picture shows.
pub const WEEK_MS: i64 = 7 * DAY_MS;

/// The head of a statement that goes from quarter to quarter: `quarter (start_ms)` are those from `?1`
/// on and before `?2` in which anything was read, and a null behind the last. Each is one look-up,
/// whatever the number of plants.
pub(super) const QUARTERS_READ: &str = "with recursive quarter (start_ms) as (
    select min(start_ms) from plant_bucket where start_ms >= ?1 and start_ms < ?2
    union all
    select (select min(next.start_ms) from plant_bucket next
             where next.start_ms > quarter.start_ms and next.start_ms < ?2)
      from quarter where quarter.start_ms is not null)";

/// A quarter of an hour in which a plant was read. Values are thousandths, of a per cent and of a
/// degree Celsius.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct Quarter {
    pub start_ms: i64,
    /// At least 1.
    pub reading_count: i64,
    pub moisture_sum: i64,
    pub moisture_min: i64,
    pub moisture_max: i64,
    pub temperature_sum: i64,
    pub temperature_min: i64,
    pub temperature_max: i64,
}

impl Quarter {
    pub fn moisture_mean(&self) -> i64 {
        self.moisture_sum / self.reading_count.max(1)
    }

    pub fn temperature_mean(&self) -> i64 {
        self.temperature_sum / self.reading_count.max(1)
    }
}

/// The quarter hours with readings that begin in `from_ms..=until_ms`, oldest first.
pub async fn quarters(
    db: &mut SqliteConnection,
    plant_id: i32,
    from_ms: i64,
    until_ms: i64,
) -> Result<Vec<Quarter>, StoreError> {
    // Buckets lie on a grid, and time comes first in their key: a look-up for each, no scan.
    Ok(sqlx::query_as(
        "with recursive grid (start_ms) as (
            select ?1 union all select start_ms + ?2 from grid where start_ms + ?2 <= ?3)
         select b.start_ms, b.reading_count, b.moisture_sum, b.moisture_min, b.moisture_max,
                b.temperature_sum, b.temperature_min, b.temperature_max
           from grid cross join plant_bucket b
          where b.start_ms = grid.start_ms and b.plant_id = ?4
          order by b.start_ms",
    )
    .bind(first_start(from_ms))
    .bind(BUCKET_MS)
    .bind(until_ms)
    .bind(plant_id)
    .fetch_all(db)
    .await?)
}

/// The week that ends with `until_ms`.
pub async fn week(
    db: &mut SqliteConnection,
    plant_id: i32,
    until_ms: i64,
) -> Result<Vec<Quarter>, StoreError> {
    quarters(db, plant_id, until_ms - WEEK_MS, until_ms).await
}

/// The first quarter hour that begins at this time or after it.
pub(super) fn first_start(from_ms: i64) -> i64 {
    (from_ms + BUCKET_MS - 1).div_euclid(BUCKET_MS) * BUCKET_MS
}

/// A day of moisture: a mean for each cell (thousandths), and the day's extremes and mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Day {
    pub cells: [Option<i64>; DAY_CELLS],
    pub min: i64,
    pub mean: i64,
    pub max: i64,
}

impl Day {
    /// The 24 hours before `until_ms`; `None` without readings.
    pub fn until(quarters: &[Quarter], until_ms: i64) -> Option<Day> {
        let first_ms = first_start(until_ms - DAY_MS + 1);
        let within = |from_ms: i64, to_ms: i64| {
            quarters.iter().filter(move |quarter| (from_ms..to_ms).contains(&quarter.start_ms))
        };
        let mut cells = [None; DAY_CELLS];
        for (index, cell) in cells.iter_mut().enumerate() {
            let from_ms = first_ms + i64::try_from(index).unwrap_or(0) * CELL_MS;
            *cell = mean(within(from_ms, from_ms + CELL_MS));
        }
        let day = || within(first_ms, until_ms + 1);
        Some(Day {
            cells,
            min: day().map(|quarter| quarter.moisture_min).min()?,
            mean: mean(day())?,
            max: day().map(|quarter| quarter.moisture_max).max()?,
        })
    }
}

/// The mean moisture of all readings.
fn mean<'a>(quarters: impl Iterator<Item = &'a Quarter>) -> Option<i64> {
    let (mut sum, mut count) = (0i64, 0i64);
    for quarter in quarters {
        sum = sum.saturating_add(quarter.moisture_sum);
        count += quarter.reading_count;
    }
    sum.checked_div(count)
}
