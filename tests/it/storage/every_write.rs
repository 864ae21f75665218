//! Every write of a life fails in turn, once or until there is room again, and nothing that was
//! promised is lost.
//!
//! `cargo test every_write` tries a sample, with `RUN_SLOW=1` every write. The calls that were
//! tried are printed; `DISK_CALL=17` tries one alone.

use std::panic::catch_unwind;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::disk::{CHANGE, Disk, NO_SPACE};
use crate::bot::state::is_sound;
use crate::bot::{SOON, until};
use crate::kill_seeds::household::Household;
use crate::kill_seeds::oracle;
use crate::kill_seeds::plan::Plan;
use crate::support::{Ran, windowsill};

/// Writes that fail in a quick run.
const SAMPLE_OF_LIFE: usize = 14;
const SAMPLE_OF_WRITE: usize = 24;
/// Most of a life is waiting.
const AT_ONCE: usize = 14;
/// A disk that stays full is healed when so many calls have failed.
const FAILURES: u64 = 12;
/// The readings and the words of all lives of this test.
const SEED: u64 = 2;

#[derive(Debug, Clone, Copy)]
struct Failing {
    /// The n-th call that changes a file.
    call: u64,
    /// And no other.
    alone: bool,
}

/// F17
#[test]
fn whichever_write_of_a_life_fails_nothing_is_lost_and_nothing_is_said_falsely() {
    let count = live(Failing { call: u64::MAX, alone: true }).0;
    let failing = chosen(count, SAMPLE_OF_LIFE);
    let fired = try_all(&failing, |failing| {
        let (_, failed) = live(failing);
        failed > 0
    });
    // No two lives make the same calls; most of them get as far as this.
    assert!(fired * 2 > failing.len(), "{fired} of {} failed at all", failing.len());
}

/// One life, as the kill tests have it; gives how many calls there were and how many failed.
fn live(failing: Failing) -> (u64, u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let plan = Plan::of(SEED, windowsill::clock::now_ms()).on_a_failing_disk();
        let mut disk = None;
        let mut household = Household::begin(plan, |bot| {
            let new = Disk::below(&bot.data_dir());
            new.fail_at(failing.call, failing.alone, CHANGE, NO_SPACE);
            for (name, value) in new.environment() {
                bot.set(name, value);
            }
            bot.title.push_str(&format!("; {failing:?}"));
            disk = Some(new);
        })
        .await;
        let disk = disk.unwrap();
        let healed = async {
            if !failing.alone {
                until(SOON * 3, "calls that fail", async || disk.failed() >= FAILURES).await;
                disk.heal();
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = household.live() => {}
            () = healed => {}
        }
        disk.heal();
        let kills = household.end().await;
        oracle::check(&household, &kills).await;
        is_sound(&household.data_dir).await;
        (disk.calls(), disk.failed())
    })
}

/// F17
#[test]
fn whichever_write_of_topic_write_fails_what_it_counts_is_there() {
    let count = write(Failing { call: u64::MAX, alone: true });
    let failing = chosen(count, SAMPLE_OF_WRITE);
    try_all(&failing, |failing| {
        write(failing);
        true
    });
}

/// Lines of one `topic write`, in so many portions.
const LINES: u64 = 1_200;
const PORTION: u64 = 100;

/// Writes lines over a failing disk, and compares what is said with what is there.
fn write(failing: Failing) -> u64 {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::below(&dir.path().join("windowsill-data"));
    disk.fail_at(failing.call, failing.alone, CHANGE, NO_SPACE);
    let mut command = windowsill(dir.path(), &["topic", "write", "houseplant-readings"]);
    // The folder that the disk is below, by its whole name.
    command.envs(disk.environment()).env("WINDOWSILL_DATA_DIR", disk.folder());
    let mut child = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let feeder = std::thread::spawn(move || {
        for first in (0..LINES).step_by(PORTION as usize) {
            let lines = (first..first + PORTION).map(|number| {
                let value = json!({"plant_id": number, "moisture": 1, "temperature": 2});
                format!("{}\n", json!({"key": number.to_string(), "value": value}))
            });
            let portion: String = lines.collect();
            if std::io::Write::write_all(&mut stdin, portion.as_bytes()).is_err() {
                break;
            }
        }
    });
    let ran = Ran::new(child.wait_with_output().unwrap());
    feeder.join().unwrap();
    let calls = disk.calls();
    disk.heal();
    let counted = ran.stderr.lines().find_map(|line| line.split_once(" written, "));
    let counted = counted.map_or(0, |(count, _)| count.parse::<u64>().unwrap());
    assert_eq!(ran.code, Some(i32::from(counted < LINES)), "{failing:?}: {}", ran.stderr);
    if counted < LINES {
        let said = ran.stderr.lines().last().unwrap();
        let names_the_file = said.starts_with("windowsill: ") && said.contains("windowsill-data");
        assert!(names_the_file && said.contains("disk"), "{failing:?}: {}", ran.stderr);
    }
    let args = ["topic", "read", "houseplant-readings"];
    let there = match disk.folder().join("log.db").exists() {
        true => crate::support::run(dir.path(), &args).expect_code(0).json_lines(),
        false => Vec::new(),
    };
    assert!(there.len() as u64 >= counted, "{failing:?}: {} of {counted}", there.len());
    for (number, record) in there.iter().enumerate() {
        assert_eq!(record["key"], number.to_string(), "{failing:?}");
    }
    calls
}

/// A few calls of so many, or all of them; half of them alone.
fn chosen(count: u64, sample: usize) -> Vec<Failing> {
    let both = |call| [true, false].map(|alone| Failing { call, alone });
    if let Ok(call) = std::env::var("DISK_CALL") {
        return both(call.parse().expect("DISK_CALL is a number")).to_vec();
    }
    if std::env::var_os("RUN_SLOW").is_some() {
        return (1..=count).flat_map(both).collect();
    }
    let mut rng = fastrand::Rng::new();
    // Each from a part of its own, so that the whole life is covered.
    let part = count as f64 / sample as f64;
    let call = |index: usize| ((index as f64 + rng.f64()) * part) as u64 + 1;
    let calls: Vec<u64> = (0..sample).map(call).collect();
    println!("of {count} calls these fail: {calls:?}");
    let failing = calls.into_iter().enumerate();
    failing.map(|(index, call)| Failing { call, alone: index % 2 == 0 }).collect()
}

/// Tries them side by side; counts for how many it was so.
fn try_all(failing: &[Failing], so: impl Fn(Failing) -> bool + Sync) -> usize {
    let (next, fired) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let failed: Mutex<Vec<Failing>> = Mutex::default();
    let work = || {
        while let Some(failing) = failing.get(next.fetch_add(1, Ordering::Relaxed)) {
            match catch_unwind(std::panic::AssertUnwindSafe(|| so(*failing))) {
                Ok(so) => drop(fired.fetch_add(usize::from(so), Ordering::Relaxed)),
                Err(_) => failed.lock().unwrap().push(*failing),
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(work);
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{failed:?} went wrong; DISK_CALL tries one alone");
    fired.into_inner()
}
