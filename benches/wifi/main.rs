//! Wi-Fi at scale, in two parts. The first folds a closed log of probes, in tshark's JSON, with the
//! real `windowsill fold`: records a second with durable state, peak memory, bytes on disk; every
//! device's row is checked against a model. The second looks devices up in this process, half of
//! them in vain, while the pipeline folds what is appended meanwhile.
//!
//! `cargo bench --bench wifi [-- --probes 1000000 --devices 200000 --uniform --compare BINARY
//! --known 1000000 --named 100000 --lookups 100000 --pause-us 0 --rate 105000]`: `--uniform`
//! scatters each device's probes over the day instead of over a visit, `--compare` folds the same log
//! with another build beside this one, `--known 0` leaves the second part out. What is fed meanwhile
//! are visits of known devices, five probes each as in the first part, and the log grows by some 25 MB
//! a second. Look-ups follow each other at once, which keeps a core busy; `--pause-us` is a rest
//! between two.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a bench that fails panics, and shows rounded numbers"
)]

mod folding;
mod looking;
mod street;

use std::path::PathBuf;
use std::time::Duration;

/// What the flags say.
#[derive(Clone)]
struct Flags {
    probes: usize,
    devices: usize,
    uniform: bool,
    compare: Option<PathBuf>,
    known: usize,
    named: usize,
    lookups: usize,
    rate: usize,
    pause: Duration,
}

fn main() {
    let flags = Flags {
        probes: number("--probes").unwrap_or(1_000_000),
        devices: number("--devices").unwrap_or(200_000),
        uniform: std::env::args().any(|argument| argument == "--uniform"),
        compare: text("--compare").map(PathBuf::from),
        known: number("--known").unwrap_or(1_000_000),
        named: number("--named").unwrap_or(100_000),
        lookups: number("--lookups").unwrap_or(100_000),
        rate: number("--rate").unwrap_or(105_000),
        pause: Duration::from_micros(number("--pause-us").unwrap_or(0) as u64),
    };
    if flags.probes > 0 {
        folding::run(&flags);
    }
    if flags.known > 0 {
        looking::run(&flags);
    }
}

fn text(name: &str) -> Option<String> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.next()?;
    arguments.next()
}

fn number(name: &str) -> Option<usize> {
    text(name).map(|text| text.parse().unwrap())
}
