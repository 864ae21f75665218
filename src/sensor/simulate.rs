//! A simulated I2C bus with soil sensors that dry and are watered, and that fails as a real one.
//!
//! Invariant: it speaks the registers of `soil.rs` and nothing else; what it gives depends on the
//! time, the seed and what was said to it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use embedded_hal::i2c::{ErrorKind, ErrorType, I2c, NoAcknowledgeSource, Operation};

use super::soil;
use crate::kernel::time::{HOUR_MS, MINUTE_MS};

/// One transaction in so many fails, where chance rules.
const FAILS_ONE_IN: u32 = 60;
/// Raw values right after watering and when it is time again, and how fast soil dries.
const WATERED: i64 = 1050;
const THIRSTY: i64 = 640;
const DRIES_PER_HOUR: i64 = 9;
/// What a raw value trembles by, up and down.
const NOISE: i64 = 3;
/// In air, as a sensor reads before it is put into soil.
const AIR: u16 = 330;
/// A busy chip's answer, and the bus's own when nobody pulls it down.
const GARBAGE: u8 = 0xff;

/// How a transaction goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The chip does not acknowledge.
    Nack,
    /// The bus hangs until the driver gives up.
    TimeOut,
    /// Nothing but ones.
    Garbage,
}

/// An error of the simulated bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0:?}")]
pub struct SimulatedError(ErrorKind);

impl embedded_hal::i2c::Error for SimulatedError {
    fn kind(&self) -> ErrorKind {
        self.0
    }
}

/// What is at an address.
#[derive(Debug, Clone, Copy)]
struct Chip {
    hardware_id: u8,
    /// The register that was asked for last.
    asked: Option<[u8; 2]>,
    /// What it reads instead of what its soil would.
    held: Option<(u16, u32)>,
    resets: u32,
}

struct World {
    chips: BTreeMap<u8, Chip>,
    /// What becomes of the next transactions; `None` goes well.
    script: VecDeque<Option<Fault>>,
    chance: Option<fastrand::Rng>,
    now_ms: fn() -> i64,
}

/// The bus. Clones are the same bus.
#[derive(Clone)]
pub struct SimulatedBus {
    world: Arc<Mutex<World>>,
}

impl SimulatedBus {
    /// A bus with nothing on it that never fails by itself.
    pub fn empty(now_ms: fn() -> i64) -> SimulatedBus {
        let world = World { chips: BTreeMap::new(), script: VecDeque::new(), chance: None, now_ms };
        SimulatedBus { world: Arc::new(Mutex::new(world)) }
    }

    /// Four sensors, and a failure now and then.
    pub fn house(seed: u64, now_ms: fn() -> i64) -> SimulatedBus {
        let bus = SimulatedBus::empty(now_ms);
        for address in soil::ADDRESSES {
            bus.plug(address, 0x55);
        }
        bus.world().chance = Some(fastrand::Rng::with_seed(seed));
        bus
    }

    /// Puts a chip with this hardware id at an address.
    pub fn plug(&self, address: u8, hardware_id: u8) {
        let chip = Chip { hardware_id, asked: None, held: None, resets: 0 };
        self.world().chips.insert(address, chip);
    }

    pub fn unplug(&self, address: u8) {
        self.world().chips.remove(&address);
    }

    /// Fixes what a sensor reads: the raw value, and the temperature in its register's bits.
    pub fn hold(&self, address: u8, raw: u16, temperature: u32) {
        if let Some(chip) = self.world().chips.get_mut(&address) {
            chip.held = Some((raw, temperature));
        }
    }

    /// Takes a sensor out of the soil, or puts it into water.
    pub fn dip(&self, address: u8, wet: bool) {
        let raw = if wet { u16::try_from(WATERED).unwrap_or(AIR) } else { AIR };
        self.hold(address, raw, 21 << 16);
    }

    /// What becomes of the next transactions, one by one.
    pub fn script(&self, faults: impl IntoIterator<Item = Option<Fault>>) {
        self.world().script.extend(faults);
    }

    /// How often the chip was made to begin anew.
    pub fn resets(&self, address: u8) -> u32 {
        self.world().chips.get(&address).map_or(0, |chip| chip.resets)
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ErrorType for SimulatedBus {
    type Error = SimulatedError;
}

impl I2c for SimulatedBus {
    fn transaction(
        &mut self,
        address: u8,
        operations: &mut [Operation<'_>],
    ) -> Result<(), SimulatedError> {
        let mut world = self.world();
        let fault = world.next_fault();
        match fault {
            Some(Fault::Nack) => {
                return Err(SimulatedError(ErrorKind::NoAcknowledge(NoAcknowledgeSource::Data)));
            }
            Some(Fault::TimeOut) => return Err(SimulatedError(ErrorKind::Other)),
            Some(Fault::Garbage) | None => {}
        }
        let now_ms = (world.now_ms)();
        let silent = SimulatedError(ErrorKind::NoAcknowledge(NoAcknowledgeSource::Address));
        let chip = world.chips.get_mut(&address).ok_or(silent)?;
        for operation in operations {
            match operation {
                Operation::Write(bytes) => chip.write(bytes),
                Operation::Read(buffer) if fault.is_some() => buffer.fill(GARBAGE),
                Operation::Read(buffer) => chip.read(address, now_ms, buffer),
            }
        }
        Ok(())
    }
}

impl World {
    fn next_fault(&mut self) -> Option<Fault> {
        if let Some(scripted) = self.script.pop_front() {
            return scripted;
        }
        match self.chance.as_mut()?.u32(0..FAILS_ONE_IN * 3) {
            0 => Some(Fault::Nack),
            1 => Some(Fault::TimeOut),
            2 => Some(Fault::Garbage),
            _ => None,
        }
    }
}

impl Chip {
    fn write(&mut self, bytes: &[u8]) {
        if bytes.starts_with(&soil::RESET) {
            self.resets += 1;
            self.asked = None;
        } else {
            self.asked = bytes.first_chunk().copied();
        }
    }

    fn read(&self, address: u8, now_ms: i64, buffer: &mut [u8]) {
        let (raw, temperature) = self.held.unwrap_or_else(|| soil_at(address, now_ms));
        let answer: &[u8] = match self.asked {
            Some(soil::HARDWARE_ID) => &[self.hardware_id],
            Some(soil::TOUCH) => &raw.to_be_bytes(),
            Some(soil::TEMPERATURE) => &temperature.to_be_bytes(),
            _ => &[],
        };
        buffer.fill(GARBAGE);
        for (byte, answered) in buffer.iter_mut().zip(answer) {
            *byte = *answered;
        }
    }
}

/// A pot's soil: it dries steadily and is watered in time; each pot is elsewhere in that. Days are
/// warm, nights cool.
fn soil_at(address: u8, now_ms: i64) -> (u16, u32) {
    let span = WATERED - THIRSTY;
    let period_ms = span * HOUR_MS / DRIES_PER_HOUR;
    let into_ms = (now_ms + i64::from(address) * 7 * HOUR_MS).rem_euclid(period_ms);
    let noise = (now_ms / 1000 * 7 + i64::from(address)).rem_euclid(2 * NOISE + 1) - NOISE;
    let raw = WATERED - span * into_ms / period_ms + noise;
    let minutes = (now_ms / MINUTE_MS).rem_euclid(24 * 60);
    let from_noon = (minutes - 12 * 60).abs();
    // 24 °C at noon, 18 °C at midnight, in 65,536ths.
    let temperature = (24 << 16) - from_noon * (6 << 16) / (12 * 60);
    (u16::try_from(raw).unwrap_or(AIR), u32::try_from(temperature).unwrap_or(0))
}
