//! Dead letters as records: their topic, the headers that say where they come from, and replays.
//!
//! Invariant: a dead letter and its replay carry the original key, value and time, byte for byte;
//! what we know about them is in headers of ours, and headers of others stay.

use std::fmt;
use std::str::FromStr;

use super::batch::{find_header, headers};
use super::{LogError, MAX_RECORD_BYTES};
use crate::kernel::poison::Poison;
use crate::kernel::record::{Header, NewRecord, RecordRef};
use crate::kernel::topic::{Format, TopicKind, TopicSpec};

/// The default name of the topic of dead letters.
pub const TOPIC: &str = "windowsill-dead-letters";

/// Where every record goes that could not be folded.
pub static SPEC: TopicSpec = TopicSpec {
    name: TOPIC,
    kind: TopicKind::Stream,
    kafka_partitions: 1,
    format: Format::Raw,
    stall_after_ms: None,
    check: |_, _, _| Err(Poison::new(ONLY_OURS)),
    value_line: |_| Err(ONLY_OURS.to_owned()),
};

const ONLY_OURS: &str = "this topic takes only what windowsill could not fold";

/// How the names of our headers begin.
const OURS: &str = "windowsill.";
/// A replay says what it repeats.
const REPLAY_OF: &str = "windowsill.replay-of";
/// Instead of a record that is too large to be appended with our headers.
const LEFT_OUT: &str = "windowsill.left-out";
/// Room for that header.
const LEFT_OUT_BYTES: usize = 64;
/// A reason may quote what it found; no longer than this.
const REASON_CHARS: usize = 500;

/// Where a record stood when it became a dead letter.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    pub log_id: String,
    /// The topic's default name.
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
}

impl Origin {
    /// Where in its topic, as people are told.
    pub fn place(&self) -> String {
        format!("partition {}, offset {}", self.partition, self.offset)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}/{}/{}", self.log_id, self.topic, self.partition, self.offset)
    }
}

impl FromStr for Origin {
    type Err = Poison;

    fn from_str(text: &str) -> Result<Origin, Poison> {
        let parts = || {
            let (log_id, rest) = text.split_once('/')?;
            let (rest, offset) = rest.rsplit_once('/')?;
            let (topic, partition) = rest.rsplit_once('/')?;
            Some(Origin {
                log_id: log_id.to_owned(),
                topic: topic.to_owned(),
                partition: partition.parse().ok()?,
                offset: offset.parse().ok()?,
            })
        };
        parts().ok_or_else(|| Poison::new(format!("{text:?} is not log/topic/partition/offset")))
    }
}

/// A record that could not be folded, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    pub origin: Origin,
    pub ts_ms: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    /// As the log encodes them.
    pub headers: Vec<u8>,
    /// What was expected, and what came.
    pub reason: String,
}

impl DeadLetter {
    /// A record as it was read, with the reason.
    pub fn of(log_id: &str, topic: &str, record: &RecordRef<'_>, reason: String) -> DeadLetter {
        DeadLetter {
            origin: Origin {
                log_id: log_id.to_owned(),
                topic: topic.to_owned(),
                partition: record.partition,
                offset: record.offset,
            },
            ts_ms: record.ts_ms,
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: record.headers.to_vec(),
            reason: match reason.char_indices().nth(REASON_CHARS) {
                Some((end, _)) => format!("{}…", &reason[..end]),
                None => reason,
            },
        }
    }

    /// The bytes that it holds.
    pub fn size_bytes(&self) -> usize {
        let key = self.key.as_ref().map_or(0, Vec::len);
        let value = self.value.as_ref().map_or(0, Vec::len);
        key + value + self.headers.len() + self.reason.len()
    }

    /// The earlier dead letter that this one repeats.
    pub fn replay_of(&self) -> Option<Origin> {
        replay_of(&self.headers)
    }

    /// The record for the topic of dead letters; `log_topic` is what the topic is called there.
    pub fn record(&self, log_topic: &str) -> Result<NewRecord, LogError> {
        let mut record = NewRecord {
            partition: Some(0),
            key: self.key.clone(),
            value: self.value.clone(),
            ts_ms: self.ts_ms,
            headers: headers(&self.headers)?,
        };
        let origin = &self.origin;
        let about = [
            header("windowsill.log", &origin.log_id),
            header("windowsill.topic", log_topic),
            header("windowsill.partition", origin.partition),
            header("windowsill.offset", origin.offset),
            header("windowsill.reason", &self.reason),
        ];
        record.headers.extend(about.iter().cloned());
        if record.size_bytes() + LEFT_OUT_BYTES > MAX_RECORD_BYTES {
            // The whole record is still where it came from, and in our own store. No header of it
            // stays, whatever it is called: a producer may name theirs like ours.
            record.headers = about.into();
            record.headers.push(header(LEFT_OUT, format!("{} bytes", self.size_bytes())));
            (record.key, record.value) = (None, None);
        }
        Ok(record)
    }

    /// The record that repeats it, for a topic of so many partitions.
    pub fn replay(&self, partitions: i32) -> Result<NewRecord, LogError> {
        let mut kept = headers(&self.headers)?;
        kept.retain(|header| !header.name.starts_with(OURS));
        kept.push(header(REPLAY_OF, &self.origin));
        Ok(NewRecord {
            partition: (self.origin.partition < partitions).then_some(self.origin.partition),
            key: self.key.clone(),
            value: self.value.clone(),
            ts_ms: self.ts_ms,
            headers: kept,
        })
    }
}

/// What a record repeats, if it is a replay.
pub fn replay_of(encoded_headers: &[u8]) -> Option<Origin> {
    let value = find_header(encoded_headers, REPLAY_OF)?;
    std::str::from_utf8(value).ok()?.parse().ok()
}

fn header(name: &str, value: impl fmt::Display) -> Header {
    Header { name: name.to_owned(), value: Some(value.to_string().into_bytes()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::batch::BatchBuilder;

    fn origin() -> Origin {
        Origin { log_id: "ab12".to_owned(), topic: "a/b".to_owned(), partition: 2, offset: 40 }
    }

    fn letter(headers: &[Header]) -> DeadLetter {
        let mut builder = BatchBuilder::new(2, 40);
        builder.push(40, 9, Some(b"k"), Some(b"v"), headers).unwrap();
        let batch = builder.finish().unwrap();
        let record = batch.records().next().unwrap().unwrap();
        DeadLetter::of("ab12", "a/b", &record, "it is odd".to_owned())
    }

    #[test]
    fn an_origin_survives_being_written() {
        assert_eq!(origin().to_string().parse(), Ok(origin()));
        assert!("ab12/topic/one/2".parse::<Origin>().is_err());
    }

    #[test]
    fn a_replay_names_its_origin_and_keeps_the_headers_of_others() {
        let theirs = header("trace", "7");
        let earlier = header(REPLAY_OF, "ab12/a/b/2/1");
        let letter = letter(&[theirs.clone(), earlier]);
        assert_eq!(letter.replay_of().unwrap().offset, 1);
        let replay = letter.replay(6).unwrap();
        assert_eq!(replay.headers, [theirs, header(REPLAY_OF, origin())]);
        assert_eq!((replay.partition, replay.ts_ms), (Some(2), 9));
        // The topic was made anew with fewer partitions: the log chooses.
        assert_eq!(letter.replay(2).unwrap().partition, None);
    }

    #[test]
    fn a_record_that_leaves_no_room_for_our_headers_is_left_out() {
        let mut letter = letter(&[header("trace", "7")]);
        letter.value = Some(vec![0; MAX_RECORD_BYTES - 20]);
        let record = letter.record("b").unwrap();
        assert_eq!((&record.key, &record.value), (&None, &None));
        assert!(record.headers.iter().any(|header| header.name == LEFT_OUT));
        assert!(record.size_bytes() <= MAX_RECORD_BYTES);
    }

    /// F9: such a record must not keep the ones behind it from their topic.
    #[test]
    fn a_producers_header_that_is_called_like_ours_is_left_out_as_well() {
        let letter = letter(&[header("windowsill.x", "7".repeat(MAX_RECORD_BYTES - 40))]);
        let record = letter.record("b").unwrap();
        assert!(record.size_bytes() <= MAX_RECORD_BYTES, "{} bytes", record.size_bytes());
        assert!(record.headers.iter().any(|header| header.name == "windowsill.offset"));
    }
}
