//! Alerts that last, by any sequence of beginnings, ends, taps and ticks of the clock: rows from
//! the real store, and a Telegram that remembers what it took.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::*;
use crate::kernel::card::SNOOZE_MS;
use crate::kernel::chat::Place;
use crate::kernel::chat::{Button, Keyboard};
use crate::kernel::settings::{Quiet, Settings};
use crate::kernel::time::{HOUR_MS, MINUTE_MS};
use crate::store::outbox::{self, Action, Row as Sent, Target};
use crate::store::{Store, Urgency, digest, settings};

const PLACE: Place = Place { chat_id: 7, thread_id: None };
/// The last one is urgent.
const SUBJECTS: usize = 6;
const REPEAT_MS: i64 = 12 * HOUR_MS;

#[derive(Debug, Clone)]
enum Step {
    /// It begins, or is found true again.
    Raise(usize),
    /// These begin in one step.
    Burst,
    End(usize),
    /// A tap on the newest message with such a button.
    Tap(usize, Reaction),
    Pass(i64),
    Deliver,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let reactions =
        vec![Reaction::Acknowledge, Reaction::Snooze, Reaction::Silence, Reaction::TellAgain];
    let step = prop_oneof![
        4 => (0..SUBJECTS).prop_map(Step::Raise),
        1 => Just(Step::Burst),
        3 => (0..SUBJECTS).prop_map(Step::End),
        2 => (0..SUBJECTS, prop::sample::select(reactions)).prop_map(|(of, by)| Step::Tap(of, by)),
        3 => (1i64..9 * 60).prop_map(Step::Pass),
        4 => Just(Step::Deliver),
    ];
    prop::collection::vec(step, 1..60)
}

/// A message as a person sees it.
#[derive(Debug)]
struct Seen {
    text: String,
    keyboard: Keyboard,
}

struct World {
    store: Store,
    _folder: tempfile::TempDir,
    now_ms: i64,
    /// Since when each subject lasts.
    lasts: [Option<i64>; SUBJECTS],
    /// The episodes of which the chat was told that they began.
    told: BTreeMap<(usize, i64), ()>,
    chat: BTreeMap<i32, Seen>,
}

fn name(subject: usize) -> String {
    format!("room:{subject}:kind")
}

impl World {
    async fn open() -> World {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        let night = Settings { quiet: Quiet::new(22 * 60, 7 * 60), ..Settings::default() };
        let write = store.write(Urgency::People, move |db| {
            Box::pin(async move {
                access::subscribe(db, PLACE, 1).await?;
                settings::put(db, PLACE.chat_id, &night).await
            })
        });
        write.await.unwrap();
        World {
            store,
            _folder: folder,
            now_ms: 12 * HOUR_MS,
            lasts: [None; SUBJECTS],
            told: BTreeMap::new(),
            chat: BTreeMap::new(),
        }
    }

    async fn step(&mut self, step: &Step) {
        match *step {
            Step::Raise(subject) => self.raise(vec![subject]).await,
            Step::Burst => self.raise((0..SUBJECTS).collect()).await,
            Step::End(subject) => self.end(subject).await,
            Step::Tap(subject, reaction) => self.tap(subject, reaction).await,
            Step::Pass(minutes) => {
                self.now_ms += minutes * MINUTE_MS;
                let now_ms = self.now_ms;
                self.write(move |db| Box::pin(async move { ring(db, now_ms).await })).await;
            }
            Step::Deliver => self.deliver().await,
        }
    }

    async fn write<F>(&self, work: F)
    where
        F: for<'c> FnOnce(
                &'c mut SqliteConnection,
            )
                -> futures_util::future::BoxFuture<'c, Result<(), StoreError>>
            + Send
            + 'static,
    {
        self.store.write(Urgency::Bulk, work).await.unwrap();
    }

    /// As the engine does at the end of a step.
    async fn raise(&mut self, subjects: Vec<usize>) {
        self.now_ms += 1;
        let now_ms = self.now_ms;
        for subject in &subjects {
            self.lasts[*subject].get_or_insert(now_ms);
        }
        let lasts = self.lasts;
        self.write(move |db| {
            Box::pin(async move {
                for subject in subjects {
                    let about = name(subject);
                    let since_ms = lasts[subject].unwrap();
                    let words = format!("began {subject}@{since_ms}.");
                    let text = Text::of(&words);
                    let alert = Alert {
                        about: Some(about.clone()),
                        card: Some(Card { since_ms, repeat_ms: Some(REPEAT_MS) }),
                        urgent: subject == SUBJECTS - 1,
                        ..Alert::new("room.kind", about.clone(), now_ms, text.clone(), text)
                    };
                    let is_quiet = is_quiet(db, &about).await?
                        || alerts::snoozed_until(db, &about, now_ms).await?.is_some();
                    let told = if is_quiet { Told::Snoozed } else { Told::Sent };
                    assert!(alerts::record(db, &alert, told, now_ms).await?);
                    raise(db, &alert, alert.card.as_ref().unwrap(), told, now_ms).await?;
                }
                tell_waiting(db, now_ms, now_ms).await
            })
        })
        .await;
    }

    async fn end(&mut self, subject: usize) {
        let Some(since_ms) = self.lasts[subject].take() else { return };
        let now_ms = self.now_ms;
        let ending = Ending {
            about: name(subject),
            since_ms,
            words: Text::of("Over"),
            brief: Some(Text::of(format!("over {subject}@{since_ms}."))),
        };
        self.write(move |db| {
            Box::pin(async move {
                let overs = end(db, &ending, now_ms).await?;
                tell_over(db, overs, now_ms).await
            })
        })
        .await;
    }

    async fn tap(&mut self, subject: usize, reaction: Reaction) {
        let (about, now_ms) = (name(subject), self.now_ms);
        self.write(move |db| {
            Box::pin(async move { react(db, &about, reaction, "Ada", now_ms).await })
        })
        .await;
    }

    /// As the pump does, until nothing is left to do.
    async fn deliver(&mut self) {
        loop {
            let now_ms = self.now_ms;
            let read = self
                .store
                .read(move |db| Box::pin(async move { Ok(outbox::heads(db, now_ms).await?.rows) }));
            let Some(row) = read.await.unwrap().pop() else { return };
            let until_ms = self
                .store
                .read(move |db| Box::pin(async move { settings::of(db, PLACE.chat_id).await }))
                .await
                .unwrap()
                .quiet_until(now_ms, chrono_tz::UTC);
            if let Some(until_ms) = until_ms {
                self.write(move |db| {
                    Box::pin(async move { outbox::defer(db, PLACE.chat_id, until_ms).await })
                })
                .await;
                if row.can_wait() {
                    continue;
                }
            }
            let gathered = self.store.write(Urgency::People, move |db| {
                Box::pin(async move {
                    Ok(digest::is_due(db, PLACE.chat_id, now_ms).await?
                        && digest::gather(db, PLACE.chat_id, now_ms).await?)
                })
            });
            if !gathered.await.unwrap() {
                self.send(row, until_ms.is_some()).await;
            }
        }
    }

    async fn send(&mut self, row: Sent, is_quiet: bool) {
        let row_id = row.id;
        let (body, target) = match row.action {
            Action::Say(body) => {
                self.check_said(&body.text.to_plain(), is_quiet);
                (body, None)
            }
            Action::Edit(Target::Message(message_id), body) => (body, Some(message_id)),
            Action::Edit(Target::Row(of), body) => {
                let read = self
                    .store
                    .read(move |db| Box::pin(async move { outbox::message_of(db, of).await }));
                let Some(message_id) = read.await.unwrap() else {
                    // A digest told what it was to change.
                    let now_ms = self.now_ms;
                    return self
                        .write(move |db| {
                            Box::pin(async move { outbox::drop_row(db, row_id, "", now_ms).await })
                        })
                        .await;
                };
                (body, Some(message_id))
            }
            other => panic!("{other:?}"),
        };
        let next_id = i32::try_from(self.chat.len()).unwrap() + 1;
        let message_id = target.unwrap_or(next_id);
        let seen = Seen { text: body.text.to_plain(), keyboard: body.keyboard };
        self.chat.insert(message_id, seen);
        let now_ms = self.now_ms;
        self.write(move |db| {
            Box::pin(async move { outbox::mark_sent(db, row_id, Some(message_id), now_ms).await })
        })
        .await;
    }

    /// A message that makes itself heard.
    fn check_said(&mut self, text: &str, is_quiet: bool) {
        let urgent = format!("began {}@", SUBJECTS - 1);
        for word in text.split_inclusive('.') {
            for subject in 0..SUBJECTS {
                let episode = |verb: &str| {
                    let (_, rest) = word.split_once(&format!("{verb} {subject}@"))?;
                    rest.strip_suffix('.')?.parse::<i64>().ok()
                };
                if let Some(since_ms) = episode("began") {
                    self.told.insert((subject, since_ms), ());
                }
                if let Some(since_ms) = episode("over") {
                    assert!(self.told.contains_key(&(subject, since_ms)), "no beginning: {text}");
                }
            }
        }
        assert!(!is_quiet || text.contains(&urgent), "in quiet hours: {text}");
        assert!(!is_quiet || text.matches('@').count() == text.matches(&urgent).count(), "{text}");
    }

    /// What a person can tap.
    fn check_chat(&self) {
        for subject in 0..SUBJECTS {
            let about = format!(":{}:", name(subject));
            let shows = |seen: &&Seen| {
                let datas = seen.keyboard.iter().flatten().filter_map(Button::data);
                datas
                    .into_iter()
                    .any(|data| data.contains(&about) && !data.starts_with("card:tell"))
            };
            let live: Vec<&Seen> = self.chat.values().filter(shows).collect();
            assert!(live.len() <= 1, "{subject}: {live:?}");
            if let [seen] = live.as_slice() {
                let since_ms = self.lasts[subject].expect("it is over");
                assert!(seen.text.contains(&format!("{subject}@{since_ms}")), "{seen:?}");
            }
        }
    }
}

fn run(steps: Vec<Step>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut world = World::open().await;
        for step in &steps {
            world.step(step).await;
            if matches!(step, Step::Deliver) {
                world.check_chat();
            }
        }
        // In the end everything deferred is told, in the morning at the latest.
        world.now_ms = (world.now_ms / HOUR_MS / 24 + 1) * 24 * HOUR_MS + 8 * HOUR_MS;
        world.deliver().await;
        world.check_chat();
        let waiting = world.store.read(|db| Box::pin(async move { outbox::depth(db).await }));
        assert_eq!(waiting.await.unwrap(), (0, None));
    });
}

/// No two cards of one subject, no end without a beginning, nothing that can wait in quiet hours,
/// and nothing lost.
#[test]
fn by_any_sequence_a_chat_sees_one_card_each_and_ends_only_of_what_began() {
    let config = ProptestConfig { cases: 96, ..ProptestConfig::default() };
    TestRunner::new(config)
        .run(&steps(), |steps| {
            run(steps);
            Ok(())
        })
        .unwrap();
}

#[test]
fn several_that_begin_at_once_are_one_message_with_buttons_for_all() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut world = World::open().await;
        world.raise((0..5).collect()).await;
        world.deliver().await;
        assert_eq!(world.chat.len(), 1);
        let tap = Tap::All(Reaction::Snooze);
        let meant = world
            .store
            .read(move |db| Box::pin(async move { tapped(db, PLACE.chat_id, 1, &tap).await }));
        assert_eq!(meant.await.unwrap().len(), 5);
        world.tap(2, Reaction::Acknowledge).await;
        world.end(3).await;
        world.deliver().await;
        let text = &world.chat[&1].text;
        assert!(text.contains("5 alerts at once:"), "{text}");
        assert!(text.contains("began 2@43200001. · ✔️ Acknowledged by Ada"), "{text}");
        assert!(text.contains("began 3@43200001. · Over"), "{text}");
        assert_eq!(world.chat[&2].text, "over 3@43200001.");
    });
}

#[test]
fn what_was_snoozed_and_still_lasts_is_told_again_when_the_snooze_is_over() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut world = World::open().await;
        world.raise(vec![0]).await;
        world.deliver().await;
        world.tap(0, Reaction::Snooze).await;
        world.step(&Step::Pass(SNOOZE_MS / MINUTE_MS - 1)).await;
        world.deliver().await;
        assert_eq!(world.chat.len(), 1);
        world.step(&Step::Pass(1)).await;
        world.deliver().await;
        assert_eq!(world.chat.len(), 2);
        assert!(world.chat[&1].text.ends_with("Told again below"), "{:?}", world.chat);
        world.end(0).await;
        world.deliver().await;
        assert_eq!((world.chat.len(), world.chat[&2].keyboard.len()), (3, 0));
    });
}
