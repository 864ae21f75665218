//! Windows close by the wall clock alone when input stops, never early, and never because a clock
//! was set; old news is told once.

use windowsill::kernel::chat::Place;
use windowsill::kernel::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use windowsill::store::outbox::{self, Action};
use windowsill::store::{Store, Urgency, access};

use super::bench::{
    BASE_MS, Bench, LAG_MS, LIMIT, METADATA, READINGS, execute, one_life, outcome, plant, reading,
    rows, until,
};
use super::lives::{Running, catch_up, plants};
use super::scripted_log::{Fault, ScriptedLog};

pub(super) const CHAT: i64 = 7;
/// When the clock closes the first window: its end, the grace, and the lag of a partition's end.
pub(super) const CLOSES_MS: i64 = BASE_MS + 6 * HOUR_MS + 10 * MINUTE_MS + LAG_MS;

/// A log in which plant 0 is dry in each of these windows, and then silence.
pub(super) fn dry_windows(count: i64) -> ScriptedLog {
    let log = ScriptedLog::plain(&[(READINGS, 2), (METADATA, 1)]);
    log.append(METADATA, 0, plant(0, 30.0, BASE_MS));
    for window in 0..count {
        for step in 0..=LIMIT {
            let ts_ms = BASE_MS + window * 6 * HOUR_MS + step * SECOND_MS;
            log.append(READINGS, 0, reading(0, 1.0, ts_ms));
        }
    }
    log
}

pub(super) async fn subscribe(store: &Store) {
    let subscribe = store.write(Urgency::People, |db| {
        Box::pin(async move { access::subscribe(db, Place::private(CHAT), BASE_MS).await })
    });
    subscribe.await.unwrap();
}

/// What waits for the chat, as plain text.
pub(super) async fn told(store: &Store) -> Vec<String> {
    let count: Vec<(i64,)> = rows(store, "select count(*) from outbox").await;
    let heads =
        store.read(|db| Box::pin(async move { outbox::heads(db, i64::MAX).await })).await.unwrap();
    let mut texts: Vec<String> = heads
        .rows
        .into_iter()
        .map(|row| match row.action {
            Action::Say(body) => body.text.to_plain(),
            other => panic!("expected a message, not {other:?}"),
        })
        .collect();
    // Only the first row of a chat is at its head; the others are counted.
    texts.resize(usize::try_from(count[0].0).unwrap(), "another".to_owned());
    texts
}

pub(super) async fn raised(store: &Store) -> Vec<(i64, String)> {
    rows(store, "select event_ms, told from alert order by 1").await
}

pub(super) async fn records(store: &Store) -> i64 {
    let records: Vec<(i64,)> = rows(store, "select coalesce(sum(records), 0) from position").await;
    records[0].0
}

#[test]
fn a_window_closes_to_the_millisecond_and_is_told_once() {
    let bench = Bench::new(dry_windows(1), CLOSES_MS - 1);
    one_life(async { subscribe(&bench.workshop().await.store).await });
    assert_eq!(catch_up(&bench, 1).alerts.len(), 0);
    bench.clock.pass(1);
    for _ in 0..3 {
        assert_eq!(catch_up(&bench, 1).alerts.len(), 1);
        bench.clock.pass(HOUR_MS);
    }
    one_life(async {
        let store = bench.workshop().await.store;
        assert_eq!(raised(&store).await, [(BASE_MS + 6 * HOUR_MS, "sent".to_owned())]);
        let told = told(&store).await;
        assert_eq!(told.len(), 1);
        assert!(told[0].contains("Plant 0 the Test Plant"), "{told:?}");
    });
}

#[test]
fn a_running_pipeline_closes_the_window_of_a_sensor_that_fell_silent() {
    let bench = Bench::new(dry_windows(1), BASE_MS + HOUR_MS);
    one_life(async {
        let workshop = bench.workshop().await;
        subscribe(&workshop.store).await;
        let running = Running::start(plants(1), &workshop);
        until(&workshop.store, "the readings are folded", async |store| {
            records(store).await == LIMIT + 1
        })
        .await;
        assert_eq!(raised(&workshop.store).await, []);
        bench.clock.pass_until(CLOSES_MS);
        until(&workshop.store, "the alert is raised", async |store| raised(store).await.len() == 1)
            .await;
        bench.clock.pass(DAY_MS);
        running.stop().await;
        assert_eq!(told(&workshop.store).await.len(), 1);
    });
}

#[test]
fn a_partition_that_has_more_to_tell_holds_its_windows_open_whatever_the_clock_says() {
    let bench = Bench::new(dry_windows(1), BASE_MS + HOUR_MS);
    one_life(async {
        let workshop = bench.workshop().await;
        let store = &workshop.store;
        let running = Running::start(plants(100_000), &workshop);
        until(store, "the readings are folded", async |store| records(store).await == LIMIT + 1)
            .await;
        bench.log.hold_ends(true);
        fold_one_more(&bench, store).await;
        bench.clock.pass(DAY_MS);
        fold_one_more(&bench, store).await;
        assert_eq!(raised(store).await, []);
        assert!(outcome(store).await.watermark_ms < Some(BASE_MS + 6 * HOUR_MS));
        bench.log.hold_ends(false);
        until(store, "the end is told", async |store| raised(store).await.len() == 1).await;
        running.stop().await;
    });
}

/// A pipeline that runs half an hour before its window ends, with all readings folded.
pub(super) async fn running_before_the_end(bench: &Bench) -> (Store, Running) {
    let workshop = bench.workshop().await;
    let running = Running::start(plants(1), &workshop);
    until(&workshop.store, "the readings are folded", async |store| {
        records(store).await == LIMIT + 1
    })
    .await;
    (workshop.store, running)
}

/// Another reading is folded by the clock as the pipeline sees it now.
pub(super) async fn fold_one_more(bench: &Bench, store: &Store) {
    let before = records(store).await;
    bench.log.append(READINGS, 1, reading(1, 50.0, BASE_MS + HOUR_MS));
    until(store, "one more reading is folded", async |store| records(store).await > before).await;
}

#[test]
fn a_wall_clock_that_jumps_ahead_closes_nothing_before_five_steady_minutes() {
    let bench = Bench::new(dry_windows(1), BASE_MS + 5 * HOUR_MS + 30 * MINUTE_MS);
    one_life(async {
        let (store, running) = running_before_the_end(&bench).await;
        bench.clock.jump(HOUR_MS);
        fold_one_more(&bench, &store).await;
        bench.clock.pass(5 * MINUTE_MS - 1);
        fold_one_more(&bench, &store).await;
        assert_eq!(raised(&store).await, []);
        assert!(outcome(&store).await.watermark_ms < Some(CLOSES_MS - LAG_MS));
        bench.clock.pass(1);
        until(&store, "the new time is believed", async |store| raised(store).await.len() == 1)
            .await;
        running.stop().await;
    });
}

#[test]
fn a_wall_clock_that_jumps_is_not_believed_because_the_log_was_away() {
    let bench = Bench::new(dry_windows(1), BASE_MS + 5 * HOUR_MS + 30 * MINUTE_MS);
    one_life(async {
        let (store, running) = running_before_the_end(&bench).await;
        bench.clock.jump(HOUR_MS);
        bench.log.arm(Fault::Unavailable { fetch: 1 });
        fold_one_more(&bench, &store).await;
        fold_one_more(&bench, &store).await;
        assert_eq!(raised(&store).await, []);
        running.stop().await;
    });
}

#[test]
fn a_wall_clock_that_jumps_back_takes_nothing_back() {
    let bench = Bench::new(dry_windows(1), CLOSES_MS);
    one_life(async {
        let (store, running) = running_before_the_end(&bench).await;
        until(&store, "the window is closed", async |store| raised(store).await.len() == 1).await;
        let before = outcome(&store).await;
        bench.clock.jump(-4 * MINUTE_MS);
        fold_one_more(&bench, &store).await;
        running.stop().await;
        let after = outcome(&store).await;
        assert_eq!((after.alerts, after.watermark_ms), (before.alerts, before.watermark_ms));
    });
}

#[test]
fn old_news_becomes_one_message_when_the_pipeline_has_caught_up() {
    // Windows that ended 30, 24, 18, 12 and 6 hours ago: the one of 12 hours is not old yet.
    let bench = Bench::new(dry_windows(5), BASE_MS + 36 * HOUR_MS);
    one_life(async { subscribe(&bench.workshop().await.store).await });
    // Steps are cut after every batch, so that windows close in several of them.
    catch_up(&bench, 100_000);
    catch_up(&bench, 100_000);
    one_life(async {
        let store = bench.workshop().await.store;
        let raised = raised(&store).await;
        assert_eq!(raised.len(), 5);
        assert!(raised.iter().all(|(_, told)| told == "sent"), "{raised:?}");
        // That the earlier card has moved is an edit of its message.
        let said = "select body from outbox where action = 'say'";
        let bodies: Vec<(String,)> = rows(&store, said).await;
        let gathered = bodies.iter().filter(|(body,)| body.contains("3 older alerts")).count();
        let single = bodies.iter().filter(|(body,)| body.contains("pretty dry")).count();
        assert_eq!((bodies.len(), gathered, single), (3, 1, 2), "{bodies:#?}");
    });
}

#[test]
fn without_a_subscription_alerts_are_recorded_and_nobody_is_told_later_either() {
    let bench = Bench::new(dry_windows(5), BASE_MS + 36 * HOUR_MS);
    catch_up(&bench, 1);
    one_life(async { subscribe(&bench.workshop().await.store).await });
    catch_up(&bench, 1);
    one_life(async {
        let store = bench.workshop().await.store;
        let raised = raised(&store).await;
        assert_eq!(raised.len(), 5);
        assert!(raised.iter().all(|(_, told)| told == "nobody"), "{raised:?}");
        assert_eq!(told(&store).await, Vec::<String>::new());
    });
}

#[test]
fn old_news_that_nobody_is_left_to_hear_is_not_marked_as_told() {
    let bench = Bench::new(dry_windows(5), BASE_MS + 36 * HOUR_MS);
    catch_up(&bench, 1);
    one_life(async {
        let store = bench.workshop().await.store;
        // A process gathered old news and died; meanwhile the last chat has gone.
        execute(&store, "update alert set told = 'gathered'").await;
        subscribe(&store).await;
        let leave = store.write(Urgency::People, |db| {
            Box::pin(async move { access::end_subscriptions(db, CHAT, "blocked", BASE_MS).await })
        });
        leave.await.unwrap();
    });
    catch_up(&bench, 1);
    one_life(async {
        let store = bench.workshop().await.store;
        let raised = raised(&store).await;
        assert!(raised.iter().all(|(_, told)| told == "nobody"), "{raised:?}");
        assert_eq!(told(&store).await, Vec::<String>::new());
    });
}
