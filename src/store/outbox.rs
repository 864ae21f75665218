//! What is to be sent to Telegram: rows in order for each chat, each sent once its turn comes.
//!
//! Invariant: a row leaves `waiting` only when Telegram took it, or when its `note` says why not.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use sqlx::SqliteConnection;

use super::regular::board;
use super::{StoreError, cards};
use crate::kernel::alert::Alert;
use crate::kernel::card::Episode;
use crate::kernel::chat::{Keyboard, Place};
use crate::kernel::effect::{File, Part, Say};
use crate::kernel::picture::Picture;
use crate::kernel::text::{MESSAGE_LIMIT_UTF16, Text};
use crate::kernel::time::{HOUR_MS, Now};

mod change;
mod lane;

pub use change::{
    RowState, defer, defer_no_more, digest_of, drop_alerts, drop_card_edits, drop_chat,
    drop_waiting, leave_thread, make_new, next_deferred, overtake_edits, rewrite, state_of,
};
pub use lane::{ANSWER_INLINE, Lane, Line, answer_inline, react};

/// An answer that could not be sent for this long is not sent any more: what it looked up has
/// changed, and the conversation that it belongs to has ended.
const REPLY_MS: i64 = 6 * HOUR_MS;

/// What kind of row it is: it decides what may happen to a late one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Never given up.
    Alert,
    Reply,
    /// What shows in passing: the answer to a tap or to an inline query, a reaction. Worthless
    /// after a while.
    Tap,
    /// What belongs to a chat and is no message: command menus, pins.
    Menu,
}

impl Class {
    fn name(self) -> &'static str {
        match self {
            Class::Alert => "alert",
            Class::Reply => "reply",
            Class::Tap => "tap",
            Class::Menu => "menu",
        }
    }

    fn parse(name: &str) -> Result<Class, StoreError> {
        match name {
            "alert" => Ok(Class::Alert),
            "reply" => Ok(Class::Reply),
            "tap" => Ok(Class::Tap),
            "menu" => Ok(Class::Menu),
            other => Err(StoreError::Unexpected(format!("an outbox class {other:?}"))),
        }
    }
}

/// Which message a row changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// None: it is a new one.
    New,
    /// A message of ours by its id in the chat.
    Message(i32),
    /// The message that another row of the outbox became.
    Row(i64),
}

/// A message's content as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Body {
    pub text: Text,
    pub keyboard: Keyboard,
    pub silent: bool,
    /// The message that it replies to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<i32>,
    /// Whoever it replies to is made to answer it; this stands in their input field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force_reply: Option<String>,
    /// Drawn when it is delivered, with the text below it. One that another version described and
    /// that this one cannot read is left out: the text says it all.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "picture_if_readable"
    )]
    pub picture: Option<Picture>,
    /// Goes with it as a document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<File>,
    /// An alert in one line, for a digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brief: Option<Brief>,
    /// What a digest holds, so that a later one can take it in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

impl Body {
    /// A message that is nothing but its text.
    pub fn plain(text: Text) -> Body {
        let keyboard = Keyboard::new();
        Body {
            text,
            keyboard,
            silent: false,
            reply_to: None,
            force_reply: None,
            picture: None,
            file: None,
            brief: None,
            digest: None,
        }
    }
}

fn picture_if_readable<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Picture>, D::Error> {
    let stored = Value::deserialize(from)?;
    Ok(serde_json::from_value(stored).ok())
}

/// What a digest says of an alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Brief {
    /// The alert that lasts, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<Episode>,
    pub line: Text,
    /// Urgent ones come first.
    pub urgent: bool,
}

/// Alerts that became one message.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Digest {
    /// Urgent ones first.
    pub named: Vec<Brief>,
    /// How many more there are.
    pub unnamed: usize,
}

/// A plain call of a Bot API method.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    pub method: String,
    pub params: Value,
}

/// What a row sends.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    Say(Body),
    Edit(Target, Body),
    Call(Call),
}

/// A waiting row.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub id: i64,
    pub place: Place,
    pub class: Class,
    pub action: Action,
    pub attempts: i64,
    pub created_at: i64,
    pub expires_at: Option<i64>,
    /// Somebody waits for something in this lane of the chat: this row, or one behind it.
    pub somebody_waits: bool,
}

/// Puts a message into the outbox, in as many parts as it needs; the buttons go with the last.
/// A reply is worthless after a while. Gives the id of the last row.
pub async fn say(
    db: &mut SqliteConnection,
    place: Place,
    class: Class,
    target: Target,
    message: &Say,
    now_ms: i64,
) -> Result<i64, StoreError> {
    let expires_at = (class == Class::Reply).then_some(now_ms + REPLY_MS);
    let post = Post { place, class, target, expires_at, among_others: None };
    put(db, post, message, now_ms).await
}

/// The same as an answer to one person among others: it replies to their message, if there is
/// one, and a question is theirs to answer.
pub async fn answer(
    db: &mut SqliteConnection,
    place: Place,
    message: &Say,
    reply_to: Option<i32>,
    now_ms: i64,
) -> Result<i64, StoreError> {
    let (class, target, expires_at) = (Class::Reply, Target::New, Some(now_ms + REPLY_MS));
    let post = Post { place, class, target, expires_at, among_others: Some(reply_to) };
    put(db, post, message, now_ms).await
}

/// Puts a message into the outbox that is worth its words however late it comes: what became of
/// an edit, and what nobody asked for but should know.
pub async fn tell(
    db: &mut SqliteConnection,
    place: Place,
    target: Target,
    message: &Say,
    now_ms: i64,
) -> Result<i64, StoreError> {
    let class = Class::Reply;
    let post = Post { place, class, target, expires_at: None, among_others: None };
    put(db, post, message, now_ms).await
}

/// The same where a later message says it better: from `expires_at` on it is not sent.
pub async fn tell_until(
    db: &mut SqliteConnection,
    place: Place,
    target: Target,
    message: &Say,
    (expires_at, now_ms): (i64, i64),
) -> Result<i64, StoreError> {
    let (class, expires_at) = (Class::Reply, Some(expires_at));
    let post = Post { place, class, target, expires_at, among_others: None };
    put(db, post, message, now_ms).await
}

/// Where a message goes, and as what.
struct Post {
    place: Place,
    class: Class,
    target: Target,
    expires_at: Option<i64>,
    /// It answers one person among others, by this message of theirs if they wrote one.
    among_others: Option<Option<i32>>,
}

async fn put(
    db: &mut SqliteConnection,
    post: Post,
    message: &Say,
    now_ms: i64,
) -> Result<i64, StoreError> {
    let Post { place, class, target, expires_at, among_others } = post;
    let parts = message.parts(target == Target::New);
    let last = parts.len() - 1;
    let mut row_id = 0;
    for (index, Part { text, picture, file }) in parts.into_iter().enumerate() {
        let is_forced = among_others.is_some() && index == last;
        let force_reply = message.placeholder.clone().filter(|_| is_forced);
        // A message has room for one: buttons, or the question that has to be answered.
        let has_buttons = index == last && force_reply.is_none();
        let keyboard = if has_buttons { message.keyboard.clone() } else { Keyboard::new() };
        let (silent, reply_to) = (message.silent, among_others.flatten());
        let plain = Body::plain(text);
        let body = Body { keyboard, silent, reply_to, force_reply, picture, file, ..plain };
        let action = match target {
            // Only the first part can take the place of an earlier message.
            Target::Message(_) | Target::Row(_) if index == 0 => Action::Edit(target, body),
            _ => Action::Say(body),
        };
        row_id = insert(db, place, class, &action, now_ms, expires_at).await?;
    }
    Ok(row_id)
}

/// Puts an alert into the outbox.
pub async fn alert(
    db: &mut SqliteConnection,
    place: Place,
    alert: &Alert,
    now_ms: i64,
) -> Result<(), StoreError> {
    let brief = Brief { of: None, line: alert.brief.clone(), urgent: alert.urgent };
    let mut parts = alert.text.split(MESSAGE_LIMIT_UTF16).into_iter().peekable();
    while let Some(text) = parts.next() {
        let mut body =
            Body { brief: Some(brief.clone()), silent: alert.silent, ..Body::plain(text) };
        if parts.peek().is_none() {
            body.keyboard.clone_from(&alert.keyboard);
        }
        insert(db, place, Class::Alert, &Action::Say(body), now_ms, None).await?;
    }
    Ok(())
}

/// Puts a plain call into the outbox.
pub async fn call(
    db: &mut SqliteConnection,
    place: Place,
    class: Class,
    call: Call,
    now_ms: i64,
    expires_at: Option<i64>,
) -> Result<i64, StoreError> {
    insert(db, place, class, &Action::Call(call), now_ms, expires_at).await
}

pub(super) async fn insert(
    db: &mut SqliteConnection,
    place: Place,
    class: Class,
    action: &Action,
    now_ms: i64,
    expires_at: Option<i64>,
) -> Result<i64, StoreError> {
    let (name, body, message, row) = match action {
        Action::Say(body) => ("say", serde_json::to_string(body)?, None, None),
        Action::Edit(Target::Message(id), body) => {
            ("edit", serde_json::to_string(body)?, Some(*id), None)
        }
        Action::Edit(Target::Row(id), body) => {
            ("edit", serde_json::to_string(body)?, None, Some(*id))
        }
        Action::Edit(Target::New, body) => ("say", serde_json::to_string(body)?, None, None),
        Action::Call(call) => ("call", serde_json::to_string(call)?, None, None),
    };
    let result = sqlx::query(
        "insert into outbox
            (chat_id, thread_id, lane, class, action, body, edits_message, edits_row, created_at,
             expires_at)
         values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(place.chat_id)
    .bind(place.thread_id)
    .bind(Lane::of(action).name())
    .bind(class.name())
    .bind(name)
    .bind(body)
    .bind(message)
    .bind(row)
    .bind(now_ms)
    .bind(expires_at)
    .execute(db)
    .await?;
    Ok(result.last_insert_rowid())
}

/// The first waiting row of every lane of every chat.
#[derive(Debug, Default)]
pub struct Heads {
    /// Each lane's row that may be sent next.
    pub rows: Vec<Row>,
    /// Rows that another version of us wrote and that cannot be read.
    pub unreadable: Vec<i64>,
}

/// Those of chats whose turn has come by the house's clock. What changes a row that still waits waits with it.
pub async fn heads(db: &mut SqliteConnection, now_ms: i64) -> Result<Heads, StoreError> {
    let rows: Vec<RawRow> = sqlx::query_as(
        "select id, chat_id, thread_id, class, action, body, edits_message, edits_row, attempts,
                created_at, expires_at, lane <> 'reactions' and exists (
                    select 1 from outbox as later
                     where later.chat_id = outbox.chat_id and later.lane = outbox.lane
                       and later.state = 'waiting'
                       and later.class in ('reply', 'tap')) as somebody_waits
           from outbox
          where id in (
            select min(id) from outbox
             where state = 'waiting' and deferred_until <= ?
               and not exists (select 1 from outbox as changed
                                where changed.id = outbox.edits_row
                                  and changed.state = 'waiting')
             group by chat_id, lane)
          order by id",
    )
    .bind(now_ms)
    .fetch_all(db)
    .await?;
    let mut heads = Heads::default();
    for row in rows {
        let row_id = row.id;
        match row.parse() {
            Ok(row) => heads.rows.push(row),
            Err(_) => heads.unreadable.push(row_id),
        }
    }
    Ok(heads)
}

#[derive(sqlx::FromRow)]
struct RawRow {
    id: i64,
    chat_id: i64,
    thread_id: Option<i32>,
    class: String,
    action: String,
    body: String,
    edits_message: Option<i32>,
    edits_row: Option<i64>,
    attempts: i64,
    created_at: i64,
    expires_at: Option<i64>,
    somebody_waits: bool,
}

impl RawRow {
    fn parse(self) -> Result<Row, StoreError> {
        let target = match (self.edits_message, self.edits_row) {
            (Some(message_id), _) => Target::Message(message_id),
            (None, Some(row_id)) => Target::Row(row_id),
            (None, None) => Target::New,
        };
        let action = match self.action.as_str() {
            "say" => Action::Say(serde_json::from_str(&self.body)?),
            "edit" => Action::Edit(target, serde_json::from_str(&self.body)?),
            "call" => Action::Call(serde_json::from_str(&self.body)?),
            other => return Err(StoreError::Unexpected(format!("an outbox action {other:?}"))),
        };
        Ok(Row {
            id: self.id,
            place: Place { chat_id: self.chat_id, thread_id: self.thread_id },
            class: Class::parse(&self.class)?,
            action,
            attempts: self.attempts,
            created_at: self.created_at,
            expires_at: self.expires_at,
            somebody_waits: self.somebody_waits,
        })
    }
}

/// Telegram took the row; a new message has an id. An answer to an inline query is large, and of no
/// use any more.
pub async fn mark_sent(
    db: &mut SqliteConnection,
    row_id: i64,
    message_id: Option<i32>,
    now: Now,
) -> Result<(), StoreError> {
    sqlx::query(
        "update outbox set state = 'sent', message_id = ?, settled_at = ?, attempts = attempts + 1,
                body = iif(lane = 'inline', '', body)
          where id = ?",
    )
    .bind(message_id)
    .bind(now.machine_ms)
    .bind(row_id)
    .execute(&mut *db)
    .await?;
    // Cards and boards outlive the row that they began as.
    if let Some(message_id) = message_id {
        cards::sent(db, row_id, message_id, now).await?;
        board::sent(db, row_id, message_id, now).await?;
    }
    Ok(())
}

/// Rows will not be sent: with a note that says why, and since when. An answer to an inline query is
/// not kept, as where it was sent.
const DROP: &str = "update outbox set state = 'dropped', note = ?, settled_at = ?,
    body = iif(lane = 'inline', '', body)";

/// The row will not be sent; the note says why.
pub async fn drop_row(
    db: &mut SqliteConnection,
    row_id: i64,
    note: &str,
    now_ms: i64,
) -> Result<(), StoreError> {
    sqlx::query(&format!("{DROP} where id = ?"))
        .bind(note)
        .bind(now_ms)
        .bind(row_id)
        .execute(db)
        .await?;
    Ok(())
}

/// The row waits for another attempt.
pub async fn try_again(
    db: &mut SqliteConnection,
    row_id: i64,
    note: &str,
) -> Result<(), StoreError> {
    sqlx::query("update outbox set attempts = attempts + 1, note = ? where id = ?")
        .bind(note)
        .bind(row_id)
        .execute(db)
        .await?;
    Ok(())
}

/// Since when the oldest alert waits for this chat.
pub async fn oldest_alert(
    db: &mut SqliteConnection,
    chat_id: i64,
) -> Result<Option<i64>, StoreError> {
    Ok(sqlx::query_scalar(
        "select min(created_at) from outbox
          where chat_id = ? and state = 'waiting' and class = 'alert' and action = 'say'",
    )
    .bind(chat_id)
    .fetch_one(db)
    .await?)
}

/// The message that a row became, if it has been sent to this chat. A group that became a
/// supergroup counts its messages anew.
pub async fn message_of(
    db: &mut SqliteConnection,
    chat_id: i64,
    row_id: i64,
) -> Result<Option<i32>, StoreError> {
    let message: Option<Option<i32>> = sqlx::query_scalar(
        "select message_id from outbox where id = ? and chat_id = ? and state = 'sent'",
    )
    .bind(row_id)
    .bind(chat_id)
    .fetch_optional(db)
    .await?;
    Ok(message.flatten())
}

/// How many rows wait, and since when the oldest does.
pub async fn depth(db: &mut SqliteConnection) -> Result<(i64, Option<i64>), StoreError> {
    Ok(sqlx::query_as("select count(*), min(created_at) from outbox where state = 'waiting'")
        .fetch_one(db)
        .await?)
}

/// How many rows of a class wait, and since when the oldest does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassDepth {
    pub class: &'static str,
    pub waiting: i64,
    pub oldest_at: Option<i64>,
}

/// The depth of each class, those of which nothing waits too.
pub async fn depth_by_class(db: &mut SqliteConnection) -> Result<Vec<ClassDepth>, StoreError> {
    let mut depths = Vec::new();
    for class in [Class::Alert, Class::Reply, Class::Tap, Class::Menu] {
        let (waiting, oldest_at) = sqlx::query_as(
            "select count(*), min(created_at) from outbox where state = 'waiting' and class = ?",
        )
        .bind(class.name())
        .fetch_one(&mut *db)
        .await?;
        depths.push(ClassDepth { class: class.name(), waiting, oldest_at });
    }
    Ok(depths)
}

/// Forgets rows that were settled before `before_ms`, but for those that show a card.
pub async fn forget(db: &mut SqliteConnection, before_ms: i64) -> Result<(), StoreError> {
    let shows = "select 1 from card_message where outbox_row = outbox.id";
    let sql = format!(
        "delete from outbox where state <> 'waiting' and settled_at < ? and not exists ({shows})"
    );
    sqlx::query(&sql).bind(before_ms).execute(db).await?;
    Ok(())
}

#[cfg(test)]
mod tests;
