//! The same readings on one real broker, folded by `windowsill fold`, by Kafka Streams (exactly
//! once, the same join, windows and rule) and read by a plain consumer with our own settings: rate,
//! CPU time, memory, the first result, and how long after a `kill -9` at half-way all is caught up.
//! Every window of everybody is checked.
//!
//! `benches/kafka/run` fetches the broker and Kafka Streams and starts this; `cargo bench --bench
//! kafka [-- RECORDS]` alone leaves Kafka Streams out where `BENCH_STREAMS_CLASS_PATH`, its class
//! path, is not set.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a bench that fails panics, and shows rounded numbers"
)]

#[path = "../../tests/it/kafka/broker.rs"]
#[expect(dead_code, reason = "tests do more with a broker")]
mod broker;
mod ours;
mod process;
mod raw;
mod readings;
mod streams;
#[path = "../../tests/it/tool.rs"]
#[expect(dead_code, reason = "tests use more programs")]
mod tool;

use broker::{Broker, BrokerOptions};
use process::Figures;
use readings::{Form, Readings};

/// Readings where none are asked for.
const RECORDS: i64 = 10_000_000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, brokers, topic] = arguments.as_slice()
        && flag == raw::FLAG
    {
        return raw::consume(brokers, topic);
    }
    let asked = arguments.iter().find_map(|argument| argument.parse().ok());
    let readings = Readings::of(asked.unwrap_or(RECORDS));
    let Some(broker) = Broker::start("the comparison on Kafka", BrokerOptions::default()) else {
        return;
    };
    let brokers = broker.address();
    println!("{} readings of {} plants in 6 partitions", readings.count(), readings.plants);
    for form in [Form::Json, Form::Avro] {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(readings.load(&brokers, form));
        println!(
            "\n{:<26} {:>11} {:>8} {:>8} {:>9} {:>9} {:>22}",
            form.name(),
            "records/s",
            "wall s",
            "CPU s",
            "peak MB",
            "first s",
            "after kill -9 s"
        );
        print("plain consumer", &readings, &raw::measure(&brokers, form));
        print("windowsill fold", &readings, &ours::measure(&brokers, form, &readings));
        for tuning in streams::Tuning::ALL {
            let Some(figures) = streams::measure(&brokers, form, &readings, tuning) else {
                continue;
            };
            print(tuning.name(), &readings, &figures);
        }
    }
}

fn print(name: &str, readings: &Readings, figures: &Figures) {
    let rate = readings.count() as f64 / figures.wall_s;
    let Figures { wall_s, cpu_s, peak_mb, first_s, after_kill } = figures;
    let first = first_s.map_or_else(String::new, |first_s| format!("{first_s:.2}"));
    let after = after_kill
        .map_or_else(String::new, |(took_s, left)| format!("{took_s:.2} for {left} left"));
    println!(
        "{name:<26} {rate:>11.0} {wall_s:>8.2} {cpu_s:>8.2} {peak_mb:>9.0} {first:>9} {after:>22}"
    );
}
