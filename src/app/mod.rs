//! Wiring: which parts run in which command.
//!
//! Invariant: every command ends in an `Exit`; what went wrong is one sentence on standard error.

use std::io::{IsTerminal, Write};
use std::sync::Arc;

use tracing_subscriber::EnvFilter;

use crate::cli::{Cli, Command, Topic};
use crate::config::{Config, Sources, render};
use crate::exit::Exit;
use crate::log::LogError;
use crate::log::embedded::EmbeddedLog;
use crate::ops::topic::{self, NamedTopic, ReadOptions, TopicError, WriteOptions};
use crate::rooms;

/// Carries out one command.
pub async fn run(cli: Cli) -> Exit {
    let sources = Sources::of_process(cli.config, cli.data_dir);
    let config = match Config::load(&sources) {
        Ok(config) => config,
        Err(error) => return failed(Exit::Usage, &error.to_string()),
    };
    if let Err(reason) = start_logging(&config.log_filter) {
        return failed(Exit::Usage, &reason);
    }
    match cli.command {
        Command::Config => print_config(&config),
        Command::Topic(verb) => match run_topic(&config, verb).await {
            Ok(exit) => exit,
            Err(error @ TopicError::Unknown { .. }) => failed(Exit::Usage, &error.to_string()),
            Err(error) => failed(Exit::Errors, &error.to_string()),
        },
        Command::Run | Command::Demo(_) | Command::Fold(_) | Command::Ask(_) => {
            failed(Exit::Usage, "this build has no such command yet")
        }
    }
}

/// Says why on standard error.
fn failed(exit: Exit, reason: &str) -> Exit {
    // Nobody is left to be told when standard error is closed.
    let _ = writeln!(std::io::stderr(), "windowsill: {reason}");
    exit
}

fn start_logging(filter: &str) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        format!("log_filter is {filter:?}, expected one such as \"info\": {error}")
    })?;
    let started = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .try_init();
    started.map_err(|error| error.to_string())
}

fn print_config(config: &Config) -> Exit {
    let _ = std::io::stdout().write_all(render(config).as_bytes());
    Exit::Done
}

/// Opens the event log of the data directory, with every topic of the contract in it.
async fn open_log(config: &Config, topics: &[NamedTopic]) -> Result<EmbeddedLog, LogError> {
    let dir = &config.data_dir;
    std::fs::create_dir_all(dir).map_err(|error| {
        LogError::Unavailable(format!("cannot create {}: {error}", dir.display()))
    })?;
    let log = EmbeddedLog::open(&config.log_path()).await?;
    topic::create_missing(&log, topics).await?;
    Ok(log)
}

async fn run_topic(config: &Config, verb: Topic) -> Result<Exit, TopicError> {
    let topics = NamedTopic::all(rooms::topics(), config);
    match verb {
        Topic::List { json } => {
            let log = open_log(config, &topics).await?;
            topic::list(&log, json, &mut std::io::stdout().lock()).await?;
            Ok(Exit::Done)
        }
        Topic::Read {
            topic: name,
            from,
            follow,
        } => {
            let found = NamedTopic::find(&topics, &name)?;
            let log = open_log(config, &topics).await?;
            let options = ReadOptions {
                begin: from,
                follow,
            };
            topic::read(&log, found, options, &mut std::io::stdout().lock()).await?;
            Ok(Exit::Done)
        }
        Topic::Write {
            topic: name,
            format,
        } => {
            let found = NamedTopic::find(&topics, &name)?;
            let log = open_log(config, &topics).await?;
            let options = WriteOptions {
                format,
                progress: std::io::stderr().is_terminal(),
                now_ms: Arc::new(|| chrono::Utc::now().timestamp_millis()),
            };
            let stop = async {
                let _ = tokio::signal::ctrl_c().await;
            };
            let (input, mut report) = (std::io::stdin(), std::io::stderr());
            let written = topic::write(&log, found, input, &options, stop, &mut report).await?;
            Ok(if written.rejected > 0 {
                Exit::Errors
            } else {
                Exit::Done
            })
        }
    }
}
