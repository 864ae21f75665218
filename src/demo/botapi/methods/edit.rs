//! editMessageText, -Caption, -Media and -ReplyMarkup.

use serde_json::{Map, Value, json};

use super::media::{self, Kind};
use super::send::{caption_of, put_caption, put_text, text_of};
use super::target_chat;
use crate::demo::botapi::error::ApiError;
use crate::demo::botapi::markup::Markup;
use crate::demo::botapi::model::{Change, Message};
use crate::demo::botapi::params::Params;
use crate::demo::botapi::shared::{State, told_s};

pub(super) fn text(state: &mut State, params: &Params) -> Result<Value, ApiError> {
    let message = editable(state, params)?;
    if !message.body.contains_key("text") {
        return Err(ApiError::bad_request("there is no text in the message to edit"));
    }
    let mut body = message.body.clone();
    put_text(&mut body, &text_of(params)?);
    if let Some(options) = params.json("link_preview_options")? {
        body.insert("link_preview_options".to_owned(), options);
    }
    replace(state, params, message, body, Shown::Edited)
}

pub(super) fn caption(state: &mut State, params: &Params) -> Result<Value, ApiError> {
    let message = editable(state, params)?;
    if message.body.contains_key("text") {
        return Err(ApiError::bad_request("there is no caption in the message to edit"));
    }
    let mut body = message.body.clone();
    put_caption(&mut body, &caption_of(params)?);
    replace(state, params, message, body, Shown::Edited)
}

pub(super) fn media(state: &mut State, params: &Params) -> Result<Value, ApiError> {
    let message = editable(state, params)?;
    let Some(Value::Object(input)) = params.json("media")? else {
        return Err(ApiError::bad_request("there is no media in the request"));
    };
    let kind = input.get("type").and_then(Value::as_str).and_then(Kind::from_name);
    let kind = kind.ok_or_else(|| {
        ApiError::bad_request("can't parse InputMedia: media type must be photo or document here")
    })?;
    let input = params.with_files_of_this(input);
    let caption = caption_of(&input)?;
    Markup::parse(params.json("reply_markup")?)?;
    let (name, value) = media::take(state, &input, kind, "media")?;
    let mut body = message.body.clone();
    for replaced in ["text", "entities", "photo", "document", "link_preview_options"] {
        body.remove(replaced);
    }
    put_caption(&mut body, &caption);
    body.insert(name.to_owned(), value);
    replace(state, params, message, body, Shown::Edited)
}

pub(super) fn reply_markup(state: &mut State, params: &Params) -> Result<Value, ApiError> {
    let message = editable(state, params)?;
    let body = message.body.clone();
    replace(state, params, message, body, Shown::AsBefore)
}

/// Whether people see that a message was edited: new buttons alone do not show.
#[derive(Clone, Copy, PartialEq)]
enum Shown {
    Edited,
    AsBefore,
}

fn editable(state: &State, params: &Params) -> Result<Message, ApiError> {
    let chat = target_chat(state, params)?;
    let Some(message_id) = params.integer("message_id") else {
        return Err(ApiError::bad_request("message identifier is not specified"));
    };
    let message = state.world.message(chat.id, message_id);
    let message = message.ok_or_else(|| ApiError::bad_request("message to edit not found"))?;
    if !message.is_from_bot() {
        return Err(ApiError::bad_request("message can't be edited"));
    }
    Ok(message.clone())
}

fn replace(
    state: &mut State,
    params: &Params,
    mut message: Message,
    mut body: Map<String, Value>,
    shown: Shown,
) -> Result<Value, ApiError> {
    body.remove("reply_markup");
    let markup = Markup::parse(params.json("reply_markup")?)?;
    if markup.keyboard.is_some() {
        return Err(ApiError::bad_request("inline keyboard expected"));
    }
    if let Some(inline) = markup.inline {
        body.insert("reply_markup".to_owned(), inline);
    }
    if body == message.body {
        let problem = "message is not modified: specified new message content and reply markup \
                       are exactly the same as a current content and reply markup of the message";
        return Err(ApiError::bad_request(problem));
    }
    if shown == Shown::Edited {
        body.insert("edit_date".to_owned(), json!(told_s()));
    }
    message.body = body;
    let object = message.object();
    state.record(Change::Message(Box::new(message)));
    Ok(object)
}
