//! From a raw update to what it means to us. Pure.

use serde_json::{Value, json};
use teloxide::types::{
    CallbackQuery, ChatKind as TelegramChat, MediaKind, Message, MessageKind, PublicChatKind,
    Update, UpdateKind, User,
};

use crate::kernel::chat::{ChatKind, Content, Incoming, Person, Place};

/// What a stored update is to us. `None`: nothing that asks for an answer (another bot's command,
/// a kind of update that we do not know).
pub fn parse(body: &str, bot_name: &str) -> Option<Incoming> {
    let update: Update = serde_json::from_str(body).ok()?;
    let update_id = i64::from(update.id.0);
    match update.kind {
        UpdateKind::Message(message) => message_of(update_id, &message, bot_name),
        UpdateKind::EditedMessage(message) => {
            let mut incoming = message_of(update_id, &message, bot_name)?;
            incoming.content = Content::Edited;
            Some(incoming)
        }
        UpdateKind::ChannelPost(message) => message_of(update_id, &message, bot_name),
        UpdateKind::CallbackQuery(query) => press_of(update_id, query),
        _ => None,
    }
}

fn message_of(update_id: i64, message: &Message, bot_name: &str) -> Option<Incoming> {
    let content = content_of(message)?;
    if let Content::Text(text) = &content
        && is_for_another_bot(text, bot_name)
    {
        return None;
    }
    let place = Place {
        chat_id: message.chat.id.0,
        thread_id: message.thread_id.filter(|_| message.is_topic_message).map(|id| id.0.0),
    };
    // A post in the name of a chat (a channel, an anonymous admin) has no person behind it.
    let person = match &message.sender_chat {
        Some(_) => None,
        None => message.from.as_ref().filter(|user| !user.is_bot).map(person_of),
    };
    Some(Incoming { update_id, place, chat_kind: kind_of(&message.chat.kind), person, content })
}

fn press_of(update_id: i64, query: CallbackQuery) -> Option<Incoming> {
    let message = query.message?;
    let place = Place {
        chat_id: message.chat().id.0,
        thread_id: message
            .regular_message()
            .filter(|message| message.is_topic_message)
            .and_then(|message| message.thread_id)
            .map(|id| id.0.0),
    };
    Some(Incoming {
        update_id,
        place,
        chat_kind: kind_of(&message.chat().kind),
        person: Some(person_of(&query.from)),
        content: Content::Press {
            callback_id: query.id.0,
            message_id: message.id().0,
            data: query.data.unwrap_or_default(),
        },
    })
}

fn person_of(user: &User) -> Person {
    let user_id = i64::try_from(user.id.0).unwrap_or(i64::MAX);
    Person { user_id, name: user.full_name() }
}

fn kind_of(kind: &TelegramChat) -> ChatKind {
    match kind {
        TelegramChat::Private(_) => ChatKind::Private,
        TelegramChat::Public(public) => match public.kind {
            PublicChatKind::Channel(_) => ChatKind::Channel,
            _ => ChatKind::Group,
        },
    }
}

/// What a message says. `None` for service messages (somebody joined, a title changed).
fn content_of(message: &Message) -> Option<Content> {
    if let Some(text) = message.text() {
        return Some(Content::Text(text.to_owned()));
    }
    let MessageKind::Common(common) = &message.kind else { return None };
    let name = match &common.media_kind {
        MediaKind::Animation(_) => "an animation",
        MediaKind::Audio(_) => "a piece of audio",
        MediaKind::Contact(_) => "a contact",
        MediaKind::Document(_) => "a document",
        MediaKind::Location(_) | MediaKind::Venue(_) => "a place",
        MediaKind::Photo(_) => "a picture",
        MediaKind::Poll(_) => "a poll",
        MediaKind::Sticker(_) => "a sticker",
        MediaKind::Video(_) | MediaKind::VideoNote(_) => "a video",
        MediaKind::Voice(_) => "a voice message",
        _ => "this kind of message",
    };
    Some(Content::Unreadable(name))
}

/// `/plants@OtherBot` in a group is not for us.
fn is_for_another_bot(text: &str, bot_name: &str) -> bool {
    let Some(command) = text.trim_start().strip_prefix('/') else { return false };
    let head = command.split_whitespace().next().unwrap_or("");
    match head.split_once('@') {
        Some((_, name)) => !name.eq_ignore_ascii_case(bot_name),
        None => false,
    }
}

/// The parts of a raw update that access is decided by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    pub update_id: i64,
    pub chat_id: i64,
    pub user_id: Option<i64>,
    pub is_private: bool,
    /// It begins with a slash: in a group, only that is meant for us.
    pub is_command: bool,
    /// The tap to answer, if it is one.
    pub callback_id: Option<String>,
    /// `/start` with what follows: the one text of a stranger that we may keep.
    pub is_start: bool,
}

/// Reads an update's envelope. `None`: it belongs to no chat, or has no id.
pub fn envelope(update: &Value) -> Option<Envelope> {
    let update_id = update.get("update_id")?.as_i64()?;
    let (_, event) = update.as_object()?.iter().find(|(key, _)| *key != "update_id")?;
    let message = event.get("message").filter(|_| event.get("data").is_some()).unwrap_or(event);
    let chat = message.get("chat")?;
    let text = event.get("text").and_then(Value::as_str).unwrap_or("");
    let is_start = text == "/start" || text.starts_with("/start ");
    Some(Envelope {
        update_id,
        chat_id: chat.get("id")?.as_i64()?,
        user_id: event.pointer("/from/id").and_then(Value::as_i64),
        is_private: chat.get("type").and_then(Value::as_str) == Some("private"),
        is_command: text.starts_with('/'),
        callback_id: event
            .get("data")
            .and(event.get("id"))
            .and_then(Value::as_str)
            .map(str::to_owned),
        is_start,
    })
}

/// A stranger's update without anything that they wrote, their name included.
pub fn redacted(envelope: &Envelope) -> Value {
    if let (Some(callback_id), Some(user_id)) = (&envelope.callback_id, envelope.user_id) {
        return json!({ "update_id": envelope.update_id, "callback_query": {
            "id": callback_id, "chat_instance": "", "data": "",
            "from": { "id": user_id, "is_bot": false, "first_name": "" },
            "message": { "message_id": 1, "date": 0,
                "chat": { "id": envelope.chat_id, "type": "private", "first_name": "" } } } });
    }
    let kind = if envelope.is_private { "private" } else { "supergroup" };
    let mut message = json!({
        "message_id": 1, "date": 0, "text": "",
        "chat": { "id": envelope.chat_id, "type": kind, "first_name": "", "title": "" },
    });
    if let Some(user_id) = envelope.user_id {
        message["from"] = json!({ "id": user_id, "is_bot": false, "first_name": "" });
    }
    json!({ "update_id": envelope.update_id, "message": message })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> Value {
        json!({"update_id": 5, "message": {"message_id": 9, "date": 1_700_000_000,
            "chat": {"id": 7, "type": "private", "first_name": "Ada"},
            "from": {"id": 7, "is_bot": false, "first_name": "Ada"}, "text": text}})
    }

    #[test]
    fn a_text_is_parsed() {
        let incoming = parse(&message("/plants").to_string(), "Sill_bot").unwrap();
        assert_eq!(incoming.command(), Some(("plants", "")));
        assert_eq!(incoming.person.unwrap().user_id, 7);
        assert_eq!(incoming.chat_kind, ChatKind::Private);
    }

    #[test]
    fn another_bots_command_is_not_ours() {
        assert_eq!(parse(&message("/plants@other_bot").to_string(), "Sill_bot"), None);
        assert!(parse(&message("/plants@sill_BOT x").to_string(), "Sill_bot").is_some());
    }

    #[test]
    fn a_press_is_parsed_and_so_is_its_envelope() {
        let update = json!({"update_id": 6, "callback_query": {"id": "42", "chat_instance": "1",
            "from": {"id": 7, "is_bot": false, "first_name": "Ada"}, "data": "d:5:keep",
            "message": {"message_id": 10, "date": 1, "text": "?",
                "chat": {"id": 7, "type": "private", "first_name": "Ada"}}}});
        let incoming = parse(&update.to_string(), "Sill_bot").unwrap();
        assert_eq!(incoming.press(), Some(("42", 10, "d:5:keep")));
        let envelope = envelope(&update).unwrap();
        assert_eq!((envelope.chat_id, envelope.user_id), (7, Some(7)));
    }

    #[test]
    fn a_redacted_update_parses_and_says_nothing() {
        let envelope = envelope(&message("the sentinel")).unwrap();
        let body = redacted(&envelope).to_string();
        assert!(!body.contains("sentinel") && !body.contains("Ada"));
        let incoming = parse(&body, "Sill_bot").unwrap();
        assert_eq!(incoming.person.unwrap().user_id, 7);
    }

    #[test]
    fn what_is_unknown_is_passed_over() {
        assert_eq!(parse(r#"{"update_id": 1, "new_thing": {"x": 1}}"#, "b"), None);
        assert_eq!(parse("[]", "b"), None);
        assert_eq!(envelope(&json!({"update_id": 1, "new_thing": {"x": 1}})), None);
    }
}
