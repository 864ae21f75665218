//! One run: a bot that is killed and restarted while readings arrive and a person talks with it.

use std::os::unix::process::ExitStatusExt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use windowsill::demo::botapi::Handle;

use super::person::{self, Answer, Turn};
use super::plan::{EDITED, Kill, LOW, Plan};
use crate::bot::past::{Log, Model, plant};
use crate::bot::state::{FOLDED, RAISED, State};
use crate::bot::{Bot, OWNER, until};

/// Somebody who only receives alerts.
pub(super) const LISTENER: i64 = 12;
/// Alerts come at the pace of a chat, after the answers.
const ALL_SENT: Duration = Duration::from_secs(150);
/// Alerts that wait for others to be told with them.
const UNTOLD: &str = "select count(*) from card where waits_since is not null";
/// The pause before a start that was refused is tried again.
const RESTART: Duration = Duration::from_millis(200);

pub(crate) struct Household {
    pub(super) plan: Plan,
    pub(super) log: Log,
    pub(super) model: Model,
    /// What the person said and how it was to be answered.
    pub(super) turns: Vec<Turn>,
    pub(super) handle: Handle,
    pub(crate) data_dir: std::path::PathBuf,
    keeper: Keeper,
    /// When all is over: it prints its log if the oracle finds something.
    ended: Option<Bot>,
}

/// The process behind the household: started again whenever it dies.
struct Keeper {
    shared: Arc<Shared>,
    task: Option<tokio::task::JoinHandle<Bot>>,
}

#[derive(Default)]
struct Shared {
    /// The points at which it died; a signal from outside is one of its own.
    kills: Mutex<Vec<String>>,
    kill: Notify,
    stop: Notify,
}

impl Household {
    /// Writes the past and starts the first life. `prepare` may set the bot up further.
    pub(crate) async fn begin(plan: Plan, prepare: impl FnOnce(&mut Bot)) -> Household {
        let mut bot = Bot::new()
            .await
            .with("WINDOWSILL_TELEGRAM__OWNERS", format!("{OWNER},{LISTENER}"))
            .with("WINDOWSILL_ALERT_MAX_AGE_HOURS", 10_000);
        // Nothing is told but the contract's alerts.
        for never in ["DRYING_MINUTES", "TOO_WET_HOURS", "TEMPERATURE_MINUTES", "OVER_MINUTES"] {
            bot = bot.with(&format!("WINDOWSILL_PLANTS__{never}"), 1_000_000);
        }
        for off in ["SILENT_MINUTES", "STUCK_HOURS"] {
            bot = bot.with(&format!("WINDOWSILL_PLANTS__{off}"), 0);
        }
        bot.title = format!(
            "seed {}: {:?}, signal {:?}, {} partitions, patient: {}",
            plan.seed, plan.kills, plan.signal, plan.partitions, plan.is_patient
        );
        prepare(&mut bot);
        let handle = bot.handle().clone();
        let data_dir = bot.data_dir();
        // Telegram knows both: the bot may write to nobody who never wrote.
        for user_id in [OWNER, LISTENER] {
            handle.say(user_id, user_id, "/start");
        }
        let log = bot.past(plan.partitions).await;
        for (plant_id, low) in LOW.iter().enumerate() {
            log.describe(&plant(plant_id as i64, &name(plant_id as i64), *low)).await;
        }
        log.describe(&plant(EDITED, "Unedited", 1.0)).await;
        log.append(plan.split().0).await;
        assert!(plan.readings.len() >= 20_000);
        let model = Model::of(&plan.readings, |it| it.moisture < LOW[usize::from(it.plant_id)]);
        let keeper = Keeper::start(bot, plan.kills.clone(), plan.may_be_refused);
        Household { plan, log, model, turns: Vec::new(), handle, data_dir, keeper, ended: None }
    }

    /// The person edits a plant twice while readings arrive.
    pub(crate) async fn live(&mut self) {
        self.knows_its_plants().await;
        let mut appends = self.plan.split().1.into_iter().map(<[_]>::to_vec).collect::<Vec<_>>();
        appends.reverse();
        for number in [1, 2] {
            for turn in person::edit(number) {
                self.say(&turn).await;
                if let Some(readings) = appends.pop() {
                    self.log.append(&readings).await;
                }
            }
            // An impatient person begins the second edit before the first one is saved.
            if number == 2 || self.plan.seed.is_multiple_of(2) {
                self.outcome(number).await;
            }
        }
        for turn in person::mapping() {
            self.say(&turn).await;
        }
        for readings in appends {
            self.log.append(&readings).await;
        }
        self.mapped().await;
        let listed = Answer::Listed(person::name_of_edit(2));
        let list = Turn { says: "/plants moisture_low < 2".to_owned(), answer: listed };
        self.say(&list).await;
        self.answered(&list.answer).await;
    }

    /// In an empty folder a bot has to read the table once before it knows who is there.
    async fn knows_its_plants(&self) {
        until(ALL_SENT, "the table was read", async || {
            let Some(mut state) = State::open_if_there(&self.data_dir).await else { return false };
            state.number("select count(*) from plant where plant_id = 9").await == 1
        })
        .await;
    }

    async fn say(&mut self, turn: &Turn) {
        let said = self.turns.len();
        self.handle.say(OWNER, OWNER, &turn.says);
        self.turns.push(turn.clone());
        if let Some((after, within_ms)) = self.plan.signal
            && after == said
        {
            let answered = self.answered(&turn.answer);
            let within = Duration::from_millis(within_ms);
            // Whether the answer has come by then or not: it is killed.
            let _ = tokio::time::timeout(within, answered).await;
            self.keeper.shared.kill.notify_one();
        }
        let confirms = matches!(turn.answer, Answer::Outcome(_) | Answer::Mapped);
        if self.plan.is_patient && !confirms {
            self.answered(&turn.answer).await;
        }
    }

    /// Waits until this answer has come as often as it was asked for.
    async fn answered(&self, answer: &Answer) {
        let wanted = self.turns.iter().filter(|turn| turn.answer == *answer).count();
        let fits = |handle: &Handle| {
            let messages = handle.messages(OWNER);
            let found = messages.iter().filter(|it| it.from_bot && answer.fits(&it.text));
            (found.count() >= wanted).then_some(())
        };
        self.handle.wait_for(ALL_SENT, &format!("{answer:?}"), fits).await.unwrap();
    }

    /// Waits until an edit is saved; confirms again where the plant has changed meanwhile.
    async fn outcome(&mut self, number: usize) {
        let name = person::name_of_edit(number);
        let saved = |text: &str| text.starts_with(person::SAVED) && text.contains(&name);
        let changed = |text: &str| Answer::Changed.fits(text);
        let mut asked_again = false;
        loop {
            let found = |handle: &Handle| {
                let messages = handle.messages(OWNER);
                let mut texts = messages.iter().filter(|it| it.from_bot).map(|it| it.text.as_str());
                let is_saved = texts.clone().any(saved);
                (is_saved || (!asked_again && texts.any(changed))).then_some(is_saved)
            };
            let what = format!("outcome of edit {number}");
            if self.handle.wait_for(ALL_SENT, &what, found).await.unwrap() {
                break;
            }
            asked_again = true;
            self.handle.say(OWNER, OWNER, "/y");
            // The first confirmation got this answer; the second gets the outcome.
            self.turns.push(Turn { says: "/y".to_owned(), answer: Answer::Changed });
        }
        self.is_true(&name).await;
    }

    /// Waits until the mapping is said to be saved: then the table has it.
    async fn mapped(&self) {
        let saved = |handle: &Handle| {
            let messages = handle.messages(OWNER);
            messages.iter().any(|it| it.text.starts_with(person::MAPPED)).then_some(())
        };
        self.handle.wait_for(ALL_SENT, "mapping", saved).await.unwrap();
        let seen = "select count(*) from plant_sensor_mapping where plant_id = 9";
        assert_eq!(State::open(&self.data_dir).await.number(seen).await, 1);
    }

    /// "Saved" has been said: the log has the record, and so has the table.
    async fn is_true(&self, name: &str) {
        let records = self.log.described(EDITED).await;
        let record = records.iter().rev().find(|(_, value)| value["given_name"] == name);
        let (offset, _) = record.unwrap_or_else(|| panic!("{name} was said to be saved"));
        let mut state = State::open(&self.data_dir).await;
        let seen = "select record_offset from plant where plant_id = 9";
        assert!(state.number(seen).await >= *offset, "{name} is in the log and not in /plants");
    }

    /// Waits until everything is said and done, stops the bot, and tells where it died. Windows of
    /// which the last readings were folded are judged in a step of its own, and a process may die
    /// between the two: until then nothing waits to be sent.
    pub(crate) async fn end(&mut self) -> Vec<String> {
        let records = self.plan.readings.len() as i64;
        let dry = self.model.dry().len() as i64;
        let mut state = State::open(&self.data_dir).await;
        until(ALL_SENT, "everything folded, judged and sent", async || {
            state.number(FOLDED).await == records
                && state.number(RAISED).await >= dry
                && state.number(UNTOLD).await == 0
                && state.is_quiet().await
        })
        .await;
        drop(state);
        self.keeper.shared.stop.notify_one();
        let task = self.keeper.task.take().expect("it is ended once");
        self.ended = Some(task.await.unwrap());
        self.keeper.shared.kills.lock().unwrap().clone()
    }
}

/// What a plant of the readings is called.
pub(super) fn name(plant_id: i64) -> String {
    format!("Plant-{plant_id}")
}

impl Keeper {
    fn start(bot: Bot, kills: Vec<Kill>, may_be_refused: bool) -> Keeper {
        let shared = Arc::new(Shared::default());
        let task = Some(tokio::spawn(keep(bot, kills, may_be_refused, Arc::clone(&shared))));
        Keeper { shared, task }
    }
}

/// Starts the process again whenever it dies, each life with its own planned death.
async fn keep(mut bot: Bot, kills: Vec<Kill>, may_be_refused: bool, shared: Arc<Shared>) -> Bot {
    let mut planned = kills.into_iter();
    let mut next = planned.next();
    let mut stopping = false;
    loop {
        match &next {
            Some(kill) => bot.crash_at(kill.point, kill.visit),
            None => bot.crash_no_more(),
        }
        let polls = bot.handle().calls_of("getUpdates").len();
        bot.start();
        let mut signalled = false;
        let exit = loop {
            tokio::select! {
                exit = bot.life().ended() => break exit,
                () = shared.kill.notified() => {
                    signalled = true;
                    bot.life().signal("-9");
                }
                () = shared.stop.notified() => {
                    stopping = true;
                    // A process that has only just begun takes no signals yet.
                    tokio::select! {
                        () = bot.polls_again(polls) => bot.life().signal("-TERM"),
                        _ = bot.life().ended() => {}
                    }
                }
            }
        };
        let point = match (exit.signal(), &next) {
            (Some(9), _) if signalled => "a signal".to_owned(),
            (Some(9), Some(kill)) => kill.point.to_owned(),
            _ if stopping && exit.code() == Some(0) => return bot,
            _ if may_be_refused && exit.code() == Some(1) => {
                // As a service manager does.
                tokio::time::sleep(RESTART).await;
                continue;
            }
            _ => panic!("it ended by itself: {exit}"),
        };
        shared.kills.lock().unwrap().push(point);
        if !signalled {
            next = planned.next();
        }
        if stopping {
            shared.stop.notify_one();
        }
    }
}
