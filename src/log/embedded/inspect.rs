//! An event log looked at from outside, without opening it for work.
//!
//! Invariant: nothing is created or changed, whoever uses the file meanwhile.

use std::path::Path;

use super::carried::{self, Carried};
use super::catalog::{self, Topic};
use super::schema::{self, log_error};
use crate::log::{Bounds, LogError, TopicStat};
use crate::sqlite::{self, Care};

/// A `log.db` as it is.
#[derive(Debug, Clone)]
pub struct LogFile {
    pub id: String,
    pub topics: Vec<(TopicStat, Vec<Bounds>)>,
    /// Where its records went, or are going.
    pub carried: Option<Carried>,
    /// What SQLite finds wrong with the file, where it was asked.
    pub complaints: Vec<String>,
}

impl LogFile {
    /// What each partition of a topic holds, by the topic's name in the log.
    pub fn ends_of(&self, log_name: &str) -> Option<&[Bounds]> {
        let found = self.topics.iter().find(|(stat, _)| stat.name == log_name);
        found.map(|(_, bounds)| bounds.as_slice())
    }
}

/// Reads what the log at `path` says of itself; with `care` it is examined, too.
pub async fn inspect(path: &Path, care: Option<Care>) -> Result<LogFile, LogError> {
    let failed = |fault: sqlx::Error| log_error(path, &fault);
    let mut conn = sqlite::connect_without_trace(path).await.map_err(failed)?;
    let complaints = match care {
        Some(care) => sqlite::complaints(&mut conn, care).await.map_err(failed)?,
        None => Vec::new(),
    };
    let id = schema::identity(&mut conn, path).await?;
    let mut topics = Vec::new();
    for stat in catalog::stats(&mut conn).await.map_err(failed)? {
        let found: Option<Topic> = catalog::find(&mut conn, &stat.name).await.map_err(failed)?;
        let Some(topic) = found else { continue };
        let bounds = catalog::bounds(&mut conn, topic).await.map_err(failed)?;
        topics.push((stat, bounds));
    }
    let carried = carried::find(&mut conn).await.map_err(failed)?;
    Ok(LogFile { id, topics, carried, complaints })
}
