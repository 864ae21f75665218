//! sendMessage, sendPhoto, sendDocument.

use serde_json::{Map, Value, json};

use super::media::{self, Kind};
use super::{content, target_chat};
use crate::demo::botapi::entities::Content;
use crate::demo::botapi::error::ApiError;
use crate::demo::botapi::markup::Markup;
use crate::demo::botapi::model::{Change, Chat, ChatKind, Message};
use crate::demo::botapi::params::Params;
use crate::demo::botapi::shared::{State, told_s};

/// The longest text and the longest caption, after entities are parsed.
const TEXT_MAX_UNITS: usize = 4096;
const CAPTION_MAX_UNITS: usize = 1024;

pub(super) fn message(state: &mut State, params: &Params) -> Result<Value, ApiError> {
    let chat = target_chat(state, params)?;
    let text = text_of(params)?;
    let mut body = Map::new();
    put_text(&mut body, &text);
    if let Some(options) = params.json("link_preview_options")? {
        body.insert("link_preview_options".to_owned(), options);
    }
    post(state, params, &chat, body)
}

pub(super) fn photo(state: &mut State, params: &Params) -> Result<Value, ApiError> {
    send_media(state, params, Kind::Photo)
}

pub(super) fn document(state: &mut State, params: &Params) -> Result<Value, ApiError> {
    send_media(state, params, Kind::Document)
}

fn send_media(state: &mut State, params: &Params, kind: Kind) -> Result<Value, ApiError> {
    let chat = target_chat(state, params)?;
    let caption = caption_of(params)?;
    let mut body = Map::new();
    put_caption(&mut body, &caption);
    // Everything is checked before the file is stored.
    Markup::parse(params.json("reply_markup")?)?;
    let (name, media) = media::take(state, params, kind, kind.name())?;
    body.insert(name.to_owned(), media);
    post(state, params, &chat, body)
}

/// The text of a message, checked.
pub(super) fn text_of(params: &Params) -> Result<Content, ApiError> {
    text_of_field(params, "text")
}

/// The same where the text is called otherwise.
pub(super) fn text_of_field(params: &Params, name: &str) -> Result<Content, ApiError> {
    let text = content(params, name, "entities")?.unwrap_or_default();
    if text.text.is_empty() {
        return Err(ApiError::bad_request("message text is empty"));
    }
    if text.utf16_len() > TEXT_MAX_UNITS {
        return Err(ApiError::bad_request("message is too long"));
    }
    Ok(text)
}

/// The caption of a photo or document, checked; empty when there is none.
pub(super) fn caption_of(params: &Params) -> Result<Content, ApiError> {
    let caption = content(params, "caption", "caption_entities")?.unwrap_or_default();
    if caption.utf16_len() > CAPTION_MAX_UNITS {
        return Err(ApiError::bad_request("message caption is too long"));
    }
    Ok(caption)
}

pub(super) fn put_text(body: &mut Map<String, Value>, text: &Content) {
    put(body, "text", "entities", text);
}

pub(super) fn put_caption(body: &mut Map<String, Value>, caption: &Content) {
    put(body, "caption", "caption_entities", caption);
}

/// Puts the content in place of what was there.
fn put(body: &mut Map<String, Value>, text_name: &str, entities_name: &str, content: &Content) {
    body.remove(text_name);
    body.remove(entities_name);
    if !content.text.is_empty() {
        body.insert(text_name.to_owned(), json!(content.text));
    }
    if !content.entities.is_empty() {
        body.insert(entities_name.to_owned(), json!(content.entities));
    }
}

/// Adds what every message has, and sends it.
fn post(
    state: &mut State,
    params: &Params,
    chat: &Chat,
    mut body: Map<String, Value>,
) -> Result<Value, ApiError> {
    let markup = Markup::parse(params.json("reply_markup")?)?;
    if let Some(replied) = replied_message(state, params, chat.id)? {
        body.insert("reply_to_message".to_owned(), replied);
    }
    if let Some(thread_id) = params.integer("message_thread_id").filter(|id| *id != 0) {
        if chat.kind != ChatKind::Private && !chat.topics.contains(&thread_id) {
            return Err(ApiError::bad_request("message thread not found"));
        }
        body.insert("message_thread_id".to_owned(), json!(thread_id));
        if chat.kind != ChatKind::Private {
            body.insert("is_topic_message".to_owned(), json!(true));
        }
    }
    if params.flag("protect_content") {
        body.insert("has_protected_content".to_owned(), json!(true));
    }
    if let Some(inline) = markup.inline {
        body.insert("reply_markup".to_owned(), inline);
    }
    body.insert("message_id".to_owned(), json!(chat.next_message_id));
    body.insert("from".to_owned(), state.bot.clone());
    body.insert("chat".to_owned(), chat.object());
    body.insert("date".to_owned(), json!(told_s()));
    let mut message = Message::new(body);
    message.keyboard = markup.keyboard;
    message.silent = params.flag("disable_notification");
    let object = message.object();
    state.record(Change::Message(Box::new(message)));
    Ok(object)
}

/// The message replied to; `None` when there is none and that is allowed.
fn replied_message(
    state: &State,
    params: &Params,
    chat_id: i64,
) -> Result<Option<Value>, ApiError> {
    let reply = params.json("reply_parameters")?.unwrap_or_default();
    let from_reply = reply["message_id"].as_i64();
    let message_id = from_reply.or_else(|| params.integer("reply_to_message_id"));
    let Some(message_id) = message_id.filter(|id| *id != 0) else {
        return Ok(None);
    };
    let Some(message) = state.world.message(chat_id, message_id) else {
        let name = "allow_sending_without_reply";
        if reply[name] == true || params.flag(name) {
            return Ok(None);
        }
        return Err(ApiError::bad_request("message to be replied not found"));
    };
    let mut replied = message.body.clone();
    replied.remove("reply_to_message");
    Ok(Some(Value::Object(replied)))
}
