//! Reading the sources and putting them together.
//!
//! Invariant: nothing here looks at the process; what it reads is in `Sources`, so a test can give
//! it.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use figment::Figment;
use reqwest::Url;

use super::provider::{ENVIRONMENT, Environment, NamedToml, Single, variable_of};
use super::value::Secret;
use super::{Config, ConfigError};
use crate::log::kafka;
use crate::log::topics::format_of;
use crate::rooms;
use crate::sensor::soil;

/// The file that is read without being asked for, in the working directory.
const DEFAULT_FILE: &str = "windowsill.toml";
/// The longest name that Kafka allows a topic.
const TOPIC_NAME_CHARS: usize = 249;
const MAX_PARTITIONS: i32 = 1000;
/// Kafka counts replicas in 16 bits.
const MAX_REPLICAS: i32 = i16::MAX as i32;
/// The longest `secret_token` that Telegram takes.
const SECRET_CHARS: usize = 256;
/// More often is a nuisance to Telegram; more seldom, and nobody knows whether it is there.
const CHECK_EVERY_SECONDS: RangeInclusive<u32> = 1..=120;

/// More often wears out an SD card; more seldom, and every plant's sensor counts as silent.
const SENSOR_EVERY_SECONDS: RangeInclusive<u32> = 1..=600;
/// Fewer minutes than this without a reading are no silence: one may come late, or be lost.
const SILENT_MINUTES_LEAST: u32 = 3;
/// The longest token of `http.token`.
const TOKEN_CHARS: usize = 1024;

/// Where a configuration comes from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// `--config`; without it `windowsill.toml`, if that exists.
    pub file: Option<PathBuf>,
    pub working_dir: PathBuf,
    /// The environment.
    pub variables: Vec<(String, String)>,
    /// `--data-dir`.
    pub data_dir: Option<PathBuf>,
}

impl Sources {
    /// Those of this process with the flags given.
    pub fn of_process(file: Option<PathBuf>, data_dir: Option<PathBuf>) -> Sources {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Sources { file, working_dir: PathBuf::new(), variables, data_dir }
    }

    fn variable(&self, name: &str) -> Option<&str> {
        let found = self.variables.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// The file to read, if there is one.
    fn config_file(&self) -> Result<Option<PathBuf>, ConfigError> {
        let Some(named) = &self.file else {
            let default = self.working_dir.join(DEFAULT_FILE);
            return Ok(default.is_file().then_some(default));
        };
        let path = self.working_dir.join(named);
        match std::fs::metadata(&path) {
            Ok(_) => Ok(Some(path)),
            Err(error) => Err(ConfigError::Read { path, reason: error.to_string() }),
        }
    }
}

impl Config {
    pub fn load(sources: &Sources) -> Result<Config, ConfigError> {
        let mut figment = Figment::new();
        if let Some(name) = sources.variable("TZ")
            && name.parse::<chrono_tz::Tz>().is_ok()
        {
            figment = figment.merge(Single::new("TZ", "time_zone", name));
        }
        if let Some(path) = sources.config_file()? {
            let text = std::fs::read_to_string(&path).map_err(|error| ConfigError::Read {
                path: path.clone(),
                reason: error.to_string(),
            })?;
            figment = figment.merge(NamedToml { path, text });
        }
        if let Some(token) = sources.variable("TELEGRAM_BOT_TOKEN") {
            figment = figment.merge(Single::new("TELEGRAM_BOT_TOKEN", "telegram.token", token));
        }
        figment = figment.merge(Environment(sources.variables.clone()));
        if let Some(data_dir) = &sources.data_dir {
            let text = data_dir.to_string_lossy();
            figment = figment.merge(Single::new("--data-dir", "data_dir", &text));
        }
        let mut config: Config = figment.extract().map_err(ConfigError::new)?;
        read_secret_files(&figment, &mut config, sources)?;
        read_property_files(&figment, &mut config, sources)?;
        check_kafka(&figment, &config)?;
        check_webhook(&figment, &config)?;
        check_topics(&figment, &config)?;
        check_http(&figment, &config)?;
        check_sensor(&figment, &config)?;
        check_plants(&figment, &config)?;
        config.origins = super::key_paths()
            .into_iter()
            .filter_map(|key| Some((key.clone(), origin_of(&figment, &key)?)))
            .collect();
        Ok(config)
    }
}

/// Where a key was set; `None` when nobody did.
fn origin_of(figment: &Figment, key: &str) -> Option<String> {
    let from = figment.find_metadata(key)?;
    Some(match &from.source {
        Some(source) => source.to_string(),
        None if from.name == ENVIRONMENT => variable_of(key),
        None => from.name.clone().into_owned(),
    })
}

/// Fills secrets from their files.
fn read_secret_files(
    figment: &Figment,
    config: &mut Config,
    sources: &Sources,
) -> Result<(), ConfigError> {
    let origin = |key: &str| origin_of(figment, key).unwrap_or_default();
    for secret in config.secrets() {
        let Some(path) = secret.file else { continue };
        let key = secret.name.to_owned();
        if secret.value.is_some() {
            let (origin, file_origin) = (origin(&key), origin(&format!("{key}_file")));
            return Err(ConfigError::Both { key, origin, file_origin });
        }
        let path = sources.working_dir.join(path);
        let text = std::fs::read_to_string(&path)
            .map_err(|error| ConfigError::Read { path: path.clone(), reason: error.to_string() })?;
        if text.trim().is_empty() {
            let reason = "it is empty, expected the secret".to_owned();
            return Err(ConfigError::Read { path, reason });
        }
        *secret.value = Some(Secret::new(text.trim().to_owned()));
    }
    Ok(())
}

fn read_property_files(
    figment: &Figment,
    config: &mut Config,
    sources: &Sources,
) -> Result<(), ConfigError> {
    let read = config.kafka.properties.read_files(&sources.working_dir);
    read.map_err(|(name, reason)| refused_property(figment, &name, reason))
}

fn refused_property(figment: &Figment, name: &str, reason: String) -> ConfigError {
    let origin = origin_of(figment, "kafka.properties").unwrap_or_default();
    ConfigError::Refused { origin, key: format!("kafka.properties.{name}"), reason }
}

fn check_kafka(figment: &Figment, config: &Config) -> Result<(), ConfigError> {
    let Some(brokers) = &config.kafka.brokers else { return Ok(()) };
    let is_address = |broker: &str| {
        let parts = broker.trim().rsplit_once(':');
        parts.is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
    };
    if !brokers.split(',').all(is_address) {
        let key = "kafka.brokers".to_owned();
        let origin = origin_of(figment, &key).unwrap_or_default();
        let reason =
            format!("{brokers:?}, expected host:port, or some of them with commas between");
        return Err(ConfigError::Refused { origin, key, reason });
    }
    for (name, value) in config.kafka.properties.reveal() {
        if let Some(reason) = kafka::refusal(&name, &value) {
            return Err(refused_property(figment, &name, reason));
        }
    }
    Ok(())
}

/// What the types of the webhook's keys do not say by themselves.
fn check_webhook(figment: &Figment, config: &Config) -> Result<(), ConfigError> {
    let webhook = &config.webhook;
    let refused = |key: &str, reason: String| {
        let origin = origin_of(figment, key).unwrap_or_default();
        Err(ConfigError::Refused { origin, key: key.to_owned(), reason })
    };
    let is_web = |url: Url| matches!(url.scheme(), "http" | "https");
    if !Url::parse(&webhook.ngrok_api).is_ok_and(is_web) {
        let reason = "expected an address such as http://127.0.0.1:4040".to_owned();
        return refused("webhook.ngrok_api", reason);
    }
    if !CHECK_EVERY_SECONDS.contains(&webhook.check_every_seconds) {
        let (least, most) = (CHECK_EVERY_SECONDS.start(), CHECK_EVERY_SECONDS.end());
        let reason = format!("expected {least} to {most} seconds");
        return refused("webhook.check_every_seconds", reason);
    }
    let allowed = |char: char| char.is_ascii_alphanumeric() || "_-".contains(char);
    let is_fit =
        |secret: &str| (1..=SECRET_CHARS).contains(&secret.len()) && secret.chars().all(allowed);
    if webhook.secret.as_ref().is_none_or(|secret| is_fit(secret.reveal())) {
        return Ok(());
    }
    let in_file = webhook.secret_file.is_some();
    let key = if in_file { "webhook.secret_file" } else { "webhook.secret" };
    refused(key, format!("expected 1 to {SECRET_CHARS} letters, digits, '_' and '-'"))
}

/// The token goes into a header of HTTP.
fn check_http(figment: &Figment, config: &Config) -> Result<(), ConfigError> {
    let is_fit = |token: &str| {
        (1..=TOKEN_CHARS).contains(&token.len())
            && token.bytes().all(|byte| byte.is_ascii_graphic())
    };
    if config.http.token.as_ref().is_none_or(|token| is_fit(token.reveal())) {
        return Ok(());
    }
    let in_file = config.http.token_file.is_some();
    let key = if in_file { "http.token_file" } else { "http.token" };
    let origin = origin_of(figment, key).unwrap_or_default();
    let reason = format!("expected 1 to {TOKEN_CHARS} visible ASCII characters without blanks");
    Err(ConfigError::Refused { origin, key: key.to_owned(), reason })
}

fn check_plants(figment: &Figment, config: &Config) -> Result<(), ConfigError> {
    let minutes = config.plants.silent_minutes;
    if minutes == 0 || minutes >= SILENT_MINUTES_LEAST {
        return Ok(());
    }
    let key = "plants.silent_minutes".to_owned();
    let origin = origin_of(figment, &key).unwrap_or_default();
    let reason = format!(
        "{minutes}, expected {SILENT_MINUTES_LEAST} or more, or 0 to be told of no silence: a \
         sensor sends a reading every 30 seconds"
    );
    Err(ConfigError::Refused { origin, key, reason })
}

fn check_sensor(figment: &Figment, config: &Config) -> Result<(), ConfigError> {
    let refused = |key: &str, reason: String| {
        let origin = origin_of(figment, key).unwrap_or_default();
        Err(ConfigError::Refused { origin, key: key.to_owned(), reason })
    };
    if !SENSOR_EVERY_SECONDS.contains(&config.sensor.interval_seconds) {
        let (least, most) = (SENSOR_EVERY_SECONDS.start(), SENSOR_EVERY_SECONDS.end());
        return refused("sensor.interval_seconds", format!("expected {least} to {most} seconds"));
    }
    let known = soil::ADDRESSES.map(soil::sensor_id);
    let unknown = config.sensor.calibration.keys().find(|id| !known.contains(id));
    match unknown {
        None => Ok(()),
        Some(id) => {
            let expected = known.join(", ");
            refused("sensor.calibration", format!("{id:?} is no sensor, expected {expected}"))
        }
    }
}

fn check_topics(figment: &Figment, config: &Config) -> Result<(), ConfigError> {
    let known: Vec<&str> = rooms::topics().iter().map(|topic| topic.name).collect();
    let origin = || origin_of(figment, "topics").unwrap_or_else(|| "the configuration".to_owned());
    let refused =
        |key: String, reason: String| Err(ConfigError::Refused { origin: origin(), key, reason });
    for (default_name, topic) in &config.topics {
        let key = format!("topics.{default_name:?}");
        if !known.contains(&default_name.as_str()) {
            let expected = known.join(", ");
            return refused(key, format!("there is no such topic, expected one of {expected}"));
        }
        let allowed = |char: char| char.is_ascii_alphanumeric() || "._-".contains(char);
        let name = config.topic_name(default_name);
        if name.is_empty() || name.len() > TOPIC_NAME_CHARS || !name.chars().all(allowed) {
            let expected = "expected letters, digits, '.', '_' and '-'";
            return refused(key, format!("{name:?} is not a topic's name, {expected}"));
        }
        if topic.partitions.is_some_and(|count| !(1..=MAX_PARTITIONS).contains(&count)) {
            return refused(key, format!("expected 1 to {MAX_PARTITIONS} partitions"));
        }
    }
    let replicas = config.kafka.replication_factor;
    if replicas.is_some_and(|count| !(1..=MAX_REPLICAS).contains(&count)) {
        let reason = format!("expected 1 to {MAX_REPLICAS} brokers for each record");
        return refused("kafka.replication_factor".to_owned(), reason);
    }
    let prefix = &config.kafka.topic_prefix;
    let allowed = |char: char| char.is_ascii_alphanumeric() || "._-".contains(char);
    if prefix.len() > TOPIC_NAME_CHARS / 2 || !prefix.chars().all(allowed) {
        let expected = "expected a short one of letters, digits, '.', '_' and '-'";
        let reason = format!("{prefix:?} begins no topic's name, {expected}");
        return refused("kafka.topic_prefix".to_owned(), reason);
    }
    for spec in rooms::topics() {
        if let Err(reason) = format_of(spec, config) {
            return refused(format!("topics.{:?}.format", spec.name), reason);
        }
    }
    for (index, name) in known.iter().enumerate() {
        let taken = |other: &&str| config.topic_name(other) == config.topic_name(name);
        if let Some(other) = known[..index].iter().copied().find(|other| taken(other)) {
            let reason = format!("it has the same name as {other:?}");
            return refused(format!("topics.{name:?}"), reason);
        }
    }
    Ok(())
}
