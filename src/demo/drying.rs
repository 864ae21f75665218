//! How soils dry, in several shapes, with the noise of sensors: what forecasts are measured on.
//!
//! Invariant: a forecast is designed on the shapes of [`DESIGN`] and measured on those of
//! [`HELD_OUT`], which it does not know.

use crate::kernel::time::{DAY_MS, MINUTE_MS};

const QUARTER_MS: i64 = 15 * MINUTE_MS;
const QUARTERS_A_DAY: usize = 96;
const DAYS: usize = 25;
/// A forecast is made with at least a day behind it, and looks ahead between these, in days.
const BEHIND_MIN: f64 = 1.0;
const AHEAD: (f64, f64) = (0.15, 6.0);
const LASTS_AT_MOST: f64 = 14.0;

/// How a soil dries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `exp(-(t/τ)^β)`.
    Stretched,
    /// `(1 + t/τ)^-p`.
    Power,
    /// A rate that changes with the weather, every day or so.
    Weather,
    /// A rate that wanders.
    Wandering,
    Exponential,
    Linear,
    /// Much by day, little by night.
    Diurnal,
    /// Steady at first, and from some moisture on ever slower.
    TwoStage,
}

pub const DESIGN: [Shape; 4] = [Shape::Stretched, Shape::Power, Shape::Weather, Shape::Wandering];
pub const HELD_OUT: [Shape; 4] =
    [Shape::Exponential, Shape::Linear, Shape::Diurnal, Shape::TwoStage];

/// A moment at which somebody asks when a plant will be dry, and the truth.
#[derive(Debug, Clone)]
pub struct Case {
    pub shape: Shape,
    /// When each quarter hour begins, and its moisture in thousandths, up to now.
    pub quarters: Vec<(i64, i64)>,
    /// The threshold, in thousandths.
    pub low: i64,
    pub now_ms: i64,
    pub crosses_ms: i64,
}

/// So many cases of each shape.
pub fn cases(shapes: &[Shape], count: usize, seed: u64) -> Vec<Case> {
    let mut dice = Dice(fastrand::Rng::with_seed(seed));
    let mut cases = Vec::new();
    for shape in shapes {
        let mut made = 0;
        while made < count {
            if let Some(case) = case(*shape, &mut dice) {
                cases.push(case);
                made += 1;
            }
        }
    }
    cases
}

/// `None`: this soil is not dry within a time that people ask about.
fn case(shape: Shape, dice: &mut Dice) -> Option<Case> {
    let moistures = soil(shape, dice);
    let low = dice.between(18.0, 42.0);
    let hit = moistures.iter().position(|moisture| *moisture < low)?;
    let lasted = hit as f64 / QUARTERS_A_DAY as f64;
    if lasted > LASTS_AT_MOST || lasted < BEHIND_MIN + 2.0 * AHEAD.0 {
        return None;
    }
    let ahead = dice.between(AHEAD.0, (lasted - BEHIND_MIN).min(AHEAD.1));
    let now = ((lasted - ahead) * QUARTERS_A_DAY as f64) as usize;
    let noise = dice.between(0.05, 0.5);
    let mut lasting = 0.0;
    let mut read = |quarter: usize| {
        // Some of a sensor's noise lasts for an hour or two.
        lasting = 0.8 * lasting + 0.6 * dice.normal();
        let noise = noise * 0.7 * (dice.normal() + lasting);
        (quarter as i64 * QUARTER_MS, ((moistures[quarter] + noise) * 1_000.0) as i64)
    };
    Some(Case {
        shape,
        quarters: (0..now).map(&mut read).collect(),
        low: (low * 1_000.0) as i64,
        now_ms: now as i64 * QUARTER_MS,
        crosses_ms: hit as i64 * QUARTER_MS,
    })
}

/// Moisture by quarter hours.
fn soil(shape: Shape, dice: &mut Dice) -> Vec<f64> {
    let wet = dice.between(50.0, 75.0);
    let a_day = dice.between(2.5, 9.0);
    let day = |quarter: usize| quarter as f64 / QUARTERS_A_DAY as f64;
    let quarters = 0..DAYS * QUARTERS_A_DAY;
    match shape {
        Shape::Stretched | Shape::Exponential => {
            let floor = dice.between(0.0, 15.0);
            let power = if shape == Shape::Stretched { dice.between(0.75, 1.25) } else { 1.0 };
            let lasts = (wet - floor) / a_day;
            let at = |day: f64| floor + (wet - floor) * (-(day / lasts).powf(power)).exp();
            quarters.map(|quarter| at(day(quarter))).collect()
        }
        Shape::Power => {
            let power = dice.between(0.6, 2.0);
            let lasts = wet * power / a_day;
            quarters.map(|quarter| wet / (1.0 + day(quarter) / lasts).powf(power)).collect()
        }
        Shape::Linear => quarters.map(|quarter| wet - a_day * day(quarter)).collect(),
        Shape::Weather => {
            let (varies, power) = (dice.between(0.04, 0.15), dice.between(0.2, 1.2));
            let lasts = (dice.between(0.4, 1.6) * QUARTERS_A_DAY as f64) as usize;
            let mut weather = 1.0;
            stepped(wet, |quarter, moisture| {
                if quarter % lasts == 0 {
                    weather = (varies * dice.normal()).exp();
                }
                a_day * weather * (moisture / wet).max(0.0).powf(power)
            })
        }
        Shape::Wandering => {
            let slows = dice.between(-0.02, 0.08);
            let mut rate = a_day;
            stepped(wet, |_, _| {
                rate *= 1.0 - slows / QUARTERS_A_DAY as f64 + 0.008 * dice.normal();
                rate
            })
        }
        Shape::Diurnal => {
            let (swing, floor) = (dice.between(0.4, 0.95), dice.between(0.0, 12.0));
            let dawn = dice.between(0.0, 1.0);
            stepped(wet, |quarter, moisture| {
                let by_day = 1.0 + swing * (std::f64::consts::TAU * (day(quarter) + dawn)).sin();
                a_day * by_day * ((moisture - floor) / (wet - floor)).max(0.0)
            })
        }
        Shape::TwoStage => {
            let knee = wet - dice.between(0.2, 0.6) * (wet - 15.0);
            let (lasts, floor) = (dice.between(4.0, 10.0), dice.between(5.0, 14.0));
            let slower = a_day.min((knee - floor) / lasts * 1.2);
            stepped(wet, |_, moisture| match moisture > knee {
                true => a_day,
                false => slower * ((moisture - floor) / (knee - floor)).max(0.0),
            })
        }
    }
}

/// Moisture that falls by a rate a day.
fn stepped(wet: f64, mut rate: impl FnMut(usize, f64) -> f64) -> Vec<f64> {
    let mut moisture = wet;
    let step = |quarter: usize| {
        let before = moisture;
        moisture -= rate(quarter, before) / QUARTERS_A_DAY as f64;
        before
    };
    (0..DAYS * QUARTERS_A_DAY).map(step).collect()
}

/// Whole days from one time to another, with their parts.
pub fn days(from_ms: i64, to_ms: i64) -> f64 {
    (to_ms - from_ms) as f64 / DAY_MS as f64
}

/// Randomness of some cases.
struct Dice(fastrand::Rng);

impl Dice {
    fn between(&mut self, from: f64, to: f64) -> f64 {
        from + (to - from) * self.0.f64()
    }

    /// About normal: a sum of four.
    fn normal(&mut self) -> f64 {
        let sum: f64 = (0..4).map(|_| self.0.f64() - 0.5).sum();
        sum * 3f64.sqrt()
    }
}
