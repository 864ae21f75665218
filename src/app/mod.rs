//! Wiring: which parts run in which command.
//!
//! Invariant: every command ends in an `Exit`; what went wrong is one sentence on standard error.

use std::io::{IsTerminal, Write};
use std::sync::Arc;

use tracing_subscriber::EnvFilter;

use crate::cli::{Cli, Command, Demo, Topic};
use crate::config::{Config, Sources, render};
use crate::exit::Exit;
use crate::ops::topic::{self, ReadOptions, TopicError, WriteOptions};

mod ask;
mod backup;
mod bot;
mod capture;
mod check;
mod dead_letters;
mod demo;
mod fold;
mod house;
mod intake;
mod log;
mod meter;
mod migrate;
mod rebuild;
mod run;
mod sensor;
mod tasks;
mod upkeep;

use house::Failure;
use log::OpenLog;
use tasks::asked_to_stop;

impl From<TopicError> for Failure {
    fn from(error: TopicError) -> Failure {
        let exit = match error {
            TopicError::Unknown { .. } => Exit::Usage,
            _ => Exit::Errors,
        };
        Failure::new(exit, crate::engine::error_chain(&error))
    }
}

/// Carries out one command.
pub async fn run(cli: Cli) -> Exit {
    let data_dir = match (&cli.command, cli.data_dir) {
        // The demo keeps to a folder of its own.
        (Command::Demo(_), None) => Some(Demo::DATA_DIR.into()),
        (_, data_dir) => data_dir,
    };
    let sources = Sources::of_process(cli.config, data_dir);
    let loaded = Config::load(&sources).map_err(|error| error.to_string());
    let started = loaded.and_then(|config| start_logging(&config.log_filter).map(|()| config));
    let config = match (started, &cli.command) {
        (Ok(config), _) => config,
        (Err(reason), Command::Check { json }) => return check::refused(&reason, *json),
        (Err(reason), _) => return failed(Exit::Usage, &reason),
    };
    let result = match cli.command {
        Command::Config => Ok(print_config(&config)),
        Command::Topic(verb) => run_topic(&config, verb).await,
        Command::Capture(options) => capture::capture(&config, options).await,
        Command::Sensor(options) => sensor::sensor(&config, options).await,
        Command::Run => run::run(&config).await,
        Command::Demo(options) => demo::demo(config, &options).await,
        Command::Fold(options) => fold::fold(&config, &options).await,
        Command::DeadLetters(verb) => dead_letters::run(&config, verb).await,
        Command::Backup(options) => backup::backup(&config, &options).await,
        Command::Restore { dir } => backup::restore(&config, &dir).await,
        Command::Rebuild(options) => rebuild::rebuild(&config, &options).await,
        Command::MigrateLog(options) => migrate::migrate(&config, &options).await,
        Command::Check { json } => check::check(&config, json).await,
        Command::Ask(options) => ask::ask(&config, &options).await,
    };
    result.unwrap_or_else(|failure| failed(failure.exit, &failure.reason))
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
        .with_ansi(std::io::stderr().is_terminal())
        // A full disk behind standard error must not end the bot.
        .log_internal_errors(false)
        .try_init();
    started.map_err(|error| error.to_string())?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Logs where a panic happened. Its words only if they are the program's own: composed ones may
/// quote what somebody wrote.
fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    if crate::panics::is_expected() {
        return;
    }
    let own = panic.payload().downcast_ref::<&'static str>().copied();
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(place, words = own.unwrap_or("(left out)"), "a panic: a bug in windowsill");
}

fn print_config(config: &Config) -> Exit {
    let _ = std::io::stdout().write_all(render(config).as_bytes());
    Exit::Done
}

async fn run_topic(config: &Config, verb: Topic) -> Result<Exit, Failure> {
    let topics = house::topics(config)?;
    let find = |name: &str| topic::find(&topics, name);
    match verb {
        Topic::List { json } => {
            let log = OpenLog::open_to_look(config, &topics).await?;
            topic::list(log.events().as_ref(), json, &mut std::io::stdout().lock()).await?;
            log.close().await;
            Ok(Exit::Done)
        }
        Topic::Read { topic: name, from, follow } => {
            let found = find(&name)?;
            // Whoever follows waits for what is to come.
            let log = match follow {
                true => OpenLog::open_with(config, &topics).await?,
                false => OpenLog::open_to_look(config, &topics).await?,
            };
            let options = ReadOptions { begin: from, follow };
            let events = log.events();
            topic::read(events.as_ref(), &topics, found, options, &mut std::io::stdout().lock())
                .await?;
            log.close().await;
            Ok(Exit::Done)
        }
        Topic::Write { topic: name, format } => {
            let found = find(&name)?;
            let log = OpenLog::open_with(config, &topics).await?;
            log.expect_in_use().await?;
            house::refuse_before_carried(&log, config).await?;
            let clock = house::clock_of(&log, config).await?;
            if let Err(error) = topics.prepare(found).await {
                // Lines of bytes need no schema; any other is rejected, and this is why.
                let _ = writeln!(std::io::stderr(), "windowsill: {error}");
            }
            let options = WriteOptions {
                format,
                headers: Vec::new(),
                progress: std::io::stderr().is_terminal(),
                now_ms: Arc::new(move || clock.now_ms()),
            };
            let asked =
                asked_to_stop().map_err(|error| Failure::new(Exit::Fault, error.to_string()))?;
            let (input, mut report) = (std::io::stdin(), std::io::stderr());
            let events = log.events();
            let written =
                topic::write(events.as_ref(), found, input, &options, asked, &mut report).await?;
            log.close().await;
            let is_all = written.rejected == 0 && !written.interrupted;
            Ok(if is_all { Exit::Done } else { Exit::Errors })
        }
    }
}
