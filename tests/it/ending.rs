//! How a life ends: in time and with everything stored when it is asked to, and by name when one of
//! its tasks dies.

use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use windowsill::demo::botapi::{Effect, Fault, Handle};

use crate::bot::past::{Log, READINGS, Reading, WINDOW_MS, plant};
use crate::bot::state::{FOLDED, State, is_sound};
use crate::bot::{Bot, Life, OWNER, SOON, until};
use crate::support::{run, windowsill};

/// How long a stop may take (contract: 10 s).
const STOP: Duration = Duration::from_secs(10);
const END_TASK: &str = "TEST_WINDOWSILL_END_TASK";
/// How a task can be made to end, and the reason that is told.
const WAYS: [(&str, &str); 2] = [("panic", "it panicked"), ("error", "a planned error")];

/// Questions and readings that were given to a bot, whatever becomes of it.
struct Given {
    log: Log,
    questions: usize,
    readings: i64,
}

impl Given {
    async fn to(bot: &Bot) -> Given {
        Given { log: Log::open(&bot.data_dir(), 1).await, questions: 0, readings: 0 }
    }

    async fn give(&mut self, bot: &Bot) {
        for _ in 0..2 {
            bot.handle().say(OWNER, OWNER, &format!("/plant nobody-{}", self.questions));
            self.questions += 1;
        }
        let at_ms = windowsill::clock::now_ms();
        self.log.append(&[Reading { plant_id: 1, moisture: 50.0, at_ms, partition: 0 }]).await;
        self.readings += 1;
    }

    /// A life without a fault comes to everything that earlier lives left, and to nothing twice but
    /// so many answers at most.
    async fn is_all_there(&self, bot: &mut Bot, twice_at_most: usize) {
        bot.started().await;
        let times = |bot: &Bot, number| bot.times_said(OWNER, &format!("“nobody-{number}”"));
        for number in 0..self.questions {
            let come = async || times(bot, number) >= 1;
            until(SOON, &format!("answer {number}"), come).await;
        }
        bot.counts(FOLDED, self.readings).await;
        bot.is_quiet().await;
        let answers: usize = (0..self.questions).map(|number| times(bot, number)).sum();
        assert!(answers <= self.questions + twice_at_most, "{answers} of {}", self.questions);
        bot.stop().await;
        is_sound(&bot.data_dir()).await;
    }
}

/// The process ends by itself, and the last that it says is this task's name and the reason.
async fn dies_of(bot: &Bot, task: &str, reason: &str) {
    dies_of_one(bot, &[task], reason).await;
}

/// The same where any of these tasks may come there first.
async fn dies_of_one(bot: &Bot, tasks: &[&str], reason: &str) {
    assert_eq!(bot.ended().await.code(), Some(70), "{}", bot.title);
    let log = bot.log();
    let last = log.lines().last().unwrap_or_default();
    let said = |task: &&str| last == format!("windowsill: task {task} ended: {reason}");
    assert!(tasks.iter().any(said), "{}: {last}", bot.title);
}

/// Lives that end with each of these tasks in each way, and one that ends well.
async fn deaths_of(tasks: &[&str], settings: &[(&str, &str)]) {
    let mut bot = Bot::new().await;
    let mut given = Given::to(&bot).await;
    for (name, value) in settings {
        bot.set(name, value);
    }
    for (index, task) in tasks.iter().enumerate() {
        for (how, reason) in WAYS {
            bot.set(END_TASK, format!("{task}:{how}:{}", 40 * index));
            bot.title = format!("{task}, {reason}");
            given.give(&bot).await;
            bot.start();
            dies_of(&bot, task, reason).await;
        }
    }
    for (name, _) in settings {
        bot.set(name, "");
    }
    bot.set(END_TASK, "");
    // An answer in flight when the outbox dies may have arrived.
    let twice_at_most = if tasks.contains(&"outbox") { WAYS.len() } else { 0 };
    given.is_all_there(&mut bot, twice_at_most).await;
}

/// F35: every task of `run`, by a panic and by an error.
#[tokio::test]
async fn the_death_of_any_task_ends_the_process_with_its_name_and_loses_nothing() {
    let polling = [
        ["plants", "publisher", "dead letters", "log upkeep"],
        ["store", "log", "polling", "http server"],
        ["inbox", "timers", "results", "outbox"],
    ];
    let webhook = [("WINDOWSILL_WEBHOOK__URL", "http://127.0.0.1:9/hook")];
    let lives = join_all(polling.iter().map(|tasks| deaths_of(tasks, &[])));
    tokio::join!(lives, deaths_of(&["webhook"], &webhook));
}

/// F35: and those that `demo` has besides.
#[tokio::test]
async fn the_death_of_a_task_of_the_demo_ends_it_with_its_name() {
    let cases = [("bot api server", WAYS[0]), ("simulated sensors", WAYS[1])];
    let deaths = cases.map(async |(task, (how, reason))| {
        let dir = tempfile::tempdir().unwrap();
        let mut command = windowsill(dir.path(), &["demo", "--listen", "127.0.0.1:0"]);
        command.env(END_TASK, format!("{task}:{how}:100"));
        let report = dir.path().join("report");
        command.stderr(std::fs::File::create(&report).unwrap()).stdout(Stdio::null());
        let life = Life::begin(&mut command);
        assert_eq!(life.ended_within(SOON).await.code(), Some(70), "{task}");
        let report = std::fs::read_to_string(report).unwrap();
        let said = format!("windowsill: task {task} ended: {reason}");
        assert_eq!(report.lines().last(), Some(said.as_str()));
    });
    join_all(deaths).await;
}

/// F35: a part of a task that panics in the midst of its work is the task's death.
#[tokio::test]
async fn a_panic_in_the_midst_of_the_work_ends_the_process_with_the_tasks_name() {
    const PIPELINES: &[&str] = &["plants", "wifi"];
    let points = [
        ("before-step-commit", PIPELINES, 0),
        ("after-step-commit", PIPELINES, 0),
        ("after-inbox-insert", &["polling"], 0),
        ("after-send", &["outbox"], 1),
    ];
    let deaths = points.map(async |(point, tasks, twice_at_most)| {
        let mut bot = Bot::new().await.with("TEST_WINDOWSILL_PANIC", format!("{point}:1"));
        bot.title = point.to_owned();
        let mut given = Given::to(&bot).await;
        given.give(&bot).await;
        bot.start();
        dies_of_one(&bot, tasks, "it panicked").await;
        bot.set("TEST_WINDOWSILL_PANIC", "");
        given.is_all_there(&mut bot, twice_at_most).await;
    });
    join_all(deaths).await;
}

/// Telegram does not answer this method.
async fn deaf_to(method: &str) -> Bot {
    let bot = Bot::new().await;
    bot.handle().script(Fault::on(method, Effect::Hang));
    bot
}

async fn hangs(bot: &Bot, method: &str) {
    let asked = |handle: &Handle| (!handle.calls_of(method).is_empty()).then_some(());
    bot.handle().wait_for(SOON, method, asked).await.unwrap();
}

/// F35: nobody has to wait for Telegram to learn that a task died.
#[tokio::test]
async fn the_death_of_a_task_is_noticed_while_telegram_hangs_at_the_start() {
    let mut bot = deaf_to("deleteWebhook").await.with(END_TASK, "plants:error:50");
    bot.start();
    let exit = bot.life().ended_within(STOP).await;
    assert_eq!(exit.code(), Some(70));
    assert_eq!(bot.log().lines().last(), Some("windowsill: task plants ended: a planned error"));
}

/// F35: what may pass ends no process, and nobody but the pipeline notices.
#[tokio::test]
async fn a_transient_fault_of_a_pipeline_begins_that_pipeline_again_and_nothing_else() {
    const STOPPED: &str = "the pipeline stopped; it begins again from its last commit";
    let mut bot = Bot::new().await;
    let log = Log::open(&bot.data_dir(), 1).await;
    bot.started().await;
    bot.answers(OWNER, "/plants", "0 plants").await;
    let refusal = "create trigger refusal before insert on plant
                   begin select raise(abort, 'not now'); end";
    State::change(&bot.data_dir(), refusal).await;
    log.describe(&plant(7, "Cyril", 20.0)).await;
    until(SOON, "the pipeline stops", async || bot.log().contains(STOPPED)).await;
    let polls = bot.handle().calls_of("getMe").len();
    bot.answers(OWNER, "/plants", "0 plants").await;
    bot.answers(OWNER, "/help", "What I can do").await;
    State::change(&bot.data_dir(), "drop trigger refusal").await;
    bot.counts("select count(*) from plant", 1).await;
    bot.answers(OWNER, "/plants", "1 plant").await;
    assert_eq!(bot.handle().calls_of("getMe").len(), polls, "the bot began again");
    assert_eq!(bot.log().matches(STOPPED).count(), 1, "{}", bot.log());
    bot.stop().await;
}

/// Readings that come without a pause; many are there at once, as people's work goes before theirs.
struct Produced {
    end: watch::Sender<bool>,
    count: JoinHandle<i64>,
}

async fn produce(log: Log) -> Produced {
    const AT_FIRST: i64 = 200_000;
    const AT_ONCE: i64 = 500;
    const PAUSE: Duration = Duration::from_millis(10);
    let (end, ended) = watch::channel(false);
    let first_ms = (windowsill::clock::now_ms() / WINDOW_MS - 12) * WINDOW_MS;
    let reading = move |index: i64| Reading {
        plant_id: (index % 6) as u8,
        moisture: 10.0,
        at_ms: first_ms + index * 50,
        partition: 0,
    };
    log.append(&(0..AT_FIRST).map(reading).collect::<Vec<_>>()).await;
    let count = tokio::spawn(async move {
        let mut count = AT_FIRST;
        while !*ended.borrow() {
            let readings: Vec<Reading> = (count..count + AT_ONCE).map(reading).collect();
            log.append(&readings).await;
            count += AT_ONCE;
            tokio::time::sleep(PAUSE).await;
        }
        count
    });
    Produced { end, count }
}

impl Produced {
    /// Ends it and says how many there were.
    async fn end(self) -> i64 {
        self.end.send_replace(true);
        self.count.await.unwrap()
    }
}

/// F34: nearly a thousand updates wait in the inbox, or their answers in the outbox, and readings
/// come without a pause. With `RUN_SLOW=1` the last life delivers all answers, at Telegram's pace.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_with_a_thousand_updates_in_flight_is_in_time_and_loses_nothing() {
    const CHATS: std::ops::Range<i64> = 2_000..2_100;
    const QUESTIONS: i64 = 10;
    const ASKED: i64 = 1_000;
    const REPLIES: &str = "select count(*) from outbox where class = 'reply'";
    const SENT: &str = "select count(*) from outbox where class = 'reply' and state <> 'waiting'";
    const WAITING: &str = "select count(*) from inbox where state = 'waiting'";
    let chats: Vec<String> = CHATS.map(|chat_id| chat_id.to_string()).collect();
    let mut bot = Bot::new().await.with("WINDOWSILL_TELEGRAM__ALLOWED_CHATS", chats.join(","));
    for number in 0..QUESTIONS {
        for chat_id in CHATS {
            bot.handle().say(chat_id, chat_id, &format!("/plant nobody-{number}"));
        }
    }
    let produced = produce(Log::open(&bot.data_dir(), 1).await).await;

    bot.start();
    until(SOON, "it is in the midst of it", async || {
        let Some(mut state) = State::open_if_there(&bot.data_dir()).await else { return false };
        state.number("select count(*) from inbox").await >= ASKED - 100
            && state.number(REPLIES).await >= 20
    })
    .await;
    bot.stop().await;
    let produced = produced.end().await;
    let mut state = State::open(&bot.data_dir()).await;
    let (waiting, replies) = (state.number(WAITING).await, state.number(REPLIES).await);
    let (sent, folded) = (state.number(SENT).await, state.number(FOLDED).await);
    bot.title =
        format!("{waiting} waited, {replies} answered, {sent} sent, {folded} of {produced} folded");
    assert!(sent < replies && ASKED - sent >= 800, "{}", bot.title);
    assert!(folded < produced, "{}", bot.title);

    bot.start();
    let is_slow = std::env::var_os("RUN_SLOW").is_some();
    until(2 * SOON, "all is handled and folded", async || {
        state.number(REPLIES).await >= ASKED
            && state.number(WAITING).await == 0
            && state.number(FOLDED).await == produced
            && (!is_slow || state.number(SENT).await == ASKED)
    })
    .await;
    bot.stop().await;
    assert_eq!(state.number(REPLIES).await, ASKED, "a question was answered twice");
    let twice = "select count(*) from (select 1 from outbox where class = 'reply'
                 group by chat_id, body having count(*) > 1)";
    assert_eq!(state.number(twice).await, 0);
    // What was sent came in the order of the questions, and only what was told as sent.
    let mut shown = 0;
    for chat_id in CHATS {
        let said = bot.said(chat_id);
        shown += said.len() as i64;
        for (number, text) in said.iter().enumerate() {
            assert!(text.contains(&format!("“nobody-{number}”")), "{said:?}");
        }
    }
    assert_eq!(shown, state.number(SENT).await);
    is_sound(&bot.data_dir()).await;
}

/// F34: at any moment of a first start and of a second. A seed is the two moments;
/// `STOP_SEED=7` replays one.
#[tokio::test]
async fn a_stop_at_any_moment_of_a_start_is_in_time_and_loses_nothing() {
    const MOMENTS_MS: std::ops::Range<u64> = 0..300;
    /// Starts side by side; more would only slow each other down.
    const AT_ONCE: u64 = 4;
    let is_slow = std::env::var_os("RUN_SLOW").is_some();
    let seeds = match std::env::var("STOP_SEED").map(|seed| seed.parse::<u64>().unwrap()) {
        Ok(seed) => seed..seed + 1,
        Err(_) => 0..if is_slow { 200 } else { 8 },
    };
    let stopped = async |seed: u64| {
        let mut moments = fastrand::Rng::with_seed(seed);
        let mut bot = Bot::new().await;
        let mut given = Given::to(&bot).await;
        for _ in 0..2 {
            let after_ms = moments.u64(MOMENTS_MS);
            bot.title = format!("{}STOP_SEED={seed}: a stop after {after_ms} ms\n", bot.title);
            given.give(&bot).await;
            bot.start();
            tokio::time::sleep(Duration::from_millis(after_ms)).await;
            bot.life().signal("-TERM");
            let exit = bot.life().ended_within(STOP).await;
            // Before it has begun to take signals, the system ends it.
            assert!(exit.code() == Some(0) || exit.signal() == Some(15), "{}{exit}", bot.title);
        }
        given.is_all_there(&mut bot, 0).await;
    };
    let workers = (0..AT_ONCE).map(async |worker| {
        for seed in seeds.clone().filter(|seed| seed % AT_ONCE == worker) {
            stopped(seed).await;
        }
    });
    join_all(workers).await;
}

/// F34: a stop waits for no call that Telegram leaves open. (For a send it waits a while: it may
/// have arrived. That is in `starting`.)
#[tokio::test]
async fn a_stop_is_in_time_whatever_telegram_does_not_answer() {
    let stops = ["getMe", "deleteWebhook", "getUpdates"].map(async |method| {
        let mut bot = deaf_to(method).await;
        bot.title = method.to_owned();
        bot.start();
        hangs(&bot, method).await;
        bot.stop().await;
    });
    join_all(stops).await;
}

/// How the lines of a test come.
#[derive(Clone, Copy)]
enum Input {
    /// Without an end.
    Endless,
    /// So many, and then the producer waits.
    Waiting(u64),
}

/// F34: what was read is written, what is counted is there, and the exit code tells that there was
/// more to come.
#[tokio::test]
async fn topic_write_that_is_asked_to_stop_says_what_it_wrote() {
    const LINES: u64 = 3_000;
    let line = json!({"key": "1", "value": {"plant_id": 1, "moisture": 2, "temperature": 3}});
    let written = async |signal: &'static str, lines: Input| {
        let dir = tempfile::tempdir().unwrap();
        let report = dir.path().join("report");
        let mut command = windowsill(dir.path(), &["topic", "write", READINGS]);
        command.stdin(Stdio::piped()).stderr(std::fs::File::create(&report).unwrap());
        let mut child = command.spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        let life = Life::of(child);
        let line = line.to_string();
        std::thread::spawn(move || match lines {
            Input::Endless => while writeln!(input, "{line}").is_ok() {},
            Input::Waiting(count) => {
                (0..count).for_each(|_| writeln!(input, "{line}").unwrap());
                // It stays open for as long as anybody may read it.
                std::mem::forget(input);
            }
        });
        let count = || {
            let listed = run(dir.path(), &["topic", "list", "--json"]);
            let topics: Vec<serde_json::Value> =
                serde_json::from_str(&listed.stdout).unwrap_or_default();
            let topic = topics.iter().find(|topic| topic["name"] == READINGS);
            topic.map_or(0, |topic| topic["records"].as_u64().unwrap())
        };
        let enough = match lines {
            Input::Endless => 1,
            Input::Waiting(count) => count,
        };
        until(SOON, "lines are written", async || count() >= enough).await;
        life.signal(signal);
        assert_eq!(life.ended_within(STOP).await.code(), Some(1));
        let report = std::fs::read_to_string(&report).unwrap();
        let (before, closing) = report.trim_end().rsplit_once('\n').unwrap();
        assert!(before.ends_with("stopped before the end of the input"), "{report}");
        let counted = closing.split_once(" written, 0 rejected, ").unwrap().0;
        assert_eq!(counted, count().to_string(), "{report}");
        if let Input::Waiting(count) = lines {
            assert_eq!(counted, count.to_string());
        }
    };
    for lines in [Input::Endless, Input::Waiting(LINES)] {
        tokio::join!(written("-TERM", lines), written("-INT", lines));
    }
}
