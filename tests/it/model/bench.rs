//! A workbench for the real engine: a store in a folder of its own, a scripted log, a clock that
//! the test moves, and what the store holds in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use windowsill::clock::Clock;
use windowsill::config::{self, Config};
use windowsill::engine::{EngineSettings, Ground, Workshop};
use windowsill::kernel::time::HOUR_MS;
use windowsill::log::topics::{Topic, Topics};
use windowsill::rooms;
use windowsill::rooms::plants::{Plants, life};
use windowsill::store::{Store, StoreError, Urgency};

use super::culprit::TALLY_TOPICS;
use super::scripted_log::{Line, ScriptedLog};

pub(crate) const READINGS: &str = "houseplant-readings";
pub(crate) const METADATA: &str = "houseplant-metadata";
/// A midnight, and so the start of a window: 1 January 2026, UTC.
pub(crate) const BASE_MS: i64 = 1_767_225_600_000;
pub(crate) const LAG_MS: i64 = 2_000;
pub(crate) const LIMIT: i64 = 3;
/// How long a condition may take to come true before a test gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// The contract's topics. Streams are not watched: a test that lets hours pass is about windows.
static TOPICS: LazyLock<Topics> = LazyLock::new(|| {
    let mut config = Config::default();
    for spec in rooms::topics() {
        let unwatched = config::Topic { stall_minutes: Some(0), ..config::Topic::default() };
        config.topics.insert(spec.name.to_owned(), unwatched);
    }
    topics(&config)
});

/// The same under watch.
static WATCHED_TOPICS: LazyLock<Topics> = LazyLock::new(|| topics(&Config::default()));

fn topics(config: &Config) -> Topics {
    let specs = [rooms::topics(), &TALLY_TOPICS[..]].concat();
    Topics::of_config(&specs, config).unwrap()
}

/// A topic of the contract, by its default name.
pub(crate) fn topic(name: &str) -> &'static Topic {
    TOPICS.get(name).unwrap()
}

/// The real room, with a limit that a short test can reach.
/// The contract's rule alone: what else lives is not what these models are about.
pub(crate) const PLANTS: Plants = Plants {
    low_readings_limit: LIMIT,
    lives: life::Rules {
        moisture_margin: 0,
        temperature_margin: 0,
        drying_ms: i64::MAX,
        wet_ms: i64::MAX,
        temperature_ms: i64::MAX,
        clear_ms: 0,
        silent_ms: None,
        stuck: None,
        repeat_ms: None,
    },
    time_zone: chrono_tz::UTC,
};

/// A clock that moves when the test says so.
pub(crate) struct TestClock {
    wall_ms: AtomicI64,
    monotonic_ms: AtomicI64,
}

impl TestClock {
    /// Time passes.
    pub(crate) fn pass(&self, span_ms: i64) {
        self.wall_ms.fetch_add(span_ms, Ordering::SeqCst);
        self.monotonic_ms.fetch_add(span_ms, Ordering::SeqCst);
    }

    pub(crate) fn pass_until(&self, wall_ms: i64) {
        self.pass(wall_ms - self.now_ms());
    }

    /// The wall clock is set; no time passes.
    pub(crate) fn jump(&self, by_ms: i64) {
        self.wall_ms.fetch_add(by_ms, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now_ms(&self) -> i64 {
        self.wall_ms.load(Ordering::SeqCst)
    }

    fn monotonic_ms(&self) -> i64 {
        self.monotonic_ms.load(Ordering::SeqCst)
    }

    fn real(&self, _span_ms: i64) -> Duration {
        Duration::ZERO
    }
}

/// What survives a crash: the folder, the log and the clock.
pub(crate) struct Bench {
    dir: TempDir,
    pub(crate) log: ScriptedLog,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) alert_max_age_ms: i64,
    /// Streams that stall are told.
    pub(crate) watches_streams: bool,
}

impl Bench {
    pub(crate) fn new(log: ScriptedLog, now_ms: i64) -> Bench {
        let clock =
            TestClock { wall_ms: AtomicI64::new(now_ms), monotonic_ms: AtomicI64::new(5_000) };
        Bench {
            dir: TempDir::new().unwrap(),
            log,
            clock: Arc::new(clock),
            alert_max_age_ms: 12 * HOUR_MS,
            watches_streams: false,
        }
    }

    /// Opens the store, as a process does at its start.
    pub(crate) async fn workshop(&self) -> Workshop {
        Workshop {
            log: Arc::new(self.log.clone()),
            store: Store::open(self.dir.path()).await.unwrap(),
            topics: if self.watches_streams { WATCHED_TOPICS.clone() } else { TOPICS.clone() },
            ground: Ground::default(),
            clock: self.clock.clone(),
            settings: EngineSettings {
                clock_lag_ms: LAG_MS,
                alert_max_age_ms: self.alert_max_age_ms,
            },
        }
    }
}

/// A process's worth of time: everything that is still going on when `work` ends is dropped.
pub(crate) fn one_life<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(work)
}

/// Waits until the store satisfies a condition.
pub(crate) async fn until<F>(store: &Store, what: &str, mut holds: F)
where
    F: AsyncFnMut(&Store) -> bool,
{
    let mut changes = store.changes();
    let waiting = async {
        while !holds(store).await {
            changes.changed().await.unwrap();
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    assert!(waited.is_ok(), "waited too long until {what}");
}

pub(crate) fn reading(plant_id: i32, moisture: f32, ts_ms: i64) -> Line {
    let value = json!({"plant_id": plant_id, "moisture": moisture, "temperature": 20});
    let value = TOPICS.get(READINGS).unwrap().codec.encode(&value).unwrap();
    Line { ts_ms, key: Some(plant_id.to_string().into_bytes()), value: Some(value) }
}

pub(crate) fn plant(plant_id: i32, moisture_low: f32, ts_ms: i64) -> Line {
    let value = json!({"plant_id": plant_id, "scientific_name": "Planta probata",
        "common_name": "Test Plant", "given_name": format!("Plant {plant_id}"),
        "temperature_low": 15, "temperature_high": 30,
        "moisture_low": moisture_low, "moisture_high": 100});
    let value = TOPICS.get(METADATA).unwrap().codec.encode(&value).unwrap();
    Line { ts_ms, key: Some(plant_id.to_string().into_bytes()), value: Some(value) }
}

pub(crate) fn tombstone(plant_id: i32, ts_ms: i64) -> Line {
    Line { ts_ms, key: Some(plant_id.to_string().into_bytes()), value: None }
}

/// What the pipeline of the plants came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Low readings by window start and plant.
    pub(crate) lows: BTreeMap<(i64, i32), i64>,
    /// Late readings by partition.
    pub(crate) late: BTreeMap<i32, i64>,
    /// Alerts by rule, subject and window end.
    pub(crate) alerts: BTreeSet<(String, String, i64)>,
    /// All readings by plant, and when the latest one was.
    pub(crate) readings: BTreeMap<i32, i64>,
    pub(crate) latest: BTreeMap<i32, i64>,
    /// Dead letters by partition.
    pub(crate) letters: BTreeMap<i32, i64>,
    pub(crate) watermark_ms: Option<i64>,
}

/// Rows of a query.
pub(crate) async fn rows<R>(store: &Store, query: &'static str) -> Vec<R>
where
    R: for<'r> sqlx::FromRow<'r, sqlx::sqlite::SqliteRow> + Send + Unpin + 'static,
{
    let read = store.read(move |db| {
        Box::pin(async move { Ok::<_, StoreError>(sqlx::query_as(query).fetch_all(db).await?) })
    });
    read.await.unwrap()
}

pub(crate) async fn execute(store: &Store, statement: impl Into<String>) {
    let statement = statement.into();
    let write = store.write(Urgency::Bulk, move |db| {
        Box::pin(async move {
            sqlx::query(&statement).execute(db).await?;
            Ok(())
        })
    });
    write.await.unwrap();
}

pub(crate) async fn outcome(store: &Store) -> Outcome {
    let lows: Vec<(i64, i32, i64)> =
        rows(store, "select start_ms, plant_id, low_count from plant_window").await;
    let late = rows(store, "select partition, late from position where late > 0").await;
    let alerts = rows(store, "select rule, subject, event_ms from alert").await;
    let readings =
        rows(store, "select plant_id, sum(reading_count) from plant_bucket group by 1").await;
    let latest = rows(store, "select plant_id, event_ms from plant_latest").await;
    let letters = rows(store, "select partition, count(*) from dead_letter group by 1").await;
    let watermark: Vec<(Option<i64>,)> = rows(store, "select watermark_ms from pipeline").await;
    Outcome {
        lows: lows.into_iter().map(|(start, plant, count)| ((start, plant), count)).collect(),
        late: late.into_iter().collect(),
        alerts: alerts.into_iter().collect(),
        readings: readings.into_iter().collect(),
        latest: latest.into_iter().collect(),
        letters: letters.into_iter().collect(),
        watermark_ms: watermark.first().and_then(|(watermark_ms,)| *watermark_ms),
    }
}
