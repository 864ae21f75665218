//! `topic read`: records as lines, to the end of the topic or for as long as somebody reads them.
//!
//! Invariant: a closed pipe on the other side is a way to end, not an error.

use std::io::{BufWriter, ErrorKind, Write};
use std::str::FromStr;

use super::{TopicError, output};
use crate::log::topics::{Topic, Topics};
use crate::log::{Batch, Bounds, EventLog, Fetched, LogError, Start};

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

/// Prints the records of a topic.
pub async fn read(
    log: &dyn EventLog,
    topics: &Topics,
    topic: &Topic,
    options: ReadOptions,
    out: &mut dyn Write,
) -> Result<(), TopicError> {
    let codec = topic.codec.clone();
    let bounds = log.bounds(&topic.log_name).await?;
    let mut open: Vec<i32> = bounds.iter().map(|bounds| bounds.partition).collect();
    let starts = bounds.iter().map(|bounds| start(bounds, options.begin)).collect();
    let mut reader = log.read(&topic.log_name, starts).await?;
    let mut out = BufWriter::new(out);
    loop {
        let printed = match reader.next().await? {
            Fetched::Batch(batch) => {
                topics.resolve(topic, &batch).await.map_err(LogError::from)?;
                let print = |line: String| writeln!(out, "{line}");
                print_batch(&batch, |record| output::line(&topic.log_name, &codec, record), print)?
            }
            Fetched::End { partition, .. } => {
                open.retain(|open| *open != partition);
                out.flush()
            }
        };
        match printed {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => return Err(TopicError::Output(error)),
            Ok(()) if open.is_empty() && !options.follow => return Ok(()),
            Ok(()) => {}
        }
    }
}

/// Records that the log cannot read are an error of the log, the inner result is the output's.
fn print_batch(
    batch: &Batch,
    line: impl Fn(&crate::kernel::record::RecordRef<'_>) -> String,
    mut print: impl FnMut(String) -> std::io::Result<()>,
) -> Result<std::io::Result<()>, TopicError> {
    for record in batch.records() {
        let printed = print(line(&record?));
        if printed.is_err() {
            return Ok(printed);
        }
    }
    Ok(Ok(()))
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
