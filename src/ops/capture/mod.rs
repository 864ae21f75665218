//! `capture`: tshark as a child process, its lines into the topic `pcap`.
//!
//! Invariant: every record says in its `ssid-encoding` header what its SSID is written in, as the
//! tshark that wrote it has it. A live capture that has worked once goes on until it is stopped: a
//! tshark that dies is started again, and what it said, and what it dropped, is told. When it is
//! stopped, tshark ends first, and every line that it wrote is in the log.

use std::convert::Infallible;
use std::future::Future;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::str::FromStr;
use std::time::{Duration, Instant};

use crate::kernel::record::Header;
use crate::log::EventLog;
use crate::log::topics::Topic;
use crate::ops::topic::{TopicError, WriteOptions, Written, write};

mod refusal;
mod tshark;

pub use tshark::Encoding;
use tshark::{Child, Ending};

/// The first and the longest wait before a tshark that died is started again.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(60);
/// A tshark that ran so long is started again without much ado.
const STEADY: Duration = Duration::from_secs(300);
/// A first tshark that fails so soon and without a frame would fail again.
const AT_ONCE: Duration = Duration::from_secs(10);
/// How long tshark may take to write its last lines when we are asked to stop.
const LAST_LINES: Duration = Duration::from_secs(2);
/// The header by which a record says what its SSID is written in.
const ENCODING_HEADER: &str = "ssid-encoding";

/// Where frames come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A network interface, live.
    Interface(String),
    /// A capture file.
    File(PathBuf),
    /// A capture on standard input.
    Stdin,
}

impl FromStr for Source {
    type Err = Infallible;

    /// `-` is standard input; whatever names a file is one; anything else is an interface.
    fn from_str(text: &str) -> Result<Source, Infallible> {
        let path = PathBuf::from(text);
        Ok(match text {
            "-" => Source::Stdin,
            _ if text.contains('/') || path.exists() || has_ending(&path) => Source::File(path),
            _ => Source::Interface(text.to_owned()),
        })
    }
}

/// A file's ending has a letter; the number in `wlan0.100` is a part of an interface's name.
fn has_ending(path: &Path) -> bool {
    let ending = path.extension().map(std::ffi::OsStr::to_string_lossy);
    ending.is_some_and(|ending| ending.contains(|c: char| !c.is_ascii_digit()))
}

/// What is captured, and by what.
#[derive(Debug, Clone)]
pub struct CaptureOptions {
    pub source: Source,
    /// The tshark to run.
    pub tshark: PathBuf,
    /// Put the interface into monitor mode: without it other people's probes are not heard.
    pub monitor: bool,
}

/// Why there is no capture.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    #[error(
        "{path} could not be started: {source}. Install tshark (Debian: `apt install tshark`), \
         or say with --tshark where it is"
    )]
    NoTshark { path: String, source: std::io::Error },
    #[error("{path} says {said:?}, expected a version such as TShark (Wireshark) 4.0.17")]
    Version { path: String, said: String },
    /// A live capture cannot begin: an interface, a right or a mode is missing.
    #[error("tshark cannot capture on {interface}: {said}{hint}")]
    Refused { interface: String, said: String, hint: String },
    #[error("tshark ended with {status}: {said}")]
    Failed { status: String, said: String },
    #[error(transparent)]
    Topic(#[from] TopicError),
}

/// Captures until the source's end or until `stop` resolves. Gives what was written; a live capture
/// has no end before which it could be interrupted.
pub async fn capture(
    log: &dyn EventLog,
    topic: &Topic,
    options: &CaptureOptions,
    writing: &WriteOptions,
    stop: impl Future<Output = ()>,
    report: &mut (dyn Write + Send),
) -> Result<Written, CaptureError> {
    let mut stop = pin!(stop);
    let mut wait = FIRST_RETRY;
    let mut all = All::default();
    loop {
        let began = Instant::now();
        let life = once(log, topic, options, writing, stop.as_mut(), report).await?;
        all.add(&life, report);
        let Source::Interface(interface) = &options.source else {
            return match life.ending.failure {
                Some((status, said)) if !life.was_stopped => {
                    Err(CaptureError::Failed { status, said })
                }
                _ => Ok(Written { interrupted: life.was_stopped, ..all.written }),
            };
        };
        if life.was_stopped {
            all.close(report);
            return Ok(all.written);
        }
        let lasted = began.elapsed();
        if let Some((_, said)) = &life.ending.failure
            && !all.has_worked(lasted)
        {
            return Err(refusal::of(interface, said));
        }
        if lasted >= STEADY {
            wait = FIRST_RETRY;
        }
        if life.ending.failure.is_none() && lasted >= STEADY {
            // It ended at its time.
            continue;
        }
        let failure = match life.ending.failure {
            Some((status, said)) => format!("tshark ended with {status}: {said}"),
            None => "tshark ended".to_owned(),
        };
        // Standard error may be closed.
        let _ = writeln!(report, "{failure}; it is started again in {} s", wait.as_secs());
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop.as_mut() => {
                all.close(report);
                return Ok(all.written);
            }
        }
        wait = (wait * 2).min(LONGEST_RETRY);
    }
}

/// What several tsharks came to, one after the other.
#[derive(Debug, Default)]
struct All {
    written: Written,
    dropped: u64,
    lives: u64,
}

impl All {
    fn add(&mut self, life: &Life, report: &mut (dyn Write + Send)) {
        self.written.written += life.written.written;
        self.written.rejected += life.written.rejected;
        self.lives += 1;
        for (count, line) in &life.ending.drops {
            self.dropped += count;
            // Standard error may be closed, here and below.
            let _ = writeln!(report, "tshark: {line}");
        }
    }

    /// Whether the last of them shows that this source can be captured from.
    fn has_worked(&self, lasted: Duration) -> bool {
        self.lives > 1 || lasted >= AT_ONCE || self.written.written > 0
    }

    /// The closing line of more than one life.
    fn close(&self, report: &mut (dyn Write + Send)) {
        let Written { written, rejected, .. } = self.written;
        if self.lives > 1 {
            let dropped = self.dropped;
            let _ = writeln!(
                report,
                "in all {written} written, {rejected} rejected, {dropped} dropped"
            );
        }
    }
}

/// What one tshark came to.
struct Life {
    written: Written,
    was_stopped: bool,
    ending: Ending,
}

async fn once(
    log: &dyn EventLog,
    topic: &Topic,
    options: &CaptureOptions,
    writing: &WriteOptions,
    stop: impl Future<Output = ()>,
    report: &mut (dyn Write + Send),
) -> Result<Life, CaptureError> {
    // Asked at each start: it may be another one than the last time.
    let encoding = tshark::encoding(options).await?;
    let mut writing = writing.clone();
    let value = Some(encoding.name().as_bytes().to_vec());
    writing.headers = vec![Header { name: ENCODING_HEADER.to_owned(), value }];
    let (child, lines) = Child::start(options)?;
    let mut was_stopped = false;
    let stopped = async {
        stop.await;
        was_stopped = true;
        child.ask_to_end();
        // The end of its lines comes first, unless it hangs.
        tokio::time::sleep(LAST_LINES).await;
    };
    let written = write(log, topic, lines, &writing, stopped, report).await?;
    Ok(Life { written, was_stopped, ending: child.end().await })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_told_apart() {
        let source = |text: &str| text.parse::<Source>().unwrap();
        assert_eq!(source("-"), Source::Stdin);
        assert_eq!(source("wlan0mon"), Source::Interface("wlan0mon".to_owned()));
        assert_eq!(source("wlan0.100"), Source::Interface("wlan0.100".to_owned()));
        assert_eq!(source("street.pcapng"), Source::File("street.pcapng".into()));
        assert_eq!(source("/tmp/x"), Source::File("/tmp/x".into()));
    }
}
