//! librdkafka's errors as errors of the seam: what may pass, what somebody has to see to, and what
//! is wrong with a record.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use super::ears::Troubles;
use crate::log::LogError;

const WITHOUT_TLS: &str =
    "this windowsill was built without TLS and SCRAM (cargo's feature `kafka-tls`)";

/// What an error about a topic means.
pub(super) fn log_error(error: &KafkaError, topic: &str, troubles: &Troubles) -> LogError {
    match (error, error.rdkafka_error_code()) {
        (KafkaError::AdminOp(code), _) => of_code(*code, topic, troubles),
        (_, Some(code)) => of_code(code, topic, troubles),
        (KafkaError::ClientConfig(..) | KafkaError::ClientCreation(_), None) => {
            LogError::Settings(setting(error))
        }
        (error, None) => LogError::Unavailable(format!("kafka: {error}")),
    }
}

pub(super) fn of_code(code: Code, topic: &str, troubles: &Troubles) -> LogError {
    let topic = topic.to_owned();
    match code {
        Code::UnknownTopic | Code::UnknownTopicOrPartition => LogError::UnknownTopic(topic),
        Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::Authentication
        | Code::SaslAuthenticationFailed => {
            LogError::Denied { topic, reason: reason(code, troubles) }
        }
        Code::MessageSizeTooLarge
        | Code::InvalidMessageSize
        | Code::MessageBatchTooLarge
        | Code::InvalidTimestamp
        | Code::InvalidRecord
        | Code::InvalidDifferentRecord
        | Code::PolicyViolation
        | Code::InvalidConfig
        | Code::InvalidReplicationFactor => LogError::Refused { topic, reason: code.to_string() },
        code => LogError::Unavailable(reason(code, troubles)),
    }
}

/// What is wrong with a setting. Its value may be a secret and is never repeated.
fn setting(error: &KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(_, words, key, _) => {
            let lower = key.to_ascii_lowercase();
            let needs_tls = ["ssl", "sasl", "security"].iter().any(|part| lower.starts_with(part));
            if needs_tls && !cfg!(feature = "kafka-tls") {
                return format!("kafka.properties: {key} cannot be set so; {WITHOUT_TLS}");
            }
            match is_secret(&lower) {
                true => format!("kafka.properties: {key} cannot be set so"),
                false => format!("kafka.properties: {words}"),
            }
        }
        KafkaError::ClientCreation(words) if !cfg!(feature = "kafka-tls") => {
            format!("kafka.properties: {words}; {WITHOUT_TLS}")
        }
        error => format!("kafka.properties: {error}"),
    }
}

/// Whether a property's value must not be seen.
pub(crate) fn is_secret(key: &str) -> bool {
    ["password", "secret", "pem", "sasl.oauthbearer.config", "sasl.jaas"]
        .iter()
        .any(|part| key.contains(part))
}

fn reason(code: Code, troubles: &Troubles) -> String {
    match troubles.newest() {
        Some(trouble) => format!("kafka: {trouble}"),
        None => format!("kafka: {code}"),
    }
}
