//! One topic's records into the new log, from where an earlier attempt ended.
//!
//! Invariant: the n-th record for a partition stands there at offset n. What is there already is
//! passed over by counting, once the last of it was found to be ours; whatever stands where ours
//! should is an error and never overwritten.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::plan::{self, Spread};
use super::{MigrateError, Work};
use crate::crash;
use crate::engine::results;
use crate::kernel::record::{NewRecord, RecordRef};
use crate::log::dead_letters::{DeadLetter, Origin};
use crate::log::topics::Topic;
use crate::log::{Bounds, EventLog, Fetched, Start};
use crate::store::carry::{self, CarriedEnd, CarriedTopic};

/// One append holds so many records or bytes.
const APPEND_RECORDS: usize = 20_000;
const APPEND_BYTES: usize = 8 * 1024 * 1024;
/// So many records of a topic that nobody folds become letters if they cannot be read; more of them
/// are counted.
const UNREADABLE_LETTERS: usize = 1_000;

/// A partition of the new topic.
#[derive(Default)]
struct Target {
    /// Where it ended when we began.
    held: i64,
    /// Records for it so far.
    count: i64,
    last: Option<NewRecord>,
    greatest: BTreeMap<&'static str, i64>,
}

struct Copying<'a> {
    work: &'a Work<'a>,
    from: &'a Topic,
    to: &'a Topic,
    spread: Spread,
    targets: Vec<Target>,
    /// The dead letters of the old topic, by partition and offset.
    dead: HashSet<(i32, i64)>,
    /// Published rows by key, with the digests of what stands in the old log.
    published: HashMap<String, Vec<u8>>,
    /// Those of them in their new form.
    digests: HashMap<String, (Vec<u8>, Vec<u8>)>,
    carried: CarriedTopic,
    waiting: Vec<NewRecord>,
    waiting_bytes: usize,
}

/// Carries a topic. `progress` is told of each batch how many records it held.
pub(super) async fn topic(
    work: &Work<'_>,
    from: &Topic,
    to: &Topic,
    progress: &mut dyn FnMut(u64),
) -> Result<CarriedTopic, MigrateError> {
    work.to_topics.prepare(to).await?;
    let bounds = work.from.bounds(&from.log_name).await?;
    let mut copying = Copying::begin(work, from, to, bounds.len()).await?;
    let starts = bounds.iter().map(|at| Start { partition: at.partition, offset: at.first_offset });
    let mut reader = work.from.read(&from.log_name, starts.collect()).await?;
    let mut open = bounds.len();
    while open > 0 {
        match reader.next().await? {
            Fetched::End { .. } => open -= 1,
            Fetched::Batch(batch) => {
                work.from_topics.resolve(from, &batch).await?;
                for record in batch.records() {
                    copying.take(&record?).await?;
                }
                progress(u64::from(batch.count));
            }
        }
    }
    copying.finish().await
}

/// Partitions are numbered from 0.
fn index_of(partition: i32) -> usize {
    usize::try_from(partition).unwrap_or_default()
}

impl<'a> Copying<'a> {
    async fn begin(
        work: &'a Work<'a>,
        from: &'a Topic,
        to: &'a Topic,
        partitions: usize,
    ) -> Result<Copying<'a>, MigrateError> {
        let held = work.to.bounds(&to.log_name).await?;
        let count = |partitions: usize| i32::try_from(partitions).unwrap_or(i32::MAX);
        let spread = Spread::of(&to.log_name, count(partitions), count(held.len()))?;
        let target = |at: &Bounds| Target { held: at.next_offset, ..Target::default() };
        let (log_id, name) = (work.from_id.clone(), from.spec.name);
        let read = work.store.read(move |db| {
            Box::pin(async move {
                let letters = carry::letters(db, &log_id, name).await?;
                Ok((letters, carry::digests(db, name).await?))
            })
        });
        let (letters, published) = read.await?;
        Ok(Copying {
            work,
            from,
            to,
            spread,
            targets: held.iter().map(target).collect(),
            dead: letters.into_iter().collect(),
            published: published.into_iter().collect(),
            digests: HashMap::new(),
            carried: CarriedTopic { topic: name.to_owned(), ..CarriedTopic::default() },
            waiting: Vec::new(),
            waiting_bytes: 0,
        })
    }

    async fn take(&mut self, read: &RecordRef<'_>) -> Result<(), MigrateError> {
        let partition = self.spread.target(read);
        let at = index_of(partition);
        let (offset, held) = (self.targets[at].count, self.targets[at].held);
        let value = self.value(read, partition, offset);
        let kind = self.to.spec.kind;
        let record = plan::record(read, kind, partition, value, self.work.closed_ms)?;
        if offset == held && held > 0 {
            self.expect_ours(&[partition]).await?;
        }
        self.targets[at].count += 1;
        if offset < held {
            self.targets[at].last = Some(record);
            return Ok(());
        }
        self.waiting_bytes += record.size_bytes();
        self.waiting.push(record);
        if self.waiting.len() >= APPEND_RECORDS || self.waiting_bytes >= APPEND_BYTES {
            self.append().await?;
        }
        Ok(())
    }

    /// The value for the new topic, and what is to be known of the record there.
    fn value(&mut self, read: &RecordRef<'_>, partition: i32, offset: i64) -> Option<Vec<u8>> {
        let Work { from_id, to_id, pipes, .. } = self.work;
        let name = self.from.spec.name;
        let place = |log_id: &str, partition, offset| Origin {
            log_id: log_id.to_owned(),
            topic: name.to_owned(),
            partition,
            offset,
        };
        let is_dead = self.dead.contains(&(read.partition, read.offset));
        if is_dead {
            let before = place(from_id, read.partition, read.offset);
            self.carried.letters.push((before, place(to_id, partition, offset)));
        } else {
            let target = &mut self.targets[index_of(partition)];
            for pipe in *pipes {
                if let Some(event_ms) = pipe.event_ms(name, read) {
                    let greatest = target.greatest.entry(pipe.name()).or_insert(event_ms);
                    *greatest = event_ms.max(*greatest);
                }
            }
        }
        match plan::value(&self.from.codec, &self.to.codec, read) {
            Ok(value) => {
                if let (Some(before), Some(now)) = (read.value, &value) {
                    self.note_digest(read.key, before, now);
                }
                value
            }
            Err(error) => {
                let carried = &mut self.carried;
                carried.unreadable += u64::from(!is_dead);
                if !is_dead && carried.unreadable_letters.len() < UNREADABLE_LETTERS {
                    let placed = RecordRef { partition, offset, ..*read };
                    let letter = DeadLetter::of(to_id, name, &placed, error.to_string());
                    carried.unreadable_letters.push(letter);
                }
                read.value.map(<[u8]>::to_vec)
            }
        }
    }

    /// A row that is known by its digest stands in the new log in another form.
    fn note_digest(&mut self, key: Option<&[u8]>, before: &[u8], now: &[u8]) {
        if self.published.is_empty() || before == now {
            return;
        }
        let Some(key) = key.and_then(|key| std::str::from_utf8(key).ok()) else { return };
        let Some(known) = self.published.get(key) else { return };
        if results::digest(before) == *known {
            self.digests.insert(key.to_owned(), (known.clone(), results::digest(now)));
        }
    }

    async fn append(&mut self) -> Result<(), MigrateError> {
        let records = std::mem::take(&mut self.waiting);
        self.waiting_bytes = 0;
        if records.is_empty() {
            return Ok(());
        }
        // Where each partition goes on, and the last record that goes there now.
        let mut due: BTreeMap<i32, i64> = BTreeMap::new();
        let mut last: BTreeMap<i32, usize> = BTreeMap::new();
        for (index, record) in records.iter().enumerate() {
            let partition = record.partition.unwrap_or_default();
            *due.entry(partition).or_insert(self.targets[index_of(partition)].count) -= 1;
            last.insert(partition, index);
        }
        for (partition, index) in last {
            self.targets[index_of(partition)].last = Some(records[index].clone());
        }
        let topic = &self.to.log_name;
        for place in self.work.to.append(topic, records).await? {
            let next = due.entry(place.partition).or_default();
            if place.offset != *next {
                return Err(self.foreign(place.partition, *next));
            }
            *next += 1;
        }
        crash::point(crash::CARRY_POINTS[0]);
        Ok(())
    }

    async fn finish(mut self) -> Result<CarriedTopic, MigrateError> {
        self.append().await?;
        let all: Vec<i32> = (0..).zip(&self.targets).map(|(partition, _)| partition).collect();
        self.expect_ours(&all).await?;
        for (partition, target) in (0..).zip(self.targets) {
            let Some(last) = target.last else { continue };
            self.carried.ends.push(CarriedEnd {
                partition,
                next_offset: target.count,
                last_ts_ms: last.ts_ms,
                greatest: target.greatest.into_iter().collect(),
            });
        }
        let digests = self.digests.into_iter().map(|(key, (before, now))| (key, before, now));
        self.carried.digests = digests.collect();
        Ok(self.carried)
    }

    /// The newest of our records that these partitions hold must be there, as we know it. What the
    /// cluster's retention took meanwhile cannot be looked at.
    async fn expect_ours(&self, partitions: &[i32]) -> Result<(), MigrateError> {
        let topic = &self.to.log_name;
        let mut wanted: BTreeMap<i32, (i64, &NewRecord)> = BTreeMap::new();
        for bounds in self.work.to.bounds(topic).await? {
            let partition = bounds.partition;
            let target = self.targets.get(index_of(partition));
            let Some(target) = target.filter(|_| partitions.contains(&partition)) else { continue };
            let Some(last) = &target.last else { continue };
            let offset = self.last_offset(partition, target);
            if bounds.next_offset <= offset {
                return Err(self.foreign(partition, bounds.next_offset));
            }
            if bounds.first_offset <= offset {
                wanted.insert(partition, (offset, last));
            }
        }
        let starts = wanted.iter().map(|(partition, (offset, _))| (*partition, *offset));
        let starts: Vec<Start> =
            starts.map(|(partition, offset)| Start { partition, offset }).collect();
        if starts.is_empty() {
            return Ok(());
        }
        let mut reader = self.work.to.read(topic, starts).await?;
        while !wanted.is_empty() {
            let batch = match reader.next().await? {
                Fetched::End { partition, .. } => {
                    wanted.remove(&partition);
                    continue;
                }
                Fetched::Batch(batch) => batch,
            };
            let Some((offset, ours)) = wanted.remove(&batch.partition) else { continue };
            let Some(found) = batch.records().next().transpose()? else { continue };
            if found.offset == offset {
                self.expect_same(&found, ours)?;
            }
        }
        Ok(())
    }

    /// Where the last record that was counted for a partition stands: the one before the next to
    /// append, or the last of all.
    fn last_offset(&self, partition: i32, target: &Target) -> i64 {
        let waiting = self.waiting.iter().filter(|record| record.partition == Some(partition));
        let appended = target.count - i64::try_from(waiting.count()).unwrap_or(0);
        appended - 1
    }

    fn expect_same(&self, found: &RecordRef<'_>, ours: &NewRecord) -> Result<(), MigrateError> {
        let same_bytes = found.key == ours.key.as_deref() && found.value == ours.value.as_deref();
        if !same_bytes {
            return Err(self.foreign(found.partition, found.offset));
        }
        if found.ts_ms != ours.ts_ms {
            return Err(MigrateError::OtherTime { topic: self.to.log_name.clone() });
        }
        Ok(())
    }

    fn foreign(&self, partition: i32, offset: i64) -> MigrateError {
        MigrateError::Foreign { topic: self.to.log_name.clone(), partition, offset }
    }
}
