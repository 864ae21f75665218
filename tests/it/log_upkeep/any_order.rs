//! Any interleaving of appends, upkeep, deaths of it, reads and restarts, against a model that is
//! a plain list of all that was ever appended.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use windowsill::kernel::topic::TopicKind;
use windowsill::log::embedded::EmbeddedLog;
use windowsill::log::embedded::upkeep::Keep;
use windowsill::log::{EventLog, LogReader};

use super::{Folds, HOUR_MS, KEEP, NOW_MS, POISON, Seen, counted, read_from, record, rest};

const CASES: u32 = 40;
const CASES_SLOW: u32 = 2_000;

#[derive(Debug, Clone)]
enum Deed {
    /// These keys, each with a value, a tombstone or poison.
    Append(Vec<(u8, u8)>),
    /// Upkeep so many hours later, cut off after so many microseconds if at all.
    Keep(i64, Option<u64>),
    /// The follower reads what is there.
    Follow,
    /// Readers have folded everything.
    Fold,
    Reopen,
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let records = prop::collection::vec((0..8u8, 0..10u8), 1..60);
    let cut = prop::option::of(0..15_000u64);
    let deed = prop_oneof![
        4 => records.prop_map(Deed::Append),
        4 => (0..30i64, cut).prop_map(|(hours, cut)| Deed::Keep(hours, cut)),
        2 => Just(Deed::Follow),
        3 => Just(Deed::Fold),
        1 => Just(Deed::Reopen),
    ];
    prop::collection::vec(deed, 1..25)
}

/// The log, and what it has to be.
struct World {
    dir: tempfile::TempDir,
    kind: TopicKind,
    log: Arc<EmbeddedLog>,
    all: Vec<Seen>,
    folded: i64,
    now_ms: i64,
    keep: Keep,
    follower: Box<dyn LogReader>,
    /// What the follower made of what it read, and how far it was when.
    followed: BTreeMap<String, Option<Vec<u8>>>,
    followed_at_ms: i64,
    followed_to: i64,
}

impl World {
    async fn new(kind: TopicKind) -> World {
        let dir = tempfile::tempdir().unwrap();
        let log = super::open(&dir.path().join("log.db"), kind).await;
        let follower = super::reader(&log, 0).await;
        // Short enough that it bites.
        let keep = Keep { age_ms: Some(40 * HOUR_MS), ..KEEP };
        World {
            dir,
            kind,
            log,
            all: Vec::new(),
            folded: 0,
            now_ms: NOW_MS,
            keep,
            follower,
            followed: BTreeMap::new(),
            followed_at_ms: NOW_MS,
            followed_to: -1,
        }
    }

    async fn live(&mut self, deed: &Deed) {
        match deed {
            Deed::Append(records) => {
                let records: Vec<_> = records
                    .iter()
                    .map(|(key, what)| {
                        let text = format!("{:>20}", self.all.len());
                        let value = match what {
                            0..2 => None,
                            2 => Some(POISON),
                            _ => Some(text.as_bytes()),
                        };
                        record(&key.to_string(), value)
                    })
                    .collect();
                for (place, given) in
                    self.log.append("t", records.clone()).await.unwrap().iter().zip(records)
                {
                    assert_eq!(place.offset, self.all.len() as i64, "offsets never change");
                    let key = String::from_utf8(given.key.unwrap()).unwrap();
                    self.all.push((place.offset, key, given.value));
                }
            }
            Deed::Keep(hours, cut) => {
                self.now_ms += hours * HOUR_MS;
                let folds = Folds(Some(self.folded));
                let pass = self.log.upkeep(self.now_ms, &self.keep, &folds);
                match cut {
                    None => drop(pass.await.unwrap()),
                    Some(micros) => {
                        let cut = Duration::from_micros(*micros);
                        drop(tokio::time::timeout(cut, pass).await.map(Result::unwrap));
                    }
                }
            }
            Deed::Follow => self.follow().await,
            Deed::Fold => self.folded = self.all.len() as i64,
            Deed::Reopen => {
                self.follow().await;
                self.log = super::open(&self.dir.path().join("log.db"), self.kind).await;
                self.follower = super::reader(&self.log, self.all.len() as i64).await;
                rest(&mut self.follower).await;
            }
        }
    }

    /// Whoever was at most a day behind comes to what the newest records say. A reader reads ahead,
    /// so one that has been asked for nothing yet may be behind as well.
    async fn follow(&mut self) {
        let last = self.all.last().map_or(-1, |(offset, ..)| *offset);
        let mut seen: Vec<Seen> = Vec::new();
        // The newest record stays, so it comes.
        while self.followed_to < last {
            seen.extend(rest(&mut self.follower).await.0);
            self.followed_to = seen.last().map_or(self.followed_to, |(offset, ..)| *offset);
        }
        for (_, key, value) in seen {
            if value.as_deref() != Some(POISON) {
                self.followed.insert(key, value);
            }
        }
        let was_near = self.now_ms - self.followed_at_ms < 24 * HOUR_MS;
        self.followed_at_ms = self.now_ms;
        if self.kind == TopicKind::Table && was_near {
            for (key, (_, value)) in self.newest() {
                let has = self.followed.get(&key).cloned().flatten();
                assert_eq!(has, value, "key {key} as the follower knows it");
            }
        } else {
            // It may have missed deletions, as a reader that begins anew would not.
            self.followed =
                self.newest().into_iter().map(|(key, (_, value))| (key, value)).collect();
        }
    }

    /// The newest record of each key that is no poison.
    fn newest(&self) -> BTreeMap<String, (i64, Option<Vec<u8>>)> {
        let rows = self.all.iter().filter(|(.., value)| value.as_deref() != Some(POISON));
        rows.map(|(offset, key, value)| (key.clone(), (*offset, value.clone()))).collect()
    }

    /// What is read, where it ends, and what the log says of itself: all at one moment, for the
    /// last transaction of a pass that was cut off may land just now.
    async fn at_rest(&self) -> (Vec<Seen>, i64, i64, i64) {
        let told = async || {
            let first_offset = self.log.bounds("t").await.unwrap()[0].first_offset;
            (counted(&self.log).await, first_offset)
        };
        loop {
            let before = told().await;
            let (seen, end) = read_from(&self.log, 0).await;
            if told().await == before {
                return (seen, end, before.0, before.1);
            }
        }
    }

    async fn check(&self) {
        let (seen, end, records, first_offset) = self.at_rest().await;
        assert_eq!(end, self.all.len() as i64);
        assert_eq!(records, seen.len() as i64);
        assert_eq!(seen.last(), self.all.last(), "the newest record stays");
        let mut rest = self.all.iter();
        assert!(seen.iter().all(|seen| rest.any(|known| known == seen)), "in order, unchanged");
        if let Some((first, ..)) = seen.first() {
            assert_eq!(first_offset, *first);
        }
        match self.kind {
            TopicKind::Stream => {
                let first = seen.first().map_or(0, |(offset, ..)| *offset);
                assert_eq!(seen, self.all[first as usize..], "a stream has no holes");
                assert!(first <= self.folded, "{first} is not folded, {} is", self.folded);
            }
            TopicKind::Table => self.check_table(&seen),
        }
    }

    fn check_table(&self, seen: &[Seen]) {
        for (key, (offset, value)) in self.newest() {
            let kept: Vec<&Seen> = seen
                .iter()
                .filter(|(_, known, value)| *known == key && value.as_deref() != Some(POISON))
                .collect();
            match value {
                Some(_) => assert_eq!(kept.last().map(|seen| seen.0), Some(offset), "key {key}"),
                // The deletion, or nothing that it deletes.
                None => assert!(
                    kept.last().is_none_or(|seen| seen.0 == offset),
                    "key {key} came back: {kept:?}"
                ),
            }
        }
        let unfolded = self.all.iter().filter(|(offset, ..)| *offset >= self.folded);
        for record in unfolded {
            assert!(seen.contains(record), "{record:?} was not folded yet");
        }
    }
}

fn live_through(kind: TopicKind) {
    let cases = if std::env::var_os("RUN_SLOW").is_some() { CASES_SLOW } else { CASES };
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    proptest!(config, |(deeds in deeds())| {
        runtime.block_on(async {
            let mut world = World::new(kind).await;
            for deed in &deeds {
                world.live(deed).await;
                world.check().await;
            }
        });
    });
}

/// F10, F36
#[test]
fn a_table_is_the_newest_of_each_key_whatever_happens() {
    live_through(TopicKind::Table);
}

/// F36
#[test]
fn a_stream_is_whole_from_its_first_record_on_whatever_happens() {
    live_through(TopicKind::Stream);
}
