//! The schema registry: Confluent's HTTP API, and the schemas that it told us.
//!
//! Invariant: only the registry's own word ("40403") makes an id one that does not exist. Whatever
//! else goes wrong may pass: a time-out, a refusal, a page of another server. Known ids need no
//! registry.
//!
//! A client of our own, for three calls: `schema_registry_converter` keeps failures in its cache,
//! decodes through `apache_avro`'s values, and looks ids up in the middle of decoding.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Certificate, StatusCode, Url};
use serde::Deserialize;
use serde_json::json;

use super::codec::{Codec, WriterSchema};
use super::topics::Topic;
use crate::config;

mod book;
mod http;

pub use book::{Book, Entry};

use http::Answer;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const TIMEOUT: Duration = Duration::from_secs(5);
/// The type of schemas that we use.
const AVRO: &str = "AVRO";
/// Confluent's codes for what it does not have.
const NO_SUBJECT: u32 = 40401;
const NO_SCHEMA: u32 = 40403;

/// Why the registry was of no use. Each of these may pass.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// The configuration names something that cannot be used.
    #[error("schema_registry.ca_certificates is {path:?}: {reason}")]
    Certificates { path: String, reason: String },
    #[error("schema_registry.password is set, and no schema_registry.user that it belongs to")]
    NoUser,
    /// It is away.
    #[error("the schema registry at {url} does not answer: {reason}")]
    Away { url: String, reason: String },
    /// It does not know us.
    #[error(
        "the schema registry at {url} refuses us ({status}); are schema_registry.user and \
         schema_registry.password right?"
    )]
    Refused { url: String, status: u16 },
    /// It has a fault of its own, or too much to do.
    #[error("the schema registry at {url} is in trouble: it answers {status}{reason}")]
    InTrouble { url: String, status: u16, reason: String },
    /// It is none.
    #[error(
        "the schema registry at {url} answers {status}{reason}, expected Confluent's API; is \
         schema_registry.url right, with its path?"
    )]
    Strange { url: String, status: u16, reason: String },
    /// Nobody has registered our schema, and we may not.
    #[error(
        "subject {subject} of the schema registry does not have our schema, and \
         schema_registry.register is false: somebody has to register it"
    )]
    NotRegistered { subject: String },
    /// It does not fit what others registered.
    #[error("the schema registry does not take our schema for subject {subject}: {reason}")]
    NotTaken { subject: String, reason: String },
}

impl RegistryError {
    /// Is it the registry's own trouble, whatever it was asked?
    fn is_of_registry(&self) -> bool {
        matches!(
            self,
            RegistryError::Away { .. }
                | RegistryError::Refused { .. }
                | RegistryError::InTrouble { .. }
        )
    }
}

/// A schema that was just learnt: worth remembering for the next life of the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Learnt {
    pub id: u32,
    pub text: String,
}

/// What a look-up came to.
#[derive(Debug, Default)]
pub struct LookedUp {
    /// What was not known before.
    pub learnt: Vec<Learnt>,
    /// Why some of the ids are still unknown.
    pub failed: Option<RegistryError>,
}

/// The registry of this configuration.
pub struct Registry {
    url: Url,
    client: reqwest::Client,
    user: Option<(String, Option<config::Secret>)>,
    register: bool,
    book: Arc<Book>,
}

impl Registry {
    /// `None`: no registry is configured.
    pub fn of_config(settings: &config::SchemaRegistry) -> Result<Option<Registry>, RegistryError> {
        let Some(url) = &settings.url else { return Ok(None) };
        if settings.password.is_some() && settings.user.is_none() {
            return Err(RegistryError::NoUser);
        }
        let mut builder =
            reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT).timeout(TIMEOUT);
        if let Some(path) = &settings.ca_certificates {
            let wrong = |reason: String| RegistryError::Certificates {
                path: path.display().to_string(),
                reason,
            };
            let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
            let certificates =
                Certificate::from_pem_bundle(&pem).map_err(|error| wrong(error.to_string()))?;
            if certificates.is_empty() {
                return Err(wrong("it holds no certificate, expected some in PEM".to_owned()));
            }
            for certificate in certificates {
                builder = builder.add_root_certificate(certificate);
            }
        }
        let client = builder.build().map_err(|error| RegistryError::Away {
            url: url.get().to_string(),
            reason: crate::engine::error_chain(&error),
        })?;
        let user = settings.user.clone().map(|user| (user, settings.password.clone()));
        let (url, register) = (url.get().clone(), settings.register);
        Ok(Some(Registry { url, client, user, register, book: Arc::default() }))
    }

    /// Where it is: ids of another registry are other ids.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    pub fn book(&self) -> &Arc<Book> {
        &self.book
    }

    /// Looks these ids up.
    pub async fn look_up(&self, ids: &[u32]) -> LookedUp {
        let mut looked_up = LookedUp::default();
        let mut away = None;
        for id in ids {
            // One that does not answer is not asked again at once.
            let told = match &away {
                Some(error) => Err(RegistryError::clone(error)),
                None => self.schema(*id).await,
            };
            match told {
                Ok(entry) => looked_up.learnt.extend(self.learn(*id, entry)),
                Err(error) => {
                    if matches!(error, RegistryError::Away { .. }) {
                        away = Some(error.clone());
                    }
                    // What is known from an earlier life stands: ids are for ever.
                    if !self.book.trust(*id) {
                        looked_up.failed = Some(error);
                    }
                }
            }
        }
        looked_up
    }

    /// Sees to it that values of this topic can be written. Gives our schema, if it is new to us. A
    /// registry that is away is not needed where an earlier life of the process learnt our schema's id.
    pub async fn prepare(&self, topic: &Topic) -> Result<Option<Learnt>, RegistryError> {
        let Codec::Confluent(codec) = &*topic.codec else { return Ok(None) };
        let Some((subject, text)) = codec.to_register() else { return Ok(None) };
        let (id, learnt) = match self.id_of(subject, text).await {
            Ok(id) => (id, self.learn(id, usable(text))),
            Err(error) if error.is_of_registry() => (self.book.id_of(text).ok_or(error)?, None),
            Err(error) => return Err(error),
        };
        codec.write_with(id);
        Ok(learnt)
    }

    /// Does it answer, and does it know Avro?
    pub async fn expect_avro(&self) -> Result<(), RegistryError> {
        let answer = self.get(&["schemas", "types"]).await?;
        let (url, status) = (self.url.to_string(), answer.status.as_u16());
        let types: Vec<String> = self.expect(answer)?;
        match types.iter().any(|kind| kind == AVRO) {
            true => Ok(()),
            false => Err(RegistryError::Strange { url, status, reason: format!(" ({types:?})") }),
        }
    }

    fn learn(&self, id: u32, entry: Entry) -> Option<Learnt> {
        let before = self.book.get(id);
        let learnt = match (&before, &entry) {
            (Some(Entry::Schema(_)), Entry::Absent) => {
                tracing::warn!(
                    schema.id = id,
                    "the schema registry has lost a schema; ours is used"
                );
                self.book.trust(id);
                return None;
            }
            (Some(Entry::Schema(known)), Entry::Schema(told)) if known.text == told.text => None,
            (known, Entry::Schema(told)) => {
                if matches!(known, Some(Entry::Schema(_))) {
                    tracing::error!(
                        schema.id = id,
                        "the schema registry has given an id to another schema; records of the \
                         old one are misread"
                    );
                }
                Some(Learnt { id, text: told.text.clone() })
            }
            _ => None,
        };
        self.book.learn(id, entry);
        learnt
    }

    async fn schema(&self, id: u32) -> Result<Entry, RegistryError> {
        #[derive(Deserialize)]
        struct Found {
            schema: String,
            #[serde(rename = "schemaType")]
            schema_type: Option<String>,
            #[serde(default)]
            references: Vec<serde::de::IgnoredAny>,
        }
        let answer = self.get(&["schemas", "ids", &id.to_string()]).await?;
        if answer.status == StatusCode::NOT_FOUND && answer.code() == Some(NO_SCHEMA) {
            return Ok(Entry::Absent);
        }
        let found: Found = self.expect(answer)?;
        if let Some(other) = found.schema_type.filter(|kind| kind != AVRO) {
            return Ok(Entry::Unusable(format!("it is of type {other}, expected {AVRO}")));
        }
        if !found.references.is_empty() {
            let reason = "it refers to other schemas, expected one that is whole";
            return Ok(Entry::Unusable(reason.to_owned()));
        }
        Ok(usable(&found.schema))
    }

    /// The id of our schema, registered by us if we may.
    async fn id_of(&self, subject: &str, text: &str) -> Result<u32, RegistryError> {
        #[derive(Deserialize)]
        struct Found {
            id: u32,
        }
        let body = json!({ "schema": text });
        let answer = match self.register {
            true => self.post(&["subjects", subject, "versions"], &body).await?,
            false => self.post(&["subjects", subject], &body).await?,
        };
        let subject = subject.to_owned();
        match (answer.status, answer.code()) {
            (StatusCode::NOT_FOUND, Some(NO_SUBJECT | NO_SCHEMA)) if !self.register => {
                Err(RegistryError::NotRegistered { subject })
            }
            (StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY, _) => {
                Err(RegistryError::NotTaken { subject, reason: answer.reason() })
            }
            _ => self.expect::<Found>(answer).map(|found| found.id),
        }
    }

    fn expect<T: serde::de::DeserializeOwned>(&self, answer: Answer) -> Result<T, RegistryError> {
        let (url, status) = (self.url.to_string(), answer.status.as_u16());
        if [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&answer.status) {
            return Err(RegistryError::Refused { url, status });
        }
        let reason = answer.quoted_reason();
        if answer.status.is_server_error() || answer.status == StatusCode::TOO_MANY_REQUESTS {
            return Err(RegistryError::InTrouble { url, status, reason });
        }
        if !answer.status.is_success() {
            return Err(RegistryError::Strange { url, status, reason });
        }
        serde_json::from_slice(&answer.body).map_err(|_| RegistryError::Strange {
            url,
            status,
            reason,
        })
    }
}

fn usable(text: &str) -> Entry {
    match WriterSchema::parse(text) {
        Ok(schema) => Entry::Schema(Arc::new(schema)),
        Err(error) => Entry::Unusable(error.to_string()),
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Registry").field("url", &self.url.as_str()).finish_non_exhaustive()
    }
}
