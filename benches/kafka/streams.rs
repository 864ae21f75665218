//! Kafka Streams as a process (`streams/`), watched by what its group has committed: with exactly
//! once, what is committed is what its state and its results hold.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use tokio::runtime::Runtime;
use windowsill::kernel::topic::TopicKind;
use windowsill::log::kafka::{KafkaLog, KafkaSettings};
use windowsill::log::{EventLog, Fetched, Start};

use crate::process::{Figures, Process};
use crate::readings::{Form, LOW_LIMIT, METADATA, READINGS, Readings};

/// The class path that `benches/kafka/run` made.
const VARIABLE: &str = "BENCH_STREAMS_CLASS_PATH";
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(50);
const PARTITIONS: i32 = 6;

/// How Kafka Streams is set beside what the comparison demands.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Tuning {
    Defaults,
    Tuned,
}

impl Tuning {
    pub(crate) const ALL: [Tuning; 2] = [Tuning::Defaults, Tuning::Tuned];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Tuning::Defaults => "Kafka Streams",
            Tuning::Tuned => "Kafka Streams, tuned",
        }
    }

    fn properties(self) -> &'static str {
        match self {
            Tuning::Defaults => "",
            Tuning::Tuned => {
                "commit.interval.ms=1000\nstatestore.cache.max.bytes=67108864\n\
                 consumer.max.poll.records=5000\nconsumer.max.partition.fetch.bytes=4194304\n\
                 consumer.session.timeout.ms=6000\nconsumer.heartbeat.interval.ms=2000\n"
            }
        }
    }
}

/// `None`: it is not there.
pub(crate) fn measure(
    brokers: &str,
    form: Form,
    readings: &Readings,
    tuning: Tuning,
) -> Option<Figures> {
    let class_path = std::env::var(VARIABLE).ok()?;
    let job = |name: &str| {
        let application = format!("{}-{name}-{tuning:?}", form.name()).to_lowercase();
        Job {
            class_path: class_path.clone(),
            brokers: brokers.to_owned(),
            form,
            tuning,
            application,
        }
    };
    let folder = tempfile::tempdir().unwrap();
    let whole = job("whole");
    whole.prepare();
    let mut process = whole.start(folder.path());
    let group = whole.group();
    until(&mut process, || committed(&group, form) > 0);
    let first_s = process.seconds();
    until(&mut process, || committed(&group, form) >= readings.count());
    let mut figures = process.figures();
    figures.first_s = Some(first_s);
    process.kill();
    whole.check(readings);

    let killed = job("killed");
    killed.prepare();
    let mut process = killed.start(folder.path());
    let group = killed.group();
    until(&mut process, || committed(&group, form) >= readings.count() / 2);
    process.kill();
    let left = readings.count() - committed(&group, form);
    let mut process = killed.start(folder.path());
    until(&mut process, || committed(&group, form) >= readings.count());
    figures.after_kill = Some((process.seconds(), left));
    process.kill();
    killed.check(readings);
    Some(figures)
}

struct Job {
    class_path: String,
    brokers: String,
    form: Form,
    tuning: Tuning,
    application: String,
}

impl Job {
    fn results(&self) -> String {
        format!("{}-results", self.application)
    }

    fn log(&self) -> KafkaLog {
        let settings = KafkaSettings {
            brokers: self.brokers.clone(),
            properties: [].into(),
            replication_factor: None,
        };
        KafkaLog::open(settings, Vec::new()).unwrap()
    }

    fn prepare(&self) {
        let (log, results) = (self.log(), self.results());
        let created = log.create(&results, TopicKind::Stream, PARTITIONS);
        Runtime::new().unwrap().block_on(created).unwrap();
    }

    fn start(&self, folder: &Path) -> Process {
        let Job { class_path, brokers, form, tuning, application } = self;
        let properties = format!(
            "application.id={application}\nbootstrap.servers={brokers}\nstate.dir={}\n\
             processing.guarantee=exactly_once_v2\nnum.stream.threads=2\n\
             auto.offset.reset=earliest\nreplication.factor=1\n\
             readings={}\nmetadata={}\nresults={}\nformat={}\n{}",
            folder.join("state").display(),
            form.topic(READINGS),
            form.topic(METADATA),
            self.results(),
            form.name(),
            tuning.properties()
        );
        let file = folder.join(application);
        std::fs::write(&file, properties).unwrap();
        let log = std::fs::File::create(folder.join("streams.log")).unwrap();
        let mut command = Command::new("java");
        command
            .args(["-cp", class_path, "windowsill.Dryness", file.to_str().unwrap()])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        Process::start(&mut command)
    }

    /// A client that asks what the application's group has committed.
    fn group(&self) -> BaseConsumer {
        ClientConfig::new()
            .set("bootstrap.servers", &self.brokers)
            .set("group.id", &self.application)
            .create()
            .unwrap()
    }

    /// Says how many windows were told wrongly, twice or not at all: of the dry ones that readings
    /// alone close each is to be told once, with the right count, and none that is not dry.
    fn check(&self, readings: &Readings) {
        let expected = readings.windows().into_iter().filter(|(_, count)| *count > LOW_LIMIT);
        let expected: HashMap<String, i64> = expected
            .map(|((start_ms, plant), count)| (format!("{plant}@{start_ms}"), count))
            .collect();
        let is_closed = readings.surely_closed();
        let is_due = |window: &&String| {
            let (plant, start_ms) = window.split_once('@').unwrap();
            is_closed(start_ms.parse().unwrap(), plant.parse().unwrap())
        };
        let due: Vec<&String> = expected.keys().filter(is_due).collect();
        let told = self.told_with(&due);
        let is_wrong = |(window, counts): &(&String, &Vec<i64>)| {
            counts.len() != 1 || expected.get(*window) != counts.first()
        };
        let wrong = told.iter().filter(is_wrong).count();
        let missing = due.iter().filter(|window| !told.contains_key(**window)).count();
        if wrong + missing > 0 {
            println!(
                "  {}: of {} windows {wrong} are wrong and {missing} were not told",
                self.application,
                due.len()
            );
        }
    }

    /// What was told once these windows are there: the last transaction becomes visible in its
    /// partitions a moment after the offsets that it committed. After a while what there is.
    fn told_with(&self, due: &[&String]) -> HashMap<String, Vec<i64>> {
        let began = Instant::now();
        loop {
            let told = Runtime::new().unwrap().block_on(self.told());
            let is_whole = due.iter().all(|window| told.contains_key(*window));
            if is_whole || began.elapsed() > PATIENCE {
                return told;
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    async fn told(&self) -> HashMap<String, Vec<i64>> {
        let (log, results) = (self.log(), self.results());
        let from = (0..PARTITIONS).map(|partition| Start { partition, offset: 0 }).collect();
        let mut reader = log.read(&results, from).await.unwrap();
        let (mut told, mut open) = (HashMap::<String, Vec<i64>>::new(), PARTITIONS);
        while open > 0 {
            match reader.next().await.unwrap() {
                Fetched::End { .. } => open -= 1,
                Fetched::Batch(batch) => {
                    for record in batch.records() {
                        let record = record.unwrap();
                        let text = |bytes: Option<&[u8]>| {
                            String::from_utf8(bytes.unwrap().to_vec()).unwrap()
                        };
                        let count = text(record.value).parse().unwrap();
                        told.entry(text(record.key)).or_default().push(count);
                    }
                }
            }
        }
        told
    }
}

/// How many readings the group has committed.
fn committed(group: &BaseConsumer, form: Form) -> i64 {
    let mut wanted = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        wanted.add_partition(&form.topic(READINGS), partition);
    }
    // While the group has no coordinator yet, nothing is committed.
    let Ok(found) = group.committed_offsets(wanted, PATIENCE) else { return 0 };
    let offset = |at: Offset| match at {
        Offset::Offset(offset) => offset,
        _ => 0,
    };
    found.elements().iter().map(|element| offset(element.offset())).sum()
}

fn until(process: &mut Process, holds: impl Fn() -> bool) {
    while !holds() {
        assert!(process.look().is_none(), "Kafka Streams has ended");
        std::thread::sleep(LOOK_EVERY);
    }
}
