//! The delivery core under every sequence of outcomes: rows from the real store, fates from
//! proptest, a Telegram that remembers what it took.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::outcome;
use super::rests::Rests;
use super::send::Sent;
use crate::clock;
use crate::kernel::alert::Alert;
use crate::kernel::chat::Place;
use crate::kernel::effect::AlertsChange;
use crate::kernel::text::Text;
use crate::store::outbox::{self, Action, Lane, Line, Row};
use crate::store::{Store, Urgency, access, alerts, parks};
use crate::telegram::access::FixedAccess;
use crate::telegram::apply;
use crate::telegram::client::CallError;

/// Two people and a group.
const CHATS: [i64; 3] = [7, 8, -9];
/// So few for one chat that none become a digest.
const STEPS_MAX: usize = 60;

/// What becomes of one attempt to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Taken,
    /// Taken, but the answer is lost, or says nothing.
    TakenUnknown,
    /// Not taken, and nothing is known.
    LostUnknown,
    ServerError,
    /// 429 with so many seconds.
    Flood(u32),
    /// Taken, and the process dies before that is stored.
    TakenAndKilled,
    /// The process dies before anything is sent.
    Killed,
    /// 403: what waits for the chat is given up.
    Blocked,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Enqueue(usize),
    Attempt(usize, Fate),
}

fn fates() -> impl Strategy<Value = Fate> {
    prop_oneof![
        4 => Just(Fate::Taken),
        2 => Just(Fate::TakenUnknown),
        2 => Just(Fate::LostUnknown),
        2 => Just(Fate::ServerError),
        2 => (0u32..20_000).prop_map(Fate::Flood),
        1 => Just(Fate::TakenAndKilled),
        1 => Just(Fate::Killed),
        1 => Just(Fate::Blocked),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..CHATS.len()).prop_map(Step::Enqueue),
        ((0..CHATS.len()), fates()).prop_map(|(chat, fate)| Step::Attempt(chat, fate)),
    ];
    prop::collection::vec(step, 1..STEPS_MAX)
}

/// What a chat should have got, and what it did.
#[derive(Debug, Default)]
struct Ledger {
    waiting: Vec<usize>,
    /// What has to arrive, in order.
    owed: Vec<usize>,
    taken: Vec<usize>,
    /// Outcomes after which a message may come twice.
    excuses: usize,
}

/// The world of one case.
struct World {
    store: Store,
    rests: Rests,
    monotonic_ms: i64,
    ledgers: BTreeMap<i64, Ledger>,
    enqueued: usize,
}

impl World {
    /// Nothing is left of the case before.
    async fn new(store: &Store) -> World {
        let emptied = store.write(Urgency::People, |db| {
            Box::pin(async move {
                sqlx::query("delete from outbox").execute(&mut *db).await?;
                sqlx::query("delete from parked_chat").execute(&mut *db).await?;
                Ok(())
            })
        });
        emptied.await.unwrap();
        let (rests, ledgers) = (Rests::default(), BTreeMap::new());
        World { store: store.clone(), rests, monotonic_ms: 0, ledgers, enqueued: 0 }
    }

    async fn enqueue(&mut self, chat_id: i64) {
        let number = self.enqueued;
        self.enqueued += 1;
        let words = Text::of(number.to_string());
        let alert = Alert::new("test", number.to_string(), 0, words.clone(), words);
        let put = self.store.write(Urgency::People, move |db| {
            Box::pin(async move { outbox::alert(db, Place::private(chat_id), &alert, 0).await })
        });
        put.await.unwrap();
        self.ledgers.entry(chat_id).or_default().waiting.push(number);
    }

    async fn head(&self, chat_id: i64) -> Option<Row> {
        let heads =
            self.store.read(|db| Box::pin(async move { outbox::heads(db, i64::MAX).await }));
        heads.await.unwrap().rows.into_iter().find(|row| row.place.chat_id == chat_id)
    }

    async fn attempt(&mut self, chat_id: i64, fate: Fate) {
        let Some(row) = self.head(chat_id).await else { return };
        // Nothing is sent while the chat rests: time passes first.
        let left = self.rests.left(row.line(), row.somebody_waits, self.monotonic_ms);
        self.monotonic_ms += i64::try_from(left.as_millis()).unwrap();
        let Action::Say(body) = &row.action else { panic!("{row:?}") };
        let number: usize = body.text.to_plain().parse().unwrap();
        let ledger = self.ledgers.entry(chat_id).or_default();
        if matches!(fate, Fate::Taken | Fate::TakenUnknown | Fate::TakenAndKilled) {
            ledger.taken.push(number);
        }
        match fate {
            Fate::Taken => settle(ledger, number),
            Fate::TakenUnknown | Fate::LostUnknown => ledger.excuses += 1,
            Fate::TakenAndKilled => ledger.excuses += 1,
            Fate::Blocked => ledger.waiting.clear(),
            _ => {}
        }
        match sent(fate) {
            None => self.restart().await,
            Some(sent) => {
                let outcome = outcome::judge(&row, sent);
                let fixed = FixedAccess::default();
                outcome::store(&self.store, &fixed, &row, &outcome).await.unwrap();
                self.rests.begin(row.line(), outcome.rest(), self.monotonic_ms);
            }
        }
    }

    /// Memory is gone; the next process begins with what is stored.
    async fn restart(&mut self) {
        let parks = self.store.read(|db| Box::pin(async move { parks::all(db).await }));
        self.monotonic_ms = 0;
        self.rests = Rests::of_parks(&parks.await.unwrap(), clock::now_ms(), 0);
    }
}

fn messages(chat_id: i64) -> Line {
    Line { chat_id, lane: Lane::Messages }
}

fn settle(ledger: &mut Ledger, number: usize) {
    ledger.waiting.retain(|waiting| *waiting != number);
    ledger.owed.push(number);
}

/// What the pump gets back. `None`: it dies.
fn sent(fate: Fate) -> Option<Sent> {
    let refused = |code, description: &str, retry_after_s| CallError::Refused {
        code,
        description: description.to_owned(),
        retry_after_s,
        migrate_to: None,
    };
    Some(match fate {
        Fate::Taken => Sent::Taken(Some(1)),
        Fate::TakenUnknown | Fate::LostUnknown => {
            Sent::Failed(CallError::Unknown("reset".to_owned()))
        }
        Fate::ServerError => Sent::Failed(refused(502, "Bad Gateway", None)),
        Fate::Flood(seconds) => {
            Sent::Failed(refused(429, "Too Many Requests", Some(i64::from(seconds))))
        }
        Fate::Blocked => Sent::Failed(refused(403, "Forbidden: bot was blocked", None)),
        Fate::TakenAndKilled | Fate::Killed => return None,
    })
}

async fn play(store: &Store, steps: &[Step]) -> BTreeMap<i64, Ledger> {
    let mut world = World::new(store).await;
    for step in steps {
        match step {
            Step::Enqueue(chat) => world.enqueue(CHATS[*chat]).await,
            Step::Attempt(chat, fate) => world.attempt(CHATS[*chat], *fate).await,
        }
    }
    // Telegram has got over it.
    for chat_id in CHATS {
        while world.head(chat_id).await.is_some() {
            world.attempt(chat_id, Fate::Taken).await;
        }
    }
    world.ledgers
}

/// F19, F20: order is kept, nothing is lost, and nothing comes twice without an excuse.
#[test]
fn every_chat_gets_what_it_is_owed_in_order() {
    let cases = if std::env::var_os("RUN_SLOW").is_some() { 5_000 } else { 60 };
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = runtime.block_on(Store::open(dir.path())).unwrap();
    let mut runner = TestRunner::new(ProptestConfig::with_cases(cases));
    let outcome = runner.run(&steps(), |steps| {
        for (chat_id, ledger) in runtime.block_on(play(&store, &steps)) {
            let mut distinct = ledger.taken.clone();
            distinct.dedup();
            let in_order = distinct.is_sorted_by(|before, after| before < after);
            prop_assert!(in_order, "chat {}: {:?}", chat_id, ledger.taken);
            prop_assert!(ledger.waiting.is_empty(), "chat {}: {:?}", chat_id, ledger.waiting);
            prop_assert!(ledger.owed.iter().all(|number| distinct.contains(number)));
            prop_assert!(ledger.taken.len() - distinct.len() <= ledger.excuses);
        }
        Ok(())
    });
    outcome.unwrap();
}

#[tokio::test]
async fn a_flood_limit_is_stored_for_the_next_process() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).await.unwrap();
    let mut world = World::new(&store).await;
    world.enqueue(CHATS[0]).await;
    world.attempt(CHATS[0], Fate::Flood(10_072)).await;
    world.restart().await;
    let left = world.rests.left(messages(CHATS[0]), true, 0);
    assert!(left > Duration::from_secs(10_000), "{left:?}");
    assert_eq!(world.rests.left(messages(CHATS[1]), true, 0), Duration::ZERO);
    world.attempt(CHATS[0], Fate::Taken).await;
    world.restart().await;
    assert_eq!(world.rests.left(messages(CHATS[0]), true, 0), Duration::ZERO);
}

/// Telegram tells of a block twice, by an update and by the send that it refuses, and the update may
/// be first: the alert that was being sent has reached nobody all the same.
#[tokio::test]
async fn an_alert_that_a_block_overtakes_is_on_record_as_told_to_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).await.unwrap();
    let place = Place::private(CHATS[0]);
    let raised = store.write(Urgency::People, move |db| {
        Box::pin(async move {
            access::subscribe(db, place, 0).await?;
            let alert = Alert::new("test", "1".to_owned(), 0, Text::of("dry"), Text::of("dry"));
            alerts::record(db, &alert, alerts::Told::Sent, 1).await?;
            outbox::alert(db, place, &alert, 1).await
        })
    });
    raised.await.unwrap();
    let heads =
        store.read(|db| Box::pin(async move { outbox::heads(db, i64::MAX).await })).await.unwrap();
    let row = heads.rows.into_iter().next().unwrap();

    let update = store.write(Urgency::People, move |db| {
        Box::pin(async move {
            let blocked = AlertsChange::Unreachable { chat_id: CHATS[0], reason: "blocked" };
            apply::change_alerts(db, blocked, 2).await
        })
    });
    update.await.unwrap();
    let outcome = outcome::judge(&row, sent(Fate::Blocked).unwrap());
    outcome::store(&store, &FixedAccess::default(), &row, &outcome).await.unwrap();

    let told = store.read(|db| Box::pin(async move { alerts::newest(db, 1).await })).await.unwrap();
    assert!(told[0].brief().to_plain().ends_with("told to nobody"), "{told:?}");
}
