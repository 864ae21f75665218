//! Keeps the webhook set: registers its address with Telegram, and looks whether it still is ours.
//!
//! Invariant: it never takes a webhook away, not even at its end: a newer instance may have set it.

use std::time::{Duration, Instant};

use reqwest::Url;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::ngrok::{Agent, AgentError};
use crate::config::Secret;
use crate::engine::{error_chain, jittered};
use crate::kernel::time::LAST_EVENT_MS;
use crate::store::intake::{self, DeliveryError, Way};
use crate::store::{Store, StoreError, Urgency};
use crate::telegram::access::FixedAccess;
use crate::telegram::client::{BotApi, CALL_TIMEOUT, CallError};
use crate::telegram::ingress::{self, ALLOWED_UPDATES};

/// How often the ngrok agent is asked: after it began anew, the bot is deaf for so long at most.
const NGROK_EVERY: Duration = Duration::from_secs(3);
/// The first and the longest wait after Telegram did not take the webhook.
const FIRST_RETRY: Duration = Duration::from_millis(500);
const LONGEST_RETRY: Duration = Duration::from_secs(60);
/// Telegram delivers one update after the other, so that a chat's messages keep their order.
const MAX_CONNECTIONS: u8 = 1;

/// Where the webhook is.
pub enum Address {
    Fixed(Url),
    /// Wherever the agent's tunnel begins, at this path.
    Ngrok(Agent, String),
}

/// How far the webhook is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Registration {
    /// It is not set, for this reason.
    Waiting(String),
    Set,
}

/// Keeps the webhook set.
pub struct Registrar {
    api: BotApi,
    store: Store,
    fixed: FixedAccess,
    address: Address,
    secret: Secret,
    check_every: Duration,
    registration: watch::Sender<Registration>,
    /// What Telegram has from us.
    set: Option<Url>,
    checked: Option<Instant>,
    /// What Telegram last said, as the store has it.
    noted: (Option<i64>, Option<DeliveryError>),
    wait: Duration,
}

/// The last delivery that failed, by what `getWebhookInfo` gave. A time that is none is no error.
pub fn last_error(info: &Value) -> Option<DeliveryError> {
    let reason = info.get("last_error_message")?.as_str()?.to_owned();
    let at_s = info.get("last_error_date")?.as_i64()?;
    let at_ms = at_s.checked_mul(1000).filter(|at_ms| (0..=LAST_EVENT_MS).contains(at_ms))?;
    Some(DeliveryError { reason, at_ms })
}

/// Why the webhook is not set or not looked at.
#[derive(Debug, thiserror::Error)]
enum RegistrarError {
    #[error(transparent)]
    Agent(#[from] AgentError),
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Registrar {
    pub fn new(
        api: BotApi,
        store: Store,
        fixed: FixedAccess,
        address: Address,
        secret: Secret,
        check_every: Duration,
    ) -> Registrar {
        let waiting = Registration::Waiting("it begins".to_owned());
        Registrar {
            api,
            store,
            fixed,
            address,
            secret,
            check_every,
            registration: watch::Sender::new(waiting),
            set: None,
            checked: None,
            noted: (None, None),
            wait: FIRST_RETRY,
        }
    }

    /// How far the webhook is, at every time.
    pub fn registration(&self) -> watch::Receiver<Registration> {
        self.registration.subscribe()
    }

    /// Keeps it set until `stop` turns true.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) -> Result<(), StoreError> {
        ingress::begin(&self.store, Way::Webhook).await?;
        while !*stop.borrow() {
            let stepped = tokio::select! {
                _ = stop.changed() => break,
                stepped = self.step() => stepped,
            };
            let pause = match stepped {
                Ok(()) => {
                    self.wait = FIRST_RETRY;
                    match self.address {
                        Address::Fixed(_) => self.check_every,
                        Address::Ngrok(..) => NGROK_EVERY.min(self.check_every),
                    }
                }
                Err(RegistrarError::Store(StoreError::Closed)) => return Err(StoreError::Closed),
                Err(error) => self.pause_after(&error),
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = stop.changed() => {}
            }
        }
        Ok(())
    }

    async fn step(&mut self) -> Result<(), RegistrarError> {
        let url = match self.url().await {
            Ok(url) => url,
            Err(error) => {
                // What waits at Telegram can be told all the same.
                self.check().await?;
                return Err(error.into());
            }
        };
        if self.set.as_ref() != Some(&url) {
            self.register(url).await?;
        }
        self.registration.send_replace(Registration::Set);
        self.check().await
    }

    /// The address that the webhook is to have now.
    async fn url(&self) -> Result<Url, AgentError> {
        match &self.address {
            Address::Fixed(url) => Ok(url.clone()),
            Address::Ngrok(agent, path) => {
                let mut url = agent.public_url(self.set.as_ref()).await?;
                url.set_path(path);
                Ok(url)
            }
        }
    }

    async fn register(&mut self, url: Url) -> Result<(), CallError> {
        let params = json!({
            "url": url.as_str(),
            "secret_token": self.secret.reveal(),
            "allowed_updates": ALLOWED_UPDATES,
            "max_connections": MAX_CONNECTIONS,
        });
        self.api.call("setWebhook", &params, CALL_TIMEOUT).await?;
        tracing::info!(%url, "telegram delivers updates to the webhook");
        self.set = Some(url);
        self.checked = None;
        Ok(())
    }

    /// Asks Telegram, when it is time, whether the webhook is ours and what became of deliveries.
    async fn check(&mut self) -> Result<(), RegistrarError> {
        if self.checked.is_some_and(|at| at.elapsed() < self.check_every) {
            return Ok(());
        }
        let info = self.api.call("getWebhookInfo", &json!({}), CALL_TIMEOUT).await?;
        self.checked = Some(Instant::now());
        let url = info.get("url").and_then(Value::as_str).unwrap_or_default();
        if let Some(ours) = self.set.clone().filter(|ours| ours.as_str() != url) {
            tracing::warn!(
                found = url,
                "the webhook was changed by another program; I set it again"
            );
            ingress::note_rival(&self.store, &self.fixed).await?;
            self.register(ours).await?;
        }
        self.note(&info).await?;
        Ok(())
    }

    /// Stores what Telegram says, if it says something new.
    async fn note(&mut self, info: &Value) -> Result<(), StoreError> {
        let number = |key: &str| info.get(key).and_then(Value::as_i64);
        let said = (number("pending_update_count"), last_error(info));
        if said == self.noted {
            return Ok(());
        }
        if let Some(error) = said.1.as_ref().filter(|error| Some(*error) != self.noted.1.as_ref()) {
            let pending = said.0.unwrap_or(0);
            tracing::warn!(reason = error.reason, pending, "telegram could not deliver an update");
        }
        self.noted = said.clone();
        let (pending, last_error) = said;
        self.store
            .write(Urgency::Bulk, move |db| {
                Box::pin(
                    async move { intake::note_webhook(db, pending, last_error.as_ref()).await },
                )
            })
            .await
    }

    fn pause_after(&mut self, error: &RegistrarError) -> Duration {
        let reason = error_chain(error);
        // Once for each reason: an agent may be away for days.
        let is_news = self.registration.send_if_modified(|registration| {
            let waiting = Registration::Waiting(reason.clone());
            let is_news = *registration != waiting;
            *registration = waiting;
            is_news
        });
        if is_news {
            tracing::warn!(reason, "the webhook waits");
        }
        match error {
            RegistrarError::Agent(_) => NGROK_EVERY,
            RegistrarError::Call(CallError::Refused { retry_after_s: Some(seconds), .. }) => {
                Duration::from_secs(u64::try_from(*seconds).unwrap_or(1))
            }
            RegistrarError::Call(_) | RegistrarError::Store(_) => {
                let pause = jittered(self.wait);
                self.wait = (self.wait * 2).min(LONGEST_RETRY);
                pause
            }
        }
    }
}
