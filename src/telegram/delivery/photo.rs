//! A row with a picture, drawn now, or with a file: sent with its text below it.
//!
//! Invariant: what goes with a message costs nobody the message. What a refused picture or file says
//! about its chat is never believed: the text is sent alone, and its fate is the row's.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::refusal::Refusal;
use super::send;
use crate::charts;
use crate::engine::error_chain;
use crate::kernel::effect::File;
use crate::kernel::picture::Picture;
use crate::store::outbox::{Body, Row};
use crate::telegram::client::{BotApi, CALL_TIMEOUT, CallError, Upload};

/// What a picture's file is called; the parameter `photo` names it.
const PICTURE: &str = "picture.png";
/// What files are sent as.
const CSV_MIME: &str = "text/csv";
/// How long the word that something comes may take: nothing depends on it.
const ACTION_TIMEOUT: Duration = Duration::from_secs(3);
/// From this attempt on the text goes by itself when a call with the picture fails for whatever
/// reason: something on the way may not let files through.
const PATIENCE: i64 = 2;
/// The same where the picture has no text below it. It waits longer, for then it is given up.
const PATIENCE_WITHOUT_TEXT: i64 = 10;
/// Some four megabytes each: one after the other, also on a small machine.
static DRAWN_AT_ONCE: Semaphore = Semaphore::const_new(1);

/// What goes with a row's text.
#[derive(Debug, Clone, Copy)]
pub(super) enum Enclosed<'a> {
    Picture(&'a Picture),
    File(&'a File),
}

impl<'a> Enclosed<'a> {
    pub(super) fn of(body: &'a Body) -> Option<Enclosed<'a>> {
        let picture = body.picture.as_ref().map(Enclosed::Picture);
        picture.or_else(|| body.file.as_ref().map(Enclosed::File))
    }

    /// The method that sends it, the parameter that names it, and what a chat is told meanwhile.
    fn calls(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Enclosed::Picture(_) => ("sendPhoto", "photo", "upload_photo"),
            Enclosed::File(_) => ("sendDocument", "document", "upload_document"),
        }
    }

    async fn made_ready(self) -> Result<Upload, String> {
        match self {
            Enclosed::Picture(picture) => {
                let bytes = draw(picture.clone()).await?;
                Ok(Upload { name: PICTURE.to_owned(), mime: charts::MIME, bytes })
            }
            Enclosed::File(file) => {
                let bytes = file.csv.clone().into_bytes();
                Ok(Upload { name: file.name.clone(), mime: CSV_MIME, bytes })
            }
        }
    }
}

/// What became of it.
#[derive(Debug)]
pub(super) enum Shown {
    /// The call's result is the row's.
    Settled(Result<Value, CallError>),
    /// It cannot be shown, for this reason.
    TextInstead(String),
}

/// Makes it ready while the chat is told that it comes, and sends it.
pub(super) async fn send(api: &BotApi, row: &Row, body: &Body, enclosed: Enclosed<'_>) -> Shown {
    let (flood, ready) = tokio::join!(announce(api, row, enclosed), enclosed.made_ready());
    if let Some(flood) = flood {
        return Shown::Settled(Err(flood));
    }
    let file = match ready {
        Ok(file) => file,
        Err(reason) => {
            tracing::error!(row.id, reason, "a picture could not be drawn; the text goes alone");
            return Shown::TextInstead(reason);
        }
    };
    let patience = if body.text.is_empty() { PATIENCE_WITHOUT_TEXT } else { PATIENCE };
    match upload(api, row, body, enclosed, file).await {
        Err(error) if blames_picture(&error, row.attempts >= patience) => {
            let (reason, method) = (error.to_string(), enclosed.calls().0);
            tracing::warn!(row.id, method, reason, "that was refused; the text goes alone");
            Shown::TextInstead(reason)
        }
        result => Shown::Settled(result),
    }
}

/// Tells the chat what comes. Only a flood limit matters: this chat is to be left alone.
async fn announce(api: &BotApi, row: &Row, enclosed: Enclosed<'_>) -> Option<CallError> {
    let action = enclosed.calls().2;
    let mut params = json!({ "chat_id": row.place.chat_id, "action": action });
    if let Some(thread_id) = row.place.thread_id {
        params["message_thread_id"] = thread_id.into();
    }
    let error = api.call("sendChatAction", &params, ACTION_TIMEOUT).await.err()?;
    matches!(error, CallError::Refused { retry_after_s: Some(_), .. }).then_some(error)
}

/// Draws on a thread that may take its time. A panic there is the fault of this picture alone.
async fn draw(picture: Picture) -> Result<Vec<u8>, String> {
    let _turn = DRAWN_AT_ONCE.acquire().await.map_err(|error| error.to_string())?;
    let drawing = tokio::task::spawn_blocking(move || {
        crate::crash::point("while-drawing");
        charts::draw(&picture)
    });
    let drawn = drawing.await.map_err(|_| "drawing it ended with a panic".to_owned())?;
    drawn.map_err(|error| error_chain(&error))
}

/// Is the picture the reason, or may it be, so that the text should go without it?
fn blames_picture(error: &CallError, is_out_of_patience: bool) -> bool {
    match error {
        // Word of the bot or of the chat, not of what was sent.
        CallError::Refused { retry_after_s: Some(_), .. }
        | CallError::Refused { migrate_to: Some(_), .. }
        | CallError::Refused { code: 401 | 404 | 409 | 429, .. } => false,
        CallError::Refused { code: 400..=499, .. } => true,
        CallError::Refused { .. } | CallError::Unsent(_) | CallError::Unknown(_) => {
            is_out_of_patience
        }
    }
}

async fn upload(
    api: &BotApi,
    row: &Row,
    body: &Body,
    enclosed: Enclosed<'_>,
    file: Upload,
) -> Result<Value, CallError> {
    let (method, field, _) = enclosed.calls();
    let call = async |is_marked_up: bool, file: Upload| {
        let params = params(row, body, field, &file.name, is_marked_up);
        api.call_with_file(method, &params, file, CALL_TIMEOUT).await
    };
    let marked_up = call(true, file.clone()).await;
    if !Refusal::Markup.met(&marked_up) {
        return marked_up;
    }
    tracing::warn!(row.id, "markup was refused; sending plain text");
    call(false, file).await
}

fn params(row: &Row, body: &Body, field: &str, name: &str, is_marked_up: bool) -> Value {
    let mut params = captioned(body, send::params(row, body, None, is_marked_up));
    params[field] = attached(name).into();
    params
}

/// What a text message takes, with the text as a caption.
pub(super) fn captioned(body: &Body, mut params: Value) -> Value {
    let Some(fields) = params.as_object_mut() else { return params };
    fields.remove("link_preview_options");
    match fields.remove("text").filter(|_| !body.text.is_empty()) {
        Some(text) => fields.insert("caption".to_owned(), text),
        None => fields.remove("parse_mode"),
    };
    params
}

/// How a parameter names a file that goes with the call.
pub fn attached(name: &str) -> String {
    format!("attach://{name}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::chat::{Button, Place};
    use crate::kernel::text::Text;
    use crate::store::outbox::{Action, Class};

    fn refused(code: i64, retry_after_s: Option<i64>, migrate_to: Option<i64>) -> CallError {
        CallError::Refused { code, description: String::new(), retry_after_s, migrate_to }
    }

    fn row(body: &Body) -> Row {
        Row {
            id: 1,
            place: Place { chat_id: -7, thread_id: Some(3) },
            class: Class::Reply,
            action: Action::Say(body.clone()),
            attempts: 0,
            created_at: 0,
            expires_at: None,
            somebody_waits: true,
        }
    }

    #[test]
    fn the_text_goes_alone_where_the_picture_is_refused_or_never_arrives() {
        for code in [400, 403, 413] {
            assert!(blames_picture(&refused(code, None, None), false), "{code}");
        }
        for error in [refused(500, None, None), CallError::Unknown(String::new())] {
            assert!(!blames_picture(&error, false) && blames_picture(&error, true), "{error}");
        }
    }

    #[test]
    fn what_is_said_of_the_chat_or_the_bot_is_no_word_about_the_picture() {
        let others = [
            refused(429, Some(7), None),
            refused(400, None, Some(-1_001)),
            refused(401, None, None),
            refused(409, None, None),
        ];
        for error in others {
            assert!(!blames_picture(&error, true), "{error}");
        }
    }

    #[test]
    fn a_caption_has_everything_that_a_message_has() {
        let body = Body {
            keyboard: vec![vec![Button::new("more", "m")]],
            silent: true,
            reply_to: Some(5),
            ..Body::plain(Text::of("a ").bold("<b>"))
        };
        let sent = params(&row(&body), &body, "photo", PICTURE, true);
        let expected = json!({
            "chat_id": -7, "message_thread_id": 3, "disable_notification": true,
            "photo": "attach://picture.png", "caption": "a <b>&lt;b&gt;</b>", "parse_mode": "HTML",
            "reply_parameters": { "message_id": 5, "allow_sending_without_reply": true },
            "reply_markup": { "inline_keyboard": [[{ "text": "more", "callback_data": "m" }]] },
        });
        assert_eq!(sent, expected);
    }

    #[test]
    fn a_picture_without_a_text_has_no_caption() {
        let body = Body::plain(Text::new());
        let sent = params(&row(&body), &body, "photo", PICTURE, true);
        let expected =
            json!({ "chat_id": -7, "message_thread_id": 3, "photo": "attach://picture.png" });
        assert_eq!(sent, expected);
    }
}
