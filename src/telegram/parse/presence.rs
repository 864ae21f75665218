//! Whether we are in a chat: `my_chat_member`, read by the few fields that matter, so that no new
//! field of Telegram's hides from us that we were thrown out.

use serde::Deserialize;

use crate::kernel::chat::{ChatKind, Content, Incoming, Person, Place, Presence, Towards};

#[derive(Deserialize)]
struct Update {
    update_id: i64,
    my_chat_member: Change,
}

#[derive(Deserialize)]
struct Change {
    chat: Chat,
    from: User,
    old_chat_member: Member,
    new_chat_member: Member,
}

#[derive(Deserialize)]
struct Chat {
    id: i64,
    r#type: String,
    #[serde(default)]
    title: String,
}

#[derive(Deserialize)]
struct User {
    id: i64,
    #[serde(default)]
    first_name: String,
    last_name: Option<String>,
}

#[derive(Deserialize)]
struct Member {
    status: String,
    /// Given where `status` is `restricted`.
    is_member: Option<bool>,
}

impl Member {
    fn is_present(&self) -> bool {
        match self.status.as_str() {
            "left" | "kicked" => false,
            "restricted" => self.is_member.unwrap_or(true),
            _ => true,
        }
    }
}

/// `None`: another kind of update, or a change that leaves us where we were.
pub(super) fn parse(body: &str) -> Option<Incoming> {
    let update: Update = serde_json::from_str(body).ok()?;
    let change = update.my_chat_member;
    let presence = match (change.old_chat_member.is_present(), change.new_chat_member.is_present())
    {
        (false, true) => Presence::Arrived,
        (true, false) => Presence::Gone,
        _ => return None,
    };
    let chat_kind = match change.chat.r#type.as_str() {
        "private" => ChatKind::Private,
        "channel" => ChatKind::Channel,
        _ => ChatKind::Group,
    };
    let last_name = change.from.last_name.map(|name| format!(" {name}")).unwrap_or_default();
    let name = format!("{}{last_name}", change.from.first_name);
    Some(Incoming {
        update_id: update.update_id,
        place: Place { chat_id: change.chat.id, thread_id: None },
        chat_kind,
        chat_title: change.chat.title,
        message_id: None,
        towards: Towards::Us,
        person: Some(Person { user_id: change.from.id, name }),
        content: Content::Presence(presence),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn change(old: &str, new: &str) -> Option<Content> {
        let body = json!({"update_id": 1, "my_chat_member": {
            "chat": {"id": -5, "type": "group", "title": "Home"}, "date": 1,
            "from": {"id": 7, "is_bot": false, "first_name": "Ada"},
            "old_chat_member": {"status": old, "user": {}},
            "new_chat_member": {"status": new, "user": {}, "something_new": [1]}}});
        parse(&body.to_string()).map(|incoming| incoming.content)
    }

    #[test]
    fn coming_and_going_is_told_from_a_change_of_rank() {
        assert_eq!(change("left", "member"), Some(Content::Presence(Presence::Arrived)));
        assert_eq!(change("kicked", "administrator"), Some(Content::Presence(Presence::Arrived)));
        assert_eq!(change("administrator", "kicked"), Some(Content::Presence(Presence::Gone)));
        assert_eq!(change("member", "left"), Some(Content::Presence(Presence::Gone)));
        assert_eq!(change("member", "administrator"), None);
        assert_eq!(change("left", "kicked"), None);
    }
}
