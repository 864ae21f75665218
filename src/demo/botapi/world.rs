//! The world behind the server: people, chats, messages, files, waiting updates.
//!
//! Invariant: it moves only through [`World::apply`], so a history can rebuild it.

use std::collections::{BTreeMap, VecDeque};

use serde_json::Value;

use super::model::{Change, Chat, ChatKind, Message, Person, StoredFile};

/// Messages kept over all chats; the oldest go first.
pub(super) const MESSAGES_MAX: usize = 2_000;
/// Files kept; the oldest go first.
const FILES_MAX: usize = 400;
/// Updates that may wait for a bot that does not fetch them.
const UPDATES_MAX: usize = 100_000;

#[derive(Debug, Default)]
pub(super) struct World {
    pub people: BTreeMap<i64, Person>,
    pub chats: BTreeMap<i64, Chat>,
    /// By chat and message id.
    pub messages: BTreeMap<(i64, i64), Message>,
    /// The keys of `messages`, oldest first.
    order: VecDeque<(i64, i64)>,
    /// By file id.
    pub files: BTreeMap<String, StoredFile>,
    file_order: VecDeque<String>,
    /// By scope and language, see [`super::methods::commands`].
    pub commands: BTreeMap<String, Vec<Value>>,
    /// Updates that wait, lowest id first.
    pub updates: VecDeque<(i64, Value)>,
    pub next_update_id: i64,
}

impl World {
    pub(super) fn apply(&mut self, change: Change) {
        match change {
            Change::Person(person) => {
                self.people.insert(person.id, person);
            }
            Change::Chat(chat) => {
                self.chats.insert(chat.id, chat);
            }
            Change::File(file) => self.keep_file(file),
            Change::Message(message) => self.keep_message(*message),
            Change::Deleted { chat_id, message_id } => self.delete(chat_id, message_id),
            Change::Pinned { chat_id, message_ids } => {
                if let Some(chat) = self.chats.get_mut(&chat_id) {
                    chat.pinned = message_ids;
                }
            }
            Change::Commands { scope, commands } if commands.is_empty() => {
                self.commands.remove(&scope);
            }
            Change::Commands { scope, commands } => {
                self.commands.insert(scope, commands);
            }
            Change::Queued(update) => self.queue(update),
            Change::Confirmed { before } => self.updates.retain(|(id, _)| *id >= before),
            Change::UpdateIds { next } => self.next_update_id = self.next_update_id.max(next),
        }
    }

    /// The changes that would rebuild this world.
    pub(super) fn as_changes(&self) -> Vec<Change> {
        let mut changes = vec![Change::UpdateIds { next: self.next_update_id }];
        changes.extend(self.people.values().cloned().map(Change::Person));
        changes.extend(self.chats.values().cloned().map(Change::Chat));
        let files = self.file_order.iter().filter_map(|id| self.files.get(id));
        changes.extend(files.cloned().map(Change::File));
        let messages = self.order.iter().filter_map(|key| self.messages.get(key));
        changes.extend(messages.map(|message| Change::Message(Box::new(message.clone()))));
        for (scope, commands) in &self.commands {
            changes.push(Change::Commands { scope: scope.clone(), commands: commands.clone() });
        }
        changes.extend(self.updates.iter().map(|(_, update)| Change::Queued(update.clone())));
        changes
    }

    pub(super) fn message(&self, chat_id: i64, message_id: i64) -> Option<&Message> {
        self.messages.get(&(chat_id, message_id))
    }

    /// A chat's messages, oldest first.
    pub(super) fn messages_of(&self, chat_id: i64) -> impl DoubleEndedIterator<Item = &Message> {
        let range = (chat_id, i64::MIN)..=(chat_id, i64::MAX);
        self.messages.range(range).map(|(_, message)| message)
    }

    /// The person with this id, known or not.
    pub(super) fn person(&self, user_id: i64) -> Person {
        self.people.get(&user_id).cloned().unwrap_or_else(|| Person::new(user_id))
    }

    pub(super) fn is_blocked(&self, chat: &Chat) -> bool {
        chat.kind == ChatKind::Private
            && self.people.get(&chat.id).is_some_and(|person| person.blocked)
    }

    fn keep_message(&mut self, message: Message) {
        let (chat_id, id) = (message.chat_id(), message.id());
        if let Some(chat) = self.chats.get_mut(&chat_id) {
            chat.next_message_id = chat.next_message_id.max(id + 1);
        }
        if self.messages.insert((chat_id, id), message).is_none() {
            self.order.push_back((chat_id, id));
        }
        while self.order.len() > MESSAGES_MAX {
            if let Some(oldest) = self.order.pop_front() {
                self.messages.remove(&oldest);
            }
        }
    }

    fn delete(&mut self, chat_id: i64, message_id: i64) {
        self.messages.remove(&(chat_id, message_id));
        self.order.retain(|key| *key != (chat_id, message_id));
        if let Some(chat) = self.chats.get_mut(&chat_id) {
            chat.pinned.retain(|pinned| *pinned != message_id);
        }
    }

    fn keep_file(&mut self, file: StoredFile) {
        if !self.files.contains_key(&file.file_id) {
            self.file_order.push_back(file.file_id.clone());
        }
        self.files.insert(file.file_id.clone(), file);
        while self.file_order.len() > FILES_MAX {
            if let Some(oldest) = self.file_order.pop_front() {
                self.files.remove(&oldest);
            }
        }
    }

    fn queue(&mut self, update: Value) {
        let id = update["update_id"].as_i64().unwrap_or(self.next_update_id);
        self.next_update_id = self.next_update_id.max(id + 1);
        self.updates.push_back((id, update));
        if self.updates.len() > UPDATES_MAX {
            self.updates.pop_front();
        }
    }
}
