//! Appending once: a sender that repeats itself because an answer was lost writes nothing twice.
//!
//! Invariant: the log itself is the memory. Every record says its place in the sender's queue, and
//! the sender keeps where the partitions ended before anything that is unanswered was sent. What
//! it sends is looked for behind that once in every life of a process, which remembers it then. An
//! append that was begun comes to its end before the next is looked at, also when the sender has
//! gone meanwhile.

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

/// Where the partitions of a topic end: `0:17,1:4` is partition 0 at offset 17 and 1 at 4.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ends(Vec<Start>);

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
    /// Where the partitions end now, for the next time.
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
    /// Where a topic ends now.
    pub async fn of(log: &dyn EventLog, topic: &str) -> Result<Ends, LogError> {
        let bounds = log.bounds(topic).await?.into_iter();
        let end = |bounds: super::Bounds| Start {
            partition: bounds.partition,
            offset: bounds.next_offset,
        };
        Ok(Ends(bounds.map(end).collect()))
    }

    fn offset(&self, partition: i32) -> i64 {
        let known = self.0.iter().find(|end| end.partition == partition);
        // One that came later has nothing that is older.
        known.map_or(0, |end| end.offset)
    }
}

impl fmt::Display for Ends {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, end) in self.0.iter().enumerate() {
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
        let ends: Option<Vec<Start>> = text.split(',').take(PARTITIONS_MAX + 1).map(end).collect();
        let ends = ends.filter(|ends| ends.len() <= PARTITIONS_MAX);
        ends.map(Ends).ok_or_else(|| format!("{text:?}, expected ends such as 0:17,1:4"))
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

/// Appends once, for any number of queues.
#[derive(Clone, Default)]
pub struct Once {
    /// By topic and queue.
    known: Arc<Mutex<HashMap<(String, String), Known>>>,
}

impl Once {
    /// Appends those records that the log does not hold yet. `since`: the topic's ends from before
    /// any of them was first sent.
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
            let mut of_queue = match known.remove(&key) {
                Some(of_queue) => of_queue,
                None => look_up(log.as_ref(), topic, &since, queue).await?,
            };
            let first = numbers.first().copied().unwrap_or(of_queue.floor);
            of_queue.floor = of_queue.floor.max(first);
            let all = records.len();
            let new: Vec<NewRecord> = records
                .into_iter()
                .zip(&numbers)
                .filter(|(_, number)| {
                    **number >= of_queue.floor && !of_queue.written.contains(number)
                })
                .map(|(record, _)| record)
                .collect();
            let written = new.len();
            if written > 0 {
                log.append(topic, new).await?;
                crash::point(crash::ONCE_POINT);
            }
            of_queue.written.extend(numbers);
            of_queue.written = of_queue.written.split_off(&of_queue.floor);
            let ends = Ends::of(log.as_ref(), topic).await;
            known.insert(key.clone(), of_queue);
            Ok(Appended { written, repeated: all - written, ends: ends? })
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

/// What the log holds of a queue behind these ends.
async fn look_up(
    log: &dyn EventLog,
    topic: &str,
    since: &Ends,
    queue: &str,
) -> Result<Known, LogError> {
    let mut from = Vec::new();
    for bounds in log.bounds(topic).await? {
        // Ends of another log may lie anywhere.
        let offset = since.offset(bounds.partition).clamp(bounds.first_offset, bounds.next_offset);
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
                    if let Some(place) = place.filter(|place| place.queue == queue) {
                        known.written.insert(place.number);
                    }
                }
            }
        }
    }
    Ok(known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::record::Header;
    use crate::kernel::topic::TopicKind;
    use crate::log::embedded::EmbeddedLog;

    const TOPIC: &str = "readings";

    async fn log(partitions: i32) -> (tempfile::TempDir, Arc<dyn EventLog>) {
        let dir = tempfile::tempdir().unwrap();
        let log = EmbeddedLog::open(&dir.path().join("log.db")).await.unwrap();
        log.create(TOPIC, TopicKind::Stream, partitions).await.unwrap();
        (dir, Arc::new(log))
    }

    fn records(queue: &str, numbers: std::ops::RangeInclusive<i64>) -> Vec<NewRecord> {
        let record = |number: i64| NewRecord {
            key: Some(number.to_string().into_bytes()),
            value: Some(b"v".to_vec()),
            headers: vec![Header {
                name: HEADER.to_owned(),
                value: Some(format!("{queue}/{number}").into_bytes()),
            }],
            ..NewRecord::default()
        };
        numbers.map(record).collect()
    }

    async fn count(log: &Arc<dyn EventLog>) -> i64 {
        let bounds = log.bounds(TOPIC).await.unwrap();
        bounds.iter().map(|bounds| bounds.next_offset - bounds.first_offset).sum()
    }

    #[tokio::test]
    async fn a_repeat_writes_nothing_whether_the_process_remembers_or_looks_it_up() {
        let (_dir, log) = log(3).await;
        log.append(TOPIC, records("other", 1..=4)).await.unwrap();
        let since = Ends::of(log.as_ref(), TOPIC).await.unwrap();
        let once = Once::default();
        let send = async |once: &Once, numbers| {
            let records = records("pi", numbers);
            let done = once.append(log.clone(), TOPIC, since.clone(), records).await.unwrap();
            (done.written, done.repeated)
        };
        assert_eq!(send(&once, 1..=5).await, (5, 0));
        assert_eq!(send(&once, 1..=5).await, (0, 5));
        assert_eq!(send(&once, 3..=8).await, (3, 3));
        // Another life of the process.
        assert_eq!(send(&Once::default(), 3..=9).await, (1, 6));
        assert_eq!(count(&log).await, 4 + 9);
    }

    /// A request that was on its way for long arrives after the next ones were answered.
    #[tokio::test]
    async fn what_comes_after_its_successors_is_known_to_be_old() {
        let (_dir, log) = log(1).await;
        let since = Ends::of(log.as_ref(), TOPIC).await.unwrap();
        let once = Once::default();
        for numbers in [1..=5, 6..=9] {
            let records = records("pi", numbers);
            once.append(log.clone(), TOPIC, since.clone(), records).await.unwrap();
        }
        let old = once.append(log.clone(), TOPIC, since, records("pi", 1..=5)).await.unwrap();
        assert_eq!((old.written, old.repeated), (0, 5));
        assert_eq!(count(&log).await, 9);
    }

    #[tokio::test]
    async fn a_part_that_was_written_is_found_on_every_partition() {
        let (_dir, log) = log(4).await;
        let since = Ends::of(log.as_ref(), TOPIC).await.unwrap();
        let mut some = records("pi", 1..=10);
        some.retain(|record| {
            ["2", "5", "9"].contains(&std::str::from_utf8(record.key.as_ref().unwrap()).unwrap())
        });
        log.append(TOPIC, some).await.unwrap();
        let all = Once::default().append(log.clone(), TOPIC, since, records("pi", 1..=10)).await;
        let all = all.unwrap();
        assert_eq!((all.written, all.repeated), (7, 3));
        assert_eq!(count(&log).await, 10);
        assert_eq!(all.ends, Ends::of(log.as_ref(), TOPIC).await.unwrap());
    }

    #[tokio::test]
    async fn records_without_a_place_or_of_two_queues_are_refused() {
        let (_dir, log) = log(1).await;
        let refused = async |records| {
            let done = Once::default().append(log.clone(), TOPIC, Ends::default(), records).await;
            done.unwrap_err().to_string()
        };
        let mut two = records("pi", 1..=1);
        two.extend(records("other", 2..=2));
        assert_eq!(refused(two).await, "records of two queues, pi and other");
        let mut back = records("pi", 2..=2);
        back.extend(records("pi", 1..=1));
        assert!(refused(back).await.contains("does not come after"));
        assert!(refused(vec![NewRecord::default()]).await.contains("no header queue-place"));
        assert_eq!(count(&log).await, 0);
    }

    #[test]
    fn ends_and_places_are_read_as_they_are_written() {
        let ends: Ends = "0:17,1:4".parse().unwrap();
        assert_eq!((ends.to_string().as_str(), ends.offset(1), ends.offset(7)), ("0:17,1:4", 4, 0));
        for text in ["", "0", "0:-1", "-1:0", "a:b", "0:1,"] {
            assert!(text.parse::<Ends>().is_err(), "{text:?}");
        }
        let place = Place { queue: "pi-3".to_owned(), number: 9 };
        assert_eq!(place.to_string().parse(), Ok(place));
        for text in ["", "pi", "pi/", "pi/0", "pi/-1", "/1", "p i/1", "pi/1/2"] {
            assert!(text.parse::<Place>().is_err(), "{text:?}");
        }
    }

    /// What happens to a sender and to whoever appends for it.
    #[derive(Debug, Clone, Copy)]
    enum Event {
        /// So many more records wait.
        Measured(i64),
        /// A batch of so many is sent; its answer may be lost.
        Sent { batch: usize, answered: bool },
        /// The batch was written by half, on some partitions, and then the log was away.
        Torn { batch: usize },
        /// The appending process begins anew.
        Restarted,
        /// A request that was sent long ago arrives again.
        Echoed,
    }

    fn event() -> impl proptest::strategy::Strategy<Value = Event> {
        use proptest::prelude::*;
        prop_oneof![
            (1..6i64).prop_map(Event::Measured),
            (1..8usize, any::<bool>())
                .prop_map(|(batch, answered)| Event::Sent { batch, answered }),
            (1..8usize).prop_map(|batch| Event::Torn { batch }),
            Just(Event::Restarted),
            Just(Event::Echoed),
        ]
    }

    /// Plays the events, and a good end; gives the numbers in the log.
    async fn played(events: &[Event]) -> (i64, Vec<i64>) {
        let (_dir, log) = log(3).await;
        let mut once = Once::default();
        let mut since = Ends::of(log.as_ref(), TOPIC).await.unwrap();
        let (mut oldest, mut newest) = (1, 0);
        let mut earlier: Option<(Ends, Vec<NewRecord>)> = None;
        let good_end = [Event::Sent { batch: 1_000, answered: true }];
        for event in events.iter().chain(&good_end) {
            match *event {
                Event::Measured(count) => newest += count,
                Event::Restarted => once = Once::default(),
                Event::Echoed => {
                    if let Some((since, records)) = earlier.clone() {
                        once.append(log.clone(), TOPIC, since, records).await.unwrap();
                    }
                }
                Event::Sent { batch, answered } => {
                    let last = newest.min(oldest + batch as i64 - 1);
                    let batch = records("pi", oldest..=last);
                    earlier = Some((since.clone(), batch.clone()));
                    let done = once.append(log.clone(), TOPIC, since.clone(), batch).await.unwrap();
                    if answered && last >= oldest {
                        (since, oldest) = (done.ends, last + 1);
                    }
                }
                Event::Torn { batch } => {
                    let last = newest.min(oldest + batch as i64 - 1);
                    let half = records("pi", oldest..=last).into_iter().step_by(2);
                    let seen = numbers(&log).await;
                    let number = |record: &NewRecord| -> i64 {
                        std::str::from_utf8(record.key.as_ref().unwrap()).unwrap().parse().unwrap()
                    };
                    let half = half.filter(|record| !seen.contains(&number(record))).collect();
                    log.append(TOPIC, half).await.unwrap();
                    // After a failure nothing is known for sure.
                    once = Once::default();
                }
            }
        }
        let mut numbers = numbers(&log).await;
        numbers.sort_unstable();
        (newest, numbers)
    }

    async fn numbers(log: &Arc<dyn EventLog>) -> Vec<i64> {
        let mut numbers = Vec::new();
        for partition in 0..log.partitions(TOPIC).await.unwrap() {
            let from = vec![Start { partition, offset: 0 }];
            let mut reader = log.read(TOPIC, from).await.unwrap();
            while let Fetched::Batch(batch) = reader.next().await.unwrap() {
                for record in batch.records() {
                    let header = batch::find_header(record.unwrap().headers, HEADER).unwrap();
                    let place: Place = std::str::from_utf8(header).unwrap().parse().unwrap();
                    numbers.push(place.number);
                }
            }
        }
        numbers
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(48))]
        #[test]
        fn whatever_happens_each_is_written_once(
            events in proptest::collection::vec(event(), 1..16)
        ) {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            let (newest, written) = runtime.block_on(played(&events));
            proptest::prop_assert_eq!(written, (1..=newest).collect::<Vec<i64>>());
        }
    }
}
