use super::*;
use crate::sensor::moment::Moment;

fn reading(plant_id: i32) -> Reading {
    Reading {
        sensor_id: "0x36".to_owned(),
        plant_id: Some(plant_id),
        moisture: 43_167,
        temperature: 21_500,
    }
}

fn now(wall_ms: i64, boot: &str, since_boot_ms: i64) -> Now {
    Now { wall_ms: Some(wall_ms), ..unset(boot, since_boot_ms) }
}

/// The wall clock is not known to be set.
fn unset(boot: &str, since_boot_ms: i64) -> Now {
    Now { wall_ms: None, moment: Moment { boot: boot.to_owned(), since_boot_ms } }
}

const SANE_MS: i64 = 1_800_000_000_000;

#[tokio::test]
async fn what_was_taken_is_there_after_the_file_is_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let queue = Queue::open(dir.path()).await.unwrap();
    for plant_id in 0..3 {
        queue.push(vec![reading(plant_id)], now(SANE_MS, "a", 0)).await.unwrap();
    }
    // Nothing is closed: as if the process had died.
    let again = Queue::open(dir.path()).await.unwrap();
    assert_eq!(again.id(), queue.id());
    let oldest = again.oldest(2).await.unwrap();
    let plants: Vec<i32> = oldest.iter().map(|queued| queued.plant_id).collect();
    assert_eq!((plants, oldest[0].at_ms), (vec![0, 1], SANE_MS));
    let ends: Ends = "0:2".parse().unwrap();
    let numbers = oldest.iter().map(|queued| queued.number).collect();
    again.delivered(numbers, ends.clone()).await.unwrap();
    assert_eq!(queue.waiting().await.unwrap(), 1);
    assert_eq!(queue.since().await.unwrap(), Some(ends));
}

#[tokio::test]
async fn numbers_are_never_used_again() {
    let dir = tempfile::tempdir().unwrap();
    let queue = Queue::open(dir.path()).await.unwrap();
    let mut last = 0;
    for _ in 0..3 {
        queue.push(vec![reading(1)], now(SANE_MS, "a", 0)).await.unwrap();
        let number = queue.oldest(1).await.unwrap()[0].number;
        assert!(number > last, "{number} after {last}");
        last = number;
        queue.delivered(vec![number], Ends::default()).await.unwrap();
    }
}

/// A Pi without a battery clock, until it hears the time.
#[tokio::test]
async fn readings_of_an_unset_clock_are_held_until_it_is_set() {
    let dir = tempfile::tempdir().unwrap();
    let queue = Queue::open(dir.path()).await.unwrap();
    queue.push(vec![reading(1)], unset("an earlier start", 5_000)).await.unwrap();
    queue.push(vec![reading(2)], unset("this start", 60_000)).await.unwrap();
    queue.push(vec![reading(3)], unset("this start", 90_000)).await.unwrap();
    assert_eq!(queue.oldest(9).await.unwrap(), []);
    assert_eq!(queue.waiting().await.unwrap(), 3);
    let pushed = queue.push(vec![reading(4)], now(SANE_MS, "this start", 120_000)).await.unwrap();
    assert_eq!(pushed, Pushed { stamped: 2, timeless: 1, pushed_out: 0 });
    let times: Vec<(i32, i64)> = queue
        .oldest(9)
        .await
        .unwrap()
        .iter()
        .map(|queued| (queued.plant_id, queued.at_ms - SANE_MS))
        .collect();
    assert_eq!(times, [(2, -60_000), (3, -30_000), (4, 0)]);
}

#[tokio::test]
async fn mapping_and_calibration_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let queue = Queue::open(dir.path()).await.unwrap();
    assert_eq!(queue.plants().await.unwrap(), None);
    for plants in [Plants::from([("0x36".to_owned(), 4)]), Plants::new()] {
        queue.keep_plants(plants.clone()).await.unwrap();
        assert_eq!(queue.plants().await.unwrap(), Some(plants));
    }
    let calibration = Calibration::new(412, 987).unwrap();
    queue.calibrate("0x36".to_owned(), Calibration::default()).await.unwrap();
    queue.calibrate("0x36".to_owned(), calibration).await.unwrap();
    assert_eq!(queue.calibrations().await.unwrap(), [("0x36".to_owned(), calibration)]);
}

#[tokio::test]
async fn readings_from_before_the_first_mapping_get_their_plant_by_it() {
    let dir = tempfile::tempdir().unwrap();
    let queue = Queue::open(dir.path()).await.unwrap();
    let of =
        |sensor_id: &str| Reading { sensor_id: sensor_id.to_owned(), plant_id: None, ..reading(0) };
    queue.push(vec![of("0x36"), of("0x37")], now(SANE_MS, "a", 0)).await.unwrap();
    assert_eq!(queue.oldest(9).await.unwrap(), []);
    let plants = Plants::from([("0x37".to_owned(), 4)]);
    assert_eq!(queue.keep_plants(plants).await.unwrap(), 1);
    let oldest = queue.oldest(9).await.unwrap();
    assert_eq!((oldest.len(), oldest[0].plant_id, oldest[0].number), (1, 4, 2));
}

/// A round that was measured before the first mapping may reach the queue behind it.
#[tokio::test]
async fn readings_that_come_behind_the_first_mapping_get_their_plant_by_it_or_are_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let queue = Queue::open(dir.path()).await.unwrap();
    queue.keep_plants(Plants::from([("0x37".to_owned(), 4)])).await.unwrap();
    let of =
        |sensor_id: &str| Reading { sensor_id: sensor_id.to_owned(), plant_id: None, ..reading(0) };
    queue.push(vec![of("0x36"), of("0x37"), reading(5)], now(SANE_MS, "a", 0)).await.unwrap();
    let plants: Vec<i32> =
        queue.oldest(9).await.unwrap().iter().map(|queued| queued.plant_id).collect();
    assert_eq!(plants, [4, 5]);
    assert_eq!(queue.waiting().await.unwrap(), 2);
}

#[tokio::test]
async fn the_oldest_make_room_when_the_queue_is_full() {
    let dir = tempfile::tempdir().unwrap();
    let queue = Queue::open(dir.path()).await.unwrap();
    queue.push(vec![reading(1), reading(2)], now(SANE_MS, "a", 0)).await.unwrap();
    queue
        .transact(|db| {
            Box::pin(
                sqlx::query("update sqlite_sequence set seq = ?").bind(READINGS_MAX).execute(db),
            )
        })
        .await
        .unwrap();
    let pushed = queue.push(vec![reading(3)], now(SANE_MS, "a", 0)).await.unwrap();
    assert_eq!(pushed.pushed_out, 1);
    let plants: Vec<i32> =
        queue.oldest(9).await.unwrap().iter().map(|queued| queued.plant_id).collect();
    assert_eq!(plants, [2, 3]);
}
