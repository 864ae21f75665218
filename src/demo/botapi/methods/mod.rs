//! The methods of the Bot API: which there are, and what they have in common.

pub(super) mod commands;
pub(super) mod updates;

mod chat;
mod edit;
mod inline;
mod media;
mod send;

use serde_json::{Value, json};

use super::entities::{Content, Entity};
use super::error::ApiError;
use super::html;
use super::model::Chat;
use super::params::Params;
use super::shared::State;

type Method = fn(&mut State, &Params) -> Result<Value, ApiError>;

/// The one method that waits, and so stands apart.
pub(super) const GET_UPDATES: &str = "getUpdates";

const METHODS: [(&str, Method); 25] = [
    ("answerCallbackQuery", chat::answer_callback_query),
    ("answerInlineQuery", inline::answer),
    ("deleteMessage", chat::delete_message),
    ("deleteMyCommands", commands::delete),
    ("deleteWebhook", updates::delete_webhook),
    ("editMessageCaption", edit::caption),
    ("editMessageMedia", edit::media),
    ("editMessageReplyMarkup", edit::reply_markup),
    ("editMessageText", edit::text),
    ("getChat", chat::get_chat),
    ("getChatMember", chat::get_chat_member),
    ("getFile", chat::get_file),
    ("getMe", chat::get_me),
    ("getMyCommands", commands::get),
    ("getWebhookInfo", updates::get_webhook_info),
    ("pinChatMessage", chat::pin_message),
    ("sendChatAction", chat::send_action),
    ("sendDocument", send::document),
    ("sendMessage", send::message),
    ("sendPhoto", send::photo),
    ("setMessageReaction", chat::set_reaction),
    ("setMyCommands", commands::set),
    ("setWebhook", updates::set_webhook),
    ("unpinAllChatMessages", chat::unpin_all),
    ("unpinChatMessage", chat::unpin_message),
];

/// The documentation's spelling of a method's name; an unknown one stays as it is.
pub(super) fn canonical(name: &str) -> String {
    let mut known = METHODS.iter().map(|(method, _)| *method).chain([GET_UPDATES]);
    known.find(|method| method.eq_ignore_ascii_case(name)).unwrap_or(name).to_owned()
}

/// Performs a method by its canonical name.
pub(super) fn perform(state: &mut State, name: &str, params: &Params) -> Result<Value, ApiError> {
    let method = METHODS.iter().find(|(known, _)| *known == name);
    let (_, method) = method.ok_or_else(ApiError::not_found)?;
    method(state, params)
}

/// The chat a call is about, if the bot may act in it.
fn target_chat(state: &State, params: &Params) -> Result<Chat, ApiError> {
    let Some(chat_id) = params.text("chat_id") else {
        return Err(ApiError::bad_request("chat_id is empty"));
    };
    let chat = chat_id.trim().parse().ok().and_then(|id: i64| state.world.chats.get(&id));
    let chat = chat.ok_or_else(|| ApiError::bad_request("chat not found"))?;
    if let Some(new_id) = chat.migrated_to {
        let problem = "group chat was upgraded to a supergroup chat";
        let parameters = Some(json!({"migrate_to_chat_id": new_id}));
        return Err(ApiError { parameters, ..ApiError::bad_request(problem) });
    }
    if chat.bot_is_out {
        let problem = format!("Forbidden: bot was kicked from the {} chat", chat.kind_name());
        return Err(ApiError::new(403, &problem));
    }
    if state.world.is_blocked(chat) {
        return Err(ApiError::new(403, "Forbidden: bot was blocked by the user"));
    }
    Ok(chat.clone())
}

/// A text parameter with its markup or entities; `None` when it was not given.
fn content(
    params: &Params,
    text_name: &str,
    entities_name: &str,
) -> Result<Option<Content>, ApiError> {
    let Some(text) = params.text(text_name) else {
        return Ok(None);
    };
    let Some(mode) = params.text("parse_mode") else {
        let entities = params.parsed::<Vec<Entity>>(entities_name)?.unwrap_or_default();
        return Ok(Some(Content::new(&text, entities)));
    };
    if !mode.eq_ignore_ascii_case("html") {
        return Err(ApiError::bad_request("unsupported parse_mode"));
    }
    let parsed = html::parse(&text);
    parsed.map(Some).map_err(|why| ApiError::bad_request(&format!("can't parse entities: {why}")))
}
