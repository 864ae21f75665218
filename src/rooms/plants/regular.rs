//! What the plants tell regularly: their part of the daily digest, and their lines of the board. Each
//! is read inside one read transaction.

use futures_util::future::BoxFuture;
use sqlx::SqliteConnection;

use super::care::{self, Watered};
use super::chat::{board as lines, daily as words};
use super::lookup::{BY_NEED, PLANT_ROW, PlantRow};
use super::outlook::{self, Soon};
use super::sensors::{self, Mapped, Portion};
use crate::kernel::board::Board;
use crate::kernel::text::Text;
use crate::kernel::time::{DAY_MS, Sight};
use crate::store::StoreError;

/// How far the digest looks ahead.
const AHEAD_MS: i64 = 2 * DAY_MS;
/// What was done so long ago is told.
const BEHIND_MS: i64 = DAY_MS;
/// Plants and sensors of a kind that the digest names; a line counts the rest.
const NAMED: usize = 10;
/// As many are counted for that line.
const COUNTED: usize = 1_000;
/// Lines that a board may hold: a message has no room for more.
const LINES_MAX: i64 = 200;

/// How many plants there are, and how many of them are how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Counts {
    pub total: i64,
    /// Not silent.
    pub fresh: i64,
    /// Of those, within their bands and with no alert about them.
    pub well: i64,
}

/// What is known of the plants, at a moment of the pipelines' clock.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Day {
    pub sight: Sight,
    pub counts: Counts,
    /// Out of a band just now, where no alert tells of the plant.
    pub outside: Portion<PlantRow>,
    /// Not read lately or never, where no alert tells it.
    pub unknown: Portion<PlantRow>,
    pub soon: Portion<Soon>,
    pub watered: Portion<(String, Watered)>,
    /// Sensors that are silent, of plants that another one reads.
    pub sensors: Portion<Mapped>,
}

/// A plant that was read since `?1`; `p` is the plant, `l` its newest reading.
const FRESH: &str = "l.event_ms >= ?1";
const WITHIN: &str = "l.moisture between p.moisture_low * 1000 and p.moisture_high * 1000
    and l.temperature between p.temperature_low * 1000 and p.temperature_high * 1000";
const ALERTED: &str = "exists (select 1 from plant_life f
    where f.plant_id = p.plant_id and f.phase = 'firing')";
const ALERTED_SILENT: &str = "exists (select 1 from plant_life f
    where f.plant_id = p.plant_id and f.phase = 'firing' and f.kind = 'silent')";

/// The plants' part of the daily digest.
pub(super) fn daily(
    db: &mut SqliteConnection,
    sight: Sight,
) -> BoxFuture<'_, Result<Text, StoreError>> {
    Box::pin(async move { Ok(words::text(&day(db, sight).await?)) })
}

/// The plants on the board.
pub(super) fn board(
    db: &mut SqliteConnection,
    sight: Sight,
) -> BoxFuture<'_, Result<Board, StoreError>> {
    Box::pin(async move {
        let total = sqlx::query_scalar("select count(*) from plant").fetch_one(&mut *db).await?;
        if total == 0 {
            return Ok(Board { lines: vec![lines::none()], total });
        }
        let rows: Vec<PlantRow> = sqlx::query_as(&format!(
            "{PLANT_ROW}
              order by case when {FRESH} and {WITHIN} then 3 when {FRESH} then 0
                            when l.event_ms is null then 2 else 1 end,
                       {BY_NEED}
              limit {LINES_MAX}"
        ))
        .bind(sight.silent_before_ms())
        .fetch_all(db)
        .await?;
        Ok(Board { lines: rows.iter().map(|row| lines::line(row, sight)).collect(), total })
    })
}

async fn day(db: &mut SqliteConnection, sight: Sight) -> Result<Day, StoreError> {
    let (now_ms, since_ms) = (sight.now_ms, sight.silent_before_ms());
    let counts = sqlx::query_as(&format!(
        "select count(*) as total, count(*) filter (where {FRESH}) as fresh,
                count(*) filter (where {FRESH} and {WITHIN} and not {ALERTED}) as well
           from plant p left join plant_latest l using (plant_id)"
    ))
    .bind(since_ms)
    .fetch_one(&mut *db)
    .await?;
    let outside = format!("{FRESH} and not ({WITHIN}) and not {ALERTED}");
    let unknown = format!("(l.event_ms is null or l.event_ms < ?1) and not {ALERTED_SILENT}");
    let soon = outlook::soon(db, now_ms, now_ms + AHEAD_MS).await?;
    let watered = care::watered_since(db, now_ms - BEHIND_MS, COUNTED).await?;
    let silent = sensors::fallen_silent(db, since_ms, COUNTED).await?;
    Ok(Day {
        sight,
        counts,
        outside: plants(db, &outside, since_ms).await?,
        unknown: plants(db, &unknown, since_ms).await?,
        soon: Portion::first(soon, NAMED),
        watered: Portion::first(watered, NAMED),
        sensors: Portion::first(silent, NAMED),
    })
}

/// The plants for which one of our own conditions holds, by name.
async fn plants(
    db: &mut SqliteConnection,
    condition: &str,
    since_ms: i64,
) -> Result<Portion<PlantRow>, StoreError> {
    let total = sqlx::query_scalar(&format!(
        "select count(*) from plant p left join plant_latest l using (plant_id) where {condition}"
    ))
    .bind(since_ms)
    .fetch_one(&mut *db)
    .await?;
    let shown = sqlx::query_as(&format!(
        "{PLANT_ROW} where {condition} order by p.name_key, p.plant_id limit {NAMED}"
    ))
    .bind(since_ms)
    .fetch_all(db)
    .await?;
    Ok(Portion { shown, total })
}
