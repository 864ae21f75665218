//! How updates come in, as the configuration has it: by polling, or to a webhook.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use tokio::sync::watch;

use super::bot::fixed_access;
use super::house::Failure;
use super::tasks::Tasks;
use crate::config::{Config, WebhookUrl};
use crate::exit::Exit;
use crate::store::Store;
use crate::telegram::client::BotApi;
use crate::telegram::ingress::BotName;
use crate::telegram::polling;
use crate::telegram::webhook::ngrok::Agent;
use crate::telegram::webhook::{self, Address, Hook, Registrar, Registration};

/// How updates come in.
pub(super) enum Intake {
    Polling,
    Webhook { path: String, hook: Box<Hook>, registrar: Box<Registrar> },
}

impl Intake {
    /// `listen`: where the webhook's page is served.
    pub(super) async fn of_config(
        config: &Config,
        store: &Store,
        api: &BotApi,
        listen: SocketAddr,
        name: BotName,
    ) -> Result<Intake, Failure> {
        let Some(url) = &config.webhook.url else { return Ok(Intake::Polling) };
        let secret = match &config.webhook.secret {
            Some(secret) => secret.clone(),
            None => webhook::kept_secret(store).await?,
        };
        let path = url.path().to_owned();
        let address = match url {
            WebhookUrl::Fixed(url) => Address::Fixed(url.clone()),
            WebhookUrl::Ngrok => {
                let agent = Agent::new(&config.webhook.ngrok_api, listen)
                    .map_err(|error| Failure::new(Exit::Fault, error.to_string()))?;
                Address::Ngrok(agent, path.clone())
            }
        };
        let hook = Hook {
            store: store.clone(),
            fixed: fixed_access(config),
            name,
            secret: secret.clone(),
            meter: api.meter().clone(),
        };
        let check_every = Duration::from_secs(config.webhook.check_every_seconds.into());
        let (api, store) = (api.clone(), store.clone());
        let fixed = fixed_access(config);
        let registrar = Registrar::new(api, store, fixed, address, secret, check_every);
        Ok(Intake::Webhook { path, hook: Box::new(hook), registrar: Box::new(registrar) })
    }

    /// How far the webhook is, where there is one.
    pub(super) fn registration(&self) -> Option<watch::Receiver<Registration>> {
        match self {
            Intake::Polling => None,
            Intake::Webhook { registrar, .. } => Some(registrar.registration()),
        }
    }

    /// The pages that Telegram calls, and what is left to be spawned.
    pub(super) fn open(self) -> (Router, Source) {
        match self {
            Intake::Polling => (Router::new(), Source::Polling),
            Intake::Webhook { path, hook, registrar } => {
                (webhook::routes(&path, *hook), Source::Webhook(registrar))
            }
        }
    }
}

/// The task that sees to it that updates come.
pub(super) enum Source {
    Polling,
    Webhook(Box<Registrar>),
}

impl Source {
    pub(super) fn is_polling(&self) -> bool {
        matches!(self, Source::Polling)
    }

    /// `name`: the bot's user name.
    pub(super) fn spawn(
        self,
        tasks: &mut Tasks,
        store: &Store,
        config: &Config,
        api: &BotApi,
        name: String,
    ) {
        let stop = tasks.stop();
        match self {
            Source::Polling => {
                let fixed = fixed_access(config);
                let polling = polling::run(store.clone(), api.clone(), fixed, name, stop);
                tasks.spawn("polling", polling);
            }
            Source::Webhook(registrar) => tasks.spawn("webhook", registrar.run(stop)),
        }
    }
}
