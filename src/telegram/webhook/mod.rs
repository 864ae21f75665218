//! The webhook: Telegram's calls are taken in, and nobody else's.
//!
//! Invariant: 200 is answered only when the update is in the inbox; whatever else is answered,
//! nothing has changed.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::Value;
use subtle::ConstantTimeEq;

use super::access::FixedAccess;
use super::ingress::{self, BotName};
use super::meter::Meter;
use crate::config::Secret;
use crate::engine::error_chain;
use crate::store::{Store, StoreError, Urgency, intake};

pub mod ngrok;
mod registrar;

pub use registrar::{Address, Registrar, Registration, last_error};

/// The header in which Telegram repeats the secret (Bot API, `setWebhook`).
const SECRET_HEADER: &str = "x-telegram-bot-api-secret-token";
/// The largest update. Telegram's are some tens of KiB at most.
const BODY_MAX_BYTES: usize = 1024 * 1024;
/// How long a body may take to arrive.
const BODY_WITHIN: Duration = Duration::from_secs(30);
/// Bytes of a made-up secret.
const SECRET_BYTES: usize = 32;

/// What takes Telegram's calls in.
pub struct Hook {
    pub store: Store,
    pub fixed: FixedAccess,
    pub name: BotName,
    pub secret: Secret,
    pub meter: Arc<Meter>,
}

/// The webhook's page.
pub fn routes(path: &str, hook: Hook) -> Router {
    Router::new()
        .route(path, post(receive))
        .layer(DefaultBodyLimit::max(BODY_MAX_BYTES))
        .with_state(Arc::new(hook))
}

/// The secret that was made up for this bot, at the first call.
pub async fn kept_secret(store: &Store) -> Result<Secret, StoreError> {
    let mut bytes = [0; SECRET_BYTES];
    getrandom::fill(&mut bytes)
        .map_err(|error| StoreError::Unexpected(format!("no randomness: {error}")))?;
    let fresh: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let kept = store
        .write(Urgency::People, move |db| Box::pin(async move { intake::secret(db, &fresh).await }))
        .await?;
    Ok(Secret::new(kept))
}

async fn receive(State(hook): State<Arc<Hook>>, request: Request) -> StatusCode {
    let status = match hook.take(request).await {
        Ok(()) => StatusCode::OK,
        Err(status) => status,
    };
    hook.meter.count_webhook(status.as_u16());
    status
}

impl Hook {
    async fn take(&self, request: Request) -> Result<(), StatusCode> {
        if !self.is_telegram(request.headers()) {
            return Err(StatusCode::UNAUTHORIZED);
        }
        let body = tokio::time::timeout(BODY_WITHIN, Bytes::from_request(request, &()));
        let body = body.await.map_err(|_| StatusCode::REQUEST_TIMEOUT)?;
        let body = body.map_err(|rejection| rejection.status())?;
        let update: Value = serde_json::from_slice(&body).map_err(|_| StatusCode::BAD_REQUEST)?;
        ingress::update_id(&update).ok_or(StatusCode::BAD_REQUEST)?;
        // Before Telegram has said it, a command with any name is for another bot.
        let name = self.name.get().map_or("", String::as_str);
        let taken = ingress::take(&self.store, &self.fixed, name, vec![update]).await;
        taken.map_err(|error| {
            // Telegram keeps the update and delivers it again.
            tracing::error!(error = %error_chain(&error), "an update could not be stored");
            StatusCode::SERVICE_UNAVAILABLE
        })?;
        Ok(())
    }

    /// Compares in the same time wherever the two differ.
    fn is_telegram(&self, headers: &HeaderMap) -> bool {
        let Some(given) = headers.get(SECRET_HEADER) else { return false };
        given.as_bytes().ct_eq(self.secret.reveal().as_bytes()).into()
    }
}
