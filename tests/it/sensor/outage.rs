//! The other end is away, dies, comes back; so does the sensor side.

use embedded_hal::delay::DelayNs;
use windowsill::config::{BotUrl, Secret};
use windowsill::sensor::bench::Bench;
use windowsill::sensor::feed::{Feed, HttpFeed};
use windowsill::sensor::mapping::Plants;
use windowsill::sensor::moment::{Moment, Now};
use windowsill::sensor::queue::{Queue, Reading};
use windowsill::sensor::simulate::SimulatedBus;
use windowsill::sensor::soil::{ADDRESSES, sensor_id};
use windowsill::sensor::station::Station;

use super::{
    Pi, TOKEN_TEXT, bot, describe, expect_each_once, expect_none_lost, map, stored, unmap,
};
use crate::bot::past::{self, Log, WINDOW_MS, plant};
use crate::bot::{OWNER, SOON, until};

const MINUTE_MS: i64 = 60_000;
const EVERY_MS: i64 = 30_000;

/// The whole path: readings arrive, a change of the mapping is followed, and while the bot is dead
/// the sensors are read on.
#[tokio::test]
async fn readings_reach_a_bot_elsewhere_that_is_mapped_anew_and_dies() {
    let (mut bot, url) = bot().await;
    let mut pi = Pi::of(&url);
    bot.started().await;
    describe(&bot, 1, "Cyril");
    describe(&bot, 2, "Piper");
    map(&bot, "0x36", 1);
    pi.start();
    until(SOON, "two readings of plant 1", async || stored(&bot).len() >= 2).await;
    let first = &stored(&bot)[0];
    assert_eq!((first.plant_id, first.sensor_id.as_str()), (1, "0x36"));
    assert!((0.0..=100.0).contains(&first.moisture), "{first:?}");
    assert!((windowsill::clock::now_ms() - first.ts).abs() < 5 * MINUTE_MS, "{first:?}");
    bot.answers(OWNER, "/plant 1", "0x36").await;
    // Those that feed nobody are told, once.
    pi.says("feeds no plant").await;
    assert_eq!(pi.log().matches("feeds no plant").count(), 3, "{}", pi.log());

    map(&bot, "0x36", 2);
    until(SOON, "a reading of plant 2", async || stored(&bot).last().unwrap().plant_id == 2).await;

    bot.kill().await;
    pi.waits(3).await;
    pi.says("readings wait in the queue").await;
    let before = stored(&bot).len();
    bot.started().await;
    until(SOON, "what waited is there", async || stored(&bot).len() >= before + 3).await;
    pi.says("readings that had to wait are delivered").await;

    unmap(&bot, "0x36");
    until(SOON, "it feeds nobody", async || pi.log().matches("feeds no plant").count() == 4).await;
    until(SOON, "nothing waits", async || pi.queued().await.is_empty()).await;
    let said = pi.stop().await;
    assert!(said.contains(" 0 in the queue, 0 lost;"), "{said}");
    expect_each_once(&stored(&bot));
    bot.stop().await;
}

/// `kill -9` with readings in the queue, and between the answer and the queue's own note of it.
#[tokio::test]
async fn a_killed_sensor_side_loses_nothing_and_repeats_nothing() {
    let (mut bot, url) = bot().await;
    bot.started().await;
    map(&bot, "0x36", 1);
    map(&bot, "0x37", 2);
    let mut pi = Pi::of(&url).with("TEST_WINDOWSILL_CRASH", "after-delivery:2");
    pi.start();
    assert!(!pi.life().ended_within(SOON).await.success(), "it was to die");
    pi.settings.remove("TEST_WINDOWSILL_CRASH");
    bot.stop().await;
    // Without the bot: what it knows of the mapping is on its disk.
    pi.start();
    pi.waits(5).await;
    pi.kill().await;
    assert!(pi.number("select count(*) from reading").await >= 5);
    bot.started().await;
    pi.start();
    until(SOON, "everything is there", async || {
        pi.number("select count(*) from reading").await == 0 && stored(&bot).len() >= 7
    })
    .await;
    pi.stop().await;
    expect_none_lost(&pi, &stored(&bot)).await;
    bot.stop().await;
}

/// The bot dies when it has the readings, and before it says so.
#[tokio::test]
async fn an_answer_that_was_lost_with_the_bot_doubles_nothing() {
    let (mut bot, url) = bot().await;
    bot.started().await;
    map(&bot, "0x36", 1);
    bot.stop().await;
    bot.crash_at("after-once-append", 2);
    bot.start();
    let mut pi = Pi::of(&url);
    pi.start();
    bot.crashed().await;
    bot.crash_no_more();
    pi.waits(2).await;
    bot.started().await;
    until(SOON, "everything is there", async || {
        stored(&bot).len() >= 4 && pi.number("select count(*) from reading").await == 0
    })
    .await;
    pi.stop().await;
    expect_none_lost(&pi, &stored(&bot)).await;
    bot.stop().await;
}

/// A Pi without a battery clock begins in 1970 and hears the time later.
#[tokio::test]
async fn readings_from_before_the_clock_was_set_come_with_their_times() {
    let (mut bot, url) = bot().await;
    bot.started().await;
    map(&bot, "0x36", 1);
    let mut pi = Pi::of(&url);
    let shift = pi.folder.path().join("clock-shift");
    std::fs::write(&shift, (-windowsill::clock::now_ms()).to_string()).unwrap();
    pi = pi.with("TEST_WINDOWSILL_CLOCK_SHIFT_MS", format!("@{}", shift.display()));
    let began_ms = windowsill::clock::now_ms();
    pi.start();
    pi.waits(2).await;
    assert_eq!(pi.number("select count(*) from reading where at_ms is not null").await, 0);
    assert!(stored(&bot).is_empty());
    // What is held outlives the process, not the machine.
    pi.kill().await;
    std::fs::write(&shift, "0").unwrap();
    pi.start();
    until(SOON, "they are there", async || stored(&bot).len() >= 3).await;
    pi.says("the clock is set").await;
    pi.stop().await;
    let stored = stored(&bot);
    let ended_ms = windowsill::clock::now_ms();
    assert!(stored.iter().all(|reading| (began_ms..=ended_ms).contains(&reading.ts)), "{stored:?}");
    assert!(stored.is_sorted_by_key(|reading| reading.ts));
    expect_each_once(&stored);
    bot.stop().await;
}

/// The bot begins anew, and nobody has mapped a sensor there yet: what is measured is not thrown away.
#[tokio::test]
async fn a_mapping_whose_topic_is_empty_all_at_once_stays_as_it_was() {
    let (mut bot, url) = bot().await;
    let mut pi = Pi::of(&url);
    bot.started().await;
    map(&bot, "0x36", 1);
    pi.start();
    until(SOON, "a reading", async || !stored(&bot).is_empty()).await;
    bot.stop().await;
    std::fs::remove_dir_all(bot.data_dir()).unwrap();
    bot.started().await;
    pi.says("the mapping of sensors stays as it was: its topic holds nothing any more").await;
    let before = stored(&bot).len();
    until(SOON, "readings go on", async || stored(&bot).len() > before).await;
    assert!(stored(&bot).iter().all(|reading| reading.plant_id == 1));
    // A deletion is something.
    unmap(&bot, "0x36");
    pi.says("the mapping of sensors can be read again").await;
    until(SOON, "it feeds nobody", async || pi.log().matches("feeds no plant").count() == 4).await;
    pi.stop().await;
    bot.stop().await;
}

/// A delay for chips that need none.
struct NoDelay;

impl DelayNs for NoDelay {
    fn delay_ns(&mut self, _ns: u32) {}
}

/// A sensor side without its own loop, that sends to a bot.
async fn station(dir: &std::path::Path, url: String) -> Station {
    let queue = Queue::open(dir).await.unwrap();
    let url: BotUrl = serde_json::from_value(url.into()).unwrap();
    let feed = Feed::Http(HttpFeed::new(&url, Secret::new(TOKEN_TEXT.to_owned())).unwrap());
    let every = std::time::Duration::from_secs(30);
    Station::new(queue, feed, every, &Default::default()).await.unwrap()
}

/// The bot tells the reasons of the first hundred.
#[tokio::test]
async fn readings_that_the_bot_rejects_are_all_counted_as_lost() {
    let (mut bot, url) = bot().await;
    bot.started().await;
    let dir = tempfile::tempdir().unwrap();
    let station = station(dir.path(), url).await;
    let now_ms = windowsill::clock::now_ms();
    let moment = Moment { boot: "a start".to_owned(), since_boot_ms: 0 };
    let reading = |number: i32| Reading {
        sensor_id: "0x36".to_owned(),
        // No plant is called so.
        plant_id: Some(if number < 150 { -1 } else { 1 }),
        moisture: 43_000,
        temperature: 21_000,
    };
    let readings = (0..160).map(reading).collect();
    station.queue().push(readings, Now { wall_ms: Some(now_ms), moment }).await.unwrap();
    assert!(station.deliver_some(now_ms).await.unwrap());
    let tally = station.tally();
    assert_eq!((tally.delivered, tally.lost), (10, 150));
    assert_eq!(station.queue().waiting().await.unwrap(), 0);
    assert_eq!(stored(&bot).len(), 10);
    bot.stop().await;
}

/// Forty minutes unplugged, with the times that they would have had: from half an hour before the
/// end of a window to ten minutes behind it.
#[tokio::test]
async fn forty_minutes_unplugged_lose_no_reading_and_late_ones_are_counted_and_shown() {
    let (mut bot, url) = bot().await;
    let dir = tempfile::tempdir().unwrap();
    let station = station(dir.path(), url).await;
    let ids = ADDRESSES.map(sensor_id);
    station.learn(Plants::from_iter(ids.into_iter().zip(1..))).await;
    let bus = SimulatedBus::empty(|| 0);
    ADDRESSES.iter().for_each(|address| bus.plug(*address, 0x55));
    let mut bench = Bench::new(bus, NoDelay, &ADDRESSES);

    let window_end_ms = (windowsill::clock::now_ms() / WINDOW_MS - 1) * WINDOW_MS;
    let first_ms = window_end_ms - 30 * MINUTE_MS;
    let rounds = 40 * MINUTE_MS / EVERY_MS;
    for round in 0..rounds {
        let since_boot_ms = round * EVERY_MS;
        let moment = Moment { boot: "a start".to_owned(), since_boot_ms };
        station
            .take(&bench.measure(), Now { wall_ms: Some(first_ms + since_boot_ms), moment })
            .await;
    }
    let now_ms = windowsill::clock::now_ms();
    let away = station.deliver_some(now_ms).await.unwrap_err();
    assert!(away.to_string().contains("the bot does not answer"), "{away}");
    assert_eq!(station.queue().waiting().await.unwrap(), rounds * 4);

    // Somebody else's reading has closed the window meanwhile, by the rule.
    let log = Log::open(&bot.data_dir(), 1).await;
    log.describe(&plant(1, "Fern", 20.0)).await;
    let at_ms = window_end_ms + 10 * MINUTE_MS;
    log.append(&[past::Reading { plant_id: 9, moisture: 50.0, at_ms, partition: 0 }]).await;
    bot.started().await;
    while station.deliver_some(now_ms).await.unwrap() {}
    assert_eq!(station.queue().waiting().await.unwrap(), 0);
    assert_eq!(station.tally().delivered, 320);
    assert_eq!(station.tally().lost, 0);
    let stored = stored(&bot);
    expect_each_once(&stored);
    assert_eq!(stored.len(), 320);
    // Those of the window that had closed: 60 rounds of four sensors.
    bot.counts("select sum(late) from position where topic = 'houseplant-readings'", 240).await;
    bot.answers(OWNER, "/status", "(240 late)").await;
    // Late ones count for no window, and are in the quarter hours all the same.
    bot.counts("select sum(reading_count) from plant_bucket", 321).await;
    bot.stop().await;
}
