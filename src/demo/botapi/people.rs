//! What people do to the world: write, edit, press, and block.

use serde_json::{Map, Value, json};

use super::entities::Content;
use super::model::{Change, Chat, ChatKind, Message, Person};
use super::shared::{State, told_s};

/// The chat, which begins here if two people have not met.
pub(super) fn chat_of(state: &mut State, chat_id: i64, user_id: i64) -> Chat {
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
    let content = Content::new(text, Vec::new());
    let mut body = extra;
    body.insert("text".to_owned(), json!(content.text));
    if !content.entities.is_empty() {
        body.insert("entities".to_owned(), json!(content.entities));
    }
    send(state, chat_id, user_id, body)
}

/// Sends what is in `body`, a text or anything else.
pub(super) fn send(
    state: &mut State,
    chat_id: i64,
    user_id: i64,
    mut body: Map<String, Value>,
) -> i64 {
    let chat = chat_of(state, chat_id, user_id);
    let from = state.world.person(user_id).user();
    body.entry("from").or_insert(from);
    post(state, &chat, "message", body)
}

/// Puts a message into a chat and tells the bot, if it hears such a one.
pub(super) fn post(
    state: &mut State,
    chat: &Chat,
    kind: &str,
    mut body: Map<String, Value>,
) -> i64 {
    body.insert("message_id".to_owned(), json!(chat.next_message_id));
    body.insert("chat".to_owned(), chat.object());
    body.insert("date".to_owned(), json!(told_s()));
    let message = Message::new(body);
    let object = message.object();
    state.record(Change::Message(Box::new(message)));
    match is_heard(state, chat, &object) {
        true => state.queue(kind, &object),
        false => state.world.next_update_id,
    }
}

/// What the bot is told of: in groups it hears commands, replies to itself and what somebody picked
/// of its own, unless privacy mode is off.
fn is_heard(state: &State, chat: &Chat, message: &Value) -> bool {
    if chat.bot_is_out {
        return false;
    }
    let is_group = matches!(chat.kind, ChatKind::Group | ChatKind::Supergroup);
    if !is_group || !state.privacy_mode {
        return true;
    }
    let words = message["text"].as_str().or(message["caption"].as_str()).unwrap_or_default();
    let command = words.strip_prefix('/').and_then(|rest| rest.split_whitespace().next());
    let is_command = command.is_some_and(|command| match command.split_once('@') {
        Some((_, name)) => state.bot["username"].as_str() == Some(name),
        None => true,
    });
    let is_by = |by: &Value| by["id"] == state.bot["id"];
    is_command || is_by(&message["reply_to_message"]["from"]) || is_by(&message["via_bot"])
}

/// A person changes the text of a message.
pub(super) fn edit(state: &mut State, chat_id: i64, message_id: i64, text: &str) -> i64 {
    let Some(mut message) = state.world.message(chat_id, message_id).cloned() else {
        return state.world.next_update_id;
    };
    let content = Content::new(text, Vec::new());
    message.body.insert("text".to_owned(), json!(content.text));
    message.body.insert("entities".to_owned(), json!(content.entities));
    message.body.insert("edit_date".to_owned(), json!(told_s()));
    let object = message.object();
    state.record(Change::Message(Box::new(message)));
    state.queue("edited_message", &object)
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
    let (old, new) = if blocked { ("member", "kicked") } else { ("kicked", "member") };
    let update = membership(state, &chat, &person, old, new);
    state.record(Change::Person(person));
    state.queue("my_chat_member", &update);
}

/// What the bot is told when it comes into a chat or goes out of it.
pub(super) fn membership(state: &State, chat: &Chat, by: &Person, old: &str, new: &str) -> Value {
    let member = |status: &str| {
        let mut member = json!({"user": state.bot, "status": status});
        if status == "kicked" {
            member["until_date"] = json!(0);
        }
        member
    };
    json!({
        "chat": chat.object(),
        "from": by.user(),
        "date": told_s(),
        "old_chat_member": member(old),
        "new_chat_member": member(new),
    })
}
