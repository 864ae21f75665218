//! The bot's own tasks, for `run` and `demo` alike.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::house::{Failure, House};
use super::intake::Source;
use super::tasks::Tasks;
use crate::clock;
use crate::config::Config;
use crate::engine::{Phases, jittered, publisher, results};
use crate::exit::Exit;
use crate::http::{Operations, WatchedPipeline};
use crate::kernel::chat::Me;
use crate::kernel::time::MINUTE_MS;
use crate::rooms::{self, Pipe};
use crate::store::{Store, Urgency, access};
use crate::telegram::access::{Access, FixedAccess};
use crate::telegram::client::{BotApi, CALL_TIMEOUT, CallError};
use crate::telegram::delivery::Home;
use crate::telegram::handle::Desk;
use crate::telegram::regular::Regular;
use crate::telegram::webhook::Registration;
use crate::telegram::{code, delivery, dispatch, leftovers, menu, routes, timers};

/// How long a claim code is good for.
const CLAIM_MS: i64 = 15 * MINUTE_MS;
const CLAIM_CHARACTERS: usize = 8;
/// How long Telegram may take to say who we are before we go on without.
const FIRST_QUESTION: Duration = Duration::from_secs(5);
/// The longest wait between attempts to reach Telegram at the start.
const LONGEST_RETRY: Duration = Duration::from_secs(30);

/// Access as the configuration fixes it.
pub(super) fn fixed_access(config: &Config) -> FixedAccess {
    FixedAccess {
        owners: config.telegram.owners.clone(),
        allowed_chats: config.telegram.allowed_chats.clone(),
    }
}

/// The pipelines, the pumps to the log and its upkeep: what works without Telegram. Gives the
/// pipelines' phases.
pub(super) fn spawn_engine(
    tasks: &mut Tasks,
    house: &House,
    pipelines: Vec<Box<dyn Pipe>>,
) -> Phases {
    let phases = Phases::of(pipelines.iter().map(|pipeline| (pipeline.name(), pipeline.phase())));
    tasks.spawn_behind("log upkeep", house.upkeep(&pipelines).run(tasks.stop()));
    for pipeline in pipelines {
        let stop = tasks.stop();
        tasks.spawn_behind(pipeline.name(), async move { pipeline.run(stop).await });
    }
    tasks.spawn("store", house.workshop.store.clone().watch_over(tasks.stop()));
    tasks.spawn("log", house.log.clone().watch_over(tasks.stop()));
    tasks.spawn("publisher", publisher::run(house.workshop.clone(), tasks.stop()));
    let letters = publisher::run_letters(house.workshop.clone(), tasks.stop());
    tasks.spawn("dead letters", letters);
    let results = results::run(house.workshop.clone(), rooms::results(), tasks.stop());
    tasks.spawn("results", results);
    phases
}

/// What the pages for whoever runs the bot look at.
pub(super) fn operations(
    house: &House,
    config: &Config,
    pipelines: &[Box<dyn Pipe>],
    api: &BotApi,
    webhook: Option<watch::Receiver<Registration>>,
) -> Operations {
    Operations {
        workshop: house.workshop.clone(),
        data_dir: config.data_dir.clone(),
        pipelines: pipelines
            .iter()
            .map(|pipeline| WatchedPipeline::of(pipeline.as_ref()))
            .collect(),
        telegram: api.meter().clone(),
        webhook,
        token: config.http.token.clone(),
    }
}

/// Talks with Telegram once `begin` has made that ready, until somebody asks to stop or a task
/// ends, which may be while Telegram is still away; then closes the house.
pub(super) async fn live(
    mut tasks: Tasks,
    (house, phases): (House, Phases),
    config: &Config,
    api: &BotApi,
    asked: impl Future<Output = ()>,
    begin: impl Future<Output = Result<(Me, Source), Failure>>,
) -> Result<Exit, Failure> {
    let mut asked = pin!(asked);
    let begun = tasks.meanwhile(&mut asked, begin).await.transpose();
    let refused = match begun {
        Ok(None) => None,
        Ok(Some((me, source))) => {
            spawn_bot(&mut tasks, (&house, phases), config, api, source, me);
            tasks.run_until(asked).await;
            None
        }
        Err(failure) => Some(failure),
    };
    let ended = tasks.finish().await;
    house.close().await;
    match (refused, ended) {
        (Some(failure), _) => Err(failure),
        (None, Err(ended)) => Err(Failure::new(Exit::Fault, ended.to_string())),
        (None, Ok(())) => Ok(Exit::Done),
    }
}

/// What talks with Telegram.
fn spawn_bot(
    tasks: &mut Tasks,
    (house, phases): (&House, Phases),
    config: &Config,
    api: &BotApi,
    source: Source,
    me: Me,
) {
    let store = &house.workshop.store;
    let desk = Desk {
        routes: routes::schema(),
        access: fixed_access(config),
        time_zone: config.time_zone.get(),
        silent_after_ms: config.plants.silent_after_ms(),
        clock: house.workshop.clock.clone(),
        me: me.clone(),
        log: house.workshop.log.clone(),
        topics: house.workshop.topics.clone(),
        phases,
        follows_conversations: true,
    };
    let regular = Regular::new(
        store.clone(),
        fixed_access(config),
        config.time_zone.get(),
        house.workshop.clock.clone(),
        desk.phases.clone(),
        desk.silent_after_ms,
    );
    let home = Home { time_zone: config.time_zone.get(), username: me.username.clone() };
    source.spawn(tasks, store, config, api, me.username);
    tasks.spawn("inbox", dispatch::run(store.clone(), desk, tasks.stop()));
    tasks.spawn(
        "outbox",
        delivery::run(store.clone(), api.clone(), fixed_access(config), home, tasks.stop()),
    );
    let timers = timers::run(store.clone(), fixed_access(config), regular, tasks.stop());
    tasks.spawn("timers", timers);
}

/// Asks Telegram who we are, once. `None`: it is away. A refused token is the end.
pub(super) async fn ask_once(api: &BotApi) -> Result<Option<Me>, Failure> {
    match api.call("getMe", &json!({}), FIRST_QUESTION).await {
        Ok(me) => {
            let username = me.get("username").and_then(Value::as_str).unwrap_or_default();
            let is_on = |name| me.get(name).and_then(Value::as_bool).unwrap_or(false);
            Ok(Some(Me {
                username: username.to_owned(),
                reads_all_group_messages: is_on("can_read_all_group_messages"),
                answers_inline: is_on("supports_inline_queries"),
            }))
        }
        Err(CallError::Refused { code: 401 | 404, .. }) => {
            let reason = "telegram does not know this token; @BotFather shows the right one under \
                          /mybots";
            Err(Failure::new(Exit::Usage, reason))
        }
        Err(error) => {
            tracing::warn!(%error, "telegram is away; still trying");
            Ok(None)
        }
    }
}

/// Who the bot is: as it is known already, or as Telegram says once it answers.
pub(super) async fn who_am_i(api: &BotApi, known: Option<Me>) -> Result<Me, Failure> {
    let mut known = known;
    let mut wait = Duration::from_millis(500);
    loop {
        if let Some(me) = known {
            return Ok(me);
        }
        known = ask_once(api).await?;
        if known.is_none() {
            tokio::time::sleep(jittered(wait)).await;
            wait = (wait * 2).min(LONGEST_RETRY);
        }
    }
}

/// Makes Telegram ready: no webhook in the way of polling (what is pending stays pending).
pub(super) async fn prepare(api: &BotApi, source: &Source) -> Result<(), CallError> {
    if source.is_polling() {
        api.call("deleteWebhook", &json!({}), CALL_TIMEOUT).await?;
    }
    Ok(())
}

/// Ends what another version left unreadable and puts the menus where people see them. Gives a
/// fresh claim code where the bot has no owner.
pub(super) async fn open_access(
    store: &Store,
    fixed: FixedAccess,
) -> Result<Option<String>, Failure> {
    let fresh = code::random(CLAIM_CHARACTERS).map_err(|error| {
        let reason = format!("the system gives no random numbers for a claim code: {error}");
        Failure::new(Exit::Fault, reason)
    })?;
    let code = store
        .write(Urgency::People, move |db| {
            Box::pin(async move {
                let now_ms = clock::now_ms();
                leftovers::end_unreadable(db, now_ms).await?;
                let access = Access::load(db, &fixed).await?;
                menu::show_strangers(db, now_ms).await?;
                for (chat_id, audience) in access.menus() {
                    menu::show(db, chat_id, audience, now_ms).await?;
                }
                if access.has_owner() {
                    access::spend_claim(db).await?;
                    return Ok(None);
                }
                access::set_claim(db, &fresh, now_ms + CLAIM_MS).await?;
                Ok(Some(fresh))
            })
        })
        .await?;
    Ok(code)
}
