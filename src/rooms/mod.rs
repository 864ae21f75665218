//! The rooms: one folder a system, and the one list through which all others know them.
//!
//! Invariant: rooms never import each other, and nothing below them imports a room but through
//! this file.

use std::sync::LazyLock;

use futures_util::future::BoxFuture;
use sqlx::SqliteConnection;
use tokio::sync::watch;

use crate::config::Config;
use crate::engine::rebuild::Plan;
use crate::engine::results::ResultTable;
use crate::engine::{EngineError, FoldSummary, PassedOver, Phase, Runner, Views, Workshop};
use crate::kernel::board::Board;
use crate::kernel::chat::Draft;
use crate::kernel::conversation::{Chat, CommandSpec};
use crate::kernel::effect::Say;
use crate::kernel::record::RecordRef;
use crate::kernel::settings::Settings;
use crate::kernel::text::Text;
use crate::kernel::topic::TopicSpec;
use crate::log::dead_letters;
use crate::store::StoreError;

pub mod command;
mod mirror;
pub mod plants;
pub mod turn;
pub mod wifi;

use turn::Routes;

/// A room as the rest of the house sees it.
pub struct Room {
    pub topics: &'static [TopicSpec],
    /// The room's pipeline.
    pub pipeline: fn(&Config, Workshop) -> Box<dyn Pipe>,
    /// Its commands in the order of the menu.
    pub commands: fn() -> Vec<CommandSpec>,
    /// Commands and buttons that stand by themselves.
    pub routes: fn() -> Routes,
    /// Answers inside a conversation of this room, where it holds any.
    pub conversation: Option<fn() -> Routes>,
    /// What is said to us and is neither a command nor an answer, where it does anything with that.
    pub free_text: Option<fn() -> Routes>,
    pub chat: &'static (dyn Talk + Sync),
    /// What `/status` tells of its pipeline beside the figures, where there is something.
    pub status: Option<Status>,
    /// Its part of the daily digest, where it has one.
    pub daily: Option<Telling<Text>>,
    /// Its lines of the household board, where it has any.
    pub board: Option<Telling<Board>>,
    /// The result tables that it keeps.
    pub results: &'static [ResultTable],
}

/// Reads what a room has to tell of its pipeline.
pub type Status =
    for<'a> fn(&'a mut SqliteConnection) -> BoxFuture<'a, Result<Option<Text>, StoreError>>;

/// Reads how a room's things are, at a moment of the pipelines' clock.
pub type Telling<T> =
    for<'a> fn(&'a mut SqliteConnection, i64) -> BoxFuture<'a, Result<T, StoreError>>;

/// Every room: the one list.
pub fn all() -> [Room; 2] {
    [plants::room(), wifi::room()]
}

/// Every topic of the contract that this build knows.
pub fn topics() -> &'static [TopicSpec] {
    static TOPICS: LazyLock<Vec<TopicSpec>> = LazyLock::new(|| {
        let rooms = all();
        rooms.iter().flat_map(|room| room.topics).chain([&dead_letters::SPEC]).copied().collect()
    });
    &TOPICS
}

/// Every result table of every room.
pub fn results() -> Vec<ResultTable> {
    all().iter().flat_map(|room| room.results).copied().collect()
}

/// The question that an unfinished conversation is at, in a chat with these settings.
pub fn question(draft: &Draft, settings: &Settings) -> Option<Say> {
    let room = all().into_iter().find(|room| room.chat.name() == draft.room)?;
    room.chat.question(&draft.state, draft.version, settings)
}

/// What a room has to tell of its pipeline, which is called like the room's conversations.
pub async fn status(pipeline: &str, db: &mut SqliteConnection) -> Result<Option<Text>, StoreError> {
    let room = all().into_iter().find(|room| room.chat.name() == pipeline);
    match room.and_then(|room| room.status) {
        Some(status) => status(db).await,
        None => Ok(None),
    }
}

/// The rooms' parts of the daily digest.
pub async fn daily(db: &mut SqliteConnection, now_ms: i64) -> Result<Vec<Text>, StoreError> {
    let mut parts = Vec::new();
    for daily in all().into_iter().filter_map(|room| room.daily) {
        parts.push(daily(db, now_ms).await?);
    }
    Ok(parts)
}

/// The household board, of all rooms.
pub async fn board(db: &mut SqliteConnection, now_ms: i64) -> Result<Board, StoreError> {
    let mut whole = Board::default();
    for board in all().into_iter().filter_map(|room| room.board) {
        whole.absorb(board(db, now_ms).await?);
    }
    Ok(whole)
}

/// The pipelines that what is told regularly depends on.
pub fn told_regularly() -> Vec<&'static str> {
    let tells = |room: &Room| room.daily.is_some() || room.board.is_some();
    all().into_iter().filter(tells).map(|room| room.chat.name()).collect()
}

/// What an unfinished conversation is called.
pub fn unfinished(draft: &Draft) -> &'static str {
    let room = all().into_iter().find(|room| room.chat.name() == draft.room);
    room.map_or("a conversation", |room| room.chat.unfinished(&draft.state))
}

/// A room's pipeline with its types erased.
pub trait Pipe: Send + Sync {
    fn name(&self) -> &'static str;
    /// The topics that it reads, by default name.
    fn topics(&self) -> Vec<&'static str>;
    /// The time at which a record of one of its streams happened; `None` where none did.
    fn event_ms(&self, topic: &str, record: &RecordRef<'_>) -> Option<i64>;
    fn phase(&self) -> watch::Receiver<Phase>;
    fn run(&self, stop: watch::Receiver<bool>) -> BoxFuture<'_, Result<(), EngineError>>;
    fn catch_up(&self) -> BoxFuture<'_, Result<FoldSummary, EngineError>>;
    fn accept_loss(&self) -> BoxFuture<'_, Result<Vec<PassedOver>, EngineError>>;
    fn plan_rebuild(&self) -> BoxFuture<'_, Result<Plan, EngineError>>;
    fn empty<'a>(
        &'a self,
        db: &'a mut SqliteConnection,
        plan: &'a Plan,
    ) -> BoxFuture<'a, Result<(), StoreError>>;
}

impl<V: Views> Pipe for Runner<V> {
    fn name(&self) -> &'static str {
        Runner::name(self)
    }

    fn topics(&self) -> Vec<&'static str> {
        Runner::topics(self)
    }

    fn event_ms(&self, topic: &str, record: &RecordRef<'_>) -> Option<i64> {
        Runner::event_ms(self, topic, record)
    }

    fn phase(&self) -> watch::Receiver<Phase> {
        Runner::phase(self)
    }

    fn run(&self, stop: watch::Receiver<bool>) -> BoxFuture<'_, Result<(), EngineError>> {
        Box::pin(Runner::run(self, stop))
    }

    fn catch_up(&self) -> BoxFuture<'_, Result<FoldSummary, EngineError>> {
        Box::pin(Runner::catch_up(self))
    }

    fn accept_loss(&self) -> BoxFuture<'_, Result<Vec<PassedOver>, EngineError>> {
        Box::pin(Runner::accept_loss(self))
    }

    fn plan_rebuild(&self) -> BoxFuture<'_, Result<Plan, EngineError>> {
        Box::pin(Runner::plan_rebuild(self))
    }

    fn empty<'a>(
        &'a self,
        db: &'a mut SqliteConnection,
        plan: &'a Plan,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(Runner::empty(self, db, plan))
    }
}

/// What the shell asks of a room's conversations.
pub trait Talk {
    fn name(&self) -> &'static str;
    fn question(&self, state: &serde_json::Value, version: i64, settings: &Settings)
    -> Option<Say>;
    fn unfinished(&self, state: &serde_json::Value) -> &'static str;
}

impl<C: Chat> Talk for C {
    fn name(&self) -> &'static str {
        Chat::name(self)
    }

    fn question(
        &self,
        state: &serde_json::Value,
        version: i64,
        settings: &Settings,
    ) -> Option<Say> {
        Chat::question(self, state, version, settings)
    }

    fn unfinished(&self, state: &serde_json::Value) -> &'static str {
        Chat::unfinished(self, state)
    }
}
