//! The task that keeps the event log small, for whoever holds the data directory.
//!
//! Invariant: what it lets go is folded, as the positions in the store say; what must go before it
//! was folded becomes a dead letter, which `/status` counts.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::log::OpenLog;
use crate::clock;
use crate::config;
use crate::engine::{Workshop, error_chain};
use crate::kernel::time::{DAY_MS, HOUR_MS, SteadyClock};
use crate::kernel::topic::TopicKind;
use crate::log::dead_letters::{DeadLetter, Origin};
use crate::log::embedded::EmbeddedLog;
use crate::log::embedded::upkeep::{Keep, Lost, Readers, Report};
use crate::log::topics::Topics;
use crate::log::{EventLog, LogError};
use crate::rooms::Pipe;
use crate::store::{StoreError, Urgency, dead_letters, positions};

/// The pause between two passes.
const EVERY: Duration = Duration::from_secs(10);
/// Dead letters are kept for this long, and for as long as the log holds the record.
const LETTER_MS: i64 = 366 * DAY_MS;
const FORGET_EVERY: Duration = Duration::from_secs(3600);

/// Why a pass could not be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum UpkeepError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("the positions of the pipelines could not be read")]
    Store(#[from] StoreError),
}

/// Keeps the event log of a data directory.
pub(super) struct Upkeep {
    log: OpenLog,
    workshop: Workshop,
    /// The topics that each pipeline folds, by default name.
    folded: Vec<(&'static str, Vec<&'static str>)>,
    keep: Keep,
    clock: SteadyClock,
    /// When dead letters were last forgotten.
    forgot: Option<Instant>,
}

impl Upkeep {
    pub(super) fn new(
        log: OpenLog,
        workshop: Workshop,
        pipelines: &[Box<dyn Pipe>],
        keep: Keep,
    ) -> Upkeep {
        let folded = pipelines.iter().map(|pipe| (pipe.name(), pipe.topics())).collect();
        Upkeep { log, workshop, folded, keep, clock: SteadyClock::default(), forgot: None }
    }

    /// Makes a pass now and then until `stop` turns true. A log that is away is tried again, any
    /// other fault of it is the end.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) -> Result<(), LogError> {
        while !*stop.borrow() {
            let passed = tokio::select! {
                passed = self.pass() => passed,
                _ = stop.changed() => break,
            };
            match passed {
                Ok(()) => {}
                // Not made yet, or gone: those who read it tell it.
                Err(UpkeepError::Log(LogError::UnknownTopic(_)))
                    if self.log.embedded().is_none() => {}
                Err(UpkeepError::Log(error)) if !error.is_transient() => return Err(error),
                // The condition of the file tells it.
                Err(UpkeepError::Log(LogError::File(_)) | UpkeepError::Store(_)) => {}
                // Who watches over the cluster tells it.
                Err(UpkeepError::Log(LogError::Unavailable(_)))
                    if self.log.embedded().is_none() => {}
                Err(error) => {
                    tracing::warn!(error = %error_chain(&error), "the log was not kept this time");
                }
            }
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                _ = stop.changed() => {}
            }
        }
        Ok(())
    }

    /// One pass over the log.
    pub(super) async fn pass(&mut self) -> Result<(), UpkeepError> {
        if let Some(file) = self.log.embedded().cloned() {
            self.keep_small(&file).await?;
        }
        if self.forgot.is_none_or(|at| at.elapsed() >= FORGET_EVERY) {
            self.forget_letters().await?;
            self.forgot = Some(Instant::now());
        }
        Ok(())
    }

    /// Others keep a cluster; the file is ours to keep.
    async fn keep_small(&mut self, file: &EmbeddedLog) -> Result<(), UpkeepError> {
        let clock = &self.workshop.clock;
        let now_ms = self.clock.read(clock.now_ms(), clock.monotonic_ms());
        let progress = self.progress(file).await?;
        let report = file.upkeep(now_ms, &self.keep, &progress).await?;
        if report != Report::default() {
            tracing::debug!(?report, "the event log was kept");
        }
        for lost in &report.lost {
            self.tell(file, lost).await?;
        }
        Ok(())
    }

    /// Old dead letters of records that the log no longer holds are forgotten.
    async fn forget_letters(&self) -> Result<(), UpkeepError> {
        let mut held = Vec::new();
        let log = &self.workshop.log;
        for topic in self.workshop.topics.iter() {
            held.push((topic.spec.name.to_owned(), log.bounds(&topic.log_name).await?));
        }
        let log_id = log.id().await?;
        let before_ms = clock::now_ms() - LETTER_MS;
        let forget = self.workshop.store.write(Urgency::Bulk, move |db| {
            Box::pin(async move { dead_letters::forget(db, &log_id, &held, before_ms).await })
        });
        Ok(forget.await?)
    }

    /// How far every topic that a pipeline folds is folded by all of them.
    async fn progress(&self, file: &EmbeddedLog) -> Result<Progress, UpkeepError> {
        let mut folded: HashMap<(String, i32), i64> = HashMap::new();
        let topics = &self.workshop.topics;
        for (pipeline, names) in &self.folded {
            let pipeline = *pipeline;
            let read = self.workshop.store.reader();
            let (_, stored) = read.read(move |db| Box::pin(positions::load(db, pipeline))).await?;
            for name in names {
                let log_name = &topics.get(name)?.log_name;
                for partition in 0..file.partitions(log_name).await? {
                    let known = stored.iter().find(|position| {
                        let is_here = position.topic == *name && position.partition == partition;
                        is_here && position.log_id == file.log_id()
                    });
                    let offset = known.map_or(0, |position| position.next_offset);
                    let least = folded.entry((log_name.clone(), partition)).or_insert(offset);
                    *least = offset.min(*least);
                }
            }
        }
        Ok(Progress { folded, topics: topics.clone() })
    }

    async fn tell(&self, file: &EmbeddedLog, lost: &Lost) -> Result<(), StoreError> {
        let Lost { topic, partition, from_offset, next_offset } = lost;
        let reason = format!(
            "offsets {from_offset} to {} had to make room before they were processed: the topic \
             was at twice embedded_log.retention_bytes",
            next_offset - 1
        );
        tracing::error!(topic, partition, from_offset, next_offset, "unfolded records were lost");
        let name = self.workshop.topics.find(topic).map_or("unknown", |topic| topic.spec.name);
        let now_ms = clock::now_ms();
        let letter = DeadLetter {
            origin: Origin {
                log_id: file.log_id().to_owned(),
                topic: name.to_owned(),
                partition: *partition,
                offset: *from_offset,
            },
            ts_ms: now_ms,
            key: None,
            value: None,
            headers: Vec::new(),
            reason,
        };
        self.workshop
            .store
            .write(Urgency::Bulk, move |db| {
                Box::pin(async move { dead_letters::bury(db, &letter, now_ms).await })
            })
            .await?;
        Ok(())
    }
}

/// How long records are kept by configuration.
pub(super) fn keep(settings: &config::EmbeddedLog) -> Keep {
    let days = i64::from(settings.retention_days);
    let bytes = i64::try_from(settings.retention_bytes).unwrap_or(i64::MAX);
    Keep {
        age_ms: (days > 0).then_some(days * DAY_MS),
        topic_bytes: (bytes > 0).then_some(bytes),
        tombstone_ms: i64::from(settings.delete_retention_hours) * HOUR_MS,
    }
}

/// The pipelines' positions, as upkeep asks for them.
struct Progress {
    /// By the topic's name in the log.
    folded: HashMap<(String, i32), i64>,
    topics: Topics,
}

impl Readers for Progress {
    fn folded(&self, topic: &str, partition: i32) -> Option<i64> {
        self.folded.get(&(topic.to_owned(), partition)).copied()
    }

    fn takes(&self, topic: &str, key: Option<&[u8]>, value: Option<&[u8]>) -> bool {
        let Some(topic) = self.topics.find(topic) else { return true };
        let is_table = topic.spec.kind == TopicKind::Table;
        !is_table || key.is_some() && (topic.spec.check)(&topic.codec, key, value).is_ok()
    }
}
