//! `dead-letters replay`: the original bytes appended again, once.
//!
//! Invariant: a letter is appended only if no replay of it is marked in the state and none waits in
//! the log behind the state's position: a fold marks a replay in the transaction that moves its
//! position past it, so between the two nothing is missed.

use std::collections::{BTreeMap, HashSet};
use std::fs::{OpenOptions, TryLockError};
use std::io::Write;
use std::path::Path;

use super::LettersError;
use crate::kernel::topic::TopicKind;
use crate::log::dead_letters::{Origin, replay_of};
use crate::log::topics::Topics;
use crate::log::{EventLog, Fetched, Start};
use crate::store::dead_letters::{self, Buried};
use crate::store::{StoreReader, positions};

/// Bytes appended at once.
const APPEND_BYTES: usize = 8 * 1024 * 1024;

/// Which letters are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// These, also if they are failed replays themselves.
    Ids(Vec<i64>),
    /// Those of a topic (its default name) that nobody has replayed and that are no replays.
    Topic(String),
    /// The same of every stream. A table's old record could undo a newer one, so tables are named.
    Streams,
}

/// What became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Replayed {
    pub appended: u64,
    pub refused: u64,
}

/// Appends letters to their topics again. What is refused is reported, with the reason.
pub async fn replay(
    data_dir: &Path,
    store: &StoreReader,
    log: &dyn EventLog,
    topics: &Topics,
    which: Which,
    report: &mut dyn Write,
) -> Result<Replayed, LettersError> {
    let _lock = lock(data_dir)?;
    let mut done = Replayed::default();
    let is_named = matches!(which, Which::Ids(_));
    let mut waiting: BTreeMap<String, HashSet<Origin>> = BTreeMap::new();
    let mut appending: Vec<Buried> = Vec::new();
    for id in wanted(store, topics, which).await? {
        let checked = check(store, log, topics, id, &mut waiting).await?;
        match checked {
            Ok(buried) => appending.push(buried),
            // Whoever asked for all of them did not ask for this one.
            Err(_) if !is_named => continue,
            Err(reason) => {
                done.refused += 1;
                // Standard error may be closed; the exit code still tells.
                let _ = writeln!(report, "dead letter {id}: {reason}");
            }
        }
        let size_bytes: usize = appending.iter().map(|it| it.letter.size_bytes()).sum();
        if size_bytes >= APPEND_BYTES {
            done.appended += append(log, topics, &mut appending).await?;
        }
    }
    done.appended += append(log, topics, &mut appending).await?;
    let _ = writeln!(report, "{} replayed, {} refused", done.appended, done.refused);
    Ok(done)
}

/// Held while a replay looks and appends. The operating system drops it with the process.
fn lock(data_dir: &Path) -> Result<std::fs::File, LettersError> {
    let mut options = OpenOptions::new();
    let options = options.create(true).truncate(false).write(true);
    let file = options.open(data_dir.join("replay.lock")).map_err(LettersError::Lock)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(LettersError::Busy(data_dir.display().to_string())),
        Err(TryLockError::Error(error)) => Err(LettersError::Lock(error)),
    }
}

async fn wanted(
    store: &StoreReader,
    topics: &Topics,
    which: Which,
) -> Result<Vec<i64>, LettersError> {
    let named = match which {
        Which::Ids(mut ids) => {
            ids.sort_unstable();
            ids.dedup();
            return Ok(ids);
        }
        Which::Topic(topic) => vec![topic],
        Which::Streams => {
            let streams = topics.iter().filter(|topic| topic.spec.kind == TopicKind::Stream);
            streams.map(|topic| topic.spec.name.to_owned()).collect()
        }
    };
    let mut ids = Vec::new();
    for topic in named {
        let read = store.read(move |db| {
            Box::pin(async move { dead_letters::never_replayed(db, &topic).await })
        });
        ids.extend(read.await?);
    }
    Ok(ids)
}

/// The letter, or why it is not to be appended.
async fn check(
    store: &StoreReader,
    log: &dyn EventLog,
    topics: &Topics,
    id: i64,
    waiting: &mut BTreeMap<String, HashSet<Origin>>,
) -> Result<Result<Buried, String>, LettersError> {
    let absent = || "there is none of this number; `dead-letters list` shows them".to_owned();
    let Some(origin) = find(store, id).await?.map(|buried| buried.letter.origin) else {
        return Ok(Err(absent()));
    };
    let Ok(topic) = topics.get(&origin.topic) else {
        return Ok(Err(format!("this version does not know its topic, {:?}", origin.topic)));
    };
    if !waiting.contains_key(&origin.topic) {
        let met = not_yet_folded(store, log, &origin.topic, &topic.log_name).await?;
        waiting.insert(origin.topic.clone(), met);
    }
    // Looked at after the log: a replay that was folded in between is marked by now.
    let Some(buried) = find(store, id).await? else { return Ok(Err(absent())) };
    if buried.replayed_at.is_some() {
        return Ok(Err("it has been replayed already".to_owned()));
    }
    let letter = &buried.letter;
    if letter.key.is_none() && letter.value.is_none() && letter.headers.is_empty() {
        return Ok(Err(
            "there is nothing of it to append: it has no key, value or header".to_owned()
        ));
    }
    if waiting.get(&origin.topic).is_some_and(|met| met.contains(&origin)) {
        return Ok(Err("its replay waits in the log to be folded".to_owned()));
    }
    Ok(Ok(buried))
}

async fn find(store: &StoreReader, id: i64) -> Result<Option<Buried>, LettersError> {
    Ok(store.read(move |db| Box::pin(async move { dead_letters::find(db, id).await })).await?)
}

/// The letters whose replays stand in the log where no fold has come by yet.
async fn not_yet_folded(
    store: &StoreReader,
    log: &dyn EventLog,
    topic: &str,
    log_name: &str,
) -> Result<HashSet<Origin>, LettersError> {
    let folded = store.read(|db| Box::pin(async move { positions::overview(db).await })).await?;
    let mut from = Vec::new();
    for bounds in log.bounds(log_name).await? {
        let positions = folded.iter().flat_map(|(_, positions)| positions);
        let reached = positions
            .filter(|position| position.topic == topic && position.partition == bounds.partition)
            .map(|position| position.next_offset)
            .max();
        let offset = reached.unwrap_or(bounds.first_offset).min(bounds.next_offset);
        from.push(Start { partition: bounds.partition, offset });
    }
    let mut open = from.len();
    let mut reader = log.read(log_name, from).await?;
    let mut met = HashSet::new();
    while open > 0 {
        match reader.next().await? {
            Fetched::End { .. } => open -= 1,
            Fetched::Batch(batch) => {
                for record in batch.records() {
                    met.extend(replay_of(record?.headers));
                }
            }
        }
    }
    Ok(met)
}

/// Appends the letters, topic by topic, and empties the list.
async fn append(
    log: &dyn EventLog,
    topics: &Topics,
    letters: &mut Vec<Buried>,
) -> Result<u64, LettersError> {
    let mut records: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for buried in letters.drain(..) {
        let log_name = &topics.get(&buried.letter.origin.topic)?.log_name;
        let partitions = log.partitions(log_name).await?;
        records.entry(log_name.clone()).or_default().push(buried.letter.replay(partitions)?);
    }
    let mut appended = 0;
    for (log_name, records) in records {
        appended += records.len() as u64;
        log.append(&log_name, records).await?;
    }
    Ok(appended)
}
