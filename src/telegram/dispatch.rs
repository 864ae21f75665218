//! The inbox's workers: one chat at a time in order of arrival, chats side by side.

use std::collections::HashSet;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::handle::{self, Desk};
use crate::engine::died;
use crate::store::{Store, StoreError, inbox};

/// Chats handled at once.
const CHATS_AT_ONCE: usize = 16;
/// How long a chat rests after a fault of the store.
const FAULT_PAUSE: Duration = Duration::from_secs(1);

/// Handles updates until `stop` turns true; what is begun by then is finished.
pub async fn run(
    store: Store,
    desk: Desk,
    mut stop: watch::Receiver<bool>,
) -> Result<(), StoreError> {
    let mut changes = store.changes();
    let mut busy: HashSet<i64> = HashSet::new();
    let mut workers: JoinSet<Result<i64, StoreError>> = JoinSet::new();
    while !*stop.borrow() {
        changes.mark_unchanged();
        let waiting =
            store.read(|db| Box::pin(async move { inbox::waiting_chats(db).await })).await;
        let chats = match waiting {
            Ok(chats) => chats,
            Err(StoreError::Closed) => return Err(StoreError::Closed),
            Err(error) => {
                error.log("the inbox could not be read");
                tokio::time::sleep(FAULT_PAUSE).await;
                continue;
            }
        };
        for chat_id in chats {
            if workers.len() < CHATS_AT_ONCE && busy.insert(chat_id) {
                workers.spawn(drain_chat(store.clone(), desk.clone(), chat_id, stop.clone()));
            }
        }
        tokio::select! {
            _ = stop.changed() => {}
            changed = changes.changed() => if changed.is_err() { return Err(StoreError::Closed) },
            Some(ended) = workers.join_next() => match ended {
                Ok(drained) => { busy.remove(&drained?); }
                Err(error) => return Err(died(error)),
            },
        }
    }
    while let Some(ended) = workers.join_next().await {
        ended.map_err(died)??;
    }
    Ok(())
}

async fn drain_chat(
    store: Store,
    desk: Desk,
    chat_id: i64,
    mut stop: watch::Receiver<bool>,
) -> Result<i64, StoreError> {
    let mut faulted = false;
    while !*stop.borrow() {
        let result = if faulted {
            // A fault of the store is no fault of the update: its attempt does not count.
            handle::forgive(&store, chat_id).await.map(|()| true)
        } else {
            handle::next(&store, &desk, chat_id).await
        };
        match result {
            Ok(more) => {
                if !more {
                    break;
                }
                faulted = false;
            }
            Err(StoreError::Closed) => return Err(StoreError::Closed),
            Err(error) => {
                error.log("an update could not be handled; it is tried again");
                // What the store refuses again and again counts: after three attempts it is parked.
                faulted = error.is_outage();
                tokio::select! {
                    () = tokio::time::sleep(FAULT_PAUSE) => {}
                    _ = stop.changed() => {}
                }
            }
        }
    }
    Ok(chat_id)
}
