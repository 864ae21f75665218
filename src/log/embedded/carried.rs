//! The mark of a log whose records went to a Kafka cluster.
//!
//! Invariant: a marked log takes nothing more, from whatever process: the mark is looked at inside
//! each append's transaction. So what is being carried is what was there when it was marked.

use std::fmt;

use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteConnection;

use super::catalog;

/// Where the mark lies beside the records.
const KEY: &str = "carried";

/// Where the log's records went, or are going.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    pub cluster_id: String,
    /// When the log was closed to appends, in milliseconds since the epoch.
    pub since_ms: i64,
    /// The positions are the cluster's, too: nobody needs this log any more.
    pub is_done: bool,
}

impl fmt::Display for Carried {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cluster_id = &self.cluster_id;
        if self.is_done {
            return write!(
                out,
                "this event log was carried to the Kafka cluster {cluster_id} and takes nothing \
                 more; set kafka.brokers to go on there"
            );
        }
        write!(
            out,
            "this event log is being carried to the Kafka cluster {cluster_id} and takes nothing \
             more; let `windowsill migrate-log` finish, or go back with `windowsill migrate-log \
             --give-up`"
        )
    }
}

pub(super) async fn find(conn: &mut SqliteConnection) -> Result<Option<Carried>, sqlx::Error> {
    let found = catalog::meta_get(conn, KEY).await?;
    let parse = |text: String| serde_json::from_str(&text);
    found.map(parse).transpose().map_err(|error| sqlx::Error::Decode(error.into()))
}

pub(super) async fn set(conn: &mut SqliteConnection, mark: &Carried) -> Result<(), sqlx::Error> {
    let text = serde_json::to_string(mark).map_err(|error| sqlx::Error::Encode(error.into()))?;
    catalog::meta_set(conn, KEY, &text).await
}

pub(super) async fn remove(conn: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    catalog::meta_remove(conn, KEY).await
}
