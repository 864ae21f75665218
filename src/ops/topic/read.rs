//! `topic read`: records as lines, to the end of the topic or for as long as somebody reads them.
//!
//! Invariant: a closed pipe on the other side is a way to end, not an error. Whoever follows a topic
//! sees each record once, also when the log was away meanwhile.

use std::io::{BufWriter, ErrorKind, Write};
use std::str::FromStr;
use std::time::Duration;

use super::{TopicError, output};
use crate::log::topics::{Topic, Topics};
use crate::log::{Bounds, EventLog, Fetched, LogError, LogReader, Start};

/// Where reading begins in every partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    Start,
    End,
    Offset(i64),
}

impl FromStr for Begin {
    type Err = String;

    fn from_str(text: &str) -> Result<Begin, String> {
        match text {
            "start" => Ok(Begin::Start),
            "end" => Ok(Begin::End),
            _ => {
                let offset = text.parse().ok().filter(|offset| *offset >= 0);
                let offset = offset.ok_or("expected a whole number from 0 on, start or end")?;
                Ok(Begin::Offset(offset))
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub struct ReadOptions {
    pub begin: Begin,
    /// Go on at the end of the topic.
    pub follow: bool,
}

/// How often a log that is away is asked again.
const AGAIN: Duration = Duration::from_secs(1);

/// Prints the records of a topic. Whoever follows it waits for a log that is away.
pub async fn read(
    log: &dyn EventLog,
    topics: &Topics,
    topic: &Topic,
    options: ReadOptions,
    out: &mut dyn Write,
) -> Result<(), TopicError> {
    let mut lines = Lines::open(log, topics, topic, options.begin).await?;
    let mut out = BufWriter::new(out);
    let mut trouble = None;
    loop {
        let piece = lines.next().await;
        if piece.is_ok() {
            trouble = None;
        }
        let printed = match piece {
            Ok(Piece::Lines(text)) => out.write_all(text.as_bytes()),
            Ok(Piece::CaughtUp) => out.flush(),
            Err(error) if options.follow && error.is_transient() => {
                let shown = out.flush();
                tell(&mut trouble, &error, &topic.log_name);
                lines.wait_for(log).await?;
                shown
            }
            Err(error) => return Err(error.into()),
        };
        match printed {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => return Err(TopicError::Output(error)),
            Ok(()) if lines.is_at_end() && !options.follow => return Ok(()),
            Ok(()) => {}
        }
    }
}

/// Tells what reading waits for, once until it goes on.
fn tell(told: &mut Option<String>, error: &LogError, topic: &str) {
    let trouble = error.to_string();
    if told.as_ref() != Some(&trouble) {
        tracing::warn!(%error, topic, "reading goes on when the log is there again");
        *told = Some(trouble);
    }
}

/// A topic as lines, a piece after the other.
pub struct Lines {
    reader: Box<dyn LogReader>,
    topics: Topics,
    topic: Topic,
    /// What is read next of each partition.
    next: Vec<Start>,
    /// Partitions whose end was not met yet.
    open: Vec<i32>,
}

/// What a step of reading gave.
pub enum Piece {
    /// Some lines, each with its end.
    Lines(String),
    /// A partition is at its end.
    CaughtUp,
}

impl Lines {
    pub async fn open(
        log: &dyn EventLog,
        topics: &Topics,
        topic: &Topic,
        begin: Begin,
    ) -> Result<Lines, LogError> {
        let bounds = log.bounds(&topic.log_name).await?;
        let open = bounds.iter().map(|bounds| bounds.partition).collect();
        let next: Vec<Start> = bounds.iter().map(|bounds| start(bounds, begin)).collect();
        let reader = log.read(&topic.log_name, next.clone()).await?;
        Ok(Lines { reader, topics: topics.clone(), topic: topic.clone(), next, open })
    }

    /// Waits until the log is there again, and goes on where it was.
    async fn wait_for(&mut self, log: &dyn EventLog) -> Result<(), LogError> {
        loop {
            tokio::time::sleep(AGAIN).await;
            match self.open_again(log).await {
                Err(error) if error.is_transient() => {}
                opened => return opened,
            }
        }
    }

    /// Partitions that were added meanwhile are read from their start.
    async fn open_again(&mut self, log: &dyn EventLog) -> Result<(), LogError> {
        for bounds in log.bounds(&self.topic.log_name).await? {
            if self.next.iter().all(|known| known.partition != bounds.partition) {
                self.next.push(start(&bounds, Begin::Start));
            }
        }
        self.reader = log.read(&self.topic.log_name, self.next.clone()).await?;
        Ok(())
    }

    /// Was the end of every partition met?
    pub fn is_at_end(&self) -> bool {
        self.open.is_empty()
    }

    /// The next piece, waiting for new records where all partitions are at their end.
    pub async fn next(&mut self) -> Result<Piece, LogError> {
        let batch = match self.reader.next().await? {
            Fetched::Batch(batch) => batch,
            Fetched::End { partition, .. } => {
                self.open.retain(|open| *open != partition);
                return Ok(Piece::CaughtUp);
            }
        };
        self.topics.resolve(&self.topic, &batch).await?;
        let mut text = String::new();
        for record in batch.records() {
            text.push_str(&output::line(&self.topic.log_name, &self.topic.codec, &record?));
            text.push('\n');
        }
        let read = self.next.iter_mut().find(|known| known.partition == batch.partition);
        if let Some(read) = read {
            read.offset = batch.next_offset;
        }
        Ok(Piece::Lines(text))
    }
}

fn start(bounds: &Bounds, begin: Begin) -> Start {
    let offset = match begin {
        Begin::Start => bounds.first_offset,
        Begin::End => bounds.next_offset,
        Begin::Offset(offset) => offset.min(bounds.next_offset),
    };
    Start { partition: bounds.partition, offset }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_begins_at_the_start_the_end_or_an_offset() {
        assert_eq!("start".parse(), Ok(Begin::Start));
        assert_eq!("end".parse(), Ok(Begin::End));
        assert_eq!("12".parse(), Ok(Begin::Offset(12)));
        assert!("-1".parse::<Begin>().is_err() && "x".parse::<Begin>().is_err());
    }
}
