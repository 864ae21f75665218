//! What the plants tell regularly: their part of the daily digest, and their lines of the board. Each
//! is read inside one read transaction.

use futures_util::future::BoxFuture;
use sqlx::SqliteConnection;

use super::care::{self, Watered};
use super::chat::{board as lines, daily as words};
use super::lookup::{BY_NEED, PLANT_ROW, PlantRow, is_one_of};
use super::outlook::{self, Soon};
use super::rules::state::State;
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

/// What needs care, and of what nobody knows how it is.
const OUTSIDE: [State; 4] = [State::Cold, State::Hot, State::Dry, State::Wet];
const UNKNOWN: [State; 2] = [State::Silent, State::Unread];
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
        let rows: Vec<PlantRow> =
            sqlx::query_as(&format!("{PLANT_ROW} order by {} limit {LINES_MAX}", *BY_NEED))
                .bind(sight.silent_before_ms())
                .fetch_all(db)
                .await?;
        Ok(Board { lines: rows.iter().map(|row| lines::line(row, sight)).collect(), total })
    })
}

async fn day(db: &mut SqliteConnection, sight: Sight) -> Result<Day, StoreError> {
    let (now_ms, since_ms) = (sight.now_ms, sight.silent_before_ms());
    let (outside, unknown) = (is_one_of(&OUTSIDE), is_one_of(&UNKNOWN));
    let counts = sqlx::query_as(&format!(
        "select count(*) as total, count(*) filter (where not {unknown}) as fresh,
                count(*) filter (where {} and not {ALERTED}) as well
           from plant p left join plant_latest l using (plant_id)",
        is_one_of(&[State::Fine])
    ))
    .bind(since_ms)
    .fetch_one(&mut *db)
    .await?;
    let outside = format!("{outside} and not {ALERTED}");
    let unknown = format!("{unknown} and not {ALERTED_SILENT}");
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

/// The plants for which one of our own conditions holds, those in need first.
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
        "{PLANT_ROW} where {condition} order by {} limit {NAMED}",
        *BY_NEED
    ))
    .bind(since_ms)
    .fetch_all(db)
    .await?;
    Ok(Portion { shown, total })
}
