//! Delivers updates to the bot's webhook: one at a time, in order, until it says 2xx.

use std::time::Duration;

use reqwest::Client;
use serde_json::{Map, Value};

use super::methods;
use super::params::Params;
use super::server::perform_reply;
use super::shared::{Shared, Webhook, now_s};

/// Waits between attempts; the last one repeats.
const BACK_OFF_MS: [u64; 6] = [100, 200, 500, 1_000, 5_000, 10_000];
/// How long the bot may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// Runs until the server closes.
pub(super) async fn deliver(shared: &Shared) {
    let client = Client::builder().no_proxy().timeout(ANSWER_WITHIN).build();
    let client = match client {
        Ok(client) => client,
        Err(error) => {
            tracing::error!(%error, "no webhook can be called");
            return;
        }
    };
    tokio::select! {
        () = deliver_all(shared, &client) => {}
        () = shared.closed() => {}
    }
}

/// What is to be delivered next, and where.
struct Job {
    version: u64,
    webhook: Webhook,
    update_id: i64,
    update: Value,
}

async fn deliver_all(shared: &Shared, client: &Client) {
    let mut failures = 0;
    let mut version = 0;
    loop {
        let job = next_job(shared).await;
        if job.version != version {
            version = job.version;
            failures = 0;
        }
        match attempt(client, &job).await {
            Ok(reply) => {
                failures = 0;
                shared.act(|state| {
                    state.confirm(job.update_id + 1);
                });
                if let Some((method, params)) = reply {
                    perform_reply(shared, &method, &params).await;
                }
            }
            Err(error) => {
                note(shared, version, error);
                let wait_ms = BACK_OFF_MS[failures.min(BACK_OFF_MS.len() - 1)];
                failures += 1;
                back_off(shared, version, Duration::from_millis(wait_ms)).await;
            }
        }
    }
}

async fn next_job(shared: &Shared) -> Job {
    let mut changes = shared.changes();
    loop {
        changes.borrow_and_update();
        let found = shared.look(|state| {
            let webhook = state.delivery.webhook.clone()?;
            let (update_id, update) = state.world.updates.front().cloned()?;
            Some(Job { version: state.delivery.webhook_version, webhook, update_id, update })
        });
        if let Some(job) = found {
            return job;
        }
        // The sender lives as long as `shared`, so this only wakes.
        let _ = changes.changed().await;
    }
}

/// One delivery; a call in the answer's body comes back, parsed.
async fn attempt(client: &Client, job: &Job) -> Result<Option<(String, Params)>, String> {
    let mut request = client.post(&job.webhook.url).json(&job.update);
    if let Some(secret) = &job.webhook.secret {
        request = request.header("X-Telegram-Bot-Api-Secret-Token", secret);
    }
    let response = request.send().await.map_err(|error| reason(&error))?;
    let status = response.status();
    if !status.is_success() {
        let text = status.canonical_reason().unwrap_or_default();
        return Err(format!("Wrong response from the webhook: {} {text}", status.as_u16()));
    }
    let body = response.bytes().await.unwrap_or_default();
    Ok(reply_call(&body))
}

fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        "Read timeout expired".to_owned()
    } else if error.is_connect() {
        "Connection refused".to_owned()
    } else {
        "Connection closed".to_owned()
    }
}

fn reply_call(body: &[u8]) -> Option<(String, Params)> {
    let mut values: Map<String, Value> = serde_json::from_slice(body).ok()?;
    let method = values.remove("method")?;
    Some((methods::canonical(method.as_str()?), Params::new(values)))
}

fn note(shared: &Shared, version: u64, error: String) {
    shared.act(|state| {
        let is_same = state.delivery.webhook_version == version;
        if let Some(webhook) = state.delivery.webhook.as_mut().filter(|_| is_same) {
            webhook.last_error = Some((now_s(), error));
        }
    });
}

/// Waits, unless the webhook is set anew meanwhile.
async fn back_off(shared: &Shared, version: u64, time: Duration) {
    let set_anew = async {
        let mut changes = shared.changes();
        while shared.look(|state| state.delivery.webhook_version) == version {
            // The sender lives as long as `shared`, so this only wakes.
            let _ = changes.changed().await;
        }
    };
    tokio::select! {
        () = set_anew => {}
        () = tokio::time::sleep(time) => {}
    }
}
