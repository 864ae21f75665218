//! Edits on their way to the log, and the word "saved".
//!
//! Invariant: "saved" enters the outbox only in a transaction that knows both of every record of
//! the edit: it is durable at its place, and our own table reader has passed that place of the same
//! log. The same holds of the reaction that says so. Records are placed and marked in the order they
//! were made, whoever made them.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use sqlx::SqliteConnection;

use super::StoreError;
use super::outbox::{self, Target};
use crate::kernel::chat::Place;
use crate::kernel::effect::{Publish, Say};
use crate::kernel::record::Placed;
use crate::kernel::text::Text;

/// After this long an author is told that the edit is queued.
pub const QUEUED_AFTER_MS: i64 = 2_000;
/// What the confirming message shows while its edits are queued, and when all are saved (both are
/// among the emoji that bots may react with: Bot API, `ReactionTypeEmoji`).
const QUEUED: &str = "👀";
const SAVED: &str = "👍";
/// Records taken to the log at once.
const BATCH: i64 = 200;

/// A record that waits to be appended.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Pending {
    pub id: i64,
    pub edit_id: i64,
    pub topic: String,
    pub record_key: Vec<u8>,
    pub value: Option<String>,
}

/// Takes an edit in. The message by which its author confirmed it, if there is one, shows how far
/// it is.
pub async fn add(
    db: &mut SqliteConnection,
    place: Place,
    publish: &Publish,
    confirmed_by: Option<i32>,
    now_ms: i64,
) -> Result<(), StoreError> {
    let edit = sqlx::query(
        "insert into edit
            (chat_id, thread_id, confirmed_by, saved, queued, created_at, queued_at)
         values (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(place.chat_id)
    .bind(place.thread_id)
    .bind(confirmed_by)
    .bind(serde_json::to_string(&publish.saved)?)
    .bind(serde_json::to_string(&publish.queued)?)
    .bind(now_ms)
    .bind(now_ms + QUEUED_AFTER_MS)
    .execute(&mut *db)
    .await?;
    for record in &publish.records {
        sqlx::query(
            "insert into publication (edit_id, topic, record_key, value) values (?, ?, ?, ?)",
        )
        .bind(edit.last_insert_rowid())
        .bind(publish.topic)
        .bind(record.key.as_slice())
        .bind(record.value.as_ref().map(Value::to_string))
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}

/// The topics of records that are not in the log yet, the one that has waited longest first.
pub async fn pending_topics(db: &mut SqliteConnection) -> Result<Vec<String>, StoreError> {
    Ok(sqlx::query_scalar(
        "select topic from publication where placed_offset is null group by topic order by min(id)",
    )
    .fetch_all(db)
    .await?)
}

/// The records of a topic that are not in the log yet, oldest first.
pub async fn pending(db: &mut SqliteConnection, topic: &str) -> Result<Vec<Pending>, StoreError> {
    Ok(sqlx::query_as(
        "select id, edit_id, topic, record_key, value from publication
          where placed_offset is null and topic = ? order by id limit ?",
    )
    .bind(topic)
    .bind(BATCH)
    .fetch_all(db)
    .await?)
}

/// Keys of a topic with what an edit on its way makes of them, oldest edit first. Our own table
/// reader has not passed these records yet.
pub async fn on_the_way(
    db: &mut SqliteConnection,
    topic: &str,
) -> Result<Vec<(Vec<u8>, Option<Value>)>, StoreError> {
    let rows: Vec<(Vec<u8>, Option<String>)> =
        sqlx::query_as("select record_key, value from publication where topic = ? order by id")
            .bind(topic)
            .fetch_all(db)
            .await?;
    let parsed = rows.into_iter().map(|(key, value)| {
        let value = value.map(|text| serde_json::from_str(&text)).transpose()?;
        Ok((key, value))
    });
    parsed.collect()
}

/// Where a topic's table stands for whoever edits it. Two that are equal have seen the same rows,
/// and the same edits on their way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mark {
    newest_edit: Option<i64>,
    records_read: i64,
}

/// The marks of all topics that were read or edited, by default name.
pub async fn marks(db: &mut SqliteConnection) -> Result<BTreeMap<String, Mark>, StoreError> {
    let mut marks: BTreeMap<String, Mark> = BTreeMap::new();
    let newest: Vec<(String, i64)> =
        sqlx::query_as("select topic, max(id) from publication group by topic")
            .fetch_all(&mut *db)
            .await?;
    for (topic, id) in newest {
        marks.entry(topic).or_default().newest_edit = Some(id);
    }
    let read: Vec<(String, i64)> =
        sqlx::query_as("select topic, sum(next_offset) from position group by topic")
            .fetch_all(db)
            .await?;
    for (topic, records) in read {
        marks.entry(topic).or_default().records_read = records;
    }
    Ok(marks)
}

/// The log of this id has these records.
pub async fn mark_placed(
    db: &mut SqliteConnection,
    log_id: &str,
    placed: &[(i64, Placed)],
    now_ms: i64,
) -> Result<(), StoreError> {
    for (id, place) in placed {
        sqlx::query(
            "update publication set placed_log = ?, placed_partition = ?, placed_offset = ?
              where id = ?",
        )
        .bind(log_id)
        .bind(place.partition)
        .bind(place.offset)
        .bind(id)
        .execute(&mut *db)
        .await?;
    }
    say_saved(db, now_ms).await
}

/// Records of a topic that its reader has not met go out again: newer edits follow them. The log in
/// which they were placed is left, or read anew.
pub async fn place_anew(db: &mut SqliteConnection, topic: &str) -> Result<(), StoreError> {
    sqlx::query(
        "update publication set placed_log = null, placed_partition = null, placed_offset = null
          where topic = ?",
    )
    .bind(topic)
    .execute(db)
    .await?;
    Ok(())
}

/// Says "saved" for every edit whose records are all placed and passed by a table reader. Called
/// whenever one of the two may have become true, in the transaction that makes it so.
pub async fn say_saved(db: &mut SqliteConnection, now_ms: i64) -> Result<(), StoreError> {
    let visible: Vec<Author> = sqlx::query_as(
        "select id, chat_id, thread_id, confirmed_by, saved as words, queued_row, created_at
           from edit
          where not exists (
            select 1 from publication as record
             where record.edit_id = edit.id
               and (record.placed_offset is null or not exists (
                select 1 from position
                 where position.topic = record.topic
                   and position.log_id = record.placed_log
                   and position.partition = record.placed_partition
                   and position.next_offset > record.placed_offset)))
          order by id",
    )
    .fetch_all(&mut *db)
    .await?;
    for edit in visible {
        // Words of another version: the fact is still true.
        let saved = serde_json::from_str(&edit.words);
        let saved: Text = saved.unwrap_or_else(|_| Text::of("Your edit has been saved."));
        edit.settle(db, saved, now_ms).await?;
        edit.show_saved(db, now_ms).await?;
    }
    Ok(())
}

/// An edit and whom to tell about it.
#[derive(sqlx::FromRow)]
struct Author {
    id: i64,
    chat_id: i64,
    thread_id: Option<i32>,
    confirmed_by: Option<i32>,
    words: String,
    queued_row: Option<i64>,
    created_at: i64,
}

impl Author {
    fn place(&self) -> Place {
        Place { chat_id: self.chat_id, thread_id: self.thread_id }
    }

    /// Shows at the confirming message that it is saved, once every edit that it confirmed is.
    async fn show_saved(&self, db: &mut SqliteConnection, now_ms: i64) -> Result<(), StoreError> {
        let Some(message_id) = self.confirmed_by else { return Ok(()) };
        let others: i64 =
            sqlx::query_scalar("select count(*) from edit where chat_id = ? and confirmed_by = ?")
                .bind(self.chat_id)
                .bind(message_id)
                .fetch_one(&mut *db)
                .await?;
        match others {
            0 => outbox::react(db, self.place(), message_id, Some(SAVED), now_ms).await,
            _ => Ok(()),
        }
    }

    /// The confirming message shows nothing any more, whatever becomes of what else it confirmed.
    async fn show_nothing(&self, db: &mut SqliteConnection, now_ms: i64) -> Result<(), StoreError> {
        let Some(message_id) = self.confirmed_by else { return Ok(()) };
        let queued: Vec<bool> = sqlx::query_scalar(
            "update edit set confirmed_by = null where chat_id = ? and confirmed_by = ?
             returning queued_row is not null",
        )
        .bind(self.chat_id)
        .bind(message_id)
        .fetch_all(&mut *db)
        .await?;
        match queued.contains(&true) {
            true => outbox::react(db, self.place(), message_id, None, now_ms).await,
            false => Ok(()),
        }
    }

    /// Tells how it ended, in the place of "queued" where that was said; the edit is over.
    async fn settle(
        &self,
        db: &mut SqliteConnection,
        words: Text,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        let target = self.queued_row.map_or(Target::New, Target::Row);
        outbox::tell(db, self.place(), target, &Say::new(words), now_ms).await?;
        sqlx::query("delete from publication where edit_id = ?")
            .bind(self.id)
            .execute(&mut *db)
            .await?;
        sqlx::query("delete from edit where id = ?").bind(self.id).execute(db).await?;
        Ok(())
    }
}

/// An edit can never enter the log: it is kept apart with the reason, and its author told.
pub async fn fail(
    db: &mut SqliteConnection,
    edit_id: i64,
    reason: &str,
    now_ms: i64,
) -> Result<(), StoreError> {
    let author: Option<Author> = sqlx::query_as(
        "select id, chat_id, thread_id, confirmed_by, '' as words, queued_row, created_at from edit
          where id = ?",
    )
    .bind(edit_id)
    .fetch_optional(&mut *db)
    .await?;
    let Some(author) = author else { return Ok(()) };
    let records: Vec<(String, Vec<u8>, Option<String>)> = sqlx::query_as(
        "select topic, record_key, value from publication where edit_id = ? order by id",
    )
    .bind(edit_id)
    .fetch_all(&mut *db)
    .await?;
    let kept: Vec<Value> = records
        .iter()
        .map(|(topic, key, value)| match std::str::from_utf8(key) {
            Ok(key) => json!({ "topic": topic, "key": key, "value": value }),
            Err(_) => {
                json!({ "topic": topic, "key_base64": BASE64.encode(key), "value": value })
            }
        })
        .collect();
    sqlx::query(
        "insert into failed_edit
            (id, chat_id, thread_id, records, reason, created_at, failed_at)
         values (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(edit_id)
    .bind(author.chat_id)
    .bind(author.thread_id)
    .bind(Value::from(kept).to_string())
    .bind(reason)
    .bind(author.created_at)
    .bind(now_ms)
    .execute(&mut *db)
    .await?;
    let words = Text::of("❌ Your edit could not be saved: ").data(reason).plain(
        ".\nThat can happen when I was updated meanwhile. I have set it aside; please enter it \
         again.",
    );
    author.show_nothing(db, now_ms).await?;
    author.settle(db, words, now_ms).await
}

/// Forgets what failed before `before_ms`.
pub async fn forget_failed(db: &mut SqliteConnection, before_ms: i64) -> Result<(), StoreError> {
    sqlx::query("delete from failed_edit where failed_at < ?").bind(before_ms).execute(db).await?;
    Ok(())
}

/// Tells the authors of edits that take longer than a moment that they are queued.
pub async fn say_queued(db: &mut SqliteConnection, now_ms: i64) -> Result<(), StoreError> {
    let slow: Vec<Author> = sqlx::query_as(
        "select id, chat_id, thread_id, confirmed_by, queued as words, queued_row, created_at
           from edit
          where queued_row is null and queued_at <= ? order by id",
    )
    .bind(now_ms)
    .fetch_all(&mut *db)
    .await?;
    for edit in slow {
        let queued: Result<Text, _> = serde_json::from_str(&edit.words);
        let say = Say::new(queued.unwrap_or_else(|_| Text::of("⏳ Your edit is queued.")));
        let row = outbox::tell(db, edit.place(), Target::New, &say, now_ms).await?;
        sqlx::query("update edit set queued_row = ? where id = ?")
            .bind(row)
            .bind(edit.id)
            .execute(&mut *db)
            .await?;
        if let Some(message_id) = edit.confirmed_by {
            outbox::react(db, edit.place(), message_id, Some(QUEUED), now_ms).await?;
        }
    }
    Ok(())
}

/// Nobody waits beyond this time for the word "queued".
pub async fn wait_at_most(db: &mut SqliteConnection, until_ms: i64) -> Result<(), StoreError> {
    sqlx::query("update edit set queued_at = ? where queued_at > ?")
        .bind(until_ms)
        .bind(until_ms)
        .execute(db)
        .await?;
    Ok(())
}

/// When the next "queued" is due.
pub async fn next_queued(db: &mut SqliteConnection) -> Result<Option<i64>, StoreError> {
    Ok(sqlx::query_scalar("select min(queued_at) from edit where queued_row is null")
        .fetch_one(db)
        .await?)
}

#[cfg(test)]
mod tests;
