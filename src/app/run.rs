//! `windowsill run`: the bot.

use std::io::Write;

use super::bot;
use super::house::{self, Failure, House};
use super::intake::Intake;
use super::tasks::{Tasks, asked_to_stop};
use crate::config::Config;
use crate::exit::Exit;
use crate::http::{self, Server};
use crate::kernel::chat::Me;
use crate::store::{StoreError, lock};
use crate::telegram::client::{self, BotApi};
use crate::telegram::ingress::BotName;

pub(super) async fn run(config: &Config) -> Result<Exit, Failure> {
    let stopped = asked_to_stop().map_err(|error| Failure::new(Exit::Fault, error.to_string()))?;
    let Some(token) = &config.telegram.token else {
        let reason = "no bot token: get one from @BotFather in Telegram and set \
                      TELEGRAM_BOT_TOKEN, or try `windowsill demo`, which needs none";
        return Err(Failure::new(Exit::Usage, reason));
    };
    if let Err(reason) = client::check_url(&config.telegram.api_url) {
        return Err(Failure::new(Exit::Usage, reason));
    }
    let api = BotApi::new(&config.telegram.api_url, token)
        .map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
    let server = listen(config).await?;
    tokio::pin!(stopped);
    // Before anything is touched: a token that Telegram does not know ends it here.
    let known = tokio::select! {
        () = &mut stopped => return Ok(Exit::Done),
        known = bot::ask_once(&api) => known?,
    };
    // A log that another process holds can keep us waiting.
    let house = tokio::select! {
        () = &mut stopped => return Ok(Exit::Done),
        house = House::open(config, None) => house?,
    };
    house::refuse_demo_folder("run", &house.log, config).await?;
    house::refuse_uncarried(&house, config).await?;
    let mut tasks = Tasks::new();
    let pipelines = house.pipelines(config);
    let address = server.address();
    let name = BotName::default();
    let store = &house.workshop.store;
    let intake = Intake::of_config(config, store, &api, address, name.clone()).await?;
    let registration = intake.registration();
    let operations = bot::operations(&house, config, &pipelines, &api, registration);
    let (webhook, source) = intake.open();
    let pages = http::routes(operations).merge(webhook);
    tasks.spawn("http server", server.run(pages, tasks.stop()));
    // A closed standard output is no reason not to run, here and below.
    let _ = writeln!(std::io::stdout(), "listening on http://{address}");
    let phases = bot::spawn_engine(&mut tasks, &house, pipelines);
    let store = house.workshop.store.clone();
    let begin = async {
        let me = bot::who_am_i(&api, known).await?;
        // Nobody else sets it.
        let _ = name.set(me.username.clone());
        if let Err(error) = bot::prepare(&api, &source).await {
            tracing::warn!(%error, "telegram did not take the settings; it goes on without");
        }
        if let Some(code) = bot::open_access(&store, bot::fixed_access(config)).await? {
            print_claim(&code, &me);
        }
        Ok((me, source))
    };
    bot::live(tasks, (house, phases), config, &api, stopped, begin).await
}

/// On the console only, never in a log.
fn print_claim(code: &str, me: &Me) {
    let _ = writeln!(
        std::io::stdout(),
        "This bot has no owner yet. Within 15 minutes, send it\n    /start {code}\n\
         in a private chat: https://t.me/{}",
        me.username
    );
}

/// Takes the port of the HTTP server: one that is in use must not leave anything behind.
async fn listen(config: &Config) -> Result<Server, Failure> {
    match Server::bind(config.http.listen).await {
        Ok(server) => Ok(server),
        // By whom, most likely.
        Err(_) if lock::is_held(&config.data_dir) => {
            Err(StoreError::Locked(config.data_dir.clone()).into())
        }
        Err(error) => Err(Failure::new(Exit::Usage, error.to_string())),
    }
}
