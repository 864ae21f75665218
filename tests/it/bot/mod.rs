//! The real bot as a child process, against a stand-in for Telegram: started, killed, restarted,
//! stopped. When a test fails it prints what was said and what was logged.

use std::fs::OpenOptions;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::watch;
use windowsill::demo::botapi::{Handle, ShownMessage};

use past::Log;

use crate::botapi_world::{TOKEN, World};
use crate::kafka::prefixed::prefix;

mod hygiene;
pub(crate) mod past;
pub(crate) mod plants;
pub(crate) mod state;

/// The owner by configuration, and their private chat.
pub(crate) const OWNER: i64 = 11;
/// How long anything that should happen may take, on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(60);
/// How long a stop may take (contract: 10 s).
const STOP: Duration = Duration::from_secs(10);
/// Lines of the log that a failed test prints.
const LOG_LINES: usize = 60;

/// A folder, its Telegram, and the bot that may be running on them.
pub(crate) struct Bot {
    pub(crate) world: World,
    folder: TempDir,
    settings: Vec<(String, String)>,
    life: Option<Life>,
    /// Brokers and the prefix of topics, where the log is a cluster.
    kafka: Option<(String, String)>,
    /// Bytes that earlier lives printed.
    printed_before: usize,
    /// Printed first when a test fails.
    pub(crate) title: String,
}

/// One process from its start to its end.
pub(crate) struct Life {
    process_id: u32,
    ended: watch::Receiver<Option<ExitStatus>>,
}

impl Bot {
    /// A folder for an owner who is known by configuration. Nothing runs yet.
    pub(crate) async fn new() -> Bot {
        let bot = Bot::without_owner().await;
        bot.with("WINDOWSILL_TELEGRAM__OWNERS", OWNER)
    }

    pub(crate) async fn without_owner() -> Bot {
        let world = World::start().await;
        let folder = tempfile::tempdir().unwrap();
        let settings = vec![
            ("WINDOWSILL_TELEGRAM__API_URL".to_owned(), world.base.clone()),
            ("TELEGRAM_BOT_TOKEN".to_owned(), TOKEN.to_owned()),
            ("WINDOWSILL_HTTP__LISTEN".to_owned(), "127.0.0.1:0".to_owned()),
        ];
        Bot {
            world,
            folder,
            settings,
            life: None,
            kafka: None,
            printed_before: 0,
            title: String::new(),
        }
    }

    /// Sets a variable for the lives to come; an empty one is as good as none.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: impl ToString) -> Bot {
        self.set(name, value);
        self
    }

    pub(crate) fn set(&mut self, name: &str, value: impl ToString) {
        self.settings.retain(|(known, _)| known != name);
        self.settings.push((name.to_owned(), value.to_string()));
    }

    /// Its log is a cluster that may be shared: its topics have a prefix of their own.
    pub(crate) fn on_kafka(&mut self, brokers: &str) {
        let prefix = prefix();
        self.set("WINDOWSILL_KAFKA__BROKERS", brokers);
        self.set("WINDOWSILL_KAFKA__TOPIC_PREFIX", &prefix);
        self.kafka = Some((brokers.to_owned(), prefix));
    }

    /// The settings by which another program finds the same cluster.
    pub(crate) fn kafka_settings(&self) -> Vec<(String, String)> {
        let is_of_kafka = |name: &str| name.starts_with("WINDOWSILL_KAFKA__");
        self.settings.iter().filter(|(name, _)| is_of_kafka(name)).cloned().collect()
    }

    /// The bot's log, opened beside it; readings get so many partitions if they are not there yet.
    pub(crate) async fn past(&self, partitions: i32) -> Log {
        match &self.kafka {
            Some((brokers, prefix)) => Log::on_kafka(brokers, prefix, partitions).await,
            None => Log::open(&self.data_dir(), partitions).await,
        }
    }

    /// Ends the process at the n-th visit of a point in the life that begins next.
    pub(crate) fn crash_at(&mut self, point: &str, visit: u64) {
        self.set("TEST_WINDOWSILL_CRASH", format!("{point}:{visit}"));
    }

    pub(crate) fn crash_no_more(&mut self) {
        self.set("TEST_WINDOWSILL_CRASH", "");
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.world.handle
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Another command of the binary, with the bot's settings.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = crate::support::windowsill(self.folder.path(), args);
        command.env("WINDOWSILL_DATA_DIR", self.data_dir());
        command.envs(self.settings.iter().filter(|(_, value)| !value.is_empty()).cloned());
        command
    }

    /// Begins a life. It is not ready yet.
    pub(crate) fn start(&mut self) {
        assert!(self.life.as_ref().is_none_or(|life| life.exit().is_some()), "it runs already");
        let output = |name: &str| {
            let path = self.folder.path().join(name);
            Stdio::from(OpenOptions::new().create(true).append(true).open(path).unwrap())
        };
        self.printed_before = self.printed().len();
        let mut command = self.command(&["run"]);
        command.stdout(output("out.txt")).stderr(output("log.txt"));
        self.life = Some(Life::begin(&mut command));
    }

    /// Begins a life and waits until it asks for updates.
    pub(crate) async fn started(&mut self) {
        let before = self.handle().calls_of("getUpdates").len();
        self.start();
        self.polls_again(before).await;
    }

    /// Waits for one more poll than so many.
    pub(crate) async fn polls_again(&self, before: usize) {
        let polls = |handle: &Handle| (handle.calls_of("getUpdates").len() > before).then_some(());
        self.handle().wait_for(SOON, "poll", polls).await.unwrap();
    }

    pub(crate) fn life(&self) -> &Life {
        self.life.as_ref().expect("it was never started")
    }

    /// The end of the present life.
    pub(crate) async fn ended(&self) -> ExitStatus {
        self.life().ended_within(SOON).await
    }

    /// The process dies as if the power had gone.
    pub(crate) async fn kill(&self) {
        self.life().signal("-9");
        assert_eq!(self.ended().await.signal(), Some(9));
    }

    /// Waits for the crash that was planned.
    pub(crate) async fn crashed(&self) {
        assert_eq!(self.ended().await.signal(), Some(9), "it should have crashed as planned");
    }

    /// Stops it as a service manager does: in time, and with 0.
    pub(crate) async fn stop(&self) {
        self.life().signal("-TERM");
        assert_eq!(self.life().ended_within(STOP).await.code(), Some(0));
    }

    /// Everything that all lives logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log.txt")).unwrap_or_default()
    }

    /// Everything that all lives printed.
    pub(crate) fn printed(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("out.txt")).unwrap_or_default()
    }

    /// Where the present life answers over HTTP.
    pub(crate) async fn http_address(&self) -> SocketAddr {
        let mut found = None;
        until(SOON, "the address", async || {
            let printed = self.printed()[self.printed_before..].to_owned();
            let mut lines = printed.split_inclusive('\n').filter(|line| line.ends_with('\n'));
            found = lines
                .find_map(|line| line.trim_end().strip_prefix("listening on http://"))
                .map(|address| address.parse().unwrap());
            found.is_some()
        })
        .await;
        found.unwrap()
    }

    /// A page of the present life: its status and its text.
    pub(crate) async fn page(&self, path: &str) -> (u16, String) {
        let url = format!("http://{}{path}", self.http_address().await);
        let response = self.world.client().get(url).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    /// Somebody writes in private, and the bot's answer has `part` in it.
    pub(crate) async fn answers(&self, user_id: i64, text: &str, part: &str) -> ShownMessage {
        let after = self.newest(user_id);
        self.handle().say(user_id, user_id, text);
        self.handle().wait_for_text(SOON, user_id, after, part).await.unwrap()
    }

    /// Somebody taps the newest button with this label, and what the bot says next has `part` in it.
    pub(crate) async fn taps(&self, user_id: i64, label: &str, part: &str) -> ShownMessage {
        self.taps_in(user_id, user_id, label, part).await
    }

    /// Waits until the bot's views show something, asked beside it.
    pub(crate) async fn sees(&self, text: &str, part: &str) {
        let shows = async || {
            let asked = self.command(&["ask", text]).output().unwrap();
            String::from_utf8_lossy(&asked.stdout).contains(part)
        };
        until(SOON, part, shows).await;
    }

    /// Somebody writes in a group, and the bot's answer has `part` in it.
    pub(crate) async fn answers_in(
        &self,
        chat_id: i64,
        user_id: i64,
        text: &str,
        part: &str,
    ) -> ShownMessage {
        let after = self.newest(chat_id);
        self.handle().say(chat_id, user_id, text);
        self.handle().wait_for_text(SOON, chat_id, after, part).await.unwrap()
    }

    /// The same in a group.
    pub(crate) async fn taps_in(
        &self,
        chat_id: i64,
        user_id: i64,
        label: &str,
        part: &str,
    ) -> ShownMessage {
        let after = self.newest(chat_id);
        self.handle().press_label(chat_id, user_id, label).unwrap();
        self.handle().wait_for_text(SOON, chat_id, after, part).await.unwrap()
    }

    /// Waits until the bot answers a tap with this note.
    pub(crate) async fn notes(&self, note: &str) {
        let noted = |handle: &Handle| {
            let calls = handle.calls_of("answerCallbackQuery");
            calls.iter().any(|call| call.param("text") == note).then_some(())
        };
        self.handle().wait_for(SOON, note, noted).await.unwrap();
    }

    /// The id of the newest message in a chat.
    pub(crate) fn newest(&self, chat_id: i64) -> i64 {
        self.handle().messages(chat_id).last().map_or(0, |message| message.id)
    }

    /// Waits until everything that was written to the bot is handled, and what it says is sent.
    pub(crate) async fn is_quiet(&self) {
        until(SOON, "everything is handled", async || {
            self.handle().pending_updates() == 0
                && state::State::open(&self.data_dir()).await.is_quiet().await
        })
        .await;
    }

    /// Waits until a number in the bot's state is so.
    pub(crate) async fn counts(&self, sql: &str, expected: i64) {
        until(SOON, sql, async || {
            state::State::open(&self.data_dir()).await.number(sql).await == expected
        })
        .await;
    }

    /// What the bot has said in a chat, oldest first.
    pub(crate) fn said(&self, chat_id: i64) -> Vec<String> {
        let messages = self.handle().messages(chat_id).into_iter();
        messages.filter(|message| message.from_bot).map(|message| message.text).collect()
    }

    /// How often the bot has said something with `part` in it.
    pub(crate) fn times_said(&self, chat_id: i64, part: &str) -> usize {
        self.said(chat_id).iter().filter(|text| text.contains(part)).count()
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.signal("-9");
    }
}

impl Drop for Bot {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let first = log.lines().count().saturating_sub(LOG_LINES);
            let tail: Vec<&str> = log.lines().skip(first).collect();
            let chat = self.handle().transcript(OWNER);
            eprintln!("{}\n{chat}--- the log ends with\n{}", self.title, tail.join("\n"));
            return;
        }
        let leaks = hygiene::leaks(&self.log(), self.handle());
        assert!(leaks.is_empty(), "this is in the log: {leaks:?}");
        assert!(!self.printed().contains(TOKEN), "the token was printed");
    }
}

impl Life {
    pub(crate) fn begin(command: &mut Command) -> Life {
        Life::of(command.spawn().unwrap())
    }

    pub(crate) fn of(mut child: Child) -> Life {
        let process_id = child.id();
        let (end, ended) = watch::channel(None);
        std::thread::spawn(move || {
            // Nobody may be left to be told.
            let _ = end.send(Some(child.wait().unwrap()));
        });
        Life { process_id, ended }
    }

    pub(crate) fn exit(&self) -> Option<ExitStatus> {
        *self.ended.borrow()
    }

    pub(crate) async fn ended(&self) -> ExitStatus {
        let mut ended = self.ended.clone();
        let exit = *ended.wait_for(Option::is_some).await.unwrap();
        exit.unwrap()
    }

    pub(crate) async fn ended_within(&self, within: Duration) -> ExitStatus {
        let waited = tokio::time::timeout(within, self.ended()).await;
        waited.unwrap_or_else(|_| panic!("it still runs after {within:?}"))
    }

    /// Sends a signal, unless the process has ended.
    pub(crate) fn signal(&self, signal: &str) {
        if self.exit().is_none() {
            let process_id = self.process_id.to_string();
            // It may end by itself in this moment.
            let _ = Command::new("kill").args([signal, &process_id]).stderr(Stdio::null()).status();
        }
    }
}

/// The labels of the buttons under a message.
pub(crate) fn labels(message: &ShownMessage) -> Vec<String> {
    message.buttons.iter().flatten().map(|button| button.label.clone()).collect()
}

/// Looks again and again until something is so.
pub(crate) async fn until(within: Duration, what: &str, mut holds: impl AsyncFnMut() -> bool) {
    const LOOK_EVERY: Duration = Duration::from_millis(20);
    let search = async {
        while !holds().await {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let found = tokio::time::timeout(within, search).await;
    assert!(found.is_ok(), "not within {within:?}: {what}");
}

/// Every file below a folder that holds these bytes.
pub(crate) fn files_with(dir: &Path, wanted: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(&path, wanted));
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        if bytes.windows(wanted.len()).any(|part| part == wanted.as_bytes()) {
            found.push(path);
        }
    }
    found
}
