//! The sensors of one bus, read in turn.
//!
//! Invariant: only what was identified as a soil sensor is reset; one that failed is identified
//! again before it is believed.

use std::time::Duration;

use embedded_hal::delay::DelayNs;
use embedded_hal::i2c::I2c;

use super::soil::{self, Soil, SoilError};

/// A delay that lets the thread sleep.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sleep;

impl DelayNs for Sleep {
    fn delay_ns(&mut self, ns: u32) {
        std::thread::sleep(Duration::from_nanos(ns.into()));
    }
}

/// What a sensor said in one round.
pub type Measured = (u8, Result<Soil, SoilError>);

/// The bus, and what is known of each address.
pub struct Bench<B, D> {
    bus: B,
    delay: D,
    sensors: Vec<Sensor>,
}

struct Sensor {
    address: u8,
    is_identified: bool,
}

impl<B: I2c, D: DelayNs> Bench<B, D> {
    pub fn new(bus: B, delay: D, addresses: &[u8]) -> Bench<B, D> {
        let sensor = |address: &u8| Sensor { address: *address, is_identified: false };
        Bench { bus, delay, sensors: addresses.iter().map(sensor).collect() }
    }

    /// Reads every sensor once. It blocks, for some seconds where all of them hang.
    pub fn measure(&mut self) -> Vec<Measured> {
        let mut measured = Vec::with_capacity(self.sensors.len());
        for sensor in &mut self.sensors {
            measured.push((sensor.address, sensor.measure(&mut self.bus, &mut self.delay)));
        }
        measured
    }
}

impl Sensor {
    fn measure(&mut self, bus: &mut impl I2c, delay: &mut impl DelayNs) -> Result<Soil, SoilError> {
        let was_identified = self.is_identified;
        self.is_identified = false;
        if !was_identified {
            soil::identify(bus, delay, self.address)?;
        }
        match soil::measure(bus, delay, self.address) {
            Ok(soil) => {
                self.is_identified = true;
                Ok(soil)
            }
            // Nobody is there to be reset.
            Err(SoilError::Silent) => Err(SoilError::Silent),
            Err(error) => {
                // If it does not help, the next round says so.
                let _ = soil::reset(bus, delay, self.address);
                Err(error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use embedded_hal::i2c::ErrorKind;

    use super::*;
    use crate::sensor::simulate::{Fault, SimulatedBus};

    /// A delay that adds up instead of sleeping, in microseconds.
    #[derive(Default)]
    struct Counted(u64);

    impl DelayNs for Counted {
        fn delay_ns(&mut self, ns: u32) {
            self.0 += u64::from(ns) / 1000;
        }
    }

    const NACK: Option<Fault> = Some(Fault::Nack);
    const TIME_OUT: Option<Fault> = Some(Fault::TimeOut);
    const GARBAGE: Option<Fault> = Some(Fault::Garbage);
    const GOOD: Option<Fault> = None;

    /// A sensor with a raw value of 859 in soil of 21.3 °C.
    fn bus() -> SimulatedBus {
        let bus = SimulatedBus::empty(|| 0);
        bus.plug(0x36, 0x55);
        // 21.3 × 65,536, with the two upper bits set.
        bus.hold(0x36, 859, 0xc000_0000 | 1_395_917);
        bus
    }

    fn soil() -> Result<Soil, SoilError> {
        Ok(Soil { raw: 859, temperature: 21_300 })
    }

    fn bench<'d>(
        bus: &SimulatedBus,
        delay: &'d mut Counted,
    ) -> Bench<SimulatedBus, &'d mut Counted> {
        Bench::new(bus.clone(), delay, &[0x36])
    }

    #[test]
    fn moisture_and_temperature_are_read_with_the_chips_delays() {
        let mut delay = Counted::default();
        let bus = bus();
        let mut bench = bench(&bus, &mut delay);
        assert_eq!(bench.measure(), [(0x36, soil())]);
        assert_eq!(bench.measure(), [(0x36, soil())]);
        drop(bench);
        // Five registers with 5 ms each: an id, and twice moisture and temperature.
        assert_eq!(delay.0, 25_000);
        assert_eq!(bus.resets(0x36), 0);
    }

    #[test]
    fn a_register_is_tried_five_times_with_more_and_more_time() {
        let mut delay = Counted::default();
        let bus = bus();
        // A transaction to write, one to read: each kind of failure in turn.
        bus.script([GOOD, GOOD, NACK, GOOD, NACK, TIME_OUT, GOOD, GARBAGE]);
        assert_eq!(bench(&bus, &mut delay).measure(), [(0x36, soil())]);
        // Of the touch the fifth attempt was good: 5 to 9 ms, but for the two that failed in the
        // write, and 1 ms after each of the four.
        assert_eq!(delay.0, 5_000 + (6_000 + 8_000 + 9_000) + 4_000 + 5_000);
    }

    #[test]
    fn garbage_that_does_not_end_is_an_error_and_resets_the_chip() {
        let bus = bus();
        let garbage = std::iter::repeat_n([GOOD, GARBAGE], 5).flatten();
        bus.script([GOOD, GOOD].into_iter().chain(garbage));
        let mut delay = Counted::default();
        let mut bench = bench(&bus, &mut delay);
        assert_eq!(bench.measure(), [(0x36, Err(SoilError::Moisture(0xffff)))]);
        assert_eq!(bus.resets(0x36), 1);
        assert_eq!(bench.measure(), [(0x36, soil())]);
    }

    #[test]
    fn a_temperature_of_ones_is_no_temperature() {
        let bus = bus();
        let garbage = std::iter::repeat_n([GOOD, GARBAGE], 5).flatten();
        bus.script([GOOD, GOOD, GOOD, GOOD].into_iter().chain(garbage));
        let measured = bench(&bus, &mut Counted::default()).measure();
        assert_eq!(measured, [(0x36, Err(SoilError::Temperature { bits: u32::MAX }))]);
    }

    #[test]
    fn a_bus_that_hangs_is_told_from_a_sensor_that_is_gone() {
        let bus = bus();
        let mut delay = Counted::default();
        let mut bench = bench(&bus, &mut delay);
        assert_eq!(bench.measure(), [(0x36, soil())]);
        bus.script(std::iter::repeat_n(TIME_OUT, 5));
        assert_eq!(bench.measure(), [(0x36, Err(SoilError::Bus(ErrorKind::Other)))]);
        bus.unplug(0x36);
        assert_eq!(bench.measure(), [(0x36, Err(SoilError::Silent))]);
        bus.plug(0x36, 0x87);
        bus.hold(0x36, 859, 1_395_917);
        assert_eq!(bench.measure(), [(0x36, soil())]);
    }

    #[test]
    fn another_chip_is_neither_read_nor_reset() {
        let bus = bus();
        bus.plug(0x36, 0x10);
        let measured = bench(&bus, &mut Counted::default()).measure();
        assert_eq!(measured, [(0x36, Err(SoilError::Foreign(0x10)))]);
        assert_eq!(bus.resets(0x36), 0);
    }
}
