//! Appending once: a sender that repeats itself because an answer was lost writes nothing twice.
//!
//! Invariant: the log itself is the memory. Every record says its place in the sender's queue, and
//! the sender keeps where the partitions ended before anything that is unanswered was sent. What
//! it sends is looked for behind that once in every life of a process, which remembers it then. An
//! append that was begun comes to its end before the next is looked at, also when the sender has
//! gone meanwhile. Ends name their log: in another one, or in a topic that was made anew, everything
//! is looked through.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use tokio::sync::Mutex;

use super::{EventLog, Fetched, LogError, Start, batch};
use crate::crash;
use crate::kernel::record::NewRecord;

/// The header that says a record's place: the queue's name, a slash, and a number from 1 on.
pub const HEADER: &str = "queue-place";
/// The longest name of a queue, in characters.
const QUEUE_CHARS: usize = 64;
/// Queues that are remembered; beyond that all are looked up again.
const QUEUES_MAX: usize = 256;
/// More partitions than any topic of ours may have.
const PARTITIONS_MAX: usize = 1000;

/// Where the partitions of a topic end: `x@0:17,1:4` is partition 0 at offset 17 and 1 at 4, in the
/// log whose id is x.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ends {
    /// `None`: they were kept before ends had it.
    log_id: Option<String>,
    at: Vec<Start>,
}

/// A record's place in its sender's queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub queue: String,
    /// Numbers of a queue only grow, and the oldest that is unanswered is sent first.
    pub number: i64,
}

/// What became of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    pub written: usize,
    /// The log had them already.
    pub repeated: usize,
    /// What the log will never take: the record's index among those given, and why.
    pub refused: Vec<(usize, String)>,
    /// Where the partitions end now, or ended when something that is unanswered was not sent yet:
    /// for the next time.
    pub ends: Ends,
}

/// Why records were not appended.
#[derive(Debug, thiserror::Error)]
pub enum OnceError {
    #[error(transparent)]
    Log(#[from] LogError),
    /// The sender does not keep to the rules.
    #[error("{0}")]
    Place(String),
}

impl Ends {
    pub fn new(log_id: &str, at: Vec<Start>) -> Ends {
        Ends { log_id: Some(log_id.to_owned()), at }
    }

    /// Where a topic ends now.
    pub async fn of(log: &dyn EventLog, topic: &str) -> Result<Ends, LogError> {
        let log_id = log.id().await?;
        let bounds = log.bounds(topic).await?.into_iter();
        let end = |bounds: super::Bounds| Start {
            partition: bounds.partition,
            offset: bounds.next_offset,
        };
        Ok(Ends::new(&log_id, bounds.map(end).collect()))
    }

    /// Can it be the topic that ended there earlier? Not in another log, nor where it has become
    /// shorter.
    pub fn continues(&self, earlier: &Ends) -> bool {
        let is_same = earlier.log_id.is_none() || earlier.log_id == self.log_id;
        is_same && earlier.at.iter().all(|end| end.offset <= self.offset(end.partition))
    }

    /// Where the same topic began.
    fn beginning(&self) -> Ends {
        let at = self.at.iter().map(|end| Start { offset: 0, ..*end }).collect();
        Ends { log_id: self.log_id.clone(), at }
    }

    fn offset(&self, partition: i32) -> i64 {
        let known = self.at.iter().find(|end| end.partition == partition);
        // One that came later has nothing that is older.
        known.map_or(0, |end| end.offset)
    }
}

impl fmt::Display for Ends {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(log_id) = &self.log_id {
            write!(out, "{log_id}@")?;
        }
        for (index, end) in self.at.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(out, "{comma}{}:{}", end.partition, end.offset)?;
        }
        Ok(())
    }
}

impl FromStr for Ends {
    type Err = String;

    fn from_str(text: &str) -> Result<Ends, String> {
        let end = |part: &str| {
            let (partition, offset) = part.split_once(':')?;
            let end = Start { partition: partition.parse().ok()?, offset: offset.parse().ok()? };
            (end.partition >= 0 && end.offset >= 0).then_some(end)
        };
        let (log_id, places) = match text.rsplit_once('@') {
            Some((log_id, places)) => (Some(log_id.to_owned()), places),
            None => (None, text),
        };
        let at: Option<Vec<Start>> = places.split(',').take(PARTITIONS_MAX + 1).map(end).collect();
        let at = at.filter(|at| at.len() <= PARTITIONS_MAX);
        at.map(|at| Ends { log_id, at })
            .ok_or_else(|| format!("{text:?}, expected ends such as x@0:17,1:4"))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.queue, self.number)
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Place, String> {
        let is_name = |queue: &str| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            (1..=QUEUE_CHARS).contains(&queue.len()) && queue.bytes().all(allowed)
        };
        let parts = text.split_once('/').filter(|(queue, _)| is_name(queue));
        let place = parts.and_then(|(queue, number)| {
            let number = number.parse().ok().filter(|number| *number > 0)?;
            Some(Place { queue: queue.to_owned(), number })
        });
        place.ok_or_else(|| format!("header {HEADER} is {text:?}, expected one such as pi-3/17"))
    }
}

/// What a queue is known to have written.
#[derive(Debug, Default)]
struct Known {
    /// Everything below was answered, or is not of this queue's present.
    floor: i64,
    written: BTreeSet<i64>,
}

impl Known {
    fn is_new(&self, number: i64) -> bool {
        number >= self.floor && !self.written.contains(&number)
    }
}

/// Appends once, for any number of queues.
#[derive(Clone, Default)]
pub struct Once {
    /// By topic and queue.
    known: Arc<Mutex<HashMap<(String, String), Known>>>,
}

impl Once {
    /// Appends those records that the log does not hold yet; one that it refuses keeps none of the
    /// others out. `since`: the topic's ends from before any of them was first sent.
    pub async fn append(
        &self,
        log: Arc<dyn EventLog>,
        topic: &str,
        since: Ends,
        records: Vec<NewRecord>,
    ) -> Result<Appended, OnceError> {
        let (queue, numbers) = places(&records).map_err(OnceError::Place)?;
        let mut known = Arc::clone(&self.known).lock_owned().await;
        let key = (topic.to_owned(), queue);
        // On its own: it ends also when nobody waits for its answer any more.
        let appending = tokio::spawn(async move {
            if known.len() >= QUEUES_MAX {
                known.clear();
            }
            let (topic, queue) = &key;
            // Until it has succeeded nothing is known for sure.
            let known_here = known.remove(&key);
            let now = Ends::of(log.as_ref(), topic).await?;
            let (since, known_here) = match now.continues(&since) {
                true => (since, known_here),
                false => (now.beginning(), None),
            };
            let first = numbers.first().copied().unwrap_or(0);
            let mut of_queue = match known_here {
                Some(of_queue) => of_queue,
                None => look_up(log.as_ref(), topic, &since, queue, first).await?,
            };
            of_queue.floor = of_queue.floor.max(first);
            let all = records.len();
            let (places, new): (Vec<usize>, Vec<NewRecord>) = records
                .into_iter()
                .enumerate()
                .filter(|(index, _)| of_queue.is_new(numbers[*index]))
                .unzip();
            let mut refused = Vec::new();
            if !new.is_empty() {
                let outcomes = log.append_each(topic, new).await?;
                crash::point(crash::ONCE_POINT);
                for (index, outcome) in places.iter().zip(outcomes) {
                    match outcome {
                        Ok(_) => {}
                        Err(error) if error.is_of_record() => {
                            refused.push((*index, error.to_string()));
                        }
                        // A repeat looks for what the log has taken.
                        Err(error) => return Err(error.into()),
                    }
                }
            }
            let last = numbers.last().copied();
            // What was refused stands nowhere: a repeat is to hear it, too.
            let is_taken = |index: &usize| refused.iter().all(|(refused, _)| refused != index);
            let taken = numbers.into_iter().enumerate().filter(|(index, _)| is_taken(index));
            of_queue.written.extend(taken.map(|(_, number)| number));
            of_queue.written = of_queue.written.split_off(&of_queue.floor);
            // What the log holds beyond this request will be sent again: the sender must go on to
            // look before that.
            let holds_more = of_queue.written.last() > last.as_ref();
            let ends = match holds_more {
                true => since,
                false => Ends::of(log.as_ref(), topic).await?,
            };
            let (written, repeated) = (places.len() - refused.len(), all - places.len());
            known.insert(key.clone(), of_queue);
            Ok(Appended { written, repeated, refused, ends })
        });
        appending.await.map_err(|_| OnceError::Log(LogError::Closed))?
    }
}

/// The queue that all records are of, and their numbers, which must grow.
fn places(records: &[NewRecord]) -> Result<(String, Vec<i64>), String> {
    let mut queue: Option<String> = None;
    let mut numbers = Vec::with_capacity(records.len());
    for record in records {
        let header = record.headers.iter().find(|header| header.name == HEADER);
        let text = header.and_then(|header| std::str::from_utf8(header.value.as_deref()?).ok());
        let text = text.ok_or_else(|| format!("a record has no header {HEADER}"))?;
        let place: Place = text.parse()?;
        let known = queue.get_or_insert_with(|| place.queue.clone());
        if *known != place.queue {
            return Err(format!("records of two queues, {known} and {}", place.queue));
        }
        if numbers.last().is_some_and(|last| *last >= place.number) {
            return Err(format!("{place} does not come after the record before it"));
        }
        numbers.push(place.number);
    }
    Ok((queue.unwrap_or_default(), numbers))
}

/// What the log holds of a queue behind these ends, from the number `first` on.
async fn look_up(
    log: &dyn EventLog,
    topic: &str,
    since: &Ends,
    queue: &str,
    first: i64,
) -> Result<Known, LogError> {
    let mut from = Vec::new();
    for bounds in log.bounds(topic).await? {
        let offset = since.offset(bounds.partition).max(bounds.first_offset);
        if offset < bounds.next_offset {
            from.push(Start { partition: bounds.partition, offset });
        }
    }
    let mut known = Known::default();
    if from.is_empty() {
        return Ok(known);
    }
    let mut open: Vec<i32> = from.iter().map(|start| start.partition).collect();
    let mut reader = log.read(topic, from).await?;
    while !open.is_empty() {
        match reader.next().await? {
            Fetched::End { partition, .. } => open.retain(|open| *open != partition),
            Fetched::Batch(batch) => {
                for record in batch.records() {
                    let header = batch::find_header(record?.headers, HEADER);
                    let text = header.and_then(|header| std::str::from_utf8(header).ok());
                    let place = text.and_then(|text| text.parse::<Place>().ok());
                    let is_asked = |place: &Place| place.queue == queue && place.number >= first;
                    if let Some(place) = place.filter(is_asked) {
                        known.written.insert(place.number);
                    }
                }
            }
        }
    }
    Ok(known)
}

#[cfg(test)]
mod tests;
