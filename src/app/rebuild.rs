//! `windowsill rebuild`: empty the views and fold the log from its start, silent up to where it
//! stood.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::fold;
use super::house::{Failure, House};
use super::log;
use super::meter::{Meter, say};
use crate::cli::Rebuild;
use crate::config::Config;
use crate::crash;
use crate::engine::error_chain;
use crate::engine::rebuild::{Loss, Plan};
use crate::exit::Exit;
use crate::kernel::when;
use crate::rooms::Pipe;
use crate::store::past::Progress;
use crate::store::{Store, StoreError, Urgency, past};

/// How often progress is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

type Pipes = Arc<Vec<Box<dyn Pipe>>>;

pub(super) async fn rebuild(config: &Config, options: &Rebuild) -> Result<Exit, Failure> {
    log::expect_there(config)?;
    let house = House::open(config, None).await?;
    let store = house.workshop.store.clone();
    let pipes: Pipes = Arc::new(house.pipelines(config));
    if progress(&store).await?.is_empty() {
        let plans = plan(&pipes).await?;
        let losses: Vec<&Loss> = plans.iter().flat_map(|plan| &plan.losses).collect();
        print_losses(&losses, config, options.json);
        if !losses.is_empty() && !options.accept_loss {
            house.close().await;
            let reason = "nothing was touched; `windowsill rebuild --accept-loss` goes on without \
                          what is gone";
            return Err(Failure::new(Exit::Usage, reason));
        }
        begin(&store, &pipes, plans).await?;
    } else {
        say("going on with the rebuild that was interrupted");
    }
    let meter = tokio::spawn(watch(store));
    let summaries = fold::catch_up(&house, &pipes).await;
    meter.abort();
    // It may have drawn half a line.
    drop(meter.await);
    drop(pipes);
    house.close().await;
    fold::print(&summaries?, options.json);
    Ok(Exit::Done)
}

async fn plan(pipes: &Pipes) -> Result<Vec<Plan>, Failure> {
    let mut plans = Vec::with_capacity(pipes.len());
    for pipe in pipes.iter() {
        let plan = pipe.plan_rebuild().await.map_err(|error| {
            let reason = format!("pipeline {}: {}", pipe.name(), error_chain(&error));
            Failure::new(Exit::Errors, reason)
        })?;
        plans.push(plan);
    }
    Ok(plans)
}

/// Empties the views of every pipeline, all or none.
async fn begin(store: &Store, pipes: &Pipes, plans: Vec<Plan>) -> Result<(), StoreError> {
    let pipes = Arc::clone(pipes);
    crash::point("before-rebuild");
    store
        .write(Urgency::Bulk, move |db| {
            Box::pin(async move {
                for (pipe, plan) in pipes.iter().zip(&plans) {
                    pipe.empty(db, plan).await?;
                }
                Ok(())
            })
        })
        .await?;
    crash::point("after-rebuild-began");
    Ok(())
}

/// The list comes first, whether it is accepted or not.
fn print_losses(losses: &[&Loss], config: &Config, as_json: bool) {
    if losses.is_empty() {
        return;
    }
    if as_json {
        let _ = writeln!(std::io::stdout(), "{}", json!({ "lost": losses }));
        return;
    }
    say("the log no longer holds all that these views were folded from; they would lose");
    let zone = config.time_zone.get();
    for loss in losses {
        let (from, to) = (when::date(loss.from_ms, zone), when::date(loss.to_ms, zone));
        say(&format!("  {} of {}: from {from} to {to}", loss.view, loss.pipeline));
    }
}

async fn progress(store: &Store) -> Result<Vec<Progress>, StoreError> {
    store.read(|db| Box::pin(async move { past::progress(db).await })).await
}

/// Shows how far a rebuild has come until its past is folded; what is new since then follows.
async fn watch(store: Store) {
    let mut meter = Meter::new("rebuilding");
    // What cannot be read at this moment is shown at the next.
    loop {
        if let Ok(rebuilds) = progress(&store).await {
            if rebuilds.is_empty() {
                meter.finish("rebuilt up to where it stood");
                return;
            }
            let done = rebuilds.iter().map(|it| it.done).sum();
            let total = rebuilds.iter().map(|it| it.total).sum();
            meter.show(&Progress { pipeline: String::new(), done, total });
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
