//! The pump that carries the outbox to Telegram: one message in flight for each chat, chats side
//! by side, each row until Telegram took it or it is known why not.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::access::FixedAccess;
use super::client::BotApi;
use crate::clock;
use crate::engine::died;
use crate::store::digest;
use crate::store::outbox::{self, Class, Row};
use crate::store::{Store, StoreError, Urgency, parks};

mod outcome;
mod pace;
mod photo;
mod refusal;
mod rests;
mod send;

use pace::Pace;
pub use photo::attached;
use rests::{Rest, Rests};
pub use send::keyboard;

/// Chats sent to at once.
const SENDS_AT_ONCE: usize = 16;
/// How long to look away when nothing is due.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);
const FAULT_PAUSE: Duration = Duration::from_secs(1);

/// Delivers until `stop` turns true; what is in flight by then is waited for.
pub async fn run(
    store: Store,
    api: BotApi,
    fixed: FixedAccess,
    mut stop: watch::Receiver<bool>,
) -> Result<(), StoreError> {
    let mut changes = store.changes();
    let parks = store.read(|db| Box::pin(async move { parks::all(db).await })).await?;
    let rests = Rests::of_parks(&parks, clock::now_ms(), clock::monotonic_ms());
    let mut pump = Pump { store, api, fixed, pace: Pace::default(), rests, busy: HashMap::new() };
    let mut sends: JoinSet<Ended> = JoinSet::new();
    while !*stop.borrow() {
        changes.mark_unchanged();
        let sleep = match pump.begin_sends(&mut sends).await {
            Ok(sleep) => sleep,
            Err(StoreError::Closed) => return Err(StoreError::Closed),
            Err(error) => {
                error.log("the outbox could not be read");
                FAULT_PAUSE
            }
        };
        tokio::select! {
            _ = stop.changed() => {}
            () = tokio::time::sleep(sleep) => {}
            _ = changes.changed() => {}
            Some(ended) = sends.join_next() => pump.ended(ended)?,
        }
    }
    while let Some(ended) = sends.join_next().await {
        pump.ended(ended)?;
    }
    Ok(())
}

/// A send that has ended: its chat, and how long that rests.
type Ended = (i64, Option<Rest>);

struct Pump {
    store: Store,
    api: BotApi,
    fixed: FixedAccess,
    pace: Pace,
    rests: Rests,
    /// The row in flight of each chat.
    busy: HashMap<i64, i64>,
}

impl Pump {
    /// Begins every send that may begin, and says how long no other will.
    async fn begin_sends(&mut self, sends: &mut JoinSet<Ended>) -> Result<Duration, StoreError> {
        let heads = self.store.read(|db| Box::pin(async move { outbox::heads(db).await })).await?;
        let mut sleep = LONGEST_SLEEP;
        for row_id in heads.unreadable {
            // Left in its place it would keep its chat waiting for ever.
            tracing::error!(row_id, "a message of another version cannot be read; it is dropped");
            self.drop_row(row_id, "unreadable").await?;
        }
        for row in heads.rows {
            if self.busy.contains_key(&row.place.chat_id) || sends.len() >= SENDS_AT_ONCE {
                continue;
            }
            let now_ms = clock::now_ms();
            if row.expires_at.is_some_and(|expires_at| expires_at <= now_ms) {
                self.drop_row(row.id, "expired").await?;
                continue;
            }
            let monotonic_ms = clock::monotonic_ms();
            let rests = self.rests.left(row.place.chat_id, row.somebody_waits, monotonic_ms);
            if !rests.is_zero() {
                sleep = sleep.min(rests);
                continue;
            }
            if row.class == Class::Alert && self.gather(row.place.chat_id).await? {
                // The digest is the chat's next row; the change of the store brings us back.
                continue;
            }
            if let Err(wait) = self.pace.take(&row, monotonic_ms) {
                sleep = sleep.min(wait);
                continue;
            }
            self.busy.insert(row.place.chat_id, row.id);
            sends.spawn(deliver(self.store.clone(), self.api.clone(), self.fixed.clone(), row));
        }
        Ok(sleep)
    }

    /// Alerts that piled up for one chat become a digest. Says whether they did.
    async fn gather(&self, chat_id: i64) -> Result<bool, StoreError> {
        let waiting = self
            .store
            .read(move |db| Box::pin(async move { digest::is_due(db, chat_id).await }))
            .await?;
        if !waiting {
            return Ok(false);
        }
        self.store
            .write(Urgency::People, move |db| {
                Box::pin(async move { digest::gather(db, chat_id, clock::now_ms()).await })
            })
            .await
    }

    async fn drop_row(&self, row_id: i64, note: &'static str) -> Result<(), StoreError> {
        self.store
            .write(Urgency::People, move |db| {
                Box::pin(async move { outbox::drop_row(db, row_id, note, clock::now_ms()).await })
            })
            .await
    }

    fn ended(&mut self, ended: Result<Ended, tokio::task::JoinError>) -> Result<(), StoreError> {
        let (chat_id, rest) = ended.map_err(died)?;
        self.busy.remove(&chat_id);
        self.rests.begin(chat_id, rest, clock::monotonic_ms());
        Ok(())
    }
}

/// Sends one row and stores what became of it.
async fn deliver(store: Store, api: BotApi, fixed: FixedAccess, row: Row) -> Ended {
    let chat_id = row.place.chat_id;
    let sent = send::row(&store, &api, &row).await;
    let outcome = outcome::judge(&row, sent);
    if outcome.is_sent() {
        crate::crash::point("after-send");
    }
    outcome::count(api.meter(), &row, &outcome);
    // Until the outcome is stored nothing else goes to this chat: a fault of the store here
    // must not let the same row be sent again and again.
    while let Err(error) = outcome::store(&store, &fixed, &row, &outcome).await {
        if matches!(error, StoreError::Closed) {
            break;
        }
        error.log("a sent message could not be marked");
        tokio::time::sleep(FAULT_PAUSE).await;
    }
    (chat_id, outcome.rest())
}

#[cfg(test)]
mod tests;
