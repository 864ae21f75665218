//! `windowsill migrate-log`: the embedded log's records and the state's positions onto Kafka.
//!
//! Invariant: killed at any moment and begun again, it comes to the same. The old log is closed to
//! appends before the first record is carried, what was carried is known by counting, and the state
//! changes logs in one transaction after the last.

use crate::clock;
use crate::crash;
use crate::log::embedded::{Carried, EmbeddedLog};
use crate::log::registry::RegistryError;
use crate::log::topics::{Topic, Topics};
use crate::log::{EventLog, LogError};
use crate::rooms::Pipe;
use crate::store::carry::{self, CarriedTopic};
use crate::store::{Store, StoreError, Urgency, positions};

mod copy;
mod plan;

use plan::Spread;

/// Why the log could not be carried.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Topics are filled from their first offset on.
    #[error(
        "topic {topic} of the cluster has held records already (partition {partition} goes on at \
         offset {next_offset}); migrate-log fills topics that are new. Give ours another name with \
         kafka.topic_prefix or in [topics], or delete it: what others wrote there goes, too"
    )]
    NotNew { topic: String, partition: i32, next_offset: i64 },
    /// Somebody else writes.
    #[error(
        "topic {topic} of the cluster does not hold our record at offset {offset} of partition \
         {partition}: somebody else writes to it, or it was made anew. Stop them, delete the topic \
         (what they wrote there goes, too), and let `windowsill migrate-log` fill it again"
    )]
    Foreign { topic: String, partition: i32, offset: i64 },
    /// The cluster gives records times of its own.
    #[error(
        "topic {topic} of the cluster does not keep the times of its records; delete it, set \
         message.timestamp.type=CreateTime, and let `windowsill migrate-log` fill it again"
    )]
    OtherTime { topic: String },
    #[error(
        "topic {topic} has {before} partitions in the embedded log and {now} in the cluster; \
         records of several partitions go into as many: delete the topic there and make it with \
         {before}"
    )]
    Partitions { topic: String, before: i32, now: i32 },
    /// It was begun on another cluster.
    #[error("{mark} (kafka.brokers leads to the cluster {found})")]
    OtherCluster { mark: Carried, found: String },
    /// It stands beside a log that was never carried.
    #[error(
        "the state belongs to the cluster {cluster} already, and this event log was never carried \
         there: somebody began anew in the cluster. Move log.db away if nobody needs what it holds; \
         else write it there with `windowsill topic read` (kafka.brokers unset) and `topic write`"
    )]
    NeverCarried { cluster: String },
    /// The state has moved already.
    #[error(
        "the state belongs to the cluster already: this cannot be taken back. `windowsill \
         migrate-log` finishes it"
    )]
    TooLate,
    /// A pipeline has not come to the log's end.
    #[error(
        "pipeline {pipeline} has not folded {topic} to its end (partition {partition}); run \
         `windowsill migrate-log` again"
    )]
    NotFolded { pipeline: &'static str, topic: String, partition: i32 },
}

impl MigrateError {
    /// Has somebody to change a setting or a topic first?
    pub fn is_of_settings(&self) -> bool {
        matches!(
            self,
            MigrateError::NotNew { .. }
                | MigrateError::Foreign { .. }
                | MigrateError::OtherTime { .. }
                | MigrateError::Partitions { .. }
                | MigrateError::OtherCluster { .. }
                | MigrateError::NeverCarried { .. }
                | MigrateError::TooLate
        )
    }
}

/// How far it had come before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// Nothing was carried.
    New,
    /// The old log is closed, and perhaps some of it carried.
    Begun(Carried),
    /// The state belongs to the cluster.
    Over,
}

/// What is carried, from where to where, and with what.
pub struct Work<'a> {
    pub from: &'a EmbeddedLog,
    pub to: &'a dyn EventLog,
    pub from_topics: &'a Topics,
    pub to_topics: &'a Topics,
    pub from_id: String,
    pub to_id: String,
    pub store: &'a Store,
    pub pipes: &'a [Box<dyn Pipe>],
    /// When the old log was closed, in milliseconds since the epoch; 0 before that.
    pub closed_ms: i64,
}

impl Work<'_> {
    /// How far an earlier attempt has come. A mark of another cluster is an error, and so is a state
    /// that came to this one without a mark.
    pub async fn stage(&self) -> Result<Stage, MigrateError> {
        let logs = self.logs().await?;
        let has_moved = !logs.is_empty() && logs.iter().all(|log_id| *log_id == self.to_id);
        match self.from.carried().await? {
            None if has_moved => Err(MigrateError::NeverCarried { cluster: self.to_id.clone() }),
            None => Ok(Stage::New),
            Some(mark) if mark.cluster_id != self.to_id => {
                Err(MigrateError::OtherCluster { mark, found: self.to_id.clone() })
            }
            Some(_) if has_moved => Ok(Stage::Over),
            Some(mark) => Ok(Stage::Begun(mark)),
        }
    }

    async fn logs(&self) -> Result<Vec<String>, StoreError> {
        self.store.read(|db| Box::pin(async move { carry::logs(db).await })).await
    }

    /// Before anything is carried, the topics must have a place for all of it.
    pub async fn expect_room(&self, stage: &Stage) -> Result<(), MigrateError> {
        for (from, to) in self.topics()? {
            let before = self.from.partitions(&from.log_name).await?;
            let found = self.to.bounds(&to.log_name).await?;
            let now = i32::try_from(found.len()).unwrap_or(i32::MAX);
            Spread::of(&to.log_name, before, now)?;
            let used = found.iter().find(|at| *stage == Stage::New && at.next_offset > 0);
            if let Some(used) = used {
                return Err(MigrateError::NotNew {
                    topic: to.log_name.clone(),
                    partition: used.partition,
                    next_offset: used.next_offset,
                });
            }
        }
        Ok(())
    }

    /// Every topic as the old log and as the new one have it.
    fn topics(&self) -> Result<Vec<(&Topic, &Topic)>, LogError> {
        self.from_topics
            .iter()
            .map(|from| Ok((from, self.to_topics.get(from.spec.name)?)))
            .collect()
    }

    /// Closes the old log to appends, unless it is closed already.
    pub async fn close(&mut self, stage: &Stage) -> Result<(), MigrateError> {
        let mark = match stage {
            Stage::Begun(mark) => mark.clone(),
            Stage::New | Stage::Over => {
                let cluster_id = self.to_id.clone();
                let mark = Carried { cluster_id, since_ms: clock::now_ms(), is_done: false };
                self.from.mark_carried(&mark).await?;
                mark
            }
        };
        self.closed_ms = mark.since_ms;
        Ok(())
    }

    /// How many records there are to carry.
    pub async fn total(&self) -> Result<u64, MigrateError> {
        let stats = self.from.topics().await?;
        let ours = |name: &str| self.from_topics.iter().any(|topic| topic.log_name == name);
        let records = stats.iter().filter(|stat| ours(&stat.name)).map(|stat| stat.records);
        Ok(u64::try_from(records.sum::<i64>()).unwrap_or_default())
    }

    /// Topics of the old log that are none of this configuration; they stay where they are.
    pub async fn strangers(&self) -> Result<Vec<String>, MigrateError> {
        let stats = self.from.topics().await?.into_iter();
        let ours = |name: &str| self.from_topics.iter().any(|topic| topic.log_name == name);
        let strangers = stats.filter(|stat| stat.records > 0 && !ours(&stat.name));
        Ok(strangers.map(|stat| stat.name).collect())
    }

    /// Carries what is not there yet. Everything was folded, and the old log is closed.
    pub async fn copy(
        &self,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Vec<CarriedTopic>, MigrateError> {
        self.expect_folded().await?;
        let mut carried = Vec::new();
        for (from, to) in self.topics()? {
            carried.push(copy::topic(self, from, to, progress).await?);
        }
        Ok(carried)
    }

    /// Positions at the ends become positions at the ends.
    async fn expect_folded(&self) -> Result<(), MigrateError> {
        for pipe in self.pipes {
            let name = pipe.name();
            let read = self
                .store
                .read(move |db| Box::pin(async move { Ok(positions::load(db, name).await?.1) }));
            let stored = read.await?;
            for topic in pipe.topics() {
                let log_name = &self.from_topics.get(topic)?.log_name;
                for bounds in self.from.bounds(log_name).await? {
                    let known = stored.iter().find(|at| {
                        at.topic == topic
                            && at.partition == bounds.partition
                            && at.log_id == self.from_id
                    });
                    if known.map_or(0, |at| at.next_offset) != bounds.next_offset {
                        return Err(MigrateError::NotFolded {
                            pipeline: name,
                            topic: topic.to_owned(),
                            partition: bounds.partition,
                        });
                    }
                }
            }
        }
        Ok(())
    }

    /// The state belongs to the cluster from here on.
    pub async fn swap(&self, carried: Vec<CarriedTopic>) -> Result<(), MigrateError> {
        let (from, to) = (self.from_id.clone(), self.to_id.clone());
        crash::point(crash::CARRY_POINTS[1]);
        let moved = self.store.write(Urgency::Bulk, move |db| {
            Box::pin(
                async move { carry::move_to(db, (&from, &to), &carried, clock::now_ms()).await },
            )
        });
        moved.await?;
        crash::point(crash::CARRY_POINTS[2]);
        Ok(())
    }

    /// Nobody needs the old log any more.
    pub async fn finish(&self) -> Result<(), MigrateError> {
        let known = self.from.carried().await?;
        let since_ms = known.map_or_else(clock::now_ms, |mark| mark.since_ms);
        let mark = Carried { cluster_id: self.to_id.clone(), since_ms, is_done: true };
        Ok(self.from.mark_carried(&mark).await?)
    }
}

/// Goes back to the old log, where the state has not moved yet. Says whether it had been closed.
pub async fn give_up(from: &EmbeddedLog, store: &Store) -> Result<bool, MigrateError> {
    let Some(mark) = from.carried().await? else { return Ok(false) };
    let logs = store.read(|db| Box::pin(async move { carry::logs(db).await })).await?;
    if mark.is_done || logs.contains(&mark.cluster_id) {
        return Err(MigrateError::TooLate);
    }
    from.unmark_carried().await?;
    Ok(true)
}
