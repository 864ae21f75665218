//! One row as a call of the Bot API.

use serde_json::{Value, json};

use super::photo::{self, Enclosed, Shown};
use super::refusal::Refusal;
use crate::kernel::chat::{Button, ButtonAction};
use crate::kernel::text::MESSAGE_LIMIT_UTF16;
use crate::store::outbox::{self, Action, Body, Class, Row, Target};
use crate::store::{Store, StoreError};
use crate::telegram::client::{BotApi, CALL_TIMEOUT, CallError};

/// What sending came to.
#[derive(Debug)]
pub(super) enum Sent {
    /// Telegram took it; a message has an id.
    Taken(Option<i32>),
    Failed(CallError),
    /// It changes a card that was never sent.
    Moot,
    /// It was a picture and nothing else, and cannot be shown.
    Unshown(String),
    /// The row could not even be prepared.
    Unprepared(StoreError),
}

/// Sends a row; a message whose markup Telegram cannot parse goes again as plain text, and one
/// that it finds too long in parts.
pub(super) async fn row(store: &Store, api: &BotApi, row: &Row) -> Sent {
    let result = match &row.action {
        Action::Call(call) => api.call(&call.method, &call.params, CALL_TIMEOUT).await,
        Action::Say(body) => {
            let shown = match Enclosed::of(body) {
                Some(enclosed) => photo::send(api, row, body, enclosed).await,
                None => Shown::Settled(message(api, row, body, None).await),
            };
            match shown {
                Shown::Settled(result) => result,
                Shown::TextInstead(reason) if body.text.is_empty() => return Sent::Unshown(reason),
                Shown::TextInstead(_) => message(api, row, &alone(body), None).await,
            }
        }
        Action::Edit(target, body) => match message_id(store, row.place.chat_id, *target).await {
            // A card's change is no news by itself.
            Ok(None) if row.class == Class::Alert => return Sent::Moot,
            Ok(message_id) => message(api, row, body, message_id).await,
            Err(error) => return Sent::Unprepared(error),
        },
    };
    match result {
        Ok(value) => {
            let message_id = value.get("message_id").and_then(Value::as_i64);
            Sent::Taken(message_id.and_then(|id| i32::try_from(id).ok()))
        }
        Err(error) => Sent::Failed(error),
    }
}

/// A body without what goes with it. A picture shows what its words say; without a file, they say
/// too much.
fn alone(body: &Body) -> Body {
    let mut body = body.clone();
    if body.file.is_some() && body.picture.is_none() {
        body.text = body.text.line().plain("The file itself could not be sent; please try again.");
    }
    body
}

async fn message_id(
    store: &Store,
    chat_id: i64,
    target: Target,
) -> Result<Option<i32>, StoreError> {
    match target {
        Target::New => Ok(None),
        Target::Message(message_id) => Ok(Some(message_id)),
        // The row came before this one in the same chat, so it is settled; if it was never sent,
        // this one is a new message.
        Target::Row(row_id) => {
            store
                .read(move |db| {
                    Box::pin(async move { outbox::message_of(db, chat_id, row_id).await })
                })
                .await
        }
    }
}

async fn message(
    api: &BotApi,
    row: &Row,
    body: &Body,
    edits: Option<i32>,
) -> Result<Value, CallError> {
    let whole = one(api, row, body, edits).await;
    if !Refusal::TooLong.met(&whole) {
        return whole;
    }
    // Our count of the length was not Telegram's: smaller parts, the buttons with the last.
    let mut parts = body.text.split(MESSAGE_LIMIT_UTF16 / 2);
    let last = parts.pop().unwrap_or_default();
    let mut edits = edits;
    for text in parts {
        one(api, row, &Body { silent: body.silent, ..Body::plain(text) }, edits.take()).await?;
    }
    one(api, row, &Body { text: last, ..body.clone() }, edits).await
}

async fn one(api: &BotApi, row: &Row, body: &Body, edits: Option<i32>) -> Result<Value, CallError> {
    let method = if edits.is_some() { "editMessageText" } else { "sendMessage" };
    let text = |is_marked_up| params(row, body, edits, is_marked_up);
    let result = marked_up_or_plain(api, row, method, text).await;
    if edits.is_none() || !Refusal::NoText.met(&result) {
        return result;
    }
    // It is a photo: its words are the caption, and the picture stays.
    let caption = |is_marked_up| photo::captioned(body, text(is_marked_up));
    marked_up_or_plain(api, row, "editMessageCaption", caption).await
}

async fn marked_up_or_plain(
    api: &BotApi,
    row: &Row,
    method: &str,
    params: impl Fn(bool) -> Value,
) -> Result<Value, CallError> {
    let marked_up = api.call(method, &params(true), CALL_TIMEOUT).await;
    if !Refusal::Markup.met(&marked_up) {
        return marked_up;
    }
    tracing::warn!(row.id, method, "markup was refused; sending plain text");
    api.call(method, &params(false), CALL_TIMEOUT).await
}

/// What `sendMessage` and `editMessageText` take.
pub(super) fn params(row: &Row, body: &Body, edits: Option<i32>, marked_up: bool) -> Value {
    let text = if marked_up { body.text.html() } else { body.text.to_plain() };
    let mut params = json!({
        "chat_id": row.place.chat_id,
        "text": text,
        "link_preview_options": { "is_disabled": true },
    });
    if marked_up {
        params["parse_mode"] = "HTML".into();
    }
    match edits {
        Some(message_id) => params["message_id"] = message_id.into(),
        None => {
            if let Some(thread_id) = row.place.thread_id {
                params["message_thread_id"] = thread_id.into();
            }
            if body.silent {
                params["disable_notification"] = true.into();
            }
            if let Some(message_id) = body.reply_to {
                // Whoever asked may have deleted the question; the answer still counts.
                params["reply_parameters"] =
                    json!({ "message_id": message_id, "allow_sending_without_reply": true });
            }
            if let Some(placeholder) = &body.force_reply {
                params["reply_markup"] = force_reply(placeholder);
            }
        }
    }
    if !body.keyboard.is_empty() {
        params["reply_markup"] = json!({ "inline_keyboard": keyboard(&body.keyboard) });
    }
    params
}

/// A question that only the person it replies to, or mentions, is made to answer.
fn force_reply(placeholder: &str) -> Value {
    /// What the Bot API takes (`ForceReply`).
    const PLACEHOLDER_CHARS: usize = 64;
    let placeholder: String = placeholder.chars().take(PLACEHOLDER_CHARS).collect();
    json!({ "force_reply": true, "selective": true, "input_field_placeholder": placeholder })
}

/// Inline buttons as the Bot API takes them. Those that visit us are told by whoever knows where
/// they are.
pub fn keyboard(rows: &[Vec<Button>]) -> Value {
    let button = |button: &Button| match &button.action {
        ButtonAction::Data(data) | ButtonAction::Visit { data, .. } => {
            json!({ "text": button.label, "callback_data": data })
        }
        ButtonAction::Link(url) => json!({ "text": button.label, "url": url }),
        ButtonAction::Copy(text) => {
            json!({ "text": button.label, "copy_text": { "text": text } })
        }
    };
    rows.iter().map(|row| row.iter().map(button).collect::<Value>()).collect()
}
