//! Edits on their way to the log, and the word "saved".
//!
//! Invariant: "saved" enters the outbox only in a transaction that knows both: the record is
//! durable at its place, and our own table reader has passed that place. Edits of one key are
//! placed and marked in the order they were made.

use sqlx::SqliteConnection;

use super::StoreError;
use super::outbox::{self, Target};
use crate::kernel::chat::Place;
use crate::kernel::effect::{Publish, Say};
use crate::kernel::record::Placed;
use crate::kernel::text::Text;

/// After this long an author is told that the edit is queued.
pub const QUEUED_AFTER_MS: i64 = 2_000;
/// Records taken to the log at once.
const BATCH: i64 = 200;

/// An edit that waits to be appended.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Pending {
    pub id: i64,
    pub topic: String,
    pub record_key: String,
    pub value: Option<String>,
}

/// Takes an edit in.
pub async fn add(
    db: &mut SqliteConnection,
    place: Place,
    publish: &Publish,
    now_ms: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into publication
            (topic, record_key, value, chat_id, thread_id, saved, queued, created_at, queued_at)
         values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(publish.topic)
    .bind(&publish.key)
    .bind(publish.value.as_ref().map(serde_json::Value::to_string))
    .bind(place.chat_id)
    .bind(place.thread_id)
    .bind(serde_json::to_string(&publish.saved)?)
    .bind(serde_json::to_string(&publish.queued)?)
    .bind(now_ms)
    .bind(now_ms + QUEUED_AFTER_MS)
    .execute(db)
    .await?;
    Ok(())
}

/// The edits that are not in the log yet, oldest first.
pub async fn pending(db: &mut SqliteConnection) -> Result<Vec<Pending>, StoreError> {
    Ok(sqlx::query_as(
        "select id, topic, record_key, value from publication
          where placed_offset is null order by id limit ?",
    )
    .bind(BATCH)
    .fetch_all(db)
    .await?)
}

/// The log has these edits. `reader` is the pipeline that reads the topic as a table.
pub async fn mark_placed(
    db: &mut SqliteConnection,
    placed: &[(i64, Placed)],
    now_ms: i64,
) -> Result<(), StoreError> {
    for (id, place) in placed {
        sqlx::query("update publication set placed_partition = ?, placed_offset = ? where id = ?")
            .bind(place.partition)
            .bind(place.offset)
            .bind(id)
            .execute(&mut *db)
            .await?;
    }
    say_saved(db, now_ms).await
}

/// Says "saved" for every placed edit that a table reader has passed. Called whenever one of the
/// two conditions may have become true, in the transaction that makes it so.
pub async fn say_saved(db: &mut SqliteConnection, now_ms: i64) -> Result<(), StoreError> {
    let visible: Vec<Visible> = sqlx::query_as(
        "select id, chat_id, thread_id, saved, queued_row from publication
          where placed_offset is not null and exists (
            select 1 from position
             where position.topic = publication.topic
               and position.partition = publication.placed_partition
               and position.next_offset > publication.placed_offset)
          order by id",
    )
    .fetch_all(&mut *db)
    .await?;
    for edit in visible {
        let place = Place { chat_id: edit.chat_id, thread_id: edit.thread_id };
        // Words of another version: the fact is still true.
        let saved = serde_json::from_str(&edit.saved);
        let saved: Text = saved.unwrap_or_else(|_| Text::of("Your edit has been saved."));
        let target = edit.queued_row.map_or(Target::New, Target::Row);
        outbox::tell(db, place, target, &Say::new(saved), now_ms).await?;
        sqlx::query("delete from publication where id = ?").bind(edit.id).execute(&mut *db).await?;
    }
    Ok(())
}

#[derive(sqlx::FromRow)]
struct Visible {
    id: i64,
    chat_id: i64,
    thread_id: Option<i32>,
    saved: String,
    queued_row: Option<i64>,
}

/// Tells the authors of edits that take longer than a moment that they are queued.
pub async fn say_queued(db: &mut SqliteConnection, now_ms: i64) -> Result<(), StoreError> {
    let slow: Vec<(i64, i64, Option<i32>, String)> = sqlx::query_as(
        "select id, chat_id, thread_id, queued from publication
          where queued_row is null and queued_at <= ? order by id",
    )
    .bind(now_ms)
    .fetch_all(&mut *db)
    .await?;
    for (id, chat_id, thread_id, queued) in slow {
        let queued: Result<Text, _> = serde_json::from_str(&queued);
        let say = Say::new(queued.unwrap_or_else(|_| Text::of("⏳ Your edit is queued.")));
        let place = Place { chat_id, thread_id };
        let row = outbox::tell(db, place, Target::New, &say, now_ms).await?;
        sqlx::query("update publication set queued_row = ? where id = ?")
            .bind(row)
            .bind(id)
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}

/// When the next "queued" is due.
pub async fn next_queued(db: &mut SqliteConnection) -> Result<Option<i64>, StoreError> {
    Ok(sqlx::query_scalar("select min(queued_at) from publication where queued_row is null")
        .fetch_one(db)
        .await?)
}
