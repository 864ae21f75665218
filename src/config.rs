//! The configuration: one documented struct, filled from a file, the environment and flags.
//!
//! Invariant: a secret is never printed, and a key that nobody knows is refused: a typing error in
//! a threshold must not mean that no alert ever comes. Later sources win: defaults, the file, the
//! environment, flags.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

mod error;
mod load;
mod properties;
mod provider;
mod render;
mod value;

pub use error::ConfigError;
pub use load::Sources;
pub use properties::Properties;
pub use render::render;
pub use value::{
    BotUrl, NetworkName, RegistryUrl, Secret, SsidEncoding, TimeZone, TopicFormat, WebhookUrl,
};

use crate::kernel::time::MINUTE_MS;
use crate::sensor::calibration::Calibration;
use value::{address, ids, network_names, optional_path, optional_text, path, text, truth};

/// A key as `windowsill config` explains it.
#[derive(Debug, Clone, Copy)]
struct Key {
    name: &'static str,
    doc: &'static [&'static str],
}

/// Declares a section and keeps what its keys' comments say, so that it is written once.
macro_rules! section {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $(
                $(#[doc = $doc:literal])+
                $(#[serde($($serde:tt)*)])?
                pub $field:ident: $type:ty,
            )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $(
                $(#[doc = $doc])+
                $(#[serde($($serde)*)])?
                pub $field: $type,
            )*
        }

        impl $name {
            const KEYS: &'static [Key] =
                &[$(Key { name: stringify!($field), doc: &[$($doc),+] }),*];
        }
    };
}

section! {
    /// Everything that can be set.
    pub struct Config {
        /// The folder of the event log and the state.
        #[serde(deserialize_with = "path")]
        pub data_dir: PathBuf,
        /// The time zone that people read times in, by its name (`Europe/Berlin`).
        /// By default the one of TZ if that is a name, else UTC.
        pub time_zone: TimeZone,
        /// What is logged, as RUST_LOG has it: `info`, or `info,windowsill::log=debug`.
        #[serde(deserialize_with = "text")]
        pub log_filter: String,
        /// Alerts older than this many hours are gathered into one message.
        pub alert_max_age_hours: u32,
        /// How far, in milliseconds, a partition at its end may lag behind the clock.
        pub clock_lag_ms: u64,
        /// The bot.
        pub telegram: Telegram,
        /// How Telegram reaches the bot, where the bot does not poll.
        pub webhook: Webhook,
        /// The HTTP server of `run`.
        pub http: Http,
        /// The event log in the data directory.
        pub embedded_log: EmbeddedLog,
        /// A Kafka cluster as the event log instead.
        pub kafka: Kafka,
        /// Where schemas have their ids.
        pub schema_registry: SchemaRegistry,
        /// Houseplants.
        pub plants: Plants,
        /// Wi-Fi probes.
        pub wifi: Wifi,
        /// Soil sensors of this machine (`windowsill sensor`).
        pub sensor: Sensor,
        /// Topics by their default name, quoted where it has dots: `[topics."unifi.ace.user"]`.
        pub topics: BTreeMap<String, Topic>,
        /// Where each key was set, for those that were.
        #[serde(skip)]
        pub origins: BTreeMap<String, String>,
    }
}

section! {
    /// The `[telegram]` section.
    pub struct Telegram {
        /// The bot's token, from @BotFather. Also taken from TELEGRAM_BOT_TOKEN.
        pub token: Option<Secret>,
        /// A file that holds the token instead.
        #[serde(deserialize_with = "optional_path")]
        pub token_file: Option<PathBuf>,
        /// Where the Bot API is.
        #[serde(deserialize_with = "text")]
        pub api_url: String,
        /// Chats, by their number, that may talk to the bot from the start.
        #[serde(deserialize_with = "ids")]
        pub allowed_chats: Vec<i64>,
        /// People, by their number, who own the bot from the start.
        #[serde(deserialize_with = "ids")]
        pub owners: Vec<i64>,
    }
}

section! {
    /// The `[webhook]` section.
    pub struct Webhook {
        /// The https address at which Telegram reaches `http.listen`, such as
        /// `https://bot.example.org/telegram`, or `ngrok` to take it from a local ngrok agent.
        /// Without it the bot polls.
        pub url: Option<WebhookUrl>,
        /// What Telegram's calls are known by: letters, digits, `_` and `-`. Without it the bot
        /// makes one up and keeps it.
        pub secret: Option<Secret>,
        /// A file that holds the secret instead.
        #[serde(deserialize_with = "optional_path")]
        pub secret_file: Option<PathBuf>,
        /// Where the local ngrok agent answers.
        #[serde(deserialize_with = "text")]
        pub ngrok_api: String,
        /// How often, in seconds, Telegram is asked whether the webhook still is ours and what
        /// waits there.
        pub check_every_seconds: u32,
    }
}

section! {
    /// The `[http]` section.
    pub struct Http {
        /// Where health, metrics, topics and the webhook are served. Port 0 picks a free one.
        #[serde(deserialize_with = "address")]
        pub listen: SocketAddr,
        /// Whoever knows it may read and write topics over HTTP (`/topics/...`); `sensor` shows it
        /// to the bot at `sensor.url`. Without it nobody may.
        pub token: Option<Secret>,
        /// A file that holds the token instead.
        #[serde(deserialize_with = "optional_path")]
        pub token_file: Option<PathBuf>,
    }
}

section! {
    /// The `[embedded_log]` section.
    pub struct EmbeddedLog {
        /// Events are kept so many days after they came; 0 keeps them however old they are. What
        /// the bot has not processed yet is kept longer.
        pub retention_days: u32,
        /// A topic of events that takes more bytes in the log loses its oldest ones; 0 is no limit.
        /// At twice the size, also those that the bot has not processed yet.
        pub retention_bytes: u64,
        /// A deletion stays in a table's topic for so many hours, for readers that are behind.
        pub delete_retention_hours: u32,
    }
}

section! {
    /// The `[kafka]` section.
    pub struct Kafka {
        /// `host:port` of a broker, or of some with commas between them. Set, the event log is this
        /// cluster; without it the log is a file in the data directory.
        #[serde(deserialize_with = "optional_text")]
        pub brokers: Option<String>,
        /// Create topics that are missing. If not, a missing one is an error at the start.
        #[serde(deserialize_with = "truth")]
        pub create_topics: bool,
        /// How many brokers hold each record of a topic that is created. Without it that is the
        /// cluster's `default.replication.factor`, which is 1 unless somebody has set it.
        pub replication_factor: Option<i32>,
        /// Put before the names of topics that have no name of their own in `[topics]`.
        #[serde(deserialize_with = "text")]
        pub topic_prefix: String,
        /// Properties of librdkafka, such as `"sasl.username"`; they win over the bot's own. One
        /// that ends in `_file` names a file that holds the value.
        pub properties: Properties,
    }
}

section! {
    /// The `[schema_registry]` section.
    pub struct SchemaRegistry {
        /// The address of a schema registry with Confluent's API, with its path if it has one:
        /// `https://registry.example.org/apis/ccompat/v7`. With it, topics that have a schema are
        /// in Confluent's wire format unless they say otherwise.
        pub url: Option<RegistryUrl>,
        /// Who we are, where the registry asks.
        #[serde(deserialize_with = "optional_text")]
        pub user: Option<String>,
        /// And our password.
        pub password: Option<Secret>,
        /// A file that holds the password instead.
        #[serde(deserialize_with = "optional_path")]
        pub password_file: Option<PathBuf>,
        /// Where certificates (PEM) lie by which the registry's own is trusted, beside the public
        /// ones.
        #[serde(deserialize_with = "optional_path")]
        pub ca_certificates: Option<PathBuf>,
        /// Register our schemas, under the subject `<topic>-value`, before the first value is
        /// written; `false` only looks them up.
        #[serde(deserialize_with = "truth")]
        pub register: bool,
    }
}

section! {
    /// The `[plants]` section.
    pub struct Plants {
        /// A plant is dry when more than this many of its readings within six hours are low.
        pub low_readings_limit: u32,
        /// A plant is drying when its moisture is below its limit for so many minutes: the warning
        /// before the window of six hours tells it. An hour is longer than a hand on the sensor.
        pub drying_minutes: u32,
        /// A plant is too wet when its moisture is above its limit for so many hours: a pot that
        /// was watered drains in a few, one that stands in water does not.
        pub too_wet_hours: u32,
        /// A plant is too hot or too cold when its temperature is beyond its limit for so many
        /// minutes: a ray of sun or an open window is shorter.
        pub temperature_minutes: u32,
        /// What was told is over when the value has been well for so many minutes. What is not told
        /// yet begins anew after as long without a reading that shows it.
        pub over_minutes: u32,
        /// Well is so many per cent of moisture inside the limit, so that a value that swings
        /// around it is one alert; a quarter of a narrow band at most.
        pub moisture_margin: u32,
        /// The same in degrees Celsius.
        pub temperature_margin: u32,
        /// A plant is silent when no reading comes for so many minutes (a sensor sends one every 30
        /// seconds), 3 at least; 0 tells nobody.
        pub silent_minutes: u32,
        /// A sensor is stuck when the means of its quarters of an hour do not change beyond its
        /// noise for so many hours; 0 never is. In a day even a slow pot loses more than that.
        pub stuck_hours: u32,
        /// A sensor's noise in moisture, in hundredths of a per cent.
        pub noise_hundredths: u32,
        /// What lasts and nobody has seen to is told again after so many hours; 0 tells it once. A
        /// plant that stays dry is told of by each window of six hours.
        pub repeat_hours: u32,
    }
}

section! {
    /// The `[wifi]` section.
    pub struct Wifi {
        /// What tshark's SSIDs are written in: `text` (up to 3.6), `hex` (from 4.0 on), or `auto`,
        /// which finds out from the stream. A record's `ssid-encoding` header says it better.
        pub ssid_encoding: SsidEncoding,
        /// A randomised address is forgotten when it was not heard for so many days, and begins
        /// anew if it comes back; 0 keeps it for ever.
        pub random_retention_days: u32,
        /// After an alert about a device and a network, further probes of the same two are counted
        /// and not told for so many minutes; 0 tells of every frame.
        pub cooldown_minutes: u32,
        /// A watched device that is not heard for so many minutes while others are is gone.
        pub absent_minutes: u32,
        /// A device whose address is its maker's and that was never heard before is news, but for
        /// the first so many hours.
        pub learning_hours: u32,
        /// Networks of the neighbourhood that are never news, however much they look like a watched
        /// one: their names, or `hex:` and their bytes.
        #[serde(deserialize_with = "network_names")]
        pub local_ssids: Vec<NetworkName>,
    }
}

section! {
    /// The `[sensor]` section.
    pub struct Sensor {
        /// Where the bot answers over HTTP, such as `http://pi.local:8080`; `http.token` is shown
        /// to it. Without it readings go into the event log: the one of `data_dir`, or Kafka.
        pub url: Option<BotUrl>,
        /// The I2C bus.
        #[serde(deserialize_with = "path")]
        pub bus: PathBuf,
        /// Every sensor is read once in so many seconds.
        pub interval_seconds: u32,
        /// For so many minutes after the machine's start its clock is gone by only if it was set
        /// since then: without a battery it begins where it stood at the last stop.
        pub clock_wait_minutes: u16,
        /// What a sensor's raw value is in dry and in wet soil, by its id:
        /// `"0x36" = [412, 987]`. It wins over what `sensor calibrate` kept in `data_dir`.
        pub calibration: BTreeMap<String, Calibration>,
    }
}

section! {
    /// A `[topics.<default name>]` section.
    #[derive(Default)]
    pub struct Topic {
        /// The topic's name, where it is not the default one.
        #[serde(deserialize_with = "optional_text")]
        pub name: Option<String>,
        /// How many partitions it gets when it is created.
        pub partitions: Option<i32>,
        /// Whether the bot writes it, where it is a topic of results. Without it
        /// `houseplant-low-readings` is written and `pcap-stats` is not: in the embedded log that
        /// would store every device twice.
        pub publish: Option<bool>,
        /// What its values are written in: `avro` (single-object encoding), `confluent`, `json` or
        /// `text`. By default `confluent` with a schema registry, else `json` on Kafka and `avro`
        /// in the embedded log; what others write as JSON or text is that.
        pub format: Option<TopicFormat>,
        /// A stream that was alive and brings no record for so many minutes is told to have
        /// stalled; 0 never is.
        pub stall_minutes: Option<u32>,
    }
}

impl Default for Config {
    fn default() -> Config {
        Config {
            data_dir: PathBuf::from("./windowsill-data"),
            time_zone: TimeZone::UTC,
            log_filter: "info".to_owned(),
            alert_max_age_hours: 12,
            clock_lag_ms: 2000,
            telegram: Telegram::default(),
            webhook: Webhook::default(),
            http: Http::default(),
            embedded_log: EmbeddedLog::default(),
            kafka: Kafka::default(),
            schema_registry: SchemaRegistry::default(),
            plants: Plants::default(),
            wifi: Wifi::default(),
            sensor: Sensor::default(),
            topics: BTreeMap::new(),
            origins: BTreeMap::new(),
        }
    }
}

impl Default for Telegram {
    fn default() -> Telegram {
        Telegram {
            token: None,
            token_file: None,
            api_url: "https://api.telegram.org".to_owned(),
            allowed_chats: Vec::new(),
            owners: Vec::new(),
        }
    }
}

impl Default for Webhook {
    fn default() -> Webhook {
        Webhook {
            url: None,
            secret: None,
            secret_file: None,
            ngrok_api: "http://127.0.0.1:4040".to_owned(),
            check_every_seconds: 60,
        }
    }
}

impl Default for EmbeddedLog {
    fn default() -> EmbeddedLog {
        EmbeddedLog {
            retention_days: 91,
            retention_bytes: 1024 * 1024 * 1024,
            delete_retention_hours: 24,
        }
    }
}

impl Default for Kafka {
    fn default() -> Kafka {
        Kafka {
            brokers: None,
            create_topics: true,
            replication_factor: None,
            topic_prefix: String::new(),
            properties: Properties::default(),
        }
    }
}

impl Default for SchemaRegistry {
    fn default() -> SchemaRegistry {
        SchemaRegistry {
            url: None,
            user: None,
            password: None,
            password_file: None,
            ca_certificates: None,
            register: true,
        }
    }
}

impl Default for Http {
    fn default() -> Http {
        Http {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            token: None,
            token_file: None,
        }
    }
}

impl Plants {
    /// After how long without a reading a plant is told to be silent, in ms; `None`: never.
    pub fn silence_told_after_ms(&self) -> Option<i64> {
        (self.silent_minutes > 0).then_some(i64::from(self.silent_minutes) * MINUTE_MS)
    }

    /// The same for whoever looks at plants: an old reading is never shown as if it were new.
    pub fn silent_after_ms(&self) -> i64 {
        let usual_ms = i64::from(Plants::default().silent_minutes) * MINUTE_MS;
        self.silence_told_after_ms().unwrap_or(usual_ms)
    }
}

impl Default for Plants {
    fn default() -> Plants {
        Plants {
            low_readings_limit: 120,
            drying_minutes: 60,
            too_wet_hours: 12,
            temperature_minutes: 30,
            over_minutes: 30,
            moisture_margin: 2,
            temperature_margin: 1,
            silent_minutes: 10,
            stuck_hours: 24,
            noise_hundredths: 20,
            repeat_hours: 12,
        }
    }
}

impl Default for Wifi {
    fn default() -> Wifi {
        Wifi {
            ssid_encoding: SsidEncoding::default(),
            random_retention_days: 30,
            cooldown_minutes: 10,
            absent_minutes: 30,
            learning_hours: 24,
            local_ssids: Vec::new(),
        }
    }
}

impl Default for Sensor {
    fn default() -> Sensor {
        Sensor {
            url: None,
            bus: PathBuf::from("/dev/i2c-1"),
            interval_seconds: 30,
            clock_wait_minutes: 10,
            calibration: BTreeMap::new(),
        }
    }
}

impl Config {
    /// The event log's file.
    pub fn log_path(&self) -> PathBuf {
        self.data_dir.join("log.db")
    }

    /// The name in force of the topic that is called so by default.
    pub fn topic_name<'a>(&'a self, default_name: &'a str) -> Cow<'a, str> {
        let set = self.topics.get(default_name).and_then(|topic| topic.name.as_deref());
        match set {
            Some(name) => Cow::Borrowed(name),
            None if self.kafka.brokers.is_some() && !self.kafka.topic_prefix.is_empty() => {
                Cow::Owned(format!("{}{default_name}", self.kafka.topic_prefix))
            }
            None => Cow::Borrowed(default_name),
        }
    }

    /// The time after which the topic counts as stalled, if that is set.
    pub fn stall_minutes(&self, default_name: &str) -> Option<u32> {
        self.topics.get(default_name).and_then(|topic| topic.stall_minutes)
    }

    /// The partitions that are set for the topic, if any are.
    pub fn topic_partitions(&self, default_name: &str) -> Option<i32> {
        self.topics.get(default_name).and_then(|topic| topic.partitions)
    }
}

impl Config {
    /// Whether a topic of results is written; `by_default` where nobody has set it.
    pub fn publishes(&self, default_name: &str, by_default: bool) -> bool {
        let set = self.topics.get(default_name).and_then(|topic| topic.publish);
        set.unwrap_or(by_default)
    }
}

/// The sections with their keys, `topics` left out.
const SECTIONS: &[(&str, &[Key])] = &[
    ("telegram", Telegram::KEYS),
    ("webhook", Webhook::KEYS),
    ("http", Http::KEYS),
    ("embedded_log", EmbeddedLog::KEYS),
    ("kafka", Kafka::KEYS),
    ("schema_registry", SchemaRegistry::KEYS),
    ("plants", Plants::KEYS),
    ("wifi", Wifi::KEYS),
    ("sensor", Sensor::KEYS),
];

/// A secret's key, its value, and the file that may hold it instead.
struct SecretKey<'a> {
    name: &'static str,
    value: &'a mut Option<Secret>,
    file: Option<&'a PathBuf>,
}

impl Config {
    /// Every secret. Each has a key `<name>_file` beside it.
    fn secrets(&mut self) -> [SecretKey<'_>; 4] {
        let (telegram, webhook) = (&mut self.telegram, &mut self.webhook);
        let http = &mut self.http;
        let registry = &mut self.schema_registry;
        [
            SecretKey {
                name: "telegram.token",
                value: &mut telegram.token,
                file: telegram.token_file.as_ref(),
            },
            SecretKey {
                name: "webhook.secret",
                value: &mut webhook.secret,
                file: webhook.secret_file.as_ref(),
            },
            SecretKey {
                name: "http.token",
                value: &mut http.token,
                file: http.token_file.as_ref(),
            },
            SecretKey {
                name: "schema_registry.password",
                value: &mut registry.password,
                file: registry.password_file.as_ref(),
            },
        ]
    }
}

/// The paths of all keys, sections and the parts of `topics` left out.
fn key_paths() -> Vec<String> {
    let top = Config::KEYS.iter().filter(|key| key.name != "origins");
    let top = top.map(|key| key.name.to_owned());
    let inner = SECTIONS
        .iter()
        .flat_map(|(section, keys)| keys.iter().map(move |key| format!("{section}.{}", key.name)));
    top.chain(inner).collect()
}

#[cfg(test)]
mod tests;
