//! The clocks of the shell. The kernel gets times as arguments and never comes here.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::kernel::time::Now;

/// A wall clock and a monotonic one that run at the same pace.
pub trait Clock: Send + Sync {
    /// Milliseconds since the Unix epoch, UTC.
    fn now_ms(&self) -> i64;
    /// Milliseconds since some fixed moment of this process.
    fn monotonic_ms(&self) -> i64;
    /// The machine's own wall clock, whatever this one makes of it.
    fn machine_ms(&self) -> i64 {
        self.now_ms()
    }
    /// This moment, where this is the house's clock.
    fn now(&self) -> Now {
        Now { house_ms: self.now_ms(), machine_ms: self.machine_ms() }
    }
    /// How long this many milliseconds of this clock take in real time.
    fn real(&self, span_ms: i64) -> Duration;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        now_ms()
    }

    fn monotonic_ms(&self) -> i64 {
        monotonic_ms()
    }

    fn real(&self, span_ms: i64) -> Duration {
        Duration::from_millis(u64::try_from(span_ms).unwrap_or(0))
    }
}

static HOUSE: OnceLock<Arc<dyn Clock>> = OnceLock::new();

/// From now on this process lives by this clock: that of the data directory that it has opened. It
/// keeps the first one that it is given.
pub fn live_by(clock: Arc<dyn Clock>) {
    HOUSE.get_or_init(|| clock);
}

/// The clock that this process lives by: the machine's, but in the demo.
pub fn house() -> &'static dyn Clock {
    match HOUSE.get() {
        Some(clock) => clock.as_ref(),
        None => &SystemClock,
    }
}

/// This moment.
pub fn now() -> Now {
    house().now()
}

/// The machine's wall clock: milliseconds since the Unix epoch, UTC.
pub fn now_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX).saturating_add(shift_ms())
}

/// Milliseconds since this process first asked.
pub fn monotonic_ms() -> i64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let elapsed = START.get_or_init(Instant::now).elapsed();
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
}

/// Test builds may set the clock by an offset, or by one that stands in a file and may change while
/// the process lives; a release build cannot.
#[cfg(debug_assertions)]
fn shift_ms() -> i64 {
    static SHIFT: OnceLock<Option<String>> = OnceLock::new();
    let Some(shift) = SHIFT.get_or_init(|| std::env::var("TEST_WINDOWSILL_CLOCK_SHIFT_MS").ok())
    else {
        return 0;
    };
    let in_file = shift.strip_prefix('@').map(std::fs::read_to_string);
    let shift = in_file.as_ref().map_or(Some(shift), |read| read.as_ref().ok());
    shift.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

#[cfg(not(debug_assertions))]
fn shift_ms() -> i64 {
    0
}
