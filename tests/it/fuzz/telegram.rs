//! What comes from Telegram: updates, taps, codes, and the answers of the Bot API.

use std::sync::{Arc, LazyLock};

use axum::http::StatusCode;
use futures_util::FutureExt;
use serde::Deserialize;
use serde_json::{Value, json};
use windowsill::kernel::chat::{
    Button, ChatKind, Content, Draft, Incoming, Me, Person, Place, Standing, Towards, draft_button,
};
use windowsill::rooms;
use windowsill::rooms::turn::Routes;
use windowsill::telegram::client::{CallError, LONGEST_RETRY_AFTER_S, read_answer};
use windowsill::telegram::parse::{self, Author, Envelope, Kind};
use windowsill::telegram::routes::{self, Visit};
use windowsill::telegram::{code, ingress, webhook};

use super::fuzz;
use super::input::{mutated, mutated_json, text_of};

const NAME: &str = "Sill_bot";

/// Samples as values and as text.
struct Samples(Vec<Value>, Vec<String>);

impl Samples {
    fn of(values: Vec<Value>) -> Samples {
        let texts = values.iter().map(Value::to_string).collect();
        Samples(values, texts)
    }
}

fn message(chat: &Value, from: Value, rest: Value) -> Value {
    let mut message = json!({"message_id": 9, "date": 1_700_000_000, "chat": chat, "from": from});
    message.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    message
}

static UPDATES: LazyLock<Samples> = LazyLock::new(|| {
    let private = json!({"id": 7, "type": "private", "first_name": "Ada"});
    let forum = json!({"id": -1001, "type": "supergroup", "title": "Home", "is_forum": true});
    let group = json!({"id": -5, "type": "group", "title": "g"});
    let ada = || json!({"id": 7, "is_bot": false, "first_name": "Ada"});
    let us = json!({"id": 1, "is_bot": true, "first_name": "b", "username": NAME});
    let update = |kind: &str, event: Value| json!({"update_id": 5, kind: event});
    Samples::of(vec![
        update(
            "message",
            message(
                &private,
                ada(),
                json!({"text": "/plants moisture_low > 20",
            "entities": [{"type": "bot_command", "offset": 0, "length": 7}]}),
            ),
        ),
        update("message", message(&private, ada(), json!({"text": "/start in-ABCD2345"}))),
        update(
            "callback_query",
            json!({"id": "42", "chat_instance": "1", "data": "d:5:keep",
            "from": ada(), "message": message(&private, us.clone(), json!({"text": "?"}))}),
        ),
        update(
            "message",
            message(
                &forum,
                ada(),
                json!({"message_thread_id": 3,
            "is_topic_message": true, "text": "/start@Sill_bot ABCDEFGH",
            "reply_to_message": message(&forum, us.clone(), json!({"text": "?"}))}),
            ),
        ),
        update(
            "edited_message",
            message(&private, ada(), json!({"edit_date": 1_700_000_002, "text": "/plant cyril"})),
        ),
        update(
            "channel_post",
            json!({"message_id": 2, "date": 1, "text": "/y",
            "chat": {"id": -1002, "type": "channel", "title": "News"},
            "sender_chat": {"id": -1002, "type": "channel", "title": "News"}}),
        ),
        update(
            "message",
            message(
                &group,
                ada(),
                json!({"sticker": {"file_id": "f",
            "file_unique_id": "u", "type": "regular", "width": 1, "height": 1,
            "is_animated": false, "is_video": false}}),
            ),
        ),
        update("message", message(&group, ada(), json!({"migrate_to_chat_id": -1001}))),
        update(
            "inline_query",
            json!({"id": "42", "from": ada(), "query": "cyril", "offset": "20",
            "chat_type": "supergroup"}),
        ),
        update(
            "my_chat_member",
            json!({"chat": group, "from": ada(), "date": 1,
            "old_chat_member": {"user": us, "status": "member"},
            "new_chat_member": {"user": us, "status": "kicked", "until_date": 0}}),
        ),
    ])
});

fn me() -> Me {
    Me { username: NAME.to_owned(), ..Me::default() }
}

/// F24, F26, F27: access is decided by what is later taken for the sender and the chat, and a
/// stranger's words reach no room. The input is a body of the webhook.
#[test]
fn an_update_means_the_same_to_access_and_to_whoever_answers_it() {
    let (tree, me) = (routes::schema(), me());
    fuzz(
        |rng| mutated_json(rng, &UPDATES.0, &UPDATES.1),
        |body| {
            let Ok(update) = serde_json::from_slice::<Value>(body) else { return };
            let Some(envelope) = parse::envelope(&update, NAME) else { return };
            assert_eq!(Some(envelope.update_id), ingress::update_id(&update));
            let redacted = parse::redacted(&envelope);
            if let Some(incoming) = parse::parse(&redacted.to_string(), &me) {
                agree(&envelope, &incoming);
                let words = incoming.text().or(incoming.press().map(|(_, _, data)| data));
                assert!(words.unwrap_or_default().is_empty() && incoming.chat_title.is_empty());
                let typed = incoming.inline().map(|query| query.typed.as_str());
                assert!(typed.unwrap_or_default().is_empty());
                assert!(incoming.person.is_none_or(|person| person.name.trim().is_empty()));
            }
            // What a channel or another bot says is never kept whole.
            let is_kept = matches!(envelope.author, Author::Person(_));
            let Some(incoming) = parse::parse(&update.to_string(), &me).filter(|_| is_kept) else {
                return;
            };
            agree(&envelope, &incoming);
            reaches_no_room(&tree, incoming);
        },
    );
}

fn agree(envelope: &Envelope, incoming: &Incoming) {
    assert_eq!(incoming.update_id, envelope.update_id);
    assert_eq!(incoming.place.chat_id, envelope.chat_id);
    assert_eq!(incoming.is_private(), envelope.is_private);
    if let Author::Person(user_id) = envelope.author {
        assert_eq!(incoming.person.as_ref().map(|person| person.user_id), Some(user_id));
        assert_eq!(incoming.press().is_some(), matches!(envelope.kind, Kind::Tap(_)));
        assert_eq!(incoming.inline().is_some(), matches!(envelope.kind, Kind::Inline(_)));
    }
}

fn reaches_no_room(tree: &Routes, incoming: Incoming) {
    let rooms = rooms::all().map(|room| room.chat.name());
    let stranger = Visit { standing: Standing::Stranger, is_admitted: false };
    let routed = routes::route(tree, &Arc::new(incoming), stranger, None).now_or_never();
    let route = routed.expect("routing waits for nothing");
    assert!(route.is_none_or(|route| !rooms.contains(&route.room())));
}

/// F26: of a stranger's words only what can be a code is kept, and codes are compared whole.
#[test]
fn only_what_can_be_a_code_follows_start() {
    const CODE: &str = "ABCD2345";
    const WORDS: &[&str] =
        &["/start ABCD2345", "/start in-ABCD2345", "/start", "/start@Sill_bot x"];
    let chat = json!({"id": 7, "type": "private", "first_name": "Ada"});
    let from = json!({"id": 7, "is_bot": false, "first_name": "Ada"});
    fuzz(
        |rng| mutated(rng, WORDS),
        |bytes| {
            let text = text_of(bytes);
            let said = message(&chat, from.clone(), json!({"text": text}));
            let update = json!({"update_id": 1, "message": said});
            let envelope = parse::envelope(&update, NAME).unwrap();
            if envelope.is_start {
                let typed = text.strip_prefix("/start").unwrap().trim();
                let is_plain = |char: char| char.is_ascii_alphanumeric() || "-_".contains(char);
                assert!(typed.len() <= 64 && typed.chars().all(is_plain));
                let incoming = said_in_private(Content::Text(text.clone()));
                assert_eq!(incoming.command(), Some(("start", typed)));
            }
            for typed in [text.as_str(), text.strip_prefix("/start ").unwrap_or_default()] {
                assert_eq!(code::same(typed, CODE), typed.eq_ignore_ascii_case(CODE));
            }
        },
    );
}

fn said_in_private(content: Content) -> Incoming {
    Incoming {
        update_id: 1,
        place: Place::private(7),
        chat_kind: ChatKind::Private,
        chat_title: String::new(),
        message_id: None,
        towards: Towards::Us,
        person: Some(Person { user_id: 7, name: "Ada".to_owned() }),
        content,
    }
}

/// F29: a button of a draft is taken apart as it was put together, any other finds its answer too.
#[test]
fn every_tap_has_an_answer() {
    const DATA: &[&str] = &[
        "d:5:keep",
        "d:5:sensor-3",
        "d:5:id-4",
        "d:-9:y:z",
        "d::",
        "plant:show:3",
        "plant:edit:3",
        "",
    ];
    let tree = routes::schema();
    let owner = Visit { standing: Standing::Owner, is_admitted: true };
    let [room, ..] = rooms::all();
    let draft = Draft { room: room.chat.name().to_owned(), version: 5, state: Value::Null };
    fuzz(
        |rng| mutated(rng, DATA),
        |bytes| {
            let data = text_of(bytes);
            if let Some((version, action)) = draft_button(&data) {
                let button = Button::of_draft("x", version, action);
                assert_eq!(button.data().and_then(draft_button), Some((version, action)));
            }
            let (callback_id, buttons) = ("1".to_owned(), vec![data.clone()]);
            let press = Content::Press { callback_id, message_id: 2, data, buttons };
            let incoming = Arc::new(said_in_private(press));
            let route = routes::route(&tree, &incoming, owner, Some(draft.clone())).now_or_never();
            assert!(route.expect("routing waits for nothing").is_some());
        },
    );
}

static ANSWERS: LazyLock<Samples> = LazyLock::new(|| {
    let refused = |code: i64, description: &str, parameters: Value| {
        json!({"ok": false, "error_code": code, "description": description,
            "parameters": parameters})
    };
    let mut samples = Samples::of(vec![
        json!({"ok": true, "result": {"message_id": 5, "date": 1,
            "chat": {"id": 7, "type": "private"}}}),
        json!({"ok": true, "result": [{"update_id": 1}, {"update_id": 2}]}),
        json!({"ok": true, "result": {"url": "https://a.example/x", "pending_update_count": 3,
            "last_error_date": 1_700_000_000, "last_error_message": "Connection refused"}}),
        refused(429, "Too Many Requests: retry after 5", json!({"retry_after": 5})),
        refused(400, "Bad Request: group was upgraded", json!({"migrate_to_chat_id": -1001})),
    ]);
    samples.1.push("<html><head><title>502 Bad Gateway</title></head></html>".to_owned());
    samples
});

/// What an answer says of itself.
#[derive(Deserialize)]
struct Says {
    ok: bool,
}

/// F19, F20: only what says that it was taken counts as taken, half an answer is an unknown
/// outcome, and no answer silences us for ever.
#[test]
fn an_answer_of_the_bot_api_is_taken_refused_or_unknown() {
    const STATUSES: [StatusCode; 3] =
        [StatusCode::OK, StatusCode::TOO_MANY_REQUESTS, StatusCode::BAD_GATEWAY];
    fuzz(
        |rng| mutated_json(rng, &ANSWERS.0, &ANSWERS.1),
        |body| {
            let status = STATUSES[body.len() % STATUSES.len()];
            let outcome = read_answer(status, body);
            let says_ok = || serde_json::from_slice::<Says>(body).is_ok_and(|answer| answer.ok);
            match outcome {
                Ok(result) => {
                    assert!(says_ok());
                    if let Some(error) = webhook::last_error(&result) {
                        assert_eq!(result["last_error_date"], error.at_ms / 1000);
                    }
                }
                Err(CallError::Unsent(_)) => assert!(status.is_client_error()),
                Err(CallError::Unknown(_)) => assert!(!status.is_client_error()),
                Err(CallError::Refused { retry_after_s, .. }) => {
                    assert!(!says_ok());
                    let bounds = 0..=LONGEST_RETRY_AFTER_S;
                    assert!(retry_after_s.is_none_or(|wait_s| bounds.contains(&wait_s)));
                }
            }
        },
    );
}
