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
use crate::kernel::time::HOUR_MS;
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
    /// The pipelines' clock.
    clock: Arc<dyn Clock>,
    phases: Phases,
    /// When this process began.
    began: Instant,
    began_ms: i64,
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

/// How things are.
struct News {
    digest: Text,
    board: Board,
    /// What both have to say of their age.
    age: Option<Text>,
}

impl Regular {
    pub fn new(
        store: Store,
        fixed: FixedAccess,
        time_zone: chrono_tz::Tz,
        clock: Arc<dyn Clock>,
        phases: Phases,
    ) -> Regular {
        let (began, began_ms) = (Instant::now(), clock::now_ms());
        Regular { store, fixed, time_zone, clock, phases, began, began_ms }
    }

    /// Tells what is due, and says how long nothing else is. `None`: nothing is to come.
    pub(super) async fn look(&self) -> Result<Option<Duration>, StoreError> {
        let now_ms = clock::now_ms();
        let (fixed, time_zone) = (self.fixed.clone(), self.time_zone);
        let due = self
            .store
            .read(move |db| Box::pin(async move { due(db, &fixed, time_zone, now_ms).await }))
            .await?;
        if due.digests.is_empty() && due.boards.is_empty() {
            let wait_ms = due.next_ms.map(|next_ms| next_ms.saturating_sub(now_ms));
            return Ok(wait_ms.map(|ms| Duration::from_millis(u64::try_from(ms).unwrap_or(0))));
        }
        let pipeline_now_ms = self.clock.now_ms();
        let Some(news) = self.news(pipeline_now_ms, now_ms).await? else { return Ok(Some(HELD)) };
        for (chat_id, issue) in due.digests {
            let text = with_age(news.digest.clone(), news.age.as_ref());
            self.tell_digest(chat_id, issue, text, now_ms).await?;
        }
        for chat_id in due.boards {
            self.show_board(chat_id, &news, (pipeline_now_ms, now_ms)).await?;
        }
        Ok(Some(Duration::ZERO))
    }

    /// How things are now. `None`: it is too early to say, or the clock is in doubt.
    async fn news(&self, pipeline_now_ms: i64, now_ms: i64) -> Result<Option<News>, StoreError> {
        let began_ms = (self.began.elapsed() < CATCH_UP).then_some(self.began_ms);
        let phases = self.phases.clone();
        self.store
            .read(move |db| {
                Box::pin(async move {
                    if is_clock_in_doubt(db, now_ms).await? || is_behind(db, began_ms).await? {
                        return Ok(None);
                    }
                    let mut age = None;
                    for room in rooms::told_regularly() {
                        age = age.or(stale::of_room(db, &phases, room).await?);
                    }
                    let digest = digest(db, pipeline_now_ms).await?;
                    let board = rooms::board(db, pipeline_now_ms).await?;
                    Ok(Some(News { digest, board, age }))
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
        now_ms: i64,
    ) -> Result<(), StoreError> {
        let time_zone = self.time_zone;
        crash::point(crash::REGULAR_POINTS[0]);
        self.store
            .write(Urgency::People, move |db| {
                Box::pin(async move {
                    let settings = settings::of(db, chat_id).await?;
                    let Some(wanted) = daily::of(db, chat_id).await? else { return Ok(()) };
                    if wanted.daily.next(now_ms, settings.zone(time_zone)) != Some(issue) {
                        return Ok(());
                    }
                    daily::mark_told(db, chat_id, issue.day).await?;
                    let silent = settings.quiet_until(now_ms, time_zone).is_some();
                    let say = Say { silent, ..Say::new(text) };
                    let times = (now_ms + WORTH_MS, now_ms);
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
        news: &News,
        (as_of_ms, now_ms): (i64, i64),
    ) -> Result<(), StoreError> {
        let (time_zone, whole, age) = (self.time_zone, news.board.clone(), news.age.clone());
        crash::point(crash::REGULAR_POINTS[0]);
        self.store
            .write(Urgency::People, move |db| {
                Box::pin(async move {
                    let settings = settings::of(db, chat_id).await?;
                    let content = with_age(whole.content(&settings, time_zone), age.as_ref());
                    board::show(db, chat_id, &content, (as_of_ms, now_ms)).await
                })
            })
            .await?;
        crash::point(crash::REGULAR_POINTS[1]);
        Ok(())
    }
}

fn with_age(text: Text, age: Option<&Text>) -> Text {
    match age {
        Some(line) => text.line().below(line.clone()),
        None => text,
    }
}

/// The digest as it would be told at this moment of the pipelines' clock.
pub(super) async fn digest(
    db: &mut SqliteConnection,
    pipeline_now_ms: i64,
) -> Result<Text, StoreError> {
    let lasting = cards::open(db, ALERTS_NAMED).await?;
    let parts = rooms::daily(db, pipeline_now_ms).await?;
    Ok(household::digest(pipeline_now_ms, &lasting, parts))
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
