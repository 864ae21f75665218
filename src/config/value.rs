//! The types of single values, and how forgiving they are of the way they were written.
//!
//! Invariant: a secret shows itself to `reveal` only.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use reqwest::Url;
use serde::de::{Error, IntoDeserializer, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What stands for a secret wherever values are printed.
const REDACTED: &str = "<set>";

/// A text that must not be seen: a token, a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: String) -> Secret {
        Secret(text)
    }

    /// The secret itself, for the one place that sends it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(REDACTED)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(REDACTED)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(REDACTED)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
        text(deserializer).map(Secret)
    }
}

/// Where Telegram finds the webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebhookUrl {
    /// Wherever the local ngrok agent's tunnel begins.
    Ngrok,
    Fixed(Url),
}

impl WebhookUrl {
    /// Where the webhook is served if the URL names no path.
    const PATH: &str = "/telegram";
    /// Paths that the HTTP server has another use for.
    const TAKEN: [&str; 4] = ["/healthz", "/readyz", "/metrics", "/topics"];

    /// The path at which the webhook is served.
    pub fn path(&self) -> &str {
        match self {
            WebhookUrl::Fixed(url) => url.path(),
            WebhookUrl::Ngrok => WebhookUrl::PATH,
        }
    }

    /// Parses what a person wrote. Paths keep to characters that no router reads a meaning into.
    fn parse(text: &str) -> Option<WebhookUrl> {
        if text.eq_ignore_ascii_case("ngrok") {
            return Some(WebhookUrl::Ngrok);
        }
        let mut url = Url::parse(text).ok()?;
        let is_bare = url.query().is_none() && url.fragment().is_none();
        let names_nobody = url.username().is_empty() && url.password().is_none();
        let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
        let is_plain = |char: char| char.is_ascii_alphanumeric() || "/-_.~".contains(char);
        if !(is_bare && names_nobody && is_web && url.path().chars().all(is_plain)) {
            return None;
        }
        if WebhookUrl::TAKEN.iter().any(|taken| url.path().starts_with(taken)) {
            return None;
        }
        if url.path() == "/" {
            url.set_path(WebhookUrl::PATH);
        }
        Some(WebhookUrl::Fixed(url))
    }
}

impl Serialize for WebhookUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            WebhookUrl::Ngrok => serializer.serialize_str("ngrok"),
            WebhookUrl::Fixed(url) => serializer.serialize_str(url.as_str()),
        }
    }
}

impl<'de> Deserialize<'de> for WebhookUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<WebhookUrl, D::Error> {
        let written = text(deserializer)?;
        let expected = "an address such as https://bot.example.org/telegram, or ngrok";
        WebhookUrl::parse(&written)
            .ok_or_else(|| D::Error::invalid_value(Unexpected::Str(&written), &expected))
    }
}

/// Where a schema registry is. Who we are there has keys of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryUrl(Url);

impl RegistryUrl {
    pub fn get(&self) -> &Url {
        &self.0
    }

    fn parse(text: &str) -> Option<RegistryUrl> {
        server(text).map(RegistryUrl)
    }
}

/// The address of a server, with its path, without a slash at its end: one name for one place.
fn server(text: &str) -> Option<Url> {
    let mut url = Url::parse(text).ok()?;
    let is_bare = url.query().is_none() && url.fragment().is_none();
    let names_nobody = url.username().is_empty() && url.password().is_none();
    let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    (is_bare && names_nobody && is_web).then_some(url)
}

/// Where a running bot answers over HTTP. What it knows us by has a key of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BotUrl(Url);

impl BotUrl {
    /// Without a slash at its end.
    pub fn as_str(&self) -> &str {
        self.0.as_str().trim_end_matches('/')
    }
}

impl Serialize for BotUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for BotUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<BotUrl, D::Error> {
        let written = text(deserializer)?;
        let expected =
            "an address such as http://192.168.1.20:8080 (http.token has a key of its own)";
        // What was written may hold a password: it is not shown.
        server(&written)
            .map(BotUrl)
            .ok_or_else(|| D::Error::invalid_value(Unexpected::Other("something else"), &expected))
    }
}

impl Serialize for RegistryUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}

impl<'de> Deserialize<'de> for RegistryUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<RegistryUrl, D::Error> {
        let written = text(deserializer)?;
        let expected = "an address such as https://registry.example.org/apis/ccompat/v7 (user and \
                        password have keys of their own)";
        // What was written may hold a password: it is not shown.
        RegistryUrl::parse(&written)
            .ok_or_else(|| D::Error::invalid_value(Unexpected::Other("something else"), &expected))
    }
}

/// What the values of a topic are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TopicFormat {
    /// Avro single-object encoding.
    Avro,
    /// Confluent's wire format, with a schema registry.
    Confluent,
    Json,
    /// Any bytes; those that are UTF-8 are shown as text.
    Text,
}

impl TopicFormat {
    pub fn name(self) -> &'static str {
        match self {
            TopicFormat::Avro => "avro",
            TopicFormat::Confluent => "confluent",
            TopicFormat::Json => "json",
            TopicFormat::Text => "text",
        }
    }
}

/// An address to listen on.
pub(super) fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let written = text(deserializer)?;
    written.parse().map_err(|_| {
        let expected = "an address and a port such as 127.0.0.1:8080";
        D::Error::invalid_value(Unexpected::Str(&written), &expected)
    })
}

/// What SSIDs are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SsidEncoding {
    #[default]
    Auto,
    Text,
    Hex,
}

/// What a Wi-Fi network is called: 1 to 32 bytes, as text or as `hex:` and two digits a byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkName {
    written: String,
    bytes: Vec<u8>,
}

impl NetworkName {
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Serialize for NetworkName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.written)
    }
}

impl<'de> Deserialize<'de> for NetworkName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<NetworkName, D::Error> {
        const LONGEST_BYTES: usize = 32;
        let written = text(deserializer)?;
        let bytes = match written.strip_prefix("hex:") {
            None => Some(written.clone().into_bytes()),
            Some(digits) => hex_bytes(digits),
        };
        let fits = |bytes: &Vec<u8>| (1..=LONGEST_BYTES).contains(&bytes.len());
        bytes.filter(fits).map(|bytes| NetworkName { written: written.clone(), bytes }).ok_or_else(
            || {
                let expected = "a network's name of 1 to 32 bytes, or hex: and two digits a byte";
                D::Error::invalid_value(Unexpected::Str(&written), &expected)
            },
        )
    }
}

/// Names of networks: a list, or text with commas as the environment has it.
pub(super) fn network_names<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<NetworkName>, D::Error> {
    struct Names;
    impl<'de> Visitor<'de> for Names {
        type Value = Vec<NetworkName>;

        fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            out.write_str("a list of networks' names such as [\"Home\", \"hex:00ff\"]")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Vec<NetworkName>, E> {
            let bare = text.trim();
            let inner = bare.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
            let parts = inner.unwrap_or(bare).split(',');
            let parts = parts.map(|part| part.trim().trim_matches('"'));
            let parts = parts.filter(|part| !part.is_empty());
            parts.map(|part| NetworkName::deserialize(part.into_deserializer())).collect()
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<NetworkName>, A::Error> {
            let mut names = Vec::new();
            while let Some(name) = list.next_element()? {
                names.push(name);
            }
            Ok(names)
        }
    }
    deserializer.deserialize_any(Names)
}

fn hex_bytes(digits: &str) -> Option<Vec<u8>> {
    let byte = |pair: &[u8]| {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
        u8::from_str_radix(pair, 16).ok()
    };
    digits.as_bytes().chunks(2).map(byte).collect()
}

/// A time zone by its name in the tz database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeZone(chrono_tz::Tz);

impl TimeZone {
    pub const UTC: TimeZone = TimeZone(chrono_tz::UTC);

    pub fn get(self) -> chrono_tz::Tz {
        self.0
    }
}

impl Serialize for TimeZone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name())
    }
}

impl<'de> Deserialize<'de> for TimeZone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<TimeZone, D::Error> {
        let name = text(deserializer)?;
        name.parse().map(TimeZone).map_err(|_| {
            D::Error::invalid_value(Unexpected::Str(&name), &"a name such as Europe/Berlin")
        })
    }
}

/// Text; a number in the environment that was meant as text is text again.
pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    struct Text;
    impl Visitor<'_> for Text {
        type Value = String;

        fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            out.write_str("text")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
            Ok(text.to_owned())
        }

        fn visit_i64<E: Error>(self, number: i64) -> Result<String, E> {
            Ok(number.to_string())
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<String, E> {
            Ok(number.to_string())
        }
    }
    deserializer.deserialize_any(Text)
}

/// Yes or no; the environment has it as text.
pub(super) fn truth<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    struct Truth;
    impl Visitor<'_> for Truth {
        type Value = bool;

        fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            out.write_str("true or false")
        }

        fn visit_bool<E: Error>(self, truth: bool) -> Result<bool, E> {
            Ok(truth)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<bool, E> {
            text.parse().map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
        }
    }
    deserializer.deserialize_any(Truth)
}

pub(super) fn optional_text<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    text(deserializer).map(Some)
}

pub(super) fn path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    text(deserializer).map(PathBuf::from)
}

pub(super) fn optional_path<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<PathBuf>, D::Error> {
    path(deserializer).map(Some)
}

/// Numbers of chats or people: a list, one number, or text with commas as the environment has it.
pub(super) fn ids<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<i64>, D::Error> {
    struct Ids;
    impl<'de> Visitor<'de> for Ids {
        type Value = Vec<i64>;

        fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            out.write_str("a list of whole numbers such as [1, -1002]")
        }

        fn visit_i64<E: Error>(self, id: i64) -> Result<Vec<i64>, E> {
            Ok(vec![id])
        }

        fn visit_u64<E: Error>(self, id: u64) -> Result<Vec<i64>, E> {
            let id = i64::try_from(id);
            id.map(|id| vec![id]).map_err(|_| E::invalid_value(Unexpected::Other("it"), &self))
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Vec<i64>, E> {
            let bare = text.trim();
            let inner = bare.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
            let parts = inner.unwrap_or(bare).split(',').map(str::trim);
            let parts = parts.filter(|part| !part.is_empty());
            let parsed: Result<Vec<i64>, _> = parts.map(str::parse).collect();
            parsed.map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<i64>, A::Error> {
            let mut ids = Vec::new();
            while let Some(id) = list.next_element()? {
                ids.push(id);
            }
            Ok(ids)
        }
    }
    deserializer.deserialize_any(Ids)
}
