//! `/history` and `/export`.

use std::path::Path;

use super::{asked, watered_once, with_past};
use crate::bot::{Bot, OWNER};
use windowsill::demo::botapi::{Effect, Fault};

#[tokio::test]
async fn a_history_has_a_line_a_day_and_a_picture() {
    let (bot, _) = with_past(72, watered_once).await;
    bot.sees("/history 0", "💧").await;
    let shown = bot.answers(OWNER, "/history cyril", "Cyril by days").await;
    assert!(shown.photo, "{shown:?}");
    // Three days and the one in which they began.
    let days = shown.text.lines().skip(1).count();
    assert!((3..=4).contains(&days), "{shown:?}");
    assert_eq!(shown.text.matches("💧").count(), 1, "{shown:?}");
    let short = bot.answers(OWNER, "/history cyril 1 day", "Cyril by days").await;
    // One day and the one in which it began: the beginning of the three days is gone.
    let first = shown.text.lines().nth(1).unwrap();
    assert!((1..=2).contains(&short.text.lines().skip(1).count()), "{short:?}");
    assert!(!short.text.contains(&first[..6]), "{first:?} in {short:?}");
    bot.answers(OWNER, "/history", "Which plant?").await;
    for days in ["0 days", "91 days"] {
        let impossible = format!("I can show 1 to 90 days, not {}.", days.replace(" days", ""));
        bot.answers(OWNER, &format!("/history cyril {days}"), &impossible).await;
    }
    let unclear = "I cannot read “1.5 days” as a number of days of Cyril.";
    bot.answers(OWNER, "/history cyril 1.5 days", unclear).await;
    bot.answers(OWNER, "/history nobody", "I know no plant called “nobody”").await;
    bot.answers(OWNER, "/history nicholas", "Nicholas has no readings in that time.").await;
    bot.stop().await;
}

/// What a folder holds that `ask` kept files in.
fn kept(dir: &Path, ending: &str) -> String {
    let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let file = files.into_iter().find(|path| path.to_string_lossy().ends_with(ending)).unwrap();
    std::fs::read_to_string(file).unwrap()
}

fn exported(bot: &Bot) -> String {
    let dir = bot.data_dir().join("shots");
    let answer = asked(bot, &["/export 0", "--pictures", &dir.to_string_lossy()]);
    assert_eq!(answer[0]["method"], "sendDocument");
    assert_eq!(answer[0]["document"], "attach://plant-0-1.csv");
    kept(&dir, ".csv")
}

#[tokio::test]
async fn an_export_is_a_file_with_every_quarter_hour() {
    let (bot, _) = with_past(5, |hour| (!(2.0..3.0).contains(&hour)).then_some(40.0)).await;
    let sent = bot.answers(OWNER, "/export cyril", "Cyril: ").await;
    assert!(!sent.photo, "{sent:?}");
    let calls = bot.handle().calls_of("sendDocument");
    assert_eq!(calls[0].params["plant-0.csv"]["file_name"], "plant-0.csv");
    assert_eq!(calls[0].params["document"], "attach://plant-0.csv");
    let announced = bot.handle().calls_of("sendChatAction");
    assert_eq!(announced[0].params["action"], "upload_document");
    let csv = exported(&bot);
    assert_eq!(calls[0].params["plant-0.csv"]["size"].as_u64(), Some(csv.len() as u64));
    let lines: Vec<&str> = csv.lines().collect();
    // Five hours less the one that was silent, and a part at either end of each.
    assert!((17..=20).contains(&lines.len()), "{csv}");
    assert!(lines[0].starts_with("begin (UTC),readings,moisture_min (%)"), "{csv}");
    assert!(lines[1..].iter().all(|line| line.contains(",40.000,40.000,40.000,20.000,")), "{csv}");
    bot.answers(OWNER, "/export", "Which plant?").await;
    bot.answers(OWNER, "/export nicholas", "Nicholas has no readings").await;
    bot.stop().await;
}

/// F21: whatever becomes of the file, the words come, and say so.
#[tokio::test]
async fn a_file_that_telegram_refuses_is_told() {
    let (bot, _) = with_past(1, |_| Some(40.0)).await;
    let refused = Effect::status(400, "Bad Request: not enough rights to send documents");
    bot.handle().script(Fault::on("sendDocument", refused));
    let told = bot.answers(OWNER, "/export cyril", "Cyril: ").await;
    assert!(told.text.contains("The file itself could not be sent"), "{told:?}");
    bot.stop().await;
}
