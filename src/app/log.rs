//! The event log that a command works on: the file of the data directory, or a Kafka cluster.
//!
//! Invariant: what only the file has (its condition, its upkeep, a demo's clock) is asked of the
//! file alone; everything else goes through the seam.

use std::sync::Arc;

use tokio::sync::watch;

use super::house::Failure;
use crate::config::Config;
use crate::exit::Exit;
use crate::log::embedded::EmbeddedLog;
use crate::log::kafka::KafkaLog;
use crate::log::topics::Topics;
use crate::log::{EventLog, LogError};
use crate::store::{lock, make_dir};

/// An open event log.
#[derive(Clone)]
pub(super) enum OpenLog {
    Embedded(Arc<EmbeddedLog>),
    Kafka(Arc<KafkaLog>),
}

impl OpenLog {
    /// Opens the configured log, creating the data directory if it is missing. A cluster need not
    /// answer yet.
    pub(super) async fn open(config: &Config, topics: &Topics) -> Result<OpenLog, Failure> {
        lock::expect_whole(&config.data_dir)?;
        make_dir(&config.data_dir)?;
        match KafkaLog::of_config(config, topics)? {
            Some(log) => Ok(OpenLog::Kafka(Arc::new(log))),
            None => {
                let log = EmbeddedLog::open(&config.log_path()).await?;
                Ok(OpenLog::Embedded(Arc::new(log)))
            }
        }
    }

    /// The same with every topic of the contract in it.
    pub(super) async fn open_with(config: &Config, topics: &Topics) -> Result<OpenLog, Failure> {
        let log = OpenLog::open(config, topics).await?;
        topics.create(log.events().as_ref()).await?;
        Ok(log)
    }

    /// For whoever only looks: in a cluster that makes no topic; a file's are ours alone.
    pub(super) async fn open_to_look(config: &Config, topics: &Topics) -> Result<OpenLog, Failure> {
        expect_there(config)?;
        match config.kafka.brokers {
            Some(_) => OpenLog::open(config, topics).await,
            None => OpenLog::open_with(config, topics).await,
        }
    }

    pub(super) fn events(&self) -> Arc<dyn EventLog> {
        match self {
            OpenLog::Embedded(log) => log.clone(),
            OpenLog::Kafka(log) => log.clone(),
        }
    }

    /// The file, where the log is one.
    pub(super) fn embedded(&self) -> Option<&Arc<EmbeddedLog>> {
        match self {
            OpenLog::Embedded(log) => Some(log),
            OpenLog::Kafka(_) => None,
        }
    }

    /// A log whose records went elsewhere is only read.
    pub(super) async fn expect_in_use(&self) -> Result<(), Failure> {
        let Some(log) = self.embedded() else { return Ok(()) };
        match log.carried().await? {
            None => Ok(()),
            Some(mark) => Err(LogError::Carried(mark).into()),
        }
    }

    /// Tells of the log's troubles until `stop` turns true, or until it can be used no more.
    pub(super) async fn watch_over(self, stop: watch::Receiver<bool>) -> Result<(), LogError> {
        match self {
            OpenLog::Embedded(log) => Ok(log.watch_over(stop).await?),
            OpenLog::Kafka(log) => {
                log.watch_over(stop).await;
                Ok(())
            }
        }
    }

    pub(super) async fn close(&self) {
        match self {
            OpenLog::Embedded(log) => log.close().await,
            OpenLog::Kafka(log) => log.close().await,
        }
    }
}

/// A command that only looks does not create what it looks at.
pub(super) fn expect_there(config: &Config) -> Result<(), Failure> {
    lock::expect_whole(&config.data_dir)?;
    if config.kafka.brokers.is_some() || config.log_path().is_file() {
        return Ok(());
    }
    let reason = format!(
        "there is no event log in {} yet; `windowsill run`, `demo` or `topic write` begins one",
        config.data_dir.display()
    );
    Err(Failure::new(Exit::Errors, reason))
}
