//! What access is decided by, before anything of an update is kept.
//!
//! Invariant: nothing that somebody wrote leaves this file in a redacted update, their name
//! included.

use serde_json::{Value, json};

use super::{mentions, named_bot};
use crate::telegram::household;

/// Who is behind an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Author {
    Person(i64),
    /// A channel, or an admin who hides behind the group.
    Nameless,
    Bot,
}

/// What an update is, as far as access goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Somebody says something.
    Said,
    /// The tap to answer.
    Tap(String),
    /// What is typed behind our name: the query to answer.
    Inline(String),
    /// We came into the chat, or went out of it.
    Presence,
    /// The group has another id now.
    Migration { from_chat_id: i64, to_chat_id: i64 },
}

/// The parts of a raw update that access is decided by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    pub update_id: i64,
    pub chat_id: i64,
    /// Where an answer goes: the message, and the forum topic that it lies in.
    pub message_id: i64,
    pub topic_id: Option<i64>,
    pub author: Author,
    pub kind: Kind,
    pub is_private: bool,
    /// Written in private, a command that is ours, or a tap.
    pub is_for_us: bool,
    /// In a group: it calls us by our name, or replies to a message of ours.
    pub speaks_to_us: bool,
    /// `/start` in private, alone or with what may be a code: the one text of a stranger that we
    /// may keep.
    pub is_start: bool,
}

/// Reads an update's envelope. `None`: it belongs to no chat and no person, or has no id.
pub fn envelope(update: &Value, bot_name: &str) -> Option<Envelope> {
    let update_id = update.get("update_id")?.as_i64()?;
    let mut events = update.as_object()?.iter().filter(|(key, _)| *key != "update_id");
    let (name, event) = events.next()?;
    if events.next().is_some() {
        // An update is one event (Bot API, `Update`): two could mean one to us and one to the rest.
        return None;
    }
    if name == "inline_query" {
        return inline(update_id, event);
    }
    let is_tap = name == "callback_query";
    let message = if is_tap { event.get("message")? } else { event };
    let chat = message.get("chat")?;
    let chat_id = chat.get("id")?.as_i64()?;
    let kind = kind_of(name, event, chat_id);
    let is_private = chat.get("type").and_then(Value::as_str) == Some("private");
    let text = event.get("text").and_then(Value::as_str).unwrap_or("");
    let is_for_us = is_private || matches!(kind, Kind::Tap(_)) || is_our_command(text, bot_name);
    let replied = event.pointer("/reply_to_message/from/username").and_then(Value::as_str);
    let replies_to_us = replied.is_some_and(|name| name.eq_ignore_ascii_case(bot_name));
    let number = |field: &str| message.get(field).and_then(Value::as_i64);
    let in_topic = message.get("is_topic_message") == Some(&Value::Bool(true));
    Some(Envelope {
        update_id,
        chat_id,
        message_id: number("message_id").unwrap_or(0),
        topic_id: number("message_thread_id").filter(|_| in_topic),
        author: author_of(event, is_tap),
        is_start: is_private && kind == Kind::Said && is_start(text),
        is_for_us,
        speaks_to_us: replies_to_us || mentions(text, bot_name),
        is_private,
        kind,
    })
}

/// An inline query has no chat: it is asked where its author talks with us, which has their number.
fn inline(update_id: i64, event: &Value) -> Option<Envelope> {
    let user_id = event.pointer("/from/id")?.as_i64()?;
    Some(Envelope {
        update_id,
        chat_id: user_id,
        message_id: 0,
        topic_id: None,
        author: author_of(event, true),
        kind: Kind::Inline(event.get("id")?.as_str()?.to_owned()),
        is_private: true,
        is_for_us: true,
        speaks_to_us: false,
        is_start: false,
    })
}

fn kind_of(name: &str, event: &Value, chat_id: i64) -> Kind {
    match (name, event.get("id").and_then(Value::as_str)) {
        ("my_chat_member", _) => return Kind::Presence,
        ("callback_query", Some(callback_id)) => return Kind::Tap(callback_id.to_owned()),
        _ => {}
    }
    let other = |field: &str| event.get(field).and_then(Value::as_i64);
    if let Some(to_chat_id) = other("migrate_to_chat_id") {
        return Kind::Migration { from_chat_id: chat_id, to_chat_id };
    }
    if let Some(from_chat_id) = other("migrate_from_chat_id") {
        return Kind::Migration { from_chat_id, to_chat_id: chat_id };
    }
    Kind::Said
}

fn author_of(event: &Value, is_tap: bool) -> Author {
    let user_id = event.pointer("/from/id").and_then(Value::as_i64);
    let is_bot = event.pointer("/from/is_bot") == Some(&Value::Bool(true));
    // Nobody taps in the name of a chat.
    match (event.get("sender_chat").filter(|_| !is_tap), user_id) {
        (Some(_), _) | (None, None) => Author::Nameless,
        (None, Some(_)) if is_bot => Author::Bot,
        (None, Some(user_id)) => Author::Person(user_id),
    }
}

/// A command with our name, or one of ours with no name: another bot in the group may have it too,
/// but where we are alone people leave the name out.
fn is_our_command(text: &str, bot_name: &str) -> bool {
    let Some(command) = text.trim_start().strip_prefix('/') else { return false };
    match named_bot(text) {
        Some(name) => name.eq_ignore_ascii_case(bot_name),
        None => household::has_command(command.split_whitespace().next().unwrap_or_default()),
    }
}

/// Codes are what a deep link can carry (Bot API, "Deep linking"); other words are not kept.
fn is_start(text: &str) -> bool {
    const CODE_BYTES: usize = 64;
    let Some(code) = text.strip_prefix("/start") else { return false };
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let typed = code.trim();
    (code.is_empty() || code.starts_with(' '))
        && typed.len() <= CODE_BYTES
        && typed.bytes().all(is_plain)
}

/// A stranger's update without anything that they wrote, their name included.
pub fn redacted(envelope: &Envelope) -> Value {
    let chat_kind = if envelope.is_private { "private" } else { "supergroup" };
    let chat = json!({ "id": envelope.chat_id, "type": chat_kind, "first_name": "", "title": "" });
    let from = match envelope.author {
        Author::Person(user_id) => Some(user_id),
        Author::Nameless | Author::Bot => None,
    };
    let from = from.map(|id| json!({ "id": id, "is_bot": false, "first_name": "" }));
    if let (Kind::Inline(query_id), Some(from)) = (&envelope.kind, &from) {
        return json!({ "update_id": envelope.update_id, "inline_query": {
            "id": query_id, "from": from, "query": "", "offset": "" } });
    }
    let message_id = envelope.message_id;
    let mut message = json!({ "message_id": message_id, "date": 0, "text": "", "chat": chat });
    if let Some(topic_id) = envelope.topic_id {
        message["message_thread_id"] = topic_id.into();
        message["is_topic_message"] = true.into();
    }
    if let (Kind::Tap(callback_id), Some(from)) = (&envelope.kind, &from) {
        return json!({ "update_id": envelope.update_id, "callback_query": {
            "id": callback_id, "chat_instance": "", "data": "", "from": from,
            "message": message } });
    }
    match from {
        Some(from) => message["from"] = from,
        None => message["sender_chat"] = message["chat"].clone(),
    }
    json!({ "update_id": envelope.update_id, "message": message })
}

/// A stranger's `/start`: the command with its code, and by which name they would come in. What else
/// is in the update (the message that it replies to, a quote) is not kept.
pub fn start(envelope: &Envelope, update: &Value) -> Value {
    let mut kept = redacted(envelope);
    for path in ["/message/text", "/message/from/first_name", "/message/from/last_name"] {
        let Some((parent, field)) = path.rsplit_once('/') else { continue };
        if let (Some(parent), Some(value)) = (kept.pointer_mut(parent), update.pointer(path)) {
            parent[field] = value.clone();
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(chat: &Value, text: &str) -> Envelope {
        let from = json!({"id": 7, "is_bot": false, "first_name": "Ada"});
        let message = json!({"message_id": 1, "date": 1, "chat": chat, "from": from, "text": text});
        envelope(&json!({"update_id": 1, "message": message}), "Sill_bot").unwrap()
    }

    #[test]
    fn in_a_group_only_our_commands_are_for_us() {
        let group = json!({"id": -5, "type": "group", "title": "Home"});
        for ours in ["/plants", "/plant_3", "/PLANTS@sill_bot x", "/new@Sill_bot", "/start"] {
            assert!(said(&group, ours).is_for_us, "{ours}");
        }
        for other in ["hello", "/plants@other_bot", "/roll", "/", "plants"] {
            assert!(!said(&group, other).is_for_us, "{other}");
        }
    }

    #[test]
    fn only_what_may_be_a_code_is_kept_of_a_strangers_words() {
        let private = json!({"id": 7, "type": "private", "first_name": "Ada"});
        for start in ["/start", "/start ABCD2345", "/start in-abc_DEF"] {
            assert!(said(&private, start).is_start, "{start}");
        }
        let long = format!("/start {}", "x".repeat(65));
        for other in ["/started", "/start two words", "/start größe", &long, "start"] {
            assert!(!said(&private, other).is_start, "{other}");
        }
        let group = json!({"id": -5, "type": "group", "title": "Home"});
        assert!(!said(&group, "/start ABCD2345").is_start);
    }

    #[test]
    fn of_a_strangers_start_the_code_and_the_name_are_kept_and_nothing_else() {
        let chat = json!({"id": 7, "type": "private", "first_name": "Ada", "last_name": "L."});
        let from = json!({"id": 7, "is_bot": false, "first_name": "Ada", "last_name": "L."});
        let earlier = json!({"message_id": 1, "date": 1, "chat": chat, "text": "the sentinel"});
        let update = json!({"update_id": 1, "message": {"message_id": 2, "date": 1, "chat": chat,
            "from": from, "text": "/start in-a", "reply_to_message": earlier,
            "quote": {"text": "the sentinel", "position": 0}}});
        let kept = start(&envelope(&update, "Sill_bot").unwrap(), &update).to_string();
        assert!(!kept.contains("sentinel"), "{kept}");
        let me = crate::kernel::chat::Me { username: "Sill_bot".to_owned(), ..Default::default() };
        let incoming = crate::telegram::parse::parse(&kept, &me).unwrap();
        assert_eq!(incoming.command(), Some(("start", "in-a")));
        assert_eq!(incoming.person.unwrap().name, "Ada L.");
    }

    #[test]
    fn both_notices_of_a_migration_say_the_same() {
        let group = |id: i64| json!({"id": id, "type": "group", "title": "Home"});
        let notice = |chat: Value, field: &str, id: i64| {
            let message = json!({"message_id": 1, "date": 1, "chat": chat, field: id});
            envelope(&json!({"update_id": 1, "message": message}), "b").unwrap().kind
        };
        let expected = Kind::Migration { from_chat_id: -5, to_chat_id: -100 };
        assert_eq!(notice(group(-5), "migrate_to_chat_id", -100), expected);
        assert_eq!(notice(group(-100), "migrate_from_chat_id", -5), expected);
    }
}
