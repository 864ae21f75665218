//! Somebody watered: found in a plant's quarter hours.
//!
//! Water raises moisture within an hour, and it stays up; little else does. So water was given
//! where the median of the hour after a quarter hour lies above the median of those before it by
//! more than noise, damp air, warmth, or a sensor that comes back into its soil can bring about.
//! Medians, because one odd quarter hour is no watering. The first quarter hour for which that is
//! so stands for all within two hours of it.
//!
//! Invariant: whether a quarter hour is the first depends on those from [`BEHIND_MS`] before it to
//! [`AHEAD_MS`] after it and on nothing else; so the same waterings are found however the log is
//! cut.

use crate::kernel::time::{HOUR_MS, MINUTE_MS};
use crate::rooms::plants::fold::BUCKET_MS;

/// A quarter hour with readings: when it begins, and its mean moisture in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mean {
    pub start_ms: i64,
    pub moisture: i64,
}

/// A watering that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// The quarter hour that shows it: by the hour after it, so it may be somewhat earlier.
    pub start_ms: i64,
    /// The quarter hour in which moisture began to rise.
    pub at_ms: i64,
}

/// A rise of less is not told from a warm day, in thousandths.
const RISE_MIN: i64 = 4_000;
/// Nor is less than so many times what two quarter hours in a row usually differ by.
const NOISE_FACTOR: i64 = 5;
/// What soil may take up from damp air in an hour without readings.
const DAMP_AN_HOUR: i64 = 700;
/// Compared are the last quarter hours before and those of an hour after.
const BEFORE: usize = 4;
const AFTER_MS: i64 = HOUR_MS;
const AFTER_LEAST: usize = 2;
/// How far back a quarter hour may lie to be compared with.
const BEFORE_MS: i64 = 24 * HOUR_MS;
/// What moisture was usual before: a sensor that was out of the soil for a while comes back to it.
const USUAL_MS: i64 = 6 * HOUR_MS;
/// Soil dries by less than this meanwhile.
const USUAL_SLACK: i64 = 2_500;
/// What rises within this time after it is the same watering.
const SAME_MS: i64 = 2 * HOUR_MS;

/// What a verdict depends on.
pub const BEHIND_MS: i64 = BEFORE_MS + SAME_MS;
pub const AHEAD_MS: i64 = AFTER_MS;

/// Only quarter hours are looked at closely that were read so long after, too, and by then had
/// risen by so much above the quarter hour before, if that was read.
pub const SIGN_AFTER_MS: i64 = 30 * MINUTE_MS;
pub const SIGN_RISE: i64 = RISE_MIN / 2;

/// The watering that a quarter hour is the first to show. `means` are in order, and reach from
/// [`BEHIND_MS`] before it to [`AHEAD_MS`] after it.
pub fn first_at(means: &[Mean], start_ms: i64) -> Option<Found> {
    let at = means.binary_search_by_key(&start_ms, |mean| mean.start_ms).ok()?;
    let at_ms = rise(means, at)?;
    let near = |earlier: &usize| means[*earlier].start_ms >= start_ms - SAME_MS;
    let is_first = (0..at).rev().take_while(near).all(|earlier| rise(means, earlier).is_none());
    is_first.then_some(Found { start_ms, at_ms })
}

/// Are a watering that somebody told and one that was found the same? People tell it before or
/// after they do it.
pub fn is_same(said_ms: i64, found_ms: i64) -> bool {
    (said_ms - found_ms).abs() <= SAME_MS
}

/// When moisture began to rise, where it did so around a quarter hour as after a watering.
fn rise(means: &[Mean], at: usize) -> Option<i64> {
    let begin_ms = means[at].start_ms;
    let past = &means[..at];
    let past = &past[past.partition_point(|mean| mean.start_ms < begin_ms - BEFORE_MS)..];
    let last_ms = past.last()?.start_ms;
    let future = &means[at + 1..];
    let future = &future[..future.partition_point(|mean| mean.start_ms <= begin_ms + AFTER_MS)];
    if future.len() < AFTER_LEAST || !has_sign(past, future, begin_ms) {
        return None;
    }
    let after = lower_median(future.iter().map(|mean| mean.moisture))?;
    let recent = &past[past.len().saturating_sub(BEFORE)..];
    let before = median(recent.iter().map(|mean| mean.moisture))?;
    let usual = past.iter().filter(|mean| mean.start_ms >= last_ms - USUAL_MS);
    let usual = median(usual.map(|mean| mean.moisture))?;
    let before = before.max(usual - USUAL_SLACK);
    let damp = DAMP_AN_HOUR * (begin_ms - last_ms) / HOUR_MS;
    let needed = (RISE_MIN + damp).max(NOISE_FACTOR * unrest(past));
    let risen = after - before;
    if risen < needed {
        return None;
    }
    let is_rising = |mean: &&Mean| mean.moisture >= before + risen / 4;
    means[at..].iter().find(is_rising).map(|mean| mean.start_ms)
}

fn has_sign(past: &[Mean], future: &[Mean], begin_ms: i64) -> bool {
    let later = future.iter().find(|mean| mean.start_ms == begin_ms + SIGN_AFTER_MS);
    let last = past.last().filter(|mean| mean.start_ms == begin_ms - BUCKET_MS);
    match (later, last) {
        (Some(later), Some(last)) => later.moisture - last.moisture >= SIGN_RISE,
        (Some(_), None) => true,
        (None, _) => false,
    }
}

/// What two quarter hours in a row usually differ by.
fn unrest(past: &[Mean]) -> i64 {
    let steps = past.windows(2).map(|pair| (pair[1].moisture - pair[0].moisture).abs());
    median(steps).unwrap_or(0)
}

/// The upper one of the middle values.
fn median(values: impl Iterator<Item = i64>) -> Option<i64> {
    let values = sorted(values);
    values.get(values.len() / 2).copied()
}

/// The lower one of the middle values: half of them may be odd.
fn lower_median(values: impl Iterator<Item = i64>) -> Option<i64> {
    let values = sorted(values);
    values.get(values.len().saturating_sub(1) / 2).copied()
}

fn sorted(values: impl Iterator<Item = i64>) -> Vec<i64> {
    let mut values: Vec<i64> = values.collect();
    values.sort_unstable();
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Quarter hours with these moistures in per cent; `None` was not read.
    fn means(moistures: &[Option<f64>]) -> Vec<Mean> {
        let mean = |(index, moisture): (i64, &Option<f64>)| {
            let moisture = (moisture.as_ref()? * 1_000.0) as i64;
            Some(Mean { start_ms: index * BUCKET_MS, moisture })
        };
        (0..).zip(moistures).filter_map(mean).collect()
    }

    /// In which quarter hours waterings began.
    fn found(moistures: &[Option<f64>]) -> Vec<i64> {
        let means = means(moistures);
        let found = means.iter().filter_map(|mean| first_at(&means, mean.start_ms));
        found.map(|found| found.at_ms / BUCKET_MS).collect()
    }

    fn level(moisture: f64, quarters: usize) -> Vec<Option<f64>> {
        vec![Some(moisture); quarters]
    }

    #[test]
    fn a_step_that_stays_is_a_watering_and_a_bump_is_none() {
        assert_eq!(found(&[level(30.0, 20), level(45.0, 20)].concat()), [20]);
        assert_eq!(found(&[level(30.0, 20), level(45.0, 2), level(30.0, 20)].concat()), [0; 0]);
        assert_eq!(found(&[level(30.0, 20), level(33.0, 20)].concat()), [0; 0]);
        // Nothing is known of what was before, or of what comes.
        assert_eq!(found(&[level(30.0, 20), level(45.0, 1)].concat()), [0; 0]);
        assert_eq!(found(&level(45.0, 20)), [0; 0]);
    }

    #[test]
    fn a_watering_that_nobody_read_is_found_when_readings_go_on() {
        let silence = vec![None; 24];
        assert_eq!(found(&[level(30.0, 20), silence.clone(), level(45.0, 20)].concat()), [44]);
        // Damp air may do as much in that time.
        assert_eq!(found(&[level(30.0, 20), silence, level(37.0, 20)].concat()), [0; 0]);
    }

    #[test]
    fn a_sensor_that_comes_back_into_its_soil_is_no_watering() {
        assert_eq!(found(&[level(40.0, 40), level(1.0, 6), level(40.0, 40)].concat()), [0; 0]);
    }

    #[test]
    fn what_rises_slowly_is_damp_air() {
        let slow: Vec<_> = (0..96).map(|quarter| Some(30.0 + f64::from(quarter) * 0.2)).collect();
        assert_eq!(found(&slow), [0; 0]);
    }

    #[test]
    fn two_cans_within_two_hours_are_one_watering() {
        let cans = [level(30.0, 20), level(40.0, 4), level(50.0, 20)].concat();
        assert_eq!(found(&cans), [20]);
        let later = [level(30.0, 20), level(40.0, 20), level(50.0, 20)].concat();
        assert_eq!(found(&later), [20, 40]);
    }

    /// So it may be judged by a part of the past, and again when something of it changes.
    #[test]
    fn a_verdict_needs_no_more_than_it_says() {
        let life = crate::demo::soil::life(7, 0, 30);
        let all = means_of(&life.readings);
        for mean in &all {
            let from = all.partition_point(|it| it.start_ms < mean.start_ms - BEHIND_MS);
            let to = all.partition_point(|it| it.start_ms <= mean.start_ms + AHEAD_MS);
            let part = &all[from..to];
            assert_eq!(first_at(part, mean.start_ms), first_at(&all, mean.start_ms));
        }
    }

    fn means_of(readings: &[(i64, f32, f32)]) -> Vec<Mean> {
        let quarters = readings.chunk_by(|one, next| one.0 / BUCKET_MS == next.0 / BUCKET_MS);
        let mean = |quarter: &[(i64, f32, f32)]| {
            let sum: f64 = quarter.iter().map(|(_, moisture, _)| f64::from(*moisture)).sum();
            let moisture = (sum * 1_000.0 / quarter.len() as f64) as i64;
            Mean { start_ms: quarter[0].0 / BUCKET_MS * BUCKET_MS, moisture }
        };
        quarters.map(mean).collect()
    }

    /// The promise: at least 95 in 100 are found, and fewer than two a plant and year are none.
    #[test]
    fn simulated_waterings_are_found_and_little_else() {
        const PLANTS: u64 = 6;
        const DAYS: i64 = 120;
        let (mut given, mut seen, mut wrong) = (0, 0, 0);
        for plant in 0..PLANTS {
            let life = crate::demo::soil::life(plant, 0, DAYS);
            let means = means_of(&life.readings);
            let found: Vec<i64> = means
                .iter()
                .filter_map(|mean| first_at(&means, mean.start_ms))
                .map(|found| found.at_ms)
                .collect();
            let score = life.score(&found);
            given += life.waterings.len();
            seen += score.seen;
            wrong += score.wrong;
        }
        assert!(given > 100, "{given}");
        assert!(seen * 100 >= given * 95, "{seen} of {given}");
        let plant_days = i64::try_from(PLANTS).unwrap() * DAYS;
        assert!(i64::try_from(wrong).unwrap() * 365 < 2 * plant_days, "{wrong}");
    }
}
