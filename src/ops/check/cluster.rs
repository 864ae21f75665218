//! A Kafka cluster as the event log: does it answer, and are its topics what they are used as.

use super::files::{self, TOPIC};
use super::{Finding, Verdict, counted};
use crate::config::Config;
use crate::engine::error_chain;
use crate::log::embedded::LogFile;
use crate::log::kafka::KafkaLog;
use crate::log::topics::{Topic, Topics};
use crate::log::{Described, EventLog, LogError, TopicStat};
use crate::ops::inspect::StateFile;

const KAFKA: &str = "kafka";

/// Asks the configured cluster, if there is one.
pub async fn examine(
    config: &Config,
    topics: &Topics,
    state: Option<&StateFile>,
    findings: &mut Vec<Finding>,
) {
    let log = match KafkaLog::of_config(config, topics) {
        Ok(Some(log)) => log,
        Ok(None) => return,
        Err(error) => return findings.push(unusable(&error)),
    };
    let id = match log.id().await {
        Ok(id) => id,
        Err(error) => return findings.push(unusable(&error)),
    };
    findings.push(Finding::ok(KAFKA, format!("it answers; cluster {id}")));
    let mut found = LogFile { id, topics: Vec::new(), carried: None, complaints: Vec::new() };
    let mut of_topics = Vec::new();
    for topic in topics.iter() {
        match examine_topic(topic, &log, config, &mut found).await {
            Ok(finding) => of_topics.push(finding),
            Err(error) => of_topics.push(unusable(&error)),
        }
    }
    if let Some(state) = state {
        findings.push(files::positions(state, &found, topics));
    }
    findings.extend(of_topics);
    log.close().await;
}

fn unusable(error: &LogError) -> Finding {
    let (verdict, remedy) = match error {
        LogError::Settings(_) => (Verdict::Misconfigured, "mend [kafka] of the configuration"),
        _ => (Verdict::Failed, "`run` waits for it; look-ups go on meanwhile"),
    };
    Finding::new(verdict, KAFKA, error_chain(error), remedy)
}

async fn examine_topic(
    topic: &Topic,
    log: &KafkaLog,
    config: &Config,
    found: &mut LogFile,
) -> Result<Finding, LogError> {
    let name = &topic.log_name;
    let Some(described) = log.describe(name).await? else {
        return Ok(match config.kafka.create_topics {
            true => Finding::ok(TOPIC, format!("{name} is not there yet; the next start makes it")),
            false => Finding::new(
                Verdict::Misconfigured,
                TOPIC,
                format!("{name} is not there, and kafka.create_topics is false"),
                "create it, or let windowsill do it",
            ),
        });
    };
    let bounds = log.bounds(name).await?;
    let records = bounds.iter().map(|at| at.next_offset - at.first_offset).sum();
    let Described { kind, partitions, cleanup } = described.clone();
    let stat = TopicStat {
        name: name.clone(),
        kind,
        partitions,
        records,
        first_ts_ms: None,
        last_ts_ms: None,
    };
    found.topics.push((stat, bounds));
    let says = format!(
        "{name}: {}, {}, {}; cleanup.policy={}",
        kind.name(),
        counted(partitions, "partition"),
        counted(records, "offset"),
        cleanup.unwrap_or_default()
    );
    Ok(match topic.misfit(&described) {
        None => Finding::ok(TOPIC, says),
        Some(misfit) => Finding::new(
            Verdict::Warning,
            TOPIC,
            misfit,
            "`kafka-configs.sh --alter --add-config cleanup.policy=…` mends it",
        ),
    })
}
