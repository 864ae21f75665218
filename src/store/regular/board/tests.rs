//! Boards by any sequence of wishes, changes, sends and deaths: rows from the real store, and a
//! Telegram that remembers what it took.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::*;
use crate::kernel::time::MINUTE_MS;
use crate::store::outbox::Row as Sent;
use crate::store::{Store, Urgency};

const PLACE: Place = Place { chat_id: -9, thread_id: None };

#[derive(Debug, Clone, Copy)]
enum Step {
    Want,
    End,
    /// The household is so from now on.
    Become(u8),
    Pass(i64),
    /// Telegram takes what waits first.
    Deliver,
    /// It takes it, and the process dies before that is stored.
    DeliverAndDie,
    /// Somebody deletes the newest message.
    Delete,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => Just(Step::Want),
        1 => Just(Step::End),
        3 => (0u8..3).prop_map(Step::Become),
        4 => (1i64..150).prop_map(Step::Pass),
        8 => Just(Step::Deliver),
        1 => Just(Step::DeliverAndDie),
        1 => Just(Step::Delete),
    ];
    prop::collection::vec(step, 1..80)
}

struct World {
    store: Store,
    now_ms: i64,
    content: u8,
    /// What the chat shows, by message id.
    shown: BTreeMap<i32, String>,
    pinned: Vec<i32>,
    next_id: i32,
    /// Messages that Telegram took and nobody could note.
    orphans: usize,
    changed_at: Vec<i64>,
}

impl World {
    async fn write<T: Send + 'static>(
        &self,
        work: impl for<'a> FnOnce(
            &'a mut SqliteConnection,
        ) -> futures_util::future::BoxFuture<'a, Result<T, StoreError>>
        + Send
        + 'static,
    ) -> T {
        self.store.write(Urgency::People, work).await.unwrap()
    }

    /// What the timers do.
    async fn look(&self) {
        let (now_ms, content) = (self.now_ms, Text::of(format!("things are {}", self.content)));
        self.write(move |db| {
            Box::pin(async move {
                for chat_id in due(db, now_ms).await? {
                    show(db, chat_id, &content, Now::apart(now_ms)).await?;
                }
                Ok(())
            })
        })
        .await;
    }

    async fn head(&self) -> Option<Sent> {
        let now_ms = self.now_ms;
        loop {
            let heads = self.write(move |db| Box::pin(outbox::heads(db, now_ms))).await;
            let row = heads.rows.into_iter().next()?;
            let machine_ms = Now::apart(now_ms).machine_ms;
            if row.expires_at.is_none_or(|expires_at| expires_at > machine_ms) {
                return Some(row);
            }
            let row_id = row.id;
            self.write(move |db| Box::pin(outbox::drop_row(db, row_id, "expired", now_ms))).await;
        }
    }

    /// One row goes out. `is_noted`: we live to hear of it.
    async fn deliver(&mut self, is_noted: bool) {
        let Some(row) = self.head().await else { return };
        let (row_id, now_ms) = (row.id, self.now_ms);
        let now = Now::apart(now_ms);
        let message_id = match &row.action {
            Action::Call(call) => {
                let message_id = call.params["message_id"].as_i64().unwrap();
                let message_id = i32::try_from(message_id).unwrap();
                self.pinned.retain(|pinned| *pinned != message_id);
                if call.method == PIN && self.shown.contains_key(&message_id) {
                    self.pinned.push(message_id);
                }
                None
            }
            Action::Say(body) => {
                self.next_id += 1;
                self.orphans += usize::from(!is_noted);
                self.shown.insert(self.next_id, body.text.to_plain());
                Some(self.next_id)
            }
            Action::Edit(target, body) => {
                let message_id = match target {
                    Target::Message(message_id) => Some(*message_id),
                    Target::Row(of) => {
                        let (of, chat_id) = (*of, row.place.chat_id);
                        self.write(move |db| Box::pin(outbox::message_of(db, chat_id, of))).await
                    }
                    Target::New => None,
                };
                let known = message_id.filter(|message_id| self.shown.contains_key(message_id));
                let Some(message_id) = known else {
                    let is_last = row.class == Class::Alert;
                    self.write(move |db| {
                        Box::pin(async move {
                            match is_last {
                                true => outbox::drop_row(db, row_id, "gone", now_ms).await,
                                false => outbox::make_new(db, row_id).await,
                            }
                        })
                    })
                    .await;
                    return;
                };
                self.changed_at.push(now_ms);
                self.shown.insert(message_id, body.text.to_plain());
                Some(message_id)
            }
        };
        if is_noted {
            self.write(move |db| Box::pin(outbox::mark_sent(db, row_id, message_id, now))).await;
        }
    }

    async fn take(&mut self, step: Step) {
        let now = Now::apart(self.now_ms);
        match step {
            Step::Want => self.write(move |db| Box::pin(want(db, PLACE, now))).await,
            Step::End => self.write(move |db| Box::pin(end(db, PLACE.chat_id, now))).await,
            Step::Become(content) => self.content = content,
            Step::Pass(minutes) => self.now_ms += minutes * MINUTE_MS,
            Step::Deliver => self.deliver(true).await,
            Step::DeliverAndDie => self.deliver(false).await,
            Step::Delete => {
                if let Some((message_id, _)) = self.shown.pop_last() {
                    self.pinned.retain(|pinned| *pinned != message_id);
                }
            }
        }
        self.look().await;
    }

    /// Nothing is left of the case before.
    async fn begin(store: &Store) -> World {
        let world = World {
            store: store.clone(),
            now_ms: HOUR_MS,
            content: 0,
            shown: BTreeMap::new(),
            pinned: Vec::new(),
            next_id: 0,
            orphans: 0,
            changed_at: Vec::new(),
        };
        world
            .write(|db| {
                Box::pin(async move {
                    sqlx::query("delete from outbox").execute(&mut *db).await?;
                    sqlx::query("delete from board").execute(&mut *db).await?;
                    Ok(())
                })
            })
            .await;
        world
    }

    async fn settle(&mut self) {
        while self.head().await.is_some() {
            self.deliver(true).await;
        }
    }
}

async fn play(store: &Store, steps: &[Step]) -> World {
    let mut world = World::begin(store).await;
    for step in steps {
        world.take(*step).await;
    }
    world.settle().await;
    // A whole turn later something else is the case, and all was looked at once more.
    world.now_ms += 2 * EVERY_MS;
    world.content = 9;
    world.look().await;
    world.settle().await;
    world
}

/// A chat that wants a board has one that is alive and pinned, and no other but those whose sending
/// nobody lived to note; one that wants none has none.
#[test]
fn a_chat_has_one_board_or_none() {
    let cases = if std::env::var_os("RUN_SLOW").is_some() { 2_000 } else { 60 };
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = runtime.block_on(Store::open(dir.path())).unwrap();
    let mut runner = TestRunner::new(ProptestConfig::with_cases(cases));
    let outcome = runner.run(&steps(), |steps| {
        let world = runtime.block_on(play(&store, &steps));
        let stored = runtime.block_on(world.write(|db| Box::pin(of(db, PLACE.chat_id))));
        let alive: Vec<(&i32, &String)> =
            world.shown.iter().filter(|(_, text)| text.contains("as of")).collect();
        let now = format!("things are {}", world.content);
        match stored {
            None => {
                prop_assert_eq!(&world.pinned, &Vec::<i32>::new());
                prop_assert!(alive.len() <= world.orphans, "{:?}", alive);
            }
            Some(_) => {
                prop_assert_eq!(world.pinned.len(), 1, "{:?}", world.shown);
                prop_assert!(world.shown[&world.pinned[0]].ends_with(&now), "{:?}", world.shown);
                prop_assert!(alive.len() <= 1 + world.orphans, "{:?}", alive);
            }
        }
        Ok(())
    });
    outcome.unwrap();
}

#[tokio::test]
async fn it_is_changed_once_an_hour_at_most_and_only_if_something_changed() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).await.unwrap();
    let mut world = World::begin(&store).await;
    world.take(Step::Want).await;
    world.settle().await;
    let began_ms = world.now_ms;
    for minute in 0..300 {
        // It changes every ten minutes for two hours, and then stays as it is.
        world.take(Step::Become(u8::try_from(minute.min(120) / 10).unwrap())).await;
        world.take(Step::Pass(1)).await;
        world.settle().await;
    }
    let after: Vec<i64> =
        world.changed_at.iter().map(|at_ms| (at_ms - began_ms) / MINUTE_MS).collect();
    assert_eq!(after, [60, 120, 180]);
    assert_eq!(world.shown.len(), 1);
    // Asked for again, it is changed at once.
    world.take(Step::Want).await;
    world.settle().await;
    assert_eq!((world.changed_at.len(), world.shown.len(), world.pinned.len()), (4, 1, 1));
}

#[tokio::test]
async fn what_may_not_be_pinned_is_told_once_and_a_moved_group_gets_a_board_anew() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).await.unwrap();
    let mut world = World::begin(&store).await;
    world.take(Step::Want).await;
    world.take(Step::Deliver).await;
    let refused = |world: &World| {
        let store = world.store.clone();
        async move {
            let refuse = store.write(Urgency::People, |db| Box::pin(refuse_pin(db, -9)));
            refuse.await.unwrap()
        }
    };
    assert_eq!(refused(&world).await, Some(PLACE));
    assert_eq!(refused(&world).await, None);
    world.settle().await;
    let moved = world
        .write(|db| {
            Box::pin(async move {
                crate::store::migration::follow(db, -9, -1009, Now::apart(5)).await?;
                let left = of(db, -9).await?;
                Ok((left, of(db, -1009).await?.unwrap(), due(db, 5).await?))
            })
        })
        .await;
    assert_eq!(moved.0, None);
    assert_eq!((moved.1.message_id, moved.1.pin, moved.2), (None, Pin::Wanted, vec![-1009]));
}

#[tokio::test]
async fn a_chat_that_is_let_in_no_more_keeps_a_board_that_shows_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).await.unwrap();
    let mut world = World::begin(&store).await;
    world.take(Step::Want).await;
    world.settle().await;
    assert!(world.shown[&1].ends_with("things are 0"), "{:?}", world.shown);
    let now = Now::apart(HOUR_MS);
    world.write(move |db| Box::pin(crate::store::removal::remove_chat(db, -9, now))).await;
    world.settle().await;
    assert!(world.shown[&1].contains("not kept up to date since"), "{:?}", world.shown);
    assert!(!world.shown[&1].contains("things are"), "{:?}", world.shown);
    assert_eq!((world.shown.len(), world.pinned.len()), (1, 0));
}
