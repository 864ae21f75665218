//! Bytes into lines, lines into records; and the reading thread of `topic write`.
//!
//! Invariant: what one read gave is passed on at once, so a line that a producer has just flushed
//! is not kept back; no line makes it hold more than `LINE_BYTES`.

use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;

use super::parse::LineParser;
use crate::kernel::record::NewRecord;

/// A read of standard input gives at most so much.
const READ_BYTES: usize = 256 * 1024;
/// A longer line cannot hold a record that the log accepts.
const LINE_BYTES: usize = 16 * 1024 * 1024;

/// What one read gave.
pub(super) enum Piece {
    Lines {
        records: Vec<NewRecord>,
        /// The number of the line that each record stood on.
        numbers: Vec<u64>,
        rejected: Vec<(u64, String)>,
    },
    Failed(std::io::Error),
}

/// The thread's side: ends with the input, when it is stopped, or when nobody takes its pieces.
pub(super) fn read_lines(
    mut input: impl Read,
    parser: &LineParser,
    now_ms: &dyn Fn() -> i64,
    stopped: &AtomicBool,
    pieces: &mpsc::Sender<Piece>,
) {
    let mut lines = Lines::default();
    let mut buffer = vec![0; READ_BYTES];
    while !stopped.load(Ordering::Relaxed) {
        let mut piece = Parsed::new(parser, now_ms());
        let at_end = match input.read(&mut buffer) {
            Ok(0) => {
                lines.finish(&mut piece);
                true
            }
            Ok(count) => {
                lines.feed(&buffer[..count], &mut piece);
                false
            }
            Err(fault) if fault.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(fault) => {
                let _ = pieces.blocking_send(Piece::Failed(fault));
                return;
            }
        };
        let Parsed { records, numbers, rejected, .. } = piece;
        let empty = records.is_empty() && rejected.is_empty();
        let lines = Piece::Lines { records, numbers, rejected };
        let taken = empty || pieces.blocking_send(lines).is_ok();
        if at_end || !taken {
            return;
        }
    }
}

/// What the lines of a whole text are.
pub struct ParsedLines {
    pub records: Vec<NewRecord>,
    /// The number of the line that each record stood on.
    pub numbers: Vec<u64>,
    /// The numbers of the lines that are no records, with the reason.
    pub rejected: Vec<(u64, String)>,
}

/// Takes a whole text apart.
pub fn parse_lines(text: &[u8], parser: &LineParser, now_ms: i64) -> ParsedLines {
    let mut lines = Lines::default();
    let mut piece = Parsed::new(parser, now_ms);
    lines.feed(text, &mut piece);
    lines.finish(&mut piece);
    let Parsed { records, numbers, rejected, .. } = piece;
    ParsedLines { records, numbers, rejected }
}

/// The lines of one piece as they become records.
struct Parsed<'a> {
    parser: &'a LineParser,
    now_ms: i64,
    records: Vec<NewRecord>,
    numbers: Vec<u64>,
    rejected: Vec<(u64, String)>,
}

impl<'a> Parsed<'a> {
    fn new(parser: &'a LineParser, now_ms: i64) -> Parsed<'a> {
        Parsed { parser, now_ms, records: Vec::new(), numbers: Vec::new(), rejected: Vec::new() }
    }

    fn line(&mut self, number: u64, line: &[u8]) {
        match self.parser.parse(line, self.now_ms) {
            Ok(Some(record)) => {
                self.records.push(record);
                self.numbers.push(number);
            }
            // A line that says nothing.
            Ok(None) => {}
            Err(reason) => self.rejected.push((number, reason)),
        }
    }
}

/// Cuts what is read into lines; a line that is too long is counted and passed over.
#[derive(Default)]
struct Lines {
    /// The beginning of a line whose end was not read yet.
    partial: Vec<u8>,
    too_long: bool,
    count: u64,
}

impl Lines {
    fn feed(&mut self, mut bytes: &[u8], piece: &mut Parsed<'_>) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = bytes.split_at(end);
            bytes = &rest[1..];
            if self.partial.is_empty() && !self.too_long {
                self.count += 1;
                piece.line(self.count, line);
            } else {
                self.keep(line);
                self.finish(piece);
            }
        }
        self.keep(bytes);
    }

    /// The line is at its end.
    fn finish(&mut self, piece: &mut Parsed<'_>) {
        if self.partial.is_empty() && !self.too_long {
            return;
        }
        self.count += 1;
        if self.too_long {
            let reason = format!("it has more than {LINE_BYTES} bytes");
            piece.rejected.push((self.count, reason));
        } else {
            piece.line(self.count, &self.partial);
        }
        self.partial.clear();
        self.too_long = false;
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.too_long || self.partial.len() + bytes.len() > LINE_BYTES {
            self.partial = Vec::new();
            self.too_long = true;
            return;
        }
        self.partial.extend_from_slice(bytes);
    }
}
