//! `windowsill dead-letters`: looks into the state and appends to the log, beside a running bot.

use super::house::{self, Failure};
use super::log::OpenLog;
use crate::cli::DeadLetters;
use crate::config::Config;
use crate::exit::Exit;
use crate::ops::dead_letters::{self, LettersError, ListOptions, Which};
use crate::ops::topic;
use crate::store::{StoreReader, state_path};

impl From<LettersError> for Failure {
    fn from(error: LettersError) -> Failure {
        Failure::new(Exit::Errors, crate::engine::error_chain(&error))
    }
}

pub(super) async fn run(config: &Config, verb: DeadLetters) -> Result<Exit, Failure> {
    if !state_path(&config.data_dir).is_file() {
        let reason = format!(
            "there is nothing in {} yet; `windowsill run`, `demo` or `fold` fills it",
            config.data_dir.display()
        );
        return Err(Failure::new(Exit::Errors, reason));
    }
    let topics = house::topics(config)?;
    let default_name = |name: String| -> Result<String, Failure> {
        Ok(topic::find(&topics, &name)?.spec.name.to_owned())
    };
    let store = StoreReader::open(&config.data_dir).await?;
    match verb {
        DeadLetters::List { topic, json, limit } => {
            let topic = topic.map(default_name).transpose()?;
            let options = ListOptions { topic, limit, json };
            dead_letters::list(&store, &options, &mut std::io::stdout().lock()).await?;
            Ok(Exit::Done)
        }
        DeadLetters::Replay { ids, topic, all: _ } => {
            let which = match topic {
                Some(topic) => Which::Topic(default_name(topic)?),
                None if ids.is_empty() => Which::Streams,
                None => Which::Ids(ids),
            };
            let log = OpenLog::open_with(config, &topics).await?;
            house::refuse_before_carried(&log, config).await?;
            let events = log.events();
            let (dir, mut report) = (&config.data_dir, std::io::stderr());
            let done =
                dead_letters::replay(dir, &store, events.as_ref(), &topics, which, &mut report)
                    .await;
            log.close().await;
            Ok(if done?.refused > 0 { Exit::Errors } else { Exit::Done })
        }
    }
}
