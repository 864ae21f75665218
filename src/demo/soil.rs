//! Simulated pots: soil as two stores of water, a sensor with everything that real ones do, and a
//! person who waters. What watches soils is measured by it, so it shares none of their assumptions:
//! water is added, seeps, drains and is drawn by day; nothing here is a curve.

use crate::kernel::time::{DAY_MS, HOUR_MS, SECOND_MS};

/// A reading's interval (contract).
pub const READING_EVERY_MS: i64 = 30 * SECOND_MS;
/// What soil holds against gravity, in per cent; above it water drains.
const FIELD_CAPACITY: f64 = 68.0;
const DRAINS_IN_H: f64 = 1.5;
/// The sensor's curve flattens as soil gets wet.
const SENSOR_BEND: f64 = 55.0;
const STEP_H: f64 = 1.0 / 120.0;

/// What one pot and its sensor are like.
#[derive(Debug, Clone, Copy)]
pub struct Pot {
    /// Water that the plant and the air draw, in per cent an hour at half moisture.
    draw: f64,
    /// How long water takes from the surface to the sensor, in hours.
    seep_h: f64,
    /// Per cent of reading for each degree.
    warmth: f64,
    /// Degrees that the sun adds while it shines on the pot.
    sun: f64,
    noise: f64,
    /// A random walk, in per cent over a week.
    drift: f64,
    /// Moisture at which somebody waters, and the days at which they do so anyway.
    waters_below: f64,
    waters_every_days: f64,
}

/// What the sensor told, and when somebody watered.
#[derive(Debug, Clone, Default)]
pub struct Life {
    /// Time, per cent, degrees Celsius.
    pub readings: Vec<(i64, f32, f32)>,
    pub waterings: Vec<i64>,
}

/// How well waterings were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Score {
    pub seen: usize,
    /// Found where there was none.
    pub wrong: usize,
}

impl Life {
    /// Judges the times at which waterings were found. One is seen where one is found from an hour
    /// before it to three hours after it, or after readings went on where the sensor was silent.
    pub fn score(&self, found: &[i64]) -> Score {
        let mut unused = found.to_vec();
        let mut seen = 0;
        for watered_ms in &self.waterings {
            let at = self.readings.partition_point(|(at_ms, ..)| at_ms < watered_ms);
            let heard_ms = self.readings.get(at).map_or(*watered_ms, |(at_ms, ..)| *at_ms);
            let near = watered_ms - HOUR_MS..=heard_ms + 3 * HOUR_MS;
            if let Some(index) = unused.iter().position(|found_ms| near.contains(found_ms)) {
                unused.remove(index);
                seen += 1;
            }
        }
        Score { seen, wrong: unused.len() }
    }
}

/// Randomness of one pot.
struct Dice(fastrand::Rng);

impl Dice {
    fn between(&mut self, from: f64, to: f64) -> f64 {
        from + (to - from) * self.0.f64()
    }

    /// The logarithm is even: short ones are as likely as long ones.
    fn log_between(&mut self, from: f64, to: f64) -> f64 {
        self.between(from.ln(), to.ln()).exp()
    }

    /// Happens so often in a day, asked at each step.
    fn happens(&mut self, a_day: f64) -> bool {
        self.0.f64() < a_day * STEP_H / 24.0
    }

    /// About normal: a sum of four.
    fn normal(&mut self) -> f64 {
        let sum: f64 = (0..4).map(|_| self.0.f64() - 0.5).sum();
        sum * 3f64.sqrt()
    }
}

impl Pot {
    fn of(dice: &mut Dice) -> Pot {
        Pot {
            draw: dice.log_between(0.12, 0.6),
            seep_h: dice.log_between(0.08, 0.8),
            warmth: dice.between(-0.1, 0.3),
            sun: if dice.0.bool() { dice.between(3.0, 9.0) } else { 0.0 },
            noise: dice.log_between(0.2, 1.8),
            drift: dice.between(0.2, 1.5),
            waters_below: dice.between(18.0, 40.0),
            waters_every_days: dice.between(4.0, 14.0),
        }
    }
}

/// The soil and what happens to it.
struct State {
    surface: f64,
    deep: f64,
    drift: f64,
    /// Until when (hours): damp air, no readings, the sensor out of the soil, the sun away.
    damp_until_h: f64,
    silent_until_h: f64,
    out_until_h: f64,
    cloudy_until_h: f64,
    warmed: f64,
    watered_h: f64,
}

/// The life of a pot over some days.
pub fn life(seed: u64, start_ms: i64, days: i64) -> Life {
    let mut dice = Dice(fastrand::Rng::with_seed(seed));
    let pot = Pot::of(&mut dice);
    let mut state = State {
        surface: 0.0,
        deep: dice.between(35.0, 60.0),
        drift: 0.0,
        damp_until_h: 0.0,
        silent_until_h: 0.0,
        out_until_h: 0.0,
        cloudy_until_h: 0.0,
        warmed: 0.0,
        watered_h: 0.0,
    };
    let mut life = Life::default();
    let mut at_ms = start_ms;
    while at_ms < start_ms + days * DAY_MS {
        let hour = (at_ms - start_ms) as f64 / HOUR_MS as f64;
        if state.is_watered(&pot, &mut dice, hour) {
            life.waterings.push(at_ms);
        }
        state.step(&pot, &mut dice, hour);
        let temperature = state.temperature(hour);
        if hour >= state.silent_until_h {
            let moisture = state.read(&pot, &mut dice, hour, temperature);
            life.readings.push((at_ms, moisture as f32, temperature as f32));
        }
        at_ms += READING_EVERY_MS;
    }
    life
}

impl State {
    /// Somebody is at home by day and looks now and then.
    fn is_watered(&mut self, pot: &Pot, dice: &mut Dice, hour: f64) -> bool {
        let of_day = hour % 24.0;
        let since_h = hour - self.watered_h;
        let is_due = self.deep < pot.waters_below || since_h > pot.waters_every_days * 24.0;
        if !(8.0..22.0).contains(&of_day) || since_h < 12.0 || !is_due || !dice.happens(6.0) {
            return false;
        }
        self.watered_h = hour;
        // Mostly a can, now and then a sip.
        let is_sip = dice.between(0.0, 1.0) < 0.15;
        self.surface += if is_sip { dice.between(7.0, 12.0) } else { dice.between(15.0, 45.0) };
        true
    }

    fn step(&mut self, pot: &Pot, dice: &mut Dice, hour: f64) {
        let seeps = self.surface * STEP_H / pot.seep_h;
        self.surface -= seeps;
        self.deep += seeps;
        if self.deep > FIELD_CAPACITY {
            self.deep -= (self.deep - FIELD_CAPACITY) * STEP_H / DRAINS_IN_H;
        }
        let by_day = 0.4 + 1.2 * daylight(hour);
        self.deep -= pot.draw * by_day * (self.deep / 50.0).max(0.0).powf(0.7) * STEP_H;
        if hour < self.damp_until_h {
            // Damp air: the soil takes water up, slowly.
            self.deep += 0.45 * STEP_H;
        } else if dice.happens(1.0 / 20.0) {
            self.damp_until_h = hour + dice.between(10.0, 24.0);
        }
        if dice.happens(1.0 / 9.0) {
            self.silent_until_h = hour + dice.log_between(0.1, 14.0);
        }
        if dice.happens(2.0 / 365.0) {
            self.out_until_h = hour + dice.log_between(0.1, 1.5);
        }
        if dice.happens(0.5) {
            self.cloudy_until_h = hour + dice.log_between(0.3, 12.0);
        }
        self.drift += pot.drift * dice.normal() * (STEP_H / 168.0).sqrt();
        let of_day = hour % 24.0;
        let shines = (10.0..14.0).contains(&of_day) && hour >= self.cloudy_until_h;
        let target = if shines { pot.sun } else { 0.0 };
        self.warmed += (target - self.warmed) * STEP_H / 0.4;
    }

    fn temperature(&self, hour: f64) -> f64 {
        20.0 + 2.5 * ((hour - 9.0) / 24.0 * std::f64::consts::TAU).sin() + self.warmed
    }

    fn read(&self, pot: &Pot, dice: &mut Dice, hour: f64, temperature: f64) -> f64 {
        let bend = |moisture: f64| 1.0 - (-moisture / SENSOR_BEND).exp();
        let curve = 100.0 * bend(self.deep) / bend(100.0);
        let soil = if hour < self.out_until_h { 1.0 } else { curve };
        let spike = if dice.happens(0.2) { dice.between(-25.0, 25.0) } else { 0.0 };
        let noise = pot.noise * dice.normal();
        let read = soil + pot.warmth * (temperature - 20.0) + self.drift + noise + spike;
        read.clamp(0.0, 100.0)
    }
}

fn daylight(hour: f64) -> f64 {
    ((hour % 24.0 - 6.0) / 12.0 * std::f64::consts::PI).sin().max(0.0)
}
