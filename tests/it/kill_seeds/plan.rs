//! What a seed decides: the readings, the words, and where the process dies.

use fastrand::Rng;
use windowsill::crash::POINTS;

use crate::bot::past::{Reading, WINDOW_MS};

/// Plants that send readings: ids 0 to 5, with these low thresholds.
pub(super) const LOW: [f32; 6] = [30.0, 20.0, 20.0, 20.0, 45.0, 40.0];
/// The plant that is edited; it sends nothing, so that thresholds stand still.
pub(super) const EDITED: i64 = 9;
const WINDOWS: i64 = 5;
/// One reading of each plant in half a minute.
const READING_EVERY_MS: i64 = 30_000;
/// Windows that are dry by far, by a hair, and not by a hair.
const LOWS_OF_WINDOW: [usize; 10] = [0, 720, 0, 120, 121, 40, 119, 300, 0, 122];
/// Records that swap places with their neighbours: less than the grace.
const SHUFFLED: usize = 40;
/// How far late records come behind their place: up to more than a window.
const BEHIND_MAX: usize = 6_000;
/// Readings that arrive while the bot runs, and in how many appends.
const LIVE_READINGS: usize = 3_600;
pub(super) const LIVE_APPENDS: usize = 12;

/// A named point and the visit at which the process dies there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kill {
    pub(super) point: &'static str,
    pub(super) visit: u64,
}

/// Everything that follows from a seed.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(super) seed: u64,
    /// One for each life, in order.
    pub(super) kills: Vec<Kill>,
    /// The disk fails, so that a start may be refused.
    pub(super) may_be_refused: bool,
    /// The word of the person after which a signal comes, and how long after it.
    pub(super) signal: Option<(usize, u64)>,
    pub(super) partitions: i32,
    /// The person waits for each answer; otherwise everything is said at once.
    pub(super) is_patient: bool,
    /// In the order of the log.
    pub(super) readings: Vec<Reading>,
}

impl Plan {
    pub(crate) fn of(seed: u64, now_ms: i64) -> Plan {
        let mut rng = Rng::with_seed(seed);
        let is_patient = !seed.is_multiple_of(5);
        // Two kills that go through all pairs of points; then a visit that a life of this kind has.
        let number = seed as usize;
        let pair = [number % POINTS.len(), (number / POINTS.len() + number) % POINTS.len()];
        let kills: Vec<Kill> = (0..2)
            .map(|life| {
                let point = POINTS[pair[life]];
                let visit = rng.u64(1..=visits(point, life, is_patient));
                Kill { point, visit }
            })
            .collect();
        // An update that killed its handler three times is set aside: that is another test's.
        let may_park = kills.iter().all(|kill| kill.point == "before-update-commit");
        let signal = (number % 4 == 3 && !may_park).then(|| (rng.usize(0..20), rng.u64(0..80)));
        let partitions = if number.is_multiple_of(2) { 1 } else { 3 };
        let readings = readings(&mut rng, now_ms, partitions);
        let may_be_refused = false;
        Plan { seed, kills, may_be_refused, signal, partitions, is_patient, readings }
    }

    /// The same without any kill, over a disk that fails.
    pub(crate) fn on_a_failing_disk(self) -> Plan {
        Plan { kills: Vec::new(), signal: None, may_be_refused: true, ..self }
    }

    /// What lies in the log before the first life, and the appends during it.
    pub(super) fn split(&self) -> (&[Reading], Vec<&[Reading]>) {
        let (before, live) = self.readings.split_at(self.readings.len() - LIVE_READINGS);
        (before, live.chunks(LIVE_READINGS / LIVE_APPENDS).collect())
    }
}

/// How often a life visits a point, as far as one can count on it.
fn visits(point: &str, life: usize, is_patient: bool) -> u64 {
    match (point, life) {
        ("after-append", 0) => 2,
        ("after-append", _) => 1,
        ("after-send", 0) => 12,
        ("after-send", _) => 6,
        ("before-step-commit" | "after-step-commit", 0) => 5,
        ("before-step-commit" | "after-step-commit", _) => 3,
        ("before-inbox-insert" | "after-inbox-insert", _) if !is_patient => 1,
        (_, 0) => 10,
        (_, _) => 6,
    }
}

/// Readings of windows that ended days ago, in the order in which they come to stand in the log.
fn readings(rng: &mut Rng, now_ms: i64, partitions: i32) -> Vec<Reading> {
    let first_ms = (now_ms / WINDOW_MS - WINDOWS - 2) * WINDOW_MS;
    let mut all = Vec::new();
    for (plant, threshold) in LOW.into_iter().enumerate() {
        for window in 0..WINDOWS {
            let of_window = (WINDOW_MS / READING_EVERY_MS) as usize;
            let lows = LOWS_OF_WINDOW[rng.usize(0..LOWS_OF_WINDOW.len())];
            let mut is_low = vec![false; of_window];
            is_low[..lows].fill(true);
            rng.shuffle(&mut is_low);
            for (index, low) in is_low.into_iter().enumerate() {
                // Exactly at the threshold is not low, and neither edge of the window is special.
                let moisture = if low { threshold - 0.5 } else { threshold };
                let at_ms = first_ms + window * WINDOW_MS + index as i64 * READING_EVERY_MS;
                let partition = rng.i32(0..partitions);
                all.push(Reading { plant_id: plant as u8, moisture, at_ms, partition });
            }
        }
    }
    all.sort_by_key(|reading| reading.at_ms);
    for block in all.chunks_mut(SHUFFLED) {
        rng.shuffle(block);
    }
    for _ in 0..all.len() / 50 {
        let from = rng.usize(0..all.len());
        let to = (from + rng.usize(0..BEHIND_MAX)).min(all.len() - 1);
        all[from..=to].rotate_left(1);
    }
    all
}
