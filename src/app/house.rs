//! An opened data directory: its lock, its log, its store, and its pipelines.

use std::sync::Arc;
use std::time::Duration;

use super::log::OpenLog;
use super::upkeep::{self, Upkeep};
use crate::clock::{self, Clock, SystemClock};
use crate::config::Config;
use crate::demo::clock::DemoClock;
use crate::demo::feed;
use crate::engine::results::{self, ResultTable};
use crate::engine::{EngineSettings, Ground, Workshop, error_chain};
use crate::exit::Exit;
use crate::kernel::chat::Place;
use crate::kernel::time::HOUR_MS;
use crate::log::LogError;
use crate::log::codec::WriterSchema;
use crate::log::embedded::LogFile;
use crate::log::embedded::upkeep::Keep;
use crate::log::topics::{Topics, TopicsError};
use crate::ops::inspect::{self, InspectError};
use crate::rooms::{self, Pipe};
use crate::store::{DirLock, Store, StoreError, Urgency, access, carry, lock, schemas, state_path};

/// How long closing the files may take.
const CLOSE: Duration = Duration::from_secs(2);

/// Why a command could not begin or go on: its exit code and one sentence.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) exit: Exit,
    pub(super) reason: String,
}

impl Failure {
    pub(super) fn new(exit: Exit, reason: impl Into<String>) -> Failure {
        Failure { exit, reason: reason.into() }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        let exit = match error {
            StoreError::Locked(_) => Exit::Taken,
            StoreError::Newer { .. } | StoreError::HalfRestored(_) => Exit::Usage,
            _ => Exit::Errors,
        };
        Failure::new(exit, error_chain(&error))
    }
}

impl From<LogError> for Failure {
    fn from(error: LogError) -> Failure {
        let exit = match error {
            LogError::OtherKind { .. }
            | LogError::Missing(_)
            | LogError::Settings(_)
            | LogError::Carried(_) => Exit::Usage,
            _ => Exit::Errors,
        };
        Failure::new(exit, error_chain(&error))
    }
}

/// A data directory that this process owns.
pub(super) struct House {
    pub(super) workshop: Workshop,
    pub(super) log: OpenLog,
    keep: Keep,
    _lock: DirLock,
}

impl House {
    /// Takes the directory's lock and opens everything in it.
    pub(super) async fn open(
        config: &Config,
        clock: Option<Arc<dyn Clock>>,
    ) -> Result<House, Failure> {
        let house = House::open_to_carry(config, clock).await?;
        match house.log.expect_in_use().await {
            Ok(()) => Ok(house),
            Err(failure) => {
                house.close().await;
                Err(failure)
            }
        }
    }

    /// The same where the log may be one that was carried elsewhere.
    pub(super) async fn open_to_carry(
        config: &Config,
        clock: Option<Arc<dyn Clock>>,
    ) -> Result<House, Failure> {
        let topics = topics(config)?;
        lock::expect_whole(&config.data_dir)?;
        let lock = DirLock::take(&config.data_dir)?;
        // What is there is opened first, and either may be refused: then the other is as it was.
        let known = match state_path(&config.data_dir).exists() {
            true => Some(Store::open(&config.data_dir).await?),
            false => None,
        };
        let log = OpenLog::open(config, &topics).await?;
        expect_topics(&log, &topics).await?;
        let store = match known {
            Some(store) => store,
            None => Store::open(&config.data_dir).await?,
        };
        let clock = match clock {
            Some(clock) => clock,
            // Ours is the only process here, and it is no demo.
            None => clock_at_rest(&log, config).await?,
        };
        clock::live_by(Arc::clone(&clock));
        subscribe_owners(&store, config).await?;
        let is_published = |table: &ResultTable| config.publishes(table.topic, table.by_default);
        results::settle(&store, rooms::results(), is_published).await?;
        remember_schemas(&store, &topics).await?;
        let settings = EngineSettings {
            clock_lag_ms: i64::try_from(config.clock_lag_ms).unwrap_or(i64::MAX),
            alert_max_age_ms: i64::from(config.alert_max_age_hours) * HOUR_MS,
        };
        let (events, ground) = (log.events(), Ground::default());
        let workshop = Workshop { log: events, store, topics, ground, clock, settings };
        let keep = upkeep::keep(&config.embedded_log);
        Ok(House { workshop, log, keep, _lock: lock })
    }

    /// Every room's pipeline.
    pub(super) fn pipelines(&self, config: &Config) -> Vec<Box<dyn Pipe>> {
        let rooms = rooms::all();
        rooms.iter().map(|room| (room.pipeline)(config, self.workshop.clone())).collect()
    }

    /// What keeps the log small once these have folded it.
    pub(super) fn upkeep(&self, pipelines: &[Box<dyn Pipe>]) -> Upkeep {
        Upkeep::new(self.log.clone(), self.workshop.clone(), pipelines, self.keep)
    }

    /// Finishes what is queued and closes the files. What a busy or broken disk holds back is
    /// folded at the next start.
    pub(super) async fn close(self) {
        let close = async {
            self.log.close().await;
            self.workshop.store.close().await;
        };
        if tokio::time::timeout(CLOSE, close).await.is_err() {
            tracing::warn!("the files could not be closed in time; the next start tidies them");
        }
    }
}

/// Owners of the configuration get alerts from the start: before any pipeline raises one.
async fn subscribe_owners(store: &Store, config: &Config) -> Result<(), StoreError> {
    let owners = config.telegram.owners.clone();
    store
        .write(Urgency::Bulk, move |db| {
            Box::pin(async move {
                let now_ms = clock::now_ms();
                for place in owners.into_iter().map(Place::private) {
                    // A place that unsubscribed, or that blocked us, is left alone.
                    if !access::knows_place(db, place).await? {
                        access::subscribe(db, place, now_ms).await?;
                    }
                }
                Ok(())
            })
        })
        .await
}

/// What a registry told us in earlier lives needs no registry now: neither one that is away, nor one
/// that the topics were written with before it was left.
async fn remember_schemas(store: &Store, topics: &Topics) -> Result<(), StoreError> {
    let url = topics.registry().map(|registry| registry.url().to_owned());
    let known = store
        .write(Urgency::Bulk, move |db| {
            Box::pin(async move {
                match url {
                    Some(url) => schemas::all(db, &url).await,
                    None => schemas::of_the_last(db).await,
                }
            })
        })
        .await?;
    for schema in known {
        // One that this version cannot read is looked up again, like an unknown one.
        if let Ok(writer) = WriterSchema::parse(&schema.text) {
            topics.book().remember(schema.id, writer);
        }
    }
    Ok(())
}

/// The contract's topics with the configuration's names and partitions.
pub(super) fn topics(config: &Config) -> Result<Topics, Failure> {
    Topics::of_config(rooms::topics(), config).map_err(|error| {
        let exit = match error {
            TopicsError::Schema(_) => Exit::Fault,
            TopicsError::Registry(_) | TopicsError::Format { .. } => Exit::Usage,
        };
        Failure::new(exit, error.to_string())
    })
}

/// The topics of the contract must be there before anything else is done. A cluster that does not
/// answer now is waited for by whoever reads and appends.
async fn expect_topics(log: &OpenLog, topics: &Topics) -> Result<(), Failure> {
    match topics.create(log.events().as_ref()).await {
        Err(LogError::Unavailable(reason)) if log.embedded().is_none() => {
            tracing::warn!(reason, "the event log does not answer yet; going on without it");
            Ok(())
        }
        created => Ok(created?),
    }
}

/// The clock that a folder's pipelines go by: the demo's where `demo` made it.
pub(super) async fn clock_of(log: &OpenLog, config: &Config) -> Result<Arc<dyn Clock>, Failure> {
    if lock::is_held(&config.data_dir)
        && let Some(log) = log.embedded()
        && let Some(stored) = DemoClock::load(log).await?
    {
        return Ok(Arc::new(stored));
    }
    clock_at_rest(log, config).await
}

/// The same where no demo is running: its time stands still.
async fn clock_at_rest(log: &OpenLog, config: &Config) -> Result<Arc<dyn Clock>, Failure> {
    let Some(log) = log.embedded() else { return Ok(Arc::new(SystemClock)) };
    let Some(stored) = DemoClock::load(log).await? else { return Ok(Arc::new(SystemClock)) };
    let readings = config.topic_name(feed::READINGS);
    let ended_ms = stored.ended_at_ms(log, &readings).await?;
    Ok(Arc::new(stored.resumed(ended_ms.unwrap_or(stored.origin_ms), 0)))
}

/// `run` and `sensor` keep out of a folder that `demo` made: its pipelines live in another time.
pub(super) async fn refuse_demo_folder(
    verb: &str,
    log: &OpenLog,
    config: &Config,
) -> Result<(), Failure> {
    let Some(log) = log.embedded() else { return Ok(()) };
    if DemoClock::load(log).await?.is_none() {
        return Ok(());
    }
    let reason = format!(
        "{} was made by `windowsill demo` and lives in simulated time; give `{verb}` a folder of \
         its own with --data-dir",
        config.data_dir.display()
    );
    Err(Failure::new(Exit::Usage, reason))
}

/// `run` keeps out of a cluster while the state still belongs to the folder's own log: its pumps
/// would write into topics that `migrate-log` fills.
pub(super) async fn refuse_uncarried(house: &House, config: &Config) -> Result<(), Failure> {
    let Some(found) = log_left_behind(&house.log, config).await? else { return Ok(()) };
    let store = &house.workshop.store;
    let logs = store.read(|db| Box::pin(async move { carry::logs(db).await })).await?;
    match logs.contains(&found.id) {
        true => Err(uncarried(config)),
        false => Ok(()),
    }
}

/// Whoever appends keeps out of it as well, while the folder's own log may still be carried: what they
/// wrote would have to be deleted first.
pub(super) async fn refuse_before_carried(log: &OpenLog, config: &Config) -> Result<(), Failure> {
    let Some(found) = log_left_behind(log, config).await? else { return Ok(()) };
    let is_carried = found.carried.as_ref().is_some_and(|mark| mark.is_done);
    let is_empty = found.topics.iter().all(|(stat, _)| stat.records == 0);
    if is_carried || is_empty {
        return Ok(());
    }
    let path = state_path(&config.data_dir);
    let positions = match path.is_file() {
        true => inspect::state(&path, None).await.map_err(uninspected)?.positions,
        false => Vec::new(),
    };
    // A household that began anew in the cluster has left the file behind.
    let has_left = !positions.is_empty() && positions.iter().all(|at| at.log_id != found.id);
    match has_left {
        true => Ok(()),
        false => Err(uncarried(config)),
    }
}

/// The folder's own log, where a cluster is used beside it.
async fn log_left_behind(log: &OpenLog, config: &Config) -> Result<Option<LogFile>, Failure> {
    let path = config.log_path();
    if log.embedded().is_some() || !path.is_file() {
        return Ok(None);
    }
    inspect::log(&path, None).await.map(Some).map_err(uninspected)
}

fn uninspected(error: InspectError) -> Failure {
    Failure::new(Exit::Errors, error_chain(&error))
}

fn uncarried(config: &Config) -> Failure {
    let reason = format!(
        "kafka.brokers is set, and {} still holds what is not in the cluster: carry it over with \
         `windowsill migrate-log`, or let `windowsill rebuild --accept-loss` begin anew in the cluster",
        config.log_path().display()
    );
    Failure::new(Exit::Usage, reason)
}
