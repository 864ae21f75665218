//! Names that would like to be markup, SQL, commands or templates: they are text everywhere.

use serde_json::json;
use windowsill::kernel::text::acts;

use crate::bot::past::{Log, plant};
use crate::bot::{Bot, OWNER, labels};

const SAVED: &str = "You've confirmed your mapping entry, and it has been updated.";
/// What a person may type.
const TYPED: &str = "<b>&_*[]()~'; drop table plant;--\"{{ /y";
/// What another program may write: the same with a line break and a bidirectional override.
const FOREIGN: &str = "<b>&_*[]()~';--\"{{\n/y\u{202e}";
const SHOWN: &str = "<b>&_*[]()~';--\"{{\\n/y\\u{202e}";
/// A sensor's id has no characters that act.
const SENSOR: &str = "<b>&_*';--\"{{/y";

fn is_calm(text: &str) -> bool {
    !text.chars().any(|char| acts(char) && char != '\n')
}

/// What `windowsill ask` prints.
fn asked(bot: &Bot, text: &str) -> String {
    let output = bot.command(&["ask", text]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// F30: from foreign producers into cards, keyboards, summaries, the console and the log.
#[tokio::test]
async fn names_and_sensors_of_foreign_producers_are_text_in_every_place() {
    let mut bot = Bot::new().await;
    let log = Log::open(&bot.data_dir(), 1).await;
    log.describe(&plant(0, "Cyril", 30.0)).await;
    log.describe(&plant(3, FOREIGN, 30.0)).await;
    log.map(SENSOR, 3).await;
    log.hear(SENSOR, 3).await;
    log.hear("\u{202e}evil", 3).await;
    bot.started().await;
    bot.sees("/plant 3", &format!("Sensor: {SENSOR} (heard")).await;
    let card = asked(&bot, "/plant 3");
    assert!(card.contains(SHOWN) && is_calm(&card), "{card}");
    let echoed = asked(&bot, "/plant \u{202e}<b>");
    assert!(echoed.contains("“\\u{202e}<b>”") && is_calm(&echoed), "{echoed}");

    bot.handle().inline_query(OWNER, "--");
    let offered = crate::inline::answered(&bot, OWNER, 1).await.results.pop().unwrap();
    for shown in [&offered.title, &offered.text] {
        assert!(shown.contains(SHOWN) && is_calm(shown), "{offered:?}");
    }
    let first = bot.answers(OWNER, "/update_mapping", "Please enter sensor's id").await;
    let label = labels(&first).into_iter().find(|label| label.starts_with(SENSOR)).unwrap();
    assert_eq!(label, format!("{SENSOR} · {SHOWN}"));
    assert!(!labels(&first).iter().any(|label| label.contains("evil")), "{first:?}");
    let plants = bot.taps(OWNER, &label, &format!("Now: {SHOWN}")).await;
    assert!(labels(&plants).iter().all(|label| is_calm(label)), "{plants:?}");
    let summary = bot.taps(OWNER, "0 · Cyril", &format!("(now {SHOWN})")).await;
    for message in [&first, &plants, &summary] {
        let is_markup = ["<b>&_", "<b>&amp;_"].iter().any(|raw| message.html.contains(raw));
        assert!(!is_markup && is_calm(&message.text), "{}", message.html);
    }
    bot.answers(OWNER, "/y", SAVED).await;
    assert_eq!(log.mapped().await.last(), Some(&(SENSOR.to_owned(), Some(0))));
    // `{:?}` would double the quotes.
    let stated = asked(&bot, "/plant 0");
    assert!(stated.contains(&format!("Sensor: {SENSOR} (heard")), "{stated}");
    bot.stop().await;
    assert!(!bot.log().contains("<b>"), "{}", bot.log());
}

/// F30: from the chat into the log and back.
#[tokio::test]
async fn names_typed_in_a_chat_are_kept_as_they_are_or_refused_with_the_reason() {
    let mut bot = Bot::new().await;
    let log = Log::open(&bot.data_dir(), 1).await;
    bot.started().await;
    bot.answers(OWNER, "/update_plant 7", "given name").await;
    for refused in ["Two\nlines", "\u{202e}txet", "nul\0"] {
        bot.answers(OWNER, refused, "A name has no control characters").await;
    }
    // A command is a command, even where a name is asked for.
    bot.answers(OWNER, "/y", "That is not an answer to this question.").await;
    for part in ["scientific name", "common name", "low temperature"] {
        bot.answers(OWNER, TYPED, part).await;
    }
    for _ in 0..3 {
        bot.answers(OWNER, "/skip", "Please enter plant's").await;
    }
    let summary = bot.answers(OWNER, "/skip", "Please confirm").await;
    assert!(summary.text.contains(TYPED) && !summary.html.contains("<b>&_"), "{}", summary.html);
    bot.answers(OWNER, "/y", &format!("it has been updated.\n{TYPED}")).await;
    bot.answers(OWNER, &format!("/plant {TYPED}"), &format!("{TYPED} the {TYPED}")).await;
    bot.answers(OWNER, "/plants", &format!("{TYPED} · ")).await;
    assert!(asked(&bot, "/plants").contains(TYPED));
    assert_eq!(log.described(7).await[0].1["given_name"], json!(TYPED));

    bot.answers(OWNER, "/update_mapping", "Please enter sensor's id").await;
    bot.answers(OWNER, "a\u{202e}b", "A sensor id has no control characters").await;
    bot.answers(OWNER, TYPED, "feed?").await;
    bot.answers(OWNER, TYPED, &format!("{TYPED} will feed {TYPED}")).await;
    bot.answers(OWNER, "/y", SAVED).await;
    bot.answers(OWNER, "/unmap_sensor", "Which sensor").await;
    bot.answers(OWNER, TYPED, &format!("(now {TYPED})")).await;
    bot.answers(OWNER, "/y", SAVED).await;
    assert_eq!(log.mapped().await.last(), Some(&(TYPED.to_owned(), None)));
    bot.stop().await;
}
