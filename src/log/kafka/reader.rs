//! A reader of one topic: a consumer on a thread of its own, and the receiving end of its channel.
//!
//! Invariant: what is handed out comes from the cluster and the topic that reading began with. When
//! all brokers were out of reach, a partition is led by nobody who answers, the topic grew, or an
//! offset is gone, the reader ends with an error, and whoever begins anew looks again at what is
//! there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{BorrowedHeaders, BorrowedMessage, Headers, Message};
use rdkafka::{Offset, Timestamp, TopicPartitionList};
use tokio::sync::mpsc;

use super::ears::{Ears, Troubles};
use super::error::{log_error, of_code};
use super::questions::offsets;
use super::settings::KafkaSettings;
use super::zero_time;
use crate::kernel::record::Header;
use crate::log::batch::BatchBuilder;
use crate::log::{Batch, Fetched, LogError, LogFuture, LogReader};

/// Steps that wait for whoever reads.
const AHEAD_STEPS: usize = 4;
/// A step is handed out when it holds so many bytes or records, or when nothing more has arrived.
const STEP_BYTES: usize = 512 * 1024;
const STEP_RECORDS: usize = 10_000;
/// How long the thread waits for a record before it looks whether anybody still reads.
const TURN: Duration = Duration::from_millis(100);
/// How often the reader looks whether the topic is still the one that it was.
const LOOK_EVERY: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_secs(3);
/// A topic that is said to be missing so often in a row is.
const MISSED: u32 = 2;
/// Ends that are not told so often in a row: what is read may be old, and nobody would know. Another
/// broker usually takes over before.
const UNTOLD: u32 = 3;
/// Stands for the name of a header that is no text.
const UNREADABLE: &str = "\u{fffd}";

pub(super) struct KafkaReader {
    steps: mpsc::Receiver<Result<Fetched, LogError>>,
}

impl LogReader for KafkaReader {
    fn next(&mut self) -> LogFuture<'_, Fetched> {
        Box::pin(async {
            let step = self.steps.recv().await;
            step.unwrap_or_else(|| Err(LogError::Unavailable("the reader has stopped".to_owned())))
        })
    }
}

/// What a reader begins with.
pub(super) struct Beginning {
    pub(super) topic: String,
    /// Where each partition begins; none lies outside of what the topic holds.
    pub(super) from: BTreeMap<i32, i64>,
    /// How many partitions the topic has.
    pub(super) partitions: i32,
    pub(super) cluster_id: String,
}

impl KafkaReader {
    /// Starts reading. `alive` is held for as long as the thread works.
    pub(super) fn start(
        settings: &KafkaSettings,
        beginning: Beginning,
        troubles: Arc<Troubles>,
        alive: Arc<()>,
    ) -> Result<KafkaReader, LogError> {
        let fault = |error: KafkaError| log_error(&error, &beginning.topic, &troubles);
        let consumer: BaseConsumer<Ears> =
            settings.reading().create_with_context(Ears(Arc::clone(&troubles))).map_err(fault)?;
        let mut wanted = TopicPartitionList::new();
        for (partition, offset) in &beginning.from {
            wanted
                .add_partition_offset(&beginning.topic, *partition, Offset::Offset(*offset))
                .map_err(fault)?;
        }
        consumer.assign(&wanted).map_err(fault)?;
        let (sender, steps) = mpsc::channel(AHEAD_STEPS);
        let mut ahead = ReadAhead {
            consumer,
            packed: Packed::of(&beginning.from),
            beginning,
            steps: sender,
            troubles,
            looked_at: Instant::now(),
            missed: 0,
            untold: 0,
        };
        std::thread::spawn(move || {
            while ahead.round().is_ok() {}
            drop(ahead);
            drop(alive);
        });
        Ok(KafkaReader { steps })
    }
}

/// The thread's side.
struct ReadAhead {
    consumer: BaseConsumer<Ears>,
    beginning: Beginning,
    packed: Packed,
    steps: mpsc::Sender<Result<Fetched, LogError>>,
    troubles: Arc<Troubles>,
    looked_at: Instant,
    missed: u32,
    untold: u32,
}

/// Nobody reads any more, or nothing more can be read.
struct Stop;

/// What was read and is to be handed out next, by partition. It is met by every record.
struct Packed {
    /// Indexed by the partition's number; those that are not read are empty.
    partitions: Vec<Option<PackedPartition>>,
    size_bytes: usize,
}

struct PackedPartition {
    /// The offset after the last record that was read.
    next: i64,
    builder: BatchBuilder,
}

impl Packed {
    fn of(from: &BTreeMap<i32, i64>) -> Packed {
        let mut packed = Packed { partitions: Vec::new(), size_bytes: 0 };
        for (partition, next) in from {
            let builder = BatchBuilder::new(*partition, *next);
            let index = usize::try_from(*partition).unwrap_or_default();
            packed.partitions.resize_with(packed.partitions.len().max(index + 1), || None);
            packed.partitions[index] = Some(PackedPartition { next: *next, builder });
        }
        packed
    }

    fn partition(&mut self, partition: i32) -> Option<&mut PackedPartition> {
        self.partitions.get_mut(usize::try_from(partition).ok()?)?.as_mut()
    }

    /// The partitions that are read, with the offset after the last record that was.
    fn next(&self) -> Vec<(i32, i64)> {
        let read = (0..).zip(&self.partitions);
        read.filter_map(|(partition, read)| Some((partition, read.as_ref()?.next))).collect()
    }

    /// Adds a record.
    fn push(&mut self, message: &BorrowedMessage<'_>) -> Result<(), LogError> {
        let offset = message.offset();
        let mut ts_ms = match message.timestamp() {
            Timestamp::CreateTime(ts_ms) | Timestamp::LogAppendTime(ts_ms) => ts_ms,
            Timestamp::NotAvailable => -1,
        };
        let mut headers = message.headers().map(headers).unwrap_or_default();
        zero_time::restore(&mut ts_ms, &mut headers);
        // Nothing comes of a partition that was not assigned.
        let Some(read) = self.partition(message.partition()) else { return Ok(()) };
        let before_bytes = read.builder.size_bytes();
        read.builder.push(offset, ts_ms, message.key(), message.payload(), &headers)?;
        read.next = offset + 1;
        let added_bytes = read.builder.size_bytes() - before_bytes;
        self.size_bytes += added_bytes;
        Ok(())
    }

    /// What was read of a partition since the last time.
    fn take(&mut self, partition: i32) -> Option<Batch> {
        let read = self.partition(partition)?;
        let fresh = BatchBuilder::new(partition, read.next);
        let empty_bytes = fresh.size_bytes();
        let full = std::mem::replace(&mut read.builder, fresh);
        self.size_bytes -= full.size_bytes() - empty_bytes;
        full.finish()
    }
}

impl ReadAhead {
    /// Takes what has arrived and hands it out.
    fn round(&mut self) -> Result<(), Stop> {
        let mut wait = TURN;
        let mut room = STEP_RECORDS;
        while room > 0 && self.packed.size_bytes < STEP_BYTES && self.take(wait)? {
            wait = Duration::ZERO;
            room -= 1;
        }
        self.hand_out_all()?;
        if self.steps.is_closed() {
            return Err(Stop);
        }
        if self.looked_at.elapsed() >= LOOK_EVERY {
            self.looked_at = Instant::now();
            if let Err(error) = self.look_around() {
                return self.end(error);
            }
        }
        Ok(())
    }

    /// Takes one thing that the consumer has. `false`: it has nothing.
    fn take(&mut self, wait: Duration) -> Result<bool, Stop> {
        let fault = match self.consumer.poll(wait) {
            None => return Ok(false),
            Some(Ok(message)) => match self.packed.push(&message) {
                Ok(()) => return Ok(true),
                Err(error) => error,
            },
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                self.hand_out(partition)?;
                let next_offset = self.packed.partition(partition).map_or(0, |read| read.next);
                self.send(Ok(Fetched::End { partition, next_offset }))?;
                return Ok(true);
            }
            Some(Err(error)) => match self.meaning(&error) {
                Some(error) => error,
                None => return Ok(true),
            },
        };
        self.hand_out_all()?;
        self.end(fault).map(|()| false)
    }

    /// What an error of the consumer means for the reader; `None`: the client sees to it itself.
    fn meaning(&self, error: &KafkaError) -> Option<LogError> {
        let topic = &self.beginning.topic;
        match error.rdkafka_error_code()? {
            Code::AllBrokersDown => Some(log_error(error, topic, &self.troubles)),
            Code::AutoOffsetReset | Code::OffsetOutOfRange => Some(LogError::Unavailable(format!(
                "topic {topic:?} no longer holds the offset that was to be read next"
            ))),
            Code::Fatal => Some(LogError::Unavailable(format!("kafka: {error}"))),
            code => match of_code(code, topic, &self.troubles) {
                LogError::Unavailable(_) => None,
                error => Some(error),
            },
        }
    }

    /// Is it still the same topic of the same cluster, with the same partitions?
    fn look_around(&mut self) -> Result<(), LogError> {
        let topic = &self.beginning.topic;
        let client = self.consumer.client();
        // What cannot be asked now is asked again; that all brokers are away comes as an error.
        let Ok(metadata) = client.fetch_metadata(Some(topic), PATIENCE) else { return Ok(()) };
        if let Some(found) = client.fetch_cluster_id(Duration::ZERO)
            && found != self.beginning.cluster_id
        {
            let reason = format!("kafka answers as another cluster, {found}");
            return Err(LogError::Unavailable(reason));
        }
        let found = metadata.topics().iter().find(|known| known.name() == topic);
        let partitions = found.map_or(0, |found| found.partitions().len());
        let partitions = i32::try_from(partitions).unwrap_or(i32::MAX);
        if partitions == 0 {
            self.missed += 1;
            return match self.missed < MISSED {
                true => Ok(()),
                false => Err(LogError::UnknownTopic(topic.clone())),
            };
        }
        self.missed = 0;
        if partitions != self.beginning.partitions {
            return Err(LogError::Resized {
                topic: topic.clone(),
                known: self.beginning.partitions,
                found: partitions,
            });
        }
        self.expect_not_shorter()
    }

    /// A topic that ends before what was read of it was made anew; one whose ends are told by nobody
    /// may hold more than we read.
    fn expect_not_shorter(&mut self) -> Result<(), LogError> {
        let topic = &self.beginning.topic;
        let read = self.packed.next();
        let partitions: Vec<i32> = read.iter().map(|(partition, _)| *partition).collect();
        let ends = offsets(&self.consumer, topic, &partitions, Offset::End, PATIENCE);
        let ends = match ends {
            Ok(ends) => ends,
            Err(code) => {
                self.untold += 1;
                return match self.untold < UNTOLD {
                    true => Ok(()),
                    false => Err(LogError::Unavailable(format!(
                        "kafka does not tell where all partitions of topic {topic:?} end: {code}"
                    ))),
                };
            }
        };
        self.untold = 0;
        for ((partition, next), end) in read.into_iter().zip(ends) {
            if end < next {
                return Err(LogError::BeyondEnd {
                    topic: topic.clone(),
                    partition,
                    offset: next,
                    next_offset: end,
                });
            }
        }
        Ok(())
    }

    fn hand_out_all(&mut self) -> Result<(), Stop> {
        for (partition, _) in self.packed.next() {
            self.hand_out(partition)?;
        }
        Ok(())
    }

    fn hand_out(&mut self, partition: i32) -> Result<(), Stop> {
        match self.packed.take(partition) {
            Some(batch) => self.send(Ok(Fetched::Batch(batch))),
            None => Ok(()),
        }
    }

    fn send(&self, step: Result<Fetched, LogError>) -> Result<(), Stop> {
        self.steps.blocking_send(step).map_err(|_| Stop)
    }

    fn end(&self, error: LogError) -> Result<(), Stop> {
        // Nobody may be left to be told.
        let _ = self.send(Err(error));
        Err(Stop)
    }
}

fn headers(found: &BorrowedHeaders) -> Vec<Header> {
    (0..found.count()).map(|index| header(found, index)).collect()
}

/// The client panics on a name that is no text. Such a header keeps its place, and nothing else.
fn header(found: &BorrowedHeaders, index: usize) -> Header {
    let read = std::panic::AssertUnwindSafe(|| {
        found.try_get(index).map(|header| Header {
            name: header.key.to_owned(),
            value: header.value.map(<[u8]>::to_vec),
        })
    });
    let read = crate::panics::expected(read);
    read.flatten().unwrap_or_else(|| Header { name: UNREADABLE.to_owned(), value: None })
}
