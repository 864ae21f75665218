//! Random histories of a windowsill: readings near thresholds and near the edges of windows, the
//! log's order of speaking, and what goes wrong meanwhile.

use proptest::collection::vec;
use proptest::prelude::*;
use windowsill::kernel::time::{HOUR_MS, MINUTE_MS};

use super::batch::Told;
use super::bench::{BASE_MS, LAG_MS};
use super::lives::Ending;
use super::scripted_log::Turn;

const WINDOW_MS: i64 = 6 * HOUR_MS;
const GRACE_MS: i64 = 10 * MINUTE_MS;
/// Windows that a history may touch: well within the retention of seven days.
const WINDOWS: i64 = 5;

/// Low moisture by plant; plant 3 has no metadata.
pub(crate) const THRESHOLDS: [(i32, f32); 3] = [(0, 30.0), (1, 29.5), (2, 30.0)];

/// A process: how much of the log is there in its time, and how it ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Life {
    pub(crate) per_cent: usize,
    pub(crate) ending: Ending,
}

#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) partitions: Vec<Vec<Told>>,
    pub(crate) clock_ms: i64,
    pub(crate) turns: Vec<Turn>,
    pub(crate) stride: i64,
    /// How heavy the engine takes an entry to be: at 100,000 every batch is a step of its own.
    pub(crate) weight: usize,
    pub(crate) lives: Vec<Life>,
}

pub(crate) fn case() -> impl Strategy<Value = Case> {
    let knobs = (turns(), 1..4_i64, weight(), vec(life(), 0..4));
    (vec(history(40), 1..5), clock(), knobs).prop_map(|(partitions, clock_ms, knobs)| {
        let (turns, stride, weight, mut lives) = knobs;
        lives.sort_by_key(|life| life.per_cent);
        Case { partitions, clock_ms, turns, stride, weight, lives }
    })
}

pub(crate) fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let size = prop_oneof![2 => Just(1), 2 => Just(7), 1 => Just(1000)];
    vec((0..60_usize, size).prop_map(|(pick, size)| Turn { pick, size }), 1..40)
}

pub(crate) fn weight() -> impl Strategy<Value = usize> {
    prop_oneof![Just(1), Just(100), Just(100_000)]
}

fn life() -> impl Strategy<Value = Life> {
    (0..=100_usize, ending()).prop_map(|(per_cent, ending)| Life { per_cent, ending })
}

pub(crate) fn ending() -> impl Strategy<Value = Ending> {
    prop_oneof![
        1 => Just(Ending::CaughtUp),
        2 => (1..40_usize).prop_map(Ending::LogFails),
        2 => (1..40_usize).prop_map(Ending::KilledAtFetch),
        2 => (1..12_u64).prop_map(Ending::KilledAfterWrite),
    ]
}

/// Long after everything, or exactly around the closing of a window, so that the last windows stay
/// open and the last readings come from the future.
fn clock() -> impl Strategy<Value = i64> {
    let closing = |window: i64| BASE_MS + window * WINDOW_MS + GRACE_MS + LAG_MS;
    let around =
        (1..=WINDOWS, -1..=1_i64).prop_map(move |(window, off_ms)| closing(window) + off_ms);
    prop_oneof![2 => Just(closing(WINDOWS) + HOUR_MS), 1 => around]
}

/// Where in time the next reading of a partition lies.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// After the newest so far.
    Ahead(i64),
    /// Before the newest so far: within grace or later than that.
    Back(i64),
    /// At the edge of a window or of its grace.
    Edge { window: i64, off_ms: i64 },
}

/// The readings of one partition in their order.
pub(crate) fn history(longest: usize) -> impl Strategy<Value = Vec<Told>> {
    let off_ms = prop_oneof![
        Just(-1),
        Just(0),
        Just(1),
        Just(GRACE_MS - 1),
        Just(GRACE_MS),
        Just(GRACE_MS + 1)
    ];
    let moment = prop_oneof![
        6 => (0..45 * MINUTE_MS).prop_map(Moment::Ahead),
        3 => (0..25 * MINUTE_MS).prop_map(Moment::Back),
        1 => (0..HOUR_MS * 8).prop_map(Moment::Back),
        2 => (0..WINDOWS, off_ms).prop_map(|(window, off_ms)| Moment::Edge { window, off_ms }),
    ];
    let first_ms = 0..WINDOW_MS;
    (first_ms, vec((0..4_i32, moisture(), moment), 0..longest)).prop_map(|(first_ms, readings)| {
        let mut newest_ms = BASE_MS + first_ms;
        let place = |(plant_id, moisture, moment)| {
            let ts_ms = match moment {
                Moment::Ahead(by_ms) => newest_ms + by_ms,
                Moment::Back(by_ms) => newest_ms - by_ms,
                Moment::Edge { window, off_ms } => BASE_MS + window * WINDOW_MS + off_ms,
            };
            let ts_ms = ts_ms.clamp(BASE_MS, BASE_MS + WINDOWS * WINDOW_MS);
            newest_ms = newest_ms.max(ts_ms);
            Told { plant_id, moisture, ts_ms }
        };
        readings.into_iter().map(place).collect()
    })
}

fn moisture() -> impl Strategy<Value = f32> {
    prop_oneof![
        Just(30.0_f32),
        Just(30.0_f32.next_down()),
        Just(30.0_f32.next_up()),
        Just(29.5_f32),
        Just(0.0_f32),
        Just(-3.0_f32),
        Just(101.0_f32)
    ]
}
