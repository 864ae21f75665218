//! From what happened to what is told: alerts with their cards, and endings.

use std::collections::BTreeMap;

use sqlx::SqliteConnection;

use super::{Happening, is_raised};
use crate::engine::News;
use crate::kernel::alert::Alert;
use crate::rooms::plants::life::{Kind, Turn};
use crate::rooms::plants::rules::DryWindow;
use crate::rooms::plants::rules::cards::{self, Began, Named};
use crate::rooms::plants::{Plants, care, results, rules};
use crate::store::StoreError;

/// What is told of a step, in its order. What began and ended within it is recorded alone: but for
/// the contract's alerts, which are told each.
pub(super) async fn news(
    db: &mut SqliteConnection,
    plants: &Plants,
    happened: Vec<Happening>,
) -> Result<Vec<News>, StoreError> {
    if happened.is_empty() {
        return Ok(Vec::new());
    }
    let names = names(db, &happened).await?;
    let dry = happened.iter().filter_map(|happening| happening.window.as_ref());
    let starts: Vec<(i32, i64)> = dry.map(|it| (it.plant_id, it.start_ms)).collect();
    let watered = care::newest_since(db, &starts).await?;
    let mut news: Vec<News> = Vec::new();
    let mut open: BTreeMap<(i32, Kind), usize> = BTreeMap::new();
    let mut windows: Vec<&DryWindow> = Vec::new();
    for happening in &happened {
        let Some(who) = names.get(&happening.plant_id) else { continue };
        let key = (happening.plant_id, happening.change.kind);
        if is_raised(happening.change.turn) {
            let watered_ms = watered.get(&who.plant_id).copied();
            let Some(alert) = raised(plants, happening, who, watered_ms) else { continue };
            windows.extend(&happening.window);
            open.insert(key, news.len());
            news.push(News::Raised(alert));
            continue;
        }
        let Turn::Over { since_ms, why, .. } = happening.change.turn else { continue };
        let began = open.remove(&key).filter(|_| key.1 != Kind::Dry);
        if let Some(slot) = began.and_then(|index| news.get_mut(index))
            && let News::Raised(alert) = slot
        {
            *slot = News::Passed(alert.clone());
            continue;
        }
        let ending = cards::over(key.1, who, since_ms, why, happening.seen.as_ref());
        news.push(News::Over(ending));
    }
    results::put(db, &windows).await?;
    Ok(news)
}

/// The alert of what fires, or fires once more.
fn raised(
    plants: &Plants,
    happening: &Happening,
    who: &Named,
    watered_ms: Option<i64>,
) -> Option<Alert> {
    let (kind, turn) = (happening.change.kind, happening.change.turn);
    let (Turn::Fired { since_ms, at_ms } | Turn::Again { since_ms, at_ms }) = turn else {
        return None;
    };
    if let Some(window) = &happening.window {
        let alert = rules::dry(window, plants.low_readings_limit, watered_ms)?;
        // Each window that is dry tells it again by itself.
        let began = Began { since_ms, at_ms, repeat_ms: None };
        return Some(cards::lasting(alert, kind, who.plant_id, began));
    }
    let began = Began { since_ms, at_ms, repeat_ms: plants.lives.repeat_ms };
    match (&happening.seen, kind) {
        (Some(seen), _) => Some(cards::raised(kind, who, seen, began)),
        (None, Kind::Silent) => Some(cards::unheard(who, began)),
        (None, _) => None,
    }
}

/// The names of these plants as they are now.
async fn names(
    db: &mut SqliteConnection,
    happened: &[Happening],
) -> Result<BTreeMap<i32, Named>, StoreError> {
    let plants: Vec<i32> = happened.iter().map(|happening| happening.plant_id).collect();
    let rows: Vec<(i32, String, String)> = sqlx::query_as(
        "select plant_id, given_name, common_name from plant
          where plant_id in (select value from json_each(?))",
    )
    .bind(serde_json::to_string(&plants)?)
    .fetch_all(db)
    .await?;
    let named = |(plant_id, given_name, common_name)| {
        (plant_id, Named { plant_id, given_name, common_name })
    };
    Ok(rows.into_iter().map(named).collect())
}
