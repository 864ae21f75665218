//! Readings become a summary: low readings by window, buckets for charts, the latest reading.
//!
//! Invariant: every part merges in any order. Values are summed in whole thousandths, because sums
//! of floats depend on their order.

use rustc_hash::FxHashMap;

use super::types::{PlantId, SensorId, thousandths};
use super::wire::Reading;
use crate::kernel::pipeline::At;
use crate::kernel::time::{Arrival, HOUR_MS, MINUTE_MS, Tumbling};

/// The contract's window: 6 h, 10 min of grace.
pub const WINDOWS: Tumbling = Tumbling { size_ms: 6 * HOUR_MS, grace_ms: 10 * MINUTE_MS };
/// The width of a chart's bucket.
pub const BUCKET_MS: i64 = 15 * MINUTE_MS;

/// The quarters of an hour that lives of alerts are judged by. The grace is for readings that
/// overtook each other on their way; a sensor that was away tells charts, and no alert.
pub const QUARTERS: Tumbling = Tumbling { size_ms: BUCKET_MS, grace_ms: 2 * MINUTE_MS };

/// What folding needs of the metadata table: below which moisture each plant is low (the contract's
/// rule: strictly below).
#[derive(Debug, Default)]
pub struct Thresholds {
    moisture_lows: FxHashMap<PlantId, f32>,
}

impl Thresholds {
    pub fn set(&mut self, plant_id: PlantId, moisture_low: Option<f32>) {
        match moisture_low {
            Some(moisture_low) => self.moisture_lows.insert(plant_id, moisture_low),
            None => self.moisture_lows.remove(&plant_id),
        };
    }
}

/// A window or bucket of one plant: its index since the epoch and the plant, packed so that keys
/// hash fast and sort by time first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(u64);

impl Slot {
    /// Event times are between 1970 and 9999 (the engine sees to it), so an index fits 32 bits.
    fn new(event_ms: i64, width_ms: i64, plant_id: PlantId) -> Slot {
        let index = u64::try_from(event_ms / width_ms).unwrap_or(0);
        Slot(index << 32 | u64::from(plant_id.get().unsigned_abs()))
    }

    pub fn start_ms(self, width_ms: i64) -> i64 {
        i64::try_from(self.0 >> 32).unwrap_or(0) * width_ms
    }

    pub fn plant_id(self) -> i32 {
        i32::try_from(self.0 & u64::from(u32::MAX)).unwrap_or(i32::MAX)
    }
}

/// Count, sum and extremes of one measure, in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spread {
    pub sum: i64,
    pub min: i64,
    pub max: i64,
}

impl Spread {
    fn of(thousandths: i64) -> Spread {
        Spread { sum: thousandths, min: thousandths, max: thousandths }
    }

    fn merge(&mut self, other: Spread) {
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }
}

/// A quarter of an hour of one plant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    pub count: i64,
    pub moisture: Spread,
    pub temperature: Spread,
}

impl Bucket {
    fn merge(&mut self, other: Bucket) {
        self.count += other.count;
        self.moisture.merge(other.moisture);
        self.temperature.merge(other.temperature);
    }
}

/// The latest reading of a plant: the greatest by (event time, partition, offset).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latest {
    pub at: At,
    /// Thousandths of a per cent, and of a degree Celsius.
    pub moisture: i64,
    pub temperature: i64,
}

/// Readings of a bucket that came too late to be judged: their count and sums, in thousandths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Late {
    pub count: i64,
    pub moisture: i64,
    pub temperature: i64,
}

impl Late {
    fn merge(&mut self, other: Late) {
        self.count += other.count;
        self.moisture += other.moisture;
        self.temperature += other.temperature;
    }
}

/// The summary of a batch of readings.
#[derive(Debug, Default)]
pub struct Delta {
    pub lows: FxHashMap<Slot, i64>,
    pub buckets: FxHashMap<Slot, Bucket>,
    pub latest: FxHashMap<PlantId, Latest>,
    /// What of the buckets came too late to be judged.
    pub late: FxHashMap<Slot, Late>,
    /// When each sensor that names itself was heard last, by event time.
    pub heard: FxHashMap<SensorId, i64>,
}

impl Delta {
    pub fn entries(&self) -> usize {
        let late = self.late.len();
        self.lows.len() + self.buckets.len() + self.latest.len() + self.heard.len() + late
    }

    pub fn clear(&mut self) {
        self.lows.clear();
        self.buckets.clear();
        self.latest.clear();
        self.late.clear();
        self.heard.clear();
    }

    /// Adds one reading. A late one still moves the buckets and the latest reading. A plant without
    /// metadata is never low.
    pub fn add(&mut self, reading: &Reading, at: At, arrival: Arrival, thresholds: &Thresholds) {
        let moisture = thousandths(reading.moisture);
        let temperature = thousandths(reading.temperature);
        let quarter = Slot::new(at.event_ms, BUCKET_MS, reading.plant_id);
        let moisture_low = thresholds.moisture_lows.get(&reading.plant_id);
        let is_low = moisture_low.is_some_and(|moisture_low| reading.moisture < *moisture_low);
        if is_low && !arrival.is_late(at.event_ms, WINDOWS) {
            let window = Slot::new(at.event_ms, WINDOWS.size_ms, reading.plant_id);
            *self.lows.entry(window).or_default() += 1;
        }
        if arrival.is_late(at.event_ms, QUARTERS) {
            self.late.entry(quarter).or_default().merge(Late { count: 1, moisture, temperature });
        }
        let bucket = Bucket {
            count: 1,
            moisture: Spread::of(moisture),
            temperature: Spread::of(temperature),
        };
        self.add_bucket(quarter, bucket);
        self.add_latest(reading.plant_id, Latest { at, moisture, temperature });
    }

    pub fn absorb(&mut self, other: Delta) {
        for (slot, count) in other.lows {
            *self.lows.entry(slot).or_default() += count;
        }
        for (slot, bucket) in other.buckets {
            self.add_bucket(slot, bucket);
        }
        for (plant_id, latest) in other.latest {
            self.add_latest(plant_id, latest);
        }
        for (slot, late) in other.late {
            self.late.entry(slot).or_default().merge(late);
        }
        for (sensor_id, event_ms) in &other.heard {
            self.hear(sensor_id, *event_ms);
        }
    }

    /// Notes that a sensor was heard.
    pub fn hear(&mut self, sensor_id: &SensorId, event_ms: i64) {
        match self.heard.get_mut(sensor_id) {
            Some(known_ms) => *known_ms = event_ms.max(*known_ms),
            None => drop(self.heard.insert(sensor_id.clone(), event_ms)),
        }
    }

    fn add_bucket(&mut self, slot: Slot, bucket: Bucket) {
        self.buckets.entry(slot).and_modify(|known| known.merge(bucket)).or_insert(bucket);
    }

    fn add_latest(&mut self, plant_id: PlantId, latest: Latest) {
        let known = self.latest.entry(plant_id).or_insert(latest);
        if known.at < latest.at {
            *known = latest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plant(id: i32) -> PlantId {
        PlantId::try_from(id).unwrap()
    }

    fn reading(id: i32, moisture: f32) -> Reading {
        Reading { plant_id: plant(id), moisture, temperature: 21.5 }
    }

    fn at(event_ms: i64, offset: i64) -> At {
        At { event_ms, partition: 0, offset }
    }

    fn after(greatest_earlier_ms: i64) -> Arrival {
        Arrival { greatest_earlier_ms: Some(greatest_earlier_ms) }
    }

    #[test]
    fn low_is_strictly_below_and_needs_metadata() {
        let mut thresholds = Thresholds::default();
        thresholds.set(plant(1), Some(30.0));
        let mut delta = Delta::default();
        let in_time = Arrival::default();
        delta.add(&reading(1, 30.0), at(0, 0), in_time, &thresholds);
        delta.add(&reading(1, 29.999), at(1, 1), in_time, &thresholds);
        delta.add(&reading(2, 1.0), at(2, 2), in_time, &thresholds);
        delta.add(&reading(1, 1.0), at(3, 3), after(7 * HOUR_MS), &thresholds);
        assert_eq!(delta.lows.values().copied().collect::<Vec<_>>(), [1]);
        assert_eq!(delta.buckets.len(), 2);
        assert_eq!(delta.latest[&plant(1)].at.offset, 3);
    }

    #[test]
    fn a_quarter_knows_what_of_it_came_too_late() {
        let thresholds = Thresholds::default();
        let (mut one, mut other) = (Delta::default(), Delta::default());
        let closed_ms = BUCKET_MS + QUARTERS.grace_ms;
        one.add(&reading(1, 40.0), at(0, 0), Arrival::default(), &thresholds);
        one.add(&reading(1, 20.0), at(1, 1), after(closed_ms), &thresholds);
        other.add(&reading(1, 60.001), at(2, 2), after(closed_ms - 1), &thresholds);
        other.add(&reading(1, 10.0), at(3, 3), after(closed_ms), &thresholds);
        one.absorb(other);
        let quarter = Slot::new(0, BUCKET_MS, plant(1));
        let late = Late { count: 2, moisture: 30_000, temperature: 43_000 };
        assert_eq!(one.late, FxHashMap::from_iter([(quarter, late)]));
        assert_eq!(one.buckets[&quarter].count, 4);
    }

    #[test]
    fn slots_sort_by_time_and_give_back_what_went_in() {
        let early = Slot::new(BUCKET_MS, BUCKET_MS, plant(i32::MAX));
        let later = Slot::new(3 * BUCKET_MS + 5, BUCKET_MS, plant(0));
        assert!(early < later);
        assert_eq!((early.start_ms(BUCKET_MS), early.plant_id()), (BUCKET_MS, i32::MAX));
        assert_eq!((later.start_ms(BUCKET_MS), later.plant_id()), (3 * BUCKET_MS, 0));
    }

    #[test]
    fn a_sensor_was_heard_at_its_newest_event_time_whatever_the_order() {
        let sensor: SensorId = "0x36".parse().unwrap();
        let (mut one, mut other) = (Delta::default(), Delta::default());
        one.hear(&sensor, 5);
        one.hear(&sensor, 3);
        other.hear(&sensor, 4);
        one.absorb(other);
        assert_eq!((one.heard[&sensor], one.entries()), (5, 1));
    }
}
