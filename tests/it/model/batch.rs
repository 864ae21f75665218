//! The batch model: what readings must come to, computed at once and from the contract alone.
//!
//! Invariant: it shares nothing with the kernel but the numbers that the contract fixes.

use std::collections::{BTreeMap, BTreeSet};

use super::bench::{LAG_MS, LIMIT, Outcome};

const WINDOW_MS: i64 = 6 * 3_600_000;
const GRACE_MS: i64 = 10 * 60_000;
const AHEAD_MS: i64 = 5 * 60_000;

/// A reading as the model sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Told {
    pub(crate) plant_id: i32,
    pub(crate) moisture: f32,
    pub(crate) ts_ms: i64,
}

/// The contract's rules, each of which a test may bend.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) grace_ms: i64,
    /// More than this many low readings are an alert.
    pub(crate) limit: i64,
    /// A reading at the threshold is low.
    pub(crate) low_at_threshold: bool,
    /// Lateness looks at all partitions instead of the record's own.
    pub(crate) late_by_any: bool,
}

pub(crate) const CONTRACT: Rules =
    Rules { grace_ms: GRACE_MS, limit: LIMIT, low_at_threshold: false, late_by_any: false };

pub(crate) struct Model {
    rules: Rules,
    /// Low moisture by plant.
    pub(crate) thresholds: BTreeMap<i32, f32>,
    greatest: Vec<Option<i64>>,
    touched: BTreeSet<(i64, i32)>,
    pub(crate) outcome: Outcome,
}

impl Model {
    pub(crate) fn new(rules: Rules, thresholds: BTreeMap<i32, f32>, partitions: usize) -> Model {
        let greatest = vec![None; partitions];
        Model { rules, thresholds, greatest, touched: BTreeSet::new(), outcome: Outcome::default() }
    }

    /// The next reading of a partition.
    pub(crate) fn read(&mut self, partition: usize, told: Told, clock_ms: i64) {
        let Told { plant_id, moisture, ts_ms } = told;
        let place = i32::try_from(partition).unwrap();
        if ts_ms - clock_ms > AHEAD_MS {
            *self.outcome.letters.entry(place).or_default() += 1;
            return;
        }
        let start_ms = ts_ms.div_euclid(WINDOW_MS) * WINDOW_MS;
        let by_any = self.greatest.iter().copied().max().flatten();
        let greatest = if self.rules.late_by_any { by_any } else { self.greatest[partition] };
        let late = greatest.is_some_and(|ms| start_ms + WINDOW_MS + self.rules.grace_ms <= ms);
        self.greatest[partition] = self.greatest[partition].max(Some(ts_ms));
        *self.outcome.readings.entry(plant_id).or_default() += 1;
        let latest = self.outcome.latest.entry(plant_id).or_insert(ts_ms);
        *latest = (*latest).max(ts_ms);
        let low = self
            .thresholds
            .get(&plant_id)
            .is_some_and(|low| moisture < *low || self.rules.low_at_threshold && moisture == *low);
        if late {
            *self.outcome.late.entry(place).or_default() += 1;
        } else if low {
            *self.outcome.lows.entry((start_ms, plant_id)).or_default() += 1;
            self.touched.insert((start_ms, plant_id));
        }
    }

    /// Everything so far has been read to its end.
    pub(crate) fn settle(&mut self, clock_ms: i64) {
        let clock_ms = clock_ms - LAG_MS;
        let least = self.greatest.iter().map(|ms| ms.unwrap_or(clock_ms).max(clock_ms)).min();
        let before = self.outcome.watermark_ms;
        let closed = |start: i64, by: Option<i64>| {
            by.is_some_and(|by| start + WINDOW_MS + self.rules.grace_ms <= by)
        };
        let after = before.max(least);
        for ((start, plant), count) in &self.outcome.lows {
            let news = !closed(*start, before) || self.touched.contains(&(*start, *plant));
            let known = self.thresholds.contains_key(plant);
            if news && known && closed(*start, after) && *count > self.rules.limit {
                let alert = ("plants.dry".to_owned(), plant.to_string(), start + WINDOW_MS);
                self.outcome.alerts.insert(alert);
            }
        }
        self.outcome.watermark_ms = after;
        self.touched.clear();
    }
}
