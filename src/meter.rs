//! What a running instance counts of itself: atomics, so cheap that they always run.
//!
//! Invariant: a count only grows while the process lives; readers may see it a moment late.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The moment when something last happened, by the monotonic clock.
#[derive(Debug)]
pub struct LastTime(AtomicI64);

impl Default for LastTime {
    fn default() -> LastTime {
        LastTime(AtomicI64::new(i64::MIN))
    }
}

impl LastTime {
    pub fn set(&self, monotonic_ms: i64) {
        self.0.fetch_max(monotonic_ms, Ordering::Relaxed);
    }

    /// `None`: never yet.
    pub fn get(&self) -> Option<i64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|ms| *ms != i64::MIN)
    }
}

/// The upper bounds of a histogram's buckets, in milliseconds; one more bucket has no bound.
pub const BUCKETS_MS: [u64; 9] = [1, 5, 20, 50, 100, 300, 1_000, 5_000, 20_000];

/// How long something took, in buckets.
#[derive(Debug, Default)]
pub struct Histogram {
    /// Of each bucket alone, the unbounded one last.
    counts: [Counter; BUCKETS_MS.len() + 1],
    sum_us: Counter,
}

impl Histogram {
    pub fn record(&self, took: Duration) {
        let bucket = BUCKETS_MS.iter().position(|bound| took <= Duration::from_millis(*bound));
        self.counts[bucket.unwrap_or(BUCKETS_MS.len())].add(1);
        self.sum_us.add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    /// How many took at most each bound, all of them last.
    pub fn cumulative(&self) -> [u64; BUCKETS_MS.len() + 1] {
        let mut sum = 0;
        self.counts.each_ref().map(|count| {
            sum += count.get();
            sum
        })
    }

    pub fn sum(&self) -> Duration {
        Duration::from_micros(self.sum_us.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_what_is_at_most_their_bound() {
        let histogram = Histogram::default();
        for took_ms in [1, 2, 20, 21, 60_000] {
            histogram.record(Duration::from_millis(took_ms));
        }
        assert_eq!(histogram.cumulative(), [1, 2, 3, 4, 4, 4, 4, 4, 4, 5]);
        assert_eq!(histogram.sum(), Duration::from_millis(60_044));
    }
}
