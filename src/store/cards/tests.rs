//! Alerts that last, by any sequence of beginnings, ends, taps and ticks of the clock.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::*;
use crate::kernel::card::SNOOZE_MS;
use crate::kernel::time::{HOUR_MS, MINUTE_MS};
use crate::store::{Urgency, outbox};

mod world;

use world::{
    FORUM, GROUP, PLACE, REPEAT_MS, SINGLE, SUBJECTS, SUPERGROUP, Seen, Step, TOPIC, World,
};

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let reactions =
        vec![Reaction::Acknowledge, Reaction::Snooze, Reaction::Silence, Reaction::TellAgain];
    let of_all = prop::sample::select(vec![Reaction::Acknowledge, Reaction::Snooze]);
    let step = prop_oneof![
        16 => (0..SINGLE).prop_map(Step::Raise),
        4 => prop::sample::select(vec![SINGLE, SUBJECTS]).prop_map(Step::Burst),
        12 => (0..SINGLE).prop_map(Step::End),
        8 => (0..SINGLE, prop::sample::select(reactions)).prop_map(|(of, by)| Step::Tap(of, by)),
        4 => of_all.prop_map(Step::TapAll),
        12 => (1i64..9 * 60).prop_map(Step::Pass),
        16 => Just(Step::Deliver),
        2 => any::<bool>().prop_map(Step::Turn),
        1 => Just(Step::CloseTopic),
        1 => Just(Step::Migrate),
    ];
    prop::collection::vec(step, 1..60)
}

fn run(steps: Vec<Step>) {
    block_on(async {
        let mut world = World::of(&[PLACE, FORUM, TOPIC, GROUP]).await;
        for step in &steps {
            world.step(step).await;
            if matches!(step, Step::Deliver) {
                world.check_chats();
            }
        }
        // In the end everything deferred is told, in the morning at the latest.
        world.now_ms = (world.now_ms / HOUR_MS / 24 + 1) * 24 * HOUR_MS + 8 * HOUR_MS;
        world.deliver().await;
        world.check_chats();
        let waiting = world.store.read(|db| Box::pin(async move { outbox::depth(db).await }));
        assert_eq!(waiting.await.unwrap(), (0, None));
    });
}

/// No two cards of one subject in a place, no end without a beginning, nothing that can wait in
/// quiet hours, nothing where nobody wants it, no other message changed, and nothing lost.
#[test]
fn by_any_sequence_a_chat_sees_one_card_each_and_ends_only_of_what_began() {
    let cases = if std::env::var_os("RUN_SLOW").is_some() { 2_000 } else { 48 };
    let config = ProptestConfig { cases, ..ProptestConfig::default() };
    TestRunner::new(config)
        .run(&steps(), |steps| {
            run(steps);
            Ok(())
        })
        .unwrap();
}

async fn silences(world: &World) -> i64 {
    let read = world.store.read(|db| Box::pin(async move { alerts::silenced(db).await }));
    read.await.unwrap()
}

fn block_on(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(test);
}

/// A message's labels.
fn labels(seen: &Seen) -> Vec<&str> {
    seen.keyboard.iter().flatten().map(|button| button.label.as_str()).collect()
}

#[test]
fn a_reminder_that_waits_for_the_morning_leaves_the_card_its_buttons() {
    block_on(async {
        let mut world = World::open().await;
        world.raise(vec![0]).await;
        world.deliver().await;
        // Midnight.
        world.step(&Step::Pass(REPEAT_MS / MINUTE_MS)).await;
        world.deliver().await;
        assert_eq!(world.chats[&7].len(), 1);
        assert_eq!(labels(&world.chats[&7][&1]).len(), 3, "{:?}", world.chats);
        world.tap(0, Reaction::Acknowledge).await;
        world.deliver().await;
        assert_eq!(labels(&world.chats[&7][&1]), ["🔕 Silence"]);
        world.step(&Step::Pass(8 * 60)).await;
        world.deliver().await;
        assert!(world.chats[&7][&1].text.ends_with("Told again below"), "{:?}", world.chats);
        // Somebody has seen to it: it stands below without a sound.
        assert!(world.chats[&7][&2].silent, "{:?}", world.chats);
    });
}

#[test]
fn a_reminder_of_what_ends_in_the_night_is_not_told_in_the_morning() {
    block_on(async {
        let mut world = World::open().await;
        world.raise(vec![0]).await;
        world.deliver().await;
        world.step(&Step::Pass(REPEAT_MS / MINUTE_MS)).await;
        world.deliver().await;
        world.end(0).await;
        world.step(&Step::Pass(8 * 60)).await;
        world.deliver().await;
        let texts: Vec<&str> = world.chats[&7].values().map(|seen| seen.text.as_str()).collect();
        assert_eq!(texts, ["began 0@43200001.\nOver", "over 0@43200001."]);
    });
}

#[test]
fn a_list_that_waits_for_the_morning_stays_when_one_of_it_was_told_before() {
    block_on(async {
        let mut world = World::open().await;
        world.raise(vec![4]).await;
        world.deliver().await;
        world.now_ms = 22 * HOUR_MS - MINUTE_MS;
        world.raise((0..5).collect()).await;
        world.now_ms = 22 * HOUR_MS;
        world.end(0).await;
        world.deliver().await;
        for subject in 1..5 {
            world.end(subject).await;
        }
        world.step(&Step::Pass(10 * 60)).await;
        world.deliver().await;
        let texts: Vec<&str> = world.chats[&7].values().map(|seen| seen.text.as_str()).collect();
        let said = texts.join("\n");
        let (began, over) = (said.find("began 0@"), said.find("over 0@"));
        assert!(began.is_some() && began < over, "{texts:?}");
    });
}

/// What one chat has seen to while another one slept wakes nobody there.
#[test]
fn what_was_acknowledged_elsewhere_makes_no_sound_when_the_night_is_over() {
    block_on(async {
        let mut world = World::of(&[PLACE, FORUM]).await;
        world.now_ms = 23 * HOUR_MS;
        world.raise(vec![0]).await;
        world.raise(vec![1]).await;
        world.deliver().await;
        world.tap(0, Reaction::Acknowledge).await;
        world.step(&Step::Pass(9 * 60)).await;
        world.deliver().await;
        let silent: Vec<bool> = world.chats[&7].values().map(|seen| seen.silent).collect();
        assert_eq!(silent, [true, false], "{:?}", world.chats);
    });
}

#[test]
fn a_digest_has_buttons_for_all_and_changes_in_place() {
    block_on(async {
        let mut world = World::open().await;
        world.raise((0..SUBJECTS).collect()).await;
        world.deliver().await;
        assert_eq!(world.chats[&7].len(), 1);
        world.tap(1, Reaction::Silence).await;
        world.tap_all(Reaction::Acknowledge).await;
        world.end(2).await;
        world.deliver().await;
        let digest = &world.chats[&7][&1];
        assert!(digest.text.starts_with("24 alerts at once:\nbegan 5@"), "{}", digest.text);
        assert_eq!(digest.text.matches("Acknowledged by Bob").count(), SUBJECTS - 2);
        assert_eq!(digest.text.matches("Silenced by Ada").count(), 1);
        assert_eq!(digest.text.matches(" · Over").count(), 1);
        assert_eq!(labels(digest), ["✔️ Acknowledge all", "😴 Snooze all 6 h"]);
        for subject in 0..SUBJECTS {
            world.end(subject).await;
        }
        world.deliver().await;
        let digest = &world.chats[&7][&1];
        assert_eq!((labels(digest).len(), digest.text.matches(" · Over").count()), (0, SUBJECTS));
    });
}

/// A clock that ran ahead must not keep anything quiet for longer than was meant.
#[test]
fn a_snooze_keeps_its_length_when_the_clock_is_set_back_and_a_silence_its_end() {
    block_on(async {
        let mut world = World::open().await;
        world.raise(vec![0]).await;
        world.raise(vec![1]).await;
        world.tap(0, Reaction::Snooze).await;
        world.tap(1, Reaction::Silence).await;
        let back_ms = world.now_ms - 1_000 * HOUR_MS;
        let until_ms = world.store.write(Urgency::People, move |db| {
            Box::pin(async move {
                alerts::snooze_at_most(db, back_ms + SNOOZE_MS).await?;
                alerts::snoozed_until(db, "room:0:kind", back_ms).await
            })
        });
        assert_eq!(until_ms.await.unwrap(), Some(back_ms + SNOOZE_MS));
        assert_eq!(silences(&world).await, 1);
    });
}

#[test]
fn a_silence_that_outlives_its_alert_offers_its_end_until_that_is_used() {
    block_on(async {
        let mut world = World::open().await;
        world.raise(vec![0]).await;
        world.deliver().await;
        world.tap(0, Reaction::Silence).await;
        world.end(0).await;
        world.deliver().await;
        assert_eq!(labels(&world.chats[&7][&1]), ["🔔 Tell again"]);
        assert_eq!(silences(&world).await, 1);
        world.tap(0, Reaction::TellAgain).await;
        world.deliver().await;
        assert!(labels(&world.chats[&7][&1]).is_empty());
        assert_eq!(silences(&world).await, 0);
        // The next episode is told, and an old button ends no acknowledgement of it.
        world.raise(vec![0]).await;
        world.tap(0, Reaction::Acknowledge).await;
        world.tap(0, Reaction::TellAgain).await;
        world.deliver().await;
        let next = &world.chats[&7][&2];
        assert!(next.text.contains("Acknowledged by Ada"), "{next:?}");
    });
}

#[test]
fn cards_of_a_topic_that_is_closed_end_in_the_chat_itself() {
    block_on(async {
        let mut world = World::of(&[TOPIC]).await;
        world.raise(vec![0]).await;
        world.deliver().await;
        world.is_topic_closed = true;
        world.step(&Step::Pass(REPEAT_MS / MINUTE_MS)).await;
        world.deliver().await;
        let chat = &world.chats[&FORUM.chat_id];
        assert!(chat[&1].text.ends_with("Told again below"), "{chat:?}");
        assert_eq!((chat[&2].place, labels(&chat[&2]).len()), (FORUM, 3));
        world.end(0).await;
        world.deliver().await;
        let chat = &world.chats[&FORUM.chat_id];
        assert_eq!((chat.len(), chat[&3].text.as_str()), (3, "over 0@43200001."));
    });
}

#[test]
fn what_lasts_is_shown_again_when_a_group_becomes_another_chat() {
    block_on(async {
        let mut world = World::of(&[GROUP]).await;
        world.raise(vec![0]).await;
        world.raise(vec![1]).await;
        world.deliver().await;
        world.tap(1, Reaction::Acknowledge).await;
        world.migrate().await;
        world.deliver().await;
        let chat = &world.chats[&SUPERGROUP.chat_id];
        let seen: Vec<(bool, usize)> =
            chat.values().map(|seen| (seen.silent, labels(seen).len())).collect();
        assert_eq!(seen, [(false, 3), (true, 1)], "{chat:?}");
        world.end(0).await;
        world.deliver().await;
        assert!(world.chats[&SUPERGROUP.chat_id][&1].text.ends_with("Over"));
    });
}

#[test]
fn alerts_that_are_turned_off_do_not_come_in_the_morning() {
    block_on(async {
        let mut world = World::open().await;
        world.now_ms = 23 * HOUR_MS;
        world.raise(vec![0]).await;
        world.deliver().await;
        world.turn(false).await;
        world.step(&Step::Pass(9 * 60)).await;
        world.deliver().await;
        assert!(world.chats.is_empty(), "{:?}", world.chats);
    });
}

#[test]
fn several_that_begin_at_once_are_one_message_with_buttons_for_all() {
    block_on(async {
        let mut world = World::open().await;
        world.raise((0..5).collect()).await;
        world.deliver().await;
        assert_eq!(world.chats[&7].len(), 1);
        let tap = Tap::All(Reaction::Snooze);
        let meant = world
            .store
            .read(move |db| Box::pin(async move { tapped(db, PLACE.chat_id, 1, &tap).await }));
        assert_eq!(meant.await.unwrap().len(), 5);
        world.tap(2, Reaction::Acknowledge).await;
        world.end(3).await;
        world.deliver().await;
        let text = &world.chats[&7][&1].text;
        assert!(text.contains("5 alerts at once:"), "{text}");
        assert!(text.contains("began 2@43200001. · ✔️ Acknowledged by Ada"), "{text}");
        assert!(text.contains("began 3@43200001. · Over"), "{text}");
        assert_eq!(world.chats[&7][&2].text, "over 3@43200001.");
    });
}

#[test]
fn what_was_snoozed_and_still_lasts_is_told_again_when_the_snooze_is_over() {
    block_on(async {
        let mut world = World::open().await;
        world.raise(vec![0]).await;
        world.deliver().await;
        world.tap(0, Reaction::Snooze).await;
        world.step(&Step::Pass(SNOOZE_MS / MINUTE_MS - 1)).await;
        world.deliver().await;
        assert_eq!(world.chats[&7].len(), 1);
        world.step(&Step::Pass(1)).await;
        world.deliver().await;
        assert_eq!(world.chats[&7].len(), 2);
        assert!(world.chats[&7][&1].text.ends_with("Told again below"), "{:?}", world.chats);
        world.end(0).await;
        world.deliver().await;
        assert_eq!((world.chats[&7].len(), world.chats[&7][&2].keyboard.len()), (3, 0));
    });
}
