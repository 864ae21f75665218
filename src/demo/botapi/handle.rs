//! The people's side of the server: they write, press buttons, block, and look.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::calls::Call;
use super::fault::Fault;
use super::model::{Change, Message};
use super::people::{press, say, set_blocked};
use super::shared::Shared;
use super::shown::ShownMessage;

/// Messages a transcript shows of each chat.
const TRANSCRIPT_MESSAGES: usize = 30;

/// The world behind the server; clones see the same one.
#[derive(Clone)]
pub struct Handle {
    pub(super) shared: Arc<Shared>,
}

impl Handle {
    pub(super) fn new(shared: Arc<Shared>) -> Handle {
        Handle { shared }
    }

    /// A person writes; in private if the ids are the same, else in a group.
    /// Gives the id of the update.
    pub fn say(&self, chat_id: i64, user_id: i64, text: &str) -> i64 {
        self.shared.act(|state| say(state, chat_id, user_id, text, Map::new()))
    }

    /// A person writes in reply to a message.
    pub fn reply(&self, chat_id: i64, user_id: i64, message_id: i64, text: &str) -> i64 {
        self.shared.act(|state| {
            let mut extra = Map::new();
            if let Some(replied) = state.world.message(chat_id, message_id) {
                let mut replied = replied.body.clone();
                replied.remove("reply_to_message");
                for topic in ["message_thread_id", "is_topic_message"] {
                    if let Some(value) = replied.get(topic) {
                        extra.insert(topic.to_owned(), value.clone());
                    }
                }
                extra.insert("reply_to_message".to_owned(), Value::Object(replied));
            }
            say(state, chat_id, user_id, text, extra)
        })
    }

    /// A person presses an inline button with this data, whether or not it is there.
    pub fn press(&self, chat_id: i64, user_id: i64, message_id: i64, data: &str) -> i64 {
        self.press_for_answer(chat_id, user_id, message_id, data).0
    }

    /// The same; also gives the id of the callback query, to which an answer will refer.
    pub(super) fn press_for_answer(
        &self,
        chat_id: i64,
        user_id: i64,
        message_id: i64,
        data: &str,
    ) -> (i64, String) {
        self.shared.act(|state| press(state, chat_id, user_id, message_id, data))
    }

    /// A person presses the button with this label under the newest message that has one.
    pub fn press_label(&self, chat_id: i64, user_id: i64, label: &str) -> Result<i64, String> {
        let messages = self.messages(chat_id);
        let found = messages.iter().rev().find_map(|message| {
            let data = message.button(label)?.data.clone()?;
            Some((message.id, data))
        });
        let Some((message_id, data)) = found else {
            let seen = self.transcript(chat_id);
            return Err(format!("no button \"{label}\" that sends something\n{seen}"));
        };
        Ok(self.press(chat_id, user_id, message_id, &data))
    }

    /// Queues an update of any kind as it is, but for its id, which is given here.
    pub fn push_raw(&self, update: Value) -> i64 {
        let Value::Object(update) = update else {
            return self.push_raw(json!({"raw": update}));
        };
        self.shared.act(|state| state.queue_raw(update))
    }

    /// The person blocks the bot in their private chat.
    pub fn block(&self, user_id: i64) {
        self.shared.act(|state| set_blocked(state, user_id, true));
    }

    pub fn unblock(&self, user_id: i64) {
        self.shared.act(|state| set_blocked(state, user_id, false));
    }

    /// A person's first name, from now on.
    pub fn rename(&self, user_id: i64, first_name: &str) {
        self.shared.act(|state| {
            let mut person = state.world.person(user_id);
            first_name.clone_into(&mut person.first_name);
            state.record(Change::Person(person));
        });
    }

    /// Every API call so far, oldest first.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.look(|state| state.calls.iter().cloned().collect())
    }

    /// The calls of one method.
    pub fn calls_of(&self, method: &str) -> Vec<Call> {
        self.shared.look(|state| {
            let calls = state.calls.iter().filter(|call| call.method == method);
            calls.cloned().collect()
        })
    }

    /// How often a method was called, and the action took place.
    pub fn performed(&self, method: &str) -> usize {
        self.shared.look(|state| {
            let calls = state.calls.iter();
            calls.filter(|call| call.performed && call.method == method).count()
        })
    }

    /// Every chat that there is.
    pub fn chats(&self) -> Vec<i64> {
        self.shared.look(|state| state.world.chats.keys().copied().collect())
    }

    /// A chat as it is now, oldest message first.
    pub fn messages(&self, chat_id: i64) -> Vec<ShownMessage> {
        self.shared.look(|state| {
            let pinned = state.world.chats.get(&chat_id).map(|chat| chat.pinned.as_slice());
            let pinned = pinned.unwrap_or_default();
            let shown =
                |message: &Message| ShownMessage::new(message, pinned.contains(&message.id()));
            state.world.messages_of(chat_id).map(shown).collect()
        })
    }

    /// The newest message of the bot in a chat.
    pub fn last_from_bot(&self, chat_id: i64) -> Option<ShownMessage> {
        self.messages(chat_id).into_iter().rev().find(|message| message.from_bot)
    }

    /// Name and description of the commands a person is offered in a chat.
    pub fn menu(&self, chat_id: i64, user_id: i64) -> Vec<(String, String)> {
        let menu = self
            .shared
            .look(|state| super::methods::commands::menu(&state.world, chat_id, user_id));
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        menu.iter().map(|entry| (text(&entry["command"]), text(&entry["description"]))).collect()
    }

    /// Updates the bot has not confirmed.
    pub fn pending_updates(&self) -> usize {
        self.shared.look(|state| state.world.updates.len())
    }

    /// Updates with a lower id than this have been confirmed or delivered.
    pub fn confirmed_before(&self) -> i64 {
        self.shared.look(|state| {
            state.world.updates.front().map_or(state.world.next_update_id, |(id, _)| *id)
        })
    }

    /// The URL the bot has set as its webhook.
    pub fn webhook_url(&self) -> Option<String> {
        self.shared.look(|state| Some(state.delivery.webhook.as_ref()?.url.clone()))
    }

    /// Adds a fault; those scripted earlier are met first.
    pub fn script(&self, fault: Fault) {
        self.shared.act(|state| state.script.add(fault));
    }

    pub fn clear_faults(&self) {
        self.shared.act(|state| state.script.clear());
    }

    /// Looks after every change until `look` finds something; the error says what there was.
    pub async fn wait_for<T>(
        &self,
        within: Duration,
        what: &str,
        mut look: impl FnMut(&Handle) -> Option<T>,
    ) -> Result<T, String> {
        let mut changes = self.shared.changes();
        let search = async {
            loop {
                changes.borrow_and_update();
                if let Some(found) = look(self) {
                    return found;
                }
                // The sender lives as long as `self`, so this only wakes.
                let _ = changes.changed().await;
            }
        };
        let found = tokio::time::timeout(within, search).await;
        found.map_err(|_| format!("no {what} within {within:?}\n{}", self.transcripts()))
    }

    /// Waits for the bot's next message whose text contains `part`, newer than `after`.
    pub async fn wait_for_text(
        &self,
        within: Duration,
        chat_id: i64,
        after: i64,
        part: &str,
    ) -> Result<ShownMessage, String> {
        let fits = |message: &ShownMessage| {
            message.from_bot && message.id > after && message.text.contains(part)
        };
        let what = format!("message with \"{part}\" in chat {chat_id}");
        self.wait_for(within, &what, |handle| handle.messages(chat_id).into_iter().find(fits)).await
    }

    /// The newest messages of a chat, a line each.
    pub fn transcript(&self, chat_id: i64) -> String {
        let messages = self.messages(chat_id);
        let first = messages.len().saturating_sub(TRANSCRIPT_MESSAGES);
        let mut lines = format!("chat {chat_id}:\n");
        for message in &messages[first..] {
            let side = if message.from_bot { "bot" } else { "   " };
            let labels = message.buttons.iter().flatten().map(|button| button.label.as_str());
            let labels: Vec<&str> = labels.collect();
            // Writing to a string cannot fail.
            let _ = writeln!(lines, "  {:>4} {side} {:?} {labels:?}", message.id, message.text);
        }
        lines
    }

    fn transcripts(&self) -> String {
        let mut text: String =
            self.chats().into_iter().map(|chat_id| self.transcript(chat_id)).collect();
        for call in self.calls().iter().rev().filter(|call| call.method != "getUpdates").take(8) {
            let told = call.answer.as_ref().and_then(|answer| answer["description"].as_str());
            let told = told.unwrap_or(if call.succeeded() { "ok" } else { "no answer" });
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  call {} {}: {told}", call.method, call.params);
        }
        text
    }
}
