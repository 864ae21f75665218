//! The Bot API server over HTTP, as a bot library would use it.

use crate::botapi_world::{TOKEN, WITHIN, World};
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

const ANNA: i64 = 77;
const GROUP: i64 = -1_001_234_567_890;

/// A PNG of one pixel.
pub(crate) const PIXEL: &[u8] = &[
    0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0x0d, b'I', b'H', b'D', b'R', 0, 0, 0,
    1, 0, 0, 0, 1, 8, 6, 0, 0, 0, 0x1f, 0x15, 0xc4, 0x89, 0, 0, 0, 0x0d, b'I', b'D', b'A', b'T',
    0x78, 0x9c, 0x63, 0x64, 0x60, 0xf8, 0x5f, 0x0f, 0, 2, 0x87, 1, 0x80, 0xeb, 0x47, 0xba, 0x92, 0,
    0, 0, 0, b'I', b'E', b'N', b'D', 0xae, 0x42, 0x60, 0x82,
];

#[tokio::test]
async fn a_token_opens_the_door_and_a_name_is_case_insensitive() {
    let world = World::start().await;
    let me = world.ok("GETME", json!({})).await;
    assert_eq!(me["is_bot"], true);
    assert_eq!(me["id"], 4711);

    let stranger = format!("{}/bot1:other/getMe", world.base);
    let answer = world.client().get(stranger).send().await.unwrap();
    assert_eq!(answer.status(), 401);
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer, json!({"ok": false, "error_code": 401, "description": "Unauthorized"}));

    let unknown = world.refused("sendPigeon", json!({})).await;
    assert_eq!(unknown, (404, "Not Found".to_owned()));
}

#[tokio::test]
async fn parameters_come_in_four_shapes() {
    let world = World::start().await;
    world.handle.say(ANNA, ANNA, "/start");
    let url = world.method_url("sendMessage");
    let markup = r#"{"inline_keyboard":[[{"text":"go","callback_data":"g"}]]}"#;
    let fields = [("chat_id", "77"), ("text", "a + b & c"), ("reply_markup", markup)];

    let query = world.client().get(&url).query(&fields).send();
    let form =
        world.client().post(&url).header("content-type", "application/x-www-form-urlencoded");
    let encoded = reqwest::Url::parse_with_params("http://x/", &fields).unwrap();
    let form = form.body(encoded.query().unwrap().to_owned()).send();
    let multipart = fields.iter().fold(Form::new(), |form, (name, value)| form.text(*name, *value));
    let multipart = world.client().post(&url).multipart(multipart).send();
    let object = json!({"chat_id": 77, "text": "a + b & c", "reply_markup": markup});
    let object = world.client().post(&url).json(&object).send();
    for answer in [query.await, form.await, multipart.await, object.await] {
        let answer: Value = answer.unwrap().json().await.unwrap();
        assert_eq!(answer["result"]["text"], "a + b & c", "{answer}");
        let button = &answer["result"]["reply_markup"]["inline_keyboard"][0][0];
        assert_eq!(button["callback_data"], "g");
    }
}

#[tokio::test]
async fn a_long_poll_wakes_for_a_message_and_forgets_what_is_confirmed() {
    let world = World::start().await;
    let poll = world.ok("getUpdates", json!({"timeout": 30}));
    let say = async {
        let polls = |handle: &windowsill::demo::botapi::Handle| handle.calls().pop();
        world.handle.wait_for(WITHIN, "poll", polls).await.unwrap();
        world.handle.say(ANNA, ANNA, "/plants now")
    };
    let (updates, update_id) = tokio::join!(poll, say);
    let message = &updates[0]["message"];
    assert_eq!(updates[0]["update_id"], update_id);
    assert_eq!(message["chat"]["type"], "private");
    assert_eq!(message["from"]["is_bot"], false);
    let command = json!([{"type": "bot_command", "offset": 0, "length": 7}]);
    assert_eq!(message["entities"], command);

    world.handle.say(ANNA, ANNA, "second");
    world.handle.say(ANNA, ANNA, "third");
    let newest = world.ok("getUpdates", json!({"offset": -1})).await;
    assert_eq!(newest[0]["message"]["text"], "third");
    assert_eq!(world.handle.pending_updates(), 1, "a negative offset forgets those before");
    let after = newest[0]["update_id"].as_i64().unwrap() + 1;
    let rest = world.ok("getUpdates", json!({"offset": after})).await;
    assert_eq!(rest, json!([]));
}

#[tokio::test]
async fn one_getupdates_ends_another_and_a_webhook_forbids_both() {
    let world = World::start().await;
    let first = world.refused("getUpdates", json!({"timeout": 30}));
    let others = async {
        let polls = |handle: &windowsill::demo::botapi::Handle| handle.calls().pop();
        world.handle.wait_for(WITHIN, "poll", polls).await.unwrap();
        world.ok("getUpdates", json!({})).await
    };
    let (conflict, _) = tokio::join!(first, others);
    assert_eq!(conflict.0, 409);
    assert!(conflict.1.starts_with("Conflict: terminated by other getUpdates request"));

    world.ok("setWebhook", json!({"url": "http://127.0.0.1:9/hook"})).await;
    let (code, text) = world.refused("getUpdates", json!({})).await;
    assert_eq!(code, 409);
    assert!(text.contains("while webhook is active"), "{text}");
    world.ok("deleteWebhook", json!({})).await;
    world.ok("getUpdates", json!({})).await;
}

#[tokio::test]
async fn html_becomes_text_and_entities() {
    let world = World::start().await;
    world.handle.say(ANNA, ANNA, "hello");
    let markup = "  🌵 <b>dry &amp; <i>thirsty</i></b> <a href=\"https://example.org/x\">here</a>\
                  <pre><code class=\"language-sql\">select 1</code></pre>\n";
    let params = json!({"chat_id": ANNA, "text": markup, "parse_mode": "HTML"});
    let sent = world.ok("sendMessage", params).await;
    assert_eq!(sent["text"], "🌵 dry & thirsty hereselect 1");
    assert_eq!(
        sent["entities"],
        json!([
            {"type": "bold", "offset": 3, "length": 13},
            {"type": "italic", "offset": 9, "length": 7},
            {"type": "text_link", "offset": 17, "length": 4, "url": "https://example.org/x"},
            {"type": "pre", "offset": 21, "length": 8, "language": "sql"},
        ])
    );
    let shown = world.handle.last_from_bot(ANNA).unwrap();
    assert!(shown.html.starts_with("🌵 <b>dry &amp; <i>thirsty</i></b>"), "{}", shown.html);
}

#[tokio::test]
async fn bad_texts_are_refused_as_telegram_refuses_them() {
    let world = World::start().await;
    world.handle.say(ANNA, ANNA, "hello");
    let too_long = "x".repeat(4097);
    let cases = [
        ("<b>bold", "can't parse entities: Can't find end tag corresponding to start tag \"b\""),
        ("a </b>", "can't parse entities: Unexpected end tag at byte offset 2"),
        ("<h1>x</h1>", "can't parse entities: Unsupported start tag \"h1\" at byte offset 0"),
        (
            "<b><i>x</b></i>",
            "can't parse entities: Unmatched end tag at byte offset 7, \
             expected \"</i>\", found \"</b>\"",
        ),
        ("5 < 6", "can't parse entities: Unsupported start tag \"\" at byte offset 2"),
        ("5 <6", "can't parse entities: Unclosed start tag at byte offset 2"),
        ("<b> </b>", "message text is empty"),
        (too_long.as_str(), "message is too long"),
    ];
    for (text, expected) in cases {
        let params = json!({"chat_id": ANNA, "text": text, "parse_mode": "HTML"});
        let (code, description) = world.refused("sendMessage", params).await;
        assert_eq!((code, description.as_str()), (400, &*format!("Bad Request: {expected}")));
    }
    let params = json!({"chat_id": 5, "text": "x"});
    let refused = world.refused("sendMessage", params).await;
    assert_eq!(refused, (400, "Bad Request: chat not found".to_owned()));
    // 4096 units of text are allowed, however long the markup around them is.
    let full = format!("<b>{}</b>", "x".repeat(4096));
    world.ok("sendMessage", json!({"chat_id": ANNA, "text": full, "parse_mode": "HTML"})).await;
}

#[tokio::test]
async fn a_button_is_pressed_answered_and_its_message_edited() {
    let world = World::start().await;
    world.handle.say(ANNA, ANNA, "hello");
    let keyboard = json!({"inline_keyboard": [[{"text": "Water", "callback_data": "water:1"}]]});
    let params = json!({"chat_id": ANNA, "text": "Fern is dry", "reply_markup": keyboard});
    let sent = world.ok("sendMessage", params).await;
    let update_id = world.handle.press_label(ANNA, ANNA, "Water").unwrap();
    let updates = world.updates().await;
    let query = &updates.last().unwrap()["callback_query"];
    assert_eq!(updates.last().unwrap()["update_id"], update_id);
    assert_eq!(query["data"], "water:1");
    assert_eq!(query["message"]["message_id"], sent["message_id"]);

    let answer = json!({"callback_query_id": query["id"], "text": "Thank you"});
    world.ok("answerCallbackQuery", answer.clone()).await;
    let (_, again) = world.refused("answerCallbackQuery", answer).await;
    assert!(again.contains("query is too old"), "{again}");

    let mut edit = json!({"chat_id": ANNA, "message_id": sent["message_id"], "text": "Watered"});
    world.ok("editMessageText", edit.clone()).await;
    let shown = world.handle.last_from_bot(ANNA).unwrap();
    assert!(shown.edited && shown.buttons.is_empty() && shown.text == "Watered");
    let (_, same) = world.refused("editMessageText", edit.clone()).await;
    assert!(same.starts_with("Bad Request: message is not modified"), "{same}");
    edit["message_id"] = json!(999);
    let (_, gone) = world.refused("editMessageText", edit).await;
    assert_eq!(gone, "Bad Request: message to edit not found");
}

#[tokio::test]
async fn a_photo_is_uploaded_downloaded_and_used_again() {
    let world = World::start().await;
    world.handle.say(ANNA, ANNA, "hello");
    let part = Part::bytes(PIXEL).file_name("chart.png").mime_str("image/png").unwrap();
    let form = Form::new().text("chat_id", "77").text("caption", "<b>Fern</b>");
    let form = form.text("parse_mode", "HTML").part("photo", part);
    let answer = world.client().post(world.method_url("sendPhoto")).multipart(form);
    let answer: Value = answer.send().await.unwrap().json().await.unwrap();
    let photo = &answer["result"]["photo"][0];
    assert_eq!((&photo["width"], &photo["file_size"]), (&json!(1), &json!(PIXEL.len())));
    assert_eq!(answer["result"]["caption_entities"][0]["type"], "bold");

    let file = world.ok("getFile", json!({"file_id": photo["file_id"]})).await;
    let path = file["file_path"].as_str().unwrap();
    let url = format!("{}/file/bot{TOKEN}/{path}", world.base);
    let bytes = world.client().get(url).send().await.unwrap().bytes().await.unwrap();
    assert_eq!(bytes, PIXEL);

    let again = json!({"chat_id": ANNA, "photo": photo["file_id"]});
    let again = world.ok("sendPhoto", again).await;
    assert_eq!(again["photo"][0]["file_unique_id"], photo["file_unique_id"]);

    let part = Part::bytes(b"a,b\n1,2\n".as_slice()).file_name("plants.csv");
    let media = r#"{"type":"document","media":"attach://sheet","caption":"All"}"#;
    let form = Form::new().text("chat_id", "77").text("media", media).part("sheet", part);
    let form = form.text("message_id", again["message_id"].to_string());
    let url = world.method_url("editMessageMedia");
    let answer = world.client().post(url).multipart(form).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["result"]["document"]["file_name"], "plants.csv", "{answer}");
    let shown = world.handle.last_from_bot(ANNA).unwrap();
    assert_eq!((shown.photo, shown.text.as_str()), (false, "All"));
}

#[tokio::test]
async fn the_narrowest_command_scope_is_shown() {
    let world = World::start().await;
    world.handle.say(ANNA, ANNA, "hello");
    world.handle.create_group(GROUP, "Home");
    let command = |name: &str| json!([{"command": name, "description": "does it"}]);
    let groups = json!({"type": "all_group_chats"});
    let hers = json!({"type": "chat", "chat_id": ANNA});
    world.ok("setMyCommands", json!({"commands": command("everywhere")})).await;
    world.ok("setMyCommands", json!({"commands": command("groups"), "scope": groups})).await;
    world.ok("setMyCommands", json!({"commands": command("owner"), "scope": hers})).await;
    let names = |chat_id| world.handle.menu(chat_id, ANNA).pop().unwrap().0;
    assert_eq!((names(ANNA), names(GROUP)), ("owner".to_owned(), "groups".to_owned()));
    world.ok("deleteMyCommands", json!({"scope": hers})).await;
    assert_eq!(names(ANNA), "everywhere");
    let listed = world.ok("getMyCommands", json!({"scope": groups})).await;
    assert_eq!(listed, command("groups"));
    let bad = json!({"commands": command("Not Allowed")});
    assert_eq!(world.refused("setMyCommands", bad).await.1, "Bad Request: BOT_COMMAND_INVALID");
}

#[tokio::test]
async fn replies_threads_pins_reactions_and_deletions_are_seen() {
    let world = World::start().await;
    world.handle.create_group(GROUP, "Home");
    world.handle.say_in_thread(GROUP, ANNA, 5, "/plants");
    let updates = world.updates().await;
    let message = &updates[0]["message"];
    assert_eq!(
        (&message["chat"]["type"], &message["message_thread_id"]),
        (&json!("supergroup"), &json!(5))
    );
    let reply = json!({"message_id": message["message_id"]});
    let params = json!({"chat_id": GROUP, "text": "here", "reply_parameters": reply,
        "message_thread_id": 5, "disable_notification": true});
    let sent = world.ok("sendMessage", params).await;
    let target = json!({"chat_id": GROUP, "message_id": sent["message_id"]});
    world.ok("pinChatMessage", target.clone()).await;
    let mut reaction = target.clone();
    reaction["reaction"] = json!([{"type": "emoji", "emoji": "👍"}]);
    world.ok("setMessageReaction", reaction.clone()).await;
    let shown = world.handle.last_from_bot(GROUP).unwrap();
    assert!(shown.pinned && shown.silent && shown.thread_id == Some(5));
    assert_eq!((shown.reply_to, shown.reactions.as_slice()), (Some(1), &["👍".to_owned()][..]));
    reaction["reaction"] = json!([{"type": "emoji", "emoji": "🪴"}]);
    assert_eq!(
        world.refused("setMessageReaction", reaction).await.1,
        "Bad Request: REACTION_INVALID"
    );
    world.ok("sendChatAction", json!({"chat_id": GROUP, "action": "typing"})).await;
    world.ok("deleteMessage", target).await;
    assert!(world.handle.last_from_bot(GROUP).is_none());
}

#[tokio::test]
async fn only_allowed_kinds_of_updates_are_queued() {
    let world = World::start().await;
    world.ok("getUpdates", json!({"allowed_updates": ["callback_query"]})).await;
    world.handle.say(ANNA, ANNA, "unheard");
    world.handle.press(ANNA, ANNA, 1, "heard");
    let updates = world.updates().await;
    assert_eq!(updates.len(), 1);
    assert_eq!(updates[0]["callback_query"]["data"], "heard");
    world.ok("getUpdates", json!({"allowed_updates": []})).await;
    world.handle.say(ANNA, ANNA, "heard again");
    assert_eq!(world.updates().await.len(), 2);
    let odd = world.handle.push_raw(json!({"poll_from_the_future": {"id": 1}}));
    assert_eq!(world.updates().await.last().unwrap()["update_id"], odd);
}

/// What people see of inline mode, and what Telegram refuses.
#[tokio::test]
async fn an_inline_query_is_answered_with_articles_and_one_is_picked() {
    let world = World::start().await;
    world.handle.create_group(GROUP, "Home");
    let (_, id) = world.handle.inline_query_from(ANNA, "cyr", "20");
    let update = world.updates().await.pop().unwrap();
    let query = &update["inline_query"];
    assert_eq!((&query["id"], &query["query"]), (&json!(id), &json!("cyr")));
    assert_eq!((&query["offset"], &query["from"]["id"]), (&json!("20"), &json!(ANNA)));
    let article = |id: &str, text: &str| {
        json!({"type": "article", "id": id, "title": "Cyril", "description": "dry",
            "input_message_content": {"message_text": text, "parse_mode": "HTML"}})
    };
    let answer = |results: Value| json!({"inline_query_id": id, "results": results, "is_personal": true, "cache_time": 5});
    let many: Vec<Value> = (0..51).map(|number| article(&number.to_string(), "x")).collect();
    let untitled = json!([{"type": "article", "id": "1", "title": " ",
        "input_message_content": {"message_text": "x"}}]);
    for (results, expected) in [
        (json!(many), "RESULTS_TOO_MUCH"),
        (json!([article("1", "x"), article("1", "y")]), "RESULT_ID_DUPLICATE"),
        (json!([article(&"1".repeat(65), "x")]), "RESULT_ID_INVALID"),
        (json!([article("1", "<b>x")]), "can't parse entities"),
        (json!([article("1", "")]), "message text is empty"),
        (untitled, "ARTICLE_TITLE_EMPTY"),
    ] {
        let (code, words) = world.refused("answerInlineQuery", answer(results)).await;
        assert!(code == 400 && words.contains(expected), "{expected}: {words}");
    }
    let mut offset = answer(json!([]));
    offset["next_offset"] = json!("9".repeat(65));
    assert!(world.refused("answerInlineQuery", offset).await.1.contains("NEXT_OFFSET_INVALID"));
    assert!(world.handle.pick(GROUP, ANNA, "1").is_err());

    world.ok("answerInlineQuery", answer(json!([article("1", "<b>Cyril</b> is dry")]))).await;
    let seen = world.handle.inline_answers(ANNA).pop().unwrap();
    assert_eq!((seen.cache_s, seen.is_personal, seen.results.len()), (5, true, 1));
    world.handle.pick(GROUP, ANNA, "1").unwrap();
    let said = world.handle.messages(GROUP).pop().unwrap();
    assert_eq!((said.html.as_str(), said.from_bot), ("<b>Cyril</b> is dry", false));
    // Under privacy mode, too: it is the bot's own.
    let heard = world.updates().await.pop().unwrap();
    assert_eq!(heard["message"]["via_bot"]["id"], 4711);

    world.handle.age_inline_queries();
    let (_, late) = world.refused("answerInlineQuery", answer(json!([]))).await;
    assert!(late.contains("query is too old"), "{late}");
    world.handle.set_inline_mode(false);
    let before = world.updates().await.len();
    world.handle.inline_query(ANNA, "cyr");
    assert_eq!(world.updates().await.len(), before);
    assert_eq!(world.ok("getMe", json!({})).await["supports_inline_queries"], false);
}
