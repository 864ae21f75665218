//! `windowsill migrate-log`: what it says, and its order of steps.

use std::io::Write;

use super::fold;
use super::house::{self, Failure, House, refuse_demo_folder};
use super::meter::{Meter, say};
use crate::cli::MigrateLog;
use crate::config::Config;
use crate::engine::error_chain;
use crate::exit::Exit;
use crate::log::EventLog;
use crate::log::embedded::EmbeddedLog;
use crate::log::kafka::KafkaLog;
use crate::log::topics::Topics;
use crate::ops::migrate::{self, MigrateError, Stage, Work};
use crate::rooms::Pipe;
use crate::store::carry::CarriedTopic;
use crate::store::past::Progress;

impl From<MigrateError> for Failure {
    fn from(error: MigrateError) -> Failure {
        match error {
            MigrateError::Log(error) => error.into(),
            MigrateError::Store(error) => error.into(),
            error if error.is_of_settings() => Failure::new(Exit::Usage, error_chain(&error)),
            error => Failure::new(Exit::Errors, error_chain(&error)),
        }
    }
}

pub(super) async fn migrate(config: &Config, options: &MigrateLog) -> Result<Exit, Failure> {
    let topics = house::topics(config)?;
    let cluster = KafkaLog::of_config(config, &topics)?;
    let mut before = config.clone();
    before.kafka.brokers = None;
    super::log::expect_there(&before)?;
    let house = House::open_to_carry(&before, None).await?;
    let done = match (house.log.embedded(), options.give_up, &cluster) {
        (None, ..) => Ok(()),
        (Some(log), true, _) => give_up(&house, log).await,
        (Some(_), false, None) => {
            let reason = "kafka.brokers is not set: where is the log to be carried?";
            Err(Failure::new(Exit::Usage, reason))
        }
        (Some(log), false, Some(cluster)) => carry(&before, &house, log, cluster, &topics).await,
    };
    if let Some(cluster) = cluster {
        cluster.close().await;
    }
    house.close().await;
    done.map(|()| Exit::Done)
}

async fn give_up(house: &House, log: &EmbeddedLog) -> Result<(), Failure> {
    let had_begun = migrate::give_up(log, &house.workshop.store).await?;
    say(match had_begun {
        true => {
            "log.db is in use again; what was carried stays in the cluster's topics: delete \
                 them before another attempt"
        }
        false => "nothing was being carried",
    });
    Ok(())
}

async fn carry(
    before: &Config,
    house: &House,
    log: &EmbeddedLog,
    cluster: &KafkaLog,
    topics: &Topics,
) -> Result<(), Failure> {
    refuse_demo_folder("migrate-log", &house.log, before).await?;
    let pipes = house.pipelines(before);
    let mut work = Work {
        from: log,
        to: cluster,
        from_topics: &house.workshop.topics,
        to_topics: topics,
        from_id: log.log_id().to_owned(),
        to_id: cluster.id().await?,
        store: &house.workshop.store,
        pipes: &pipes,
        closed_ms: 0,
    };
    let stage = work.stage().await?;
    if stage == Stage::Over {
        work.finish().await?;
        say("everything was carried before; `windowsill run` goes on in the cluster");
        return Ok(());
    }
    topics.create(cluster).await?;
    work.expect_room(&stage).await?;
    if stage == Stage::New {
        // What takes long is folded while others may still append.
        fold::catch_up(house, &pipes).await?;
    }
    work.close(&stage).await?;
    fold::fold_all(&pipes).await?;
    let carried = copy(&work).await?;
    let report = report(&carried, &pipes);
    let strangers = work.strangers().await?;
    work.swap(carried).await?;
    work.finish().await?;
    // A closed pipe is the reader's choice.
    let _ = std::io::stdout().write_all(report.as_bytes());
    if !strangers.is_empty() {
        say(&format!("not carried, as no topic of ours is called so: {}", strangers.join(", ")));
    }
    Ok(())
}

async fn copy(work: &Work<'_>) -> Result<Vec<CarriedTopic>, Failure> {
    let mut meter = Meter::new("carrying");
    let (mut done, total) = (0, i64::try_from(work.total().await?).unwrap_or(i64::MAX));
    let mut progress = |records: u64| {
        done += i64::try_from(records).unwrap_or(0);
        meter.show(&Progress { pipeline: String::new(), done, total });
    };
    let carried = work.copy(&mut progress).await?;
    meter.finish("all records are in the cluster");
    Ok(carried)
}

/// A line for each topic that holds anything.
fn report(carried: &[CarriedTopic], pipes: &[Box<dyn Pipe>]) -> String {
    let mut report = String::new();
    for topic in carried.iter().filter(|topic| !topic.ends.is_empty()) {
        let records: i64 = topic.ends.iter().map(|end| end.next_offset).sum();
        report.push_str(&format!("{}: {records} records", topic.topic));
        if topic.unreadable > 0 {
            report.push_str(&format!(", {} of them unreadable", topic.unreadable));
        }
        report.push('\n');
    }
    let names: Vec<&str> = pipes.iter().map(|pipe| pipe.name()).collect();
    report.push_str(&format!(
        "{} go on in the cluster with the next `windowsill run`; log.db takes nothing more\n",
        names.join(" and ")
    ));
    report
}
