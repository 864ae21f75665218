//! An event log that a test writes and conducts: which partition speaks next, in batches of which
//! size, how far each may be read, and when reading fails.
//!
//! Invariant: it keeps the promises of the seam. Records come in offset order, and the end of a
//! partition is told only after its last released record.

use std::collections::BTreeMap;
use std::future::pending;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;
use windowsill::kernel::record::{NewRecord, Placed};
use windowsill::kernel::topic::TopicKind;
use windowsill::log::batch::BatchBuilder;
use windowsill::log::{
    Batch, Bounds, Described, EventLog, Fetched, LogError, LogFuture, LogReader, Outcome, Start,
    TopicStat,
};

/// A record as the test writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) ts_ms: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
}

/// One choice of the conductor: which of the partitions that have something to tell, and how many
/// records at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turn {
    pub(crate) pick: usize,
    pub(crate) size: usize,
}

/// What goes wrong at the n-th fetch.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// The log is away, once.
    Unavailable { fetch: usize },
    /// Nothing comes any more, and `stalled` resolves.
    Stall { fetch: usize },
}

#[derive(Default)]
struct Topic {
    partitions: Vec<Vec<Line>>,
    /// How many records of each partition may be read.
    released: Vec<usize>,
    /// How many of its first records are gone by retention.
    gone: Vec<usize>,
}

struct State {
    topics: BTreeMap<String, Topic>,
    turns: Vec<Turn>,
    fetches: usize,
    fault: Option<Fault>,
    /// Ends are not told: there is more to read, but it does not come yet.
    holds_ends: bool,
}

struct Shared {
    state: Mutex<State>,
    /// Offsets rise by this much: compaction and transaction markers leave gaps.
    stride: i64,
    /// Counts releases, so that readers at their ends wake.
    released: watch::Sender<u64>,
    stalled: watch::Sender<bool>,
}

#[derive(Clone)]
pub(crate) struct ScriptedLog(Arc<Shared>);

impl ScriptedLog {
    pub(crate) fn new(topics: &[(&str, usize)], turns: Vec<Turn>, stride: i64) -> ScriptedLog {
        let empty = |count: usize| Topic {
            partitions: vec![Vec::new(); count],
            released: vec![0; count],
            gone: vec![0; count],
        };
        let mut topics: BTreeMap<String, Topic> =
            topics.iter().map(|(name, count)| ((*name).to_owned(), empty(*count))).collect();
        // Rooms read all of their topics: one that a test says nothing of is empty.
        for spec in windowsill::rooms::topics() {
            topics.entry(spec.name.to_owned()).or_insert_with(|| empty(1));
        }
        let state = State { topics, turns, fetches: 0, fault: None, holds_ends: false };
        ScriptedLog(Arc::new(Shared {
            state: Mutex::new(state),
            stride,
            released: watch::Sender::new(0),
            stalled: watch::Sender::new(false),
        }))
    }

    /// A log that speaks partition after partition, in batches of up to 1000.
    pub(crate) fn plain(topics: &[(&str, usize)]) -> ScriptedLog {
        ScriptedLog::new(topics, vec![Turn { pick: 0, size: 1000 }], 1)
    }

    /// Writes records that may not be read yet.
    pub(crate) fn write(
        &self,
        topic: &str,
        partition: usize,
        lines: impl IntoIterator<Item = Line>,
    ) {
        self.change(topic, |topic| topic.partitions[partition].extend(lines));
    }

    /// Lets everything be read that was written.
    pub(crate) fn release(&self, topic: &str) {
        self.change(topic, |topic| {
            topic.released = topic.partitions.iter().map(Vec::len).collect();
        });
    }

    /// Lets this part of each partition be read, in per cent of its records.
    pub(crate) fn release_part(&self, topic: &str, per_cent: usize) {
        self.change(topic, |topic| {
            for (lines, released) in topic.partitions.iter().zip(&mut topic.released) {
                *released = (*released).max(lines.len() * per_cent / 100);
            }
        });
    }

    pub(crate) fn append(&self, topic: &str, partition: usize, line: Line) {
        self.write(topic, partition, [line]);
        self.release(topic);
    }

    /// Replaces a topic's records, as compaction does.
    pub(crate) fn rewrite(&self, topic: &str, partitions: Vec<Vec<Line>>) {
        self.change(topic, |topic| {
            topic.released = vec![0; partitions.len()];
            topic.gone = vec![0; partitions.len()];
            topic.partitions = partitions;
        });
        self.release(topic);
    }

    /// The first records of a partition are gone, as by retention.
    pub(crate) fn lose(&self, topic: &str, partition: usize, count: usize) {
        self.change(topic, |topic| topic.gone[partition] = count);
    }

    pub(crate) fn arm(&self, fault: Fault) {
        let mut state = self.0.state.lock().unwrap();
        state.fetches = 0;
        state.fault = Some(fault);
        self.0.stalled.send_replace(false);
    }

    pub(crate) fn disarm(&self) {
        self.0.state.lock().unwrap().fault = None;
    }

    /// While this is set no end is told: the log has more, but it is slow to come.
    pub(crate) fn hold_ends(&self, holds_ends: bool) {
        self.0.state.lock().unwrap().holds_ends = holds_ends;
        self.0.released.send_modify(|count| *count += 1);
    }

    /// Resolves when an armed stall was reached.
    pub(crate) async fn stalled(&self) {
        let mut stalled = self.0.stalled.subscribe();
        stalled.wait_for(|stalled| *stalled).await.unwrap();
    }

    /// How many records of the topic may be read.
    pub(crate) fn readable(&self, topic: &str) -> usize {
        self.0.state.lock().unwrap().topics[topic].released.iter().sum()
    }

    fn change(&self, topic: &str, change: impl FnOnce(&mut Topic)) {
        change(self.0.state.lock().unwrap().topics.get_mut(topic).unwrap());
        self.0.released.send_modify(|count| *count += 1);
    }
}

impl EventLog for ScriptedLog {
    fn id(&self) -> LogFuture<'_, String> {
        Box::pin(async { Ok("scripted".to_owned()) })
    }

    fn is_ours(&self) -> bool {
        true
    }

    fn describe(&self, topic: &str) -> LogFuture<'_, Option<Described>> {
        let partitions =
            self.0.state.lock().unwrap().topics.get(topic).map(|topic| topic.partitions.len());
        let of_contract = windowsill::rooms::topics().iter().find(|spec| spec.name == topic);
        let kind = of_contract.map_or(TopicKind::Stream, |spec| spec.kind);
        let described = partitions.map(|partitions| Described {
            kind,
            partitions: i32::try_from(partitions).unwrap(),
            cleanup: None,
        });
        Box::pin(async move { Ok(described) })
    }

    fn create(&self, _topic: &str, _kind: TopicKind, _partitions: i32) -> LogFuture<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn partitions(&self, topic: &str) -> LogFuture<'_, i32> {
        let count = self.0.state.lock().unwrap().topics[topic].partitions.len();
        Box::pin(async move { Ok(i32::try_from(count).unwrap()) })
    }

    fn bounds(&self, topic: &str) -> LogFuture<'_, Vec<Bounds>> {
        let stride = self.0.stride;
        let offset = |index: usize| i64::try_from(index).unwrap() * stride;
        let state = self.0.state.lock().unwrap();
        let topic = &state.topics[topic];
        let ends = topic.gone.iter().zip(&topic.released).enumerate();
        let bounds = ends.map(|(partition, (gone, released))| Bounds {
            partition: i32::try_from(partition).unwrap(),
            first_offset: offset(*gone),
            next_offset: offset(*released),
        });
        let bounds = bounds.collect();
        Box::pin(async move { Ok(bounds) })
    }

    fn append(&self, _topic: &str, _records: Vec<NewRecord>) -> LogFuture<'_, Vec<Placed>> {
        panic!("the test writes the script")
    }

    fn append_each(&self, _topic: &str, _records: Vec<NewRecord>) -> LogFuture<'_, Vec<Outcome>> {
        panic!("the test writes the script")
    }

    fn read(&self, topic: &str, from: Vec<Start>) -> LogFuture<'_, Box<dyn LogReader>> {
        let stride = self.0.stride;
        let at = |start: Start| Cursor {
            partition: start.partition,
            wanted: start.offset,
            index: usize::try_from((start.offset + stride - 1) / stride).unwrap(),
            is_first: true,
            told_end: false,
        };
        let reader = ScriptedReader {
            log: self.clone(),
            topic: topic.to_owned(),
            cursors: from.into_iter().map(at).collect(),
        };
        Box::pin(async move { Ok(Box::new(reader) as Box<dyn LogReader>) })
    }

    fn topics(&self) -> LogFuture<'_, Vec<TopicStat>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

/// Where a reader stands in one partition.
struct Cursor {
    partition: i32,
    /// The first offset that was asked for.
    wanted: i64,
    index: usize,
    is_first: bool,
    told_end: bool,
}

struct ScriptedReader {
    log: ScriptedLog,
    topic: String,
    cursors: Vec<Cursor>,
}

enum Step {
    Tell(Fetched),
    Wait,
    Stall,
}

impl LogReader for ScriptedReader {
    fn next(&mut self) -> LogFuture<'_, Fetched> {
        Box::pin(async move {
            let mut released = self.log.0.released.subscribe();
            loop {
                released.borrow_and_update();
                match self.step()? {
                    Step::Tell(fetched) => return Ok(fetched),
                    Step::Wait => released.changed().await.unwrap(),
                    Step::Stall => pending().await,
                }
            }
        })
    }
}

impl ScriptedReader {
    fn step(&mut self) -> Result<Step, LogError> {
        let shared = Arc::clone(&self.log.0);
        let mut state = shared.state.lock().unwrap();
        let topic = &state.topics[&self.topic];
        let released: Vec<usize> = topic.released.clone();
        let of = |cursor: &Cursor| released[usize::try_from(cursor.partition).unwrap()];
        let speakers: Vec<usize> = (0..self.cursors.len())
            .filter(|at| {
                let cursor = &self.cursors[*at];
                cursor.index < of(cursor) || !cursor.told_end && !state.holds_ends
            })
            .collect();
        if speakers.is_empty() {
            return Ok(Step::Wait);
        }
        let turn = state.turns[state.fetches % state.turns.len()];
        state.fetches += 1;
        match state.fault {
            Some(Fault::Unavailable { fetch }) if state.fetches == fetch => {
                state.fault = None;
                return Err(LogError::Unavailable("the script says so".to_owned()));
            }
            Some(Fault::Stall { fetch }) if state.fetches >= fetch => {
                shared.stalled.send_replace(true);
                return Ok(Step::Stall);
            }
            _ => {}
        }
        let cursor = &mut self.cursors[speakers[turn.pick % speakers.len()]];
        let end = of(cursor);
        let gone = state.topics[&self.topic].gone[usize::try_from(cursor.partition).unwrap()];
        cursor.index = cursor.index.max(gone);
        if cursor.index >= end {
            cursor.told_end = true;
            let next_offset = i64::try_from(cursor.index).unwrap() * shared.stride;
            return Ok(Step::Tell(Fetched::End { partition: cursor.partition, next_offset }));
        }
        let lines = &state.topics[&self.topic].partitions;
        let lines = &lines[usize::try_from(cursor.partition).unwrap()];
        let upto = end.min(cursor.index + turn.size);
        let batch = cursor.batch(lines, gone..upto, shared.stride)?;
        Ok(Step::Tell(Fetched::Batch(batch)))
    }
}

impl Cursor {
    /// Packs the records up to `end`. The first batch begins one record early, as a stored batch
    /// may that holds the wanted offset in its middle.
    fn batch(
        &mut self,
        lines: &[Line],
        held: Range<usize>,
        stride: i64,
    ) -> Result<Batch, LogError> {
        let (begin, end) = (held.start, held.end);
        let early = self.index.saturating_sub(1).max(begin);
        let first = if self.is_first { early } else { self.index };
        let offset = |index: usize| i64::try_from(index).unwrap() * stride;
        let mut builder = BatchBuilder::new(self.partition, offset(first));
        for (index, line) in lines.iter().enumerate().take(end).skip(first) {
            let (key, value) = (line.key.as_deref(), line.value.as_deref());
            builder.push(offset(index), line.ts_ms, key, value, &[])?;
        }
        let mut batch = builder.finish().unwrap();
        if self.is_first {
            batch.from_offset = batch.from_offset.max(self.wanted);
        }
        (self.index, self.is_first, self.told_end) = (end, false, false);
        Ok(batch)
    }
}
