//! `windowsill demo`: everything in one process, with nothing to set up.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;

use super::bot;
use super::house::{self, Failure, House};
use super::intake::Source;
use super::tasks::{Tasks, asked_to_stop};
use crate::cli::Demo;
use crate::clock;
use crate::config::{self, Config, Secret};
use crate::demo::botapi::{BotApiServer, Options, PAGE_USER};
use crate::demo::clock::DemoClock;
use crate::demo::feed::{self, Feed, FeedError};
use crate::demo::replay::{Recording, Replay, ReplayError};
use crate::engine::error_chain;
use crate::exit::Exit;
use crate::http;
use crate::kernel::chat::Place;
use crate::kernel::effect::Say;
use crate::kernel::text::Text;
use crate::log::EventLog;
use crate::log::embedded::EmbeddedLog;
use crate::store::outbox::{self, Class, Target};
use crate::store::{Store, StoreError, Urgency, lock, make_dir};
use crate::telegram::client::BotApi;

/// Ten minutes of the demo's clock are less than a second: a busy machine would fall silent.
const DEMO_SILENT_MINUTES: u32 = 180;

/// The bot's number; the rest of its token is new at each start.
const BOT_ID: i64 = 1;
const TOKEN_CHARACTERS: usize = 35;

impl From<ReplayError> for Failure {
    fn from(error: ReplayError) -> Failure {
        Failure::new(Exit::Usage, error.to_string())
    }
}

pub(super) async fn demo(mut config: Config, options: &Demo) -> Result<Exit, Failure> {
    config.telegram.owners = vec![PAGE_USER];
    config.telegram.allowed_chats.clear();
    if !config.origins.contains_key("plants.silent_minutes") {
        config.plants.silent_minutes = DEMO_SILENT_MINUTES;
    }
    // Simulated plants live in a file of their own.
    config.kafka = config::Kafka::default();
    // Before anything is shown: who sees the address may stop it.
    let asked = asked_to_stop().map_err(|error| Failure::new(Exit::Fault, error.to_string()))?;
    if lock::is_held(&config.data_dir) {
        return Err(StoreError::Locked(config.data_dir.clone()).into());
    }
    let recording = options.replay.as_deref().map(Recording::open).transpose()?;
    // Nobody but this bot may speak for it: a web page in the same browser could reach the port.
    let token = token();
    // First of all: a port that is in use must not leave half a simulation behind.
    let server = serve(&config.data_dir, options, &token).await?;
    let address = server.address();
    let simulated = simulate(&config, options).await?;
    let house = House::open(&config, Some(Arc::new(simulated.clock))).await?;
    let url = format!("http://{address}/");
    let api = BotApi::new(url.trim_end_matches('/'), &Secret::new(token))
        .map_err(|error| Failure::new(Exit::Fault, error.to_string()))?;
    let pipelines = house.pipelines(&config);
    // The page's own server: two demos must not fight over another port.
    let operations = bot::operations(&house, &config, &pipelines, &api, None);
    let server = server.joined_by(http::routes(operations));
    let mut tasks = Tasks::new();
    let mut stop = tasks.stop();
    let stopped = async move { drop(stop.wait_for(|stop| *stop).await) };
    tasks.spawn("bot api server", server.run_until(stopped));
    // A closed standard output is no reason not to run.
    let _ = writeln!(std::io::stdout(), "{url}");
    if let Err(error) = bot::prepare(&api, &Source::Polling).await {
        tracing::warn!(%error, "the bot api server did not take the settings");
    }
    bot::open_access(&house.workshop.store, bot::fixed_access(&config)).await?;
    begin(&mut tasks, &house, &simulated, recording, options.speed).await?;
    let phases = bot::spawn_engine(&mut tasks, &house, pipelines);
    let begin = async { Ok((bot::who_am_i(&api, None).await?, Source::Polling)) };
    bot::live(tasks, (house, phases), &config, &api, asked, begin).await
}

fn token() -> String {
    let secret: String = (0..TOKEN_CHARACTERS).map(|_| fastrand::alphanumeric()).collect();
    format!("{BOT_ID}:{secret}")
}

async fn serve(data_dir: &Path, options: &Demo, token: &str) -> Result<BotApiServer, Failure> {
    let unusable = |error: std::io::Error| {
        let reason = format!("the chat page cannot be served on {}: {error}", options.listen);
        Failure::new(Exit::Usage, reason)
    };
    std::fs::create_dir_all(data_dir).map_err(unusable)?;
    let server = BotApiServer::bind(Options {
        listen: options.listen,
        token: Some(token.to_owned()),
        history: Some(data_dir.join("chat.jsonl")),
        page: true,
    });
    server.await.map_err(unusable)
}

/// The simulation of a folder.
struct Simulated {
    clock: DemoClock,
    /// Readings up to this time are in the log.
    ended_ms: Option<i64>,
}

/// Begins a simulation in an empty folder, or goes on with the one that is there.
async fn simulate(config: &Config, options: &Demo) -> Result<Simulated, Failure> {
    let topics = house::topics(config)?;
    lock::expect_whole(&config.data_dir)?;
    make_dir(&config.data_dir)?;
    let log = EmbeddedLog::open(&config.log_path()).await?;
    topics.create(&log).await?;
    let Some(stored) = DemoClock::load(&log).await? else {
        refuse_real_folder(&log, config).await?;
        let clock = DemoClock::begin(options.speed, options.seed);
        clock.store(&log).await?;
        return Ok(Simulated { clock, ended_ms: None });
    };
    let ended_ms = stored.ended_at_ms(&log, &topics.get(feed::READINGS)?.log_name).await?;
    let clock = stored.resumed(ended_ms.unwrap_or(stored.origin_ms), options.speed);
    clock.store(&log).await?;
    Ok(Simulated { clock, ended_ms })
}

/// Simulated plants do not belong among real ones.
async fn refuse_real_folder(log: &EmbeddedLog, config: &Config) -> Result<(), Failure> {
    let holds_records = log.topics().await?.iter().any(|topic| topic.records > 0);
    if !holds_records {
        return Ok(());
    }
    let reason = format!(
        "{} holds records of a real household; give `demo` a folder of its own with --data-dir",
        config.data_dir.display()
    );
    Err(Failure::new(Exit::Usage, reason))
}

/// Writes what a fresh simulation starts with, then begins the feed. Whatever an interrupted start
/// left out is made up for.
async fn begin(
    tasks: &mut Tasks,
    house: &House,
    simulated: &Simulated,
    recording: Option<Recording>,
    speed: u32,
) -> Result<(), Failure> {
    let failed = |error: FeedError| Failure::new(Exit::Errors, error_chain(&error));
    let workshop = &house.workshop;
    let log: Arc<dyn EventLog> = workshop.log.clone();
    let clock = simulated.clock;
    let is_fresh = feed::describe_plants(log.as_ref(), &workshop.topics, clock.origin_ms)
        .await
        .map_err(failed)?;
    if is_fresh {
        welcome(&workshop.store, speed, recording.is_some()).await?;
    }
    let mut feed = Feed::from(workshop.topics.clone(), clock, simulated.ended_ms);
    match recording {
        Some(recording) => {
            feed = feed.without_street();
            let report = Box::new(std::io::stderr());
            let progress = std::io::stderr().is_terminal();
            let replay = Replay::begin(recording, &workshop.topics, clock, report, progress);
            tasks.spawn("replay", replay.map_err(failed)?.run(log.clone(), tasks.stop()));
        }
        None => feed::describe_street(log.as_ref(), &workshop.topics, clock.origin_ms)
            .await
            .map_err(failed)?,
    }
    feed.catch_up(log.as_ref(), &mut Default::default()).await.map_err(failed)?;
    tasks.spawn("simulated sensors", feed.run(log, tasks.stop()));
    Ok(())
}

/// The first words in the chat.
async fn welcome(store: &Store, speed: u32, is_replay: bool) -> Result<(), StoreError> {
    let street = match is_replay {
        true => "Your capture is played in as if its phones passed by here",
        false => {
            "Phones in the street look for Wi-Fi networks, and one of them for the guests' \
             network of this house, which is watched"
        }
    };
    let text = Text::of("🪴 ").bold("Welcome to Windowsill.").plain(format!(
        "\nSix simulated plants live here, {speed} times as fast as real ones; every time that you \
             read here is by their clock. One of them is thirsty already: its alert comes within a \
             minute.\n\n\
             📡 {street}.\n\n\
             Try /plants, /plant cyril, /devices or /update_plant."
    ));
    store
        .write(Urgency::People, move |db| {
            Box::pin(async move {
                let place = Place::private(PAGE_USER);
                let say = Say::new(text);
                let now_ms = clock::now_ms();
                outbox::say(db, place, Class::Reply, Target::New, &say, now_ms).await?;
                Ok(())
            })
        })
        .await
}
