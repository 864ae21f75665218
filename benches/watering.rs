//! How many waterings are seen in readings, and how many that nobody gave: simulated pots over a
//! year, with noise, drift, silence, sun, damp air, and sensors that are taken out.
//!
//! `cargo bench --bench watering [-- PLANTS]` prints a line, 100 plants by default; it fails where
//! less than 95 % are found, or two or more a plant and year are none.

#![expect(clippy::print_stdout, reason = "a bench that fails panics")]
#![expect(clippy::cast_precision_loss, reason = "a table for people")]

use windowsill::demo::soil::{self, Life};
use windowsill::rooms::plants::fold::BUCKET_MS;
use windowsill::rooms::plants::rules::watering::{AHEAD_MS, BEHIND_MS, Mean, first_at};

const DAYS: i64 = 365;

fn main() {
    let asked = std::env::args().find_map(|argument| argument.parse().ok());
    let plants: u64 = asked.unwrap_or(100);
    let (mut given, mut seen, mut wrong) = (0, 0, 0);
    for plant in 0..plants {
        // Other pots than the tests have.
        let life = soil::life(1_000 + plant, 0, DAYS);
        let score = life.score(&found(&life));
        given += life.waterings.len();
        seen += score.seen;
        wrong += score.wrong;
    }
    let share = 100.0 * seen as f64 / given as f64;
    let wrong_a_year = wrong as f64 / plants as f64;
    println!("{plants} plants, a year: {seen} of {given} waterings found ({share:.2} %)");
    println!("found where there was none: {wrong} ({wrong_a_year:.2} a plant and year)");
    assert!(share >= 95.0 && wrong_a_year < 2.0);
}

fn found(life: &Life) -> Vec<i64> {
    let quarter =
        |one: &(i64, f32, f32), next: &(i64, f32, f32)| one.0 / BUCKET_MS == next.0 / BUCKET_MS;
    let mean = |readings: &[(i64, f32, f32)]| {
        let sum: f64 = readings.iter().map(|(_, moisture, _)| f64::from(*moisture)).sum();
        let moisture = (sum * 1_000.0 / readings.len() as f64) as i64;
        Mean { start_ms: readings[0].0 / BUCKET_MS * BUCKET_MS, moisture }
    };
    let means: Vec<Mean> = life.readings.chunk_by(quarter).map(mean).collect();
    let verdict = |mean: &Mean| {
        let from = means.partition_point(|it| it.start_ms < mean.start_ms - BEHIND_MS);
        let to = means.partition_point(|it| it.start_ms <= mean.start_ms + AHEAD_MS);
        first_at(&means[from..to], mean.start_ms)
    };
    means.iter().filter_map(verdict).map(|found| found.at_ms).collect()
}
