//! What chats asked to be told regularly, told when its time has come: the daily digest and the
//! board.
//!
//! Invariant: that something was told is stored in the transaction that puts it into the outbox, so
//! no restart tells it twice or not at all. Nothing is told by a clock that is in doubt, nor to a
//! chat that may not look.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::SqliteConnection;

use super::access::{Access, FixedAccess};
use super::household;
use super::stale;
use crate::clock::{self, Clock};
use crate::crash;
use crate::engine::Phases;
use crate::kernel::board::Board;
use crate::kernel::daily::Issue;
use crate::kernel::effect::Say;
use crate::kernel::text::Text;
use crate::kernel::time::{HOUR_MS, Now, Sight};
use crate::rooms;
use crate::store::outbox::{self, Target};
use crate::store::regular::{board, daily};
use crate::store::{Store, StoreError, Urgency, cards, clock as clock_facts, positions, settings};

/// Alerts that the digest names; a line counts the rest.
const ALERTS_NAMED: i64 = 20;
/// A process that has just begun reads what came meanwhile first, but for no longer than this.
const CATCH_UP: Duration = Duration::from_secs(120);
/// What is held back is looked at again after this.
const HELD: Duration = Duration::from_secs(2);
/// A digest that could not be sent for so long is not sent any more: the next says it better.
const WORTH_MS: i64 = 20 * HOUR_MS;

/// Tells what is due.
pub struct Regular {
    store: Store,
    fixed: FixedAccess,
    /// The house's zone, for chats that have set none.
    time_zone: chrono_tz::Tz,
    /// The house's clock.
    clock: Arc<dyn Clock>,
    phases: Phases,
    /// When this process began.
    began: Instant,
    began_ms: i64,
    /// What has sent nothing for longer than this is called silent, in ms.
    silent_after_ms: i64,
}

/// What is due.
#[derive(Debug)]
struct Due {
    digests: Vec<(i64, Issue)>,
    /// The chats whose boards are.
    boards: Vec<i64>,
    /// When the next thing is.
    next_ms: Option<i64>,
}

impl Regular {
    pub fn new(
        store: Store,
        fixed: FixedAccess,
        time_zone: chrono_tz::Tz,
        clock: Arc<dyn Clock>,
        phases: Phases,
        silent_after_ms: i64,
    ) -> Regular {
        let (began, began_ms) = (Instant::now(), clock::now_ms());
        Regular { store, fixed, time_zone, clock, phases, began, began_ms, silent_after_ms }
    }

    /// Tells what is due, and says how long nothing else is. `None`: nothing is to come.
    pub(super) async fn look(&self) -> Result<Option<Duration>, StoreError> {
        let now = self.clock.now();
        let now_ms = now.house_ms;
        let (fixed, time_zone) = (self.fixed.clone(), self.time_zone);
        let due = self
            .store
            .read(move |db| Box::pin(async move { due(db, &fixed, time_zone, now_ms).await }))
            .await?;
        if due.digests.is_empty() && due.boards.is_empty() {
            let wait = |next_ms: i64| self.clock.real(next_ms.saturating_sub(now_ms));
            return Ok(due.next_ms.map(wait));
        }
        let Some(age) = self.age(now_ms).await? else { return Ok(Some(HELD)) };
        let sight = Sight { now_ms, silent_after_ms: self.silent_after_ms };
        if !due.digests.is_empty() {
            let text =
                self.store.read(move |db| Box::pin(async move { digest(db, sight).await })).await?;
            let text = with_age(text, &age);
            for (chat_id, issue) in due.digests {
                self.tell_digest(chat_id, issue, text.clone(), now).await?;
            }
        }
        if !due.boards.is_empty() {
            let board = self
                .store
                .read(move |db| Box::pin(async move { rooms::board(db, sight).await }))
                .await?;
            for chat_id in due.boards {
                self.show_board(chat_id, board.clone(), &age, now).await?;
            }
        }
        Ok(Some(Duration::ZERO))
    }

    /// What is told now has to say this of its age; mostly nothing. `None`: it is too early to tell
    /// anything, or the clock is in doubt.
    async fn age(&self, now_ms: i64) -> Result<Option<Text>, StoreError> {
        let began_ms = (self.began.elapsed() < CATCH_UP).then_some(self.began_ms);
        let phases = self.phases.clone();
        self.store
            .read(move |db| {
                Box::pin(async move {
                    if is_clock_in_doubt(db, now_ms).await? || is_behind(db, began_ms).await? {
                        return Ok(None);
                    }
                    for room in rooms::told_regularly() {
                        if let Some(age) = stale::of_room(db, &phases, room).await? {
                            return Ok(Some(age));
                        }
                    }
                    Ok(Some(Text::new()))
                })
            })
            .await
    }

    /// Tells a chat its digest, unless it does not want it any more. In its quiet hours it makes no
    /// sound: the chat asked for this very time.
    async fn tell_digest(
        &self,
        chat_id: i64,
        issue: Issue,
        text: Text,
        now: Now,
    ) -> Result<(), StoreError> {
        let time_zone = self.time_zone;
        crash::point(crash::REGULAR_POINTS[0]);
        self.store
            .write(Urgency::People, move |db| {
                Box::pin(async move {
                    let settings = settings::of(db, chat_id).await?;
                    let Some(wanted) = daily::of(db, chat_id).await? else { return Ok(()) };
                    if wanted.daily.next(now.house_ms, settings.zone(time_zone)) != Some(issue) {
                        return Ok(());
                    }
                    daily::mark_told(db, chat_id, issue.day).await?;
                    let silent = settings.quiet_until(now.house_ms, time_zone).is_some();
                    let say = Say { silent, ..Say::new(text) };
                    let times = (now.machine_ms + WORTH_MS, now.machine_ms);
                    outbox::tell_until(db, wanted.place, Target::New, &say, times).await?;
                    Ok(())
                })
            })
            .await?;
        crash::point(crash::REGULAR_POINTS[1]);
        Ok(())
    }

    async fn show_board(
        &self,
        chat_id: i64,
        whole: Board,
        age: &Text,
        now: Now,
    ) -> Result<(), StoreError> {
        let (time_zone, age) = (self.time_zone, age.clone());
        crash::point(crash::REGULAR_POINTS[0]);
        self.store
            .write(Urgency::People, move |db| {
                Box::pin(async move {
                    let settings = settings::of(db, chat_id).await?;
                    let content = with_age(whole.content(&settings, time_zone), &age);
                    board::show(db, chat_id, &content, now).await
                })
            })
            .await?;
        crash::point(crash::REGULAR_POINTS[1]);
        Ok(())
    }
}

fn with_age(text: Text, age: &Text) -> Text {
    if age.is_empty() { text } else { text.line().below(age.clone()) }
}

/// The digest as it would be told at this moment of the pipelines' clock.
pub(super) async fn digest(db: &mut SqliteConnection, sight: Sight) -> Result<Text, StoreError> {
    let lasting = (cards::count(db).await?, cards::open(db, 0, ALERTS_NAMED).await?);
    let parts = rooms::daily(db, sight).await?;
    Ok(household::digest(sight.now_ms, &lasting, parts))
}

async fn due(
    db: &mut SqliteConnection,
    fixed: &FixedAccess,
    time_zone: chrono_tz::Tz,
    now_ms: i64,
) -> Result<Due, StoreError> {
    let wanted = daily::all(db).await?;
    let boards = board::due(db, now_ms).await?;
    let next_ms = board::next_after(db, now_ms).await?;
    let mut due = Due { boards, next_ms, digests: Vec::new() };
    if wanted.is_empty() && due.boards.is_empty() {
        return Ok(due);
    }
    let access = Access::load(db, fixed).await?;
    due.boards.retain(|chat_id| access.lets_look(*chat_id));
    for wanted in wanted {
        let chat_id = wanted.place.chat_id;
        let zone = settings::of(db, chat_id).await?.zone(time_zone);
        match wanted.daily.next(now_ms, zone).filter(|_| access.lets_look(chat_id)) {
            Some(issue) if issue.at_ms <= now_ms => due.digests.push((chat_id, issue)),
            Some(issue) => {
                due.next_ms = Some(due.next_ms.map_or(issue.at_ms, |ms| ms.min(issue.at_ms)));
            }
            None => {}
        }
    }
    Ok(due)
}

/// Do the pipelines not go by the machine's clock just now?
async fn is_clock_in_doubt(db: &mut SqliteConnection, now_ms: i64) -> Result<bool, StoreError> {
    let facts = clock_facts::load(db).await?;
    let is_jump_doubted =
        facts.jump_ms.is_some() && facts.believed_at.is_some_and(|at| now_ms < at);
    Ok(facts.paused_at.is_some() || is_jump_doubted)
}

/// Has a pipeline that the news depends on not been at the log's end since the process began?
/// `None`: that is not waited for any longer.
async fn is_behind(db: &mut SqliteConnection, began_ms: Option<i64>) -> Result<bool, StoreError> {
    let Some(began_ms) = began_ms else { return Ok(false) };
    for room in rooms::told_regularly() {
        let (row, _) = positions::load(db, room).await?;
        if row.caught_up_at.is_none_or(|at| at < began_ms) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::kernel::chat::Place;
    use crate::kernel::when;

    const OWNER: i64 = 11;
    const STRANGER: i64 = 12;

    async fn write<T: Send + 'static>(
        store: &Store,
        work: impl for<'a> FnOnce(
            &'a mut SqliteConnection,
        ) -> futures_util::future::BoxFuture<'a, Result<T, StoreError>>
        + Send
        + 'static,
    ) -> T {
        store.write(Urgency::People, work).await.unwrap()
    }

    async fn told(store: &Store) -> Vec<i64> {
        let chats = "select chat_id from outbox order by id";
        let read = store.read(move |db| {
            Box::pin(async move { Ok(sqlx::query_scalar(chats).fetch_all(db).await?) })
        });
        read.await.unwrap()
    }

    /// The plants were at the log's end then.
    async fn caught_up(store: &Store, at_ms: i64) {
        write(store, move |db| {
            Box::pin(positions::advance_watermark(db, "plants", None, 0, Some(at_ms)))
        })
        .await;
    }

    /// F14: not by a clock that the pipelines do not go by; and not before they have read what came
    /// while nobody was there.
    #[tokio::test]
    async fn it_waits_for_the_clock_and_the_log_and_tells_nobody_who_may_not_look() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).await.unwrap();
        let fixed = FixedAccess { owners: vec![OWNER], allowed_chats: Vec::new() };
        let (zone, clock) = (chrono_tz::UTC, Arc::new(SystemClock));
        let regular = Regular::new(store.clone(), fixed, zone, clock, Phases::default(), 600_000);
        assert_eq!(regular.look().await.unwrap(), None);
        let now_ms = clock::now_ms();
        let minute = when::minute_of_day(now_ms, zone);
        let ago_ms = now_ms - 3 * 60_000;
        write(&store, move |db| {
            Box::pin(async move {
                for chat_id in [OWNER, STRANGER] {
                    daily::want(db, Place::private(chat_id), minute, ago_ms).await?;
                    board::want(db, Place::private(chat_id), Now::apart(now_ms)).await?;
                }
                clock_facts::pause(db, now_ms).await
            })
        })
        .await;
        assert_eq!(regular.look().await.unwrap(), Some(HELD));
        caught_up(&store, now_ms).await;
        assert_eq!(regular.look().await.unwrap(), Some(HELD));
        write(&store, |db| Box::pin(clock_facts::resume(db))).await;
        caught_up(&store, ago_ms).await;
        assert_eq!(regular.look().await.unwrap(), Some(HELD));
        assert_eq!(told(&store).await, [0; 0]);
        caught_up(&store, now_ms).await;
        assert_eq!(regular.look().await.unwrap(), Some(Duration::ZERO));
        assert_eq!(told(&store).await, [OWNER, OWNER]);
        let next = regular.look().await.unwrap().unwrap();
        assert!(next > Duration::from_secs(3000) && next <= Duration::from_secs(3600), "{next:?}");
        assert_eq!(told(&store).await.len(), 2);
    }
}
