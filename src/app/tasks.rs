//! The named tasks of a running instance: the end of any ends the process, with its name.

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{oneshot, watch};
use tokio::task::{Id, JoinError, JoinSet};

use crate::background;
use crate::crash;
use crate::engine::error_chain;

/// How long tasks may take to finish what they have begun. With what `House::close` may take, a
/// stop ends within ten seconds.
const GRACE: Duration = Duration::from_secs(7);

/// A task that ended although nobody asked it to.
#[derive(Debug, thiserror::Error)]
#[error("task {name} ended: {reason}")]
pub(super) struct TaskEnded {
    pub(super) name: &'static str,
    pub(super) reason: String,
}

/// Tasks, and the signal that ends them.
pub(super) struct Tasks {
    set: JoinSet<Result<(), String>>,
    names: HashMap<Id, &'static str>,
    stop: watch::Sender<bool>,
    /// The first that ended although nobody had asked it to.
    ended: Option<(&'static str, Result<(), String>)>,
}

impl Tasks {
    pub(super) fn new() -> Tasks {
        let stop = watch::Sender::new(false);
        Tasks { set: JoinSet::new(), names: HashMap::new(), stop, ended: None }
    }

    /// Turns true when everything is to end.
    pub(super) fn stop(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    pub(super) fn spawn<E>(
        &mut self,
        name: &'static str,
        task: impl Future<Output = Result<(), E>> + Send + 'static,
    ) where
        E: std::error::Error + 'static,
    {
        self.spawn_on(&Handle::current(), name, task);
    }

    /// The same for what gives way to whatever a person waits for.
    pub(super) fn spawn_behind<E>(
        &mut self,
        name: &'static str,
        task: impl Future<Output = Result<(), E>> + Send + 'static,
    ) where
        E: std::error::Error + 'static,
    {
        self.spawn_on(&background::handle(), name, task);
    }

    fn spawn_on<E>(
        &mut self,
        threads: &Handle,
        name: &'static str,
        task: impl Future<Output = Result<(), E>> + Send + 'static,
    ) where
        E: std::error::Error + 'static,
    {
        let named = async move {
            tokio::select! {
                result = task => result.map_err(|error| error_chain(&error)),
                reason = crash::end_of_task(name) => Err(reason),
            }
        };
        let handle = self.set.spawn_on(named, threads);
        self.names.insert(handle.id(), name);
    }

    /// Does something while they work. `None`: somebody asked to stop, or a task ended, before it
    /// was done; then `finish` is next.
    pub(super) async fn meanwhile<T>(
        &mut self,
        asked: impl Future<Output = ()>,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        tokio::select! {
            () = asked => None,
            Some(ended) = self.set.join_next_with_id() => {
                self.ended = Some(named(&self.names, ended));
                None
            }
            done = work => Some(done),
        }
    }

    /// Works until somebody asks to stop or a task ends by itself.
    pub(super) async fn run_until(&mut self, asked: impl Future<Output = ()>) {
        self.meanwhile(asked, std::future::pending::<()>()).await;
    }

    /// Asks every task to stop and lets it finish. `Err`: one has ended by itself, or failed.
    pub(super) async fn finish(mut self) -> Result<(), TaskEnded> {
        self.stop.send_replace(true);
        let rest = async {
            let mut failed = None;
            while let Some(ended) = self.set.join_next_with_id().await {
                let (name, result) = named(&self.names, ended);
                if let Err(reason) = result {
                    failed.get_or_insert(TaskEnded { name, reason });
                }
            }
            failed
        };
        let finished = tokio::time::timeout(GRACE, rest).await;
        if finished.is_err() {
            tracing::warn!(
                "some tasks did not finish in time; what they held is done at the next start"
            );
        }
        match self.ended {
            Some((name, Ok(()))) => {
                Err(TaskEnded { name, reason: "it had nothing left to do".to_owned() })
            }
            Some((name, Err(reason))) => Err(TaskEnded { name, reason }),
            None => finished.unwrap_or(None).map_or(Ok(()), Err),
        }
    }
}

impl Default for Tasks {
    fn default() -> Tasks {
        Tasks::new()
    }
}

type Ended = Result<(Id, Result<(), String>), JoinError>;

fn named(names: &HashMap<Id, &'static str>, ended: Ended) -> (&'static str, Result<(), String>) {
    let (id, result) = match ended {
        Ok(ended) => ended,
        // The error's own text would repeat the panic's, which may quote somebody.
        Err(error) => (error.id(), Err("it panicked".to_owned())),
    };
    (names.get(&id).copied().unwrap_or("unknown"), result)
}

/// Takes SIGTERM and SIGINT from here on. What it gives resolves at the first of them; the second
/// ends the process at once.
pub(super) fn asked_to_stop() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (ask, asked) = oneshot::channel();
    tokio::spawn(async move {
        either(&mut terminate, &mut interrupt).await;
        tracing::info!("stopping; a second signal stops at once");
        // Nobody waits any more when everything has ended by itself.
        let _ = ask.send(());
        either(&mut terminate, &mut interrupt).await;
        std::process::exit(130);
    });
    Ok(async move {
        // The task ends with the runtime only.
        let _ = asked.await;
    })
}

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}
