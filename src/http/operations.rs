//! What the pages for whoever runs the bot look at.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;

use crate::config::Secret;
use crate::engine::{Phase, Workshop};
use crate::rooms::Pipe;
use crate::telegram::meter::Meter;
use crate::telegram::webhook::Registration;

/// A pipeline as seen from outside.
#[derive(Clone)]
pub struct WatchedPipeline {
    pub name: &'static str,
    /// The topics that it reads, by default name.
    pub topics: Vec<&'static str>,
    pub phase: watch::Receiver<Phase>,
}

impl WatchedPipeline {
    pub fn of(pipeline: &dyn Pipe) -> WatchedPipeline {
        WatchedPipeline {
            name: pipeline.name(),
            topics: pipeline.topics(),
            phase: pipeline.phase(),
        }
    }
}

/// A running instance as seen from outside.
#[derive(Clone)]
pub struct Operations {
    pub workshop: Workshop,
    pub data_dir: PathBuf,
    pub pipelines: Arc<[WatchedPipeline]>,
    pub telegram: Arc<Meter>,
    /// How far the webhook is, where updates come to one.
    pub webhook: Option<watch::Receiver<Registration>>,
    /// Whoever shows it may read and write topics.
    pub token: Option<Secret>,
}
