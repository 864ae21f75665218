//! Six simulated plants: soil that dries exponentially, a household that waters, noise.
//!
//! Invariant: a reading is a pure function of (seed, plant, origin, time), so a simulation goes on
//! where it ended without having stored anything.

use super::chance;
use crate::kernel::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};

/// One reading for each sensor in this time (contract).
pub const READING_EVERY_MS: i64 = 30 * SECOND_MS;
/// How much of the past a fresh simulation already has.
pub const BACKFILL_MS: i64 = 2 * DAY_MS;
/// How long before the origin the thirsty plant fell below its threshold.
const THIRSTY_SINCE_MS: i64 = 150 * MINUTE_MS;

/// A sample plant of the contract.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    pub plant_id: i32,
    pub given_name: &'static str,
    pub common_name: &'static str,
    pub scientific_name: &'static str,
    pub moisture_low: f32,
    pub moisture_high: f32,
    pub sensor_id: &'static str,
}

const fn sample(
    plant_id: i32,
    names: [&'static str; 3],
    band: (f32, f32),
    sensor_id: &'static str,
) -> Sample {
    Sample {
        plant_id,
        given_name: names[0],
        common_name: names[1],
        scientific_name: names[2],
        moisture_low: band.0,
        moisture_high: band.1,
        sensor_id,
    }
}

/// The contract's sample plants; all like 15–30 °C.
pub const SAMPLES: [Sample; 6] = [
    sample(0, ["Cyril", "Dwarf Umbrella Tree", "Schefflera arboricola"], (30.0, 60.0), "0x36"),
    sample(1, ["Nicholas", "Golden Pothos", "Epipremnum aureum"], (20.0, 60.0), "0x37"),
    sample(2, ["Francesca", "ZZ Plant", "Zamioculcas zamiifolia"], (20.0, 60.0), "0x38"),
    sample(3, ["Bradley", "Swiss Cheese Plant", "Monstera adansonii"], (20.0, 70.0), "0x39"),
    sample(4, ["Piper", "Missionary Plant", "Pilea peperomioides"], (45.0, 75.0), "0x3a"),
    sample(5, ["Ginny", "Mini Monstera", "Rhaphidophora tetrasperma"], (40.0, 70.0), "0x3b"),
];
pub const TEMPERATURE_LOW: f32 = 15.0;
pub const TEMPERATURE_HIGH: f32 = 30.0;

/// From one watering to the next.
#[derive(Debug, Clone, Copy)]
struct Cycle {
    start_ms: i64,
    end_ms: i64,
    /// Moisture right after the watering, and where drying would end, in per cent.
    peak: f64,
    floor: f64,
    /// The time constant of drying.
    tau_ms: f64,
}

/// A simulated household.
#[derive(Debug, Clone, Copy)]
pub struct Simulation {
    pub seed: u64,
    pub origin_ms: i64,
}

impl Simulation {
    /// Moisture in per cent and temperature in °C, both rounded to 3 places (contract).
    pub fn reading(&self, plant: &Sample, cycle: &mut Cycles, at_ms: i64) -> (f64, f64) {
        let cycle = cycle.at(self, plant, at_ms);
        #[expect(clippy::cast_precision_loss, reason = "a time within one cycle")]
        let since_ms = (at_ms - cycle.start_ms) as f64;
        let soil = cycle.floor + (cycle.peak - cycle.floor) * (-since_ms / cycle.tau_ms).exp();
        let step = at_ms.div_euclid(READING_EVERY_MS);
        let noise = self.noise(plant, step, 1) * 0.35;
        let moisture = (soil + noise).clamp(0.0, 100.0);
        let temperature = daily_temperature(at_ms) + self.noise(plant, step, 2) * 0.15;
        (round3(moisture), round3(temperature))
    }

    /// Which plant is thirsty when the simulation begins.
    pub fn thirsty(&self) -> i32 {
        i32::try_from(self.seed % 6).unwrap_or(0)
    }

    /// The first cycle of a plant: it began before the past that a fresh simulation has.
    fn first_cycle(&self, plant: &Sample) -> Cycle {
        let mut cycle = self.shape(plant, 0, self.origin_ms);
        let low = f64::from(plant.moisture_low);
        let to_low_ms = cycle.time_to(low);
        if plant.plant_id == self.thirsty() {
            cycle.start_ms = self.origin_ms - THIRSTY_SINCE_MS - to_low_ms;
            // Watered some hours after its first alert is out.
            let wait_ms = 7 * HOUR_MS + self.pick(plant, 0, 9, 3 * HOUR_MS);
            cycle.end_ms = self.origin_ms + wait_ms;
        } else {
            // Somewhere between a third and nine tenths of the way down to its threshold.
            let part = to_low_ms / 3 + self.pick(plant, 0, 10, to_low_ms * 55 / 100);
            cycle.start_ms = self.origin_ms - part;
            cycle.end_ms = cycle.start_ms + self.length_ms(plant, 0, &cycle);
        }
        cycle
    }

    fn next_cycle(&self, plant: &Sample, number: u64, start_ms: i64) -> Cycle {
        let mut cycle = self.shape(plant, number, start_ms);
        cycle.end_ms = start_ms + self.length_ms(plant, number, &cycle);
        cycle
    }

    fn shape(&self, plant: &Sample, number: u64, start_ms: i64) -> Cycle {
        let high = f64::from(plant.moisture_high);
        let low = f64::from(plant.moisture_low);
        Cycle {
            start_ms,
            end_ms: start_ms,
            peak: high - 2.0 - self.unit(plant, number, 3) * 6.0,
            floor: low * 0.35,
            tau_ms: (3.5 + self.unit(plant, number, 4) * 2.5) * day(),
        }
    }

    /// How long until somebody waters: mostly in time, now and then hours too late.
    fn length_ms(&self, plant: &Sample, number: u64, cycle: &Cycle) -> i64 {
        let low = f64::from(plant.moisture_low);
        if self.unit(plant, number, 5) < 0.7 {
            return cycle.time_to(low + 1.5 + self.unit(plant, number, 6) * 4.0);
        }
        cycle.time_to(low) + 4 * HOUR_MS + self.pick(plant, number, 7, 10 * HOUR_MS)
    }

    /// A number from 0 to 1 that depends on everything named.
    fn unit(&self, plant: &Sample, number: u64, salt: u64) -> f64 {
        chance::unit(self.seed, u64::from(plant.plant_id.unsigned_abs()), number, salt)
    }

    fn pick(&self, plant: &Sample, number: u64, salt: u64, below_ms: i64) -> i64 {
        chance::below(below_ms, self.unit(plant, number, salt))
    }

    /// Noise of mean 0 and deviation near 1: the sum of three uniform numbers.
    fn noise(&self, plant: &Sample, step: i64, salt: u64) -> f64 {
        let step = step.unsigned_abs();
        let sum: f64 = (0..3).map(|part| self.unit(plant, step, salt * 8 + part)).sum();
        (sum - 1.5) * 2.0
    }
}

impl Cycle {
    /// How long after the watering this level is reached.
    fn time_to(&self, level: f64) -> i64 {
        let level = level.max(self.floor + 0.5).min(self.peak - 0.1);
        let taus = ((self.peak - self.floor) / (level - self.floor)).ln();
        #[expect(clippy::cast_possible_truncation, reason = "a span of days")]
        let span_ms = (self.tau_ms * taus) as i64;
        span_ms
    }
}

/// Where one plant's simulation is: the cycle that was used last.
#[derive(Debug, Clone, Default)]
pub struct Cycles {
    present: Option<(u64, Cycle)>,
}

impl Cycles {
    fn at(&mut self, simulation: &Simulation, plant: &Sample, at_ms: i64) -> Cycle {
        let (mut number, mut cycle) = match self.present {
            Some((number, cycle)) if cycle.start_ms <= at_ms => (number, cycle),
            _ => (0, simulation.first_cycle(plant)),
        };
        while cycle.end_ms <= at_ms {
            number += 1;
            cycle = simulation.next_cycle(plant, number, cycle.end_ms);
        }
        self.present = Some((number, cycle));
        cycle
    }
}

fn day() -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a day's milliseconds fit")]
    let day_ms = DAY_MS as f64;
    day_ms
}

/// A room: 19 °C before dawn, 24 °C in the afternoon.
fn daily_temperature(at_ms: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a day's milliseconds fit")]
    let part = at_ms.rem_euclid(DAY_MS) as f64 / day();
    21.5 + 2.5 * ((part - 0.375) * std::f64::consts::TAU).sin()
}

fn round3(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN_MS: i64 = 1_790_000_000_000;

    fn moisture(simulation: &Simulation, plant: &Sample, at_ms: i64) -> f64 {
        simulation.reading(plant, &mut Cycles::default(), at_ms).0
    }

    #[test]
    fn the_thirsty_plant_is_low_for_hours_and_then_watered() {
        for seed in 1..=20 {
            let simulation = Simulation { seed, origin_ms: ORIGIN_MS };
            let plant = &SAMPLES[usize::try_from(simulation.thirsty()).unwrap()];
            let low = f64::from(plant.moisture_low);
            for hours in 0..=6 {
                let at_ms = ORIGIN_MS + hours * HOUR_MS;
                assert!(moisture(&simulation, plant, at_ms) < low + 0.5, "seed {seed}, {hours} h");
            }
            assert!(moisture(&simulation, plant, ORIGIN_MS + 11 * HOUR_MS) > low + 10.0);
            assert!(moisture(&simulation, plant, ORIGIN_MS - 12 * HOUR_MS) > low);
        }
    }

    /// Whenever the demo is started, some window with more than 120 low readings closes within
    /// 8 simulated hours: 40 s at the default speed.
    #[test]
    fn the_first_alert_comes_soon_for_every_seed_and_hour_of_starting() {
        for seed in 1..=20 {
            for phase in 0..12 {
                let origin_ms = ORIGIN_MS + phase * 30 * MINUTE_MS;
                let simulation = Simulation { seed, origin_ms };
                let plant = &SAMPLES[usize::try_from(simulation.thirsty()).unwrap()];
                let closes_at_ms = first_alert_ms(&simulation, plant);
                let hours = (closes_at_ms - origin_ms) / HOUR_MS;
                assert!((0..8).contains(&hours), "seed {seed}, phase {phase}: {hours} h");
            }
        }
    }

    /// When the first window after the origin with more than 120 low readings closes.
    fn first_alert_ms(simulation: &Simulation, plant: &Sample) -> i64 {
        let windows = crate::rooms::plants::fold::WINDOWS;
        let mut start_ms = windows.start_of(simulation.origin_ms - windows.grace_ms);
        let mut cycles = Cycles::default();
        loop {
            let mut low = 0;
            let mut at_ms = start_ms - start_ms.rem_euclid(READING_EVERY_MS);
            while at_ms < windows.end_of(start_ms) {
                let moisture = simulation.reading(plant, &mut cycles, at_ms).0;
                low += i64::from(moisture < f64::from(plant.moisture_low));
                at_ms += READING_EVERY_MS;
            }
            if low > 120 && windows.closes_at(start_ms) >= simulation.origin_ms {
                return windows.closes_at(start_ms);
            }
            start_ms = windows.end_of(start_ms);
        }
    }

    #[test]
    fn a_reading_depends_on_nothing_but_seed_plant_and_time() {
        let simulation = Simulation { seed: 7, origin_ms: ORIGIN_MS };
        let mut warm = Cycles::default();
        for step in 0..5_000 {
            let at_ms = ORIGIN_MS + step * 10 * READING_EVERY_MS;
            let walked = simulation.reading(&SAMPLES[2], &mut warm, at_ms);
            if step % 500 == 0 {
                let fresh = simulation.reading(&SAMPLES[2], &mut Cycles::default(), at_ms);
                assert_eq!(walked, fresh);
            }
            assert!((0.0..=100.0).contains(&walked.0) && (10.0..35.0).contains(&walked.1));
        }
    }
}
