//! What records need before they can be folded: the schemas that their ids stand for.
//!
//! Invariant: no fold waits for the registry, and no record is judged for its absence. A batch that
//! needs an unknown schema is held back, with whatever follows it in its partition; other partitions
//! and topics go on, as long as what is held back of the topic has room.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use super::phase::Board;
use super::sources::Arrived;
use super::{Workshop, error_chain, jittered};
use crate::clock;
use crate::log::registry::Learnt;
use crate::log::topics::Topic;
use crate::log::{Batch, Fetched, LogError, LogReader};
use crate::store::{Urgency, schemas};

/// The first and the longest wait between two questions to a registry that is away.
const FIRST_RETRY: Duration = Duration::from_millis(250);
const LONGEST_RETRY: Duration = Duration::from_secs(5);
/// So many bytes of a topic are held back; then its reader stops.
const HELD_BYTES: usize = 16 * 1024 * 1024;
/// What a batch costs beside its bytes.
const BATCH_BYTES: usize = 256;

/// What happens when something cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// Records wait for as long as it takes.
    Endless,
    /// The session fails with the reason.
    None,
}

/// Finds what records need.
#[derive(Clone)]
pub(super) struct Resolver {
    workshop: Workshop,
    board: Board,
    patience: Patience,
}

impl Resolver {
    pub(super) fn new(workshop: Workshop, board: Board, patience: Patience) -> Resolver {
        Resolver { workshop, board, patience }
    }

    pub(super) fn workshop(&self) -> &Workshop {
        &self.workshop
    }

    /// One of our topics, by its name in the log.
    pub(super) fn topic(&self, log_name: &str) -> Result<Topic, LogError> {
        let topic = self.workshop.topics.find(log_name).cloned();
        topic.ok_or_else(|| LogError::UnknownTopic(log_name.to_owned()))
    }

    /// Resolves when these records can be read.
    pub(super) async fn resolve(&self, topic: &Topic, batch: &Batch) -> Result<(), LogError> {
        let mut wait = FIRST_RETRY;
        loop {
            let unknown = topic.codec.unknown_ids(batch);
            if unknown.is_empty() {
                return Ok(());
            }
            match self.look_up(topic.spec.name, &unknown).await {
                Ok(()) => {}
                Err(error) if self.patience == Patience::None => return Err(error),
                Err(_) => tokio::time::sleep(jittered(wait)).await,
            }
            wait = (wait * 2).min(LONGEST_RETRY);
        }
    }

    /// Looks these ids up, keeps what is new for the next life, and shows what it came to.
    async fn look_up(&self, topic: &'static str, ids: &[u32]) -> Result<(), LogError> {
        let Some(registry) = self.workshop.topics.registry() else { return Ok(()) };
        let looked_up = registry.look_up(ids).await;
        keep(&self.workshop, looked_up.learnt).await;
        let Some(error) = looked_up.failed else {
            if self.board.goes_on(topic) {
                tracing::info!(topic, "the schema registry is back; records go on");
            }
            return Ok(());
        };
        let reason = format!("records of {topic} need a schema: {error}");
        if self.patience == Patience::Endless && self.board.waits(topic, reason.clone()) {
            // A trouble that lasts is told once.
            tracing::warn!(topic, reason, "records wait; those of known schemas go on");
        }
        Err(error.into())
    }
}

/// Sees to it that values of this topic can be encoded.
pub(super) async fn prepare(workshop: &Workshop, topic: &Topic) -> Result<(), LogError> {
    let learnt = workshop.topics.prepare(topic).await?;
    keep(workshop, learnt.into_iter().collect()).await;
    Ok(())
}

/// Keeps schemas for the next life of the process. That they are known now does not depend on it.
async fn keep(workshop: &Workshop, learnt: Vec<Learnt>) {
    let Some(registry) = workshop.topics.registry() else { return };
    if learnt.is_empty() {
        return;
    }
    let (url, now_ms) = (registry.url().to_owned(), clock::now_ms());
    let kept = workshop
        .store
        .write(Urgency::Bulk, move |db| {
            Box::pin(async move { schemas::keep(db, &url, &learnt, now_ms).await })
        })
        .await;
    if let Err(error) = kept {
        let reason = error_chain(&error);
        tracing::warn!(reason, "a schema could not be kept; it is looked up again at a start");
    }
}

/// A reader whose batches pass on only when they can be read.
pub(super) struct Gate {
    index: usize,
    topic: Topic,
    resolver: Resolver,
    sender: mpsc::Sender<Arrived>,
    held: Held,
}

/// What waits, in the order in which it came.
#[derive(Default)]
struct Held {
    all: VecDeque<Fetched>,
    size_bytes: usize,
    /// The partitions that it is of.
    partitions: BTreeSet<i32>,
}

impl Held {
    fn push(&mut self, fetched: Fetched) {
        self.size_bytes += BATCH_BYTES;
        if let Fetched::Batch(batch) = &fetched {
            self.size_bytes += batch.bytes.len();
        }
        self.partitions.insert(fetched.partition());
        self.all.push_back(fetched);
    }
}

impl Gate {
    pub(super) fn new(
        index: usize,
        topic: Topic,
        resolver: Resolver,
        sender: mpsc::Sender<Arrived>,
    ) -> Gate {
        Gate { index, topic, resolver, sender, held: Held::default() }
    }

    /// Passes on what the reader fetches until it fails or nobody takes it any more.
    pub(super) async fn run(mut self, mut reader: Box<dyn LogReader>) {
        let mut wait = Duration::ZERO;
        let mut question: Option<BoxFuture<'static, Result<(), LogError>>> = None;
        loop {
            if question.is_none() && !self.held.all.is_empty() {
                question = Some(self.ask(wait));
            }
            tokio::select! {
                biased;
                answer = answered(&mut question) => {
                    question = None;
                    wait = match answer {
                        Ok(()) => Duration::ZERO,
                        Err(error) if self.resolver.patience == Patience::None => {
                            let _ = self.sender.send((self.index, Err(error))).await;
                            return;
                        }
                        Err(_) => (wait * 2).clamp(FIRST_RETRY, LONGEST_RETRY),
                    };
                    if !self.release().await {
                        return;
                    }
                }
                fetched = reader.next(), if self.held.size_bytes < HELD_BYTES => {
                    let failed = fetched.is_err();
                    if !self.take(fetched).await || failed {
                        return;
                    }
                }
            }
        }
    }

    /// A question for what those that wait need.
    fn ask(&self, wait: Duration) -> BoxFuture<'static, Result<(), LogError>> {
        let mut ids: Vec<u32> = self.held.all.iter().flat_map(|held| self.unknown(held)).collect();
        ids.sort_unstable();
        ids.dedup();
        let resolver = self.resolver.clone();
        let topic = self.topic.spec.name;
        Box::pin(async move {
            tokio::time::sleep(jittered(wait)).await;
            resolver.look_up(topic, &ids).await
        })
    }

    /// `false`: nobody takes it any more.
    async fn take(&mut self, fetched: Result<Fetched, LogError>) -> bool {
        match fetched {
            Ok(fetched) if self.is_held(&fetched) => {
                self.held.push(fetched);
                true
            }
            passing => self.sender.send((self.index, passing)).await.is_ok(),
        }
    }

    /// Passes on what can be read by now, each partition in its order.
    async fn release(&mut self) -> bool {
        for fetched in std::mem::take(&mut self.held).all {
            if !self.take(Ok(fetched)).await {
                return false;
            }
        }
        true
    }

    /// Does it wait for a schema, or behind something of its partition that does?
    fn is_held(&self, fetched: &Fetched) -> bool {
        self.held.partitions.contains(&fetched.partition()) || !self.unknown(fetched).is_empty()
    }

    fn unknown(&self, fetched: &Fetched) -> Vec<u32> {
        match fetched {
            Fetched::Batch(batch) => self.topic.codec.unknown_ids(batch),
            Fetched::End { .. } => Vec::new(),
        }
    }
}

/// Waits for the answer to a question; for ever where none is asked.
async fn answered(
    question: &mut Option<BoxFuture<'static, Result<(), LogError>>>,
) -> Result<(), LogError> {
    match question {
        Some(question) => question.await,
        None => std::future::pending().await,
    }
}
