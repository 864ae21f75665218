//! F11: the registry goes away under a running bot, and comes back.

use windowsill::clock::now_ms;
use windowsill::demo::botapi::Handle;
use windowsill::kernel::record::NewRecord;

use super::server::Mode;
use super::*;
use crate::bot::{Bot, OWNER, SOON, until};
use crate::crash_once::edit_up_to_confirmation;

const SAVED: &str = "You've confirmed your metadata entry, and it has been updated.";
const NO_LETTERS: &str = "select count(*) from dead_letter";
const FOLDED: &str = "select coalesce(sum(records), 0) from position \
                      where pipeline = 'plants' and topic = 'houseplant-readings'";

/// Batches that wait at once.
const MANY: i64 = 40;

/// A bot whose readings have two partitions and whose registry stands behind a proxy.
async fn bot_behind(proxy: &Proxy) -> Bot {
    let bot = Bot::new().await;
    let dir = bot.data_dir().parent().unwrap().to_owned();
    configure(&dir, &proxy.url(), "[topics.houseplant-readings]\npartitions = 2");
    bot
}

fn append(bot: &Bot, topic: &str, lines: &[Value]) {
    let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    let file = bot.data_dir().parent().unwrap().join("lines");
    std::fs::write(&file, lines.join("\n")).unwrap();
    let mut command = bot.command(&["topic", "write", topic]);
    let ran = Ran::new(command.stdin(std::fs::File::open(file).unwrap()).output().unwrap());
    ran.expect_code(0);
}

fn placed(partition: i32, bytes: &[u8]) -> Value {
    let mut line = raw(bytes);
    line["partition"] = json!(partition);
    line
}

/// Waits until `/readyz` answers so, with this in its text.
async fn is_ready(bot: &Bot, expected: u16, part: &str) {
    until(SOON, part, async || {
        let (status, text) = bot.page("/readyz").await;
        status == expected && text.contains(part)
    })
    .await;
}

/// The whole story, for one way to be away.
async fn outlives(test: &str, away: Mode) {
    let Some(server) = registry(test) else { return };
    let proxy = Proxy::before(server);
    let known = server.register("outage-value", OURS);
    let mut bot = bot_behind(&proxy).await;
    append(&bot, METADATA, &[json!({"key": "0", "value": plant(0, "Cyril", 30.0)})]);
    bot.started().await;
    append(&bot, READINGS, &[placed(0, &wire(known, OURS, &reading(25.5)))]);
    bot.counts(FOLDED, 1).await;
    is_ready(&bot, 200, "true").await;

    // Known ids go on; an unknown one waits, with what is behind it in its own partition alone.
    proxy.turn(away);
    let unique = CONNECTED.replace("ConnectDefault", &format!("Away{}", proxy.url().len()));
    let unknown = server.register(&format!("{test}-value").replace(' ', "-"), &unique);
    let connected = json!({"moisture": 25, "note": null, "plant_id": 0, "temperature": 18.5});
    append(&bot, READINGS, &[placed(0, &wire(known, OURS, &reading(25.5)))]);
    bot.counts(FOLDED, 2).await;
    let waiting = wire(unknown, &unique, &connected);
    append(&bot, READINGS, &[placed(1, &waiting), placed(1, &wire(known, OURS, &reading(20.0)))]);
    is_ready(&bot, 503, "pipeline plants waits: records of houseplant-readings need a schema")
        .await;
    // Many more that must wait, each a batch of its own.
    let log = bot.past(2).await;
    for _ in 0..MANY {
        let record = NewRecord {
            partition: Some(1),
            key: Some(b"0".to_vec()),
            value: Some(waiting.clone()),
            ts_ms: now_ms(),
            ..NewRecord::default()
        };
        log.append_raw(READINGS, vec![record]).await;
    }
    log.close().await;
    append(&bot, READINGS, &[placed(0, &wire(known, OURS, &reading(25.5)))]);
    bot.counts(FOLDED, 3).await;
    let shown = bot.answers(OWNER, "/plants", "Cyril").await;
    assert!(shown.text.contains("⏳ Not up to date: I last caught up"), "{}", shown.text);
    bot.answers(OWNER, "/status", "some records wait: records of houseplant-readings").await;

    // A start without the registry: what was known is known.
    bot.stop().await;
    bot.started().await;
    append(&bot, READINGS, &[placed(0, &wire(known, OURS, &reading(25.5)))]);
    bot.counts(FOLDED, 4).await;

    proxy.turn(Mode::Pass);
    bot.counts(FOLDED, 6 + MANY).await;
    is_ready(&bot, 200, "true").await;
    bot.counts(NO_LETTERS, 0).await;
    bot.stop().await;
}

#[tokio::test]
async fn a_registry_that_closes_every_connection_is_outlived() {
    outlives("a registry that closes connections", Mode::Closed).await;
}

#[tokio::test]
async fn a_registry_in_trouble_is_outlived() {
    outlives("a registry that answers 503", Mode::Status(503)).await;
}

#[tokio::test]
async fn a_registry_that_no_longer_knows_us_is_outlived() {
    outlives("a registry that answers 403", Mode::Status(403)).await;
}

#[tokio::test]
async fn a_registry_that_hangs_is_outlived() {
    outlives("a registry that hangs", Mode::Silent).await;
}

/// F6: an edit waits for the registry, is told to be queued, and is saved in the end.
#[tokio::test]
async fn an_edit_waits_for_a_registry_that_is_away() {
    let Some(server) = registry("an edit while the registry is away") else { return };
    let proxy = Proxy::before(server);
    let mut bot = bot_behind(&proxy).await;
    proxy.turn(Mode::Status(500));
    bot.started().await;
    bot.answers(OWNER, "/update_plant 0", "Please enter plant's given name").await;
    bot.answers(OWNER, "Cyril", "Please enter plant's scientific name").await;
    bot.answers(OWNER, "Schefflera", "Please enter plant's common name").await;
    bot.answers(OWNER, "Umbrella", "Please enter plant's low temperature").await;
    for _ in 0..3 {
        bot.answers(OWNER, "/skip", "Please enter plant's").await;
    }
    bot.answers(OWNER, "/skip", "Please confirm your metadata entry.").await;
    bot.answers(OWNER, "/y", "⏳ Your entry for Cyril is queued").await;
    proxy.turn(Mode::Pass);
    let saved = |handle: &Handle| {
        handle.messages(OWNER).iter().any(|message| message.text.contains(SAVED)).then_some(())
    };
    bot.handle().wait_for(SOON, SAVED, saved).await.unwrap();
    bot.answers(OWNER, "/plants", "Cyril").await;
    bot.stop().await;

    // By now the id of our schema is known, and no registry is needed.
    proxy.turn(Mode::Status(500));
    bot.started().await;
    edit_up_to_confirmation(&bot, "Filicia").await;
    bot.answers(OWNER, "/y", SAVED).await;
    bot.stop().await;
}
