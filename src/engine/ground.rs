//! Which log the pipelines stand on, for the pumps that append to it.
//!
//! Invariant: a pipeline stands on a log from when a session has held its positions against it, until
//! a session fails. Nothing is appended for a pipeline that stands on none: what waits would enter a
//! log that is not ours, and "saved" would be said of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

use super::resume::expect_not_shorter;
use super::{EngineError, Workshop};
use crate::log::topics::Topic;
use crate::store::positions;

/// Where each pipeline stands, for all who append.
#[derive(Debug, Clone, Default)]
pub struct Ground(watch::Sender<BTreeMap<&'static str, Footing>>);

/// What a pipeline's session found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Footing {
    pub(super) log_id: Arc<str>,
    /// What it reads, by default name.
    topics: Vec<&'static str>,
}

pub(super) type Footings = BTreeMap<&'static str, Footing>;

impl Ground {
    /// The pipeline's positions are of this log.
    pub(super) fn enter(
        &self,
        pipeline: &'static str,
        topics: Vec<&'static str>,
        log_id: Arc<str>,
    ) {
        self.0.send_modify(|footings| {
            footings.insert(pipeline, Footing { log_id, topics });
        });
    }

    /// It has to look again.
    pub(super) fn leave(&self, pipeline: &str) {
        self.0.send_if_modified(|footings| footings.remove(pipeline).is_some());
    }

    /// Tells when a pipeline enters or leaves.
    pub(super) fn subscribe(&self) -> watch::Receiver<Footings> {
        self.0.subscribe()
    }

    /// A pipeline, or any of them, with the log on which it stands.
    fn find(&self, is_asked: impl Fn(&str, &Footing) -> bool) -> Option<(&'static str, Arc<str>)> {
        let footings = self.0.borrow();
        let found = footings.iter().find(|(pipeline, footing)| is_asked(pipeline, footing));
        found.map(|(pipeline, footing)| (*pipeline, Arc::clone(&footing.log_id)))
    }
}

/// For whom something is appended.
#[derive(Debug, Clone, Copy)]
pub(super) enum Behalf<'a> {
    /// For the readers of this topic.
    Readers(&'a Topic),
    /// For this pipeline, whose results they are.
    Pipeline(&'static str),
    /// For all of them.
    Household,
}

/// The log that may be appended to. `None`: whoever it is for stands on none, and what waits goes on
/// waiting. The log must be the same at this moment.
pub(super) async fn firm(
    workshop: &Workshop,
    behalf: Behalf<'_>,
) -> Result<Option<Arc<str>>, EngineError> {
    let stands = workshop.ground.find(|pipeline, footing| match behalf {
        Behalf::Readers(topic) => footing.topics.contains(&topic.spec.name),
        Behalf::Pipeline(name) => pipeline == name,
        Behalf::Household => true,
    });
    let Some((pipeline, log_id)) = stands else { return Ok(None) };
    let found = workshop.log.id().await?;
    if *found != *log_id {
        let stored = log_id.to_string();
        return Err(EngineError::OtherLog { pipeline, stored, found });
    }
    if let Behalf::Readers(topic) = behalf {
        expect_whole(workshop, topic).await?;
    }
    Ok(Some(log_id))
}

/// The topic must reach as far as it was read: one that was made anew would take what waits below
/// the positions, where nobody looks.
async fn expect_whole(workshop: &Workshop, topic: &Topic) -> Result<(), EngineError> {
    let name = topic.spec.name;
    let read = workshop.store.read(move |db| Box::pin(positions::of_topic(db, name))).await?;
    for bounds in workshop.log.bounds(&topic.log_name).await? {
        for position in read.iter().filter(|at| at.partition == bounds.partition) {
            expect_not_shorter(&topic.log_name, position, bounds)?;
        }
    }
    Ok(())
}
