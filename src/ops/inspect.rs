//! What a state and an event log say of themselves, read without a trace.
//!
//! Invariant: nothing is created or changed; a file that cannot be read is an error that says so.

use std::path::{Path, PathBuf};

use sqlx::SqliteConnection;

use crate::log::embedded::{LogFile, inspect};
use crate::log::topics::Topics;
use crate::log::{Bounds, LogError};
use crate::sqlite::{self, Care};
use crate::store::positions::{self, Position};
use crate::store::standstill::{self, Standstill};
use crate::store::{StoreError, access, schema};

/// Why a file could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    #[error("{path} cannot be read")]
    State { path: PathBuf, source: StoreError },
    #[error(transparent)]
    Log(#[from] LogError),
}

/// A `state.db` as it is.
#[derive(Debug, Clone)]
pub struct StateFile {
    /// 0: it has no tables yet.
    pub schema_version: i64,
    pub positions: Vec<Position>,
    /// Pipelines that do not go on, as the bot last knew.
    pub standstills: Vec<Standstill>,
    /// People who own the bot without the configuration's word.
    pub owners: usize,
    /// Chats and forum topics that get alerts.
    pub places: usize,
    pub last_write_ms: Option<i64>,
    /// What SQLite finds wrong with the file, where it was asked.
    pub complaints: Vec<String>,
}

/// Looks at a state; with `care` it is examined, too.
pub async fn state(path: &Path, care: Option<Care>) -> Result<StateFile, InspectError> {
    let failed = |source| InspectError::State { path: path.to_owned(), source };
    read_state(path, care).await.map_err(failed)
}

async fn read_state(path: &Path, care: Option<Care>) -> Result<StateFile, StoreError> {
    let mut db = sqlite::connect_without_trace(path).await?;
    let complaints = match care {
        Some(care) => sqlite::complaints(&mut db, care).await?,
        None => Vec::new(),
    };
    let schema_version = schema::version(&mut db).await?;
    schema::expect_not_newer(&mut db, path).await?;
    let mut state = StateFile {
        schema_version,
        positions: Vec::new(),
        standstills: Vec::new(),
        owners: 0,
        places: 0,
        last_write_ms: None,
        complaints,
    };
    if schema_version > 0 {
        for (_, of_pipeline) in positions::overview(&mut db).await? {
            state.positions.extend(of_pipeline);
        }
        state.standstills = standstill::all(&mut db).await?;
        let members = access::members(&mut db).await?;
        state.owners = members.iter().filter(|member| member.standing == "owner").count();
        state.places = access::subscriptions(&mut db).await?.len();
        state.last_write_ms = last_write_ms(&mut db).await?;
    }
    Ok(state)
}

/// When the bot last wrote, by its own clock.
async fn last_write_ms(db: &mut SqliteConnection) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar(
        "select max(at) from (
            select max(received_at) as at from inbox
            union all select max(created_at) from outbox
            union all select max(settled_at) from outbox
            union all select max(caught_up_at) from pipeline)",
    )
    .fetch_one(db)
    .await
}

/// Looks at an event log; with `care` it is examined, too.
pub async fn log(path: &Path, care: Option<Care>) -> Result<LogFile, InspectError> {
    Ok(inspect(path, care).await?)
}

/// Where the state's positions do not fit the log; nothing when all is well.
pub fn misfits(state: &StateFile, log: &LogFile, topics: &Topics) -> Vec<String> {
    let mut found = Vec::new();
    for position in &state.positions {
        let topic = &position.topic;
        let partition = position.partition;
        if position.log_id != log.id {
            found.push(format!(
                "the state knows log {}, and this log is {}",
                position.log_id, log.id
            ));
            return found;
        }
        let log_name = topics.get(topic).map_or(topic.as_str(), |known| known.log_name.as_str());
        let ends = log
            .ends_of(log_name)
            .and_then(|ends| ends.iter().find(|bounds: &&Bounds| bounds.partition == partition));
        let next_offset = ends.map_or(0, |bounds| bounds.next_offset);
        if position.next_offset > next_offset {
            found.push(format!(
                "the state has read {log_name} partition {partition} up to offset {}, and the log \
                 ends at {next_offset}",
                position.next_offset
            ));
        }
    }
    found
}
