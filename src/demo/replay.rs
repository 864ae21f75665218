//! A real capture played into the demo, on the demo's clock, as if it began now.
//!
//! Invariant: frames keep their distances and the order of the file, and none is written before
//! the clock has come to it. A line that is none of tshark's is told and counted; the rest goes on.
//! The end of the file is the end of the replay, never of the demo.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use flate2::bufread::MultiGzDecoder;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use super::clock::DemoClock;
use super::feed::{FeedError, PROBES};
use crate::clock::Clock;
use crate::kernel::record::NewRecord;
use crate::kernel::time::{DAY_MS, LAST_EVENT_MS};
use crate::kernel::topic::ValueLine;
use crate::log::EventLog;
use crate::log::topics::{Topic, Topics};

/// How often frames are appended, and how often the terminal is told.
const TICK: Duration = Duration::from_millis(200);
const PROGRESS_EVERY: Duration = Duration::from_millis(500);
/// Frames that were read and wait for their time.
const AHEAD: usize = 4096;
/// Frames in one append; the rest follows with the next.
const APPEND_FRAMES: usize = 10_000;
/// A longer line is none of tshark's.
const LINE_BYTES: u64 = 1024 * 1024;
/// So many bad lines are shown; the rest is only counted.
const BAD_SHOWN: u64 = 5;
/// A frame so far from the one before it has a wrong time, and nobody would wait for it.
const LEAP_MS: i64 = 7 * DAY_MS;
/// How gzip begins, and how captures of libpcap and Wireshark do (pcap in both byte orders, with
/// micro- or nanoseconds).
const GZIP: [u8; 2] = [0x1f, 0x8b];
const CAPTURES: [[u8; 4]; 5] = [
    [0x0a, 0x0d, 0x0d, 0x0a],
    [0xd4, 0xc3, 0xb2, 0xa1],
    [0xa1, 0xb2, 0xc3, 0xd4],
    [0x4d, 0x3c, 0xb2, 0xa1],
    [0xa1, 0xb2, 0x3c, 0x4d],
];

/// Why a file cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("{path} cannot be read: {source}")]
    Unreadable { path: String, source: std::io::Error },
    /// Frames as bytes; tshark makes lines of them.
    #[error(
        "{path} is a capture file, expected the lines that tshark makes of it: tshark -r {path} \
         -T ek -e wlan.fc.type_subtype -e wlan_radio.signal_dbm -e wlan.sa -e wlan.ssid > FILE.ek"
    )]
    Capture { path: String },
}

/// A file that can be played.
pub struct Recording {
    path: PathBuf,
    input: Box<dyn BufRead + Send>,
    size_bytes: u64,
    read_bytes: Arc<AtomicU64>,
}

impl Recording {
    /// Opens lines of `tshark -T ek`, plain or gzipped.
    pub fn open(path: &Path) -> Result<Recording, ReplayError> {
        let shown = || path.display().to_string();
        let failed = |source| ReplayError::Unreadable { path: shown(), source };
        let file = File::open(path).map_err(failed)?;
        let about = file.metadata().map_err(failed)?;
        if about.is_dir() {
            return Err(failed(std::io::ErrorKind::IsADirectory.into()));
        }
        let read_bytes = Arc::new(AtomicU64::new(0));
        let mut file = BufReader::new(Counted { file, read_bytes: read_bytes.clone() });
        let begin = file.fill_buf().map_err(failed)?;
        if CAPTURES.iter().any(|magic| begin.starts_with(magic)) {
            return Err(ReplayError::Capture { path: shown() });
        }
        let input: Box<dyn BufRead + Send> = match begin.starts_with(&GZIP) {
            true => Box::new(BufReader::new(MultiGzDecoder::new(file))),
            false => Box::new(file),
        };
        Ok(Recording { path: path.to_owned(), input, size_bytes: about.len(), read_bytes })
    }
}

/// A file that knows how far it was read.
struct Counted {
    file: File,
    read_bytes: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.read_bytes.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// What the reading thread finds.
enum Found {
    Frame(Frame),
    /// A line's number and what is wrong with it.
    Bad(u64, String),
    /// The file cannot be read any further.
    Broken(std::io::Error),
}

struct Frame {
    line: u64,
    captured_ms: i64,
    value: Value,
}

/// A replay under way.
pub struct Replay {
    path: PathBuf,
    topic: Topic,
    clock: DemoClock,
    found: mpsc::Receiver<Found>,
    size_bytes: u64,
    read_bytes: Arc<AtomicU64>,
    /// What is told, and whether progress belongs there.
    report: Box<dyn Write + Send>,
    progress: bool,
    told: Instant,
    /// The frame that was read last and is not due yet.
    next: Option<Frame>,
    /// The time of the newest frame in the file, and what makes it the demo's time.
    at: Option<(i64, i64)>,
    written: u64,
    bad: u64,
}

impl Replay {
    /// Begins to read.
    pub fn begin(
        recording: Recording,
        topics: &Topics,
        clock: DemoClock,
        report: Box<dyn Write + Send>,
        progress: bool,
    ) -> Result<Replay, FeedError> {
        let topic = topics.get(PROBES)?.clone();
        let Recording { path, input, size_bytes, read_bytes } = recording;
        let (finder, found) = mpsc::channel(AHEAD);
        let spec = topic.spec.value_line;
        // Detached: it ends with the file, or when nobody takes what it finds.
        std::thread::spawn(move || read_frames(input, spec, &finder));
        Ok(Replay {
            path,
            topic,
            clock,
            found,
            size_bytes,
            read_bytes,
            report,
            progress,
            told: Instant::now(),
            next: None,
            at: None,
            written: 0,
            bad: 0,
        })
    }

    /// Plays until the end of the file, then waits for `stop`, as the demo goes on.
    pub async fn run(
        mut self,
        log: Arc<dyn EventLog>,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), FeedError> {
        while !*stop.borrow() {
            let (records, is_over) = self.due()?;
            let count = records.len() as u64;
            if count > 0 {
                log.append(&self.topic.log_name, records).await?;
            }
            self.written += count;
            if is_over {
                self.tell_end();
                // A sender that is gone has stopped too.
                drop(stop.wait_for(|stop| *stop).await);
                return Ok(());
            }
            self.tell_progress();
            if count as usize == APPEND_FRAMES {
                continue;
            }
            tokio::select! {
                () = tokio::time::sleep(TICK) => {}
                _ = stop.changed() => {}
            }
        }
        Ok(())
    }

    /// The frames that the clock has come to, and whether the file is at its end.
    fn due(&mut self) -> Result<(Vec<NewRecord>, bool), FeedError> {
        let mut records = Vec::new();
        while records.len() < APPEND_FRAMES {
            let frame = match self.next.take() {
                Some(frame) => frame,
                None => match self.found.try_recv() {
                    Ok(Found::Frame(frame)) if self.is_a_leap(&frame) => continue,
                    Ok(Found::Frame(frame)) => frame,
                    Ok(Found::Bad(line, reason)) => {
                        self.tell_bad(line, &reason);
                        continue;
                    }
                    Ok(Found::Broken(error)) => {
                        let _ = writeln!(self.report, "\nreplay: the file is broken here: {error}");
                        continue;
                    }
                    Err(mpsc::error::TryRecvError::Empty) => return Ok((records, false)),
                    Err(mpsc::error::TryRecvError::Disconnected) => return Ok((records, true)),
                },
            };
            let now_ms = self.clock.now_ms();
            let (_, shift_ms) = self.at.unwrap_or((0, now_ms - frame.captured_ms));
            let due_ms = frame.captured_ms + shift_ms;
            if due_ms > now_ms {
                self.next = Some(frame);
                return Ok((records, false));
            }
            self.at = Some((frame.captured_ms, shift_ms));
            match self.record(frame.value, due_ms)? {
                Ok(record) => records.push(record),
                Err(reason) => self.tell_bad(frame.line, &reason),
            }
        }
        Ok((records, false))
    }

    /// The frame as a record of the demo's time, or why it would not fold.
    fn record(
        &self,
        mut value: Value,
        due_ms: i64,
    ) -> Result<Result<NewRecord, String>, FeedError> {
        value["timestamp"] = json!(due_ms.to_string());
        // Both levels are read, and the later one would win.
        if let Some(layers) = value.get_mut("layers").and_then(Value::as_object_mut) {
            layers.remove("timestamp");
        }
        let encoded = self.topic.codec.encode(&value)?;
        if let Err(poison) = (self.topic.spec.check)(&self.topic.codec, None, Some(&encoded)) {
            return Ok(Err(poison.reason));
        }
        Ok(Ok(NewRecord { value: Some(encoded), ts_ms: due_ms, ..NewRecord::default() }))
    }

    /// Whether a frame's time cannot be right; then it is a bad line.
    fn is_a_leap(&mut self, frame: &Frame) -> bool {
        let leaps = self
            .at
            .is_some_and(|(before_ms, _)| before_ms.abs_diff(frame.captured_ms) > LEAP_MS as u64);
        if leaps {
            let reason = "its time is more than a week from the frame's before it";
            self.tell_bad(frame.line, reason);
        }
        leaps
    }

    fn tell_bad(&mut self, line: u64, reason: &str) {
        self.bad += 1;
        // Standard error may be closed, here and below.
        if self.bad <= BAD_SHOWN {
            let begin = self.line_begin();
            let _ = writeln!(self.report, "{begin}replay: line {line}: {reason}");
        }
        if self.bad == BAD_SHOWN {
            let _ = writeln!(self.report, "replay: further bad lines are only counted");
        }
    }

    fn tell_progress(&mut self) {
        if !self.progress || self.told.elapsed() < PROGRESS_EVERY {
            return;
        }
        self.told = Instant::now();
        let read = self.read_bytes.load(Ordering::Relaxed);
        let percent = (read * 100).checked_div(self.size_bytes).unwrap_or(100);
        let (written, bad) = (self.written, self.bad);
        let _ =
            write!(self.report, "\rreplay: {written} frames, {bad} bad lines, {percent} % read ");
        let _ = self.report.flush();
    }

    fn tell_end(&mut self) {
        let begin = self.line_begin();
        let (written, bad, path) = (self.written, self.bad, self.path.display());
        let _ = writeln!(
            self.report,
            "{begin}replay: {path} is at its end: {written} frames, {bad} bad lines; the demo goes on"
        );
    }

    /// What stands before a whole line: the line of the progress is written over.
    fn line_begin(&self) -> &'static str {
        if self.progress { "\r\x1b[K" } else { "" }
    }
}

/// How the topic takes a line apart.
type Parse = fn(&str) -> Result<Option<ValueLine>, String>;

/// The reading thread: every line up to the end of the file, or to where it cannot be read.
fn read_frames(mut input: Box<dyn BufRead + Send>, parse: Parse, finder: &mpsc::Sender<Found>) {
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        let found = match input.by_ref().take(LINE_BYTES).read_until(b'\n', &mut bytes) {
            Ok(0) => return,
            Ok(_) => frame(line, &bytes, parse),
            Err(error) => Some(Found::Broken(error)),
        };
        let is_broken = matches!(found, Some(Found::Broken(_)));
        let taken = found.is_none_or(|found| finder.blocking_send(found).is_ok());
        if is_broken || !taken {
            return;
        }
    }
}

/// What a line is; one that says nothing is `None`.
fn frame(line: u64, bytes: &[u8], parse: Parse) -> Option<Found> {
    let parsed = match std::str::from_utf8(bytes).map(str::trim) {
        Ok("") => return None,
        Ok(text) => parse(text),
        Err(_) => Err("it is not UTF-8".to_owned()),
    };
    match parsed {
        Ok(None) => None,
        Ok(Some(ValueLine { value, ts_ms: Some(captured_ms), .. }))
            if (0..=LAST_EVENT_MS).contains(&captured_ms) =>
        {
            Some(Found::Frame(Frame { line, captured_ms, value }))
        }
        Ok(Some(_)) => Some(Found::Bad(line, "its time is no time of our age".to_owned())),
        Err(reason) => Some(Found::Bad(line, reason)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    /// Frames so many milliseconds after the first, and lines that are none.
    fn replay(clock: DemoClock, lines: &str) -> Replay {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("street.ek");
        std::fs::write(&path, lines).unwrap();
        let recording = Recording::open(&path).unwrap();
        let topics = Topics::of_config(crate::rooms::topics(), &Config::default()).unwrap();
        Replay::begin(recording, &topics, clock, Box::new(std::io::sink()), false).unwrap()
    }

    fn line(at_ms: i64) -> String {
        format!(
            r#"{{"timestamp":"{at_ms}","layers":{{"wlan_fc_type_subtype":["4"],
               "wlan_sa":["40:ec:99:1f:3e:75"],"wlan_ssid":["x"]}}}}"#
        )
        .replace('\n', "")
            + "\n"
    }

    /// Takes what is due until the reading thread has nothing more that is.
    fn due(replay: &mut Replay) -> (Vec<i64>, bool) {
        let mut times = Vec::new();
        loop {
            let (records, is_over) = replay.due().unwrap();
            times.extend(records.iter().map(|record| record.ts_ms));
            if is_over || replay.next.is_some() {
                return (times, is_over);
            }
            std::thread::yield_now();
        }
    }

    #[test]
    fn nothing_is_written_before_the_clock_has_come_to_it() {
        // A clock that stands still.
        let clock = DemoClock::begin(0, 1);
        let now_ms = clock.now_ms();
        let began_ms = 1_677_060_198_000;
        let lines: String = [0, 999, 1_000, 60_000].map(|after| line(began_ms + after)).concat();
        let mut replay = replay(clock, &lines);
        assert_eq!(due(&mut replay), (vec![now_ms], false));
        replay.clock = clock.resumed(now_ms + 1_000, 0);
        assert_eq!(due(&mut replay), (vec![now_ms + 999, now_ms + 1_000], false));
        assert_eq!(due(&mut replay), (vec![], false));
        replay.clock = clock.resumed(now_ms + 3_600_000, 0);
        assert_eq!(due(&mut replay), (vec![now_ms + 60_000], true));
    }

    #[test]
    fn bad_lines_are_counted_and_the_rest_is_played() {
        let clock = DemoClock::begin(0, 1);
        let began_ms = 1_677_060_198_000;
        let odd = "{\"timestamp\":\"1\",\"wlan_fc_type_subtype\":[\"4\"],\"wlan_sa\":[\"no\"]}\n";
        let far = line(began_ms + LEAP_MS + 1);
        let never = line(-5);
        let index = "{\"index\":{}}\n\n";
        let lines = [index, "nonsense\n", &line(began_ms), odd, &far, &never, &line(began_ms)];
        let mut replay = replay(clock, &lines.concat());
        let (times, is_over) = due(&mut replay);
        assert_eq!((times.len(), is_over, replay.bad), (2, true, 4));
    }
}
