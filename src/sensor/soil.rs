//! The Adafruit STEMMA soil sensor on I2C: the registers of its "seesaw" chip.
//!
//! Source: Adafruit's seesaw libraries for Arduino and CircuitPython. A register is two bytes, a
//! module and a function; it is written, the chip gets its time, and the answer is read in a
//! transaction of its own, most significant byte first.
//!
//! Invariant: nothing here knows an operating system; whatever the bus gives, the answer is a
//! measurement in the register's range or an error that says what was wrong.

use embedded_hal::delay::DelayNs;
use embedded_hal::i2c::{ErrorKind, I2c};

/// The addresses that its two solder bridges can set.
pub const ADDRESSES: [u8; 4] = [0x36, 0x37, 0x38, 0x39];

/// Module and function of each register.
pub(super) const HARDWARE_ID: [u8; 2] = [0x00, 0x01];
pub(super) const TEMPERATURE: [u8; 2] = [0x00, 0x04];
pub(super) const RESET: [u8; 2] = [0x00, 0x7f];
pub(super) const TOUCH: [u8; 2] = [0x0f, 0x10];

/// What the chips say they are: the SAMD09, and the ATtiny family (0x84 to 0x89).
const SAMD09: u8 = 0x55;
const ATTINY: std::ops::RangeInclusive<u8> = 0x84..=0x89;

/// How long the chip gets between the register and its answer; a touch takes longest. Each
/// further attempt gives it one more millisecond.
const ANSWER_MS: u32 = 5;
/// Attempts at one register: the first and four more.
pub(super) const ATTEMPTS: u32 = 5;
/// How long the chip takes to begin anew.
const RESET_MS: u32 = 500;
/// Touch values beyond this are no measurements (the chip gives 65535 while it is busy).
const TOUCH_MAX: u16 = 4095;
/// The chip's operating range in thousandths of a degree. The register holds no temperature
/// below 0 °C.
const TEMPERATURE_MAX: i32 = 85_000;

/// What a sensor said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Soil {
    /// Capacity as the chip counts it, about 200 (air) to 2000 (water).
    pub raw: u16,
    /// Thousandths of a degree Celsius.
    pub temperature: i32,
}

/// Why there is no measurement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SoilError {
    /// No sensor has this address, or its cable is loose.
    #[error("nobody answers")]
    Silent,
    /// The bus: a short circuit, a lost arbitration, a time-out.
    #[error("the bus fails ({0})")]
    Bus(ErrorKind),
    /// Another chip has the address (a MAX17048 fuel gauge sits at 0x36, too).
    #[error("it is no soil sensor: its hardware id is 0x{0:02x}, expected 0x55 or 0x84 to 0x89")]
    Foreign(u8),
    #[error("it gives no moisture: {0}, expected 0 to {TOUCH_MAX}")]
    Moisture(u16),
    /// In the register's own bits, which are 65,536ths of a degree.
    #[error("it gives no temperature: 0x{bits:08x}, expected 0 to 85 °C")]
    Temperature { bits: u32 },
}

/// The name of the sensor at an address.
pub fn sensor_id(address: u8) -> String {
    format!("0x{address:02x}")
}

/// The address that a person means: `0x36`, or `36` as `i2cdetect` has it.
pub fn address_of(text: &str) -> Result<u8, String> {
    let digits = text.trim();
    let digits = digits.strip_prefix("0x").or(digits.strip_prefix("0X")).unwrap_or(digits);
    let address = u8::from_str_radix(digits, 16).ok();
    address.filter(|address| ADDRESSES.contains(address)).ok_or_else(|| {
        format!("{text:?} is no sensor, expected one of {}", ADDRESSES.map(sensor_id).join(", "))
    })
}

/// Is a soil sensor there?
pub fn identify(
    bus: &mut impl I2c,
    delay: &mut impl DelayNs,
    address: u8,
) -> Result<(), SoilError> {
    let is_soil_sensor = |[id]: &[u8; 1]| match *id == SAMD09 || ATTINY.contains(id) {
        true => Ok(()),
        false => Err(SoilError::Foreign(*id)),
    };
    patiently(bus, delay, address, HARDWARE_ID, is_soil_sensor).map(drop)
}

/// Makes the chip begin anew, which ends what it may hang in. Only for one that was identified:
/// another chip would take it for something else.
pub fn reset(bus: &mut impl I2c, delay: &mut impl DelayNs, address: u8) -> Result<(), SoilError> {
    let [module, function] = RESET;
    bus.write(address, &[module, function, 0xff]).map_err(bus_error)?;
    delay.delay_ms(RESET_MS);
    Ok(())
}

/// Moisture and temperature.
pub fn measure(
    bus: &mut impl I2c,
    delay: &mut impl DelayNs,
    address: u8,
) -> Result<Soil, SoilError> {
    let touch =
        patiently(bus, delay, address, TOUCH, |bytes: &[u8; 2]| {
            match u16::from_be_bytes(*bytes) {
                raw if raw <= TOUCH_MAX => Ok(()),
                raw => Err(SoilError::Moisture(raw)),
            }
        })?;
    let temperature =
        patiently(bus, delay, address, TEMPERATURE, |bytes: &[u8; 4]| match thousandths(*bytes) {
            degrees if degrees <= TEMPERATURE_MAX => Ok(()),
            _ => Err(SoilError::Temperature { bits: u32::from_be_bytes(*bytes) }),
        })?;
    Ok(Soil { raw: u16::from_be_bytes(touch), temperature: thousandths(temperature) })
}

/// A temperature in thousandths of a degree, rounded. The two upper bits are not of the number.
fn thousandths(bytes: [u8; 4]) -> i32 {
    let fixed = u64::from(u32::from_be_bytes(bytes) & 0x3fff_ffff);
    i32::try_from((fixed * 1000 + (1 << 15)) >> 16).unwrap_or(i32::MAX)
}

/// Reads a register until it gives something that `check` accepts, a few times at most.
fn patiently<const N: usize>(
    bus: &mut impl I2c,
    delay: &mut impl DelayNs,
    address: u8,
    register: [u8; 2],
    check: impl Fn(&[u8; N]) -> Result<(), SoilError>,
) -> Result<[u8; N], SoilError> {
    let mut failed = SoilError::Silent;
    for attempt in 0..ATTEMPTS {
        let mut bytes = [0; N];
        let read = bus.write(address, &register).and_then(|()| {
            delay.delay_ms(ANSWER_MS + attempt);
            bus.read(address, &mut bytes)
        });
        match read.map_err(bus_error).and_then(|()| check(&bytes)) {
            Ok(()) => return Ok(bytes),
            Err(error) => failed = error,
        }
        delay.delay_ms(1);
    }
    Err(failed)
}

fn bus_error(error: impl embedded_hal::i2c::Error) -> SoilError {
    match error.kind() {
        ErrorKind::NoAcknowledge(_) => SoilError::Silent,
        kind => SoilError::Bus(kind),
    }
}
