//! Who has fallen silent: a roll-call by the watermark, every tenth of the limit.
//!
//! It tells what is the case at a roll-call: a silence that began and ended between two is not told.
//! While a past that is longer than the limit is caught up on, no roll is called: who is silent then
//! is known at its end. Every other moment costs nothing. A round that is too much for one
//! step is gone on with by the next, in the order of plants.

use sqlx::SqliteConnection;

use super::{Happening, rows};
use crate::engine::Due;
use crate::rooms::plants::life::{Bands, Lives, silence_moment_ms};
use crate::rooms::plants::rules::cards::Seen;
use crate::store::StoreError;

/// Plants of which something is new that one step looks at: people wait for the writer.
const PLANTS_A_STEP: usize = 500;

#[derive(sqlx::FromRow)]
struct Heard {
    #[sqlx(flatten)]
    life: rows::Row,
    /// The newest reading's time; that of its sensor's mapping where there was none yet.
    heard_ms: i64,
    moisture: Option<i64>,
    temperature: Option<i64>,
    moisture_low: f32,
    moisture_high: f32,
    temperature_low: f32,
    temperature_high: f32,
}

/// Calls the roll if it is time, or goes on with the round that the last step left. What a round
/// had not come to when the next begins is called by that.
pub(super) async fn roll_call(
    db: &mut SqliteConnection,
    limit_ms: i64,
    due: &Due,
    watermark_ms: i64,
) -> Result<Vec<Happening>, StoreError> {
    if is_past(due, limit_ms, watermark_ms) {
        return Ok(Vec::new());
    }
    let moment_ms = silence_moment_ms(limit_ms);
    let round = |at_ms: i64| at_ms.div_euclid(moment_ms);
    let is_time = due.before_ms.is_none_or(|before_ms| round(before_ms) != round(watermark_ms));
    let unheard_ms = watermark_ms - limit_ms + moment_ms;
    let mut after = match is_time {
        true => {
            notice(db, watermark_ms, unheard_ms).await?;
            -1
        }
        false => match left(db).await? {
            Some(after) => after,
            None => return Ok(Vec::new()),
        },
    };
    let mut happened = Vec::new();
    loop {
        let page = called(db, after, unheard_ms).await?;
        let mut changes = rows::Changes::default();
        for heard in &page {
            happened.extend(call(heard, watermark_ms, limit_ms, &mut changes)?);
        }
        changes.store(db).await?;
        match page.last().filter(|_| page.len() == PLANTS_A_STEP) {
            Some(last) => after = last.life.plant_id,
            None => {
                sqlx::query("delete from plant_roll_call").execute(db).await?;
                return Ok(happened);
            }
        }
        if !due.is_final {
            leave(db, after).await?;
            return Ok(happened);
        }
    }
}

/// Is more than a limit of the log's past left to be caught up on? At its end the clock is a limit
/// further at least, and a round begins.
fn is_past(due: &Due, limit_ms: i64, watermark_ms: i64) -> bool {
    let lag_ms = watermark_ms.saturating_sub(due.settled_ms);
    due.settled_ms < i64::MAX && watermark_ms + limit_ms < due.now_ms.saturating_sub(lag_ms)
}

/// Is a plant silent, or does it talk again?
fn call(
    heard: &Heard,
    watermark_ms: i64,
    limit_ms: i64,
    changes: &mut rows::Changes,
) -> Result<Option<Happening>, StoreError> {
    let plant_id = heard.life.plant_id;
    let mut known = Lives::default();
    heard.life.enter(&mut known)?;
    let mut lives = known;
    let news = lives.heard(heard.heard_ms, watermark_ms, limit_ms);
    changes.note(plant_id, &known, &lives);
    Ok(news.map(|change| Happening { plant_id, change, seen: heard.seen(), window: None }))
}

/// Whoever was not heard since then is noticed at this watermark: their silence begins to count.
/// Who was never heard is silent since a sensor was mapped to the plant.
async fn notice(
    db: &mut SqliteConnection,
    watermark_ms: i64,
    unheard_ms: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into plant_life (plant_id, kind, phase, since_ms, bad_ms)
         select plant_id, 'silent', 'pending', ?1, ?1 from plant_latest join plant using (plant_id)
          where event_ms <= ?2
         union all
         select plant_id, 'silent', 'pending', ?1, ?1
           from plant_sensor_mapping m join plant using (plant_id)
          where not exists (select 1 from plant_latest n where n.plant_id = m.plant_id)
          group by plant_id having min(m.record_ts_ms) <= ?2
         on conflict (plant_id, kind) do nothing",
    )
    .bind(watermark_ms)
    .bind(unheard_ms)
    .execute(db)
    .await?;
    Ok(())
}

/// The next plants that were noticed, but for those that are known to be silent and still are.
async fn called(
    db: &mut SqliteConnection,
    after_plant_id: i32,
    unheard_ms: i64,
) -> Result<Vec<Heard>, StoreError> {
    Ok(sqlx::query_as(&format!(
        "select * from (
            select l.plant_id, l.kind, l.phase, l.since_ms, l.better_ms, l.bad_ms,
                   coalesce(n.event_ms,
                            (select min(m.record_ts_ms) from plant_sensor_mapping m
                              where m.plant_id = l.plant_id),
                            l.since_ms) as heard_ms,
                   n.moisture, n.temperature, p.moisture_low, p.moisture_high,
                   p.temperature_low, p.temperature_high
              from plant_life l
              cross join plant p on p.plant_id = l.plant_id
              left join plant_latest n on n.plant_id = l.plant_id
             where l.kind = 'silent' and l.plant_id > ?1)
          where phase = 'pending' or better_ms is not null or heard_ms > ?2
          order by plant_id limit {PLANTS_A_STEP}"
    ))
    .bind(after_plant_id)
    .bind(unheard_ms)
    .fetch_all(db)
    .await?)
}

/// The plant behind which a round that is not over goes on.
async fn left(db: &mut SqliteConnection) -> Result<Option<i32>, StoreError> {
    Ok(sqlx::query_scalar("select after_plant_id from plant_roll_call").fetch_optional(db).await?)
}

async fn leave(db: &mut SqliteConnection, after_plant_id: i32) -> Result<(), StoreError> {
    sqlx::query(
        "insert into plant_roll_call (id, after_plant_id) values (1, ?)
         on conflict (id) do update set after_plant_id = excluded.after_plant_id",
    )
    .bind(after_plant_id)
    .execute(db)
    .await?;
    Ok(())
}

/// The watermark of the next roll-call; none while there is nobody to call.
pub(in crate::rooms::plants) async fn next_due(
    db: &mut SqliteConnection,
    limit_ms: i64,
    watermark_ms: i64,
) -> Result<Option<i64>, StoreError> {
    if left(db).await?.is_some() {
        return Ok(Some(watermark_ms));
    }
    let anybody: Option<i64> = sqlx::query_scalar(
        "select 1 from plant_latest union all select 1 from plant_sensor_mapping limit 1",
    )
    .fetch_optional(db)
    .await?;
    let moment_ms = silence_moment_ms(limit_ms);
    Ok(anybody.map(|_| (watermark_ms.div_euclid(moment_ms) + 1) * moment_ms))
}

impl Heard {
    /// What the newest reading said; nothing where there was none yet.
    fn seen(&self) -> Option<Seen> {
        let moisture = (self.moisture_low, self.moisture_high);
        let bands = Bands::of(moisture, (self.temperature_low, self.temperature_high));
        Some(Seen { moisture: self.moisture?, temperature: self.temperature?, bands })
    }
}
