//! The HTTP server of a running instance: one listener for whoever runs the bot, and for Telegram.
//!
//! Invariant: what is for whoever runs the bot is not there for a request that came through a
//! proxy or tunnel: a webhook opens this port to the world, and these pages are not for it. Those
//! that ask for no token are not there by a name that somebody else can register either.

use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;

mod exposition;
mod health;
mod host;
mod metrics;
mod operations;
mod serve;
mod topics;

pub use host::is_local;
pub use operations::{Operations, WatchedPipeline};
pub use serve::{Limits, serve};
pub use topics::{TopicPages, routes as topic_routes};

use crate::log::once::Once;

/// How long the store and the log may take to answer a page.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// What proxies and tunnels add to a request that they pass on.
const FORWARDED: [&str; 2] = ["x-forwarded-for", "forwarded"];

/// Why the server cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Something else listens there.
    #[error(
        "{0} is in use by another program; set http.listen to a free address, or to \
         127.0.0.1:0 to let the system pick a port"
    )]
    InUse(SocketAddr),
    #[error("cannot listen on {listen} (http.listen): {reason}")]
    Unusable { listen: SocketAddr, reason: String },
}

/// A server that listens already and answers once it runs.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    limits: Limits,
}

impl Server {
    pub async fn bind(listen: SocketAddr) -> Result<Server, BindError> {
        let refused = |error: std::io::Error| match error.kind() {
            ErrorKind::AddrInUse => BindError::InUse(listen),
            _ => BindError::Unusable { listen, reason: error.to_string() },
        };
        let listener = TcpListener::bind(listen).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        Ok(Server { listener, address, limits: Limits::default() })
    }

    /// The same with other limits.
    #[must_use]
    pub fn limited(self, limits: Limits) -> Server {
        Server { limits, ..self }
    }

    /// Where it listens: the port is the one that was picked.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop` turns true; requests that are under way are answered.
    pub async fn run(self, router: Router, stop: watch::Receiver<bool>) -> Result<(), Infallible> {
        serve(self.listener, self.limits, |_| router.clone(), stopped(stop)).await;
        Ok(())
    }
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // A sender that is gone has stopped too.
    drop(stop.wait_for(|stop| *stop).await);
}

/// The pages for whoever runs the bot, and for programs that know the token.
pub fn routes(operations: Operations) -> Router {
    let workshop = &operations.workshop;
    let topics = topics::routes(TopicPages {
        log: workshop.log.clone(),
        topics: workshop.topics.clone(),
        clock: workshop.clock.clone(),
        token: operations.token.clone(),
        once: Once::default(),
    });
    Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics::page))
        .with_state(operations)
        .layer(middleware::from_fn(only_local))
        .merge(topics)
        .layer(middleware::from_fn(only_direct))
}

/// Whoever has the token may come by any name; these pages ask for none.
async fn only_local(request: Request, next: Next) -> Response {
    let is_ours = |host: &HeaderValue| host.to_str().is_ok_and(is_local);
    if request.headers().get(header::HOST).is_none_or(is_ours) {
        return next.run(request).await;
    }
    let why = "open this page by an address, or by a name such as localhost, pi.local or a \
               container's: another name may be pointed here by somebody else\n";
    (StatusCode::FORBIDDEN, why).into_response()
}

async fn only_direct(request: Request, next: Next) -> Response {
    let is_forwarded = FORWARDED.iter().any(|name| request.headers().contains_key(*name));
    if is_forwarded {
        return StatusCode::NOT_FOUND.into_response();
    }
    next.run(request).await
}
