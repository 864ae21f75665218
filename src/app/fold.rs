//! `windowsill fold`: process what is in the log, close what the clock allows, and say what it was.

use std::io::Write;

use serde_json::json;

use super::house::{Failure, House};
use crate::cli::Fold;
use crate::config::Config;
use crate::engine::{EngineError, FoldSummary, PassedOver, error_chain, publisher, results};
use crate::exit::Exit;
use crate::rooms::{self, Pipe};

pub(super) async fn fold(config: &Config, options: &Fold) -> Result<Exit, Failure> {
    let house = House::open(config, None).await?;
    let pipelines = house.pipelines(config);
    if options.accept_loss {
        for pipeline in &pipelines {
            accept_loss(pipeline.as_ref()).await?;
        }
    }
    let summaries = catch_up(&house, &pipelines).await?;
    drop(pipelines);
    house.close().await;
    print(&summaries, options.json);
    Ok(Exit::Done)
}

/// Says what is passed over; nobody may be there to read it.
async fn accept_loss(pipeline: &dyn Pipe) -> Result<(), Failure> {
    let lost = pipeline.accept_loss().await.map_err(|error| failed(pipeline, &error))?;
    for PassedOver { topic, partition, from_offset, first_offset } in lost {
        let _ = writeln!(
            std::io::stderr(),
            "{topic} partition {partition}: offsets {from_offset} to {} are gone and passed over",
            first_offset - 1
        );
    }
    Ok(())
}

fn failed(pipeline: &dyn Pipe, error: &EngineError) -> Failure {
    let reason = format!("pipeline {}: {}", pipeline.name(), error_chain(error));
    Failure::new(Exit::Errors, reason)
}

/// Folds what the log holds, one pipeline after the other, and does what follows from it.
pub(super) async fn catch_up(
    house: &House,
    pipelines: &[Box<dyn Pipe>],
) -> Result<Vec<FoldSummary>, Failure> {
    let summaries = fold_all(pipelines).await?;
    let publish = async {
        while publisher::publish_letters(&house.workshop).await? {}
        results::publish(&house.workshop, &rooms::results()).await
    };
    let published: Result<(), EngineError> = publish.await;
    if let Err(error) = published {
        // They are in the store; the next start carries them on.
        tracing::warn!(error = %error_chain(&error), "dead letters or results could not be published");
    }
    if let Err(error) = house.upkeep(pipelines).pass().await {
        // What was folded stands, and the next start keeps the log small.
        tracing::warn!(error = %error_chain(&error), "the event log was not kept small");
    }
    Ok(summaries)
}

/// Folds what the log holds, one pipeline after the other, and appends nothing to it.
pub(super) async fn fold_all(pipelines: &[Box<dyn Pipe>]) -> Result<Vec<FoldSummary>, Failure> {
    let mut summaries = Vec::with_capacity(pipelines.len());
    for pipeline in pipelines {
        let summary =
            pipeline.catch_up().await.map_err(|error| failed(pipeline.as_ref(), &error))?;
        summaries.push(summary);
    }
    Ok(summaries)
}

pub(super) fn print(summaries: &[FoldSummary], as_json: bool) {
    let mut out = std::io::stdout().lock();
    // A closed pipe is the reader's choice.
    if as_json {
        let _ = writeln!(out, "{}", json!({ "pipelines": summaries }));
        return;
    }
    for summary in summaries {
        let _ = writeln!(
            out,
            "{}: {} records, {} late, {} dead letters, {} windows closed, {:.2} s ({:.0}/s)",
            summary.name,
            summary.records,
            summary.late,
            summary.dead_letters,
            summary.windows_closed,
            summary.seconds,
            summary.records_per_second
        );
    }
}
