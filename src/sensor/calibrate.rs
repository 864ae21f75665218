//! `windowsill sensor calibrate`: a person holds the sensor into dry and into wet soil.
//!
//! Invariant: nothing is kept that is not plausible, and nothing at all before both were measured.

use std::io::Write;
use std::time::Duration;

use embedded_hal::delay::DelayNs;
use embedded_hal::i2c::I2c;

use super::calibration::{Calibration, CalibrationError, SPAN_MIN, Stillness};
use super::soil::{self, SoilError};

/// Between two values.
const EVERY: Duration = Duration::from_millis(500);
/// A minute of values that do not stand still ends it.
const VALUES_MAX: u32 = 120;
/// So many failures in a row end it.
const FAILURES_MAX: u32 = 10;

/// The two things that a person does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Soaked {
    Dry,
    Wet,
}

/// Why there is no calibration.
#[derive(Debug, thiserror::Error)]
pub enum CalibrateError {
    #[error("the sensor cannot be read: {0}")]
    Soil(#[from] SoilError),
    #[error(
        "the values do not stand still; leave the sensor where it is for a while, then begin again"
    )]
    Restless,
    #[error(transparent)]
    Implausible(#[from] CalibrationError),
    #[error("standard input ended before both were measured; nothing was kept")]
    Ended,
    #[error("cannot write to the terminal: {0}")]
    Output(#[from] std::io::Error),
}

/// The conversation. `ready` asks the person to say so: `false` is the end of the input.
pub fn calibrate(
    bus: &mut impl I2c,
    delay: &mut impl DelayNs,
    address: u8,
    out: &mut dyn Write,
    mut ready: impl FnMut(Soaked) -> std::io::Result<bool>,
) -> Result<Calibration, CalibrateError> {
    soil::identify(bus, delay, address)?;
    let id = soil::sensor_id(address);
    writeln!(
        out,
        "Sensor {id} answers. Two values are needed; each is taken once it stands still.\n\n\
         1. Dry: push the sensor up to its line into soil of your plant that is as dry as it may\n   \
         become. Then press Enter."
    )?;
    if !ready(Soaked::Dry)? {
        return Err(CalibrateError::Ended);
    }
    let dry = settled(bus, delay, address, out)?;
    writeln!(
        out,
        "\n2. Wet: water that soil until it drips, wait some minutes, leave the sensor in it.\n   \
         Then press Enter."
    )?;
    if !ready(Soaked::Wet)? {
        return Err(CalibrateError::Ended);
    }
    let wet = settled(bus, delay, address, out)?;
    let calibration = Calibration::new(dry, wet)?;
    writeln!(out, "\nDry is {dry}, wet is {wet}.")?;
    if wet - dry < 4 * SPAN_MIN {
        writeln!(
            out,
            "They lie close together: per cents will be coarse. Was the dry soil really dry?"
        )?;
    }
    Ok(calibration)
}

/// Reads until the value stands still.
fn settled(
    bus: &mut impl I2c,
    delay: &mut impl DelayNs,
    address: u8,
    out: &mut dyn Write,
) -> Result<u16, CalibrateError> {
    let mut stillness = Stillness::default();
    let mut failures = 0;
    for _ in 0..VALUES_MAX {
        match soil::measure(bus, delay, address) {
            Ok(soil) => {
                failures = 0;
                write!(out, "\r   {:>4}  ", soil.raw)?;
                out.flush()?;
                if let Some(raw) = stillness.add(soil.raw) {
                    writeln!(out, "\r   {raw:>4}: it stands still")?;
                    return Ok(raw);
                }
            }
            Err(error) => {
                failures += 1;
                if failures == FAILURES_MAX {
                    return Err(error.into());
                }
            }
        }
        delay.delay_ms(u32::try_from(EVERY.as_millis()).unwrap_or(u32::MAX));
    }
    Err(CalibrateError::Restless)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sensor::simulate::{Fault, SimulatedBus};

    struct NoDelay;

    impl DelayNs for NoDelay {
        fn delay_ns(&mut self, _ns: u32) {}
    }

    /// A person who does these two things; `None` goes away.
    fn with(dry: Option<u16>, wet: Option<u16>) -> (Result<Calibration, CalibrateError>, String) {
        let bus = SimulatedBus::empty(|| 0);
        bus.plug(0x36, 0x55);
        let mut out = Vec::new();
        let mut device = bus.clone();
        let done = calibrate(&mut device, &mut NoDelay, 0x36, &mut out, |soaked| {
            let raw = if soaked == Soaked::Dry { dry } else { wet };
            if let Some(raw) = raw {
                bus.hold(0x36, raw, 20 << 16);
                // A read fails now and then.
                bus.script([None, None, Some(Fault::Nack)]);
            }
            Ok(raw.is_some())
        });
        (done, String::from_utf8(out).unwrap())
    }

    #[test]
    fn dry_and_wet_become_a_calibration() {
        let (done, said) = with(Some(412), Some(987));
        assert_eq!(<[u16; 2]>::from(done.unwrap()), [412, 987]);
        for part in ["1. Dry:", "412: it stands still", "2. Wet:", "Dry is 412, wet is 987."] {
            assert!(said.contains(part), "{part} in {said}");
        }
        assert!(!said.contains("close together"), "{said}");
        assert!(with(Some(412), Some(500)).1.contains("close together"));
    }

    #[test]
    fn what_is_implausible_or_unfinished_gives_none() {
        assert!(matches!(with(Some(987), Some(412)).0, Err(CalibrateError::Implausible(_))));
        assert!(matches!(with(Some(600), Some(600)).0, Err(CalibrateError::Implausible(_))));
        assert!(matches!(with(None, None).0, Err(CalibrateError::Ended)));
        assert!(matches!(with(Some(412), None).0, Err(CalibrateError::Ended)));
    }

    #[test]
    fn a_value_that_wanders_or_a_sensor_that_is_gone_ends_it() {
        let bus = SimulatedBus::house(1, || {
            use std::sync::atomic::{AtomicI64, Ordering};
            static NOW_MS: AtomicI64 = AtomicI64::new(0);
            NOW_MS.fetch_add(3_600_000, Ordering::Relaxed)
        });
        let wanders = settled(&mut bus.clone(), &mut NoDelay, 0x36, &mut Vec::new());
        assert!(matches!(wanders, Err(CalibrateError::Restless)), "{wanders:?}");
        bus.unplug(0x36);
        let gone = settled(&mut bus.clone(), &mut NoDelay, 0x36, &mut Vec::new());
        assert!(matches!(gone, Err(CalibrateError::Soil(SoilError::Silent))), "{gone:?}");
    }
}
