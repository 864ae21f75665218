//! Every parser that meets the outside, fed with generated and mutated input: no panic, no
//! allocation that the input does not justify, and what is accepted is what was meant.
//!
//! 100,000 cases each; `FUZZ_CASES=10000000 cargo test --release --test it fuzz::` runs ten
//! million. A failure prints its seed and its case, made as short as it will go.

use std::panic::{AssertUnwindSafe, catch_unwind};

use fastrand::Rng;

mod formats;
mod input;
mod log;
mod telegram;
mod wifi;
mod words;

const CASES: u64 = 100_000;
/// Where the cases begin, so that the same ones run everywhere; `FUZZ_SEED` begins elsewhere.
const SEED: u64 = 20_261_121;
/// Attempts to make a failing case shorter.
const SHRINKS: usize = 500;

/// Feeds `check` with what `generate` makes. Everything follows from the seed.
#[track_caller]
fn fuzz(generate: impl Fn(&mut Rng) -> Vec<u8>, check: impl Fn(&[u8])) {
    fuzz_some(1, generate, check);
}

/// The same with a part of the cases, where each of them holds many inputs or costs much.
#[track_caller]
fn fuzz_some(one_of: u64, generate: impl Fn(&mut Rng) -> Vec<u8>, check: impl Fn(&[u8])) {
    let seed = number_of("FUZZ_SEED").unwrap_or(SEED);
    let cases = number_of("FUZZ_CASES").unwrap_or(CASES).div_ceil(one_of);
    println!("{cases} cases from FUZZ_SEED={seed}");
    let fails = |case: &[u8]| catch_unwind(AssertUnwindSafe(|| check(case))).is_err();
    for index in 0..cases {
        let seed = seed.wrapping_add(index);
        let case = generate(&mut Rng::with_seed(seed));
        if fails(&case) {
            let case = shortest(case, fails);
            let text = String::from_utf8_lossy(&case);
            panic!("FUZZ_SEED={seed} FUZZ_CASES=1 fails with {text:?}\n{case:02x?}");
        }
    }
}

fn number_of(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is {text:?}, expected a number")))
}

/// Takes parts away for as long as what is left still fails.
fn shortest(mut case: Vec<u8>, fails: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut attempts = 0;
    let mut part = case.len();
    while part > 0 {
        let mut at = 0;
        while at < case.len() && attempts < SHRINKS {
            attempts += 1;
            let mut shorter = case.clone();
            shorter.drain(at..(at + part).min(case.len()));
            if fails(&shorter) {
                case = shorter;
            } else {
                at += part;
            }
        }
        part /= 2;
    }
    case
}
