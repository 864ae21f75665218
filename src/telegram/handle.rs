//! One update from the inbox to its effects: read, decide, write.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use sqlx::SqliteConnection;

use super::access::{Access, FixedAccess};
use super::routes::Visit;
use super::{apply, household, inline, parse, routes, stale};
use crate::clock::{self, Clock};
use crate::crash;
use crate::engine::{LogEnds, Phases};
use crate::kernel::chat::{Draft, Incoming, Me, Snapshot, Standing, draft_button};
use crate::kernel::effect::{Effect, Say};
use crate::kernel::text::Text;
use crate::kernel::time::Sight;
use crate::log::EventLog;
use crate::log::topics::Topics;
use crate::rooms;
use crate::rooms::turn::{Asker, Decision, Routes};
use crate::store::inbox::{self, Waiting};
use crate::store::outbox::{self, Class, Target};
use crate::store::publication::{self, Mark};
use crate::store::{Store, StoreError, StoreReader, Urgency, conversation, settings};

/// A decision is made again when its conversation moved meanwhile, at most this often.
const MAX_DECISIONS: usize = 5;
/// How long the log may take to say where it ends.
const LOG_ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// Everything that deciding needs beside the store.
#[derive(Clone)]
pub struct Desk {
    pub routes: Routes,
    pub access: FixedAccess,
    /// The house's zone, for chats that have set none.
    pub time_zone: chrono_tz::Tz,
    /// What has sent nothing for longer than this is called silent, in ms.
    pub silent_after_ms: i64,
    /// The house's clock.
    pub clock: Arc<dyn Clock>,
    pub me: Me,
    /// Where the pipelines' records come from, to tell how far they are behind.
    pub log: Arc<dyn EventLog>,
    pub topics: Topics,
    /// How the pipelines of this process get on; none where another process runs them.
    pub phases: Phases,
    /// `false`: every update stands by itself, whatever conversation is open.
    pub follows_conversations: bool,
}

/// What was read for a decision.
struct Read {
    decide: Decision,
    room: &'static str,
    snapshot: Snapshot,
    /// What the tables held, for whoever edits them.
    tables: BTreeMap<String, Mark>,
    /// What an answer has to say of its age.
    stale: Option<Text>,
}

/// What a decision came to.
pub struct Decided {
    pub effects: Vec<Effect>,
    /// The room that decided.
    pub room: &'static str,
    /// The conversation and the person's rights, as the decision saw them.
    draft_version: Option<i64>,
    standing: Standing,
    tables: BTreeMap<String, Mark>,
}

impl Desk {
    /// Reads what an update needs and decides. `None`: it asks for nothing.
    pub async fn decide(
        &self,
        reader: &StoreReader,
        incoming: &Arc<Incoming>,
    ) -> Result<Option<Decided>, StoreError> {
        // Before the read transaction: a slow log must not hold it open.
        let log_ends = match household::asks_for_status(incoming) {
            true => self.log_ends().await,
            false => None,
        };
        let desk = self.clone();
        let asked = Arc::clone(incoming);
        let read = reader
            .read(move |db| Box::pin(async move { desk.read(db, &asked, log_ends).await }))
            .await?;
        let Some(Read { decide, room, snapshot, tables, stale }) = read else { return Ok(None) };
        let draft_version = snapshot.draft.as_ref().map(|draft| draft.version);
        let mut effects = decide(incoming, &snapshot);
        if let Some(line) = stale {
            stale::add(line, &mut effects);
        }
        if let Some(draft) = open_question(incoming, &snapshot, &effects) {
            effects.extend(rooms::question(&draft, &snapshot.settings).map(Effect::Say));
        }
        let standing = snapshot.standing;
        Ok(Some(Decided { effects, room, draft_version, standing, tables }))
    }

    /// Where the log ends; `None` where it does not say in time.
    async fn log_ends(&self) -> Option<LogEnds> {
        let ends = LogEnds::read(self.log.as_ref(), &self.topics);
        tokio::time::timeout(LOG_ANSWERS_WITHIN, ends).await.ok()?.ok()
    }

    async fn read(
        &self,
        db: &mut SqliteConnection,
        incoming: &Arc<Incoming>,
        log_ends: Option<LogEnds>,
    ) -> Result<Option<Read>, StoreError> {
        let access = Access::load(db, &self.access).await?;
        let standing = access.standing_of(incoming);
        let draft = match self.follows_conversations {
            true => load_draft(db, incoming).await?,
            false => None,
        };
        let is_admitted = access.is_admitted(incoming.chat_kind, incoming.place.chat_id);
        let visit = Visit { standing, is_admitted };
        let route = routes::route(&self.routes, incoming, visit, draft.clone()).await;
        let Some(turn) = route else { return Ok(None) };
        let user_id = incoming.person.as_ref().map_or(0, |person| person.user_id);
        let settings = settings::of(db, incoming.place.chat_id).await?;
        let waiting = self.phases.waiting();
        let message_id = incoming.press().map_or(0, |(_, message_id, _)| message_id);
        let sight = Sight { now_ms: self.clock.now_ms(), silent_after_ms: self.silent_after_ms };
        let asker = Asker {
            place: incoming.place,
            user_id,
            settings,
            message_id,
            sight,
            log_ends,
            waiting,
        };
        let decide = turn.read(&asker, db).await?;
        let room = turn.room();
        let stale = match draft {
            None => stale::of_room(db, &self.phases, room).await?,
            Some(_) => None,
        };
        let snapshot = Snapshot {
            me: self.me.clone(),
            fixed: self.access.clone(),
            standing,
            is_admitted,
            draft,
            now_ms: clock::now_ms(),
            pipeline_now_ms: sight.now_ms,
            time_zone: settings.zone(self.time_zone),
            settings,
            silent_after_ms: sight.silent_after_ms,
        };
        let tables = publication::marks(db).await?;
        Ok(Some(Read { decide, room, snapshot, tables, stale }))
    }
}

async fn load_draft(
    db: &mut SqliteConnection,
    incoming: &Incoming,
) -> Result<Option<Draft>, StoreError> {
    match apply::holder(incoming) {
        Some(holder) => conversation::load(db, holder).await,
        None => Ok(None),
    }
}

/// The conversation whose question is asked again: one that goes on after an interruption, or one
/// inside which something else was answered.
fn open_question(incoming: &Incoming, snapshot: &Snapshot, effects: &[Effect]) -> Option<Draft> {
    let moved = effects.iter().find_map(|effect| match effect {
        Effect::Resume(held) => Some(Some(held)),
        Effect::Converse(_) | Effect::EndConversation => Some(None),
        _ => None,
    });
    if let Some(moved) = moved {
        let held = moved?.clone();
        return Some(Draft { room: held.room, version: incoming.update_id, state: held.state });
    }
    let said = effects.iter().any(|effect| matches!(effect, Effect::Say(_)));
    let of_draft = incoming.press().is_some_and(|(_, _, data)| draft_button(data).is_some());
    if said && !of_draft { snapshot.draft.clone() } else { None }
}

/// Handles the oldest waiting update of a chat. `false`: there is none.
pub async fn next(store: &Store, desk: &Desk, chat_id: i64) -> Result<bool, StoreError> {
    let waiting =
        store.read(move |db| Box::pin(async move { inbox::next_of(db, chat_id).await })).await?;
    let Some(waiting) = waiting else { return Ok(false) };
    if waiting.attempts >= inbox::MAX_ATTEMPTS {
        give_up(store, desk, chat_id, &waiting).await?;
        return Ok(true);
    }
    let update_id = waiting.update_id;
    // In a commit of its own, and before the attempt: a crash counts too.
    store
        .write(Urgency::People, move |db| {
            Box::pin(async move { inbox::count_attempt(db, update_id).await })
        })
        .await?;
    match AssertUnwindSafe(attempt(store, desk, &waiting)).catch_unwind().await {
        Ok(result) => result?,
        // Where it panicked is logged already; the update is tried again.
        Err(_) => tracing::error!(update_id, "handling an update failed inside windowsill (a bug)"),
    }
    Ok(true)
}

/// Takes back the attempt that the store's fault spoilt.
pub async fn forgive(store: &Store, chat_id: i64) -> Result<(), StoreError> {
    store
        .write(Urgency::People, move |db| {
            Box::pin(async move { inbox::uncount_attempt(db, chat_id).await })
        })
        .await
}

async fn attempt(store: &Store, desk: &Desk, waiting: &Waiting) -> Result<(), StoreError> {
    let update_id = waiting.update_id;
    let Some(incoming) = parse::parse(&waiting.body, &desk.me).map(Arc::new) else {
        return finish(store, update_id).await;
    };
    if incoming.inline().is_some() && clock::now_ms() - waiting.received_at > inline::ANSWERED_MS {
        return finish(store, update_id).await;
    }
    for _ in 0..MAX_DECISIONS {
        let Some(decided) = desk.decide(&store.reader(), &incoming).await? else {
            return finish(store, update_id).await;
        };
        if write(store, &desk.access, Arc::clone(&incoming), decided).await? {
            return Ok(());
        }
    }
    Err(StoreError::Unexpected("a conversation that moves faster than it is answered".to_owned()))
}

/// Writes a decision in one transaction. `false`: what it was based on moved meanwhile.
async fn write(
    store: &Store,
    fixed: &FixedAccess,
    incoming: Arc<Incoming>,
    decided: Decided,
) -> Result<bool, StoreError> {
    crash::point("before-update-commit");
    let fixed = fixed.clone();
    let written = store
        .write(Urgency::People, move |db| {
            Box::pin(async move {
                let version = load_draft(db, &incoming).await?.map(|draft| draft.version);
                let now = clock::now();
                // An owner may have taken somebody's access away meanwhile, another owner's even.
                let standing = Access::load(db, &fixed).await?.standing_of(&incoming);
                if version != decided.draft_version
                    || standing != decided.standing
                    || was_edited_meanwhile(db, &decided).await?
                    || !apply::still_holds(db, &decided.effects, now.machine_ms).await?
                {
                    return Ok(false);
                }
                apply::effects(db, &incoming, decided.room, &decided.effects, now).await?;
                inbox::finish(db, incoming.update_id).await?;
                Ok(true)
            })
        })
        .await?;
    crash::point("after-update-commit");
    Ok(written)
}

/// Has somebody else edited a table that this decision edits, since it was read?
async fn was_edited_meanwhile(
    db: &mut SqliteConnection,
    decided: &Decided,
) -> Result<bool, StoreError> {
    let edited = decided.effects.iter().filter_map(|effect| match effect {
        Effect::Publish(publish) => Some(publish.topic),
        _ => None,
    });
    let edited: Vec<&str> = edited.collect();
    if edited.is_empty() {
        return Ok(false);
    }
    let now = publication::marks(db).await?;
    Ok(edited.into_iter().any(|topic| now.get(topic) != decided.tables.get(topic)))
}

async fn finish(store: &Store, update_id: i64) -> Result<(), StoreError> {
    store
        .write(Urgency::People, move |db| {
            Box::pin(async move { inbox::finish(db, update_id).await })
        })
        .await
}

/// The update failed too often: it is set aside, and the person told.
async fn give_up(
    store: &Store,
    desk: &Desk,
    chat_id: i64,
    waiting: &Waiting,
) -> Result<(), StoreError> {
    let update_id = waiting.update_id;
    tracing::error!(update_id, chat_id, "an update is parked after three failed attempts");
    // Nobody waits any more for what they typed behind our name.
    let incoming = parse::parse(&waiting.body, &desk.me);
    let place = incoming.filter(|it| it.inline().is_none()).map(|incoming| incoming.place);
    store
        .write(Urgency::People, move |db| {
            Box::pin(async move {
                inbox::park(db, update_id).await?;
                let Some(place) = place else { return Ok(()) };
                let words = "Something in me failed over your last message, three times. \
                             I have set it aside; please try it another way.";
                let say = Say::new(Text::of(words));
                let now_ms = clock::now_ms();
                outbox::say(db, place, Class::Reply, Target::New, &say, now_ms).await?;
                Ok(())
            })
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::chat::{FixedAccess, Place};
    use crate::kernel::effect::{AlertsChange, EditRecord, Publish};
    use crate::kernel::time::Now;
    use crate::store::{access, removal};

    fn said(text: &str) -> Arc<Incoming> {
        let chat = serde_json::json!({"id": 7, "type": "private", "first_name": "Ada"});
        let from = serde_json::json!({"id": 7, "is_bot": false, "first_name": "Ada"});
        let body = serde_json::json!({"update_id": 1, "message": {"message_id": 1, "date": 1,
            "chat": chat, "from": from, "text": text}});
        let me = Me { username: "Sill_bot".to_owned(), ..Me::default() };
        Arc::new(parse::parse(&body.to_string(), &me).unwrap())
    }

    /// Two people confirm an edit of one plant at once: the second one decides again, with the
    /// first one's edit before their eyes, wherever that has come to.
    #[tokio::test]
    async fn an_edit_is_not_written_over_one_that_came_after_it_was_read() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).await.unwrap();
        let incoming = said("/y");
        let fixed = FixedAccess { owners: vec![7], allowed_chats: Vec::new() };
        let publish = Publish {
            topic: "houseplant-metadata",
            records: vec![EditRecord { key: b"3".to_vec(), value: None }],
            saved: Text::of("saved"),
            queued: Text::of("queued"),
        };
        let read = || store.read(|db| Box::pin(async move { publication::marks(db).await }));
        let decide = |tables| Decided {
            effects: vec![Effect::Publish(publish.clone())],
            room: "plants",
            draft_version: None,
            standing: Standing::Owner,
            tables,
        };
        let before = read().await.unwrap();
        let confirm = |tables| write(&store, &fixed, Arc::clone(&incoming), decide(tables));
        assert!(confirm(before.clone()).await.unwrap());
        assert!(!confirm(before).await.unwrap());
        let on_the_way = read().await.unwrap();
        // The edit is saved meanwhile.
        let arrive = store.write(Urgency::People, |db| {
            Box::pin(async move {
                sqlx::query("delete from publication").execute(&mut *db).await?;
                sqlx::query(
                    "insert into position (pipeline, topic, partition, log_id, next_offset)
                     values ('plants', 'houseplant-metadata', 0, 'log', 1)",
                )
                .execute(db)
                .await?;
                Ok(())
            })
        });
        arrive.await.unwrap();
        assert!(!confirm(on_the_way).await.unwrap());
        let seen = read().await.unwrap();
        assert!(confirm(seen).await.unwrap());
    }

    /// F26: removed between the decision and its write.
    #[tokio::test]
    async fn nothing_is_written_for_somebody_who_lost_their_access_meanwhile() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).await.unwrap();
        let incoming = said("/alerts here");
        let fixed = FixedAccess { owners: vec![1], allowed_chats: Vec::new() };
        let decide = || Decided {
            effects: vec![Effect::Alerts(AlertsChange::Subscribe(Place::private(7)))],
            room: "household",
            draft_version: None,
            standing: Standing::Member,
            tables: BTreeMap::new(),
        };
        let let_in = || {
            store.write(Urgency::People, |db| {
                Box::pin(async move { access::add_member(db, 7, "Ada", 1).await })
            })
        };
        let_in().await.unwrap();
        let remove = store.write(Urgency::People, |db| {
            Box::pin(async move { removal::remove_member(db, 7, Now::apart(2)).await })
        });
        remove.await.unwrap();
        assert!(!write(&store, &fixed, Arc::clone(&incoming), decide()).await.unwrap());
        let places = || store.read(|db| Box::pin(async move { access::subscriptions(db).await }));
        assert_eq!(places().await.unwrap(), []);
        let_in().await.unwrap();
        assert!(write(&store, &fixed, incoming, decide()).await.unwrap());
        assert_eq!(places().await.unwrap(), [Place::private(7)]);
    }
}
