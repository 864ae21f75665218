//! Who has fallen silent: a roll-call by the watermark, every tenth of the limit.
//!
//! It tells what is the case at a roll-call: a silence that began and ended between two (while
//! catching up) is not told. Every other moment costs nothing.

use sqlx::SqliteConnection;

use super::{Happening, rows};
use crate::rooms::plants::life::{Bands, Lives, silence_moment_ms};
use crate::rooms::plants::rules::cards::Seen;
use crate::store::StoreError;

/// Silences told in one step: people wait for the writer.
const STEP_SILENCES: usize = 500;

#[derive(sqlx::FromRow)]
struct Heard {
    #[sqlx(flatten)]
    life: rows::Row,
    event_ms: i64,
    moisture: i64,
    temperature: i64,
    moisture_low: f32,
    moisture_high: f32,
    temperature_low: f32,
    temperature_high: f32,
}

/// Calls the roll if it is time, or goes on with what the last step left.
pub(super) async fn roll_call(
    db: &mut SqliteConnection,
    limit_ms: i64,
    before_ms: Option<i64>,
    watermark_ms: i64,
) -> Result<Vec<Happening>, StoreError> {
    let moment_ms = silence_moment_ms(limit_ms);
    let round = |at_ms: i64| at_ms.div_euclid(moment_ms);
    let is_time = before_ms.is_none_or(|before_ms| round(before_ms) != round(watermark_ms));
    if !is_time && !is_left(db, limit_ms, watermark_ms).await? {
        return Ok(Vec::new());
    }
    if is_time {
        notice(db, watermark_ms, watermark_ms - limit_ms + moment_ms).await?;
    }
    let mut happened = Vec::new();
    let mut told = 0;
    for heard in called(db).await? {
        let mut known = Lives::default();
        heard.life.enter(&mut known)?;
        let mut lives = known;
        let news = lives.heard(heard.event_ms, watermark_ms, limit_ms);
        if let Some(change) = news {
            // What is too much for one step stays as it was and is left for the next.
            if told == STEP_SILENCES {
                continue;
            }
            told += 1;
            let plant_id = heard.life.plant_id;
            let seen = Some(heard.seen());
            happened.push(Happening { plant_id, change, seen, window: None });
        }
        if lives != known {
            rows::store(db, heard.life.plant_id, &known, &lives).await?;
        }
    }
    Ok(happened)
}

/// Whoever was not heard since then is noticed at this watermark: their silence begins to count.
async fn notice(
    db: &mut SqliteConnection,
    watermark_ms: i64,
    since_ms: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into plant_life (plant_id, kind, phase, since_ms)
         select plant_id, 'silent', 'pending', ? from plant_latest join plant using (plant_id)
          where event_ms <= ?
         on conflict (plant_id, kind) do nothing",
    )
    .bind(watermark_ms)
    .bind(since_ms)
    .execute(db)
    .await?;
    Ok(())
}

/// Everybody who was noticed, with the newest reading.
async fn called(db: &mut SqliteConnection) -> Result<Vec<Heard>, StoreError> {
    Ok(sqlx::query_as(
        "select l.plant_id, l.kind, l.phase, l.since_ms, l.better_ms,
                n.event_ms, n.moisture, n.temperature, p.moisture_low, p.moisture_high,
                p.temperature_low, p.temperature_high
           from plant_life l cross join plant_latest n using (plant_id)
           cross join plant p using (plant_id)
          where l.kind = 'silent' order by l.plant_id",
    )
    .fetch_all(db)
    .await?)
}

/// Is a silence due that was too much for the last step?
async fn is_left(
    db: &mut SqliteConnection,
    limit_ms: i64,
    watermark_ms: i64,
) -> Result<bool, StoreError> {
    let due_ms = watermark_ms - silence_moment_ms(limit_ms);
    let left: Option<i64> = sqlx::query_scalar(
        "select 1 from plant_life where kind = 'silent' and phase = 'pending' and since_ms <= ?
            and exists (select 1 from plant_latest n where n.plant_id = plant_life.plant_id)
          limit 1",
    )
    .bind(due_ms)
    .fetch_optional(db)
    .await?;
    Ok(left.is_some())
}

/// The watermark of the next roll-call; none while there is nobody to call.
pub(in crate::rooms::plants) async fn next_due(
    db: &mut SqliteConnection,
    limit_ms: i64,
    watermark_ms: i64,
) -> Result<Option<i64>, StoreError> {
    if is_left(db, limit_ms, watermark_ms).await? {
        return Ok(Some(watermark_ms));
    }
    let anybody: Option<i64> =
        sqlx::query_scalar("select 1 from plant_latest limit 1").fetch_optional(db).await?;
    let moment_ms = silence_moment_ms(limit_ms);
    Ok(anybody.map(|_| (watermark_ms.div_euclid(moment_ms) + 1) * moment_ms))
}

impl Heard {
    fn seen(&self) -> Seen {
        let moisture = (self.moisture_low, self.moisture_high);
        let bands = Bands::of(moisture, (self.temperature_low, self.temperature_high));
        Seen { moisture: self.moisture, temperature: self.temperature, bands }
    }
}
