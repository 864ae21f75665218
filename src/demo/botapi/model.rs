//! What the world consists of, and the changes it is folded from.
//!
//! Invariant: a [`Change`] carries everything it brings, so that a history of
//! changes replayed from nothing gives the same world.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The person who sits before the chat page, and their private chat.
pub const PAGE_USER: i64 = 1000;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Person {
    pub id: i64,
    pub first_name: String,
    pub language_code: Option<String>,
    /// The person has blocked the bot.
    pub blocked: bool,
}

impl Person {
    pub(super) fn new(id: i64) -> Person {
        let first_name = if id == PAGE_USER { "You".to_owned() } else { format!("Person {id}") };
        Person { id, first_name, language_code: Some("en".to_owned()), blocked: false }
    }

    /// The `User` object.
    pub(super) fn user(&self) -> Value {
        let mut user = json!({"id": self.id, "is_bot": false, "first_name": self.first_name});
        if let Some(code) = &self.language_code {
            user["language_code"] = json!(code);
        }
        user
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ChatKind {
    Private,
    Group,
    Supergroup,
    Channel,
}

impl ChatKind {
    /// Telegram tells groups and supergroups apart by their ids.
    pub(super) fn of_group(chat_id: i64) -> ChatKind {
        if chat_id <= -1_000_000_000_000 { ChatKind::Supergroup } else { ChatKind::Group }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Chat {
    pub id: i64,
    pub kind: ChatKind,
    /// A group's title, or the person's first name.
    pub title: String,
    /// Newest pin last.
    pub pinned: Vec<i64>,
    /// The supergroup this group became.
    pub migrated_to: Option<i64>,
    pub next_message_id: i64,
    /// The bot was taken out of this group, or has not come into it yet.
    #[serde(default)]
    pub bot_is_out: bool,
    /// A forum's topics, each by the message that opened it.
    #[serde(default)]
    pub topics: Vec<i64>,
}

impl Chat {
    pub(super) fn new(id: i64, kind: ChatKind, title: &str) -> Chat {
        let title = title.to_owned();
        Chat {
            id,
            kind,
            title,
            pinned: Vec::new(),
            migrated_to: None,
            next_message_id: 1,
            bot_is_out: false,
            topics: Vec::new(),
        }
    }

    /// As the Bot API names it.
    pub(super) fn kind_name(&self) -> &'static str {
        match self.kind {
            ChatKind::Private => "private",
            ChatKind::Group => "group",
            ChatKind::Supergroup => "supergroup",
            ChatKind::Channel => "channel",
        }
    }

    /// The `Chat` object.
    pub(super) fn object(&self) -> Value {
        let name = if self.kind == ChatKind::Private { "first_name" } else { "title" };
        let mut chat = json!({"id": self.id, "type": self.kind});
        chat[name] = json!(self.title);
        if !self.topics.is_empty() {
            chat["is_forum"] = json!(true);
        }
        chat
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Message {
    /// The `Message` object as a bot sees it.
    pub body: Map<String, Value>,
    /// A reply keyboard, its removal or a forced reply: people see it, bots do not.
    pub keyboard: Option<Value>,
    pub silent: bool,
    /// Emoji the bot reacted with.
    pub reactions: Vec<String>,
}

impl Message {
    pub(super) fn new(body: Map<String, Value>) -> Message {
        Message { body, keyboard: None, silent: false, reactions: Vec::new() }
    }

    pub(super) fn chat_id(&self) -> i64 {
        self.body.get("chat").and_then(|chat| chat["id"].as_i64()).unwrap_or_default()
    }

    pub(super) fn id(&self) -> i64 {
        self.body.get("message_id").and_then(Value::as_i64).unwrap_or_default()
    }

    pub(super) fn is_from_bot(&self) -> bool {
        // Anonymous admins are shown through an account that is a bot.
        let is_bot = self.body.get("from").is_some_and(|from| from["is_bot"] == true);
        is_bot && !self.body.contains_key("sender_chat")
    }

    pub(super) fn object(&self) -> Value {
        Value::Object(self.body.clone())
    }
}

/// A stored file; its bytes lie beside the history, or in memory.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct StoredFile {
    pub file_id: String,
    pub unique_id: String,
    pub name: String,
    pub mime: String,
    pub size_bytes: usize,
    /// The path below `/file/bot<token>/`.
    pub path: String,
    /// Width and height, when it is a picture.
    pub dimensions: Option<(u32, u32)>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Change {
    Person(Person),
    Chat(Chat),
    File(StoredFile),
    /// A message is new or has another content.
    Message(Box<Message>),
    Deleted {
        chat_id: i64,
        message_id: i64,
    },
    Pinned {
        chat_id: i64,
        message_ids: Vec<i64>,
    },
    /// The commands of a scope and language; an empty list takes them away.
    Commands {
        scope: String,
        commands: Vec<Value>,
    },
    /// An update waits for the bot.
    Queued(Value),
    /// Updates below this id are done with.
    Confirmed {
        before: i64,
    },
    /// Ids below this one have been used.
    UpdateIds {
        next: i64,
    },
}
