//! Timers of people: conversations that ran out of time, edits that take long, notices, what is
//! told regularly, and old rows. Each is a column of the row it belongs to, so it survives a restart
//! by itself.

use std::time::{Duration, Instant};

use sqlx::SqliteConnection;
use tokio::sync::watch;

use super::access::FixedAccess;
use super::notices;
use super::regular::Regular;
use super::set_back::{self, SetBack};
use crate::clock::{self, Clock};
use crate::kernel::chat::Place;
use crate::kernel::effect::Say;
use crate::kernel::text::Text;
use crate::kernel::time::{DAY_MS, Now};
use crate::rooms;
use crate::store::outbox::{self, Target};
use crate::store::{
    Store, StoreError, Urgency, access, alerts, cards, clock as clock_facts, conversation, group,
    inbox, invite, publication,
};

/// Handled updates and sent messages are remembered for this long.
const MEMORY_MS: i64 = 7 * DAY_MS;
/// Alerts and failed edits are kept for this long.
const RECORD_MS: i64 = 366 * DAY_MS;
/// Updates that were set aside, strangers, and what else came from people without access are
/// kept for this long.
const STRANGER_MS: i64 = 30 * DAY_MS;
/// What has outlived its time is swept this often, and not before: a machine that was just started
/// may not know the time yet.
const SWEEP_EVERY: Duration = Duration::from_secs(3600);
/// The clock is looked at least this often: a suspended machine wakes up late.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);
const FAULT_PAUSE: Duration = Duration::from_secs(1);

/// Rings until `stop` turns true.
pub async fn run(
    store: Store,
    fixed: FixedAccess,
    regular: Regular,
    mut stop: watch::Receiver<bool>,
) -> Result<(), StoreError> {
    let mut changes = store.changes();
    let mut swept = Instant::now();
    let mut set_back = SetBack::new();
    while !*stop.borrow() {
        changes.mark_unchanged();
        let sleep = match look(&store, &fixed, &regular, &mut swept, &mut set_back).await {
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
    regular: &Regular,
    swept: &mut Instant,
    set_back: &mut SetBack,
) -> Result<Duration, StoreError> {
    if let Some(by_ms) = set_back.by_ms() {
        tracing::warn!(by_ms, "the wall clock was set back; nobody waits longer for it");
        let mend = store.write(Urgency::People, move |db| {
            Box::pin(async move { set_back::mend(db, clock::now()).await })
        });
        mend.await?;
    }
    if swept.elapsed() >= SWEEP_EVERY {
        sweep(store, clock::now_ms()).await?;
        *swept = Instant::now();
    }
    let sleep = ring_due(store, fixed).await?;
    Ok(regular.look().await?.map_or(sleep, |next| next.min(sleep)))
}

/// Forgets what has outlived its time, so that nothing grows for ever.
async fn sweep(store: &Store, now_ms: i64) -> Result<(), StoreError> {
    store
        .write(Urgency::Bulk, move |db| {
            Box::pin(async move {
                // Not by a clock that the pipelines do not go by yet: one that is wrong for a
                // minute must not make us forget which alerts were told.
                let now_ms = now_ms.min(clock_facts::load(db).await?.committed_at);
                inbox::forget(db, now_ms - MEMORY_MS).await?;
                inbox::forget_parked(db, now_ms - STRANGER_MS).await?;
                access::forget_strangers(db, now_ms - STRANGER_MS).await?;
                group::forget_nameless(db, now_ms - STRANGER_MS).await?;
                invite::forget(db, now_ms, now_ms - STRANGER_MS).await?;
                outbox::forget(db, now_ms - MEMORY_MS).await?;
                alerts::forget(db, now_ms - RECORD_MS).await?;
                alerts::forget_snoozes(db, now_ms - MEMORY_MS).await?;
                publication::forget_failed(db, now_ms - RECORD_MS).await
            })
        })
        .await
}

/// Rings what is due and says how long nothing else is.
async fn ring_due(store: &Store, fixed: &FixedAccess) -> Result<Duration, StoreError> {
    let now = clock::now();
    let fixed = fixed.clone();
    let asked = fixed.clone();
    let due_in =
        store.read(move |db| Box::pin(async move { next_due(db, &asked, now).await })).await?;
    if !due_in.is_zero() {
        return Ok(due_in.min(LONGEST_SLEEP));
    }
    store
        .write(Urgency::People, move |db| Box::pin(async move { ring(db, &fixed, now).await }))
        .await?;
    Ok(Duration::ZERO)
}

/// In how much real time something is due; zero: now.
async fn next_due(
    db: &mut SqliteConnection,
    fixed: &FixedAccess,
    now: Now,
) -> Result<Duration, StoreError> {
    let deadline = conversation::next_deadline(db).await?;
    let queued = publication::next_queued(db).await?;
    let letters = notices::next_dead_letters(db, fixed, now.machine_ms).await?;
    let halted = notices::next_standstill(db, fixed).await?;
    let by_machine = [deadline, queued, letters, halted].into_iter().flatten().min();
    let by_machine = by_machine.map(|at_ms| clock::SystemClock.real(at_ms - now.machine_ms));
    let card = cards::next_due(db).await?;
    let by_house = card.map(|at_ms| clock::house().real(at_ms - now.house_ms));
    Ok([by_machine, by_house].into_iter().flatten().min().unwrap_or(Duration::MAX))
}

async fn ring(db: &mut SqliteConnection, fixed: &FixedAccess, now: Now) -> Result<(), StoreError> {
    let now_ms = now.machine_ms;
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
    cards::ring(db, now).await?;
    notices::tell_standstill(db, fixed, now_ms).await?;
    notices::tell_dead_letters(db, fixed, now_ms).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::alert::Alert;

    /// F14: for a moment the clock says 2099.
    #[tokio::test]
    async fn nothing_is_forgotten_by_a_clock_that_no_pipeline_has_gone_by() {
        const NOW_MS: i64 = 1_793_491_200_000;
        const FAR_MS: i64 = NOW_MS + 73 * 366 * DAY_MS;
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).await.unwrap();
        let alert = Alert::new("plants.dry", "7", NOW_MS, Text::of("dry"), Text::of("dry"));
        let raise = store.write(Urgency::Bulk, move |db| {
            Box::pin(async move {
                clock_facts::commit(db, NOW_MS).await?;
                alerts::record(db, &alert, alerts::Told::Sent, NOW_MS).await
            })
        });
        assert!(raise.await.unwrap());
        sweep(&store, FAR_MS).await.unwrap();
        let kept = || store.read(|db| Box::pin(async move { alerts::count_by_told(db).await }));
        let sum = |counts: Vec<(&str, i64)>| counts.iter().map(|(_, count)| count).sum::<i64>();
        assert_eq!(sum(kept().await.unwrap()), 1);
        let believe = store.write(Urgency::Bulk, move |db| {
            Box::pin(async move { clock_facts::commit(db, FAR_MS).await })
        });
        believe.await.unwrap();
        sweep(&store, FAR_MS).await.unwrap();
        assert_eq!(sum(kept().await.unwrap()), 0);
    }
}
