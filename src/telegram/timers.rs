//! Timers of people: conversations that ran out of time, edits that take long, notices, and old
//! rows. Each is a column of the row it belongs to, so it survives a restart by itself.

use std::time::{Duration, Instant};

use sqlx::SqliteConnection;
use tokio::sync::watch;

use super::access::FixedAccess;
use super::notices;
use super::set_back::{self, SetBack};
use crate::clock;
use crate::kernel::chat::Place;
use crate::kernel::effect::Say;
use crate::kernel::text::Text;
use crate::kernel::time::DAY_MS;
use crate::rooms;
use crate::store::outbox::{self, Target};
use crate::store::{
    Store, StoreError, Urgency, access, alerts, conversation, group, inbox, invite, publication,
};

/// Handled updates and sent messages are remembered for this long.
const MEMORY_MS: i64 = 7 * DAY_MS;
/// Alerts and failed edits are kept for this long.
const RECORD_MS: i64 = 366 * DAY_MS;
/// Updates that were set aside, strangers, and what else came from people without access are
/// kept for this long.
const STRANGER_MS: i64 = 30 * DAY_MS;
/// What has outlived its time is swept this often.
const SWEEP_EVERY: Duration = Duration::from_secs(3600);
/// The clock is looked at least this often: a suspended machine wakes up late.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);
const FAULT_PAUSE: Duration = Duration::from_secs(1);

/// Rings until `stop` turns true.
pub async fn run(
    store: Store,
    fixed: FixedAccess,
    mut stop: watch::Receiver<bool>,
) -> Result<(), StoreError> {
    let mut changes = store.changes();
    let mut swept: Option<Instant> = None;
    let mut set_back = SetBack::new();
    while !*stop.borrow() {
        changes.mark_unchanged();
        let sleep = match look(&store, &fixed, &mut swept, &mut set_back).await {
            Ok(sleep) => sleep,
            Err(StoreError::Closed) => return Err(StoreError::Closed),
            Err(error) => {
                error.log("timers could not be looked at");
                FAULT_PAUSE
            }
        };
        tokio::select! {
            _ = stop.changed() => {}
            () = tokio::time::sleep(sleep) => {}
            _ = changes.changed() => {}
        }
    }
    Ok(())
}

async fn look(
    store: &Store,
    fixed: &FixedAccess,
    swept: &mut Option<Instant>,
    set_back: &mut SetBack,
) -> Result<Duration, StoreError> {
    if let Some(by_ms) = set_back.by_ms() {
        tracing::warn!(by_ms, "the wall clock was set back; nobody waits longer for it");
        let mend = store.write(Urgency::People, move |db| {
            Box::pin(async move { set_back::mend(db, clock::now_ms()).await })
        });
        mend.await?;
    }
    if swept.is_none_or(|at| at.elapsed() >= SWEEP_EVERY) {
        sweep(store).await?;
        *swept = Some(Instant::now());
    }
    ring_due(store, fixed).await
}

/// Forgets what has outlived its time, so that nothing grows for ever.
async fn sweep(store: &Store) -> Result<(), StoreError> {
    store
        .write(Urgency::Bulk, |db| {
            Box::pin(async move {
                let now_ms = clock::now_ms();
                inbox::forget(db, now_ms - MEMORY_MS).await?;
                inbox::forget_parked(db, now_ms - STRANGER_MS).await?;
                access::forget_strangers(db, now_ms - STRANGER_MS).await?;
                group::forget_nameless(db, now_ms - STRANGER_MS).await?;
                invite::forget(db, now_ms, now_ms - STRANGER_MS).await?;
                outbox::forget(db, now_ms - MEMORY_MS).await?;
                alerts::forget(db, now_ms - RECORD_MS).await?;
                publication::forget_failed(db, now_ms - RECORD_MS).await
            })
        })
        .await
}

/// Rings what is due and says how long nothing else is.
async fn ring_due(store: &Store, fixed: &FixedAccess) -> Result<Duration, StoreError> {
    let now_ms = clock::now_ms();
    let fixed = fixed.clone();
    let asked = fixed.clone();
    let due =
        store.read(move |db| Box::pin(async move { next_due(db, &asked, now_ms).await })).await?;
    match due {
        Some(due_ms) if due_ms <= now_ms => {
            store
                .write(Urgency::People, move |db| {
                    Box::pin(async move { ring(db, &fixed, now_ms).await })
                })
                .await?;
            Ok(Duration::ZERO)
        }
        Some(due_ms) => {
            let wait_ms = u64::try_from(due_ms - now_ms).unwrap_or(0);
            Ok(Duration::from_millis(wait_ms).min(LONGEST_SLEEP))
        }
        None => Ok(LONGEST_SLEEP),
    }
}

async fn next_due(
    db: &mut SqliteConnection,
    fixed: &FixedAccess,
    now_ms: i64,
) -> Result<Option<i64>, StoreError> {
    let deadline = conversation::next_deadline(db).await?;
    let queued = publication::next_queued(db).await?;
    let letters = notices::next_dead_letters(db, fixed, now_ms).await?;
    Ok([deadline, queued, letters].into_iter().flatten().min())
}

async fn ring(
    db: &mut SqliteConnection,
    fixed: &FixedAccess,
    now_ms: i64,
) -> Result<(), StoreError> {
    for overdue in conversation::end_overdue(db, now_ms).await? {
        let words = format!(
            "⌛ I waited 30 minutes for an answer and have closed {}. Nothing was changed; \
             begin again whenever you like.",
            rooms::unfinished(&overdue.draft)
        );
        let (place, user_id) = (overdue.holder.place, overdue.holder.user_id);
        let text = match place == Place::private(user_id) || overdue.name.is_empty() {
            true => Text::of(words),
            // Among others, whose conversation it was has to be said.
            false => Text::new().mention(user_id, &overdue.name).plain(":\n").plain(words),
        };
        outbox::tell(db, place, Target::New, &Say::new(text), now_ms).await?;
    }
    publication::say_queued(db, now_ms).await?;
    notices::tell_dead_letters(db, fixed, now_ms).await
}
