//! An opened data directory: its lock, its log, its store, and its pipelines.

use std::sync::Arc;

use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::demo::clock::DemoClock;
use crate::engine::{EngineSettings, Workshop};
use crate::exit::Exit;
use crate::kernel::time::HOUR_MS;
use crate::log::embedded::EmbeddedLog;
use crate::log::topics::Topics;
use crate::log::{EventLog, LogError};
use crate::rooms::{self, Pipe};
use crate::store::{DirLock, Store, StoreError};

/// Why a command could not begin or go on: its exit code and one sentence.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    pub reason: String,
}

impl Failure {
    pub fn new(exit: Exit, reason: impl Into<String>) -> Failure {
        Failure { exit, reason: reason.into() }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        let exit = match error {
            StoreError::Locked(_) => Exit::Taken,
            _ => Exit::Errors,
        };
        Failure::new(exit, crate::engine::error_chain(&error))
    }
}

impl From<LogError> for Failure {
    fn from(error: LogError) -> Failure {
        Failure::new(Exit::Errors, crate::engine::error_chain(&error))
    }
}

/// A data directory that this process owns.
pub struct House {
    pub workshop: Workshop,
    pub log: EmbeddedLog,
    _lock: DirLock,
}

impl House {
    /// Takes the directory's lock and opens everything in it.
    pub async fn open(config: &Config, clock: Option<Arc<dyn Clock>>) -> Result<House, Failure> {
        let lock = DirLock::take(&config.data_dir)?;
        let log = open_log(config).await?;
        let topics = topics(config)?;
        topics.create(&log).await?;
        let clock = match clock {
            Some(clock) => clock,
            None => clock_of(&log).await?,
        };
        let store = Store::open(&config.data_dir).await?;
        let settings = EngineSettings {
            clock_lag_ms: i64::try_from(config.clock_lag_ms).unwrap_or(i64::MAX),
            alert_max_age_ms: i64::from(config.alert_max_age_hours) * HOUR_MS,
        };
        let workshop =
            Workshop { log: Arc::new(log.clone()), store, topics, clock, settings };
        Ok(House { workshop, log, _lock: lock })
    }

    /// Every room's pipeline.
    pub fn pipelines(&self, config: &Config) -> Vec<Box<dyn Pipe>> {
        let rooms = rooms::all();
        rooms.iter().map(|room| (room.pipeline)(config, self.workshop.clone())).collect()
    }

    /// Finishes what is queued and closes the files.
    pub async fn close(self) {
        self.workshop.store.close().await;
    }
}

/// The contract's topics with the configuration's names and partitions.
pub fn topics(config: &Config) -> Result<Topics, Failure> {
    Topics::of_config(rooms::topics(), config)
        .map_err(|error| Failure::new(Exit::Fault, format!("a schema of ours is broken: {error}")))
}

/// Opens the event log of the data directory, creating the directory if it is missing.
pub async fn open_log(config: &Config) -> Result<EmbeddedLog, Failure> {
    let dir = &config.data_dir;
    std::fs::create_dir_all(dir).map_err(|error| {
        Failure::new(Exit::Errors, format!("cannot create {}: {error}", dir.display()))
    })?;
    Ok(EmbeddedLog::open(&config.log_path()).await?)
}

/// The clock that a folder's pipelines go by: the demo's where `demo` made it.
pub async fn clock_of(log: &EmbeddedLog) -> Result<Arc<dyn Clock>, Failure> {
    Ok(match DemoClock::load(log).await? {
        Some(clock) => Arc::new(clock),
        None => Arc::new(SystemClock),
    })
}

/// `run` keeps out of a folder that `demo` made: its pipelines live in another time.
pub async fn refuse_demo_folder(log: &EmbeddedLog, config: &Config) -> Result<(), Failure> {
    if DemoClock::load(log).await?.is_none() {
        return Ok(());
    }
    let reason = format!(
        "{} was made by `windowsill demo` and lives in simulated time; give `run` a folder of its \
         own with --data-dir",
        config.data_dir.display()
    );
    Err(Failure::new(Exit::Usage, reason))
}
