//! A message as a person sees it.

use serde_json::Value;

use super::entities::Entity;
use super::model::Message;
use super::render::render;

/// A button under a message, or on a reply keyboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Button {
    pub label: String,
    /// What pressing it sends to the bot.
    pub data: Option<String>,
    pub url: Option<String>,
    /// What pressing it copies.
    pub copies: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownMessage {
    pub id: i64,
    pub from_bot: bool,
    /// Text or caption, without markup.
    pub text: String,
    /// The same with markup, in the Bot API's HTML.
    pub html: String,
    /// The inline keyboard.
    pub buttons: Vec<Vec<Button>>,
    /// The reply keyboard that came with it.
    pub keyboard: Vec<Vec<String>>,
    /// It asks for an answer (ForceReply).
    pub asks_reply: bool,
    /// Only these are asked; everybody when `None`.
    pub asks_only: Option<Vec<i64>>,
    /// What stands in the input field meanwhile.
    pub placeholder: Option<String>,
    pub edited: bool,
    /// It shows a photo.
    pub photo: bool,
    /// The name of the document it carries.
    pub document: Option<String>,
    pub silent: bool,
    pub pinned: bool,
    pub reactions: Vec<String>,
    pub reply_to: Option<i64>,
    pub thread_id: Option<i64>,
}

impl ShownMessage {
    pub(super) fn new(message: &Message, pinned: bool) -> ShownMessage {
        let body = &message.body;
        let is_text = body.contains_key("text");
        let (text, entities) =
            if is_text { ("text", "entities") } else { ("caption", "caption_entities") };
        let text = body.get(text).and_then(Value::as_str).unwrap_or_default().to_owned();
        let entities = body.get(entities).cloned().unwrap_or_default();
        let entities: Vec<Entity> = serde_json::from_value(entities).unwrap_or_default();
        let reply = body.get("reply_to_message");
        let keyboard = message.keyboard.as_ref();
        let is_selective = keyboard.is_some_and(|keyboard| keyboard["selective"] == true);
        let replied = reply.and_then(|replied| replied["from"]["id"].as_i64());
        let mentioned = entities.iter().filter_map(|entity| entity.user.as_ref()?["id"].as_i64());
        let asked: Vec<i64> = replied.into_iter().chain(mentioned).collect();
        let document = body.get("document").map(|document| text_at(document, "file_name"));
        ShownMessage {
            id: message.id(),
            from_bot: message.is_from_bot(),
            html: render(&text, &entities),
            text,
            buttons: buttons(body.get("reply_markup")),
            keyboard: keyboard.map(labels).unwrap_or_default(),
            asks_reply: keyboard.is_some_and(|keyboard| keyboard["force_reply"] == true),
            asks_only: is_selective.then_some(asked),
            placeholder: keyboard
                .map(|keyboard| text_at(keyboard, "input_field_placeholder"))
                .filter(|text| !text.is_empty()),
            edited: body.contains_key("edit_date"),
            photo: body.contains_key("photo"),
            document,
            silent: message.silent,
            pinned,
            reactions: message.reactions.clone(),
            reply_to: reply.and_then(|replied| replied["message_id"].as_i64()),
            thread_id: body.get("message_thread_id").and_then(Value::as_i64),
        }
    }

    /// This person's input field opens for an answer.
    pub fn asks(&self, user_id: i64) -> bool {
        self.asks_reply && self.asks_only.as_ref().is_none_or(|only| only.contains(&user_id))
    }

    /// The button with this label, wherever it is.
    pub fn button(&self, label: &str) -> Option<&Button> {
        self.buttons.iter().flatten().find(|button| button.label == label)
    }
}

fn rows<'a>(markup: &'a Value, field: &str) -> impl Iterator<Item = &'a Vec<Value>> {
    markup[field].as_array().into_iter().flatten().filter_map(Value::as_array)
}

fn buttons(markup: Option<&Value>) -> Vec<Vec<Button>> {
    let Some(markup) = markup else {
        return Vec::new();
    };
    rows(markup, "inline_keyboard").map(|row| row.iter().map(button).collect()).collect()
}

fn button(button: &Value) -> Button {
    let optional = |value: &Value| value.as_str().map(str::to_owned);
    Button {
        label: text_at(button, "text"),
        data: optional(&button["callback_data"]),
        url: optional(&button["url"]),
        copies: optional(&button["copy_text"]["text"]),
    }
}

fn labels(keyboard: &Value) -> Vec<Vec<String>> {
    rows(keyboard, "keyboard")
        .map(|row| row.iter().map(|button| text_at(button, "text")).collect())
        .collect()
}

fn text_at(object: &Value, field: &str) -> String {
    object[field].as_str().unwrap_or_default().to_owned()
}
