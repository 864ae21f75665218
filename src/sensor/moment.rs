//! When something was measured, on a machine whose clock may not be set yet.
//!
//! Invariant: the wall clock is believed once somebody is known to have set it since the machine
//! started, or once the machine has run for so long that nobody will; a time from before this program
//! existed never is. What is measured meanwhile is held by the clock that runs since the machine's
//! start, and gets its time then.

use std::path::Path;
use std::time::Duration;

use crate::clock;

/// 1 January 2024: a machine without a battery clock may begin in 1970. Most remember the time of
/// their last stop (systemd, fake-hwclock), which can be true and is not.
const SANE_FROM_MS: i64 = 1_704_067_200_000;
/// systemd-timesyncd makes this file once it has set the clock; it goes with the machine's stop.
const SYNCHRONIZED: &str = "/run/systemd/timesync/synchronized";
/// A clock that jumps by so much was set. timesyncd and chrony turn smaller differences into a slower
/// or faster clock.
const STEP_MS: i64 = 400;
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
    /// `None`: the wall clock is not known to be set.
    pub wall_ms: Option<i64>,
    pub moment: Moment,
}

impl Now {
    /// When the machine started, by a wall clock that is set.
    pub fn boot_ms(&self) -> Option<i64> {
        self.wall_ms.map(|now_ms| now_ms - self.moment.since_boot_ms)
    }
}

/// Whether the wall clock is known to be set.
#[derive(Debug)]
struct Belief {
    /// A machine that has run for so long has the time that it will have.
    wait_ms: i64,
    /// When the machine started by the wall clock, at the first look: moves when that is set.
    boot_ms: Option<i64>,
    is_set: bool,
}

impl Belief {
    fn new(wait: Duration) -> Belief {
        let wait_ms = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        Belief { wait_ms, boot_ms: None, is_set: false }
    }

    /// The wall time, if it can be gone by. `is_synchronized`: somebody says that it is set.
    fn wall_ms(
        &mut self,
        wall_ms: i64,
        since_boot_ms: i64,
        is_synchronized: impl FnOnce() -> bool,
    ) -> Option<i64> {
        let boot_ms = wall_ms - since_boot_ms;
        let first_ms = *self.boot_ms.get_or_insert(boot_ms);
        self.is_set = self.is_set
            || since_boot_ms >= self.wait_ms
            || (boot_ms - first_ms).abs() >= STEP_MS
            || is_synchronized();
        (self.is_set && wall_ms >= SANE_FROM_MS).then_some(wall_ms)
    }
}

/// The machine's clocks.
#[derive(Debug)]
pub struct Clocks {
    boot: String,
    belief: Belief,
}

impl Clocks {
    /// `wait`: for so long after the machine's start the wall clock is believed only if it was set
    /// since then.
    pub fn of_machine(wait: Duration) -> Clocks {
        let known = std::fs::read_to_string(BOOT_ID).ok();
        let known = known.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        // Elsewhere what is held lives as long as the process.
        let boot = known.unwrap_or_else(|| format!("{:016x}", fastrand::u64(..)));
        Clocks { boot, belief: Belief::new(wait) }
    }

    pub fn now(&mut self) -> Now {
        let since_boot_ms = since_boot_ms();
        let is_synchronized = || Path::new(SYNCHRONIZED).exists();
        let wall_ms = self.belief.wall_ms(clock::now_ms(), since_boot_ms, is_synchronized);
        Now { wall_ms, moment: Moment { boot: self.boot.clone(), since_boot_ms } }
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

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_MS: i64 = 60_000;
    const SANE_MS: i64 = 1_800_000_000_000;

    fn belief() -> Belief {
        Belief::new(Duration::from_secs(600))
    }

    /// After a power cut the clock goes on where it stood: nothing shows that it is behind.
    #[test]
    fn a_clock_that_remembers_its_last_stop_is_believed_once_it_was_set() {
        let mut belief = belief();
        let wall_ms = |belief: &mut Belief, wall_ms, since_boot_ms| {
            belief.wall_ms(wall_ms, since_boot_ms, || false)
        };
        assert_eq!(wall_ms(&mut belief, SANE_MS, 20_000), None);
        assert_eq!(wall_ms(&mut belief, SANE_MS + MINUTE_MS, 80_000), None);
        // Forty minutes forward, by whoever sets it; and so it stays.
        let set_ms = SANE_MS + 42 * MINUTE_MS;
        assert_eq!(wall_ms(&mut belief, set_ms, 140_000), Some(set_ms));
        assert_eq!(wall_ms(&mut belief, set_ms + 30_000, 170_000), Some(set_ms + 30_000));
    }

    #[test]
    fn it_is_believed_where_somebody_says_that_it_is_set() {
        let mut belief = belief();
        assert_eq!(belief.wall_ms(SANE_MS, 20_000, || true), Some(SANE_MS));
        // Also when whoever said it has gone.
        assert_eq!(belief.wall_ms(SANE_MS + 1, 20_001, || false), Some(SANE_MS + 1));
    }

    #[test]
    fn a_machine_that_has_run_for_long_has_the_time_that_it_will_have() {
        for since_boot_ms in [600_000, 90 * 24 * 60 * MINUTE_MS] {
            let wall_ms = belief().wall_ms(SANE_MS, since_boot_ms, || false);
            assert_eq!(wall_ms, Some(SANE_MS));
        }
        let wall_ms = belief().wall_ms(SANE_MS, 599_999, || false);
        assert_eq!(wall_ms, None);
    }

    #[test]
    fn a_time_from_before_this_program_is_never_believed() {
        let wall_ms = belief().wall_ms(MINUTE_MS, 600_000, || true);
        assert_eq!(wall_ms, None);
    }
}
