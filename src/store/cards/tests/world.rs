//! Chats of every kind beside the real store: a Telegram that remembers what it took, and what must
//! hold of it.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::SqliteConnection;

use crate::kernel::alert::Alert;
use crate::kernel::card::{Card, Ending, Reaction, Stance, Tap};
use crate::kernel::chat::{Button, Keyboard, Place};
use crate::kernel::settings::{Quiet, Settings};
use crate::kernel::text::Text;
use crate::kernel::time::{HOUR_MS, MINUTE_MS, Now};
use crate::store::alerts::{self, Told};
use crate::store::cards::{
    Known, end, leave_thread, of, raise, react, ring, tapped, tell_over, tell_waiting,
};
use crate::store::outbox::{self, Action, Row as Sent, Target};
use crate::store::{Store, StoreError, Urgency, access, digest, migration, settings};

/// It has quiet hours.
pub(super) const PLACE: Place = Place { chat_id: 7, thread_id: None };
pub(super) const FORUM: Place = Place { chat_id: -1_005, thread_id: None };
pub(super) const TOPIC: Place = Place { thread_id: Some(9), ..FORUM };
/// It becomes a supergroup.
pub(super) const GROUP: Place = Place { chat_id: -8, thread_id: None };
pub(super) const SUPERGROUP: Place = Place { chat_id: -1_008, thread_id: None };
/// More than a chat is told one by one.
pub(super) const SUBJECTS: usize = 24;
/// Those that lead lives of their own; the last one is urgent.
pub(super) const SINGLE: usize = 6;
pub(super) const REPEAT_MS: i64 = 12 * HOUR_MS;

#[derive(Debug, Clone)]
pub(super) enum Step {
    /// It begins, or is found true again.
    Raise(usize),
    /// These begin in one step: few enough to be listed, or so many that they become a digest.
    Burst(usize),
    End(usize),
    /// A tap on the newest message with such a button.
    Tap(usize, Reaction),
    /// A tap for all alerts of the newest message that has such a button.
    TapAll(Reaction),
    Pass(i64),
    Deliver,
    /// Alerts are turned off in the first chat, or on again.
    Turn(bool),
    CloseTopic,
    Migrate,
}

/// A message as a person sees it.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) place: Place,
    pub(super) text: String,
    pub(super) keyboard: Keyboard,
    pub(super) silent: bool,
}

pub(super) struct World {
    pub(super) store: Store,
    _folder: tempfile::TempDir,
    pub(super) now_ms: i64,
    /// Since when each subject lasts.
    lasts: [Option<i64>; SUBJECTS],
    /// The episodes of which a chat was told that they began.
    told: BTreeSet<(i64, usize, i64)>,
    pub(super) chats: BTreeMap<i64, BTreeMap<i32, Seen>>,
    group: Place,
    pub(super) is_topic_closed: bool,
}

fn name(subject: usize) -> String {
    format!("room:{subject}:kind")
}

impl World {
    /// One chat, which sleeps at night.
    pub(super) async fn open() -> World {
        World::of(&[PLACE]).await
    }

    pub(super) async fn of(places: &[Place]) -> World {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        let night = Settings { quiet: Quiet::new(22 * 60, 7 * 60), ..Settings::default() };
        let places = places.to_vec();
        let write = store.write(Urgency::People, move |db| {
            Box::pin(async move {
                for place in places {
                    access::subscribe(db, place, 1).await?;
                }
                settings::put(db, PLACE.chat_id, &night).await
            })
        });
        write.await.unwrap();
        World {
            store,
            _folder: folder,
            now_ms: 12 * HOUR_MS,
            lasts: [None; SUBJECTS],
            told: BTreeSet::new(),
            chats: BTreeMap::new(),
            group: GROUP,
            is_topic_closed: false,
        }
    }

    pub(super) async fn step(&mut self, step: &Step) {
        match *step {
            Step::Raise(subject) => self.raise(vec![subject]).await,
            Step::Burst(count) => self.raise((0..count).collect()).await,
            Step::End(subject) => self.end(subject).await,
            Step::Tap(subject, reaction) => self.tap(subject, reaction).await,
            Step::TapAll(reaction) => self.tap_all(reaction).await,
            Step::Pass(minutes) => {
                self.now_ms += minutes * MINUTE_MS;
                let now_ms = self.now_ms;
                self.write(move |db| Box::pin(async move { ring(db, Now::apart(now_ms)).await }))
                    .await;
            }
            Step::Deliver => self.deliver().await,
            Step::Turn(on) => self.turn(on).await,
            Step::CloseTopic => self.is_topic_closed = true,
            Step::Migrate => self.migrate().await,
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
    pub(super) async fn raise(&mut self, subjects: Vec<usize>) {
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
                        urgent: subject == SINGLE - 1,
                        ..Alert::new("room.kind", about.clone(), now_ms, text.clone(), text)
                    };
                    let known = Known::of(db, &about, now_ms).await?;
                    let told = if known.is_quiet() { Told::Snoozed } else { Told::Sent };
                    assert!(alerts::record(db, &alert, told, now_ms).await?);
                    raise(
                        db,
                        &alert,
                        alert.card.as_ref().unwrap(),
                        known,
                        told,
                        Now::apart(now_ms),
                    )
                    .await?;
                }
                tell_waiting(db, now_ms, Now::apart(now_ms)).await
            })
        })
        .await;
    }

    pub(super) async fn end(&mut self, subject: usize) {
        let Some(since_ms) = self.lasts[subject].take() else { return };
        let now = Now::apart(self.now_ms);
        let ending = Ending {
            about: name(subject),
            since_ms,
            words: Text::of("Over"),
            brief: Some(Text::of(format!("over {subject}@{since_ms}."))),
        };
        self.write(move |db| {
            Box::pin(async move {
                let overs = end(db, &ending, now).await?;
                tell_over(db, overs, now).await
            })
        })
        .await;
    }

    pub(super) async fn tap(&mut self, subject: usize, reaction: Reaction) {
        let (about, now) = (name(subject), Now::apart(self.now_ms));
        self.write(move |db| {
            Box::pin(async move { react(db, &about, reaction, "Ada", now).await })
        })
        .await;
    }

    /// Nothing that is silenced is told again for it.
    pub(super) async fn tap_all(&mut self, reaction: Reaction) {
        let is_for_all = |seen: &Seen| {
            let mut datas = seen.keyboard.iter().flatten().filter_map(Button::data);
            datas.any(|data| data.starts_with("cards:"))
        };
        let mut messages = self.chats.iter().flat_map(|(chat_id, seen)| {
            seen.iter().map(|(message_id, seen)| (*chat_id, *message_id, seen))
        });
        let Some((chat_id, message_id, _)) = messages.rfind(|(.., seen)| is_for_all(seen)) else {
            return;
        };
        let now = Now::apart(self.now_ms);
        self.write(move |db| {
            Box::pin(async move {
                let meant = tapped(db, chat_id, message_id, &Tap::All(reaction)).await?;
                for card in meant {
                    let about = &card.subject.about;
                    react(db, about, reaction, "Bob", now).await?;
                    let after = of(db, about).await?.unwrap().stance;
                    let was_silenced = matches!(card.stance, Stance::Silenced { .. });
                    assert!(!was_silenced || after == card.stance, "{after:?}");
                }
                Ok(())
            })
        })
        .await;
    }

    pub(super) async fn turn(&mut self, on: bool) {
        let now_ms = self.now_ms;
        self.write(move |db| {
            Box::pin(async move {
                match on {
                    true => access::subscribe(db, PLACE, now_ms).await,
                    false => {
                        access::unsubscribe(db, PLACE, now_ms).await?;
                        outbox::drop_alerts(db, PLACE, "turned off", now_ms).await.map(drop)
                    }
                }
            })
        })
        .await;
    }

    /// The new chat counts its messages from 1, and knows none of the old ones.
    pub(super) async fn migrate(&mut self) {
        if self.group == SUPERGROUP {
            return;
        }
        self.group = SUPERGROUP;
        self.chats.remove(&GROUP.chat_id);
        let told: Vec<_> =
            self.told.iter().copied().filter(|told| told.0 == GROUP.chat_id).collect();
        self.told.extend(told.into_iter().map(|(_, of, since)| (SUPERGROUP.chat_id, of, since)));
        let now = Now::apart(self.now_ms);
        self.write(move |db| {
            Box::pin(async move {
                migration::follow(db, GROUP.chat_id, SUPERGROUP.chat_id, now).await.map(drop)
            })
        })
        .await;
    }

    /// As the pump does, until nothing is left to do.
    pub(super) async fn deliver(&mut self) {
        loop {
            let now_ms = self.now_ms;
            let read = self
                .store
                .read(move |db| Box::pin(async move { Ok(outbox::heads(db, now_ms).await?.rows) }));
            let Some(row) = read.await.unwrap().pop() else { return };
            let chat_id = row.place.chat_id;
            let until_ms = self
                .store
                .read(move |db| Box::pin(async move { settings::of(db, chat_id).await }))
                .await
                .unwrap()
                .quiet_until(now_ms, chrono_tz::UTC);
            if let Some(until_ms) = until_ms {
                self.write(move |db| {
                    Box::pin(async move { outbox::defer(db, chat_id, until_ms).await })
                })
                .await;
                if row.can_wait() {
                    continue;
                }
            }
            let gathered = self.store.write(Urgency::People, move |db| {
                Box::pin(async move {
                    Ok(digest::is_due(db, chat_id, now_ms).await?
                        && digest::gather(db, chat_id, Now::apart(now_ms)).await?)
                })
            });
            if !gathered.await.unwrap() {
                self.send(row, until_ms.is_some()).await;
            }
        }
    }

    async fn send(&mut self, row: Sent, is_quiet: bool) {
        let (row_id, place, now_ms) = (row.id, row.place, self.now_ms);
        let (body, target) = match row.action {
            Action::Say(_) if place == TOPIC && self.is_topic_closed => return self.leave().await,
            Action::Say(body) => {
                self.check_said(place, &body.text.to_plain(), is_quiet).await;
                (body, None)
            }
            Action::Edit(Target::Message(message_id), body) => (body, Some(message_id)),
            Action::Edit(Target::Row(of), body) => {
                let read = self.store.read(move |db| {
                    Box::pin(async move { outbox::message_of(db, place.chat_id, of).await })
                });
                let Some(message_id) = read.await.unwrap() else {
                    // A digest told what it was to change.
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
        let chat = self.chats.entry(place.chat_id).or_default();
        let message_id = target.unwrap_or_else(|| i32::try_from(chat.len()).unwrap() + 1);
        let (text, keyboard) = (body.text.to_plain(), body.keyboard);
        match chat.get_mut(&message_id) {
            None => {
                assert_eq!(target, None, "no such message: {text}");
                chat.insert(message_id, Seen { place, text, keyboard, silent: body.silent });
            }
            Some(seen) => {
                assert_eq!(seen.text.lines().next(), text.lines().next(), "another message");
                (seen.text, seen.keyboard) = (text, keyboard);
            }
        }
        self.write(move |db| {
            Box::pin(async move {
                outbox::mark_sent(db, row_id, Some(message_id), Now::apart(now_ms)).await
            })
        })
        .await;
    }

    /// As delivery does when Telegram says that a topic is closed.
    async fn leave(&mut self) {
        let now_ms = self.now_ms;
        self.write(move |db| {
            Box::pin(async move {
                leave_thread(db, TOPIC, Now::apart(now_ms)).await?;
                outbox::leave_thread(db, TOPIC).await?;
                access::leave_thread(db, TOPIC, "closed", now_ms).await.map(drop)
            })
        })
        .await;
        for seen in self.chats.get_mut(&FORUM.chat_id).into_iter().flat_map(BTreeMap::values_mut) {
            seen.place = FORUM;
        }
    }

    /// A message that makes itself heard.
    async fn check_said(&mut self, place: Place, text: &str, is_quiet: bool) {
        let read = self.store.read(|db| Box::pin(async move { access::subscriptions(db).await }));
        assert!(read.await.unwrap().contains(&place), "nobody wants it in {place:?}: {text}");
        let urgent = format!("began {}@", SINGLE - 1);
        for word in text.split_inclusive('.') {
            for subject in 0..SUBJECTS {
                let episode = |verb: &str| {
                    let (_, rest) = word.split_once(&format!("{verb} {subject}@"))?;
                    rest.strip_suffix('.')?.parse::<i64>().ok()
                };
                if let Some(since_ms) = episode("began") {
                    self.told.insert((place.chat_id, subject, since_ms));
                }
                if let Some(since_ms) = episode("over") {
                    let known = self.told.contains(&(place.chat_id, subject, since_ms));
                    assert!(known, "no beginning: {text}");
                }
            }
        }
        assert!(!is_quiet || text.contains(&urgent), "in quiet hours: {text}");
        assert!(!is_quiet || text.matches('@').count() == text.matches(&urgent).count(), "{text}");
    }

    /// What a person can tap, and that what is said to stand below does.
    pub(super) fn check_chats(&self) {
        for (chat_id, chat) in &self.chats {
            for subject in 0..SUBJECTS {
                self.check_live(chat, subject);
            }
            for (message_id, seen) in chat {
                for line in moved(seen) {
                    let episode = line.split(['.', ' ']).nth(1).unwrap();
                    let mut below = chat.range(message_id + 1..);
                    let told = below.any(|(_, seen)| seen.text.contains(episode));
                    assert!(told, "not told again in {chat_id}: {line}");
                }
            }
        }
    }

    fn check_live(&self, chat: &BTreeMap<i32, Seen>, subject: usize) {
        let about = format!(":{}:", name(subject));
        let shows = |seen: &&Seen| {
            let datas = seen.keyboard.iter().flatten().filter_map(Button::data);
            datas.into_iter().any(|data| data.contains(&about) && !data.starts_with("card:tell"))
        };
        let mut places = BTreeSet::new();
        for seen in chat.values().filter(shows) {
            assert!(places.insert(seen.place), "{subject} twice: {chat:?}");
            let since_ms = self.lasts[subject].expect("it is over");
            assert!(seen.text.contains(&format!("{subject}@{since_ms}")), "{seen:?}");
        }
    }
}

/// The lines of what a message gave up.
fn moved(seen: &Seen) -> Vec<&str> {
    if !seen.text.contains("Told again below") {
        return Vec::new();
    }
    match seen.text.contains("at once:") {
        true => seen.text.lines().filter(|line| line.contains("Told again below")).collect(),
        false => seen.text.lines().take(1).collect(),
    }
}
