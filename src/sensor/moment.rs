//! When something was measured, on a machine whose clock may not be set yet.
//!
//! Invariant: a wall time from before this program existed is never believed. What is measured
//! meanwhile is held by the clock that runs since the machine's start, and gets its time once the
//! wall clock is set.

use crate::clock;

/// 1 January 2024: a Raspberry Pi without a battery clock begins in 1970.
const SANE_FROM_MS: i64 = 1_704_067_200_000;
/// Linux makes a new one at each start of the machine.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// A moment by the clock that runs since the machine's start, sleep included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// Which start it was.
    pub boot: String,
    pub since_boot_ms: i64,
}

/// A moment on both clocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Now {
    pub wall_ms: i64,
    pub moment: Moment,
}

impl Now {
    /// The wall time, if it can be true.
    pub fn sane_ms(&self) -> Option<i64> {
        (self.wall_ms >= SANE_FROM_MS).then_some(self.wall_ms)
    }

    /// When the machine started, by a wall clock that can be true.
    pub fn boot_ms(&self) -> Option<i64> {
        self.sane_ms().map(|now_ms| now_ms - self.moment.since_boot_ms)
    }
}

/// The machine's clocks.
#[derive(Debug, Clone)]
pub struct Clocks {
    boot: String,
}

impl Clocks {
    pub fn of_machine() -> Clocks {
        let known = std::fs::read_to_string(BOOT_ID).ok();
        let known = known.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        // Elsewhere what is held lives as long as the process.
        Clocks { boot: known.unwrap_or_else(|| format!("{:016x}", fastrand::u64(..))) }
    }

    pub fn now(&self) -> Now {
        let moment = Moment { boot: self.boot.clone(), since_boot_ms: since_boot_ms() };
        Now { wall_ms: clock::now_ms(), moment }
    }
}

#[cfg(target_os = "linux")]
fn since_boot_ms() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    now.tv_sec * 1000 + now.tv_nsec / 1_000_000
}

#[cfg(not(target_os = "linux"))]
fn since_boot_ms() -> i64 {
    clock::monotonic_ms()
}
