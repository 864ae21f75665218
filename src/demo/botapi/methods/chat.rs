//! The methods about the bot, chats, files and single messages that send nothing new.

use serde_json::{Value, json};

use super::target_chat;
use crate::demo::botapi::error::ApiError;
use crate::demo::botapi::model::{Change, Chat, ChatKind, Message};
use crate::demo::botapi::params::Params;
use crate::demo::botapi::shared::{PageEvent, State, told_s};

/// Emoji a bot may react with, as the documentation of ReactionTypeEmoji lists them.
const REACTIONS: &str = "❤ 👍 👎 🔥 🥰 👏 😁 🤔 🤯 😱 🤬 😢 🎉 🤩 🤮 💩 🙏 👌 🕊 🤡 🥱 🥴 😍 🐳 ❤‍🔥 🌚 🌭 💯 🤣 \
     ⚡ 🍌 🏆 💔 🤨 😐 🍓 🍾 💋 🖕 😈 😴 😭 🤓 👻 👨‍💻 👀 🎃 🙈 😇 😨 🤝 ✍ 🤗 🫡 🎅 🎄 ☃ 💅 🤪 🗿 🆒 💘 🙉 🦄 \
     😘 💊 🙊 😎 👾 🤷‍♂ 🤷 🤷‍♀ 😡";

const ACTIONS: [&str; 11] = [
    "typing",
    "upload_photo",
    "record_video",
    "upload_video",
    "record_voice",
    "upload_voice",
    "upload_document",
    "choose_sticker",
    "find_location",
    "record_video_note",
    "upload_video_note",
];

pub(super) fn get_me(state: &mut State, _params: &Params) -> Result<Value, ApiError> {
    let mut me = state.bot.clone();
    me["can_join_groups"] = json!(true);
    me["can_read_all_group_messages"] = json!(!state.privacy_mode);
    me["supports_inline_queries"] = json!(!state.inline.is_off);
    for name in ["can_connect_to_business", "has_main_web_app"] {
        me[name] = json!(false);
    }
    Ok(me)
}

pub(super) fn get_chat(state: &mut State, params: &Params) -> Result<Value, ApiError> {
    let chat = target_chat(state, params)?;
    let mut full = chat.object();
    full["accent_color_id"] = json!(3);
    full["max_reaction_count"] = json!(11);
    let gifts = ["unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription"];
    full["accepted_gift_types"] = json!({"gifts_from_channels": false});
    for kind in gifts {
        full["accepted_gift_types"][kind] = json!(false);
    }
    if chat.kind != ChatKind::Private {
        full["permissions"] = json!({"can_send_messages": true});
    }
    let newest_pin = chat.pinned.last().and_then(|id| state.world.message(chat.id, *id));
    if let Some(message) = newest_pin {
        full["pinned_message"] = message.object();
    }
    Ok(full)
}

/// Everybody is an ordinary member here; only the bot itself may be asked for too.
pub(super) fn get_chat_member(state: &mut State, params: &Params) -> Result<Value, ApiError> {
    target_chat(state, params)?;
    let user_id = params.integer("user_id");
    if user_id == state.bot["id"].as_i64() {
        return Ok(json!({"status": "member", "user": state.bot}));
    }
    let person = user_id.and_then(|id| state.world.people.get(&id));
    let person = person.ok_or_else(|| ApiError::bad_request("invalid user_id specified"))?;
    Ok(json!({"status": "member", "user": person.user()}))
}

pub(super) fn get_file(state: &mut State, params: &Params) -> Result<Value, ApiError> {
    let file = params.text("file_id").and_then(|id| state.world.files.get(&id));
    let file = file.ok_or_else(|| ApiError::bad_request("invalid file_id"))?;
    Ok(json!({
        "file_id": file.file_id,
        "file_unique_id": file.unique_id,
        "file_size": file.size_bytes,
        "file_path": file.path,
    }))
}

pub(super) fn answer_callback_query(state: &mut State, params: &Params) -> Result<Value, ApiError> {
    let id = params.text("callback_query_id").unwrap_or_default();
    let Some(chat_id) = state.queries.answer(&id) else {
        let problem = "query is too old and response timeout expired or query ID is invalid";
        return Err(ApiError::bad_request(problem));
    };
    let answer = json!({
        "id": id,
        "text": params.text("text"),
        "alert": params.flag("show_alert"),
        "url": params.text("url"),
    });
    // Nobody has to look.
    let _ = state.page.send(PageEvent::Answered { chat_id, answer });
    Ok(json!(true))
}

pub(super) fn delete_message(state: &mut State, params: &Params) -> Result<Value, ApiError> {
    let (chat, message) = existing(state, params, "message to delete not found")?;
    let message_id = message.id();
    state.record(Change::Deleted { chat_id: chat.id, message_id });
    Ok(json!(true))
}

pub(super) fn send_action(state: &mut State, params: &Params) -> Result<Value, ApiError> {
    let chat = target_chat(state, params)?;
    let action = params.text("action").unwrap_or_default();
    if !ACTIONS.contains(&action.as_str()) {
        return Err(ApiError::bad_request("wrong parameter action in request"));
    }
    // Nobody has to look.
    let _ = state.page.send(PageEvent::Action { chat_id: chat.id, action });
    Ok(json!(true))
}

pub(super) fn set_reaction(state: &mut State, params: &Params) -> Result<Value, ApiError> {
    let (_, mut message) = existing(state, params, "message to react not found")?;
    let wanted = params.json("reaction")?.unwrap_or_default();
    let mut reactions = Vec::new();
    for reaction in wanted.as_array().into_iter().flatten() {
        let emoji = reaction["emoji"].as_str().unwrap_or_default();
        let plain = emoji.trim_end_matches('\u{fe0f}');
        if !REACTIONS.split(' ').any(|allowed| allowed == plain) {
            return Err(ApiError::bad_request("REACTION_INVALID"));
        }
        reactions.push(emoji.to_owned());
    }
    if reactions.len() > 1 {
        return Err(ApiError::bad_request("REACTIONS_TOO_MANY"));
    }
    message.reactions = reactions;
    state.record(Change::Message(Box::new(message)));
    Ok(json!(true))
}

pub(super) fn pin_message(state: &mut State, params: &Params) -> Result<Value, ApiError> {
    let (chat, message) = existing(state, params, "message to pin not found")?;
    let mut message_ids = chat.pinned.clone();
    let is_news = message_ids.last() != Some(&message.id());
    message_ids.retain(|id| *id != message.id());
    message_ids.push(message.id());
    if is_news {
        tell_pinned(state, &chat, &message);
    }
    state.record(Change::Pinned { chat_id: chat.id, message_ids });
    Ok(json!(true))
}

/// A pin is a message of its own (Bot API, `Message.pinned_message`), of which bots hear like
/// everybody, also of their own. The page shows the pin instead.
fn tell_pinned(state: &mut State, chat: &Chat, message: &Message) {
    let notice = json!({
        "message_id": chat.next_message_id,
        "from": state.bot,
        "chat": chat.object(),
        "date": told_s(),
        "pinned_message": message.object(),
    });
    let next_message_id = chat.next_message_id + 1;
    state.record(Change::Chat(Chat { next_message_id, ..chat.clone() }));
    state.queue("message", &notice);
}

pub(super) fn unpin_message(state: &mut State, params: &Params) -> Result<Value, ApiError> {
    let chat = target_chat(state, params)?;
    let mut message_ids = chat.pinned;
    match params.integer("message_id") {
        Some(message_id) if state.world.message(chat.id, message_id).is_none() => {
            return Err(ApiError::bad_request("message to unpin not found"));
        }
        Some(message_id) => message_ids.retain(|id| *id != message_id),
        None => {
            message_ids.pop();
        }
    }
    state.record(Change::Pinned { chat_id: chat.id, message_ids });
    Ok(json!(true))
}

pub(super) fn unpin_all(state: &mut State, params: &Params) -> Result<Value, ApiError> {
    let chat = target_chat(state, params)?;
    state.record(Change::Pinned { chat_id: chat.id, message_ids: Vec::new() });
    Ok(json!(true))
}

/// The message a call is about.
fn existing(state: &State, params: &Params, not_found: &str) -> Result<(Chat, Message), ApiError> {
    let chat = target_chat(state, params)?;
    let message_id = params.integer("message_id").unwrap_or_default();
    let message = state.world.message(chat.id, message_id).cloned();
    let message = message.ok_or_else(|| ApiError::bad_request(not_found))?;
    Ok((chat, message))
}
