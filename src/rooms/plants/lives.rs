//! The SQL of lives: which quarters have to be judged, who has fallen silent, and what follows.
//!
//! Invariant: a quarter is judged once, when the watermark closes it, by the readings that its
//! partition brought in time; quarters and windows are taken in the order in which they close. So
//! what a finished log comes to does not depend on how it is cut into steps. A step that closes no
//! quarter reads nothing here. Of a plant that is well a quarter that stands alone makes nothing
//! fire: it is judged when the next one comes in time to go on with it, and else not at all.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::SqliteConnection;

use super::Plants;
use super::care::{self, Known};
use super::fold::{BUCKET_MS, QUARTERS, WINDOWS};
use super::life::{Kind, Lives, News as Change, Phase, Quarter, Turn};
use super::rules::DryWindow;
use super::rules::cards::Seen;
use crate::engine::{Due, News};
use crate::store::StoreError;

mod rows;
mod silence;
mod stuck;
mod suspects;
mod telling;

pub(super) use rows::{forget_orphans, next_quarter, unsettle};
pub(super) use silence::next_due as next_roll_call;

/// Something that happened to a plant, and what was known then.
#[derive(Debug, Clone)]
struct Happening {
    plant_id: i32,
    change: Change,
    seen: Option<Seen>,
    /// The window that was dry.
    window: Option<DryWindow>,
}

/// What a step's readings and its clock make of the plants' lives. `dry` are windows that were
/// found dry: those that the step closes, and those that closed before and were touched again.
pub(super) async fn judge(
    db: &mut SqliteConnection,
    plants: &Plants,
    due: &Due,
    dry: Vec<DryWindow>,
) -> Result<Vec<News>, StoreError> {
    // Otherwise some partition is not read yet, and nothing closes.
    let Some(watermark_ms) = due.watermark_ms else { return Ok(Vec::new()) };
    let before_ms = due.before_ms.unwrap_or(i64::MIN);
    let (first_ms, end_ms) = QUARTERS.starts_closed_between(before_ms, watermark_ms);
    let fresh = care::take_fresh(db, watermark_ms).await?;
    let mut happened = Vec::new();
    let closes_quarter = first_ms.div_euclid(BUCKET_MS) != end_ms.div_euclid(BUCKET_MS)
        || first_ms.rem_euclid(BUCKET_MS) == 0;
    if closes_quarter || !dry.is_empty() || !fresh.is_empty() {
        let still = match plants.lives.stuck {
            Some(stillness) => stuck::suspects(db, stillness, first_ms, end_ms).await?,
            None => BTreeSet::new(),
        };
        let pause_ms = plants.lives.pause_ms();
        let mut doubtful = suspects::of_quarters(db, pause_ms, first_ms, end_ms).await?;
        doubtful.extend(still.iter().map(|(_, plant_id)| *plant_id));
        doubtful.extend(fresh);
        let mut book = Book::open(db, doubtful, &dry).await?;
        let mut quarters = match pause_ms {
            Some(pause_ms) => suspects::held_back(db, &book.well(), pause_ms, first_ms).await?,
            None => Vec::new(),
        };
        let since_ms = quarters.iter().map(|(plant_id, quarter, _)| (*plant_id, quarter.from_ms));
        let troubles = book.troubles(first_ms, &since_ms.collect(), &dry);
        quarters.extend(rows::quarters(db, &book.plants(), first_ms, end_ms).await?);
        let waterings = care::known_between(db, &troubles, before_ms, watermark_ms).await?;
        for event in in_order(quarters, dry, waterings, &still) {
            happened.extend(book.take(db, plants, event).await?);
        }
        book.close(db).await?;
    }
    if let Some(limit_ms) = plants.lives.silent_ms {
        happened.extend(silence::roll_call(db, limit_ms, due, watermark_ms).await?);
    }
    telling::news(db, plants, happened).await
}

/// What is judged at one moment.
enum Event {
    /// A quarter of a plant. `is_doubted`: it may have kept still for too long.
    Quarter {
        plant_id: i32,
        quarter: Quarter,
        seen: Seen,
        is_doubted: bool,
    },
    Window(DryWindow),
    Watered(Known),
}

/// Quarters and windows by the watermark that closes them, waterings by that at which they are
/// known, then by plant.
fn in_order(
    quarters: Vec<(i32, Quarter, Seen)>,
    dry: Vec<DryWindow>,
    waterings: Vec<Known>,
    still: &BTreeSet<(i64, i32)>,
) -> Vec<Event> {
    let mut events: Vec<((i64, i32), Event)> = Vec::new();
    for window in dry {
        events.push(((WINDOWS.closes_at(window.start_ms), window.plant_id), Event::Window(window)));
    }
    for known in waterings {
        events.push(((known.known_ms, known.plant_id), Event::Watered(known)));
    }
    for (plant_id, quarter, seen) in quarters {
        let is_doubted = still.contains(&(quarter.from_ms, plant_id));
        let closes_at = QUARTERS.closes_at(quarter.from_ms);
        let event = Event::Quarter { plant_id, quarter, seen, is_doubted };
        events.push(((closes_at, plant_id), event));
    }
    events.sort_by_key(|(order, _)| *order);
    events.into_iter().map(|(_, event)| event).collect()
}

/// The lives that a step looks at.
struct Book {
    lives: BTreeMap<i32, Lives>,
    /// As they were stored.
    known: BTreeMap<i32, Lives>,
    /// The newest watering of each plant that the step has come to.
    watered: BTreeMap<i32, i64>,
}

impl Book {
    async fn open(
        db: &mut SqliteConnection,
        suspects: BTreeSet<i32>,
        dry: &[DryWindow],
    ) -> Result<Book, StoreError> {
        let known = rows::load(db).await?;
        let mut lives = known.clone();
        for plant_id in suspects.into_iter().chain(dry.iter().map(|window| window.plant_id)) {
            lives.entry(plant_id).or_default();
        }
        Ok(Book { lives, known, watered: BTreeMap::new() })
    }

    fn plants(&self) -> Vec<i32> {
        self.lives.keys().copied().collect()
    }

    /// The plants that nothing is known to be the matter with.
    fn well(&self) -> Vec<i32> {
        let is_known = |plant_id: &&i32| self.known.contains_key(plant_id);
        self.lives.keys().filter(|plant_id| !is_known(plant_id)).copied().collect()
    }

    /// Each plant, and since when a watering may settle something of it or be in a quarter that the
    /// step judges: from `first_ms` on, or from where a quarter was `held` back.
    fn troubles(
        &self,
        first_ms: i64,
        held: &BTreeMap<i32, i64>,
        dry: &[DryWindow],
    ) -> Vec<(i32, i64)> {
        let of_plant = |(plant_id, lives): (&i32, &Lives)| {
            let begun = [Kind::Dry, Kind::Drying].into_iter().filter_map(|kind| lives.phase(kind));
            let windows = dry.iter().filter(|window| window.plant_id == *plant_id);
            let ends_ms = windows.map(|window| window.end_ms);
            let held_ms = held.get(plant_id).copied();
            let since_ms = begun.map(Phase::since_ms).chain(ends_ms).chain(held_ms);
            let since_ms = since_ms.fold(first_ms, i64::min);
            (*plant_id, since_ms)
        };
        self.lives.iter().map(of_plant).collect()
    }

    async fn take(
        &mut self,
        db: &mut SqliteConnection,
        plants: &Plants,
        event: Event,
    ) -> Result<Vec<Happening>, StoreError> {
        match event {
            Event::Window(window) => {
                let lives = self.lives.entry(window.plant_id).or_default();
                let news = lives.dry_window(window.end_ms);
                let of_window = |change| Happening {
                    plant_id: window.plant_id,
                    change,
                    seen: None,
                    window: Some(window.clone()),
                };
                Ok(news.into_iter().map(of_window).collect())
            }
            Event::Watered(Known { plant_id, watered_ms, is_said, .. }) => {
                let newest_ms = self.watered.entry(plant_id).or_insert(watered_ms);
                *newest_ms = watered_ms.max(*newest_ms);
                let lives = self.lives.entry(plant_id).or_default();
                let news = lives.watered(watered_ms, is_said, &plants.lives);
                for change in &news {
                    if let (true, Turn::Over { since_ms, .. }) = (is_said, change.turn) {
                        rows::settle(db, plant_id, watered_ms, since_ms).await?;
                    }
                }
                let of_watering = |change| Happening { plant_id, change, seen: None, window: None };
                Ok(news.into_iter().map(of_watering).collect())
            }
            Event::Quarter { plant_id, quarter, seen, is_doubted } => {
                let lives = self.lives.entry(plant_id).or_default();
                let watered_ms = self.watered.get(&plant_id).copied();
                let mut news = lives.quarter(&quarter, watered_ms, &seen.bands, &plants.lives);
                if let Some(stillness) = plants.lives.stuck
                    && (is_doubted || lives.is_firing(Kind::Stuck))
                    && let Some(is_still) =
                        stuck::is_still(db, plant_id, quarter.from_ms, stillness).await?
                {
                    let since_ms = quarter.to_ms - stillness.span_ms;
                    news.extend(lives.still(is_still, since_ms, quarter.to_ms));
                }
                let seen = Some(seen);
                let of_quarter = |change| Happening { plant_id, change, seen, window: None };
                Ok(news.into_iter().map(of_quarter).collect())
            }
        }
    }

    /// Writes what changed.
    async fn close(self, db: &mut SqliteConnection) -> Result<(), StoreError> {
        let unknown = Lives::default();
        let mut changes = rows::Changes::default();
        for (plant_id, lives) in &self.lives {
            changes.note(*plant_id, self.known.get(plant_id).unwrap_or(&unknown), lives);
        }
        changes.store(db).await
    }
}

/// Does it fire, or fire once more?
fn is_raised(turn: Turn) -> bool {
    matches!(turn, Turn::Fired { .. } | Turn::Again { .. })
}
