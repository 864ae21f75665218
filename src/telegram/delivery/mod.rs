//! The pump that carries the outbox to Telegram: one row in flight for each lane of a chat, lanes
//! and chats side by side, each row until Telegram took it or it is known why not.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::access::FixedAccess;
use super::client::BotApi;
use crate::clock;
use crate::engine::died;
use crate::store::digest;
use crate::store::outbox::{self, Action, Class, Line, Row};
use crate::store::{Store, StoreError, Urgency, parks, settings};

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

/// What messages are told by.
#[derive(Debug, Clone)]
pub struct Home {
    /// The house's zone, for chats that have set none.
    pub time_zone: chrono_tz::Tz,
    /// Our name, without the `@`.
    pub username: String,
}

/// Delivers until `stop` turns true; what is in flight by then is waited for.
pub async fn run(
    store: Store,
    api: BotApi,
    fixed: FixedAccess,
    home: Home,
    mut stop: watch::Receiver<bool>,
) -> Result<(), StoreError> {
    let mut changes = store.changes();
    let parks = store.read(|db| Box::pin(async move { parks::all(db).await })).await?;
    let rests = Rests::of_parks(&parks, clock::now_ms(), clock::monotonic_ms());
    let (pace, busy) = (Pace::default(), HashMap::new());
    let mut pump = Pump { store, api, fixed, home, pace, rests, busy };
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

/// A send that has ended: its lane, and how long that rests.
type Ended = (Line, Option<Rest>);

struct Pump {
    store: Store,
    api: BotApi,
    fixed: FixedAccess,
    home: Home,
    pace: Pace,
    rests: Rests,
    /// The row in flight of each lane of a chat.
    busy: HashMap<Line, i64>,
}

impl Pump {
    /// Begins every send that may begin, and says how long no other will.
    async fn begin_sends(&mut self, sends: &mut JoinSet<Ended>) -> Result<Duration, StoreError> {
        let now = clock::now();
        let read = self.store.read(move |db| {
            Box::pin(async move {
                let next_at = outbox::next_deferred(db, now.house_ms).await?;
                Ok((outbox::heads(db, now.house_ms).await?, next_at))
            })
        });
        let (heads, next_at) = read.await?;
        let until_next = |at_ms: i64| clock::house().real(at_ms - now.house_ms);
        let mut sleep = next_at.map_or(LONGEST_SLEEP, until_next).min(LONGEST_SLEEP);
        for row_id in heads.unreadable {
            // Left in its place it would keep its chat waiting for ever.
            tracing::error!(row_id, "a message of another version cannot be read; it is dropped");
            self.drop_row(row_id, "unreadable").await?;
        }
        for row in heads.rows {
            if self.busy.contains_key(&row.line()) || sends.len() >= SENDS_AT_ONCE {
                continue;
            }
            if row.expires_at.is_some_and(|expires_at| expires_at <= now.machine_ms) {
                self.drop_row(row.id, "expired").await?;
                continue;
            }
            let monotonic_ms = clock::monotonic_ms();
            let rests = self.rests.left(row.line(), row.somebody_waits, monotonic_ms);
            if !rests.is_zero() {
                sleep = sleep.min(rests);
                continue;
            }
            // Before any digest: what is urgent must not take along what can wait.
            let is_alert = row.class == Class::Alert && matches!(row.action, Action::Say(_));
            if is_alert && self.defer(row.place.chat_id, now.house_ms).await? && row.can_wait() {
                // The change of the store brings us back for what cannot wait.
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
            let row = self.told_in(row).await?;
            self.busy.insert(row.line(), row.id);
            sends.spawn(deliver(self.store.clone(), self.api.clone(), self.fixed.clone(), row));
        }
        Ok(sleep)
    }

    /// The row as its chat reads it.
    async fn told_in(&self, row: Row) -> Result<Row, StoreError> {
        let chat_id = row.place.chat_id;
        let read = self
            .store
            .read(move |db| Box::pin(async move { settings::of(db, chat_id).await }))
            .await?;
        Ok(row.told_in(&read, self.home.time_zone, &self.home.username))
    }

    /// In the quiet hours of a chat what can wait is put off until they are over. Says whether it
    /// is so.
    async fn defer(&self, chat_id: i64, now_ms: i64) -> Result<bool, StoreError> {
        let read = self
            .store
            .read(move |db| Box::pin(async move { settings::of(db, chat_id).await }))
            .await?;
        let Some(until_ms) = read.quiet_until(now_ms, self.home.time_zone) else {
            return Ok(false);
        };
        self.store
            .write(Urgency::People, move |db| {
                Box::pin(async move { outbox::defer(db, chat_id, until_ms).await })
            })
            .await?;
        Ok(true)
    }

    /// Alerts that piled up for one chat become a digest. Says whether they did.
    async fn gather(&self, chat_id: i64) -> Result<bool, StoreError> {
        let now = clock::now();
        let waiting = self
            .store
            .read(move |db| {
                Box::pin(async move { digest::is_due(db, chat_id, now.house_ms).await })
            })
            .await?;
        if !waiting {
            return Ok(false);
        }
        self.store
            .write(Urgency::People, move |db| {
                Box::pin(async move { digest::gather(db, chat_id, now).await })
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
        let (line, rest) = ended.map_err(died)?;
        self.busy.remove(&line);
        self.rests.begin(line, rest, clock::monotonic_ms());
        Ok(())
    }
}

/// Sends one row and stores what became of it.
async fn deliver(store: Store, api: BotApi, fixed: FixedAccess, row: Row) -> Ended {
    let line = row.line();
    let sent = send::row(&store, &api, &row).await;
    let outcome = outcome::judge(&row, sent);
    if outcome.is_sent() {
        crate::crash::point("after-send");
    }
    outcome::count(api.meter(), &row, &outcome);
    // Until the outcome is stored nothing else goes to this lane: a fault of the store here
    // must not let the same row be sent again and again.
    while let Err(error) = outcome::store(&store, &fixed, &row, &outcome).await {
        if matches!(error, StoreError::Closed) {
            break;
        }
        error.log("a sent message could not be marked");
        tokio::time::sleep(FAULT_PAUSE).await;
    }
    (line, outcome.rest())
}

#[cfg(test)]
mod tests;
