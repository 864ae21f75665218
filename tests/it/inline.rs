//! Inline mode: what somebody types behind the bot's name in any chat, and what is said then.

use chrono_tz::Tz;
use windowsill::demo::botapi::{Effect, Fault, Handle, InlineAnswer};

use crate::bot::past::{Log, Reading, plant};
use crate::bot::state::State;
use crate::bot::{Bot, OWNER, SOON};

const STRANGER: i64 = 31;
/// Only looks: somebody in a group that was let in.
const VIEWER: i64 = 32;
const GROUP: i64 = -100_500;
/// A chat that the bot is not in.
const ELSEWHERE: i64 = -100_501;

/// Waits for so many answers, and gives the newest.
pub(crate) async fn answered(bot: &Bot, user_id: i64, count: usize) -> InlineAnswer {
    let found = |handle: &Handle| {
        let mut answers = handle.inline_answers(user_id);
        (answers.len() == count).then(|| answers.pop()).flatten()
    };
    bot.handle().wait_for(SOON, "answer to an inline query", found).await.unwrap()
}

fn titles(answer: &InlineAnswer) -> Vec<&str> {
    answer.results.iter().map(|result| result.title.as_str()).collect()
}

/// Cyril (plant 0) is dry, Nicholas (plant 1) is fine, Cyrus (plant 2) was never read.
async fn with_plants() -> (Bot, Log) {
    let mut bot = Bot::new().await.with("WINDOWSILL_TELEGRAM__ALLOWED_CHATS", GROUP);
    let log = Log::open(&bot.data_dir(), 1).await;
    for (plant_id, name) in [(0, "Cyril"), (1, "Nicholas"), (2, "Cyrus")] {
        log.describe(&plant(plant_id, name, 30.0)).await;
    }
    let at_ms = windowsill::clock::now_ms();
    let reading = |plant_id, moisture| Reading { plant_id, moisture, at_ms, partition: 0 };
    log.append(&[reading(0, 20.5), reading(1, 50.0)]).await;
    bot.started().await;
    bot.sees("/plants", "3 plants").await;
    bot.sees("/plant 1", "Last reading").await;
    (bot, log)
}

#[tokio::test]
async fn a_member_picks_a_plant_by_its_name_and_its_card_is_said() {
    let (bot, _log) = with_plants().await;
    bot.handle().inline_query(OWNER, "cyr");
    let answer = answered(&bot, OWNER, 1).await;
    assert!(answer.is_personal && answer.next_offset.is_empty(), "{answer:?}");
    assert_eq!(titles(&answer), ["🟠 Cyril the Some Fern", "⚪ Cyrus the Some Fern"]);
    let cyril = &answer.results[0];
    assert!(cyril.description.starts_with("20.5\u{a0}% of 30–90, dry · 20.0\u{a0}°C · "));
    for part in ["🪴 Cyril the Some Fern", "Moisture: 20.5\u{a0}%, too dry", "Last reading"] {
        assert!(cyril.text.contains(part), "{part} in {cyril:?}");
    }
    // A command means nothing in another chat.
    assert!(!cyril.text.contains('/'), "{cyril:?}");
    assert_eq!(answer.results[1].description, "no reading yet");

    bot.handle().pick(ELSEWHERE, OWNER, &cyril.id).unwrap();
    // Among us it is no question, and no answer to one.
    bot.answers(OWNER, "/update_plant 7", "Please enter plant's given name").await;
    bot.handle().pick(OWNER, OWNER, &cyril.id).unwrap();
    bot.handle().pick(GROUP, OWNER, &cyril.id).unwrap();
    bot.is_quiet().await;
    bot.answers(OWNER, "Ginny", "Please enter plant's scientific name").await;
    let said = |chat_id| bot.handle().messages(chat_id).pop().unwrap();
    assert!(said(ELSEWHERE).text.starts_with("🪴 Cyril") && !said(ELSEWHERE).from_bot);
    assert_eq!(bot.said(GROUP).len() + bot.said(ELSEWHERE).len(), 0);
    bot.stop().await;
    let mut state = State::open(&bot.data_dir()).await;
    let kept = "select (select count(*) from outbox where lane = 'inline' and body <> '')
        + (select count(*) from inbox where body is not null)";
    assert_eq!(state.number(kept).await, 0, "what was typed, or what was answered, is kept");
}

#[tokio::test]
async fn without_a_word_all_plants_are_offered_those_in_need_first_a_page_after_the_other() {
    let (bot, log) = with_plants().await;
    for plant_id in 3..23 {
        log.describe(&plant(plant_id, &format!("Fern {plant_id}"), 30.0)).await;
    }
    bot.sees("/plants", "23 plants").await;
    bot.handle().inline_query(OWNER, "");
    let first = answered(&bot, OWNER, 1).await;
    assert_eq!(titles(&first)[..2], ["🟠 Cyril the Some Fern", "⚪ Cyrus the Some Fern"]);
    assert_eq!((first.results.len(), first.next_offset.as_str()), (20, "20"));
    bot.handle().inline_query_from(OWNER, "", &first.next_offset);
    let second = answered(&bot, OWNER, 2).await;
    assert_eq!((second.results.len(), second.next_offset.as_str()), (3, ""));
    let ids = first.results.iter().chain(&second.results).map(|result| &result.id);
    assert_eq!(ids.collect::<std::collections::BTreeSet<_>>().len(), 23);
    // By another name, by the id, by nothing that there is, from an offset of nobody's.
    for (number, (typed, offset, expected)) in [
        ("FILIX QUAEDAM", "", 20),
        ("2", "", 5),
        ("moss", "", 0),
        ("cyril", "-1x", 1),
        ("%_'", "", 0),
    ]
    .into_iter()
    .enumerate()
    {
        bot.handle().inline_query_from(OWNER, typed, offset);
        let answer = answered(&bot, OWNER, 3 + number).await;
        assert_eq!(answer.results.len(), expected, "{typed}: {answer:?}");
    }
    bot.stop().await;
}

/// Whoever may use it learns of it where they look for what the bot can do, and nobody where
/// @BotFather has not switched it on.
#[tokio::test]
async fn help_and_start_tell_members_of_it_while_it_is_on() {
    const LINE: &str = " cyril finds a plant and says its card there.";
    let (mut bot, _log) = with_plants().await;
    for command in ["/help", "/start"] {
        let told = bot.answers(OWNER, command, LINE).await;
        assert!(told.text.contains("In any chat @"), "{told:?}");
    }
    let told = bot.answers_in(GROUP, VIEWER, "/help", "What I can do").await;
    assert!(!told.text.contains(LINE), "{told:?}");
    bot.stop().await;
    bot.handle().set_inline_mode(false);
    bot.started().await;
    for (command, part) in [("/help", "What I can do"), ("/start", "Hello!")] {
        let told = bot.answers(OWNER, command, part).await;
        assert!(!told.text.contains(LINE), "{told:?}");
    }
    bot.stop().await;
}

/// F26: nobody but members, whatever group they are in.
#[tokio::test]
async fn whoever_is_no_member_is_offered_nothing() {
    let (bot, _log) = with_plants().await;
    bot.answers_in(GROUP, VIEWER, "/plants", "3 plants").await;
    for person in [STRANGER, VIEWER] {
        for (count, typed) in ["", "cyril"].into_iter().enumerate() {
            bot.handle().inline_query(person, typed);
            let answer = answered(&bot, person, count + 1).await;
            let nothing =
                InlineAnswer { is_personal: true, cache_s: 10, ..InlineAnswer::default() };
            assert_eq!(answer, nothing);
        }
    }
    bot.is_quiet().await;
    assert!(bot.said(STRANGER).is_empty() && bot.said(VIEWER).is_empty());
    // It was no knock at the door: that is still answered, once.
    bot.answers(STRANGER, "hello", "You are not authorized").await;
    bot.stop().await;
}

#[tokio::test]
async fn a_card_goes_by_the_settings_of_whoever_asks() {
    let moment = || windowsill::kernel::when::moment(windowsill::clock::now_ms(), Tz::Asia__Tokyo);
    let before = moment();
    let (bot, _log) = with_plants().await;
    bot.answers(OWNER, "/settings f", "°F").await;
    bot.answers(OWNER, "/settings tokyo", "Asia/Tokyo").await;
    bot.handle().inline_query(OWNER, "nicholas");
    let nicholas = answered(&bot, OWNER, 1).await.results.pop().unwrap();
    assert!(nicholas.description.contains("68.0\u{a0}°F"), "{nicholas:?}");
    assert!(nicholas.text.contains("Temperature: 68.0\u{a0}°F"), "{nicholas:?}");
    // The reading came in between.
    let is_tokyo = [before, moment()].iter().any(|moment| {
        let (hour, _) = moment.rsplit_once(':').unwrap();
        nicholas.text.contains(hour)
    });
    assert!(is_tokyo, "{nicholas:?}");
    bot.stop().await;
}

/// What was typed too long ago is answered by nobody: not by a life that finds it, and not by one
/// that Telegram gives it too late.
#[tokio::test]
async fn an_old_query_is_dropped_and_the_next_one_is_answered() {
    const LATE_MS: i64 = 11_000;
    let (mut bot, _log) = with_plants().await;
    bot.stop().await;
    bot.crash_at("after-inbox-insert", 1);
    bot.handle().inline_query(OWNER, "cyril");
    bot.start();
    bot.crashed().await;
    bot.crash_no_more();
    bot.set("TEST_WINDOWSILL_CLOCK_SHIFT_MS", LATE_MS);
    bot.started().await;
    bot.is_quiet().await;
    let answers = |bot: &Bot| bot.handle().calls_of("answerInlineQuery").len();
    assert_eq!(answers(&bot), 0);

    bot.stop().await;
    bot.handle().inline_query(OWNER, "cyril");
    bot.handle().age_inline_queries();
    bot.started().await;
    bot.is_quiet().await;
    assert_eq!((answers(&bot), bot.handle().inline_answers(OWNER).len()), (1, 0));

    let away = Effect::status(502, "Bad Gateway");
    bot.handle().script(Fault::on("answerInlineQuery", away).times(1));
    bot.handle().inline_query(OWNER, "cyril");
    assert_eq!(titles(&answered(&bot, OWNER, 1).await), ["🟠 Cyril the Some Fern"]);
    bot.stop().await;
    assert!(bot.said(OWNER).is_empty(), "{:?}", bot.said(OWNER));
    assert!(!bot.log().contains("a message was dropped"), "{}", bot.log());
}
