//! How librdkafka is set: every setting that matters is written out, and most can be overridden.
//!
//! Invariant: a value that may be a secret is never printed. What a promise hangs on ([`KEPT`])
//! cannot be overridden with something that breaks it.

use std::collections::BTreeMap;
use std::fmt;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use super::ears::Troubles;
use super::error::log_error;
use crate::log::{LogError, MAX_RECORD_BYTES};

/// Room in a request beside the largest record.
pub(super) const REQUEST_OVERHEAD_BYTES: usize = 64 * 1024;

/// Settings of every client.
const COMMON: &[(&str, &str)] = &[
    ("client.id", "windowsill"),
    ("allow.auto.create.topics", "false"),
    ("socket.keepalive.enable", "true"),
    // A broker that hangs is left after this; one that is slow is not.
    ("socket.timeout.ms", "10000"),
    ("reconnect.backoff.ms", "50"),
    ("reconnect.backoff.max.ms", "2000"),
    ("topic.metadata.refresh.interval.ms", "10000"),
    ("topic.metadata.propagation.max.ms", "5000"),
];

/// Settings of what reads. The times are measured: with librdkafka's own, catching up takes four
/// times as long, and the end of a topic half a second.
const READING: &[(&str, &str)] = &[
    // Positions are ours: the group is never joined, and nothing is committed to it.
    ("group.id", "windowsill"),
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("auto.offset.reset", "error"),
    ("enable.partition.eof", "true"),
    ("isolation.level", "read_committed"),
    ("fetch.min.bytes", "1"),
    ("fetch.wait.max.ms", "50"),
    ("fetch.queue.backoff.ms", "10"),
    ("fetch.error.backoff.ms", "100"),
    ("fetch.message.max.bytes", "196608"),
    ("queued.min.messages", "10000"),
    ("queued.max.messages.kbytes", "2700"),
];

/// Settings of what appends.
const APPENDING: &[(&str, &str)] = &[
    // Keys land where a Java producer puts them; what has no key is spread record by record.
    ("partitioner", "murmur2_random"),
    ("sticky.partitioning.linger.ms", "0"),
    ("acks", "all"),
    ("enable.idempotence", "true"),
    ("message.timeout.ms", "30000"),
    ("linger.ms", "2"),
    ("compression.type", "lz4"),
    ("queue.buffering.max.messages", "100000"),
    ("queue.buffering.max.kbytes", "65536"),
];

/// Properties that a promise hangs on.
struct Kept {
    /// What librdkafka calls it.
    names: &'static [&'static str],
    /// What it may be, ours first.
    values: &'static [&'static str],
    /// What would happen otherwise.
    otherwise: &'static str,
}

const TRUE: &[&str] = &["true", "t", "1"];

const KEPT: &[Kept] = &[
    Kept {
        names: &["acks", "request.required.acks"],
        values: &["all", "-1"],
        otherwise: "what is said to be saved could be lost with one broker",
    },
    Kept {
        names: &["enable.idempotence"],
        values: TRUE,
        otherwise: "what is sent again after a broken connection could stand there twice",
    },
    Kept {
        names: &["partitioner"],
        values: &["murmur2_random", "murmur2"],
        otherwise: "a key's records would land on other partitions than a Java producer's",
    },
    Kept {
        names: &["isolation.level"],
        values: &["read_committed"],
        otherwise: "what a transaction took back would be counted",
    },
    Kept {
        names: &["auto.offset.reset"],
        values: &["error"],
        otherwise: "records that the cluster no longer has would be skipped without a word",
    },
    Kept {
        names: &["enable.partition.eof"],
        values: TRUE,
        otherwise: "nobody would know when a topic has been read to its end",
    },
    Kept {
        names: &["allow.auto.create.topics"],
        values: &["false", "f", "0"],
        otherwise: "a topic that somebody deleted would be made anew behind their back",
    },
];

/// Why this property may not be set so, and what is expected.
pub(crate) fn refusal(name: &str, value: &str) -> Option<String> {
    if matches!(name, "bootstrap.servers" | "metadata.broker.list") {
        return Some("expected the brokers in kafka.brokers".to_owned());
    }
    let kept = KEPT.iter().find(|kept| kept.names.contains(&name))?;
    if kept.values.contains(&value.trim().to_ascii_lowercase().as_str()) {
        return None;
    }
    let (ours, otherwise) = (kept.values[0], kept.otherwise);
    Some(format!("{value:?}, expected {ours:?} (which need not be set): {otherwise}"))
}

/// Where the cluster is, and what is set beside our own settings.
#[derive(Clone)]
pub struct KafkaSettings {
    /// `host:port` of some brokers, with commas between them.
    pub brokers: String,
    /// librdkafka's properties by name; they win over ours. [`refusal`] has let them through.
    pub properties: BTreeMap<String, String>,
    /// How many brokers hold a topic that is created; `None`: as many as the cluster says.
    pub replication_factor: Option<i32>,
}

impl fmt::Debug for KafkaSettings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.properties.keys().collect();
        out.debug_struct("KafkaSettings")
            .field("brokers", &self.brokers)
            .field("properties", &names)
            .field("replication_factor", &self.replication_factor)
            .finish()
    }
}

impl KafkaSettings {
    /// The settings of a consumer, as every reader has them.
    pub fn reading(&self) -> ClientConfig {
        self.client(READING)
    }

    pub(super) fn appending(&self) -> ClientConfig {
        let mut client = self.client(APPENDING);
        if !self.properties.contains_key("message.max.bytes") {
            let most = MAX_RECORD_BYTES + REQUEST_OVERHEAD_BYTES;
            client.set("message.max.bytes", most.to_string());
        }
        client
    }

    pub(super) fn asking(&self) -> ClientConfig {
        self.client(&[])
    }

    fn client(&self, ours: &[(&str, &str)]) -> ClientConfig {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", &self.brokers);
        for (name, value) in COMMON.iter().chain(ours) {
            client.set(*name, *value);
        }
        for (name, value) in &self.properties {
            client.set(name, value);
        }
        client.set_log_level(RDKafkaLogLevel::Info);
        client
    }
}

/// Whether librdkafka takes these settings. No client is made for it.
pub(super) fn check(settings: &KafkaSettings) -> Result<(), LogError> {
    for client in [settings.reading(), settings.appending(), settings.asking()] {
        client
            .create_native_config()
            .map_err(|error| log_error(&error, "", &Troubles::default()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_settings_keep_every_promise() {
        for kept in KEPT {
            let mut ours = COMMON.iter().chain(READING).chain(APPENDING);
            let ours = ours.find(|(name, _)| kept.names.contains(name)).map(|(_, value)| *value);
            assert_eq!(ours, Some(kept.values[0]), "{:?}", kept.names);
        }
    }

    #[test]
    fn what_would_break_a_promise_is_refused_with_the_reason() {
        for (name, value) in [
            ("acks", "1"),
            ("request.required.acks", "0"),
            ("enable.idempotence", "FALSE"),
            ("partitioner", "consistent"),
            ("auto.offset.reset", "latest"),
            ("bootstrap.servers", "a:9092"),
        ] {
            let reason = refusal(name, value).unwrap();
            assert!(reason.contains("expected"), "{reason}");
        }
        for (name, value) in
            [("acks", "All"), ("acks", "-1"), ("enable.idempotence", "1"), ("linger.ms", "0")]
        {
            assert_eq!(refusal(name, value), None, "{name}");
        }
    }
}
