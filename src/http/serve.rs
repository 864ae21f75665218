//! Connections: so many at once, each with a bounded time for the head of a request.
//!
//! Invariant: nobody keeps a connection by saying nothing: one whose next head is not complete in
//! time is closed, and no more than the limit are open at once. Those beyond wait to be accepted.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long open connections may take to end when the server stops.
const LAST_ANSWERS_WITHIN: Duration = Duration::from_secs(1);

/// What connections may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// From the connection's begin, or from the last answer, to the end of the next head.
    pub head_within: Duration,
    /// Connections at once.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { head_within: Duration::from_secs(30), connections: 256 }
    }
}

/// Answers until `stop` resolves; requests that are under way then are answered. `router_for` says
/// what a connection is answered by.
pub async fn serve<L: Listener>(
    mut listener: L,
    limits: Limits,
    router_for: impl Fn(&L::Io) -> Router,
    stop: impl Future<Output = ()>,
) {
    let stopping = watch::Sender::new(false);
    let mut connections: JoinSet<()> = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            biased;
            () = &mut stop => break,
            // One whose handler panicked has told so; the others go on.
            Some(_) = connections.join_next() => {}
            (stream, _) = listener.accept(), if connections.len() < limits.connections => {
                let router = router_for(&stream);
                let stopped = stopping.subscribe();
                connections.spawn(answer(stream, router, limits.head_within, stopped));
            }
        }
    }
    drop(listener);
    stopping.send_replace(true);
    let ended = async { while connections.join_next().await.is_some() {} };
    // Whoever keeps a connection open longer finds it closed.
    let _ = tokio::time::timeout(LAST_ANSWERS_WITHIN, ended).await;
}

/// One connection to its end.
async fn answer<S>(
    stream: S,
    router: Router,
    head_within: Duration,
    mut stopped: watch::Receiver<bool>,
) where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_within)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    tokio::select! {
        // A caller who went away is no news.
        _ = &mut connection => return,
        // A sender that is gone has stopped too.
        _ = stopped.wait_for(|stopped| *stopped) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}
