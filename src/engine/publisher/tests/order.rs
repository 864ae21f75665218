//! In which order what was appended is settled.

use std::collections::BTreeMap;

use super::super::*;

const PARTITIONS: i64 = 2;
const KEYS: i64 = 5;

fn row(id: i64) -> Pending {
    let key = (id % KEYS).to_string().into_bytes();
    Pending { id, edit_id: id, topic: "t".to_owned(), record_key: key, value: None }
}

fn place(partition: i32, offset: i64) -> Outcome {
    Ok(Placed { partition, offset })
}

fn away() -> Outcome {
    Err(LogError::Unavailable("nobody leads it".to_owned()))
}

fn refused() -> Outcome {
    Err(LogError::Refused { topic: "t".to_owned(), reason: "too large".to_owned() })
}

fn ids(settled: &Settled) -> (Vec<i64>, Vec<i64>) {
    let placed = settled.placed.iter().map(|(id, _)| *id).collect();
    (placed, settled.never.iter().map(|(edit_id, _)| *edit_id).collect())
}

#[test]
fn what_stands_before_the_first_that_was_not_taken_is_settled() {
    let rows: Vec<Pending> = (0..4).map(row).collect();
    let of = |outcomes: Vec<Outcome>| settled(&rows, outcomes);
    let all = of(vec![place(0, 7), place(1, 3), place(0, 8), place(1, 4)]).unwrap();
    assert_eq!(ids(&all), (vec![0, 1, 2, 3], vec![]));
    let some = of(vec![place(0, 7), refused(), away(), place(1, 4)]).unwrap();
    assert_eq!(ids(&some), (vec![0], vec![1]));
    // The third came to stand in front of the first.
    let overtaken = of(vec![place(0, 8), place(1, 3), place(0, 7), place(1, 4)]).unwrap();
    assert_eq!(ids(&overtaken), (vec![0, 1], vec![]));
    assert!(of(vec![away(), place(1, 3), place(0, 8), place(1, 4)]).is_err());
}

/// A log that takes some, refuses some for ever, and puts some behind others.
struct Whimsical {
    rng: fastrand::Rng,
    partitions: BTreeMap<i32, Vec<i64>>,
}

impl Whimsical {
    fn append(&mut self, sent: &[Pending]) -> Vec<Outcome> {
        let mut outcomes: Vec<Option<Outcome>> = sent.iter().map(|_| None).collect();
        let (mut at_once, held_up): (Vec<usize>, Vec<usize>) =
            (0..sent.len()).partition(|_| self.rng.u8(0..8) > 0);
        at_once.extend(held_up);
        for index in at_once {
            let id = sent[index].id;
            outcomes[index] = Some(match (id % 11, self.rng.u8(0..4)) {
                (3, _) => refused(),
                (_, 0) => away(),
                _ => {
                    let partition = (id % KEYS % PARTITIONS) as i32;
                    let records = self.partitions.entry(partition).or_default();
                    records.push(id);
                    place(partition, records.len() as i64 - 1)
                }
            });
        }
        outcomes.into_iter().flatten().collect()
    }
}

#[test]
fn however_appends_fail_the_newest_of_each_key_ends_on_top() {
    for seed in 0..500 {
        let rng = fastrand::Rng::with_seed(seed);
        let mut log = Whimsical { rng, partitions: BTreeMap::new() };
        let mut pending: Vec<Pending> = (0..30).map(row).collect();
        while !pending.is_empty() {
            let outcomes = log.append(&pending);
            let Ok(settled) = settled(&pending, outcomes) else { continue };
            let (placed, never) = ids(&settled);
            pending.retain(|row| !placed.contains(&row.id) && !never.contains(&row.id));
        }
        for key in 0..KEYS {
            let mut records = log.partitions.values().flatten().copied();
            let on_top = records.rfind(|id| id % KEYS == key);
            let newest = (0..30).rev().find(|id| id % KEYS == key && id % 11 != 3);
            assert_eq!(on_top, newest, "seed {seed}, key {key}");
        }
    }
}
