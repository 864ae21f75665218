//! What happens in groups: the bot comes and goes, topics open, admins hide, a group becomes a
//! supergroup.

use serde_json::{Map, Value, json};

use super::handle::Handle;
use super::model::{Change, Chat, ChatKind, Message};
use super::people::{chat_of, edit, membership, post, say, send};
use super::shared::{State, told_s};

/// Through this account Telegram shows an admin who hides behind the group (Bot API,
/// `Message.sender_chat`).
const ANONYMOUS_ADMIN: i64 = 1_087_968_824;

impl Handle {
    /// A group the bot is in; ids from -1000000000000 down make a supergroup.
    pub fn create_group(&self, chat_id: i64, title: &str) {
        let kind = ChatKind::of_group(chat_id);
        self.shared.act(|state| state.record(Change::Chat(Chat::new(chat_id, kind, title))));
    }

    /// Somebody brings the bot into a group, which begins here if it is new.
    pub fn bring_into_group(&self, chat_id: i64, title: &str, by_user: i64) {
        self.shared.act(|state| {
            let kind = ChatKind::of_group(chat_id);
            let known = state.world.chats.get(&chat_id).cloned();
            let chat = known.unwrap_or_else(|| Chat::new(chat_id, kind, title));
            state.record(Change::Chat(Chat { bot_is_out: false, ..chat }));
            tell_membership(state, chat_id, by_user, "left", "member");
        });
    }

    /// Somebody throws the bot out of a group: it is told, and calls for the group fail.
    pub fn throw_out_of_group(&self, chat_id: i64, by_user: i64) {
        self.shared.act(|state| {
            let chat = chat_of(state, chat_id, by_user);
            tell_membership(state, chat_id, by_user, "member", "kicked");
            state.record(Change::Chat(Chat { bot_is_out: true, ..chat }));
        });
    }

    /// The group becomes a supergroup: the bot is told, and calls for the old id fail.
    pub fn migrate_group(&self, chat_id: i64, new_chat_id: i64) {
        self.shared.act(|state| migrate(state, chat_id, new_chat_id, true));
    }

    /// The same, but the notices are not delivered: the bot learns it from a call that fails.
    pub fn migrate_group_unnoticed(&self, chat_id: i64, new_chat_id: i64) {
        self.shared.act(|state| migrate(state, chat_id, new_chat_id, false));
    }

    /// Whether the bot hears only commands and replies in groups (@BotFather's /setprivacy). A
    /// bot asks for it when it starts.
    pub fn set_privacy_mode(&self, is_on: bool) {
        self.shared.act(|state| state.privacy_mode = is_on);
    }

    /// A person writes in a topic of a forum, which opens if it is new.
    pub fn say_in_thread(&self, chat_id: i64, user_id: i64, thread_id: i64, text: &str) -> i64 {
        self.shared.act(|state| {
            let chat = chat_of(state, chat_id, user_id);
            if !chat.topics.contains(&thread_id) {
                let mut topics = chat.topics.clone();
                topics.push(thread_id);
                state.record(Change::Chat(Chat { topics, ..chat }));
            }
            say(state, chat_id, user_id, text, in_topic(state, chat_id, thread_id))
        })
    }

    /// A topic goes, and what is in it: calls for it fail.
    pub fn delete_topic(&self, chat_id: i64, thread_id: i64) {
        self.shared.act(|state| {
            if let Some(mut chat) = state.world.chats.get(&chat_id).cloned() {
                chat.topics.retain(|known| *known != thread_id);
                state.record(Change::Chat(chat));
            }
        });
    }

    /// A person sends something that is no text: the fields of its message.
    pub fn send(&self, chat_id: i64, user_id: i64, content: Value) -> i64 {
        let Value::Object(body) = content else { return self.say(chat_id, user_id, "") };
        self.shared.act(|state| send(state, chat_id, user_id, body))
    }

    /// An admin who hides behind the group writes in it.
    pub fn say_anonymously(&self, chat_id: i64, text: &str) -> i64 {
        self.shared.act(|state| {
            let chat = chat_of(state, chat_id, ANONYMOUS_ADMIN);
            let mut extra = Map::new();
            let from = json!({"id": ANONYMOUS_ADMIN, "is_bot": true, "first_name": "Group",
                "username": "GroupAnonymousBot"});
            extra.insert("from".to_owned(), from);
            extra.insert("sender_chat".to_owned(), chat.object());
            say(state, chat_id, ANONYMOUS_ADMIN, text, extra)
        })
    }

    /// A post in a channel that the bot is an admin of.
    pub fn post_in_channel(&self, chat_id: i64, title: &str, text: &str) -> i64 {
        self.shared.act(|state| {
            let known = state.world.chats.get(&chat_id).cloned();
            let chat = known.unwrap_or_else(|| Chat::new(chat_id, ChatKind::Channel, title));
            state.record(Change::Chat(chat.clone()));
            let mut body = Map::new();
            body.insert("sender_chat".to_owned(), chat.object());
            body.insert("text".to_owned(), json!(text));
            post(state, &chat, "channel_post", body)
        })
    }

    /// A person changes a message that they have written.
    pub fn edit(&self, chat_id: i64, message_id: i64, text: &str) -> i64 {
        self.shared.act(|state| edit(state, chat_id, message_id, text))
    }
}

fn tell_membership(state: &mut State, chat_id: i64, by_user: i64, old: &str, new: &str) {
    let chat = chat_of(state, chat_id, by_user);
    let by = state.world.person(by_user);
    let update = membership(state, &chat, &by, old, new);
    state.queue("my_chat_member", &update);
}

/// What every message in a topic has, also one that replies to nothing: then it "replies" to the
/// one that opened the topic.
fn in_topic(state: &State, chat_id: i64, thread_id: i64) -> Map<String, Value> {
    let chat = state.world.chats.get(&chat_id).map(Chat::object);
    let opened = json!({
        "message_id": thread_id,
        "message_thread_id": thread_id,
        "is_topic_message": true,
        "date": told_s(),
        "chat": chat,
        "from": {"id": ANONYMOUS_ADMIN, "is_bot": true, "first_name": "Group"},
        "forum_topic_created": {"name": format!("Topic {thread_id}"), "icon_color": 7_322_096},
    });
    let mut extra = Map::new();
    extra.insert("message_thread_id".to_owned(), json!(thread_id));
    extra.insert("is_topic_message".to_owned(), json!(true));
    extra.insert("reply_to_message".to_owned(), opened);
    extra
}

fn migrate(state: &mut State, chat_id: i64, new_chat_id: i64, is_told: bool) {
    let Some(mut old) = state.world.chats.get(&chat_id).cloned() else {
        return;
    };
    let new = Chat::new(new_chat_id, ChatKind::Supergroup, &old.title);
    let notice = |chat: &Chat, field: &str, other: i64, bot: &Value| {
        json!({
            "message_id": chat.next_message_id,
            "from": bot,
            "chat": chat.object(),
            "date": told_s(),
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
        if is_told {
            state.queue("message", &message);
        }
    }
}
