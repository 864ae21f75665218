//! `kill -9` by seed, at every named point, over tens of thousands of readings and a conversation.
//!
//! `cargo test kill_seeds` runs 200 seeds, with `RUN_SLOW=1` 1,000; `KILL_SEED=7` replays one, or
//! `KILL_SEED=100..150` a few. A replay has the same readings, the same plan of kills and the same
//! words; only the scheduler differs.

use std::any::Any;
use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::catch_unwind;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) mod household;
pub(crate) mod oracle;
mod person;
pub(crate) mod plan;

use household::Household;
use plan::Plan;

use crate::bot::Bot;
use crate::kafka::broker;

const SEEDS: u64 = 200;
/// On Kafka, whose topics take a while to be made.
const SEEDS_ON_KAFKA: u64 = 16;
const SEEDS_SLOW: u64 = 1_000;
/// Most of a run is waiting: for the pace at which a bot may write into a chat.
const AT_ONCE: usize = 40;
/// A broker makes two dozen topics for each, and has one disk for all.
const AT_ONCE_ON_KAFKA: usize = 6;
/// Every named point is visited by death at least so often in [`SEEDS`] runs.
const HITS_MIN: u64 = 20;

#[test]
fn whatever_point_it_is_killed_at_nothing_is_lost_and_nothing_is_said_falsely() {
    let seeds = seeds(SEEDS);
    let hits = live_through(&seeds, None);
    if seeds.end - seeds.start >= SEEDS {
        for point in windowsill::crash::POINTS {
            let count = hits.get(*point).copied().unwrap_or(0);
            assert!(count >= HITS_MIN, "{point} was hit {count} times only: {hits:?}");
        }
    }
}

#[test]
fn the_same_holds_on_kafka() {
    let Some(broker) = broker::shared("kill_seeds::the_same_holds_on_kafka") else { return };
    live_through(&seeds(SEEDS_ON_KAFKA), Some(&broker.address()));
}

/// Runs the seeds side by side and tells how often each point was visited by death.
fn live_through(seeds: &Range<u64>, brokers: Option<&str>) -> BTreeMap<String, u64> {
    let next = AtomicU64::new(seeds.start);
    let hits: Mutex<BTreeMap<String, u64>> = Mutex::default();
    let failed: Mutex<BTreeMap<u64, String>> = Mutex::default();
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                break;
            }
            match catch_unwind(|| run(seed, brokers)) {
                Ok(kills) => {
                    let mut hits = hits.lock().unwrap();
                    for point in kills {
                        *hits.entry(point).or_default() += 1;
                    }
                }
                Err(panic) => {
                    failed.lock().unwrap().insert(seed, words(panic.as_ref()));
                }
            }
        }
    };
    let at_once = if brokers.is_some() { AT_ONCE_ON_KAFKA } else { AT_ONCE };
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(work);
        }
    });
    let (hits, failed) = (hits.into_inner().unwrap(), failed.into_inner().unwrap());
    println!("seeds {seeds:?}; kills by point: {hits:#?}");
    assert!(failed.is_empty(), "KILL_SEED replays one of these seeds: {failed:#?}");
    hits
}

/// What a run said when it failed: the end of a log of 40 at once does not show it.
fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("no words").to_owned()
}

/// Lives through one seed and tells at which points the process died.
fn run(seed: u64, brokers: Option<&str>) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let plan = Plan::of(seed, windowsill::clock::now_ms());
        let prepare = |bot: &mut Bot| {
            if let Some(brokers) = brokers {
                bot.on_kafka(brokers);
            }
        };
        let mut household = Household::begin(plan, prepare).await;
        household.live().await;
        let kills = household.end().await;
        oracle::check(&household, &kills).await;
        kills
    })
}

/// The seeds to run.
fn seeds(usual: u64) -> Range<u64> {
    if let Ok(named) = std::env::var("KILL_SEED") {
        let number = |text: &str| text.parse::<u64>().expect("KILL_SEED is a number or a..b");
        return match named.split_once("..") {
            Some((first, end)) => number(first)..number(end),
            None => number(&named)..number(&named) + 1,
        };
    }
    let slow = std::env::var_os("RUN_SLOW").is_some();
    0..if slow { SEEDS_SLOW } else { usual }
}
