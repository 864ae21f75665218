//! The command menu: setMyCommands and its kin, and which menu a person sees.

use serde_json::{Value, json};

use crate::demo::botapi::error::ApiError;
use crate::demo::botapi::model::Change;
use crate::demo::botapi::model::ChatKind;
use crate::demo::botapi::params::Params;
use crate::demo::botapi::shared::State;
use crate::demo::botapi::world::World;

const COMMANDS_MAX: usize = 100;
const NAME_MAX_CHARS: usize = 32;
const DESCRIPTION_MAX_CHARS: usize = 256;

pub(super) fn set(state: &mut State, params: &Params) -> Result<Value, ApiError> {
    let Some(Value::Array(given)) = params.json("commands")? else {
        return Err(ApiError::bad_request("can't parse commands JSON object"));
    };
    if given.len() > COMMANDS_MAX {
        return Err(ApiError::bad_request("BOT_COMMANDS_TOO_MUCH"));
    }
    let commands = given.iter().map(checked).collect::<Result<Vec<Value>, ApiError>>()?;
    let scope = scope_of(state, params)?;
    state.record(Change::Commands { scope, commands });
    Ok(json!(true))
}

pub(super) fn get(state: &mut State, params: &Params) -> Result<Value, ApiError> {
    let scope = scope_of(state, params)?;
    Ok(json!(state.world.commands.get(&scope).cloned().unwrap_or_default()))
}

pub(super) fn delete(state: &mut State, params: &Params) -> Result<Value, ApiError> {
    let scope = scope_of(state, params)?;
    state.record(Change::Commands { scope, commands: Vec::new() });
    Ok(json!(true))
}

/// The commands a member of the chat is offered: the narrowest scope that has any.
pub(in crate::demo::botapi) fn menu(world: &World, chat_id: i64, user_id: i64) -> Vec<Value> {
    let Some(chat) = world.chats.get(&chat_id) else {
        return Vec::new();
    };
    let scopes = match chat.kind {
        ChatKind::Private => vec![
            key("chat", Some(chat_id), None),
            key("all_private_chats", None, None),
            key("default", None, None),
        ],
        ChatKind::Group | ChatKind::Supergroup | ChatKind::Channel => vec![
            key("chat_member", Some(chat_id), Some(user_id)),
            key("chat", Some(chat_id), None),
            key("all_group_chats", None, None),
            key("default", None, None),
        ],
    };
    let language = world.person(user_id).language_code.unwrap_or_default();
    for scope in scopes {
        let in_language = world.commands.get(&with_language(&scope, &language));
        let found = in_language.or_else(|| world.commands.get(&with_language(&scope, "")));
        if let Some(commands) = found {
            return commands.clone();
        }
    }
    Vec::new()
}

fn checked(command: &Value) -> Result<Value, ApiError> {
    let name = command["command"].as_str().unwrap_or_default().trim_start_matches('/');
    let is_allowed = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '_';
    if name.is_empty() || name.len() > NAME_MAX_CHARS || !name.chars().all(is_allowed) {
        return Err(ApiError::bad_request("BOT_COMMAND_INVALID"));
    }
    let description = command["description"].as_str().unwrap_or_default().trim();
    if description.is_empty() || description.chars().count() > DESCRIPTION_MAX_CHARS {
        return Err(ApiError::bad_request("BOT_COMMAND_DESCRIPTION_INVALID"));
    }
    Ok(json!({"command": name, "description": description}))
}

/// The key under which a call's scope and language are kept.
fn scope_of(state: &State, params: &Params) -> Result<String, ApiError> {
    let scope = params.json("scope")?.unwrap_or_else(|| json!({"type": "default"}));
    let kind = scope["type"].as_str().unwrap_or_default();
    let number =
        |name: &str| scope[name].as_i64().or_else(|| scope[name].as_str()?.parse::<i64>().ok());
    let needs_chat = matches!(kind, "chat" | "chat_administrators" | "chat_member");
    let needs_user = kind == "chat_member";
    let is_wide = matches!(
        kind,
        "default" | "all_private_chats" | "all_group_chats" | "all_chat_administrators"
    );
    if !needs_chat && !is_wide {
        let problem = "can't parse BotCommandScope: Unsupported type specified";
        return Err(ApiError::bad_request(problem));
    }
    let chat_id = number("chat_id").filter(|_| needs_chat);
    let user_id = number("user_id").filter(|_| needs_user);
    if needs_chat && !chat_id.is_some_and(|id| state.world.chats.contains_key(&id)) {
        return Err(ApiError::bad_request("chat not found"));
    }
    if needs_user && user_id.is_none() {
        return Err(ApiError::bad_request("invalid user_id specified"));
    }
    let language = params.text("language_code").unwrap_or_default();
    Ok(with_language(&key(kind, chat_id, user_id), &language))
}

fn key(kind: &str, chat_id: Option<i64>, user_id: Option<i64>) -> String {
    let mut key = kind.to_owned();
    for id in [chat_id, user_id].into_iter().flatten() {
        key += &format!(" {id}");
    }
    key
}

fn with_language(scope: &str, language: &str) -> String {
    format!("{scope} [{language}]")
}
