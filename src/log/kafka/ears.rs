//! What librdkafka says unasked: its log lines, and errors of its connections.
//!
//! Invariant: a line of it is never more than a debug line of ours. It repeats itself for as long
//! as a broker is away; whoever asks or reads tells once what that means.

use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// The reason of the newest trouble with any connection to the cluster.
#[derive(Debug, Default)]
pub(super) struct Troubles(Mutex<Option<String>>);

impl Troubles {
    /// What went wrong last; librdkafka's own errors say only that something did.
    pub(super) fn newest(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn passed(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn note(&self, reason: &str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.to_owned());
    }
}

/// The context of every client.
#[derive(Clone)]
pub(super) struct Ears(pub(super) Arc<Troubles>);

impl ClientContext for Ears {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        tracing::debug!(target: "windowsill::log::kafka", ?level, facility, "{line}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code();
        // The end of a partition comes this way, too.
        if matches!(code, None | Some(RDKafkaErrorCode::PartitionEOF)) {
            return;
        }
        tracing::debug!(target: "windowsill::log::kafka", %error, reason, "the client has a trouble");
        // That all are down follows from what was said of each, and says less.
        if code != Some(RDKafkaErrorCode::AllBrokersDown) {
            self.0.note(reason);
        }
    }
}

impl ConsumerContext for Ears {}
