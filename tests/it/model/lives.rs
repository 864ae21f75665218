//! Processes that run the plants' pipeline on a bench, and how they end.

use tokio::sync::watch;
use tokio::task::JoinHandle;
use windowsill::engine::{EngineError, Runner, Views, Workshop};
use windowsill::rooms::plants::Plants;

use super::bench::{Bench, Outcome, PLANTS, one_life, outcome};
use super::impatient::Impatient;
use super::scripted_log::Fault;

/// How a process ends before it has caught up.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ending {
    CaughtUp,
    /// The log is away at this fetch; the same process begins again.
    LogFails(usize),
    /// The process dies when the log is asked for the n-th time.
    KilledAtFetch(usize),
    /// The process dies right after the n-th write to the store.
    KilledAfterWrite(u64),
}

/// The real room; each entry of its summaries passes for `weight`.
pub(crate) fn plants(weight: usize) -> Impatient<Plants> {
    Impatient { room: PLANTS, weight }
}

/// Runs a process until it has caught up, and says what the store holds then.
pub(crate) fn catch_up(bench: &Bench, weight: usize) -> Outcome {
    one_life(async {
        let workshop = bench.workshop().await;
        Runner::new(plants(weight), workshop.clone()).catch_up().await.unwrap();
        outcome(&workshop.store).await
    })
}

/// Runs a process until it has caught up or its ending comes.
pub(crate) fn live(bench: &Bench, weight: usize, ending: Ending) {
    live_as(bench, plants(weight), ending);
}

/// The same for any room.
pub(crate) fn live_as<V: Views>(bench: &Bench, room: V, ending: Ending) {
    one_life(async {
        let workshop = bench.workshop().await;
        let runner = Runner::new(room, workshop.clone());
        end(bench, &runner, &workshop, ending).await;
    });
    bench.log.disarm();
}

async fn end<V: Views>(bench: &Bench, runner: &Runner<V>, workshop: &Workshop, ending: Ending) {
    match ending {
        Ending::CaughtUp => drop(runner.catch_up().await.unwrap()),
        Ending::LogFails(fetch) => {
            bench.log.arm(Fault::Unavailable { fetch });
            if let Err(error) = runner.catch_up().await {
                assert!(error.is_transient(), "{error}");
                runner.catch_up().await.unwrap();
            }
        }
        Ending::KilledAtFetch(fetch) => {
            bench.log.arm(Fault::Stall { fetch });
            tokio::select! {
                caught_up = runner.catch_up() => drop(caught_up.unwrap()),
                () = bench.log.stalled() => {}
            }
        }
        Ending::KilledAfterWrite(writes) => {
            let mut changes = workshop.store.changes();
            tokio::select! {
                biased;
                _ = changes.wait_for(|count| *count >= writes) => {}
                caught_up = runner.catch_up() => drop(caught_up.unwrap()),
            }
        }
    }
}

/// A pipeline that runs beside the test.
pub(crate) struct Running {
    stop: watch::Sender<bool>,
    task: JoinHandle<Result<(), EngineError>>,
}

impl Running {
    pub(crate) fn start<V: Views>(room: V, workshop: &Workshop) -> Running {
        let runner = Runner::new(room, workshop.clone());
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(async move { runner.run(stopped).await });
        Running { stop, task }
    }

    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        self.task.await.unwrap().unwrap();
    }
}
