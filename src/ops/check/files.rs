//! The state and the event log: are they sound, do they belong together, what do they hold.

use std::path::Path;

use super::{Finding, Verdict, cluster, counted};
use crate::config::{Config, EmbeddedLog};
use crate::engine::error_chain;
use crate::kernel::topic::TopicKind;
use crate::kernel::when;
use crate::log::embedded::LogFile;
use crate::log::topics::{Topic, Topics};
use crate::ops::inspect::{self, InspectError, StateFile};
use crate::sqlite::Care;
use crate::store::standstill::Standstill;
use crate::store::{StoreError, schema, state_path};

const STATE: &str = "state.db";
const LOG: &str = "log.db";
const POSITIONS: &str = "positions";
const PIPELINES: &str = "pipelines";
const OWNER: &str = "owner";
const ALERTS: &str = "alerts";
pub(super) const TOPIC: &str = "topic";
const DAMAGED: &str =
    "stop the bot, keep the folder, and restore the newest backup into another one";

/// What was found of both files, and what others want to know of the state.
pub struct Files {
    pub findings: Vec<Finding>,
    pub state: Option<StateFile>,
}

/// Examines both files, every page of them.
pub async fn examine(config: &Config, topics: &Topics) -> Files {
    let mut findings = Vec::new();
    let state = examine_state(&state_path(&config.data_dir), &mut findings).await;
    findings.extend(state.iter().flat_map(|state| pipelines(state, config)));
    if config.kafka.brokers.is_some() {
        cluster::examine(config, topics, state.as_ref(), &mut findings).await;
        findings.push(owner(state.as_ref(), config));
        findings.extend(state.as_ref().map(alerts));
        return Files { findings, state };
    }
    let log = examine_log(&config.log_path(), &mut findings).await;
    if let (Some(state), Some(log)) = (&state, &log) {
        findings.push(positions(state, log, topics));
    }
    if let Some(log) = &log {
        findings.extend(topics.iter().map(|topic| of_topic(topic, log, config)));
    }
    findings.push(owner(state.as_ref(), config));
    findings.extend(state.as_ref().map(alerts));
    Files { findings, state }
}

async fn examine_state(path: &Path, findings: &mut Vec<Finding>) -> Option<StateFile> {
    if !path.exists() {
        findings.push(Finding::ok(STATE, "not there yet; the first start makes it"));
        return None;
    }
    match inspect::state(path, Some(Care::Thorough)).await {
        Ok(state) => {
            findings.push(state_finding(&state));
            Some(state)
        }
        Err(error) => {
            findings.push(unreadable(STATE, &error));
            None
        }
    }
}

fn state_finding(state: &StateFile) -> Finding {
    if let Some(complaint) = state.complaints.first() {
        return Finding::new(Verdict::Failed, STATE, format!("damaged: {complaint}"), DAMAGED);
    }
    let (found, newest) = (state.schema_version, schema::newest());
    Finding::ok(
        STATE,
        match found < newest {
            true => format!("sound; the next start brings its schema from {found} to {newest}"),
            false => format!("sound, schema {found}"),
        },
    )
}

/// What the bot last knew.
fn pipelines(state: &StateFile, config: &Config) -> Vec<Finding> {
    let since = |it: &Standstill| when::moment(it.since_at, config.time_zone.get());
    let standing = state.standstills.iter().map(|it| {
        let says = format!("{} stands still since {}: {}", it.pipeline, since(it), it.reason);
        let remedy = "once that is seen to it goes on, or with the next start of a bot at rest";
        Finding::new(Verdict::Failed, PIPELINES, says, remedy)
    });
    let standing: Vec<Finding> = standing.collect();
    match standing.is_empty() {
        true => vec![Finding::ok(PIPELINES, "none stands still")],
        false => standing,
    }
}

fn unreadable(name: &'static str, error: &InspectError) -> Finding {
    match error {
        InspectError::State { source: newer @ StoreError::Newer { .. }, .. } => Finding::new(
            Verdict::Misconfigured,
            name,
            newer.to_string(),
            "`windowsill --version` tells this one",
        ),
        error => Finding::new(Verdict::Failed, name, error_chain(error), DAMAGED),
    }
}

async fn examine_log(path: &Path, findings: &mut Vec<Finding>) -> Option<LogFile> {
    if !path.exists() {
        findings.push(Finding::ok(LOG, "not there yet; the first start makes it"));
        return None;
    }
    // Its one index is small beside it: the quick examination reads every page as well.
    match inspect::log(path, Some(Care::Quick)).await {
        Ok(log) => {
            findings.push(match log.complaints.first() {
                None => Finding::ok(LOG, format!("sound, log {}", log.id)),
                Some(complaint) => {
                    let says = format!("damaged: {complaint}");
                    Finding::new(Verdict::Failed, LOG, says, DAMAGED)
                }
            });
            Some(log)
        }
        Err(error) => {
            findings.push(unreadable(LOG, &error));
            None
        }
    }
}

pub(super) fn positions(state: &StateFile, log: &LogFile, topics: &Topics) -> Finding {
    match inspect::misfits(state, log, topics).first() {
        None => Finding::ok(POSITIONS, "the state and the log belong together"),
        Some(misfit) => Finding::new(
            Verdict::Failed,
            POSITIONS,
            misfit.clone(),
            "put the log back that belongs to this state (`windowsill migrate-log` carries an \
             embedded one to Kafka), restore both from one backup, or take the log as it is with \
             `windowsill rebuild --accept-loss`",
        ),
    }
}

/// A topic of the contract as the log has it.
fn of_topic(topic: &Topic, log: &LogFile, config: &Config) -> Finding {
    let name = &topic.log_name;
    let Some((stat, _)) = log.topics.iter().find(|(stat, _)| stat.name == *name) else {
        return Finding::ok(TOPIC, format!("{name} is not there yet; the next start makes it"));
    };
    let (kind, partitions) = (stat.kind.name(), stat.partitions);
    if stat.kind != topic.spec.kind {
        let says = format!("{name} is a {kind}, expected a {}", topic.spec.kind.name());
        let remedy = "give the topic another name, in [topics] of the configuration";
        return Finding::new(Verdict::Misconfigured, TOPIC, says, remedy);
    }
    let kept = match stat.kind {
        TopicKind::Table => "the newest record of each key is kept".to_owned(),
        TopicKind::Stream => retention(&config.embedded_log),
    };
    let says = format!(
        "{name}: {kind}, {}, {}; {kept}",
        counted(partitions, "partition"),
        counted(stat.records, "record")
    );
    match config.topic_partitions(topic.spec.name).filter(|set| *set != partitions) {
        None => Finding::ok(TOPIC, says),
        Some(set) => Finding::new(
            Verdict::Warning,
            TOPIC,
            format!("{says}, and {set} partitions are configured"),
            "a topic keeps the partitions it was made with; set partitions to that",
        ),
    }
}

fn retention(kept: &EmbeddedLog) -> String {
    let days = match kept.retention_days {
        0 => "for ever".to_owned(),
        days => format!("for {days} days"),
    };
    match kept.retention_bytes {
        0 => format!("kept {days}"),
        bytes => format!("kept {days}, and up to {} MB", bytes / 1_000_000),
    }
}

fn owner(state: Option<&StateFile>, config: &Config) -> Finding {
    let configured = config.telegram.owners.len();
    if configured > 0 {
        return Finding::ok(OWNER, format!("{configured} by telegram.owners"));
    }
    match state.map_or(0, |state| state.owners) {
        0 => Finding::new(
            Verdict::Warning,
            OWNER,
            "nobody owns the bot yet",
            "`run` prints a code, and whoever sends it to the bot owns it",
        ),
        owners => Finding::ok(OWNER, format!("{owners} by the code or by an owner")),
    }
}

fn alerts(state: &StateFile) -> Finding {
    match state.places {
        0 => Finding::new(
            Verdict::Warning,
            ALERTS,
            "no chat gets alerts",
            "an owner who sends the bot /start gets them",
        ),
        places => Finding::ok(ALERTS, format!("they go to {}", counted(places, "chat"))),
    }
}
