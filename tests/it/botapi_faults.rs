//! What goes wrong with a Bot API server: by script, by people, by a restart, by a foreign page.

use std::time::Duration;

use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use windowsill::demo::botapi::{Effect, Fault};

use crate::botapi::PIXEL;
use crate::botapi_world::{TOKEN, WITHIN, World};

const ANNA: i64 = 77;
const GROUP: i64 = -1_001_234_567_890;

#[tokio::test]
async fn a_blocked_bot_and_a_migrated_group_are_told() {
    let world = World::start().await;
    world.handle.say(ANNA, ANNA, "hello");
    world.handle.block(ANNA);
    let (code, text) = world.refused("sendMessage", json!({"chat_id": ANNA, "text": "x"})).await;
    assert_eq!((code, text.as_str()), (403, "Forbidden: bot was blocked by the user"));
    let updates = world.updates().await;
    let member = &updates.last().unwrap()["my_chat_member"];
    assert_eq!(member["new_chat_member"]["status"], "kicked");

    world.handle.create_group(-55, "Home");
    world.handle.migrate_group(-55, GROUP);
    let answer = world.call("sendMessage", json!({"chat_id": -55, "text": "x"})).await;
    assert_eq!(answer["parameters"]["migrate_to_chat_id"], GROUP);
    world.ok("sendMessage", json!({"chat_id": GROUP, "text": "x"})).await;
}

#[tokio::test]
async fn faults_meet_the_calls_they_are_meant_for() {
    let world = World::start().await;
    world.handle.say(ANNA, ANNA, "hello");
    world.handle.create_group(GROUP, "Home");
    let hers = json!({"chat_id": ANNA, "text": "x"});
    let theirs = json!({"chat_id": GROUP, "text": "x"});
    let count = |chat_id| world.handle.messages(chat_id).iter().filter(|it| it.from_bot).count();

    let flood = Fault::on("sendMessage", Effect::too_many_requests(3)).in_chat(ANNA).times(1);
    world.handle.script(flood);
    world.ok("sendMessage", theirs).await;
    let answer = world.call("sendMessage", hers.clone()).await;
    assert_eq!(
        (&answer["error_code"], &answer["parameters"]["retry_after"]),
        (&json!(429), &json!(3))
    );
    world.ok("sendMessage", hers.clone()).await;
    assert_eq!(count(ANNA), 1);

    world.handle.script(Fault::on("sendMessage", Effect::AcceptThenDrop).times(1));
    assert!(world.try_call("sendMessage", hers.clone()).await.is_err());
    assert_eq!(count(ANNA), 2, "accepted, though nobody was told");
    let last = world.handle.calls().pop().unwrap();
    assert!(last.performed && last.answer.is_none());

    world.handle.script(Fault::on("sendMessage", Effect::DropBefore).times(1));
    assert!(world.try_call("sendMessage", hers.clone()).await.is_err());
    world.handle.script(Fault::on("sendMessage", Effect::HtmlPage(502)).times(1));
    assert!(world.try_call("sendMessage", hers.clone()).await.unwrap_err().is_decode());
    assert_eq!(count(ANNA), 2);

    let hang = Effect::AcceptThenHang(Duration::from_millis(50));
    world.handle.script(Fault::on("sendMessage", hang).times(1));
    assert!(world.try_call("sendMessage", hers.clone()).await.is_err());
    world.handle.script(Fault::always(Effect::Delay(Duration::from_millis(20))).times(1));
    world.ok("sendMessage", hers.clone()).await;
    assert_eq!(count(ANNA), 4);
}

#[tokio::test]
async fn an_unreachable_server_cuts_even_calls_that_wait() {
    let world = World::start().await;
    let poll = world.try_call("getUpdates", json!({"timeout": 50}));
    let cut = async {
        let polls = |handle: &windowsill::demo::botapi::Handle| handle.calls().pop();
        world.handle.wait_for(WITHIN, "poll", polls).await.unwrap();
        world.handle.script(Fault::always(Effect::Unreachable));
    };
    let (polled, ()) = tokio::join!(poll, cut);
    assert!(polled.is_err());
    assert!(world.try_call("getMe", json!({})).await.is_err());
    world.handle.clear_faults();
    world.ok("getMe", json!({})).await;
}

#[tokio::test]
async fn a_history_survives_a_restart_and_a_torn_last_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.jsonl");
    let world = World::with_history(&path).await;
    world.handle.say(ANNA, ANNA, "first");
    let command = json!([{"command": "plants", "description": "all of them"}]);
    world.ok("setMyCommands", json!({"commands": command})).await;
    let sent = world.ok("sendMessage", json!({"chat_id": ANNA, "text": "answer"})).await;
    let mut target = json!({"chat_id": ANNA, "message_id": sent["message_id"]});
    world.ok("pinChatMessage", target.clone()).await;
    target["text"] = json!("better answer");
    world.ok("editMessageText", target).await;
    let part = Part::bytes(PIXEL).file_name("chart.png");
    let form = Form::new().text("chat_id", "77").part("photo", part);
    let photo = world.client().post(world.method_url("sendPhoto")).multipart(form);
    let photo: Value = photo.send().await.unwrap().json().await.unwrap();
    let file = json!({"file_id": photo["result"]["photo"][0]["file_id"]});
    let file = world.ok("getFile", file).await;
    let picture = file["file_path"].as_str().unwrap();
    let second = world.handle.say(ANNA, ANNA, "second");
    let before = world.handle.messages(ANNA);
    world.ok("getUpdates", json!({"offset": second})).await;
    world.stop().await;

    let mut torn = std::fs::read(&path).unwrap();
    torn.extend_from_slice(b"{\"message\":{\"body\":{\"mess");
    std::fs::write(&path, torn).unwrap();

    let world = World::with_history(&path).await;
    assert_eq!(world.handle.messages(ANNA), before);
    let url = format!("{}/file/bot{TOKEN}/{picture}", world.base);
    assert_eq!(world.client().get(url).send().await.unwrap().bytes().await.unwrap(), PIXEL);
    assert_eq!(world.handle.menu(ANNA, ANNA).len(), 1);
    let updates = world.updates().await;
    assert_eq!((updates.len(), &updates[0]["message"]["text"]), (1, &json!("second")));
    assert!(world.handle.say(ANNA, ANNA, "third") > second);
    let ids: Vec<i64> = world.handle.messages(ANNA).iter().map(|message| message.id).collect();
    // The third told the bot of its pin.
    assert_eq!(ids, [1, 2, 4, 5, 6]);
}

#[tokio::test]
async fn the_page_is_served_and_foreign_pages_are_refused() {
    let world = World::with_page().await;
    let page = world.client().get(&world.base).send().await.unwrap();
    assert_eq!(page.status(), 200);
    let send = |origin: &str, host: &str| {
        let request = world.client().post(format!("{}/chat/send", world.base));
        let request = request.json(&json!({"text": "/start"})).header("host", host);
        request.header("origin", origin).send()
    };
    let own = world.base.strip_prefix("http://").unwrap();
    assert_eq!(send("http://evil.example", own).await.unwrap().status(), 403);
    assert_eq!(send("http://evil.example", "evil.example").await.unwrap().status(), 403);
    assert_eq!(send("null", own).await.unwrap().status(), 403);
    assert_eq!(world.handle.pending_updates(), 0);
    assert_eq!(send(&world.base, own).await.unwrap().status(), 204);
    assert_eq!(world.handle.pending_updates(), 1);
}
