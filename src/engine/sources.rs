//! The readers of a pipeline's topics, side by side, into one bounded channel.

use futures_util::future::try_join_all;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::resolve::{Gate, Resolver};
use crate::log::{EventLog, Fetched, LogError, Start};

/// Batches that wait between the readers and the fold: one is folded while the next is read.
const AHEAD: usize = 4;

/// What a reader fetched, and for which of the topics.
pub(super) type Arrived = (usize, Result<Fetched, LogError>);

/// Readers of several topics. Dropping it stops them.
pub(super) struct Sources {
    arrivals: mpsc::Receiver<Arrived>,
    readers: JoinSet<()>,
}

impl Sources {
    /// Starts a reader for each topic, in the order given.
    pub(super) async fn open(
        log: &dyn EventLog,
        topics: Vec<(String, Vec<Start>)>,
        resolver: &Resolver,
    ) -> Result<Sources, LogError> {
        let (sender, arrivals) = mpsc::channel(AHEAD);
        let mut readers = JoinSet::new();
        let opened = topics.iter().map(|(name, from)| log.read(name, from.clone()));
        let opened = try_join_all(opened).await?;
        for (index, ((name, _), reader)) in topics.iter().zip(opened).enumerate() {
            let topic = resolver.topic(name)?;
            let gate = Gate::new(index, topic, resolver.clone(), sender.clone());
            readers.spawn(gate.run(reader));
        }
        Ok(Sources { arrivals, readers })
    }

    /// What came next. Cancelling loses nothing.
    pub(super) async fn next(&mut self) -> Result<(usize, Fetched), LogError> {
        tokio::select! {
            biased;
            Some((index, fetched)) = self.arrivals.recv() => Ok((index, fetched?)),
            // What failed has arrived by then: this one panicked, and its topic would stand still.
            Some(_) = self.readers.join_next() => {
                Err(LogError::Unavailable("a reader of the log died".to_owned()))
            }
            // No topics at all: there is nothing to wait for, ever.
            else => std::future::pending().await,
        }
    }
}
