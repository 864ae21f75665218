//! Reply markups: checked as the real server checks them.

use serde_json::{Value, json};

use super::error::ApiError;

/// The longest data of a button, in bytes.
const CALLBACK_DATA_MAX_BYTES: usize = 64;
/// The longest text a button may copy.
const COPY_TEXT_MAX_CHARS: usize = 256;
/// Buttons under one message.
const BUTTONS_MAX: usize = 100;

/// What hangs below a message.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Markup {
    /// An inline keyboard, part of the message.
    pub inline: Option<Value>,
    /// A reply keyboard, its removal or a forced reply.
    pub keyboard: Option<Value>,
}

impl Markup {
    pub(super) fn parse(markup: Option<Value>) -> Result<Markup, ApiError> {
        let Some(markup) = markup else {
            return Ok(Markup::default());
        };
        if !markup.is_object() {
            return Err(ApiError::bad_request("object expected as reply markup"));
        }
        if let Some(rows) = markup.get("inline_keyboard") {
            return Ok(Markup { inline: inline_keyboard(rows)?, keyboard: None });
        }
        if let Some(rows) = markup.get("keyboard") {
            let mut keyboard = markup.clone();
            keyboard["keyboard"] = reply_keyboard(rows)?;
            return Ok(Markup { inline: None, keyboard: Some(keyboard) });
        }
        let is_set = |name: &str| markup.get(name).is_some_and(|value| value == true);
        let known = is_set("remove_keyboard") || is_set("force_reply");
        Ok(Markup { inline: None, keyboard: known.then_some(markup) })
    }
}

fn rows_of<'a>(rows: &'a Value, field: &str) -> Result<Vec<&'a Vec<Value>>, ApiError> {
    let wrong = || ApiError::bad_request(&format!("field \"{field}\" must be an Array of Arrays"));
    let rows = rows.as_array().ok_or_else(wrong)?;
    rows.iter().map(|row| row.as_array().ok_or_else(wrong)).collect()
}

/// The checked keyboard; `None` when it has no button.
fn inline_keyboard(rows: &Value) -> Result<Option<Value>, ApiError> {
    let mut kept = Vec::new();
    let mut count = 0;
    for row in rows_of(rows, "inline_keyboard")? {
        for button in row {
            check_inline_button(button)?;
            count += 1;
        }
        if !row.is_empty() {
            kept.push(row);
        }
    }
    if count > BUTTONS_MAX {
        return Err(ApiError::bad_request("reply markup is too long"));
    }
    Ok((!kept.is_empty()).then(|| json!({"inline_keyboard": kept})))
}

fn check_inline_button(button: &Value) -> Result<(), ApiError> {
    let text = button["text"].as_str().unwrap_or_default();
    if text.trim().is_empty() {
        let problem = "can't parse inline keyboard button: Field \"text\" must be non-empty";
        return Err(ApiError::bad_request(problem));
    }
    if let Some(data) = button["callback_data"].as_str() {
        if data.is_empty() || data.len() > CALLBACK_DATA_MAX_BYTES {
            return Err(ApiError::bad_request("BUTTON_DATA_INVALID"));
        }
        return Ok(());
    }
    if let Some(url) = button["url"].as_str() {
        if url.trim().is_empty() || url.contains(char::is_whitespace) {
            return Err(ApiError::bad_request("BUTTON_URL_INVALID"));
        }
        return Ok(());
    }
    if let Some(copied) = button["copy_text"]["text"].as_str() {
        let length = copied.chars().count();
        if length == 0 || length > COPY_TEXT_MAX_CHARS {
            return Err(ApiError::bad_request("BUTTON_COPY_TEXT_INVALID"));
        }
        return Ok(());
    }
    const OTHERS: [&str; 7] = [
        "web_app",
        "login_url",
        "switch_inline_query",
        "switch_inline_query_current_chat",
        "switch_inline_query_chosen_chat",
        "callback_game",
        "pay",
    ];
    if OTHERS.iter().any(|kind| button.get(kind).is_some_and(|value| !value.is_null())) {
        return Ok(());
    }
    let problem = "can't parse inline keyboard button: \
                   Text buttons are unallowed in the inline keyboard";
    Err(ApiError::bad_request(problem))
}

/// Rows of button objects; a plain string is a button too.
fn reply_keyboard(rows: &Value) -> Result<Value, ApiError> {
    let mut kept = Vec::new();
    for row in rows_of(rows, "keyboard")? {
        let mut buttons = Vec::new();
        for button in row {
            let button = if button.is_string() { json!({"text": button}) } else { button.clone() };
            if button["text"].as_str().unwrap_or_default().trim().is_empty() {
                let problem = "can't parse keyboard button: Field \"text\" must be non-empty";
                return Err(ApiError::bad_request(problem));
            }
            buttons.push(button);
        }
        if !buttons.is_empty() {
            kept.push(buttons);
        }
    }
    Ok(json!(kept))
}
