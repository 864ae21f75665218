//! A routed update with its types erased, so that the shell can take any room's.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use sqlx::SqliteConnection;

use crate::engine::LogEnds;
use crate::kernel::chat::{Incoming, Place, Snapshot};
use crate::kernel::conversation::{Asked, Chat};
use crate::kernel::effect::Effect;
use crate::kernel::settings::Settings;
use crate::kernel::time::Sight;
use crate::store::StoreError;

/// Who asks, and where, and what was seen of the world outside the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asker {
    pub place: Place,
    /// 0 for somebody without a name of their own.
    pub user_id: i64,
    /// What the chat has set.
    pub settings: Settings,
    /// The message of ours that was tapped; 0 for anything else.
    pub message_id: i32,
    pub sight: Sight,
    /// Where the log ends, if that was asked for and told.
    pub log_ends: Option<LogEnds>,
    /// Pipelines of which some records wait for something outside, with the reason of each.
    pub waiting: BTreeMap<&'static str, String>,
}

/// The reading half of a room's chat.
pub trait Answers: Chat {
    /// Reads what the ask needs, inside one read transaction.
    fn read<'a>(
        &'a self,
        ask: &'a Self::Ask,
        asker: &'a Asker,
        db: &'a mut SqliteConnection,
    ) -> BoxFuture<'a, Result<Self::Known, StoreError>>;
}

/// A routed update: first what to read, then what to decide.
pub trait Turn: Send + Sync {
    /// The room that decides.
    fn room(&self) -> &'static str;

    /// Reads and gives the decision that is left to make.
    fn read<'a>(
        &'a self,
        asker: &'a Asker,
        db: &'a mut SqliteConnection,
    ) -> BoxFuture<'a, Result<Decision, StoreError>>;
}

/// A decision with everything it needs but the update and the moment.
pub type Decision = Box<dyn FnOnce(&Incoming, &Snapshot) -> Vec<Effect> + Send>;

/// What routes give.
pub type Route = Arc<dyn Turn>;

/// A tree of routes.
pub type Routes = dptree::Handler<'static, Route>;

impl<C: Answers> Turn for Asked<C> {
    fn room(&self) -> &'static str {
        self.room.name()
    }

    fn read<'a>(
        &'a self,
        asker: &'a Asker,
        db: &'a mut SqliteConnection,
    ) -> BoxFuture<'a, Result<Decision, StoreError>> {
        Box::pin(async move {
            let known = self.room.read(&self.ask, asker, db).await?;
            let room = Arc::clone(&self.room);
            let ask = self.ask.clone();
            let decide: Decision =
                Box::new(move |incoming, snapshot| room.decide(&ask, known, incoming, snapshot));
            Ok(decide)
        })
    }
}
