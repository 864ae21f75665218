use sqlx::Connection;

use super::*;
use crate::config::Config;
use crate::log::embedded::EmbeddedLog;
use crate::log::topics::Topics;
use crate::rooms;
use crate::sensor::feed::LogFeed;
use crate::sensor::moment::Moment;
use crate::sensor::soil::Soil;

const SANE_MS: i64 = 1_800_000_000_000;

async fn station(dir: &std::path::Path) -> Station {
    let log = Arc::new(EmbeddedLog::open(&dir.join("log.db")).await.unwrap());
    let topics = Topics::of_config(rooms::topics(), &Config::default()).unwrap();
    let queue = Queue::open(dir).await.unwrap();
    let feed = Feed::Log(LogFeed::new(log, topics));
    Station::new(queue, feed, FIRST_PAUSE, &BTreeMap::new()).await.unwrap()
}

async fn round(station: &Station, number: i64) {
    let measured =
        [(0x36, Ok(Soil { raw: 900, temperature: 20_000 })), (0x37, Err(SoilError::Silent))];
    let moment = Moment { boot: "a".to_owned(), since_boot_ms: number * 30_000 };
    station.take(&measured, Now { wall_ms: Some(SANE_MS + number * 30_000), moment }).await;
}

async fn change(dir: &std::path::Path, sql: &str) {
    let path = dir.join("sensor.db");
    let mut db = sqlx::SqliteConnection::connect(&path.display().to_string()).await.unwrap();
    sqlx::raw_sql(sql).execute(&mut db).await.unwrap();
}

#[tokio::test]
async fn what_the_disk_does_not_take_is_kept_in_memory_with_its_time() {
    let dir = tempfile::tempdir().unwrap();
    let station = station(dir.path()).await;
    station.learn(Plants::from([("0x36".to_owned(), 4)])).await;
    change(dir.path(), "alter table reading rename to away").await;
    for number in 0..3 {
        round(&station, number).await;
    }
    change(dir.path(), "alter table away rename to reading").await;
    assert_eq!(station.queue().waiting().await.unwrap(), 0);
    round(&station, 3).await;
    let queued = station.queue().oldest(9).await.unwrap();
    let times: Vec<i64> = queued.iter().map(|queued| queued.at_ms - SANE_MS).collect();
    assert_eq!(times, [0, 30_000, 60_000, 90_000]);
    let tally = Tally { measured: 4, ..Tally::default() };
    assert_eq!(station.tally(), tally);
}

#[tokio::test]
async fn before_the_first_mapping_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let station = station(dir.path()).await;
    round(&station, 0).await;
    assert!(!station.deliver_some(SANE_MS).await.unwrap());
    station.learn(Plants::from([("0x36".to_owned(), 4)])).await;
    round(&station, 1).await;
    assert!(station.deliver_some(SANE_MS).await.unwrap());
    assert!(!station.deliver_some(SANE_MS).await.unwrap());
    assert_eq!(station.tally().delivered, 2);
}

#[tokio::test]
async fn what_the_queue_does_not_take_is_tried_once_more_at_the_end_and_lost_aloud() {
    let dir = tempfile::tempdir().unwrap();
    let station = station(dir.path()).await;
    station.learn(Plants::from([("0x36".to_owned(), 4)])).await;
    let end = async || {
        let moment = Moment { boot: "a".to_owned(), since_boot_ms: 90_000 };
        station.end(Now { wall_ms: Some(SANE_MS + 90_000), moment }).await;
        let waiting = station.queue().waiting().await.unwrap_or_default();
        (waiting, station.tally().lost)
    };
    change(dir.path(), "alter table reading rename to away").await;
    round(&station, 0).await;
    change(dir.path(), "alter table away rename to reading").await;
    assert_eq!(end().await, (1, 0));
    change(dir.path(), "alter table reading rename to away").await;
    round(&station, 1).await;
    round(&station, 2).await;
    assert_eq!(end().await, (0, 2));
}
