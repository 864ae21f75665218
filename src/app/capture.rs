//! `windowsill capture`: tshark's frames into the log.

use std::io::IsTerminal;
use std::sync::Arc;

use super::house::{self, Failure};
use super::log::OpenLog;
use super::tasks::asked_to_stop;
use crate::cli;
use crate::config::Config;
use crate::exit::Exit;
use crate::ops::capture::{self, CaptureError, CaptureOptions};
use crate::ops::topic::{self, LineFormat, WriteOptions};

const TOPIC: &str = "pcap";

impl From<CaptureError> for Failure {
    fn from(error: CaptureError) -> Failure {
        let exit = match error {
            CaptureError::NoTshark { .. } | CaptureError::Refused { .. } => Exit::Usage,
            _ => Exit::Errors,
        };
        Failure::new(exit, error.to_string())
    }
}

pub(super) async fn capture(config: &Config, options: cli::Capture) -> Result<Exit, Failure> {
    let topics = house::topics(config)?;
    let found = topic::find(&topics, TOPIC)?;
    let log = OpenLog::open_with(config, &topics).await?;
    log.expect_in_use().await?;
    house::refuse_before_carried(&log, config).await?;
    let clock = house::clock_of(&log, config).await?;
    let writing = WriteOptions {
        format: LineFormat::Value,
        headers: Vec::new(),
        progress: std::io::stderr().is_terminal(),
        now_ms: Arc::new(move || clock.now_ms()),
    };
    let options = CaptureOptions {
        source: options.source,
        tshark: options.tshark,
        monitor: !options.no_monitor,
    };
    let stop = asked_to_stop().map_err(|error| Failure::new(Exit::Fault, error.to_string()))?;
    let events = log.events();
    let mut report = std::io::stderr();
    let written =
        capture::capture(events.as_ref(), found, &options, &writing, stop, &mut report).await;
    log.close().await;
    let written = written?;
    let is_whole = written.rejected == 0 && !written.interrupted;
    Ok(if is_whole { Exit::Done } else { Exit::Errors })
}
