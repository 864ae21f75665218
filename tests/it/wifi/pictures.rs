//! Pictures in answers: kept by `ask`, drawn when they are delivered, and never at the cost of the
//! words.

use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};
use windowsill::charts::{HEIGHT_PX, WIDTH_PX};
use windowsill::demo::botapi::{Effect, Fault, Handle};

use super::street::{BEGIN_MS, Seen, Tshark, colons};
use super::{ask, fold, write};
use crate::bot::state::State;
use crate::bot::{Bot, OWNER, SOON};
use crate::support::{run, run_with_input, windowsill};

const DEVICE: &str = "/device 40:ec:99:1f:3e:75";
const CARD: &str = "📡 Wi-Fi probe stats for 40:ec:99:1f:3e:75";
const SIZE_MAX_BYTES: u64 = 60_000;

/// Probes of one device over three days, one for each of these networks.
fn probes(ssids: &[Vec<u8>]) -> String {
    let seen = (0i64..).zip(ssids).map(|(at, ssid)| Seen {
        ms: BEGIN_MS + at * 7_200_000 % 259_200_000,
        mac: [0x40, 0xec, 0x99, 0x1f, 0x3e, 0x75],
        ssid: ssid.clone(),
        dbm: -60,
    });
    Tshark::V4_0.prints(&seen.collect::<Vec<_>>())
}

fn few_networks() -> String {
    let mut ssids = vec![b"home".to_vec(); 29];
    ssids.push(Vec::new());
    probes(&ssids)
}

/// So many escapes that the card is no caption any more.
fn hostile_networks() -> String {
    let ssids: Vec<Vec<u8>> =
        (0..=20u8).map(|number| vec![number; if number > 0 { 32 } else { 0 }]).collect();
    probes(&ssids)
}

fn json_of(dir: &Path, args: &[&str]) -> Vec<Value> {
    run(dir, &[&["ask", "--json"], args].concat()).expect_code(0).json_lines()
}

/// Is this a PNG of the promised size? By its header (PNG, `IHDR`).
fn is_picture(path: &Path) -> bool {
    let bytes = std::fs::read(path).unwrap();
    let size = [WIDTH_PX.to_be_bytes(), HEIGHT_PX.to_be_bytes()].concat();
    bytes.starts_with(b"\x89PNG\r\n\x1a\n")
        && bytes[16..24] == size
        && std::fs::metadata(path).unwrap().len() < SIZE_MAX_BYTES
}

#[test]
fn ask_keeps_the_pictures_and_names_them_as_the_bot_api_does() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &few_networks()).expect_code(0);
    fold(dir.path());
    let plain = json_of(dir.path(), &[DEVICE]);
    let kept = json_of(dir.path(), &[DEVICE, "--pictures", "shots/new"]);
    for answer in [&plain, &kept] {
        let [photo] = answer.as_slice() else { panic!("{answer:?}") };
        assert_eq!(photo["method"], "sendPhoto");
        assert_eq!(photo["photo"], "attach://picture-1.png");
        assert!(photo["caption"].as_str().unwrap().starts_with("📡"), "{photo}");
        assert_eq!((&photo["parse_mode"], &photo["text"]), (&"HTML".into(), &Value::Null));
    }
    assert!(is_picture(&dir.path().join("shots/new/picture-1.png")));
    // What is there already stays.
    let shown = run(dir.path(), &["ask", DEVICE, "--pictures", "shots/new"]).expect_code(0).stdout;
    assert!(shown.starts_with("[picture: shots/new/picture-2.png]\n📡"), "{shown}");
    assert!(is_picture(&dir.path().join("shots/new/picture-2.png")));
    assert!(ask(dir.path(), DEVICE).starts_with(CARD));
    assert_eq!(json_of(dir.path(), &["/devices"])[0]["method"], "sendMessage");
    // A folder that cannot be made is the caller's to hear of.
    let refused = windowsill(dir.path(), &["ask", DEVICE, "--pictures", "shots/new/picture-1.png"]);
    let refused = crate::support::Ran::new({ refused }.output().unwrap()).expect_code(1);
    assert!(refused.stderr.contains("cannot be kept in shots/new/picture-1.png"));
}

/// F31: networks whose names are nothing but control characters.
#[test]
fn a_text_too_long_for_a_caption_follows_its_picture() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &hostile_networks()).expect_code(0);
    fold(dir.path());
    let answer = json_of(dir.path(), &[DEVICE]);
    let [photo, text] = answer.as_slice() else { panic!("{answer:?}") };
    assert_eq!((&photo["method"], &photo["caption"]), (&"sendPhoto".into(), &Value::Null));
    assert_eq!(text["method"], "sendMessage");
    assert!(text["text"].as_str().unwrap().contains("Unique SSIDs : 20"), "{text}");
}

/// F31: devices that call themselves what no font writes, or what is not meant to be read.
#[test]
fn whatever_a_device_is_called_there_is_a_picture_of_it() {
    let names =
        ["客厅电视", "تلفون آنا", "\u{202e}evil\u{0}", "<b>&\u{1b}[31m", &"🎉".repeat(64), "…"];
    let dir = tempfile::tempdir().unwrap();
    let (mut heard, mut records) = (Vec::new(), Vec::new());
    for (number, name) in (1u8..).zip(names) {
        let mac = [0x40, 0xec, 0x99, 0x1f, 0x3e, number];
        heard.push(Seen { ms: BEGIN_MS, mac, ssid: b"home".to_vec(), dbm: -60 });
        let document = json!({"_id": name, "mac": colons(&mac), "name": name}).to_string();
        let key = json!({"id": json!({"$oid": number.to_string()}).to_string()}).to_string();
        let record = json!({"key": key, "value": {"op": "c", "after": document}});
        records.push(record.to_string());
    }
    let topic = ["topic", "write", "unifi.ace.device"];
    run_with_input(dir.path(), &topic, &records.join("\n")).expect_code(0);
    write(dir.path(), &Tshark::V4_0.prints(&heard)).expect_code(0);
    fold(dir.path());
    for (seen, picture) in heard.iter().zip(1..) {
        let asked = format!("/device {}", colons(&seen.mac));
        let [photo] = json_of(dir.path(), &[&asked, "--pictures", "shots"]).try_into().unwrap();
        let caption = photo["caption"].as_str().unwrap().to_owned();
        assert!(
            !caption.starts_with("📡 Wi-Fi probe stats for <code>"),
            "it has a name: {caption}"
        );
        assert!(is_picture(&dir.path().join(format!("shots/picture-{picture}.png"))), "{caption}");
    }
}

/// A bot that has heard a device, and lets these chats in.
async fn with_device(chats: &[i64], capture: &str) -> Bot {
    let allowed: Vec<String> = chats.iter().map(i64::to_string).collect();
    let mut bot = Bot::new().await.with("WINDOWSILL_TELEGRAM__ALLOWED_CHATS", allowed.join(","));
    let mut command = bot.command(&["topic", "write", "pcap", "--format", "value"]);
    let mut child = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(capture.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    bot.started().await;
    bot.sees(DEVICE, CARD).await;
    bot
}

/// What the bot has said in a chat: whether it showed a photo, and whether words.
fn shown(bot: &Bot, chat_id: i64) -> Vec<(bool, bool)> {
    let messages = bot.handle().messages(chat_id).into_iter();
    let messages = messages.filter(|message| message.from_bot);
    messages.map(|message| (message.photo, !message.text.is_empty())).collect()
}

const PHOTO: (bool, bool) = (true, true);
const TEXT: (bool, bool) = (false, true);

#[tokio::test]
async fn a_device_is_answered_with_a_photo_that_is_announced_first() {
    const GROUP: i64 = -55;
    let bot = with_device(&[GROUP], &few_networks()).await;
    let card = bot.answers(OWNER, DEVICE, CARD).await;
    assert!(card.photo && !card.silent, "{card:?}");
    let calls: Vec<String> = bot.handle().calls().into_iter().map(|call| call.method).collect();
    let announced = calls.iter().position(|method| method == "sendChatAction").unwrap();
    let sent = calls.iter().position(|method| method == "sendPhoto").unwrap();
    assert!(announced < sent, "{calls:?}");
    let photo = &bot.handle().calls_of("sendPhoto")[0].params;
    assert_eq!(photo["picture.png"]["file_name"], "picture.png");
    assert!(photo["picture.png"]["size"].as_u64().unwrap() < SIZE_MAX_BYTES, "{photo}");
    // In a topic of a group it replies there.
    bot.handle().create_group(GROUP, "Family");
    let asked = bot.handle().say_in_thread(GROUP, OWNER, 7, DEVICE);
    let card = bot.handle().wait_for_text(SOON, GROUP, 0, "Latest probe").await.unwrap();
    let told = bot.handle().messages(GROUP).into_iter().find(|message| !message.from_bot).unwrap();
    assert!(card.photo && card.thread_id == Some(7), "{card:?}, {asked}");
    assert_eq!(card.reply_to, Some(told.id));
    bot.stop().await;
}

/// F20, F21: whatever is wrong with a picture, the words come, and the chat stays what it is.
#[tokio::test]
async fn a_picture_that_telegram_refuses_leaves_its_words() {
    let refusals = [
        (31, 400, "Bad Request: IMAGE_PROCESS_FAILED"),
        (32, 400, "Bad Request: not enough rights to send photos to the chat"),
        (33, 400, "Bad Request: message caption is too long"),
        (34, 403, "Forbidden: photos are not allowed here"),
        (35, 413, "Request Entity Too Large"),
    ];
    let chats = refusals.map(|(chat_id, ..)| chat_id);
    let bot = with_device(&chats, &few_networks()).await;
    for (chat_id, code, words) in refusals {
        bot.answers(chat_id, "/start", "Hello").await;
        let effect = Effect::status(code, words);
        bot.handle().script(Fault::on("sendPhoto", effect).in_chat(chat_id));
        let card = bot.answers(chat_id, DEVICE, CARD).await;
        assert!(!card.photo, "{words}: {card:?}");
        // What comes after it comes.
        bot.answers(chat_id, "/plant nobody", "nobody").await;
        assert_eq!(shown(&bot, chat_id).last_chunk(), Some(&[TEXT, TEXT]), "{words}");
    }
    bot.stop().await;
    let ended = "select count(*) from subscription where ended_at is not null";
    assert_eq!(State::open(&bot.data_dir()).await.number(ended).await, 0);
}

/// F19, F20: a picture is sent again like any message, and given up for its words where files do
/// not get through.
#[tokio::test]
async fn a_picture_whose_fate_is_unknown_is_sent_again_and_in_the_end_its_words() {
    let bot = with_device(&[41, 42, 43, 44], &few_networks()).await;
    let faults = [
        (41, Fault::on("sendPhoto", Effect::AcceptThenDrop).times(1), vec![PHOTO, PHOTO]),
        (42, Fault::on("sendPhoto", Effect::status(502, "Bad Gateway")), vec![TEXT]),
        (43, Fault::on("sendPhoto", Effect::HtmlPage(413)), vec![TEXT]),
        (44, Fault::on("sendChatAction", Effect::too_many_requests(1)).times(1), vec![PHOTO]),
    ];
    for (chat_id, fault, _) in &faults {
        bot.handle().script(fault.clone().in_chat(*chat_id));
        bot.handle().say(*chat_id, *chat_id, DEVICE);
    }
    for (chat_id, _, expected) in faults {
        let all = |_: &Handle| (shown(&bot, chat_id).len() >= expected.len()).then_some(());
        bot.handle().wait_for(SOON, "the answer", all).await.unwrap();
        assert_eq!(shown(&bot, chat_id), expected, "{chat_id}");
    }
    let flooded = bot.handle().calls_of("sendPhoto");
    assert_eq!(flooded.iter().filter(|call| call.chat_id() == Some(44)).count(), 1);
    bot.stop().await;
}

#[tokio::test]
async fn a_long_card_comes_whole_whatever_becomes_of_its_picture() {
    let bot = with_device(&[51], &hostile_networks()).await;
    bot.answers(51, DEVICE, CARD).await;
    assert_eq!(shown(&bot, 51), [(true, false), TEXT]);
    let refused = Effect::status(400, "Bad Request: IMAGE_PROCESS_FAILED");
    bot.handle().script(Fault::on("sendPhoto", refused));
    bot.answers(51, DEVICE, CARD).await;
    assert_eq!(shown(&bot, 51), [(true, false), TEXT, TEXT]);
    bot.stop().await;
}

/// F33: a panic over a picture.
#[tokio::test]
async fn a_picture_that_cannot_be_drawn_leaves_its_words_and_the_bot() {
    let point = format!("{}:1", windowsill::crash::DRAWING_POINT);
    let mut bot = with_device(&[], &few_networks()).await;
    bot.stop().await;
    bot.set("TEST_WINDOWSILL_PANIC", point);
    bot.started().await;
    assert!(!bot.answers(OWNER, DEVICE, CARD).await.photo);
    assert!(bot.answers(OWNER, DEVICE, CARD).await.photo);
    bot.stop().await;
}

/// A button of a card changes it in place: its words, below the same picture.
#[tokio::test]
async fn a_card_that_is_changed_keeps_its_picture() {
    let bot = with_device(&[], &few_networks()).await;
    let card = bot.answers(OWNER, DEVICE, CARD).await;
    bot.handle().press_label(OWNER, OWNER, "🙈 Ignore").unwrap();
    let changed = |handle: &Handle| {
        let card = handle.messages(OWNER).into_iter().find(|message| message.id == card.id)?;
        card.text.contains("ignored").then_some(card)
    };
    let card = bot.handle().wait_for(SOON, "the changed card", changed).await.unwrap();
    assert!(card.photo && card.edited && card.buttons.len() > 1, "{card:?}");
    let news = |text: &String| text.contains("Wi-Fi probe stats");
    assert_eq!(bot.said(OWNER).iter().filter(|text| news(text)).count(), 1);
    bot.stop().await;
}
