//! What people do to the world: write, press, block, and turn a group into a supergroup.

use serde_json::{Map, Value, json};

use super::entities::Content;
use super::model::{Change, Chat, ChatKind, Message};
use super::shared::{State, now_s};

/// The chat, which begins here if two people have not met.
fn chat_of(state: &mut State, chat_id: i64, user_id: i64) -> Chat {
    if !state.world.people.contains_key(&user_id) {
        let person = state.world.person(user_id);
        state.record(Change::Person(person));
    }
    if let Some(chat) = state.world.chats.get(&chat_id) {
        return chat.clone();
    }
    let is_private = chat_id == user_id;
    let kind = if is_private { ChatKind::Private } else { ChatKind::of_group(chat_id) };
    let first_name = state.world.person(user_id).first_name;
    let title = if is_private { first_name } else { format!("Group {chat_id}") };
    let chat = Chat::new(chat_id, kind, &title);
    state.record(Change::Chat(chat.clone()));
    chat
}

pub(super) fn say(
    state: &mut State,
    chat_id: i64,
    user_id: i64,
    text: &str,
    extra: Map<String, Value>,
) -> i64 {
    let chat = chat_of(state, chat_id, user_id);
    let content = Content::new(text, Vec::new());
    let mut body = extra;
    body.insert("message_id".to_owned(), json!(chat.next_message_id));
    body.insert("from".to_owned(), state.world.person(user_id).user());
    body.insert("chat".to_owned(), chat.object());
    body.insert("date".to_owned(), json!(now_s()));
    body.insert("text".to_owned(), json!(content.text));
    if !content.entities.is_empty() {
        body.insert("entities".to_owned(), json!(content.entities));
    }
    let message = Message::new(body);
    let object = message.object();
    state.record(Change::Message(Box::new(message)));
    state.queue("message", &object)
}

pub(super) fn press(
    state: &mut State,
    chat_id: i64,
    user_id: i64,
    message_id: i64,
    data: &str,
) -> (i64, String) {
    let chat = chat_of(state, chat_id, user_id);
    let message = match state.world.message(chat_id, message_id) {
        Some(message) => message.object(),
        // What a bot gets for a message that is there no more.
        None => json!({"chat": chat.object(), "message_id": message_id, "date": 0}),
    };
    let id = fastrand::u64(1..=i64::MAX as u64).to_string();
    let query = json!({
        "id": id,
        "from": state.world.person(user_id).user(),
        "message": message,
        "chat_instance": chat_id.to_string(),
        "data": data,
    });
    state.queries.open(&id, chat_id);
    (state.queue("callback_query", &query), id)
}

pub(super) fn set_blocked(state: &mut State, user_id: i64, blocked: bool) {
    let chat = chat_of(state, user_id, user_id);
    let mut person = state.world.person(user_id);
    person.blocked = blocked;
    let member = |status: &str, bot: &Value| {
        let mut member = json!({"user": bot, "status": status});
        if status == "kicked" {
            member["until_date"] = json!(0);
        }
        member
    };
    let (old, new) = if blocked { ("member", "kicked") } else { ("kicked", "member") };
    let update = json!({
        "chat": chat.object(),
        "from": person.user(),
        "date": now_s(),
        "old_chat_member": member(old, &state.bot),
        "new_chat_member": member(new, &state.bot),
    });
    state.record(Change::Person(person));
    state.queue("my_chat_member", &update);
}

pub(super) fn migrate(state: &mut State, chat_id: i64, new_chat_id: i64) {
    let Some(mut old) = state.world.chats.get(&chat_id).cloned() else {
        return;
    };
    let new = Chat::new(new_chat_id, ChatKind::Supergroup, &old.title);
    let notice = |chat: &Chat, field: &str, other: i64, bot: &Value| {
        json!({
            "message_id": chat.next_message_id,
            "from": bot,
            "chat": chat.object(),
            "date": now_s(),
            field: other,
        })
    };
    let left = notice(&old, "migrate_to_chat_id", new_chat_id, &state.bot);
    let arrived = notice(&new, "migrate_from_chat_id", chat_id, &state.bot);
    old.migrated_to = Some(new_chat_id);
    state.record(Change::Chat(old));
    state.record(Change::Chat(new));
    for message in [left, arrived] {
        if let Value::Object(body) = &message {
            state.record(Change::Message(Box::new(Message::new(body.clone()))));
        }
        state.queue("message", &message);
    }
}
