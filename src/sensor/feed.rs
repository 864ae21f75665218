//! The other end: the event log itself, or a running bot over HTTP.
//!
//! Invariant: what is answered as delivered is durable there, and there once, however often it was
//! sent (`log::once`).

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::mapping::{self, Mapping, Plants};
use super::queue::Queued;
use crate::config::{BotUrl, Secret};
use crate::engine::error_chain;
use crate::log::once::{self, Ends, Once, OnceError};
use crate::log::topics::{Topic, Topics};
use crate::log::{EventLog, LogError};
use crate::ops::topic::{self, Begin, LineFormat, LineParser, Lines, Piece};

/// The stream's default name.
pub const READINGS: &str = "houseplant-readings";
/// The header in which a sensor names itself (contract).
const SENSOR_HEADER: &str = "sensor-id";
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// Longer than the log of the other end may take to find out that its cluster is away.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// Why the other end did not take something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FeedError {
    /// It does not answer, or cannot at the moment.
    #[error("{0}")]
    Away(String),
    /// It answers, and not as it should: somebody has to see to it.
    #[error("{0}")]
    Refused(String),
}

impl FeedError {
    /// What it is the same trouble as: that nobody answers has many words.
    pub fn trouble(&self) -> &str {
        match self {
            FeedError::Away(_) => "away",
            FeedError::Refused(reason) => reason,
        }
    }
}

/// What became of readings that were sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// The other end had them already.
    pub repeated: usize,
    /// How many will never be taken, and why the first of them are not.
    pub refused: usize,
    pub reasons: Vec<String>,
    pub ends: Ends,
}

/// The other end.
pub enum Feed {
    Log(LogFeed),
    Http(HttpFeed),
}

/// An event log that this process uses itself.
pub struct LogFeed {
    log: Arc<dyn EventLog>,
    topics: Topics,
    once: Once,
}

/// A bot that runs elsewhere.
pub struct HttpFeed {
    client: Client,
    url: String,
    token: Secret,
}

/// How far the mapping is followed.
#[derive(Default)]
pub struct Follower {
    mapping: Mapping,
    /// The table being read, where the log is at hand.
    lines: Option<Lines>,
    /// A bot elsewhere has just answered.
    asked: bool,
}

impl From<LogError> for FeedError {
    fn from(error: LogError) -> FeedError {
        let reason = error_chain(&error);
        match error.is_transient() {
            true => FeedError::Away(reason),
            false => FeedError::Refused(reason),
        }
    }
}

impl From<reqwest::Error> for FeedError {
    fn from(error: reqwest::Error) -> FeedError {
        // Where it is was configured, and what was asked is of no interest.
        FeedError::Away(format!("the bot does not answer: {}", error_chain(&error.without_url())))
    }
}

impl Feed {
    /// Sends readings of the queue of this name. `since`: where the topic ended before any of them
    /// was first sent.
    pub async fn deliver(
        &self,
        queue: &str,
        readings: &[Queued],
        since: &Ends,
    ) -> Result<Delivered, FeedError> {
        let lines: String = readings.iter().map(|queued| line(queue, queued)).collect();
        match self {
            Feed::Log(feed) => feed.deliver(&lines, since.clone()).await,
            Feed::Http(feed) => feed.deliver(lines, Some(since)).await,
        }
    }

    /// Where the readings' topic ends.
    pub async fn ends(&self) -> Result<Ends, FeedError> {
        match self {
            Feed::Log(feed) => {
                feed.topics.create(feed.log.as_ref()).await?;
                let found = feed.topics.get(READINGS)?;
                Ok(Ends::of(feed.log.as_ref(), &found.log_name).await?)
            }
            Feed::Http(feed) => Ok(feed.deliver(String::new(), None).await?.ends),
        }
    }

    /// The whole mapping, or `None` where its topic holds nothing at all: at once when it is first
    /// asked for, then when it may have changed. A bot elsewhere is asked every so often.
    pub async fn plants(
        &self,
        follower: &mut Follower,
        every: Duration,
    ) -> Result<Option<Plants>, FeedError> {
        match self {
            Feed::Log(feed) => feed.follow(follower).await,
            Feed::Http(feed) => {
                // After a failure whoever asks has waited already.
                if std::mem::take(&mut follower.asked) {
                    tokio::time::sleep(every).await;
                }
                let text = feed.get(mapping::TOPIC).await?;
                let mut mapping = Mapping::default();
                mapping.take(&text).map_err(senseless)?;
                follower.asked = true;
                Ok(mapping.plants())
            }
        }
    }
}

/// A reading as `topic write` takes it.
fn line(queue: &str, queued: &Queued) -> String {
    let place = once::Place { queue: queue.to_owned(), number: queued.number };
    let line = json!({
        "key": queued.plant_id.to_string(),
        "value": {
            "plant_id": queued.plant_id,
            "moisture": f64::from(queued.moisture) / 1000.0,
            "temperature": f64::from(queued.temperature) / 1000.0,
        },
        "ts": queued.at_ms,
        "headers": [[SENSOR_HEADER, queued.sensor_id], [once::HEADER, place.to_string()]],
    });
    format!("{line}\n")
}

impl LogFeed {
    pub fn new(log: Arc<dyn EventLog>, topics: Topics) -> LogFeed {
        LogFeed { log, topics, once: Once::default() }
    }

    async fn deliver(&self, lines: &str, since: Ends) -> Result<Delivered, FeedError> {
        let log = self.log.as_ref();
        self.topics.create(log).await?;
        let found: &Topic = self.topics.get(READINGS)?;
        self.topics.prepare(found).await.map_err(LogError::from)?;
        let partitions = log.partitions(&found.log_name).await?;
        let parser = LineParser::new(found, LineFormat::Record, Vec::new(), partitions);
        // Every line says its time.
        let parsed = topic::parse_lines(lines.as_bytes(), &parser, 0);
        let log = self.log.clone();
        let done = self.once.append(log, &found.log_name, since, parsed.records).await;
        let done = done.map_err(|error| match error {
            OnceError::Log(error) => error.into(),
            OnceError::Place(reason) => FeedError::Refused(reason),
        })?;
        let unread = parsed.rejected.into_iter().map(|(_, reason)| reason);
        let untaken = done.refused.into_iter().map(|(_, reason)| reason);
        let reasons: Vec<String> = unread.chain(untaken).collect();
        let (repeated, refused, ends) = (done.repeated, reasons.len(), done.ends);
        Ok(Delivered { repeated, refused, reasons, ends })
    }

    async fn follow(&self, follower: &mut Follower) -> Result<Option<Plants>, FeedError> {
        // Whatever fails is read anew from the start.
        let mut lines = match follower.lines.take() {
            Some(lines) => lines,
            None => {
                self.topics.create(self.log.as_ref()).await?;
                follower.mapping = Mapping::default();
                let found = self.topics.get(mapping::TOPIC)?;
                Lines::open(self.log.as_ref(), &self.topics, found, Begin::Start).await?
            }
        };
        loop {
            match lines.next().await? {
                Piece::Lines(text) => follower.mapping.take(&text).map_err(senseless)?,
                Piece::CaughtUp if lines.is_at_end() => break,
                Piece::CaughtUp => {}
            }
        }
        follower.lines = Some(lines);
        Ok(follower.mapping.plants())
    }
}

/// What the bot answers to lines.
#[derive(Deserialize)]
struct Answer {
    repeated: usize,
    rejected: usize,
    reasons: Vec<Reason>,
    ends: String,
}

#[derive(Deserialize)]
struct Reason {
    reason: String,
}

impl HttpFeed {
    pub fn new(url: &BotUrl, token: Secret) -> Result<HttpFeed, reqwest::Error> {
        let client = Client::builder()
            .connect_timeout(CONNECT_WITHIN)
            .timeout(ANSWER_WITHIN)
            // Where it is was said; nobody else is to see the token.
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(HttpFeed { client, url: url.as_str().to_owned(), token })
    }

    async fn deliver(&self, lines: String, since: Option<&Ends>) -> Result<Delivered, FeedError> {
        let mut request = self.client.post(format!("{}/topics/{READINGS}", self.url));
        if let Some(since) = since {
            request = request.query(&[("since", since.to_string())]);
        }
        let text = self.answer(request.body(lines)).await?;
        let answer: Answer =
            serde_json::from_str(&text).map_err(|error| senseless(error.to_string()))?;
        let ends = answer.ends.parse().map_err(senseless)?;
        let reasons = answer.reasons.into_iter().map(|reason| reason.reason).collect();
        let (repeated, refused) = (answer.repeated, answer.rejected);
        Ok(Delivered { repeated, refused, reasons, ends })
    }

    async fn get(&self, topic: &str) -> Result<String, FeedError> {
        self.answer(self.client.get(format!("{}/topics/{topic}", self.url))).await
    }

    /// The whole text of a good answer.
    async fn answer(&self, request: reqwest::RequestBuilder) -> Result<String, FeedError> {
        let response = request.bearer_auth(self.token.reveal()).send().await?;
        let status = response.status();
        let text = response.text().await?;
        if status == StatusCode::OK {
            return Ok(text);
        }
        let said: Option<serde_json::Value> = serde_json::from_str(&text).ok();
        let said = said.and_then(|said| Some(said.get("error")?.as_str()?.to_owned()));
        let said = said.unwrap_or_else(|| "sensor.url may lead to something else".to_owned());
        let reason = format!("the bot answers {status}: {said}");
        let passes = status.is_server_error()
            || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
        Err(if passes { FeedError::Away(reason) } else { FeedError::Refused(reason) })
    }
}

fn senseless(reason: String) -> FeedError {
    FeedError::Refused(format!("what answers is no bot of this version: {reason}"))
}
