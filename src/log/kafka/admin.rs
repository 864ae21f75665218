//! Creating topics, and looking at how they are kept.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::error::RDKafkaErrorCode;

use super::ears::{Ears, Troubles};
use super::error::{log_error, of_code};
use super::settings::{KafkaSettings, REQUEST_OVERHEAD_BYTES};
use crate::kernel::topic::TopicKind;
use crate::log::{LogError, MAX_RECORD_BYTES};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Stands for the cluster's own `default.replication.factor`.
const AS_THE_CLUSTER_SAYS: i32 = -1;

pub(super) struct Admin {
    client: AdminClient<Ears>,
    replication_factor: Option<i32>,
    troubles: Arc<Troubles>,
}

impl Admin {
    pub(super) fn new(
        settings: &KafkaSettings,
        troubles: Arc<Troubles>,
    ) -> Result<Admin, LogError> {
        let client: AdminClient<Ears> = settings
            .asking()
            .create_with_context(Ears(Arc::clone(&troubles)))
            .map_err(|error| log_error(&error, "", &troubles))?;
        Ok(Admin { client, replication_factor: settings.replication_factor, troubles })
    }

    /// Creates a topic; one that is there is left as it is.
    pub(super) async fn create(
        &self,
        topic: &str,
        kind: TopicKind,
        partitions: i32,
    ) -> Result<(), LogError> {
        let policy = match kind {
            TopicKind::Table => "compact",
            TopicKind::Stream => "delete",
        };
        let most = (MAX_RECORD_BYTES + REQUEST_OVERHEAD_BYTES).to_string();
        let replicas = self.replication_factor.unwrap_or(AS_THE_CLUSTER_SAYS);
        let wanted = NewTopic::new(topic, partitions, TopicReplication::Fixed(replicas))
            .set("cleanup.policy", policy)
            .set("max.message.bytes", &most);
        let created = self
            .client
            .create_topics([&wanted], &options())
            .await
            .map_err(|error| log_error(&error, topic, &self.troubles))?;
        match created.into_iter().next() {
            None | Some(Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(()),
            Some(Err((_, RDKafkaErrorCode::InvalidReplicationFactor))) => {
                Err(self.too_few_brokers(topic))
            }
            Some(Err((_, code))) => Err(of_code(code, topic, &self.troubles)),
        }
    }

    fn too_few_brokers(&self, topic: &str) -> LogError {
        let reason = match self.replication_factor {
            Some(replicas) => format!(
                "kafka.replication_factor is {replicas}, and not so many brokers run; start them, \
                 or set a smaller one"
            ),
            None => "fewer brokers run than the cluster's default.replication.factor; start them, \
                     or set kafka.replication_factor"
                .to_owned(),
        };
        LogError::Refused { topic: topic.to_owned(), reason }
    }

    /// The topic's `cleanup.policy`.
    pub(super) async fn cleanup_policy(&self, topic: &str) -> Result<String, LogError> {
        let described = self
            .client
            .describe_configs([&ResourceSpecifier::Topic(topic)], &options())
            .await
            .map_err(|error| log_error(&error, topic, &self.troubles))?;
        let entries = match described.into_iter().next() {
            Some(Ok(resource)) => resource,
            Some(Err(code)) => return Err(of_code(code, topic, &self.troubles)),
            None => return Err(LogError::UnknownTopic(topic.to_owned())),
        };
        let policy = entries.get("cleanup.policy").and_then(|entry| entry.value.clone());
        Ok(policy.unwrap_or_default())
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE))
}
