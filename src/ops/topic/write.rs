//! `topic write`: lines from standard input into the log.
//!
//! Invariant: a thread reads and parses while the log makes the lines before durable; what is
//! counted as written is durable. At the end of the input that is every good line; when it is
//! asked to stop, every good line that was read.

use std::future::Future;
use std::io::{Read, Write};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::TopicError;
use super::lines::{Piece, read_lines};
use super::parse::{LineFormat, LineParser};
use crate::kernel::record::{Header, NewRecord};
use crate::kernel::text::shown;
use crate::log::topics::Topic;
use crate::log::{EventLog, LogError, Outcome};

/// Parsed pieces that wait for the log.
const QUEUE_PIECES: usize = 32;
/// One append takes no further piece once it holds so many records.
const APPEND_RECORDS: usize = 50_000;
const PROGRESS_EVERY: Duration = Duration::from_millis(250);
/// How long the lines that were just read may take to be parsed when we are asked to stop. The
/// thread may also be inside a read that never returns.
const LAST_PIECES: Duration = Duration::from_millis(500);

/// How lines are taken, and what is told meanwhile.
#[derive(Clone)]
pub struct WriteOptions {
    pub format: LineFormat,
    /// Show progress: standard error is a terminal.
    pub progress: bool,
    /// Put on every record.
    pub headers: Vec<Header>,
    /// The time of records that say none, in milliseconds since the epoch.
    pub now_ms: Arc<dyn Fn() -> i64 + Send + Sync>,
}

/// What became of the lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    pub written: u64,
    pub rejected: u64,
    /// It was asked to stop before the end of the input.
    pub interrupted: bool,
}

/// Writes the lines of `input` until its end or until `stop` resolves.
pub async fn write(
    log: &dyn EventLog,
    topic: &Topic,
    input: impl Read + Send + 'static,
    options: &WriteOptions,
    stop: impl Future<Output = ()>,
    report: &mut (dyn Write + Send),
) -> Result<Written, TopicError> {
    let partitions = log.partitions(&topic.log_name).await?;
    let headers = options.headers.clone();
    let parser = LineParser::new(topic, options.format, headers, partitions);
    let now_ms = Arc::clone(&options.now_ms);
    let (sender, pieces) = mpsc::channel(QUEUE_PIECES);
    let stop_reading = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop_reading);
    // Detached: it may be inside a read of a terminal that never returns.
    std::thread::spawn(move || read_lines(input, &parser, &*now_ms, &stopped, &sender));
    let mut writer = Writer {
        log,
        topic: &topic.log_name,
        pieces,
        stop_reading,
        progress: options.progress,
        told: Instant::now(),
        report,
        done: Written::default(),
    };
    let begun = Instant::now();
    let outcome = writer.run(stop).await;
    writer.close(begun.elapsed());
    outcome.map(|()| writer.done)
}

/// Records on their way into the log, with the numbers of their lines.
#[derive(Default)]
struct Lines {
    records: Vec<NewRecord>,
    numbers: Vec<u64>,
}

struct Writer<'a> {
    log: &'a dyn EventLog,
    topic: &'a str,
    pieces: mpsc::Receiver<Piece>,
    stop_reading: Arc<AtomicBool>,
    progress: bool,
    told: Instant,
    report: &'a mut (dyn Write + Send),
    done: Written,
}

impl Writer<'_> {
    async fn run(&mut self, stop: impl Future<Output = ()>) -> Result<(), TopicError> {
        let mut stop = pin!(stop);
        loop {
            tokio::select! {
                biased;
                () = &mut stop => return self.finish().await,
                first = self.pieces.recv() => match first {
                    Some(first) => self.append(first).await?,
                    None => return Ok(()),
                },
            }
        }
    }

    /// Writes what was read by now.
    async fn finish(&mut self) -> Result<(), TopicError> {
        self.stop_reading.store(true, Ordering::Relaxed);
        self.done.interrupted = true;
        while let Ok(piece) = tokio::time::timeout(LAST_PIECES, self.pieces.recv()).await {
            let Some(piece) = piece else { break };
            self.append(piece).await?;
        }
        let _ = writeln!(self.report, "stopped before the end of the input");
        Ok(())
    }

    /// Makes a piece durable, and those that wait behind it.
    async fn append(&mut self, first: Piece) -> Result<(), TopicError> {
        let mut all = Lines::default();
        let mut failed = self.take(first, &mut all);
        while failed.is_none()
            && all.records.len() < APPEND_RECORDS
            && let Ok(piece) = self.pieces.try_recv()
        {
            failed = self.take(piece, &mut all);
        }
        if !all.records.is_empty() {
            let outcomes = self.log.append_each(self.topic, all.records).await;
            self.count(&all.numbers, outcomes)?;
        }
        self.tell_progress();
        failed.map_or(Ok(()), |fault| Err(TopicError::Input(fault)))
    }

    /// Counts what became of lines. `Err`: the log took some of them no more, and which is told, so
    /// that the others are not written twice.
    fn count(
        &mut self,
        numbers: &[u64],
        outcomes: Result<Vec<Outcome>, LogError>,
    ) -> Result<(), LogError> {
        let outcomes =
            outcomes.unwrap_or_else(|error| numbers.iter().map(|_| Err(error.clone())).collect());
        let mut untaken = Vec::new();
        let mut trouble = None;
        for (number, outcome) in numbers.iter().zip(outcomes) {
            match outcome {
                Ok(_) => self.done.written += 1,
                Err(error) if error.is_of_record() => self.reject(*number, &error.to_string()),
                Err(error) => {
                    untaken.push(*number);
                    trouble = Some(error);
                }
            }
        }
        let Some(error) = trouble else { return Ok(()) };
        let last = numbers.last().copied().unwrap_or_default();
        let _ = writeln!(
            self.report,
            "not written (as far as is known): lines {}, and nothing behind line {last}; write them \
             again",
            ranges(&untaken)
        );
        Err(error)
    }

    /// Adds the records of a piece and reports its bad lines.
    fn take(&mut self, piece: Piece, all: &mut Lines) -> Option<std::io::Error> {
        match piece {
            Piece::Failed(fault) => Some(fault),
            Piece::Lines { records, numbers, rejected } => {
                if all.records.is_empty() {
                    *all = Lines { records, numbers };
                } else {
                    all.records.extend(records);
                    all.numbers.extend(numbers);
                }
                for (number, reason) in rejected {
                    self.reject(number, &reason);
                }
                None
            }
        }
    }

    /// A line comes to nothing. Standard error may be closed; the exit code still tells.
    fn reject(&mut self, number: u64, reason: &str) {
        self.done.rejected += 1;
        let _ = writeln!(self.report, "line {number}: {}", shown(reason));
    }

    fn tell_progress(&mut self) {
        if self.progress && self.told.elapsed() >= PROGRESS_EVERY {
            self.told = Instant::now();
            let Written { written, rejected, .. } = self.done;
            let _ = write!(self.report, "\r{written} written, {rejected} rejected ");
            let _ = self.report.flush();
        }
    }

    fn close(&mut self, took: Duration) {
        let Written { written, rejected, .. } = self.done;
        let rate = written as f64 / took.as_secs_f64().max(0.001);
        let begin = if self.progress { "\r" } else { "" };
        let closing = format!("{begin}{written} written, {rejected} rejected, {rate:.0}/s");
        let _ = writeln!(self.report, "{closing}");
        let _ = self.report.flush();
    }
}

/// Numbers that grow, as people write them: `3-7, 9`.
fn ranges(numbers: &[u64]) -> String {
    let runs = numbers.chunk_by(|before, next| before + 1 == *next);
    let shown: Vec<String> = runs
        .map(|run| match run {
            [first, .., last] => format!("{first}-{last}"),
            run => run.iter().map(u64::to_string).collect(),
        })
        .collect();
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use super::ranges;

    #[test]
    fn numbers_are_shown_as_ranges() {
        assert_eq!(ranges(&[3, 4, 5, 9, 11, 12]), "3-5, 9, 11-12");
        assert_eq!(ranges(&[7]), "7");
    }
}
