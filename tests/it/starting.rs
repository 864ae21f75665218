//! How `windowsill run` begins and ends: what it refuses with one sentence, who may claim it, and
//! that a stop is quick and loses nothing.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::Duration;

use windowsill::demo::botapi::{Effect, Fault, Handle};

use crate::bot::state::State;
use crate::bot::{Bot, Life, OWNER, SOON, until};
use crate::support::Ran;

/// Chats of people who are let in, and what each of them asks.
const CHATS: std::ops::Range<i64> = 1_000..1_060;
const QUESTIONS: usize = 5;

/// A run that ends by itself, with this code and one sentence on standard error.
pub(crate) async fn refused(mut command: Command, code: i32) -> String {
    let ran = tokio::task::spawn_blocking(move || Ran::new(command.output().unwrap()));
    let ran = tokio::time::timeout(SOON, ran).await.expect("it runs on").unwrap();
    let ran = ran.expect_code(code);
    let lines: Vec<&str> = ran.stderr.lines().collect();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0].starts_with("windowsill: "), "{}", lines[0]);
    lines[0].to_owned()
}

/// F38: whatever is wrong with the configuration is one sentence, before a folder is made and
/// before Telegram is asked anything.
#[tokio::test]
async fn a_wrong_configuration_ends_it_in_one_sentence_before_anything_is_touched() {
    let cases = [
        ("WINDOWSILL_TIME_ZONE", "Mars/Olympus", "expected a name such as Europe/Berlin"),
        ("WINDOWSILL_LOG_FILTER", "==", "log_filter is \"==\""),
        ("WINDOWSILL_DATADIR", "x", "did you mean \"data_dir\"?"),
        ("WINDOWSILL_CLOCK_LAG_MS", "soon", "expected a whole number"),
        ("WINDOWSILL_TELEGRAM__OWNERS", "me", "expected a list of whole numbers"),
        ("WINDOWSILL_TELEGRAM__API_URL", "not a url", "https://api.telegram.org"),
        ("WINDOWSILL_TELEGRAM__TOKEN_FILE", "missing", "are set, expected one of them"),
        ("WINDOWSILL_HTTP__LISTEN", "everywhere", "expected an address"),
        ("WINDOWSILL_WEBHOOK__URL", "ftp://x", "or ngrok"),
        ("WINDOWSILL_PLANTS__LOW_READINGS_LIMIT", "-1", "expected a whole number from 0"),
        ("TELEGRAM_BOT_TOKEN", "", "@BotFather"),
    ];
    for (variable, value, expected) in cases {
        let bot = Bot::new().await.with(variable, value);
        let said = refused(bot.command(&["run"]), 2).await;
        assert!(said.contains(expected), "{expected:?} is missing in {said:?}");
        assert!(!bot.data_dir().exists(), "{variable}");
        assert!(bot.handle().calls().is_empty(), "{variable}");
    }
}

/// F38: the same for what stands in the file.
#[tokio::test]
async fn a_wrong_file_ends_it_in_one_sentence_before_anything_is_touched() {
    let cases = [
        ("[topics.houseplant-reading]", "expected one of"),
        ("[topics.houseplant-readings]\nname = 'a b'", "is not a topic's name"),
        ("[topics.houseplant-readings]\npartitions = 0", "expected 1 to 1000 partitions"),
        ("[topics.houseplant-readings]\nname = 'houseplant-metadata'", "the same name as"),
        ("[telegram]\ntoken = 4711:Zq7Secret", "is not TOML: line 2"),
        ("[soil_sensors]\nbus = 1", "which is not a key"),
    ];
    for (text, expected) in cases {
        let bot = Bot::new().await;
        std::fs::write(bot.data_dir().with_file_name("windowsill.toml"), text).unwrap();
        let said = refused(bot.command(&["run"]), 2).await;
        assert!(said.contains(expected), "{expected:?} is missing in {said:?}");
        assert!(!said.contains("Zq7Secret"), "{said}");
        assert!(!bot.data_dir().exists() && bot.handle().calls().is_empty(), "{text}");
    }
}

/// F38: a data directory that cannot be one.
#[tokio::test]
async fn a_data_directory_that_is_a_file_is_told_in_one_sentence() {
    let bot = Bot::new().await;
    std::fs::write(bot.data_dir(), "somebody's file").unwrap();
    let said = refused(bot.command(&["run"]), 1).await;
    assert!(said.contains("/data is a file, expected a folder"), "{said}");
    assert_eq!(std::fs::read_to_string(bot.data_dir()).unwrap(), "somebody's file");
}

/// F38: the names of a stream and a table, mixed up after the log was made.
#[tokio::test]
async fn a_topic_of_another_kind_is_refused_before_a_record_is_misread() {
    let bot = Bot::new().await;
    drop(crate::bot::past::Log::open(&bot.data_dir(), 1).await);
    let swapped = "[topics.houseplant-readings]\nname = 'houseplant-metadata'\n\
        [topics.houseplant-metadata]\nname = 'houseplant-readings'";
    std::fs::write(bot.data_dir().with_file_name("windowsill.toml"), swapped).unwrap();
    let said = refused(bot.command(&["run"]), 2).await;
    assert!(
        said.contains("\"houseplant-readings\" of the log is a stream, expected a table"),
        "{said}"
    );
    assert!(!bot.data_dir().join("state.db").exists());
}

/// F38: no token.
#[tokio::test]
async fn without_a_token_it_says_where_to_get_one_and_touches_nothing() {
    let bot = Bot::new().await.with("TELEGRAM_BOT_TOKEN", "");
    let said = refused(bot.command(&["run"]), 2).await;
    assert!(said.contains("@BotFather") && said.contains("windowsill demo"), "{said}");
    assert!(!bot.data_dir().exists());
}

/// F38: a token that is nobody's.
#[tokio::test]
async fn a_token_that_telegram_does_not_know_is_refused_and_not_repeated() {
    let bot = Bot::new().await.with("TELEGRAM_BOT_TOKEN", "4711:somebody-elses");
    let said = refused(bot.command(&["run"]), 2).await;
    assert!(said.contains("@BotFather") && !said.contains("somebody-elses"), "{said}");
    assert!(!bot.data_dir().exists());
}

/// F39
#[tokio::test]
async fn what_needs_the_folder_for_itself_is_refused_beside_a_running_bot() {
    let mut bot = Bot::new().await;
    bot.started().await;
    let data_dir = bot.data_dir().display().to_string();
    let demo = ["demo", "--listen", "127.0.0.1:0", "--data-dir", &data_dir];
    for args in [&["run"][..], &["fold"], &["rebuild"], &demo] {
        let said = refused(bot.command(args), 3).await;
        assert!(
            said.contains(&format!("another instance of windowsill holds {data_dir}")),
            "{said}"
        );
    }
    bot.answers(OWNER, "/plants", "0 plants").await;
    bot.stop().await;
    let mut fold = bot.command(&["fold"]);
    let ran = tokio::task::spawn_blocking(move || Ran::new(fold.output().unwrap())).await.unwrap();
    ran.expect_code(0);
}

#[tokio::test]
async fn a_folder_of_the_demo_is_refused() {
    let bot = Bot::new().await;
    let data_dir = bot.data_dir().display().to_string();
    let mut command = bot.command(&["demo", "--listen", "127.0.0.1:0", "--data-dir", &data_dir]);
    let address = bot.data_dir().with_file_name("address");
    command.stdout(std::fs::File::create(&address).unwrap()).stderr(std::process::Stdio::null());
    let demo = Life::begin(&mut command);
    until(SOON, "the demo's address", async || {
        std::fs::read_to_string(&address).unwrap().starts_with("http://")
    })
    .await;
    demo.signal("-TERM");
    assert_eq!(demo.ended_within(SOON).await.code(), Some(0));
    let said = refused(bot.command(&["run"]), 2).await;
    assert!(said.contains("windowsill demo") && said.contains("--data-dir"), "{said}");
}

#[tokio::test]
async fn an_owner_by_configuration_gets_the_whole_menu_when_they_first_write() {
    let mut bot = Bot::new().await;
    // Telegram knows no chat with them yet, and takes no menu for it.
    bot.started().await;
    bot.answers(OWNER, "/start", "Hello!").await;
    let whole = |handle: &Handle| (handle.menu(OWNER, OWNER).len() > 5).then_some(());
    bot.handle().wait_for(SOON, "the whole menu", whole).await.unwrap();
    bot.stop().await;
}

#[tokio::test]
async fn the_first_owner_claims_it_with_the_printed_code_and_nobody_guesses_it() {
    /// Somebody who comes with the code after it was used.
    const LATECOMER: i64 = 23;
    const GUESSER: i64 = 21;
    const CLAIMER: i64 = 22;
    let mut bot = Bot::without_owner().await;
    bot.started().await;
    let printed = bot.printed();
    let code = printed.split_once("/start ").unwrap().1.lines().next().unwrap().to_owned();
    assert!(
        code.len() == 8
            && code.bytes().all(|byte| b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".contains(&byte))
    );

    bot.answers(GUESSER, "/start", "You are not authorized to use this application.").await;
    for _ in 0..5 {
        bot.answers(GUESSER, "/start AAAAAAAA", "That is not the code.").await;
    }
    let refused = bot.answers(GUESSER, &format!("/start {code}"), "Too many wrong codes;").await;
    assert!(refused.text.ends_with("ask whoever runs it for an invitation."), "{refused:?}");
    assert_eq!(commands(&bot, GUESSER), ["start"]);
    bot.answers(CLAIMER, &format!("/start {code}"), "You own this bot now").await;
    bot.answers(LATECOMER, &format!("/start {code}"), "This bot has an owner already").await;

    let whole = |handle: &Handle| {
        let menu = handle.menu(CLAIMER, CLAIMER);
        menu.iter().any(|(name, _)| name == "update_plant").then_some(())
    };
    bot.handle().wait_for(SOON, "the whole menu", whole).await.unwrap();
    assert_eq!(commands(&bot, GUESSER), ["start"]);
    bot.stop().await;
    assert!(!bot.log().contains(&code), "the code stands on the console only");

    bot.started().await;
    assert!(!bot.printed()[printed.len()..].contains("/start"), "an owned bot prints no code");
    bot.answers(CLAIMER, "/plants", "0 plants").await;
    bot.stop().await;
}

fn commands(bot: &Bot, user_id: i64) -> Vec<String> {
    bot.handle().menu(user_id, user_id).into_iter().map(|(name, _)| name).collect()
}

/// A bot for many chats, and three hundred questions that wait for it.
async fn with_many_questions() -> Bot {
    let chats: Vec<String> = CHATS.map(|chat_id| chat_id.to_string()).collect();
    let bot = Bot::new().await.with("WINDOWSILL_TELEGRAM__ALLOWED_CHATS", chats.join(","));
    for number in 0..QUESTIONS {
        for chat_id in CHATS {
            bot.handle().say(chat_id, chat_id, &format!("/plant nobody-{number}"));
        }
    }
    bot
}

/// How many of the questions have been answered.
fn answers(bot: &Bot) -> usize {
    CHATS.map(|chat_id| bot.times_said(chat_id, "I know no plant called")).sum()
}

/// F34
#[tokio::test]
async fn a_stop_with_hundreds_of_updates_in_flight_is_quick_and_loses_nothing() {
    let mut bot = with_many_questions().await;
    bot.start();
    let some = |_: &_| (answers(&bot) >= 20).then_some(());
    bot.handle().wait_for(SOON, "first answers", some).await.unwrap();
    bot.stop().await;
    let at_stop = answers(&bot);
    assert!(at_stop < CHATS.count() * QUESTIONS, "it was too fast for this test");

    bot.start();
    let all = |_: &_| (answers(&bot) >= CHATS.count() * QUESTIONS).then_some(());
    bot.handle().wait_for(SOON, "all answers", all).await.unwrap();
    bot.stop().await;
    for chat_id in CHATS {
        let said = bot.said(chat_id);
        let expected =
            (0..QUESTIONS).map(|number| format!("I know no plant called “nobody-{number}”"));
        assert_eq!(said.len(), QUESTIONS, "{said:?}");
        for (text, expected) in said.iter().zip(expected) {
            assert!(text.starts_with(&expected), "{said:?}");
        }
    }
    assert!(State::open(&bot.data_dir()).await.is_quiet().await);
}

/// A bot that was asked to stop while Telegram does not answer.
async fn stopping_in_vain() -> Bot {
    let mut bot = Bot::new().await;
    bot.started().await;
    bot.handle().script(Fault::on("sendMessage", Effect::Hang));
    bot.handle().say(OWNER, OWNER, "/plants");
    let hangs = |handle: &Handle| (!handle.calls_of("sendMessage").is_empty()).then_some(());
    bot.handle().wait_for(SOON, "a send that hangs", hangs).await.unwrap();
    bot
}

/// F34
#[tokio::test]
async fn a_stop_waits_for_no_send_that_hangs_longer_than_its_time() {
    let mut bot = stopping_in_vain().await;
    bot.stop().await;
    bot.handle().clear_faults();
    bot.start();
    bot.handle().wait_for_text(SOON, OWNER, 0, "0 plants").await.unwrap();
    bot.stop().await;
}

/// F34
#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let bot = stopping_in_vain().await;
    bot.life().signal("-TERM");
    until(SOON, "it has noticed", async || bot.log().contains("a second signal stops at once"))
        .await;
    bot.life().signal("-INT");
    let exit = bot.life().ended_within(Duration::from_secs(2)).await;
    assert_eq!((exit.code(), exit.signal()), (Some(130), None));
}

/// What people wrote, and the secrets that we make up, are the owner's of the folder alone.
#[tokio::test]
async fn what_it_makes_is_nobody_elses_to_read() {
    use std::os::unix::fs::PermissionsExt;
    let mut bot = Bot::new().await;
    bot.started().await;
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&bot.data_dir()), 0o700);
    for entry in std::fs::read_dir(bot.data_dir()).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{path:?}");
    }
    bot.stop().await;
}
