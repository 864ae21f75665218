//! The chat page: one HTML page, its events and its actions.
//!
//! Invariant: only pages of this very server act here. A foreign `Origin` is refused,
//! and so is a `Host` that is a name somebody else's DNS could point at us.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::extract::{Path, Request, State as Extension};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::stream::{self, Stream};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::handle::Handle;
use super::methods::commands::menu;
use super::model::{Change, Message, PAGE_USER};
use super::shared::{PageEvent, Shared, State};
use crate::http::is_local;

/// The longest text a person may send, as in Telegram.
const TEXT_MAX_CHARS: usize = 4096;
/// The longest text behind a bot's name (Bot API, `InlineQuery`).
const QUERY_MAX_CHARS: usize = 256;
/// When a page whose connection was lost tries again.
const RECONNECT_AFTER: Duration = Duration::from_secs(1);

static PAGE: LazyLock<String> = LazyLock::new(|| {
    let script = [
        include_str!("dom.js"),
        include_str!("message.js"),
        include_str!("composer.js"),
        include_str!("inline.js"),
        include_str!("chat.js"),
    ];
    include_str!("index.html")
        .replace("/* style */", include_str!("chat.css"))
        .replace("/* script */", &script.join("\n"))
});

const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
                      img-src 'self' data:; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/", get(page))
        .route("/chat/events", get(events))
        .route("/chat/send", post(send))
        .route("/chat/press", post(press))
        .route("/chat/inline", post(inline))
        .route("/chat/pick", post(pick))
        .route("/chat/file/{file_id}", get(file))
        .layer(middleware::from_fn(only_own_page))
}

async fn page() -> Response {
    let headers = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, Html(PAGE.as_str())).into_response()
}

async fn only_own_page(request: Request, next: Next) -> Response {
    match refusal(request.headers()) {
        Some(why) => (StatusCode::FORBIDDEN, why).into_response(),
        None => next.run(request).await,
    }
}

/// Why a request is refused, if it is.
fn refusal(headers: &HeaderMap) -> Option<&'static str> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let host = text(header::HOST).unwrap_or_default();
    if !is_local(host) {
        return Some("open this page by its address, not by a name of others");
    }
    let origin = text(header::ORIGIN)?;
    (origin != format!("http://{host}")).then_some("another page must not act here")
}

#[derive(Deserialize)]
struct Sent {
    text: String,
    reply_to: Option<i64>,
}

async fn send(Extension(shared): Extension<Arc<Shared>>, Json(sent): Json<Sent>) -> Response {
    let text = sent.text.trim();
    if text.is_empty() || text.chars().count() > TEXT_MAX_CHARS {
        return (StatusCode::BAD_REQUEST, "a message has 1 to 4096 characters").into_response();
    }
    let handle = Handle::new(shared);
    match sent.reply_to {
        Some(message_id) => handle.reply(PAGE_USER, PAGE_USER, message_id, text),
        None => handle.say(PAGE_USER, PAGE_USER, text),
    };
    StatusCode::NO_CONTENT.into_response()
}

#[derive(Deserialize)]
struct Pressed {
    message_id: i64,
    data: String,
}

async fn press(
    Extension(shared): Extension<Arc<Shared>>,
    Json(pressed): Json<Pressed>,
) -> Json<Value> {
    let handle = Handle::new(shared);
    let (_, query_id) =
        handle.press_for_answer(PAGE_USER, PAGE_USER, pressed.message_id, &pressed.data);
    Json(json!({"query_id": query_id}))
}

#[derive(Deserialize)]
struct Typed {
    text: String,
}

async fn inline(Extension(shared): Extension<Arc<Shared>>, Json(typed): Json<Typed>) -> Response {
    if typed.text.chars().count() > QUERY_MAX_CHARS {
        let why = "behind a bot's name there is room for 256 characters";
        return (StatusCode::BAD_REQUEST, why).into_response();
    }
    let (_, query_id) = Handle::new(shared).inline_query_from(PAGE_USER, &typed.text, "");
    Json(json!({"query_id": query_id})).into_response()
}

#[derive(Deserialize)]
struct Picked {
    query_id: String,
    result_id: String,
}

async fn pick(Extension(shared): Extension<Arc<Shared>>, Json(picked): Json<Picked>) -> Response {
    match Handle::new(shared).pick_of(PAGE_USER, &picked.query_id, &picked.result_id) {
        Some(_) => StatusCode::NO_CONTENT.into_response(),
        None => (StatusCode::NOT_FOUND, "that is offered no more").into_response(),
    }
}

async fn file(Extension(shared): Extension<Arc<Shared>>, Path(file_id): Path<String>) -> Response {
    let found = shared.look(|state| {
        let file = state.world.files.get(&file_id)?;
        Some((file.clone(), state.bytes_of(file)?))
    });
    let Some((file, bytes)) = found else {
        return StatusCode::NOT_FOUND.into_response();
    };
    // Only pictures are shown; anything else could run in our name.
    let is_picture = ["image/png", "image/jpeg", "image/gif"].contains(&file.mime.as_str());
    let (mime, disposition) = if is_picture {
        (file.mime.as_str(), "inline")
    } else {
        ("application/octet-stream", "attachment")
    };
    let headers = [
        (header::CONTENT_TYPE, mime),
        (header::CONTENT_DISPOSITION, disposition),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "private, max-age=86400"),
    ];
    (headers, bytes).into_response()
}

/// Everything once, then each change; everything again for a page that fell behind.
async fn events(
    Extension(shared): Extension<Arc<Shared>>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let feed = Feed::new(shared);
    let stream = stream::unfold(feed, |mut feed| async move {
        let event = feed.next().await?;
        Some((Ok(Event::default().retry(RECONNECT_AFTER).data(event.to_string())), feed))
    });
    Sse::new(stream).keep_alive(KeepAlive::default())
}

/// One open page.
struct Feed {
    shared: Arc<Shared>,
    events: Receiver<PageEvent>,
    waiting: VecDeque<Value>,
}

impl Feed {
    fn new(shared: Arc<Shared>) -> Feed {
        // Under one lock, so that nothing is missed in between.
        let (events, everything) = shared.look(|state| (state.page.subscribe(), everything(state)));
        Feed { shared, events, waiting: VecDeque::from([everything]) }
    }

    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some(event);
            }
            let received = tokio::select! {
                received = self.events.recv() => received,
                () = self.shared.closed() => return None,
            };
            match received {
                Ok(event) => self.waiting.extend(self.shared.look(|state| shown(state, event))),
                Err(RecvError::Lagged(_)) => *self = Feed::new(Arc::clone(&self.shared)),
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

fn everything(state: &State) -> Value {
    let messages: Vec<Value> = state.world.messages_of(PAGE_USER).map(message).collect();
    let pinned = state.world.chats.get(&PAGE_USER).map(|chat| chat.pinned.clone());
    json!({
        "kind": "everything",
        "bot": state.bot,
        "messages": messages,
        "pinned": pinned.unwrap_or_default(),
        "commands": menu(&state.world, PAGE_USER, PAGE_USER),
    })
}

/// What the page shows of an event; `None` when it is about something else.
fn shown(state: &State, event: PageEvent) -> Option<Value> {
    match event {
        PageEvent::Changed(Change::Message(changed)) if changed.chat_id() == PAGE_USER => {
            Some(json!({"kind": "message", "message": message(&changed)}))
        }
        PageEvent::Changed(Change::Deleted { chat_id: PAGE_USER, message_id }) => {
            Some(json!({"kind": "deleted", "message_id": message_id}))
        }
        PageEvent::Changed(Change::Pinned { chat_id: PAGE_USER, message_ids }) => {
            Some(json!({"kind": "pinned", "message_ids": message_ids}))
        }
        PageEvent::Changed(Change::Commands { .. }) => {
            let commands = menu(&state.world, PAGE_USER, PAGE_USER);
            Some(json!({"kind": "commands", "commands": commands}))
        }
        PageEvent::Action { chat_id: PAGE_USER, action } => {
            Some(json!({"kind": "action", "action": action}))
        }
        PageEvent::Answered { chat_id: PAGE_USER, answer } => {
            Some(json!({"kind": "answered", "answer": answer}))
        }
        PageEvent::Offered { user_id: PAGE_USER, answer } => {
            Some(json!({"kind": "offered", "answer": answer}))
        }
        _ => None,
    }
}

/// A message with what only people see of it.
fn message(message: &Message) -> Value {
    let mut shown = message.object();
    shown["keyboard"] = json!(message.keyboard);
    shown["silent"] = json!(message.silent);
    shown["reactions"] = json!(message.reactions);
    shown
}
