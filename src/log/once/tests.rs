use super::*;
use crate::kernel::record::Header;
use crate::kernel::topic::TopicKind;
use crate::log::embedded::EmbeddedLog;

const TOPIC: &str = "readings";

async fn log(partitions: i32) -> (tempfile::TempDir, Arc<dyn EventLog>) {
    let dir = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open(&dir.path().join("log.db")).await.unwrap();
    log.create(TOPIC, TopicKind::Stream, partitions).await.unwrap();
    (dir, Arc::new(log))
}

fn records(queue: &str, numbers: std::ops::RangeInclusive<i64>) -> Vec<NewRecord> {
    let record = |number: i64| NewRecord {
        key: Some(number.to_string().into_bytes()),
        value: Some(b"v".to_vec()),
        headers: vec![Header {
            name: HEADER.to_owned(),
            value: Some(format!("{queue}/{number}").into_bytes()),
        }],
        ..NewRecord::default()
    };
    numbers.map(record).collect()
}

async fn count(log: &Arc<dyn EventLog>) -> i64 {
    let bounds = log.bounds(TOPIC).await.unwrap();
    bounds.iter().map(|bounds| bounds.next_offset - bounds.first_offset).sum()
}

#[tokio::test]
async fn a_repeat_writes_nothing_whether_the_process_remembers_or_looks_it_up() {
    let (_dir, log) = log(3).await;
    log.append(TOPIC, records("other", 1..=4)).await.unwrap();
    let since = Ends::of(log.as_ref(), TOPIC).await.unwrap();
    let once = Once::default();
    let send = async |once: &Once, numbers| {
        let records = records("pi", numbers);
        let done = once.append(log.clone(), TOPIC, since.clone(), records).await.unwrap();
        (done.written, done.repeated)
    };
    assert_eq!(send(&once, 1..=5).await, (5, 0));
    assert_eq!(send(&once, 1..=5).await, (0, 5));
    assert_eq!(send(&once, 3..=8).await, (3, 3));
    // Another life of the process.
    assert_eq!(send(&Once::default(), 3..=9).await, (1, 6));
    assert_eq!(count(&log).await, 4 + 9);
}

/// A request that was on its way for long arrives after the next ones were answered.
#[tokio::test]
async fn what_comes_after_its_successors_is_known_to_be_old() {
    let (_dir, log) = log(1).await;
    let since = Ends::of(log.as_ref(), TOPIC).await.unwrap();
    let once = Once::default();
    for numbers in [1..=5, 6..=9] {
        let records = records("pi", numbers);
        once.append(log.clone(), TOPIC, since.clone(), records).await.unwrap();
    }
    let old = once.append(log.clone(), TOPIC, since, records("pi", 1..=5)).await.unwrap();
    assert_eq!((old.written, old.repeated), (0, 5));
    assert_eq!(count(&log).await, 9);
}

#[tokio::test]
async fn a_part_that_was_written_is_found_on_every_partition() {
    let (_dir, log) = log(4).await;
    let since = Ends::of(log.as_ref(), TOPIC).await.unwrap();
    let mut some = records("pi", 1..=10);
    some.retain(|record| {
        ["2", "5", "9"].contains(&std::str::from_utf8(record.key.as_ref().unwrap()).unwrap())
    });
    log.append(TOPIC, some).await.unwrap();
    let all = Once::default().append(log.clone(), TOPIC, since, records("pi", 1..=10)).await;
    let all = all.unwrap();
    assert_eq!((all.written, all.repeated), (7, 3));
    assert_eq!(count(&log).await, 10);
    assert_eq!(all.ends, Ends::of(log.as_ref(), TOPIC).await.unwrap());
}

/// Of three whose answer was lost one is sent again alone: the others are still to be found.
#[tokio::test]
async fn a_smaller_repeat_does_not_hide_the_rest() {
    let (_dir, log) = log(1).await;
    let since = Ends::of(log.as_ref(), TOPIC).await.unwrap();
    let once = Once::default();
    once.append(log.clone(), TOPIC, since.clone(), records("pi", 1..=3)).await.unwrap();
    let one = once.append(log.clone(), TOPIC, since, records("pi", 1..=1)).await.unwrap();
    let rest = Once::default().append(log.clone(), TOPIC, one.ends, records("pi", 2..=3)).await;
    assert_eq!(rest.unwrap().repeated, 2);
    assert_eq!(count(&log).await, 3);
}

#[tokio::test]
async fn records_without_a_place_or_of_two_queues_are_refused() {
    let (_dir, log) = log(1).await;
    let refused = async |records| {
        let done = Once::default().append(log.clone(), TOPIC, Ends::default(), records).await;
        done.unwrap_err().to_string()
    };
    let mut two = records("pi", 1..=1);
    two.extend(records("other", 2..=2));
    assert_eq!(refused(two).await, "records of two queues, pi and other");
    let mut back = records("pi", 2..=2);
    back.extend(records("pi", 1..=1));
    assert!(refused(back).await.contains("does not come after"));
    assert!(refused(vec![NewRecord::default()]).await.contains("no header queue-place"));
    assert_eq!(count(&log).await, 0);
}

/// The records went to another log, or the log was put back, before the sender heard of them.
#[tokio::test]
async fn in_another_log_and_in_a_shorter_one_everything_is_looked_through() {
    let (_before, before) = log(1).await;
    before.append(TOPIC, records("other", 1..=9)).await.unwrap();
    let since = Ends::of(before.as_ref(), TOPIC).await.unwrap();
    // What this process remembers is of the log before.
    let once = Once::default();
    once.append(before, TOPIC, since.clone(), records("pi", 4..=8)).await.unwrap();
    let (_dir, log) = log(2).await;
    log.append(TOPIC, records("pi", 4..=6)).await.unwrap();
    for since in [since, "0:900,1:900".parse().unwrap()] {
        for once in [&once, &Once::default()] {
            let records = records("pi", 4..=8);
            let done = once.append(log.clone(), TOPIC, since.clone(), records).await.unwrap();
            assert_eq!(done.written + done.repeated, 5);
            assert_eq!(done.ends, Ends::of(log.as_ref(), TOPIC).await.unwrap());
        }
    }
    assert_eq!(numbers(&log).await.len(), 5);
}

/// Of a batch whose rest was seen already the sender goes on to look before that, in this log.
#[tokio::test]
async fn in_another_log_a_smaller_repeat_does_not_hide_the_rest_either() {
    let (_before, before) = log(1).await;
    before.append(TOPIC, records("pi", 1..=3)).await.unwrap();
    let since = Ends::of(before.as_ref(), TOPIC).await.unwrap();
    let (_dir, log) = log(1).await;
    log.append(TOPIC, records("pi", 1..=3)).await.unwrap();
    let one = Once::default().append(log.clone(), TOPIC, since, records("pi", 1..=1)).await;
    let since = one.unwrap().ends.to_string().parse().unwrap();
    let rest = Once::default().append(log.clone(), TOPIC, since, records("pi", 2..=3)).await;
    assert_eq!(rest.unwrap().repeated, 2);
}

#[tokio::test]
async fn a_record_that_is_refused_keeps_no_other_out_and_a_repeat_hears_it_too() {
    let (_dir, log) = log(1).await;
    let since = Ends::of(log.as_ref(), TOPIC).await.unwrap();
    let once = Once::default();
    for counts in [(2, 0), (0, 2)] {
        let mut records = records("pi", 1..=3);
        records[1].value = Some(vec![0; crate::log::MAX_RECORD_BYTES]);
        let done = once.append(log.clone(), TOPIC, since.clone(), records).await.unwrap();
        assert_eq!((done.written, done.repeated), counts);
        assert_eq!(done.refused.len(), 1);
        assert!(done.refused[0].0 == 1 && done.refused[0].1.contains("over the limit"));
    }
    assert_eq!(numbers(&log).await, [1, 3]);
}

#[test]
fn ends_and_places_are_read_as_they_are_written() {
    let ends: Ends = "0:17,1:4".parse().unwrap();
    assert_eq!((ends.to_string().as_str(), ends.offset(1), ends.offset(7)), ("0:17,1:4", 4, 0));
    let named: Ends = "an@id@0:18,1:4".parse().unwrap();
    assert_eq!(named.to_string(), "an@id@0:18,1:4");
    assert!(named.continues(&ends) && !ends.continues(&named));
    for text in ["", "0", "0:-1", "-1:0", "a:b", "0:1,", "x@", "x@0"] {
        assert!(text.parse::<Ends>().is_err(), "{text:?}");
    }
    let place = Place { queue: "pi-3".to_owned(), number: 9 };
    assert_eq!(place.to_string().parse(), Ok(place));
    for text in ["", "pi", "pi/", "pi/0", "pi/-1", "/1", "p i/1", "pi/1/2"] {
        assert!(text.parse::<Place>().is_err(), "{text:?}");
    }
}

/// What happens to a sender and to whoever appends for it.
#[derive(Debug, Clone, Copy)]
enum Event {
    /// So many more records wait.
    Measured(i64),
    /// A batch of so many is sent; its answer may be lost.
    Sent { batch: usize, answered: bool },
    /// The batch was written by half, on some partitions, and then the log was away.
    Torn { batch: usize },
    /// The appending process begins anew.
    Restarted,
    /// A request that was sent long ago arrives again.
    Echoed,
}

fn event() -> impl proptest::strategy::Strategy<Value = Event> {
    use proptest::prelude::*;
    prop_oneof![
        (1..6i64).prop_map(Event::Measured),
        (1..8usize, any::<bool>()).prop_map(|(batch, answered)| Event::Sent { batch, answered }),
        (1..8usize).prop_map(|batch| Event::Torn { batch }),
        Just(Event::Restarted),
        Just(Event::Echoed),
    ]
}

/// Plays the events, and a good end; gives the numbers in the log.
async fn played(events: &[Event]) -> (i64, Vec<i64>) {
    let (_dir, log) = log(3).await;
    let mut once = Once::default();
    let mut since = Ends::of(log.as_ref(), TOPIC).await.unwrap();
    let (mut oldest, mut newest) = (1, 0);
    let mut earlier: Option<(Ends, Vec<NewRecord>)> = None;
    let good_end = [Event::Sent { batch: 1_000, answered: true }];
    for event in events.iter().chain(&good_end) {
        match *event {
            Event::Measured(count) => newest += count,
            Event::Restarted => once = Once::default(),
            Event::Echoed => {
                if let Some((since, records)) = earlier.clone() {
                    once.append(log.clone(), TOPIC, since, records).await.unwrap();
                }
            }
            Event::Sent { batch, answered } => {
                let last = newest.min(oldest + batch as i64 - 1);
                let batch = records("pi", oldest..=last);
                earlier = Some((since.clone(), batch.clone()));
                let done = once.append(log.clone(), TOPIC, since.clone(), batch).await.unwrap();
                if answered && last >= oldest {
                    (since, oldest) = (done.ends, last + 1);
                }
            }
            Event::Torn { batch } => {
                let last = newest.min(oldest + batch as i64 - 1);
                let half = records("pi", oldest..=last).into_iter().step_by(2);
                let seen = numbers(&log).await;
                let number = |record: &NewRecord| -> i64 {
                    std::str::from_utf8(record.key.as_ref().unwrap()).unwrap().parse().unwrap()
                };
                let half = half.filter(|record| !seen.contains(&number(record))).collect();
                log.append(TOPIC, half).await.unwrap();
                // After a failure nothing is known for sure.
                once = Once::default();
            }
        }
    }
    let mut numbers = numbers(&log).await;
    numbers.sort_unstable();
    (newest, numbers)
}

async fn numbers(log: &Arc<dyn EventLog>) -> Vec<i64> {
    let mut numbers = Vec::new();
    for partition in 0..log.partitions(TOPIC).await.unwrap() {
        let from = vec![Start { partition, offset: 0 }];
        let mut reader = log.read(TOPIC, from).await.unwrap();
        while let Fetched::Batch(batch) = reader.next().await.unwrap() {
            for record in batch.records() {
                let header = batch::find_header(record.unwrap().headers, HEADER).unwrap();
                let place: Place = std::str::from_utf8(header).unwrap().parse().unwrap();
                numbers.push(place.number);
            }
        }
    }
    numbers
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(48))]
    #[test]
    fn whatever_happens_each_is_written_once(
        events in proptest::collection::vec(event(), 1..16)
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (newest, written) = runtime.block_on(played(&events));
        proptest::prop_assert_eq!(written, (1..=newest).collect::<Vec<i64>>());
    }
}
