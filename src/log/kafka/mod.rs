//! The event log on a Kafka cluster that may belong to others as well.
//!
//! Invariant: the cluster's idea of where we are is never asked; nothing of an existing topic is
//! ever changed. Opening needs no broker to answer: what does, answers within a bound.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::sleep;

use crate::config::Config;
use crate::kernel::record::{NewRecord, Placed};
use crate::kernel::topic::TopicKind;
use crate::log::topics::Topics;
use crate::log::{
    Bounds, Described, EventLog, LogError, LogFuture, LogReader, Outcome, Start, TopicStat,
    outcomes_of_all, sift,
};

mod admin;
mod appender;
mod ears;
mod error;
mod questions;
mod reader;
mod settings;
mod times;
mod zero_time;

use admin::Admin;
use appender::Appender;
use ears::Troubles;
pub(crate) use error::is_secret;
use questions::{PATIENCE, Questions};
use reader::{Beginning, KafkaReader};
pub use settings::KafkaSettings;
pub(crate) use settings::refusal;

/// For so long the number of a topic's partitions is taken from memory by appends.
const KNOWN_FOR: Duration = Duration::from_secs(5);
/// How long readers may take to end when the log is closed.
const LAST_READERS: Duration = Duration::from_secs(1);
/// How often the cluster is asked whether it is there.
const ASK_EVERY: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// A Kafka cluster.
pub struct KafkaLog {
    settings: KafkaSettings,
    /// The topics that `topics()` tells of; empty means all.
    in_use: Vec<String>,
    questions: Arc<Questions>,
    admin: Admin,
    appender: Appender,
    known: Mutex<HashMap<String, (i32, Instant)>>,
    /// Each reader's thread holds one more of it.
    alive: Arc<()>,
}

impl KafkaLog {
    /// The configured cluster, if one is, without asking it anything.
    pub fn of_config(config: &Config, topics: &Topics) -> Result<Option<KafkaLog>, LogError> {
        let Some(brokers) = &config.kafka.brokers else { return Ok(None) };
        let properties = config.kafka.properties.reveal();
        let replication_factor = config.kafka.replication_factor;
        let settings = KafkaSettings { brokers: brokers.clone(), properties, replication_factor };
        let in_use = topics.iter().map(|topic| topic.log_name.clone()).collect();
        KafkaLog::open(settings, in_use).map(Some)
    }

    /// Nothing is asked yet. Settings that librdkafka does not know are an error.
    pub fn open(settings: KafkaSettings, in_use: Vec<String>) -> Result<KafkaLog, LogError> {
        let troubles = Arc::new(Troubles::default());
        // Also the settings of clients that are made later: a mistake is told now.
        settings::check(&settings)?;
        Ok(KafkaLog {
            questions: Questions::new(&settings, Arc::clone(&troubles))?,
            admin: Admin::new(&settings, Arc::clone(&troubles))?,
            appender: Appender::new(settings.clone(), troubles),
            settings,
            in_use,
            known: Mutex::default(),
            alive: Arc::new(()),
        })
    }

    /// Asks now and then whether the cluster is there until `stop` turns true, and tells once when
    /// it goes away and once when it is back.
    pub async fn watch_over(&self, mut stop: watch::Receiver<bool>) {
        let mut is_away = false;
        while !*stop.borrow() {
            let topic = self.any_topic();
            let asked = self.questions.ask(move |it| it.cluster_id(&topic, PATIENCE));
            let answer = tokio::select! {
                answer = asked => answer,
                _ = stop.changed() => return,
            };
            match answer {
                Ok(_) if is_away => {
                    is_away = false;
                    tracing::info!("kafka answers again");
                }
                Err(error) if !is_away => {
                    is_away = true;
                    tracing::warn!(%error, "kafka does not answer; it is asked again and again");
                }
                _ => {}
            }
            tokio::select! {
                () = sleep(ASK_EVERY) => {}
                _ = stop.changed() => {}
            }
        }
    }

    /// Lets what is under way land and readers end, for a moment.
    pub async fn close(&self) {
        self.appender.close();
        let began = Instant::now();
        while Arc::strong_count(&self.alive) > 1 && began.elapsed() < LAST_READERS {
            sleep(LOOK_AGAIN).await;
        }
    }

    async fn cluster_id(&self) -> Result<String, LogError> {
        let topic = self.any_topic();
        self.questions.ask(move |it| it.cluster_id(&topic, it.patience())).await
    }

    /// To ask about.
    fn any_topic(&self) -> String {
        self.in_use.first().cloned().unwrap_or_else(|| "windowsill".to_owned())
    }

    async fn count_partitions(&self, topic: &str) -> Result<i32, LogError> {
        let name = topic.to_owned();
        let found = self.questions.ask(move |questions| questions.expect_partitions(&name)).await?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(topic.to_owned(), (found, Instant::now()));
        Ok(found)
    }

    async fn ask_bounds(&self, topic: &str) -> Result<Vec<Bounds>, LogError> {
        let name = topic.to_owned();
        self.questions.ask(move |questions| questions.bounds(&name)).await
    }

    async fn describe_one(&self, topic: &str) -> Result<Option<Described>, LogError> {
        let name = topic.to_owned();
        let Some(partitions) = self.questions.ask(move |asked| asked.partitions(&name)).await?
        else {
            return Ok(None);
        };
        let cleanup = self.admin.cleanup_policy(topic).await?;
        let is_compacted = cleanup.split(',').any(|policy| policy.trim() == "compact");
        let kind = if is_compacted { TopicKind::Table } else { TopicKind::Stream };
        Ok(Some(Described { kind, partitions, cleanup: Some(cleanup) }))
    }

    async fn append_all(
        &self,
        topic: &str,
        records: &[NewRecord],
    ) -> Result<Vec<Placed>, LogError> {
        for record in records {
            appender::check(topic, record)?;
        }
        self.expect_partitions(topic, records).await?;
        self.appender.append(topic, records).await?.into_iter().collect()
    }

    /// Records that name a partition must find it there.
    async fn expect_partitions(&self, topic: &str, records: &[NewRecord]) -> Result<(), LogError> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(topic).copied();
        let known = known.filter(|(_, since)| since.elapsed() < KNOWN_FOR);
        match known.map(|(partitions, _)| appender::check_partitions(topic, partitions, records)) {
            Some(Ok(())) => Ok(()),
            // Too old, or the topic has grown meanwhile.
            _ => {
                let partitions = self.count_partitions(topic).await?;
                appender::check_partitions(topic, partitions, records)
            }
        }
    }

    /// A broker refuses whole batches: what was refused is sent again, each record by itself, until
    /// the log itself has a trouble.
    async fn append_sifted(
        &self,
        topic: &str,
        records: Vec<NewRecord>,
    ) -> Result<Vec<Outcome>, LogError> {
        let (taken, refused) = sift(records, |record| appender::check(topic, record));
        self.expect_partitions(topic, &taken).await?;
        let mut outcomes = self.appender.append(topic, &taken).await?;
        let trouble = |outcome: &Outcome| {
            outcome.as_ref().err().filter(|error| !error.is_of_record()).cloned()
        };
        let mut troubled = outcomes.iter().find_map(trouble);
        for (record, outcome) in taken.chunks(1).zip(&mut outcomes) {
            if !outcome.as_ref().is_err_and(LogError::is_of_record) {
                continue;
            }
            if let Some(error) = &troubled {
                // Whether it was this one of its batch is not known.
                *outcome = Err(error.clone());
                continue;
            }
            let sent = self.appender.append(topic, record).await;
            for by_itself in sent.unwrap_or_else(|error| vec![Err(error)]) {
                troubled = trouble(&by_itself);
                *outcome = by_itself;
            }
        }
        Ok(outcomes_of_all(refused, outcomes))
    }

    async fn start_reader(
        &self,
        topic: String,
        from: Vec<Start>,
    ) -> Result<Box<dyn LogReader>, LogError> {
        let cluster_id = self.cluster_id().await?;
        let bounds = self.ask_bounds(&topic).await?;
        let mut beginnings = BTreeMap::new();
        for start in from {
            beginnings.insert(start.partition, beginning(&topic, &bounds, start)?);
        }
        let beginning = Beginning {
            topic,
            from: beginnings,
            partitions: i32::try_from(bounds.len()).unwrap_or(i32::MAX),
            cluster_id,
        };
        let troubles = Arc::clone(self.questions.troubles());
        let reader =
            KafkaReader::start(&self.settings, beginning, troubles, Arc::clone(&self.alive))?;
        Ok(Box::new(reader))
    }

    async fn stats(&self) -> Result<Vec<TopicStat>, LogError> {
        let mut names = self.questions.ask(Questions::names).await?;
        names.retain(|name| self.in_use.is_empty() || self.in_use.contains(name));
        let mut stats = Vec::with_capacity(names.len());
        for name in names {
            let Some(described) = self.describe_one(&name).await? else { continue };
            let bounds = self.ask_bounds(&name).await?;
            let (first_ts_ms, last_ts_ms) = times::range(self, &name, &bounds).await?;
            let held = bounds.iter().map(|at| at.next_offset - at.first_offset);
            stats.push(TopicStat {
                kind: described.kind,
                partitions: described.partitions,
                records: held.sum(),
                first_ts_ms,
                last_ts_ms,
                name,
            });
        }
        Ok(stats)
    }
}

/// Where reading a partition really begins: what retention took is passed over.
fn beginning(topic: &str, bounds: &[Bounds], start: Start) -> Result<i64, LogError> {
    let Start { partition, offset } = start;
    let Some(found) = bounds.iter().find(|found| found.partition == partition) else {
        return Err(LogError::UnknownPartition {
            topic: topic.to_owned(),
            partition,
            partitions: i32::try_from(bounds.len()).unwrap_or(i32::MAX),
        });
    };
    if offset > found.next_offset {
        return Err(LogError::BeyondEnd {
            topic: topic.to_owned(),
            partition,
            offset,
            next_offset: found.next_offset,
        });
    }
    Ok(offset.max(found.first_offset))
}

impl EventLog for KafkaLog {
    fn id(&self) -> LogFuture<'_, String> {
        Box::pin(self.cluster_id())
    }

    fn is_ours(&self) -> bool {
        false
    }

    fn describe(&self, topic: &str) -> LogFuture<'_, Option<Described>> {
        let topic = topic.to_owned();
        Box::pin(async move { self.describe_one(&topic).await })
    }

    fn create(&self, topic: &str, kind: TopicKind, partitions: i32) -> LogFuture<'_, ()> {
        let topic = topic.to_owned();
        Box::pin(async move {
            self.admin.create(&topic, kind, partitions).await?;
            self.questions.ask(move |questions| questions.await_topic(&topic)).await
        })
    }

    fn partitions(&self, topic: &str) -> LogFuture<'_, i32> {
        let topic = topic.to_owned();
        Box::pin(async move { self.count_partitions(&topic).await })
    }

    fn bounds(&self, topic: &str) -> LogFuture<'_, Vec<Bounds>> {
        let topic = topic.to_owned();
        Box::pin(async move { self.ask_bounds(&topic).await })
    }

    fn append(&self, topic: &str, records: Vec<NewRecord>) -> LogFuture<'_, Vec<Placed>> {
        let topic = topic.to_owned();
        Box::pin(async move { self.append_all(&topic, &records).await })
    }

    fn append_each(&self, topic: &str, records: Vec<NewRecord>) -> LogFuture<'_, Vec<Outcome>> {
        let topic = topic.to_owned();
        Box::pin(async move { self.append_sifted(&topic, records).await })
    }

    fn read(&self, topic: &str, from: Vec<Start>) -> LogFuture<'_, Box<dyn LogReader>> {
        let topic = topic.to_owned();
        Box::pin(self.start_reader(topic, from))
    }

    fn topics(&self) -> LogFuture<'_, Vec<TopicStat>> {
        Box::pin(self.stats())
    }
}
