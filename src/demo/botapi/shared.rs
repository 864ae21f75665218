//! What every part of the server shares: the world, the calls, the script, the delivery.
//!
//! Invariant: the lock is held for work in memory only, never across an `await`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use chrono::Utc;
use serde_json::{Map, Value, json};
use tokio::sync::{broadcast, watch};

use super::calls::Calls;
use super::fault::Script;
use super::history::History;
use super::inline::InlineMode;
use super::model::{Change, StoredFile};
use super::world::World;
use crate::clock;
use crate::kernel::time::SECOND_MS;

/// Events a slow page may lag behind before it is sent everything anew.
const PAGE_EVENTS_MAX: usize = 512;
/// Pressed buttons that may still be answered.
const QUERIES_MAX: usize = 1_000;
/// Kinds of updates a bot gets only when it names them.
const NOT_BY_DEFAULT: [&str; 3] = ["chat_member", "message_reaction", "message_reaction_count"];

pub(super) struct Shared {
    /// The only token let in; any when `None`.
    pub token: Option<String>,
    state: Mutex<State>,
    changed: watch::Sender<u64>,
    closing: watch::Sender<bool>,
}

pub(super) struct State {
    pub world: World,
    pub history: Option<History>,
    /// Bytes of files by file id, when there is no history to keep them.
    bytes: BTreeMap<String, Vec<u8>>,
    pub bot: Value,
    /// Privacy mode: in groups the bot hears commands and replies to itself, and nothing else.
    pub privacy_mode: bool,
    pub calls: Calls,
    pub script: Script,
    pub delivery: Delivery,
    pub queries: Queries,
    pub inline: InlineMode,
    pub page: broadcast::Sender<PageEvent>,
}

/// How updates reach the bot.
#[derive(Default)]
pub(super) struct Delivery {
    /// The kinds of updates the bot asked for; the usual ones when `None`.
    pub allowed: Option<Vec<String>>,
    pub webhook: Option<Webhook>,
    /// Counts `setWebhook` and `deleteWebhook`, so that a delivery notices them.
    pub webhook_version: u64,
    /// Counts `getUpdates`, so that an older one notices a newer.
    pub poll_version: u64,
    /// Why the older one has to end.
    pub poll_ended_by: &'static str,
}

#[derive(Clone, Debug)]
pub(super) struct Webhook {
    pub url: String,
    pub secret: Option<String>,
    pub max_connections: i64,
    /// Unix time and text.
    pub last_error: Option<(i64, String)>,
}

/// Pressed buttons that wait for `answerCallbackQuery`, oldest first.
#[derive(Default)]
pub(super) struct Queries {
    open: VecDeque<(String, i64)>,
}

impl Queries {
    pub(super) fn open(&mut self, id: &str, chat_id: i64) {
        self.open.push_back((id.to_owned(), chat_id));
        if self.open.len() > QUERIES_MAX {
            self.open.pop_front();
        }
    }

    /// The chat of an open query, which is open no longer.
    pub(super) fn answer(&mut self, id: &str) -> Option<i64> {
        let index = self.open.iter().position(|(open, _)| open == id)?;
        self.open.remove(index).map(|(_, chat_id)| chat_id)
    }
}

/// What an open page has to hear of.
#[derive(Clone, Debug)]
pub(super) enum PageEvent {
    Changed(Change),
    Action {
        chat_id: i64,
        action: String,
    },
    Answered {
        chat_id: i64,
        answer: Value,
    },
    /// Somebody who types behind the bot's name has something to pick from.
    Offered {
        user_id: i64,
        answer: Value,
    },
}

impl Shared {
    pub(super) fn new(token: Option<String>, world: World, history: Option<History>) -> Shared {
        let state = State {
            world,
            history,
            bytes: BTreeMap::new(),
            bot: bot_user(token.as_deref()),
            privacy_mode: true,
            calls: Calls::default(),
            script: Script::default(),
            delivery: Delivery::default(),
            queries: Queries::default(),
            inline: InlineMode::default(),
            page: broadcast::Sender::new(PAGE_EVENTS_MAX),
        };
        Shared {
            token,
            state: Mutex::new(state),
            changed: watch::Sender::new(0),
            closing: watch::Sender::new(false),
        }
    }

    /// Changes something and wakes everybody who waits for a change.
    pub(super) fn act<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        let outcome = work(&mut self.lock());
        self.changed.send_modify(|version| *version = version.wrapping_add(1));
        outcome
    }

    pub(super) fn look<T>(&self, work: impl FnOnce(&State) -> T) -> T {
        work(&self.lock())
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    pub(super) fn close(&self) {
        self.closing.send_replace(true);
    }

    /// Resolves when the server is asked to stop.
    pub(super) async fn closed(&self) {
        // The sender lives as long as `self`, so this cannot fail.
        let _ = self.closing.subscribe().wait_for(|closing| *closing).await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Folds a change into the world, the history and the open pages.
    pub(super) fn record(&mut self, change: Change) {
        self.world.apply(change.clone());
        if let Some(history) = &mut self.history
            && let Err(error) = history.append(&change, &self.world)
        {
            tracing::warn!(%error, "the chat history could not be written");
        }
        // Nobody has to listen.
        let _ = self.page.send(PageEvent::Changed(change));
    }

    /// Queues an update if the bot wants its kind; its id is used up either way.
    pub(super) fn queue(&mut self, kind: &str, content: &Value) -> i64 {
        let wanted = match &self.delivery.allowed {
            Some(kinds) => kinds.iter().any(|allowed| allowed == kind),
            None => !NOT_BY_DEFAULT.contains(&kind),
        };
        let mut update = Map::new();
        update.insert(kind.to_owned(), content.clone());
        if wanted {
            return self.queue_raw(update);
        }
        let update_id = self.world.next_update_id;
        self.record(Change::UpdateIds { next: update_id + 1 });
        update_id
    }

    pub(super) fn queue_raw(&mut self, mut update: Map<String, Value>) -> i64 {
        let update_id = self.world.next_update_id;
        update.insert("update_id".to_owned(), json!(update_id));
        self.record(Change::Queued(Value::Object(update)));
        update_id
    }

    pub(super) fn confirm(&mut self, before: i64) {
        if self.world.updates.front().is_some_and(|(id, _)| *id < before) {
            self.record(Change::Confirmed { before });
        }
    }

    pub(super) fn keep_file(&mut self, file: StoredFile, bytes: Vec<u8>) {
        match &self.history {
            Some(history) => {
                if let Err(error) = history.store_bytes(&file, &bytes) {
                    tracing::warn!(%error, "a file of the chat could not be stored");
                }
            }
            None => {
                self.bytes.insert(file.file_id.clone(), bytes);
            }
        }
        self.record(Change::File(file));
        let files = &self.world.files;
        self.bytes.retain(|file_id, _| files.contains_key(file_id));
    }

    pub(super) fn bytes_of(&self, file: &StoredFile) -> Option<Vec<u8>> {
        match &self.history {
            Some(history) => history.load_bytes(file).ok(),
            None => self.bytes.get(&file.file_id).cloned(),
        }
    }
}

/// Seconds since 1970, as the Bot API counts, by the machine's clock.
pub(super) fn now_s() -> i64 {
    Utc::now().timestamp()
}

/// The same for what people read: messages of a demo have its house's time, as their words have.
pub(super) fn told_s() -> i64 {
    clock::now().house_ms / SECOND_MS
}

pub(super) fn now_ms_and_instant() -> (i64, Instant) {
    (Utc::now().timestamp_millis(), Instant::now())
}

/// The bot's `User` object; its id is the number before the token's colon.
fn bot_user(token: Option<&str>) -> Value {
    let id = token
        .and_then(|token| token.split(':').next())
        .and_then(|digits| digits.parse::<i64>().ok())
        .unwrap_or(4_242_424_242);
    json!({
        "id": id,
        "is_bot": true,
        "first_name": "Windowsill",
        "username": "windowsill_bot",
    })
}
